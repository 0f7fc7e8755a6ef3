/* a to the power b, by libm; small whole powers and the square root without it. */
#include "tensor/pointwise.h"

static inline float power(float a, float b) {
  if (b == 2.0f) return a * a;
  if (b == 3.0f) return a * a * a;
  if (b == 0.5f) return sqrtf(a);
  return (float)pow((double)a, (double)b);
}

TF_POINTWISE(pow, 2, pow(a, b), power(a, b))
