/* The cosine, by libm. */
#include "tensor/pointwise.h"

TF_POINTWISE(cos, 1, cos(a), (float)cos((double)a))
