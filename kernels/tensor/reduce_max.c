/* The greatest; NaN where one is. */
#include "tensor/reduce.h"

TF_REDUCE(reduce_max, -(double)INFINITY, sum != sum || sum > x ? sum : x, sum)
