/* mat.h on AVX2: a block of 16 outputs is two vectors. bfloat16 is widened by a shift, int8 to 16
 * bits for vpmaddwd, which is exact (vpmaddubsw would saturate); mat.c looks for F16C before it chooses fp16. No FMA, for the bits of scalar. */
#include "op/mat.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET    __attribute__((target("avx2,f16c")))
#define IN_TARGET static inline TARGET __attribute__((always_inline))

/* Rows times blocks in flight: 8 sums of the 16 registers. */
#define TILE 4u

typedef struct sum16 {
  __m256 low, high; /* outputs 0 to 7 and 8 to 15; int8: 32-bit integers, in the order of hadd */
} sum16_t;

IN_TARGET __m256 load(const uint8_t *at) { return _mm256_load_ps((const float *)(const void *)at); }

IN_TARGET __m256 add_product(__m256 sum, __m256 w, __m256 x) {
  return _mm256_add_ps(sum, _mm256_mul_ps(w, x));
}

/* The second (odd) of each pair, then the first, as scalar does. */
IN_TARGET __m256 add_pair(__m256 sum, __m256 w, __m256 x) {
  const __m256 high = _mm256_castsi256_ps(_mm256_set1_epi32((int)0xffff0000));
  sum               = add_product(sum, _mm256_and_ps(w, high), _mm256_and_ps(x, high));
  __m256i w_even    = _mm256_slli_epi32(_mm256_castps_si256(w), 16);
  __m256i x_even    = _mm256_slli_epi32(_mm256_castps_si256(x), 16);
  return add_product(sum, _mm256_castsi256_ps(w_even), _mm256_castsi256_ps(x_even));
}

/* 8 outputs' 4 weights each, times the 4 values in each 64 bits of x. */
IN_TARGET __m256 add_quads(__m256 sum, __m256 w, __m256i x) {
  __m256i all   = _mm256_castps_si256(w);
  __m256i first = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(all));
  __m256i last  = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(all, 1));
  __m256i quads = _mm256_hadd_epi32(_mm256_madd_epi16(first, x), _mm256_madd_epi16(last, x));
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), quads));
}

IN_TARGET __m256 load_halves(const uint8_t *at) {
  return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)at));
}

IN_TARGET size_t line_bytes(tf_precision_t precision) {
  return precision == TF_PRECISION_FP16 ? TF_LINE_BYTES / 2 : TF_LINE_BYTES;
}

IN_TARGET void add_group(tf_precision_t precision, sum16_t *sum, const uint8_t *line,
                         uint32_t word) {
  const bool halves = precision == TF_PRECISION_FP16;
  __m256     low    = halves ? load_halves(line) : load(line);
  __m256     high   = halves ? load_halves(line + 16) : load(line + 32);
  if (precision == TF_PRECISION_INT8) {
    __m128i bytes = _mm_cvtsi32_si128((int)word);
    __m256i x     = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(bytes));
    sum->low      = add_quads(sum->low, low, x);
    sum->high     = add_quads(sum->high, high, x);
    return;
  }
  __m256 x = _mm256_castsi256_ps(_mm256_set1_epi32((int)word));
  if (precision == TF_PRECISION_BF16) {
    sum->low  = add_pair(sum->low, low, x);
    sum->high = add_pair(sum->high, high, x);
  } else {
    sum->low  = add_product(sum->low, low, x);
    sum->high = add_product(sum->high, high, x);
  }
}

/* hadd leaves 0 1 4 5 2 3 6 7. */
IN_TARGET __m256 scaled(__m256 sum, const int32_t *shifts, const float *scales, float row_scale) {
  __m256i exact = _mm256_permute4x64_epi64(_mm256_castps_si256(sum), 0xd8);
  exact         = _mm256_sub_epi32(exact, _mm256_load_si256((const __m256i *)(const void *)shifts));
  __m256 scale  = _mm256_mul_ps(_mm256_set1_ps(row_scale), _mm256_load_ps(scales));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(exact), scale);
}

