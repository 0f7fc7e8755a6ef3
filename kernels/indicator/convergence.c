/* A fast average less a slow one: TA-Lib's apo, ppo, pvo, macd, macdext, macdfix, ao, ac. */
#include "indicator/average.h"

/* ---- apo, ppo, pvo ---- */

typedef struct pair {
  tf_average_t fast, slow;
} pair_t;

static uint64_t pair_build(pair_t *s, tf_layout_t *l, const double *params) {
  bool     is_swapped = params[1] < params[0];
  uint64_t fast       = tf_average_init(&s->fast, l, params[2], params[is_swapped], TF_AVERAGE_EMA);
  uint64_t slow = tf_average_init(&s->slow, l, params[2], params[!is_swapped], TF_AVERAGE_EMA);
  return fast > slow ? fast : slow;
}

TF_STEP bool pair_step(pair_t *s, tf_store_t m, double x, double *fast, double *slow) {
  bool has_fast = tf_average_step(&s->fast, m, x, fast);
  return tf_average_step(&s->slow, m, x, slow) && has_fast;
}

TF_STEP bool apo_step(pair_t *s, tf_store_t m, const double *x, double *y) {
  double fast, slow;
  if (!pair_step(s, m, x[0], &fast, &slow)) return false;
  y[0] = fast - slow;
  return true;
}

TF_STEP bool ppo_step(pair_t *s, tf_store_t m, const double *x, double *y) {
  double fast, slow;
  if (!pair_step(s, m, x[0], &fast, &slow)) return false;
  y[0] = slow == 0 ? 0 : (fast - slow) / slow * 100;
  return true;
}

#define PAIR_PARAMS                                                                                \
  TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 12, 2, "the shorter of the two is the fast one"),       \
            TF_PARAM_COUNTED("slowperiod", 26, 2, "in inputs"),                                    \
            TF_PARAM_AVERAGE("matype", TF_AVERAGE_EMA, "kind of both averages"))

TF_INDICATOR_DEFINE_AS(apo, pair_t, pair_build, apo_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "fast less slow average, in price",
                       .origin = "absolute price oscillator, as TA-Lib APO", TF_SERIES("close"),
                       TF_OUTPUTS("apo"), PAIR_PARAMS);
TF_INDICATOR_DEFINE_AS(ppo, pair_t, pair_build, ppo_step, .group = TF_GROUP_MOMENTUM,
                       .help = "fast less slow average in percent of the slow one; 0 where that is",
                       .origin = "percentage price oscillator, as TA-Lib PPO", TF_SERIES("close"),
                       TF_OUTPUTS("ppo"), PAIR_PARAMS);
TF_INDICATOR_DEFINE_AS(pvo, pair_t, pair_build, ppo_step, .group = TF_GROUP_VOLUME,
                       .help   = "ppo of the volume",
                       .origin = "percentage volume oscillator, as TA-Lib PVO", TF_SERIES("volume"),
                       TF_OUTPUTS("pvo"), PAIR_PARAMS);

/* ---- macd: with an average of the difference ----
 *
 * G. Appel, The Moving Average Convergence-Divergence Trading Method (1979). The fast average starts so late that both
 * are seeded with inputs that end at the same one (TA-Lib). */

#define MACD_OUTPUTS TF_OUTPUTS("macd", "macdsignal", "macdhist")

typedef struct macd {
  tf_smooth_t fast, slow, signal;
  uint32_t    idle; /* of the fast one */
  uint32_t    reserved;
} macd_t;

static uint64_t macd_setup(macd_t *s, tf_layout_t *l, double fast, double slow, double signal) {
  uint32_t a = tf_layout_count(l, fast, 1), b = tf_layout_count(l, slow, 1);
  uint32_t c = tf_layout_count(l, signal, 1), n_fast = a < b ? a : b, n_slow = a < b ? b : a;
  (void)tf_smooth_init_ema(&s->fast, n_fast);
  (void)tf_smooth_init_ema(&s->slow, n_slow);
  (void)tf_smooth_init_ema(&s->signal, c);
  s->idle = n_slow - n_fast;
  return (uint64_t)n_slow + c - 2;
}

static uint64_t macd_build(macd_t *s, tf_layout_t *l, const double *params) {
  return macd_setup(s, l, params[0], params[1], params[2]);
}

TF_STEP bool macd_step(macd_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool has_fast = tf_idle(&s->idle) && tf_smooth_add(&s->fast, x[0]);
  if (!tf_smooth_add(&s->slow, x[0]) || !has_fast) return false;
  y[0]         = s->fast.mean - s->slow.mean;
  bool is_warm = tf_smooth_add(&s->signal, y[0]);
  y[1]         = s->signal.mean;
  y[2]         = y[0] - y[1];
  return is_warm;
}

TF_INDICATOR_DEFINE(macd, macd_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "fast less slow ema, its ema, and the difference",
                    .origin = "Appel 1979, as TA-Lib MACD", TF_SERIES("close"), MACD_OUTPUTS,
                    TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 12, 2, "in inputs"),
                              TF_PARAM_COUNTED("slowperiod", 26, 2, "in inputs"),
                              TF_PARAM_COUNTED("signalperiod", 9, 1, "of the signal")));

static uint64_t macdfix_build(macd_t *s, tf_layout_t *l, const double *params) {
  uint64_t lookback = macd_setup(s, l, 12, 26, params[0]);
  s->fast.step      = 0.15;
  s->slow.step      = 0.075;
  return lookback;
}

