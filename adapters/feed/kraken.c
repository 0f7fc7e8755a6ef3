/* Kraken spot, websocket v2 (VENUES.md 4); messages of v1, which are arrays, go to kraken_v1.c.
 *
 *   {"channel":"book","type":"snapshot"|"update","data":[{"symbol":..,"bids":[{"price":..,"qty":..}],
 *     "asks":[..],"checksum":..,"timestamp":..}]}
 *
 * What becomes of a message:
 *   book         BOOK. Quantities are absolute. The venue keeps a depth for us and sends no delete for
 *                what is pushed out of it: the feed does (TF_FLAG_DERIVED), from a mirror of its own
 *                (depth_mirror.h), so that a book and a tape need not know the depth. Behind each message
 *                the checksum over the ten best levels is compared; where it differs this one book is in
 *                GAP and asked for again. There is no sequence, so venue_seq is an ordinal of our own.
 *   trade        TRADE; side is the taker's. type "snapshot": BACKFILL. Ids are consecutive a symbol.
 *   ticker       QUOTE, where it is asked for with event_trigger bbo; TICKER
 *   heartbeat, status, pong, acknowledgements   CONTROL; of a refusal ("success":false), and of a system
 *                that is not online, the text is kept in the tf_feed_head_t
 *   instrument   CONTROL; its pairs are the instruments' metadata
 *   ohlc, level3, executions, balances          ignored, by channel
 *
 * Numbers are JSON numbers whose digits count (trailing zeros are part of the checksum), times RFC 3339.
 * Which depth a subscription has is in its acknowledgement only; a recording without one shows it by
 * the size of the snapshot. */
#include "core/error.h"
#include "feed/kraken_state.h"
#include "feed/metadata.h"
#include "feed/text_out.h"
#include "wire/rfc3339.h"

#define SYMBOLS_A_MESSAGE 100u /* of a subscription */

const uint32_t tf_kraken_depths[] = {10, 25, 100, 500, 1000, 0};

enum {
  CHANNEL,
  TYPE,
  DATA,
  METHOD,
  RESULT,
  SUCCESS,
  ERROR,
  EVENT, /* v1 */
  STATUS,
  ERROR_MESSAGE,
  REQ_ID,
  REFUSED_SYMBOL,
  ROOT_KEY_CNT
};
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    [CHANNEL]        = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [TYPE]           = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [DATA]           = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [METHOD]         = TF_JSON_KEY("method", TF_JSON_WANT_TEXT),
    [RESULT]         = TF_JSON_KEY("result", TF_JSON_WANT_OBJECT),
    [SUCCESS]        = TF_JSON_KEY("success", TF_JSON_WANT_BYTES),
    [ERROR]          = TF_JSON_KEY("error", TF_JSON_WANT_BYTES),
    [EVENT]          = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [STATUS]         = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),
    [ERROR_MESSAGE]  = TF_JSON_KEY("errorMessage", TF_JSON_WANT_BYTES),
    [REQ_ID]         = TF_JSON_KEY("req_id", TF_JSON_WANT_U64),
    [REFUSED_SYMBOL] = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
};
static const tf_json_shape_t root_shape = {root_keys, ROOT_KEY_CNT};

/* An element of "data", or the "result" of an acknowledgement. */
enum {
  SYMBOL,
  BIDS,
  ASKS,
  CHECKSUM,
  TIMESTAMP,
  SIDE,
  PRICE,
  QTY,
  TRADE_ID,
  BID,
  BID_QTY,
  ASK,
  ASK_QTY,
  LAST,
  VOLUME,
  ACK_CHANNEL,
  DEPTH,
  SYSTEM,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    [SYMBOL]      = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [BIDS]        = TF_JSON_KEY("bids", TF_JSON_WANT_ITEMS),
    [ASKS]        = TF_JSON_KEY("asks", TF_JSON_WANT_ITEMS),
    [CHECKSUM]    = TF_JSON_KEY("checksum", TF_JSON_WANT_U64),
    [TIMESTAMP]   = TF_JSON_KEY("timestamp", TF_JSON_WANT_TEXT),
    [SIDE]        = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [PRICE]       = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [QTY]         = TF_JSON_KEY("qty", TF_JSON_WANT_DECIMAL),
    [TRADE_ID]    = TF_JSON_KEY("trade_id", TF_JSON_WANT_U64),
    [BID]         = TF_JSON_KEY("bid", TF_JSON_WANT_DECIMAL),
    [BID_QTY]     = TF_JSON_KEY("bid_qty", TF_JSON_WANT_DECIMAL),
    [ASK]         = TF_JSON_KEY("ask", TF_JSON_WANT_DECIMAL),
    [ASK_QTY]     = TF_JSON_KEY("ask_qty", TF_JSON_WANT_DECIMAL),
    [LAST]        = TF_JSON_KEY("last", TF_JSON_WANT_DECIMAL),
    [VOLUME]      = TF_JSON_KEY("volume", TF_JSON_WANT_DECIMAL),
    [ACK_CHANNEL] = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [DEPTH]       = TF_JSON_KEY("depth", TF_JSON_WANT_U64),
    [SYSTEM]      = TF_JSON_KEY("system", TF_JSON_WANT_TEXT),
};
static const tf_json_shape_t item_shape = {item_keys, ITEM_KEY_CNT};

