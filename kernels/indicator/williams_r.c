/* williams_r(high, low, close, n) = -100 (H - close) / (H - L), H and L being the highest high and the lowest
 * low of the last n bars: 0 at the top, -100 at the bottom. No value where they are equal. First output
 * at bar n.
 *
 * L. Williams, How I Made One Million Dollars ... Last Year ... Trading Commodities (1973); TA-Lib WILLR. */
#include "indicator/channel.h"

static tf_indicator_result_t answer(const tf_channel_t *view, double close, double *out) {
  return tf_parts_answer(out, -100.0 * ((view->top - close) / (view->top - view->bottom)));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_channel_t view = {0};
  if (TF_UNLIKELY(!tf_parts_all_usable(in->x, 3))) return TF_INDICATOR_REJECTED;
  if (!tf_channel_update(state, in->x[0], in->x[1], &view)) return tf_parts_warming(out);
  return answer(&view, in->x[2], out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  tf_channel_t view = {0};
  if (!tf_parts_all_usable(in->x, 3)) return TF_INDICATOR_REJECTED;
  if (!tf_channel_peek(state, in->x[0], in->x[1], &view)) return tf_parts_warming(out);
  return answer(&view, in->x[2], out);
}

static size_t state_bytes(const double *params) { return tf_channel_bytes(params); }

static tf_err_t init(void *state, const double *params) { return tf_channel_init(state, params); }

static void reset(void *state) {
  double n = ((tf_extreme_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  for (size_t i = 0; i < len; i++) {
    tf_channel_t view = {0};
    out[0][i]         = __builtin_nan("");
    if (!tf_channel_scan(series[0], series[1], i, (size_t)params[0], &view)) continue;
    double y = -100.0 * ((view.top - series[2][i]) / (view.top - view.bottom));
    if (tf_parts_finite(y)) out[0][i] = y;
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(14, 1, "window, in bars")};

const tf_indicator_t tf_indicator_williams_r = {
    .name        = "williams_r",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "close within the range of the last n bars, 0 (top) to -100",
    .origin      = "Williams 1973, as TA-Lib WILLR",
    .series_cnt  = 3,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"williams_r"},
    .series      = { "high", "low", "close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n_less_1,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
