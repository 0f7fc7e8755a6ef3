/* What a trade says, in 32 bits: price, quantity and side, by value, so that "100.5" and "100.50" say the same (the text
 * of a replay need not be that of the stream). A venue that gives one id to two trades shows in it, one time
 * in 2^32 missed.
 *
 * Of equal decimals the nearest doubles are equal bits, up to 2^53 in the mantissa (tf/event.h). */
#ifndef FEED_TRADE_PRINT_H
#define FEED_TRADE_PRINT_H

#include <string.h>

#include "core/hash.h"
#include "tf/event.h"

TF_INLINE uint64_t tf_trade_print_word_(int64_t mantissa, int8_t exp) {
  double   value = tf_decimal_to_double(mantissa, exp);
  uint64_t word;
  memcpy(&word, &value, sizeof word);
  return word;
}

/* Never 0. */
TF_INLINE uint32_t tf_trade_print_of(int64_t price, int8_t price_exp, int64_t qty, int8_t qty_exp,
                                     bool sells) {
  uint64_t hash =
      tf_hash_multiply_(tf_trade_print_word_(price, price_exp) ^ UINT64_C(0xa0761d6478bd642f),
                        tf_trade_print_word_(qty, qty_exp) ^
                            (sells ? UINT64_C(0xe7037ed1a0b428db) : UINT64_C(0x8ebc6af09c88c6e3)));
  return (uint32_t)(hash >> 32) | 1;
}

TF_INLINE uint32_t tf_trade_print(const tf_event_t *trade) {
  return tf_trade_print_of(trade->u.trade.price, trade->price_exp, trade->u.trade.qty,
                           trade->qty_exp, (trade->flags & TF_FLAG_SIDE) != 0);
}

#endif
