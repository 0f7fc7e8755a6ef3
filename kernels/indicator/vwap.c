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

TF_TRADE_WINDOW_DEFINE(
    vwap, VALUE_CNT, values_of, answer,
    .help   = "volume-weighted average price of the trades in the window, in quote currency",
    .origin = "de facto standard; Berkowitz, Logue, Noser 1988");
