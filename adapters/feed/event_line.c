#include "feed/event_line.h"

#include <math.h>
#include <string.h>

#include "core/hash.h"
#include "feed/draft.h"
#include "feed/symbols.h"
#include "wire/json_array.h"
#include "wire/utf8.h"

/* In the order of tf_event_kind_t; what a text comes to is read apart. */
static const char *const kinds[]    = {"trade", "quote", "book", "ticker", "status"};
static const char *const books[]    = {"ok", "syncing", "gap", "stale", "crossed", "none"};
static const char *const tradings[] = {"unsaid", "open", "halted", "ended", "changed"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(kinds) == TF_EVENT_STATUS + 1, "one word each");
TF_STATIC_ASSERT(TF_ARRAY_CNT(books) == TF_BOOK_STATE_CNT, "one word each");
TF_STATIC_ASSERT(TF_ARRAY_CNT(tradings) == TF_TRADING_CNT, "one word each");

static const struct {
  const char *word;
  uint8_t     bit;
} flags[] = {
    {"last",     TF_FLAG_LAST    },
    {"snapshot", TF_FLAG_SNAPSHOT},
    {"bad_book", TF_FLAG_BAD_BOOK},
    {"outlier",  TF_FLAG_OUTLIER },
    {"bad_ts",   TF_FLAG_BAD_TS  },
    {"backfill", TF_FLAG_BACKFILL},
    {"derived",  TF_FLAG_DERIVED },
    {"outrun",   TF_FLAG_OUTRUN  },
};

enum {
  INSTRUMENT,
  KIND,
  TS_EVENT,
  TS_RECV,
  FLAGS,
  SIDE,
  PRICE,
  QTY,
  ID,
  BID_PRICE,
  BID_QTY,
  ASK_PRICE,
  ASK_QTY,
  VENUE_SEQ,
  LEVEL_IDX,
  LEVEL_CNT,
  LAST_PRICE,
  VOLUME,
  MARK_PRICE,
  FUNDING_RATE,
  BOOK_STATE,
  APPLY_FROM,
  GAP_FIRST,
  GAP_LAST,
  TRADING,
  TICK_SIZE,
  LOT_SIZE,
  TEXT,
  SOURCE,
  SCORE,
  CONFIDENCE,
  NOVELTY,
  LABEL,
  MODEL_HASH,
  MISS,
  KEY_CNT
};
static const tf_json_key_t keys[KEY_CNT] = {
    [INSTRUMENT]   = TF_JSON_KEY("instrument", TF_JSON_WANT_TEXT),
    [KIND]         = TF_JSON_KEY("kind", TF_JSON_WANT_TEXT),
    [TS_EVENT]     = TF_JSON_KEY("ts_event_ns", TF_JSON_WANT_U64),
    [TS_RECV]      = TF_JSON_KEY("ts_recv_ns", TF_JSON_WANT_U64),
    [FLAGS]        = TF_JSON_KEY("flags", TF_JSON_WANT_BYTES),
    [SIDE]         = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [PRICE]        = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [QTY]          = TF_JSON_KEY("qty", TF_JSON_WANT_DECIMAL),
    [ID]           = TF_JSON_KEY("id", TF_JSON_WANT_BYTES), /* of a text anything */
    [BID_PRICE]    = TF_JSON_KEY("bid_price", TF_JSON_WANT_DECIMAL),
    [BID_QTY]      = TF_JSON_KEY("bid_qty", TF_JSON_WANT_DECIMAL),
    [ASK_PRICE]    = TF_JSON_KEY("ask_price", TF_JSON_WANT_DECIMAL),
    [ASK_QTY]      = TF_JSON_KEY("ask_qty", TF_JSON_WANT_DECIMAL),
    [VENUE_SEQ]    = TF_JSON_KEY("venue_seq", TF_JSON_WANT_U64),
    [LEVEL_IDX]    = TF_JSON_KEY("level_idx", TF_JSON_WANT_U64),
    [LEVEL_CNT]    = TF_JSON_KEY("level_cnt", TF_JSON_WANT_U64),
    [LAST_PRICE]   = TF_JSON_KEY("last_price", TF_JSON_WANT_DECIMAL),
    [VOLUME]       = TF_JSON_KEY("volume", TF_JSON_WANT_DECIMAL),
    [MARK_PRICE]   = TF_JSON_KEY("mark_price", TF_JSON_WANT_DECIMAL),
    [FUNDING_RATE] = TF_JSON_KEY("funding_rate", TF_JSON_WANT_DECIMAL),
    [BOOK_STATE]   = TF_JSON_KEY("book_state", TF_JSON_WANT_TEXT),
    [APPLY_FROM]   = TF_JSON_KEY("apply_from", TF_JSON_WANT_U64),
    [GAP_FIRST]    = TF_JSON_KEY("gap_first", TF_JSON_WANT_U64),
    [GAP_LAST]     = TF_JSON_KEY("gap_last", TF_JSON_WANT_U64),
    [TRADING]      = TF_JSON_KEY("trading", TF_JSON_WANT_TEXT),
    [TICK_SIZE]    = TF_JSON_KEY("tick_size", TF_JSON_WANT_DECIMAL),
    [LOT_SIZE]     = TF_JSON_KEY("lot_size", TF_JSON_WANT_DECIMAL),
    [TEXT]         = TF_JSON_KEY("text", TF_JSON_WANT_TEXT),
    [SOURCE]       = TF_JSON_KEY("source", TF_JSON_WANT_BYTES), /* a name, or a hash of one */
    [SCORE]        = TF_JSON_KEY("score", TF_JSON_WANT_DECIMAL),
    [CONFIDENCE]   = TF_JSON_KEY("confidence", TF_JSON_WANT_DECIMAL),
    [NOVELTY]      = TF_JSON_KEY("novelty", TF_JSON_WANT_DECIMAL),
    [LABEL]        = TF_JSON_KEY("label", TF_JSON_WANT_U64),
    [MODEL_HASH]   = TF_JSON_KEY("model_hash", TF_JSON_WANT_TEXT),
    [MISS]         = TF_JSON_KEY("miss", TF_JSON_WANT_TEXT),
};
static const tf_json_shape_t shape = {keys, KEY_CNT};

