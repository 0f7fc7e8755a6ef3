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

TF_TRADE_WINDOW_DEFINE(
    trade_imbalance, VALUE_CNT, values_of, answer,
    .help   = "quantity bought less quantity sold by aggressors over their sum, -1 to 1",
    .origin = "trade flow imbalance; Chordia, Roll, Subrahmanyam 2002 (order imbalance)");
