/* Binance spot. Update ids are the symbol's own and consecutive, so deltas join by their ranges.
 * The venue pings every 20 s and takes 5 messages a second from us, pongs among them. */
#include "feed/binance.h"
#include "feed/chain.h"

static const tf_binance_market_t market = {.ws_path        = "/stream",
                                           .rest_path      = "/api/v3/depth",
                                           .info_path      = "/api/v3/exchangeInfo",
                                           .info_of_some   = true,
                                           .book_stream    = "depth@100ms",
                                           .snapshot_limit = 5000,
                                           .rule           = TF_CHAIN_RANGE};

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade, aggTrade", TF_FEED_CHECK(IDS_CONSECUTIVE)                       },
    {TF_CHANNEL_QUOTE,  "bookTicker",      TF_FEED_CHECK(SEQUENCE_ORDER)                        },
    {TF_CHANNEL_BOOK,   "depth@100ms",     TF_FEED_CHECK(SEQUENCE_RANGE) | TF_FEED_CHECK(BRIDGE)},
    {TF_CHANNEL_TICKER, "24hrTicker",      0                                                    },
    {0,                 NULL,              0                                                    },
};

/* The same host behind the port that firewalls let through, and the venue's mirror of market data alone
 * (its documentation, "WebSocket streams"). */
static const tf_feed_host_t others[] = {
    {"stream.binance.com",         "443"},
    {"data-stream.binance.vision", "443"},
    {NULL,                         NULL },
};

const tf_feed_t tf_feed_binance_spot = {
    .venue                   = "binance-spot",
    .key_elsewhere           = "the binary SBE streams want one and are not read",
    .suffix                  = "BINANCE-SPOT",
    .symbol_chars            = "\x80",
    .spec                    = &market,
    .state_bytes             = tf_binance_state_bytes,
    .init                    = tf_binance_init,
    .on_frame                = tf_binance_on_frame,
    .on_connect              = tf_binance_on_connect,
    .lose_book               = tf_binance_lose_book,
    .ws_host                 = "stream.binance.com",
    .ws_port                 = "9443",
    .rest_host               = "api.binance.com",
    .rest_port               = "443",
    .ws_others               = others,
    .ws_target               = tf_binance_live_ws_target,
    .request                 = tf_binance_live_request,
    .symbol                  = tf_binance_symbol,
    .symbols_per_request_max = TF_BINANCE_SUBSCRIBE_STREAMS,
    .snapshot_target         = tf_binance_live_snapshot_target,
    .metadata_target         = tf_binance_live_metadata_target,
    .subscribe_rate_hz_max   = 5,
    .streams_max             = TF_BINANCE_STREAMS_MAX,
    .connects_per_5min_max   = 300,
    .session_life_ns_max     = 24 * 3600 * TF_NS_PER_SEC,
    .silence_ns_max          = 60 * TF_NS_PER_SEC, /* three pings missed */
    .channels                = feed_channels,
    .sequences_are_shared    = true,
};
