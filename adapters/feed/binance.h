/* Binance: spot, USD-M futures and COIN-M futures. One protocol with three rows of differences
 * (tf_binance_market_t); binance_spot.c, binance_usdm.c and binance_coinm.c hold a row and a
 * descriptor each. Facts and evidence: docs of the venue as gathered in VENUES.md sections 1 and 2,
 * and the recordings.
 *
 * What becomes of a message, combined ({"stream":..,"data":..}) or raw:
 *   trade, aggTrade   TRADE. m (the buyer is the maker) set means that the aggressor SELLs. Ids are
 *                     consecutive on all three markets (33,356 recorded trades, no jump), so a jump
 *                     is a gap; an id that was seen is a duplicate and not published. aggTrade has
 *                     ids of its own. Futures trades whose X says that no order book was involved
 *                     (NA, INSURANCE_FUND, ADL) are ignored: the venue's aggTrade has none either.
 *   bookTicker        QUOTE; one whose u is not newer than the last is a duplicate
 *   depthUpdate       BOOK, an event a level, bids first; ordered by chain.h
 *   lastUpdateId      BOOK with SNAPSHOT: a REST answer, or a partial book (<symbol>@depth20) whose
 *                     stream names it. Futures send partial books as depthUpdate, told apart by the
 *                     stream alone, so subscribe to them combined. A partial book of an instrument
 *                     whose deltas are coming too is ignored: it would cut the book.
 *   24hrTicker        TICKER: last price and volume
 *   markPriceUpdate   TICKER: mark price and funding rate
 *   kline, markPriceUpdate, forceOrder, ...   ignored, counted by type
 *   acknowledgements, errors, serverShutdown  CONTROL; errors are kept in the tf_feed_head_t, and a
 *                     shutdown makes the session move to another connection (out->leaving)
 *
 * ts_event is T (when it happened) where the message has it, else E (when it was sent), else 0
 * (spot's bookTicker and snapshots). Milliseconds; microseconds (timeUnit=MICROSECOND) and
 * nanoseconds are told by their size. A time of 0, in another unit than the feed's first, or more
 * than an hour ahead of ts_recv, has BAD_TS. */
#ifndef TF_FEED_BINANCE_H
#define TF_FEED_BINANCE_H

#include "tf/feed.h"

typedef struct tf_binance_market {
  const char *ws_path;        /* of combined streams */
  const char *ticker_path;    /* where tickers are served apart; NULL: with the rest */
  const char *mark_stream;    /* beside "ticker"; NULL: there is no mark price */
  const char *rest_path;      /* of the depth snapshot */
  const char *info_path;      /* of the instruments' metadata */
  bool        info_of_some;   /* it takes the symbols that it is to answer for */
  const char *book_stream;    /* behind "<symbol>@" */
  uint32_t    snapshot_limit; /* levels a side; the event buffer must hold twice that and one */
  uint8_t     rule;           /* tf_chain_rule_t */
  double (*multiplier_of)(const char *symbol); /* NULL: 1 for all */
} tf_binance_market_t;

/* Streams that one connection may carry (spot 1024, futures 1024, older pages 200), and streams in
 * one SUBSCRIBE: short enough for every limit on message size. */
#define TF_BINANCE_STREAMS_MAX       1024u
#define TF_BINANCE_SUBSCRIBE_STREAMS 200u

/* Symbols in one request for metadata: its target has to fit a dial. */
#define TF_BINANCE_INFO_SYMBOLS 40u

/* Deltas remembered for an instrument that awaits its snapshot, where the config says 0: 26 s of
 * the busiest recording's (COIN-M, 78 a second). A longer wait makes the snapshot too old, and
 * another one is asked for. */
#define TF_BINANCE_PENDING_DEFAULT 2048u

/* The descriptors' functions, see tf/feed.h; spec: the market's row. */
size_t       tf_binance_state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config);
tf_err_t     tf_binance_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config);
tf_verdict_t tf_binance_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out);
void         tf_binance_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out);
void tf_binance_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out);

size_t   tf_binance_live_ws_target(const void *state, char *buf, size_t cap);
size_t   tf_binance_live_request(const void *state, const tf_feed_request_t *request, char *buf,
                                 size_t cap);
tf_err_t tf_binance_symbol(void *state, const char *text, uint32_t *symbol,
                           uint32_t *instrument_id);
size_t   tf_binance_live_snapshot_target(const void *state, uint32_t instrument_id, char *buf,
                                         size_t cap);

size_t tf_binance_live_metadata_target(const void *state, uint32_t request_idx, char *buf,
                                       size_t cap);

/* Switches the scanner's prediction off (on after init): for tests, which compare the two. */
void tf_binance_predict(void *state, bool on);

#endif
