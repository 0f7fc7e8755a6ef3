/* mat.h on AVX-512: vdpbf16ps and vpdpbusd where the CPU has them (mat.c looks before it chooses).
 *
 * Many rows: a tile of 6 rows and 4 blocks holds 24 sums in registers, so that 4 lines of weights
 * and 6 broadcasts serve 24 multiplications. One row: two or three panels at a time, because the
 * weights come from L2, at most one line a cycle, and 8 sums in flight are enough to hide a
 * product's latency of 4 to 6 cycles. */
#include "op/mat.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx512vnni")))
/* Sums stay in registers only where each tile is a function of its own, its loops unrolled. With a
 * sanitizer's checks that takes the compiler minutes, and one function does for all tiles. */
#if defined(__has_feature)
#define CLANG_SANITIZES (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define CLANG_SANITIZES 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || CLANG_SANITIZES
#define IN_TARGET static TARGET __attribute__((noinline))
#define UNROLL
#else
#define IN_TARGET static inline TARGET __attribute__((always_inline))
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#endif

#define TILE_ROWS   6u
#define LONG_PANELS 3u /* of one row, at most, at a time */

/* Sums of 16 outputs, for int8 as int32 in the same register. In assembly because the compiler (gcc 12),
 * given the intrinsics, copies each sum before the instruction that overwrites it and keeps a second one
 * on the stack: 176 billion int8 products a second for 50 rows of 100 and 400 outputs, and 350 this way (EPYC
 * 9005, 2026-11). */
IN_TARGET __m512 product(tf_precision_t precision, __m512 sum, __m512 w, __m512 x) {
  switch (precision) {
  case TF_PRECISION_BF16: __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); return sum;
  case TF_PRECISION_INT8: __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w)); return sum;
  default: return _mm512_add_ps(sum, _mm512_mul_ps(w, x));
  }
}

IN_TARGET size_t line_bytes(tf_precision_t precision) {
  return precision == TF_PRECISION_FP16 ? TF_LINE_BYTES / 2 : TF_LINE_BYTES;
}

IN_TARGET __m512 load(tf_precision_t precision, const uint8_t *at) {
  if (precision == TF_PRECISION_FP16)
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)at));
  return _mm512_load_ps(at);
}

IN_TARGET __m512 broadcast(const uint8_t *row, uint32_t group) {
  float word;
  memcpy(&word, row + 4 * (size_t)group, sizeof word);
  return _mm512_set1_ps(word);
}

IN_TARGET void finish(tf_precision_t precision, const tf_mat_t *mat, const uint8_t *row,
                      uint32_t block, __m512 sum, const float *add, float *out) {
  size_t at = (size_t)block * TF_MAT_BLOCK;
  if (precision == TF_PRECISION_INT8) {
    __m512i exact = _mm512_sub_epi32(_mm512_castps_si512(sum), _mm512_load_si512(mat->shifts + at));
    __m512  scale = _mm512_mul_ps(_mm512_set1_ps(*tf_mat_row_scale(mat, row)),
                                  _mm512_load_ps(mat->scales + at));
    sum           = _mm512_mul_ps(_mm512_cvtepi32_ps(exact), scale);
  }
  if (add) sum = _mm512_add_ps(sum, _mm512_loadu_ps(add + at));
  _mm512_storeu_ps(out + at, sum);
}

typedef struct job {
  const tf_mat_t *mat;
  const uint8_t  *rows;
  const float    *add;
  float          *out;
  size_t          add_stride, out_stride;
} job_t;

/* row_cnt rows from first_row on, times the panel at block first. */
IN_TARGET void tile(tf_precision_t precision, const job_t *j, uint32_t first_row, uint32_t row_cnt,
                    uint32_t first, uint32_t blocks) {
  __m512         sum[TILE_ROWS][TF_MAT_PANEL_BLOCKS];
  const uint8_t *w   = tf_mat_panel(j->mat, first);
  const uint8_t *row = j->rows + first_row * j->mat->row_bytes;
  UNROLL for (uint32_t r = 0; r < row_cnt; r++) UNROLL for (uint32_t b = 0; b < blocks; b++)
      sum[r][b] = _mm512_setzero_ps();
  for (uint32_t g = 0; g < j->mat->group_cnt; g++, w += blocks * line_bytes(precision)) {
    __m512 line[TF_MAT_PANEL_BLOCKS];
    UNROLL for (uint32_t b = 0; b < blocks; b++) line[b] =
        load(precision, w + b * line_bytes(precision));
    UNROLL for (uint32_t r = 0; r < row_cnt; r++) {
      __m512 x = broadcast(row + r * j->mat->row_bytes, g);
      UNROLL for (uint32_t b = 0; b < blocks; b++) sum[r][b] =
          product(precision, sum[r][b], line[b], x);
    }
  }
  UNROLL for (uint32_t r = 0; r < row_cnt; r++) {
    const float *add = j->add ? j->add + (first_row + r) * j->add_stride : NULL;
    float       *out = j->out + (first_row + r) * j->out_stride;
    UNROLL for (uint32_t b = 0; b < blocks; b++)
        finish(precision, j->mat, row + r * j->mat->row_bytes, first + b, sum[r][b], add, out);
  }
}

