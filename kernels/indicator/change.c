/* How far a price came from what it was n inputs ago, and how straight: TA-Lib's momentum indicators of one price. rsi has
 * a file of its own. */
#include "indicator/average.h"

#define OF_CLOSE TF_SERIES("close")

/* ---- against the input n ago; 0 where that is 0 and would divide ---- */

static uint64_t lag_build(tf_lag_t *s, tf_layout_t *l, const double *params) {
  return tf_lag_init(s, l, params[0]);
}

#define LAGGED(id, known_as, what, value)                                                          \
  TF_STEP bool id##_step(tf_lag_t *s, tf_store_t m, const double *x, double *y) {                  \
    double before;                                                                                 \
    bool   is_warm = tf_lag_step(s, m, x[0], &before);                                             \
    y[0]           = value;                                                                        \
    return is_warm;                                                                                \
  }                                                                                                \
  TF_INDICATOR_DEFINE_AS(id, tf_lag_t, lag_build, id##_step, .alias = known_as,                    \
                         .group = TF_GROUP_MOMENTUM, .help = what,                                 \
                         .origin = "definition, as TA-Lib's", OF_CLOSE, TF_OUTPUTS(#id),           \
                         TF_PARAMS(TF_PARAM_PERIOD(10, 1)))

LAGGED(mom, "delta", "change over n inputs", x[0] - before);
LAGGED(roc, NULL, "change over n inputs, in percent", before == 0 ? 0 : (x[0] / before - 1) * 100);
LAGGED(rocp, NULL, "change over n inputs as a part", before == 0 ? 0 : (x[0] - before) / before);
LAGGED(rocr, NULL, "ratio to n inputs ago", before == 0 ? 0 : x[0] / before);
LAGGED(rocr100, NULL, "ratio to n inputs ago, in percent", before == 0 ? 0 : x[0] / before * 100);

/* ---- rises and falls ---- */

typedef struct cmo {
  tf_previous_t last;
  tf_smooth_t   up, down;
} cmo_t;

static uint64_t cmo_build(cmo_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_wilder(&s->up, n);
  s->down = s->up;
  return n;
}

TF_STEP double balance(double up, double down) {
  return TF_LIKELY(up + down != 0) ? 100 * ((up - down) / (up + down)) : 0;
}

TF_STEP bool cmo_step(cmo_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last;
  if (!tf_previous_step(&s->last, x[0], &last)) return false;
  double change = x[0] - last;
  (void)tf_smooth_add(&s->up, change > 0 ? change : 0);
  bool is_warm = tf_smooth_add(&s->down, change < 0 ? -change : 0);
  y[0]         = balance(s->up.mean, s->down.mean);
  return is_warm;
}

TF_INDICATOR_DEFINE(cmo, cmo_t, .group = TF_GROUP_MOMENTUM,
                    .help = "rises less falls over their sum, smoothed, -100 to 100; 0 where none",
                    .origin = "Chande 1994 with Wilder's smoothing, as TA-Lib CMO", OF_CLOSE,
                    TF_OUTPUTS("cmo"), TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

typedef struct cmou {
  tf_previous_t last;
  tf_total_t    up, down;
} cmou_t;

static uint64_t cmou_build(cmou_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->up, l, params[0]);
  return tf_total_init(&s->down, l, params[0]) + 1;
}

TF_STEP bool cmou_step(cmou_t *s, tf_store_t m, const double *x, double *y) {
  double last, up, down;
  if (!tf_previous_step(&s->last, x[0], &last)) return false;
  double change = x[0] - last;
  (void)tf_total_step(&s->up, m, change > 0 ? change : 0, &up);
  bool is_warm = tf_total_step(&s->down, m, change < 0 ? -change : 0, &down);
  y[0]         = balance(up, down);
  return is_warm;
}

TF_INDICATOR_DEFINE(
    cmou, cmou_t, .group = TF_GROUP_MOMENTUM,
    .help   = "rises less falls of the last n over their sum, -100 to 100; 0 where none",
    .origin = "Chande 1994, as TA-Lib CMOU", OF_CLOSE, TF_OUTPUTS("cmou"),
    TF_PARAMS(TF_PARAM_PERIOD(14, 1)));

typedef struct tsi {
  tf_previous_t last;
  tf_smooth_t   change[2], size[2];
} tsi_t;

static uint64_t tsi_build(tsi_t *s, tf_layout_t *l, const double *params) {
  uint64_t lookback = 1;
  for (uint32_t i = 0; i < 2; i++) {
    uint32_t n = tf_layout_count(l, params[i], 1);
    (void)tf_smooth_init_ema(&s->change[i], n);
    s->size[i] = s->change[i];
    lookback += n - 1;
  }
  return lookback;
}

TF_STEP bool tsi_step(tsi_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last;
  if (!tf_previous_step(&s->last, x[0], &last)) return false;
  double change = x[0] - last;
  (void)tf_smooth_add(&s->size[0], __builtin_fabs(change));
  if (!tf_smooth_add(&s->change[0], change)) return false;
  (void)tf_smooth_add(&s->size[1], s->size[0].mean);
  bool is_warm = tf_smooth_add(&s->change[1], s->change[0].mean);
  y[0]         = s->size[1].mean > 0 ? 100 * s->change[1].mean / s->size[1].mean : 0;
  return is_warm;
}

TF_INDICATOR_DEFINE(
    tsi, tsi_t, .group = TF_GROUP_MOMENTUM,
    .help   = "changes over their sizes, both smoothed twice, -100 to 100; 0 where none",
    .origin = "Blau, TASC 9 (1991), as TA-Lib TSI", OF_CLOSE, TF_OUTPUTS("tsi"),
    TF_PARAMS(TF_PARAM_COUNTED("firstperiod", 25, 1, "of the first ema, in inputs"),
              TF_PARAM_COUNTED("secondperiod", 13, 1, "of the second, in inputs")));

/* ---- the way against the distance ---- */

typedef struct way {
  tf_previous_t last;
  tf_lag_t      before;
  tf_total_t    sizes; /* of the changes */
  tf_span_t     span;  /* vhf */
} way_t;

static uint64_t er_build(way_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->sizes, l, params[0]);
  return tf_lag_init(&s->before, l, params[0]);
}

