#include "feed/metadata.h"

#include "feed/feeds.h"
#include "wire/json_array.h"

#define NOT_METADATA UINT32_MAX

enum { SYMBOLS, PRODUCTS, PAIRS, LIST_KEY_CNT };
static const tf_json_key_t list_keys[LIST_KEY_CNT] = {
    [SYMBOLS]  = TF_JSON_KEY("symbols", TF_JSON_WANT_ITEMS),
    [PRODUCTS] = TF_JSON_KEY("products", TF_JSON_WANT_ITEMS),
    [PAIRS]    = TF_JSON_KEY("pairs", TF_JSON_WANT_ITEMS),
};
static const tf_json_shape_t list_shape = {list_keys, LIST_KEY_CNT};

/* Where an instrument has several of a group, the first that is listed here counts. */
enum {
  SYMBOL,
  PRODUCT_ID,
  ID,
  INSTRUMENT_NAME,
  PRICE_INCREMENT,
  QUOTE_INCREMENT,
  TICK_SIZE_TOO,
  TICK_SIZE_ALONE,
  BASE_INCREMENT,
  QTY_INCREMENT,
  MIN_TRADE_AMOUNT,
  LOT_SIZE,
  QUOTE_ASSET,
  QUOTE_CURRENCY_ID,
  QUOTE_CURRENCY,
  QUOTE_CURRENCY_TOO,
  QUOTE,
  CONTRACT_SIZE,
  FILTERS,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    [SYMBOL]             = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [PRODUCT_ID]         = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [ID]                 = TF_JSON_KEY("id", TF_JSON_WANT_TEXT),
    [INSTRUMENT_NAME]    = TF_JSON_KEY("instrument_name", TF_JSON_WANT_TEXT),
    [TICK_SIZE_TOO]      = TF_JSON_KEY("tick_size", TF_JSON_WANT_DECIMAL),
    [TICK_SIZE_ALONE]    = TF_JSON_KEY("tickSize", TF_JSON_WANT_DECIMAL),
    [MIN_TRADE_AMOUNT]   = TF_JSON_KEY("min_trade_amount", TF_JSON_WANT_DECIMAL),
    [LOT_SIZE]           = TF_JSON_KEY("lotSize", TF_JSON_WANT_DECIMAL),
    [QUOTE_CURRENCY_TOO] = TF_JSON_KEY("quoteCurrency", TF_JSON_WANT_TEXT),
    [PRICE_INCREMENT]    = TF_JSON_KEY("price_increment", TF_JSON_WANT_DECIMAL),
    [QUOTE_INCREMENT]    = TF_JSON_KEY("quote_increment", TF_JSON_WANT_DECIMAL),
    [BASE_INCREMENT]     = TF_JSON_KEY("base_increment", TF_JSON_WANT_DECIMAL),
    [QTY_INCREMENT]      = TF_JSON_KEY("qty_increment", TF_JSON_WANT_DECIMAL),
    [QUOTE_ASSET]        = TF_JSON_KEY("quoteAsset", TF_JSON_WANT_TEXT),
    [QUOTE_CURRENCY_ID]  = TF_JSON_KEY("quote_currency_id", TF_JSON_WANT_TEXT),
    [QUOTE_CURRENCY]     = TF_JSON_KEY("quote_currency", TF_JSON_WANT_TEXT),
    [QUOTE]              = TF_JSON_KEY("quote", TF_JSON_WANT_TEXT),
    [CONTRACT_SIZE]      = TF_JSON_KEY("contractSize", TF_JSON_WANT_DECIMAL),
    [FILTERS]            = TF_JSON_KEY("filters", TF_JSON_WANT_ITEMS),
};
static const tf_json_shape_t item_shape = {item_keys, ITEM_KEY_CNT};

enum { FILTER_TYPE, TICK_SIZE, STEP_SIZE, FILTER_KEY_CNT };
static const tf_json_key_t filter_keys[FILTER_KEY_CNT] = {
    [FILTER_TYPE] = TF_JSON_KEY("filterType", TF_JSON_WANT_TEXT),
    [TICK_SIZE]   = TF_JSON_KEY("tickSize", TF_JSON_WANT_DECIMAL),
    [STEP_SIZE]   = TF_JSON_KEY("stepSize", TF_JSON_WANT_DECIMAL),
};
static const tf_json_shape_t filter_shape = {filter_keys, FILTER_KEY_CNT};

typedef struct {
  tf_symbols_t    *symbols;
  tf_json_object_t list, item, filter;
  tf_json_value_t  list_values[LIST_KEY_CNT + 1];
  tf_json_value_t  item_values[ITEM_KEY_CNT + 1];
  tf_json_value_t  filter_values[FILTER_KEY_CNT + 1];
  tf_json_value_t  tick, step; /* of the filters of the item being read; made NONE: none */
  uint32_t         item_cnt, set_cnt;
} reader_t;

static void on_filter(tf_json_t *json, tf_json_object_t *filter) {
  (void)json;
  reader_t              *r = filter->self;
  const tf_json_value_t *v = filter->values;
  if (!tf_json_seen(filter, FILTER_TYPE)) return;
  if (TF_JSON_TEXT_IS(&v[FILTER_TYPE], "PRICE_FILTER") && tf_json_seen(filter, TICK_SIZE))
    r->tick = v[TICK_SIZE];
  if (TF_JSON_TEXT_IS(&v[FILTER_TYPE], "LOT_SIZE") && tf_json_seen(filter, STEP_SIZE))
    r->step = v[STEP_SIZE];
}