/* A line while it is read. */
typedef struct scan {
  tf_event_line_reader_t *reader;
  tf_event_line_t        *line;
  tf_json_t               json;
  tf_json_object_t        root;
  tf_json_value_t         values[KEY_CNT + 1];
} scan_t;

/* ---- verdicts ---- */

static bool refuse(tf_event_line_t *line, tf_reject_t why, const char *word) {
  line->verdict = TF_VERDICT_REJECTED;
  line->reject  = (uint8_t)why;
  snprintf(line->word, sizeof line->word, "%s", word);
  return false;
}

static bool refuse_key(scan_t *s, tf_reject_t why, uint32_t key) {
  return refuse(s->line, why, keys[key].text);
}

static bool ignore(tf_event_line_t *line, const char *word) {
  line->verdict = TF_VERDICT_IGNORED;
  snprintf(line->word, sizeof line->word, "%s", word);
  return false;
}

/* ---- values ---- */

static const tf_json_value_t *value_of(const scan_t *s, uint32_t key) {
  const tf_json_value_t *v = &s->values[key];
  return tf_json_seen(&s->root, key) && v->kind != TF_JSON_NULL ? v : NULL;
}

/* is_there may be NULL: then the key must be. */
static bool decimal_of(scan_t *s, uint32_t key, bool *is_there, int64_t *mantissa, int8_t *exp) {
  const tf_json_value_t *v = value_of(s, key);
  if (is_there) *is_there = v != NULL;
  if (!v) return is_there ? true : refuse_key(s, TF_REJECT_SCHEMA, key);
  if (v->made == TF_JSON_MADE_BAD) return refuse_key(s, TF_REJECT_NUMBER, key);
  if (v->made != TF_JSON_MADE_DECIMAL) return refuse_key(s, TF_REJECT_SCHEMA, key);
  *mantissa = v->as.mantissa;
  *exp      = v->exp;
  return true;
}

static bool qty_of(scan_t *s, uint32_t key, int64_t *mantissa, int8_t *exp) {
  if (!decimal_of(s, key, NULL, mantissa, exp)) return false;
  return *mantissa >= 0 ? true : refuse_key(s, TF_REJECT_NUMBER, key);
}