/* One row times panels that follow one another, all whole but the last, of last blocks. */
IN_TARGET void one_row(tf_precision_t precision, const job_t *j, uint32_t first, uint32_t panels,
                       uint32_t last) {
  __m512         sum[LONG_PANELS][TF_MAT_PANEL_BLOCKS];
  const uint8_t *w[LONG_PANELS];
  UNROLL for (uint32_t p = 0; p < panels; p++) {
    w[p] = tf_mat_panel(j->mat, first + p * TF_MAT_PANEL_BLOCKS);
    UNROLL for (uint32_t b = 0; b < TF_MAT_PANEL_BLOCKS; b++) sum[p][b] = _mm512_setzero_ps();
  }
  for (uint32_t g = 0; g < j->mat->group_cnt; g++) {
    __m512 x = broadcast(j->rows, g);
    UNROLL for (uint32_t p = 0; p < panels; p++) {
      uint32_t blocks = p + 1 == panels ? last : TF_MAT_PANEL_BLOCKS;
      UNROLL for (uint32_t b = 0; b < blocks; b++) sum[p][b] =
          product(precision, sum[p][b], load(precision, w[p] + b * line_bytes(precision)), x);
      w[p] += blocks * line_bytes(precision);
    }
  }
  UNROLL for (uint32_t p = 0; p < panels; p++) {
    uint32_t blocks = p + 1 == panels ? last : TF_MAT_PANEL_BLOCKS;
    UNROLL for (uint32_t b = 0; b < blocks; b++) finish(
        precision, j->mat, j->rows, first + p * TF_MAT_PANEL_BLOCKS + b, sum[p][b], j->add, j->out);
  }
}

IN_TARGET void some_panels(tf_precision_t precision, const job_t *j, uint32_t first,
                           uint32_t panels, uint32_t last) {
  switch (panels * 8 + last) {
  case 8 + 1: one_row(precision, j, first, 1, 1); break;
  case 8 + 2: one_row(precision, j, first, 1, 2); break;
  case 8 + 3: one_row(precision, j, first, 1, 3); break;
  case 8 + 4: one_row(precision, j, first, 1, 4); break;
  case 16 + 1: one_row(precision, j, first, 2, 1); break;
  case 16 + 2: one_row(precision, j, first, 2, 2); break;
  case 16 + 3: one_row(precision, j, first, 2, 3); break;
  case 16 + 4: one_row(precision, j, first, 2, 4); break;
  case 24 + 1: one_row(precision, j, first, 3, 1); break;
  case 24 + 2: one_row(precision, j, first, 3, 2); break;
  case 24 + 3: one_row(precision, j, first, 3, 3); break;
  default: one_row(precision, j, first, 3, 4); break;
  }
}

/* Two panels at a time, at the end three rather than two and a lonely one. */
IN_TARGET void multiply_one(tf_precision_t precision, const job_t *j) {
  uint32_t panels = (j->mat->block_cnt + TF_MAT_PANEL_BLOCKS - 1) / TF_MAT_PANEL_BLOCKS;
  for (uint32_t p = 0; p < panels;) {
    uint32_t cnt   = panels - p <= LONG_PANELS ? panels - p : 2;
    uint32_t first = p * TF_MAT_PANEL_BLOCKS;
    uint32_t last  = tf_mat_panel_blocks(j->mat, first + (cnt - 1) * TF_MAT_PANEL_BLOCKS);
    some_panels(precision, j, first, cnt, last);
    p += cnt;
  }
}

IN_TARGET void some_rows(tf_precision_t precision, const job_t *j, uint32_t first_row,
                         uint32_t row_cnt, uint32_t first, uint32_t blocks) {
  switch (row_cnt) {
  case 1: tile(precision, j, first_row, 1, first, blocks); break;
  case 2: tile(precision, j, first_row, 2, first, blocks); break;
  case 3: tile(precision, j, first_row, 3, first, blocks); break;
  case 4: tile(precision, j, first_row, 4, first, blocks); break;
  case 5: tile(precision, j, first_row, 5, first, blocks); break;
  default: tile(precision, j, first_row, 6, first, blocks); break;
  }
}

/* All rows with one panel while it is in L1, in tiles of about the same height. */
IN_TARGET void multiply(tf_precision_t precision, const job_t *j, uint32_t row_cnt) {
  if (row_cnt == 1) {
    multiply_one(precision, j);
    return;
  }
  uint32_t tiles = (row_cnt + TILE_ROWS - 1) / TILE_ROWS;
  for (uint32_t first = 0; first < j->mat->block_cnt; first += TF_MAT_PANEL_BLOCKS) {
    uint32_t blocks = tf_mat_panel_blocks(j->mat, first);
    for (uint32_t t = 0, row = 0; t < tiles; t++) {
      uint32_t height = (row_cnt - row) / (tiles - t);
      switch (blocks) {
      case 1: some_rows(precision, j, row, height, first, 1); break;
      case 2: some_rows(precision, j, row, height, first, 2); break;
      case 3: some_rows(precision, j, row, height, first, 3); break;
      default: some_rows(precision, j, row, height, first, 4); break;
      }
      row += height;
    }
  }
}

