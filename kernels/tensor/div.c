/* a / b. */
#include "tensor/pointwise.h"

TF_POINTWISE(div, 2, a / b, a / b)
