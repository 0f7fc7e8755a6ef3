/* A sum that numbers can be added to and taken from again without drift: an unevaluated pair
 * hi + lo, where hi is the rounded sum and lo collects what each rounding lost (the error-free
 * transformation TwoSum: Knuth, The Art of Computer Programming vol. 2, 4.2.2; Neumaier 1974). About
 * 106 bits, so that a sample removed leaves a residue of at most 2^-100 of the largest one.
 *
 * Only +, - in a fixed order: the same bits on every machine. */
#ifndef TF_INDICATOR_SUM_H
#define TF_INDICATOR_SUM_H

#include "tf/base.h"

typedef struct tf_sum {
  double hi, lo;
} tf_sum_t;

/* a + b rounded; *error is exactly what was lost. */
TF_INLINE double tf_sum_two(double a, double b, double *error) {
  double sum  = a + b;
  double from = sum - a;
  *error      = (a - (sum - from)) + (b - from);
  return sum;
}

TF_INLINE void tf_sum_add(tf_sum_t *sum, double x) {
  double error;
  sum->hi = tf_sum_two(sum->hi, x, &error);
  sum->lo += error;
}

/* Adds in and takes out in one go. The exact difference of the two is formed first, apart from the
 * sum, so that only one addition waits for the last one's result. */
TF_INLINE void tf_sum_exchange(tf_sum_t *sum, double in, double out) {
  double apart, error;
  double change = tf_sum_two(in, -out, &apart);
  sum->hi       = tf_sum_two(sum->hi, change, &error);
  sum->lo += apart + error;
}

/* Two sums side by side in one vector register; lane by lane the same operations, so the same bits.
 * (The compiler makes scalar code of it where the machine has no such register.) */
typedef double tf_sum_lanes_t __attribute__((vector_size(16)));

TF_INLINE tf_sum_lanes_t tf_sum_two_lanes(tf_sum_lanes_t a, tf_sum_lanes_t b,
                                          tf_sum_lanes_t *error) {
  tf_sum_lanes_t sum  = a + b;
  tf_sum_lanes_t from = sum - a;
  *error              = (a - (sum - from)) + (b - from);
  return sum;
}

typedef struct tf_sum_pair {
  tf_sum_lanes_t hi, lo;
} tf_sum_pair_t;

/* tf_sum_exchange of both lanes. */
TF_INLINE void tf_sum_pair_exchange(tf_sum_pair_t *sum, tf_sum_lanes_t in, tf_sum_lanes_t out) {
  tf_sum_lanes_t apart, error;
  tf_sum_lanes_t change = tf_sum_two_lanes(in, -out, &apart);
  sum->hi               = tf_sum_two_lanes(sum->hi, change, &error);
  sum->lo += apart + error;
}

TF_INLINE double tf_sum_value(const tf_sum_t *sum) { return sum->hi + sum->lo; }

/* Moves what lo has gathered into hi, so that lo stays below one unit in the last place of hi over
 * any number of additions. */
TF_INLINE void tf_sum_settle(tf_sum_t *sum) { sum->hi = tf_sum_two(sum->hi, sum->lo, &sum->lo); }

#endif
