/* Coinbase Advanced Trade (VENUES.md 3a; every rule was checked on the recording of 1,030 messages).
 *
 *   {"channel":..,"timestamp":..,"sequence_num":..,"events":[{"type":..,"product_id":..,
 *     "updates":[{"side":"offer","event_time":..,"price_level":..,"new_quantity":..}]
 *     "trades":[{"product_id":..,"trade_id":..,"price":..,"size":..,"time":..,"side":..}]
 *     "tickers":[{"product_id":..,"price":..,"volume_24_h":..}]}]}
 *
 * What becomes of a message, by channel:
 *   l2_data        BOOK, an event a level in the order sent; quantities are absolute. type "snapshot"
 *                  starts a new book. Best bid and offer come from here: no channel of the venue's
 *                  follows the quotes. Asked for under the name level2, and with channel quote too.
 *   market_trades  TRADE. side is the MAKER's: a SELL is a buy aggressor. The venue sends a batch newest
 *                  first; it is published oldest first, so that the last trade is the last. type
 *                  "snapshot" is a replay of 100 recent trades: BACKFILL, in the order sent. Ids are
 *                  consecutive a product, so a repeat is dropped and a jump is a gap.
 *   ticker         TICKER, on matches only
 *   heartbeats, subscriptions, and {"type":"error"}   CONTROL; errors are kept in the tf_feed_head_t
 *   candles, status, ticker_batch, ..                 ignored, counted by name
 *
 * sequence_num is one counter for the whole connection, over all channels and acknowledgements. A jump
 * means that anything may be missing: every book is in GAP and the connection must be made anew. A
 * number that was seen is a repeat and not published; 0, or one far back, is a new connection
 * (a recording of several).
 *
 * A refused l2_data message has lost levels: the books that it names, or all, are in GAP and their
 * snapshots are asked for again.
 *
 * ts_event is a level's event_time, a trade's time, a ticker's timestamp. A text that is no time leaves
 * 0 with BAD_TS. */
#include <string.h>

#include "core/error.h"
#include "feed/acks.h"
#include "feed/draft.h"
#include "feed/feeds.h"
#include "feed/metadata.h"
#include "feed/symbols.h"
#include "feed/text_out.h"
#include "wire/rfc3339.h"

#define GROUPS_MAX        64u /* elements of "events"; one was seen in every recorded message */
#define PRODUCTS          "/api/v3/brokerage/market/products" /* REST: metadata */
#define SYMBOLS_A_MESSAGE 100u                                /* of a subscription */
#define SEQUENCE_BACK_MAX 1000u /* further back it is a new connection */
#define TIME_TEXT_BYTES   40u

