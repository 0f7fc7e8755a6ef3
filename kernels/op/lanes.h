/* The vocabulary that run functions are written in: a vector of floats of the instruction set's
 * own width, and the operations that mean the same on each (see op.h, "the same bits
 * everywhere"). Names end in the instruction set: tf_lanes_add_avx2. An op is written once as an
 * expression and TF_LANES_MAP makes a run function of it for each instruction set.
 *
 * min(a, b) and max(a, b) answer b when either is NaN, as MINPS does: with the value as b, NaN goes
 * through. greatest is of all lanes, none of them NaN, or all. loadu and storeu take any address; lookup takes the entry that the low 5 bits of n's
 * representation name. */
#ifndef TF_KERNELS_OP_LANES_H
#define TF_KERNELS_OP_LANES_H

#include <math.h>
#include <string.h>

#include "op/op.h"
#include "op/tanh_table.h"

#define TF_LANES_PASTE_(a, b) a##b
#define TF_LANES_PASTE(a, b)  TF_LANES_PASTE_(a, b)

/* scalar: one lane */
#define TF_LANES_TARGET_scalar
#define TF_LANES_WIDTH_scalar 1u
typedef float tf_lanes_scalar_t;

TF_INLINE float tf_lanes_load_scalar(const float *p) { return *p; }
TF_INLINE float tf_lanes_loadu_scalar(const float *p) { return *p; }
TF_INLINE void  tf_lanes_store_scalar(float *p, float x) { *p = x; }
TF_INLINE void  tf_lanes_storeu_scalar(float *p, float x) { *p = x; }
TF_INLINE float tf_lanes_set_scalar(float x) { return x; }
TF_INLINE float tf_lanes_add_scalar(float a, float b) { return a + b; }
TF_INLINE float tf_lanes_sub_scalar(float a, float b) { return a - b; }
TF_INLINE float tf_lanes_mul_scalar(float a, float b) { return a * b; }
TF_INLINE float tf_lanes_div_scalar(float a, float b) { return a / b; }
TF_INLINE float tf_lanes_min_scalar(float a, float b) { return a < b ? a : b; }
TF_INLINE float tf_lanes_max_scalar(float a, float b) { return a > b ? a : b; }
TF_INLINE float tf_lanes_greatest_scalar(float x) { return x; }
TF_INLINE float tf_lanes_abs_scalar(float x) { return __builtin_fabsf(x); }
/* |a| with the sign of b; a is not negative */
TF_INLINE float tf_lanes_sign_scalar(float a, float b) { return __builtin_copysignf(a, b); }
/* a < b ? x : y */
TF_INLINE float tf_lanes_select_scalar(float a, float b, float x, float y) { return a < b ? x : y; }
/* x * 2^n, where n holds the bits of a float 1.5*2^23 + n: n is added to the exponent. x and the
 * result are normal. */
TF_INLINE float tf_lanes_scale_scalar(float x, float n) {
  uint32_t x_bits, n_bits;
  memcpy(&x_bits, &x, sizeof x_bits);
  memcpy(&n_bits, &n, sizeof n_bits);
  x_bits += n_bits << 23;
  memcpy(&x, &x_bits, sizeof x);
  return x;
}

TF_INLINE float tf_lanes_lookup_scalar(const float table[TF_TANH_SEGMENTS], float n) {
  uint32_t bits;
  memcpy(&bits, &n, sizeof bits);
  return table[bits % TF_TANH_SEGMENTS];
}

#define TF_LANES_ISA    scalar
#define TF_LANES_INLINE TF_INLINE
#include "op/lanes_math.h"
#undef TF_LANES_ISA
#undef TF_LANES_INLINE

#if defined(__x86_64__)
#include <immintrin.h>

/* AVX2: 8 lanes */
#define TF_LANES_TARGET_avx2 __attribute__((target("avx2")))
#define TF_LANES_WIDTH_avx2  8u
typedef __m256 tf_lanes_avx2_t;
#define TF_LANES_AVX2_ static inline __attribute__((always_inline, target("avx2")))

TF_LANES_AVX2_ __m256 tf_lanes_load_avx2(const float *p) { return _mm256_load_ps(p); }
TF_LANES_AVX2_ __m256 tf_lanes_loadu_avx2(const float *p) { return _mm256_loadu_ps(p); }
TF_LANES_AVX2_ void   tf_lanes_store_avx2(float *p, __m256 x) { _mm256_store_ps(p, x); }
TF_LANES_AVX2_ void   tf_lanes_storeu_avx2(float *p, __m256 x) { _mm256_storeu_ps(p, x); }
TF_LANES_AVX2_ __m256 tf_lanes_set_avx2(float x) { return _mm256_set1_ps(x); }
TF_LANES_AVX2_ __m256 tf_lanes_add_avx2(__m256 a, __m256 b) { return _mm256_add_ps(a, b); }
TF_LANES_AVX2_ __m256 tf_lanes_sub_avx2(__m256 a, __m256 b) { return _mm256_sub_ps(a, b); }
TF_LANES_AVX2_ __m256 tf_lanes_mul_avx2(__m256 a, __m256 b) { return _mm256_mul_ps(a, b); }
TF_LANES_AVX2_ __m256 tf_lanes_div_avx2(__m256 a, __m256 b) { return _mm256_div_ps(a, b); }
TF_LANES_AVX2_ __m256 tf_lanes_min_avx2(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
TF_LANES_AVX2_ __m256 tf_lanes_max_avx2(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
TF_LANES_AVX2_ float  tf_lanes_greatest_avx2(__m256 x) {
   __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
   m        = _mm_max_ps(m, _mm_movehl_ps(m, m));
   return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
TF_LANES_AVX2_ __m256 tf_lanes_abs_avx2(__m256 x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}
TF_LANES_AVX2_ __m256 tf_lanes_sign_avx2(__m256 a, __m256 b) {
  return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), b));
}
TF_LANES_AVX2_ __m256 tf_lanes_select_avx2(__m256 a, __m256 b, __m256 x, __m256 y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
TF_LANES_AVX2_ __m256 tf_lanes_scale_avx2(__m256 x, __m256 n) {
  __m256i exp = _mm256_slli_epi32(_mm256_castps_si256(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), exp));
}

