#include <strings.h>

#include "feed/in_band_scan.h"
#include "wire/rfc3339.h"

/* Items become rows, while the scanner runs. */

static bool has(const tf_json_object_t *object, uint32_t key) {
  return key != 0 && (object->seen & TF_IN_BAND_BIT(key)) != 0 &&
         object->values[key].kind != TF_JSON_NULL;
}

/* A number that is there and is not negative. */
TF_INLINE bool take_number(tf_in_band_scan_t *scan, const tf_json_object_t *object, uint32_t key) {
  const tf_json_value_t *v = &object->values[key];
  if (TF_LIKELY(has(object, key) && v->made == TF_JSON_MADE_DECIMAL && v->as.mantissa >= 0))
    return true;
  bool is_number = has(object, key) && v->made != TF_JSON_MADE_NONE;
  tf_in_band_scan_refuse(scan, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
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

uint64_t tf_in_band_time_of(const tf_in_band_t *in, const tf_json_value_t *v,
                            tf_in_band_time_t form) {
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
      tf_decimal_parse_padded(v->bytes, v->bytes_cnt, &mantissa, &exp) != TF_DECIMAL_OK)
    return 0;
  return scale_time(mantissa, exp, unit_exps[form]);
}

/* An item's time; BAD_TS where it is none or in the future. Without the key: 0, and the route's will do. */
static uint64_t take_time(tf_in_band_t *in, const tf_in_band_item_t *form,
                          const tf_json_object_t *object, uint8_t *flags) {
  *flags = 0;
  if (!has(object, form->time)) return 0;
  uint64_t ns =
      tf_in_band_time_of(in, &object->values[form->time], (tf_in_band_time_t)form->time_form);
  *flags = tf_draft_time_flags(ns, in->frame->recv_ns);
  return ns;
}

/* Of more than 16 digits. */
TF_COLD static bool digits_of_wide(const tf_json_value_t *v, uint64_t *number) {
  *number = 0;
  for (uint32_t i = 0; i < v->bytes_cnt; i++) {
    uint8_t digit = (uint8_t)(v->bytes[i] - '0');
    if (digit > 9) return false;
    *number = *number * 10 + digit;
  }
  return true;
}

bool tf_in_band_digits_of(const tf_in_band_t *in, const tf_json_value_t *v, uint64_t *number) {
  if (v->made == TF_JSON_MADE_U64) {
    *number = tf_json_u64(&in->json, v);
    return true;
  }
  if ((v->kind != TF_JSON_STRING && v->kind != TF_JSON_NUMBER) || v->made != TF_JSON_MADE_NONE ||
      v->bytes_cnt == 0)
    return false;
  if (TF_UNLIKELY(v->bytes_cnt > 16)) return digits_of_wide(v, number);
  *number = tf_decimal_digits_swar_(v->bytes, v->bytes_cnt);
  return (tf_decimal_breaks_(v->bytes) & ((1u << v->bytes_cnt) - 1)) == 0;
}

/* Whose a row is, until the message is known to be good: where its symbol stands, of which form it is, and of
 * what kind. */
static void park(tf_in_band_t *in, const tf_in_band_item_t *form, const tf_json_object_t *object,
                 tf_event_t *row) {
  const tf_json_value_t *symbol = &object->values[form->symbol];
  bool                   is_own = has(object, form->symbol) && symbol->kind == TF_JSON_STRING;
  if (form->symbol != 0 && !is_own) tf_in_band_scan_refuse(in->scan, TF_REJECT_SCHEMA);
  uint32_t at        = is_own ? (uint32_t)(symbol->bytes - in->frame->bytes) : TF_IN_BAND_NOWHERE;
  row->ingest_seq    = (uint64_t)(form - in->spec->items) << 32 | at;
  row->instrument_id = is_own ? symbol->bytes_cnt << 1 | (symbol->escaped != 0) : 0;
  row->kind          = form->kind;
  in->scan->kinds |= 1u << form->kind;
}

/* ---- ids that are names ---- */

#define UUID_BYTES  36u /* 8-4-4-4-12 hexadecimal digits */
#define UUID_DASHES (1ull << 8 | 1ull << 13 | 1ull << 18 | 1ull << 23) /* where the others stand */

#if defined(__SSE2__)
/* A bit for each of the 16 bytes at p that is a hexadecimal digit. */
static uint64_t hex_digits(const char *p) {
  __m128i v        = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i digit    = _mm_sub_epi8(v, _mm_set1_epi8('0'));
  __m128i word     = _mm_sub_epi8(_mm_or_si128(v, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
  __m128i is_word  = _mm_cmpeq_epi8(_mm_min_epu8(word, _mm_set1_epi8(5)), word);
  return (uint32_t)_mm_movemask_epi8(_mm_or_si128(is_digit, is_word));
}
#else
static uint64_t hex_digits(const char *p) {
  uint64_t digits = 0;
  for (uint32_t i = 0; i < 16; i++) {
    uint8_t digit = (uint8_t)(p[i] - '0'), word = (uint8_t)((p[i] | 0x20) - 'a');
    digits |= (uint64_t)(digit <= 9 || word <= 5) << i;
  }
  return digits;
}
#endif

static bool is_uuid(const tf_json_value_t *v) {
  const char *p = v->bytes;
  if (v->bytes_cnt != UUID_BYTES) return false;
  uint64_t digits = hex_digits(p) | hex_digits(p + 16) << 16 | hex_digits(p + 20) << 20;
  return digits == (((1ull << UUID_BYTES) - 1) & ~UUID_DASHES) && p[8] == '-' && p[13] == '-' &&
         p[18] == '-' && p[23] == '-';
}

/* Eight hexadecimal digits, the first in the lowest byte, as a number. */
static uint64_t hex_eight(uint64_t digits) {
  uint64_t v =
      (digits & UINT64_C(0x0f0f0f0f0f0f0f0f)) + 9 * (digits >> 6 & UINT64_C(0x0101010101010101));
  v = (v << 4 | v >> 8) & UINT64_C(0x00ff00ff00ff00ff);
  v = (v << 8 | v >> 16) & UINT64_C(0x0000ffff0000ffff);
  return (v << 16 | v >> 32) & UINT64_C(0xffffffff);
}

/* The id of a trade that the venue may give a name instead of a number: of a UUID, one number, the low 64 bits, of
 * any other text its FNV-1a (64 bit). */
static uint64_t id_of_text(const tf_in_band_t *in, const tf_json_value_t *v) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325), number;
  uint32_t front, middle;
  if (is_uuid(v)) {
    memcpy(&front, v->bytes + 19, 4);
    memcpy(&middle, v->bytes + 24, 4);
    return hex_eight((uint64_t)middle << 32 | front) << 32 |
           hex_eight(tf_decimal_load8_(v->bytes + 28));
  }
  if (tf_in_band_digits_of(in, v, &number)) return number;
  for (uint32_t i = 0; i < v->bytes_cnt; i++)
    hash = (hash ^ (uint8_t)v->bytes[i]) * UINT64_C(0x100000001b3);
  return hash;
}

static bool is_word(const tf_json_value_t *text, const char *word) {
  size_t n = strlen(word);
  return text->bytes_cnt == n && strncasecmp(text->bytes, word, n) == 0;
}

/* Up to eight letters as one number, small or not; 0: more, or none. */
static uint64_t letters_of(const char *text, size_t bytes) {
  if (bytes == 0 || bytes > 8) return 0;
  uint64_t letters = 0;
  memcpy(&letters, text, bytes);
  return letters | UINT64_C(0x2020202020202020) >> (64 - 8 * bytes);
}

void tf_in_band_scan_words(tf_in_band_t *in) {
  in->buy_letters  = in->spec->buy ? letters_of(in->spec->buy, strlen(in->spec->buy)) : 0;
  in->sell_letters = in->spec->sell ? letters_of(in->spec->sell, strlen(in->spec->sell)) : 0;
}

int tf_in_band_side_of(const tf_in_band_t *in, const tf_json_value_t *side) {
  if (side->kind != TF_JSON_STRING || side->escaped) return 0;
  uint64_t letters = tf_decimal_load8_(side->bytes) | UINT64_C(0x2020202020202020);
  if (TF_UNLIKELY(side->bytes_cnt == 0 || side->bytes_cnt > 8)) return 0;
  letters &= UINT64_MAX >> (64 - 8 * side->bytes_cnt);
  int named = letters == in->buy_letters ? 1 : letters == in->sell_letters ? -1 : 0;
  return in->spec->side_is_maker ? -named : named;
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
  tf_in_band_scan_t     *scan = in->scan;
  const tf_json_value_t *v    = object->values;
  tf_event_t            *row  = tf_json_put_row(&in->json);
  int64_t                qty;
  bool                   is_sell;
  if (row == NULL || !take_number(scan, object, form->price) ||
      !take_qty(in, form, object, &qty, &is_sell))
    return;
  int side = form->side == 0           ? (is_sell ? -1 : 1)
             : has(object, form->side) ? tf_in_band_side_of(in, &v[form->side])
                                       : 0;
  if (side == 0) tf_in_band_scan_refuse(scan, TF_REJECT_SCHEMA);
  uint64_t id = 0;
  if (!has(object, form->id)) {
    tf_in_band_scan_refuse(scan, TF_REJECT_SCHEMA);
  } else if (in->spec->ids == TF_IN_BAND_IDS_OPAQUE) {
    id = id_of_text(in, &v[form->id]);
  } else if (!tf_in_band_digits_of(in, &v[form->id], &id)) {
    tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
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
static const tf_json_value_t *side_or_nobody(tf_in_band_scan_t      *scan,
                                             const tf_json_object_t *object, uint32_t key) {
  static const tf_json_value_t nobody = {.made = TF_JSON_MADE_DECIMAL};
  if (!has(object, key)) return &nobody;
  const tf_json_value_t *v = &object->values[key];
  if (v->kind == TF_JSON_STRING && v->made != TF_JSON_MADE_DECIMAL && v->bytes_cnt == 0)
    return &nobody;
  return take_number(scan, object, key) ? v : &nobody;
}

static void put_quote(tf_in_band_t *in, const tf_in_band_item_t *form,
                      const tf_json_object_t *object) {
  tf_in_band_scan_t     *scan    = in->scan;
  tf_event_t            *row     = tf_json_put_row(&in->json);
  const tf_json_value_t *bid     = side_or_nobody(scan, object, form->bid);
  const tf_json_value_t *ask     = side_or_nobody(scan, object, form->ask);
  const tf_json_value_t *bid_qty = side_or_nobody(scan, object, form->bid_qty);
  const tf_json_value_t *ask_qty = side_or_nobody(scan, object, form->ask_qty);
  if (row == NULL) return;
  row->ts_event_ns = take_time(in, form, object, &row->flags);
  row->ts_recv_ns  = 0;
  if (has(object, form->last_seq) &&
      !tf_in_band_digits_of(in, &object->values[form->last_seq], &row->ts_recv_ns))
    row->ts_recv_ns = 0; /* its time will do */
  if (!tf_draft_set_quote(row, bid, bid_qty, ask, ask_qty))
    tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
  park(in, form, object, row);
}

/* One price of a ticker that may lack it, or send "" for it. */
static bool take_price(tf_in_band_scan_t *scan, const tf_json_object_t *object, uint32_t key,
                       int64_t *price, int8_t *exp) {
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
  tf_in_band_scan_t *scan = in->scan;
  tf_event_t        *row  = tf_json_put_row(&in->json);
  if (row == NULL) return;
  memset(&row->u, 0, sizeof row->u);
  row->price_exp = row->qty_exp = 0;
  row->ts_recv_ns               = 0;
  row->ts_event_ns              = take_time(in, form, object, &row->flags);
  int8_t mark_exp               = 0;
  bool has_last = take_price(scan, object, form->last, &row->u.ticker.last_price, &row->price_exp);
  bool has_mark = take_price(scan, object, form->mark, &row->u.ticker.mark_price, &mark_exp);
  if (has_mark && !has_last) row->price_exp = mark_exp;
  if (has_mark && has_last &&
      !tf_draft_to_one_exponent(&row->u.ticker.last_price, row->price_exp,
                                &row->u.ticker.mark_price, mark_exp, &row->price_exp))
    tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
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
  m->has_seq =
      has(object, form->last_seq) && tf_in_band_digits_of(in, &v[form->last_seq], &m->last_seq);
  m->first_seq = m->last_seq;
  if (has(object, form->first_seq) && !tf_in_band_digits_of(in, &v[form->first_seq], &m->first_seq))
    m->has_seq = false;
  m->has_previous =
      has(object, form->previous) && tf_in_band_digits_of(in, &v[form->previous], &m->previous);
  if (has(object, form->last_seq) && !m->has_seq)
    tf_in_band_scan_refuse(in->scan, TF_REJECT_NUMBER);
}

/* A CRC-32 that venues write with or without sign. */
static bool take_checksum(const tf_in_band_t *in, const tf_json_value_t *v, uint32_t *checksum) {
  uint64_t number;
  if (v->made == TF_JSON_MADE_DECIMAL && v->exp == 0) {
    *checksum = (uint32_t)v->as.mantissa;
    return v->as.mantissa >= INT32_MIN && v->as.mantissa <= UINT32_MAX;
  }
  bool ok   = tf_in_band_digits_of(in, v, &number) && number <= UINT32_MAX;
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
    tf_in_band_scan_refuse(in->scan, TF_REJECT_SCHEMA);
  else if (tf_decimal_parse_padded(part[0].bytes, part[0].bytes_cnt, &row->u.level.price,
                                   &row->price_exp) != TF_DECIMAL_OK ||
           tf_decimal_parse_padded(part[2].bytes, part[2].bytes_cnt, &row->u.level.qty,
                                   &row->qty_exp) != TF_DECIMAL_OK ||
           row->u.level.price < 0 || row->u.level.qty < 0)
    tf_in_band_scan_refuse(in->scan, TF_REJECT_NUMBER);
  (is_buy ? bids : asks)->as.levels.cnt = 1;
}

static bool are_levels(const tf_json_value_t *side) {
  return side->made == TF_JSON_MADE_LEVELS || side->made == TF_JSON_MADE_ITEMS;
}

static void put_book(tf_in_band_t *in, const tf_in_band_item_t *form,
                     const tf_json_object_t *object) {
  tf_in_band_scan_t      *scan  = in->scan;
  const tf_json_object_t *sides = form->sides ? &scan->objects[form->sides] : object;
  if (scan->book_cnt == TF_IN_BAND_BOOKS_MAX) {
    in->json.result = TF_JSON_LIMIT;
    return;
  }
  const tf_json_value_t empty = {.what = 0};
  tf_in_band_book_t    *b     = &scan->books[scan->book_cnt++];
  memset(&b->message, 0, sizeof b->message);
  bool has_bids = has(sides, form->bids),
       has_asks = form->sides_by_place ? has_bids : has(sides, form->asks);
  b->bids       = has_bids ? sides->values[form->bids] : empty;
  b->asks       = has_asks ? sides->values[form->asks] : empty;
  if (form->change != 0) put_change(in, &object->values[form->change], &b->bids, &b->asks);
  if ((has_bids && !are_levels(&b->bids)) || (has_asks && !are_levels(&b->asks))) {
    bool is_number = b->bids.made == TF_JSON_MADE_BAD || b->asks.made == TF_JSON_MADE_BAD;
    tf_in_band_scan_refuse(scan, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
    b->bids = b->asks = empty;
  }
  b->rows_before     = scan->book_row_cnt;
  b->row_cnt         = in->json.row_cnt - scan->book_row_cnt;
  scan->book_row_cnt = in->json.row_cnt;
  bool is_own = has(object, form->symbol) && object->values[form->symbol].kind == TF_JSON_STRING;
  b->symbol   = is_own ? object->values[form->symbol] : empty;
  if (form->symbol != 0 && !is_own) tf_in_band_scan_refuse(scan, TF_REJECT_SCHEMA);
  tf_book_message_t *m = &b->message;
  m->bid_cnt           = b->bids.as.levels.cnt;
  m->ask_cnt           = b->asks.as.levels.cnt;
  if (m->bid_cnt + m->ask_cnt != b->row_cnt) tf_in_band_scan_refuse(scan, TF_REJECT_SCHEMA);
  b->has_time = has(object, form->time);
  m->ts_ns    = take_time(in, form, object, &b->ts_flags);
  take_sequences(in, form, object, m);
  m->has_checksum = has(object, form->checksum);
  if (m->has_checksum && !take_checksum(in, &object->values[form->checksum], &m->checksum))
    tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
}

/* One level by itself. */
static void put_level_row(tf_in_band_t *in, const tf_in_band_item_t *form,
                          const tf_json_object_t *object) {
  tf_in_band_scan_t     *scan = in->scan;
  const tf_json_value_t *v    = object->values;
  tf_event_t            *row  = tf_json_put_row(&in->json);
  if (row == NULL) return;
  memset(&row->u, 0, sizeof row->u);
  int side = has(object, form->side) ? tf_in_band_side_of(in, &v[form->side]) : 0;
  if (side == 0 || !has(object, form->id)) tf_in_band_scan_refuse(scan, TF_REJECT_SCHEMA);
  if (has(object, form->id) && !tf_in_band_digits_of(in, &v[form->id], &row->u.level.venue_seq))
    tf_in_band_scan_refuse(scan, TF_REJECT_NUMBER);
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

static void put_item(tf_in_band_t *in, const tf_in_band_item_t *form,
                     const tf_json_object_t *object) {
  switch (form->kind) {
  case TF_EVENT_TRADE: put_trade(in, form, object); break;
  case TF_EVENT_QUOTE: put_quote(in, form, object); break;
  case TF_EVENT_TICKER: put_ticker(in, form, object); break;
  case TF_IN_BAND_LEVEL: put_level(in, form, object); break;
  case TF_IN_BAND_OWN: form->put(in, object); break;
  default:
    if (form->bids != 0 || form->change != 0)
      put_book(in, form, object);
    else
      put_level_row(in, form, object);
    break;
  }
}

/* Which forms an object's keys are of. */
static uint32_t forms_of(const tf_in_band_spec_t *spec, uint32_t place, uint64_t seen) {
  uint32_t forms = 0;
  for (uint32_t i = 0; i < spec->item_cnt; i++) {
    const tf_in_band_item_t *form = &spec->items[i];
    if (form->object == place && (seen & (form->marks | form->lacks)) == form->marks &&
        (form->any == 0 || (seen & form->any) != 0))
      forms |= 1u << i;
  }
  return forms;
}

void tf_in_band_on_item(tf_json_t *json, tf_json_object_t *object) {
  tf_in_band_t            *in    = object->self;
  tf_in_band_scan_t       *scan  = in->scan;
  const tf_in_band_spec_t *spec  = in->spec;
  uint32_t                 place = (uint32_t)(object - scan->objects);
  uint64_t                 seen  = object->seen;
  tf_in_band_forms_t *known = &scan->forms[(seen + place) * UINT64_C(0x9e3779b97f4a7c15) >> 60];
  if (TF_UNLIKELY(known->seen != seen || known->place != place + 1))
    *known = (tf_in_band_forms_t){seen, place + 1, forms_of(spec, place, seen)};
  for (uint32_t left = known->forms; left != 0; left &= left - 1)
    put_item(in, &spec->items[__builtin_ctz(left)], object);
  const tf_in_band_object_t *o =
      &spec->objects[place]; /* the next item may not have what this one had */
  if (o->child) scan->objects[o->child].seen = 0;
  if (o->second) scan->objects[o->second].seen = 0;
  (void)json;
}
TF_STATIC_ASSERT(TF_IN_BAND_FORMS_KNOWN == 16, "the top four bits of the product");
