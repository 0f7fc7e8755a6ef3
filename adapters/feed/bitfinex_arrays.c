/* Bitfinex's arrays (bitfinex.c): read in one pass, as tuples. What an array's items are, its channel says, whose number
 * stands in front: so it is looked at before the array is read. */

#include "feed/bitfinex_state.h"
#include "wire/json_skip.h"

#define CHECKSUM_LEVELS 25u
#define SEQUENCE_NEAR   1000u /* a sequence so little back is a repeat, else the venue starts over */

/* A row of items, an item, a text, a number without sign. */
#define PART TF_JSON_PLACE(TF_JSON_WANT_ITEM)
const tf_json_key_t tf_bitfinex_array_places[BITFINEX_PARTS_MAX + 1] = {
    TF_JSON_PLACE(TF_JSON_WANT_U64), /* the channel */
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART,
    PART};

enum { TRADE_ID, TRADE_MS, TRADE_AMOUNT, TRADE_PRICE };
const tf_json_key_t tf_bitfinex_trade_places[BITFINEX_TRADE_CNT] = {
    [TRADE_ID]     = TF_JSON_PLACE(TF_JSON_WANT_U64),
    [TRADE_MS]     = TF_JSON_PLACE(TF_JSON_WANT_U64),
    [TRADE_AMOUNT] = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    [TRADE_PRICE]  = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
};

enum { LEVEL_PRICE, LEVEL_ORDERS, LEVEL_AMOUNT };
const tf_json_key_t tf_bitfinex_level_places[BITFINEX_LEVEL_CNT] = {
    [LEVEL_PRICE]  = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    [LEVEL_ORDERS] = TF_JSON_PLACE(TF_JSON_WANT_U64),
    [LEVEL_AMOUNT] = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
};

/* [BID, BID_SIZE, ASK, ASK_SIZE, CHANGE, CHANGE_RELATIVE, LAST, VOLUME, HIGH, LOW] */
enum { TICKER_LAST = 6, TICKER_VOLUME };
const tf_json_key_t tf_bitfinex_ticker_places[BITFINEX_TICKER_CNT] = {
    TF_JSON_PLACE(TF_JSON_WANT_BYTES),
    TF_JSON_PLACE(TF_JSON_WANT_BYTES),
    TF_JSON_PLACE(TF_JSON_WANT_BYTES),
    TF_JSON_PLACE(TF_JSON_WANT_BYTES),
    TF_JSON_PLACE(TF_JSON_WANT_BYTES),
    TF_JSON_PLACE(TF_JSON_WANT_BYTES),
    [TICKER_LAST]   = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    [TICKER_VOLUME] = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
};

const uint32_t tf_bitfinex_channel_bits[] = {
    [BITFINEX_OTHER]   = 0,
    [BITFINEX_TRADES]  = TF_CHANNEL_TRADE,
    [BITFINEX_TICKERS] = TF_CHANNEL_TICKER,
    [BITFINEX_BOOK]    = TF_CHANNEL_BOOK,
    [BITFINEX_QUOTE]   = TF_CHANNEL_QUOTE,
};

/* ---- channels ---- */

tf_bitfinex_channel_t *tf_bitfinex_find(tf_bitfinex_own_t *own, uint64_t id) {
  uint8_t *place = &own->places[id * UINT64_C(0x9e3779b97f4a7c15) >> 56];
  if (TF_LIKELY(*place < own->channel_cnt && own->channels[*place].id == id))
    return &own->channels[*place];
  for (uint32_t i = 0; i < own->channel_cnt; i++) {
    if (own->channels[i].id != id) continue;
    *place = (uint8_t)i;
    return &own->channels[i];
  }
  return NULL;
}
TF_STATIC_ASSERT(BITFINEX_PLACES == 256 && BITFINEX_CHANNELS_MAX <= 256, "eight bits of a product");

/* The number that an array begins with; 0: none. */
static uint64_t number_of(const tf_frame_t *frame) {
  const char *end = frame->bytes + frame->bytes_cnt, *p = tf_json_skip_space(frame->bytes, end);
  uint64_t    id = 0;
  tf_decimal_result_t result;
  if (p == end || *p != '[') return 0;
  p              = tf_json_skip_space(p + 1, end);
  uint32_t bytes = tf_decimal_u64_span(p);
  if (TF_LIKELY(bytes > 0 && bytes < 16)) return tf_decimal_digits_swar_(p, bytes);
  tf_decimal_u64_scan(p, end, &id, &result);
  return id;
}

