/* A decision's fields, and as one line of JSON; its keys always the same and in the same order:
 *
 *   {"decision_seq":7,"ingest_seq":1042,"instrument":"BTCUSDT.BINANCE-SPOT","ts_event_ns":...,
 *    "ts_recv_ns":...,"action":"BUY","score":0.71,"p10":null,"p90":null,"ref_price":"61837.635",
 *    "book_state":"OK","hold_reason":"none","model_hash":"9f86d081","path":"cpu","route":"primary",
 *    "strategy":"lead","confidence":null,"trading":"unsaid","epoch":1,"ts_decision_ns":...,
 *    "ts_out_ns":...,"expiry_ns":0,"answer_age_us":0,
 *    "hops":{"decode_ns":...,"buffer_ns":...,"features_ns":...,"model_ns":...,"decide_ns":...,
 *    "emit_ns":...}}
 *
 * Nothing of the record is left out. "late":true stands before "hops" where it was sent late, and only
 * there. ref_price is text, since it is exact and a JSON number is a double for most readers.
 * model_hash is how `sha256sum` of the model's file begins, "00000000" without a model. An instrument
 * or strategy that has no name here is "#" and its id. Pure; any thread. */
#ifndef ADAPTERS_SINK_DECISION_JSON_H
#define ADAPTERS_SINK_DECISION_JSON_H

#include "sink/doc.h"
#include "tf/route.h"

/* Longest line: two names of 64 bytes at 6 each, a decimal of 147, and the rest below 1100. */
#define TF_DECISION_JSON_BYTES_MAX 2048

/* One map. Names come from config's instruments and strategies, each of which may be NULL. */
void tf_decision_json_fields(tf_doc_t *doc, const tf_decision_t *decision,
                             const tf_sink_config_t *config);

/* Writes the line with its newline and a NUL to text, which has TF_DECISION_JSON_BYTES_MAX bytes.
 * Returns its length without the NUL. */
size_t tf_decision_json_line(const tf_decision_t *decision, const tf_sink_config_t *config,
                             char *text);
/* Where there are no strategies' names. instruments may be NULL. */
size_t tf_decision_json_write(const tf_decision_t *decision, const tf_instruments_t *instruments,
                              char *text);

/* The member "model_hash". */
void tf_decision_json_hash(tf_doc_t *doc, uint32_t model_hash);

/* "BUY", "OK", "none", "cpu": the words above; "?" for a number that is none. */
const char *tf_decision_json_action(uint8_t action);
const char *tf_decision_json_route(uint8_t route); /* the kind of its route (tf/route.h) */
const char *tf_decision_json_book_state(uint8_t book_state);
const char *tf_decision_json_hold_reason(uint8_t hold_reason);
const char *tf_decision_json_path(uint8_t path); /* TF_PATH_LATE aside */
const char *tf_decision_json_trading(uint32_t trading);

#endif
