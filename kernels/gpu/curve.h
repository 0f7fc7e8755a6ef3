/* Exponential, tanh and sigmoid in float, the same on the card and the CPU, by additions, multiplications and divisions alone:
 * the scalar forms of op/lanes_math.h, bit for bit (tests/kernels/gpu/test_curve.c), with its bounds. Not to be contracted: nvcc's
 * -fmad=false. */
#ifndef TF_GPU_CURVE_H
#define TF_GPU_CURVE_H

#include "op/small_float.h"

#define TF_CURVE_EXP_ARG_MAX 87.0f

/* e^x, x held within +-TF_CURVE_EXP_ARG_MAX: no result is denormal or infinite. NaN stays NaN. */
TF_INLINE float tf_curve_exp(float x) {
  if (x > TF_CURVE_EXP_ARG_MAX) x = TF_CURVE_EXP_ARG_MAX;
  if (x < -TF_CURVE_EXP_ARG_MAX) x = -TF_CURVE_EXP_ARG_MAX;
  float n = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to an integer, in n's low bits */
  float whole = n - 12582912.0f;
  float r     = x - whole * 0.693359375f;
  r           = r - whole * -2.12194440e-4f;
  float p     = 1.3814497e-3f;
  p           = p * r + 8.3687829e-3f;
  p           = p * r + 4.1668385e-2f;
  p           = p * r + 1.6666520e-1f;
  p           = p * r + 4.9999993e-1f;
  p           = (r * r * p + r) + 1.0f;
  return x == x ? tf_float_of_bits(tf_float_bits(p) + (tf_float_bits(n) << 23)) : x;
}

TF_INLINE float tf_curve_sigmoid(float x) {
  float t = tf_curve_exp(x < 0.0f ? x : -x);
  float r = 1.0f / (1.0f + t);
  return x < 0.0f ? t * r : r;
}

TF_INLINE float tf_curve_tanh(float x) {
  float mag = x < 0.0f ? -x : x;
  if (mag < 0.625f) {
    float z = x * x, p = -5.7049900e-3f;
    p = p * z + 2.0639092e-2f;
    p = p * z + -5.3739706e-2f;
    p = p * z + 1.3331442e-1f;
    p = p * z + -3.3333282e-1f;
    return x + x * z * p;
  }
  float large = 1.0f - 2.0f / (tf_curve_exp(mag + mag) + 1.0f);
  return x < 0.0f ? -large : large;
}

#endif
