/* trade_intensity(window) = the number of trades of the last `window` of receive time over its length: trades a second.
 * Until the window has run its length for the first time it is divided by all of it all the same. Rolling by
 * time; of the kernel kind is hawkes. What windows over trades share is in trade_window.h, the window itself in
 * time_window.h. */
#include "indicator/window_values.h"

TF_TRADE_WINDOW_DEFINE(trade_intensity, TF_TRADE_COUNT_VALUES, tf_trade_count_values,
                       tf_trade_intensity_answer, .help = "trades a second in the window",
                       .origin = "definition");
