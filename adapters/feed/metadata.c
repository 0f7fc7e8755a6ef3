#include "feed/metadata.h"

#include "feed/feeds.h"
#include "feed/listing.h"
#include "feed/metadata_value.h"
#include "wire/json_array.h"

enum { SYMBOLS, PRODUCTS, PAIRS, DATA, LIST, INSTRUMENTS, RESULT, LIST_KEY_CNT };
static const tf_json_key_t list_keys[LIST_KEY_CNT] = {
    [SYMBOLS]     = TF_JSON_KEY("symbols", TF_JSON_WANT_ITEMS),
    [PRODUCTS]    = TF_JSON_KEY("products", TF_JSON_WANT_ITEMS),
    [PAIRS]       = TF_JSON_KEY("pairs", TF_JSON_WANT_ITEMS),
    [DATA]        = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [LIST]        = TF_JSON_KEY("list", TF_JSON_WANT_ITEMS),
    [INSTRUMENTS] = TF_JSON_KEY("instruments", TF_JSON_WANT_ITEMS),
    [RESULT]      = TF_JSON_KEY("result", TF_JSON_WANT_SECOND),
};
static const tf_json_shape_t list_shape = {list_keys, LIST_KEY_CNT};

/* Where an instrument has several of a group, the first that is listed here counts. */
enum {
  CONTRACT_CODE, /* HTX's "symbol" is a currency */
  SYMBOL,
  PRODUCT_ID,
  ID,
  INST_ID,
  INSTRUMENT_NAME,
  NAME,
  PRICE_INCREMENT,
  QUOTE_INCREMENT,
  TICK_SZ,
  PRICE_TICK_SIZE,
  TICK_SIZE_TOO,
  PRICE_INCREMENT_TOO,
  ORDER_PRICE_ROUND,
  ITEM_TICK_SIZE,
  PRICE_TICK,
  BASE_INCREMENT,
  QTY_INCREMENT,
  LOT_SZ,
  QTY_TICK_SIZE,
  MIN_TRADE_AMOUNT,
  BASE_INCREMENT_TOO,
  ORDER_SIZE_MIN,
  LOT_SIZE,
  QUOTE_ASSET,
  QUOTE_CURRENCY_ID,
  QUOTE_CURRENCY,
  QUOTE,
  QUOTE_CCY,
  QUOTE_COIN,
  QUOTE_CCY_TOO,
  SETTLE_CCY,
  QUOTE_CURRENCY_TOO,
  QUOTE_CURRENCY_HTX,
  CONTRACT_SIZE,
  CT_VAL,
  CONTRACT_SIZE_TOO,
  QUANTO_MULTIPLIER,
  MULTIPLIER,
  CT_MULT,                 /* so many of the contract's value */
  CONTRACTS_OF_UNDERLYING, /* so many are one of it */
  PRICE_DIGITS,            /* digits behind the point */
  PRICE_DIGITS_TOO,
  PRECISION,
  PRICE_PRECISION_HTX,
  PRICE_END_STEP, /* so many of the last digit */
  QTY_DIGITS,
  QTY_DIGITS_TOO,
  AMOUNT_PRECISION,
  AMOUNT_PRECISION_HTX,
  FILTERS,
  PRICE_FILTER,
  LOT_FILTER,
  CONTRACT_STATUS, /* words for what is done with it */
  TRADE_STATUS,
  SYMBOL_STATUS,
  STATUS,
  STATE,
  TRADING_DISABLED, /* true: it is not traded */
  ENABLE_TRADING,   /* false: likewise */
  TRADABLE,
  IS_ACTIVE, /* false: nor will it be */
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    [SYMBOL]                  = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [PRODUCT_ID]              = TF_JSON_KEY("product_id", TF_JSON_WANT_TEXT),
    [ID]                      = TF_JSON_KEY("id", TF_JSON_WANT_TEXT),
    [INSTRUMENT_NAME]         = TF_JSON_KEY("instrument_name", TF_JSON_WANT_TEXT),
    [TICK_SIZE_TOO]           = TF_JSON_KEY("tick_size", TF_JSON_WANT_DECIMAL),
    [MIN_TRADE_AMOUNT]        = TF_JSON_KEY("min_trade_amount", TF_JSON_WANT_DECIMAL),
    [CONTRACT_CODE]           = TF_JSON_KEY("contract_code", TF_JSON_WANT_TEXT),
    [NAME]                    = TF_JSON_KEY("name", TF_JSON_WANT_TEXT),
    [PRICE_INCREMENT_TOO]     = TF_JSON_KEY("priceIncrement", TF_JSON_WANT_DECIMAL),
    [ORDER_PRICE_ROUND]       = TF_JSON_KEY("order_price_round", TF_JSON_WANT_DECIMAL),
    [ITEM_TICK_SIZE]          = TF_JSON_KEY("tickSize", TF_JSON_WANT_DECIMAL),
    [PRICE_TICK]              = TF_JSON_KEY("price_tick", TF_JSON_WANT_DECIMAL),
    [BASE_INCREMENT_TOO]      = TF_JSON_KEY("baseIncrement", TF_JSON_WANT_DECIMAL),
    [ORDER_SIZE_MIN]          = TF_JSON_KEY("order_size_min", TF_JSON_WANT_DECIMAL),
    [LOT_SIZE]                = TF_JSON_KEY("lotSize", TF_JSON_WANT_DECIMAL),
    [QUOTE_CURRENCY_TOO]      = TF_JSON_KEY("quoteCurrency", TF_JSON_WANT_TEXT),
    [QUOTE_CURRENCY_HTX]      = TF_JSON_KEY("quote-currency", TF_JSON_WANT_TEXT),
    [QUANTO_MULTIPLIER]       = TF_JSON_KEY("quanto_multiplier", TF_JSON_WANT_DECIMAL),
    [MULTIPLIER]              = TF_JSON_KEY("multiplier", TF_JSON_WANT_DECIMAL),
    [CT_MULT]                 = TF_JSON_KEY("ctMult", TF_JSON_WANT_DECIMAL),
    [CONTRACTS_OF_UNDERLYING] = TF_JSON_KEY("underlyingToPositionMultiplier", TF_JSON_WANT_DECIMAL),
    [PRECISION]               = TF_JSON_KEY("precision", TF_JSON_WANT_DECIMAL),
    [PRICE_PRECISION_HTX]     = TF_JSON_KEY("price-precision", TF_JSON_WANT_DECIMAL),
    [AMOUNT_PRECISION]        = TF_JSON_KEY("amount_precision", TF_JSON_WANT_DECIMAL),
    [AMOUNT_PRECISION_HTX]    = TF_JSON_KEY("amount-precision", TF_JSON_WANT_DECIMAL),
    [INST_ID]                 = TF_JSON_KEY("instId", TF_JSON_WANT_TEXT),
    [TICK_SZ]                 = TF_JSON_KEY("tickSz", TF_JSON_WANT_DECIMAL),
    [PRICE_TICK_SIZE]         = TF_JSON_KEY("price_tick_size", TF_JSON_WANT_DECIMAL),
    [LOT_SZ]                  = TF_JSON_KEY("lotSz", TF_JSON_WANT_DECIMAL),
    [QTY_TICK_SIZE]           = TF_JSON_KEY("qty_tick_size", TF_JSON_WANT_DECIMAL),
    [QUOTE_CCY]               = TF_JSON_KEY("quoteCcy", TF_JSON_WANT_TEXT),
    [QUOTE_COIN]              = TF_JSON_KEY("quoteCoin", TF_JSON_WANT_TEXT),
    [QUOTE_CCY_TOO]           = TF_JSON_KEY("quote_ccy", TF_JSON_WANT_TEXT),
    [SETTLE_CCY]              = TF_JSON_KEY("settleCcy", TF_JSON_WANT_TEXT),
    [CT_VAL]                  = TF_JSON_KEY("ctVal", TF_JSON_WANT_DECIMAL),
    [CONTRACT_SIZE_TOO]       = TF_JSON_KEY("contract_size", TF_JSON_WANT_DECIMAL),
    [PRICE_DIGITS]            = TF_JSON_KEY("pricePrecision", TF_JSON_WANT_DECIMAL),
    [PRICE_DIGITS_TOO]        = TF_JSON_KEY("pricePlace", TF_JSON_WANT_DECIMAL),
    [PRICE_END_STEP]          = TF_JSON_KEY("priceEndStep", TF_JSON_WANT_DECIMAL),
    [QTY_DIGITS]              = TF_JSON_KEY("quantityPrecision", TF_JSON_WANT_DECIMAL),
    [QTY_DIGITS_TOO]          = TF_JSON_KEY("volumePlace", TF_JSON_WANT_DECIMAL),
    [PRICE_FILTER]            = TF_JSON_KEY("priceFilter", TF_JSON_WANT_ITEM),
    [LOT_FILTER]              = TF_JSON_KEY("lotSizeFilter", TF_JSON_WANT_ITEM),
    [PRICE_INCREMENT]         = TF_JSON_KEY("price_increment", TF_JSON_WANT_DECIMAL),
    [QUOTE_INCREMENT]         = TF_JSON_KEY("quote_increment", TF_JSON_WANT_DECIMAL),
    [BASE_INCREMENT]          = TF_JSON_KEY("base_increment", TF_JSON_WANT_DECIMAL),
    [QTY_INCREMENT]           = TF_JSON_KEY("qty_increment", TF_JSON_WANT_DECIMAL),
    [QUOTE_ASSET]             = TF_JSON_KEY("quoteAsset", TF_JSON_WANT_TEXT),
    [QUOTE_CURRENCY_ID]       = TF_JSON_KEY("quote_currency_id", TF_JSON_WANT_TEXT),
    [QUOTE_CURRENCY]          = TF_JSON_KEY("quote_currency", TF_JSON_WANT_TEXT),
    [QUOTE]                   = TF_JSON_KEY("quote", TF_JSON_WANT_TEXT),
    [CONTRACT_SIZE]           = TF_JSON_KEY("contractSize", TF_JSON_WANT_DECIMAL),
    [FILTERS]                 = TF_JSON_KEY("filters", TF_JSON_WANT_ITEMS),
    [CONTRACT_STATUS]         = TF_JSON_KEY("contractStatus", TF_JSON_WANT_TEXT),
    [TRADE_STATUS]            = TF_JSON_KEY("trade_status", TF_JSON_WANT_TEXT),
    [SYMBOL_STATUS]           = TF_JSON_KEY("symbolStatus", TF_JSON_WANT_TEXT),
    [STATUS]                  = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),
    [STATE]                   = TF_JSON_KEY("state", TF_JSON_WANT_TEXT),
    [TRADING_DISABLED]        = TF_JSON_KEY("trading_disabled", TF_JSON_WANT_BYTES),
    [ENABLE_TRADING]          = TF_JSON_KEY("enableTrading", TF_JSON_WANT_BYTES),
    [TRADABLE]                = TF_JSON_KEY("tradable", TF_JSON_WANT_BYTES),
    [IS_ACTIVE]               = TF_JSON_KEY("is_active", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t item_shape = {item_keys, ITEM_KEY_CNT};

enum { FILTER_TYPE, TICK_SIZE, STEP_SIZE, QTY_STEP, BASE_PRECISION, FILTER_KEY_CNT };
static const tf_json_key_t filter_keys[FILTER_KEY_CNT] = {
    [FILTER_TYPE]    = TF_JSON_KEY("filterType", TF_JSON_WANT_TEXT),
    [TICK_SIZE]      = TF_JSON_KEY("tickSize", TF_JSON_WANT_DECIMAL),
    [STEP_SIZE]      = TF_JSON_KEY("stepSize", TF_JSON_WANT_DECIMAL),
    [QTY_STEP]       = TF_JSON_KEY("qtyStep", TF_JSON_WANT_DECIMAL),
    [BASE_PRECISION] = TF_JSON_KEY("basePrecision", TF_JSON_WANT_DECIMAL),
};
static const tf_json_shape_t filter_shape = {filter_keys, FILTER_KEY_CNT};

typedef struct {
  tf_symbols_t    *symbols;
  tf_feed_out_t   *out;
  uint64_t         recv_ns;
  tf_json_object_t list, result, item, filter; /* result: a list within the list's object */
  tf_json_value_t  list_values[LIST_KEY_CNT + 1], result_values[LIST_KEY_CNT + 1];
  tf_json_value_t  item_values[ITEM_KEY_CNT + 1];
  tf_json_value_t  filter_values[FILTER_KEY_CNT + 1];
  tf_json_value_t  tick, step; /* of the filters of the item being read; made NONE: none */
  uint32_t         item_cnt;
  bool             has_filled;
} reader_t;

static void on_filter(tf_json_t *json, tf_json_object_t *filter) {
  (void)json;
  reader_t              *r = filter->self;
  const tf_json_value_t *v = filter->values;
  if (!tf_json_seen(filter, FILTER_TYPE)) { /* Bybit's stand alone, each under a key of its own */
    if (tf_json_seen(filter, TICK_SIZE)) r->tick = v[TICK_SIZE];
    for (uint32_t key = QTY_STEP; key <= BASE_PRECISION; key++)
      if (tf_json_seen(filter, key)) r->step = v[key];
    return;
  }
  if (TF_JSON_TEXT_IS(&v[FILTER_TYPE], "PRICE_FILTER") && tf_json_seen(filter, TICK_SIZE))
    r->tick = v[TICK_SIZE];
  if (TF_JSON_TEXT_IS(&v[FILTER_TYPE], "LOT_SIZE") && tf_json_seen(filter, STEP_SIZE))
    r->step = v[STEP_SIZE];
}

/* The first of the keys from..to that the item has and that is not "", else other. */
static const tf_json_value_t *pick(const tf_json_object_t *item, uint32_t from, uint32_t to,
                                   const tf_json_value_t *other) {
  for (uint32_t key = from; key <= to; key++) {
    if (!tf_json_seen(item, key)) continue;
    const tf_json_value_t *v = &item->values[key];
    bool                   is_empty =
        v->kind == TF_JSON_STRING && v->bytes_cnt == 0 && v->made != TF_JSON_MADE_DECIMAL;
    if (!is_empty) return v;
  }
  return other;
}

#define DIGITS_MAX 30

/* Digits behind the point as the size that they allow, step of the last one. */
static const tf_json_value_t *size_of_digits(const tf_json_value_t *digits,
                                             const tf_json_value_t *step, tf_json_value_t *size) {
  if (digits == NULL || digits->made != TF_JSON_MADE_DECIMAL || digits->exp != 0 ||
      digits->as.mantissa < 0 || digits->as.mantissa > DIGITS_MAX)
    return NULL;
  bool has_step     = step != NULL && step->made == TF_JSON_MADE_DECIMAL && step->exp == 0;
  *size             = (tf_json_value_t){.made = TF_JSON_MADE_DECIMAL};
  size->exp         = (int8_t)-digits->as.mantissa;
  size->as.mantissa = has_step ? step->as.mantissa : 1;
  return size;
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

static bool is_bool(const tf_json_object_t *item, uint32_t key, tf_json_kind_t kind) {
  return tf_json_seen(item, key) && item->values[key].kind == kind;
}

/* The worst of all that the item says. */
static uint8_t trading_of(const tf_json_object_t *item) {
  if (is_bool(item, IS_ACTIVE, TF_JSON_FALSE)) return TF_TRADING_ENDED;
  uint8_t worst = TF_TRADING_UNSAID;
  for (uint32_t key = CONTRACT_STATUS; key <= STATE; key++) {
    const tf_json_value_t *v = &item->values[key];
    if (!tf_json_seen(item, key) || v->kind != TF_JSON_STRING) continue;
    uint8_t trading = (uint8_t)tf_listing_of_word(v->bytes, v->bytes_cnt);
    if (trading > worst) worst = trading;
  }
  bool is_off = is_bool(item, TRADING_DISABLED, TF_JSON_TRUE) ||
                is_bool(item, ENABLE_TRADING, TF_JSON_FALSE) ||
                is_bool(item, TRADABLE, TF_JSON_FALSE);
  bool is_on = is_bool(item, TRADING_DISABLED, TF_JSON_FALSE) ||
               is_bool(item, ENABLE_TRADING, TF_JSON_TRUE) || is_bool(item, TRADABLE, TF_JSON_TRUE);
  if (is_off && worst < TF_TRADING_HALTED) return TF_TRADING_HALTED;
  return worst == TF_TRADING_UNSAID && is_on ? TF_TRADING_OPEN : worst;
}

TF_STATIC_ASSERT(ITEM_KEY_CNT <= TF_JSON_SHAPE_KEYS_MAX, "a bit a key");

static bool is_above_0(const tf_json_value_t *v) {
  return v != NULL && v->made == TF_JSON_MADE_DECIMAL && v->as.mantissa > 0;
}

/* What one of a quantity stands for; 1 where it is what it says. */
static double multiplier_of(const tf_json_object_t *item) {
  const tf_json_value_t *size  = pick(item, CONTRACT_SIZE, MULTIPLIER, NULL);
  const tf_json_value_t *times = pick(item, CT_MULT, CT_MULT, NULL);
  const tf_json_value_t *parts = pick(item, CONTRACTS_OF_UNDERLYING, CONTRACTS_OF_UNDERLYING, NULL);
  if (tf_json_seen(item, MIN_TRADE_AMOUNT)) return 1.0; /* Deribit counts amounts, not contracts */
  if (is_above_0(parts)) return 1.0 / tf_decimal_to_double(parts->as.mantissa, parts->exp);
  if (!is_above_0(size)) return 1.0;
  return tf_decimal_to_double(size->as.mantissa, size->exp) *
         (is_above_0(times) ? tf_decimal_to_double(times->as.mantissa, times->exp) : 1.0);
}

/* What a row without metadata will have; nobody else reads it until publish. */
static bool fill(tf_instrument_t *row, const tf_instrument_t *to) {
  if (tf_instrument_metadata(row) != TF_METADATA_NONE) return false;
  row->tick_size  = to->tick_size;
  row->price_exp  = to->price_exp;
  row->lot_size   = to->lot_size;
  row->qty_exp    = to->qty_exp;
  row->multiplier = to->multiplier;
  memcpy(row->quote_currency, to->quote_currency, sizeof row->quote_currency);
  return true;
}

/* How many rows have their metadata by this. */
static uint32_t publish(tf_symbols_t *symbols) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < symbols->cnt; i++) {
    tf_instrument_t *row = &symbols->instruments->rows[symbols->rows[i].instrument_id];
    if (row->tick_size != 0) cnt += tf_instrument_set_metadata(row, row, TF_METADATA_VENUE);
  }
  return cnt;
}

