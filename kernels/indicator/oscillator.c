/* Where the price stands in the range of the last bars: TA-Lib's stoch family, willr, smi, ultosc, cci and the other
 * oscillators of bars. A range of 0 gives 0. */
#include "indicator/average.h"
#include "indicator/true_range.h"

#define HLC TF_SERIES("high", "low", "close")

/* ---- stoch, stochf, kdj, stochrsi: G. Lane's, smoothed by averages of any kind ---- */

typedef struct stoch {
  tf_span_t    span;
  tf_average_t k, d;
} stoch_t;

/* In percent; exactly 100 at the top. */
TF_STEP double place_in(double x, double top, double bottom) {
  return top == bottom ? 0 : 100 * ((x - bottom) / (top - bottom));
}

/* What is smoothed to k, and then to d. x: high, low, close */
TF_STEP bool stoch_raw(stoch_t *s, tf_store_t m, const double *x, double *raw) {
  double top, bottom;
  bool   is_warm = tf_span_step(&s->span, m, x[0], x[1], &top, &bottom);
  *raw           = place_in(x[2], top, bottom);
  return is_warm;
}

static uint64_t stoch_setup(stoch_t *s, tf_layout_t *l, const double *params, double dflt) {
  uint64_t span = tf_span_init(&s->span, l, params[0]);
  uint64_t k    = tf_average_init(&s->k, l, params[2], params[1], dflt);
  return span + k + tf_average_init(&s->d, l, params[4], params[3], dflt);
}

static uint64_t stoch_build(stoch_t *s, tf_layout_t *l, const double *params) {
  return stoch_setup(s, l, params, TF_AVERAGE_SMA);
}

TF_STEP bool stoch_step(stoch_t *s, tf_store_t m, const double *x, double *y) {
  double raw;
  return stoch_raw(s, m, x, &raw) && tf_average_step(&s->k, m, raw, &y[0]) &&
         tf_average_step(&s->d, m, y[0], &y[1]);
}

#define STOCH_PARAMS(k_dflt, kind)                                                                 \
  TF_PARAMS(TF_PARAM_COUNTED("fastk_period", k_dflt, 1, "of the range, in bars"),                  \
            TF_PARAM_COUNTED("slowk_period", 3, 1, "of k, in bars"),                               \
            TF_PARAM_AVERAGE("slowk_matype", kind, "kind of k"),                                   \
            TF_PARAM_COUNTED("slowd_period", 3, 1, "of d, in bars"),                               \
            TF_PARAM_AVERAGE("slowd_matype", kind, "kind of d"))

TF_INDICATOR_DEFINE(
    stoch, stoch_t, .group = TF_GROUP_MOMENTUM,
    .help   = "place of the close in the range of the last bars, smoothed to k and to d, 0 to 100",
    .origin = "Lane, as TA-Lib STOCH", HLC, TF_OUTPUTS("slowk", "slowd"),
    STOCH_PARAMS(5, TF_AVERAGE_SMA));

static uint64_t kdj_build(stoch_t *s, tf_layout_t *l, const double *params) {
  return stoch_setup(s, l, params, TF_AVERAGE_RMA);
}

