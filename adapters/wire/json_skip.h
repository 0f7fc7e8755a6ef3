/* The general half of the scanner: validates any value and says where it ends. json.c calls it for
 * what no table wants and for everything that its hot readers do not take. All functions are
 * bounded by json->end; on failure they set json->result and return NULL. */
#ifndef TF_WIRE_JSON_SKIP_H
#define TF_WIRE_JSON_SKIP_H

#include "wire/json.h"

/* Any value at p (no whitespace before it). Fills kind, bytes, escaped; made is NONE. Objects and
 * arrays inside count against the depth that json->depth has reached. */
const char *tf_json_skip_value(tf_json_t *json, const char *p, tf_json_value_t *value);

/* The same, and made of it what it is: a number without sign, fraction or power; a number, or a string that
 * holds one. */
const char *tf_json_skip_u64(tf_json_t *json, const char *p, tf_json_value_t *value);
const char *tf_json_skip_decimal(tf_json_t *json, const char *p, tf_json_value_t *value);

/* From the byte after an opening quote to the closing quote, which is returned. */
const char *tf_json_skip_string(tf_json_t *json, const char *p, bool *escaped);

/* Sets the result if it is not set yet; returns NULL for the caller to hand on. */
const char *tf_json_skip_failed(tf_json_t *json, tf_json_result_t result);

/* Behind a number that was read without a look at the end of the message; anything else is the scan's. */
TF_INLINE bool tf_json_skip_ends_number(char c) {
  return c == ',' || c == '}' || c == ']' || c == ' ';
}

TF_INLINE const char *tf_json_skip_space(const char *p, const char *end) {
  while (p < end && (uint8_t)*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  return p;
}

/* A bit for each of the 16 bytes at p that cannot simply stand inside a string: quote, backslash,
 * control character. */
TF_INLINE uint32_t tf_json_skip_specials_(const char *p) {
#if defined(__SSE2__)
  __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i s =
      _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
  s = _mm_or_si128(s, _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v));
  return (uint32_t)_mm_movemask_epi8(s);
#else
  uint32_t specials = 0;
  for (uint32_t i = 0; i < 16; i++) {
    uint8_t c = (uint8_t)p[i];
    specials |= (uint32_t)(c == '"' || c == '\\' || c < 0x20) << i;
  }
  return specials;
#endif
}

#endif
