/* amihud(window) = the mean of |p / p' - 1| / (p q) over the trades of the last `window` of receive time, p' being
 * the price of the trade before: return per unit of notional, illiquidity. No value while the window
 * holds none. Trades of no quantity are left out. What pairs of trades share is in trade_chain.h.
 *
 * Y. Amihud, "Illiquidity and stock returns", J. of Financial Markets 5 (2002) 31-56, trade by trade. */
#include "indicator/trade_chain.h"

enum { VALUE_CNT = 2 };

static bool values_of(const tf_trade_link_t *last, const tf_trade_link_t *now, const tf_market_t *m,
                      double *values) {
  values[0] = __builtin_fabs(now->change / last->price) / (m->trade_price * m->trade_qty);
  values[1] = 1;
  return last->cnt > 0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
}

TF_TRADE_CHAIN_DEFINE(amihud, VALUE_CNT, values_of, answer,
                      .help   = "mean return per unit of traded notional, 1 per quote unit",
                      .origin = "Amihud 2002, trade by trade");
