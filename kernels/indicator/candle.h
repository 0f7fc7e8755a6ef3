/* What the candlestick patterns are made of: the last candles, and the words that a pattern is told in: white, long,
 * doji, without a shadow, near, equal.
 *
 * Long, short, near and so on mean: beside the mean of a few candles *before* the one in question, which is a part of TA-Lib's
 * definition. These are its candle settings, at their defaults:
 *
 *   body     long         above the mean body of 10          near, far, equal   within 1/5, 3/5, 1/20 of the mean
 *            short        below it                                              range of 5
 *            a doji's     at most 1/10 of the mean range of 10
 *   shadow   long         above its own candle's body        (a range is high - low)
 *            very long    above twice that
 *            short        below the mean shadow of 10: half of upper + lower
 *            very short   below 1/10 of the mean range of 10
 *
 * State: 16 candles as they came, which covers the five of the longest pattern with the ten before the first of them; no
 * running sum, so nothing drifts and an absurd candle is forgotten once it has left. A mean is computed where a rule
 * asks for it, which is seldom, as rules ask for colours and gaps first. Its sum is compensated (sum.h): of prices on a
 * common grid it is exact, and ties are decided as in exact arithmetic. O(1): at most ten additions a mean.
 *
 * A pattern is a rule and a row:
 *
 *   static int doji(const tf_candles_t *c) { return tf_is_doji(c, 0) ? 100 : 0; }
 *   TF_PATTERN(cdldoji, doji, 1, TF_CANDLES_BEFORE, "Doji: opens and closes at almost one price")
 *
 * The answer is TA-Lib's: 100 for a rising, -100 for a falling pattern, 0 for none; 80 and 200 where the help says so. That a
 * trend went before, which most of the books want, no rule looks at. */
#ifndef TF_INDICATOR_CANDLE_H
#define TF_INDICATOR_CANDLE_H

#include "indicator/step.h"
#include "indicator/sum.h"

#define TF_CANDLES_BEFORE      10u /* candles before one that say what is long, short, a doji */
#define TF_CANDLES_BEFORE_NEAR 5u  /* what is near, far, equal */
#define TF_CANDLES_CNT         16u /* kept */
#define TF_CANDLES_OF_PATTERN  5u  /* of the longest */

TF_STATIC_ASSERT(TF_CANDLES_OF_PATTERN + TF_CANDLES_BEFORE <= TF_CANDLES_CNT, "all fit");
TF_STATIC_ASSERT((TF_CANDLES_CNT & (TF_CANDLES_CNT - 1)) == 0, "places by a mask");

typedef struct tf_candle {
  double open, high, low, close;
} tf_candle_t;

typedef struct tf_candles {
  tf_candle_t ring[TF_CANDLES_CNT];
  uint32_t    newest;
  uint32_t    to_go;       /* candles until the first answer */
  double      penetration; /* the parameter of patterns that have one: a part of the first body */
} tf_candles_t;

/* The candle `age` before the newest. */
TF_INLINE const tf_candle_t *tf_candle(const tf_candles_t *c, uint32_t age) {
  return &c->ring[(c->newest - age) & (TF_CANDLES_CNT - 1)];
}

TF_INLINE uint64_t tf_candles_init(tf_candles_t *c, uint32_t candles, uint32_t before) {
  c->to_go = candles - 1 + before;
  return c->to_go;
}

/* x: open, high, low, close; true once there are candles enough. */
TF_INLINE bool tf_candles_step(tf_candles_t *c, const double *x) {
  c->newest          = (c->newest + 1) & (TF_CANDLES_CNT - 1);
  c->ring[c->newest] = (tf_candle_t){x[0], x[1], x[2], x[3]};
  return tf_idle(&c->to_go);
}

/* ---- one candle ---- */

TF_INLINE bool   tf_is_white(const tf_candle_t *a) { return a->close >= a->open; }
TF_INLINE bool   tf_is_black(const tf_candle_t *a) { return a->close < a->open; }
TF_INLINE int    tf_color(const tf_candle_t *a) { return tf_is_white(a) ? 1 : -1; }
TF_INLINE double tf_range(const tf_candle_t *a) { return a->high - a->low; }
TF_INLINE double tf_body(const tf_candle_t *a) { return __builtin_fabs(a->close - a->open); }
TF_INLINE double tf_top(const tf_candle_t *a) { return tf_is_white(a) ? a->close : a->open; }
TF_INLINE double tf_bottom(const tf_candle_t *a) { return tf_is_white(a) ? a->open : a->close; }
TF_INLINE double tf_upper(const tf_candle_t *a) { return a->high - tf_top(a); }
TF_INLINE double tf_lower(const tf_candle_t *a) { return tf_bottom(a) - a->low; }
TF_INLINE double tf_shadows(const tf_candle_t *a) { return tf_upper(a) + tf_lower(a); }

/* ---- a candle beside another: a is the later one ---- */

TF_INLINE bool tf_body_gaps_up(const tf_candle_t *a, const tf_candle_t *b) {
  return tf_bottom(a) > tf_top(b);
}
TF_INLINE bool tf_body_gaps_down(const tf_candle_t *a, const tf_candle_t *b) {
  return tf_top(a) < tf_bottom(b);
}
TF_INLINE bool tf_gaps_up(const tf_candle_t *a, const tf_candle_t *b) { return a->low > b->high; }
TF_INLINE bool tf_gaps_down(const tf_candle_t *a, const tf_candle_t *b) { return a->high < b->low; }