/* Digits, as a number or between quotes: who counts in doubles sends the latter. Absent: number stays. */
static bool u64_of(scan_t *s, uint32_t key, uint64_t *number) {
  const tf_json_value_t *v = value_of(s, key);
  if (!v) return true;
  if (v->made == TF_JSON_MADE_U64) {
    *number = tf_json_u64(&s->json, v);
    return true;
  }
  if (v->made == TF_JSON_MADE_BAD) return refuse_key(s, TF_REJECT_NUMBER, key);
  if (v->kind != TF_JSON_STRING && v->kind != TF_JSON_NUMBER)
    return refuse_key(s, TF_REJECT_SCHEMA, key);
  tf_decimal_result_t result;
  const char         *end = v->bytes + v->bytes_cnt;
  if (tf_decimal_u64_scan(v->bytes, end, number, &result) != end || result != TF_DECIMAL_OK)
    return refuse_key(s, TF_REJECT_NUMBER, key);
  return true;
}

static bool u32_of(scan_t *s, uint32_t key, uint32_t *number) {
  uint64_t wide = *number;
  if (!u64_of(s, key, &wide)) return false;
  if (wide > UINT32_MAX) return refuse_key(s, TF_REJECT_NUMBER, key);
  *number = (uint32_t)wide;
  return true;
}

/* Which of the words it is; cnt: none of them, or no string. */
static uint32_t word_of(const tf_json_value_t *v, const char *const *words, uint32_t cnt) {
  uint32_t i = 0;
  while (i < cnt && !tf_json_text_is(v, words[i], strlen(words[i]))) i++;
  return i;
}

static bool side_of(scan_t *s, const char *const words[2]) {
  const tf_json_value_t *v = value_of(s, SIDE);
  uint32_t               i = v ? word_of(v, words, 2) : 2;
  if (i == 2) return refuse_key(s, TF_REJECT_SCHEMA, SIDE);
  if (i == 1) s->line->event.flags |= TF_FLAG_SIDE;
  return true;
}

/* ---- kinds ---- */

static bool read_trade(scan_t *s) {
  static const char *const sides[] = {"buy", "sell"};
  tf_event_t              *e       = &s->line->event;
  return side_of(s, sides) && decimal_of(s, PRICE, NULL, &e->u.trade.price, &e->price_exp) &&
         qty_of(s, QTY, &e->u.trade.qty, &e->qty_exp) && u64_of(s, ID, &e->u.trade.id);
}

static bool read_quote(scan_t *s) {
  tf_event_t *e = &s->line->event;
  int8_t      bid_exp, ask_exp, bid_qty_exp, ask_qty_exp;
  if (!decimal_of(s, BID_PRICE, NULL, &e->u.quote.bid_price, &bid_exp) ||
      !qty_of(s, BID_QTY, &e->u.quote.bid_qty, &bid_qty_exp) ||
      !decimal_of(s, ASK_PRICE, NULL, &e->u.quote.ask_price, &ask_exp) ||
      !qty_of(s, ASK_QTY, &e->u.quote.ask_qty, &ask_qty_exp))
    return false;
  if (!tf_draft_to_one_exponent(&e->u.quote.bid_price, bid_exp, &e->u.quote.ask_price, ask_exp,
                                &e->price_exp))
    return refuse_key(s, TF_REJECT_NUMBER, BID_PRICE);
  if (!tf_draft_to_one_exponent(&e->u.quote.bid_qty, bid_qty_exp, &e->u.quote.ask_qty, ask_qty_exp,
                                &e->qty_exp))
    return refuse_key(s, TF_REJECT_NUMBER, BID_QTY);
  return true;
}

static bool read_level(scan_t *s) {
  static const char *const sides[] = {"bid", "ask"};
  tf_event_t              *e       = &s->line->event;
  e->u.level.level_cnt             = 1;
  if (!side_of(s, sides) || !decimal_of(s, PRICE, NULL, &e->u.level.price, &e->price_exp) ||
      !qty_of(s, QTY, &e->u.level.qty, &e->qty_exp) ||
      !u64_of(s, VENUE_SEQ, &e->u.level.venue_seq) ||
      !u32_of(s, LEVEL_IDX, &e->u.level.level_idx) || !u32_of(s, LEVEL_CNT, &e->u.level.level_cnt))
    return false;
  return e->u.level.level_idx < e->u.level.level_cnt ? true
                                                     : refuse_key(s, TF_REJECT_NUMBER, LEVEL_IDX);
}

