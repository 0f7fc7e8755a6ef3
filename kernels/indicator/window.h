/* What the last n inputs say, a step at a time, in the manner of step.h: the input n ago, the sum, the largest. Each has
 * an init, which takes its room and returns its lookback, and a step. O(1), the largest amortised. */
#ifndef TF_INDICATOR_WINDOW_H
#define TF_INDICATOR_WINDOW_H

#include "indicator/step.h"
#include "indicator/sum.h"

/* ---- the input before ---- */

typedef struct tf_previous {
  double   x;
  uint64_t is_there;
} tf_previous_t;

/* x takes its place. False, and *before 0, for the first. */
TF_INLINE bool tf_previous_step(tf_previous_t *s, double x, double *before) {
  *before = s->x;
  s->x    = x;
  if (TF_LIKELY(s->is_there)) return true;
  s->is_there = 1;
  return false;
}

/* ---- the input n ago ---- */

typedef struct tf_lag {
  uint32_t at, n, pos, cnt;
} tf_lag_t;

TF_INLINE uint64_t tf_lag_init(tf_lag_t *s, tf_layout_t *l, double n) {
  s->n  = tf_layout_count(l, n, 1);
  s->at = tf_layout_take(l, s->n);
  return s->n;
}

/* Of the inputs before this one: the one `age` before it, 1 .. n. */
TF_INLINE double tf_lag_get(const tf_lag_t *s, tf_store_t m, uint32_t age) {
  return m.words[s->at + (s->pos >= age ? s->pos - age : s->pos + s->n - age)];
}

/* False, and *before 0, until there are n inputs before x. */
TF_INLINE bool tf_lag_step(tf_lag_t *s, tf_store_t m, double x, double *before) {
  *before = m.words[s->at + s->pos];
  tf_store_put(m, s->at + s->pos, x);
  s->pos = s->pos + 1 == s->n ? 0 : s->pos + 1;
  if (TF_LIKELY(s->cnt == s->n)) return true;
  s->cnt++;
  return false;
}

/* ---- the sum ---- */

/* Compensated (sum.h), and renewed once in n inputs without a pause: a second sum starts from zero whenever the ring
 * wraps, takes only additions, and n inputs later is exactly the sum of the ring, so it takes over. Any
 * residue is gone at most n inputs after its cause has left. */
typedef struct tf_total {
  tf_sum_t sum;   /* of the last n inputs */
  tf_sum_t fresh; /* of the ring up to pos */
  uint32_t at, n, pos, cnt;
} tf_total_t;

TF_INLINE uint64_t tf_total_init(tf_total_t *s, tf_layout_t *l, double n) {
  s->n  = tf_layout_count(l, n, 1);
  s->at = tf_layout_take(l, s->n);
  return s->n - 1;
}

/* *total of the last n, or of as many as there were; true once they are n. */
TF_INLINE bool tf_total_step(tf_total_t *s, tf_store_t m, double x, double *total) {
  *total = tf_sum_replace(&s->sum, m.words[s->at + s->pos], x);
  tf_sum_add(&s->fresh, x);
  tf_store_put(m, s->at + s->pos, x);
  if (TF_UNLIKELY(++s->pos == s->n)) {
    s->pos   = 0;
    s->sum   = s->fresh;
    s->fresh = (tf_sum_t){0};
    *total   = tf_sum_value(&s->sum);
  }
  if (TF_UNLIKELY(s->cnt < s->n)) s->cnt++;
  return s->cnt == s->n;
}

TF_INLINE bool tf_total_step_mean(tf_total_t *s, tf_store_t m, double x, double *mean) {
  bool is_warm = tf_total_step(s, m, x, mean);
  *mean /= (double)s->n;
  return is_warm;
}

/* ---- the largest, the smallest ---- */

/* A monotonic queue (extreme.h) with the places of its inputs. Of equal ones the oldest or the newest is
 * the extreme, as init is told. */
typedef struct tf_peak {
  double   sign;        /* -1 for the smallest */
  uint32_t keeps_older; /* of equal inputs */
  uint32_t at, n, head, cnt;
  uint64_t seq; /* of the next input, from 0 */
} tf_peak_t;

typedef struct tf_peak_view {
  double   value;
  uint64_t seq;
} tf_peak_view_t;

typedef enum tf_peak_side { TF_PEAK_LOWEST, TF_PEAK_HIGHEST } tf_peak_side_t;

TF_INLINE uint64_t tf_peak_init(tf_peak_t *s, tf_layout_t *l, tf_peak_side_t side, bool keeps_older,
                                double n) {
  s->sign        = side == TF_PEAK_HIGHEST ? 1 : -1;
  s->keeps_older = keeps_older;
  s->n           = tf_layout_count(l, n, 1);
  s->at          = tf_layout_take(l, 2 * (uint64_t)s->n); /* value and seq of each */
  return s->n - 1;
}

TF_INLINE uint32_t tf_peak_place_(const tf_peak_t *s, uint32_t i) {
  uint32_t at = s->head + i;
  return s->at + 2 * (at >= s->n ? at - s->n : at);
}

TF_INLINE bool tf_peak_yields_(const tf_peak_t *s, double old, double x) {
  return s->keeps_older ? x > old : x >= old;
}

TF_INLINE bool tf_peak_step(tf_peak_t *s, tf_store_t m, double x, tf_peak_view_t *view) {
  double y = s->sign * x;
  if (s->cnt > 0 && (double)(int64_t)s->seq - m.words[tf_peak_place_(s, 0) + 1] >= (double)s->n) {
    s->head = s->head + 1 == s->n ? 0 : s->head + 1;
    s->cnt--;
  }
  if (s->cnt > 0 && tf_peak_yields_(s, m.words[tf_peak_place_(s, 0)], y)) s->cnt = 0;
  /* Only the back moves on from here, which a peek's answer does not show. */
  while (m.keep && s->cnt > 0 && tf_peak_yields_(s, m.words[tf_peak_place_(s, s->cnt - 1)], y)) {
    s->cnt--;
  }
  bool is_front = s->cnt == 0;
  *view         = is_front ? (tf_peak_view_t){x, s->seq}
                           : (tf_peak_view_t){s->sign * m.words[tf_peak_place_(s, 0)],
                                              (uint64_t)(int64_t)m.words[tf_peak_place_(s, 0) + 1]};
  tf_store_put(m, tf_peak_place_(s, s->cnt), y);
  tf_store_put(m, tf_peak_place_(s, s->cnt) + 1, (double)(int64_t)s->seq);
  s->cnt++;
  s->seq++;
  return s->seq >= s->n;
}

/* The highest high and the lowest low of the last n bars. */
typedef struct tf_span {
  tf_peak_t high, low;
} tf_span_t;

TF_INLINE uint64_t tf_span_init(tf_span_t *s, tf_layout_t *l, double n) {
  tf_peak_init(&s->high, l, TF_PEAK_HIGHEST, false, n);
  return tf_peak_init(&s->low, l, TF_PEAK_LOWEST, false, n);
}

TF_INLINE bool tf_span_step(tf_span_t *s, tf_store_t m, double high, double low, double *top,
                            double *bottom) {
  tf_peak_view_t upper, lower;
  tf_peak_step(&s->high, m, high, &upper);
  bool is_warm = tf_peak_step(&s->low, m, low, &lower);
  *top         = upper.value;
  *bottom      = lower.value;
  return is_warm;
}

#endif
