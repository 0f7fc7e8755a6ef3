/* Arrays of price levels, for json.c: [[price, qty, ..], ..] with numbers in quotes or plain, and perhaps a word
 * before the price. Each level is a row of json->rows (json.h). */
#ifndef TF_WIRE_JSON_LEVELS_H
#define TF_WIRE_JSON_LEVELS_H

#include "wire/json.h"

/* p at '['. Fills value; the byte behind the closing bracket, or NULL with json->result set. */
const char *tf_json_levels_read(tf_json_t *json, const char *p, tf_json_value_t *value);
/* The same, where a string may stand before the price. */
const char *tf_json_levels_read_worded(tf_json_t *json, const char *p, tf_json_value_t *value);

#endif
