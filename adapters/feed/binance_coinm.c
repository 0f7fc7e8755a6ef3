/* Binance COIN-M futures: as USD-M, on a host without routes. Quantities are contracts: of 100 USD
 * for BTC, of 10 USD for every other coin, which is the instrument's multiplier. */
#include <string.h>

#include "feed/binance.h"
#include "feed/chain.h"

static double multiplier_of(const char *symbol) {
  return strncmp(symbol, "BTCUSD", 6) == 0 ? 100.0 : 10.0;
}

static const tf_binance_market_t market = {.ws_path        = "/stream",
                                           .rest_path      = "/dapi/v1/depth",
                                           .info_path      = "/dapi/v1/exchangeInfo",
                                           .book_stream    = "depth@0ms",
                                           .mark_stream    = "markPrice@1s",
                                           .snapshot_limit = 1000,
                                           .rule           = TF_CHAIN_POINTER,
                                           .multiplier_of  = multiplier_of};

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade, aggTrade",             TF_FEED_CHECK(IDS_CONSECUTIVE)                          },
    {TF_CHANNEL_QUOTE,  "bookTicker",                  TF_FEED_CHECK(SEQUENCE_ORDER)                           },
    {TF_CHANNEL_BOOK,   "depth@0ms",                   TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(BRIDGE)},
    {TF_CHANNEL_TICKER, "24hrTicker, markPriceUpdate", 0                                                       },
    {0,                 NULL,                          0                                                       },
};

const tf_feed_t tf_feed_binance_coinm = {
    .venue                   = "binance-coinm",
    .suffix                  = "BINANCE-COINM",
    .symbol_chars            = "_\x80",
    .spec                    = &market,
    .state_bytes             = tf_binance_state_bytes,
    .init                    = tf_binance_init,
    .on_frame                = tf_binance_on_frame,
    .on_connect              = tf_binance_on_connect,
    .lose_book               = tf_binance_lose_book,
    .ws_host                 = "dstream.binance.com",
    .ws_port                 = "443",
    .rest_host               = "dapi.binance.com",
    .rest_port               = "443",
    .ws_target               = tf_binance_live_ws_target,
    .request                 = tf_binance_live_request,
    .symbol                  = tf_binance_symbol,
    .symbols_per_request_max = TF_BINANCE_SUBSCRIBE_STREAMS,
    .snapshot_target         = tf_binance_live_snapshot_target,
    .metadata_target         = tf_binance_live_metadata_target,
    .subscribe_rate_hz_max   = 10,
    .streams_max             = TF_BINANCE_STREAMS_MAX,
    .streams_each            = {1, 1, 1, 2}, /* ticker and mark price */
    .session_life_ns_max     = 24 * 3600 * TF_NS_PER_SEC,
    .silence_ns_max          = 400 * TF_NS_PER_SEC, /* two pings missed */
    .channels                = feed_channels,
    .sequences_are_shared    = true,
};
