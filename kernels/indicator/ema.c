/* ema(x, n): exponential moving average, ema += (x - ema) * 2 / (n + 1), seeded with the mean of the
 * first n inputs, as TA-Lib's EMA does; first output at the n-th input. The step is TA-Lib's, in its
 * order of operations. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_ema_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  double mean;
  return tf_ema_step(s, in->x[0], &mean) ? tf_parts_answer(out, mean) : tf_parts_warming(out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_ema_t *s = state;
  if (!tf_parts_usable(in->x[0])) return TF_INDICATOR_REJECTED;
  if (s->cnt + 1 < s->n) return tf_parts_warming(out);
  return tf_parts_answer(out, tf_ema_next(s, in->x[0]));
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(tf_ema_t);
}

static tf_err_t init(void *state, const double *params) {
  tf_ema_t *s = state;
  memset(s, 0, sizeof *s);
  tf_err_t err = tf_parts_count(params[0], 1, &s->n);
  if (err != TF_OK) return err;
  s->step = 2.0 / ((double)s->n + 1.0);
  return TF_OK;
}

static void reset(void *state) {
  tf_ema_t *s = state;
  s->mean     = 0;
  s->cnt      = 0;
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x   = series[0];
  size_t        n   = (size_t)params[0];
  double        k   = 2.0 / (params[0] + 1.0);
  double        sum = 0;
  for (size_t i = 0; i < len && i < n; i++) {
    sum += x[i];
    out[0][i] = __builtin_nan("");
  }
  if (len < n) return;
  out[0][n - 1] = sum / params[0];
  for (size_t i = n; i < len; i++) out[0][i] = (x[i] - out[0][i - 1]) * k + out[0][i - 1];
}

static const tf_param_spec_t PARAMS[] = {TF_PARAM_PERIOD(30, 1)};

const tf_indicator_t tf_indicator_ema = {
    .name        = "ema",
    .group       = TF_GROUP_OVERLAP,
    .help        = "exponential moving average",
    .origin      = "TA-Lib EMA (seeded with the mean of the first n)",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"ema"},
    .series      = {"close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n_less_1,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