enum { LEVEL_PRICE, LEVEL_QTY, LEVEL_KEY_CNT };
static const tf_json_key_t level_keys[LEVEL_KEY_CNT] = {
    [LEVEL_PRICE] = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [LEVEL_QTY]   = TF_JSON_KEY("qty", TF_JSON_WANT_DECIMAL),
};
static const tf_json_shape_t level_shape = {level_keys, LEVEL_KEY_CNT};

#define BIT(key) (UINT64_C(1) << (key))

typedef enum { ITEM_NONE, ITEM_BOOK, ITEM_TRADE, ITEM_QUOTE, ITEM_SYSTEM } item_t;

/* A book in the message that is being read. Its rows stand behind each other. */
typedef struct {
  tf_json_value_t   symbol, bids, asks;
  bool              has_symbol;
  uint32_t          row_cnt;
  uint8_t           ts_flags;
  tf_book_message_t book;
} scanned_book_t;

typedef struct tf_kraken_scan {
  tf_json_object_t  root, item, level;
  tf_json_value_t   root_values[ROOT_KEY_CNT + 1];
  tf_json_value_t   item_values[ITEM_KEY_CNT + 1];
  tf_json_value_t   level_values[LEVEL_KEY_CNT + 1];
  tf_json_orders_t  root_orders, item_orders, level_orders;
  const tf_frame_t *frame; /* being read, with all below */
  uint32_t          book_cnt, trade_cnt, quote_cnt, other_cnt;
  uint32_t          row_cnt;
  uint32_t          channels; /* the feed's */
  bool              is_offline;
  scanned_book_t    books[TF_KRAKEN_BOOKS_MAX];
  tf_reject_t       why; /* the first fault of an item */
  bool              is_bad;
} scan_t;

/* ---- items to rows, while the scanner runs ---- */

static void refuse(scan_t *scan, tf_reject_t why) {
  if (!scan->is_bad) scan->why = why;
  scan->is_bad = true;
}

/* A number that is there and is not negative. */
TF_INLINE bool take_number(scan_t *scan, const tf_json_object_t *item, uint32_t key) {
  const tf_json_value_t *v = &item->values[key];
  if (TF_LIKELY((item->seen & BIT(key)) && v->made == TF_JSON_MADE_DECIMAL &&
                v->as.mantissa >= 0)) {
    return true;
  }
  bool is_number = (item->seen & BIT(key)) && v->made != TF_JSON_MADE_NONE;
  refuse(scan, is_number ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA);
  return false;
}

TF_INLINE bool take_text(scan_t *scan, const tf_json_object_t *item, uint32_t key) {
  if (TF_LIKELY((item->seen & BIT(key)) && item->values[key].kind == TF_JSON_STRING)) return true;
  refuse(scan, TF_REJECT_SCHEMA);
  return false;
}

/* The item's timestamp; without one 0, and BAD_TS where one is due or it is no time. */
static uint64_t take_time(scan_t *scan, const tf_json_object_t *item, bool is_due, uint8_t *flags) {
  uint64_t ns = 0;
  *flags      = 0;
  if (!(item->seen & BIT(TIMESTAMP)) && !is_due) return 0;
  if (!take_text(scan, item, TIMESTAMP)) return 0;
  const tf_json_value_t *text = &item->values[TIMESTAMP];
  if (!tf_rfc3339_parse(text->bytes, text->bytes_cnt, &ns)) ns = 0;
  *flags = tf_draft_time_flags(ns, scan->frame->recv_ns);
  return ns;
}

static void on_level(tf_json_t *json, tf_json_object_t *level) {
  scan_t     *scan = level->self;
  tf_event_t *row  = tf_json_put_row(json);
  if (TF_UNLIKELY(row == NULL)) return;
  const tf_json_value_t *v = level->values;
  if (TF_UNLIKELY(!take_number(scan, level, LEVEL_PRICE) || !take_number(scan, level, LEVEL_QTY))) {
    return;
  }
  row->price_exp     = v[LEVEL_PRICE].exp;
  row->qty_exp       = v[LEVEL_QTY].exp;
  row->u.level.price = v[LEVEL_PRICE].as.mantissa;
  row->u.level.qty   = v[LEVEL_QTY].as.mantissa;
}

