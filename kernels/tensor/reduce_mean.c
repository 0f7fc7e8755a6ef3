/* The mean. */
#include "tensor/reduce.h"

TF_REDUCE(reduce_mean, 0.0, sum + x, sum / cnt)
