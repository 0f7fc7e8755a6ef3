/* Kraken's websocket v1, for recordings: arrays by position (VENUES.md 4, "Legacy v1").
 *
 *   [chanId, {"as":[["price","volume","time"]],"bs":[..]}, "book-1000", "XBT/USD"]         snapshot
 *   [chanId, {"a":[..],"c":"crc"}, "book-1000", "XBT/USD"]; {"a"} and {"b","c"} may come apart   delta
 *   [chanId, [["price","volume","time","b"|"s","m"|"l",""]], "trade", "XBT/USD"]    TRADE, without ids
 *   [chanId, ["bid","ask","time","bidVolume","askVolume"], "spread", "XBT/USD"]     QUOTE
 *   [chanId, {"c":["last","volume"],"v":["today","24h"],..}, "ticker", "XBT/USD"]   TICKER
 *   "ohlc-.."                                                                       ignored
 *
 * Times are seconds as text, in each level. Checksums and depth as in v2. Read by walking the array
 * (wire/json_array.h): plain before quick. */
#include "feed/kraken_state.h"
#include "wire/json_array.h"
#include "wire/rfc3339.h"

#define PARTS_MAX 8u /* elements of a message: five occur */

typedef struct {
  tf_kraken_state_t *st;
  tf_draft_t         draft;
  tf_json_value_t    parts[PARTS_MAX];
  uint32_t           part_cnt;
  tf_reject_t        why;
} message_t;

static bool fail(message_t *m, tf_reject_t why) {
  m->why = why;
  return false;
}

/* A number that is not negative. */
static bool take_number(message_t *m, const tf_json_value_t *v, int64_t *mantissa, int8_t *exp) {
  if (v->kind != TF_JSON_STRING && v->kind != TF_JSON_NUMBER) return fail(m, TF_REJECT_SCHEMA);
  if (tf_json_array_decimal(v, mantissa, exp) != TF_DECIMAL_OK || *mantissa < 0)
    return fail(m, TF_REJECT_NUMBER);
  return true;
}

static bool take_time(message_t *m, const tf_json_value_t *v, tf_event_t *e) {
  if (v->kind != TF_JSON_STRING) return fail(m, TF_REJECT_SCHEMA);
  if (!tf_rfc3339_parse_seconds(v->bytes, v->bytes_cnt, &e->ts_event_ns)) e->ts_event_ns = 0;
  e->flags |= tf_draft_time_flags(e->ts_event_ns, m->draft.frame->recv_ns);
  return true;
}

/* The first cnt elements of an array. */
static bool take_elements(message_t *m, const tf_json_value_t *v, tf_json_value_t *elements,
                          uint32_t cnt) {
  tf_json_array_t array;
  if (v->kind != TF_JSON_ARRAY) return fail(m, TF_REJECT_SCHEMA);
  tf_json_array_init(&array, v->bytes, v->bytes_cnt);
  for (uint32_t i = 0; i < cnt; i++)
    if (!tf_json_array_next(&array, &elements[i])) return fail(m, TF_REJECT_SCHEMA);
  return true;
}

/* A row at the draft's end, zeroed, with room for as many again and three. */
static tf_event_t *add_row(message_t *m) {
  uint32_t cnt = m->draft.end - m->draft.at;
  if (!tf_draft_has_room(&m->draft, cnt + 5)) {
    m->why = TF_REJECT_LIMIT;
    return NULL;
  }
  return tf_draft_open(&m->draft, m->draft.end, 1);
}

/* ---- objects ---- */

