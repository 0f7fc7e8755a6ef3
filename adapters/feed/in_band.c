#include "feed/in_band.h"

#include <strings.h>

#include "core/error.h"
#include "feed/metadata.h"
#include "wire/json_array.h"
#include "wire/rfc3339.h"

#define BIT             TF_IN_BAND_BIT
#define PENDING_CAP_MAX (1u << 20)

/* A book in the message that is being read: where its symbol and its rows are. */
typedef struct {
  tf_json_value_t   symbol; /* kind ABSENT: the route's */
  uint32_t          row_cnt, rows_before;
  tf_json_value_t   bids, asks;
  bool              has_time;
  uint8_t           ts_flags;
  tf_book_message_t message;
} scanned_book_t;

typedef struct tf_in_band_scan {
  tf_json_object_t objects[TF_IN_BAND_OBJECTS_MAX];
  tf_json_shape_t  shapes[TF_IN_BAND_OBJECTS_MAX];
  tf_json_orders_t orders[TF_IN_BAND_OBJECTS_MAX];
  tf_json_value_t  values[TF_IN_BAND_OBJECTS_MAX][TF_IN_BAND_KEYS_MAX + 1];
  scanned_book_t   books[TF_IN_BAND_BOOKS_MAX];
  uint32_t         book_cnt;
  uint32_t         book_row_cnt; /* rows that books own */
  uint32_t         kinds;        /* of rows that are no book's: a bit for each TF_EVENT_* */
  tf_reject_t      why;          /* the first fault of an item */
  bool             is_bad;
} scan_t;

/* ---- items to rows, while the scanner runs ---- */

static void refuse(scan_t *scan, tf_reject_t why) {
  if (!scan->is_bad) scan->why = why;
  scan->is_bad = true;
}

static bool has(const tf_json_object_t *object, uint32_t key) {
  return key != 0 && (object->seen & BIT(key)) != 0 && object->values[key].kind != TF_JSON_NULL;
}

/* A number that is there and is not negative. */
TF_INLINE bool take_number(scan_t *scan, const tf_json_object_t *object, uint32_t key) {
  const tf_json_value_t *v = &object->values[key];
  if (TF_LIKELY(has(object, key) && v->made == TF_JSON_MADE_DECIMAL && v->as.mantissa >= 0))
    return true;
  bool is_number = has(object, key) && v->made != TF_JSON_MADE_NONE;
  refuse(scan, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  return false;
}

static const uint32_t unit_exps[] = {
    [TF_IN_BAND_MS] = 6, [TF_IN_BAND_S] = 9, [TF_IN_BAND_US] = 3, [TF_IN_BAND_NS] = 0};

/* mantissa x 10^exp of a unit that is 10^unit ns. 0: negative, or does not fit. */
static uint64_t scale_time(int64_t mantissa, int exp, uint32_t unit) {
  int power = (int)unit + exp;
  if (mantissa <= 0 || power > 18 || power < -18) return 0;
  if (power < 0) return (uint64_t)mantissa / (uint64_t)tf_decimal_pow10[-power];
  uint64_t ns;
  bool fits = !__builtin_mul_overflow((uint64_t)mantissa, (uint64_t)tf_decimal_pow10[power], &ns);
  return fits ? ns : 0;
}

static uint64_t time_of(const tf_in_band_t *in, const tf_json_value_t *v, tf_in_band_time_t form) {
  uint64_t ns = 0;
  int64_t  mantissa;
  int8_t   exp;
  if (form == TF_IN_BAND_RFC3339) {
    bool is_time = v->kind == TF_JSON_STRING && tf_rfc3339_parse(v->bytes, v->bytes_cnt, &ns);
    return is_time ? ns : 0;
  }
  if (v->made == TF_JSON_MADE_DECIMAL) return scale_time(v->as.mantissa, v->exp, unit_exps[form]);
  if (v->made == TF_JSON_MADE_U64) {
    uint64_t number = tf_json_u64(&in->json, v);
    return number > INT64_MAX ? 0 : scale_time((int64_t)number, 0, unit_exps[form]);
  }
  if (v->kind != TF_JSON_STRING || v->escaped ||
      tf_decimal_parse(v->bytes, v->bytes_cnt, &mantissa, &exp) != TF_DECIMAL_OK)
    return 0;
  return scale_time(mantissa, exp, unit_exps[form]);
}

/* An item's time; BAD_TS where it is none or in the future. Without the key: 0, and the route's will do. */
static uint64_t take_time(tf_in_band_t *in, const tf_in_band_item_t *form,
                          const tf_json_object_t *object, uint8_t *flags) {
  *flags = 0;
  if (!has(object, form->time)) return 0;
  uint64_t ns = time_of(in, &object->values[form->time], (tf_in_band_time_t)form->time_form);
  *flags      = tf_draft_time_flags(ns, in->frame->recv_ns);
  return ns;
}

/* A number without sign or a string of digits. Where it has more than 64 bits, its low ones. */
static bool digits_of(const tf_in_band_t *in, const tf_json_value_t *v, uint64_t *number) {
  if (v->made == TF_JSON_MADE_U64) {
    *number = tf_json_u64(&in->json, v);
    return true;
  }
  if ((v->kind != TF_JSON_STRING && v->kind != TF_JSON_NUMBER) || v->made != TF_JSON_MADE_NONE ||
      v->bytes_cnt == 0)
    return false;
  *number = 0;
  for (uint32_t i = 0; i < v->bytes_cnt; i++) {
    uint8_t digit = (uint8_t)(v->bytes[i] - '0');
    if (digit > 9) return false;
    *number = *number * 10 + digit;
  }
  return true;
}

/* Whose a row is, until the message is known to be good: where its symbol stands, and what kind it is. */
static void park(tf_in_band_t *in, const tf_in_band_item_t *form, const tf_json_object_t *object,
                 tf_event_t *row) {
  const tf_json_value_t *symbol = &object->values[form->symbol];
  bool                   is_own = has(object, form->symbol) && symbol->kind == TF_JSON_STRING;
  if (form->symbol != 0 && !is_own) refuse(in->scan, TF_REJECT_SCHEMA);
  row->ingest_seq    = is_own ? (uint64_t)(symbol->bytes - in->frame->bytes) : UINT64_MAX;
  row->instrument_id = is_own ? symbol->bytes_cnt << 1 | (symbol->escaped != 0) : 0;
  row->kind          = form->kind;
  in->scan->kinds |= 1u << form->kind;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The id of a trade that the venue may give a name instead of a number: of a UUID (8-4-4-4-12 hexadecimal
 * digits, one number) the low 64 bits, of any other text its FNV-1a (64 bit). */
static uint64_t id_of_text(const tf_in_band_t *in, const tf_json_value_t *v) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325), number = 0;
  bool     is_uuid = v->bytes_cnt == 36;
  if (digits_of(in, v, &number)) return number;
  for (uint32_t i = 0; i < v->bytes_cnt; i++) {
    int digit = hex_digit(v->bytes[i]);
    if (i == 8 || i == 13 || i == 18 || i == 23)
      is_uuid &= v->bytes[i] == '-';
    else
      is_uuid &= digit >= 0;
    if (digit >= 0) number = number << 4 | (uint64_t)digit;
    hash = (hash ^ (uint8_t)v->bytes[i]) * UINT64_C(0x100000001b3);
  }
  return is_uuid ? number : hash;
}

static bool is_word(const tf_json_value_t *text, const char *word) {
  size_t n = strlen(word);
  return text->bytes_cnt == n && strncasecmp(text->bytes, word, n) == 0;
}

/* A trade's side in the spec's words: 1 a buy, -1 a sell, 0 neither. */
static int side_of(const tf_in_band_spec_t *spec, const tf_json_value_t *side) {
  if (side->kind != TF_JSON_STRING || side->escaped) return 0;
  int named = is_word(side, spec->buy) ? 1 : is_word(side, spec->sell) ? -1 : 0;
  return spec->side_is_maker ? -named : named;
}