/* ---- a candle beside those before it ---- */

/* The mean of `what` over the cnt candles before the one `age` ago. */
TF_INLINE double tf_candles_mean(const tf_candles_t *c, uint32_t age, uint32_t cnt,
                                 double (*what)(const tf_candle_t *)) {
  tf_sum_t sum = {0};
  for (uint32_t i = 1; i <= cnt; i++) tf_sum_add(&sum, what(tf_candle(c, age + i)));
  return tf_sum_value(&sum) / (double)cnt;
}

TF_INLINE double tf_mean_body(const tf_candles_t *c, uint32_t age) {
  return tf_candles_mean(c, age, TF_CANDLES_BEFORE, tf_body);
}
TF_INLINE double tf_tenth_of_range(const tf_candles_t *c, uint32_t age) {
  return 0.1 * tf_candles_mean(c, age, TF_CANDLES_BEFORE, tf_range);
}
TF_INLINE double tf_near(const tf_candles_t *c, uint32_t age) {
  return 0.2 * tf_candles_mean(c, age, TF_CANDLES_BEFORE_NEAR, tf_range);
}
TF_INLINE double tf_far(const tf_candles_t *c, uint32_t age) {
  return 0.6 * tf_candles_mean(c, age, TF_CANDLES_BEFORE_NEAR, tf_range);
}
TF_INLINE double tf_equal(const tf_candles_t *c, uint32_t age) {
  return 0.05 * tf_candles_mean(c, age, TF_CANDLES_BEFORE_NEAR, tf_range);
}
/* Half of the mean of both shadows: what one of them has on average. */
TF_INLINE double tf_mean_shadow(const tf_candles_t *c, uint32_t age) {
  return tf_candles_mean(c, age, TF_CANDLES_BEFORE, tf_shadows) / 2;
}

TF_INLINE bool tf_is_long(const tf_candles_t *c, uint32_t age) {
  return tf_body(tf_candle(c, age)) > tf_mean_body(c, age);
}
TF_INLINE bool tf_is_short(const tf_candles_t *c, uint32_t age) {
  return tf_body(tf_candle(c, age)) < tf_mean_body(c, age);
}
TF_INLINE bool tf_is_doji(const tf_candles_t *c, uint32_t age) {
  return tf_body(tf_candle(c, age)) <= tf_tenth_of_range(c, age);
}

/* Without: with a very short one at the most. */
TF_INLINE bool tf_is_without_upper(const tf_candles_t *c, uint32_t age) {
  return tf_upper(tf_candle(c, age)) < tf_tenth_of_range(c, age);
}
TF_INLINE bool tf_is_without_lower(const tf_candles_t *c, uint32_t age) {
  return tf_lower(tf_candle(c, age)) < tf_tenth_of_range(c, age);
}
TF_INLINE bool tf_is_without_shadows(const tf_candles_t *c, uint32_t age) {
  double most = tf_tenth_of_range(c, age);
  return tf_upper(tf_candle(c, age)) < most && tf_lower(tf_candle(c, age)) < most;
}
TF_INLINE bool tf_is_short_of_shadows(const tf_candles_t *c, uint32_t age) {
  double most = tf_mean_shadow(c, age);
  return tf_upper(tf_candle(c, age)) < most && tf_lower(tf_candle(c, age)) < most;
}

/* x lies within `by` of y. */
TF_INLINE bool tf_is_within(double x, double y, double by) { return x <= y + by && x >= y - by; }

/* ---- a row ---- */

#define TF_PATTERN_PENETRATION(part)                                                               \
  TF_PARAM_NUMBER("penetration", part, 0, 100, "how deep into the first body, as a part of it")

#define TF_PATTERN_STEP_(id, rule)                                                                 \
  TF_STEP bool id##_step(tf_candles_t *c, tf_store_t m, const double *x, double *y) {              \
    (void)m;                                                                                       \
    if (!tf_candles_step(c, x)) return false;                                                      \
    y[0] = rule(c);                                                                                \
    return true;                                                                                   \
  }

#define TF_PATTERN_AS_(id, type, what, ...)                                                        \
  TF_INDICATOR_DEFINE(id, type, .group = TF_GROUP_PATTERN, .help = what,                           \
                      .origin = "candlestick charting; rule and settings as TA-Lib",               \
                      TF_SERIES("open", "high", "low", "close"), TF_OUTPUTS(#id), __VA_ARGS__)

/* Indicator id: the rule over so many candles, the oldest of which is held against so many before it. */
#define TF_PATTERN(id, rule, candles, before, what)                                                \
  static uint64_t id##_build(tf_candles_t *c, tf_layout_t *l, const double *params) {              \
    (void)l, (void)params;                                                                         \
    return tf_candles_init(c, candles, before);                                                    \
  }                                                                                                \
  TF_PATTERN_STEP_(id, rule)                                                                       \
  TF_PATTERN_AS_(id, tf_candles_t, what, .param_cnt = 0)

/* The same with a penetration. */
#define TF_PATTERN_DEEP(id, rule, candles, before, part, what)                                     \
  static uint64_t id##_build(tf_candles_t *c, tf_layout_t *l, const double *params) {              \
    (void)l;                                                                                       \
    c->penetration = params[0];                                                                    \
    return tf_candles_init(c, candles, before);                                                    \
  }                                                                                                \
  TF_PATTERN_STEP_(id, rule)                                                                       \
  TF_PATTERN_AS_(id, tf_candles_t, what, TF_PARAMS(TF_PATTERN_PENETRATION(part)))

#endif
