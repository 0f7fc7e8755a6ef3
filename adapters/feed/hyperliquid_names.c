#include "feed/hyperliquid_names.h"

#include <stdio.h>

#include "core/nearest.h"
#include "feed/feeds.h"
#include "feed/listing.h"
#include "wire/json_array.h"

enum { PERPETUALS, SPOT };
#define PRICE_DIGITS        5
#define PERPETUALS_DECIMALS 6 /* of a price and a size together */
#define SPOT_DECIMALS       8

/* Both answers are lists of objects that have some of these. */
enum { NAME, SIZE_DECIMALS, IS_DELISTED, TOKENS, INDEX, KEY_CNT };
static const tf_json_key_t keys[KEY_CNT] = {
    [NAME]          = TF_JSON_KEY("name", TF_JSON_WANT_TEXT),
    [SIZE_DECIMALS] = TF_JSON_KEY("szDecimals", TF_JSON_WANT_U64),
    [IS_DELISTED]   = TF_JSON_KEY("isDelisted", TF_JSON_WANT_BYTES),
    [TOKENS]        = TF_JSON_KEY("tokens", TF_JSON_WANT_BYTES),
    [INDEX]         = TF_JSON_KEY("index", TF_JSON_WANT_U64),
};
static const tf_json_shape_t shape = {keys, KEY_CNT};

typedef struct reader {
  const tf_json_t        *json;
  tf_hyperliquid_names_t *names;
  tf_symbols_t           *symbols;
  const tf_frame_t       *frame;
  tf_feed_out_t          *out;
  uint32_t                list;
  void (*on_item)(struct reader *r, const tf_json_object_t *item);
} reader_t;

static uint32_t list_of(const char *name) {
  return strpbrk(name, "@/") != NULL ? SPOT : PERPETUALS;
}

/* FNV-1a. */
static uint64_t hash_of(const char *text, size_t cnt) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < cnt; i++) hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
  return hash;
}

bool tf_hyperliquid_names_has(const tf_hyperliquid_names_t *names, const char *name) {
  uint32_t list = list_of(name);
  uint64_t hash = hash_of(name, strlen(name));
  if (!names->lists[list].is_told || names->lists[list].is_cut || strchr(name, ':') != NULL)
    return true;
  for (uint32_t i = 0; i < names->lists[list].cnt; i++)
    if (names->lists[list].hashes[i] == hash) return true;
  return false;
}

/* ---- reading ---- */

static const tf_json_value_t *text_of(const tf_json_object_t *item, uint32_t key) {
  const tf_json_value_t *v = &item->values[key];
  return tf_json_seen(item, key) && v->kind == TF_JSON_STRING && !v->escaped ? v : NULL;
}

static bool number_of(const reader_t *r, const tf_json_object_t *item, uint32_t key,
                      uint64_t *number) {
  const tf_json_value_t *v = &item->values[key];
  if (!tf_json_seen(item, key) || v->made != TF_JSON_MADE_U64) return false;
  *number = tf_json_u64(r->json, v);
  return true;
}

static void on_json_item(tf_json_t *json, tf_json_object_t *item) {
  reader_t *r = item->self;
  r->json     = json;
  r->on_item(r, item);
}

/* The objects of one list of the answer. False: it has no such list. */
static bool read_list(reader_t *r, const char *key,
                      void (*on_item)(reader_t *r, const tf_json_object_t *item)) {
  const tf_json_key_t root_keys[] = {
      {key, (uint8_t)strlen(key), TF_JSON_WANT_ITEMS}
  };
  const tf_json_shape_t root_shape = {root_keys, 1};
  tf_json_value_t       values[2], item_values[KEY_CNT + 1];
  tf_json_t             json = {0};
  tf_json_object_t      item = {
           .shape = &shape, .values = item_values, .on_item = on_json_item, .self = r};
  tf_json_object_t root = {.shape = &root_shape, .values = values, .child = &item};
  r->on_item            = on_item;
  return tf_json_read(&json, r->frame->bytes, r->frame->bytes_cnt, &root) == TF_JSON_OK &&
         json.root_kind == TF_JSON_OBJECT && tf_json_seen(&root, 0) &&
         values[0].made == TF_JSON_MADE_ITEMS;
}