/* A trade's size, whose sign may be its side. */
static bool take_qty(tf_in_band_t *in, const tf_in_band_item_t *form,
                     const tf_json_object_t *object, int64_t *qty, bool *is_sell) {
  const tf_json_value_t *v = &object->values[form->qty];
  *is_sell                 = false;
  if (form->side != 0 || !has(object, form->qty) || v->made != TF_JSON_MADE_DECIMAL ||
      v->as.mantissa == INT64_MIN) {
    *qty = v->as.mantissa;
    return take_number(in->scan, object, form->qty);
  }
  *is_sell = v->as.mantissa < 0;
  *qty     = *is_sell ? -v->as.mantissa : v->as.mantissa;
  return true;
}

static void put_trade(tf_in_band_t *in, const tf_in_band_item_t *form,
                      const tf_json_object_t *object) {
  scan_t                *scan = in->scan;
  const tf_json_value_t *v    = object->values;
  tf_event_t            *row  = tf_json_put_row(&in->json);
  int64_t                qty;
  bool                   is_sell;
  if (row == NULL || !take_number(scan, object, form->price) ||
      !take_qty(in, form, object, &qty, &is_sell))
    return;
  int side = form->side == 0           ? (is_sell ? -1 : 1)
             : has(object, form->side) ? side_of(in->spec, &v[form->side])
                                       : 0;
  if (side == 0) refuse(scan, TF_REJECT_SCHEMA);
  uint64_t id = 0;
  if (!has(object, form->id)) {
    refuse(scan, TF_REJECT_SCHEMA);
  } else if (in->spec->ids == TF_IN_BAND_IDS_OPAQUE) {
    id = id_of_text(in, &v[form->id]);
  } else if (!digits_of(in, &v[form->id], &id)) {
    refuse(scan, TF_REJECT_NUMBER);
  }
  row->ts_event_ns = take_time(in, form, object, &row->flags);
  if (side < 0) row->flags |= TF_FLAG_SIDE;
  row->price_exp        = v[form->price].exp;
  row->qty_exp          = v[form->qty].exp;
  row->u.trade.price    = v[form->price].as.mantissa;
  row->u.trade.qty      = qty;
  row->u.trade.id       = id;
  row->u.trade.reserved = 0;
  park(in, form, object, row);
}

/* A side that has nobody: no price, no quantity. */
static const tf_json_value_t *side_or_nobody(scan_t *scan, const tf_json_object_t *object,
                                             uint32_t key) {
  static const tf_json_value_t nobody = {.made = TF_JSON_MADE_DECIMAL};
  if (!has(object, key)) return &nobody;
  const tf_json_value_t *v = &object->values[key];
  if (v->kind == TF_JSON_STRING && v->made != TF_JSON_MADE_DECIMAL && v->bytes_cnt == 0)
    return &nobody;
  return take_number(scan, object, key) ? v : &nobody;
}

static void put_quote(tf_in_band_t *in, const tf_in_band_item_t *form,
                      const tf_json_object_t *object) {
  scan_t                *scan    = in->scan;
  tf_event_t            *row     = tf_json_put_row(&in->json);
  const tf_json_value_t *bid     = side_or_nobody(scan, object, form->bid);
  const tf_json_value_t *ask     = side_or_nobody(scan, object, form->ask);
  const tf_json_value_t *bid_qty = side_or_nobody(scan, object, form->bid_qty);
  const tf_json_value_t *ask_qty = side_or_nobody(scan, object, form->ask_qty);
  if (row == NULL) return;
  row->ts_event_ns = take_time(in, form, object, &row->flags);
  if (!tf_draft_set_quote(row, bid, bid_qty, ask, ask_qty)) refuse(scan, TF_REJECT_NUMBER);
  park(in, form, object, row);
}

/* One price of a ticker that may lack it, or send "" for it. */
static bool take_price(scan_t *scan, const tf_json_object_t *object, uint32_t key, int64_t *price,
                       int8_t *exp) {
  if (!has(object, key)) return false;
  const tf_json_value_t *v = &object->values[key];
  if (v->kind == TF_JSON_STRING && v->bytes_cnt == 0 && v->made != TF_JSON_MADE_DECIMAL)
    return false;
  if (!take_number(scan, object, key)) return false;
  *price = v->as.mantissa;
  *exp   = v->exp;
  return true;
}

/* Fields that are not there stay marked so (last 0, volume 0, mark 0, no funding), and are filled from the
 * instrument's last ticker when the message turns out good. */
static void put_ticker(tf_in_band_t *in, const tf_in_band_item_t *form,
                       const tf_json_object_t *object) {
  scan_t     *scan = in->scan;
  tf_event_t *row  = tf_json_put_row(&in->json);
  if (row == NULL) return;
  memset(&row->u, 0, sizeof row->u);
  row->price_exp = row->qty_exp = 0;
  row->ts_event_ns              = take_time(in, form, object, &row->flags);
  int8_t mark_exp               = 0;
  bool has_last = take_price(scan, object, form->last, &row->u.ticker.last_price, &row->price_exp);
  bool has_mark = take_price(scan, object, form->mark, &row->u.ticker.mark_price, &mark_exp);
  if (has_mark && !has_last) row->price_exp = mark_exp;
  if (has_mark && has_last &&
      !tf_draft_to_one_exponent(&row->u.ticker.last_price, row->price_exp,
                                &row->u.ticker.mark_price, mark_exp, &row->price_exp))
    refuse(scan, TF_REJECT_NUMBER);
  take_price(scan, form->stats ? &scan->objects[form->stats] : object, form->volume,
             &row->u.ticker.volume, &row->qty_exp);
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
  if (has(object, form->funding))
    row->u.ticker.funding_rate = tf_draft_funding_rate(&object->values[form->funding]);
  park(in, form, object, row);
}

static void take_sequences(tf_in_band_t *in, const tf_in_band_item_t *form,
                           const tf_json_object_t *object, tf_book_message_t *m) {
  const tf_json_value_t *v = object->values;
  m->has_seq   = has(object, form->last_seq) && digits_of(in, &v[form->last_seq], &m->last_seq);
  m->first_seq = m->last_seq;
  if (has(object, form->first_seq) && !digits_of(in, &v[form->first_seq], &m->first_seq))
    m->has_seq = false;
  m->has_previous = has(object, form->previous) && digits_of(in, &v[form->previous], &m->previous);
  if (has(object, form->last_seq) && !m->has_seq) refuse(in->scan, TF_REJECT_NUMBER);
}

/* A CRC-32 that venues write with or without sign. */
static bool take_checksum(const tf_in_band_t *in, const tf_json_value_t *v, uint32_t *checksum) {
  uint64_t number;
  if (v->made == TF_JSON_MADE_DECIMAL && v->exp == 0) {
    *checksum = (uint32_t)v->as.mantissa;
    return v->as.mantissa >= INT32_MIN && v->as.mantissa <= UINT32_MAX;
  }
  bool ok   = digits_of(in, v, &number) && number <= UINT32_MAX;
  *checksum = ok ? (uint32_t)number : 0;
  return ok;
}

static void put_level(tf_in_band_t *in, const tf_in_band_item_t *form,
                      const tf_json_object_t *object) {
  const tf_json_value_t *v   = object->values;
  tf_event_t            *row = tf_json_put_row(&in->json);
  if (row == NULL || !take_number(in->scan, object, form->price) ||
      !take_number(in->scan, object, form->qty))
    return;
  row->price_exp     = v[form->price].exp;
  row->qty_exp       = v[form->qty].exp;
  row->u.level.price = v[form->price].as.mantissa;
  row->u.level.qty   = v[form->qty].as.mantissa;
}

