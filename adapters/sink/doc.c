#include "sink/doc.h"

#include <string.h>

#include "tf/atomic.h"

/* RFC 8949, section 3.1: the top three bits of an initial byte. */
#define CBOR_UNSIGNED 0u
#define CBOR_NEGATIVE 1u
#define CBOR_TEXT     3u
#define CBOR_ARRAY    4u
#define CBOR_MAP      5u
#define CBOR_TAG      6u
#define CBOR_TRUE     0xf5u
#define CBOR_NULL     0xf6u
#define CBOR_FLOAT32  0xfau
#define CBOR_FLOAT64  0xfbu
#define CBOR_DECIMAL  4u /* the tag of a decimal fraction */

static void put_bytes(tf_doc_t *d, const void *bytes, size_t cnt) {
  if ((size_t)(d->end - d->p) < cnt) cnt = (size_t)(d->end - d->p);
  memcpy(d->p, bytes, cnt);
  d->p += cnt;
}

static void put(tf_doc_t *d, const char *text) { put_bytes(d, text, strlen(text)); }

static void put_byte(tf_doc_t *d, uint32_t byte) {
  uint8_t b = (uint8_t)byte;
  put_bytes(d, &b, 1);
}

/* The low cnt bytes of value, most significant first. */
static void put_big_endian(tf_doc_t *d, uint64_t value, uint32_t cnt) {
  while (cnt-- > 0) put_byte(d, (uint32_t)(value >> (8 * cnt)) & 0xff);
}

/* A head of RFC 8949, section 3: in the shortest of its five forms. */
static void put_head(tf_doc_t *d, uint32_t major, uint64_t argument) {
  uint32_t top = major << 5;
  if (argument < 24) {
    put_byte(d, top | (uint32_t)argument);
  } else if (argument <= UINT8_MAX) {
    put_byte(d, top | 24);
    put_big_endian(d, argument, 1);
  } else if (argument <= UINT16_MAX) {
    put_byte(d, top | 25);
    put_big_endian(d, argument, 2);
  } else if (argument <= UINT32_MAX) {
    put_byte(d, top | 26);
    put_big_endian(d, argument, 4);
  } else {
    put_byte(d, top | 27);
    put_big_endian(d, argument, 8);
  }
}

static void put_signed(tf_doc_t *d, int64_t value) {
  if (value >= 0)
    put_head(d, CBOR_UNSIGNED, (uint64_t)value);
  else
    put_head(d, CBOR_NEGATIVE, ~(uint64_t)value); /* -1 - value */
}

static void put_digits(tf_doc_t *d, uint64_t value) {
  char   digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  put_bytes(d, digits + at, sizeof digits - at);
}

/* ---- members ---- */

/* A member begins: counted, separated, and named where the form wants it. */
static void begin(tf_doc_t *d, const char *key) {
  if (d->depth > 0) {
    TF_ASSERT(d->left[d->depth - 1] > 0);
    d->left[d->depth - 1]--;
    if (!d->is_cbor && !d->is_first[d->depth - 1]) put(d, ",");
    d->is_first[d->depth - 1] = false;
  }
  if (!key) return;
  size_t key_bytes = strlen(key);
  if (d->is_cbor) {
    put_head(d, CBOR_TEXT, key_bytes);
    put_bytes(d, key, key_bytes);
  } else {
    put(d, "\"");
    put_bytes(d, key, key_bytes);
    put(d, "\":");
  }
}

static void open_members(tf_doc_t *d, const char *key, uint32_t member_cnt, uint32_t major,
                         const char *bracket) {
  begin(d, key);
  TF_ASSERT(d->depth < TF_DOC_DEPTH_MAX);
  d->left[d->depth]     = member_cnt;
  d->is_first[d->depth] = true;
  d->depth++;
  if (d->is_cbor)
    put_head(d, major, member_cnt);
  else
    put(d, bracket);
}

void tf_doc_init(tf_doc_t *d, tf_sink_format_t format, uint8_t *out, size_t out_bytes) {
  TF_ASSERT(format == TF_FORMAT_JSON || format == TF_FORMAT_CBOR);
  *d = (tf_doc_t){
      .begin = out, .p = out, .end = out + out_bytes, .is_cbor = format == TF_FORMAT_CBOR};
}

