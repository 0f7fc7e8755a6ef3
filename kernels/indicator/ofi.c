/* ofi(window) = the sum of e over the changes of the best bid and offer in the last `window` of
 * receive time, where for a change from (Pb', qb', Pa', qa') to (Pb, qb, Pa, qa)
 *
 *   e = [Pb >= Pb'] qb - [Pb <= Pb'] qb' - [Pa <= Pa'] qa + [Pa >= Pa'] qa'
 *
 * Order flow imbalance of R. Cont, A. Kukanov, S. Stoikov, "The price impact of order book events",
 * J. Financial Econometrics 12 (2014) 47-88, equation (4) and the sum below it; in base units.
 *
 * Each quote is a change; best bids and offers that come from a book are compared once per message
 * (tick), since the book is not whole between the levels of one message. Rejected while a side is
 * missing; the next whole best bid and offer is then compared with the last whole one. 0 while
 * nothing changed in the window. A best bid and offer out of a book that has a gap or is syncing is
 * no change either, nor is the first one after: what flowed in between is unknown. What windows over
 * quotes share is in quote_window.h. */
#include "indicator/window_values.h"

TF_QUOTE_WINDOW_DEFINE(ofi, TF_OFI_VALUES, tf_ofi_values, tf_ofi_answer,
                       .on     = TF_ON_QUOTE | TF_ON_TICK,
                       .help   = "order flow imbalance over the window, in base units",
                       .origin = "Cont, Kukanov, Stoikov 2014, equation (4)");
