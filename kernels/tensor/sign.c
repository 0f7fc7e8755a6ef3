/* 1, 0 or -1; NaN stays. */
#include "tensor/pointwise.h"

TF_POINTWISE(sign, 1, (a > 0.0) - (a < 0.0) + 0.0 * a, (float)((a > 0.0f) - (a < 0.0f)) + 0.0f * a)
