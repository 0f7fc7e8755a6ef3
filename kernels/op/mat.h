/* Matrices packed for dot-product instructions, times rows: what a linear layer costs at the
 * precision that its model asked for. The plan of a perceptron and the sliding-window schedule
 * (model/window.h) stand on it.
 *
 *   precision  weights            a row becomes             a product is summed in
 *   fp32       float              the same floats           float, k = 0, 1, 2 ..., no FMA
 *   bf16       bfloat16           bfloat16                  float, pairs of k
 *   fp16       half               the same floats           float, as fp32
 *   int8       int8 an output's   uint8 around 128, scaled  int32, exactly; scaled back once
 *              own scale          by the row's greatest |x|,
 *                                 or by a range given for
 *                                 all rows, which it is cut to
 *
 * A row's bits do not depend on the rows it is multiplied with, nor on how many they are: each
 * output of each row is one sum in one order. fp32, fp16 and int8 are the same bits on every instruction
 * set. bf16 is the same on scalar and AVX2; vdpbf16ps takes denormals for 0, and otherwise gave the same
 * bits where it was tried (docs/adr/0012-precision-of-models.md).
 *
 * Layout, the same for all instruction sets: panels of up to 4 blocks of 16 outputs; in a panel, for
 * each group of inputs (1 of fp32, 2 of bf16, 4 of int8: 32 bits) one line of 64 bytes a block (of fp16, an input is 32 bytes), so
 * that one broadcast of a row's 32 bits meets aligned vectors, and a panel is read from one end to
 * the other. A matrix is immutable once packed; rows and outputs are the caller's. */
#ifndef TF_KERNELS_MAT_H
#define TF_KERNELS_MAT_H

#include "op/op.h"
#include "tf/model.h"

#define TF_MAT_BLOCK        16u /* outputs in a block */
#define TF_MAT_PANEL_BLOCKS 4u

typedef struct tf_mat tf_mat_t;

/* One row of in_cnt floats to row_bytes at row, 64-byte aligned. A NaN in the row reaches every
 * output, whatever the precision. */
typedef void (*tf_mat_row_t)(const tf_mat_t *mat, const float *in, void *row);

/* out[r] = mat rows[r] (+ add[r]) for row_cnt rows, row_bytes apart. Strides in floats; add_stride 0 adds
 * the same vector to each; add may be NULL, and may be out. Each row of out and add has room for
 * tf_mat_out_floats. */
typedef void (*tf_mat_mul_t)(const tf_mat_t *mat, const void *rows, uint32_t row_cnt,
                             const float *add, size_t add_stride, float *out, size_t out_stride);

struct tf_mat {
  uint32_t       in_cnt, out_cnt;
  uint32_t       group_cnt;  /* of inputs */
  uint32_t       block_cnt;  /* of outputs */
  size_t         row_bytes;  /* of a row made ready, a multiple of 64 */
  size_t         line_bytes; /* of a group's weights of a block */
  float          range;      /* int8: 127 stands for this; 0: for the row's own greatest |x| */
  const void    *weights;
  const float   *scales; /* (block_cnt * 16) int8: of the weights */
  const int32_t *shifts; /* (block_cnt * 16) int8: 128 times the sum of an output's weights */
  tf_mat_row_t   to_row;
  tf_mat_mul_t   mul;
};

/* The weights as a model file has them: out_cnt rows, row_floats apart, of which in_cnt values, column_floats
 * apart, count. */
typedef struct tf_mat_source {
  const float   *weight;
  size_t         row_floats;
  uint32_t       in_cnt, out_cnt; /* at least 1; int8: in_cnt up to TF_OP_WIDTH_MAX, for the sums */
  tf_precision_t precision;
  size_t         column_floats; /* 0: 1, one behind the other */
  float          range;         /* of the rows, int8; 0: each its own */
} tf_mat_source_t;
TF_STATIC_ASSERT(UINT64_C(127) * 255 * TF_OP_WIDTH_MAX <= INT32_MAX,
                 "sums of int8 products are exact");

/* Bytes that packing takes, a multiple of 64. */
size_t tf_mat_bytes(const tf_mat_source_t *source);
/* target: 64-byte aligned; mat refers to it from then on. isa: one that this CPU has. */
void tf_mat_pack(tf_mat_t *mat, const tf_mat_source_t *source, tf_isa_t isa, void *target);

TF_INLINE size_t tf_mat_out_floats(const tf_mat_t *mat) {
  return (size_t)mat->block_cnt * TF_MAT_BLOCK;
}

/* Where weight k of an output lies, from its first one. */
TF_INLINE size_t tf_mat_source_at(const tf_mat_source_t *source, uint32_t k) {
  return k * (source->column_floats ? source->column_floats : 1);
}
/* Output o's weights as int8 are round(w / scale): 127 is its greatest |w|. 0 where all are 0. */
float tf_mat_int8_weight_scale(const tf_mat_source_t *source, uint32_t o);

/* "fp32", "bf16", "fp16", "int8" */
const char *tf_precision_name(tf_precision_t precision);
bool        tf_precision_parse(const char *name, tf_precision_t *precision);

/* The multiplication and the conversion of each instruction set; NULL where this CPU has none of
 * its own, and the next narrower one serves. */
typedef struct tf_mat_kernels {
  tf_mat_mul_t mul[TF_PRECISION_CNT];
  tf_mat_row_t to_row[TF_PRECISION_CNT];
  tf_mat_row_t to_row_ranged; /* int8, range above 0 */
} tf_mat_kernels_t;

extern const tf_mat_kernels_t tf_mat_scalar;
extern const tf_mat_kernels_t tf_mat_avx2;
extern const tf_mat_kernels_t tf_mat_avx512;

/* Where the panel that begins with block first lies, and how many blocks it has. */
TF_INLINE const uint8_t *tf_mat_panel(const tf_mat_t *mat, uint32_t first) {
  return (const uint8_t *)mat->weights + (size_t)first * mat->group_cnt * mat->line_bytes;
}
TF_INLINE uint32_t tf_mat_panel_blocks(const tf_mat_t *mat, uint32_t first) {
  uint32_t left = mat->block_cnt - first;
  return left < TF_MAT_PANEL_BLOCKS ? left : TF_MAT_PANEL_BLOCKS;
}

/* int8 rows end in their scale. */
TF_INLINE float *tf_mat_row_scale(const tf_mat_t *mat, const void *row) {
  return (float *)((uint8_t *)(uintptr_t)row + mat->row_bytes) - 1;
}

/* A row's int8 scale from its greatest |x|, or its range, and what to multiply x with: no row is so
 * small that its inverse overflows. NaN and infinity give a scale that is none, and so NaN. */
#define TF_MAT_INT8_AMAX_MIN 1e-30f
#define TF_MAT_INT8_AMAX_MAX 3.0e38f
TF_INLINE float tf_mat_int8_scale(float amax, float *inverse) {
  bool tiny = amax < TF_MAT_INT8_AMAX_MIN;
  bool good = amax <= TF_MAT_INT8_AMAX_MAX;
  *inverse  = tiny || !good ? 0.0f : 127.0f / amax;
  return tiny ? 0.0f : good ? amax * (1.0f / 127.0f) : amax - amax;
}

#endif
