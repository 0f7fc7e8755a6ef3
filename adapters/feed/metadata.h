/* What a venue says of its instruments: tick size, lot size, multiplier, quote currency. One reader for
 * all venues, because their answers have one form with other names:
 *
 *   Binance            {"symbols":[{"symbol":..,"quoteAsset":..,"contractSize":..,"filters":[
 *                        {"filterType":"PRICE_FILTER","tickSize":..},{"filterType":"LOT_SIZE","stepSize":..}]}]}
 *   Coinbase           {"products":[{"product_id":..,"price_increment":..,"base_increment":..,
 *                        "quote_currency_id":..}]}, or one of them alone
 *   Coinbase Exchange  [{"id":..,"quote_increment":..,"base_increment":..,"quote_currency":..}], or one alone
 *   BitMEX             [{"symbol":..,"tickSize":..,"lotSize":..,"quoteCurrency":..,
 *                        "underlyingToPositionMultiplier":..|null}]: so many contracts are one of what is traded;
 *                        null of inverse contracts, each 1 of the quote currency, and of quanto ones
 *   Deribit            (of "result") [{"instrument_name":..,"tick_size":..,"min_trade_amount":..,
 *                        "quote_currency":..}], or one alone
 *   Kraken             {"pairs":[{"symbol":..,"price_increment":..,"qty_increment":..,"quote":..}]}
 *   OKX                {"data":[{"instId":..,"tickSz":..,"lotSz":..,"ctVal":..,"ctMult":..,"quoteCcy":..|"settleCcy":..}]}
 *   Bitget             {"data":[{"symbol":..,"pricePrecision":"2","quantityPrecision":"6","quoteCoin":..}]}, of
 *                        futures "pricePlace","priceEndStep","volumePlace": digits behind the point
 *   Bybit              {"result":{"list":[{"symbol":..,"quoteCoin":..,"priceFilter":{"tickSize":..},
 *                        "lotSizeFilter":{"qtyStep":..|"basePrecision":..}}]}}
 *   Crypto.com         {"result":{"data":[{"symbol":..,"price_tick_size":..,"qty_tick_size":..,
 *                        "quote_ccy":..,"contract_size":..}]}}
 *   Gate               [{"id":..,"precision":5,"amount_precision":3,"quote":..}], of futures [{"name":..,
 *                        "order_price_round":..,"order_size_min":1,"quanto_multiplier":..}]
 *   KuCoin             {"data":[{"symbol":..,"priceIncrement":..,"baseIncrement":..,"quoteCurrency":..}]}, of
 *                        futures "tickSize","lotSize","multiplier"
 *   HTX                {"data":[{"symbol":..,"price-precision":5,"amount-precision":2,"quote-currency":..}]}, of
 *                        swaps {"data":[{"contract_code":..,"price_tick":..,"contract_size":..}]}, traded whole
 *
 * What contracts are worth: metadata_value.h.
 *
 * Beside them its word for what is done with an instrument: "status", "state", "contractStatus", "trade_status",
 * "symbolStatus", "trading_disabled", "enableTrading", "tradable", "is_active" (listing.h). Sizes that are others than those
 * said before are told too; the instrument table keeps the first.
 *
 * Sets the rows (tf/instrument.h) of the symbols that the feed knows; others are passed over. A row
 * without a tick or lot size that is more than 0 is passed over too. Runs where the feed does, at
 * start, over an answer of up to a few MB (no futures venue answers for one symbol): allocates nothing. */
#ifndef TF_FEED_METADATA_H
#define TF_FEED_METADATA_H

#include "feed/symbols.h"

#define TF_METADATA_NOT_READ UINT32_MAX
/* The instruments that got their metadata by this; TF_METADATA_NOT_READ where it is not such an answer. */
uint32_t tf_metadata_read(tf_symbols_t *symbols, const char *bytes, size_t bytes_cnt,
                          uint64_t recv_ns, tf_feed_out_t *out);

/* The same as the verdict of a REST answer's frame: CONTROL, or REJECTED with SCHEMA. */
tf_verdict_t tf_metadata_on_frame(tf_symbols_t *symbols, const tf_frame_t *frame,
                                  tf_feed_out_t *out);

#endif
