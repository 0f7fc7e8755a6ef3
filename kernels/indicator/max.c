/* max(x, n): the largest of the last n inputs; first output at the n-th. TA-Lib's MAX. How it is kept
 * is in extreme.h. */
#include "indicator/extreme.h"

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  return tf_extreme_update(state, in->x[0], true, out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  return tf_extreme_peek(state, in->x[0], true, out);
}

static size_t state_bytes(const double *params) { return tf_extreme_bytes(params); }

static tf_err_t init(void *state, const double *params) { return tf_extreme_init(state, params); }

static void reset(void *state) {
  double n = ((tf_extreme_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  tf_extreme_scan(series[0], len, (size_t)params[0], true, out[0]);
}

static const tf_param_spec_t PARAMS[] = {TF_PARAM_PERIOD(30, 1)};

const tf_indicator_t tf_indicator_max = {
    .name        = "max",
    .group       = TF_GROUP_MATH,
    .help        = "largest of the last n inputs",
    .origin      = "TA-Lib MAX; Lemire 2006",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"max"},
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
