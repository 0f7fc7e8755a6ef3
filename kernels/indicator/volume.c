/* volume(window) = sum(qty) of the trades of the last `window` of receive time; 0 while it holds none.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/trade_window.h"

enum { VALUE_CNT = 1 };

static void values_of(const tf_market_t *m, double *values) { values[0] = m->trade_qty; }

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]));
}

TF_TRADE_WINDOW_DEFINE(volume, VALUE_CNT, values_of, answer,
                       .help   = "traded quantity in the window, in base units",
                       .origin = "definition");
