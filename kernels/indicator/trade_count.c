/* trade_count(window) = the number of trades of the last `window` of receive time; 0 while it holds
 * none.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/trade_window.h"

enum { VALUE_CNT = 1 };

static void values_of(const tf_market_t *m, double *values) {
  (void)m;
  values[0] = 1.0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]));
}

TF_TRADE_WINDOW_DEFINE(trade_count, VALUE_CNT, values_of, answer,
                       .help = "number of trades in the window", .origin = "definition");
