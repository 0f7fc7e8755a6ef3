/* indicator/sum.h for eight lanes: compensated sums, operation for operation. */
#ifndef TF_VECTOR_SUMS_H
#define TF_VECTOR_SUMS_H

#include "vector/lanes.h"

TF_INLINE tf_lanes_t tf_lanes_two_sum(tf_lanes_t a, tf_lanes_t b, tf_lanes_t *error) {
  tf_lanes_t sum  = a + b;
  tf_lanes_t from = sum - a;
  *error          = (a - (sum - from)) + (b - from);
  return sum;
}

TF_INLINE tf_lanes_t tf_lanes_less(tf_lanes_t a, tf_lanes_t b, tf_lanes_t *error) {
  tf_lanes_t rest = a - b;
  tf_lanes_t from = rest - a;
  *error          = (a - (rest - from)) - (b + from);
  return rest;
}

TF_INLINE void tf_lanes_sum_add(tf_lanes_t *hi, tf_lanes_t *lo, tf_lanes_t x) {
  tf_lanes_t error;
  *hi = tf_lanes_two_sum(*hi, x, &error);
  *lo = *lo + error;
}

TF_INLINE tf_lanes_t tf_lanes_sum_replace(tf_lanes_t *hi, tf_lanes_t *lo, tf_lanes_t out,
                                          tf_lanes_t in) {
  tf_lanes_t error, rest = tf_lanes_less(*hi, out, &error), held = *lo + error;
  *hi              = tf_lanes_two_sum(rest, in, &error);
  tf_lanes_t total = *hi + held;
  *lo              = held + error;
  return total;
}

#endif
