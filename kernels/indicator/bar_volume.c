/* What a bar's volume says: TA-Lib's Volume Indicators. Sums since the start are compensated (sum.h). */
#include "indicator/average.h"

/* ---- the accumulation of volume by where the close lies in the bar ---- */

/* volume times -1 at the low .. 1 at the high; 0 for a bar without a range. x: high, low, close, volume */
TF_STEP double flow_of(const double *x) {
  double range = x[0] - x[1];
  return range > 0 ? ((x[2] - x[1]) - (x[0] - x[2])) / range * x[3] : 0;
}

typedef struct ad {
  tf_sum_t sum;
} ad_t;

static uint64_t ad_build(ad_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool ad_step(ad_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  tf_sum_add(&s->sum, flow_of(x));
  y[0] = tf_sum_value(&s->sum);
  return true;
}

TF_INDICATOR_DEFINE(
    ad, ad_t, .group = TF_GROUP_VOLUME,
    .help   = "accumulation and distribution: volume by where the close lies, since the start",
    .origin = "Chaikin, as TA-Lib AD", TF_SERIES("high", "low", "close", "volume"),
    TF_OUTPUTS("ad"));

/* Both averages start at the first value. */
typedef struct adosc {
  ad_t     ad;
  double   fast, slow, fast_step, slow_step;
  uint32_t cnt, lookback;
} adosc_t;

static uint64_t adosc_build(adosc_t *s, tf_layout_t *l, const double *params) {
  uint32_t fast = tf_layout_count(l, params[0], 2), slow = tf_layout_count(l, params[1], 2);
  s->fast_step       = 2.0 / ((double)fast + 1);
  s->slow_step       = 2.0 / ((double)slow + 1);
  return s->lookback = (fast > slow ? fast : slow) - 1;
}

TF_STEP bool adosc_step(adosc_t *s, tf_store_t m, const double *x, double *y) {
  double ad;
  (void)ad_step(&s->ad, m, x, &ad);
  s->fast = s->cnt == 0 ? ad : (ad - s->fast) * s->fast_step + s->fast;
  s->slow = s->cnt == 0 ? ad : (ad - s->slow) * s->slow_step + s->slow;
  y[0]    = s->fast - s->slow;
  if (s->cnt == s->lookback) return true;
  s->cnt++;
  return false;
}

TF_INDICATOR_DEFINE(adosc, adosc_t, .group = TF_GROUP_VOLUME,
                    .help = "fast less slow average of ad", .origin = "Chaikin, as TA-Lib ADOSC",
                    TF_SERIES("high", "low", "close", "volume"), TF_OUTPUTS("adosc"),
                    TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 3, 2, "in bars"),
                              TF_PARAM_COUNTED("slowperiod", 10, 2, "in bars")));

typedef struct ratio {
  tf_total_t above, below;
} ratio_t;

static uint64_t cmf_build(ratio_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->above, l, params[0]);
  return tf_total_init(&s->below, l, params[0]);
}

TF_STEP bool cmf_step(ratio_t *s, tf_store_t m, const double *x, double *y) {
  double flow, volume;
  (void)tf_total_step(&s->above, m, flow_of(x), &flow);
  bool is_warm = tf_total_step(&s->below, m, x[3], &volume);
  y[0]         = volume > 0 ? flow / volume : 0;
  return is_warm;
}

TF_INDICATOR_DEFINE(cmf, ratio_t, .group = TF_GROUP_VOLUME,
                    .help   = "Chaikin's money flow of the last n bars, -1 to 1; 0 without volume",
                    .origin = "Chaikin, as TA-Lib CMF", TF_SERIES("high", "low", "close", "volume"),
                    TF_OUTPUTS("cmf"), TF_PARAMS(TF_PARAM_PERIOD(20, 2)));

/* ---- since the start, by how the close changed ---- */

typedef struct change {
  double   last[2]; /* close, volume */
  uint64_t has_last;
  tf_sum_t sum;
} change_t;

