/* a * b. */
#include "tensor/pointwise.h"

TF_POINTWISE(mul, 2, a *b, a *b)