static void on_item(tf_json_t *json, tf_json_object_t *item) {
  (void)json;
  static const tf_json_value_t one    = {.made = TF_JSON_MADE_DECIMAL, .as.mantissa = 1};
  reader_t                    *r      = item->self;
  const tf_json_value_t       *symbol = pick(item, CONTRACT_CODE, NAME, NULL);
  const tf_json_value_t       *quote  = pick(item, QUOTE_ASSET, QUOTE_CURRENCY_HTX, NULL);
  const tf_json_value_t       *step   = pick(item, PRICE_END_STEP, PRICE_END_STEP, NULL);
  const tf_json_value_t       *tick   = pick(item, PRICE_INCREMENT, PRICE_TICK, NULL);
  const tf_json_value_t       *lot    = pick(item, BASE_INCREMENT, LOT_SIZE, NULL);
  tf_instrument_t              to     = {.multiplier = multiplier_of(item)};
  tf_json_value_t              made[2];
  if (tick == NULL)
    tick = size_of_digits(pick(item, PRICE_DIGITS, PRICE_PRECISION_HTX, NULL), step, &made[0]);
  if (lot == NULL)
    lot = size_of_digits(pick(item, QTY_DIGITS, AMOUNT_PRECISION_HTX, NULL), NULL, &made[1]);
  if (lot == NULL && tf_json_seen(item, CONTRACT_CODE)) lot = &one; /* whole contracts */
  bool has = take_size(tick != NULL ? tick : &r->tick, &to.tick_size, &to.price_exp) &&
             take_size(lot != NULL ? lot : &r->step, &to.lot_size, &to.qty_exp);
  r->tick.made = r->step.made = TF_JSON_MADE_NONE;
  tf_listing_t said           = {.trading = trading_of(item)};
  if ((!has && said.trading == TF_TRADING_UNSAID) || symbol == NULL ||
      symbol->kind != TF_JSON_STRING)
    return;
  r->item_cnt++;
  tf_reject_t unused;
  uint32_t    idx = tf_symbols_of(r->symbols, symbol, false, &unused);
  if (idx == TF_SYMBOLS_NONE) return;
  if (has) {
    said.tick_size = to.tick_size;
    said.lot_size  = to.lot_size;
    said.price_exp = to.price_exp;
    said.qty_exp   = to.qty_exp;
  }
  tf_listing_say(r->symbols, idx, &said, r->recv_ns, r->out);
  if (!has) return;
  if (quote != NULL && quote->kind == TF_JSON_STRING && quote->bytes_cnt < sizeof to.quote_currency)
    memcpy(to.quote_currency, quote->bytes, quote->bytes_cnt);
  r->has_filled |= fill(&r->symbols->instruments->rows[r->symbols->rows[idx].instrument_id], &to);
}

