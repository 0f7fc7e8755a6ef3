/* Binance USD-M futures. Update ids are shared by all symbols, so a delta names its predecessor
 * (pu).
 *
 * Since 2026-04-23 the host routes by class of data and the path without a class carries book data
 * at most: books, quotes and @trade are on /public, @aggTrade, mark prices, tickers and
 * liquidations on /market (VENUES.md section 2; the classes as two independent clients have them).
 * Trades, quotes and books therefore share a connection and tickers have one of their own
 * (channel_groups); were @trade moved to /market, /public would acknowledge it and stay silent, which
 * the session's deadline for first data must catch. depth@0ms is not documented and in use since years
 * (our recording has it); it is the only one that is not delayed. The venue pings every 3 minutes. */
#include "feed/binance.h"
#include "feed/chain.h"

static const tf_binance_market_t market = {.ws_path        = "/public/stream",
                                           .ticker_path    = "/market/stream",
                                           .rest_path      = "/fapi/v1/depth",
                                           .info_path      = "/fapi/v1/exchangeInfo",
                                           .book_stream    = "depth@0ms",
                                           .mark_stream    = "markPrice@1s",
                                           .snapshot_limit = 1000,
                                           .rule           = TF_CHAIN_POINTER};

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade, aggTrade",             TF_FEED_CHECK(IDS_CONSECUTIVE)                          },
    {TF_CHANNEL_QUOTE,  "bookTicker",                  TF_FEED_CHECK(SEQUENCE_ORDER)                           },
    {TF_CHANNEL_BOOK,   "depth@0ms",                   TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(BRIDGE)},
    {TF_CHANNEL_TICKER, "24hrTicker, markPriceUpdate", 0                                                       },
    {0,                 NULL,                          0                                                       },
};

const tf_feed_t tf_feed_binance_usdm = {
    .venue                   = "binance-usdm",
    .suffix                  = "BINANCE-USDM",
    .symbol_chars            = "_\x80",
    .spec                    = &market,
    .state_bytes             = tf_binance_state_bytes,
    .init                    = tf_binance_init,
    .on_frame                = tf_binance_on_frame,
    .on_connect              = tf_binance_on_connect,
    .lose_book               = tf_binance_lose_book,
    .ws_host                 = "fstream.binance.com",
    .ws_port                 = "443",
    .rest_host               = "fapi.binance.com",
    .rest_port               = "443",
    .ws_target               = tf_binance_live_ws_target,
    .request                 = tf_binance_live_request,
    .symbol                  = tf_binance_symbol,
    .symbols_per_request_max = TF_BINANCE_SUBSCRIBE_STREAMS,
    .snapshot_target         = tf_binance_live_snapshot_target,
    .metadata_target         = tf_binance_live_metadata_target,
    .subscribe_rate_hz_max   = 10,
    .channel_groups          = {TF_CHANNEL_TICKER},
    .streams_max             = TF_BINANCE_STREAMS_MAX,
    .streams_each            = { 1, 1, 1, 2}, /* ticker and mark price */
    .session_life_ns_max     = 24 * 3600 * TF_NS_PER_SEC,
    .silence_ns_max          = 400 * TF_NS_PER_SEC, /* two pings missed */
    .channels                = feed_channels,
    .sequences_are_shared    = true,
};