static void on_book(scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  if (scan->book_cnt == TF_KRAKEN_BOOKS_MAX) {
    json->result = TF_JSON_LIMIT;
    return;
  }
  const tf_json_value_t *v     = item->values;
  const tf_json_value_t  empty = {.what = 0};
  scanned_book_t        *b     = &scan->books[scan->book_cnt++];
  bool has_bids = (item->seen & BIT(BIDS)) != 0, has_asks = (item->seen & BIT(ASKS)) != 0;
  b->bids = has_bids ? v[BIDS] : empty;
  b->asks = has_asks ? v[ASKS] : empty;
  if ((has_bids && b->bids.made != TF_JSON_MADE_ITEMS) ||
      (has_asks && b->asks.made != TF_JSON_MADE_ITEMS)) {
    refuse(scan, TF_REJECT_SCHEMA);
  }
  b->row_cnt    = json->row_cnt - scan->row_cnt;
  b->has_symbol = (item->seen & BIT(SYMBOL)) && v[SYMBOL].kind == TF_JSON_STRING;
  b->symbol     = v[SYMBOL];
  b->book = (tf_book_message_t){.bid_cnt = b->bids.as.levels.cnt, .ask_cnt = b->asks.as.levels.cnt};
  b->book.ts_ns = take_time(scan, item, false, &b->ts_flags);
  if (item->seen & BIT(CHECKSUM)) {
    uint64_t checksum = 0;
    if (v[CHECKSUM].made == TF_JSON_MADE_U64) checksum = tf_json_u64(json, &v[CHECKSUM]);
    if (v[CHECKSUM].made != TF_JSON_MADE_U64 || checksum > UINT32_MAX) {
      refuse(scan, v[CHECKSUM].made == TF_JSON_MADE_NONE ? TF_REJECT_SCHEMA : TF_REJECT_NUMBER);
    }
    b->book.checksum     = (uint32_t)checksum;
    b->book.has_checksum = true;
  }
}

/* Whose a row is, until the message is known to be good: where its symbol stands. */
static bool park_symbol(scan_t *scan, tf_event_t *row, const tf_json_object_t *item) {
  if (!take_text(scan, item, SYMBOL)) return false;
  const tf_json_value_t *symbol = &item->values[SYMBOL];
  row->ingest_seq               = (uint64_t)(symbol->bytes - scan->frame->bytes);
  row->instrument_id            = symbol->bytes_cnt;
  row->kind                     = symbol->escaped;
  return true;
}

static void on_trade(scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  const tf_json_value_t *v   = item->values;
  tf_event_t            *row = tf_json_put_row(json);
  scan->trade_cnt++;
  if (row == NULL || !take_number(scan, item, PRICE) || !take_number(scan, item, QTY) ||
      !take_text(scan, item, SIDE) || !park_symbol(scan, row, item))
    return;
  bool is_buy = TF_JSON_TEXT_IS(&v[SIDE], "buy");
  if (!is_buy && !TF_JSON_TEXT_IS(&v[SIDE], "sell")) refuse(scan, TF_REJECT_SCHEMA);
  if (v[TRADE_ID].made != TF_JSON_MADE_U64) {
    refuse(scan, v[TRADE_ID].made == TF_JSON_MADE_NONE ? TF_REJECT_SCHEMA : TF_REJECT_NUMBER);
    return;
  }
  row->ts_event_ns = take_time(scan, item, true, &row->flags);
  row->flags |= is_buy ? 0 : TF_FLAG_SIDE;
  row->price_exp        = v[PRICE].exp;
  row->qty_exp          = v[QTY].exp;
  row->u.trade.price    = v[PRICE].as.mantissa;
  row->u.trade.qty      = v[QTY].as.mantissa;
  row->u.trade.id       = tf_json_u64(json, &v[TRADE_ID]);
  row->u.trade.reserved = 0;
}

static void on_quote(scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  const tf_json_value_t *v   = item->values;
  tf_event_t            *row = tf_json_put_row(json);
  scan->quote_cnt++;
  if (row == NULL) return;
  bool ok = take_number(scan, item, BID) && take_number(scan, item, BID_QTY) &&
            take_number(scan, item, ASK) && take_number(scan, item, ASK_QTY);
  if (!ok || !park_symbol(scan, row, item)) return;
  row->ts_event_ns = take_time(scan, item, false, &row->flags);
  if (!tf_draft_set_quote(row, &v[BID], &v[BID_QTY], &v[ASK], &v[ASK_QTY])) {
    refuse(scan, TF_REJECT_NUMBER);
  }
}

static void on_ticker(scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  const tf_json_value_t *v   = item->values;
  tf_event_t            *row = tf_json_put_row(json);
  scan->quote_cnt++;
  if (row == NULL || !take_number(scan, item, LAST) || !take_number(scan, item, VOLUME) ||
      !park_symbol(scan, row, item))
    return;
  row->ts_event_ns = take_time(scan, item, false, &row->flags);
  row->price_exp   = v[LAST].exp;
  row->qty_exp     = v[VOLUME].exp;
  memset(&row->u, 0, sizeof row->u);
  row->u.ticker.last_price   = v[LAST].as.mantissa;
  row->u.ticker.volume       = v[VOLUME].as.mantissa;
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
}

