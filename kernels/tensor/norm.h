/* Ops that scale each row along the last axis by its own spread: layer_norm and its kind. A row less its mean (or as it
 * is), over the root of its mean square and reals[0]; then times input 1 and plus input 2, one value each of the row,
 * where they are given. Sums in double, in four parts, each in order. */
#ifndef TF_KERNELS_TENSOR_NORM_H
#define TF_KERNELS_TENSOR_NORM_H

#include "tensor/tensor.h"

tf_err_t tf_norm_shape(tf_tensor_use_t *use);
/* is_centred: rows lose their mean. */
void tf_norm_ref(const tf_tensor_use_t *use, const double *const *in, double *out, bool is_centred);
void tf_norm_run(const tf_tensor_use_t *use, const float *const *in, float *out, bool is_centred);

#define TF_NORM(op_name, in_cnt_max, flops_each, is_centred)                                       \
  static void ref(const tf_tensor_use_t *use, const double *const *in, double *out,                \
                  double *scratch) {                                                               \
    (void)scratch;                                                                                 \
    tf_norm_ref(use, in, out, is_centred);                                                         \
  }                                                                                                \
  static void run(const tf_tensor_use_t *use, const float *const *in, float *out,                  \
                  float *scratch) {                                                                \
    (void)scratch;                                                                                 \
    tf_norm_run(use, in, out, is_centred);                                                         \
  }                                                                                                \
  static uint64_t flops(const tf_tensor_use_t *use) {                                              \
    return UINT64_C(flops_each) * use->out.cnt;                                                    \
  }                                                                                                \
  const tf_tensor_op_t tf_tensor_##op_name = {                                                     \
      .name     = #op_name,                                                                        \
      .in_min   = 1,                                                                               \
      .in_max   = in_cnt_max,                                                                      \
      .real_cnt = 1,                                                                               \
      .in_place = true,                                                                            \
      .shape    = tf_norm_shape,                                                                   \
      .ref      = ref,                                                                             \
      .run      = run,                                                                             \
      .flops    = flops,                                                                           \
  };

#endif
