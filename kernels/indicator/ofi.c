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
#include "indicator/quote_window.h"

enum { VALUE_CNT = 1 };

static void values_of(const tf_quote_last_t *last, tf_quote_last_t *now,
                      const tf_indicator_input_t *in, double *values) {
  (void)in;
  values[0] = last->has_pair && now->has_pair ? tf_order_flow(&last->pair, &now->pair) : 0;
}

static tf_indicator_result_t answer(const double *sums, double *out) {
  return tf_parts_answer(out, sums[0]);
}

TF_QUOTE_WINDOW_DEFINE(ofi, VALUE_CNT, values_of, answer, .on = TF_ON_QUOTE | TF_ON_TICK,
                       .help   = "order flow imbalance over the window, in base units",
                       .origin = "Cont, Kukanov, Stoikov 2014, equation (4)");