static void on_item(tf_json_t *json, tf_json_object_t *item) {
  scan_t *scan = item->self;
  if (TF_LIKELY(item->seen & (BIT(BIDS) | BIT(ASKS)))) {
    on_book(scan, json, item);
  } else if (item->seen & BIT(TRADE_ID)) {
    on_trade(scan, json, item);
  } else if (item->seen & BIT(BID)) {
    if (scan->channels & TF_CHANNEL_QUOTE) on_quote(scan, json, item);
    if (scan->channels & TF_CHANNEL_TICKER) on_ticker(scan, json, item);
  } else {
    bool has_system = (item->seen & BIT(SYSTEM)) != 0;
    scan->is_offline |= has_system && !TF_JSON_TEXT_IS(&item->values[SYSTEM], "online");
    scan->other_cnt++;
  }
  scan->row_cnt = json->row_cnt;
}

/* ---- messages ---- */

static tf_verdict_t reject(const tf_draft_t *draft, tf_reject_t why) {
  return tf_feeds_reject(draft->out->counts, draft->frame, why);
}
#define IGNORE(draft, literal) tf_feeds_ignore((draft)->out->counts, (literal), sizeof(literal) - 1)

static tf_verdict_t control(const tf_draft_t *draft) {
  draft->out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

/* "snapshot" or "update"; anything else is a fault of the message's. */
static bool take_type(scan_t *scan, bool *is_snapshot) {
  const tf_json_value_t *type = &scan->root_values[TYPE];
  bool                   has  = (scan->root.seen & BIT(TYPE)) && type->kind == TF_JSON_STRING;
  *is_snapshot                = has && TF_JSON_TEXT_IS(type, "snapshot");
  if (!has || (!*is_snapshot && !TF_JSON_TEXT_IS(type, "update"))) refuse(scan, TF_REJECT_SCHEMA);
  return !scan->is_bad;
}

/* The rows of a book, from `at` on: bids first, with their sides and times. */
static void complete_rows(tf_draft_t *draft, scanned_book_t *b, uint32_t rows_before) {
  tf_event_t *rows = draft->out->events + draft->at;
  if (TF_UNLIKELY(b->asks.as.levels.first < b->bids.as.levels.first && b->book.ask_cnt > 0)) {
    b->bids.as.levels.first -= rows_before;
    b->asks.as.levels.first -= rows_before;
    tf_draft_gather_sides(rows, &b->bids, &b->asks);
  }
  for (uint32_t i = 0; i < b->row_cnt; i++) {
    rows[i].flags       = b->ts_flags | (i >= b->book.bid_cnt ? TF_FLAG_SIDE : 0);
    rows[i].ts_event_ns = b->book.ts_ns;
  }
}

TF_COLD static tf_verdict_t refuse_books(tf_kraken_state_t *st, tf_draft_t *draft,
                                         tf_reject_t why) {
  scan_t     *scan = st->scan;
  tf_reject_t unused;
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    if (!scan->books[i].has_symbol) continue;
    uint32_t idx = tf_symbols_of(&st->symbols, &scan->books[i].symbol, false, &unused);
    if (idx != TF_SYMBOLS_NONE) tf_kraken_lose_book(st, draft, idx);
  }
  return reject(draft, why);
}

static tf_verdict_t on_books(tf_kraken_state_t *st, tf_draft_t *draft) {
  scan_t     *scan = st->scan;
  uint32_t    idx[TF_KRAKEN_BOOKS_MAX];
  tf_reject_t why;
  bool        is_snapshot;
  if (scan->trade_cnt + scan->quote_cnt + scan->other_cnt > 0) refuse(scan, TF_REJECT_SCHEMA);
  if (!take_type(scan, &is_snapshot)) return refuse_books(st, draft, scan->why);
  uint32_t room = 0;
  for (uint32_t i = 0; i < scan->book_cnt; i++) {
    scanned_book_t *b = &scan->books[i];
    if (!b->has_symbol) return refuse_books(st, draft, TF_REJECT_SCHEMA);
    idx[i] = tf_symbols_of(&st->symbols, &b->symbol, st->asked_cnt == 0, &why);
    if (idx[i] == TF_SYMBOLS_NONE) return reject(draft, why);
    if (!tf_book_row_takes(&st->rows[idx[i]], &b->book))
      return refuse_books(st, draft, TF_REJECT_LIMIT);
    room += tf_book_row_room(&st->rows[idx[i]], b->row_cnt);
  }
  if (!tf_draft_has_room(draft, room)) return refuse_books(st, draft, TF_REJECT_LIMIT);
  uint32_t rows_before = 0;
  for (uint32_t i = 0; i < scan->book_cnt; rows_before += scan->books[i++].row_cnt) {
    complete_rows(draft, &scan->books[i], rows_before);
    scan->books[i].book.is_snapshot = is_snapshot;
    tf_kraken_put_book(st, draft, idx[i], &scan->books[i].book);
  }
  return tf_draft_finish(draft);
}

