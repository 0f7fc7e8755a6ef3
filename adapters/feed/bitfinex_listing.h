/* What Bitfinex says of its pairs: which are listed, and by what rule their ticks go. Of a pair alone the venue
 * tells no halt; of the platform it does, on the socket (bitfinex.c).
 *
 *   GET /v2/conf/pub:list:pair:exchange,pub:list:pair:futures   [["BTCUSD","AVAX:USD",..],["BTCF0:USTF0",..]]
 *
 * A pair that is in neither list has ended. Amounts have 8 decimals; min and max order sizes, which
 * pub:info:pair tells, are no lots. One writer: the thread that runs the feed; an answer has about 5 KB. */
#ifndef TF_FEED_BITFINEX_LISTING_H
#define TF_FEED_BITFINEX_LISTING_H

#include "feed/symbols.h"

size_t tf_bitfinex_listing_target(const void *state, uint32_t request_idx, char *buf, size_t cap);

bool tf_bitfinex_listing_is_answer(const tf_frame_t *frame);

/* That answer. CONTROL, or REJECTED with SCHEMA. */
tf_verdict_t tf_bitfinex_listing_on_frame(tf_symbols_t *symbols, const tf_frame_t *frame,
                                          tf_feed_out_t *out);

/* Behind a message whose events begin at `from`: the tick of its pair (tick_rule.h). */
void tf_bitfinex_listing_look(tf_symbols_t *symbols, uint32_t from, tf_feed_out_t *out);

#endif
