/* effective_spread(window) = sum(q e) / sum(q) over the trades of the last `window` of receive time, e = 2 D (p - M) / M
 * in basis points: p the price, q the quantity, D the aggressor's side, +1 or -1, M the mid as it was when the trade
 * came. What takers paid for immediacy, where the quoted spread is what was asked. No value while the window holds no
 * trade of known side; a trade before there was a bid and an offer is rejected, one of unknown side left out.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h.
 *
 * R. Huang, H. Stoll, "Dealer versus auction markets", J. of Financial Economics 41 (1996) 313-357; US SEC Rule 605. */
#include "indicator/trade_window.h"

enum { VALUE_CNT = 2 };

static void values_of(const tf_market_t *m, double *values) {
  double mid   = (m->bid + m->ask) * 0.5;
  double above = ((m->trade_price - m->bid) + (m->trade_price - m->ask)) * 0.5;
  values[0]    = 2e4 * m->trade_side * above / mid * m->trade_qty;
  values[1]    = m->trade_side != 0 ? m->trade_qty : 0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
}

TF_TRADE_WINDOW_DEFINE(effective_spread, VALUE_CNT, values_of, answer,
                       .help   = "mean effective spread of the window's trades, in basis points",
                       .origin = "Huang, Stoll 1996");