/* Finds the instruments of the rows that park_symbol left; their numbers go to the rows. */
static bool find_symbols(tf_kraken_state_t *st, tf_draft_t *draft, tf_reject_t *why) {
  for (uint32_t i = draft->at; i < draft->end; i++) {
    tf_event_t     *e      = &draft->out->events[i];
    tf_json_value_t symbol = {.bytes     = draft->frame->bytes + e->ingest_seq,
                              .bytes_cnt = e->instrument_id};
    symbol.kind            = TF_JSON_STRING;
    symbol.escaped         = e->kind;
    uint32_t idx           = tf_symbols_of(&st->symbols, &symbol, st->asked_cnt == 0, why);
    if (idx == TF_SYMBOLS_NONE) return false;
    e->ingest_seq = idx;
  }
  return true;
}

static bool is_repeat(void *self, const tf_event_t *trade, tf_feed_counts_t *counts) {
  tf_book_row_t  *row  = &((tf_kraken_state_t *)self)->rows[trade->ingest_seq];
  tf_trade_said_t said = tf_trade_said(trade);
  return tf_trade_ids_step(&row->feed.trades, trade->u.trade.id, &said, counts);
}

static tf_verdict_t put_trades(tf_kraken_state_t *st, tf_draft_t *draft) {
  while (draft->at < draft->end) {
    uint32_t idx = (uint32_t)draft->out->events[draft->at].ingest_seq;
    tf_draft_put(draft, &st->rows[idx].feed, TF_EVENT_TRADE, st->symbols.rows[idx].instrument_id);
  }
  return tf_draft_finish(draft);
}

static tf_verdict_t on_trades(tf_kraken_state_t *st, tf_draft_t *draft) {
  scan_t     *scan = st->scan;
  tf_reject_t why;
  bool        is_replay;
  if (scan->book_cnt + scan->quote_cnt + scan->other_cnt > 0) refuse(scan, TF_REJECT_SCHEMA);
  if (!take_type(scan, &is_replay)) return reject(draft, scan->why);
  if (!find_symbols(st, draft, &why)) return reject(draft, why);
  for (uint32_t i = draft->at; i < draft->end && is_replay; i++) {
    draft->out->events[i].flags |= TF_FLAG_BACKFILL;
  }
  tf_draft_drop_repeats(draft, is_repeat, st);
  return put_trades(st, draft);
}

static tf_verdict_t on_quotes(tf_kraken_state_t *st, tf_draft_t *draft) {
  scan_t     *scan = st->scan;
  tf_reject_t why;
  bool        is_snapshot;
  if (scan->book_cnt + scan->trade_cnt + scan->other_cnt > 0) refuse(scan, TF_REJECT_SCHEMA);
  if (!take_type(scan, &is_snapshot)) return reject(draft, scan->why);
  if (!find_symbols(st, draft, &why)) return reject(draft, why);
  bool has_quotes  = (st->channels & TF_CHANNEL_QUOTE) != 0;
  bool has_tickers = (st->channels & TF_CHANNEL_TICKER) != 0;
  for (uint32_t i = 0; draft->at < draft->end; i++) { /* of each item a quote, then a ticker */
    uint32_t idx      = (uint32_t)draft->out->events[draft->at].ingest_seq;
    bool     is_quote = has_quotes && (!has_tickers || i % 2 == 0);
    tf_draft_put(draft, &st->rows[idx].feed, is_quote ? TF_EVENT_QUOTE : TF_EVENT_TICKER,
                 st->symbols.rows[idx].instrument_id);
  }
  return tf_draft_finish(draft);
}

/* The depth of a book's subscription. */
static void learn_depth(tf_kraken_state_t *st, const tf_json_t *json) {
  scan_t                *scan = st->scan;
  const tf_json_value_t *v    = scan->item_values;
  uint64_t               need = BIT(SYMBOL) | BIT(ACK_CHANNEL) | BIT(DEPTH);
  tf_reject_t            unused;
  if (!(scan->root.seen & BIT(RESULT)) || scan->root_values[RESULT].kind != TF_JSON_OBJECT) return;
  if ((scan->item.seen & need) != need || !TF_JSON_TEXT_IS(&v[ACK_CHANNEL], "book") ||
      v[SYMBOL].kind != TF_JSON_STRING || v[DEPTH].made != TF_JSON_MADE_U64)
    return;
  uint32_t idx   = tf_symbols_of(&st->symbols, &v[SYMBOL], st->asked_cnt == 0, &unused);
  uint64_t depth = tf_json_u64(json, &v[DEPTH]);
  if (idx == TF_SYMBOLS_NONE || depth == 0) return;
  st->rows[idx].mirror.depth = depth < st->depth_max ? (uint32_t)depth : st->depth_max;
  st->rows[idx].depth_known  = true;
}

static void note(tf_kraken_state_t *st, uint32_t key) {
  const tf_json_value_t *v = &st->scan->root_values[key];
  if (st->scan->root.seen & BIT(key)) tf_feeds_note_error(&st->head, v->bytes, v->bytes_cnt);
}

/* Which of the two that a ticker serves asks for it. */
static uint32_t ticker_channel(const tf_kraken_state_t *st) {
  return st->channels & TF_CHANNEL_QUOTE ? TF_CHANNEL_QUOTE : TF_CHANNEL_TICKER;
}

