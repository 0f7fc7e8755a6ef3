/* trade_intensity(window) = the number of trades of the last `window` of receive time over its length: trades a second.
 * Until the window has run its length for the first time it is divided by all of it all the same. Rolling by
 * time; of the kernel kind is hawkes. What windows over trades share is in trade_window.h, the window itself in
 * time_window.h. */
#include "indicator/trade_window.h"

enum { VALUE_CNT = 1 };

static void values_of(const tf_market_t *m, double *values) {
  (void)m;
  values[0] = 1.0;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) * 1e9 / (double)view->window_ns);
}

TF_TRADE_WINDOW_DEFINE(trade_intensity, VALUE_CNT, values_of, answer,
                       .help = "trades a second in the window", .origin = "definition");
