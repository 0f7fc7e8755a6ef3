/* The least; NaN where one is. */
#include "tensor/reduce.h"

TF_REDUCE(reduce_min, (double)INFINITY, sum != sum || sum < x ? sum : x, sum)