static uint32_t channel_of(const tf_kraken_state_t *st, const tf_json_value_t *name) {
  return TF_JSON_TEXT_IS(name, "trade")    ? TF_CHANNEL_TRADE
         : TF_JSON_TEXT_IS(name, "ticker") ? ticker_channel(st)
         : TF_JSON_TEXT_IS(name, "book")   ? TF_CHANNEL_BOOK
                                           : 0;
}

/* A subscription's answer names its symbol: one answer each. */
static void put_answer(tf_kraken_state_t *st, tf_draft_t *draft, const tf_json_t *json,
                       bool is_refusal) {
  scan_t                *scan    = st->scan;
  const tf_json_value_t *channel = &scan->item_values[ACK_CHANNEL];
  const tf_json_value_t *symbol  = &scan->root_values[REFUSED_SYMBOL];
  bool     has_result = (scan->root.seen & BIT(RESULT)) && scan->item.seen & BIT(ACK_CHANNEL);
  bool     has_symbol = (scan->root.seen & BIT(REFUSED_SYMBOL)) != 0;
  uint32_t asked = 0, id = UINT32_MAX;
  uint64_t req_id = 0;
  if (has_result) {
    asked = channel_of(st, channel);
    if (asked == 0) return; /* of the instruments */
    has_symbol = (scan->item.seen & BIT(SYMBOL)) != 0;
    symbol     = &scan->item_values[SYMBOL];
  }
  if (has_symbol && symbol->kind == TF_JSON_STRING) {
    tf_reject_t unused;
    uint32_t    idx = tf_symbols_of(&st->symbols, symbol, false, &unused);
    if (idx != TF_SYMBOLS_NONE) id = st->symbols.rows[idx].instrument_id;
  }
  if ((scan->root.seen & BIT(REQ_ID)) && scan->root_values[REQ_ID].made == TF_JSON_MADE_U64)
    req_id = tf_json_u64(json, &scan->root_values[REQ_ID]);
  tf_feeds_answer(draft->out, req_id, id, asked, is_refusal);
}

/* {"method":..,"success":..,"result"|"error":..}, {"event":..} of v1. */
TF_COLD static tf_verdict_t on_answer(tf_kraken_state_t *st, tf_draft_t *draft,
                                      const tf_json_t *json) {
  scan_t                *scan = st->scan;
  const tf_json_value_t *v    = scan->root_values;
  if (scan->root.seen & BIT(METHOD)) {
    bool is_refusal = (scan->root.seen & BIT(SUCCESS)) && v[SUCCESS].kind == TF_JSON_FALSE;
    if (is_refusal)
      note(st, ERROR);
    else
      learn_depth(st, json);
    if (TF_JSON_TEXT_IS(&v[METHOD], "subscribe") || TF_JSON_TEXT_IS(&v[METHOD], "unsubscribe"))
      put_answer(st, draft, json, is_refusal);
    return control(draft);
  }
  if (scan->root.seen & BIT(EVENT)) {
    bool is_refusal = (scan->root.seen & BIT(STATUS)) && TF_JSON_TEXT_IS(&v[STATUS], "error");
    if (is_refusal) note(st, ERROR_MESSAGE);
    return control(draft);
  }
  if (scan->root.seen & BIT(ERROR)) {
    note(st, ERROR);
    return control(draft);
  }
  return reject(draft, TF_REJECT_UNKNOWN);
}

TF_COLD static tf_verdict_t on_other_channel(tf_kraken_state_t *st, tf_draft_t *draft) {
  const tf_json_value_t   *channel   = &st->scan->root_values[CHANNEL];
  static const char *const ignored[] = {"ohlc", "level3", "executions", "balances"};
  if (TF_JSON_TEXT_IS(channel, "status") && st->scan->is_offline) {
    static const char what[] = "the venue's system is not online";
    tf_feeds_note_error(&st->head, what, sizeof what - 1);
  }
  if (TF_JSON_TEXT_IS(channel, "instrument") && (st->scan->root.seen & BIT(DATA))) {
    const tf_json_value_t *data = &st->scan->root_values[DATA];
    tf_metadata_read(&st->symbols, data->bytes, data->bytes_cnt, draft->frame->recv_ns, draft->out);
    draft->at = draft->out->event_cnt; /* what it said of listings stands */
  }
  if (TF_JSON_TEXT_IS(channel, "heartbeat") || TF_JSON_TEXT_IS(channel, "status") ||
      TF_JSON_TEXT_IS(channel, "instrument")) {
    return control(draft);
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(ignored); i++) {
    size_t n = strlen(ignored[i]);
    if (tf_json_text_is(channel, ignored[i], n)) {
      return tf_feeds_ignore(draft->out->counts, ignored[i], n);
    }
  }
  return reject(draft, TF_REJECT_UNKNOWN);
}

