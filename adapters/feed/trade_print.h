/* What a trade says: price, quantity and side. As it came, which costs its stores; and in 32 bits, by value, so that
 * "100.5" and "100.50" say the same (the text of a replay need not be that of the stream). A venue that gives one id to
 * two trades shows in it, one time in 2^32 missed.
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

typedef struct tf_trade_said {
  int64_t  price, qty;
  uint32_t id; /* low bits */
  int8_t   price_exp, qty_exp;
  bool     sells;
  bool     is_known; /* false: nothing was put here yet */
} tf_trade_said_t;
TF_STATIC_ASSERT(sizeof(tf_trade_said_t) == 24, "stored whole with each trade");

TF_INLINE tf_trade_said_t tf_trade_said(const tf_event_t *trade) {
  return (tf_trade_said_t){.price     = trade->u.trade.price,
                           .qty       = trade->u.trade.qty,
                           .id        = (uint32_t)trade->u.trade.id,
                           .price_exp = trade->price_exp,
                           .qty_exp   = trade->qty_exp,
                           .sells     = (trade->flags & TF_FLAG_SIDE) != 0,
                           .is_known  = true};
}

/* Of equal ids. */
TF_INLINE bool tf_trade_says_the_same(const tf_trade_said_t *a, const tf_trade_said_t *b) {
  return tf_trade_print_of(a->price, a->price_exp, a->qty, a->qty_exp, a->sells) ==
         tf_trade_print_of(b->price, b->price_exp, b->qty, b->qty_exp, b->sells);
}

#endif
