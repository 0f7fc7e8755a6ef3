/* Items of Kraken's v2 messages (kraken.c) become rows, while the scanner runs: a level, a book's rest, a trade, a
 * quote, a ticker. What the message is stands before or behind them, so nothing is published here. */
#include "feed/kraken_scan.h"
#include "wire/rfc3339.h"

static const tf_json_key_t root_keys[KRAKEN_ROOT_KEY_CNT] = {
    [KRAKEN_CHANNEL]        = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [KRAKEN_TYPE]           = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [KRAKEN_DATA]           = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [KRAKEN_METHOD]         = TF_JSON_KEY("method", TF_JSON_WANT_TEXT),
    [KRAKEN_RESULT]         = TF_JSON_KEY("result", TF_JSON_WANT_OBJECT),
    [KRAKEN_SUCCESS]        = TF_JSON_KEY("success", TF_JSON_WANT_BYTES),
    [KRAKEN_ERROR]          = TF_JSON_KEY("error", TF_JSON_WANT_BYTES),
    [KRAKEN_EVENT]          = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [KRAKEN_STATUS]         = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),
    [KRAKEN_ERROR_MESSAGE]  = TF_JSON_KEY("errorMessage", TF_JSON_WANT_BYTES),
    [KRAKEN_REQ_ID]         = TF_JSON_KEY("req_id", TF_JSON_WANT_U64),
    [KRAKEN_REFUSED_SYMBOL] = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
};
static const tf_json_shape_t root_shape = {root_keys, KRAKEN_ROOT_KEY_CNT};

static const tf_json_key_t item_keys[KRAKEN_ITEM_KEY_CNT] = {
    [KRAKEN_SYMBOL]      = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [KRAKEN_BIDS]        = TF_JSON_KEY("bids", TF_JSON_WANT_ITEMS),
    [KRAKEN_ASKS]        = TF_JSON_KEY("asks", TF_JSON_WANT_ITEMS),
    [KRAKEN_CHECKSUM]    = TF_JSON_KEY("checksum", TF_JSON_WANT_U64),
    [KRAKEN_TIMESTAMP]   = TF_JSON_KEY("timestamp", TF_JSON_WANT_TEXT),
    [KRAKEN_SIDE]        = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [KRAKEN_PRICE]       = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [KRAKEN_QTY]         = TF_JSON_KEY("qty", TF_JSON_WANT_DECIMAL),
    [KRAKEN_TRADE_ID]    = TF_JSON_KEY("trade_id", TF_JSON_WANT_U64),
    [KRAKEN_BID]         = TF_JSON_KEY("bid", TF_JSON_WANT_DECIMAL),
    [KRAKEN_BID_QTY]     = TF_JSON_KEY("bid_qty", TF_JSON_WANT_DECIMAL),
    [KRAKEN_ASK]         = TF_JSON_KEY("ask", TF_JSON_WANT_DECIMAL),
    [KRAKEN_ASK_QTY]     = TF_JSON_KEY("ask_qty", TF_JSON_WANT_DECIMAL),
    [KRAKEN_LAST]        = TF_JSON_KEY("last", TF_JSON_WANT_DECIMAL),
    [KRAKEN_VOLUME]      = TF_JSON_KEY("volume", TF_JSON_WANT_DECIMAL),
    [KRAKEN_ACK_CHANNEL] = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [KRAKEN_DEPTH]       = TF_JSON_KEY("depth", TF_JSON_WANT_U64),
    [KRAKEN_SYSTEM]      = TF_JSON_KEY("system", TF_JSON_WANT_TEXT),
};
static const tf_json_shape_t item_shape = {item_keys, KRAKEN_ITEM_KEY_CNT};

static const tf_json_key_t level_keys[KRAKEN_LEVEL_KEY_CNT] = {
    [KRAKEN_LEVEL_PRICE] = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [KRAKEN_LEVEL_QTY]   = TF_JSON_KEY("qty", TF_JSON_WANT_DECIMAL),
};
static const tf_json_shape_t level_shape = {level_keys, KRAKEN_LEVEL_KEY_CNT};

