/* Pooling windows over the axes behind batch and channel: max_pool and average_pool. ints: for each such axis its
 * window's size, stride, dilation, and padding before and behind; then, for average_pool, whether padding
 * counts. An output is made of the window's values that lie inside. */
#ifndef TF_KERNELS_TENSOR_POOL_H
#define TF_KERNELS_TENSOR_POOL_H

#include <math.h>

#include "tensor/tensor.h"

#define TF_POOL_AXIS_INTS 5u
#define TF_POOL_AXES_MAX  3u

/* more: ints behind those of the axes. */
tf_err_t tf_pool_shape(tf_tensor_use_t *use, uint32_t more);
uint64_t tf_pool_flops(const tf_tensor_use_t *use);

/* The next place in a window (or in the output); false past the last. */
static inline bool tf_pool_next(uint32_t *at, const uint32_t *dims, uint32_t axes) {
  for (uint32_t axis = axes; axis-- > 0; at[axis] = 0)
    if (++at[axis] < dims[axis]) return true;
  return false;
}

/* step and end as in reduce.h, with cnt values inside and all in the window. */
#define TF_POOL_OF_(name, T, begin_value, step_value, end_value)                                   \
  static void name(const tf_tensor_use_t *use, const T *const *in, T *out, T *scratch) {           \
    (void)scratch;                                                                                 \
    const tf_tensor_shape_t *from = &use->in[0], *to = &use->out;                                  \
    const uint32_t           axes = from->rank - 2;                                                \
    uint32_t                 size[TF_POOL_AXES_MAX], all = 1;                                      \
    for (uint32_t axis = 0; axis < axes; axis++)                                                   \
      all *= size[axis] = (uint32_t)use->ints[axis * TF_POOL_AXIS_INTS];                           \
    for (uint32_t plane = 0; plane < from->dims[0] * from->dims[1]; plane++) {                     \
      const T *x_at = in[0] + (size_t)plane * tf_tensor_axes_cnt(from, 2, from->rank);             \
      uint32_t at[TF_POOL_AXES_MAX] = {0};                                                         \
      do {                                                                                         \
        uint32_t w[TF_POOL_AXES_MAX] = {0};                                                        \
        double   sum = begin_value, cnt = 0.0;                                                     \
        do {                                                                                       \
          size_t source = 0;                                                                       \
          bool   inside = true;                                                                    \
          for (uint32_t axis = 0; axis < axes; axis++) {                                           \
            const int64_t *n  = use->ints + axis * TF_POOL_AXIS_INTS;                              \
            int64_t        of = (int64_t)at[axis] * n[1] + (int64_t)w[axis] * n[2] - n[3];         \
            inside &= of >= 0 && of < (int64_t)from->dims[2 + axis];                               \
            source = source * from->dims[2 + axis] + (size_t)of;                                   \
          }                                                                                        \
          if (!inside) continue;                                                                   \
          const double x = (double)x_at[source];                                                   \
          sum            = step_value;                                                             \
          cnt += 1.0;                                                                              \
        } while (tf_pool_next(w, size, axes));                                                     \
        (void)all;                                                                                 \
        (void)cnt;                                                                                 \
        *out++ = (T)(end_value);                                                                   \
      } while (tf_pool_next(at, to->dims + 2, axes));                                              \
    }                                                                                              \
  }

#endif
