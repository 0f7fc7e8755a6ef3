/* Bitfinex, websocket v2 (VENUES.md 7): arrays by position, channels by a number that means something on its
 * own connection only, so an acknowledgement must have told of it.
 *
 *   {"event":"subscribed","channel":"book","chanId":17,"symbol":"tBTCUSD","prec":"P0","len":"25",..}
 *   [17,[[price,count,amount],..],seq,ms]   a snapshot;   [17,[price,count,amount],seq,ms]   a change
 *
 *   trades   TRADE; the amount's sign is the taker's side. "te" at once; "tu", the same again, is ignored;
 *            an array of them, newest first: BACKFILL. Ids are the whole venue's
 *   book     BOOK: count 0 deletes; amounts of asks are below 0. The venue deletes what falls out of its
 *            length. [17,"cs",crc] is compared over the best 25 levels. Of one level a side it is the best
 *            bid and offer: QUOTE, because a ticker's sizes are sums over 25 levels
 *   ticker   TICKER: last price, volume of a day
 *   "hb", events   CONTROL
 *   status, candles, raw books, funding   ignored, by channel
 *
 * conf is asked for a sequence and a time behind each array (SEQ_ALL, TIMESTAMP): what a connection has is in
 * its answer. The sequence is one over all channels, heartbeats too: a jump breaks every book of the
 * connection. Numbers are JSON numbers, small ones with a power. venue_seq is an ordinal of our own. */

#include "feed/in_band.h"
#include "feed/text_out.h"
#include "wire/json_array.h"

#define FLAG_TIMESTAMP    UINT64_C(32768)
#define FLAG_SEQUENCE     UINT64_C(65536)
#define FLAG_CHECKSUM     UINT64_C(131072)
#define FLAG_BULK_UPDATES UINT64_C(536870912)
#define FLAGS             (FLAG_TIMESTAMP | FLAG_SEQUENCE | FLAG_CHECKSUM)

#define CHANNELS_MAX    128u /* of a connection: the venue has 30 */
#define PARTS_MAX       16u  /* elements of an array */
#define CHECKSUM_LEVELS 25u
#define SEQUENCE_NEAR   1000u /* a sequence so little back is a repeat, else the venue starts over */

enum {
  INFO_RESTART     = 20051,
  INFO_MAINTENANCE = 20060,
  INFO_RESUMED     = 20061,
  ERROR_DUPLICATE  = 10301
};

enum { ROOT, OBJECT_CNT };
enum { EVENT = 1, CHANNEL, CHAN_ID, SYMBOL, PREC, LEN, STATUS, FLAGS_KEY, CODE, MSG, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [EVENT]     = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [CHANNEL]   = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [CHAN_ID]   = TF_JSON_KEY("chanId", TF_JSON_WANT_U64),
    [SYMBOL]    = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [PREC]      = TF_JSON_KEY("prec", TF_JSON_WANT_TEXT),
    [LEN]       = TF_JSON_KEY("len", TF_JSON_WANT_TEXT),
    [STATUS]    = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),
    [FLAGS_KEY] = TF_JSON_KEY("flags", TF_JSON_WANT_U64),
    [CODE]      = TF_JSON_KEY("code", TF_JSON_WANT_U64),
    [MSG]       = TF_JSON_KEY("msg", TF_JSON_WANT_TEXT),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT] = {root_keys, ROOT_KEY_CNT}
};

typedef enum { OTHER, TRADES, TICKER, BOOK, QUOTE } kind_t;
static const uint32_t channel_bits[] = {
    [TRADES] = TF_CHANNEL_TRADE,
    [TICKER] = TF_CHANNEL_TICKER,
    [BOOK]   = TF_CHANNEL_BOOK,
    [QUOTE]  = TF_CHANNEL_QUOTE,
};

/* A number of a connection, and what it stands for. */
typedef struct {
  uint64_t   id;
  uint32_t   idx; /* in symbols; TF_SYMBOLS_NONE: of none that we know */
  uint32_t   depth;
  uint8_t    kind; /* kind_t */
  bool       has_snapshot;
  char       name[16]; /* OTHER: under which it is ignored */
  tf_event_t best[2];  /* QUOTE: the level of each side, quantity 0 while there is none */
} channel_t;

