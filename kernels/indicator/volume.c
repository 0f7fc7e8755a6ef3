/* volume(window) = sum(qty) of the trades of the last `window` of receive time; 0 while it holds none.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/window_values.h"

TF_TRADE_WINDOW_DEFINE(volume, TF_VOLUME_VALUES, tf_volume_values, tf_volume_answer,
                       .help   = "traded quantity in the window, in base units",
                       .origin = "definition");