/* "83614,buy,12" as the only level of its side. */
static void put_change(tf_in_band_t *in, const tf_json_value_t *change, tf_json_value_t *bids,
                       tf_json_value_t *asks) {
  tf_json_value_t part[3], empty = {.made = TF_JSON_MADE_LEVELS};
  for (uint32_t i = 0; i < 3; i++) part[i] = tf_in_band_part(change, ',', i, i == 2);
  empty.as.levels.first = in->json.row_cnt;
  *bids = *asks      = empty;
  tf_event_t *row    = tf_json_put_row(&in->json);
  bool        is_buy = is_word(&part[1], in->spec->buy);
  if (row == NULL) return;
  if (change->kind != TF_JSON_STRING || (!is_buy && !is_word(&part[1], in->spec->sell)))
    refuse(in->scan, TF_REJECT_SCHEMA);
  else if (tf_decimal_parse(part[0].bytes, part[0].bytes_cnt, &row->u.level.price,
                            &row->price_exp) != TF_DECIMAL_OK ||
           tf_decimal_parse(part[2].bytes, part[2].bytes_cnt, &row->u.level.qty, &row->qty_exp) !=
               TF_DECIMAL_OK ||
           row->u.level.price < 0 || row->u.level.qty < 0)
    refuse(in->scan, TF_REJECT_NUMBER);
  (is_buy ? bids : asks)->as.levels.cnt = 1;
}

static bool are_levels(const tf_json_value_t *side) {
  return side->made == TF_JSON_MADE_LEVELS || side->made == TF_JSON_MADE_ITEMS;
}

static void put_book(tf_in_band_t *in, const tf_in_band_item_t *form,
                     const tf_json_object_t *object) {
  scan_t                 *scan  = in->scan;
  const tf_json_object_t *sides = form->sides ? &scan->objects[form->sides] : object;
  if (scan->book_cnt == TF_IN_BAND_BOOKS_MAX) {
    in->json.result = TF_JSON_LIMIT;
    return;
  }
  const tf_json_value_t empty = {.what = 0};
  scanned_book_t       *b     = &scan->books[scan->book_cnt++];
  memset(&b->message, 0, sizeof b->message);
  bool has_bids = has(sides, form->bids),
       has_asks = form->sides_by_place ? has_bids : has(sides, form->asks);
  b->bids       = has_bids ? sides->values[form->bids] : empty;
  b->asks       = has_asks ? sides->values[form->asks] : empty;
  if (form->change != 0) put_change(in, &object->values[form->change], &b->bids, &b->asks);
  if ((has_bids && !are_levels(&b->bids)) || (has_asks && !are_levels(&b->asks))) {
    bool is_number = b->bids.made == TF_JSON_MADE_BAD || b->asks.made == TF_JSON_MADE_BAD;
    refuse(scan, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
    b->bids = b->asks = empty;
  }
  b->rows_before     = scan->book_row_cnt;
  b->row_cnt         = in->json.row_cnt - scan->book_row_cnt;
  scan->book_row_cnt = in->json.row_cnt;
  bool is_own = has(object, form->symbol) && object->values[form->symbol].kind == TF_JSON_STRING;
  b->symbol   = is_own ? object->values[form->symbol] : empty;
  if (form->symbol != 0 && !is_own) refuse(scan, TF_REJECT_SCHEMA);
  tf_book_message_t *m = &b->message;
  m->bid_cnt           = b->bids.as.levels.cnt;
  m->ask_cnt           = b->asks.as.levels.cnt;
  if (m->bid_cnt + m->ask_cnt != b->row_cnt) refuse(scan, TF_REJECT_SCHEMA);
  b->has_time = has(object, form->time);
  m->ts_ns    = take_time(in, form, object, &b->ts_flags);
  take_sequences(in, form, object, m);
  m->has_checksum = has(object, form->checksum);
  if (m->has_checksum && !take_checksum(in, &object->values[form->checksum], &m->checksum))
    refuse(scan, TF_REJECT_NUMBER);
}

/* One level by itself. */
static void put_level_row(tf_in_band_t *in, const tf_in_band_item_t *form,
                          const tf_json_object_t *object) {
  scan_t                *scan = in->scan;
  const tf_json_value_t *v    = object->values;
  tf_event_t            *row  = tf_json_put_row(&in->json);
  if (row == NULL) return;
  memset(&row->u, 0, sizeof row->u);
  int side = has(object, form->side) ? side_of(in->spec, &v[form->side]) : 0;
  if (side == 0 || !has(object, form->id)) refuse(scan, TF_REJECT_SCHEMA);
  if (has(object, form->id) && !digits_of(in, &v[form->id], &row->u.level.venue_seq))
    refuse(scan, TF_REJECT_NUMBER);
  row->price_exp = row->qty_exp = 0;
  row->ts_event_ns              = take_time(in, form, object, &row->flags);
  row->flags |= side < 0 ? TF_FLAG_SIDE : 0;
  if (has(object, form->price) && take_number(scan, object, form->price)) {
    row->price_exp     = v[form->price].exp;
    row->u.level.price = v[form->price].as.mantissa;
    row->u.level.level_idx |= TF_IN_BAND_LEVEL_PRICE;
  }
  if (has(object, form->qty) && take_number(scan, object, form->qty)) {
    row->qty_exp     = v[form->qty].exp;
    row->u.level.qty = v[form->qty].as.mantissa;
    row->u.level.level_idx |= TF_IN_BAND_LEVEL_QTY;
  }
  park(in, form, object, row);
}

static void on_item(tf_json_t *json, tf_json_object_t *object) {
  tf_in_band_t            *in    = object->self;
  scan_t                  *scan  = in->scan;
  uint32_t                 place = (uint32_t)(object - scan->objects);
  const tf_in_band_spec_t *spec  = in->spec;
  for (uint32_t i = 0; i < spec->item_cnt; i++) {
    const tf_in_band_item_t *form = &spec->items[i];
    if (form->object != place || (object->seen & (form->marks | form->lacks)) != form->marks ||
        (form->any != 0 && (object->seen & form->any) == 0))
      continue;
    switch (form->kind) {
    case TF_EVENT_TRADE: put_trade(in, form, object); break;
    case TF_EVENT_QUOTE: put_quote(in, form, object); break;
    case TF_EVENT_TICKER: put_ticker(in, form, object); break;
    case TF_IN_BAND_LEVEL: put_level(in, form, object); break;
    default:
      if (form->bids != 0 || form->change != 0)
        put_book(in, form, object);
      else
        put_level_row(in, form, object);
      break;
    }
  }
  const tf_in_band_object_t *o =
      &spec->objects[place]; /* the next item may not have what this one had */
  if (o->child) scan->objects[o->child].seen = 0;
  if (o->second) scan->objects[o->second].seen = 0;
  (void)json;
}

/* ---- rows to events, behind the scan ---- */

static tf_verdict_t reject(tf_in_band_t *in, tf_reject_t why) {
  return tf_feeds_reject(in->out->counts, in->frame, why);
}

static tf_verdict_t ignore(tf_in_band_t *in, const tf_in_band_route_t *route) {
  return tf_feeds_ignore(in->out->counts, route->name, route->name_bytes);
}

static uint32_t symbol_of(tf_in_band_t *in, const tf_json_value_t *symbol, tf_reject_t *why) {
  *why = TF_REJECT_SCHEMA;
  if (symbol->kind != TF_JSON_STRING) return TF_SYMBOLS_NONE;
  return tf_symbols_of(&in->symbols, symbol, in->asked_cnt == 0, why);
}

/* The rows of a book: bids to the front, with their sides and times. */
static void complete_rows(tf_draft_t *draft, scanned_book_t *b, uint64_t ts_ns) {
  tf_event_t *rows = draft->out->events + draft->at;
  b->bids.as.levels.first -= b->rows_before;
  b->asks.as.levels.first -= b->rows_before;
  if (TF_UNLIKELY(b->message.ask_cnt > 0 && b->message.bid_cnt > 0 &&
                  b->asks.as.levels.first < b->bids.as.levels.first))
    tf_draft_gather_sides(rows, &b->bids, &b->asks);
  if (!b->has_time) b->message.ts_ns = ts_ns;
  for (uint32_t i = 0; i < b->row_cnt; i++) {
    rows[i].flags       = b->ts_flags | (i >= b->message.bid_cnt ? TF_FLAG_SIDE : 0);
    rows[i].ts_event_ns = b->message.ts_ns;
  }
}

TF_COLD static tf_verdict_t refuse_books(tf_in_band_t *in, tf_draft_t *draft,
                                         const tf_in_band_route_t *route, tf_reject_t why) {
  scan_t     *scan = in->scan;
  tf_reject_t unused;
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    const tf_json_value_t *own = &scan->books[i].symbol;
    uint32_t idx = symbol_of(in, own->kind == TF_JSON_STRING ? own : &route->symbol, &unused);
    if (idx == TF_SYMBOLS_NONE) continue;
    tf_book_row_lose(&in->rows[idx].book, draft, in->symbols.rows[idx].instrument_id, 0);
  }
  return reject(in, why);
}