static uint64_t change_build(change_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP void change_turn(change_t *s, const double *x, double *last) {
  memcpy(last, s->has_last ? s->last : x, sizeof s->last);
  memcpy(s->last, x, sizeof s->last);
  s->has_last = 1;
}

TF_STEP bool obv_step(change_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last[2];
  bool   first = !s->has_last;
  change_turn(s, x, last);
  if (first || x[0] != last[0]) tf_sum_add(&s->sum, first || x[0] > last[0] ? x[1] : -x[1]);
  y[0] = tf_sum_value(&s->sum);
  return true;
}

TF_STEP bool pvt_step(change_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last[2];
  change_turn(s, x, last);
  if (last[0] != 0) tf_sum_add(&s->sum, (x[0] - last[0]) / last[0] * x[1]);
  y[0] = tf_sum_value(&s->sum);
  return true;
}

/* From 1000 on; what would leave the range of a double is left out. */
TF_STEP void index_grow(change_t *s, double close, double last) {
  double index = s->sum.hi + (close - last) / last * s->sum.hi;
  if (last != 0 && tf_parts_finite(index)) s->sum.hi = index;
}

TF_STEP bool nvi_step(change_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last[2];
  if (!s->has_last) s->sum.hi = 1000;
  change_turn(s, x, last);
  if (x[1] < last[1]) index_grow(s, x[0], last[0]);
  y[0] = s->sum.hi;
  return true;
}

TF_STEP bool pvi_step(change_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last[2];
  if (!s->has_last) s->sum.hi = 1000;
  change_turn(s, x, last);
  if (x[1] > last[1]) index_grow(s, x[0], last[0]);
  y[0] = s->sum.hi;
  return true;
}

#define CHANGE(id, what, where)                                                                    \
  TF_INDICATOR_DEFINE_AS(id, change_t, change_build, id##_step, .group = TF_GROUP_VOLUME,          \
                         .help = what, .origin = where, TF_SERIES("close", "volume"),              \
                         TF_OUTPUTS(#id))

CHANGE(obv,
       "on-balance volume: of bars that closed higher less that of lower ones, from the first "
       "volume on",
       "Granville 1963, as TA-Lib OBV");
CHANGE(pvt, "volume times the relative change of the close, since the start", "as TA-Lib PVT");
CHANGE(nvi, "index from 1000 that moves with the close where volume fell",
       "Dysart, Fosback; as TA-Lib NVI");
CHANGE(pvi, "index from 1000 that moves with the close where volume rose",
       "Dysart, Fosback; as TA-Lib PVI");

/* ---- efi ---- */

typedef struct efi {
  tf_previous_t last;
  tf_smooth_t   force;
} efi_t;

static uint64_t efi_build(efi_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  (void)tf_smooth_init_ema(&s->force, n);
  return n;
}

TF_STEP bool efi_step(efi_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double last;
  if (!tf_previous_step(&s->last, x[0], &last)) return false;
  bool is_warm = tf_smooth_add(&s->force, (x[0] - last) * x[1]);
  y[0]         = s->force.mean;
  return is_warm;
}

TF_INDICATOR_DEFINE(efi, efi_t, .group = TF_GROUP_VOLUME,
                    .help   = "force index: ema of the change of the close times volume",
                    .origin = "Elder, Trading for a Living (1993), as TA-Lib EFI",
                    TF_SERIES("close", "volume"), TF_OUTPUTS("efi"),
                    TF_PARAMS(TF_PARAM_PERIOD(13, 1)));

/* ---- of one bar, of all ---- */

typedef struct stateless {
  char nothing;
} stateless_t;

static uint64_t marketfi_build(stateless_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool marketfi_step(stateless_t *s, tf_store_t m, const double *x, double *y) {
  (void)s, (void)m;
  y[0] = x[2] == 0 ? 0 : (x[0] - x[1]) / x[2];
  return true;
}

TF_INDICATOR_DEFINE(
    marketfi, stateless_t, .group = TF_GROUP_VOLUME,
    .help   = "market facilitation index: range of the bar per unit of volume; 0 without",
    .origin = "Williams, Trading Chaos (1995), as TA-Lib MARKETFI",
    TF_SERIES("high", "low", "volume"), TF_OUTPUTS("marketfi"));

typedef struct bar_vwap {
  tf_sum_t value, volume;
} bar_vwap_t;

static uint64_t bar_vwap_build(bar_vwap_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool bar_vwap_step(bar_vwap_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  tf_sum_add(&s->value, (x[0] + x[1] + x[2]) / 3 * x[3]);
  tf_sum_add(&s->volume, x[3]);
  double volume = tf_sum_value(&s->volume);
  y[0]          = volume > 0 ? tf_sum_value(&s->value) / volume : 0;
  return true;
}

TF_INDICATOR_DEFINE(bar_vwap, bar_vwap_t, .group = TF_GROUP_VOLUME,
                    .help   = "typical price of all bars so far, weighted by volume; 0 without",
                    .origin = "as TA-Lib VWAP (vwap is that of trades)",
                    TF_SERIES("high", "low", "close", "volume"), TF_OUTPUTS("bar_vwap"));

/* ---- volume against its own average ---- */

typedef struct rvol {
  tf_total_t before;
  double     mean; /* of the inputs before this one */
  uint64_t   has_mean;
} rvol_t;

static uint64_t rvol_build(rvol_t *s, tf_layout_t *l, const double *params) {
  return tf_total_init(&s->before, l, params[0]) + 1;
}

TF_STEP bool rvol_step(rvol_t *s, tf_store_t m, const double *x, double *y) {
  bool is_warm = s->has_mean;
  y[0]         = x[0] / s->mean;
  s->has_mean  = tf_total_step_mean(&s->before, m, x[0], &s->mean);
  return is_warm;
}

TF_INDICATOR_DEFINE(rvol, rvol_t, .group = TF_GROUP_VOLUME,
                    .help   = "volume over the mean of the n before it; none where that is 0",
                    .origin = "as TA-Lib RVOL", TF_SERIES("volume"), TF_OUTPUTS("rvol"),
                    TF_PARAMS(TF_PARAM_PERIOD(20, 1)));