TF_STEP bool kdj_step(stoch_t *s, tf_store_t m, const double *x, double *y) {
  bool is_warm = stoch_step(s, m, x, y);
  if (is_warm) y[2] = 3 * y[0] - 2 * y[1];
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(kdj, stoch_t, kdj_build, kdj_step, .group = TF_GROUP_MOMENTUM,
                       .help = "stoch, and j = 3 k - 2 d", .origin = "as TA-Lib KDJ", HLC,
                       TF_OUTPUTS("k", "d", "j"), STOCH_PARAMS(9, TF_AVERAGE_RMA));

static uint64_t stochf_build(stoch_t *s, tf_layout_t *l, const double *params) {
  uint64_t span = tf_span_init(&s->span, l, params[0]);
  return span + tf_average_init(&s->d, l, params[2], params[1], TF_AVERAGE_SMA);
}

TF_STEP bool stochf_step(stoch_t *s, tf_store_t m, const double *x, double *y) {
  return stoch_raw(s, m, x, &y[0]) && tf_average_step(&s->d, m, y[0], &y[1]);
}

TF_INDICATOR_DEFINE_AS(
    stochf, stoch_t, stochf_build, stochf_step, .alias = "stochastic", .group = TF_GROUP_MOMENTUM,
    .help   = "place of the close in the range of the last bars, and smoothed, 0 to 100",
    .origin = "Lane, as TA-Lib STOCHF", HLC, TF_OUTPUTS("fastk", "fastd"),
    TF_PARAMS(TF_PARAM_COUNTED("fastk_period", 5, 1, "of the range, in bars"),
              TF_PARAM_COUNTED("fastd_period", 3, 1, "of d, in bars"),
              TF_PARAM_AVERAGE("fastd_matype", TF_AVERAGE_SMA, "kind of d")));

/* Where the price stands still the rsi does: it is then not computed again, whose rounding would be all there is of
 * its range. */
typedef struct stochrsi {
  tf_previous_t last;
  double        rsi;
  uint64_t      has_rsi;
  tf_smooth_t   up, down;
  stoch_t       stoch;
} stochrsi_t;

static uint64_t stochrsi_build(stochrsi_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_wilder(&s->up, n);
  s->down = s->up;
  return n + stochf_build(&s->stoch, l, params + 1);
}

TF_STEP bool stochrsi_step(stochrsi_t *s, tf_store_t m, const double *x, double *y) {
  double last;
  if (!tf_previous_step(&s->last, x[0], &last)) return false;
  double change = x[0] - last;
  (void)tf_smooth_add(&s->up, change > 0 ? change : 0);
  if (!tf_smooth_add(&s->down, change < 0 ? -change : 0)) return false;
  double sum = s->up.mean + s->down.mean;
  if (change != 0 || !s->has_rsi) s->rsi = sum == 0 ? 0 : 100 * (s->up.mean / sum);
  s->has_rsi            = 1;
  const double of_rsi[] = {s->rsi, s->rsi, s->rsi};
  return stochf_step(&s->stoch, m, of_rsi, y);
}

TF_INDICATOR_DEFINE(stochrsi, stochrsi_t, .group = TF_GROUP_MOMENTUM, .help = "stochf of rsi",
                    .origin = "Chande, Kroll 1994, as TA-Lib STOCHRSI", TF_SERIES("close"),
                    TF_OUTPUTS("fastk", "fastd"),
                    TF_PARAMS(TF_PARAM_PERIOD(14, 2),
                              TF_PARAM_COUNTED("fastk_period", 5, 1, "of the range, in inputs"),
                              TF_PARAM_COUNTED("fastd_period", 3, 1, "of d, in inputs"),
                              TF_PARAM_AVERAGE("fastd_matype", TF_AVERAGE_SMA, "kind of d")));

/* ---- willr, smi ---- */

static uint64_t willr_build(tf_span_t *s, tf_layout_t *l, const double *params) {
  return tf_span_init(s, l, params[0]);
}

TF_STEP bool willr_step(tf_span_t *s, tf_store_t m, const double *x, double *y) {
  double top, bottom;
  bool   is_warm = tf_span_step(s, m, x[0], x[1], &top, &bottom);
  y[0]           = top == bottom ? 0 : -100 * ((top - x[2]) / (top - bottom));
  return is_warm;
}

TF_INDICATOR_DEFINE(
    willr, tf_span_t, .alias = "williams_r", .group = TF_GROUP_MOMENTUM,
    .help   = "distance of the close from the highest high in percent of the range, -100 to 0",
    .origin = "L. Williams 1973, as TA-Lib WILLR", HLC, TF_OUTPUTS("willr"),
    TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

typedef struct smi {
  tf_span_t   span;
  tf_smooth_t away[2], range[2], signal; /* slow, then fast */
} smi_t;

static uint64_t smi_build(smi_t *s, tf_layout_t *l, const double *params) {
  uint32_t fast = tf_layout_count(l, params[1], 1), slow = tf_layout_count(l, params[2], 1),
           signal = tf_layout_count(l, params[3], 1);
  (void)tf_smooth_init_ema(&s->away[0], slow);
  (void)tf_smooth_init_ema(&s->away[1], fast);
  (void)tf_smooth_init_ema(&s->signal, signal);
  memcpy(s->range, s->away, sizeof s->range);
  return tf_span_init(&s->span, l, params[0]) + fast + slow + signal - 3;
}

TF_STEP bool smi_step(smi_t *s, tf_store_t m, const double *x, double *y) {
  double top, bottom;
  if (!tf_span_step(&s->span, m, x[0], x[1], &top, &bottom)) return false;
  (void)tf_smooth_add(&s->range[0], top - bottom);
  if (!tf_smooth_add(&s->away[0], x[2] - (top + bottom) * 0.5)) return false;
  (void)tf_smooth_add(&s->range[1], s->range[0].mean);
  if (!tf_smooth_add(&s->away[1], s->away[0].mean)) return false;
  double half  = 0.5 * s->range[1].mean;
  y[0]         = half > 0 ? 100 * s->away[1].mean / half : 0;
  bool is_warm = tf_smooth_add(&s->signal, y[0]);
  y[1]         = s->signal.mean;
  return is_warm;
}

TF_INDICATOR_DEFINE(
    smi, smi_t, .group = TF_GROUP_MOMENTUM,
    .help   = "distance from the middle of the range over half of it, smoothed twice, -100 to 100",
    .origin = "Blau, TASC 11 (1993), as TA-Lib SMI", HLC, TF_OUTPUTS("smi", "smisignal"),
    TF_PARAMS(TF_PARAM_PERIOD(13, 2),
              TF_PARAM_COUNTED("fastperiod", 2, 1, "of the second ema, in bars"),
              TF_PARAM_COUNTED("slowperiod", 25, 1, "of the first, in bars"),
              TF_PARAM_COUNTED("signalperiod", 9, 1, "of the signal, in bars")));

/* ---- aroon: how long ago the extremes were ---- */

typedef struct aroon {
  tf_peak_t high, low;
  double    step; /* 100 / n */
} aroon_t;

static uint64_t aroon_build(aroon_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  s->step    = 100.0 / (double)n;
  (void)tf_peak_init(&s->high, l, TF_PEAK_HIGHEST, false, n + 1);
  return tf_peak_init(&s->low, l, TF_PEAK_LOWEST, false, n + 1);
}

TF_STEP bool aroon_step(aroon_t *s, tf_store_t m, const double *x, double *y) {
  tf_peak_view_t high, low;
  uint64_t       now = s->high.seq;
  (void)tf_peak_step(&s->high, m, x[0], &high);
  bool   is_warm = tf_peak_step(&s->low, m, x[1], &low);
  double n       = (double)s->high.n - 1;
  y[0]           = s->step * (n - (double)(now - low.seq));
  y[1]           = s->step * (n - (double)(now - high.seq));
  return is_warm;
}

TF_STEP bool aroonosc_step(aroon_t *s, tf_store_t m, const double *x, double *y) {
  double both[2];
  bool   is_warm = aroon_step(s, m, x, both);
  y[0]           = both[1] - both[0];
  return is_warm;
}

TF_INDICATOR_DEFINE(
    aroon, aroon_t, .group = TF_GROUP_MOMENTUM,
    .help   = "how fresh the lowest low and the highest high of n + 1 bars are, 0 to 100",
    .origin = "Chande, TASC 13 (1995), as TA-Lib AROON", TF_SERIES("high", "low"),
    TF_OUTPUTS("aroondown", "aroonup"), TF_PARAMS(TF_PARAM_PERIOD(14, 2)));
TF_INDICATOR_DEFINE_AS(aroonosc, aroon_t, aroon_build, aroonosc_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "aroonup less aroondown, -100 to 100",
                       .origin = "Chande, TASC 13 (1995), as TA-Lib AROONOSC",
                       TF_SERIES("high", "low"), TF_OUTPUTS("aroonosc"),
                       TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

/* ---- bop, eri, qstick, imi: of open or close in the bar ---- */

typedef struct stateless {
  char nothing;
} stateless_t;

static uint64_t bop_build(stateless_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool bop_step(stateless_t *s, tf_store_t m, const double *x, double *y) {
  (void)s, (void)m;
  double range = x[1] - x[2];
  y[0]         = range > 0 ? (x[3] - x[0]) / range : 0;
  return true;
}

TF_INDICATOR_DEFINE(bop, stateless_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "balance of power: body over range of the bar, -1 to 1",
                    .origin = "Livshin, TASC 19 (2001), as TA-Lib BOP",
                    TF_SERIES("open", "high", "low", "close"), TF_OUTPUTS("bop"));

static uint64_t eri_build(tf_smooth_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_ema(s, n);
  return n - 1;
}

TF_STEP bool eri_step(tf_smooth_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = tf_smooth_add(s, x[2]);
  y[0]         = x[0] - s->mean;
  y[1]         = x[1] - s->mean;
  return is_warm;
}

TF_INDICATOR_DEFINE(eri, tf_smooth_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "high and low less the ema of the close: power of bulls and bears",
                    .origin = "Elder, Trading for a Living (1993), as TA-Lib ERI", HLC,
                    TF_OUTPUTS("bullpower", "bearpower"), TF_PARAMS(TF_PARAM_PERIOD(13, 1)));

static uint64_t qstick_build(tf_total_t *s, tf_layout_t *l, const double *params) {
  return tf_total_init(s, l, params[0]);
}

TF_STEP bool qstick_step(tf_total_t *s, tf_store_t m, const double *x, double *y) {
  return tf_total_step_mean(s, m, x[1] - x[0], y);
}

TF_INDICATOR_DEFINE(qstick, tf_total_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "mean of close - open over n bars",
                    .origin = "Chande 1994, as TA-Lib QSTICK", TF_SERIES("open", "close"),
                    TF_OUTPUTS("qstick"), TF_PARAMS(TF_PARAM_PERIOD(10, 1)));

typedef struct flows {
  tf_total_t up, down;
} flows_t;

static uint64_t flows_build(flows_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->up, l, params[0]);
  return tf_total_init(&s->down, l, params[0]);
}

TF_STEP bool imi_step(flows_t *s, tf_store_t m, const double *x, double *y) {
  double up, down, body = x[1] - x[0];
  (void)tf_total_step(&s->up, m, body > 0 ? body : 0, &up);
  bool is_warm = tf_total_step(&s->down, m, body < 0 ? -body : 0, &down);
  y[0]         = up + down == 0 ? 50 : 100 * (up / (up + down));
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(
    imi, flows_t, flows_build, imi_step, .group = TF_GROUP_MOMENTUM,
    .help   = "bodies of rising bars in percent of all bodies of n bars; 50 without",
    .origin = "Chande, Kroll 1994, as TA-Lib IMI", TF_SERIES("open", "close"), TF_OUTPUTS("imi"),
    TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

/* ---- mfi: typical price times volume of bars that rose, in percent of all ---- */

/* A smaller change of the typical price, as a part of it, is rounding. TA-Lib's. */
#define MFI_STILL 1e-14

typedef struct mfi {
  tf_previous_t last;
  flows_t       flows;
} mfi_t;

static uint64_t mfi_build(mfi_t *s, tf_layout_t *l, const double *params) {
  return flows_build(&s->flows, l, params) + 1;
}

TF_STEP bool mfi_step(mfi_t *s, tf_store_t m, const double *x, double *y) {
  double typical = (x[0] + x[1] + x[2]) / 3, last, up, down;
  if (!tf_previous_step(&s->last, typical, &last)) return false;
  double change = typical - last;
  if (__builtin_fabs(change) < MFI_STILL * (__builtin_fabs(typical) + __builtin_fabs(last)))
    change = 0;
  (void)tf_total_step(&s->flows.up, m, change > 0 ? typical * x[3] : 0, &up);
  bool   is_warm = tf_total_step(&s->flows.down, m, change < 0 ? typical * x[3] : 0, &down);
  double total = up + down, part = up < 0 ? 0 : up > total ? total : up;
  y[0] = total <= 0 ? 0 : 100 * (part / total);
  return is_warm;
}

TF_INDICATOR_DEFINE(
    mfi, mfi_t, .group = TF_GROUP_MOMENTUM,
    .help   = "money flow index: value traded in rising bars in percent of all, 0 to 100",
    .origin = "Quong, Soudack, TASC 7 (1989), as TA-Lib MFI",
    TF_SERIES("high", "low", "close", "volume"), TF_OUTPUTS("mfi"),
    TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

/* ---- cci ---- */

/* O(n): each typical price differs from the new mean by something else. Prices count from the newest, so that
 * their height costs no digits. */
static uint64_t cci_build(tf_lag_t *s, tf_layout_t *l, const double *params) {
  return tf_lag_init(s, l, params[0]) - 1;
}

TF_STEP bool cci_step(tf_lag_t *s, tf_store_t m, const double *x, double *y) {
  double typical = (x[0] + x[1] + x[2]) / 3, before, sum = 0, size = 0;
  bool   is_warm = s->cnt + 1 >= s->n;
  for (uint32_t age = 1; is_warm && age < s->n; age++) sum += tf_lag_get(s, m, age) - typical;
  double mean = sum / (double)s->n; /* less typical */
  for (uint32_t age = 1; is_warm && age < s->n; age++)
    size += __builtin_fabs(tf_lag_get(s, m, age) - typical - mean);
  size += __builtin_fabs(mean);
  y[0] = size == 0 ? 0 : -mean / (0.015 * (size / (double)s->n));
  (void)tf_lag_step(s, m, typical, &before);
  return is_warm;
}

TF_INDICATOR_DEFINE(cci, tf_lag_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "commodity channel index: typical price less its mean, in 0.015 mean "
                              "distances; cost grows with n",
                    .origin = "Lambert 1980, as TA-Lib CCI", HLC, TF_OUTPUTS("cci"),
                    TF_PARAMS({.name = "timeperiod",
                               .kind = TF_PARAM_COUNT,
                               .dflt = 14,
                               .min  = 2,
                               .max  = 65536,
                               .help = "in bars"}));

/* ---- ultosc, vortex, wad: against the last bar ---- */

typedef struct ultosc {
  tf_previous_t last;
  tf_total_t    rise[3], range[3]; /* shortest first */
} ultosc_t;

static uint64_t ultosc_build(ultosc_t *s, tf_layout_t *l, const double *params) {
  double n[3] = {params[0], params[1], params[2]};
  for (uint32_t i = 0; i < 2; i++)
    for (uint32_t k = 0; k < 2 - i; k++)
      if (n[k] > n[k + 1]) {
        double longer = n[k];
        n[k]          = n[k + 1];
        n[k + 1]      = longer;
      }
  uint64_t lookback = 0;
  for (uint32_t i = 0; i < 3; i++) {
    (void)tf_total_init(&s->rise[i], l, n[i]);
    lookback = tf_total_init(&s->range[i], l, n[i]) + 1;
  }
  return lookback;
}

TF_STEP bool ultosc_step(ultosc_t *s, tf_store_t m, const double *x, double *y) {
  static const double WEIGHTS[] = {4, 2, 1};
  double              last, sum = 0;
  bool                is_warm = false;
  if (!tf_previous_step(&s->last, x[2], &last)) return false;
  double low = x[1] < last ? x[1] : last, range = tf_true_range(x[0], x[1], last);
  for (uint32_t i = 0; i < 3; i++) {
    double rises, ranges;
    (void)tf_total_step(&s->rise[i], m, x[2] - low, &rises);
    is_warm = tf_total_step(&s->range[i], m, range, &ranges);
    if (ranges != 0) sum += WEIGHTS[i] * (rises / ranges);
  }
  y[0] = 100 * (sum / 7);
  return is_warm;
}

TF_INDICATOR_DEFINE(ultosc, ultosc_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "rise above the true low over true range, of three lengths, 0 to 100",
                    .origin = "L. Williams, TASC 3 (1985), as TA-Lib ULTOSC", HLC,
                    TF_OUTPUTS("ultosc"),
                    TF_PARAMS(TF_PARAM_COUNTED("timeperiod1", 7, 1,
                                               "in bars; the shortest weighs most"),
                              TF_PARAM_COUNTED("timeperiod2", 14, 1, "in bars"),
                              TF_PARAM_COUNTED("timeperiod3", 28, 1, "in bars")));

typedef struct vortex {
  double     last[3]; /* high, low, close */
  uint64_t   has_last;
  tf_total_t plus, minus, range;
} vortex_t;

static uint64_t vortex_build(vortex_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->plus, l, params[0]);
  (void)tf_total_init(&s->minus, l, params[0]);
  return tf_total_init(&s->range, l, params[0]) + 1;
}

TF_STEP bool vortex_step(vortex_t *s, tf_store_t m, const double *x, double *y) {
  double last[3], plus, minus, range;
  bool   first = !s->has_last;
  memcpy(last, s->last, sizeof last);
  memcpy(s->last, x, sizeof s->last);
  s->has_last = 1;
  if (first) return false;
  (void)tf_total_step(&s->plus, m, __builtin_fabs(x[0] - last[1]), &plus);
  (void)tf_total_step(&s->minus, m, __builtin_fabs(x[1] - last[0]), &minus);
  bool is_warm = tf_total_step(&s->range, m, tf_true_range(x[0], x[1], last[2]), &range);
  y[0]         = range > 0 ? plus / range : 0;
  y[1]         = range > 0 ? minus / range : 0;
  return is_warm;
}

TF_INDICATOR_DEFINE(
    vortex, vortex_t, .group = TF_GROUP_MOMENTUM,
    .help   = "movement from the last low up and from the last high down, over true range",
    .origin = "Botes, Siepman, TASC 28 (2010), as TA-Lib VORTEX", HLC,
    TF_OUTPUTS("plusvi", "minusvi"), TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

typedef struct wad {
  double   last;
  uint64_t has_last;
  tf_sum_t sum;
} wad_t;

static uint64_t wad_build(wad_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool wad_step(wad_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last = s->has_last ? s->last : x[2], from = x[2];
  if (x[2] > last) from = x[1] < last ? x[1] : last;
  if (x[2] < last) from = x[0] > last ? x[0] : last;
  tf_sum_add(&s->sum, x[2] - from);
  s->last     = x[2];
  s->has_last = 1;
  y[0]        = tf_sum_value(&s->sum);
  return true;
}

TF_INDICATOR_DEFINE(
    wad, wad_t, .group = TF_GROUP_MOMENTUM,
    .help =
        "sum of the closes' distances from the true low when rising, the true high when falling",
    .origin = "L. Williams, after Achelis; as TA-Lib WAD", HLC, TF_OUTPUTS("wad"));

/* ---- fractal ---- */

/* The bar `right` bars ago, against those on either side. */
typedef struct fractal {
  tf_lag_t  high, low;           /* to the bar */
  tf_span_t left, right;         /* before and after it */
  double    last_high, last_low; /* the bar before it */
  uint64_t  cnt;                 /* bars on its left side, up to left.n */
} fractal_t;

static uint64_t fractal_build(fractal_t *s, tf_layout_t *l, const double *params) {
  uint64_t left = tf_span_init(&s->left, l, params[0]) + 1;
  (void)tf_span_init(&s->right, l, params[1]);
  (void)tf_lag_init(&s->high, l, params[1]);
  return left + tf_lag_init(&s->low, l, params[1]);
}

TF_STEP bool fractal_step(fractal_t *s, tf_store_t m, const double *x, double *y) {
  double high, low, left_top = 0, left_bottom = 0, top, bottom;
  bool   has_bar = tf_lag_step(&s->high, m, x[0], &high), is_warm = false;
  (void)tf_lag_step(&s->low, m, x[1], &low);
  (void)tf_span_step(&s->right, m, x[0], x[1], &top, &bottom);
  if (!has_bar) return false;
  if (s->cnt > 0)
    is_warm = tf_span_step(&s->left, m, s->last_high, s->last_low, &left_top, &left_bottom);
  s->last_high = high;
  s->last_low  = low;
  s->cnt++;
  y[0] = high > left_top && high > top ? 100 : 0;
  y[1] = low < left_bottom && low < bottom ? 100 : 0;
  return is_warm;
}

TF_INDICATOR_DEFINE(
    fractal, fractal_t, .group = TF_GROUP_MOMENTUM,
    .help   = "100 when the bar rightbars ago is the only highest, or lowest, of its neighbours",
    .origin = "Williams, Trading Chaos (1995), as TA-Lib FRACTAL", TF_SERIES("high", "low"),
    TF_OUTPUTS("swinghigh", "swinglow"),
    TF_PARAMS(TF_PARAM_COUNTED("leftbars", 2, 1, "before the bar"),
              TF_PARAM_COUNTED("rightbars", 2, 1, "after it")));
