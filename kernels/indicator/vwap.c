/* vwap(window) = sum(price * qty) / sum(qty) over the trades of the last `window` of receive time:
 * the volume-weighted average price. No value (NaN) while the window holds no trade.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/window_values.h"

TF_TRADE_WINDOW_DEFINE(
    vwap, TF_VWAP_VALUES, tf_vwap_values, tf_vwap_answer,
    .help   = "volume-weighted average price of the trades in the window, in quote currency",
    .origin = "de facto standard; Berkowitz, Logue, Noser 1988");
