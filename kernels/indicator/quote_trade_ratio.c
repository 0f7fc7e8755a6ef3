/* quote_trade_ratio(window) = the number of quotes over the number of trades of the last `window` of receive time. A quote is
 * each one that comes, and at a tick a best bid and offer that differs from the last one seen: an instrument without a quote
 * channel has those of its book. No value while the window holds no trade. Nothing counts before there is a bid and
 * an offer; backfilled trades are left out. What windows over quotes share is in quote_window.h. */
#include "indicator/quote_window.h"

enum { VALUE_CNT = 2 };

static bool is_equal(const tf_level_pair_t *a, const tf_level_pair_t *b) {
  return a->bid == b->bid && a->bid_qty == b->bid_qty && a->ask == b->ask &&
         a->ask_qty == b->ask_qty;
}

/* A trade may come between the levels of a message: it leaves the change to the tick. */
static void values_of(const tf_quote_last_t *last, tf_quote_last_t *now,
                      const tf_indicator_input_t *in, double *values) {
  bool is_backfill = in->market->event->flags & TF_FLAG_BACKFILL;
  bool is_trade    = in->on == TF_ON_TRADE;
  bool is_change   = !last->has_pair || !is_equal(&last->pair, &now->pair);
  values[0]        = in->on == TF_ON_QUOTE || (in->on == TF_ON_TICK && is_change);
  values[1]        = is_trade && !is_backfill;
  now->has_pair    = 1;
  if (is_trade) {
    now->pair     = last->pair;
    now->has_pair = last->has_pair;
  }
}

static tf_indicator_result_t answer(const double *sums, double *out) {
  return tf_parts_answer(out, sums[0] / sums[1]);
}

TF_QUOTE_WINDOW_DEFINE(quote_trade_ratio, VALUE_CNT, values_of, answer,
                       .on   = TF_ON_TRADE | TF_ON_QUOTE | TF_ON_TICK,
                       .help = "quotes a trade in the window", .origin = "definition");
