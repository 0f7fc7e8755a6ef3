/* Tick sizes of venues that have a rule in place of a table: a price has so many significant digits, and no more than
 * so many behind the point, so that the tick is a power of ten that follows the price (Bitfinex, "Precision": 5 digits, 8
 * decimals; Hyperliquid, "Tick and lot size": 5 digits, 6 decimals less those of a size, of spot 8 less; whole prices
 * always).
 *
 * An instrument's tick is known with its first price; then it has its metadata (tf/instrument.h). When the price has
 * moved to where another tick holds, a STATUS says so (CHANGED): looked for in tickers and snapshots alone, so that
 * a price that goes to and fro over 10,000 says it seldom, and deltas cost nothing. One writer: the thread that runs
 * the feed. */
#ifndef TF_FEED_TICK_RULE_H
#define TF_FEED_TICK_RULE_H

#include "feed/symbols.h"

typedef struct tf_tick_rule {
  uint8_t digits;
  int8_t  finest_exp, coarsest_exp; /* a tick is at least 10^finest, at most 10^coarsest */
} tf_tick_rule_t;

/* The exponent of the tick at a price above 0. */
int8_t tf_tick_rule_exp(const tf_tick_rule_t *rule, int64_t price, int8_t price_exp);

/* A message whose events begin at `from` may tell a tick: it is not one of changes to a book. */
TF_INLINE bool tf_tick_rule_may_tell(const tf_feed_out_t *out, uint32_t from) {
  const tf_event_t *e = &out->events[from];
  return out->event_cnt > from && (e->kind != TF_EVENT_BOOK || e->flags & TF_FLAG_SNAPSHOT);
}

/* Of a message's events, those from `from` on: the one whose price is to be looked at, and its symbol's number. NULL:
 * none. */
const tf_event_t *tf_tick_rule_event(const tf_symbols_t *symbols, const tf_feed_out_t *out,
                                     uint32_t from, uint32_t *idx);

/* The tick at that event's price is another than was told last, or the first. */
bool tf_tick_rule_is_news(const tf_symbols_t *symbols, uint32_t idx, const tf_tick_rule_t *rule,
                          const tf_event_t *e);

/* Tells the tick at that event's price. rest: what else the row of the instrument wants: lot size, multiplier, quote
 * currency. */
void tf_tick_rule_say(tf_symbols_t *symbols, uint32_t idx, const tf_tick_rule_t *rule,
                      const tf_event_t *e, const tf_instrument_t *rest, tf_feed_out_t *out);

#endif