/* Levels at price 0 say that a sequence number went to something else (KuCoin). */
static void drop_priceless(tf_event_t *rows, tf_bridge_levels_t *levels) {
  uint32_t kept = 0, bid_cnt = 0;
  for (uint32_t i = 0; i < levels->cnt; i++) {
    if (rows[i].u.level.price == 0) continue;
    bid_cnt += i < levels->bid_cnt;
    if (kept != i) rows[kept] = rows[i];
    kept++;
  }
  levels->cnt     = kept;
  levels->bid_cnt = bid_cnt;
}

/* Books by their chain. A message that is refused leaves a hole, which the next one shows. */
static tf_verdict_t on_bridged_book(tf_in_band_t *in, tf_draft_t *draft,
                                    const tf_in_band_route_t *route) {
  scan_t         *scan = in->scan;
  scanned_book_t *b    = &scan->books[0];
  tf_reject_t     why;
  if (TF_UNLIKELY(scan->kinds != 0 || scan->book_cnt != 1)) return reject(in, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return reject(in, scan->why);
  if (TF_UNLIKELY(in->json.any_negative)) return reject(in, TF_REJECT_NUMBER);
  bool is_numbered = b->message.has_seq;
  if (TF_UNLIKELY(!is_numbered && !(route->is_snapshot && !route->is_requested)))
    return reject(in, TF_REJECT_SCHEMA);
  uint64_t first = b->message.has_previous ? b->message.previous + 1 : b->message.first_seq;
  if (TF_UNLIKELY(!route->is_snapshot && (first > b->message.last_seq || first == 0)))
    return reject(in, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(!tf_draft_has_room(draft, 2))) return reject(in, TF_REJECT_LIMIT);
  const tf_json_value_t *own = &b->symbol;
  uint32_t idx = symbol_of(in, own->kind == TF_JSON_STRING ? own : &route->symbol, &why);
  if (TF_UNLIKELY(idx == TF_SYMBOLS_NONE)) return reject(in, why);
  complete_rows(draft, b, route->ts_ns);
  tf_in_band_row_t  *row    = &in->rows[idx];
  tf_bridge_levels_t levels = {.rows          = draft->out->events + draft->at,
                               .bid_cnt       = b->message.bid_cnt,
                               .cnt           = b->row_cnt,
                               .venue_seq     = b->message.last_seq,
                               .ts_ns         = b->message.ts_ns,
                               .instrument_id = in->symbols.rows[idx].instrument_id,
                               .flags         = b->ts_flags};
  if (!is_numbered) levels.venue_seq = ++row->book.feed.ordinal;
  drop_priceless(levels.rows, &levels);
  if (route->is_snapshot && !route->is_requested)
    return tf_bridge_whole(&row->bridge, &in->pool, in->frame, in->out, &levels);
  if (route->is_snapshot)
    return tf_bridge_snapshot(&row->bridge, &in->pool, TF_CHAIN_RANGE, in->frame, in->out, &levels);
  return tf_bridge_delta(&row->bridge, &in->pool, TF_CHAIN_RANGE, in->frame, in->out, &levels,
                         (tf_bridge_ids_t){.first = first});
}

static tf_verdict_t on_books(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  scan_t     *scan = in->scan;
  uint32_t    idx[TF_IN_BAND_BOOKS_MAX], room = 0;
  tf_reject_t why;
  if (TF_UNLIKELY(scan->kinds != 0)) return refuse_books(in, draft, route, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return refuse_books(in, draft, route, scan->why);
  if (TF_UNLIKELY(in->json.any_negative)) return refuse_books(in, draft, route, TF_REJECT_NUMBER);
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    scanned_book_t        *b   = &scan->books[i];
    const tf_json_value_t *own = &b->symbol;
    idx[i] = symbol_of(in, own->kind == TF_JSON_STRING ? own : &route->symbol, &why);
    if (TF_UNLIKELY(idx[i] == TF_SYMBOLS_NONE)) return reject(in, why);
    const tf_book_row_t *row = &in->rows[idx[i]].book;
    bool                 has_sequence =
        route->rule == TF_BOOK_RULE_NONE || route->rule == TF_BOOK_RULE_WHOLE || b->message.has_seq;
    if (TF_UNLIKELY(!has_sequence)) return refuse_books(in, draft, route, TF_REJECT_SCHEMA);
    if (TF_UNLIKELY(!tf_book_row_takes(row, &b->message)))
      return refuse_books(in, draft, route, TF_REJECT_LIMIT);
    room += tf_book_row_room(row, b->row_cnt);
  }
  if (TF_UNLIKELY(!tf_draft_has_room(draft, room)))
    return refuse_books(in, draft, route, TF_REJECT_LIMIT);
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    scanned_book_t *b = &scan->books[i];
    complete_rows(draft, b, route->ts_ns);
    b->message.instrument_id = in->symbols.rows[idx[i]].instrument_id;
    b->message.depth         = route->depth;
    b->message.rule          = route->rule;
    b->message.is_snapshot   = route->is_snapshot;
    b->message.is_restart    = route->is_restart;
    b->message.has_checksum  = b->message.has_checksum && !route->no_checksum;
    tf_book_row_put(&in->rows[idx[i]].book, draft, &b->message, in->spec->depths,
                    in->spec->checksum, &in->head);
  }
  return tf_draft_finish(draft);
}

/* One level a side, sent as a book: the best bid and offer. */
static tf_verdict_t on_quote_book(tf_in_band_t *in, tf_draft_t *draft,
                                  const tf_in_band_route_t *route) {
  scan_t            *scan = in->scan;
  scanned_book_t    *b    = &scan->books[0];
  tf_book_message_t *m    = &b->message;
  tf_reject_t        why;
  if (scan->kinds != 0 || scan->book_cnt != 1 || m->bid_cnt > 1 || m->ask_cnt > 1)
    return reject(in, TF_REJECT_SCHEMA);
  if (scan->is_bad) return reject(in, scan->why);
  if (in->json.any_negative) return reject(in, TF_REJECT_NUMBER);
  uint32_t idx =
      symbol_of(in, b->symbol.kind == TF_JSON_STRING ? &b->symbol : &route->symbol, &why);
  if (idx == TF_SYMBOLS_NONE) return reject(in, why);
  if (m->bid_cnt + m->ask_cnt == 0)
    return tf_draft_finish(draft); /* nobody there, or nothing new */
  complete_rows(draft, b, route->ts_ns);
  tf_event_t     *rows = draft->out->events + draft->at;
  tf_json_value_t v[4] = {{.what = 0}, {.what = 0}, {.what = 0}, {.what = 0}};
  for (uint32_t i = 0; i < b->row_cnt; i++) {
    uint32_t at           = rows[i].flags & TF_FLAG_SIDE ? 2 : 0;
    v[at].as.mantissa     = rows[i].u.level.price;
    v[at].exp             = rows[i].price_exp;
    v[at + 1].as.mantissa = rows[i].u.level.qty;
    v[at + 1].exp         = rows[i].qty_exp;
  }
  rows[0].flags = b->ts_flags;
  if (!tf_draft_set_quote(&rows[0], &v[0], &v[1], &v[2], &v[3]))
    return reject(in, TF_REJECT_NUMBER);
  draft->end = draft->at + 1;
  tf_draft_put(draft, &in->rows[idx].book.feed, TF_EVENT_QUOTE,
               in->symbols.rows[idx].instrument_id);
  return tf_draft_finish(draft);
}

