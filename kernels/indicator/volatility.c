/* How much prices move: TA-Lib's Volatility Indicators. */
#include "indicator/true_range.h"
#include "indicator/variance.h"
#include "indicator/window.h"

/* ---- ranges of bars ---- */

typedef struct trange {
  tf_previous_t close;
} trange_t;

static uint64_t trange_build(trange_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 1;
}

TF_STEP bool trange_step(trange_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last;
  y[0] = tf_true_range(x[0], x[1], s->close.x);
  return tf_previous_step(&s->close, x[2], &last);
}

TF_INDICATOR_DEFINE(trange, trange_t, .alias = "true_range", .group = TF_GROUP_VOLATILITY,
                    .help   = "true range of a bar, in price",
                    .origin = "Wilder 1978, as TA-Lib TRANGE", TF_SERIES("high", "low", "close"),
                    TF_OUTPUTS("trange"));

static uint64_t atr_build(tf_atr_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  tf_atr_init(s, n);
  return n;
}

TF_STEP bool atr_step(tf_atr_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  return tf_atr_step(s, x, y);
}

TF_STEP bool natr_step(tf_atr_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = tf_atr_step(s, x, y);
  if (s->mean.n > 1) y[0] = x[2] == 0 ? 0 : y[0] / x[2] * 100;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(atr, tf_atr_t, atr_build, atr_step, .group = TF_GROUP_VOLATILITY,
                       .help   = "average true range, in price",
                       .origin = "Wilder 1978, as TA-Lib ATR", TF_SERIES("high", "low", "close"),
                       TF_OUTPUTS("atr"), TF_PARAMS(TF_PARAM_PERIOD(14, 1)));
TF_INDICATOR_DEFINE_AS(natr, tf_atr_t, atr_build, natr_step, .group = TF_GROUP_VOLATILITY,
                       .help = "average true range in percent of the close, 0 where that is; with "
                               "n = 1 the true range itself",
                       .origin = "Forman, TASC 24 (2006), as TA-Lib NATR",
                       TF_SERIES("high", "low", "close"), TF_OUTPUTS("natr"),
                       TF_PARAMS(TF_PARAM_PERIOD(14, 1)));

static uint64_t adr_build(tf_total_t *s, tf_layout_t *l, const double *params) {
  return tf_total_init(s, l, params[0]);
}

TF_STEP bool adr_step(tf_total_t *s, tf_store_t m, const double *x, double *y) {
  return tf_total_step_mean(s, m, x[0] - x[1], y);
}

TF_INDICATOR_DEFINE(adr, tf_total_t, .group = TF_GROUP_VOLATILITY,
                    .help = "mean of high - low over the last n bars", .origin = "as TA-Lib ADR",
                    TF_SERIES("high", "low"), TF_OUTPUTS("adr"), TF_PARAMS(TF_PARAM_PERIOD(14, 1)));

/* ---- cvi: how the average range changed ---- */

typedef struct cvi {
  tf_smooth_t range;
  tf_lag_t    before;
} cvi_t;

static uint64_t cvi_build(cvi_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_ema(&s->range, n);
  return tf_lag_init(&s->before, l, params[1]) + n - 1;
}

TF_STEP bool cvi_step(cvi_t *s, tf_store_t m, const double *x, double *y) {
  double before;
  if (!tf_smooth_add(&s->range, x[0] - x[1])) return false;
  bool is_warm = tf_lag_step(&s->before, m, s->range.mean, &before);
  y[0]         = before == 0 ? 0 : 100 * ((s->range.mean - before) / before);
  return is_warm;
}

TF_INDICATOR_DEFINE(cvi, cvi_t, .group = TF_GROUP_VOLATILITY,
                    .help   = "change of the ema of high - low, in percent; 0 from 0",
                    .origin = "Chaikin's volatility, as TA-Lib CVI", TF_SERIES("high", "low"),
                    TF_OUTPUTS("cvi"),
                    TF_PARAMS(TF_PARAM_PERIOD(10, 1),
                              TF_PARAM_COUNTED("rocperiod", 10, 1, "of the change, in bars")));

/* ---- massi: where the range bulges ---- */

typedef struct massi {
  tf_smooth_t once, twice;
  tf_total_t  sum;
} massi_t;

static uint64_t massi_build(massi_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_ema(&s->once, n);
  (void)tf_smooth_init_ema(&s->twice, n);
  return tf_total_init(&s->sum, l, params[1]) + 2 * ((uint64_t)n - 1);
}

TF_STEP bool massi_step(massi_t *s, tf_store_t m, const double *x, double *y) {
  if (!tf_smooth_add(&s->once, x[0] - x[1])) return false;
  if (!tf_smooth_add(&s->twice, s->once.mean)) return false;
  double ratio = s->twice.mean == 0 ? 1 : s->once.mean / s->twice.mean;
  return tf_total_step(&s->sum, m, ratio, y);
}

TF_INDICATOR_DEFINE(massi, massi_t, .group = TF_GROUP_VOLATILITY,
                    .help   = "sum of the ratios of the average range to its own average",
                    .origin = "Dorsey, TASC 10 (1992), as TA-Lib MASSI", TF_SERIES("high", "low"),
                    TF_OUTPUTS("massi"),
                    TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 9, 1, "of both averages, in bars"),
                              TF_PARAM_COUNTED("slowperiod", 25, 2, "of the sum, in bars")));

/* ---- rvi: the deviation when rising, of all ---- */

typedef struct rvi {
  double        last;
  tf_variance_t window;
  tf_smooth_t   up, down;
} rvi_t;

static uint64_t rvi_build(rvi_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_wilder(&s->up, n);
  s->down = s->up;
  return tf_variance_init(&s->window, l, params[1]) + n - 1;
}

TF_STEP bool rvi_step(rvi_t *s, tf_store_t m, const double *x, double *y) {
  tf_variance_view_t v;
  double             last    = s->last;
  bool               is_warm = tf_variance_step(&s->window, m, x[0], &v);
  s->last                    = x[0];
  if (!is_warm) return false;
  double deviation = __builtin_sqrt(v.variance);
  (void)tf_smooth_add(&s->up, x[0] > last ? deviation : 0);
  is_warm      = tf_smooth_add(&s->down, x[0] < last ? deviation : 0);
  double total = s->up.mean + s->down.mean;
  y[0]         = total == 0 ? 50 : 100 * (s->up.mean / total);
  return is_warm;
}

TF_INDICATOR_DEFINE(rvi, rvi_t, .group = TF_GROUP_VOLATILITY,
                    .help = "standard deviation of rising prices in percent of all; 50 where none",
                    .origin = "Dorsey, TASC 11 (1993), as TA-Lib RVI", TF_SERIES("close"),
                    TF_OUTPUTS("rvi"),
                    TF_PARAMS(TF_PARAM_PERIOD(14, 1),
                              TF_PARAM_COUNTED("stddevperiod", 10, 2,
                                               "of the deviation, in inputs")));
