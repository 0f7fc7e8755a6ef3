/* Ops that make one value of those along some axes: reduce_sum and its kind. ints are 1 where the axes stay, as 1, else
 * 0; then the axes. Float sums are taken in double, in order, and rounded once: an attention over 200
 * rows, or a mean of prices of 1e5, keeps its digits. */
#ifndef TF_KERNELS_TENSOR_REDUCE_H
#define TF_KERNELS_TENSOR_REDUCE_H

#include <math.h>

#include "tensor/tensor.h"

/* loop walks the input: kept axes first, then those that go; at least one of each. */
tf_err_t tf_reduce_shape(tf_tensor_use_t *use);
/* How many values make one. */
uint32_t tf_reduce_each(const tf_tensor_use_t *use);
/* How many axes of the loop stay. */
uint32_t tf_reduce_kept(const tf_tensor_use_t *use);
/* Counts axes first .. end - 1 on by one, the last the quickest, from the end to the begin again; how far the input moves. */
TF_INLINE ptrdiff_t tf_reduce_advance(const tf_tensor_loop_t *l, uint32_t first, uint32_t end,
                                      uint32_t *at) {
  ptrdiff_t moved = 0;
  for (uint32_t axis = end; axis-- > first;) {
    moved += l->step[0][axis];
    if (++at[axis] < l->dims[axis]) break;
    moved -= (ptrdiff_t)l->dims[axis] * l->step[0][axis];
    at[axis] = 0;
  }
  return moved;
}
uint64_t tf_reduce_flops(const tf_tensor_use_t *use);

/* Outputs along the last axis that stays are made side by side, each from its own values in order. */
#define TF_REDUCE_TOGETHER 64u

/* begin: the sum's first value; step: in terms of sum and x; end: in terms of sum and cnt. */
#define TF_REDUCE_OF_(name, T, begin_value, step_value, end_value)                                 \
  static void name##_some(const tf_tensor_use_t *use, const T *in, uint32_t outputs, T *out) {     \
    const tf_tensor_loop_t *l                      = &use->loop;                                   \
    const uint32_t          kept                   = tf_reduce_kept(use);                          \
    const int32_t           step                   = l->step[0][kept - 1];                         \
    const uint32_t          each                   = tf_reduce_each(use);                          \
    uint32_t                at[TF_TENSOR_RANK_MAX] = {0};                                          \
    double                  sums[TF_REDUCE_TOGETHER];                                              \
    for (uint32_t k = 0; k < outputs; k++) sums[k] = begin_value;                                  \
    for (uint32_t i = 0; i < each; i++) {                                                          \
      for (uint32_t k = 0; k < outputs; k++) {                                                     \
        const double sum = sums[k], x = (double)in[(ptrdiff_t)k * step];                           \
        sums[k] = step_value;                                                                      \
      }                                                                                            \
      in += tf_reduce_advance(l, kept, l->rank, at);                                               \
    }                                                                                              \
    for (uint32_t k = 0; k < outputs; k++) {                                                       \
      const double sum = sums[k], cnt = (double)each;                                              \
      (void)cnt;                                                                                   \
      out[k] = (T)(end_value);                                                                     \
    }                                                                                              \
  }                                                                                                \
  static void name(const tf_tensor_use_t *use, const T *const *in, T *out, T *scratch) {           \
    (void)scratch;                                                                                 \
    const tf_tensor_loop_t *l                      = &use->loop;                                   \
    const uint32_t          kept                   = tf_reduce_kept(use);                          \
    const uint32_t          run                    = l->dims[kept - 1];                            \
    const int32_t           step                   = l->step[0][kept - 1];                         \
    uint32_t                at[TF_TENSOR_RANK_MAX] = {0};                                          \
    const T                *from                   = in[0];                                        \
    for (uint32_t o = 0; o < use->out.cnt; o += run, out += run) {                                 \
      for (uint32_t k = 0; k < run; k += TF_REDUCE_TOGETHER) {                                     \
        const uint32_t left = run - k;                                                             \
        name##_some(use, from + (ptrdiff_t)k * step,                                               \
                    left < TF_REDUCE_TOGETHER ? left : TF_REDUCE_TOGETHER, out + k);               \
      }                                                                                            \
      from += tf_reduce_advance(l, 0, kept - 1, at);                                               \
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
