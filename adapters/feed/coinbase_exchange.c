/* Coinbase Exchange (VENUES.md 3b). Flat messages, told apart by "type":
 *
 *   snapshot     {"product_id":..,"bids":[["price","size"]],"asks":[..]}   BOOK with SNAPSHOT
 *   l2update     {"product_id":..,"changes":[["buy","price","size"]],"time":..}   BOOK
 *   match        TRADE. side is the MAKER's: "sell" is a buy aggressor. Ids are consecutive a product.
 *   last_match   the trade before the subscription: TRADE with BACKFILL
 *   ticker       TICKER, on matches only; best bid and offer come from the book
 *   heartbeat, subscriptions, error   CONTROL; errors are kept in the tf_feed_head_t
 *   received, open, done, change, activate, status, auction   the full channel: ignored, by type
 *
 * Depth has neither sequence nor checksum at this venue, so a level's venue_seq is an ordinal of our own
 * and nothing can show that a message is missing; a book whose message was refused is made anew by another
 * subscription (one that is crossed is flagged by the lane, and stays as the venue sent it). level2_batch (every 50 ms) is public; with a key the feed signs its
 * subscription and takes level2. */
#include <string.h>

#include "core/error.h"
#include "feed/acks.h"
#include "feed/draft.h"
#include "feed/feeds.h"
#include "feed/metadata.h"
#include "feed/symbols.h"
#include "feed/text_out.h"
#include "wire/hmac_sha256.h"
#include "wire/json_array.h"
#include "wire/rfc3339.h"

#define PRODUCTS          "/products" /* REST: metadata */
#define SYMBOLS_A_MESSAGE 100u        /* of a subscription */

