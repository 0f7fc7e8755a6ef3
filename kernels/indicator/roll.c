/* roll(window) = 2 sqrt(-c), c being the mean of d d' over the trades of the last `window` of receive time, where d is
 * the change of price from the trade before and d' the change before that one: the spread that the bounce between bid and
 * offer implies, in price units. The mean change is taken for zero, as in the model. No value while c is not negative
 * (a trend, equal prices: the model does not hold) or the window is empty; a c that is no larger than what the rounding of
 * prices to doubles can make counts as 0. What pairs of trades share is in
 * trade_chain.h.
 *
 * R. Roll, "A simple implicit measure of the effective bid-ask spread in an efficient market", J. of Finance 39 (1984)
 * 1127-1139. */
#include "indicator/trade_chain.h"

enum { VALUE_CNT = 3 };

static bool values_of(const tf_trade_link_t *last, const tf_trade_link_t *now, const tf_market_t *m,
                      double *values) {
  (void)m;
  values[0] = last->change * now->change;
  values[1] = 1;
  /* A price is off by 2^-53 of itself at most, a change of two by 2^-52; and as much again. */
  values[2] = (__builtin_fabs(last->change) + __builtin_fabs(now->change)) * now->price * 0x1p-51;
  return last->cnt == 2;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  double sum = tf_sum_value(&view->sum[0]);
  if (!(sum < -tf_sum_value(&view->sum[2]))) return tf_parts_warming(out);
  return tf_parts_answer(out, 2 * __builtin_sqrt(-sum / tf_sum_value(&view->sum[1])));
}

TF_TRADE_CHAIN_DEFINE(roll, VALUE_CNT, values_of, answer,
                      .help   = "spread implied by the trades of the window, in price units",
                      .origin = "Roll 1984");