/* *sum of the sizes of the last n changes. */
TF_STEP void way_add(way_t *s, tf_store_t m, double x, double *sum) {
  double last;
  *sum = 0;
  if (tf_previous_step(&s->last, x, &last))
    (void)tf_total_step(&s->sizes, m, __builtin_fabs(x - last), sum);
}

TF_STEP bool er_step(way_t *s, tf_store_t m, const double *x, double *y) {
  double sum, before;
  way_add(s, m, x[0], &sum);
  bool   is_warm = tf_lag_step(&s->before, m, x[0], &before);
  double size    = __builtin_fabs(x[0] - before);
  y[0]           = size >= sum ? 1 : size / sum;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(
    er, way_t, er_build, er_step, .group = TF_GROUP_MOMENTUM,
    .help   = "efficiency ratio: distance over way of n inputs, 0 to 1; 1 where still",
    .origin = "Kaufman, Smarter Trading (1995), as TA-Lib ER", OF_CLOSE, TF_OUTPUTS("er"),
    TF_PARAMS(TF_PARAM_PERIOD(10, 1)));

static uint64_t vhf_build(way_t *s, tf_layout_t *l, const double *params) {
  (void)tf_span_init(&s->span, l, params[0]);
  return tf_total_init(&s->sizes, l, params[0]) + 1;
}

TF_STEP bool vhf_step(way_t *s, tf_store_t m, const double *x, double *y) {
  double sum, top, bottom;
  way_add(s, m, x[0], &sum);
  (void)tf_span_step(&s->span, m, x[0], x[0], &top, &bottom);
  y[0] = sum > 0 ? (top - bottom) / sum : 0;
  return s->sizes.cnt == s->sizes.n;
}

TF_INDICATOR_DEFINE_AS(vhf, way_t, vhf_build, vhf_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "range of n inputs over the way between them; 0 where still",
                       .origin = "White, Futures 20 (1991), as TA-Lib VHF", OF_CLOSE,
                       TF_OUTPUTS("vhf"), TF_PARAMS(TF_PARAM_PERIOD(28, 2)));

/* ---- against a line or an average ---- */

typedef struct dpo {
  tf_lag_t   before;
  tf_total_t mean;
} dpo_t;

static uint64_t dpo_build(dpo_t *s, tf_layout_t *l, const double *params) {
  uint32_t n     = tf_layout_count(l, params[0], 1);
  uint64_t other = tf_lag_init(&s->before, l, n / 2 + 1), own = tf_total_init(&s->mean, l, n);
  return own > other ? own : other;
}

TF_STEP bool dpo_step(dpo_t *s, tf_store_t m, const double *x, double *y) {
  double before, mean;
  bool   has_before = tf_lag_step(&s->before, m, x[0], &before);
  bool   is_warm    = tf_total_step_mean(&s->mean, m, x[0], &mean) && has_before;
  y[0]              = before - mean;
  return is_warm;
}

TF_INDICATOR_DEFINE(dpo, dpo_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "the input n / 2 + 1 ago less the mean of the last n",
                    .origin = "detrended price oscillator, as TA-Lib DPO", OF_CLOSE,
                    TF_OUTPUTS("dpo"), TF_PARAMS(TF_PARAM_PERIOD(20, 2)));

typedef struct fosc {
  double     forecast; /* of this input by the ones before it */
  uint64_t   has_forecast;
  tf_trend_t line;
} fosc_t;

static uint64_t fosc_build(fosc_t *s, tf_layout_t *l, const double *params) {
  return tf_trend_init(&s->line, l, params[0]) + 1;
}

TF_STEP bool fosc_step(fosc_t *s, tf_store_t m, const double *x, double *y) {
  tf_trend_view_t v;
  bool            is_warm = s->has_forecast;
  y[0]                    = x[0] == 0 ? 0 : 100 * (x[0] - s->forecast) / x[0];
  s->has_forecast         = tf_trend_step(&s->line, m, x[0], &v);
  s->forecast             = tf_trend_at(&v, 1);
  return is_warm;
}

TF_INDICATOR_DEFINE(
    fosc, fosc_t, .group = TF_GROUP_MOMENTUM,
    .help = "how far the input is from what the line through the n before it foretold, in percent",
    .origin = "Chande 1994, as TA-Lib FOSC", OF_CLOSE, TF_OUTPUTS("fosc"),
    TF_PARAMS(TF_PARAM_PERIOD(5, 2)));

typedef struct trix {
  tf_chain_t    chain;
  tf_previous_t last;
} trix_t;

static uint64_t trix_build(trix_t *s, tf_layout_t *l, const double *params) {
  return tf_chain_init(&s->chain, l, params[0], 3) + 1;
}

TF_STEP bool trix_step(trix_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last;
  if (!tf_chain_step(&s->chain, x[0], 3)) return false;
  double mean = s->chain.e[2].mean;
  if (!tf_previous_step(&s->last, mean, &last)) return false;
  y[0] = TF_LIKELY(last != 0) ? (mean / last - 1) * 100 : 0;
  return true;
}

TF_INDICATOR_DEFINE(trix, trix_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "change of an ema of an ema of an ema, in percent",
                    .origin = "Hutson, TASC 1 (1983), as TA-Lib TRIX", OF_CLOSE, TF_OUTPUTS("trix"),
                    TF_PARAMS(TF_PARAM_PERIOD(30, 1)));

typedef struct coppock {
  tf_lag_t   first, second;
  tf_trend_t mean;
} coppock_t;

static uint64_t coppock_build(coppock_t *s, tf_layout_t *l, const double *params) {
  uint64_t mean = tf_trend_init(&s->mean, l, params[0]);
  uint64_t a = tf_lag_init(&s->first, l, params[1]), b = tf_lag_init(&s->second, l, params[2]);
  return mean + (a > b ? a : b);
}

TF_STEP bool coppock_step(coppock_t *s, tf_store_t m, const double *x, double *y) {
  tf_trend_view_t v;
  double          a, b;
  bool            has_a = tf_lag_step(&s->first, m, x[0], &a);
  if (!tf_lag_step(&s->second, m, x[0], &b) || !has_a) return false;
  double sum     = (a == 0 ? 0 : (x[0] / a - 1) * 100) + (b == 0 ? 0 : (x[0] / b - 1) * 100);
  bool   is_warm = tf_trend_step(&s->mean, m, sum, &v);
  y[0]           = tf_trend_weighted_mean(&v);
  return is_warm;
}

TF_INDICATOR_DEFINE(coppock, coppock_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "wma of the sum of the changes over two lengths, in percent",
                    .origin = "Coppock, Barron's 1962, as TA-Lib COPPOCK", OF_CLOSE,
                    TF_OUTPUTS("coppock"),
                    TF_PARAMS(TF_PARAM_COUNTED("wmaperiod", 10, 1, "of the average, in inputs"),
                              TF_PARAM_COUNTED("roc1period", 11, 1, "of one change, in inputs"),
                              TF_PARAM_COUNTED("roc2period", 14, 1, "of the other, in inputs")));
