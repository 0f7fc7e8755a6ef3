/* The square root; NaN below 0. */
#include "tensor/pointwise.h"

TF_POINTWISE(sqrt, 1, sqrt(a), sqrtf(a))
