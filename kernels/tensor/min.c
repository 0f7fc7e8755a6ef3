/* The lesser; NaN where either is. */
#include "tensor/pointwise.h"

TF_POINTWISE(min, 2, a < b || a != a ? a : b, a < b || a != a ? a : b)
