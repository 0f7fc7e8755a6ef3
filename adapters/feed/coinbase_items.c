/* Items of Coinbase's messages (coinbase.c) become rows, while the scanner runs: a level, a trade or a ticker, by the
 * keys that it has; and elements of "events" become groups of rows. */
#include "feed/coinbase_state.h"
#include "wire/rfc3339.h"

static const tf_json_key_t root_keys[COINBASE_ROOT_KEY_CNT] = {
    [COINBASE_CHANNEL]   = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [COINBASE_TIMESTAMP] = TF_JSON_KEY("timestamp", TF_JSON_WANT_TEXT),
    [COINBASE_SEQUENCE]  = TF_JSON_KEY("sequence_num", TF_JSON_WANT_U64),
    [COINBASE_EVENTS]    = TF_JSON_KEY("events", TF_JSON_WANT_ITEMS),
    [COINBASE_TYPE]      = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [COINBASE_MESSAGE]   = TF_JSON_KEY("message", TF_JSON_WANT_BYTES),
    [COINBASE_REASON]    = TF_JSON_KEY("reason", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t root_shape = {root_keys, COINBASE_ROOT_KEY_CNT};

static const tf_json_key_t group_keys[COINBASE_GROUP_KEY_CNT] = {
    [COINBASE_GROUP_TYPE]    = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [COINBASE_GROUP_PRODUCT] = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [COINBASE_UPDATES]       = TF_JSON_KEY("updates", TF_JSON_WANT_ITEMS),
    [COINBASE_TRADES]        = TF_JSON_KEY("trades", TF_JSON_WANT_ITEMS),
    [COINBASE_TICKERS]       = TF_JSON_KEY("tickers", TF_JSON_WANT_ITEMS),
    [COINBASE_SUBSCRIPTIONS] = TF_JSON_KEY("subscriptions", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t group_shape = {group_keys, COINBASE_GROUP_KEY_CNT};

static const tf_json_key_t item_keys[COINBASE_ITEM_KEY_CNT] = {
    [COINBASE_SIDE]         = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [COINBASE_EVENT_TIME]   = TF_JSON_KEY("event_time", TF_JSON_WANT_TEXT),
    [COINBASE_PRICE_LEVEL]  = TF_JSON_KEY("price_level", TF_JSON_WANT_DECIMAL),
    [COINBASE_NEW_QUANTITY] = TF_JSON_KEY("new_quantity", TF_JSON_WANT_DECIMAL),
    [COINBASE_PRODUCT]      = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [COINBASE_TRADE_ID]     = TF_JSON_KEY("trade_id", TF_JSON_WANT_DECIMAL),
    [COINBASE_PRICE]        = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [COINBASE_SIZE]         = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),
    [COINBASE_TIME]         = TF_JSON_KEY("time", TF_JSON_WANT_TEXT),
    [COINBASE_VOLUME]       = TF_JSON_KEY("volume_24_h", TF_JSON_WANT_DECIMAL),
};
static const tf_json_shape_t item_shape = {item_keys, COINBASE_ITEM_KEY_CNT};

/* 0 where the text is no time. */
TF_INLINE uint64_t time_of(tf_coinbase_state_t *st, const tf_json_value_t *text) {
  uint32_t n = text->bytes_cnt;
  if (TF_LIKELY(n == st->time_text_bytes && memcmp(text->bytes, st->time_text, n) == 0)) {
    return st->time_ns;
  }
  uint64_t ns = 0;
  if (!tf_rfc3339_parse(text->bytes, n, &ns)) return 0;
  if (n <= COINBASE_TIME_TEXT_BYTES) {
    memcpy(st->time_text, text->bytes, n);
    st->time_text_bytes = n;
    st->time_ns         = ns;
  }
  return ns;
}

TF_INLINE void put_time(tf_coinbase_state_t *st, tf_event_t *row, const tf_json_value_t *text) {
  row->ts_event_ns = time_of(st, text);
  row->flags |= tf_draft_time_flags(row->ts_event_ns, st->frame->recv_ns);
}

TF_INLINE void on_level(tf_coinbase_state_t *st, tf_json_object_t *item, tf_event_t *row) {
  const tf_json_value_t *v  = item->values;
  bool                   ok = tf_scanned_number(&st->fault, item, COINBASE_PRICE_LEVEL) &&
            tf_scanned_number(&st->fault, item, COINBASE_NEW_QUANTITY) &&
            tf_scanned_text(&st->fault, item, COINBASE_SIDE) &&
            tf_scanned_text(&st->fault, item, COINBASE_EVENT_TIME);
  if (TF_UNLIKELY(!ok)) return;
  bool is_bid = TF_JSON_TEXT_IS(&v[COINBASE_SIDE], "bid");
  if (TF_UNLIKELY(!is_bid && !TF_JSON_TEXT_IS(&v[COINBASE_SIDE], "offer"))) {
    tf_scanned_refuse(&st->fault, TF_REJECT_SCHEMA);
    return;
  }
  row->flags         = is_bid ? 0 : TF_FLAG_SIDE;
  row->price_exp     = v[COINBASE_PRICE_LEVEL].exp;
  row->qty_exp       = v[COINBASE_NEW_QUANTITY].exp;
  row->u.level.price = v[COINBASE_PRICE_LEVEL].as.mantissa;
  row->u.level.qty   = v[COINBASE_NEW_QUANTITY].as.mantissa;
  put_time(st, row, &v[COINBASE_EVENT_TIME]);
}

static void on_trade(tf_coinbase_state_t *st, tf_json_object_t *item, tf_event_t *row) {
  const tf_json_value_t *v  = item->values;
  bool                   ok = tf_scanned_number(&st->fault, item, COINBASE_PRICE) &&
            tf_scanned_number(&st->fault, item, COINBASE_SIZE) &&
            tf_scanned_number(&st->fault, item, COINBASE_TRADE_ID) &&
            tf_scanned_text(&st->fault, item, COINBASE_PRODUCT) &&
            tf_scanned_text(&st->fault, item, COINBASE_SIDE) &&
            tf_scanned_text(&st->fault, item, COINBASE_TIME);
  if (!ok) return;
  bool maker_buys = TF_JSON_TEXT_IS(&v[COINBASE_SIDE], "BUY");
  if (!maker_buys && !TF_JSON_TEXT_IS(&v[COINBASE_SIDE], "SELL"))
    tf_scanned_refuse(&st->fault, TF_REJECT_SCHEMA);
  if (v[COINBASE_TRADE_ID].exp != 0) tf_scanned_refuse(&st->fault, TF_REJECT_NUMBER);
  row->flags            = maker_buys ? TF_FLAG_SIDE : 0; /* the aggressor is on the other side */
  row->price_exp        = v[COINBASE_PRICE].exp;
  row->qty_exp          = v[COINBASE_SIZE].exp;
  row->u.trade.price    = v[COINBASE_PRICE].as.mantissa;
  row->u.trade.qty      = v[COINBASE_SIZE].as.mantissa;
  row->u.trade.id       = (uint64_t)v[COINBASE_TRADE_ID].as.mantissa;
  row->u.trade.reserved = 0;
  put_time(st, row, &v[COINBASE_TIME]);
  tf_scanned_park(row, st->frame, &v[COINBASE_PRODUCT]);
}

static void on_ticker(tf_coinbase_state_t *st, tf_json_object_t *item, tf_event_t *row) {
  const tf_json_value_t *v  = item->values;
  bool                   ok = tf_scanned_number(&st->fault, item, COINBASE_PRICE) &&
            tf_scanned_number(&st->fault, item, COINBASE_VOLUME) &&
            tf_scanned_text(&st->fault, item, COINBASE_PRODUCT);
  if (!ok) return;
  memset(&row->u, 0, sizeof row->u);
  row->flags                 = 0;
  row->price_exp             = v[COINBASE_PRICE].exp;
  row->qty_exp               = v[COINBASE_VOLUME].exp;
  row->u.ticker.last_price   = v[COINBASE_PRICE].as.mantissa;
  row->u.ticker.volume       = v[COINBASE_VOLUME].as.mantissa;
  row->u.ticker.funding_rate = TF_FUNDING_NONE;
  tf_scanned_park(row, st->frame, &v[COINBASE_PRODUCT]);
}

static void on_item(tf_json_t *json, tf_json_object_t *item) {
  tf_coinbase_state_t *st  = item->self;
  tf_event_t          *row = tf_json_put_row(json);
  if (TF_UNLIKELY(row == NULL)) return;
  if (TF_LIKELY(tf_json_seen(item, COINBASE_PRICE_LEVEL))) {
    on_level(st, item, row);
  } else if (tf_json_seen(item, COINBASE_TRADE_ID)) {
    on_trade(st, item, row);
  } else {
    on_ticker(st, item, row);
  }
}

static void on_group(tf_json_t *json, tf_json_object_t *object) {
  tf_coinbase_state_t *st = object->self;
  if (st->group_cnt == COINBASE_GROUPS_MAX) {
    json->result = TF_JSON_LIMIT;
    return;
  }
  tf_coinbase_group_t *group = &st->groups[st->group_cnt++];
  group->type                = object->values[COINBASE_GROUP_TYPE];
  group->product             = object->values[COINBASE_GROUP_PRODUCT];
  group->has_type = tf_json_seen(object, COINBASE_GROUP_TYPE) && group->type.kind == TF_JSON_STRING;
  group->has_product =
      tf_json_seen(object, COINBASE_GROUP_PRODUCT) && group->product.kind == TF_JSON_STRING;
  group->has_subscriptions = tf_json_seen(object, COINBASE_SUBSCRIPTIONS);
  group->subscriptions     = object->values[COINBASE_SUBSCRIPTIONS];
  group->items             = COINBASE_ITEMS_NONE;
  group->row_cnt           = json->row_cnt - st->row_cnt;
  st->row_cnt              = json->row_cnt;
  for (uint32_t key = COINBASE_UPDATES; key <= COINBASE_TICKERS; key++) {
    if (!tf_json_seen(object, key)) continue;
    if (object->values[key].made != TF_JSON_MADE_ITEMS || group->items != COINBASE_ITEMS_NONE) {
      tf_scanned_refuse(&st->fault, TF_REJECT_SCHEMA);
    }
    group->items = COINBASE_ITEMS_LEVELS + (tf_coinbase_items_t)(key - COINBASE_UPDATES);
  }
}

void tf_coinbase_scan_init(tf_coinbase_state_t *st) {
  tf_json_orders_init(&st->root_orders);
  tf_json_orders_init(&st->group_orders);
  tf_json_orders_init(&st->item_orders);
  st->item  = (tf_json_object_t){.shape   = &item_shape,
                                 .orders  = &st->item_orders,
                                 .values  = st->item_values,
                                 .on_item = on_item,
                                 .self    = st};
  st->group = (tf_json_object_t){.shape   = &group_shape,
                                 .orders  = &st->group_orders,
                                 .values  = st->group_values,
                                 .child   = &st->item,
                                 .on_item = on_group,
                                 .self    = st};
  st->root  = (tf_json_object_t){.shape  = &root_shape,
                                 .orders = &st->root_orders,
                                 .values = st->root_values,
                                 .child  = &st->group};
}
