/* macd(x, fast, slow, signal): line = ema(x, fast) - ema(x, slow), signal = ema(line, signal),
 * histogram = line - signal. Each average is seeded with the mean of its first inputs, the line's two
 * independently of each other (TA-Lib starts the fast one later). All outputs come at once, when the signal has been
 * seeded: at input slow + signal - 1, where slow is the longer period.
 *
 * G. Appel, The Moving Average Convergence-Divergence Trading Method (1979). */
#include "indicator/smooth.h"

enum { OUTPUTS = 3 };

typedef struct macd {
  tf_smooth_t fast, slow, signal;
} macd_t;

static tf_indicator_result_t step(macd_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_usable(x[0]))) return TF_INDICATOR_REJECTED;
  bool has_fast = tf_smooth_add(&s->fast, x[0]), has_slow = tf_smooth_add(&s->slow, x[0]);
  if (!has_fast || !has_slow) return tf_parts_warming_all(out, OUTPUTS);
  double line = s->fast.mean - s->slow.mean;
  if (!tf_smooth_add(&s->signal, line)) return tf_parts_warming_all(out, OUTPUTS);
  return tf_parts_answers(out, (double[]){line, s->signal.mean, line - s->signal.mean}, OUTPUTS);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  macd_t               *s      = state;
  macd_t                next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  macd_t next = *(const macd_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(macd_t);
}

static tf_err_t init(void *state, const double *params) {
  macd_t  *s   = state;
  tf_err_t err = tf_smooth_init_ema(&s->fast, params[0]);
  if (!err) err = tf_smooth_init_ema(&s->slow, params[1]);
  if (!err) err = tf_smooth_init_ema(&s->signal, params[2]);
  return err;
}

static void reset(void *state) {
  macd_t *s = state;
  tf_smooth_reset(&s->fast);
  tf_smooth_reset(&s->slow);
  tf_smooth_reset(&s->signal);
}

static uint64_t lookback(const double *params) {
  double longer = params[0] > params[1] ? params[0] : params[1];
  return (uint64_t)longer + (uint64_t)params[2] - 2;
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t n[OUTPUTS], first;
  double k[OUTPUTS], mean[OUTPUTS] = {0};
  for (size_t e = 0; e < OUTPUTS; e++) n[e] = (size_t)params[e], k[e] = 2.0 / (params[e] + 1.0);
  first = (n[0] > n[1] ? n[0] : n[1]) - 1;
  for (size_t i = 0; i < len; i++) {
    double fast = tf_smooth_scan(&mean[0], i, series[0][i], n[0], k[0]);
    double slow = tf_smooth_scan(&mean[1], i, series[0][i], n[1], k[1]);
    out[0][i] = out[1][i] = out[2][i] = __builtin_nan("");
    if (i < first) continue;
    double signal = tf_smooth_scan(&mean[2], i - first, fast - slow, n[2], k[2]);
    if (i - first + 1 < n[2]) continue;
    out[0][i] = fast - slow;
    out[1][i] = signal;
    out[2][i] = fast - slow - signal;
  }
}

static const tf_param_spec_t PARAMS[] = {
    {.name = "fast",
     .kind = TF_PARAM_COUNT,
     .dflt = 12,
     .min  = 1,
     .max  = TF_PARTS_ELEMENTS_MAX,
     .help = "period of the fast average, in inputs"},
    {.name = "slow",
     .kind = TF_PARAM_COUNT,
     .dflt = 26,
     .min  = 1,
     .max  = TF_PARTS_ELEMENTS_MAX,
     .help = "period of the slow average, in inputs"},
    {.name = "signal",
     .kind = TF_PARAM_COUNT,
     .dflt = 9,
     .min  = 1,
     .max  = TF_PARTS_ELEMENTS_MAX,
     .help = "period of the signal, in inputs"      }
};

const tf_indicator_t tf_indicator_macd = {
    .name        = "macd",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "moving average convergence and divergence: line, signal, histogram",
    .origin      = "Appel 1979",
    .series_cnt  = 1,
    .output_cnt  = 3,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"line",       "signal", "histogram"},
    .series      = {"close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = lookback,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