TF_LANES_AVX2_ __m256 tf_lanes_lookup_avx2(const float table[TF_TANH_SEGMENTS], __m256 n) {
  __m256i idx = _mm256_and_si256(_mm256_castps_si256(n), _mm256_set1_epi32(TF_TANH_SEGMENTS - 1));
  return _mm256_i32gather_ps(table, idx, sizeof *table);
}

#define TF_LANES_ISA    avx2
#define TF_LANES_INLINE TF_LANES_AVX2_
#include "op/lanes_math.h"
#undef TF_LANES_ISA
#undef TF_LANES_INLINE

/* AVX-512: 16 lanes */
#define TF_LANES_TARGET_avx512 __attribute__((target("avx512f,avx512dq")))
#define TF_LANES_WIDTH_avx512  16u
typedef __m512 tf_lanes_avx512_t;
#define TF_LANES_AVX512_ static inline __attribute__((always_inline, target("avx512f,avx512dq")))

TF_LANES_AVX512_ __m512 tf_lanes_load_avx512(const float *p) { return _mm512_load_ps(p); }
TF_LANES_AVX512_ __m512 tf_lanes_loadu_avx512(const float *p) { return _mm512_loadu_ps(p); }
TF_LANES_AVX512_ void   tf_lanes_store_avx512(float *p, __m512 x) { _mm512_store_ps(p, x); }
TF_LANES_AVX512_ void   tf_lanes_storeu_avx512(float *p, __m512 x) { _mm512_storeu_ps(p, x); }
TF_LANES_AVX512_ __m512 tf_lanes_set_avx512(float x) { return _mm512_set1_ps(x); }
TF_LANES_AVX512_ __m512 tf_lanes_add_avx512(__m512 a, __m512 b) { return _mm512_add_ps(a, b); }
TF_LANES_AVX512_ __m512 tf_lanes_sub_avx512(__m512 a, __m512 b) { return _mm512_sub_ps(a, b); }
TF_LANES_AVX512_ __m512 tf_lanes_mul_avx512(__m512 a, __m512 b) { return _mm512_mul_ps(a, b); }
TF_LANES_AVX512_ __m512 tf_lanes_div_avx512(__m512 a, __m512 b) { return _mm512_div_ps(a, b); }
TF_LANES_AVX512_ __m512 tf_lanes_min_avx512(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
TF_LANES_AVX512_ __m512 tf_lanes_max_avx512(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
TF_LANES_AVX512_ float  tf_lanes_greatest_avx512(__m512 x) {
   return tf_lanes_greatest_avx2(
       _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
}
TF_LANES_AVX512_ __m512 tf_lanes_abs_avx512(__m512 x) {
  return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x);
}
TF_LANES_AVX512_ __m512 tf_lanes_sign_avx512(__m512 a, __m512 b) {
  return _mm512_or_ps(a, _mm512_and_ps(_mm512_set1_ps(-0.0f), b));
}
TF_LANES_AVX512_ __m512 tf_lanes_select_avx512(__m512 a, __m512 b, __m512 x, __m512 y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
TF_LANES_AVX512_ __m512 tf_lanes_scale_avx512(__m512 x, __m512 n) {
  __m512i exp = _mm512_slli_epi32(_mm512_castps_si512(n), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), exp));
}

TF_LANES_AVX512_ __m512 tf_lanes_lookup_avx512(const float table[TF_TANH_SEGMENTS], __m512 n) {
  return _mm512_permutex2var_ps(_mm512_load_ps(table), _mm512_castps_si512(n),
                                _mm512_load_ps(table + 16));
}

#define TF_LANES_ISA    avx512
#define TF_LANES_INLINE TF_LANES_AVX512_
#include "op/lanes_math.h"
#undef TF_LANES_ISA
#undef TF_LANES_INLINE

/* Instantiates MACRO(isa) for each instruction set of this build, and the table of what came. */
#define TF_LANES_EACH(MACRO) MACRO(scalar) MACRO(avx2) MACRO(avx512)
#define TF_LANES_TABLE_OF(fn)                                                                      \
  { fn##_scalar, fn##_avx2, fn##_avx512 }
#else
#define TF_LANES_EACH(MACRO) MACRO(scalar)
#define TF_LANES_TABLE_OF(fn)                                                                      \
  { fn##_scalar, NULL, NULL }
#endif
#define TF_LANES_TABLE TF_LANES_TABLE_OF(run)

/* run_<isa>: out = expr of `x` for each element; expr may use `params` and the index `i`. */
#define TF_LANES_MAP(isa, expr)                                                                    \
  TF_LANES_TARGET_##isa static void run_##isa(const tf_op_params_t *params, const float *in,       \
                                              float *out) {                                        \
    for (uint32_t i = 0; i < params->in_cnt; i += TF_LANES_WIDTH_##isa) {                          \
      tf_lanes_##isa##_t x = tf_lanes_load_##isa(in + i);                                          \
      tf_lanes_store_##isa(out + i, (expr));                                                       \
    }                                                                                              \
  }

#endif
