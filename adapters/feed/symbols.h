/* From a venue's symbol to the instrument. One table a feed: a Concurrency Kit hash table over rows
 * that lie in memory taken at start, with the last symbol kept in front, because messages come in
 * runs, and behind it a guess by the symbol's bytes: the common case is one comparison or two.
 *
 * A symbol that is added also gets a row in the instrument table shared by all feeds, under the
 * name "SYMBOL.SUFFIX", unless another leg of the same venue has put it there already. Rows are
 * never removed.
 *
 * One thread (the decoder's) calls everything here. Nothing allocates: the table is sized so that
 * it never grows. */
#ifndef TF_FEED_SYMBOLS_H
#define TF_FEED_SYMBOLS_H

#include <string.h>

#include "tf/feed.h"
#include "wire/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define TF_SYMBOLS_NONE UINT32_MAX
#define TF_SYMBOLS_CAP  (1u << 20) /* rows of one table */
#define TF_SYMBOLS_NEAR 128u

/* What the venue said of a symbol's listing last (listing.h). Zeroed: nothing. */
typedef struct tf_listing {
  int64_t tick_size, lot_size; /* 0: not said */
  int8_t  price_exp, qty_exp;
  uint8_t trading; /* tf_trading_t; CHANGED is not kept */
} tf_listing_t;

typedef struct tf_symbol {
  char     text[TF_SYMBOL_BYTES_MAX]; /* zero-filled */
  uint32_t text_bytes;
  uint32_t instrument_id;
} tf_symbol_t;

typedef struct tf_symbols {
  tf_symbol_t      *rows;     /* index: the feed's own dense number of the symbol */
  tf_listing_t     *listings; /* likewise */
  uint32_t          last_idx;
  uint32_t          near[TF_SYMBOLS_NEAR]; /* by place_of: the row that was there last, perhaps */
  uint32_t          cnt, cap;
  struct ck_ht     *table;
  tf_instruments_t *instruments;
  const tf_feed_t  *feed;     /* whose they are: the suffix, what its symbols may hold */
  uint8_t           spelling; /* tf_symbols_spelling_t, of tf_symbols_ask */
  double (*multiplier_of)(const char *symbol); /* set after init; NULL: 1 for all */
  /* Where a venue has several of one name (BTCUSDT spot and linear), what is put behind those that a
   * message names: "-LINEAR". Borrowed; the feed sets it for each message. family_bytes 0: nothing. */
  const char *family;
  uint32_t    family_bytes;
} tf_symbols_t;

typedef enum tf_symbols_add_result {
  TF_SYMBOLS_ADDED = 0, /* or was there before */
  TF_SYMBOLS_BAD,       /* empty, too long, not UTF-8, or with characters that no symbol has */
  TF_SYMBOLS_FULL       /* this table or the instrument table */
} tf_symbols_add_result_t;

/* Rows that a feed with this config wants: one a symbol asked for, now or later; else one an instrument. */
TF_INLINE uint32_t tf_symbols_cap_of(const tf_feed_config_t *config) {
  uint32_t cap = config->symbol_cnt > 0 ? config->symbol_cnt : config->instruments->cap;
  if (config->symbol_cnt > 0 && config->symbols_max > cap) cap = config->symbols_max;
  if (cap == 0) cap = 1;
  return cap < TF_SYMBOLS_CAP ? cap : TF_SYMBOLS_CAP;
}

/* Bytes for cap (1 .. TF_SYMBOLS_CAP) rows, at a line's alignment. */
size_t tf_symbols_footprint(uint32_t cap);

/* feed: borrowed; its suffix has at most 23 bytes. E_CORE_ARGUMENT if cap is out of range. */
tf_err_t tf_symbols_init(tf_symbols_t *symbols, void *memory, uint32_t cap,
                         tf_instruments_t *instruments, const tf_feed_t *feed);

/* The symbol's number, or TF_SYMBOLS_NONE. 16 bytes at text must be readable. */
uint32_t tf_symbols_lookup(tf_symbols_t *symbols, const char *text, uint32_t text_bytes);

/* What a symbol may be: 1 to 39 bytes of UTF-8 without blanks, control characters, '"' and '\\'. */
bool tf_symbols_is_usable(const char *text, uint32_t text_bytes);

/* A new row of the shared table, with what can be told of its symbol; the caller has looked that it is not there. False: it is
 * full. symbol is usable, suffix has at most 23 bytes. */
bool tf_symbols_append(tf_instruments_t *table, const char *symbol, const char *suffix,
                       double multiplier, uint32_t *id);

/* Adds the symbol if it is not there. On TF_SYMBOLS_ADDED *idx is its number. */
tf_symbols_add_result_t tf_symbols_add(tf_symbols_t *symbols, const char *text, uint32_t text_bytes,
                                       uint32_t *idx);

