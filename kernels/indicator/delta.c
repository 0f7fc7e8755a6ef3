/* delta(x, n) = x - x[n inputs ago]; first output at input n + 1. TA-Lib and Tulip call it MOM. */
#include "indicator/parts.h"

typedef struct delta {
  uint32_t n;
  uint32_t pos;  /* of the input n ago, where the next one goes */
  uint32_t full; /* n inputs have been seen */
  uint32_t reserved;
  double   ring[]; /* n */
} delta_t;

static double change(double x, double before) { return x - before; }

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const delta_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  if (!s->full) return tf_parts_warming(out);
  return tf_parts_answer(out, change(in->x[0], s->ring[s->pos]));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  delta_t              *s      = state;
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
  return tf_parts_bytes(sizeof(delta_t), params[0], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  delta_t *s = state;
  uint32_t n;
  tf_err_t err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((delta_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0];
  size_t        n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    double y  = i < n ? __builtin_nan("") : x[i] - x[i - n];
    out[0][i] = tf_parts_finite(y) ? y : __builtin_nan("");
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(1, 1, "distance, in inputs")};

const tf_indicator_t tf_indicator_delta = {
    .name        = "delta",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "change over the last n inputs",
    .origin      = "momentum (TA-Lib MOM)",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"delta"},
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
