/* The least squares line and the weighted mean of the last n inputs, in the manner of step.h.
 *
 * With d = x less a reference, S = sum(d) and W = sum(i d), i = 1 for the oldest, a window slides as block.h says. The
 * reference is an input that is in the window, the block's first and the end's last, so that a trend is not lost
 * in the height of x; the end is brought to the block's by adding the difference. */
#ifndef TF_INDICATOR_TREND_H
#define TF_INDICATOR_TREND_H

#include "indicator/block.h"
#include "indicator/step.h"

typedef struct tf_trend {
  double   sum, weighted; /* of the current block less its reference */
  double   reference, last_reference;
  uint32_t at, n, pos, full;
} tf_trend_t;

typedef struct tf_trend_view {
  double sum, weighted, reference, n;
} tf_trend_view_t;

TF_INLINE uint64_t tf_trend_init(tf_trend_t *s, tf_layout_t *l, double n) {
  s->n  = tf_layout_count(l, n, 1);
  s->at = tf_layout_take(l, 2 * (uint64_t)s->n); /* S and W of the inputs from each on */
  return s->n - 1;
}

TF_INLINE void tf_trend_turn_(tf_trend_t *s, tf_store_t m, double newest) {
  double sum = 0, weighted = 0;
  for (uint32_t i = s->n; m.keep && i-- > 0;) {
    double *entry = &m.words[s->at + 2 * i];
    sum += entry[0] - newest;
    weighted += sum;
    entry[0] = sum;
    entry[1] = weighted;
  }
  s->last_reference = newest;
  s->sum = s->weighted = 0;
}

TF_INLINE bool tf_trend_step(tf_trend_t *s, tf_store_t m, double x, tf_trend_view_t *view) {
  uint32_t cnt = s->pos + 1, rest = s->n - cnt;
  bool     is_warm = rest == 0 || s->full;
  if (s->pos == 0) s->reference = x;
  double d = x - s->reference;
  s->sum += d;
  s->weighted += (double)cnt * d;
  *view =
      (tf_trend_view_t){s->sum, s->weighted + (double)rest * s->sum, s->reference, (double)s->n};
  if (rest > 0 && s->full) {
    double shift = s->last_reference - s->reference, k = (double)rest;
    view->sum += m.words[s->at + 2 * cnt] + k * shift;
    view->weighted += m.words[s->at + 2 * cnt + 1] + 0.5 * k * (k + 1.0) * shift;
  }
  tf_store_put(m, s->at + 2 * s->pos, x);
  if (tf_block_turn(&s->pos, &s->full, s->n)) tf_trend_turn_(s, m, x);
  return is_warm;
}

TF_INLINE double tf_trend_mean(const tf_trend_view_t *v) { return v->reference + v->sum / v->n; }

/* Newest weighs n, oldest 1. */
TF_INLINE double tf_trend_weighted_mean(const tf_trend_view_t *v) {
  return v->reference + v->weighted * 2.0 / (v->n * (v->n + 1.0));
}

/* Per input; n >= 2. */
TF_INLINE double tf_trend_slope(const tf_trend_view_t *v) {
  return (v->weighted - v->sum * (0.5 * (v->n + 1.0))) * 12.0 / (v->n * (v->n * v->n - 1.0));
}

/* Of the line, `ahead` inputs after the newest. */
TF_INLINE double tf_trend_at(const tf_trend_view_t *v, double ahead) {
  return v->reference + (v->sum / v->n + tf_trend_slope(v) * (0.5 * (v->n - 1.0) + ahead));
}

#endif