static bool read_ticker(scan_t *s) {
  tf_event_t *e = &s->line->event;
  int8_t      mark_exp;
  bool        has_mark, has_volume, has_rate;
  if (!decimal_of(s, LAST_PRICE, NULL, &e->u.ticker.last_price, &e->price_exp) ||
      !decimal_of(s, VOLUME, &has_volume, &e->u.ticker.volume, &e->qty_exp) ||
      !decimal_of(s, MARK_PRICE, &has_mark, &e->u.ticker.mark_price, &mark_exp))
    return false;
  if (has_mark && !tf_draft_to_one_exponent(&e->u.ticker.last_price, e->price_exp,
                                            &e->u.ticker.mark_price, mark_exp, &e->price_exp))
    return refuse_key(s, TF_REJECT_NUMBER, MARK_PRICE);
  int64_t mantissa;
  int8_t  exp;
  e->u.ticker.funding_rate = TF_FUNDING_NONE;
  if (!decimal_of(s, FUNDING_RATE, &has_rate, &mantissa, &exp)) return false;
  if (!has_rate) return true;
  e->u.ticker.funding_rate = tf_draft_funding_rate(value_of(s, FUNDING_RATE));
  return e->u.ticker.funding_rate != TF_FUNDING_NONE
             ? true
             : refuse_key(s, TF_REJECT_NUMBER, FUNDING_RATE);
}

static bool read_listing(scan_t *s) {
  tf_event_t *e       = &s->line->event;
  uint32_t    trading = word_of(value_of(s, TRADING), tradings, TF_TRADING_CNT);
  bool        is_there;
  if (trading == TF_TRADING_CNT || trading == TF_TRADING_UNSAID)
    return refuse_key(s, TF_REJECT_SCHEMA, TRADING);
  e->u.listing.book_state = TF_BOOK_NONE;
  e->u.listing.trading    = trading;
  return decimal_of(s, TICK_SIZE, &is_there, &e->u.listing.tick_size, &e->price_exp) &&
         decimal_of(s, LOT_SIZE, &is_there, &e->u.listing.lot_size, &e->qty_exp);
}

static bool read_status(scan_t *s) {
  if (value_of(s, TRADING)) return read_listing(s);
  tf_event_t            *e = &s->line->event;
  const tf_json_value_t *v = value_of(s, BOOK_STATE);
  e->u.status.book_state   = v ? word_of(v, books, TF_BOOK_STATE_CNT) : TF_BOOK_STATE_CNT;
  if (e->u.status.book_state == TF_BOOK_STATE_CNT)
    return refuse_key(s, TF_REJECT_SCHEMA, BOOK_STATE);
  return u64_of(s, APPLY_FROM, &e->u.status.apply_from) &&
         u64_of(s, GAP_FIRST, &e->u.status.gap_first) && u64_of(s, GAP_LAST, &e->u.status.gap_last);
}

/* ---- texts ---- */

static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t cnt) {
  uint64_t word;
  hash = tf_hash_fold(hash, cnt);
  for (; cnt >= sizeof word; cnt -= sizeof word, bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    hash = tf_hash_fold(hash, word);
  }
  word = 0;
  memcpy(&word, bytes, cnt);
  return tf_hash_fold(hash, word);
}

/* Cut before a character's first byte. */
static size_t cut_at(const char *text, size_t cnt) {
  while (cnt > 0 && ((uint8_t)text[cnt] & 0xc0) == 0x80) cnt--;
  return cnt;
}

