/* What one of a quantity is worth, as venues say it of their contracts beside sizes (metadata.h): whether the contract
 * is inverse (tf/instrument.h), in what it is valued, and what a quanto contract pays.
 *
 *   BitMEX    "isInverse"; "isQuanto", "multiplier", "settlCurrency": worth multiplier times the price in satoshi (XBt)
 *             and the like, whatever the price is in, so that XBT is its quote currency here
 *   KuCoin    "isInverse"
 *   OKX       "ctType":"inverse", "ctValCcy": what a contract's value is in, which is the quote currency of these
 *   Bybit     "contractType":"InversePerpetual", "InverseFutures"
 *   Deribit   "instrument_type":"reversed"
 *   Gate      "type":"inverse"
 *   Binance   "contractSize", which none has but these
 *
 * A pass of its own over the answer, made where an instrument gets its metadata: a shape of the scanner holds no more
 * keys than metadata.c has. The decoder's thread, before the row is published. */
#ifndef TF_FEED_METADATA_VALUE_H
#define TF_FEED_METADATA_VALUE_H

#include "feed/symbols.h"

extern const tf_json_shape_t tf_metadata_value_shape;

/* Of an object of that shape, its self the symbols: amends the row of the instrument that it names. */
void tf_metadata_value_on_item(tf_json_t *json, tf_json_object_t *item);

#endif
