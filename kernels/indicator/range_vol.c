/* Volatility from whole bars, a bar, not annualised: the root of an estimate of the variance over the last n bars. With
 * o, h, l, c the open, high, low and close of a bar and c' the close of the bar before,
 *
 *   garman_klass     mean of  ln(h / l)^2 / 2 - (2 ln 2 - 1) ln(c / o)^2
 *   rogers_satchell  mean of  ln(h / c) ln(h / o) + ln(l / c) ln(l / o)
 *   yang_zhang       V(ln(o / c')) + k V(ln(c / o)) + (1 - k) RS,  k = 0.34 / (1.34 + (n + 1) / (n - 1))
 *
 * V being the sample variance (over n - 1) and RS the mean of rogers_satchell. garman_klass takes the drift and the
 * jump at the open for zero, rogers_satchell only the jump, yang_zhang neither.
 *
 * M. Garman, M. Klass, "On the estimation of security price volatilities from historical data", J. of Business 53
 * (1980) 67-78, the estimator that they call practical; L. Rogers, S. Satchell, "Estimating variance from high, low
 * and closing prices", Annals of Applied Probability 1 (1991) 504-512; D. Yang, Q. Zhang, "Drift-independent
 * volatility estimation based on high, low, open, and close prices", J. of Business 73 (2000) 477-491.
 *
 * A bar with a price that is not positive gives no value and changes nothing. Where the sum is below zero, which takes a
 * high or low that is not the extreme of its bar, the volatility is 0. Logarithms are log_ratio.h. */
#include "indicator/log_ratio.h"
#include "indicator/variance.h"
#include "indicator/window.h"

#define TWO_LN_2_LESS_1 0.38629436111989061

enum { OPEN, HIGH, LOW, CLOSE };

TF_STEP bool is_bar(const double *x) {
  return x[OPEN] > 0 && x[HIGH] > 0 && x[LOW] > 0 && x[CLOSE] > 0;
}

TF_STEP double root(double variance) { return variance > 0 ? __builtin_sqrt(variance) : 0; }

static uint64_t range_build(tf_total_t *s, tf_layout_t *l, const double *params) {
  return tf_total_init(s, l, params[0]);
}

TF_STEP bool garman_klass_step(tf_total_t *s, tf_store_t m, const double *x, double *y) {
  if (!is_bar(x)) return false;
  double range = tf_log_ratio(x[HIGH], x[LOW]), move = tf_log_ratio(x[CLOSE], x[OPEN]), mean;
  bool   is_warm =
      tf_total_step_mean(s, m, 0.5 * (range * range) - TWO_LN_2_LESS_1 * (move * move), &mean);
  y[0] = root(mean);
  return is_warm;
}

TF_STEP double rogers_satchell_of(const double *x) {
  return tf_log_ratio(x[HIGH], x[CLOSE]) * tf_log_ratio(x[HIGH], x[OPEN]) +
         tf_log_ratio(x[LOW], x[CLOSE]) * tf_log_ratio(x[LOW], x[OPEN]);
}

TF_STEP bool rogers_satchell_step(tf_total_t *s, tf_store_t m, const double *x, double *y) {
  double mean;
  if (!is_bar(x)) return false;
  bool is_warm = tf_total_step_mean(s, m, rogers_satchell_of(x), &mean);
  y[0]         = root(mean);
  return is_warm;
}

typedef struct yang_zhang {
  double        last_close; /* 0 before the first bar */
  double        weight;     /* k */
  double        sample;     /* n / (n - 1): of the population's variance the sample's */
  tf_variance_t open, move;
  tf_total_t    range;
} yang_zhang_t;

static uint64_t yang_zhang_build(yang_zhang_t *s, tf_layout_t *l, const double *params) {
  double n  = tf_layout_count(l, params[0], 2);
  s->weight = 0.34 / (1.34 + (n + 1) / (n - 1));
  s->sample = n / (n - 1);
  (void)tf_variance_init(&s->open, l, n);
  (void)tf_variance_init(&s->move, l, n);
  return tf_total_init(&s->range, l, n) + 1;
}

TF_STEP bool yang_zhang_step(yang_zhang_t *s, tf_store_t m, const double *x, double *y) {
  tf_variance_view_t open, move;
  double             last = s->last_close, range;
  if (!is_bar(x)) return false;
  s->last_close = x[CLOSE];
  if (!(last > 0)) return false;
  (void)tf_variance_step(&s->open, m, tf_log_ratio(x[OPEN], last), &open);
  (void)tf_variance_step(&s->move, m, tf_log_ratio(x[CLOSE], x[OPEN]), &move);
  bool is_warm = tf_total_step_mean(&s->range, m, rogers_satchell_of(x), &range);
  y[0] = root((open.variance + s->weight * move.variance) * s->sample + (1 - s->weight) * range);
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(garman_klass, tf_total_t, range_build, garman_klass_step,
                       .group  = TF_GROUP_VOLATILITY,
                       .help   = "volatility from open, high, low and close, per bar; no drift",
                       .origin = "Garman, Klass 1980", TF_SERIES("open", "high", "low", "close"),
                       TF_OUTPUTS("garman_klass"), TF_PARAMS(TF_PARTS_PARAM_N(20, 1, "bars")));

TF_INDICATOR_DEFINE_AS(rogers_satchell, tf_total_t, range_build, rogers_satchell_step,
                       .group  = TF_GROUP_VOLATILITY,
                       .help   = "volatility from open, high, low and close, per bar; any drift",
                       .origin = "Rogers, Satchell 1991", TF_SERIES("open", "high", "low", "close"),
                       TF_OUTPUTS("rogers_satchell"), TF_PARAMS(TF_PARTS_PARAM_N(20, 1, "bars")));

TF_INDICATOR_DEFINE(yang_zhang, yang_zhang_t, .group = TF_GROUP_VOLATILITY,
                    .help   = "volatility from bars and the jumps between them, per bar; any drift",
                    .origin = "Yang, Zhang 2000", TF_SERIES("open", "high", "low", "close"),
                    TF_OUTPUTS("yang_zhang"), TF_PARAMS(TF_PARTS_PARAM_N(20, 2, "bars")));
