/* The recursion mean += (x - mean) * step, seeded with the mean of the first n inputs: Wilder's
 * smoothing with step 1 / n, an exponential average with step 2 / (n + 1). The state of the indicators
 * that smooth more than once. */
#ifndef TF_INDICATOR_SMOOTH_H
#define TF_INDICATOR_SMOOTH_H

#include "indicator/parts.h"

typedef struct tf_smooth {
  double   mean; /* while seeding: the sum so far */
  double   step;
  uint32_t n;
  uint32_t cnt; /* inputs seen, up to n */
} tf_smooth_t;

TF_INLINE tf_err_t tf_smooth_init_ema(tf_smooth_t *s, double n) {
  *s = (tf_smooth_t){.step = 2.0 / (n + 1.0)};
  return tf_parts_count(n, 1, &s->n);
}

TF_INLINE tf_err_t tf_smooth_init_wilder(tf_smooth_t *s, double n) {
  *s = (tf_smooth_t){.step = 1.0 / n};
  return tf_parts_count(n, 1, &s->n);
}

TF_INLINE void tf_smooth_reset(tf_smooth_t *s) {
  s->mean = 0;
  s->cnt  = 0;
}

/* True once s->mean is one. */
TF_INLINE bool tf_smooth_add(tf_smooth_t *s, double x) {
  if (TF_LIKELY(s->cnt == s->n)) {
    s->mean = (x - s->mean) * s->step + s->mean;
    return true;
  }
  s->mean += x;
  if (++s->cnt < s->n) return false;
  s->mean /= (double)s->n;
  return true;
}

/* For batch: input i of a series, by its index alone; *mean carries over. NaN while seeding. */
TF_INLINE double tf_smooth_scan(double *mean, size_t i, double x, size_t n, double step) {
  if (i == 0) *mean = 0;
  if (i >= n) return *mean = (x - *mean) * step + *mean;
  *mean += x;
  if (i + 1 < n) return __builtin_nan("");
  return *mean /= (double)n;
}

#endif
