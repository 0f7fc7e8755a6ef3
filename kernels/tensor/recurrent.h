/* Recurrent layers over a sequence: lstm, gru, rnn as ONNX has them (docs/Operators.md there), gates i o f c, z r n
 * (linear_before_reset 1) and one with tanh. Inputs: x [rows, batch, n]; W [directions, gates * units, n]; R
 * [directions, gates * units, units]; B [directions, 2 * gates * units]; the first h [directions, batch, units]; for lstm the
 * first c. W, R and B are constants. ints: 0 forward, 1 reverse, 2 both; then, of
 * lstm, 1 where its last c is wanted as one more row. Out: [rows, directions, batch, units].
 *
 * x's part of all gates is one product beforehand; a row then costs R h and the cell of op/op.h. */
#ifndef TF_KERNELS_TENSOR_RECURRENT_H
#define TF_KERNELS_TENSOR_RECURRENT_H

#include "tensor/tensor.h"

/* use->op decides by name which cell. */
typedef struct tf_recurrent_cell {
  uint32_t            gate_cnt;
  bool                has_carry; /* a first c */
  bool                apart;     /* the last gate's two biases stay apart */
  const tf_op_cell_t *cell;      /* by instruction set */
  /* One unit in double: its gates' x parts and h parts with their biases. */
  double (*ref)(const double *from_x, const double *from_h, double h, double *carry);
} tf_recurrent_cell_t;

tf_err_t tf_recurrent_shape(tf_tensor_use_t *use, const tf_recurrent_cell_t *cell);
tf_err_t tf_recurrent_check(const tf_tensor_use_t *use, const float *const *in);
size_t   tf_recurrent_scratch_cnt(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell);
size_t   tf_recurrent_pack_bytes(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell);
void     tf_recurrent_pack(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                           const float *const *in, void *target);
void     tf_recurrent_ref(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                          const double *const *in, double *out, double *scratch);
void     tf_recurrent_run(const tf_tensor_use_t *use, const tf_recurrent_cell_t *cell,
                          const float *const *in, float *out, float *scratch);
bool tf_recurrent_product(const tf_tensor_use_t *use, uint32_t idx, tf_tensor_product_t *product);
uint64_t tf_recurrent_flops(const tf_tensor_use_t *use);

#define TF_RECURRENT(op_name, inputs, the_cell)                                                    \
  static tf_err_t shape(tf_tensor_use_t *use) { return tf_recurrent_shape(use, &the_cell); }       \
  static size_t   scratch_cnt(const tf_tensor_use_t *use) {                                        \
      return tf_recurrent_scratch_cnt(use, &the_cell);                                             \
  }                                                                                                \
  static size_t pack_bytes(const tf_tensor_use_t *use, const float *const *in) {                   \
    (void)in;                                                                                      \
    return tf_recurrent_pack_bytes(use, &the_cell);                                                \
  }                                                                                                \
  static void pack(const tf_tensor_use_t *use, const float *const *in, void *target) {             \
    tf_recurrent_pack(use, &the_cell, in, target);                                                 \
  }                                                                                                \
  static void ref(const tf_tensor_use_t *use, const double *const *in, double *out,                \
                  double *scratch) {                                                               \
    tf_recurrent_ref(use, &the_cell, in, out, scratch);                                            \
  }                                                                                                \
  static void run(const tf_tensor_use_t *use, const float *const *in, float *out,                  \
                  float *scratch) {                                                                \
    tf_recurrent_run(use, &the_cell, in, out, scratch);                                            \
  }                                                                                                \
  const tf_tensor_op_t tf_tensor_##op_name = {                                                     \
      .name        = #op_name,                                                                     \
      .in_min      = inputs,                                                                       \
      .in_max      = inputs,                                                                       \
      .int_min     = 1,                                                                            \
      .int_max     = 2,                                                                            \
      .packs       = 1u << 1 | 1u << 2 | 1u << 3, /* W, R, B */                                    \
      .product     = tf_recurrent_product,                                                         \
      .shape       = shape,                                                                        \
      .scratch_cnt = scratch_cnt,                                                                  \
      .ref         = ref,                                                                          \
      .run         = run,                                                                          \
      .check       = tf_recurrent_check,                                                           \
      .pack_bytes  = pack_bytes,                                                                   \
      .pack        = pack,                                                                         \
      .flops       = tf_recurrent_flops,                                                           \
  };

#endif
