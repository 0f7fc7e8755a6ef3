/* What the scanner's hot readers share: values in their usual forms, read without a look at json->end. TF_BYTES_PAD
 * readable bytes stand behind the message, a hot reader goes at most 64 bytes beyond where it begins, and whoever
 * called it sees at the next member, level or bracket that p is not before the end any more.
 *
 * Private to json*.c. */
#ifndef TF_WIRE_JSON_HOT_H
#define TF_WIRE_JSON_HOT_H

#include "wire/json_skip.h"

/* The place of every member depends on the lengths of all values before it: load, compare, count
 * bits, add, some 16 cycles a value one after the other. So the length of the last value at this
 * place is kept, and where it is right again the position is taken from there. The comparison is
 * then a branch that the core predicts, not an operand that the next member waits for, and members
 * overlap. The empty asm keeps the compiler from seeing that the two are equal. (bench_decode,
 * EPYC, gcc 12: a spot trade took 79 ns without any of this, 67 with the lengths of integers
 * and strings, and takes 40 with the forms of decimals too.) */
TF_INLINE bool tf_json_hot_guess(uint32_t *bytes, uint8_t *guess_bytes) {
  uint32_t guessed = *guess_bytes;
  if (TF_UNLIKELY(guessed != *bytes)) {
    *guess_bytes = (uint8_t)(*bytes - (*bytes == 0)); /* never 0, or no number passed for one */
    return *bytes != 0;
  }
  __asm__("" : "+r"(guessed));
  *bytes = guessed;
  return true;
}
#define TF_JSON_HOT_GUESS_NONE 255
#define TF_JSON_HOT_NO_FORM                                                                        \
  { .breaks = 1u << 31, .mask = 1u << 31 } /* breaks have 18 bits */

TF_INLINE uint32_t tf_json_hot_load4(const char *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}
#define TF_JSON_HOT_BYTES3(a, b, c)    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)
#define TF_JSON_HOT_BYTES4(a, b, c, d) (TF_JSON_HOT_BYTES3(a, b, c) | (uint32_t)(d) << 24)

TF_INLINE void tf_json_hot_value_is(tf_json_value_t *value, uint8_t kind, uint8_t made,
                                    int8_t exp) {
  value->what = (uint32_t)kind | (uint32_t)made << 8 | (uint32_t)(uint8_t)exp << 24;
}

/* The decimal at p if it is of a usual form, which is then *form, its length and exponent too. As with the guess of a
 * length, where the form is that of last time nothing that follows waits for this number's bytes. */
TF_INLINE bool tf_json_hot_decimal(const char *p, const char *floor, tf_decimal_form_t *form,
                                   int64_t *mantissa) {
  uint32_t breaks = tf_decimal_breaks_(p);
  if (TF_UNLIKELY(((breaks ^ form->breaks) & form->mask) != 0)) {
    tf_decimal_form_t found;
    if (!tf_decimal_form_of(p, breaks, &found)) return false;
    *form = found;
  }
  if (TF_UNLIKELY(!tf_decimal_has_form(p, form))) return false;
  *mantissa = tf_decimal_of_form(p, floor, form->bytes, form->part);
  return true;
}

#endif
