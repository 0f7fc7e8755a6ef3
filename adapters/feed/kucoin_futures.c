/* KuCoin futures (VENUES.md 11): kucoin.c says what becomes of a message. Quantities are contracts, a delta
 * is one level in a text ("83614,buy,12"), mark price and funding rate are topics of their own. */
#include "feed/kucoin.h"

static const tf_in_band_channel_t topics[] = {
    {"/contractMarket/level2",        TF_CHANNEL_BOOK,   0, false, false, false},
    {"/contractMarket/tickerV2",      TF_CHANNEL_QUOTE,  0, false, false, false},
    {"/contractMarket/execution",     TF_CHANNEL_TRADE,  0, false, false, false},
    {"/contract/instrument",          TF_CHANNEL_TICKER, 0, false, false, false},
    {"/contractMarket/snapshot",      TF_CHANNEL_TICKER, 0, false, false, false},
    {"/contractMarket/candle",        0,                 0, false, false, false},
    {"/contractMarket/limitCandle",   0,                 0, false, false, false},
    {"/contractMarket/level2Depth5",  0,                 0, false, false, false},
    {"/contractMarket/level2Depth50", 0,                 0, false, false, false},
    {"/contractMarket/level3v2",      0,                 0, false, false, false},
    {NULL,                            0,                 0, false, false, false},
};
const tf_kucoin_market_t tf_kucoin_futures_market = {
    .book_path = "/api/v1/level2/snapshot",
    .info_path = "/api/v1/contracts/active",
    .topics    = topics,
};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "/contractMarket/execution", TF_FEED_CHECK(IDS_OPAQUE)},
    {TF_CHANNEL_QUOTE,  "/contractMarket/tickerV2",  0                        },
    {TF_CHANNEL_BOOK,   "/contractMarket/level2",
     TF_FEED_CHECK(SEQUENCE_RANGE) | TF_FEED_CHECK(BRIDGE)                    },
    {TF_CHANNEL_TICKER, "/contract/instrument",      0                        },
    {0,                 NULL,                        0                        },
};

const tf_feed_t tf_feed_kucoin_futures = {
    .venue = "kucoin-futures",
    .key_elsewhere =
        "the token of a connection is public; a key would open the account's own channels alone",
    .suffix                = "KUCOIN-FUTURES",
    .symbol_chars          = "",
    .spec                  = &tf_kucoin_futures_spec,
    .state_bytes           = tf_in_band_state_bytes,
    .init                  = tf_in_band_init,
    .on_frame              = tf_kucoin_on_frame,
    .on_connect            = tf_in_band_on_connect,
    .lose_book             = tf_in_band_lose_book,
    .ws_host               = "ws-api-futures.kucoin.com",
    .ws_port               = "443",
    .rest_host             = "api-futures.kucoin.com",
    .rest_port             = "443",
    .tickets               = tf_kucoin_tickets,
    .ws_target             = tf_kucoin_ws_target,
    .request               = tf_kucoin_request,
    .symbol                = tf_in_band_symbol,
    .snapshot_target       = tf_kucoin_snapshot_target,
    .metadata_target       = tf_kucoin_metadata_target,
    .heartbeat             = tf_in_band_heartbeat,
    .heartbeat_ns          = 15 * TF_NS_PER_SEC, /* the venue asks for 18 s, and closes behind 60 */
    .subscribe_rate_hz_max = 8,                  /* 100 in 10 s */
    .streams_max           = 300,
    .symbols_per_request_max = TF_KUCOIN_REQUEST_SYMBOLS,
    .sequences_are_shared    = true,
    .session_life_ns_max     = 24 * 3600 * TF_NS_PER_SEC, /* of a token */
    .silence_ns_max          = 45 * TF_NS_PER_SEC,        /* three pongs missed */
    .channels                = channels,
};