static tf_verdict_t on_object(tf_kraken_state_t *st, tf_draft_t *draft, const tf_json_t *json) {
  scan_t                *scan    = st->scan;
  const tf_json_value_t *channel = &scan->root_values[CHANNEL];
  if (TF_UNLIKELY(!(scan->root.seen & BIT(CHANNEL)))) return on_answer(st, draft, json);
  if (channel->kind != TF_JSON_STRING) return reject(draft, TF_REJECT_SCHEMA);
  bool has_data =
      (scan->root.seen & BIT(DATA)) && scan->root_values[DATA].made == TF_JSON_MADE_ITEMS;
  if (TF_JSON_TEXT_IS(channel, "book")) {
    if (!tf_kraken_has_books(st)) return IGNORE(draft, "book");
    if (!has_data) refuse(scan, TF_REJECT_SCHEMA);
    return on_books(st, draft);
  }
  bool is_trade = TF_JSON_TEXT_IS(channel, "trade");
  if (!is_trade && !TF_JSON_TEXT_IS(channel, "ticker")) return on_other_channel(st, draft);
  if (!has_data) return reject(draft, TF_REJECT_SCHEMA);
  if (!(st->channels & (is_trade ? TF_CHANNEL_TRADE : TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER))) {
    return is_trade ? IGNORE(draft, "trade") : IGNORE(draft, "ticker");
  }
  return is_trade ? on_trades(st, draft) : on_quotes(st, draft);
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_kraken_state_t *st   = state;
  scan_t            *scan = st->scan;
  out->counts->messages++;
  if (TF_UNLIKELY(frame->kind == TF_FRAME_HTTP)) return tf_feeds_ignore(out->counts, "rest", 4);
  if (TF_UNLIKELY(frame->kind != TF_FRAME_TEXT)) {
    return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
  }
  tf_json_t json = {.rows    = out->events + out->event_cnt,
                    .row_cap = out->event_cap - out->event_cnt};
  scan->frame    = frame;
  scan->book_cnt = scan->trade_cnt = scan->quote_cnt = scan->other_cnt = scan->row_cnt = 0;
  scan->is_bad = scan->is_offline = false;
  tf_json_result_t result = tf_json_read(&json, frame->bytes, frame->bytes_cnt, &scan->root);
  tf_draft_t       draft;
  tf_draft_begin(&draft, frame, out, json.row_cnt);
  tf_verdict_t verdict;
  if (TF_UNLIKELY(result != TF_JSON_OK)) {
    verdict = reject(&draft, result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  } else if (json.root_kind == TF_JSON_ARRAY) {
    return tf_kraken_v1_on_array(st, frame, out);
  } else if (json.root_kind != TF_JSON_OBJECT) {
    verdict = reject(&draft, TF_REJECT_UNKNOWN);
  } else {
    verdict = on_object(st, &draft, &json);
  }
  if (verdict != TF_VERDICT_DATA) out->event_cnt = draft.at; /* statuses of a refusal stand */
  return verdict;
}

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/v2");
  return tf_text_out_finish(&t);
}

/* The venue's own metadata, of all its instruments. */
static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  (void)state;
  if (message_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(
      &t, "{\"method\":\"subscribe\",\"params\":{\"channel\":\"instrument\",\"snapshot\":true}}");
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_kraken_state_t *st      = state;
  const char              *channel = request->channel == TF_CHANNEL_TRADE     ? "trade"
                                     : request->channel == ticker_channel(st) ? "ticker"
                                     : request->channel == TF_CHANNEL_BOOK    ? "book"
                                                                              : NULL;
  if (channel == NULL) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe
                          ? "{\"method\":\"unsubscribe\",\"params\":{\"channel\":\""
                          : "{\"method\":\"subscribe\",\"params\":{\"channel\":\"");
  tf_text_out_put(&t, channel);
  tf_text_out_put(&t, "\",\"symbol\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_put(&t, st->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_char(&t, ']');
  if (request->channel == TF_CHANNEL_BOOK) {
    tf_text_out_put(&t, ",\"depth\":");
    tf_text_out_u64(&t, st->depth);
  }
  if (request->channel == TF_CHANNEL_TICKER) tf_text_out_put(&t, ",\"event_trigger\":\"trades\"");
  if (request->channel == TF_CHANNEL_QUOTE) tf_text_out_put(&t, ",\"event_trigger\":\"bbo\"");
  if (!request->unsubscribe) tf_text_out_put(&t, ",\"snapshot\":true");
  tf_text_out_put(&t, "},\"req_id\":");
  tf_text_out_u64(&t, request->id);
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

static tf_err_t symbol(void *state, const char *text, uint32_t *number, uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((tf_kraken_state_t *)state)->symbols, text, number, instrument_id);
}

/* ---- lifetime ---- */

