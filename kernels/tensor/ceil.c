/* The least whole number not below a. */
#include "tensor/pointwise.h"

TF_POINTWISE(ceil, 1, ceil(a), ceilf(a))
