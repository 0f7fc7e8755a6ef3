/* HTX linear swaps' funding rates (VENUES.md 13), which the venue pushes at an address of their own, in a dialect
 * of its own; htx.c says what becomes of the rest.
 *
 *   {"op":"sub","cid":"7","topic":"public.BTC-USDT.funding_rate"}
 *   {"op":"notify","topic":"public.BTC-USDT.funding_rate","ts":..,"data":[{"contract_code":..,"funding_rate":..}]}
 *
 *   funding_rate   TICKER: nothing but the funding rate. Last price and volume are htx-swap's ticker
 *
 * Its instruments are those of htx-swap: a config has both feeds. The rate is that of the coming settlement. */
#include "feed/htx.h"

const tf_htx_market_t tf_htx_funding_market = {
    .ws_path   = "/linear-swap-notification",
    .info_path = "/linear-swap-api/v1/swap_contract_info",
    .op_topic  = "funding_rate",
};

static const tf_feed_channel_t channels[] = {
    {TF_CHANNEL_TICKER, "funding_rate", 0},
    {0,                 NULL,           0},
};

const tf_feed_t tf_feed_htx_swap_funding = {
    .venue                   = "htx-swap-funding",
    .suffix                  = "HTX-SWAP",
    .symbol_chars            = "-",
    .spec                    = &tf_htx_funding_spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_htx_init,
    .on_frame                = tf_htx_on_frame,
    .echo                    = tf_htx_echo,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_htx_lose_book,
    .ws_host                 = "api.hbdm.com",
    .ws_port                 = "443",
    .rest_host               = "api.hbdm.com",
    .rest_port               = "443",
    .ws_target               = tf_htx_ws_target,
    .request                 = tf_htx_request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = tf_htx_metadata_target,
    .subscribe_rate_hz_max   = 30, /* 40 subscriptions */
    .symbols_per_request_max = 1,
    .snapshot_channels       = TF_CHANNEL_TICKER,
    .silence_ns_max          = 20 * TF_NS_PER_SEC, /* of one ping in 5 s */
    .message_bytes_max       = TF_HTX_MESSAGE_BYTES_MAX,
    .channels                = channels,
};