static void say(reader_t *r, uint32_t idx, tf_trading_t trading, bool has_digits, uint64_t digits) {
  tf_listing_t said = {.trading = (uint8_t)trading};
  if (has_digits && digits <= SPOT_DECIMALS) {
    said.lot_size = 1;
    said.qty_exp  = (int8_t) - (int)digits;
  }
  tf_listing_say(r->symbols, idx, &said, r->frame->recv_ns, r->out);
}

/* Which tokens a pair of spot is of: "[1,0]". */
static void take_pair(reader_t *r, uint32_t idx, const tf_json_object_t *item) {
  const tf_json_value_t *tokens = &item->values[TOKENS];
  tf_json_array_t        array;
  tf_json_value_t        v;
  uint64_t               token[2];
  if (idx >= TF_HYPERLIQUID_SYMBOLS_MAX) return;
  r->names->pairs[idx].base = r->names->pairs[idx].quote = UINT32_MAX;
  if (!tf_json_seen(item, TOKENS) || tokens->kind != TF_JSON_ARRAY) return;
  tf_json_array_init(&array, tokens->bytes, tokens->bytes_cnt);
  for (uint32_t i = 0; i < 2; i++) {
    tf_decimal_result_t result;
    if (!tf_json_array_next(&array, &v) || v.kind != TF_JSON_NUMBER) return;
    const char *end = v.bytes + v.bytes_cnt;
    if (tf_decimal_u64_scan(v.bytes, end, &token[i], &result) != end || result != TF_DECIMAL_OK)
      return;
  }
  if (token[0] >= UINT32_MAX || token[1] >= UINT32_MAX) return;
  r->names->pairs[idx].base  = (uint32_t)token[0];
  r->names->pairs[idx].quote = (uint32_t)token[1];
}

static void learn_coin(reader_t *r, const tf_json_object_t *item) {
  const tf_json_value_t *name = text_of(item, NAME);
  tf_reject_t            unused;
  uint64_t               digits     = 0;
  bool                   has_digits = number_of(r, item, SIZE_DECIMALS, &digits);
  if (name == NULL) return;
  if (r->names->lists[r->list].cnt < TF_HYPERLIQUID_NAMES_MAX)
    r->names->lists[r->list].hashes[r->names->lists[r->list].cnt++] =
        hash_of(name->bytes, name->bytes_cnt);
  else
    r->names->lists[r->list].is_cut = true;
  uint32_t idx = tf_symbols_of(r->symbols, name, false, &unused);
  if (idx == TF_SYMBOLS_NONE) return;
  if (r->list == SPOT) take_pair(r, idx, item);
  bool is_ended = tf_json_seen(item, IS_DELISTED) && item->values[IS_DELISTED].kind == TF_JSON_TRUE;
  say(r, idx, is_ended ? TF_TRADING_ENDED : TF_TRADING_OPEN, has_digits, digits);
}

/* What a token of spot says of the pairs that are of it. */
static void learn_token(reader_t *r, const tf_json_object_t *item) {
  const tf_json_value_t *name = text_of(item, NAME);
  uint64_t               token, digits = 0;
  bool                   has_digits = number_of(r, item, SIZE_DECIMALS, &digits);
  if (name == NULL || !number_of(r, item, INDEX, &token)) return;
  for (uint32_t i = 0; i < r->symbols->cnt && i < TF_HYPERLIQUID_SYMBOLS_MAX; i++) {
    if (list_of(r->symbols->rows[i].text) != SPOT ||
        !tf_hyperliquid_names_has(r->names, r->symbols->rows[i].text))
      continue;
    if (r->names->pairs[i].base == token) say(r, i, TF_TRADING_UNSAID, has_digits, digits);
    if (r->names->pairs[i].quote == token &&
        name->bytes_cnt < sizeof r->names->pairs[i].quote_currency) {
      memset(r->names->pairs[i].quote_currency, 0, sizeof r->names->pairs[i].quote_currency);
      memcpy(r->names->pairs[i].quote_currency, name->bytes, name->bytes_cnt);
    }
  }
}

/* ---- names that are not there ---- */

