/* neg, abs, add, sub, mul, div, least, greatest: the operations between values of one moment, as the
 * feature plan computes them one by one: what is not finite reads NaN, and NaN in gives NaN out. least and
 * greatest are min(a, b) and max(a, b) of expressions; the indicators of those names are windows. */
#include "vector/lanes.h"

#define OPERATION(name, expr)                                                                      \
  TF_VECTOR_RUN(name) {                                                                            \
    for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {                                \
      tf_lanes_t a = tf_lanes_input(mem, v->in[0]), b = tf_lanes_input(mem, v->in[1]);             \
      (void)b;                                                                                     \
      *tf_lanes_of(mem + v->out) = tf_lanes_answer(tf_lanes_eq(a, a), (expr));                     \
    }                                                                                              \
  }

OPERATION(neg, -a)
OPERATION(abs, tf_lanes_abs(a))
OPERATION(add, a + b)
OPERATION(sub, a - b)
OPERATION(mul, a *b)
OPERATION(div, a / b)
/* b where it is the lesser, or NaN, which tf_lanes_answer lets through as NaN */
OPERATION(least, tf_lanes_select(tf_lanes_le(a, b), a, b))
OPERATION(greatest, tf_lanes_select(tf_lanes_le(b, a), a, b))

#ifdef TF_VECTOR_DESCRIBES
#define KIND(kind, inputs)                                                                         \
  TF_VECTOR_DECLARE(kind);                                                                         \
  const tf_vector_kind_t tf_vector_##kind = {                                                      \
      .name = #kind, .input_cnt = inputs, .output_cnt = 1, .run = TF_VECTOR_RUNS(kind)}
KIND(abs, 1);
KIND(add, 2);
KIND(div, 2);
KIND(greatest, 2);
KIND(least, 2);
KIND(mul, 2);
KIND(neg, 1);
KIND(sub, 2);
#endif
