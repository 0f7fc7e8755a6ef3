/* HTX linear swaps (VENUES.md 13): htx.c says what becomes of a message. Quantities are contracts.
 *
 *   trade.detail             TRADE; ids ascend
 *   bbo                      QUOTE; its sides are lists
 *   depth.size_N.high_freq   BOOK: a snapshot in band, then version + 1, counted for the connection
 *   detail                   TICKER
 *
 * A contract is a size of its base currency: the multiplier. */
#include "feed/htx.h"

const tf_htx_market_t tf_htx_swap_market = {
    .ws_path      = "/linear-swap-ws",
    .book_ws_path = NULL,
    .book_topic   = "depth.size_",
    .book_suffix  = ".high_freq",
    .book_extra   = ",\"data_type\":\"incremental\"",
    .info_path    = "/linear-swap-api/v1/swap_contract_info",
    .asks_books   = false,
};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TRADE,  "trade.detail",             TF_FEED_CHECK(IDS_ASCENDING)},
    {TF_CHANNEL_QUOTE,  "bbo",                      0                           },
    {TF_CHANNEL_BOOK,   "depth.size_150.high_freq", TF_FEED_CHECK(SEQUENCE_NEXT)},
    {TF_CHANNEL_TICKER, "detail",                   0                           },
    {0,                 NULL,                       0                           },
};

/* Recommended by the venue for servers in AWS ("Access and Authentication"). */
static const tf_feed_host_t others[] = {
    {"api.hbdm.vn", "443"},
    {NULL,          NULL },
};

const tf_feed_t tf_feed_htx_swap = {
    .venue                   = "htx-swap",
    .suffix                  = "HTX-SWAP",
    .symbol_chars            = "-",
    .spec                    = &tf_htx_swap_spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_htx_init,
    .on_frame                = tf_htx_on_frame,
    .echo                    = tf_htx_echo,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_htx_lose_book,
    .ws_host                 = "api.hbdm.com",
    .ws_port                 = "443",
    .ws_others               = others,
    .ws_target               = tf_htx_ws_target,
    .request                 = tf_htx_request,
    .symbol                  = tf_in_band_symbol,
    .rest_host               = "api.hbdm.com",
    .rest_port               = "443",
    .metadata_target         = tf_htx_metadata_target,
    .subscribe_rate_hz_max   = 30, /* 40 subscriptions */
    .symbols_per_request_max = 1,
    .silence_ns_max          = 20 * TF_NS_PER_SEC, /* of one ping in 5 s */
    .message_bytes_max       = TF_HTX_MESSAGE_BYTES_MAX,
    .channels                = channels,
};