void tf_bitfinex_begin(tf_in_band_t *in, const tf_frame_t *frame) {
  static const uint8_t items[] = {[BITFINEX_OTHER]   = 0,
                                  [BITFINEX_TRADES]  = BITFINEX_TRADE,
                                  [BITFINEX_TICKERS] = BITFINEX_TICKER,
                                  [BITFINEX_BOOK]    = BITFINEX_LEVEL,
                                  [BITFINEX_QUOTE]   = BITFINEX_LEVEL};
  tf_bitfinex_own_t   *own     = in->own;
  own->current                 = tf_bitfinex_find(own, number_of(frame));
  tf_in_band_set_child(in, BITFINEX_ARRAY, own->current != NULL ? items[own->current->kind] : 0);
}

/* ---- numbers ---- */

static void refuse(tf_in_band_t *in, const tf_json_value_t *v) {
  tf_in_band_refuse(in, v->kind == TF_JSON_NUMBER ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
}

/* A number that is none in quotes. */
static bool is_decimal(tf_in_band_t *in, const tf_json_value_t *v) {
  if (TF_LIKELY(v->made == TF_JSON_MADE_DECIMAL && v->kind == TF_JSON_NUMBER)) return true;
  refuse(in, v);
  return false;
}

static bool is_positive(tf_in_band_t *in, const tf_json_value_t *v) {
  if (!is_decimal(in, v)) return false;
  if (v->as.mantissa < 0) tf_in_band_refuse(in, TF_REJECT_NUMBER);
  return v->as.mantissa >= 0;
}

static bool take_u64(tf_in_band_t *in, const tf_json_value_t *v, uint64_t *n) {
  if (TF_LIKELY(v->made == TF_JSON_MADE_U64)) {
    *n = tf_json_u64(&in->json, v);
    return true;
  }
  refuse(in, v);
  return false;
}

/* The item's first cnt elements, or NULL where it has less. */
static const tf_json_value_t *elements_of(tf_in_band_t *in, const tf_json_object_t *item,
                                          uint32_t cnt) {
  if (TF_LIKELY(item->seen >> (cnt - 1) & 1)) return item->values;
  tf_in_band_refuse(in, TF_REJECT_SCHEMA);
  return NULL;
}

static uint8_t stamp(const tf_in_band_t *in, uint64_t ms, uint64_t *ns) {
  if (!tf_decimal_ms_to_ns(ms, ns)) *ns = 0;
  return tf_draft_time_flags(*ns, in->frame->recv_ns);
}

/* ---- the checksum ---- */

/* As JavaScript prints a number (ECMA-262, Number::toString), which is how it was sent: the digits that
 * matter, an exponent from 1e21 on and below 1e-6. */
static char *put_number(char *at, int64_t mantissa, int exp) {
  char     digits[24];
  uint32_t cnt = 0;
  while (mantissa != 0 && mantissa % 10 == 0) {
    mantissa /= 10;
    exp++;
  }
  for (; mantissa != 0; mantissa /= 10) digits[cnt++] = (char)('0' + mantissa % 10);
  int point = (int)cnt + exp; /* it stands behind so many digits */
  if (cnt == 0) {
    *at++ = '0';
    return at;
  }
  bool is_plain = point <= 21 && point > -6;
  if (is_plain && point <= 0) {
    *at++ = '0';
    *at++ = '.';
    for (int i = point; i < 0; i++) *at++ = '0';
  }
  int before = is_plain ? point : 1; /* digits before the point */
  for (uint32_t i = 0; i < cnt; i++) {
    if (i > 0 && (int)i == before) *at++ = '.';
    *at++ = digits[cnt - 1 - i];
  }
  for (int i = (int)cnt; is_plain && i < point; i++) *at++ = '0';
  if (is_plain) return at;
  *at++     = 'e';
  *at++     = point > 0 ? '+' : '-';
  int power = point > 0 ? point - 1 : 1 - point;
  if (power >= 100) *at++ = (char)('0' + power / 100);
  if (power >= 10) *at++ = (char)('0' + power / 10 % 10);
  *at++ = (char)('0' + power % 10);
  return at;
}

static char *put_level_text(char *at, const tf_depth_level_t *level, bool is_ask) {
  at    = put_number(at, level->price, level->price_exp);
  *at++ = ':';
  if (is_ask) *at++ = '-';
  return put_number(at, level->qty, level->qty_exp);
}

const tf_depth_checksum_t tf_bitfinex_checksum = {.level_cnt = CHECKSUM_LEVELS,
                                                  .text      = TF_DEPTH_TEXT_OWN,
                                                  .between   = ':',
                                                  .by_turns  = true,
                                                  .put       = put_level_text};

/* ---- items ---- */

/* [id, ms, amount, price] */
void tf_bitfinex_put_trade(tf_in_band_t *in, const tf_json_object_t *trade) {
  const tf_json_value_t *v = elements_of(in, trade, BITFINEX_TRADE_CNT);
  uint64_t               id, ms;
  if (v == NULL || !take_u64(in, &v[TRADE_ID], &id) || !take_u64(in, &v[TRADE_MS], &ms) ||
      !is_decimal(in, &v[TRADE_AMOUNT]) || !is_positive(in, &v[TRADE_PRICE]))
    return;
  tf_event_t *row    = tf_in_band_put_row(in, TF_EVENT_TRADE);
  int64_t     amount = v[TRADE_AMOUNT].as.mantissa;
  if (row == NULL) return;
  row->flags = stamp(in, ms, &row->ts_event_ns);
  row->flags |= amount < 0 ? TF_FLAG_SIDE : 0;
  row->price_exp     = v[TRADE_PRICE].exp;
  row->qty_exp       = v[TRADE_AMOUNT].exp;
  row->u.trade.price = v[TRADE_PRICE].as.mantissa;
  row->u.trade.qty   = amount < 0 ? -amount : amount;
  row->u.trade.id    = id;
}

/* [price, count, amount] */
void tf_bitfinex_put_level(tf_in_band_t *in, const tf_json_object_t *level) {
  const tf_json_value_t *v = elements_of(in, level, BITFINEX_LEVEL_CNT);
  uint64_t               count;
  if (v == NULL || !is_positive(in, &v[LEVEL_PRICE]) || !take_u64(in, &v[LEVEL_ORDERS], &count) ||
      !is_decimal(in, &v[LEVEL_AMOUNT]))
    return;
  tf_event_t *row    = tf_in_band_put_row(in, TF_EVENT_BOOK);
  int64_t     amount = v[LEVEL_AMOUNT].as.mantissa;
  if (row == NULL) return;
  row->flags         = amount < 0 ? TF_FLAG_SIDE : 0;
  row->price_exp     = v[LEVEL_PRICE].exp;
  row->qty_exp       = v[LEVEL_AMOUNT].exp;
  row->u.level.price = v[LEVEL_PRICE].as.mantissa;
  row->u.level.qty   = count == 0 ? 0 : amount < 0 ? -amount : amount;
}

void tf_bitfinex_put_ticker(tf_in_band_t *in, const tf_json_object_t *ticker) {
  const tf_json_value_t *v = elements_of(in, ticker, BITFINEX_TICKER_CNT);
  if (v == NULL || !is_positive(in, &v[TICKER_LAST]) || !is_positive(in, &v[TICKER_VOLUME])) return;
  tf_event_t *row = tf_in_band_put_row(in, TF_EVENT_TICKER);
  if (row == NULL) return;
  row->price_exp             = v[TICKER_LAST].exp;
  row->qty_exp               = v[TICKER_VOLUME].exp;
  row->u.ticker.last_price   = v[TICKER_LAST].as.mantissa;
  row->u.ticker.volume       = v[TICKER_VOLUME].as.mantissa;
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
}

/* ---- arrays ---- */

/* What stands behind the channel's number, up to the trailer. */
typedef struct {
  const tf_json_value_t *parts;
  uint32_t               cnt;
} payload_t;

static bool is_nested(const tf_json_value_t *v) {
  const char *end   = v->bytes + v->bytes_cnt;
  const char *first = tf_json_skip_space(v->bytes + 1, end);
  return *first == '[' || *first == ']';
}

/* The array is items, or one alone, and the message has no others. */
static bool are_items(tf_in_band_t *in, const tf_json_value_t *v, bool nested) {
  if (TF_LIKELY(v->kind == TF_JSON_ARRAY && v->made == TF_JSON_MADE_ITEMS &&
                v->as.levels.cnt == in->json.row_cnt && is_nested(v) == nested))
    return true;
  tf_in_band_refuse(in, TF_REJECT_SCHEMA);
  return false;
}

/* The rows are of the array's time. */
static void stamp_rows(tf_in_band_t *in, const tf_bitfinex_own_t *own) {
  for (uint32_t i = 0; i < in->json.row_cnt; i++) {
    in->json.rows[i].ts_event_ns = own->ts_ns;
    in->json.rows[i].flags |= own->ts_flags;
  }
}

/* False: this array was here before. */
static bool take_sequence(tf_in_band_t *in, tf_bitfinex_own_t *own, uint64_t sequence) {
  uint64_t last = own->sequence;
  bool     has  = own->has_sequence;
  if (TF_LIKELY(has && sequence == last + 1)) {
    own->sequence = sequence;
    return true;
  }
  if (has && sequence <= last && last - sequence < SEQUENCE_NEAR) {
    in->out->counts->duplicates++;
    return false;
  }
  own->sequence     = sequence;
  own->has_sequence = true;
  if (has && sequence <= last) {
    tf_in_band_break_books(in, TF_BOOK_SYNCING, 0, 0);
  } else if (has) {
    in->out->counts->gaps++;
    in->out->reconnect = true;
    tf_in_band_break_books(in, TF_BOOK_GAP, last + 1, sequence - 1);
  }
  return true;
}

static void on_trades(tf_in_band_t *in, payload_t payload, tf_in_band_route_t *r) {
  static const char *const others[] = {"tu", "fte", "ftu"};
  const tf_json_value_t   *parts    = payload.parts;
  if (parts[0].kind == TF_JSON_ARRAY) {
    r->is_backfill = true;
    are_items(in, &parts[0], true);
    return;
  }
  if (payload.cnt > 1 && TF_JSON_TEXT_IS(&parts[0], "te")) {
    are_items(in, &parts[1], false);
    return;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(others); i++) {
    if (!tf_json_text_is(&parts[0], others[i], strlen(others[i]))) continue;
    r->what       = TF_IN_BAND_IGNORED;
    r->name       = others[i];
    r->name_bytes = (uint32_t)strlen(others[i]);
    return;
  }
  tf_in_band_refuse(in, TF_REJECT_SCHEMA);
}

static bool is_same_price(const tf_event_t *a, const tf_event_t *b) {
  int64_t x = a->u.level.price, y = b->u.level.price;
  int8_t  exp;
  return tf_draft_to_one_exponent(&x, a->price_exp, &y, b->price_exp, &exp) && x == y;
}

/* One level of a book of one a side. */
static void keep_best(tf_bitfinex_channel_t *channel, const tf_event_t *level) {
  tf_event_t *held = &channel->best[(level->flags & TF_FLAG_SIDE) != 0];
  if (level->u.level.qty != 0)
    *held = *level;
  else if (held->u.level.qty != 0 && is_same_price(held, level))
    held->u.level.qty = 0;
}

static tf_json_value_t decimal_of(int64_t mantissa, int8_t exp) {
  tf_json_value_t v = {.made = TF_JSON_MADE_DECIMAL};
  v.exp             = exp;
  v.as.mantissa     = mantissa;
  return v;
}

static void put_quote(tf_in_band_t *in, const tf_bitfinex_own_t *own,
                      const tf_bitfinex_channel_t *channel) {
  const tf_event_t *bid = &channel->best[0], *ask = &channel->best[1];
  if (bid->u.level.qty == 0 || ask->u.level.qty == 0) return; /* a side is on its way */
  tf_event_t *row = tf_in_band_put_row(in, TF_EVENT_QUOTE);
  if (row == NULL) return;
  row->ts_event_ns     = own->ts_ns;
  row->flags           = own->ts_flags;
  tf_json_value_t v[4] = {
      decimal_of(bid->u.level.price, bid->price_exp), decimal_of(bid->u.level.qty, bid->qty_exp),
      decimal_of(ask->u.level.price, ask->price_exp), decimal_of(ask->u.level.qty, ask->qty_exp)};
  if (!tf_draft_set_quote(row, &v[0], &v[1], &v[2], &v[3])) tf_in_band_refuse(in, TF_REJECT_NUMBER);
}

/* The rows are levels of a book of one a side: they become its quote. */
static void quote_of_rows(tf_in_band_t *in, const tf_bitfinex_own_t *own,
                          tf_bitfinex_channel_t *channel, bool is_snapshot) {
  if (is_snapshot) channel->best[0].u.level.qty = channel->best[1].u.level.qty = 0;
  for (uint32_t i = 0; i < in->json.row_cnt; i++) keep_best(channel, &in->json.rows[i]);
  tf_in_band_drop_rows(in);
  put_quote(in, own, channel);
}

/* A CRC-32 with its sign. */
static bool take_crc(const tf_json_value_t *v, uint32_t *crc) {
  int64_t mantissa;
  int8_t  exp;
  if (tf_decimal_parse_padded(v->bytes, v->bytes_cnt, &mantissa, &exp) != TF_DECIMAL_OK ||
      exp != 0 || mantissa < INT32_MIN || mantissa > INT32_MAX)
    return false;
  *crc = (uint32_t)mantissa;
  return true;
}

/* [17,"cs",crc] */
static void on_checksum(tf_in_band_t *in, const tf_bitfinex_channel_t *channel, payload_t payload,
                        tf_in_band_route_t *r) {
  tf_book_row_t    *row = &in->rows[channel->idx].book;
  tf_book_message_t m   = {.instrument_id = in->symbols.rows[channel->idx].instrument_id,
                           .ts_ns         = r->ts_ns};
  r->what               = TF_IN_BAND_REFUSED;
  r->why                = TF_REJECT_SCHEMA;
  if (payload.cnt < 2 || payload.parts[1].kind != TF_JSON_NUMBER) return;
  r->why = TF_REJECT_NUMBER;
  if (!take_crc(&payload.parts[1], &m.checksum)) return;
  r->what = TF_IN_BAND_CONTROL;
  if (channel->kind != BITFINEX_BOOK || channel->depth < CHECKSUM_LEVELS) return;
  if (!(in->channels & TF_CHANNEL_BOOK)) return;
  tf_draft_t draft;
  tf_draft_begin(&draft, in->frame, in->out, 0);
  tf_book_row_compare(row, &draft, &m, &in->head);
  in->out->event_cnt = draft.at;
}

static void on_levels_array(tf_in_band_t *in, tf_bitfinex_channel_t *channel, payload_t payload,
                            tf_in_band_route_t *r) {
  tf_bitfinex_own_t     *own    = in->own;
  const tf_json_value_t *levels = payload.parts;
  if (TF_JSON_TEXT_IS(levels, "cs")) {
    on_checksum(in, channel, payload, r);
    return;
  }
  bool nested = levels->kind == TF_JSON_ARRAY && is_nested(levels);
  if (!are_items(in, levels, nested)) return;
  bool is_bulk   = nested && (own->flags & BITFINEX_FLAG_BULK_UPDATES) && channel->has_snapshot;
  r->is_snapshot = nested && !is_bulk;
  channel->has_snapshot |= r->is_snapshot;
  stamp_rows(in, own);
  if (channel->kind == BITFINEX_QUOTE) quote_of_rows(in, own, channel, r->is_snapshot);
}

/* The levels of the current channel. */
void tf_bitfinex_on_levels(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  tf_bitfinex_own_t *own = in->own;
  if (own->current == NULL) return;
  tf_book_row_t    *row = &in->rows[own->current->idx].book;
  tf_book_message_t m   = {.instrument_id = in->symbols.rows[own->current->idx].instrument_id,
                           .depth         = own->current->depth,
                           .is_snapshot   = route->is_snapshot,
                           .rule          = TF_BOOK_RULE_NONE,
                           .ts_ns         = route->ts_ns};
  for (uint32_t i = draft->at; i < draft->end; i++) {
    const tf_event_t *e = &draft->out->events[i];
    m.ask_cnt += (e->flags & TF_FLAG_SIDE) != 0;
    m.bid_cnt += (e->flags & TF_FLAG_SIDE) == 0;
  }
  if (!tf_book_row_takes(row, &m) ||
      !tf_draft_has_room(draft, tf_book_row_room(row, m.bid_cnt + m.ask_cnt)))
    tf_book_row_lose(row, draft, m.instrument_id, m.ts_ns);
  else
    tf_book_row_put(row, draft, &m, NULL, &in->head);
}

static void on_payload(tf_in_band_t *in, tf_bitfinex_channel_t *channel, payload_t payload,
                       tf_in_band_route_t *r) {
  if (channel->kind == BITFINEX_OTHER) {
    r->what       = TF_IN_BAND_IGNORED;
    r->name       = channel->name;
    r->name_bytes = (uint32_t)strlen(channel->name);
    return;
  }
  if (channel->idx == TF_SYMBOLS_NONE) return;
  const tf_symbol_t *symbol = &in->symbols.rows[channel->idx];
  r->what                   = TF_IN_BAND_DATA;
  r->channels               = tf_bitfinex_channel_bits[channel->kind];
  r->name                   = channel->name;
  r->name_bytes             = (uint32_t)strlen(channel->name);
  r->symbol      = (tf_json_value_t){.bytes = symbol->text, .bytes_cnt = symbol->text_bytes};
  r->symbol.kind = TF_JSON_STRING;
  switch ((tf_bitfinex_kind_t)channel->kind) {
  case BITFINEX_TRADES: on_trades(in, payload, r); break;
  case BITFINEX_TICKERS:
    if (are_items(in, payload.parts, false)) stamp_rows(in, in->own);
    break;
  default: on_levels_array(in, channel, payload, r); break;
  }
}

/* The numbers behind an array's payload: the sequence and the time, as many as conf agreed to. */
static bool take_trailer(tf_in_band_t *in, const tf_json_value_t *parts, uint32_t cnt,
                         tf_in_band_route_t *r, uint64_t *sequence) {
  tf_bitfinex_own_t *own          = in->own;
  bool               has_sequence = (own->flags & BITFINEX_FLAG_SEQUENCE) != 0,
       has_time                   = (own->flags & BITFINEX_FLAG_TIMESTAMP) != 0;
  uint64_t ms                     = 0;
  if (has_sequence && !take_u64(in, &parts[cnt - 1 - has_time], sequence)) return false;
  if (has_time && !take_u64(in, &parts[cnt - 1], &ms)) return false;
  own->ts_ns    = 0;
  own->ts_flags = has_time ? stamp(in, ms, &own->ts_ns) : 0;
  r->ts_ns      = own->ts_ns;
  return true;
}

void tf_bitfinex_on_array(tf_in_band_t *in, tf_in_band_route_t *r) {
  tf_bitfinex_own_t      *own   = in->own;
  const tf_json_object_t *array = &in->objects[BITFINEX_ARRAY];
  const tf_json_value_t  *parts = array->values;
  uint32_t                cnt   = (uint32_t)__builtin_popcountll(array->seen);
  uint32_t                trailer =
      ((own->flags & BITFINEX_FLAG_SEQUENCE) != 0) + ((own->flags & BITFINEX_FLAG_TIMESTAMP) != 0);
  uint64_t id, sequence = 0;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
  if (cnt < 2 + trailer || cnt > BITFINEX_PARTS_MAX || parts[0].kind != TF_JSON_NUMBER) return;
  r->channels = in->channels;
  if (!take_trailer(in, parts, cnt, r, &sequence) || !take_u64(in, &parts[0], &id)) {
    r->what = TF_IN_BAND_DATA; /* on_rows finds the reason */
    tf_in_band_drop_rows(in);
    own->current = NULL;
    return;
  }
  if ((own->flags & BITFINEX_FLAG_SEQUENCE) && !take_sequence(in, own, sequence)) {
    r->what = TF_IN_BAND_DATA;
    tf_in_band_drop_rows(in);
    tf_in_band_forgive(in);
    own->current = NULL;
    return;
  }
  r->what = TF_IN_BAND_CONTROL;
  if (TF_JSON_TEXT_IS(&parts[1], "hb")) return;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_INSTRUMENT;
  if (own->current != NULL)
    on_payload(in, own->current, (payload_t){parts + 1, cnt - 1 - trailer}, r);
}
