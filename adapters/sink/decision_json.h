/* A decision as one line of JSON, its keys always the same and in the same order:
 *
 *   {"decision_seq":7,"ingest_seq":1042,"instrument":"BTCUSDT.BINANCE-SPOT","ts_event_ns":...,
 *    "ts_recv_ns":...,"action":"BUY","score":0.71,"p10":null,"p90":null,"ref_price":"61837.635",
 *    "book_state":"OK","hold_reason":"none","model_hash":"9f86d081","path":"cpu",
 *    "hops":{"decode_ns":...,"buffer_ns":...,"features_ns":...,"model_ns":...,"decide_ns":...,
 *    "emit_ns":...}}
 *
 * Floats are written with the 9 digits that give the same float back; NaN and infinities are null.
 * ref_price is text, since it is exact and a JSON number is a double for most readers. model_hash is
 * how `sha256sum` of the model's file begins, "00000000" without a model. An instrument that the
 * table does not have is "#" and its id. Pure; any thread. */
#ifndef ADAPTERS_SINK_DECISION_JSON_H
#define ADAPTERS_SINK_DECISION_JSON_H

#include "tf/decision.h"
#include "tf/event.h"
#include "tf/instrument.h"
#include "tf/route.h"

/* Longest line: 63 bytes of name at 6 each, seven 20-digit numbers, and the rest below 800. */
#define TF_DECISION_JSON_BYTES_MAX 1536
/* Longest decimal: sign, 19 digits, and 128 zeros or "0." and zeros. */
#define TF_DECIMAL_TEXT_BYTES_MAX 160

/* Writes the line with its newline and a NUL to text, which has TF_DECISION_JSON_BYTES_MAX bytes.
 * Returns its length without the NUL. instruments may be NULL. */
size_t tf_decision_json_write(const tf_decision_t *decision, const tf_instruments_t *instruments,
                              char *text);

/* mantissa * 10^exp, all its digits and no others: (6183763, -2) is "61837.63", (5, 3) is "5000".
 * text has TF_DECIMAL_TEXT_BYTES_MAX bytes. Returns the length without the NUL. */
size_t tf_decision_json_decimal(int64_t mantissa, int8_t exp, char *text);

/* "BUY", "OK", "none", "cpu": the words above; "?" for a number that is none. */
const char *tf_decision_json_action(uint8_t action);
const char *tf_decision_json_route(uint8_t route); /* the kind of its route (tf/route.h) */
const char *tf_decision_json_book_state(uint8_t book_state);
const char *tf_decision_json_hold_reason(uint8_t hold_reason);
const char *tf_decision_json_path(uint8_t path);

#endif
