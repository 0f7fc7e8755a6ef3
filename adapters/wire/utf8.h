/* UTF-8 validation (RFC 3629; Unicode 15 table 3-7), whole or in pieces. A piece may end anywhere,
 * also inside a code point; a fault is found at the first byte that no valid text could have there,
 * not at the end of the text: that is what RFC 6455 calls failing fast. Runs of ASCII are skipped a
 * vector at a time. Pure functions, any thread. */
#ifndef WIRE_UTF8_H
#define WIRE_UTF8_H

#include "tf/base.h"

/* Where a text stands between two pieces. Zeroed: at its beginning, which is also a good end. */
typedef struct tf_utf8 {
  uint8_t state; /* 0: between code points; otherwise the kind of byte that must come next */
} tf_utf8_t;

/* Takes the next cnt bytes. Returns true while the text so far is the beginning of a valid one;
 * false at the first fault, after which the state must not be used again. Reads no byte beyond
 * bytes[cnt - 1]. */
bool tf_utf8_update(tf_utf8_t *utf8, const uint8_t *bytes, size_t cnt);

/* The text may end here: not inside a code point. */
TF_INLINE bool tf_utf8_complete(const tf_utf8_t *utf8) { return utf8->state == 0; }

/* A whole text at once. */
bool tf_utf8_valid(const uint8_t *bytes, size_t cnt);

#endif