/* The first of the keys from..to that the item has, else other. */
static const tf_json_value_t *pick(const tf_json_object_t *item, uint32_t from, uint32_t to,
                                   const tf_json_value_t *other) {
  for (uint32_t key = from; key <= to; key++)
    if (tf_json_seen(item, key)) return &item->values[key];
  return other;
}

/* "0.01000000" as 1 at -2. False: it is no number, or none above 0. */
static bool take_size(const tf_json_value_t *v, int64_t *size, int8_t *exp) {
  if (v == NULL || v->made != TF_JSON_MADE_DECIMAL || v->as.mantissa <= 0) return false;
  *size = v->as.mantissa;
  *exp  = v->exp;
  while (*size % 10 == 0 && *exp < 0) {
    *size /= 10;
    ++*exp;
  }
  return true;
}

static void on_item(tf_json_t *json, tf_json_object_t *item) {
  (void)json;
  reader_t              *r      = item->self;
  const tf_json_value_t *symbol = pick(item, SYMBOL, INSTRUMENT_NAME, NULL);
  const tf_json_value_t *quote  = pick(item, QUOTE_ASSET, QUOTE, NULL);
  const tf_json_value_t *size   = pick(item, CONTRACT_SIZE, CONTRACT_SIZE, NULL);
  tf_instrument_t        to     = {.multiplier = 1.0};
  bool has = take_size(pick(item, PRICE_INCREMENT, TICK_SIZE_ALONE, &r->tick), &to.tick_size,
                       &to.price_exp) &&
             take_size(pick(item, BASE_INCREMENT, LOT_SIZE, &r->step), &to.lot_size, &to.qty_exp);
  r->tick.made = r->step.made = TF_JSON_MADE_NONE;
  if (!has || symbol == NULL || symbol->kind != TF_JSON_STRING) return;
  r->item_cnt++;
  tf_reject_t unused;
  uint32_t    idx = tf_symbols_of(r->symbols, symbol, false, &unused);
  if (idx == TF_SYMBOLS_NONE) return;
  if (quote != NULL && quote->kind == TF_JSON_STRING && quote->bytes_cnt < sizeof to.quote_currency)
    memcpy(to.quote_currency, quote->bytes, quote->bytes_cnt);
  if (size != NULL && size->made == TF_JSON_MADE_DECIMAL && size->as.mantissa > 0)
    to.multiplier = tf_decimal_to_double(size->as.mantissa, size->exp);
  uint32_t id = r->symbols->rows[idx].instrument_id;
  r->set_cnt +=
      tf_instrument_set_metadata(&r->symbols->instruments->rows[id], &to, TF_METADATA_VENUE);
}

static void reader_init(reader_t *r, tf_symbols_t *symbols) {
  memset(r, 0, sizeof *r);
  r->symbols = symbols;
  r->filter  = (tf_json_object_t){
       .shape = &filter_shape, .values = r->filter_values, .on_item = on_filter, .self = r};
  r->item = (tf_json_object_t){.shape   = &item_shape,
                               .values  = r->item_values,
                               .child   = &r->filter,
                               .on_item = on_item,
                               .self    = r};
  r->list = (tf_json_object_t){.shape = &list_shape, .values = r->list_values, .child = &r->item};
}

/* One instrument that is a message of its own. */
static bool read_one(reader_t *r, const char *bytes, size_t bytes_cnt) {
  tf_json_t json = {0};
  if (tf_json_read(&json, bytes, bytes_cnt, &r->item) != TF_JSON_OK) return false;
  if (json.root_kind != TF_JSON_OBJECT) return false;
  on_item(&json, &r->item);
  return true;
}

uint32_t tf_metadata_read(tf_symbols_t *symbols, const char *bytes, size_t bytes_cnt) {
  reader_t  r;
  tf_json_t json = {0};
  reader_init(&r, symbols);
  if (tf_json_read(&json, bytes, bytes_cnt, &r.list) != TF_JSON_OK) return NOT_METADATA;
  if (json.root_kind == TF_JSON_ARRAY) {
    tf_json_array_t array;
    tf_json_value_t element;
    tf_json_array_init(&array, bytes, bytes_cnt);
    while (tf_json_array_next(&array, &element)) read_one(&r, element.bytes, element.bytes_cnt);
  } else if (json.root_kind == TF_JSON_OBJECT && r.list.seen == 0) {
    read_one(&r, bytes, bytes_cnt);
  }
  bool is_list = json.root_kind == TF_JSON_OBJECT && r.list.seen != 0; /* an empty one too */
  return is_list || r.item_cnt > 0 ? r.set_cnt : NOT_METADATA;
}

tf_verdict_t tf_metadata_on_frame(tf_symbols_t *symbols, const tf_frame_t *frame,
                                  tf_feed_counts_t *counts) {
  if (tf_metadata_read(symbols, frame->bytes, frame->bytes_cnt) == NOT_METADATA)
    return tf_feeds_reject(counts, frame, TF_REJECT_SCHEMA);
  counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}