static uint32_t channel_of(uint8_t kind) {
  return kind == TF_EVENT_TRADE   ? TF_CHANNEL_TRADE
         : kind == TF_EVENT_QUOTE ? TF_CHANNEL_QUOTE
         : kind == TF_EVENT_BOOK  ? TF_CHANNEL_BOOK
                                  : TF_CHANNEL_TICKER;
}

/* Of a row that park left. */
static tf_json_value_t symbol_of_row(const tf_in_band_t *in, const tf_event_t *e,
                                     const tf_in_band_route_t *route) {
  if (e->ingest_seq == UINT64_MAX) return route->symbol;
  tf_json_value_t symbol = {.bytes     = in->frame->bytes + e->ingest_seq,
                            .bytes_cnt = e->instrument_id >> 1};
  symbol.kind            = TF_JSON_STRING;
  symbol.escaped         = e->instrument_id & 1;
  return symbol;
}

/* Finds the instruments of the rows that park left; their numbers go to the rows. Rows of channels that
 * nobody asked for are dropped. */
static bool find_symbols(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route,
                         tf_reject_t *why) {
  uint32_t kept = draft->at;
  for (uint32_t i = draft->at; i < draft->end; i++) {
    tf_event_t     *e      = &draft->out->events[i];
    tf_json_value_t symbol = symbol_of_row(in, e, route);
    uint32_t        idx    = symbol_of(in, &symbol, why);
    if (idx == TF_SYMBOLS_NONE) return false;
    e->ingest_seq = idx;
    if (e->ts_event_ns == 0 && !(e->flags & TF_FLAG_BAD_TS)) e->ts_event_ns = route->ts_ns;
    if (route->is_backfill && e->kind == TF_EVENT_TRADE) e->flags |= TF_FLAG_BACKFILL;
    if (!(channel_of(e->kind) & in->channels)) continue;
    if (kept != i) draft->out->events[kept] = *e;
    kept++;
  }
  draft->end = kept;
  return true;
}

/* Late, but new: within what is remembered and not among it. Far back, the venue starts over. */
TF_COLD static bool is_late_repeat(tf_in_band_row_t *row, uint64_t id) {
  tf_trade_ids_t *ids    = &row->book.feed.trades;
  uint64_t        oldest = ids->last;
  if (ids->last - id >= TF_BOOK_ROW_RESTART) {
    ids->last = id;
    memset(row->recent, 0, TF_IN_BAND_RECENT_IDS * sizeof *row->recent);
    return false;
  }
  for (uint32_t i = 0; i < TF_IN_BAND_RECENT_IDS; i++) {
    if (row->recent[i] == id) return true;
    if (row->recent[i] < oldest) oldest = row->recent[i];
  }
  return id < oldest;
}

static bool is_remembered(const tf_in_band_row_t *row, uint64_t id) {
  for (uint32_t i = 0; i < TF_IN_BAND_RECENT_IDS; i++)
    if (row->recent[i] == id) return true;
  return false;
}

static bool is_repeat(void *self, const tf_event_t *trade, tf_feed_counts_t *counts) {
  tf_in_band_t     *in  = self;
  tf_in_band_row_t *row = &in->rows[trade->ingest_seq];
  tf_trade_ids_t   *ids = &row->book.feed.trades;
  uint64_t          id  = trade->u.trade.id;
  if (TF_UNLIKELY(id == 0)) return false; /* it has none */
  uint32_t print = tf_trade_print(trade);
  if (in->spec->ids == TF_IN_BAND_IDS_CONSECUTIVE) return tf_trade_ids_step(ids, id, print, counts);
  bool was_here     = false;
  ids->is_continued = true;
  if (in->spec->ids == TF_IN_BAND_IDS_OPAQUE) {
    was_here = is_remembered(row, id);
  } else if (TF_LIKELY(!ids->is_known || id > ids->last)) {
    ids->last     = id;
    ids->is_known = true;
  } else {
    was_here = is_late_repeat(row, id);
  }
  if (TF_UNLIKELY(was_here)) {
    tf_trade_ids_check_print(ids, id, print, counts);
    return true;
  }
  tf_trade_ids_put_print(ids, id, print);
  row->recent[row->recent_at++ % TF_IN_BAND_RECENT_IDS] = id;
  return false;
}

/* One price of a ticker that is not said is as it was; both stand at one exponent. */
static void keep_price(int64_t *price, int64_t was, int8_t was_exp, int64_t *other, int8_t *exp) {
  if (*price != 0 || was == 0) return;
  int64_t kept = was, beside = *other;
  int8_t  both = was_exp;
  if (beside != 0 && !tf_draft_to_one_exponent(&kept, was_exp, &beside, *exp, &both)) return;
  *price = kept;
  *other = beside;
  *exp   = both;
}

/* What a ticker does not say is as it was. */
static void merge_ticker(tf_in_band_row_t *row, tf_event_t *e) {
  const tf_event_t *was = &row->ticker;
  if (row->has_ticker) {
    bool no_price = e->u.ticker.last_price == 0 && e->u.ticker.mark_price == 0;
    keep_price(&e->u.ticker.last_price, was->u.ticker.last_price, was->price_exp,
               &e->u.ticker.mark_price, &e->price_exp);
    if (no_price) {
      e->u.ticker.mark_price = was->u.ticker.mark_price;
      e->price_exp           = was->price_exp;
    } else {
      keep_price(&e->u.ticker.mark_price, was->u.ticker.mark_price, was->price_exp,
                 &e->u.ticker.last_price, &e->price_exp);
    }
    if (e->u.ticker.volume == 0) {
      e->u.ticker.volume = was->u.ticker.volume;
      e->qty_exp         = was->qty_exp;
    }
    if (e->u.ticker.funding_rate == TF_FUNDING_NONE)
      e->u.ticker.funding_rate = was->u.ticker.funding_rate;
  }
  row->ticker     = *e;
  row->has_ticker = true;
}

