/* A document of fields, written once for two forms: JSON text and CBOR (RFC 8949). Whoever knows a
 * record names its fields in order; the form decides how they look:
 *
 *                 JSON                          CBOR
 *   u64           a number                      major type 0
 *   text          what is no UTF-8: U+FFFD      major type 3, likewise
 *   float         the 9 digits that give it     float32 (0xfa); double the 17 digits, float64 (0xfb)
 *   NaN, infinity null                          null
 *   decimal       text, mantissa and exponent   tag 4, [exponent, mantissa] (RFC 8949, 3.4.4)
 *
 * Maps and arrays have a definite length in CBOR, so their number of members is said beforehand; that
 * it is kept is asserted. The memory is the caller's; the sizes that its header names have room for the
 * longest record, and tf_doc_end asserts that too. Pure; any thread; no allocation. */
#ifndef TF_SINK_DOC_H
#define TF_SINK_DOC_H

#include "tf/sink.h"

#define TF_DOC_DEPTH_MAX          4
#define TF_DOC_TEXT_BYTES_MAX     64 /* of one text; what is longer is cut */
#define TF_DECIMAL_TEXT_BYTES_MAX 48 /* sign, "0.", 40 digits; or sign, 19 digits, a power of ten */

typedef struct tf_doc {
  uint8_t *begin, *p, *end;
  bool     is_cbor;
  uint32_t depth;
  uint32_t left[TF_DOC_DEPTH_MAX]; /* members to come of each that is open */
  bool     is_first[TF_DOC_DEPTH_MAX];
} tf_doc_t;

/* format: JSON or CBOR. */
void tf_doc_init(tf_doc_t *doc, tf_sink_format_t format, uint8_t *out, size_t out_bytes);
/* All is closed. Returns the bytes written. */
size_t tf_doc_end(tf_doc_t *doc);

/* key: NULL at the top and in arrays. */
void tf_doc_map(tf_doc_t *doc, const char *key, uint32_t member_cnt);
void tf_doc_array(tf_doc_t *doc, const char *key, uint32_t member_cnt);
void tf_doc_map_end(tf_doc_t *doc);
void tf_doc_array_end(tf_doc_t *doc);

void tf_doc_u64(tf_doc_t *doc, const char *key, uint64_t value);
void tf_doc_text(tf_doc_t *doc, const char *key, const char *text, size_t text_bytes);
void tf_doc_word(tf_doc_t *doc, const char *key, const char *word); /* ours: plain ASCII */
void tf_doc_float(tf_doc_t *doc, const char *key, float value);
void tf_doc_double(tf_doc_t *doc, const char *key, double value);
void tf_doc_decimal(tf_doc_t *doc, const char *key, int64_t mantissa, int8_t exp);
void tf_doc_number_sign(tf_doc_t *doc, const char *key, uint32_t id); /* "#7": it has no name */
void tf_doc_true(tf_doc_t *doc, const char *key);
void tf_doc_null(tf_doc_t *doc, const char *key);

/* "instrument": its name, or "#" and the id where the table does not have it. instruments may be NULL. */
void tf_doc_instrument(tf_doc_t *doc, uint32_t id, const tf_instruments_t *instruments);

/* mantissa * 10^exp, so that both can be read back: (6183763, -2) is "61837.63", (500, -2) "5.00", (5, 3) "5e3"; beyond
 * 40 places, which no venue sends, it has a power of ten as well. text has TF_DECIMAL_TEXT_BYTES_MAX bytes. Returns the length without the NUL. */
size_t tf_doc_decimal_text(int64_t mantissa, int8_t exp, char *text);

#endif
