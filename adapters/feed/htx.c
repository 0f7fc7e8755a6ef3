/* HTX spot (VENUES.md 13). Every frame is binary, a gzip member of its own; requests are text.
 *
 *   {"ch":"market.btcusdt.trade.detail","ts":..,"tick":{"id":..,"ts":..,"data":[{..},..]}}
 *
 *   trade.detail   TRADE, oldest first though a message begins with the newest. Ids are tradeId, one by one
 *                  an instrument; "id" has up to 27 digits and is not used
 *   bbo            QUOTE
 *   mbp.N          BOOK, on connections of its own: prevSeqNum is the message before; the snapshot is asked
 *                  for on the socket ("req") when deltas come that none holds, and bridged (chain.h)
 *   depth.stepN, mbp.refresh.N   BOOK, whole each time: of recordings
 *   detail         TICKER, with the message's own time
 *   kline          ignored
 *
 * Numbers have exponents and up to 38 digits; what does not fit 63 bits is refused. {"ping":ms} goes back
 * as {"pong":ms}. */
#include "feed/htx.h"

const tf_htx_market_t tf_htx_spot_market = {
    .ws_path      = "/ws",
    .book_ws_path = "/feed",
    .book_topic   = "mbp.",
    .book_suffix  = "",
    .book_extra   = "",
    .info_path    = "/v1/common/symbols",
    .asks_books   = true,
};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "trade.detail", TF_FEED_CHECK(IDS_CONSECUTIVE)                          },
    {TF_CHANNEL_QUOTE,  "bbo",          0                                                       },
    {TF_CHANNEL_BOOK,   "mbp.150",      TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(BRIDGE)},
    {TF_CHANNEL_TICKER, "detail",       0                                                       },
    {0,                 NULL,           0                                                       },
};

/* Preferred by AWS customers, says the venue ("Websocket Market Data"). */
static const tf_feed_host_t others[] = {
    {"api-aws.huobi.pro", "443"},
    {NULL,                NULL },
};

const tf_feed_t tf_feed_htx = {
    .venue                   = "htx",
    .suffix                  = "HTX",
    .symbol_chars            = "",
    .spec                    = &tf_htx_spot_spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_htx_init,
    .on_frame                = tf_htx_on_frame,
    .echo                    = tf_htx_echo,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_htx_lose_book,
    .ws_host                 = "api.huobi.pro",
    .ws_port                 = "443",
    .rest_host               = "api.huobi.pro",
    .rest_port               = "443",
    .ws_others               = others,
    .ws_target               = tf_htx_ws_target,
    .request                 = tf_htx_request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = tf_htx_metadata_target,
    .subscribe_rate_hz_max   = 10, /* the venue publishes none: as its neighbours */
    .symbols_per_request_max = 1,
    .channel_groups          = {TF_CHANNEL_BOOK},
    .sequences_are_shared    = true,
    .silence_ns_max          = 20 * TF_NS_PER_SEC, /* of one ping in 5 s */
    .message_bytes_max       = TF_HTX_MESSAGE_BYTES_MAX,
    .channels                = channels,
};
