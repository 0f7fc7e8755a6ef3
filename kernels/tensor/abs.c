/* |a|. */
#include "tensor/pointwise.h"

TF_POINTWISE(abs, 1, fabs(a), fabsf(a))