/* The item's timestamp; without one 0, and BAD_TS where one is due or it is no time. */
static uint64_t take_time(tf_kraken_scan_t *scan, const tf_json_object_t *item, bool is_due,
                          uint8_t *flags) {
  uint64_t ns = 0;
  *flags      = 0;
  if (!tf_json_seen(item, KRAKEN_TIMESTAMP) && !is_due) return 0;
  if (!tf_scanned_text(&scan->fault, item, KRAKEN_TIMESTAMP)) return 0;
  const tf_json_value_t *text = &item->values[KRAKEN_TIMESTAMP];
  if (!tf_rfc3339_parse(text->bytes, text->bytes_cnt, &ns)) ns = 0;
  *flags = tf_draft_time_flags(ns, scan->frame->recv_ns);
  return ns;
}

static void on_level(tf_json_t *json, tf_json_object_t *level) {
  tf_kraken_scan_t *scan = level->self;
  tf_event_t       *row  = tf_json_put_row(json);
  if (TF_UNLIKELY(row == NULL)) return;
  const tf_json_value_t *v = level->values;
  if (TF_UNLIKELY(!tf_scanned_number(&scan->fault, level, KRAKEN_LEVEL_PRICE) ||
                  !tf_scanned_number(&scan->fault, level, KRAKEN_LEVEL_QTY))) {
    return;
  }
  row->price_exp     = v[KRAKEN_LEVEL_PRICE].exp;
  row->qty_exp       = v[KRAKEN_LEVEL_QTY].exp;
  row->u.level.price = v[KRAKEN_LEVEL_PRICE].as.mantissa;
  row->u.level.qty   = v[KRAKEN_LEVEL_QTY].as.mantissa;
}

static void on_book(tf_kraken_scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  if (scan->book_cnt == TF_KRAKEN_BOOKS_MAX) {
    json->result = TF_JSON_LIMIT;
    return;
  }
  const tf_json_value_t *v     = item->values;
  const tf_json_value_t  empty = {.what = 0};
  tf_kraken_book_t      *b     = &scan->books[scan->book_cnt++];
  bool has_bids = tf_json_seen(item, KRAKEN_BIDS), has_asks = tf_json_seen(item, KRAKEN_ASKS);
  b->bids = has_bids ? v[KRAKEN_BIDS] : empty;
  b->asks = has_asks ? v[KRAKEN_ASKS] : empty;
  if ((has_bids && b->bids.made != TF_JSON_MADE_ITEMS) ||
      (has_asks && b->asks.made != TF_JSON_MADE_ITEMS)) {
    tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
  }
  b->row_cnt    = json->row_cnt - scan->row_cnt;
  b->has_symbol = tf_json_seen(item, KRAKEN_SYMBOL) && v[KRAKEN_SYMBOL].kind == TF_JSON_STRING;
  b->symbol     = v[KRAKEN_SYMBOL];
  b->book = (tf_book_message_t){.bid_cnt = b->bids.as.levels.cnt, .ask_cnt = b->asks.as.levels.cnt};
  b->book.ts_ns = take_time(scan, item, false, &b->ts_flags);
  if (tf_json_seen(item, KRAKEN_CHECKSUM)) {
    uint64_t checksum = 0;
    if (v[KRAKEN_CHECKSUM].made == TF_JSON_MADE_U64)
      checksum = tf_json_u64(json, &v[KRAKEN_CHECKSUM]);
    if (v[KRAKEN_CHECKSUM].made != TF_JSON_MADE_U64 || checksum > UINT32_MAX) {
      tf_scanned_refuse(&scan->fault, v[KRAKEN_CHECKSUM].made == TF_JSON_MADE_NONE
                                          ? TF_REJECT_SCHEMA
                                          : TF_REJECT_NUMBER);
    }
    b->book.checksum     = (uint32_t)checksum;
    b->book.has_checksum = true;
  }
}

/* Whose a row is, until the message is known to be good: where its symbol stands. */
static bool park_symbol(tf_kraken_scan_t *scan, tf_event_t *row, const tf_json_object_t *item) {
  if (!tf_scanned_text(&scan->fault, item, KRAKEN_SYMBOL)) return false;
  tf_scanned_park(row, scan->frame, &item->values[KRAKEN_SYMBOL]);
  return true;
}

