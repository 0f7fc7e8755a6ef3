#include "wire/json_array.h"

void tf_json_array_init(tf_json_array_t *array, const char *bytes, size_t bytes_cnt) {
  array->json   = (tf_json_t){.end = bytes + bytes_cnt};
  array->p      = NULL;
  const char *p = tf_json_skip_space(bytes, array->json.end);
  if (p == array->json.end || *p != '[') return;
  p = tf_json_skip_space(p + 1, array->json.end);
  if (p < array->json.end && *p != ']') array->p = p;
}

bool tf_json_array_next(tf_json_array_t *array, tf_json_value_t *element) {
  if (array->p == NULL) return false;
  const char *end = array->json.end;
  const char *p   = tf_json_skip_value(&array->json, array->p, element);
  array->p        = NULL;
  if (p == NULL) return false;
  p = tf_json_skip_space(p, end);
  if (p < end && *p == ',') array->p = tf_json_skip_space(p + 1, end);
  return true;
}

tf_decimal_result_t tf_json_array_decimal(const tf_json_value_t *element, int64_t *mantissa,
                                          int8_t *exp) {
  if ((element->kind != TF_JSON_NUMBER && element->kind != TF_JSON_STRING) || element->escaped)
    return TF_DECIMAL_GRAMMAR;
  return tf_decimal_parse_padded(element->bytes, element->bytes_cnt, mantissa, exp);
}