static tf_verdict_t on_rows(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  scan_t     *scan = in->scan;
  tf_reject_t why;
  uint32_t    allowed = 0;
  for (uint8_t kind = 0; kind < TF_EVENT_STATUS; kind++)
    if (channel_of(kind) & route->channels) allowed |= 1u << kind;
  if (TF_UNLIKELY(scan->book_cnt > 0 || (scan->kinds & ~allowed) != 0))
    return reject(in, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return reject(in, scan->why);
  if (TF_UNLIKELY(!find_symbols(in, draft, route, &why))) return reject(in, why);
  if (scan->kinds & 1u << TF_EVENT_TRADE) {
    if (in->spec->trades_come_newest_first)
      tf_draft_reverse(draft->out->events + draft->at, draft->end - draft->at);
    tf_draft_drop_repeats(draft, is_repeat, in);
  }
  while (draft->at < draft->end) {
    tf_event_t       *e   = &draft->out->events[draft->at];
    uint32_t          idx = (uint32_t)e->ingest_seq;
    tf_in_band_row_t *row = &in->rows[idx];
    if (e->kind == TF_EVENT_TICKER) merge_ticker(row, e);
    tf_draft_put(draft, &row->book.feed, (tf_event_kind_t)e->kind,
                 in->symbols.rows[idx].instrument_id);
  }
  return tf_draft_finish(draft);
}

/* The books of levels that are rows by themselves, in a message that is refused. */
TF_COLD static tf_verdict_t refuse_levels(tf_in_band_t *in, tf_draft_t *draft,
                                          const tf_in_band_route_t *route, tf_reject_t why) {
  uint32_t    lost[TF_IN_BAND_BOOKS_MAX], lost_cnt = 0;
  tf_reject_t unused;
  for (uint32_t i = draft->at; i < draft->end && lost_cnt < TF_IN_BAND_BOOKS_MAX; i++) {
    tf_json_value_t symbol = symbol_of_row(in, &draft->out->events[i], route);
    uint32_t        idx = symbol_of(in, &symbol, &unused), k = 0;
    while (k < lost_cnt && lost[k] != idx) k++;
    if (k == lost_cnt && idx != TF_SYMBOLS_NONE) lost[lost_cnt++] = idx;
  }
  if (lost_cnt == 0 && route->symbol.kind == TF_JSON_STRING)
    lost_cnt = (lost[0] = symbol_of(in, &route->symbol, &unused)) != TF_SYMBOLS_NONE;
  draft->end = draft->at;
  for (uint32_t k = 0; k < lost_cnt; k++)
    tf_book_row_lose(&in->rows[lost[k]].book, draft, in->symbols.rows[lost[k]].instrument_id, 0);
  return reject(in, why);
}

static tf_verdict_t on_levels(tf_in_band_t *in, tf_draft_t *draft,
                              const tf_in_band_route_t *route) {
  scan_t     *scan = in->scan;
  tf_reject_t why;
  if (scan->kinds & ~(1u << TF_EVENT_BOOK))
    return refuse_levels(in, draft, route, TF_REJECT_SCHEMA);
  if (TF_UNLIKELY(scan->is_bad)) return refuse_levels(in, draft, route, scan->why);
  if (TF_UNLIKELY(!find_symbols(in, draft, route, &why))) return reject(in, why);
  in->spec->on_levels(in, draft, route);
  return tf_draft_finish(draft);
}

static tf_verdict_t settle(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  switch ((tf_in_band_what_t)route->what) {
  case TF_IN_BAND_CONTROL: in->out->counts->msgs_control++; return TF_VERDICT_CONTROL;
  case TF_IN_BAND_IGNORED: return ignore(in, route);
  case TF_IN_BAND_REFUSED: return reject(in, (tf_reject_t)route->why);
  case TF_IN_BAND_DATA: break;
  }
  if (!(route->channels & in->channels)) return ignore(in, route);
  if (route->is_quote) return on_quote_book(in, draft, route);
  if (route->channels & TF_CHANNEL_BOOK) {
    if (in->spec->bridges) {
      tf_verdict_t verdict = on_bridged_book(in, draft, route);
      draft->at            = in->out->event_cnt; /* the bridge published */
      return verdict;
    }
    if (in->scan->book_cnt == 0 && in->spec->on_levels != NULL) return on_levels(in, draft, route);
    if (in->scan->book_cnt == 0) return refuse_books(in, draft, route, TF_REJECT_SCHEMA);
    return on_books(in, draft, route);
  }
  return on_rows(in, draft, route);
}

/* The rows that the scanner and the route put become events, or nothing. */
static tf_verdict_t settle_rows(tf_in_band_t *in, const tf_in_band_route_t *route) {
  tf_draft_t draft;
  tf_draft_begin(&draft, in->frame, in->out, in->json.row_cnt);
  tf_verdict_t verdict = settle(in, &draft, route);
  if (verdict != TF_VERDICT_DATA) in->out->event_cnt = draft.at; /* statuses of a refusal stand */
  return verdict;
}

/* What a venue answered over REST: its instruments, or something that a recording has and nobody needs. */
TF_COLD static tf_verdict_t on_rest(tf_in_band_t *in) {
  tf_feed_counts_t *counts = in->out->counts;
  if (tf_metadata_read(&in->symbols, in->frame->bytes, in->frame->bytes_cnt) == UINT32_MAX)
    return tf_feeds_ignore(counts, "rest", 4);
  counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

tf_verdict_t tf_in_band_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_in_band_t      *in    = state;
  scan_t            *scan  = in->scan;
  tf_in_band_route_t route = {.what = TF_IN_BAND_REFUSED, .why = TF_REJECT_UNKNOWN};
  out->counts->messages++;
  in->frame = frame;
  in->out   = out;
  in->json =
      (tf_json_t){.rows = out->events + out->event_cnt, .row_cap = out->event_cap - out->event_cnt};
  scan->book_cnt = scan->book_row_cnt = scan->kinds = 0;
  scan->is_bad                                      = false;
  for (uint32_t i = 0; i < in->spec->object_cnt; i++) scan->objects[i].seen = 0;
  if (in->spec->family) in->spec->family(in, frame);
  bool is_rest = frame->kind == TF_FRAME_HTTP;
  if (TF_UNLIKELY(is_rest) && (in->spec->takes_rest == NULL || !in->spec->takes_rest(in)))
    return on_rest(in);
  if (TF_UNLIKELY(frame->bytes_cnt == 0 || frame->bytes[0] != '{')) {
    if (in->spec->on_other && in->spec->on_other(in, frame, &route)) return settle_rows(in, &route);
  }
  tf_json_object_t *root   = &scan->objects[is_rest ? in->spec->rest_object : 0];
  tf_json_result_t  result = tf_json_read(&in->json, frame->bytes, frame->bytes_cnt, root);
  if (is_rest && result == TF_JSON_OK) on_item(&in->json, root);
  if (TF_UNLIKELY(result != TF_JSON_OK))
    return reject(in, result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  if (TF_UNLIKELY(in->json.root_kind != TF_JSON_OBJECT)) return reject(in, TF_REJECT_UNKNOWN);
  in->spec->route(in, &route);
  return settle_rows(in, &route);
}

/* ---- for routes ---- */

tf_event_t *tf_in_band_put_row(tf_in_band_t *in, tf_event_kind_t kind) {
  tf_event_t *row = tf_json_put_row(&in->json);
  in->scan->kinds |= 1u << kind;
  if (row == NULL) {
    refuse(in->scan, TF_REJECT_LIMIT);
    return NULL;
  }
  memset(row, 0, sizeof *row);
  row->ingest_seq = UINT64_MAX;
  row->kind       = (uint8_t)kind;
  return row;
}

void tf_in_band_refuse(tf_in_band_t *in, tf_reject_t why) { refuse(in->scan, why); }

void tf_in_band_break_books(tf_in_band_t *in, tf_book_state_t state, uint64_t first,
                            uint64_t last) {
  tf_feed_out_t *out = in->out;
  tf_draft_t     draft;
  tf_draft_begin(&draft, in->frame, out, 0);
  for (uint32_t i = 0; i < in->symbols.cnt; i++) {
    tf_book_row_t *row = &in->rows[i].book;
    if (row->feed.book_state == TF_BOOK_NONE) continue;
    tf_event_t *e =
        tf_draft_status(&draft, &row->feed, in->symbols.rows[i].instrument_id, state, 0);
    if (e == NULL) continue;
    e->u.status.gap_first = first;
    e->u.status.gap_last  = last;
  }
  out->event_cnt   = draft.at;
  in->json.rows    = out->events + out->event_cnt;
  in->json.row_cap = out->event_cap - out->event_cnt;
}

bool tf_in_band_put_trade(tf_in_band_t *in, const tf_json_value_t *time, tf_in_band_time_t form,
                          const tf_json_value_t *price, const tf_json_value_t *qty,
                          const tf_json_value_t *side, uint64_t id) {
  scan_t     *scan  = in->scan;
  tf_event_t *row   = tf_json_put_row(&in->json);
  int         taker = side_of(in->spec, side);
  scan->kinds |= 1u << TF_EVENT_TRADE;
  if (row == NULL) refuse(scan, TF_REJECT_LIMIT);
  if (taker == 0) refuse(scan, TF_REJECT_SCHEMA);
  if (row == NULL || taker == 0) return false;
  tf_decimal_result_t price_is =
      tf_decimal_parse(price->bytes, price->bytes_cnt, &row->u.trade.price, &row->price_exp);
  tf_decimal_result_t qty_is =
      tf_decimal_parse(qty->bytes, qty->bytes_cnt, &row->u.trade.qty, &row->qty_exp);
  bool is_good = price_is == TF_DECIMAL_OK && qty_is == TF_DECIMAL_OK && row->u.trade.price >= 0 &&
                 row->u.trade.qty >= 0;
  if (!is_good) refuse(scan, TF_REJECT_NUMBER);
  row->ts_event_ns = time_of(in, time, form);
  row->flags       = tf_draft_time_flags(row->ts_event_ns, in->frame->recv_ns);
  if (taker < 0) row->flags |= TF_FLAG_SIDE;
  row->u.trade.id       = id;
  row->u.trade.reserved = 0;
  row->ingest_seq       = UINT64_MAX;
  row->kind             = TF_EVENT_TRADE;
  return is_good;
}

/* The two numbers that "[price, qty, ..]" begins with. */
static bool take_pair(scan_t *scan, const tf_json_value_t *text, tf_json_value_t pair[2]) {
  tf_json_array_t array;
  tf_json_value_t element;
  tf_json_array_init(&array, text->bytes, text->kind == TF_JSON_ARRAY ? text->bytes_cnt : 0);
  for (uint32_t i = 0; i < 2; i++) {
    pair[i] = (tf_json_value_t){.made = TF_JSON_MADE_DECIMAL};
    if (!tf_json_array_next(&array, &element)) {
      refuse(scan, TF_REJECT_SCHEMA);
      return false;
    }
    if (tf_json_array_decimal(&element, &pair[i].as.mantissa, &pair[i].exp) != TF_DECIMAL_OK ||
        pair[i].as.mantissa < 0) {
      refuse(scan, TF_REJECT_NUMBER);
      return false;
    }
  }
  return true;
}

bool tf_in_band_put_quote(tf_in_band_t *in, uint64_t ts_ns, const tf_json_value_t *bid,
                          const tf_json_value_t *ask) {
  scan_t         *scan = in->scan;
  tf_event_t     *row  = tf_json_put_row(&in->json);
  tf_json_value_t b[2], a[2];
  scan->kinds |= 1u << TF_EVENT_QUOTE;
  if (row == NULL) refuse(scan, TF_REJECT_LIMIT);
  if (row == NULL || !take_pair(scan, bid, b) || !take_pair(scan, ask, a)) return false;
  bool is_good = tf_draft_set_quote(row, &b[0], &b[1], &a[0], &a[1]);
  if (!is_good) refuse(scan, TF_REJECT_NUMBER);
  row->ts_event_ns   = ts_ns;
  row->flags         = ts_ns == 0 ? 0 : tf_draft_time_flags(ts_ns, in->frame->recv_ns);
  row->ingest_seq    = UINT64_MAX;
  row->instrument_id = 0;
  row->kind          = TF_EVENT_QUOTE;
  return is_good;
}

void tf_in_band_put_ticker(tf_in_band_t *in, const tf_json_value_t *mark,
                           const tf_json_value_t *funding, uint32_t object, uint32_t time,
                           tf_in_band_time_t form) {
  const tf_json_value_t *at  = tf_in_band_value(in, object, time);
  tf_event_t            *row = tf_json_put_row(&in->json);
  if (row == NULL) {
    refuse(in->scan, TF_REJECT_LIMIT);
    return;
  }
  memset(row, 0, sizeof *row);
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
  bool is_good = (mark == NULL || (mark->made == TF_JSON_MADE_DECIMAL && mark->as.mantissa >= 0)) &&
                 (funding == NULL || funding->made == TF_JSON_MADE_DECIMAL);
  if (!is_good) refuse(in->scan, TF_REJECT_NUMBER);
  if (is_good && mark != NULL) {
    row->u.ticker.mark_price = mark->as.mantissa;
    row->price_exp           = mark->exp;
  }
  if (is_good && funding != NULL) row->u.ticker.funding_rate = tf_draft_funding_rate(funding);
  row->ts_event_ns = at != NULL ? time_of(in, at, form) : 0;
  row->flags       = tf_draft_time_flags(row->ts_event_ns, in->frame->recv_ns);
  row->ingest_seq  = UINT64_MAX;
  row->kind        = TF_EVENT_TICKER;
  in->scan->kinds |= 1u << TF_EVENT_TICKER;
}

const tf_json_value_t *tf_in_band_value(const tf_in_band_t *in, uint32_t object, uint32_t key) {
  const tf_json_object_t *o = &in->scan->objects[object];
  return o->seen & BIT(key) ? &o->values[key] : NULL;
}

bool tf_in_band_is(const tf_in_band_t *in, uint32_t object, uint32_t key, const char *text) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  return v != NULL && tf_json_text_is(v, text, strlen(text));
}

bool tf_in_band_u64(const tf_in_band_t *in, uint32_t object, uint32_t key, uint64_t *number) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  return v != NULL && digits_of(in, v, number);
}

