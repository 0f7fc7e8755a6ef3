/* trade_imbalance(window) = (buy - sell) / (buy + sell), the quantities that buy and sell aggressors
 * traded in the last `window` of receive time: 1 when all were buys. 0 while the window holds none;
 * a trade of unknown side counts for neither.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/trade_window.h"

enum { VALUE_CNT = 2 };

static void values_of(const tf_market_t *m, double *values) {
  values[0] = m->trade_side > 0 ? m->trade_qty : 0.0;
  values[1] = m->trade_side < 0 ? m->trade_qty : 0.0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  double buy = tf_sum_value(&view->sum[0]), sell = tf_sum_value(&view->sum[1]);
  if (buy + sell == 0) return tf_parts_answer(out, 0.0);
  return tf_parts_answer(out, (buy - sell) / (buy + sell));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  return tf_trade_window_update(state, in, VALUE_CNT, values_of, answer, out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  return tf_trade_window_peek(state, in, VALUE_CNT, values_of, answer, out);
}

static size_t state_bytes(const double *params) {
  return tf_time_window_bytes(params[1], VALUE_CNT);
}

static tf_err_t init(void *state, const double *params) {
  return tf_time_window_init(state, params[0], params[1], VALUE_CNT);
}

static void reset(void *state) { tf_time_window_reset(state, VALUE_CNT); }

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_WINDOW, TF_PARTS_PARAM_CAPACITY};

const tf_indicator_t tf_indicator_trade_imbalance = {
    .name        = "trade_imbalance",
    .group       = TF_GROUP_TRADE,
    .help        = "quantity bought less quantity sold by aggressors over their sum, -1 to 1",
    .origin      = "trade flow imbalance; Chordia, Roll, Subrahmanyam 2002 (order imbalance)",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TRADE | TF_ON_TICK,
    .outputs     = {"trade_imbalance"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