enum {
  TYPE,
  PRODUCT,
  TRADE_ID,
  PRICE,
  SIZE,
  SIDE,
  TIME,
  CHANGES,
  BIDS,
  ASKS,
  VOLUME,
  MESSAGE,
  REASON,
  CHANNELS,
  KEY_CNT
};
static const tf_json_key_t keys[KEY_CNT] = {
    [TYPE]     = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [PRODUCT]  = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [TRADE_ID] = TF_JSON_KEY("trade_id", TF_JSON_WANT_U64),
    [PRICE]    = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [SIZE]     = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),
    [SIDE]     = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [TIME]     = TF_JSON_KEY("time", TF_JSON_WANT_TEXT),
    [CHANGES]  = TF_JSON_KEY("changes", TF_JSON_WANT_BYTES),
    [BIDS]     = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [ASKS]     = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [VOLUME]   = TF_JSON_KEY("volume_24h", TF_JSON_WANT_DECIMAL),
    [MESSAGE]  = TF_JSON_KEY("message", TF_JSON_WANT_BYTES),
    [REASON]   = TF_JSON_KEY("reason", TF_JSON_WANT_BYTES),
    [CHANNELS] = TF_JSON_KEY("channels", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t shape = {keys, KEY_CNT};

/* Of the list that acknowledges. */
enum { LIST_NAME, LIST_PRODUCTS, LIST_KEY_CNT };
static const tf_json_key_t list_keys[LIST_KEY_CNT] = {
    [LIST_NAME]     = TF_JSON_KEY("name", TF_JSON_WANT_TEXT),
    [LIST_PRODUCTS] = TF_JSON_KEY("product_ids", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t list_shape = {list_keys, LIST_KEY_CNT};

#define BIT(key) (UINT64_C(1) << (key))

typedef struct {
  tf_feed_head_t       head; /* first: feeds.h */
  tf_feed_row_t       *rows; /* index: the symbol's number */
  tf_symbols_t         symbols;
  uint32_t             channels, asked_cnt;
  const tf_feed_key_t *key;   /* NULL: public channels only */
  uint64_t         newest_ns; /* of the connection or its newest message: the signature's time */
  tf_acks_t        acks;
  tf_json_object_t root;
  tf_json_value_t  values[KEY_CNT + 1];
  tf_json_orders_t orders;
} state_t;

/* One message while it is worked on. */
typedef struct {
  tf_draft_t draft;
  tf_json_t  json;
  uint64_t   ts_ns;
  uint8_t    ts_flags;
} message_t;

static tf_verdict_t reject(const message_t *m, tf_reject_t why) {
  return tf_feeds_reject(m->draft.out->counts, m->draft.frame, why);
}
#define IGNORE(m, literal) tf_feeds_ignore((m)->draft.out->counts, (literal), sizeof(literal) - 1)

TF_INLINE bool has(const state_t *st, uint64_t bits) { return (st->root.seen & bits) == bits; }

/* False: there is one, and it is no text; or none where one is due. */
static bool take_time(const state_t *st, message_t *m, bool is_due) {
  m->ts_ns    = 0;
  m->ts_flags = 0;
  if (!has(st, BIT(TIME))) return !is_due;
  const tf_json_value_t *text = &st->values[TIME];
  if (text->kind != TF_JSON_STRING) return false;
  if (!tf_rfc3339_parse(text->bytes, text->bytes_cnt, &m->ts_ns)) m->ts_ns = 0;
  m->ts_flags = tf_draft_time_flags(m->ts_ns, m->draft.frame->recv_ns);
  return true;
}

/* The number of the message's product, or TF_SYMBOLS_NONE and *why. */
static uint32_t product_of(state_t *st, tf_reject_t *why) {
  *why = TF_REJECT_SCHEMA;
  if (!has(st, BIT(PRODUCT)) || st->values[PRODUCT].kind != TF_JSON_STRING) return TF_SYMBOLS_NONE;
  return tf_symbols_of(&st->symbols, &st->values[PRODUCT], st->asked_cnt == 0, why);
}

/* ---- levels ---- */

TF_INLINE bool starts(const char *p, const char *text, size_t bytes) {
  return memcmp(p, text, bytes) == 0;
}

/* `["buy","8531.90","0.00000000"]` at p, as the venue sends it: the byte behind it, or NULL. */
TF_INLINE const char *read_change(const char *p, const char *floor, tf_event_t *row) {
  bool is_buy = starts(p, "[\"buy\",\"", 8);
  if (TF_UNLIKELY(!is_buy && !starts(p, "[\"sell\",\"", 9))) return NULL;
  p += is_buy ? 8 : 9;
  uint32_t bytes = tf_decimal_read(p, floor, &row->u.level.price, &row->price_exp);
  if (TF_UNLIKELY(bytes == 0 || !starts(p + bytes, "\",\"", 3))) return NULL;
  p += bytes + 3;
  bytes = tf_decimal_read(p, floor, &row->u.level.qty, &row->qty_exp);
  if (TF_UNLIKELY(bytes == 0 || !starts(p + bytes, "\"]", 2))) return NULL;
  row->flags = is_buy ? 0 : TF_FLAG_SIDE;
  return p + bytes + 2;
}

/* One change in any other form. False: *why. */
TF_COLD static bool read_change_any(const tf_json_value_t *change, tf_event_t *row,
                                    tf_reject_t *why) {
  tf_json_array_t array;
  tf_json_value_t side, price, qty;
  *why = TF_REJECT_SCHEMA;
  tf_json_array_init(&array, change->bytes, change->bytes_cnt);
  if (change->kind != TF_JSON_ARRAY || !tf_json_array_next(&array, &side) ||
      !tf_json_array_next(&array, &price) || !tf_json_array_next(&array, &qty))
    return false;
  bool is_buy = TF_JSON_TEXT_IS(&side, "buy");
  if (!is_buy && !TF_JSON_TEXT_IS(&side, "sell")) return false;
  row->flags = is_buy ? 0 : TF_FLAG_SIDE;
  *why       = TF_REJECT_NUMBER;
  return tf_json_array_decimal(&price, &row->u.level.price, &row->price_exp) == TF_DECIMAL_OK &&
         tf_json_array_decimal(&qty, &row->u.level.qty, &row->qty_exp) == TF_DECIMAL_OK &&
         (row->u.level.price | row->u.level.qty) >= 0;
}

/* The changes to rows. False: *why. Room for a STATUS beside them stays. */
static bool read_changes(const state_t *st, message_t *m, tf_reject_t *why) {
  const tf_json_value_t *changes = &st->values[CHANGES];
  *why                           = TF_REJECT_SCHEMA;
  if (!has(st, BIT(CHANGES)) || changes->kind != TF_JSON_ARRAY) return false;
  const char *end = changes->bytes + changes->bytes_cnt;
  const char *p   = changes->bytes + 1;
  tf_draft_t *d   = &m->draft;
  for (bool is_hot = true; is_hot;) { /* the text is valid JSON: what follows a change is , or ] */
    if (!tf_draft_has_room(d, 2)) {
      *why = TF_REJECT_LIMIT;
      return false;
    }
    const char *next = read_change(p, m->json.floor, &d->out->events[d->end]);
    is_hot           = next != NULL && (*next == ',' || next + 1 == end);
    if (!is_hot) break;
    d->end++;
    if (*next == ']') return true;
    p = next + 1;
  }
  d->end = d->at; /* from the beginning, in the general way */
  tf_json_array_t array;
  tf_json_value_t change;
  tf_json_array_init(&array, changes->bytes, changes->bytes_cnt);
  while (tf_json_array_next(&array, &change)) {
    if (!tf_draft_has_room(d, 2)) {
      *why = TF_REJECT_LIMIT;
      return false;
    }
    if (!read_change_any(&change, &d->out->events[d->end], why)) return false;
    d->end++;
  }
  return true;
}

/* The book can no longer be trusted: nothing else would tell. */
TF_COLD static tf_verdict_t refuse_levels(state_t *st, message_t *m, tf_reject_t why) {
  tf_reject_t unused;
  uint32_t    idx = product_of(st, &unused);
  m->draft.end    = m->draft.at; /* its rows mean nothing */
  if (idx == TF_SYMBOLS_NONE) return reject(m, why);
  uint32_t id = st->symbols.rows[idx].instrument_id;
  tf_draft_status(&m->draft, &st->rows[idx], id, TF_BOOK_GAP, 0);
  if (tf_feeds_want_snapshot(m->draft.out, id)) m->draft.out->counts->resyncs++;
  return reject(m, why);
}

static tf_verdict_t put_levels(state_t *st, message_t *m, tf_draft_levels_t *levels) {
  tf_reject_t why;
  uint32_t    idx = product_of(st, &why);
  if (TF_UNLIKELY(idx == TF_SYMBOLS_NONE)) return reject(m, why);
  levels->instrument_id = st->symbols.rows[idx].instrument_id;
  levels->venue_seq     = ++st->rows[idx].ordinal;
  levels->ts_ns         = m->ts_ns;
  levels->flags         = m->ts_flags;
  tf_draft_put_levels(&m->draft, &st->rows[idx], levels);
  return tf_draft_finish(&m->draft);
}

static tf_verdict_t on_update(state_t *st, message_t *m) {
  tf_reject_t why;
  if (TF_UNLIKELY(!read_changes(st, m, &why))) return refuse_levels(st, m, why);
  if (TF_UNLIKELY(!take_time(st, m, true))) return refuse_levels(st, m, TF_REJECT_SCHEMA);
  tf_draft_levels_t levels = {.cnt = m->draft.end - m->draft.at, .ask_from = UINT32_MAX};
  for (uint32_t i = m->draft.at; i < m->draft.end; i++)
    m->draft.out->events[i].flags |= m->ts_flags;
  return put_levels(st, m, &levels);
}

static tf_verdict_t on_snapshot(state_t *st, message_t *m) {
  const tf_json_value_t *bids = &st->values[BIDS], *asks = &st->values[ASKS];
  if (!has(st, BIT(BIDS) | BIT(ASKS)) || !take_time(st, m, false)) {
    return refuse_levels(st, m, TF_REJECT_SCHEMA);
  }
  if (bids->made != TF_JSON_MADE_LEVELS || asks->made != TF_JSON_MADE_LEVELS) {
    bool is_number = bids->made == TF_JSON_MADE_BAD || asks->made == TF_JSON_MADE_BAD;
    return refuse_levels(st, m, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  }
  if (m->json.any_negative) return refuse_levels(st, m, TF_REJECT_NUMBER);
  if (!tf_draft_has_room(&m->draft, 2)) return refuse_levels(st, m, TF_REJECT_LIMIT);
  if (bids->as.levels.first != 0) {
    tf_draft_gather_sides(m->draft.out->events + m->draft.at, bids, asks);
  }
  tf_draft_levels_t levels = {.cnt         = bids->as.levels.cnt + asks->as.levels.cnt,
                              .ask_from    = bids->as.levels.cnt,
                              .is_snapshot = true};
  return put_levels(st, m, &levels);
}

/* ---- trades and tickers ---- */

/* Numbers that are there and not negative; else *why. */
static bool take_numbers(const state_t *st, uint32_t one, uint32_t two, tf_reject_t *why) {
  const uint32_t wanted[] = {one, two};
  for (int i = 0; i < 2; i++) {
    const tf_json_value_t *v = &st->values[wanted[i]];
    *why                     = TF_REJECT_SCHEMA;
    if (!has(st, BIT(wanted[i])) || v->made == TF_JSON_MADE_NONE) return false;
    *why = TF_REJECT_NUMBER;
    if (v->made != TF_JSON_MADE_DECIMAL || v->as.mantissa < 0) return false;
  }
  return true;
}

static tf_verdict_t on_match(state_t *st, message_t *m, bool is_last_match) {
  const tf_json_value_t *v = st->values;
  tf_reject_t            why;
  if (!(st->channels & TF_CHANNEL_TRADE)) return IGNORE(m, "match");
  if (!take_numbers(st, PRICE, SIZE, &why)) return reject(m, why);
  if (!has(st, BIT(TRADE_ID)) || v[TRADE_ID].made == TF_JSON_MADE_NONE || !has(st, BIT(SIDE)) ||
      !take_time(st, m, true)) {
    return reject(m, TF_REJECT_SCHEMA);
  }
  if (v[TRADE_ID].made != TF_JSON_MADE_U64) return reject(m, TF_REJECT_NUMBER);
  bool maker_buys = TF_JSON_TEXT_IS(&v[SIDE], "buy");
  if (!maker_buys && !TF_JSON_TEXT_IS(&v[SIDE], "sell")) return reject(m, TF_REJECT_SCHEMA);
  if (!tf_draft_has_room(&m->draft, 1)) return reject(m, TF_REJECT_LIMIT);
  uint32_t idx = product_of(st, &why);
  if (idx == TF_SYMBOLS_NONE) return reject(m, why);
  uint64_t        id   = tf_json_u64(&m->json, &v[TRADE_ID]);
  tf_trade_said_t said = {.price     = v[PRICE].as.mantissa,
                          .qty       = v[SIZE].as.mantissa,
                          .id        = (uint32_t)id,
                          .price_exp = v[PRICE].exp,
                          .qty_exp   = v[SIZE].exp,
                          .sells     = maker_buys,
                          .is_known  = true};
  if (tf_trade_ids_step(&st->rows[idx].trades, id, &said, m->draft.out->counts)) {
    m->draft.out->counts->duplicates++;
    return tf_draft_finish(&m->draft);
  }
  tf_event_t *e  = tf_draft_open(&m->draft, m->draft.at, 1);
  e->ts_event_ns = m->ts_ns;
  e->flags       = m->ts_flags | (maker_buys ? TF_FLAG_SIDE : 0) | /* the aggressor's side */
             (is_last_match ? TF_FLAG_BACKFILL : 0);
  e->price_exp     = v[PRICE].exp;
  e->qty_exp       = v[SIZE].exp;
  e->u.trade.price = v[PRICE].as.mantissa;
  e->u.trade.qty   = v[SIZE].as.mantissa;
  e->u.trade.id    = id;
  tf_draft_put(&m->draft, &st->rows[idx], TF_EVENT_TRADE, st->symbols.rows[idx].instrument_id);
  return tf_draft_finish(&m->draft);
}

static tf_verdict_t on_ticker(state_t *st, message_t *m) {
  const tf_json_value_t *v = st->values;
  tf_reject_t            why;
  if (!take_numbers(st, PRICE, VOLUME, &why)) return reject(m, why);
  if (!take_time(st, m, false)) return reject(m, TF_REJECT_SCHEMA);
  if (!tf_draft_has_room(&m->draft, 1)) return reject(m, TF_REJECT_LIMIT);
  uint32_t idx = product_of(st, &why);
  if (idx == TF_SYMBOLS_NONE) return reject(m, why);
  tf_event_t *e            = tf_draft_open(&m->draft, m->draft.at, 1);
  e->ts_event_ns           = m->ts_ns;
  e->flags                 = m->ts_flags;
  e->price_exp             = v[PRICE].exp;
  e->qty_exp               = v[VOLUME].exp;
  e->u.ticker.last_price   = v[PRICE].as.mantissa;
  e->u.ticker.volume       = v[VOLUME].as.mantissa;
  e->u.ticker.funding_rate = TF_FUNDING_NONE;
  tf_draft_put(&m->draft, &st->rows[idx], TF_EVENT_TICKER, st->symbols.rows[idx].instrument_id);
  return tf_draft_finish(&m->draft);
}

/* ---- the rest ---- */

static bool has_books(const state_t *st) {
  return (st->channels & (TF_CHANNEL_BOOK | TF_CHANNEL_QUOTE)) != 0;
}

/* Where quotes come from is the book: the venue has no channel of quotes. */
static uint32_t level2_channel(const state_t *st) {
  return (st->channels & TF_CHANNEL_BOOK) != 0 ? TF_CHANNEL_BOOK : TF_CHANNEL_QUOTE;
}

static uint32_t channel_of(const state_t *st, const tf_json_value_t *name) {
  if (TF_JSON_TEXT_IS(name, "level2") || TF_JSON_TEXT_IS(name, "level2_batch"))
    return level2_channel(st);
  return TF_JSON_TEXT_IS(name, "matches")  ? TF_CHANNEL_TRADE
         : TF_JSON_TEXT_IS(name, "ticker") ? TF_CHANNEL_TICKER
                                           : 0;
}

/* The acknowledgement: all that is subscribed on this connection now. */
TF_COLD static void on_subscriptions(state_t *st, message_t *m) {
  const tf_json_value_t *channels = &st->values[CHANNELS];
  tf_json_array_t        array;
  tf_json_value_t        element, values[LIST_KEY_CNT + 1];
  if (!has(st, BIT(CHANNELS)) || channels->kind != TF_JSON_ARRAY) return;
  tf_json_array_init(&array, channels->bytes, channels->bytes_cnt);
  while (tf_json_array_next(&array, &element)) {
    tf_json_object_t object = {.shape = &list_shape, .values = values};
    tf_json_t        json   = {0};
    if (element.kind != TF_JSON_OBJECT ||
        tf_json_read(&json, element.bytes, element.bytes_cnt, &object) != TF_JSON_OK ||
        (object.seen & (BIT(LIST_NAME) | BIT(LIST_PRODUCTS))) !=
            (BIT(LIST_NAME) | BIT(LIST_PRODUCTS)))
      continue;
    uint32_t channel = channel_of(st, &values[LIST_NAME]);
    if (channel != 0) tf_acks_list(&st->acks, &st->symbols, channel, &values[LIST_PRODUCTS]);
  }
  tf_acks_finish(&st->acks, &st->symbols, m->draft.out);
}

TF_COLD static tf_verdict_t on_other_type(state_t *st, message_t *m) {
  const tf_json_value_t   *v         = st->values;
  static const char *const ignored[] = {"received", "open",   "done",   "change",
                                        "activate", "status", "auction"};
  if (TF_JSON_TEXT_IS(&v[TYPE], "error")) {
    uint32_t key = has(st, BIT(REASON)) ? REASON : MESSAGE;
    if (has(st, BIT(key))) tf_feeds_note_error(&st->head, v[key].bytes, v[key].bytes_cnt);
    tf_feeds_answer(m->draft.out, 0, UINT32_MAX, 0, true);
  } else if (TF_JSON_TEXT_IS(&v[TYPE], "subscriptions")) {
    on_subscriptions(st, m);
  } else if (!TF_JSON_TEXT_IS(&v[TYPE], "heartbeat")) {
    for (size_t i = 0; i < TF_ARRAY_CNT(ignored); i++) {
      size_t n = strlen(ignored[i]);
      if (tf_json_text_is(&v[TYPE], ignored[i], n)) {
        return tf_feeds_ignore(m->draft.out->counts, ignored[i], n);
      }
    }
    return reject(m, TF_REJECT_UNKNOWN);
  }
  m->draft.out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

static tf_verdict_t on_message(state_t *st, message_t *m) {
  const tf_json_value_t *type = &st->values[TYPE];
  if (m->json.root_kind != TF_JSON_OBJECT || !has(st, BIT(TYPE))) {
    return reject(m, TF_REJECT_UNKNOWN);
  }
  if (type->kind != TF_JSON_STRING) return reject(m, TF_REJECT_SCHEMA);
  if (TF_JSON_TEXT_IS(type, "l2update")) {
    return has_books(st) ? on_update(st, m) : IGNORE(m, "l2update");
  }
  if (TF_JSON_TEXT_IS(type, "match")) return on_match(st, m, false);
  if (TF_JSON_TEXT_IS(type, "last_match")) return on_match(st, m, true);
  if (TF_JSON_TEXT_IS(type, "ticker")) {
    if (!(st->channels & TF_CHANNEL_TICKER)) return IGNORE(m, "ticker");
    return on_ticker(st, m);
  }
  if (TF_JSON_TEXT_IS(type, "snapshot")) {
    return has_books(st) ? on_snapshot(st, m) : IGNORE(m, "snapshot");
  }
  return on_other_type(st, m);
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  state_t *st   = state;
  st->newest_ns = frame->recv_ns;
  out->counts->messages++;
  if (TF_UNLIKELY(frame->kind == TF_FRAME_HTTP)) {
    bool is_ours = frame->target != NULL && strncmp(frame->target, PRODUCTS, strlen(PRODUCTS)) == 0;
    if (!is_ours) return tf_feeds_ignore(out->counts, "rest", 4);
    return tf_metadata_on_frame(&st->symbols, frame, out);
  }
  if (TF_UNLIKELY(frame->kind != TF_FRAME_TEXT)) {
    return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
  }
  message_t m;
  m.json.rows             = out->events + out->event_cnt;
  m.json.row_cap          = out->event_cap - out->event_cnt;
  tf_json_result_t result = tf_json_read(&m.json, frame->bytes, frame->bytes_cnt, &st->root);
  if (TF_UNLIKELY(result != TF_JSON_OK)) {
    return tf_feeds_reject(out->counts, frame,
                           result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  }
  tf_draft_begin(&m.draft, frame, out, m.json.row_cnt);
  tf_verdict_t verdict = on_message(st, &m);
  if (verdict != TF_VERDICT_DATA) out->event_cnt = m.draft.at; /* statuses of a refusal stand */
  return verdict;
}

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/");
  return tf_text_out_finish(&t);
}

static void put_list(tf_text_out_t *t, const char *item, bool is_first) {
  tf_text_out_put(t, is_first ? "\"" : ",\"");
  tf_text_out_put(t, item);
  tf_text_out_char(t, '"');
}

/* Up to the channels' names. */
static void put_products(tf_text_out_t *t, const state_t *st, bool unsubscribe,
                         const uint32_t *symbols, uint32_t cnt) {
  tf_text_out_put(t, unsubscribe ? "{\"type\":\"unsubscribe\",\"product_ids\":["
                                 : "{\"type\":\"subscribe\",\"product_ids\":[");
  for (uint32_t i = 0; i < cnt; i++) put_list(t, st->symbols.rows[symbols[i]].text, i == 0);
  tf_text_out_put(t, "],\"channels\":[");
}

static void put_member(tf_text_out_t *t, const char *name, const char *value) {
  tf_text_out_put(t, ",\"");
  tf_text_out_put(t, name);
  tf_text_out_put(t, "\":\"");
  tf_text_out_put(t, value);
  tf_text_out_char(t, '"');
}

/* The venue's: base64 of HMAC-SHA-256, under the decoded secret, of time, method and path. */
static void put_signature(tf_text_out_t *t, const state_t *st) {
  uint8_t       secret[sizeof st->key->secret], mac[TF_SHA256_BYTES];
  char          signature[2 * TF_SHA256_BYTES], seconds[24], text[64];
  tf_text_out_t s = {seconds, sizeof seconds, 0}, signed_text = {text, sizeof text, 0};
  tf_text_out_u64(&s, st->newest_ns / TF_NS_PER_SEC);
  tf_text_out_finish(&s);
  tf_text_out_put(&signed_text, seconds);
  tf_text_out_put(&signed_text, "GET/users/self/verify");
  size_t secret_bytes =
      tf_base64_decode(st->key->secret, strlen(st->key->secret), secret, sizeof secret);
  TF_ASSERT(secret_bytes != SIZE_MAX); /* init has looked */
  tf_hmac_sha256(secret, secret_bytes, text, tf_text_out_finish(&signed_text), mac);
  explicit_bzero(secret, sizeof secret);
  tf_base64_encode(mac, sizeof mac, signature, sizeof signature);
  put_member(t, "signature", signature);
  put_member(t, "key", st->key->id);
  put_member(t, "passphrase", st->key->passphrase);
  put_member(t, "timestamp", seconds);
}

/* Closes the list of channels, and the message, signed where there is a key. */
static size_t finish_request(tf_text_out_t *t, const state_t *st) {
  tf_text_out_char(t, ']');
  if (st->key != NULL) put_signature(t, st);
  tf_text_out_char(t, '}');
  return tf_text_out_finish(t);
}

static const char *book_channel(const state_t *st) {
  return st->key != NULL ? "level2" : "level2_batch";
}

/* A heartbeat a second and product, in runs of products: it is what tells a quiet product from silence. */
static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  const state_t *st = state;
  uint32_t       symbols[SYMBOLS_A_MESSAGE], cnt = 0;
  uint64_t       from = (uint64_t)message_idx * SYMBOLS_A_MESSAGE;
  while (cnt < SYMBOLS_A_MESSAGE && from + cnt < st->symbols.cnt) {
    symbols[cnt] = (uint32_t)from + cnt;
    cnt++;
  }
  if (cnt == 0 || st->asked_cnt == 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  put_products(&t, st, false, symbols, cnt);
  put_list(&t, "heartbeat", true);
  return finish_request(&t, st);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const state_t *st      = state;
  const char    *channel = request->channel == TF_CHANNEL_TRADE     ? "matches"
                           : request->channel == TF_CHANNEL_TICKER  ? "ticker"
                           : request->channel == level2_channel(st) ? book_channel(st)
                                                                    : NULL;
  if (channel == NULL) return 0;
  tf_text_out_t t = {buf, cap, 0};
  put_products(&t, st, request->unsubscribe, request->symbols, request->symbol_cnt);
  put_list(&t, channel, true);
  return finish_request(&t, st);
}

static tf_err_t symbol(void *state, const char *text, uint32_t *number, uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((state_t *)state)->symbols, text, number, instrument_id);
}

static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  const state_t *st = state;
  if (st->asked_cnt == 0 || request_idx >= st->symbols.cnt) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, PRODUCTS "/");
  tf_text_out_url(&t, st->symbols.rows[request_idx].text);
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

typedef struct {
  uint32_t row_cap;
  size_t   rows_at, symbols_at, acks_at, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config) {
  layout_t l;
  l.row_cap    = tf_symbols_cap_of(config);
  l.rows_at    = tf_align_up(sizeof(state_t), TF_LINE_BYTES);
  l.symbols_at = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_feed_row_t), TF_LINE_BYTES);
  l.acks_at    = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.bytes      = l.acks_at + tf_acks_bytes(l.row_cap);
  return l;
}

static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  return layout_of(config).bytes;
}

