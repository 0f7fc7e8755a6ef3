/* Ops that scale each row along the last axis by its own spread: layer_norm and its kind. A row less its mean (or as it
 * is), over the root of its mean square and reals[0]; then times input 1 and plus input 2, one value each of the row,
 * where they are given. Sums in double, in order, as reduce.h says. */
#ifndef TF_KERNELS_TENSOR_NORM_H
#define TF_KERNELS_TENSOR_NORM_H

#include <math.h>

#include "tensor/tensor.h"

/* Values in a row. */
uint32_t tf_norm_width(const tf_tensor_use_t *use);
tf_err_t tf_norm_shape(tf_tensor_use_t *use);

/* mean_value: in terms of x and width. */
#define TF_NORM_OF_(name, T, mean_value)                                                           \
  static void name(const tf_tensor_use_t *use, const T *const *in, T *out, T *scratch) {           \
    (void)scratch;                                                                                 \
    const uint32_t width = tf_norm_width(use);                                                     \
    const T       *x     = in[0];                                                                  \
    for (uint32_t at = 0; at < use->out.cnt; at += width, x += width, out += width) {              \
      const double mean      = mean_value;                                                         \
      double       square[4] = {0.0, 0.0, 0.0, 0.0};                                               \
      for (uint32_t i = 0; i < width; i++)                                                         \
        square[i % 4] += ((double)x[i] - mean) * ((double)x[i] - mean);                            \
      const double variance = ((square[0] + square[1]) + (square[2] + square[3])) / (double)width; \
      const double scale    = 1.0 / sqrt(variance + use->reals[0]);                                \
      for (uint32_t i = 0; i < width; i++) out[i] = (T)(((double)x[i] - mean) * scale);            \
      if (use->in_cnt > 1)                                                                         \
        for (uint32_t i = 0; i < width; i++) out[i] *= in[1][i];                                   \
      if (use->in_cnt > 2)                                                                         \
        for (uint32_t i = 0; i < width; i++) out[i] += in[2][i];                                   \
    }                                                                                              \
  }

/* mean_of(x, width) is a macro, for rows of float and of double alike. */
#define TF_NORM(op_name, in_cnt_max, flops_each, mean_of)                                          \
  TF_NORM_OF_(ref, double, mean_of(x, width))                                                      \
  TF_NORM_OF_(run, float, mean_of(x, width))                                                       \
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
