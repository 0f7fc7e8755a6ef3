#include "sink/decision_json.h"

#include <string.h>

/* How `sha256sum` of the model's file begins: the field is little endian, byte i is byte i of the hash. */
void tf_decision_json_hash(tf_doc_t *doc, uint32_t model_hash) {
  static const char hex[] = "0123456789abcdef";
  char              text[9];
  for (size_t i = 0; i < 4; i++) {
    text[2 * i]     = hex[model_hash >> (8 * i + 4) & 0xf];
    text[2 * i + 1] = hex[model_hash >> (8 * i) & 0xf];
  }
  text[8] = 0;
  tf_doc_word(doc, "model_hash", text);
}

static void put_strategy(tf_doc_t *doc, uint8_t id, const tf_sink_config_t *config) {
  if (config->strategies && id < config->strategy_cnt)
    tf_doc_text(doc, "strategy", config->strategies[id], strlen(config->strategies[id]));
  else
    tf_doc_number_sign(doc, "strategy", id);
}

static void put_hops(tf_doc_t *doc, const tf_decision_t *d) {
  tf_doc_map(doc, "hops", 6);
  tf_doc_u64(doc, "decode_ns", d->decode_ns);
  tf_doc_u64(doc, "buffer_ns", d->buffer_ns);
  tf_doc_u64(doc, "features_ns", d->features_ns);
  tf_doc_u64(doc, "model_ns", d->model_ns);
  tf_doc_u64(doc, "decide_ns", d->decide_ns);
  tf_doc_u64(doc, "emit_ns", d->emit_ns);
  tf_doc_map_end(doc);
}

void tf_decision_json_fields(tf_doc_t *doc, const tf_decision_t *d,
                             const tf_sink_config_t *config) {
  bool is_late = d->path & TF_PATH_LATE;
  tf_doc_map(doc, NULL, is_late ? 25 : 24);
  tf_doc_u64(doc, "decision_seq", d->decision_seq);
  tf_doc_u64(doc, "ingest_seq", d->ingest_seq);
  tf_doc_instrument(doc, d->instrument_id, config->instruments);
  tf_doc_u64(doc, "ts_event_ns", d->ts_event_ns);
  tf_doc_u64(doc, "ts_recv_ns", d->ts_recv_ns);
  tf_doc_word(doc, "action", tf_decision_json_action(d->action));
  tf_doc_float(doc, "score", d->score);
  tf_doc_float(doc, "p10", d->p10);
  tf_doc_float(doc, "p90", d->p90);
  tf_doc_decimal(doc, "ref_price", d->ref_price, d->ref_price_exp);
  tf_doc_word(doc, "book_state", tf_decision_json_book_state(d->book_state));
  tf_doc_word(doc, "hold_reason", tf_decision_json_hold_reason(d->hold_reason));
  tf_decision_json_hash(doc, d->model_hash);
  tf_doc_word(doc, "path", tf_decision_json_path(d->path));
  tf_doc_word(doc, "route", tf_decision_json_route(d->route));
  put_strategy(doc, d->strategy_id, config);
  tf_doc_float(doc, "confidence", d->confidence);
  tf_doc_word(doc, "trading", tf_decision_json_trading(d->trading));
  tf_doc_u64(doc, "epoch", d->epoch);
  tf_doc_u64(doc, "ts_decision_ns", d->ts_decision_ns);
  tf_doc_u64(doc, "ts_out_ns", d->ts_out_ns);
  tf_doc_u64(doc, "expiry_ns", d->expiry_ns);
  tf_doc_u64(doc, "answer_age_us", 10u * d->answer_age_10us);
  if (is_late) tf_doc_true(doc, "late");
  put_hops(doc, d);
  tf_doc_map_end(doc);
}

size_t tf_decision_json_line(const tf_decision_t *d, const tf_sink_config_t *config, char *text) {
  tf_doc_t doc;
  tf_doc_init(&doc, TF_FORMAT_JSON, (uint8_t *)text, TF_DECISION_JSON_BYTES_MAX - 2);
  tf_decision_json_fields(&doc, d, config);
  size_t cnt  = tf_doc_end(&doc);
  text[cnt++] = '\n';
  text[cnt]   = 0;
  return cnt;
}

size_t tf_decision_json_write(const tf_decision_t *d, const tf_instruments_t *instruments,
                              char *text) {
  return tf_decision_json_line(d, &(tf_sink_config_t){.instruments = instruments}, text);
}

#define WORD_OF(names, i) ((i) < TF_ARRAY_CNT(names) ? (names)[i] : "?")

const char *tf_decision_json_action(uint8_t action) {
  static const char *const names[] = {"HOLD", "BUY", "SELL", "FLAT"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_ACTION_CNT, "one word each");
  return WORD_OF(names, action);
}

const char *tf_decision_json_route(uint8_t route) {
  static const char *const names[] = {"primary", "endpoint", "venue", "tape"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_ROUTE_KIND_CNT, "one word each");
  return WORD_OF(names, route >> 4);
}

const char *tf_decision_json_book_state(uint8_t book_state) {
  static const char *const names[] = {"OK", "SYNCING", "GAP", "STALE", "CROSSED", "NONE"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_BOOK_STATE_CNT, "one word each");
  return WORD_OF(names, book_state);
}

const char *tf_decision_json_hold_reason(uint8_t hold_reason) {
  static const char *const names[] = {"none",    "rule",     "book",   "cooldown",
                                      "rate",    "conflict", "halted", "warming",
                                      "trading", "model",    "shed"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_HOLD_REASON_CNT, "one word each");
  return WORD_OF(names, hold_reason);
}

const char *tf_decision_json_path(uint8_t path) {
  static const char *const names[] = {"cpu",         "gpu",    "fallback", "shadow",
                                      "onnxruntime", "kserve", "canary"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_PATH_CNT, "one word each");
  return WORD_OF(names, path & ~TF_PATH_LATE);
}

const char *tf_decision_json_trading(uint32_t trading) {
  static const char *const names[] = {"unsaid", "open", "halted", "ended", "changed"};
  TF_STATIC_ASSERT(TF_ARRAY_CNT(names) == TF_TRADING_CNT, "one word each");
  return WORD_OF(names, trading);
}
