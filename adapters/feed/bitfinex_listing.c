#include "feed/bitfinex_listing.h"

#include "feed/feeds.h"
#include "feed/listing.h"
#include "feed/text_out.h"
#include "feed/tick_rule.h"
#include "wire/json_array.h"

#define PAIRS_PATH "/v2/conf/pub:list:pair:exchange,pub:list:pair:futures"
#define LIST_CNT   2u
#define QTY_EXP    (-8)

static const tf_tick_rule_t ticks = {.digits = 5, .finest_exp = -8, .coarsest_exp = INT8_MAX};

size_t tf_bitfinex_listing_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  if (request_idx > 0) return 0;
  tf_text_out_put(&t, PAIRS_PATH);
  return tf_text_out_finish(&t);
}

bool tf_bitfinex_listing_is_answer(const tf_frame_t *frame) {
  return frame->kind == TF_FRAME_HTTP && frame->target != NULL &&
         strcmp(frame->target, PAIRS_PATH) == 0;
}

/* The lists, each a JSON array. False: it is no such answer. */
static bool find_lists(const tf_frame_t *frame, tf_json_value_t lists[LIST_CNT]) {
  static const tf_json_shape_t empty = {NULL, 0};
  tf_json_value_t              unused;
  tf_json_object_t             none = {.shape = &empty, .values = &unused};
  tf_json_t                    json = {0};
  tf_json_array_t              array;
  if (tf_json_read(&json, frame->bytes, frame->bytes_cnt, &none) != TF_JSON_OK ||
      json.root_kind != TF_JSON_ARRAY)
    return false;
  tf_json_array_init(&array, frame->bytes, frame->bytes_cnt);
  for (uint32_t i = 0; i < LIST_CNT; i++)
    if (!tf_json_array_next(&array, &lists[i]) || lists[i].kind != TF_JSON_ARRAY) return false;
  return true;
}

static bool is_listed(const tf_json_value_t lists[LIST_CNT], const tf_symbol_t *symbol) {
  tf_json_array_t array;
  tf_json_value_t pair;
  for (uint32_t i = 0; i < LIST_CNT; i++) {
    tf_json_array_init(&array, lists[i].bytes, lists[i].bytes_cnt);
    while (tf_json_array_next(&array, &pair))
      if (pair.kind == TF_JSON_STRING && tf_json_text_is(&pair, symbol->text, symbol->text_bytes))
        return true;
  }
  return false;
}

tf_verdict_t tf_bitfinex_listing_on_frame(tf_symbols_t *symbols, const tf_frame_t *frame,
                                          tf_feed_out_t *out) {
  tf_json_value_t lists[LIST_CNT];
  out->counts->messages++;
  if (!find_lists(frame, lists)) return tf_feeds_reject(out->counts, frame, TF_REJECT_SCHEMA);
  for (uint32_t i = 0; i < symbols->cnt; i++) {
    bool         listed = is_listed(lists, &symbols->rows[i]);
    tf_listing_t said   = {.trading = listed ? TF_TRADING_OPEN : TF_TRADING_ENDED};
    if (listed && symbols->listings[i].trading == TF_TRADING_HALTED) continue; /* the platform is */
    tf_listing_say(symbols, i, &said, frame->recv_ns, out);
  }
  out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

/* "BTCUSD", "AVAX:USD": what stands behind the colon, or the last three letters. */
static void put_quote_currency(const tf_symbol_t *symbol, tf_instrument_t *to) {
  const char *colon = strchr(symbol->text, ':');
  const char *quote = colon != NULL            ? colon + 1
                      : symbol->text_bytes > 3 ? symbol->text + symbol->text_bytes - 3
                                               : "";
  size_t      cnt   = strlen(quote);
  if (cnt < sizeof to->quote_currency) memcpy(to->quote_currency, quote, cnt);
}

void tf_bitfinex_listing_look(tf_symbols_t *symbols, uint32_t from, tf_feed_out_t *out) {
  uint32_t          idx;
  const tf_event_t *e = tf_tick_rule_event(symbols, out, from, &idx);
  if (e == NULL || !tf_tick_rule_is_news(symbols, idx, &ticks, e)) return;
  tf_instrument_t rest = {.lot_size = 1, .qty_exp = QTY_EXP, .multiplier = 1};
  put_quote_currency(&symbols->rows[idx], &rest);
  tf_tick_rule_say(symbols, idx, &ticks, e, &rest, out);
}