uint64_t tf_in_band_time(const tf_in_band_t *in, uint32_t object, uint32_t key,
                         tf_in_band_time_t form) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  return v != NULL ? time_of(in, v, form) : 0;
}

void tf_in_band_complain(tf_in_band_t *in, uint32_t object, uint32_t key) {
  const tf_json_value_t *v = tf_in_band_value(in, object, key);
  if (v != NULL && (v->kind == TF_JSON_STRING || v->made == TF_JSON_MADE_NONE))
    tf_feeds_note_error(&in->head, v->bytes, v->bytes_cnt);
}

bool tf_in_band_reply(tf_in_band_t *in, const char *text, size_t text_bytes) {
  if (text_bytes >= sizeof in->out->reply) return false;
  memcpy(in->out->reply, text, text_bytes);
  in->out->reply[text_bytes] = '\0';
  in->out->reply_bytes_cnt   = (uint32_t)text_bytes;
  return true;
}

void tf_in_band_answer(tf_in_band_t *in, uint64_t request_id, uint32_t channel,
                       const tf_json_value_t *symbol, bool is_refusal) {
  tf_feed_out_t *out = in->out;
  tf_reject_t    unused;
  if (out->answer_cnt == TF_ANSWERS_MAX) return;
  uint32_t idx                    = symbol != NULL && symbol->kind == TF_JSON_STRING
                                        ? tf_symbols_of(&in->symbols, symbol, false, &unused)
                                        : TF_SYMBOLS_NONE;
  out->answers[out->answer_cnt++] = (tf_feed_answer_t){
      .request_id    = request_id,
      .channel       = channel,
      .instrument_id = idx == TF_SYMBOLS_NONE ? UINT32_MAX : in->symbols.rows[idx].instrument_id,
      .is_refusal    = is_refusal};
}

tf_json_value_t tf_in_band_part(const tf_json_value_t *text, char by, uint32_t n, bool to_end) {
  tf_json_value_t part = *text;
  for (;; n--) {
    const char *stop = memchr(part.bytes, by, part.bytes_cnt);
    uint32_t    cnt  = stop != NULL ? (uint32_t)(stop - part.bytes) : part.bytes_cnt;
    if (n == 0) {
      if (!to_end) part.bytes_cnt = cnt;
      return part;
    }
    part.bytes += cnt + (stop != NULL);
    part.bytes_cnt -= cnt + (stop != NULL);
  }
}

bool tf_in_band_is_target(const tf_in_band_t *in, const char *path) {
  const char *target = in->frame->target;
  size_t      n = strlen(path), target_bytes = target != NULL ? strcspn(target, "?#") : 0;
  return target_bytes >= n && memcmp(target + target_bytes - n, path, n) == 0;
}

void tf_in_band_symbol_of_target(tf_in_band_t *in, const char *key, tf_in_band_route_t *route) {
  char *text = in->target_symbol;
  memset(text, 0, sizeof in->target_symbol);
  size_t n           = tf_symbols_in_target(in->frame->target, key, text, TF_SYMBOL_BYTES_MAX - 1);
  route->symbol      = (tf_json_value_t){.bytes = text, .bytes_cnt = (uint32_t)n};
  route->symbol.kind = TF_JSON_STRING;
}

uint32_t tf_in_band_row_idx(const tf_in_band_t *in, uint32_t instrument_id) {
  for (uint32_t i = 0; i < in->symbols.cnt; i++)
    if (in->symbols.rows[i].instrument_id == instrument_id) return i;
  return TF_SYMBOLS_NONE;
}

/* ---- lifetime ---- */