static bool read_text(scan_t *s) {
  const tf_json_value_t *v = value_of(s, TEXT), *id = value_of(s, ID),
                        *source = value_of(s, SOURCE);
  tf_text_t *t                  = &s->line->text;
  if (!v || v->kind != TF_JSON_STRING) return refuse_key(s, TF_REJECT_SCHEMA, TEXT);
  if (source && source->kind != TF_JSON_STRING) return refuse_key(s, TF_REJECT_SCHEMA, SOURCE);
  if (id && id->kind != TF_JSON_STRING && id->kind != TF_JSON_NUMBER)
    return refuse_key(s, TF_REJECT_SCHEMA, ID);
  size_t cnt = tf_json_unescape(v->bytes, v->bytes_cnt, s->reader->text, sizeof s->reader->text);
  if (cnt == SIZE_MAX || !tf_utf8_valid((const uint8_t *)s->reader->text, cnt))
    return refuse_key(s, TF_REJECT_ENCODING, TEXT);
  if (cnt == 0) return refuse_key(s, TF_REJECT_SCHEMA, TEXT);
  t->is_cut       = cnt > TF_TEXT_BYTES_MAX;
  t->bytes_cnt    = (uint32_t)(t->is_cut ? cut_at(s->reader->text, TF_TEXT_BYTES_MAX) : cnt);
  t->bytes        = s->reader->text;
  uint64_t sender = source ? hash_bytes(TF_HASH_SEED, source->bytes, source->bytes_cnt) : 0;
  t->source       = (uint32_t)sender;
  if (source && t->source == 0) t->source = 1;
  t->id = id ? hash_bytes(sender, id->bytes, id->bytes_cnt) : hash_bytes(sender, t->bytes, cnt);
  s->line->is_text = true;
  t->ts_recv_ns    = s->line->event.ts_recv_ns;
  t->ts_event_ns   = s->line->event.ts_event_ns;
  return true;
}

/* ---- what models said of a text ---- */

/* Nine digits name a float, and lie far from the middle between two: by way of a double nothing is rounded wrongly. */
static bool float_of(scan_t *s, uint32_t key, float *number) {
  int64_t mantissa;
  int8_t  exp;
  if (!decimal_of(s, key, NULL, &mantissa, &exp)) return false;
  *number = (float)tf_decimal_to_double(mantissa, exp);
  return __builtin_isfinite(*number) ? true : refuse_key(s, TF_REJECT_NUMBER, key);
}

/* Bytes in the order of a hash's own, the lowest first. */
static bool read_hash(scan_t *s, uint32_t *hash) {
  const tf_json_value_t *v = value_of(s, MODEL_HASH);
  if (!v || v->kind != TF_JSON_STRING || v->bytes_cnt != 8)
    return refuse_key(s, TF_REJECT_SCHEMA, MODEL_HASH);
  for (uint32_t i = 0; i < 8; i++) {
    char     c     = v->bytes[i];
    uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : (uint32_t)(c - 'a') + 10;
    if (digit > 15) return refuse_key(s, TF_REJECT_NUMBER, MODEL_HASH);
    *hash |= digit << (i % 2 ? 4 * (i - 1) : 4 * (i + 1));
  }
  return true;
}

static bool read_miss(scan_t *s) {
  uint32_t miss = 1;
  while (miss < TF_TEXT_MISS_CNT && !tf_json_text_is(value_of(s, MISS), tf_text_miss_word(miss),
                                                     strlen(tf_text_miss_word(miss))))
    miss++;
  s->line->event.u.text.miss = (uint16_t)miss;
  return miss < TF_TEXT_MISS_CNT ? true : refuse_key(s, TF_REJECT_SCHEMA, MISS);
}

static bool read_answer(scan_t *s) {
  tf_event_t *e     = &s->line->event;
  uint32_t    label = 0;
  e->kind           = TF_EVENT_TEXT;
  if (!u64_of(s, ID, &e->u.text.id) || !u32_of(s, SOURCE, &e->u.text.source)) return false;
  if (value_of(s, MISS)) return read_miss(s);
  e->u.text.novelty = NAN; /* no model embedded it */
  if (!float_of(s, SCORE, &e->u.text.score) || !float_of(s, CONFIDENCE, &e->u.text.confidence) ||
      (value_of(s, NOVELTY) && !float_of(s, NOVELTY, &e->u.text.novelty)) ||
      !u32_of(s, LABEL, &label) || !read_hash(s, &e->u.text.model_hash))
    return false;
  e->u.text.label = (uint16_t)label;
  return label <= UINT16_MAX ? true : refuse_key(s, TF_REJECT_NUMBER, LABEL);
}

/* ---- a line ---- */

static bool (*const read_kind[])(scan_t *) = {read_trade, read_quote, read_level, read_ticker,
                                              read_status};
TF_STATIC_ASSERT(TF_ARRAY_CNT(read_kind) == TF_ARRAY_CNT(kinds), "one of each kind");