enum { CHANNEL, TIMESTAMP, SEQUENCE, EVENTS, TYPE, MESSAGE, REASON, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    [CHANNEL]   = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [TIMESTAMP] = TF_JSON_KEY("timestamp", TF_JSON_WANT_TEXT),
    [SEQUENCE]  = TF_JSON_KEY("sequence_num", TF_JSON_WANT_U64),
    [EVENTS]    = TF_JSON_KEY("events", TF_JSON_WANT_ITEMS),
    [TYPE]      = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [MESSAGE]   = TF_JSON_KEY("message", TF_JSON_WANT_BYTES),
    [REASON]    = TF_JSON_KEY("reason", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t root_shape = {root_keys, ROOT_KEY_CNT};

enum { GROUP_TYPE, GROUP_PRODUCT, UPDATES, TRADES, TICKERS, SUBSCRIPTIONS, GROUP_KEY_CNT };
static const tf_json_key_t group_keys[GROUP_KEY_CNT] = {
    [GROUP_TYPE]    = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [GROUP_PRODUCT] = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [UPDATES]       = TF_JSON_KEY("updates", TF_JSON_WANT_ITEMS),
    [TRADES]        = TF_JSON_KEY("trades", TF_JSON_WANT_ITEMS),
    [TICKERS]       = TF_JSON_KEY("tickers", TF_JSON_WANT_ITEMS),
    [SUBSCRIPTIONS] = TF_JSON_KEY("subscriptions", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t group_shape = {group_keys, GROUP_KEY_CNT};

/* Inside of "subscriptions": a list of products each. */
enum { LIST_LEVEL2, LIST_TRADES, LIST_TICKER, LIST_KEY_CNT };
static const tf_json_key_t list_keys[LIST_KEY_CNT] = {
    [LIST_LEVEL2] = TF_JSON_KEY("level2", TF_JSON_WANT_BYTES),
    [LIST_TRADES] = TF_JSON_KEY("market_trades", TF_JSON_WANT_BYTES),
    [LIST_TICKER] = TF_JSON_KEY("ticker", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t list_shape = {list_keys, LIST_KEY_CNT};

enum {
  SIDE,
  EVENT_TIME,
  PRICE_LEVEL,
  NEW_QUANTITY,
  PRODUCT,
  TRADE_ID,
  PRICE,
  SIZE,
  TIME,
  VOLUME,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    [SIDE]         = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [EVENT_TIME]   = TF_JSON_KEY("event_time", TF_JSON_WANT_TEXT),
    [PRICE_LEVEL]  = TF_JSON_KEY("price_level", TF_JSON_WANT_DECIMAL),
    [NEW_QUANTITY] = TF_JSON_KEY("new_quantity", TF_JSON_WANT_DECIMAL),
    [PRODUCT]      = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [TRADE_ID]     = TF_JSON_KEY("trade_id", TF_JSON_WANT_DECIMAL),
    [PRICE]        = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [SIZE]         = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),
    [TIME]         = TF_JSON_KEY("time", TF_JSON_WANT_TEXT),
    [VOLUME]       = TF_JSON_KEY("volume_24_h", TF_JSON_WANT_DECIMAL),
};
static const tf_json_shape_t item_shape = {item_keys, ITEM_KEY_CNT};

#define BIT(key) (UINT64_C(1) << (key))

typedef enum { ITEMS_NONE, ITEMS_LEVELS, ITEMS_TRADES, ITEMS_TICKERS } items_t;

typedef struct {
  tf_json_value_t type, product, subscriptions;
  bool            has_type, has_product, has_subscriptions;
  items_t         items;
  uint32_t        row_cnt;
} group_t;

typedef struct {
  tf_feed_head_t    head; /* first: feeds.h */
  tf_feed_row_t    *rows; /* index: the symbol's number */
  tf_symbols_t      symbols;
  tf_acks_t         acks;
  uint32_t          channels, asked_cnt;
  uint64_t          sequence; /* of the newest message */
  bool              has_sequence;
  tf_json_object_t  root, group, item;
  tf_json_value_t   root_values[ROOT_KEY_CNT + 1];
  tf_json_value_t   group_values[GROUP_KEY_CNT + 1];
  tf_json_value_t   item_values[ITEM_KEY_CNT + 1];
  tf_json_orders_t  root_orders, group_orders, item_orders;
  const tf_frame_t *frame; /* being read, with all below */
  uint32_t          group_cnt;
  group_t           groups[GROUPS_MAX];
  tf_reject_t       why; /* the first fault of an item */
  bool              is_bad;
  uint32_t          row_cnt;
  char              time_text[TIME_TEXT_BYTES]; /* the last one read, because they come in runs */
  uint32_t          time_text_bytes;
  uint64_t          time_ns;
} state_t;

/* ---- items to rows, while the scanner runs ---- */

static void refuse(state_t *st, tf_reject_t why) {
  if (!st->is_bad) st->why = why;
  st->is_bad = true;
}

/* 0 where the text is no time. */
TF_INLINE uint64_t time_of(state_t *st, const tf_json_value_t *text) {
  uint32_t n = text->bytes_cnt;
  if (TF_LIKELY(n == st->time_text_bytes && memcmp(text->bytes, st->time_text, n) == 0)) {
    return st->time_ns;
  }
  uint64_t ns = 0;
  if (!tf_rfc3339_parse(text->bytes, n, &ns)) return 0;
  if (n <= TIME_TEXT_BYTES) {
    memcpy(st->time_text, text->bytes, n);
    st->time_text_bytes = n;
    st->time_ns         = ns;
  }
  return ns;
}

/* A number that is there and is not negative. */
TF_INLINE bool take_number(state_t *st, const tf_json_object_t *item, uint32_t key) {
  const tf_json_value_t *v = &item->values[key];
  if (TF_LIKELY((item->seen & BIT(key)) && v->made == TF_JSON_MADE_DECIMAL &&
                v->as.mantissa >= 0)) {
    return true;
  }
  bool is_number = (item->seen & BIT(key)) && v->made != TF_JSON_MADE_NONE;
  refuse(st, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  return false;
}

TF_INLINE bool take_text(state_t *st, const tf_json_object_t *item, uint32_t key) {
  if (TF_LIKELY((item->seen & BIT(key)) && item->values[key].kind == TF_JSON_STRING)) return true;
  refuse(st, TF_REJECT_SCHEMA);
  return false;
}

TF_INLINE void put_time(state_t *st, tf_event_t *row, const tf_json_value_t *text) {
  row->ts_event_ns = time_of(st, text);
  row->flags |= tf_draft_time_flags(row->ts_event_ns, st->frame->recv_ns);
}

TF_INLINE void on_level(state_t *st, tf_json_object_t *item, tf_event_t *row) {
  const tf_json_value_t *v = item->values;
  bool ok = take_number(st, item, PRICE_LEVEL) && take_number(st, item, NEW_QUANTITY) &&
            take_text(st, item, SIDE) && take_text(st, item, EVENT_TIME);
  if (TF_UNLIKELY(!ok)) return;
  bool is_bid = TF_JSON_TEXT_IS(&v[SIDE], "bid");
  if (TF_UNLIKELY(!is_bid && !TF_JSON_TEXT_IS(&v[SIDE], "offer"))) {
    refuse(st, TF_REJECT_SCHEMA);
    return;
  }
  row->flags         = is_bid ? 0 : TF_FLAG_SIDE;
  row->price_exp     = v[PRICE_LEVEL].exp;
  row->qty_exp       = v[NEW_QUANTITY].exp;
  row->u.level.price = v[PRICE_LEVEL].as.mantissa;
  row->u.level.qty   = v[NEW_QUANTITY].as.mantissa;
  put_time(st, row, &v[EVENT_TIME]);
}

/* Whose a trade or ticker is, until the message is known to be good: where its product_id stands. */
static void park_product(const state_t *st, tf_event_t *row, const tf_json_value_t *product) {
  row->ingest_seq    = (uint64_t)(product->bytes - st->frame->bytes);
  row->instrument_id = product->bytes_cnt;
  row->kind          = product->escaped;
}

static void on_trade(state_t *st, tf_json_object_t *item, tf_event_t *row) {
  const tf_json_value_t *v  = item->values;
  bool                   ok = take_number(st, item, PRICE) && take_number(st, item, SIZE) &&
            take_number(st, item, TRADE_ID) && take_text(st, item, PRODUCT) &&
            take_text(st, item, SIDE) && take_text(st, item, TIME);
  if (!ok) return;
  bool maker_buys = TF_JSON_TEXT_IS(&v[SIDE], "BUY");
  if (!maker_buys && !TF_JSON_TEXT_IS(&v[SIDE], "SELL")) refuse(st, TF_REJECT_SCHEMA);
  if (v[TRADE_ID].exp != 0) refuse(st, TF_REJECT_NUMBER);
  row->flags            = maker_buys ? TF_FLAG_SIDE : 0; /* the aggressor is on the other side */
  row->price_exp        = v[PRICE].exp;
  row->qty_exp          = v[SIZE].exp;
  row->u.trade.price    = v[PRICE].as.mantissa;
  row->u.trade.qty      = v[SIZE].as.mantissa;
  row->u.trade.id       = (uint64_t)v[TRADE_ID].as.mantissa;
  row->u.trade.reserved = 0;
  put_time(st, row, &v[TIME]);
  park_product(st, row, &v[PRODUCT]);
}

static void on_ticker(state_t *st, tf_json_object_t *item, tf_event_t *row) {
  const tf_json_value_t *v = item->values;
  bool                   ok =
      take_number(st, item, PRICE) && take_number(st, item, VOLUME) && take_text(st, item, PRODUCT);
  if (!ok) return;
  memset(&row->u, 0, sizeof row->u);
  row->flags                 = 0;
  row->price_exp             = v[PRICE].exp;
  row->qty_exp               = v[VOLUME].exp;
  row->u.ticker.last_price   = v[PRICE].as.mantissa;
  row->u.ticker.volume       = v[VOLUME].as.mantissa;
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
  park_product(st, row, &v[PRODUCT]);
}

static void on_item(tf_json_t *json, tf_json_object_t *item) {
  state_t    *st  = item->self;
  tf_event_t *row = tf_json_put_row(json);
  if (TF_UNLIKELY(row == NULL)) return;
  if (TF_LIKELY(item->seen & BIT(PRICE_LEVEL))) {
    on_level(st, item, row);
  } else if (item->seen & BIT(TRADE_ID)) {
    on_trade(st, item, row);
  } else {
    on_ticker(st, item, row);
  }
}

static void on_group(tf_json_t *json, tf_json_object_t *object) {
  state_t *st = object->self;
  if (st->group_cnt == GROUPS_MAX) {
    json->result = TF_JSON_LIMIT;
    return;
  }
  group_t *group     = &st->groups[st->group_cnt++];
  group->type        = object->values[GROUP_TYPE];
  group->product     = object->values[GROUP_PRODUCT];
  group->has_type    = (object->seen & BIT(GROUP_TYPE)) && group->type.kind == TF_JSON_STRING;
  group->has_product = (object->seen & BIT(GROUP_PRODUCT)) && group->product.kind == TF_JSON_STRING;
  group->has_subscriptions = (object->seen & BIT(SUBSCRIPTIONS)) != 0;
  group->subscriptions     = object->values[SUBSCRIPTIONS];
  group->items             = ITEMS_NONE;
  group->row_cnt           = json->row_cnt - st->row_cnt;
  st->row_cnt              = json->row_cnt;
  for (uint32_t key = UPDATES; key <= TICKERS; key++) {
    if (!(object->seen & BIT(key))) continue;
    if (object->values[key].made != TF_JSON_MADE_ITEMS || group->items != ITEMS_NONE) {
      refuse(st, TF_REJECT_SCHEMA);
    }
    group->items = ITEMS_LEVELS + (items_t)(key - UPDATES);
  }
}

/* ---- messages ---- */

typedef enum { SEQUENCE_NEXT, SEQUENCE_REPEAT, SEQUENCE_GAP, SEQUENCE_RESTART } step_t;

static step_t step_sequence(state_t *st, uint64_t sequence, uint64_t *missing) {
  bool     was_known = st->has_sequence;
  uint64_t last      = st->sequence;
  *missing           = last + 1;
  if (was_known && sequence <= last) {
    if (sequence != 0 && last - sequence < SEQUENCE_BACK_MAX) return SEQUENCE_REPEAT;
    if (last == 0) return SEQUENCE_REPEAT;
    st->sequence = sequence;
    return SEQUENCE_RESTART;
  }
  st->sequence     = sequence;
  st->has_sequence = true;
  return !was_known || sequence == last + 1 ? SEQUENCE_NEXT : SEQUENCE_GAP;
}

static bool has_books(const state_t *st) {
  return (st->channels & (TF_CHANNEL_BOOK | TF_CHANNEL_QUOTE)) != 0;
}

/* Every book before the message is in that state. */
TF_COLD static void break_books(state_t *st, tf_draft_t *draft, tf_book_state_t state,
                                uint64_t gap_first, uint64_t gap_last) {
  for (uint32_t i = 0; i < st->symbols.cnt && has_books(st); i++) {
    tf_feed_row_t *row = &st->rows[i];
    if (row->book_state == TF_BOOK_NONE) continue;
    tf_event_t *e = tf_draft_status(draft, row, st->symbols.rows[i].instrument_id, state, 0);
    if (e == NULL) continue;
    e->u.status.gap_first = gap_first;
    e->u.status.gap_last  = gap_last;
  }
}

TF_COLD static void on_sequence_break(state_t *st, tf_draft_t *draft, step_t step,
                                      uint64_t missing) {
  tf_feed_out_t *out = draft->out;
  out->reconnect     = true; /* a count that starts again brings no snapshots either */
  if (step == SEQUENCE_GAP) {
    out->counts->gaps++;
    break_books(st, draft, TF_BOOK_GAP, missing, st->sequence - 1);
  } else {
    for (uint32_t i = 0; i < st->symbols.cnt; i++) st->rows[i].trades.is_continued = false;
    break_books(st, draft, TF_BOOK_SYNCING, 0, 0);
  }
}

static tf_verdict_t reject(const tf_draft_t *draft, tf_reject_t why) {
  return tf_feeds_reject(draft->out->counts, draft->frame, why);
}

/* What is rejected or ignored may still have broken the sequence: those events stand. */
static void keep_statuses(tf_draft_t *draft) { draft->out->event_cnt = draft->at; }

static bool is_snapshot(const group_t *group) {
  return group->has_type && TF_JSON_TEXT_IS(&group->type, "snapshot");
}

/* All groups hold such items and are of a known type. */
static bool groups_are(state_t *st, items_t items) {
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    const group_t *g = &st->groups[i];
    if (g->items != items || !g->has_type ||
        (!is_snapshot(g) && !TF_JSON_TEXT_IS(&g->type, "update"))) {
      refuse(st, TF_REJECT_SCHEMA);
      return false;
    }
  }
  return !st->is_bad;
}

static void lose_levels(state_t *st, tf_draft_t *draft, uint32_t idx) {
  uint32_t id = st->symbols.rows[idx].instrument_id;
  tf_draft_status(draft, &st->rows[idx], id, TF_BOOK_GAP, 0);
  if (tf_feeds_want_snapshot(draft->out, id)) draft->out->counts->resyncs++;
}

TF_COLD static tf_verdict_t refuse_levels(state_t *st, tf_draft_t *draft, tf_reject_t why) {
  bool     is_named = false;
  uint32_t named    = 0;
  draft->end        = draft->at; /* its rows mean nothing */
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    if (!st->groups[i].has_product) continue;
    tf_reject_t unused;
    named    = tf_symbols_of(&st->symbols, &st->groups[i].product, false, &unused);
    is_named = true;
    if (named != TF_SYMBOLS_NONE) lose_levels(st, draft, named);
  }
  for (uint32_t i = 0; i < st->symbols.cnt && !is_named; i++) {
    if (st->rows[i].book_state != TF_BOOK_NONE) lose_levels(st, draft, i);
  }
  return reject(draft, why);
}

static tf_verdict_t on_levels(state_t *st, tf_draft_t *draft) {
  uint32_t    idx[GROUPS_MAX];
  tf_reject_t why;
  if (!groups_are(st, ITEMS_LEVELS)) return refuse_levels(st, draft, st->why);
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    if (!st->groups[i].has_product) return refuse_levels(st, draft, TF_REJECT_SCHEMA);
    idx[i] = tf_symbols_of(&st->symbols, &st->groups[i].product, st->asked_cnt == 0, &why);
    if (idx[i] == TF_SYMBOLS_NONE) return reject(draft, why);
  }
  if (!tf_draft_has_room(draft, 2 * st->group_cnt)) {
    return refuse_levels(st, draft, TF_REJECT_LIMIT);
  }
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    const group_t    *group  = &st->groups[i];
    tf_draft_levels_t levels = {.instrument_id = st->symbols.rows[idx[i]].instrument_id,
                                .cnt           = group->row_cnt,
                                .ask_from      = UINT32_MAX,
                                .is_snapshot   = is_snapshot(group),
                                .has_times     = true,
                                .venue_seq     = st->sequence};
    if (group->row_cnt > 0) levels.ts_ns = draft->out->events[draft->at].ts_event_ns;
    tf_draft_put_levels(draft, &st->rows[idx[i]], &levels);
  }
  return tf_draft_finish(draft);
}

/* Finds the instruments of the rows that park_product left; their numbers go to the rows. */
static bool find_products(state_t *st, tf_draft_t *draft, tf_reject_t *why) {
  for (uint32_t i = draft->at; i < draft->end; i++) {
    tf_event_t     *e       = &draft->out->events[i];
    tf_json_value_t product = {.bytes     = st->frame->bytes + e->ingest_seq,
                               .bytes_cnt = e->instrument_id};
    product.kind            = TF_JSON_STRING;
    product.escaped         = e->kind;
    uint32_t idx            = tf_symbols_of(&st->symbols, &product, st->asked_cnt == 0, why);
    if (idx == TF_SYMBOLS_NONE) return false;
    e->ingest_seq = idx;
  }
  return true;
}

static bool is_repeat(void *self, const tf_event_t *trade, tf_feed_counts_t *counts) {
  state_t        *st   = self;
  tf_trade_said_t said = tf_trade_said(trade);
  return tf_trade_ids_step(&st->rows[trade->ingest_seq].trades, trade->u.trade.id, &said, counts);
}

static void put_all(state_t *st, tf_draft_t *draft, tf_event_kind_t kind) {
  while (draft->at < draft->end) {
    uint32_t idx = (uint32_t)draft->out->events[draft->at].ingest_seq;
    tf_draft_put(draft, &st->rows[idx], kind, st->symbols.rows[idx].instrument_id);
  }
}

/* A group of trades, before ids are looked at. */
static void order_trades(tf_event_t *rows, uint32_t cnt, bool is_replay) {
  for (uint32_t i = 0; i < cnt && is_replay; i++) rows[i].flags |= TF_FLAG_BACKFILL;
  if (!is_replay && cnt > 0 && rows[0].u.trade.id > rows[cnt - 1].u.trade.id) {
    tf_draft_reverse(rows, cnt);
  }
}

static tf_verdict_t on_trades(state_t *st, tf_draft_t *draft) {
  tf_reject_t why;
  if (!groups_are(st, ITEMS_TRADES)) return reject(draft, st->why);
  if (!find_products(st, draft, &why)) return reject(draft, why);
  tf_event_t *rows = draft->out->events + draft->at;
  for (uint32_t i = 0; i < st->group_cnt; rows += st->groups[i++].row_cnt) {
    order_trades(rows, st->groups[i].row_cnt, is_snapshot(&st->groups[i]));
  }
  tf_draft_drop_repeats(draft, is_repeat, st);
  put_all(st, draft, TF_EVENT_TRADE);
  return tf_draft_finish(draft);
}

static tf_verdict_t on_tickers(state_t *st, tf_draft_t *draft) {
  tf_reject_t why;
  if (!groups_are(st, ITEMS_TICKERS)) return reject(draft, st->why);
  if (!(st->root.seen & BIT(TIMESTAMP)) || st->root_values[TIMESTAMP].kind != TF_JSON_STRING) {
    return reject(draft, TF_REJECT_SCHEMA);
  }
  if (!find_products(st, draft, &why)) return reject(draft, why);
  for (uint32_t i = draft->at; i < draft->end; i++) {
    put_time(st, &draft->out->events[i], &st->root_values[TIMESTAMP]);
  }
  put_all(st, draft, TF_EVENT_TICKER);
  return tf_draft_finish(draft);
}

static tf_verdict_t control(const tf_draft_t *draft) {
  draft->out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

/* {"type":"error","message":..}: without a channel. */
TF_COLD static tf_verdict_t on_error(state_t *st, tf_draft_t *draft) {
  const tf_json_value_t *v = st->root_values;
  if (!(st->root.seen & BIT(TYPE)) || !TF_JSON_TEXT_IS(&v[TYPE], "error")) {
    return reject(draft, TF_REJECT_UNKNOWN);
  }
  uint32_t key = st->root.seen & BIT(REASON) ? REASON : MESSAGE;
  if (st->root.seen & BIT(key)) tf_feeds_note_error(&st->head, v[key].bytes, v[key].bytes_cnt);
  tf_feeds_answer(draft->out, 0, UINT32_MAX, 0, true);
  return control(draft);
}

/* Where quotes come from is level2: the venue has no channel of quotes. */
static uint32_t level2_channel(const state_t *st) {
  return (st->channels & TF_CHANNEL_BOOK) != 0 ? TF_CHANNEL_BOOK : TF_CHANNEL_QUOTE;
}

/* The acknowledgement: all that is subscribed on this connection now. */
TF_COLD static tf_verdict_t on_subscriptions(state_t *st, tf_draft_t *draft) {
  const uint32_t channels[LIST_KEY_CNT] = {[LIST_LEVEL2] = level2_channel(st),
                                           [LIST_TRADES] = TF_CHANNEL_TRADE,
                                           [LIST_TICKER] = TF_CHANNEL_TICKER};
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    const tf_json_value_t *list = &st->groups[i].subscriptions;
    tf_json_value_t        values[LIST_KEY_CNT + 1];
    tf_json_object_t       object = {.shape = &list_shape, .values = values};
    tf_json_t              json   = {0};
    if (!st->groups[i].has_subscriptions || list->kind != TF_JSON_OBJECT) continue;
    if (tf_json_read(&json, list->bytes, list->bytes_cnt, &object) != TF_JSON_OK) continue;
    for (uint32_t key = 0; key < LIST_KEY_CNT; key++)
      if (object.seen & BIT(key))
        tf_acks_list(&st->acks, &st->symbols, channels[key], &values[key]);
  }
  tf_acks_finish(&st->acks, &st->symbols, draft->out);
  return control(draft);
}

TF_COLD static tf_verdict_t on_other_channel(state_t *st, tf_draft_t *draft) {
  const tf_json_value_t   *channel   = &st->root_values[CHANNEL];
  static const char *const ignored[] = {"candles", "status", "ticker_batch", "user",
                                        "futures_balance_summary"};
  if (TF_JSON_TEXT_IS(channel, "subscriptions")) return on_subscriptions(st, draft);
  if (TF_JSON_TEXT_IS(channel, "heartbeats")) return control(draft);
  for (size_t i = 0; i < TF_ARRAY_CNT(ignored); i++) {
    size_t n = strlen(ignored[i]);
    if (tf_json_text_is(channel, ignored[i], n)) {
      return tf_feeds_ignore(draft->out->counts, ignored[i], n);
    }
  }
  return reject(draft, TF_REJECT_UNKNOWN);
}

#define IGNORE(draft, literal) tf_feeds_ignore((draft)->out->counts, (literal), sizeof(literal) - 1)

static tf_verdict_t on_channel(state_t *st, tf_draft_t *draft) {
  const tf_json_value_t *channel = &st->root_values[CHANNEL];
  if (channel->kind != TF_JSON_STRING) return reject(draft, TF_REJECT_SCHEMA);
  if (TF_JSON_TEXT_IS(channel, "l2_data")) {
    return has_books(st) ? on_levels(st, draft) : IGNORE(draft, "l2_data");
  }
  if (TF_JSON_TEXT_IS(channel, "market_trades")) {
    bool wanted = (st->channels & TF_CHANNEL_TRADE) != 0;
    return wanted ? on_trades(st, draft) : IGNORE(draft, "market_trades");
  }
  if (TF_JSON_TEXT_IS(channel, "ticker")) {
    if (!(st->channels & TF_CHANNEL_TICKER)) return IGNORE(draft, "ticker");
    return on_tickers(st, draft);
  }
  return on_other_channel(st, draft);
}

static tf_verdict_t on_sequenced(state_t *st, tf_draft_t *draft, const tf_json_t *json) {
  const tf_json_value_t *sequence = &st->root_values[SEQUENCE];
  if (TF_UNLIKELY(!(st->root.seen & BIT(CHANNEL)))) return on_error(st, draft);
  if (TF_LIKELY(st->root.seen & BIT(SEQUENCE))) {
    if (sequence->made != TF_JSON_MADE_U64) return reject(draft, TF_REJECT_SCHEMA);
    uint64_t missing;
    step_t   step = step_sequence(st, tf_json_u64(json, sequence), &missing);
    if (TF_UNLIKELY(step == SEQUENCE_REPEAT)) {
      draft->out->counts->duplicates++;
      draft->out->counts->msgs_data++;
      return TF_VERDICT_DATA;
    }
    if (TF_UNLIKELY(step != SEQUENCE_NEXT)) on_sequence_break(st, draft, step, missing);
  }
  return on_channel(st, draft);
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  state_t *st = state;
  out->counts->messages++;
  if (TF_UNLIKELY(frame->kind == TF_FRAME_HTTP)) {
    bool is_ours = frame->target != NULL && strncmp(frame->target, PRODUCTS, strlen(PRODUCTS)) == 0;
    if (!is_ours) return tf_feeds_ignore(out->counts, "rest", 4);
    return tf_metadata_on_frame(&st->symbols, frame, out);
  }
  if (TF_UNLIKELY(frame->kind != TF_FRAME_TEXT)) {
    return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
  }
  tf_json_t json          = {.rows    = out->events + out->event_cnt,
                             .row_cap = out->event_cap - out->event_cnt};
  st->frame               = frame;
  st->group_cnt           = 0;
  st->row_cnt             = 0;
  st->is_bad              = false;
  tf_json_result_t result = tf_json_read(&json, frame->bytes, frame->bytes_cnt, &st->root);
  if (TF_UNLIKELY(result != TF_JSON_OK)) {
    return tf_feeds_reject(out->counts, frame,
                           result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  }
  tf_draft_t draft;
  tf_draft_begin(&draft, frame, out, json.row_cnt);
  if (TF_UNLIKELY(json.root_kind != TF_JSON_OBJECT)) return reject(&draft, TF_REJECT_UNKNOWN);
  tf_verdict_t verdict = on_sequenced(st, &draft, &json);
  if (verdict != TF_VERDICT_DATA) keep_statuses(&draft);
  return verdict;
}

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/");
  return tf_text_out_finish(&t);
}

/* Heartbeats first: without them the venue closes quiet channels. */
static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  (void)state;
  if (message_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}");
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const state_t *st      = state;
  const char    *channel = request->channel == TF_CHANNEL_TRADE     ? "market_trades"
                           : request->channel == TF_CHANNEL_TICKER  ? "ticker"
                           : request->channel == level2_channel(st) ? "level2"
                                                                    : NULL;
  if (channel == NULL) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe ? "{\"type\":\"unsubscribe\",\"product_ids\":["
                                           : "{\"type\":\"subscribe\",\"product_ids\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_put(&t, st->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_put(&t, "],\"channel\":\"");
  tf_text_out_put(&t, channel);
  tf_text_out_put(&t, "\"}");
  return tf_text_out_finish(&t);
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

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  state_t *st = state;
  layout_t l  = layout_of(config);
  memset(st, 0, sizeof *st);
  st->channels = config->channels;
  st->rows     = (tf_feed_row_t *)(void *)((uint8_t *)state + l.rows_at);
  for (uint32_t i = 0; i < l.row_cap; i++) tf_feed_row_init(&st->rows[i]);
  tf_acks_init(&st->acks, (uint8_t *)state + l.acks_at, l.row_cap);
  tf_json_orders_init(&st->root_orders);
  tf_json_orders_init(&st->group_orders);
  tf_json_orders_init(&st->item_orders);
  st->item     = (tf_json_object_t){.shape   = &item_shape,
                                    .orders  = &st->item_orders,
                                    .values  = st->item_values,
                                    .on_item = on_item,
                                    .self    = st};
  st->group    = (tf_json_object_t){.shape   = &group_shape,
                                    .orders  = &st->group_orders,
                                    .values  = st->group_values,
                                    .child   = &st->item,
                                    .on_item = on_group,
                                    .self    = st};
  st->root     = (tf_json_object_t){.shape  = &root_shape,
                                    .orders = &st->root_orders,
                                    .values = st->root_values,
                                    .child  = &st->group};
  tf_err_t err = tf_symbols_init(&st->symbols, (uint8_t *)state + l.symbols_at, l.row_cap,
                                 config->instruments, feed);
  if (err == TF_OK)
    err = tf_symbols_ask(&st->symbols, config->symbols, config->symbol_cnt, TF_SYMBOLS_UPPER);
  st->asked_cnt = st->symbols.cnt;
  return err;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  state_t *st      = state;
  st->has_sequence = false;
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
    {TF_CHANNEL_TRADE,  "market_trades",
     TF_FEED_CHECK(SEQUENCE_CONNECTION) | TF_FEED_CHECK(IDS_CONSECUTIVE)   },
    {TF_CHANNEL_QUOTE,  "level2",        TF_FEED_CHECK(SEQUENCE_CONNECTION)},
    {TF_CHANNEL_BOOK,   "level2",        TF_FEED_CHECK(SEQUENCE_CONNECTION)},
    {TF_CHANNEL_TICKER, "ticker",        TF_FEED_CHECK(SEQUENCE_CONNECTION)},
    {0,                 NULL,            0                                 },
};

const tf_feed_t tf_feed_coinbase = {
    .venue                   = "coinbase",
    .key_elsewhere           = "optional: the channels read bring the same without one (a JWT)",
    .suffix                  = "COINBASE",
    .symbol_chars            = "-",
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = on_frame,
    .on_connect              = on_connect,
    .ws_host                 = "advanced-trade-ws.coinbase.com",
    .ws_port                 = "443",
    .rest_host               = "api.coinbase.com",
    .rest_port               = "443",
    .ws_target               = ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = symbol,
    .symbols_per_request_max = SYMBOLS_A_MESSAGE,
    .lose_book               = lose_book,
    .metadata_target         = metadata_target,
    .subscribe_rate_hz_max   = 8,
    .silence_ns_max          = 15 * TF_NS_PER_SEC, /* of one heartbeat a second */
    .message_bytes_max       = (uint64_t)16 << 20, /* a whole book: 46,000 levels took 5.1 MB */
    .channels                = feed_channels,
};
