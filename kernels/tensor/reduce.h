/* Ops that make one value of those along some axes: reduce_sum and its kind. ints are 1 where the axes stay, as 1, else
 * 0; then the axes. Float sums are taken in double, in order, and rounded once: an attention over 200
 * rows, or a mean of prices of 1e5, keeps its digits. */
#ifndef TF_KERNELS_TENSOR_REDUCE_H
#define TF_KERNELS_TENSOR_REDUCE_H

#include <math.h>

#include "tensor/tensor.h"

/* loop walks the input: kept axes first, then those that go. */
tf_err_t tf_reduce_shape(tf_tensor_use_t *use);
/* How many values make one. */
uint32_t tf_reduce_each(const tf_tensor_use_t *use);
uint64_t tf_reduce_flops(const tf_tensor_use_t *use);

/* begin: the sum's first value; step: in terms of sum and x; end: in terms of sum and cnt. */
#define TF_REDUCE_OF_(name, T, begin_value, step_value, end_value)                                 \
  static void name(const tf_tensor_use_t *use, const T *const *in, T *out, T *scratch) {           \
    (void)scratch;                                                                                 \
    const tf_tensor_loop_t *l                      = &use->loop;                                   \
    uint32_t                at[TF_TENSOR_RANK_MAX] = {0}, axis;                                    \
    const uint32_t          each                   = tf_reduce_each(use);                          \
    const T                *x_at                   = in[0];                                        \
    for (uint32_t o = 0; o < use->out.cnt; o++) {                                                  \
      double sum = begin_value;                                                                    \
      for (uint32_t i = 0; i < each; i++) {                                                        \
        const double x = (double)*x_at;                                                            \
        sum            = step_value;                                                               \
        for (axis = l->rank; axis-- > 0;) {                                                        \
          x_at += l->step[0][axis];                                                                \
          if (++at[axis] < l->dims[axis]) break;                                                   \
          x_at -= (ptrdiff_t)l->dims[axis] * l->step[0][axis];                                     \
          at[axis] = 0;                                                                            \
        }                                                                                          \
      }                                                                                            \
      const double cnt = (double)each;                                                             \
      (void)cnt;                                                                                   \
      out[o] = (T)(end_value);                                                                     \
    }                                                                                              \
  }

#define TF_REDUCE(op_name, begin_value, step_value, end_value)                                     \
  TF_REDUCE_OF_(ref, double, begin_value, step_value, end_value)                                   \
  TF_REDUCE_OF_(run, float, begin_value, step_value, end_value)                                    \
  const tf_tensor_op_t tf_tensor_##op_name = {                                                     \
      .name    = #op_name,                                                                         \
      .in_min  = 1,                                                                                \
      .in_max  = 1,                                                                                \
      .int_min = 1,                                                                                \
      .int_max = 1 + TF_TENSOR_RANK_MAX,                                                           \
      .shape   = tf_reduce_shape,                                                                  \
      .ref     = ref,                                                                              \
      .run     = run,                                                                              \
      .flops   = tf_reduce_flops,                                                                  \
  };

#endif
