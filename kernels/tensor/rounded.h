/* Products below fp32 inside a net: rows of floats times a constant matrix of op/mat.h, packed behind its header. Rows are made
 * ready a chunk at a time in scratch; nothing past the last output is written.
 *
 * Which products these are an op's product says: those of matmul, conv and the recurrent layers with a constant side, of at most
 * TF_OP_WIDTH_MAX inputs (int8 sums are exact up to there). Everything else of a net is float. */
#ifndef TF_KERNELS_TENSOR_ROUNDED_H
#define TF_KERNELS_TENSOR_ROUNDED_H

#include "tensor/tensor.h"

/* Rows made ready at a time: a multiple of the tiles of op/mat_avx512.c. */
#define TF_ROUNDED_CHUNK 48u
/* Outputs of a convolution's group below which it stays fp32: most of a block of op/mat.h would be padding. */
#define TF_ROUNDED_OUTPUTS_MIN 4u

/* Whether use is to run below fp32, its products having in_cnt inputs. */
TF_INLINE bool tf_rounded_wanted(const tf_tensor_use_t *use, uint32_t in_cnt) {
  return use->precision != TF_PRECISION_FP32 && in_cnt <= TF_OP_WIDTH_MAX;
}

/* Bytes of a packed matrix with its header, a multiple of 64. */
size_t tf_rounded_bytes(const tf_mat_source_t *source);
/* target: aligned to 64. What lies behind it is returned. */
void *tf_rounded_pack(const tf_mat_source_t *source, tf_isa_t isa, void *target);
/* All of use's products, one behind the other. */
void tf_rounded_pack_all(const tf_tensor_use_t *use, const float *const *in, void *target);
/* The matrix number idx of equal ones. */
const tf_mat_t *tf_rounded_at(const void *packed, const tf_mat_source_t *source, uint32_t idx);

/* Floats of scratch for row_cnt rows. */
size_t tf_rounded_scratch(const tf_mat_source_t *source, uint32_t row_cnt);
/* c[r] = mat a[r] + bias for row_cnt rows, a_step and c_step apart. bias has room for tf_mat_out_floats, or is NULL. scratch is
 * aligned to 64. */
typedef struct tf_rounded_product {
  const tf_mat_t *mat;
  const float    *a;
  size_t          a_step;
  uint32_t        row_cnt;
  const float    *bias;
  float          *c;
  size_t          c_step;
  float          *scratch;
} tf_rounded_product_t;
void tf_rounded_multiply(const tf_rounded_product_t *product);

#endif
