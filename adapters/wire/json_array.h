/* Walks the elements of an array that the scanner has validated (a slot's bytes, or a message whose
 * root is one), for what no table describes: messages by position ([321,[..],"trade","XBT/USD"]),
 * levels that begin with a side. Scans each element once more, so keep it off what is frequent and
 * large.
 *
 *   tf_json_array_t array;
 *   tf_json_value_t element;
 *   tf_json_array_init(&array, value->bytes, value->bytes_cnt);
 *   while (tf_json_array_next(&array, &element)) ..
 */
#ifndef TF_WIRE_JSON_ARRAY_H
#define TF_WIRE_JSON_ARRAY_H

#include "wire/json_skip.h"

typedef struct tf_json_array {
  tf_json_t   json;
  const char *p; /* the next element; NULL: none is left */
} tf_json_array_t;

/* bytes: from the bracket on. Anything that is no array has no elements. */
void tf_json_array_init(tf_json_array_t *array, const char *bytes, size_t bytes_cnt);

/* The next element, its kind, bytes and escaped set. False behind the last. */
bool tf_json_array_next(tf_json_array_t *array, tf_json_value_t *element);

/* The number that an element is, or holds as a string: the result of tf_decimal_parse, GRAMMAR for
 * any other kind and for a string with escapes. */
tf_decimal_result_t tf_json_array_decimal(const tf_json_value_t *element, int64_t *mantissa,
                                          int8_t *exp);

#endif
