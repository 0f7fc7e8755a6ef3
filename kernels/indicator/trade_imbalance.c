/* trade_imbalance(window) = (buy - sell) / (buy + sell), the quantities that buy and sell aggressors
 * traded in the last `window` of receive time: 1 when all were buys. 0 while the window holds none;
 * a trade of unknown side counts for neither.
 * What windows over trades share is in trade_window.h, the window itself in time_window.h. */
#include "indicator/window_values.h"

TF_TRADE_WINDOW_DEFINE(
    trade_imbalance, TF_TRADE_IMBALANCE_VALUES, tf_trade_imbalance_values,
    tf_trade_imbalance_answer,
    .help   = "quantity bought less quantity sold by aggressors over their sum, -1 to 1",
    .origin = "trade flow imbalance; Chordia, Roll, Subrahmanyam 2002 (order imbalance)");