size_t tf_doc_end(tf_doc_t *d) {
  TF_ASSERT(d->depth == 0 && d->p < d->end);
  return (size_t)(d->p - d->begin);
}

void tf_doc_map(tf_doc_t *d, const char *key, uint32_t member_cnt) {
  open_members(d, key, member_cnt, CBOR_MAP, "{");
}

void tf_doc_array(tf_doc_t *d, const char *key, uint32_t member_cnt) {
  open_members(d, key, member_cnt, CBOR_ARRAY, "[");
}

static void close_members(tf_doc_t *d, const char *bracket) {
  TF_ASSERT(d->depth > 0 && d->left[d->depth - 1] == 0);
  d->depth--;
  if (!d->is_cbor) put(d, bracket);
}

void tf_doc_map_end(tf_doc_t *d) { close_members(d, "}"); }
void tf_doc_array_end(tf_doc_t *d) { close_members(d, "]"); }

void tf_doc_u64(tf_doc_t *d, const char *key, uint64_t value) {
  begin(d, key);
  if (d->is_cbor)
    put_head(d, CBOR_UNSIGNED, value);
  else
    put_digits(d, value);
}

void tf_doc_true(tf_doc_t *d, const char *key) {
  begin(d, key);
  if (d->is_cbor)
    put_byte(d, CBOR_TRUE);
  else
    put(d, "true");
}

void tf_doc_null(tf_doc_t *d, const char *key) {
  begin(d, key);
  if (d->is_cbor)
    put_byte(d, CBOR_NULL);
  else
    put(d, "null");
}

/* ---- numbers that are not whole ---- */

static void put_real_text(tf_doc_t *d, double value, int digits) {
  char text[32];
  int  n = snprintf(text, sizeof text, "%.*g", digits, value);
  for (int i = 0; i < n; i++)
    if (text[i] == ',') text[i] = '.'; /* should someone have set a locale */
  put_bytes(d, text, (size_t)n);
}

void tf_doc_float(tf_doc_t *d, const char *key, float value) {
  uint32_t bits;
  if (!__builtin_isfinite(value)) {
    tf_doc_null(d, key);
    return;
  }
  begin(d, key);
  memcpy(&bits, &value, sizeof bits);
  if (d->is_cbor) {
    put_byte(d, CBOR_FLOAT32);
    put_big_endian(d, bits, sizeof bits);
  } else {
    put_real_text(d, (double)value, 9);
  }
}

void tf_doc_double(tf_doc_t *d, const char *key, double value) {
  uint64_t bits;
  if (!__builtin_isfinite(value)) {
    tf_doc_null(d, key);
    return;
  }
  begin(d, key);
  memcpy(&bits, &value, sizeof bits);
  if (d->is_cbor) {
    put_byte(d, CBOR_FLOAT64);
    put_big_endian(d, bits, sizeof bits);
  } else {
    put_real_text(d, value, 17);
  }
}

static char *zeros(char *to, size_t cnt) {
  memset(to, '0', cnt);
  return to + cnt;
}

static char *copy(char *to, const char *from, size_t cnt) {
  memcpy(to, from, cnt);
  return to + cnt;
}

/* Digits that a reader of ours takes (wire/decimal.h: 64 in all), with room to spare. */
#define PLACES_MAX 40
TF_STATIC_ASSERT(1 + 1 + 1 + PLACES_MAX < TF_DECIMAL_TEXT_BYTES_MAX, "\"-0.\" and all places");
TF_STATIC_ASSERT(1 + 19 + 5 < TF_DECIMAL_TEXT_BYTES_MAX, "\"-\", all digits, \"e-128\"");

