/* b where a is not 0, else c. */
#include "tensor/pointwise.h"

TF_POINTWISE(where, 3, a != 0.0 ? b : c, a != 0.0f ? b : c)