typedef struct {
  uint32_t row_cap, depth_max;
  size_t   scan_at, rows_at, symbols_at, mirrors_at, mirror_bytes, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config) {
  layout_t l;
  l.row_cap   = tf_symbols_cap_of(config);
  l.depth_max = config->book_depth > 0 ? config->book_depth : TF_KRAKEN_DEPTH_DEFAULT;
  if (config->symbol_cnt == 0)
    l.depth_max = TF_KRAKEN_DEPTH_MAX; /* a recording has its own depth */
  l.scan_at      = tf_align_up(sizeof(tf_kraken_state_t), TF_LINE_BYTES);
  l.rows_at      = l.scan_at + tf_align_up(sizeof(scan_t), TF_LINE_BYTES);
  l.symbols_at   = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_book_row_t), TF_LINE_BYTES);
  l.mirrors_at   = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.mirror_bytes = tf_align_up(tf_depth_mirror_bytes(l.depth_max), TF_LINE_BYTES);
  l.bytes        = l.mirrors_at + l.row_cap * l.mirror_bytes;
  return l;
}

static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  return layout_of(config).bytes;
}

static void scan_init(scan_t *scan) {
  memset(scan, 0, sizeof *scan);
  tf_json_orders_init(&scan->root_orders);
  tf_json_orders_init(&scan->item_orders);
  tf_json_orders_init(&scan->level_orders);
  scan->level = (tf_json_object_t){.shape   = &level_shape,
                                   .orders  = &scan->level_orders,
                                   .values  = scan->level_values,
                                   .on_item = on_level,
                                   .self    = scan};
  scan->item  = (tf_json_object_t){.shape   = &item_shape,
                                   .orders  = &scan->item_orders,
                                   .values  = scan->item_values,
                                   .child   = &scan->level,
                                   .on_item = on_item,
                                   .self    = scan};
  scan->root  = (tf_json_object_t){.shape  = &root_shape,
                                   .orders = &scan->root_orders,
                                   .values = scan->root_values,
                                   .child  = &scan->item};
}

static tf_err_t check_depth(uint32_t depth) {
  if (depth == 0 || depth == 10 || depth == 25 || depth == 100 || depth == 500 || depth == 1000)
    return TF_OK;
  return TF_ERR(E_CONFIG_VALUE, "book_depth %u: kraken has 10, 25, 100, 500 and 1000", depth);
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  tf_kraken_state_t *st     = state;
  uint8_t           *memory = state;
  layout_t           l      = layout_of(config);
  tf_err_t           err    = check_depth(config->book_depth);
  if (err != TF_OK) return err;
  memset(st, 0, sizeof *st);
  st->channels  = config->channels;
  st->depth     = config->book_depth > 0 ? config->book_depth : TF_KRAKEN_DEPTH_DEFAULT;
  st->depth_max = l.depth_max;
  st->scan      = (scan_t *)(void *)(memory + l.scan_at);
  st->rows      = (tf_book_row_t *)(void *)(memory + l.rows_at);
  scan_init(st->scan);
  st->scan->channels = config->channels;
  for (uint32_t i = 0; i < l.row_cap; i++) {
    tf_book_row_t *row = &st->rows[i];
    memset(row, 0, sizeof *row);
    tf_feed_row_init(&row->feed);
    tf_depth_mirror_init(&row->mirror, memory + l.mirrors_at + i * l.mirror_bytes, l.depth_max,
                         &tf_depth_checksum_digits);
    row->depth_known = config->symbol_cnt > 0;
  }
  err = tf_symbols_init(&st->symbols, memory + l.symbols_at, l.row_cap, config->instruments, feed);
  if (err == TF_OK)
    err = tf_symbols_ask(&st->symbols, config->symbols, config->symbol_cnt, TF_SYMBOLS_UPPER);
  st->asked_cnt = st->symbols.cnt;
  return err;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_kraken_state_t *st = state;
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    st->rows[i].feed.trades.is_continued = false;
    if (tf_kraken_has_books(st))
      tf_book_row_restart(&st->rows[i], out, st->symbols.rows[i].instrument_id, now_ns);
  }
}

static void lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out) {
  tf_kraken_state_t *st  = state;
  uint32_t           idx = tf_symbols_of_instrument(&st->symbols, instrument_id);
  if (idx != TF_SYMBOLS_NONE) tf_draft_lose_book(out, &st->rows[idx].feed, instrument_id, now_ns);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade",        TF_FEED_CHECK(IDS_CONSECUTIVE)},
    {TF_CHANNEL_QUOTE,  "ticker (bbo)", 0                             },
    {TF_CHANNEL_BOOK,   "book",         TF_FEED_CHECK(CHECKSUM)       },
    {TF_CHANNEL_TICKER, "ticker",       0                             },
    {0,                 NULL,           0                             },
};

const tf_feed_t tf_feed_kraken = {
    .venue                   = "kraken",
    .key_elsewhere           = "level3 (order by order) wants one and is not read",
    .suffix                  = "KRAKEN",
    .symbol_chars            = "/.",
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = on_frame,
    .on_connect              = on_connect,
    .ws_host                 = "ws.kraken.com",
    .ws_port                 = "443",
    .ws_target               = ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = symbol,
    .symbols_per_request_max = SYMBOLS_A_MESSAGE,
    .lose_book               = lose_book,
    .subscribe_rate_hz_max   = 5,                  /* the venue publishes none: as its neighbours */
    .silence_ns_max          = 15 * TF_NS_PER_SEC, /* of one heartbeat a second */
    .channels                = feed_channels,
};
