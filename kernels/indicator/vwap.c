/* vwap(window) = sum(price * qty) / sum(qty) over the trades of the last `window` of receive time:
 * the volume-weighted average price. No value (NaN) while the window holds no trade.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/trade_window.h"

enum { VALUE_CNT = 2 };

static void values_of(const tf_market_t *m, double *values) {
  values[0] = m->trade_price * m->trade_qty;
  values[1] = m->trade_qty;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  if (view->cnt == 0) return tf_parts_warming(out);
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
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

const tf_indicator_t tf_indicator_vwap = {
    .name        = "vwap",
    .group       = TF_GROUP_TRADE,
    .help        = "volume-weighted average price of the trades in the window, in quote currency",
    .origin      = "de facto standard; Berkowitz, Logue, Noser 1988",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TRADE | TF_ON_TICK,
    .outputs     = {"vwap"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