static tf_err_t check_key(const tf_feed_key_t *key) {
  uint8_t secret[sizeof key->secret];
  if (key == NULL) return TF_OK;
  size_t bytes = tf_base64_decode(key->secret, strlen(key->secret), secret, sizeof secret);
  explicit_bzero(secret, sizeof secret);
  if (bytes == SIZE_MAX)
    return TF_ERR(E_FEED_KEY, "coinbase-exchange: the key's secret is not base64");
  if (key->passphrase[0] == '\0')
    return TF_ERR(E_FEED_KEY, "coinbase-exchange: the key has no passphrase");
  return TF_OK;
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  state_t *st = state;
  layout_t l  = layout_of(config);
  memset(st, 0, sizeof *st);
  st->channels = config->channels;
  st->key      = config->key;
  st->rows     = (tf_feed_row_t *)(void *)((uint8_t *)state + l.rows_at);
  for (uint32_t i = 0; i < l.row_cap; i++) tf_feed_row_init(&st->rows[i]);
  tf_acks_init(&st->acks, (uint8_t *)state + l.acks_at, l.row_cap);
  tf_json_orders_init(&st->orders);
  st->root     = (tf_json_object_t){.shape = &shape, .orders = &st->orders, .values = st->values};
  tf_err_t err = tf_symbols_init(&st->symbols, (uint8_t *)state + l.symbols_at, l.row_cap,
                                 config->instruments, feed);
  if (err == TF_OK)
    err = tf_symbols_ask(&st->symbols, config->symbols, config->symbol_cnt, TF_SYMBOLS_UPPER);
  st->asked_cnt = st->symbols.cnt;
  if (err == TF_OK) err = check_key(config->key);
  return err;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  state_t *st   = state;
  st->newest_ns = now_ns;
  tf_acks_restart(&st->acks);
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    st->rows[i].trades.is_continued = false;
    if (has_books(st)) {
      tf_draft_restart(out, &st->rows[i], st->symbols.rows[i].instrument_id, now_ns);
    }
  }
}

