/* rsi(x, n) = 100 * G / (G + L), G and L being the smoothed gains and losses between inputs: first
 * their means over the first n changes, then G += (gain - G) / n and L likewise. 0 where
 * nothing has moved yet. First output at input n + 1.
 *
 * J. Welles Wilder, "New Concepts in Technical Trading Systems" (1978); seeding and the answer
 * for a flat series are those of TA-Lib's RSI. (TA-Lib takes G + L below 1e-14 for zero; here only 0
 * is. The division by n is a multiplication here: about 1e-16 apart.) */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_rsi_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  double y;
  return tf_rsi_step(s, in->x[0], &y) ? tf_parts_answer(out, y) : tf_parts_warming(out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_rsi_t *s = state;
  if (!tf_parts_usable(in->x[0])) return TF_INDICATOR_REJECTED;
  if (s->cnt < s->n) return tf_parts_warming(out);
  double gain, loss;
  tf_rsi_next(s, in->x[0], &gain, &loss);
  return tf_parts_answer(out, tf_rsi_answer(gain, loss));
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(tf_rsi_t);
}

static tf_err_t init(void *state, const double *params) {
  tf_rsi_t *s = state;
  memset(s, 0, sizeof *s);
  tf_err_t err = tf_parts_count(params[0], 1, &s->n);
  if (err != TF_OK) return err;
  s->step = 1.0 / (double)s->n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((tf_rsi_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0];
  size_t        n = (size_t)params[0];
  double        g = 0, l = 0;
  for (size_t i = 0; i < len && i <= n; i++) {
    out[0][i] = __builtin_nan("");
    if (i == 0) continue;
    if (x[i] > x[i - 1]) g += x[i] - x[i - 1];
    if (x[i] < x[i - 1]) l += x[i - 1] - x[i];
  }
  if (len <= n) return;
  g /= params[0];
  l /= params[0];
  for (size_t i = n; i < len; i++) {
    if (i > n) {
      double d = x[i] - x[i - 1];
      g        = ((d > 0 ? d : 0.0) - g) * (1.0 / params[0]) + g;
      l        = ((d < 0 ? -d : 0.0) - l) * (1.0 / params[0]) + l;
    }
    double y  = g + l == 0 ? 0.0 : 100.0 * (g / (g + l));
    out[0][i] = tf_parts_finite(y) ? y : __builtin_nan("");
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARAM_PERIOD(14, 1)};

const tf_indicator_t tf_indicator_rsi = {
    .name        = "rsi",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "relative strength index, 0 to 100",
    .origin      = "Wilder 1978, as TA-Lib RSI",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"rsi"},
    .series      = {"close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
