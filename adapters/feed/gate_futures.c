/* Gate v4 futures settled in USDT (VENUES.md 10): gate.c says what becomes of a message. Quantities are
 * contracts, levels objects; the quantity of a trade is below 0 where the taker sold. */
#include "feed/gate.h"

const tf_gate_market_t tf_gate_futures_market = {.prefix       = "futures.",
                                                 .ws_path      = "/v4/ws/usdt",
                                                 .book_path    = "/api/v4/futures/usdt/order_book",
                                                 .info_path    = "/api/v4/futures/usdt/contracts",
                                                 .symbol_key   = "contract",
                                                 .book_payload = ",\"100ms\",\"100\""};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "futures.trades",                         TF_FEED_CHECK(IDS_ASCENDING)},
    {TF_CHANNEL_QUOTE,  "futures.book_ticker",                    0                           },
    {TF_CHANNEL_BOOK,   "futures.order_book_update, futures.obu",
     TF_FEED_CHECK(SEQUENCE_RANGE) | TF_FEED_CHECK(BRIDGE)                                    },
    {TF_CHANNEL_TICKER, "futures.tickers",                        0                           },
    {0,                 NULL,                                     0                           },
};

const tf_feed_t tf_feed_gate_futures = {
    .venue                   = "gate-futures",
    .suffix                  = "GATE-FUTURES",
    .symbol_chars            = "_",
    .spec                    = &tf_gate_futures_spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_in_band_init,
    .on_frame                = tf_gate_on_frame,
    .on_connect              = tf_gate_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "fx-ws.gateio.ws",
    .ws_port                 = "443",
    .rest_host               = "fx-api.gateio.ws",
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