static void lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out) {
  state_t *st  = state;
  uint32_t idx = tf_symbols_of_instrument(&st->symbols, instrument_id);
  if (idx != TF_SYMBOLS_NONE) tf_draft_lose_book(out, &st->rows[idx], instrument_id, now_ns);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "matches",      TF_FEED_CHECK(IDS_CONSECUTIVE)},
    {TF_CHANNEL_QUOTE,  "level2_batch", 0                             },
    {TF_CHANNEL_BOOK,   "level2_batch", 0                             },
    {TF_CHANNEL_TICKER, "ticker",       0                             },
    {0,                 NULL,           0                             },
};

const tf_feed_t tf_feed_coinbase_exchange = {
    .venue                   = "coinbase-exchange",
    .key_elsewhere           = "full and level3 (order by order) want one and are not read",
    .suffix                  = "COINBASE-EXCHANGE",
    .symbol_chars            = "-",
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = on_frame,
    .on_connect              = on_connect,
    .key_channels            = "level2 (each change, not every 50 ms)",
    .ws_host                 = "ws-feed.exchange.coinbase.com",
    .ws_port                 = "443",
    .rest_host               = "api.exchange.coinbase.com",
    .rest_port               = "443",
    .ws_target               = ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = symbol,
    .symbols_per_request_max = SYMBOLS_A_MESSAGE,
    .lose_book               = lose_book,
    .metadata_target         = metadata_target,
    .subscribe_rate_hz_max   = 8,
    .silence_ns_max          = 15 * TF_NS_PER_SEC, /* of one heartbeat a second and product */
    .message_bytes_max       = (uint64_t)16 << 20, /* a whole book */
    .channels                = feed_channels,
};
