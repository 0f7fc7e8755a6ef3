/* Ops of one to three inputs that make each value of the output from one of each: sqrt, add, where. An op
 * says what it makes of a, b (and c) once; ref and run are made of that. Inner runs whose inputs move by one or
 * stand still are loops that the compiler turns into vectors; additions and the like have no order, so
 * bits are the same whatever it makes of them. */
#ifndef TF_KERNELS_TENSOR_POINTWISE_H
#define TF_KERNELS_TENSOR_POINTWISE_H

#include <math.h>

#include "tensor/tensor.h"

#define TF_POINTWISE_OF_(name, T, expr)                                                            \
  static inline T name##_value(T a, T b, T c) {                                                    \
    (void)b;                                                                                       \
    (void)c;                                                                                       \
    return (T)(expr);                                                                              \
  }                                                                                                \
  static void name##_inner(uint32_t cnt, const int32_t *s, const T *a, const T *b, const T *c,     \
                           T *out) {                                                               \
    if (s[0] == 1 && s[1] == 1 && s[2] == 0)                                                       \
      for (uint32_t i = 0; i < cnt; i++) out[i] = name##_value(a[i], b[i], *c);                    \
    else if (s[0] == 1 && s[1] == 0 && s[2] == 0)                                                  \
      for (uint32_t i = 0; i < cnt; i++) out[i] = name##_value(a[i], *b, *c);                      \
    else if (s[0] == 0 && s[1] == 1 && s[2] == 0)                                                  \
      for (uint32_t i = 0; i < cnt; i++) out[i] = name##_value(*a, b[i], *c);                      \
    else                                                                                           \
      for (uint32_t i = 0; i < cnt; i++)                                                           \
        out[i] =                                                                                   \
            name##_value(a[(ptrdiff_t)i * s[0]], b[(ptrdiff_t)i * s[1]], c[(ptrdiff_t)i * s[2]]);  \
  }                                                                                                \
  static void name(const tf_tensor_use_t *use, const T *const *in, T *out, T *scratch) {           \
    (void)scratch;                                                                                 \
    const tf_tensor_loop_t *l     = &use->loop;                                                    \
    const uint32_t          inner = l->rank - 1, cnt = l->dims[inner];                             \
    const int32_t           s[3] = {l->step[0][inner], l->step[1][inner], l->step[2][inner]};      \
    uint32_t                at[TF_TENSOR_RANK_MAX] = {0};                                          \
    const T *a = in[0], *b = use->in_cnt > 1 ? in[1] : a, *c = use->in_cnt > 2 ? in[2] : b;        \
    for (;;) {                                                                                     \
      name##_inner(cnt, s, a, b, c, out);                                                          \
      out += cnt;                                                                                  \
      uint32_t axis = inner;                                                                       \
      for (;;) {                                                                                   \
        if (axis-- == 0) return;                                                                   \
        a += l->step[0][axis];                                                                     \
        b += l->step[1][axis];                                                                     \
        c += l->step[2][axis];                                                                     \
        if (++at[axis] < l->dims[axis]) break;                                                     \
        a -= (ptrdiff_t)l->dims[axis] * l->step[0][axis];                                          \
        b -= (ptrdiff_t)l->dims[axis] * l->step[1][axis];                                          \
        c -= (ptrdiff_t)l->dims[axis] * l->step[2][axis];                                          \
        at[axis] = 0;                                                                              \
      }                                                                                            \
    }                                                                                              \
  }

/* in_double and in_float: the value in terms of a, b and c. */
#define TF_POINTWISE(op_name, inputs, in_double, in_float)                                         \
  TF_POINTWISE_OF_(ref, double, in_double)                                                         \
  TF_POINTWISE_OF_(run, float, in_float)                                                           \
  const tf_tensor_op_t tf_tensor_##op_name = {                                                     \
      .name     = #op_name,                                                                        \
      .in_min   = inputs,                                                                          \
      .in_max   = inputs,                                                                          \
      .in_place = true,                                                                            \
      .shape    = tf_tensor_shape_broadcast,                                                       \
      .ref      = ref,                                                                             \
      .run      = run,                                                                             \
  };

#endif