enum { AS, BS, A, B, C, V, OBJECT_KEY_CNT };
static const tf_json_key_t object_keys[OBJECT_KEY_CNT] = {
    [AS] = TF_JSON_KEY("as", TF_JSON_WANT_BYTES), [BS] = TF_JSON_KEY("bs", TF_JSON_WANT_BYTES),
    [A] = TF_JSON_KEY("a", TF_JSON_WANT_BYTES),   [B] = TF_JSON_KEY("b", TF_JSON_WANT_BYTES),
    [C] = TF_JSON_KEY("c", TF_JSON_WANT_BYTES),   [V] = TF_JSON_KEY("v", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t object_shape = {object_keys, OBJECT_KEY_CNT};

typedef struct {
  tf_json_value_t values[OBJECT_KEY_CNT + 1]; /* kind ABSENT where it has none */
} object_t;

/* All members of the message's objects together: those of a later object win nothing. */
static bool take_object(message_t *m, object_t *all) {
  memset(all, 0, sizeof *all);
  for (uint32_t i = 1; i + 2 < m->part_cnt; i++) {
    object_t         one;
    tf_json_t        json   = {0};
    tf_json_object_t object = {.shape = &object_shape, .values = one.values};
    if (m->parts[i].kind != TF_JSON_OBJECT ||
        tf_json_read(&json, m->parts[i].bytes, m->parts[i].bytes_cnt, &object) != TF_JSON_OK)
      return fail(m, TF_REJECT_SCHEMA);
    for (uint32_t k = 0; k < OBJECT_KEY_CNT; k++)
      if (tf_json_seen(&object, k) && all->values[k].kind == TF_JSON_ABSENT)
        all->values[k] = one.values[k];
  }
  return true;
}

/* ---- books ---- */

/* The levels of one side to rows, with their sides and times. */
static bool add_levels(message_t *m, const tf_json_value_t *levels, bool is_ask, uint32_t *cnt) {
  tf_json_array_t array;
  tf_json_value_t level, part[3];
  if (levels->kind == TF_JSON_ABSENT) return true;
  if (levels->kind != TF_JSON_ARRAY) return fail(m, TF_REJECT_SCHEMA);
  tf_json_array_init(&array, levels->bytes, levels->bytes_cnt);
  while (tf_json_array_next(&array, &level)) {
    if (!take_elements(m, &level, part, 3)) return false;
    tf_event_t *e = add_row(m);
    if (e == NULL) return false;
    e->flags = is_ask ? TF_FLAG_SIDE : 0;
    if (!take_number(m, &part[0], &e->u.level.price, &e->price_exp) ||
        !take_number(m, &part[1], &e->u.level.qty, &e->qty_exp) || !take_time(m, &part[2], e))
      return false;
    ++*cnt;
  }
  return true;
}

/* "book-1000" */
static uint32_t depth_of(const tf_json_value_t *name) {
  uint64_t            depth = 0;
  tf_decimal_result_t result;
  const char         *end = name->bytes + name->bytes_cnt;
  if (name->bytes_cnt <= 5) return 0;
  if (tf_decimal_u64_scan(name->bytes + 5, end, &depth, &result) != end) return 0;
  return depth <= TF_KRAKEN_DEPTH_MAX ? (uint32_t)depth : TF_KRAKEN_DEPTH_MAX;
}

static bool take_checksum(message_t *m, const tf_json_value_t *c, tf_book_message_t *book) {
  int64_t value;
  int8_t  exp;
  if (c->kind == TF_JSON_ABSENT) return true;
  if (!take_number(m, c, &value, &exp)) return false;
  if (exp != 0 || value > UINT32_MAX) return fail(m, TF_REJECT_NUMBER);
  book->has_checksum = true;
  book->checksum     = (uint32_t)value;
  return true;
}

static bool read_book(message_t *m, tf_book_message_t *book) {
  object_t o;
  if (!take_object(m, &o)) return false;
  book->is_snapshot = o.values[AS].kind != TF_JSON_ABSENT || o.values[BS].kind != TF_JSON_ABSENT;
  book->depth       = depth_of(&m->parts[m->part_cnt - 2]);
  const tf_json_value_t *bids = &o.values[book->is_snapshot ? BS : B];
  const tf_json_value_t *asks = &o.values[book->is_snapshot ? AS : A];
  if (!add_levels(m, bids, false, &book->bid_cnt) || !add_levels(m, asks, true, &book->ask_cnt) ||
      !take_checksum(m, &o.values[C], book))
    return false;
  if (m->draft.end > m->draft.at) /* of the newest level */
    book->ts_ns = m->draft.out->events[m->draft.end - 1].ts_event_ns;
  return true;
}

static tf_verdict_t reject(message_t *m, tf_reject_t why) {
  m->draft.out->event_cnt = m->draft.at; /* statuses of a refusal stand */
  return tf_feeds_reject(m->draft.out->counts, m->draft.frame, why);
}

static tf_verdict_t on_book(message_t *m, uint32_t idx) {
  tf_book_message_t book    = {0};
  bool              is_good = read_book(m, &book);
  if (is_good && !tf_kraken_book_fits(&m->st->rows[idx], &m->draft, &book))
    is_good = fail(m, TF_REJECT_LIMIT);
  if (!is_good) {
    tf_kraken_lose_book(m->st, &m->draft, idx);
    return reject(m, m->why);
  }
  tf_kraken_put_book(m->st, &m->draft, idx, &book);
  return tf_draft_finish(&m->draft);
}

/* ---- trades, quotes, tickers ---- */

static bool read_trade(message_t *m, const tf_json_value_t *trade) {
  tf_json_value_t part[4];
  if (!take_elements(m, trade, part, 4)) return false;
  tf_event_t *e = add_row(m);
  if (e == NULL) return false;
  bool is_buy = TF_JSON_TEXT_IS(&part[3], "b");
  if (!is_buy && !TF_JSON_TEXT_IS(&part[3], "s")) return fail(m, TF_REJECT_SCHEMA);
  e->flags = is_buy ? 0 : TF_FLAG_SIDE;
  return take_number(m, &part[0], &e->u.trade.price, &e->price_exp) &&
         take_number(m, &part[1], &e->u.trade.qty, &e->qty_exp) && take_time(m, &part[2], e);
}

static bool read_trades(message_t *m) {
  tf_json_array_t array;
  tf_json_value_t trade;
  if (m->parts[1].kind != TF_JSON_ARRAY) return fail(m, TF_REJECT_SCHEMA);
  tf_json_array_init(&array, m->parts[1].bytes, m->parts[1].bytes_cnt);
  while (tf_json_array_next(&array, &trade))
    if (!read_trade(m, &trade)) return false;
  return true;
}

static bool read_quote(message_t *m) {
  tf_json_value_t part[5];
  if (!take_elements(m, &m->parts[1], part, 5)) return false;
  tf_event_t *e = add_row(m);
  if (e == NULL || !take_time(m, &part[2], e)) return false;
  for (int i = 0; i < 5; i++)
    if (i != 2 && !take_number(m, &part[i], &part[i].as.mantissa, &part[i].exp)) return false;
  return tf_draft_set_quote(e, &part[0], &part[3], &part[1], &part[4]) || fail(m, TF_REJECT_NUMBER);
}

static bool read_ticker(message_t *m) {
  object_t        o;
  tf_json_value_t last[1], volume[2];
  if (!take_object(m, &o) || !take_elements(m, &o.values[C], last, 1) ||
      !take_elements(m, &o.values[V], volume, 2))
    return false;
  tf_event_t *e = add_row(m);
  if (e != NULL) e->u.ticker.funding_rate = TF_FUNDING_NONE;
  return e != NULL && take_number(m, &last[0], &e->u.ticker.last_price, &e->price_exp) &&
         take_number(m, &volume[1], &e->u.ticker.volume, &e->qty_exp);
}

static tf_verdict_t put_all(message_t *m, bool is_good, uint32_t idx, tf_event_kind_t kind) {
  if (!is_good) return reject(m, m->why);
  while (m->draft.at < m->draft.end)
    tf_draft_put(&m->draft, &m->st->rows[idx].feed, kind, m->st->symbols.rows[idx].instrument_id);
  return tf_draft_finish(&m->draft);
}

/* ---- messages ---- */

static bool starts(const tf_json_value_t *text, const char *with, size_t bytes) {
  return text->bytes_cnt >= bytes && memcmp(text->bytes, with, bytes) == 0;
}

static tf_verdict_t on_channel(message_t *m) {
  tf_kraken_state_t     *st   = m->st;
  const tf_json_value_t *name = &m->parts[m->part_cnt - 2], *pair = &m->parts[m->part_cnt - 1];
  tf_feed_counts_t      *counts = m->draft.out->counts;
  if (starts(name, "ohlc", 4)) return tf_feeds_ignore(counts, "ohlc", 4);
  bool is_book = starts(name, "book", 4), is_trade = TF_JSON_TEXT_IS(name, "trade");
  bool is_quote = TF_JSON_TEXT_IS(name, "spread"), is_ticker = TF_JSON_TEXT_IS(name, "ticker");
  if (!is_book && !is_trade && !is_quote && !is_ticker) return reject(m, TF_REJECT_UNKNOWN);
  if (is_book && !tf_kraken_has_books(st)) return tf_feeds_ignore(counts, "book", 4);
  if (is_trade && !(st->channels & TF_CHANNEL_TRADE)) return tf_feeds_ignore(counts, "trade", 5);
  if (is_quote && !(st->channels & TF_CHANNEL_QUOTE)) return tf_feeds_ignore(counts, "spread", 6);
  if (is_ticker && !(st->channels & TF_CHANNEL_TICKER)) return tf_feeds_ignore(counts, "ticker", 6);
  uint32_t idx = tf_symbols_of(&st->symbols, pair, st->asked_cnt == 0, &m->why);
  if (idx == TF_SYMBOLS_NONE) return reject(m, m->why);
  if (is_book) return on_book(m, idx);
  if (is_trade) return put_all(m, read_trades(m), idx, TF_EVENT_TRADE);
  if (is_quote) return put_all(m, read_quote(m), idx, TF_EVENT_QUOTE);
  return put_all(m, read_ticker(m), idx, TF_EVENT_TICKER);
}

tf_verdict_t tf_kraken_v1_on_array(tf_kraken_state_t *st, const tf_frame_t *frame,
                                   tf_feed_out_t *out) {
  message_t       m = {.st = st};
  tf_json_array_t array;
  tf_json_value_t part;
  tf_draft_begin(&m.draft, frame, out, 0);
  tf_json_array_init(&array, frame->bytes, frame->bytes_cnt);
  while (tf_json_array_next(&array, &part)) {
    if (m.part_cnt == PARTS_MAX) return reject(&m, TF_REJECT_SCHEMA);
    m.parts[m.part_cnt++] = part;
  }
  if (m.part_cnt < 4) return reject(&m, TF_REJECT_UNKNOWN);
  if (m.parts[m.part_cnt - 2].kind != TF_JSON_STRING ||
      m.parts[m.part_cnt - 1].kind != TF_JSON_STRING)
    return reject(&m, TF_REJECT_SCHEMA);
  return on_channel(&m);
}
