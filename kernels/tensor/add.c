/* a + b. */
#include "tensor/pointwise.h"

TF_POINTWISE(add, 2, a + b, a + b)
