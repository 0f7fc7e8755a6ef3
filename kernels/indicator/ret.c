/* ret(x, n) = x / x[n inputs ago] - 1: the simple return over n inputs; first output at input n + 1.
 * No value where the earlier input is 0. Subtracting 1 from the quotient loses digits when the return
 * is small, so it is computed as (x - before) / before, which for prices within a factor of two of
 * one another has a single rounded operation. TA-Lib calls it ROCP. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_ret_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  if (!s->full) return tf_parts_warming(out);
  return tf_parts_answer(out, tf_ret_of(in->x[0], tf_ret_ring(s)[s->pos]));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  double y;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  return tf_ret_step(state, in->x[0], &y) ? tf_parts_answer(out, y) : tf_parts_warming(out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(tf_ret_t), params[0], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  tf_ret_t *s = state;
  uint32_t  n;
  tf_err_t  err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((tf_ret_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0];
  size_t        n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    double y  = i < n ? __builtin_nan("") : (x[i] - x[i - n]) / x[i - n];
    out[0][i] = tf_parts_finite(y) ? y : __builtin_nan("");
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(1, 1, "distance, in inputs")};

const tf_indicator_t tf_indicator_ret = {
    .name        = "ret",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "simple return over the last n inputs, as a fraction",
    .origin      = "TA-Lib ROCP",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"ret"},
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