size_t tf_doc_decimal_text(int64_t mantissa, int8_t exp, char *text) {
  char    *to = text;
  uint64_t u  = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
  char     digits[20];
  size_t   at = sizeof digits;
  do digits[--at] = (char)('0' + u % 10);
  while ((u /= 10) > 0);
  size_t digit_cnt = sizeof digits - at, places = exp < 0 ? (size_t)-exp : 0;
  if (mantissa < 0) *to++ = '-';
  if (exp > 0 || places > PLACES_MAX) {
    to = copy(to, digits + at, digit_cnt);
    to += sprintf(to, "e%d", exp);
    return (size_t)(to - text);
  }
  size_t whole = digit_cnt > places ? digit_cnt - places : 0;
  to           = whole ? copy(to, digits + at, whole) : zeros(to, 1);
  if (places > 0) {
    *to++ = '.';
    to    = zeros(to, places > digit_cnt ? places - digit_cnt : 0);
    to    = copy(to, digits + at + whole, digit_cnt - whole);
  }
  *to = 0;
  return (size_t)(to - text);
}

void tf_doc_decimal(tf_doc_t *d, const char *key, int64_t mantissa, int8_t exp) {
  char text[TF_DECIMAL_TEXT_BYTES_MAX];
  if (!d->is_cbor) {
    tf_doc_decimal_text(mantissa, exp, text);
    tf_doc_word(d, key, text);
    return;
  }
  begin(d, key);
  put_head(d, CBOR_TAG, CBOR_DECIMAL);
  put_head(d, CBOR_ARRAY, 2);
  put_signed(d, exp);
  put_signed(d, mantissa);
}

/* ---- texts ---- */

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), 0 if it is none. */
static size_t utf8_length(const uint8_t *p, const uint8_t *end) {
  size_t length = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
  if (length == 0 || (size_t)(end - p) < length) return 0;
  for (size_t i = 1; i < length; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  bool overlong  = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
  bool surrogate = p[0] == 0xed && p[1] > 0x9f;
  bool beyond    = p[0] == 0xf4 && p[1] > 0x8f;
  return overlong || surrogate || beyond ? 0 : length;
}

void tf_doc_word(tf_doc_t *d, const char *key, const char *word) {
  begin(d, key);
  if (d->is_cbor)
    put_head(d, CBOR_TEXT, strlen(word));
  else
    put(d, "\"");
  put(d, word);
  if (!d->is_cbor) put(d, "\"");
}

/* A venue's text. JSON escapes what a line or a terminal would take amiss; CBOR, which counts its
 * bytes, wants them mended first. */
void tf_doc_text(tf_doc_t *d, const char *key, const char *text, size_t text_bytes) {
  char   mended[6 * TF_DOC_TEXT_BYTES_MAX + 1];
  size_t used = 0;
  if (text_bytes > TF_DOC_TEXT_BYTES_MAX) text_bytes = TF_DOC_TEXT_BYTES_MAX;
  const uint8_t *p = (const uint8_t *)text, *end = p + text_bytes;
  while (p < end) {
    size_t length    = utf8_length(p, end);
    bool   is_escape = !d->is_cbor && (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f);
    if (length == 0)
      used += (size_t)snprintf(mended + used, 7, "%s", d->is_cbor ? "\xef\xbf\xbd" : "\\ufffd");
    else if (is_escape)
      used += (size_t)snprintf(mended + used, 7, "\\u%04x", *p);
    else
      used = (size_t)(copy(mended + used, (const char *)p, length) - mended);
    p += length ? length : 1;
  }
  begin(d, key);
  if (d->is_cbor)
    put_head(d, CBOR_TEXT, used);
  else
    put(d, "\"");
  put_bytes(d, mended, used);
  if (!d->is_cbor) put(d, "\"");
}

void tf_doc_instrument(tf_doc_t *d, uint32_t id, const tf_instruments_t *instruments) {
  /* pairs with: the feed that appends the row */
  if (instruments && id < tf_load_acquire_u32(&instruments->cnt)) {
    const char *name = instruments->rows[id].name;
    tf_doc_text(d, "instrument", name, strnlen(name, TF_INSTRUMENT_NAME_BYTES));
    return;
  }
  tf_doc_number_sign(d, "instrument", id);
}

void tf_doc_number_sign(tf_doc_t *d, const char *key, uint32_t id) {
  char number[16];
  snprintf(number, sizeof number, "#%u", id);
  tf_doc_word(d, key, number);
}
