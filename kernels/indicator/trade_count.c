/* trade_count(window) = the number of trades of the last `window` of receive time; 0 while it holds
 * none.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/window_values.h"

TF_TRADE_WINDOW_DEFINE(trade_count, TF_TRADE_COUNT_VALUES, tf_trade_count_values, tf_volume_answer,
                       .help = "number of trades in the window", .origin = "definition");