void tf_in_band_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_in_band_t *in = state;
  for (uint32_t i = 0; i < in->symbols.cnt; i++) {
    tf_in_band_row_t *row              = &in->rows[i];
    row->book.feed.trades.is_continued = false;
    row->has_ticker                    = false;
    if (!(in->channels & TF_CHANNEL_BOOK)) continue;
    uint32_t id = in->symbols.rows[i].instrument_id;
    if (in->spec->bridges) {
      row->book.feed.ordinal = 0;
      tf_bridge_restart(&row->bridge, &in->pool, id, now_ns, out);
    } else {
      tf_book_row_restart(&row->book, out, id, now_ns);
    }
  }
}

void tf_in_band_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns,
                          tf_feed_out_t *out) {
  tf_in_band_t *in  = state;
  uint32_t      idx = tf_in_band_row_idx(in, instrument_id);
  if (idx == TF_SYMBOLS_NONE || !(in->channels & TF_CHANNEL_BOOK)) return;
  if (in->spec->bridges) {
    tf_bridge_lose(&in->rows[idx].bridge, &in->pool, instrument_id, now_ns, out);
    return;
  }
  tf_frame_t frame = {.recv_ns = now_ns};
  tf_draft_t draft;
  tf_draft_begin(&draft, &frame, out, 0);
  tf_book_row_lose(&in->rows[idx].book, &draft, instrument_id, 0);
  out->event_cnt = draft.at;
}

tf_err_t tf_in_band_symbol(void *state, const char *text, uint32_t *symbol,
                           uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((tf_in_band_t *)state)->symbols, text, symbol, instrument_id);
}

typedef struct {
  uint32_t row_cap, depth_max, slab_cnt, pending_cap;
  size_t scan_at, rows_at, recent_at, symbols_at, mirrors_at, mirror_bytes, pool_at, own_at, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config, const tf_in_band_spec_t *spec) {
  layout_t l;
  bool     has_books = spec->depth_max > 0 && (config->channels & TF_CHANNEL_BOOK);
  uint32_t asked     = config->book_depth > 0 ? config->book_depth : spec->depth_default;
  l.row_cap          = tf_symbols_cap_of(config);
  l.depth_max        = !has_books ? 0 : config->symbol_cnt == 0 ? spec->depth_max : asked;
  size_t recent =
      spec->ids == TF_IN_BAND_IDS_CONSECUTIVE ? 0 : TF_IN_BAND_RECENT_IDS * sizeof(uint64_t);
  l.scan_at    = tf_align_up(sizeof(tf_in_band_t), TF_LINE_BYTES);
  l.rows_at    = l.scan_at + tf_align_up(sizeof(scan_t), TF_LINE_BYTES);
  l.recent_at  = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_in_band_row_t), TF_LINE_BYTES);
  l.symbols_at = l.recent_at + tf_align_up(l.row_cap * recent, TF_LINE_BYTES);
  l.mirrors_at = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.mirror_bytes =
      l.depth_max == 0 ? 0 : tf_align_up(tf_depth_mirror_bytes(l.depth_max), TF_LINE_BYTES);
  l.slab_cnt = !spec->bridges ? 0 : l.row_cap < TF_CHAIN_SLABS_MAX ? l.row_cap : TF_CHAIN_SLABS_MAX;
  l.pending_cap = config->pending_cap > 0 ? config->pending_cap : TF_IN_BAND_PENDING_DEFAULT;
  l.pool_at     = l.mirrors_at + l.row_cap * l.mirror_bytes;
  l.own_at = l.pool_at + tf_align_up(tf_chain_pool_bytes(l.slab_cnt, l.pending_cap), TF_LINE_BYTES);
  l.bytes  = l.own_at + tf_align_up(spec->own_bytes, TF_LINE_BYTES);
  return l;
}

size_t tf_in_band_state_bytes(const tf_feed_config_t *config, const tf_in_band_spec_t *spec) {
  return layout_of(config, spec).bytes;
}

static void scan_init(tf_in_band_t *in) {
  const tf_in_band_spec_t *spec = in->spec;
  scan_t                  *scan = in->scan;
  memset(scan, 0, sizeof *scan);
  for (uint32_t i = 0; i < spec->object_cnt; i++) {
    const tf_in_band_object_t *o = &spec->objects[i];
    TF_ASSERT(o->key_cnt <= TF_IN_BAND_KEYS_MAX && o->child < spec->object_cnt);
    scan->shapes[i] = (tf_json_shape_t){o->keys, o->key_cnt};
    tf_json_orders_init(&scan->orders[i]);
    scan->objects[i] = (tf_json_object_t){.shape   = &scan->shapes[i],
                                          .orders  = &scan->orders[i],
                                          .values  = scan->values[i],
                                          .child   = o->child ? &scan->objects[o->child] : NULL,
                                          .second  = o->second ? &scan->objects[o->second] : NULL,
                                          .on_item = on_item,
                                          .self    = in};
  }
}

static tf_err_t check_depth(const tf_in_band_spec_t *spec, uint32_t depth) {
  char   text[128];
  size_t cnt = 0;
  if (depth == 0) return TF_OK;
  if (spec->depths == NULL) {
    if (spec->depth_max == 0 || depth <= spec->depth_max) return TF_OK;
    return TF_ERR(E_CONFIG_VALUE, "book_depth %u: %s has up to %u", depth, spec->suffix,
                  spec->depth_max);
  }
  for (const uint32_t *d = spec->depths; *d != 0; d++) {
    if (*d == depth) return TF_OK;
    int n = snprintf(text + cnt, sizeof text - cnt, "%s%u", cnt > 0 ? ", " : "", *d);
    if (n > 0 && (size_t)n < sizeof text - cnt) cnt += (size_t)n;
  }
  return TF_ERR(E_CONFIG_VALUE, "book_depth %u: %s has %s", depth, spec->suffix, text);
}

tf_err_t tf_in_band_init(void *state, const tf_feed_config_t *config,
                         const tf_in_band_spec_t *spec) {
  tf_in_band_t *in     = state;
  uint8_t      *memory = state;
  layout_t      l      = layout_of(config, spec);
  tf_err_t      err    = check_depth(spec, config->book_depth);
  if (err != TF_OK) return err;
  if (config->pending_cap > PENDING_CAP_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "%u pending deltas: %u are the most", config->pending_cap,
                  PENDING_CAP_MAX);
  memset(memory, 0, l.symbols_at);
  memset(memory + l.own_at, 0, l.bytes - l.own_at);
  in->spec     = spec;
  in->channels = config->channels;
  in->depth    = config->book_depth > 0 ? config->book_depth : spec->depth_default;
  in->scan     = (scan_t *)(void *)(memory + l.scan_at);
  in->rows     = (tf_in_band_row_t *)(void *)(memory + l.rows_at);
  in->own      = spec->own_bytes > 0 ? memory + l.own_at : NULL;
  scan_init(in);
  if (spec->bridges) tf_chain_pool_init(&in->pool, memory + l.pool_at, l.slab_cnt, l.pending_cap);
  uint64_t *recent = (uint64_t *)(void *)(memory + l.recent_at);
  for (uint32_t i = 0; i < l.row_cap; i++) {
    tf_in_band_row_t *row = &in->rows[i];
    tf_feed_row_init(&row->book.feed);
    tf_bridge_row_init(&row->bridge);
    if (l.mirror_bytes > 0)
      tf_depth_mirror_init(&row->book.mirror, memory + l.mirrors_at + i * l.mirror_bytes,
                           l.depth_max);
    row->book.depth_known        = config->symbol_cnt > 0;
    row->book.for_checksums_only = spec->deletes_what_falls_out;
    if (spec->ids != TF_IN_BAND_IDS_CONSECUTIVE) row->recent = recent + i * TF_IN_BAND_RECENT_IDS;
  }
  err = tf_symbols_init(&in->symbols, memory + l.symbols_at, l.row_cap, config->instruments,
                        spec->suffix);
  if (err == TF_OK)
    err = tf_symbols_ask(&in->symbols, config->symbols, config->symbol_cnt, spec->spelling);
  in->asked_cnt = in->symbols.cnt;
  return err;
}
