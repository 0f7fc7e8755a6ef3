/* kyle_lambda(window) = sum(dp q) / sum(q^2) over the trades of the last `window` of receive time, dp being the
 * change of price from trade to trade and q the quantity, signed by the aggressor: the price impact of a
 * unit, by least squares through the origin. No value while the window holds no trade of known side.
 * What pairs of trades share is in trade_chain.h.
 *
 * A. Kyle, "Continuous auctions and insider trading", Econometrica 53 (1985) 1315-1335. */
#include "indicator/trade_chain.h"

enum { VALUE_CNT = 2 };

static bool values_of(const tf_trade_link_t *last, const tf_trade_link_t *now, const tf_market_t *m,
                      double *values) {
  double q  = m->trade_qty * m->trade_side;
  values[0] = now->change * q;
  values[1] = q * q;
  return last->cnt > 0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
}

TF_TRADE_CHAIN_DEFINE(
    kyle_lambda, VALUE_CNT, values_of, answer,
    .help   = "price change per unit of signed traded quantity, in price units per base unit",
    .origin = "Kyle 1985");