bool tf_event_line_is_name(const char *name, size_t name_bytes) {
  size_t dot = name_bytes;
  if (name_bytes >= TF_INSTRUMENT_NAME_BYTES) return false;
  while (dot > 0 && name[dot - 1] != '.') dot--;
  if (dot == 0 || dot == name_bytes || name_bytes - dot > TF_EVENT_LINE_VENUE_MAX) return false;
  for (size_t i = dot; i < name_bytes; i++) {
    char c = name[i];
    if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
  }
  return tf_symbols_is_usable(name, (uint32_t)dot - 1);
}

static bool read_name(scan_t *s) {
  const tf_json_value_t *v = value_of(s, INSTRUMENT);
  tf_event_line_t       *l = s->line;
  if (!v || v->kind != TF_JSON_STRING) return refuse_key(s, TF_REJECT_SCHEMA, INSTRUMENT);
  size_t cnt = v->bytes_cnt;
  if (v->escaped)
    cnt = tf_json_unescape(v->bytes, v->bytes_cnt, l->name, sizeof l->name - 1);
  else if (cnt < sizeof l->name)
    memcpy(l->name, v->bytes, cnt);
  if (cnt >= sizeof l->name || !tf_event_line_is_name(l->name, cnt))
    return refuse_key(s, TF_REJECT_INSTRUMENT, INSTRUMENT);
  l->name[cnt]  = '\0';
  l->name_bytes = (uint32_t)cnt;
  return true;
}

static bool read_flags(scan_t *s) {
  const tf_json_value_t *v = value_of(s, FLAGS);
  tf_event_t            *e = &s->line->event;
  tf_json_array_t        array;
  tf_json_value_t        word;
  e->flags = TF_FLAG_LAST;
  if (!v) return true;
  if (v->kind != TF_JSON_ARRAY) return refuse_key(s, TF_REJECT_SCHEMA, FLAGS);
  e->flags = 0;
  tf_json_array_init(&array, v->bytes, v->bytes_cnt);
  while (tf_json_array_next(&array, &word)) {
    uint32_t i = 0;
    while (i < TF_ARRAY_CNT(flags) && !tf_json_text_is(&word, flags[i].word, strlen(flags[i].word)))
      i++;
    if (i == TF_ARRAY_CNT(flags)) return refuse_key(s, TF_REJECT_SCHEMA, FLAGS);
    e->flags |= flags[i].bit;
  }
  return true;
}

/* What a sender that repeats itself says again: whose, what, and which. Digits are the same with and without quotes. */
static uint64_t own_id_of(const scan_t *s) {
  const tf_json_value_t *id = value_of(s, ID), *kind = value_of(s, KIND),
                        *source = value_of(s, SOURCE);
  if (!id || (id->kind != TF_JSON_STRING && id->kind != TF_JSON_NUMBER)) return 0;
  uint64_t hash = hash_bytes(TF_HASH_SEED, s->line->name, s->line->name_bytes);
  hash          = hash_bytes(hash, kind->bytes, kind->bytes_cnt);
  if (source) hash = hash_bytes(hash, source->bytes, source->bytes_cnt);
  hash = hash_bytes(hash, id->bytes, id->bytes_cnt);
  return hash ? hash : 1;
}

/* Behind the kind's own keys: SIDE is set there. */
static bool read_line(scan_t *s) {
  tf_event_t *e = &s->line->event;
  if (!read_name(s)) return false;
  const tf_json_value_t *kind = value_of(s, KIND);
  if (!kind || kind->kind != TF_JSON_STRING) return refuse_key(s, TF_REJECT_SCHEMA, KIND);
  if (!u64_of(s, TS_EVENT, &e->ts_event_ns) || !u64_of(s, TS_RECV, &e->ts_recv_ns) ||
      !read_flags(s))
    return false;
  s->line->own_id = own_id_of(s);
  uint32_t i      = word_of(kind, kinds, TF_ARRAY_CNT(kinds));
  e->kind         = (uint8_t)i;
  if (i < TF_ARRAY_CNT(kinds)) return read_kind[i](s);
  if (TF_JSON_TEXT_IS(kind, "text"))
    return value_of(s, SCORE) || value_of(s, MISS) ? read_answer(s) : read_text(s);
  if (TF_JSON_TEXT_IS(kind, "control")) return ignore(s->line, "control");
  return refuse_key(s, TF_REJECT_UNKNOWN, KIND);
}

