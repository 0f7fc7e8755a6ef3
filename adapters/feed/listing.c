#include "feed/listing.h"

#include <strings.h>

#define WORD_BYTES_MAX 24

/* Sorted by meaning, then by letters. Whose: Binance [B], Coinbase [C], Kraken [K], OKX [O], Bybit [Y], Bitget [G], BitMEX
 * [M], Deribit [D], Gate [T], KuCoin [U], HTX [H]. */
static const struct {
  const char *word;
  uint8_t     trading;
} words[] = {
    {"buyable",          TF_TRADING_OPEN  }, /* T */
    {"limit_only",       TF_TRADING_OPEN  }, /* K */
    {"live",             TF_TRADING_OPEN  }, /* O */
    {"normal",           TF_TRADING_OPEN  }, /* G */
    {"online",           TF_TRADING_OPEN  }, /* C K G H */
    {"open",             TF_TRADING_OPEN  }, /* M D U */
    {"reduce_only",      TF_TRADING_OPEN  }, /* K */
    {"sellable",         TF_TRADING_OPEN  }, /* T */
    {"started",          TF_TRADING_OPEN  }, /* D */
    {"tradable",         TF_TRADING_OPEN  }, /* T */
    {"trading",          TF_TRADING_OPEN  }, /* B Y T */
    {"auction_match",    TF_TRADING_HALTED}, /* B */
    {"break",            TF_TRADING_HALTED}, /* B */
    {"cancel_only",      TF_TRADING_HALTED}, /* K */
    {"cancelonly",       TF_TRADING_HALTED}, /* U */
    {"closed",           TF_TRADING_HALTED}, /* D; M: of an instrument that opens again */
    {"delivering",       TF_TRADING_HALTED}, /* B Y */
    {"end_of_day",       TF_TRADING_HALTED}, /* B */
    {"halt",             TF_TRADING_HALTED}, /* B G */
    {"halted",           TF_TRADING_HALTED}, /* D */
    {"maintain",         TF_TRADING_HALTED}, /* G */
    {"maintenance",      TF_TRADING_HALTED}, /* K */
    {"pause",            TF_TRADING_HALTED}, /* U */
    {"paused",           TF_TRADING_HALTED}, /* U */
    {"pending_trading",  TF_TRADING_HALTED}, /* B */
    {"post_only",        TF_TRADING_HALTED}, /* K: no order may match */
    {"post_trading",     TF_TRADING_HALTED}, /* B */
    {"pre_delivering",   TF_TRADING_HALTED}, /* B */
    {"pre_settle",       TF_TRADING_HALTED}, /* B */
    {"pre_trading",      TF_TRADING_HALTED}, /* B */
    {"prelaunch",        TF_TRADING_HALTED}, /* Y */
    {"preopen",          TF_TRADING_HALTED}, /* O */
    {"rebase",           TF_TRADING_HALTED}, /* O */
    {"settling",         TF_TRADING_HALTED}, /* B */
    {"suspend",          TF_TRADING_HALTED}, /* O H */
    {"untradable",       TF_TRADING_HALTED}, /* T */
    {"work_in_progress", TF_TRADING_HALTED}, /* K */
    {"archivized",       TF_TRADING_ENDED }, /* D */
    {"close",            TF_TRADING_ENDED }, /* B */
    {"delisted",         TF_TRADING_ENDED }, /* C K */
    {"delivered",        TF_TRADING_ENDED }, /* B */
    {"expired",          TF_TRADING_ENDED }, /* O */
    {"off",              TF_TRADING_ENDED }, /* G */
    {"offline",          TF_TRADING_ENDED }, /* G H */
    {"settled",          TF_TRADING_ENDED }, /* M D */
    {"terminated",       TF_TRADING_ENDED }, /* D */
    {"unlisted",         TF_TRADING_ENDED }, /* M */
};

tf_trading_t tf_listing_of_word(const char *word, size_t word_bytes) {
  if (word_bytes == 0 || word_bytes > WORD_BYTES_MAX) return TF_TRADING_UNSAID;
  for (size_t i = 0; i < TF_ARRAY_CNT(words); i++)
    if (strlen(words[i].word) == word_bytes && strncasecmp(words[i].word, word, word_bytes) == 0)
      return (tf_trading_t)words[i].trading;
  return TF_TRADING_UNSAID;
}

static bool is_other_size(int64_t was, int8_t was_exp, int64_t is, int8_t is_exp) {
  return was != 0 && is != 0 && (was != is || was_exp != is_exp);
}

/* The instrument's events of this message end with the new one: one tick. */
static void move_last(tf_feed_out_t *out, uint32_t instrument_id) {
  for (uint32_t i = 0; i < out->event_cnt; i++)
    if (out->events[i].instrument_id == instrument_id)
      out->events[i].flags &= (uint8_t)~TF_FLAG_LAST;
}

static bool put(tf_feed_out_t *out, uint32_t instrument_id, const tf_listing_t *listing,
                tf_trading_t trading, uint64_t recv_ns) {
  if (out->event_cnt >= out->event_cap) return false;
  move_last(out, instrument_id);
  tf_event_t *e           = &out->events[out->event_cnt++];
  *e                      = (tf_event_t){.ts_recv_ns    = recv_ns,
                                         .instrument_id = instrument_id,
                                         .kind          = TF_EVENT_STATUS,
                                         .flags         = TF_FLAG_LAST,
                                         .price_exp     = listing->price_exp,
                                         .qty_exp       = listing->qty_exp};
  e->u.listing.book_state = TF_BOOK_NONE;
  e->u.listing.trading    = trading;
  e->u.listing.tick_size  = listing->tick_size;
  e->u.listing.lot_size   = listing->lot_size;
  out->counts->events[TF_EVENT_STATUS]++;
  out->counts->listings++;
  return true;
}

void tf_listing_say(tf_symbols_t *symbols, uint32_t idx, const tf_listing_t *said, uint64_t recv_ns,
                    tf_feed_out_t *out) {
  tf_listing_t  *was = &symbols->listings[idx];
  tf_listing_t   now = *was;
  const uint32_t id  = symbols->rows[idx].instrument_id;
  const bool     is_resized =
      is_other_size(was->tick_size, was->price_exp, said->tick_size, said->price_exp) ||
      is_other_size(was->lot_size, was->qty_exp, said->lot_size, said->qty_exp);
  if (said->tick_size != 0) {
    now.tick_size = said->tick_size;
    now.price_exp = said->price_exp;
  }
  if (said->lot_size != 0) {
    now.lot_size = said->lot_size;
    now.qty_exp  = said->qty_exp;
  }
  if (said->trading != TF_TRADING_UNSAID) now.trading = said->trading;
  const bool is_first_open = was->trading == TF_TRADING_UNSAID && now.trading == TF_TRADING_OPEN;
  if (is_resized && !put(out, id, &now, TF_TRADING_CHANGED, recv_ns)) return;
  if (now.trading != was->trading && !is_first_open &&
      !put(out, id, &now, (tf_trading_t)now.trading, recv_ns))
    now.trading = was->trading;
  *was = now;
}

void tf_listing_say_all(tf_symbols_t *symbols, tf_trading_t trading, uint64_t recv_ns,
                        tf_feed_out_t *out) {
  const tf_listing_t said = {.trading = (uint8_t)trading};
  for (uint32_t i = 0; i < symbols->cnt; i++) {
    uint8_t was = symbols->listings[i].trading;
    if (trading == TF_TRADING_HALTED ? was != TF_TRADING_ENDED : was == TF_TRADING_HALTED)
      tf_listing_say(symbols, i, &said, recv_ns, out);
  }
}