static void reader_init(reader_t *r, tf_symbols_t *symbols, uint64_t recv_ns, tf_feed_out_t *out) {
  memset(r, 0, sizeof *r);
  r->symbols = symbols;
  r->out     = out;
  r->recv_ns = recv_ns;
  r->filter  = (tf_json_object_t){
       .shape = &filter_shape, .values = r->filter_values, .on_item = on_filter, .self = r};
  r->item = (tf_json_object_t){.shape   = &item_shape,
                               .values  = r->item_values,
                               .child   = &r->filter,
                               .on_item = on_item,
                               .self    = r};
  r->result =
      (tf_json_object_t){.shape = &list_shape, .values = r->result_values, .child = &r->item};
  r->list = (tf_json_object_t){
      .shape = &list_shape, .values = r->list_values, .child = &r->item, .second = &r->result};
}

/* One instrument that is a message of its own. */
static void read_one(reader_t *r, const char *bytes, size_t bytes_cnt) {
  tf_json_t json = {0};
  if (tf_json_read(&json, bytes, bytes_cnt, &r->item) == TF_JSON_OK &&
      json.root_kind == TF_JSON_OBJECT)
    r->item.on_item(&json, &r->item);
}

/* One of its keys is a list of objects, an empty one too. */
static bool has_list(const tf_json_object_t *object) {
  for (uint32_t key = 0; key < RESULT; key++)
    if (tf_json_seen(object, key) && object->values[key].made == TF_JSON_MADE_ITEMS) return true;
  return false;
}

