/* The true range of a bar, the largest of high - low, |high - last close| and |low - last close|, and Wilder's average of
 * it: step 1 / n, seeded with the mean of the first n. The first bar has no range. J. Welles
 * Wilder, New Concepts in Technical Trading Systems (1978), with TA-Lib's start. */
#ifndef TF_INDICATOR_TRUE_RANGE_H
#define TF_INDICATOR_TRUE_RANGE_H

#include "indicator/smooth.h"
#include "indicator/window.h"

TF_INLINE double tf_true_range(double high, double low, double last_close) {
  double range = high - low, up = __builtin_fabs(high - last_close),
         down = __builtin_fabs(low - last_close);
  if (up > range) range = up;
  return down > range ? down : range;
}

typedef struct tf_atr {
  tf_previous_t close;
  tf_smooth_t   mean;
} tf_atr_t;

/* n was checked; the lookback is n. */
TF_INLINE void tf_atr_init(tf_atr_t *s, double n) { (void)tf_smooth_init_wilder(&s->mean, n); }

/* x: high, low, close */
TF_INLINE bool tf_atr_step(tf_atr_t *s, const double *x, double *mean) {
  double last;
  bool   is_warm = tf_previous_step(&s->close, x[2], &last) &&
                 tf_smooth_add(&s->mean, tf_true_range(x[0], x[1], last));
  *mean = s->mean.mean;
  return is_warm;
}

#endif
