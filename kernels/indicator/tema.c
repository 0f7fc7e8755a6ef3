/* tema(x, n) = 3 e1 - 3 e2 + e3, e1 being ema(x, n), e2 that of e1, e3 that of e2: triple exponential moving average, which lags
 * less than its parts. Each is seeded with the mean of its first n inputs. First output at input 3 n - 2.
 *
 * P. Mulloy, "Smoothing data with less lag by triple moving averages", Technical Analysis of Stocks & Commodities
 * 12 (1994); TA-Lib TEMA. */
#include "indicator/smooth.h"

enum { LAYERS = 3 };

typedef struct tema {
  tf_smooth_t e[LAYERS];
} tema_t;

static tf_indicator_result_t step(tema_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_usable(x[0]))) return TF_INDICATOR_REJECTED;
  double value = x[0];
  for (uint32_t i = 0; i < LAYERS; i++) {
    if (!tf_smooth_add(&s->e[i], value)) return tf_parts_warming(out);
    value = s->e[i].mean;
  }
  return tf_parts_answer(out, 3.0 * (s->e[0].mean - s->e[1].mean) + s->e[2].mean);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tema_t               *s      = state;
  tema_t                next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  tema_t next = *(const tema_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(tema_t);
}

static tf_err_t init(void *state, const double *params) {
  tema_t *s = state;
  for (uint32_t i = 0; i < LAYERS; i++) {
    tf_err_t err = tf_smooth_init_ema(&s->e[i], params[0]);
    if (err != TF_OK) return err;
  }
  return TF_OK;
}

static void reset(void *state) {
  tema_t *s = state;
  for (uint32_t i = 0; i < LAYERS; i++) tf_smooth_reset(&s->e[i]);
}

static uint64_t lookback(const double *params) { return LAYERS * ((uint64_t)params[0] - 1); }

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t n = (size_t)params[0];
  double k = 2.0 / (params[0] + 1.0), mean[LAYERS] = {0}, y[LAYERS];
  for (size_t i = 0; i < len; i++) {
    double value = series[0][i];
    for (size_t e = 0; e < LAYERS; e++) {
      y[e]  = i < e * (n - 1) ? __builtin_nan("")
                              : tf_smooth_scan(&mean[e], i - e * (n - 1), value, n, k);
      value = y[e];
    }
    out[0][i] = 3.0 * (y[0] - y[1]) + y[2];
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(20, 1, "period, in inputs")};

const tf_indicator_t tf_indicator_tema = {
    .name        = "tema",
    .group       = TF_GROUP_OVERLAP,
    .help        = "triple exponential moving average",
    .origin      = "Mulloy 1994, as TA-Lib TEMA",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"tema"},
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