/* Hands every instrument of the answer on. True: it has the form of a list. */
static bool read_all(reader_t *r, const char *bytes, size_t bytes_cnt) {
  tf_json_t json = {0};
  if (tf_json_read(&json, bytes, bytes_cnt, &r->list) != TF_JSON_OK) return false;
  if (json.root_kind == TF_JSON_ARRAY) {
    tf_json_array_t array;
    tf_json_value_t element;
    tf_json_array_init(&array, bytes, bytes_cnt);
    while (tf_json_array_next(&array, &element)) read_one(r, element.bytes, element.bytes_cnt);
  } else if (json.root_kind == TF_JSON_OBJECT && r->list.seen == 0) {
    read_one(r, bytes, bytes_cnt);
  }
  return json.root_kind == TF_JSON_OBJECT && (has_list(&r->list) || has_list(&r->result));
}

uint32_t tf_metadata_read(tf_symbols_t *symbols, const char *bytes, size_t bytes_cnt,
                          uint64_t recv_ns, tf_feed_out_t *out) {
  reader_t r;
  reader_init(&r, symbols, recv_ns, out);
  if (!read_all(&r, bytes, bytes_cnt) && r.item_cnt == 0) return TF_METADATA_NOT_READ;
  if (!r.has_filled) return 0;
  r.item = (tf_json_object_t){.shape   = &tf_metadata_value_shape,
                              .values  = r.item_values,
                              .on_item = tf_metadata_value_on_item,
                              .self    = symbols};
  read_all(&r, bytes, bytes_cnt);
  return publish(symbols);
}

tf_verdict_t tf_metadata_on_frame(tf_symbols_t *symbols, const tf_frame_t *frame,
                                  tf_feed_out_t *out) {
  if (tf_metadata_read(symbols, frame->bytes, frame->bytes_cnt, frame->recv_ns, out) ==
      TF_METADATA_NOT_READ)
    return tf_feeds_reject(out->counts, frame, TF_REJECT_SCHEMA);
  out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}