TF_INDICATOR_DEFINE_AS(macdfix, macd_t, macdfix_build, macd_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "macd of 12 and 26 with Appel's steps 0.15 and 0.075",
                       .origin = "Appel 1979, as TA-Lib MACDFIX", TF_SERIES("close"), MACD_OUTPUTS,
                       TF_PARAMS(TF_PARAM_COUNTED("signalperiod", 9, 1, "of the signal")));

typedef struct macdext {
  tf_average_t fast, slow, signal;
  uint32_t     fast_idle, slow_idle;
} macdext_t;

static uint64_t macdext_build(macdext_t *s, tf_layout_t *l, const double *params) {
  const double *first = params, *second = params + 2; /* period, kind */
  bool          is_swapped = second[0] < first[0];
  const double *fast = is_swapped ? second : first, *slow = is_swapped ? first : second;
  uint64_t      a    = tf_average_init(&s->fast, l, fast[1], fast[0], TF_AVERAGE_EMA);
  uint64_t      b    = tf_average_init(&s->slow, l, slow[1], slow[0], TF_AVERAGE_EMA);
  uint64_t      c    = tf_average_init(&s->signal, l, params[5], params[4], TF_AVERAGE_EMA);
  uint64_t      both = a > b ? a : b;
  s->fast_idle       = (uint32_t)(both - a);
  s->slow_idle       = (uint32_t)(both - b);
  return both + c;
}

TF_STEP bool macdext_step(macdext_t *s, tf_store_t m, const double *x, double *y) {
  double fast = 0, slow = 0;
  bool   has_fast = tf_idle(&s->fast_idle) && tf_average_step(&s->fast, m, x[0], &fast);
  bool   has_slow = tf_idle(&s->slow_idle) && tf_average_step(&s->slow, m, x[0], &slow);
  if (!has_fast || !has_slow) return false;
  y[0]         = fast - slow;
  bool is_warm = tf_average_step(&s->signal, m, y[0], &y[1]);
  y[2]         = y[0] - y[1];
  return is_warm;
}

TF_INDICATOR_DEFINE(
    macdext, macdext_t, .group = TF_GROUP_MOMENTUM, .help = "macd of any kinds of average",
    .origin = "Appel 1979, as TA-Lib MACDEXT", TF_SERIES("close"), MACD_OUTPUTS,
    TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 12, 2, "in inputs"),
              TF_PARAM_AVERAGE("fastmatype", TF_AVERAGE_SMA, "kind of the fast one"),
              TF_PARAM_COUNTED("slowperiod", 26, 2, "in inputs"),
              TF_PARAM_AVERAGE("slowmatype", TF_AVERAGE_SMA, "kind of the slow one"),
              TF_PARAM_COUNTED("signalperiod", 9, 1, "of the signal"),
              TF_PARAM_AVERAGE("signalmatype", TF_AVERAGE_SMA, "kind of the signal")));

/* ---- ao, ac: of the middle of the bar ---- */

typedef struct ao {
  tf_total_t fast, slow, signal;
} ao_t;

static uint64_t ao_build(ao_t *s, tf_layout_t *l, const double *params) {
  uint64_t fast = tf_total_init(&s->fast, l, params[0]);
  uint64_t slow = tf_total_init(&s->slow, l, params[1]);
  return fast > slow ? fast : slow;
}

TF_STEP bool ao_step(ao_t *s, tf_store_t m, const double *x, double *y) {
  double fast, slow, middle = (x[0] + x[1]) / 2;
  bool   has_fast = tf_total_step_mean(&s->fast, m, middle, &fast);
  bool   has_slow = tf_total_step_mean(&s->slow, m, middle, &slow);
  y[0]            = fast - slow;
  return has_fast && has_slow;
}

static uint64_t ac_build(ao_t *s, tf_layout_t *l, const double *params) {
  uint64_t lookback = ao_build(s, l, params);
  return lookback + tf_total_init(&s->signal, l, params[2]);
}

TF_STEP bool ac_step(ao_t *s, tf_store_t m, const double *x, double *y) {
  double ao, mean;
  if (!ao_step(s, m, x, &ao)) return false;
  bool is_warm = tf_total_step_mean(&s->signal, m, ao, &mean);
  y[0]         = ao - mean;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(ao, ao_t, ao_build, ao_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "awesome oscillator: fast less slow mean of the bars' middles",
                       .origin = "Williams, New Trading Dimensions (1998), as TA-Lib AO",
                       TF_SERIES("high", "low"), TF_OUTPUTS("ao"),
                       TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 5, 1, "in bars"),
                                 TF_PARAM_COUNTED("slowperiod", 34, 1, "in bars")));
TF_INDICATOR_DEFINE_AS(ac, ao_t, ac_build, ac_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "ao less its mean: acceleration",
                       .origin = "Williams, New Trading Dimensions (1998), as TA-Lib AC",
                       TF_SERIES("high", "low"), TF_OUTPUTS("ac"),
                       TF_PARAMS(TF_PARAM_COUNTED("fastperiod", 5, 1, "in bars"),
                                 TF_PARAM_COUNTED("slowperiod", 34, 1, "in bars"),
                                 TF_PARAM_COUNTED("signalperiod", 5, 1, "of the mean, in bars")));
