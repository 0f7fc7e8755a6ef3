/* The product. */
#include "tensor/reduce.h"

TF_REDUCE(reduce_prod, 1.0, sum *x, sum)
