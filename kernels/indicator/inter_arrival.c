/* inter_arrival(window) = the mean of the times between neighbouring trades, in seconds of receive time, over the trades of
 * the last `window`. A trade whose time steps back comes 0 after the one before. No value while the window is empty. What
 * pairs of trades share is in trade_chain.h. */
#include "indicator/trade_chain.h"

enum { VALUE_CNT = 2 };

static bool values_of(const tf_trade_link_t *last, const tf_trade_link_t *now, const tf_market_t *m,
                      double *values) {
  (void)m;
  values[0] = (double)(now->at_ns - last->at_ns) * 1e-9;
  values[1] = 1;
  return last->cnt > 0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
}

TF_TRADE_CHAIN_DEFINE(inter_arrival, VALUE_CNT, values_of, answer,
                      .help   = "mean time between the trades of the window, in seconds",
                      .origin = "definition");
