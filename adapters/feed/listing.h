/* Halts, openings, delistings, and other tick and lot sizes: what a venue says of an instrument, beside its market
 * data. Told by a STATUS event of its own (u.listing in tf/event.h) when it is another than was said before, so that
 * lanes hold, tapes and replays know, and nothing is said where nothing changes. That an instrument is open, when
 * nothing else was said, is no news.
 *
 * A venue says it on the socket (Kraken's instrument channel, BitMEX's instrument table, Deribit's ticker; Bitfinex of all
 * of them at once), or in the answer with its
 * instruments' metadata (feeds[].metadata_refresh asks again). A symbol that is renamed ends, and another begins.
 *
 * Words for it that are not known leave things as they are: a venue's new word must not stop trading.
 * One writer: the thread that runs the feed. */
#ifndef TF_FEED_LISTING_H
#define TF_FEED_LISTING_H

#include "feed/symbols.h"

/* What a venue's word says, whatever its case; UNSAID: not known. */
tf_trading_t tf_listing_of_word(const char *word, size_t word_bytes);

/* What was said of the symbol idx: said->trading UNSAID and sizes 0 where nothing was. Puts a STATUS for what changed,
 * counted. Without room it is said by what comes next. */
void tf_listing_say(tf_symbols_t *symbols, uint32_t idx, const tf_listing_t *said, uint64_t recv_ns,
                    tf_feed_out_t *out);

/* The venue as a whole halts, or goes on: all that has not ended is HALTED, what was HALTED is OPEN. */
void tf_listing_say_all(tf_symbols_t *symbols, tf_trading_t trading, uint64_t recv_ns,
                        tf_feed_out_t *out);

#endif
