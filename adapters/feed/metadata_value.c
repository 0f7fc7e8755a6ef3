#include "feed/metadata_value.h"

/* The first that an item has of its names counts, as in metadata.c. */
enum {
  SYMBOL,
  INST_ID,
  INSTRUMENT_NAME,
  NAME,
  IS_INVERSE,
  CT_TYPE,
  CONTRACT_TYPE,
  INSTRUMENT_TYPE,
  TYPE,
  CONTRACT_SIZE,
  IS_QUANTO,
  MULTIPLIER,
  SETTLE_CURRENCY,
  VALUE_CURRENCY,
  KEY_CNT
};
static const tf_json_key_t keys[KEY_CNT] = {
    [SYMBOL]          = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [INST_ID]         = TF_JSON_KEY("instId", TF_JSON_WANT_TEXT),
    [INSTRUMENT_NAME] = TF_JSON_KEY("instrument_name", TF_JSON_WANT_TEXT),
    [NAME]            = TF_JSON_KEY("name", TF_JSON_WANT_TEXT),
    [IS_INVERSE]      = TF_JSON_KEY("isInverse", TF_JSON_WANT_BYTES),
    [CT_TYPE]         = TF_JSON_KEY("ctType", TF_JSON_WANT_TEXT),
    [CONTRACT_TYPE]   = TF_JSON_KEY("contractType", TF_JSON_WANT_TEXT),
    [INSTRUMENT_TYPE] = TF_JSON_KEY("instrument_type", TF_JSON_WANT_TEXT),
    [TYPE]            = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [CONTRACT_SIZE]   = TF_JSON_KEY("contractSize", TF_JSON_WANT_BYTES),
    [IS_QUANTO]       = TF_JSON_KEY("isQuanto", TF_JSON_WANT_BYTES),
    [MULTIPLIER]      = TF_JSON_KEY("multiplier", TF_JSON_WANT_DECIMAL),
    [SETTLE_CURRENCY] = TF_JSON_KEY("settlCurrency", TF_JSON_WANT_TEXT),
    [VALUE_CURRENCY]  = TF_JSON_KEY("ctValCcy", TF_JSON_WANT_TEXT),
};
const tf_json_shape_t tf_metadata_value_shape = {keys, KEY_CNT};

static bool is_text(const tf_json_object_t *item, uint32_t key, const char *text) {
  return tf_json_seen(item, key) && tf_json_text_is(&item->values[key], text, strlen(text));
}

static bool is_true(const tf_json_object_t *item, uint32_t key) {
  return tf_json_seen(item, key) && item->values[key].kind == TF_JSON_TRUE;
}

static bool is_inverse(const tf_json_object_t *item) {
  static const struct {
    uint8_t     key;
    const char *word;
  } words[] = {
      {CT_TYPE,         "inverse"         },
      {CONTRACT_TYPE,   "InversePerpetual"},
      {CONTRACT_TYPE,   "InverseFutures"  },
      {INSTRUMENT_TYPE, "reversed"        },
      {TYPE,            "inverse"         },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(words); i++)
    if (is_text(item, words[i].key, words[i].word)) return true;
  return is_true(item, IS_INVERSE) || tf_json_seen(item, CONTRACT_SIZE);
}

static void set_quote_currency(tf_instrument_t *row, const char *text, size_t text_bytes) {
  if (text_bytes >= sizeof row->quote_currency) return;
  memset(row->quote_currency, 0, sizeof row->quote_currency);
  memcpy(row->quote_currency, text, text_bytes);
}

/* A currency that is counted in parts which are not here: the multiplier stays 1. */
static void take_bitmex(tf_instrument_t *row, const tf_json_object_t *item) {
  static const struct {
    const char *parts, *currency;
    int8_t      exp;
  } rows[] = {
      {"XBt",  "XBT",  -8},
      {"USDt", "USDT", -6},
      {"Gwei", "ETH",  -9},
  };
  const tf_json_value_t *times = &item->values[MULTIPLIER];
  if (!is_true(item, IS_QUANTO)) return;
  row->multiplier = 1.0;
  if (!tf_json_seen(item, MULTIPLIER) || times->made != TF_JSON_MADE_DECIMAL ||
      times->as.mantissa <= 0)
    return;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    if (!is_text(item, SETTLE_CURRENCY, rows[i].parts)) continue;
    row->multiplier = tf_decimal_to_double(times->as.mantissa, times->exp + rows[i].exp);
    set_quote_currency(row, rows[i].currency, strlen(rows[i].currency));
  }
}

void tf_metadata_value_on_item(tf_json_t *json, tf_json_object_t *item) {
  tf_symbols_t *symbols = item->self;
  uint32_t      name    = SYMBOL;
  tf_reject_t   unused;
  (void)json;
  while (name <= NAME && !tf_json_seen(item, name)) name++;
  if (name > NAME || item->values[name].kind != TF_JSON_STRING) return;
  uint32_t idx = tf_symbols_of(symbols, &item->values[name], false, &unused);
  if (idx == TF_SYMBOLS_NONE) return;
  tf_instrument_t *row = &symbols->instruments->rows[symbols->rows[idx].instrument_id];
  if (tf_instrument_metadata(row) != TF_METADATA_NONE) return;
  row->is_inverse = is_inverse(item);
  if (row->is_inverse && tf_json_seen(item, VALUE_CURRENCY) &&
      item->values[VALUE_CURRENCY].kind == TF_JSON_STRING)
    set_quote_currency(row, item->values[VALUE_CURRENCY].bytes,
                       item->values[VALUE_CURRENCY].bytes_cnt);
  take_bitmex(row, item);
}