static void learn_nearest(reader_t *r, const tf_json_object_t *item) {
  const tf_json_value_t *name = text_of(item, NAME);
  char                   text[TF_SYMBOL_BYTES_MAX];
  if (name == NULL || name->bytes_cnt >= sizeof text) return;
  memcpy(text, name->bytes, name->bytes_cnt);
  text[name->bytes_cnt] = '\0';
  for (uint32_t i = 0; i < r->names->unknown_cnt; i++) {
    const char *asked = r->symbols->rows[r->names->unknown[i].idx].text;
    if (list_of(asked) != r->list) continue;
    uint32_t distance = tf_nearest_distance(asked, text);
    uint32_t longer   = (uint32_t)strlen(asked);
    if (longer < name->bytes_cnt) longer = name->bytes_cnt;
    if (distance >= r->names->unknown[i].distance || distance > (longer < 3 ? 1 : longer / 3))
      continue;
    r->names->unknown[i].distance = distance;
    memcpy(r->names->unknown[i].nearest, text, sizeof text);
  }
}

/* What was listed and is no longer has ended. */
static void find_unknown(reader_t *r, uint32_t asked_cnt) {
  tf_hyperliquid_names_t *names = r->names;
  uint32_t                kept  = 0;
  for (uint32_t i = 0; i < names->unknown_cnt; i++) /* the other list's */
    if (list_of(r->symbols->rows[names->unknown[i].idx].text) != r->list)
      names->unknown[kept++] = names->unknown[i];
  names->unknown_cnt = kept;
  for (uint32_t i = 0; i < r->symbols->cnt; i++) {
    const char *text = r->symbols->rows[i].text;
    if (list_of(text) != r->list || tf_hyperliquid_names_has(names, text)) continue;
    if (r->symbols->listings[i].trading != TF_TRADING_UNSAID) say(r, i, TF_TRADING_ENDED, false, 0);
    if (i >= asked_cnt || names->unknown_cnt == TF_HYPERLIQUID_NEAREST_MAX) continue;
    names->unknown[names->unknown_cnt].idx        = i;
    names->unknown[names->unknown_cnt].distance   = UINT32_MAX;
    names->unknown[names->unknown_cnt].nearest[0] = '\0';
    names->unknown_cnt++;
  }
  if (names->unknown_cnt > kept) read_list(r, "universe", learn_nearest);
}

void tf_hyperliquid_names_complain(const tf_hyperliquid_names_t *names, uint32_t idx,
                                   const char *name, char *text, size_t cap) {
  const char *nearest = "";
  for (uint32_t i = 0; i < names->unknown_cnt; i++)
    if (names->unknown[i].idx == idx) nearest = names->unknown[i].nearest;
  snprintf(text, cap, "the venue has no %s%s%s%s", name, *nearest ? "; the nearest is " : "",
           nearest, list_of(name) == SPOT ? " (spot)" : "");
}

/* ---- the whole ---- */

static void pass_over(reader_t *r, const tf_json_object_t *item) { (void)r, (void)item; }

tf_verdict_t tf_hyperliquid_names_on_frame(tf_hyperliquid_names_t *names, tf_symbols_t *symbols,
                                           uint32_t asked_cnt, const tf_frame_t *frame,
                                           tf_feed_out_t *out) {
  reader_t r = {.names = names, .symbols = symbols, .frame = frame, .out = out};
  out->counts->messages++;
  r.list                       = read_list(&r, "tokens", pass_over) ? SPOT : PERPETUALS;
  names->lists[r.list].cnt     = 0;
  names->lists[r.list].is_cut  = false;
  names->lists[r.list].is_told = read_list(&r, "universe", learn_coin);
  if (!names->lists[r.list].is_told) return tf_feeds_reject(out->counts, frame, TF_REJECT_SCHEMA);
  if (r.list == SPOT) read_list(&r, "tokens", learn_token);
  find_unknown(&r, asked_cnt);
  out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

bool tf_hyperliquid_names_rule(const tf_hyperliquid_names_t *names, const tf_symbols_t *symbols,
                               uint32_t idx, tf_tick_rule_t *rule, tf_instrument_t *rest) {
  const tf_listing_t *said = &symbols->listings[idx];
  bool                spot = list_of(symbols->rows[idx].text) == SPOT;
  if (said->lot_size == 0 || idx >= TF_HYPERLIQUID_SYMBOLS_MAX) return false;
  *rule = (tf_tick_rule_t){
      .digits     = PRICE_DIGITS,
      .finest_exp = (int8_t)(-(spot ? SPOT_DECIMALS : PERPETUALS_DECIMALS) - said->qty_exp)};
  *rest = (tf_instrument_t){.lot_size = said->lot_size, .qty_exp = said->qty_exp, .multiplier = 1};
  memcpy(rest->quote_currency, spot ? names->pairs[idx].quote_currency : "USD\0\0\0\0",
         sizeof rest->quote_currency);
  return true;
}