void tf_event_line_reader_init(tf_event_line_reader_t *reader) {
  tf_json_orders_init(&reader->orders);
}

void tf_event_line_read(tf_event_line_reader_t *reader, const char *bytes, size_t bytes_cnt,
                        tf_event_line_t *line) {
  scan_t s    = {.reader = reader, .line = line};
  s.root      = (tf_json_object_t){.shape = &shape, .orders = &reader->orders, .values = s.values};
  line->event = (tf_event_t){0};
  line->text  = (tf_text_t){0};
  line->verdict    = TF_VERDICT_DATA;
  line->reject     = 0;
  line->is_text    = false;
  line->own_id     = 0;
  line->word[0]    = '\0';
  line->name_bytes = 0;
  if (bytes_cnt > TF_EVENT_LINE_BYTES_MAX) {
    refuse(line, TF_REJECT_LIMIT, "");
    return;
  }
  switch (tf_json_read(&s.json, bytes, bytes_cnt, &s.root)) {
  case TF_JSON_OK: break;
  case TF_JSON_LIMIT: refuse(line, TF_REJECT_LIMIT, ""); return;
  default: refuse(line, TF_REJECT_SYNTAX, ""); return;
  }
  if (s.json.root_kind != TF_JSON_OBJECT)
    refuse(line, TF_REJECT_SCHEMA, "");
  else
    read_line(&s);
}

/* ---- records ---- */

static bool is_record(const tf_event_t *e) {
  switch (e->kind) {
  case TF_EVENT_TRADE: return e->u.trade.qty >= 0;
  case TF_EVENT_QUOTE: return e->u.quote.bid_qty >= 0 && e->u.quote.ask_qty >= 0;
  case TF_EVENT_BOOK: return e->u.level.qty >= 0 && e->u.level.level_idx < e->u.level.level_cnt;
  case TF_EVENT_STATUS:
    return e->u.status.book_state < TF_BOOK_STATE_CNT && e->u.status.trading < TF_TRADING_CNT;
  case TF_EVENT_TEXT: return e->u.text.miss < TF_TEXT_MISS_CNT;
  default: return true;
  }
}

void tf_event_line_take(const tf_event_t *record, const char *name, size_t name_bytes,
                        tf_event_line_t *line) {
  *line = (tf_event_line_t){.verdict = TF_VERDICT_DATA, .name_bytes = (uint32_t)name_bytes};
  memcpy(&line->event, record, sizeof line->event);
  if (!tf_event_line_is_name(name, name_bytes)) {
    refuse(line, TF_REJECT_INSTRUMENT, keys[INSTRUMENT].text);
  } else if (line->event.kind == TF_EVENT_CONTROL) {
    ignore(line, "control");
  } else if (line->event.kind >= TF_EVENT_KIND_CNT) {
    refuse(line, TF_REJECT_UNKNOWN, keys[KIND].text);
  } else if (line->event.price_exp == INT8_MIN || line->event.qty_exp == INT8_MIN ||
             !is_record(&line->event)) {
    refuse(line, TF_REJECT_NUMBER, "");
  } else {
    memcpy(line->name, name, name_bytes);
    line->event.instrument_id = 0;
    line->event.ingest_seq    = 0;
  }
}

/* ---- bodies ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool tf_event_line_next(const char *bytes, size_t bytes_cnt, size_t *at, const char **line,
                        size_t *line_bytes) {
  while (*at < bytes_cnt) {
    const char *begin = bytes + *at;
    const char *end   = memchr(begin, '\n', bytes_cnt - *at);
    if (!end) end = bytes + bytes_cnt;
    *at = (size_t)(end - bytes) + (end < bytes + bytes_cnt);
    while (begin < end && is_blank(*begin)) begin++;
    while (end > begin && is_blank(end[-1])) end--;
    if (begin == end) continue;
    *line       = begin;
    *line_bytes = (size_t)(end - begin);
    return true;
  }
  return false;
}

/* ---- words ---- */

#define WORD_OF(words, i) ((i) < TF_ARRAY_CNT(words) ? (words)[i] : NULL)

const char *tf_event_line_kind(uint32_t idx) { return WORD_OF(kinds, idx); }
const char *tf_event_line_book(uint32_t idx) { return WORD_OF(books, idx); }
const char *tf_event_line_trading(uint32_t idx) { return WORD_OF(tradings, idx); }
