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

/* a - b rounded; *error as before. The negation that tf_sum_two(a, -b) would need costs three instructions; the
 * bits are those (but for the sign of a zero error where a is -0, which no sum that began at +0 is). */
TF_INLINE double tf_sum_less(double a, double b, double *error) {
  double rest = a - b;
  double from = rest - a;
  *error      = (a - (rest - from)) - (b + from);
  return rest;
}

TF_INLINE void tf_sum_add(tf_sum_t *sum, double x) {
  double error;
  sum->hi = tf_sum_two(sum->hi, x, &error);
  sum->lo += error;
}

/* Takes out, then adds in; returns the new sum, within one unit in its last place. What leaves goes
 * first because it is known before what enters: only two additions then wait for `in`. */
TF_INLINE double tf_sum_replace(tf_sum_t *sum, double out, double in) {
  double error, rest = tf_sum_less(sum->hi, out, &error);
  double lo    = sum->lo + error;
  sum->hi      = tf_sum_two(rest, in, &error);
  double total = sum->hi + lo;
  sum->lo      = lo + error;
  return total;
}

/* Two sums side by side in one vector register; lane by lane the same operations, so the same bits.
 * (The compiler makes scalar code of it where the machine has no such register.) */
#ifdef __CUDACC__ /* which has no vectors in device code: the same, lane by lane */
struct TF_ALIGNED(16) tf_sum_lanes_t {
  double                     x[2];
  __host__ __device__ double operator[](int i) const { return x[i]; }
};
TF_INLINE tf_sum_lanes_t operator+(tf_sum_lanes_t a, tf_sum_lanes_t b) {
  return {a[0] + b[0], a[1] + b[1]};
}
TF_INLINE tf_sum_lanes_t operator-(tf_sum_lanes_t a, tf_sum_lanes_t b) {
  return {a[0] - b[0], a[1] - b[1]};
}
#else
typedef double tf_sum_lanes_t __attribute__((vector_size(16)));
#endif

typedef struct tf_sum_pair {
  tf_sum_lanes_t hi, lo;
} tf_sum_pair_t;

TF_INLINE tf_sum_lanes_t tf_sum_two_lanes_(tf_sum_lanes_t a, tf_sum_lanes_t b,
                                           tf_sum_lanes_t *error) {
  tf_sum_lanes_t sum  = a + b;
  tf_sum_lanes_t from = sum - a;
  *error              = (a - (sum - from)) + (b - from);
  return sum;
}

TF_INLINE tf_sum_lanes_t tf_sum_less_lanes_(tf_sum_lanes_t a, tf_sum_lanes_t b,
                                            tf_sum_lanes_t *error) {
  tf_sum_lanes_t rest = a - b;
  tf_sum_lanes_t from = rest - a;
  *error              = (a - (rest - from)) - (b + from);
  return rest;
}

/* tf_sum_replace of both lanes. */
TF_INLINE tf_sum_lanes_t tf_sum_pair_replace(tf_sum_pair_t *sum, tf_sum_lanes_t out,
                                             tf_sum_lanes_t in) {
  tf_sum_lanes_t error, rest = tf_sum_less_lanes_(sum->hi, out, &error);
  tf_sum_lanes_t lo    = sum->lo + error;
  sum->hi              = tf_sum_two_lanes_(rest, in, &error);
  tf_sum_lanes_t total = sum->hi + lo;
  sum->lo              = lo + error;
  return total;
}

TF_INLINE double tf_sum_value(const tf_sum_t *sum) { return sum->hi + sum->lo; }

/* Moves what lo has gathered into hi, so that lo stays below one unit in the last place of hi over
 * any number of additions. */
TF_INLINE void tf_sum_settle(tf_sum_t *sum) { sum->hi = tf_sum_two(sum->hi, sum->lo, &sum->lo); }

#endif
