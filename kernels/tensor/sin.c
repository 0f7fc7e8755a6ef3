/* The sine, by libm. */
#include "tensor/pointwise.h"

TF_POINTWISE(sin, 1, sin(a), (float)sin((double)a))
