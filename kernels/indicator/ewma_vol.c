/* ewma_vol(x, decay) = sqrt(v), v = decay v + (1 - decay) r^2, r being the log return from input to input
 * (log_ratio.h); v starts as the first r^2. Per input, not annualised. First output at the second
 * input. Inputs that are not positive are rejected.
 *
 * J.P. Morgan / Reuters, RiskMetrics - Technical Document (1996), section 5.2; decay 0.94 is theirs for days. */
#include "indicator/log_ratio.h"
#include "indicator/parts.h"

typedef struct ewma_vol {
  double   decay;
  double   last; /* 0 before the first input */
  double   variance;
  uint64_t has_variance;
} ewma_vol_t;

static tf_indicator_result_t step(ewma_vol_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_usable(x[0]) || !(x[0] > 0))) return TF_INDICATOR_REJECTED;
  double last = s->last;
  s->last     = x[0];
  if (TF_UNLIKELY(!(last > 0))) return tf_parts_warming(out);
  double r        = tf_log_ratio(x[0], last);
  s->variance     = s->has_variance ? (s->variance - r * r) * s->decay + r * r : r * r;
  s->has_variance = 1;
  return tf_parts_answer(out, __builtin_sqrt(s->variance));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  ewma_vol_t           *s      = state;
  ewma_vol_t            next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  ewma_vol_t next = *(const ewma_vol_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(ewma_vol_t);
}

static tf_err_t init(void *state, const double *params) {
  ewma_vol_t *s = state;
  *s            = (ewma_vol_t){.decay = params[0]};
  return params[0] >= 0 && params[0] < 1 ? TF_OK : E_CORE_ARGUMENT;
}

static void reset(void *state) {
  ewma_vol_t *s = state;
  *s            = (ewma_vol_t){.decay = s->decay};
}

static uint64_t lookback(const double *params) {
  (void)params;
  return 1;
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0];
  double        v = 0;
  for (size_t i = 0; i < len; i++) {
    double r2 = i ? tf_log_ratio(x[i], x[i - 1]) * tf_log_ratio(x[i], x[i - 1]) : 0;
    v         = i == 1 ? r2 : (v - r2) * params[0] + r2;
    out[0][i] = i ? __builtin_sqrt(v) : __builtin_nan("");
  }
}

static const tf_param_spec_t PARAMS[] = {
    {.name = "decay",
     .kind = TF_PARAM_REAL,
     .dflt = 0.94,
     .min  = 0,
     .max  = 0.999999,
     .help = "weight of the past, 0 to 1"}
};

const tf_indicator_t tf_indicator_ewma_vol = {
    .name        = "ewma_vol",
    .group       = TF_GROUP_VOLATILITY,
    .help        = "exponentially weighted volatility of log returns, per input",
    .origin      = "RiskMetrics 1996",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"ewma_vol"},
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