IN_TARGET void finish(tf_precision_t precision, const tf_mat_t *mat, const uint8_t *row,
                      uint32_t block, sum16_t sum, const float *add, float *out) {
  size_t at = (size_t)block * TF_MAT_BLOCK;
  if (precision == TF_PRECISION_INT8) {
    float row_scale = *tf_mat_row_scale(mat, row);
    sum.low         = scaled(sum.low, mat->shifts + at, mat->scales + at, row_scale);
    sum.high        = scaled(sum.high, mat->shifts + at + 8, mat->scales + at + 8, row_scale);
  }
  if (add) {
    sum.low  = _mm256_add_ps(sum.low, _mm256_loadu_ps(add + at));
    sum.high = _mm256_add_ps(sum.high, _mm256_loadu_ps(add + at + 8));
  }
  _mm256_storeu_ps(out + at, sum.low);
  _mm256_storeu_ps(out + at + 8, sum.high);
}

typedef struct job {
  const tf_mat_t *mat;
  const uint8_t  *rows;
  const float    *add;
  float          *out;
  size_t          add_stride, out_stride;
} job_t;

/* row_cnt rows times the block_cnt blocks from block on, all of one panel. */
IN_TARGET void tile(tf_precision_t precision, const job_t *j, uint32_t first_row, uint32_t row_cnt,
                    uint32_t block, uint32_t block_cnt) {
  const tf_mat_t *mat       = j->mat;
  sum16_t         sum[TILE] = {0};
  uint32_t        first     = block - block % TF_MAT_PANEL_BLOCKS;
  size_t          step      = (size_t)tf_mat_panel_blocks(mat, first) * line_bytes(precision);
  const uint8_t  *line = tf_mat_panel(mat, first) + (size_t)(block - first) * line_bytes(precision);
  const uint8_t  *row  = j->rows + first_row * mat->row_bytes;
  for (uint32_t g = 0; g < mat->group_cnt; g++, line += step)
    for (uint32_t r = 0; r < row_cnt; r++)
      for (uint32_t b = 0; b < block_cnt; b++) {
        uint32_t word;
        memcpy(&word, row + r * mat->row_bytes + 4 * (size_t)g, sizeof word);
        add_group(precision, &sum[r * block_cnt + b], line + (size_t)b * line_bytes(precision),
                  word);
      }
  for (uint32_t r = 0; r < row_cnt; r++)
    for (uint32_t b = 0; b < block_cnt; b++)
      finish(precision, mat, row + r * mat->row_bytes, block + b, sum[r * block_cnt + b],
             j->add ? j->add + (first_row + r) * j->add_stride : NULL,
             j->out + (first_row + r) * j->out_stride);
}

IN_TARGET void multiply(tf_precision_t precision, const job_t *j, uint32_t row_cnt) {
  for (uint32_t first = 0; first < j->mat->block_cnt; first += TF_MAT_PANEL_BLOCKS) {
    uint32_t blocks = tf_mat_panel_blocks(j->mat, first), row = 0;
    for (; row + TILE <= row_cnt; row += TILE)
      for (uint32_t b = 0; b < blocks; b++) tile(precision, j, row, TILE, first + b, 1);
    for (; row < row_cnt; row++)
      if (blocks == TF_MAT_PANEL_BLOCKS)
        tile(precision, j, row, 1, first, TILE);
      else
        for (uint32_t b = 0; b < blocks; b++) tile(precision, j, row, 1, first + b, 1);
  }
}
TF_STATIC_ASSERT(TILE == TF_MAT_PANEL_BLOCKS, "one row's tile is a panel");

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

/* A row is made ready as scalar does it: it is a small part of a multiplication. */
static void to_row_fp32(const tf_mat_t *mat, const float *in, void *row) {
  tf_mat_scalar.to_row[TF_PRECISION_FP32](mat, in, row);
}
static void to_row_bf16(const tf_mat_t *mat, const float *in, void *row) {
  tf_mat_scalar.to_row[TF_PRECISION_BF16](mat, in, row);
}
static void to_row_int8(const tf_mat_t *mat, const float *in, void *row) {
  tf_mat_scalar.to_row[TF_PRECISION_INT8](mat, in, row);
}

static void to_row_ranged(const tf_mat_t *mat, const float *in, void *row) {
  tf_mat_scalar.to_row_ranged(mat, in, row);
}

const tf_mat_kernels_t tf_mat_avx2 = {
    .mul           = {mul_fp32,    mul_bf16,    mul_fp16,    mul_int8   },
    .to_row        = {to_row_fp32, to_row_bf16, to_row_fp32, to_row_int8},
    .to_row_ranged = to_row_ranged,
};
#endif
