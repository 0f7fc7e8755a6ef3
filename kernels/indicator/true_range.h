/* The true range of a bar: the largest of high - low, |high - last close| and |low - last close|; high -
 * low for the first bar. J. Welles Wilder, New Concepts in Technical Trading Systems (1978). */
#ifndef TF_INDICATOR_TRUE_RANGE_H
#define TF_INDICATOR_TRUE_RANGE_H

#include "indicator/parts.h"

TF_INLINE double tf_true_range(double high, double low, double last_close) {
  double range = high - low, up = __builtin_fabs(high - last_close),
         down = __builtin_fabs(low - last_close);
  if (up > range) range = up;
  return down > range ? down : range;
}

#endif
