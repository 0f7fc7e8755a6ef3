/* The natural logarithm, by libm. */
#include "tensor/pointwise.h"

TF_POINTWISE(log, 1, log(a), (float)log((double)a))