static void on_trade(tf_kraken_scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  const tf_json_value_t *v   = item->values;
  tf_event_t            *row = tf_json_put_row(json);
  scan->trade_cnt++;
  if (row == NULL || !tf_scanned_number(&scan->fault, item, KRAKEN_PRICE) ||
      !tf_scanned_number(&scan->fault, item, KRAKEN_QTY) ||
      !tf_scanned_text(&scan->fault, item, KRAKEN_SIDE) || !park_symbol(scan, row, item))
    return;
  bool is_buy = TF_JSON_TEXT_IS(&v[KRAKEN_SIDE], "buy");
  if (!is_buy && !TF_JSON_TEXT_IS(&v[KRAKEN_SIDE], "sell"))
    tf_scanned_refuse(&scan->fault, TF_REJECT_SCHEMA);
  if (v[KRAKEN_TRADE_ID].made != TF_JSON_MADE_U64) {
    tf_scanned_refuse(&scan->fault, v[KRAKEN_TRADE_ID].made == TF_JSON_MADE_NONE
                                        ? TF_REJECT_SCHEMA
                                        : TF_REJECT_NUMBER);
    return;
  }
  row->ts_event_ns = take_time(scan, item, true, &row->flags);
  row->flags |= is_buy ? 0 : TF_FLAG_SIDE;
  row->price_exp        = v[KRAKEN_PRICE].exp;
  row->qty_exp          = v[KRAKEN_QTY].exp;
  row->u.trade.price    = v[KRAKEN_PRICE].as.mantissa;
  row->u.trade.qty      = v[KRAKEN_QTY].as.mantissa;
  row->u.trade.id       = tf_json_u64(json, &v[KRAKEN_TRADE_ID]);
  row->u.trade.reserved = 0;
}

static void on_quote(tf_kraken_scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  const tf_json_value_t *v   = item->values;
  tf_event_t            *row = tf_json_put_row(json);
  scan->quote_cnt++;
  if (row == NULL) return;
  bool ok = tf_scanned_number(&scan->fault, item, KRAKEN_BID) &&
            tf_scanned_number(&scan->fault, item, KRAKEN_BID_QTY) &&
            tf_scanned_number(&scan->fault, item, KRAKEN_ASK) &&
            tf_scanned_number(&scan->fault, item, KRAKEN_ASK_QTY);
  if (!ok || !park_symbol(scan, row, item)) return;
  row->ts_event_ns = take_time(scan, item, false, &row->flags);
  if (!tf_draft_set_quote(row, &v[KRAKEN_BID], &v[KRAKEN_BID_QTY], &v[KRAKEN_ASK],
                          &v[KRAKEN_ASK_QTY])) {
    tf_scanned_refuse(&scan->fault, TF_REJECT_NUMBER);
  }
}

static void on_ticker(tf_kraken_scan_t *scan, tf_json_t *json, const tf_json_object_t *item) {
  const tf_json_value_t *v   = item->values;
  tf_event_t            *row = tf_json_put_row(json);
  scan->quote_cnt++;
  if (row == NULL || !tf_scanned_number(&scan->fault, item, KRAKEN_LAST) ||
      !tf_scanned_number(&scan->fault, item, KRAKEN_VOLUME) || !park_symbol(scan, row, item))
    return;
  row->ts_event_ns = take_time(scan, item, false, &row->flags);
  row->price_exp   = v[KRAKEN_LAST].exp;
  row->qty_exp     = v[KRAKEN_VOLUME].exp;
  memset(&row->u, 0, sizeof row->u);
  row->u.ticker.last_price   = v[KRAKEN_LAST].as.mantissa;
  row->u.ticker.volume       = v[KRAKEN_VOLUME].as.mantissa;
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
}

static void on_item(tf_json_t *json, tf_json_object_t *item) {
  tf_kraken_scan_t *scan = item->self;
  if (TF_LIKELY(tf_json_seen(item, KRAKEN_BIDS) || tf_json_seen(item, KRAKEN_ASKS))) {
    on_book(scan, json, item);
  } else if (tf_json_seen(item, KRAKEN_TRADE_ID)) {
    on_trade(scan, json, item);
  } else if (tf_json_seen(item, KRAKEN_BID)) {
    if (scan->channels & TF_CHANNEL_QUOTE) on_quote(scan, json, item);
    if (scan->channels & TF_CHANNEL_TICKER) on_ticker(scan, json, item);
  } else {
    bool has_system = tf_json_seen(item, KRAKEN_SYSTEM);
    scan->is_offline |= has_system && !TF_JSON_TEXT_IS(&item->values[KRAKEN_SYSTEM], "online");
    scan->other_cnt++;
  }
  scan->row_cnt = json->row_cnt;
}

void tf_kraken_scan_init(tf_kraken_scan_t *scan, uint32_t channels) {
  memset(scan, 0, sizeof *scan);
  scan->channels = channels;
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
