#include "feed/symbols.h"

#include "feed/feeds.h"

#include <ck_ht.h>

#include "core/error.h"

/* ck_ht asks for memory through callbacks without a context, so the pool that tf_symbols_init hands
 * out is named here for the length of that call. Outside of it the table gets nothing: it was sized
 * never to grow, and if it tried to, the put fails and is answered TF_SYMBOLS_FULL. */
static __thread struct {
  uint8_t *memory;
  size_t   bytes;
} pool;

static void *pool_malloc(size_t bytes) {
  if (bytes > pool.bytes) return NULL;
  void *memory = pool.memory;
  pool.memory  = NULL;
  pool.bytes   = 0;
  return memory;
}
static void *pool_realloc(void *old, size_t from, size_t to, bool defer) {
  (void)old;
  (void)from;
  (void)to;
  (void)defer;
  return NULL;
}
static void pool_free(void *memory, size_t bytes, bool defer) {
  (void)memory;
  (void)bytes;
  (void)defer;
}
static struct ck_malloc pool_ops = {pool_malloc, pool_realloc, pool_free};

static uint64_t mix(uint64_t h, uint64_t word) {
  __uint128_t product = (__uint128_t)(h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Symbols come from outside: the multiply-fold spreads them well, and a table that somebody filled
 * with collisions on purpose is bounded by its capacity all the same. */
static void hash_symbol(ck_ht_hash_t *hash, const void *key, size_t key_bytes, uint64_t seed) {
  const uint8_t *p = key;
  uint64_t       h = seed ^ key_bytes;
  for (; key_bytes >= 8; key_bytes -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    h = mix(h, word);
  }
  uint64_t tail = 0;
  memcpy(&tail, p, key_bytes);
  hash->value = mix(h, tail);
}

/* ck_ht doubles when more than half full: four slots a row keep it away from that. */
static uint64_t slot_cnt_of(uint32_t cap) {
  uint64_t slot_cnt = 64;
  while (slot_cnt < 4ull * cap) slot_cnt *= 2;
  return slot_cnt;
}

/* The table's own header, a line of alignment, and a byte count that its delete mode would want. */
#define MAP_EXTRA_BYTES 1024
static size_t map_bytes_of(uint32_t cap) {
  return slot_cnt_of(cap) * (sizeof(ck_ht_entry_t) + 8) + MAP_EXTRA_BYTES;
}

static size_t rows_bytes_of(uint32_t cap) {
  return tf_align_up(cap * sizeof(tf_symbol_t), TF_LINE_BYTES);
}

static size_t listings_bytes_of(uint32_t cap) {
  return tf_align_up(cap * sizeof(tf_listing_t), TF_LINE_BYTES);
}

size_t tf_symbols_footprint(uint32_t cap) {
  return rows_bytes_of(cap) + listings_bytes_of(cap) + tf_align_up(sizeof(ck_ht_t), TF_LINE_BYTES) +
         tf_align_up(map_bytes_of(cap), TF_LINE_BYTES);
}

/* A row without a symbol: no text has this length, so it is never found. */
static void clear_row(tf_symbol_t *row) {
  memset(row, 0, sizeof(*row));
  row->text_bytes = UINT32_MAX;
}

tf_err_t tf_symbols_init(tf_symbols_t *symbols, void *memory, uint32_t cap,
                         tf_instruments_t *instruments, const tf_feed_t *feed) {
  if (cap == 0 || cap > TF_SYMBOLS_CAP) {
    return TF_ERR(E_CORE_ARGUMENT, "%u symbols in one feed, allowed are 1 to %u", cap,
                  TF_SYMBOLS_CAP);
  }
  uint8_t *p        = memory;
  symbols->rows     = (tf_symbol_t *)(void *)p;
  symbols->last_idx = 0;
  memset(symbols->near, 0, sizeof symbols->near);
  symbols->cnt           = 0;
  symbols->cap           = cap;
  symbols->instruments   = instruments;
  symbols->feed          = feed;
  symbols->spelling      = TF_SYMBOLS_UPPER;
  symbols->multiplier_of = NULL;
  symbols->family        = NULL;
  symbols->family_bytes  = 0;
  for (uint32_t i = 0; i < cap; i++) clear_row(&symbols->rows[i]);
  p += rows_bytes_of(cap);
  symbols->listings = (tf_listing_t *)(void *)p;
  memset(p, 0, listings_bytes_of(cap));
  p += listings_bytes_of(cap);
  symbols->table = (struct ck_ht *)(void *)p;
  p += tf_align_up(sizeof(ck_ht_t), TF_LINE_BYTES);
  pool.memory = p;
  pool.bytes  = map_bytes_of(cap);
  bool ready  = ck_ht_init(symbols->table, CK_HT_MODE_BYTESTRING, hash_symbol, &pool_ops,
                           slot_cnt_of(cap), UINT64_C(0x74666565647379));
  pool.bytes  = 0;
  if (!ready) return TF_ERR(E_CORE_NO_MEMORY, "the symbol table does not fit its footprint");
  return TF_OK;
}

uint32_t tf_symbols_lookup(tf_symbols_t *symbols, const char *text, uint32_t text_bytes) {
  ck_ht_hash_t  hash;
  ck_ht_entry_t entry;
  if (text_bytes == 0 || text_bytes >= TF_SYMBOL_BYTES_MAX) return TF_SYMBOLS_NONE;
  ck_ht_hash(&hash, symbols->table, text, (uint16_t)text_bytes);
  ck_ht_entry_key_set(&entry, text, (uint16_t)text_bytes);
  if (!ck_ht_get_spmc(symbols->table, hash, &entry)) return TF_SYMBOLS_NONE;
  const tf_symbol_t *row = ck_ht_entry_value(&entry);
  symbols->last_idx      = (uint32_t)(row - symbols->rows);
  return symbols->last_idx;
}

uint32_t tf_symbols_of_instrument(const tf_symbols_t *symbols, uint32_t instrument_id) {
  if (symbols->cnt == 0) return TF_SYMBOLS_NONE;
  uint32_t guess = instrument_id - symbols->rows[0].instrument_id;
  if (guess < symbols->cnt && symbols->rows[guess].instrument_id == instrument_id) return guess;
  for (uint32_t i = 0; i < symbols->cnt; i++)
    if (symbols->rows[i].instrument_id == instrument_id) return i;
  return TF_SYMBOLS_NONE;
}

/* What a symbol must not hold because it ends up in logs, file names and labels. */
bool tf_symbols_is_usable(const char *text, uint32_t text_bytes) {
  if (text_bytes == 0 || text_bytes >= TF_SYMBOL_BYTES_MAX) return false;
  for (uint32_t i = 0; i < text_bytes;) {
    uint8_t  c    = (uint8_t)text[i++];
    uint32_t more = c < 0x80 ? 0 : c < 0xc2 ? 9 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 9;
    if (c <= 0x20 || c == 0x7f || c == '"' || c == '\\' || more > text_bytes - i) return false;
    uint32_t rune = c & (0x7fu >> (more + (more > 0)));
    for (; more > 0; more--) {
      uint8_t tail = (uint8_t)text[i++];
      if ((tail & 0xc0) != 0x80) return false;
      rune = rune << 6 | (tail & 0x3f);
    }
    /* overlong forms, halves of surrogate pairs, beyond Unicode */
    if (c >= 0xe0 && (rune < (c < 0xf0 ? 0x800u : 0x10000u) || rune > 0x10ffff ||
                      (rune >= 0xd800 && rune <= 0xdfff))) {
      return false;
    }
  }
  return true;
}

static const char *quote_currency_of(const char *symbol, size_t symbol_bytes) {
  static const char *const known[] = {"FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USD", "EUR",
                                      "GBP",   "TRY",  "BRL",  "JPY",  "BTC",  "ETH", "BNB"};
  size_t bytes = strcspn(symbol, "_"); /* delivery and perpetual marks: BTCUSD_PERP */
  if (bytes > symbol_bytes) bytes = symbol_bytes;
  for (size_t i = 0; i < TF_ARRAY_CNT(known); i++) {
    size_t n = strlen(known[i]);
    if (bytes > n && memcmp(symbol + bytes - n, known[i], n) == 0) return known[i];
  }
  return "";
}

bool tf_symbols_append(tf_instruments_t *table, const char *symbol, const char *suffix,
                       double multiplier, uint32_t *id) {
  tf_instrument_t fresh;
  uint32_t        cnt = tf_load_relaxed_u32(&table->cnt); /* relaxed: the decoder's thread writes */
  if (cnt >= table->cap) return false;
  memset(&fresh, 0, sizeof(fresh));
  snprintf(fresh.name, sizeof(fresh.name), "%s.%s", symbol, suffix);
  snprintf(fresh.symbol, sizeof(fresh.symbol), "%s", symbol);
  snprintf(fresh.quote_currency, sizeof(fresh.quote_currency), "%s",
           quote_currency_of(symbol, strlen(symbol)));
  fresh.id         = cnt;
  fresh.price_exp  = INT8_MIN;
  fresh.qty_exp    = INT8_MIN;
  fresh.multiplier = multiplier;
  table->rows[cnt] = fresh;
  *id              = cnt;
  /* pairs with: readers of instruments.cnt, which then read the rows below it */
  tf_store_release_u32(&table->cnt, cnt + 1);
  return true;
}

/* The instrument's id: of the row that another feed of the venue made, or of a new one. */
static bool find_or_append(tf_symbols_t *symbols, const tf_symbol_t *row, uint32_t *id) {
  tf_instruments_t *table = symbols->instruments;
  char              name[TF_INSTRUMENT_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", row->text, symbols->feed->suffix);
  /* relaxed: this thread is the only writer */
  uint32_t cnt = tf_load_relaxed_u32(&table->cnt);
  for (*id = 0; *id < cnt; (*id)++) {
    if (strcmp(table->rows[*id].name, name) == 0) return true;
  }
  double multiplier = symbols->multiplier_of == NULL ? 1.0 : symbols->multiplier_of(row->text);
  return tf_symbols_append(table, row->text, symbols->feed->suffix, multiplier, id);
}

tf_symbols_add_result_t tf_symbols_add(tf_symbols_t *symbols, const char *text, uint32_t text_bytes,
                                       uint32_t *idx) {
  if (!tf_symbols_is_usable(text, text_bytes)) return TF_SYMBOLS_BAD;
  *idx = tf_symbols_lookup(symbols, text, text_bytes);
  if (*idx != TF_SYMBOLS_NONE) return TF_SYMBOLS_ADDED;
  if (symbols->cnt == symbols->cap) return TF_SYMBOLS_FULL;

  tf_symbol_t *row = &symbols->rows[symbols->cnt];
  memset(row, 0, sizeof(*row));
  memcpy(row->text, text, text_bytes);
  row->text_bytes = text_bytes;
  if (!find_or_append(symbols, row, &row->instrument_id)) {
    clear_row(row);
    return TF_SYMBOLS_FULL;
  }
  ck_ht_hash_t  hash;
  ck_ht_entry_t entry;
  ck_ht_hash(&hash, symbols->table, row->text, (uint16_t)text_bytes);
  ck_ht_entry_set(&entry, hash, row->text, (uint16_t)text_bytes, row);
  if (!ck_ht_put_spmc(symbols->table, hash, &entry)) {
    clear_row(row);
    return TF_SYMBOLS_FULL;
  }
  *idx              = symbols->cnt++;
  symbols->last_idx = *idx;
  return TF_SYMBOLS_ADDED;
}

uint32_t tf_symbols_of_text(tf_symbols_t *symbols, const char *text, uint32_t text_bytes,
                            bool may_add, tf_reject_t *why) {
  char padded[TF_SYMBOL_BYTES_MAX + 16] = {0}; /* 16: what a lookup may read */
  *why                                  = TF_REJECT_INSTRUMENT;
  if (text_bytes >= TF_SYMBOL_BYTES_MAX) return TF_SYMBOLS_NONE;
  memcpy(padded, text, text_bytes);
  uint32_t idx = tf_symbols_lookup(symbols, padded, text_bytes);
  if (idx != TF_SYMBOLS_NONE || !may_add) return idx;
  tf_symbols_add_result_t result = tf_symbols_add(symbols, padded, text_bytes, &idx);
  if (result == TF_SYMBOLS_ADDED) return idx;
  if (result == TF_SYMBOLS_FULL) *why = TF_REJECT_LIMIT;
  return TF_SYMBOLS_NONE;
}

uint32_t tf_symbols_of_odd(tf_symbols_t *symbols, const tf_json_value_t *symbol, bool may_add,
                           tf_reject_t *why) {
  if (!symbol->escaped)
    return tf_symbols_of_text(symbols, symbol->bytes, symbol->bytes_cnt, may_add, why);
  char   text[TF_SYMBOL_BYTES_MAX];
  size_t bytes = tf_json_unescape(symbol->bytes, symbol->bytes_cnt, text, sizeof(text));
  *why         = TF_REJECT_INSTRUMENT;
  if (bytes == SIZE_MAX) return TF_SYMBOLS_NONE;
  return tf_symbols_of_text(symbols, text, (uint32_t)bytes, may_add, why);
}

/* The row's text is this one with the family behind it. */
static bool is_of_family(const tf_symbols_t *symbols, const tf_symbol_t *row, const char *text,
                         uint32_t bytes) {
  return row->text_bytes == bytes + symbols->family_bytes && memcmp(row->text, text, bytes) == 0 &&
         memcmp(row->text + bytes, symbols->family, symbols->family_bytes) == 0;
}

uint32_t tf_symbols_of_family(tf_symbols_t *symbols, const tf_json_value_t *symbol, bool may_add,
                              tf_reject_t *why) {
  char     text[TF_SYMBOL_BYTES_MAX];
  uint32_t bytes = symbol->bytes_cnt;
  *why           = TF_REJECT_INSTRUMENT;
  if (bytes == 0 || bytes + symbols->family_bytes >= TF_SYMBOL_BYTES_MAX) return TF_SYMBOLS_NONE;
  uint32_t *near = &symbols->near[tf_symbols_place_(symbol->bytes, bytes, symbols->family_bytes)];
  if (TF_LIKELY(!symbol->escaped &&
                is_of_family(symbols, &symbols->rows[*near], symbol->bytes, bytes)))
    return symbols->last_idx = *near;
  if (TF_UNLIKELY(symbol->escaped)) {
    size_t plain = tf_json_unescape(symbol->bytes, bytes, text, TF_SYMBOL_BYTES_MAX);
    if (plain == SIZE_MAX) return TF_SYMBOLS_NONE;
    bytes = (uint32_t)plain;
  } else {
    memcpy(text, symbol->bytes, bytes);
  }
  memcpy(text + bytes, symbols->family, symbols->family_bytes);
  bytes += symbols->family_bytes;
  uint32_t idx = tf_symbols_lookup(symbols, text, bytes);
  if (idx == TF_SYMBOLS_NONE) idx = tf_symbols_of_text(symbols, text, bytes, may_add, why);
  if (idx != TF_SYMBOLS_NONE) *near = idx;
  return idx;
}

static char spelled(char c, tf_symbols_spelling_t spelling) {
  if (spelling == TF_SYMBOLS_UPPER && c >= 'a' && c <= 'z') return (char)(c - 32);
  if (spelling == TF_SYMBOLS_LOWER && c >= 'A' && c <= 'Z') return (char)(c + 32);
  return c;
}

tf_err_t tf_symbols_ask_one(tf_symbols_t *symbols, const char *asked, uint32_t *idx,
                            uint32_t *instrument_id) {
  char   symbol[TF_SYMBOL_BYTES_MAX + 16] = {0};
  size_t n                                = strlen(asked);
  if (n >= TF_SYMBOL_BYTES_MAX) {
    return TF_ERR(E_CONFIG_VALUE, "instrument \"%s\" is longer than %d bytes", asked,
                  TF_SYMBOL_BYTES_MAX - 1);
  }
  tf_err_t err = tf_feeds_check_symbol(symbols->feed, asked);
  if (err != TF_OK) return err;
  for (size_t k = 0; k < n; k++)
    symbol[k] = spelled(asked[k], (tf_symbols_spelling_t)symbols->spelling);
  tf_symbols_add_result_t result = tf_symbols_add(symbols, symbol, (uint32_t)n, idx);
  if (result == TF_SYMBOLS_BAD) {
    return TF_ERR(E_CONFIG_VALUE,
                  "instrument \"%s\" is no symbol: 1 to %d bytes of UTF-8 "
                  "without spaces, quotes and backslashes",
                  asked, TF_SYMBOL_BYTES_MAX - 1);
  }
  if (result == TF_SYMBOLS_FULL) {
    return TF_ERR(E_FEED_LIMIT,
                  "no room for instrument \"%s\": the feed's table holds %u, all's %u", asked,
                  symbols->cap, symbols->instruments->cap);
  }
  *instrument_id = symbols->rows[*idx].instrument_id;
  return TF_OK;
}

static int hex_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t tf_symbols_in_target(const char *target, const char *key, char *text, size_t cap) {
  size_t      key_bytes = strlen(key), n = 0;
  const char *p = strchr(target, '?');
  while (p != NULL && (strncmp(p + 1, key, key_bytes) != 0 || p[1 + key_bytes] != '='))
    p = strchr(p + 1, '&');
  if (p == NULL) return 0;
  for (p += 2 + key_bytes; *p != '\0' && *p != '&' && *p != '#'; p++) {
    int c = (uint8_t)*p;
    if (c == '%') {
      int high = hex_of(p[1]), low = high < 0 ? -1 : hex_of(p[2]);
      if (low < 0) return 0;
      c = high * 16 + low;
      p += 2;
    }
    if (n == cap) return 0;
    text[n++] = (char)c;
  }
  return n;
}

tf_err_t tf_symbols_ask(tf_symbols_t *symbols, const char *const *asked, uint32_t asked_cnt,
                        tf_symbols_spelling_t spelling) {
  tf_err_t err      = TF_OK;
  symbols->spelling = (uint8_t)spelling;
  for (uint32_t i = 0; i < asked_cnt && err == TF_OK; i++) {
    uint32_t idx, instrument_id;
    err = tf_symbols_ask_one(symbols, asked[i], &idx, &instrument_id);
  }
  return err;
}