typedef struct {
  uint64_t   flags; /* that the venue agreed to */
  uint64_t   sequence;
  bool       has_sequence;
  uint32_t   channel_cnt, last_at;
  channel_t  channels[CHANNELS_MAX];
  channel_t *current;  /* whose array is being read; NULL: none's rows */
  uint64_t   ts_ns;    /* of that array, 0 without; */
  uint8_t    ts_flags; /* BAD_TS where it is none or in the future */
} own_t;

/* ---- numbers ---- */

typedef struct {
  int64_t mantissa;
  int8_t  exp;
} number_t;

static bool take(tf_in_band_t *in, const tf_json_value_t *v, number_t *n) {
  bool is_number = v->kind == TF_JSON_NUMBER;
  if (is_number && tf_decimal_parse(v->bytes, v->bytes_cnt, &n->mantissa, &n->exp) == TF_DECIMAL_OK)
    return true;
  tf_in_band_refuse(in, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  return false;
}

static bool take_positive(tf_in_band_t *in, const tf_json_value_t *v, number_t *n) {
  if (!take(in, v, n)) return false;
  if (n->mantissa < 0) tf_in_band_refuse(in, TF_REJECT_NUMBER);
  return n->mantissa >= 0;
}

static bool take_u64(tf_in_band_t *in, const tf_json_value_t *v, uint64_t *n) {
  tf_decimal_result_t result;
  const char         *end       = v->bytes + v->bytes_cnt;
  bool                is_number = v->kind == TF_JSON_NUMBER;
  if (is_number && tf_decimal_u64_scan(v->bytes, end, n, &result) == end && result == TF_DECIMAL_OK)
    return true;
  tf_in_band_refuse(in, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  return false;
}

/* The first cnt elements of an array. */
static bool take_elements(tf_in_band_t *in, const tf_json_value_t *v, tf_json_value_t *elements,
                          uint32_t cnt) {
  tf_json_array_t array;
  if (v->kind == TF_JSON_ARRAY) {
    tf_json_array_init(&array, v->bytes, v->bytes_cnt);
    uint32_t i = 0;
    while (i < cnt && tf_json_array_next(&array, &elements[i])) i++;
    if (i == cnt) return true;
  }
  tf_in_band_refuse(in, TF_REJECT_SCHEMA);
  return false;
}

static bool is_nested(const tf_json_value_t *v) {
  tf_json_array_t array;
  tf_json_value_t first;
  if (v->kind != TF_JSON_ARRAY) return false;
  tf_json_array_init(&array, v->bytes, v->bytes_cnt);
  return !tf_json_array_next(&array, &first) || first.kind == TF_JSON_ARRAY;
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

static const tf_depth_checksum_t checksum = {.level_cnt = CHECKSUM_LEVELS,
                                             .text      = TF_DEPTH_TEXT_OWN,
                                             .between   = ':',
                                             .by_turns  = true,
                                             .put       = put_level_text};

/* ---- arrays ---- */

static channel_t *find_channel(own_t *own, uint64_t id) {
  if (own->last_at < own->channel_cnt && own->channels[own->last_at].id == id)
    return &own->channels[own->last_at];
  for (uint32_t i = 0; i < own->channel_cnt; i++) {
    if (own->channels[i].id != id) continue;
    own->last_at = i;
    return &own->channels[i];
  }
  return NULL;
}

/* False: this array was here before. */
static bool take_sequence(tf_in_band_t *in, own_t *own, uint64_t sequence) {
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

/* [id, ms, amount, price] */
static void put_trade(tf_in_band_t *in, const tf_json_value_t *v) {
  tf_json_value_t part[4];
  number_t        qty, price;
  uint64_t        id, ms;
  if (!take_elements(in, v, part, 4) || !take_u64(in, &part[0], &id) ||
      !take_u64(in, &part[1], &ms) || !take(in, &part[2], &qty) ||
      !take_positive(in, &part[3], &price))
    return;
  tf_event_t *row = tf_in_band_put_row(in, TF_EVENT_TRADE);
  if (row == NULL) return;
  row->flags = stamp(in, ms, &row->ts_event_ns);
  row->flags |= qty.mantissa < 0 ? TF_FLAG_SIDE : 0;
  row->price_exp     = price.exp;
  row->qty_exp       = qty.exp;
  row->u.trade.price = price.mantissa;
  row->u.trade.qty   = qty.mantissa < 0 ? -qty.mantissa : qty.mantissa;
  row->u.trade.id    = id;
}

static void on_trades(tf_in_band_t *in, const tf_json_value_t *payload, uint32_t cnt,
                      tf_in_band_route_t *r) {
  tf_json_array_t          array;
  tf_json_value_t          trade;
  static const char *const others[] = {"tu", "fte", "ftu"};
  if (payload[0].kind == TF_JSON_ARRAY) {
    r->is_backfill = true;
    tf_json_array_init(&array, payload[0].bytes, payload[0].bytes_cnt);
    while (tf_json_array_next(&array, &trade)) put_trade(in, &trade);
    return;
  }
  if (cnt > 1 && TF_JSON_TEXT_IS(&payload[0], "te")) {
    put_trade(in, &payload[1]);
    return;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(others); i++) {
    if (!tf_json_text_is(&payload[0], others[i], strlen(others[i]))) continue;
    r->what       = TF_IN_BAND_IGNORED;
    r->name       = others[i];
    r->name_bytes = (uint32_t)strlen(others[i]);
    return;
  }
  tf_in_band_refuse(in, TF_REJECT_SCHEMA);
}

/* [BID, BID_SIZE, ASK, ASK_SIZE, CHANGE, CHANGE_RELATIVE, LAST, VOLUME, HIGH, LOW] */
static void on_ticker(tf_in_band_t *in, const own_t *own, const tf_json_value_t *payload) {
  enum { LAST = 6, VOLUME, PART_CNT };
  tf_json_value_t part[PART_CNT];
  number_t        last, volume;
  if (!take_elements(in, payload, part, PART_CNT) || !take_positive(in, &part[LAST], &last) ||
      !take_positive(in, &part[VOLUME], &volume))
    return;
  tf_event_t *row = tf_in_band_put_row(in, TF_EVENT_TICKER);
  if (row == NULL) return;
  row->ts_event_ns           = own->ts_ns;
  row->flags                 = own->ts_flags;
  row->price_exp             = last.exp;
  row->qty_exp               = volume.exp;
  row->u.ticker.last_price   = last.mantissa;
  row->u.ticker.volume       = volume.mantissa;
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
}

/* [price, count, amount] into the level's numbers and side. */
static bool take_level(tf_in_band_t *in, const tf_json_value_t *v, tf_event_t *level) {
  tf_json_value_t part[3];
  number_t        price, amount;
  uint64_t        count;
  if (!take_elements(in, v, part, 3) || !take_positive(in, &part[0], &price) ||
      !take_u64(in, &part[1], &count) || !take(in, &part[2], &amount))
    return false;
  level->flags         = amount.mantissa < 0 ? TF_FLAG_SIDE : 0;
  level->price_exp     = price.exp;
  level->qty_exp       = amount.exp;
  level->u.level.price = price.mantissa;
  level->u.level.qty   = count == 0 ? 0 : amount.mantissa < 0 ? -amount.mantissa : amount.mantissa;
  return true;
}

static void put_level(tf_in_band_t *in, const own_t *own, const tf_json_value_t *v) {
  tf_event_t level;
  if (!take_level(in, v, &level)) return;
  tf_event_t *row = tf_in_band_put_row(in, TF_EVENT_BOOK);
  if (row == NULL) return;
  row->ts_event_ns   = own->ts_ns;
  row->flags         = level.flags | own->ts_flags;
  row->price_exp     = level.price_exp;
  row->qty_exp       = level.qty_exp;
  row->u.level.price = level.u.level.price;
  row->u.level.qty   = level.u.level.qty;
}

static bool is_same_price(const tf_event_t *a, const tf_event_t *b) {
  int64_t x = a->u.level.price, y = b->u.level.price;
  int8_t  exp;
  return tf_draft_to_one_exponent(&x, a->price_exp, &y, b->price_exp, &exp) && x == y;
}

/* One level of a book of one a side. */
static void keep_best(tf_in_band_t *in, channel_t *channel, const tf_json_value_t *v) {
  tf_event_t level;
  if (!take_level(in, v, &level)) return;
  tf_event_t *held = &channel->best[(level.flags & TF_FLAG_SIDE) != 0];
  if (level.u.level.qty != 0)
    *held = level;
  else if (held->u.level.qty != 0 && is_same_price(held, &level))
    held->u.level.qty = 0;
}

static tf_json_value_t decimal_of(int64_t mantissa, int8_t exp) {
  tf_json_value_t v = {.made = TF_JSON_MADE_DECIMAL};
  v.exp             = exp;
  v.as.mantissa     = mantissa;
  return v;
}

static void put_quote(tf_in_band_t *in, const own_t *own, const channel_t *channel) {
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

/* [17,"cs",crc] */
static void on_checksum(tf_in_band_t *in, const channel_t *channel, const tf_json_value_t *payload,
                        uint32_t cnt, tf_in_band_route_t *r) {
  number_t       crc;
  tf_book_row_t *row = &in->rows[channel->idx].book;
  r->what            = TF_IN_BAND_REFUSED;
  r->why             = TF_REJECT_SCHEMA;
  if (cnt < 2 || payload[1].kind != TF_JSON_NUMBER) return;
  r->why = TF_REJECT_NUMBER;
  if (!take(in, &payload[1], &crc) || crc.exp != 0 || crc.mantissa < INT32_MIN ||
      crc.mantissa > INT32_MAX)
    return;
  r->what = TF_IN_BAND_CONTROL;
  if (channel->kind != BOOK || channel->depth < CHECKSUM_LEVELS) return;
  if (!(in->channels & TF_CHANNEL_BOOK)) return;
  tf_book_message_t m = {.instrument_id = in->symbols.rows[channel->idx].instrument_id,
                         .checksum      = (uint32_t)crc.mantissa,
                         .ts_ns         = r->ts_ns};
  tf_draft_t        draft;
  tf_draft_begin(&draft, in->frame, in->out, 0);
  tf_book_row_compare(row, &draft, &m, &in->head);
  in->out->event_cnt = draft.at;
}

static void on_levels_array(tf_in_band_t *in, own_t *own, channel_t *channel,
                            const tf_json_value_t *payload, uint32_t cnt, tf_in_band_route_t *r) {
  tf_json_array_t array;
  tf_json_value_t level;
  bool            is_quote = channel->kind == QUOTE;
  if (TF_JSON_TEXT_IS(&payload[0], "cs")) {
    on_checksum(in, channel, payload, cnt, r);
    return;
  }
  bool nested    = is_nested(payload);
  bool is_bulk   = nested && (own->flags & FLAG_BULK_UPDATES) && channel->has_snapshot;
  r->is_snapshot = nested && !is_bulk;
  channel->has_snapshot |= r->is_snapshot;
  if (is_quote && r->is_snapshot) channel->best[0].u.level.qty = channel->best[1].u.level.qty = 0;
  if (!nested) {
    if (is_quote)
      keep_best(in, channel, payload);
    else
      put_level(in, own, payload);
  } else {
    tf_json_array_init(&array, payload->bytes, payload->bytes_cnt);
    while (tf_json_array_next(&array, &level)) {
      if (is_quote)
        keep_best(in, channel, &level);
      else
        put_level(in, own, &level);
    }
  }
  if (is_quote) put_quote(in, own, channel);
}

/* The levels of the current channel, put by on_levels_array. */
static void on_levels(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  own_t *own = in->own;
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

static void on_payload(tf_in_band_t *in, channel_t *channel, const tf_json_value_t *payload,
                       uint32_t cnt, tf_in_band_route_t *r) {
  own_t *own = in->own;
  if (channel->kind == OTHER) {
    r->what       = TF_IN_BAND_IGNORED;
    r->name       = channel->name;
    r->name_bytes = (uint32_t)strlen(channel->name);
    return;
  }
  if (channel->idx == TF_SYMBOLS_NONE) return;
  const tf_symbol_t *symbol = &in->symbols.rows[channel->idx];
  r->what                   = TF_IN_BAND_DATA;
  r->channels               = channel_bits[channel->kind];
  r->name                   = channel->name;
  r->name_bytes             = (uint32_t)strlen(channel->name);
  r->symbol      = (tf_json_value_t){.bytes = symbol->text, .bytes_cnt = symbol->text_bytes};
  r->symbol.kind = TF_JSON_STRING;
  own->current   = channel;
  switch ((kind_t)channel->kind) {
  case TRADES: on_trades(in, payload, cnt, r); break;
  case TICKER: on_ticker(in, own, payload); break;
  default: on_levels_array(in, own, channel, payload, cnt, r); break;
  }
}

/* The numbers behind an array's payload: the sequence and the time, as many as conf agreed to. */
static bool take_trailer(tf_in_band_t *in, own_t *own, const tf_json_value_t *parts, uint32_t cnt,
                         tf_in_band_route_t *r, uint64_t *sequence) {
  bool has_sequence = (own->flags & FLAG_SEQUENCE) != 0,
       has_time     = (own->flags & FLAG_TIMESTAMP) != 0;
  uint64_t ms       = 0;
  if (has_sequence && !take_u64(in, &parts[cnt - 1 - has_time], sequence)) return false;
  if (has_time && !take_u64(in, &parts[cnt - 1], &ms)) return false;
  own->ts_ns    = 0;
  own->ts_flags = has_time ? stamp(in, ms, &own->ts_ns) : 0;
  r->ts_ns      = own->ts_ns;
  return true;
}

static void on_array(tf_in_band_t *in, tf_in_band_route_t *r) {
  own_t          *own = in->own;
  tf_json_value_t parts[PARTS_MAX];
  tf_json_array_t array;
  uint32_t        cnt = 0;
  uint32_t trailer    = ((own->flags & FLAG_SEQUENCE) != 0) + ((own->flags & FLAG_TIMESTAMP) != 0);
  uint64_t id, sequence = 0;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
  tf_json_array_init(&array, in->frame->bytes, in->frame->bytes_cnt);
  while (cnt < PARTS_MAX && tf_json_array_next(&array, &parts[cnt])) cnt++;
  if (cnt < 2 + trailer || array.p != NULL || parts[0].kind != TF_JSON_NUMBER) return;
  if (!take_trailer(in, own, parts, cnt, r, &sequence) || !take_u64(in, &parts[0], &id)) {
    r->what     = TF_IN_BAND_DATA; /* on_rows finds the reason */
    r->channels = in->channels;
    return;
  }
  if ((own->flags & FLAG_SEQUENCE) && !take_sequence(in, own, sequence)) {
    r->what     = TF_IN_BAND_DATA;
    r->channels = in->channels;
    return;
  }
  r->what = TF_IN_BAND_CONTROL;
  if (TF_JSON_TEXT_IS(&parts[1], "hb")) return;
  r->what            = TF_IN_BAND_REFUSED;
  r->why             = TF_REJECT_INSTRUMENT;
  channel_t *channel = find_channel(own, id);
  if (channel != NULL) on_payload(in, channel, parts + 1, cnt - 1 - trailer, r);
}

/* Validated, then read. */
static bool on_other(tf_in_band_t *in, const tf_frame_t *frame, tf_in_band_route_t *r) {
  static const tf_json_shape_t empty = {NULL, 0};
  tf_json_value_t              unused;
  tf_json_object_t             none = {.shape = &empty, .values = &unused};
  tf_json_t                    json = {0};
  own_t                       *own  = in->own;
  own->current                      = NULL;
  if (tf_json_read(&json, frame->bytes, frame->bytes_cnt, &none) != TF_JSON_OK ||
      json.root_kind != TF_JSON_ARRAY)
    return false;
  on_array(in, r);
  return true;
}

/* ---- events ---- */

static uint32_t length_of(tf_in_band_t *in) {
  uint64_t length = 0;
  return tf_in_band_u64(in, ROOT, LEN, &length) && length <= UINT32_MAX ? (uint32_t)length : 0;
}

/* "tBTCUSD" without its first letter; no bytes where it is no trading pair. */
static tf_json_value_t pair_of(const tf_in_band_t *in) {
  const tf_json_value_t *symbol = tf_in_band_value(in, ROOT, SYMBOL);
  tf_json_value_t        pair   = {.kind = TF_JSON_STRING};
  if (symbol == NULL || symbol->kind != TF_JSON_STRING || symbol->escaped ||
      symbol->bytes_cnt < 2 || symbol->bytes[0] != 't')
    return pair;
  pair.bytes     = symbol->bytes + 1;
  pair.bytes_cnt = symbol->bytes_cnt - 1;
  return pair;
}

static kind_t kind_of(tf_in_band_t *in) {
  if (pair_of(in).bytes_cnt == 0) return OTHER;
  if (tf_in_band_is(in, ROOT, CHANNEL, "trades")) return TRADES;
  if (tf_in_band_is(in, ROOT, CHANNEL, "ticker")) return TICKER;
  if (!tf_in_band_is(in, ROOT, CHANNEL, "book") || tf_in_band_is(in, ROOT, PREC, "R0"))
    return OTHER;
  return length_of(in) == 1 ? QUOTE : BOOK;
}

TF_COLD static void on_subscribed(tf_in_band_t *in) {
  own_t                 *own  = in->own;
  const tf_json_value_t *name = tf_in_band_value(in, ROOT, CHANNEL);
  tf_json_value_t        pair = pair_of(in);
  kind_t                 kind = kind_of(in);
  uint64_t               id;
  tf_reject_t            unused;
  if (!tf_in_band_u64(in, ROOT, CHAN_ID, &id) || name == NULL || name->kind != TF_JSON_STRING)
    return;
  channel_t *channel = find_channel(own, id);
  if (channel == NULL) {
    if (own->channel_cnt == CHANNELS_MAX) {
      static const char what[] = "more channels than one connection of the venue has";
      tf_feeds_note_error(&in->head, what, sizeof what - 1);
      return;
    }
    channel = &own->channels[own->channel_cnt++];
  }
  *channel =
      (channel_t){.id = id, .idx = TF_SYMBOLS_NONE, .depth = length_of(in), .kind = (uint8_t)kind};
  uint32_t cnt =
      name->bytes_cnt < sizeof channel->name ? name->bytes_cnt : sizeof channel->name - 1;
  memcpy(channel->name, name->bytes, cnt);
  if (kind == OTHER && tf_in_band_is(in, ROOT, PREC, "R0"))
    memcpy(channel->name, "raw_book", sizeof "raw_book");
  if (kind == OTHER) return;
  channel->idx = tf_symbols_of(&in->symbols, &pair, in->asked_cnt == 0, &unused);
  tf_in_band_answer(in, 0, channel_bits[kind], &pair, false);
}

TF_COLD static void on_unsubscribed(tf_in_band_t *in) {
  own_t   *own = in->own;
  uint64_t id;
  if (!tf_in_band_u64(in, ROOT, CHAN_ID, &id)) return;
  channel_t *channel = find_channel(own, id);
  if (channel == NULL) return;
  if (channel->idx != TF_SYMBOLS_NONE) {
    const tf_symbol_t *symbol = &in->symbols.rows[channel->idx];
    tf_json_value_t    pair   = {.bytes = symbol->text, .bytes_cnt = symbol->text_bytes};
    pair.kind                 = TF_JSON_STRING;
    tf_in_band_answer(in, 0, channel_bits[channel->kind], &pair, false);
  }
  *channel = own->channels[--own->channel_cnt];
}

TF_COLD static void on_error(tf_in_band_t *in) {
  tf_json_value_t pair = pair_of(in);
  kind_t          kind = kind_of(in);
  uint64_t        code = 0;
  tf_in_band_u64(in, ROOT, CODE, &code);
  if (code != ERROR_DUPLICATE) tf_in_band_complain(in, ROOT, MSG);
  if (pair.bytes_cnt > 0)
    tf_in_band_answer(in, 0, kind == OTHER ? 0 : channel_bits[kind], &pair,
                      code != ERROR_DUPLICATE);
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  static const char *const events[] = {"info",  "conf", "subscribed", "unsubscribed",
                                       "error", "pong", "auth"};
  own_t                   *own      = in->own;
  uint64_t                 number   = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(events); i++)
    if (tf_in_band_is(in, ROOT, EVENT, events[i])) r->what = TF_IN_BAND_CONTROL;
  if (tf_in_band_is(in, ROOT, EVENT, "subscribed")) on_subscribed(in);
  if (tf_in_band_is(in, ROOT, EVENT, "unsubscribed")) on_unsubscribed(in);
  if (tf_in_band_is(in, ROOT, EVENT, "error")) on_error(in);
  if (tf_in_band_is(in, ROOT, EVENT, "conf") && tf_in_band_is(in, ROOT, STATUS, "OK") &&
      tf_in_band_u64(in, ROOT, FLAGS_KEY, &number))
    own->flags = number;
  if (!tf_in_band_is(in, ROOT, EVENT, "info") || !tf_in_band_u64(in, ROOT, CODE, &number)) return;
  if (number == INFO_RESTART || number == INFO_MAINTENANCE) in->out->leaving = true;
  if (number == INFO_RESUMED) in->out->reconnect = true;
}

static const uint32_t depths[] = {25, 100, 250, 0};

static const tf_in_band_spec_t spec = {
    .objects       = objects,
    .object_cnt    = OBJECT_CNT,
    .ids           = TF_IN_BAND_IDS_ASCENDING,
    .buy           = "",
    .sell          = "",
    .ws_path       = "/ws/2",
    .route         = route,
    .on_levels     = on_levels,
    .on_other      = on_other,
    .depth_default = 25,
    .depth_max     = 250,
    .depths        = depths,
    .checksum      = &checksum,
    .own_bytes     = sizeof(own_t),
};

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  own_t *own        = ((tf_in_band_t *)state)->own;
  own->channel_cnt  = 0;
  own->flags        = 0;
  own->has_sequence = false;
  tf_in_band_on_connect(state, now_ns, out);
}

/* ---- live ---- */

static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  if (message_idx > 0) return 0;
  tf_text_out_put(&t, "{\"event\":\"conf\",\"flags\":");
  tf_text_out_u64(&t, FLAGS);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

/* 0: it was never acknowledged. */
static uint64_t chan_of(const own_t *own, uint32_t channel, uint32_t idx) {
  for (uint32_t i = 0; i < own->channel_cnt; i++)
    if (own->channels[i].kind != OTHER && channel_bits[own->channels[i].kind] == channel &&
        own->channels[i].idx == idx)
      return own->channels[i].id;
  return 0;
}

static size_t unsubscribe(const tf_in_band_t *in, const tf_feed_request_t *request, char *buf,
                          size_t cap) {
  tf_text_out_t t    = {buf, cap, 0};
  uint64_t      chan = chan_of(in->own, request->channel, request->symbols[0]);
  if (chan == 0) return 0;
  tf_text_out_put(&t, "{\"event\":\"unsubscribe\",\"chanId\":");
  tf_text_out_u64(&t, chan);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  tf_text_out_t       t  = {buf, cap, 0};
  if (request->unsubscribe) return unsubscribe(in, request, buf, cap);
  tf_text_out_put(&t, "{\"event\":\"subscribe\",\"channel\":\"");
  tf_text_out_put(&t, request->channel == TF_CHANNEL_TRADE    ? "trades"
                      : request->channel == TF_CHANNEL_TICKER ? "ticker"
                                                              : "book");
  tf_text_out_put(&t, "\",\"symbol\":\"t");
  tf_text_out_put(&t, in->symbols.rows[request->symbols[0]].text);
  if (request->channel & (TF_CHANNEL_BOOK | TF_CHANNEL_QUOTE)) {
    tf_text_out_put(&t, "\",\"prec\":\"P0\",\"freq\":\"F0\",\"len\":\"");
    tf_text_out_u64(&t, request->channel == TF_CHANNEL_QUOTE ? 1 : in->depth);
  }
  tf_text_out_put(&t, "\"}");
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trades",         TF_FEED_CHECK(SEQUENCE_CONNECTION) | TF_FEED_CHECK(IDS_ASCENDING)},
    {TF_CHANNEL_QUOTE,  "book (1 level)", TF_FEED_CHECK(SEQUENCE_CONNECTION)                               },
    {TF_CHANNEL_BOOK,   "book",           TF_FEED_CHECK(SEQUENCE_CONNECTION) | TF_FEED_CHECK(CHECKSUM)     },
    {TF_CHANNEL_TICKER, "ticker",         TF_FEED_CHECK(SEQUENCE_CONNECTION)                               },
    {0,                 NULL,             0                                                                },
};

const tf_feed_t tf_feed_bitfinex = {
    .venue                 = "bitfinex",
    .suffix                = "BITFINEX",
    .symbol_chars          = ":",
    .spec                  = &spec,
    .state_bytes           = tf_in_band_state_bytes,
    .init                  = tf_in_band_init,
    .on_frame              = tf_in_band_on_frame,
    .on_connect            = on_connect,
    .lose_book             = tf_in_band_lose_book,
    .ws_host               = "api-pub.bitfinex.com",
    .ws_port               = "443",
    .ws_target             = tf_in_band_ws_target,
    .hello                 = hello,
    .request               = request,
    .symbol                = tf_in_band_symbol,
    .streams_max           = 25, /* of 30 that the venue documents */
    .snapshot_channels     = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
    .connects_per_5min_max = 100,
    .subscribe_rate_hz_max = 5,                  /* the venue publishes none: as its neighbours */
    .silence_ns_max        = 45 * TF_NS_PER_SEC, /* of a heartbeat every 15 s a channel */
    .channels              = feed_channels,
};
