/* a - b. */
#include "tensor/pointwise.h"

TF_POINTWISE(sub, 2, a - b, a - b)