#define MUL(name, precision)                                                                       \
  TARGET static void mul_##name(const tf_mat_t *mat, const void *rows, uint32_t row_cnt,           \
                                const float *add, size_t add_stride, float *out,                   \
                                size_t out_stride) {                                               \
    job_t j = {mat, rows, add, out, add_stride, out_stride};                                       \
    multiply(precision, &j, row_cnt);                                                              \
  }
MUL(fp32, TF_PRECISION_FP32)
MUL(bf16, TF_PRECISION_BF16)
MUL(fp16, TF_PRECISION_FP16)
MUL(int8, TF_PRECISION_INT8)

static void to_row_fp32(const tf_mat_t *mat, const float *in, void *row) {
  memcpy(row, in, mat->in_cnt * sizeof *in);
}

/* The lanes of the vector at k that lie inside the row. */
IN_TARGET __mmask16 lanes_at(const tf_mat_t *mat, uint32_t k) {
  uint32_t left = mat->in_cnt - k, lanes = left < 16 ? left : 16;
  return (__mmask16)(0xffffu >> (16 - lanes));
}

TARGET static void to_row_bf16(const tf_mat_t *mat, const float *in, void *row) {
  for (uint32_t k = 0; k < mat->in_cnt; k += 16) {
    __m256bh half = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes_at(mat, k), in + k));
    _mm256_store_si256((__m256i *)(void *)((uint16_t *)row + k), (__m256i)half);
  }
}

TARGET static void to_row_int8(const tf_mat_t *mat, const float *in, void *row) {
  const __m512i abs  = _mm512_set1_epi32(0x7fffffff);
  __m512i       amax = _mm512_setzero_si512();
  for (uint32_t k = 0; k < mat->in_cnt; k += 16) { /* as integers NaN is greater than any number */
    __m512 x = _mm512_maskz_loadu_ps(lanes_at(mat, k), in + k);
    amax     = _mm512_max_epu32(amax, _mm512_and_si512(_mm512_castps_si512(x), abs));
  }
  uint32_t bits = _mm512_reduce_max_epu32(amax);
  float    greatest, inverse;
  memcpy(&greatest, &bits, sizeof greatest);
  float        scale  = tf_mat_int8_scale(greatest, &inverse);
  const __m512 factor = _mm512_set1_ps(inverse);
  for (uint32_t k = 0; k < mat->in_cnt; k += 16) {
    __m512  x = _mm512_maskz_loadu_ps(lanes_at(mat, k), in + k);
    __m512i q =
        inverse > 0.0f ? _mm512_cvtps_epi32(_mm512_mul_ps(x, factor)) : _mm512_setzero_si512();
    q = _mm512_add_epi32(q, _mm512_set1_epi32(128));
    _mm_store_si128((__m128i *)(void *)((uint8_t *)row + k), _mm512_cvtepi32_epi8(q));
  }
  *tf_mat_row_scale(mat, row) = scale; /* the padding's 128s may lie under it */
}

TARGET static void to_row_ranged(const tf_mat_t *mat, const float *in, void *row) {
  float         inverse;
  const float   scale  = tf_mat_int8_scale(mat->range, &inverse);
  const __m512  factor = _mm512_set1_ps(inverse), reach = _mm512_set1_ps(127.0f);
  const __m512i abs  = _mm512_set1_epi32(0x7fffffff);
  __m512i       amax = _mm512_setzero_si512();
  for (uint32_t k = 0; k < mat->in_cnt; k += 16) {
    __m512  x = _mm512_maskz_loadu_ps(lanes_at(mat, k), in + k);
    __m512  q = _mm512_max_ps(_mm512_mul_ps(x, factor), _mm512_sub_ps(_mm512_setzero_ps(), reach));
    __m512i n =
        _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_min_ps(q, reach)), _mm512_set1_epi32(128));
    amax = _mm512_max_epu32(amax, _mm512_and_si512(_mm512_castps_si512(x), abs));
    _mm_store_si128((__m128i *)(void *)((uint8_t *)row + k), _mm512_cvtepi32_epi8(n));
  }
  uint32_t bits = _mm512_reduce_max_epu32(amax);
  float    greatest;
  memcpy(&greatest, &bits, sizeof greatest);
  *tf_mat_row_scale(mat, row) = greatest <= TF_MAT_INT8_AMAX_MAX ? scale : greatest - greatest;
}

const tf_mat_kernels_t tf_mat_avx512 = {
    .mul           = {mul_fp32,    mul_bf16,    mul_fp16,    mul_int8   },
    .to_row        = {to_row_fp32, to_row_bf16, to_row_fp32, to_row_int8},
    .to_row_ranged = to_row_ranged,
};
#endif
