/* The vocabulary of this folder: eight doubles, eight counters, and a mask over them. + - * / are the
 * compiler's own; what it has no operator for is here, for each instruction set.
 *
 * Each file that includes this is compiled once an instruction set (CMakeLists.txt), with TF_VECTOR_ISA set
 * to its name: TF_VECTOR_RUN(ema) is then tf_vector_run_ema_avx2. In the scalar compilation, and only there,
 * TF_VECTOR_DESCRIBES holds and the kinds' descriptors are made. */
#ifndef TF_VECTOR_LANES_H
#define TF_VECTOR_LANES_H

#include <string.h>

#include "tf/vector.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define TF_VECTOR_PASTE_(name, isa) tf_vector_run_##name##_##isa
#define TF_VECTOR_PASTE(name, isa)  TF_VECTOR_PASTE_(name, isa)
#define TF_VECTOR_RUN(name)                                                                        \
  void TF_VECTOR_PASTE(name, TF_VECTOR_ISA)(const tf_vector_t *vectors, uint32_t cnt, double *mem)

#if defined(__x86_64__)
#define TF_VECTOR_RUNS(name)                                                                       \
  { tf_vector_run_##name##_scalar, tf_vector_run_##name##_avx2, tf_vector_run_##name##_avx512 }
#define TF_VECTOR_DECLARE(name)                                                                    \
  void tf_vector_run_##name##_scalar(const tf_vector_t *, uint32_t, double *);                     \
  void tf_vector_run_##name##_avx2(const tf_vector_t *, uint32_t, double *);                       \
  void tf_vector_run_##name##_avx512(const tf_vector_t *, uint32_t, double *)
#else
#define TF_VECTOR_RUNS(name)                                                                       \
  { tf_vector_run_##name##_scalar, NULL, NULL }
#define TF_VECTOR_DECLARE(name)                                                                    \
  void tf_vector_run_##name##_scalar(const tf_vector_t *, uint32_t, double *)
#endif

typedef double  tf_lanes_t __attribute__((vector_size(64), may_alias));
typedef int64_t tf_counts_t __attribute__((vector_size(64), may_alias));

TF_INLINE tf_lanes_t tf_lanes_set(double x) { return (tf_lanes_t){x, x, x, x, x, x, x, x}; }

/* Lines of a vector's state, and of what does not change. */
TF_INLINE tf_lanes_t  *tf_lanes_of(double *line) { return (tf_lanes_t *)(void *)line; }
TF_INLINE tf_counts_t *tf_counts_of(double *line) { return (tf_counts_t *)(void *)line; }
TF_INLINE tf_lanes_t   tf_lanes_const(const double *line) {
    return *(const tf_lanes_t *)(const void *)line;
}
TF_INLINE tf_counts_t tf_counts_const(const int64_t *line) {
  return *(const tf_counts_t *)(const void *)line;
}

#if defined(__AVX512F__)

typedef __mmask8 tf_mask_t;

TF_INLINE tf_mask_t tf_lanes_lt(tf_lanes_t a, tf_lanes_t b) {
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ);
}
TF_INLINE tf_mask_t tf_lanes_le(tf_lanes_t a, tf_lanes_t b) {
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ);
}
TF_INLINE tf_mask_t tf_lanes_eq(tf_lanes_t a, tf_lanes_t b) {
  return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ);
}
TF_INLINE tf_mask_t tf_counts_lt(tf_counts_t a, tf_counts_t b) {
  return _mm512_cmplt_epi64_mask((__m512i)a, (__m512i)b);
}
TF_INLINE tf_mask_t tf_counts_eq(tf_counts_t a, tf_counts_t b) {
  return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b);
}
TF_INLINE tf_mask_t tf_mask_not(tf_mask_t m) { return (tf_mask_t)~m; }
TF_INLINE bool      tf_mask_all(tf_mask_t m) { return m == 0xff; }
TF_INLINE bool      tf_mask_any(tf_mask_t m) { return m != 0; }
TF_INLINE bool      tf_mask_lane(tf_mask_t m, uint32_t lane) { return m >> lane & 1; }

/* m ? a : b */
TF_INLINE tf_lanes_t tf_lanes_select(tf_mask_t m, tf_lanes_t a, tf_lanes_t b) {
  return (tf_lanes_t)_mm512_mask_blend_pd(m, (__m512d)b, (__m512d)a);
}
TF_INLINE tf_counts_t tf_counts_select(tf_mask_t m, tf_counts_t a, tf_counts_t b) {
  return (tf_counts_t)_mm512_mask_blend_epi64(m, (__m512i)b, (__m512i)a);
}
TF_INLINE tf_lanes_t tf_lanes_sqrt(tf_lanes_t x) { return (tf_lanes_t)_mm512_sqrt_pd((__m512d)x); }
TF_INLINE tf_lanes_t tf_lanes_abs(tf_lanes_t x) { return (tf_lanes_t)_mm512_abs_pd((__m512d)x); }

#else

typedef tf_counts_t tf_mask_t;

