/* Gate v4 spot (VENUES.md 10), books by REST and deltas.
 *
 *   {"time":s,"time_ms":ms,"channel":"spot.trades","event":"update","result":{..}|[{..},..]}
 *
 *   trades              TRADE; side is the taker's (futures: the sign of size), ids ascend
 *   book_ticker         QUOTE
 *   order_book_update   BOOK: U..u follow one another; a snapshot comes by REST and is bridged (chain.h)
 *   obu                 BOOK: "full" is the whole book in band, then U..u; asked for where book_depth is 50 or 400
 *   tickers             TICKER, with the message's own time
 *   candlesticks, order_book, ..   ignored, by channel
 *
 * A trade without create_time_ms has the message's time. Before there was time_ms that is whole seconds. */
#include "feed/gate.h"

const tf_gate_market_t tf_gate_spot_market = {.prefix       = "spot.",
                                              .ws_path      = "/ws/v4/",
                                              .book_path    = "/api/v4/spot/order_book",
                                              .info_path    = "/api/v4/spot/currency_pairs",
                                              .symbol_key   = "currency_pair",
                                              .book_payload = ",\"100ms\""};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "spot.trades",                      TF_FEED_CHECK(IDS_ASCENDING)},
    {TF_CHANNEL_QUOTE,  "spot.book_ticker",                 0                           },
    {TF_CHANNEL_BOOK,   "spot.order_book_update, spot.obu",
     TF_FEED_CHECK(SEQUENCE_RANGE) | TF_FEED_CHECK(BRIDGE)                              },
    {TF_CHANNEL_TICKER, "spot.tickers",                     0                           },
    {0,                 NULL,                               0                           },
};

const tf_feed_t tf_feed_gate = {
    .venue                   = "gate",
    .suffix                  = "GATE",
    .symbol_chars            = "_",
    .spec                    = &tf_gate_spot_spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_in_band_init,
    .on_frame                = tf_gate_on_frame,
    .on_connect              = tf_gate_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "api.gateio.ws",
    .ws_port                 = "443",
    .rest_host               = "api.gateio.ws",
    .rest_port               = "443",
    .ws_target               = tf_gate_ws_target,
    .request                 = tf_gate_request,
    .symbol                  = tf_in_band_symbol,
    .snapshot_target         = tf_gate_snapshot_target,
    .depths_in_band          = tf_gate_depths_in_band,
    .metadata_target         = tf_gate_metadata_target,
    .heartbeat               = tf_gate_heartbeat,
    .heartbeat_ns            = 10 * TF_NS_PER_SEC,
    .subscribe_rate_hz_max   = 10, /* the venue publishes none: as its neighbours */
    .symbols_per_request_max = 1,
    .sequences_are_shared    = true,
    .silence_ns_max          = 30 * TF_NS_PER_SEC, /* three pongs missed */
    .channels                = channels,
};
