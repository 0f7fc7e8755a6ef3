/* ret(x, n) = x / x[n inputs ago] - 1: the simple return over n inputs; first output at input n + 1.
 * No value where the earlier input is 0. Subtracting 1 from the quotient loses digits when the return
 * is small, so it is computed as (x - before) / before, which for prices within a factor of two of
 * one another has a single rounded operation. TA-Lib calls it ROCP. */
#include "indicator/parts.h"

typedef struct ret {
  uint32_t n;
  uint32_t pos;  /* of the input n ago, where the next one goes */
  uint32_t full; /* n inputs have been seen */
  uint32_t reserved;
  double   ring[]; /* n */
} ret_t;

static double change(double x, double before) { return (x - before) / before; }

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const ret_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  if (!s->full) return tf_parts_warming(out);
  return tf_parts_answer(out, change(in->x[0], s->ring[s->pos]));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  ret_t                *s      = state;
  tf_indicator_result_t result = peek(s, in, out);
  if (TF_UNLIKELY(result == TF_INDICATOR_REJECTED)) return result;
  s->ring[s->pos] = in->x[0];
  if (++s->pos == s->n) {
    s->pos  = 0;
    s->full = 1;
  }
  return result;
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(ret_t), params[0], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  ret_t   *s = state;
  uint32_t n;
  tf_err_t err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((ret_t *)state)->n;
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
