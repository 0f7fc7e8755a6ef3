/* What a tokeniser asks of a character. Classes and mappings are tables that tools/make_unicode_tables.py writes; Hangul is
 * decomposed by arithmetic (The Unicode Standard, 3.12). Pure; any thread. */
#ifndef TF_KERNELS_TEXT_UNICODE_H
#define TF_KERNELS_TEXT_UNICODE_H

#include "tf/base.h"

#define TF_UNICODE_PLAIN_MAX  3u
#define TF_UNICODE_UTF8_MAX   4u
#define TF_UNICODE_INSTEAD    0xfffdu /* of bytes that are no UTF-8 */
#define TF_UNICODE_CHARACTERS 0x110000u

typedef enum tf_unicode_class {
  TF_UNICODE_LETTER, /* and all else */
  TF_UNICODE_OTHER,  /* control, format and private characters, NUL and U+FFFD: of no text */
  TF_UNICODE_SPACE,
  TF_UNICODE_MARK,  /* combines with what is before it */
  TF_UNICODE_POINT, /* punctuation, and every sign of ASCII */
} tf_unicode_class_t;

/* The next character, moving *at past it; at < end. Bytes that are no UTF-8 are U+FFFD, one for each. */
uint32_t tf_unicode_next(const uint8_t **at, const uint8_t *end);
/* Into bytes; how many. */
uint32_t tf_unicode_put(uint32_t c, uint8_t bytes[TF_UNICODE_UTF8_MAX]);

tf_unicode_class_t tf_unicode_class(uint32_t c);
/* Ideographs of the blocks that BERT's tokeniser names: words of one character. */
bool tf_unicode_is_ideograph(uint32_t c);
/* Its canonical decomposition without marks, in lower case; how many characters, 0 for a mark. */
uint32_t tf_unicode_plain(uint32_t c, uint32_t plain[TF_UNICODE_PLAIN_MAX]);

#endif