TF_INLINE bool tf_symbols_is_(const tf_symbol_t *row, const char *text, uint32_t text_bytes) {
  if (row->text_bytes != text_bytes) return false;
#if defined(__SSE2__)
  if (TF_LIKELY(text_bytes <= 16)) {
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)row->text);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)text);
    return (~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) & ((1u << text_bytes) - 1)) == 0;
  }
#endif
  return memcmp(row->text, text, text_bytes) == 0;
}

/* Where the guess for a symbol is kept: by its first and last eight bytes, and what stands behind it. bytes > 0. */
TF_INLINE uint32_t tf_symbols_place_(const char *text, uint32_t text_bytes, uint32_t salt) {
  uint64_t word = tf_decimal_load8_(text);
  if (text_bytes < 8)
    word <<= 64 - 8 * text_bytes;
  else
    word ^= tf_decimal_load8_(text + text_bytes - 8) * UINT64_C(0xd6e8feb86659fd93);
  return (uint32_t)((word + salt) * UINT64_C(0x9e3779b97f4a7c15) >> 57);
}
TF_STATIC_ASSERT(TF_SYMBOLS_NEAR == 128, "the top seven bits of the product");

/* The number of an instrument's symbol; TF_SYMBOLS_NONE. Rows mostly have ids that follow one another. */
uint32_t tf_symbols_of_instrument(const tf_symbols_t *symbols, uint32_t instrument_id);

/* The same as tf_symbols_lookup, the last symbol and the guess first. */
TF_INLINE uint32_t tf_symbols_find(tf_symbols_t *symbols, const char *text, uint32_t text_bytes) {
  if (TF_LIKELY(tf_symbols_is_(&symbols->rows[symbols->last_idx], text, text_bytes))) {
    return symbols->last_idx;
  }
  if (TF_UNLIKELY(text_bytes == 0)) return TF_SYMBOLS_NONE;
  uint32_t *near = &symbols->near[tf_symbols_place_(text, text_bytes, 0)];
  if (TF_LIKELY(tf_symbols_is_(&symbols->rows[*near], text, text_bytes)))
    return symbols->last_idx = *near;
  uint32_t idx = tf_symbols_lookup(symbols, text, text_bytes);
  if (idx != TF_SYMBOLS_NONE) *near = idx;
  return idx;
}

/* The row of a text of at most TF_SYMBOL_BYTES_MAX - 1 bytes, added if it is new and may_add. On
 * failure TF_SYMBOLS_NONE and *why: INSTRUMENT, or LIMIT where a table is full. */
TF_COLD uint32_t tf_symbols_of_text(tf_symbols_t *symbols, const char *text, uint32_t text_bytes,
                                    bool may_add, tf_reject_t *why);
/* The same of a string as the scanner found it, escapes and all. */
TF_COLD uint32_t tf_symbols_of_odd(tf_symbols_t *symbols, const tf_json_value_t *symbol,
                                   bool may_add, tf_reject_t *why);

/* The same with the family behind it. */
uint32_t tf_symbols_of_family(tf_symbols_t *symbols, const tf_json_value_t *symbol, bool may_add,
                              tf_reject_t *why);

TF_INLINE uint32_t tf_symbols_of(tf_symbols_t *symbols, const tf_json_value_t *symbol, bool may_add,
                                 tf_reject_t *why) {
  if (symbols->family_bytes > 0) return tf_symbols_of_family(symbols, symbol, may_add, why);
  if (TF_LIKELY(!symbol->escaped)) {
    uint32_t idx = tf_symbols_find(symbols, symbol->bytes, symbol->bytes_cnt);
    if (TF_LIKELY(idx != TF_SYMBOLS_NONE)) return idx;
  }
  return tf_symbols_of_odd(symbols, symbol, may_add, why);
}

/* The value of key= in the query of "/api/v3/depth?symbol=BTCUSDT&limit=5000" or a whole URL; %XX resolved,
 * because symbols may be outside ASCII. Its length, 0 if there is none or it does not fit cap. */
size_t tf_symbols_in_target(const char *target, const char *key, char *text, size_t cap);

/* How a venue's payloads spell symbols. */
typedef enum tf_symbols_spelling {
  TF_SYMBOLS_UPPER = 0,
  TF_SYMBOLS_LOWER,
  TF_SYMBOLS_AS_IS /* both cases mean something */
} tf_symbols_spelling_t;

/* Adds what a config asks for, as payloads spell it. E_CONFIG_VALUE, E_FEED_LIMIT. */
tf_err_t tf_symbols_ask(tf_symbols_t *symbols, const char *const *asked, uint32_t asked_cnt,
                        tf_symbols_spelling_t spelling);
/* One more in the same spelling, or one that is there: its number and its instrument (tf_feed_t.symbol). */
tf_err_t tf_symbols_ask_one(tf_symbols_t *symbols, const char *asked, uint32_t *idx,
                            uint32_t *instrument_id);

#endif
