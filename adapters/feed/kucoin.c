/* KuCoin spot (VENUES.md 11).
 *
 *   {"type":"message","topic":"/market/match:BTC-USDT","subject":"trade.l3match","data":{..}}
 *
 *   match      TRADE; side is the taker's. Ids are 24 hexadecimal digits, of which FNV-1a (64 bit) is ours
 *   ticker     QUOTE
 *   level2     BOOK: sequenceStart..sequenceEnd follow one another; a snapshot comes by REST and is bridged
 *              (chain.h). A level at price 0 only uses up a number.
 *   snapshot   TICKER
 *   obu        BOOK, of the connections without a token ("T":"obu.SPOT"): a snapshot in band, then O..C;
 *              decoded wherever it comes, never asked for
 *   candles, level3, ..   ignored, by topic
 *
 * A connection wants a token, which a POST over REST gives and which holds for a day. */
#include "feed/kucoin.h"

static const tf_in_band_channel_t topics[] = {
    {"/market/level2",            TF_CHANNEL_BOOK,   0, false, false, false},
    {"/market/ticker",            TF_CHANNEL_QUOTE,  0, false, false, false},
    {"/market/match",             TF_CHANNEL_TRADE,  0, false, false, false},
    {"/market/snapshot",          TF_CHANNEL_TICKER, 0, false, false, false},
    {"/market/candles",           0,                 0, false, false, false},
    {"/spotMarket/level2Depth5",  0,                 0, false, false, false},
    {"/spotMarket/level2Depth50", 0,                 0, false, false, false},
    {"/spotMarket/level3",        0,                 0, false, false, false},
    {"/spotMarket/level1",        0,                 0, false, false, false},
    {NULL,                        0,                 0, false, false, false},
};
const tf_kucoin_market_t tf_kucoin_spot_market = {
    .book_path       = "/api/v1/market/orderbook/level2_100",
    .whole_book_path = "/api/v3/market/orderbook/level2",
    .info_path       = "/api/v2/symbols",
    .topics          = topics,
};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "/market/match",    TF_FEED_CHECK(IDS_OPAQUE)                            },
    {TF_CHANNEL_QUOTE,  "/market/ticker",   0                                                    },
    {TF_CHANNEL_BOOK,   "/market/level2",   TF_FEED_CHECK(SEQUENCE_RANGE) | TF_FEED_CHECK(BRIDGE)},
    {TF_CHANNEL_TICKER, "/market/snapshot", 0                                                    },
    {0,                 NULL,               0                                                    },
};

const tf_feed_t tf_feed_kucoin = {
    .venue = "kucoin",
    .key_elsewhere =
        "the token of a connection is public; a key would open the account's own channels alone",
    .suffix                = "KUCOIN",
    .symbol_chars          = "-",
    .spec                  = &tf_kucoin_spot_spec,
    .state_bytes           = tf_in_band_state_bytes,
    .init                  = tf_in_band_init,
    .on_frame              = tf_kucoin_on_frame,
    .on_connect            = tf_in_band_on_connect,
    .lose_book             = tf_in_band_lose_book,
    .ws_host               = "ws-api-spot.kucoin.com",
    .ws_port               = "443",
    .rest_host             = "api.kucoin.com",
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
