/* 1 where a <= b, else 0. */
#include "tensor/pointwise.h"

TF_POINTWISE(less_equal, 2, a <= b ? 1.0 : 0.0, a <= b ? 1.0f : 0.0f)
