/* Moving averages: what average.h has under names of their own, ma and mavp that choose one, and those that weigh by
 * volume or follow a cycle. TA-Lib's Overlap Studies; sma, ema and wma have files of their own. */
#include "indicator/average.h"

/* ---- one of average.h ---- */

TF_STEP bool average_step(tf_average_t *s, tf_store_t m, const double *x, double *y) {
  return tf_average_step(s, m, x[0], y);
}

#define AVERAGE(id, ID, dflt, what, where)                                                         \
  static uint64_t id##_build(tf_average_t *s, tf_layout_t *l, const double *params) {              \
    return tf_average_init(s, l, TF_AVERAGE_##ID, params[0], 0);                                   \
  }                                                                                                \
  TF_INDICATOR_DEFINE_AS(id, tf_average_t, id##_build, average_step, .group = TF_GROUP_OVERLAP,    \
                         .help = what, .origin = where, TF_SERIES("close"), TF_OUTPUTS(#id),       \
                         TF_PARAMS(TF_PARAM_PERIOD(dflt, 1)))

AVERAGE(dema, DEMA, 30, "double exponential moving average, 2 e1 - e2, which lags less than ema",
        "Mulloy, TASC 12 (1994), as TA-Lib DEMA");
AVERAGE(hma, HMA, 20, "Hull moving average: wma over sqrt(n) of 2 wma(n / 2) - wma(n)",
        "Hull 2005, as TA-Lib HMA");
AVERAGE(kama, KAMA, 30, "adaptive moving average, quick where prices move straight",
        "Kaufman, Smarter Trading (1995), as TA-Lib KAMA");
AVERAGE(rma, RMA, 30, "Wilder's moving average, with step 1 / n", "Wilder 1978, as TA-Lib RMA");
AVERAGE(tema, TEMA, 30, "triple exponential moving average, 3 e1 - 3 e2 + e3",
        "Mulloy, TASC 12 (1994), as TA-Lib TEMA");
AVERAGE(trima, TRIMA, 30, "triangular moving average: the middle of the window weighs most",
        "as TA-Lib TRIMA");
AVERAGE(zlema, ZLEMA, 30, "zero lag exponential moving average: ema of 2 x - x (n - 1) / 2 ago",
        "Ehlers and Way 2010, as TA-Lib ZLEMA");

static uint64_t ma_build(tf_average_t *s, tf_layout_t *l, const double *params) {
  return tf_average_init(s, l, params[1], params[0], TF_AVERAGE_SMA);
}

TF_INDICATOR_DEFINE_AS(ma, tf_average_t, ma_build, average_step, .group = TF_GROUP_OVERLAP,
                       .help   = "moving average of a kind that is chosen by name",
                       .origin = "as TA-Lib MA", TF_SERIES("close"), TF_OUTPUTS("ma"),
                       TF_PARAMS(TF_PARAM_PERIOD(30, 1),
                                 TF_PARAM_AVERAGE("matype", TF_AVERAGE_SMA, "kind of average")));

/* ---- t3: with a parameter of its own ---- */

typedef struct t3 {
  tf_chain_t chain;
  double     lean;
  uint64_t   n;
} t3_t;

static uint64_t t3_build(t3_t *s, tf_layout_t *l, const double *params) {
  s->lean = params[1];
  s->n    = tf_layout_count(l, params[0], 1);
  return tf_chain_init(&s->chain, l, params[0], 6);
}

TF_STEP bool t3_step(t3_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = tf_chain_step(&s->chain, x[0], 6);
  y[0]         = s->n == 1 ? x[0] : tf_t3_of(&s->chain, s->lean);
  return is_warm;
}

TF_INDICATOR_DEFINE(t3, t3_t, .group = TF_GROUP_OVERLAP,
                    .help   = "six exponential averages in a row, combined to lag little",
                    .origin = "Tillson, TASC 16 (1998), as TA-Lib T3", TF_SERIES("close"),
                    TF_OUTPUTS("t3"),
                    TF_PARAMS(TF_PARAM_PERIOD(5, 1),
                              TF_PARAM_NUMBER("vfactor", 0.7, 0, 1, "how far it leans forward")));

/* ---- mama ---- */

static uint64_t mama_build(tf_mama_t *s, tf_layout_t *l, const double *params) {
  (void)l;
  return tf_mama_init(s, params[0], params[1]);
}

TF_STEP bool mama_step(tf_mama_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = tf_mama_step(s, x[0]);
  y[0]         = s->mama;
  y[1]         = s->fama;
  return is_warm;
}

TF_INDICATOR_DEFINE(mama, tf_mama_t, .group = TF_GROUP_OVERLAP,
                    .help   = "average that follows the phase of the cycle, and its follower",
                    .origin = "Ehlers, TASC 19 (2001), as TA-Lib MAMA", TF_SERIES("close"),
                    TF_OUTPUTS("mama", "fama"),
                    TF_PARAMS(TF_PARAM_NUMBER("fastlimit", 0.5, 0.01, 0.99, "largest step"),
                              TF_PARAM_NUMBER("slowlimit", 0.05, 0.01, 0.99, "smallest step")));

/* ---- mavp: an average for each period from the smallest to the largest, all advanced, one shown ---- */

/* So many averages are advanced by an input. */
#define MAVP_PERIODS_MAX 512

typedef struct mavp {
  uint32_t at; /* of the averages' tf_average_t, one behind the other */
  uint32_t low, high;
  uint32_t lookback;
  uint64_t cnt; /* inputs */
} mavp_t;

static uint64_t mavp_build(mavp_t *s, tf_layout_t *l, const double *params) {
  s->low  = tf_layout_count(l, params[0], 1);
  s->high = tf_layout_count(l, params[1], 1);
  if (s->low > s->high || s->high > MAVP_PERIODS_MAX) {
    l->is_absurd = true;
    return 0;
  }
  uint32_t cnt = s->high - s->low + 1;
  s->at        = tf_layout_take(l, cnt * TF_STORE_WORDS(tf_average_t));
  for (uint32_t i = 0; i < cnt; i++) {
    tf_average_t one = {0};
    s->lookback      = (uint32_t)tf_average_init(&one, l, params[2], s->low + i, TF_AVERAGE_SMA);
    if (l->store) memcpy(l->store + s->at + i * TF_STORE_WORDS(tf_average_t), &one, sizeof one);
  }
  return s->lookback;
}

/* Each average starts so late that it is warm when the longest is, as TA-Lib's do: which inputs the recursive kinds
 * are seeded with depends on it. */
TF_STEP bool mavp_step(mavp_t *s, tf_store_t m, const double *x, double *y) {
  uint32_t n = !(x[1] >= s->low) ? s->low : x[1] > s->high ? s->high : (uint32_t)x[1];
  y[0]       = 0;
  for (uint32_t i = s->low; i <= s->high; i++) {
    tf_average_t one;
    double       mean = 0;
    memcpy(&one, m.words + s->at + (i - s->low) * TF_STORE_WORDS(tf_average_t), sizeof one);
    if (s->cnt + one.lookback < s->lookback) continue;
    (void)tf_average_step(&one, m, x[0], &mean);
    if (i == n) y[0] = mean;
  }
  return s->cnt++ >= s->lookback;
}

TF_INDICATOR_DEFINE(mavp, mavp_t, .group = TF_GROUP_OVERLAP,
                    .help   = "moving average whose period is a series of its own; cost grows with "
                              "maxperiod - minperiod",
                    .origin = "as TA-Lib MAVP", TF_SERIES("close", "periods"), TF_OUTPUTS("mavp"),
                    TF_PARAMS({.name = "minperiod",
                               .kind = TF_PARAM_COUNT,
                               .dflt = 2,
                               .min  = 1,
                               .max  = MAVP_PERIODS_MAX,
                               .help = "shorter periods become this"},
                              {.name = "maxperiod",
                               .kind = TF_PARAM_COUNT,
                               .dflt = 30,
                               .min  = 1,
                               .max  = MAVP_PERIODS_MAX,
                               .help = "longer periods become this"},
                              TF_PARAM_AVERAGE("matype", TF_AVERAGE_SMA, "kind of average")));

/* ---- vwma ---- */

typedef struct vwma {
  tf_total_t value, volume;
} vwma_t;

static uint64_t vwma_build(vwma_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->value, l, params[0]);
  return tf_total_init(&s->volume, l, params[0]);
}

TF_STEP bool vwma_step(vwma_t *s, tf_store_t m, const double *x, double *y) {
  double value, volume;
  (void)tf_total_step(&s->value, m, x[0] * x[1], &value);
  bool is_warm = tf_total_step(&s->volume, m, x[1], &volume);
  y[0]         = s->volume.n == 1 ? x[0] : value / volume;
  return is_warm;
}

TF_INDICATOR_DEFINE(vwma, vwma_t, .group = TF_GROUP_OVERLAP,
                    .help   = "mean of the last n inputs, weighted by volume; none without volume",
                    .origin = "as TA-Lib VWMA", TF_SERIES("close", "volume"), TF_OUTPUTS("vwma"),
                    TF_PARAMS(TF_PARAM_PERIOD(30, 1)));
