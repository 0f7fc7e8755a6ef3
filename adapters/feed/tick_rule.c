#include "feed/tick_rule.h"

#include "feed/listing.h"

#define EVENTS_LOOKED_AT 3u /* a STATUS may stand before a snapshot's first level */

static int64_t price_of(const tf_event_t *e) {
  switch (e->kind) {
  case TF_EVENT_TRADE: return e->u.trade.price;
  case TF_EVENT_QUOTE: return e->u.quote.bid_price;
  case TF_EVENT_BOOK: return e->u.level.price;
  case TF_EVENT_TICKER:
    return e->u.ticker.last_price != 0 ? e->u.ticker.last_price : e->u.ticker.mark_price;
  default: return 0;
  }
}

/* Decimal digits of a number above 0: 1233/4096 is the logarithm of 2, near enough for 63 bits. */
static uint32_t digits_of(int64_t number) {
  uint32_t bits = 64 - (uint32_t)__builtin_clzll((uint64_t)number), less = bits * 1233 >> 12;
  return less + (number >= (int64_t)tf_decimal_pow10[less]);
}

int8_t tf_tick_rule_exp(const tf_tick_rule_t *rule, int64_t price, int8_t price_exp) {
  int exp = price_exp - rule->digits;
  if (price > 0) exp += (int)digits_of(price);
  if (exp < rule->finest_exp) return rule->finest_exp;
  return exp > rule->coarsest_exp ? rule->coarsest_exp : (int8_t)exp;
}

const tf_event_t *tf_tick_rule_event(const tf_symbols_t *symbols, const tf_feed_out_t *out,
                                     uint32_t from, uint32_t *idx) {
  for (uint32_t i = from; i < out->event_cnt && i < from + EVENTS_LOOKED_AT; i++) {
    const tf_event_t *e = &out->events[i];
    if (e->kind == TF_EVENT_BOOK && !(e->flags & TF_FLAG_SNAPSHOT)) return NULL;
    if (price_of(e) <= 0) continue;
    *idx = tf_symbols_of_instrument(symbols, e->instrument_id);
    if (*idx == TF_SYMBOLS_NONE) return NULL;
    bool is_known  = symbols->listings[*idx].tick_size != 0;
    bool is_seldom = e->kind == TF_EVENT_TICKER || e->kind == TF_EVENT_BOOK;
    return is_known && !is_seldom ? NULL : e;
  }
  return NULL;
}

bool tf_tick_rule_is_news(const tf_symbols_t *symbols, uint32_t idx, const tf_tick_rule_t *rule,
                          const tf_event_t *e) {
  const tf_listing_t *said = &symbols->listings[idx];
  return said->tick_size == 0 ||
         said->price_exp != tf_tick_rule_exp(rule, price_of(e), e->price_exp);
}

void tf_tick_rule_say(tf_symbols_t *symbols, uint32_t idx, const tf_tick_rule_t *rule,
                      const tf_event_t *e, const tf_instrument_t *rest, tf_feed_out_t *out) {
  tf_instrument_t to = *rest;
  to.tick_size       = 1;
  to.price_exp       = tf_tick_rule_exp(rule, price_of(e), e->price_exp);
  tf_listing_t said  = {.tick_size = to.tick_size,
                        .price_exp = to.price_exp,
                        .lot_size  = to.lot_size,
                        .qty_exp   = to.qty_exp};
  tf_listing_say(symbols, idx, &said, e->ts_recv_ns, out);
  uint32_t id = symbols->rows[idx].instrument_id;
  tf_instrument_set_metadata(&symbols->instruments->rows[id], &to, TF_METADATA_VENUE);
}
