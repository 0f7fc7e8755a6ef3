/* The sum. */
#include "tensor/reduce.h"

TF_REDUCE(reduce_sum, 0.0, sum + x, sum)
