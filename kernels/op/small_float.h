/* Floats of 16 bits, to and from float: bfloat16 (8 bits of exponent, 8 of precision) and IEEE 754's half (5 and
 * 11; greatest 65504, smallest normal 2^-14, denormals down to 2^-24). Rounding is to nearest, ties to even; NaN stays NaN. The
 * bits are those of vcvtneps2bf16, vcvtps2ph and vcvtph2ps, but for denormals, which vcvtneps2bf16 takes for 0. */
#ifndef TF_KERNELS_SMALL_FLOAT_H
#define TF_KERNELS_SMALL_FLOAT_H

#include <math.h>
#include <string.h>

#include "tf/base.h"

#define TF_FP16_MAX 65504.0f

TF_INLINE uint32_t tf_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

TF_INLINE float tf_float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

TF_INLINE uint16_t tf_bf16_of(float x) {
  uint32_t bits = tf_float_bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40); /* a quiet NaN */
  return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

TF_INLINE float tf_bf16_value(uint16_t bf16) { return tf_float_of_bits((uint32_t)bf16 << 16); }

TF_INLINE uint16_t tf_fp16_of(float x) {
  uint32_t bits = tf_float_bits(x), sign = bits >> 16 & 0x8000u, above = bits & 0x7fffffffu;
  if (above > 0x7f800000u) return (uint16_t)(sign | 0x7e00u);
  if (above >= 0x477ff000u) return (uint16_t)(sign | 0x7c00u); /* 65520 and more: infinity */
  if (above < 0x38800000u) /* below 2^-14: a count of 2^-24, which may come to 2^-14 */
    return (uint16_t)(sign | (uint32_t)lrintf(tf_float_of_bits(above) * 0x1p24f));
  above += 0xfffu + (above >> 13 & 1);
  return (uint16_t)(sign | (above - 0x38000000u) >> 13);
}

TF_INLINE float tf_fp16_value(uint16_t fp16) {
  uint32_t sign = (uint32_t)(fp16 & 0x8000u) << 16, above = fp16 & 0x7fffu;
  if (above < 0x400u) return tf_float_of_bits(sign | tf_float_bits((float)above * 0x1p-24f));
  if (above >= 0x7c00u) return tf_float_of_bits(sign | 0x7f800000u | (above & 0x3ffu) << 13);
  return tf_float_of_bits(sign | ((above << 13) + 0x38000000u));
}

#endif