TF_INLINE tf_mask_t tf_lanes_lt(tf_lanes_t a, tf_lanes_t b) { return (tf_mask_t)(a < b); }
TF_INLINE tf_mask_t tf_lanes_le(tf_lanes_t a, tf_lanes_t b) { return (tf_mask_t)(a <= b); }
TF_INLINE tf_mask_t tf_lanes_eq(tf_lanes_t a, tf_lanes_t b) { return (tf_mask_t)(a == b); }
TF_INLINE tf_mask_t tf_counts_lt(tf_counts_t a, tf_counts_t b) { return (tf_mask_t)(a < b); }
TF_INLINE tf_mask_t tf_counts_eq(tf_counts_t a, tf_counts_t b) { return (tf_mask_t)(a == b); }
TF_INLINE tf_mask_t tf_mask_not(tf_mask_t m) { return ~m; }
TF_INLINE bool      tf_mask_lane(tf_mask_t m, uint32_t lane) { return m[lane] != 0; }
#if defined(__AVX2__)
TF_INLINE int       tf_mask_bits_(tf_mask_t m) {
        __m256d halves[2];
        memcpy(halves, &m, sizeof m);
        return _mm256_movemask_pd(halves[0]) | _mm256_movemask_pd(halves[1]) << 4;
}
TF_INLINE bool tf_mask_all(tf_mask_t m) { return tf_mask_bits_(m) == 0xff; }
TF_INLINE bool tf_mask_any(tf_mask_t m) { return tf_mask_bits_(m) != 0; }
#else
TF_INLINE bool tf_mask_all(tf_mask_t m) {
  return (m[0] & m[1] & m[2] & m[3] & m[4] & m[5] & m[6] & m[7]) != 0;
}
TF_INLINE bool tf_mask_any(tf_mask_t m) {
  return (m[0] | m[1] | m[2] | m[3] | m[4] | m[5] | m[6] | m[7]) != 0;
}
#endif

TF_INLINE tf_counts_t tf_counts_select(tf_mask_t m, tf_counts_t a, tf_counts_t b) {
  return (m & a) | (~m & b);
}
TF_INLINE tf_lanes_t tf_lanes_select(tf_mask_t m, tf_lanes_t a, tf_lanes_t b) {
  return (tf_lanes_t)tf_counts_select(m, (tf_counts_t)a, (tf_counts_t)b);
}
TF_INLINE tf_lanes_t tf_lanes_sqrt(tf_lanes_t x) {
#if defined(__AVX2__)
  __m256d halves[2];
  memcpy(halves, &x, sizeof x);
  halves[0] = _mm256_sqrt_pd(halves[0]);
  halves[1] = _mm256_sqrt_pd(halves[1]);
  memcpy(&x, halves, sizeof x);
#else
  for (uint32_t i = 0; i < TF_VECTOR_LANES; i++) x[i] = __builtin_sqrt(x[i]);
#endif
  return x;
}
TF_INLINE tf_lanes_t tf_lanes_abs(tf_lanes_t x) { return (tf_lanes_t)((tf_counts_t)x & INT64_MAX); }

#endif

/* mem[at] of each lane. Loads one by one: measured faster than the gather instruction (see
 * docs/adr/0021). */
TF_INLINE tf_lanes_t tf_lanes_gather(const double *mem, tf_counts_t at) {
  return (tf_lanes_t){mem[at[0]], mem[at[1]], mem[at[2]], mem[at[3]],
                      mem[at[4]], mem[at[5]], mem[at[6]], mem[at[7]]};
}

TF_INLINE tf_lanes_t tf_lanes_input(const double *mem, const uint16_t in[TF_VECTOR_LANES]) {
  return (tf_lanes_t){mem[in[0]], mem[in[1]], mem[in[2]], mem[in[3]],
                      mem[in[4]], mem[in[5]], mem[in[6]], mem[in[7]]};
}

/* What a series indicator accepts (indicator/parts.h); false for NaN as well. */
TF_INLINE tf_mask_t tf_lanes_usable(tf_lanes_t x) {
  return tf_lanes_le(tf_lanes_abs(x), tf_lanes_set(TF_VECTOR_MAGNITUDE_MAX));
}

/* y where ready and finite, NaN elsewhere. */
TF_INLINE tf_lanes_t tf_lanes_answer(tf_mask_t ready, tf_lanes_t y) {
  tf_mask_t finite = tf_lanes_le(tf_lanes_abs(y), tf_lanes_set(0x1.fffffffffffffp1023));
  return tf_lanes_select(ready & finite, y, tf_lanes_set(__builtin_nan("")));
}

/* The input that leaves a window of n when the one after `cnt` others enters. */
TF_INLINE tf_lanes_t tf_lanes_leaving(const double *mem, const tf_vector_t *v, tf_counts_t cnt,
                                      tf_counts_t n) {
  return tf_lanes_gather(mem, tf_counts_const(v->ring) + ((cnt - n) & tf_counts_const(v->mask)));
}

/* One more input of the lanes of `took`. */
TF_INLINE tf_counts_t tf_counts_next(tf_mask_t took, tf_counts_t cnt) {
  return tf_counts_select(took, cnt + 1, cnt);
}

#endif
