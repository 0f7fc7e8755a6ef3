/* Decimal text to numbers and back, exactly: "61837.63000000" is the mantissa 6183763000000 at
 * exponent -8, nothing is rounded, and the venue's text can be rebuilt for its checksum. The
 * grammar is JSON's number grammar, inside strings too: no leading '+', no ".5", no "1.", no "01",
 * no "NaN", no blanks.
 *
 * Each number has a hot reader, which takes the usual forms (at most 16 bytes) 16 bytes at a time
 * and converts 16 digits in four multiplications (SSE2; elsewhere 8 digits a word), and a bounded
 * scan, which takes everything else and says what is wrong. They agree wherever both apply
 * (test_decimal).
 *
 * Pure functions over bytes; any thread. */
#ifndef TF_WIRE_DECIMAL_H
#define TF_WIRE_DECIMAL_H

#include <string.h>

#include "tf/base.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digits are taken low byte first");

/* Digits of one number, exponent included; a longer one is refused (FAULTS.md: 38 occur). */
#define TF_DECIMAL_DIGITS_MAX 64

/* INT8_MIN marks an exponent that is not known yet (tf/instrument.h), so no number has it. */
#define TF_DECIMAL_EXP_MIN (-127)
#define TF_DECIMAL_EXP_MAX 127

/* '-', 19 digits, the leading zeros of a small one, '.', NUL; or "-9223372036854775808e127". */
#define TF_DECIMAL_TEXT_BYTES 152

typedef enum tf_decimal_result {
  TF_DECIMAL_OK = 0,
  TF_DECIMAL_GRAMMAR, /* not a JSON number */
  TF_DECIMAL_RANGE,   /* mantissa or exponent does not fit, even without its trailing zeros */
  TF_DECIMAL_DIGITS   /* more than TF_DECIMAL_DIGITS_MAX digits */
} tf_decimal_result_t;

/* Scans the number at p, never reading at or past end. Returns the first byte that is not part of
 * it, or NULL if the bytes there are no JSON number (result GRAMMAR, or DIGITS). With RANGE the
 * number's end is still returned, and mantissa and exp are 0.
 *
 * The mantissa holds every digit as sent, trailing zeros too; only if it would not fit are as many
 * trailing zeros dropped as are needed. "-0.00" becomes 0 at -2: the sign of a zero is lost. */
const char *tf_decimal_scan(const char *p, const char *end, int64_t *mantissa, int8_t *exp,
                            tf_decimal_result_t *result);

/* The whole of text must be one number. */
tf_decimal_result_t tf_decimal_parse(const char *text, size_t text_bytes, int64_t *mantissa,
                                     int8_t *exp);

/* Same for an unsigned 64-bit integer: digits only, no leading zero. */
const char *tf_decimal_u64_scan(const char *p, const char *end, uint64_t *value,
                                tf_decimal_result_t *result);

/* The inverse: writes the number with exactly -exp digits after the point, and a NUL; returns the
 * length. So a plain decimal comes back as it was sent. A number that was sent with a power of ten
 * comes back without it where exp <= 0, and as "<mantissa>e<exp>" where exp > 0: equal in value. */
size_t tf_decimal_format(int64_t mantissa, int exp, char text[TF_DECIMAL_TEXT_BYTES]);

/* Milliseconds or microseconds as ns; false, and *ns untouched, if that does not fit 64 bits. */
TF_INLINE bool tf_decimal_ms_to_ns(uint64_t ms, uint64_t *ns) {
  return !__builtin_mul_overflow(ms, TF_NS_PER_MS, ns);
}
TF_INLINE bool tf_decimal_us_to_ns(uint64_t us, uint64_t *ns) {
  return !__builtin_mul_overflow(us, TF_NS_PER_US, ns);
}

extern const uint64_t tf_decimal_pow10[20]; /* 10^0 .. 10^19 */

TF_INLINE uint64_t tf_decimal_load8_(const char *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

/* ---- where a number ends ---- */

/* A bit for each of the 16 bytes at p that is no digit, and bits 16 and 17 set. */
TF_INLINE uint32_t tf_decimal_breaks_swar_(const char *p) {
  uint32_t breaks = 3u << 16;
  for (int word = 0; word < 2; word++) {
    uint64_t t    = tf_decimal_load8_(p + 8 * word) ^ UINT64_C(0x3030303030303030);
    uint64_t high = (((t & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x7676767676767676)) | t) &
                    UINT64_C(0x8080808080808080);
    /* gathers the eight top bits into one byte */
    breaks |= (uint32_t)(((high >> 7) * UINT64_C(0x0102040810204080)) >> 56) << (8 * word);
  }
  return breaks;
}

#if defined(__SSE2__)
TF_INLINE uint32_t tf_decimal_breaks_(const char *p) {
  /* '0' is moved to the least of signed bytes, so that one comparison finds what is no digit */
  const __m128i zero = _mm_set1_epi8((char)(0x80 - '0')), nine = _mm_set1_epi8(-128 + 9);
  __m128i       moved = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), zero);
  return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(moved, nine)) | 3u << 16;
}
#else
TF_INLINE uint32_t tf_decimal_breaks_(const char *p) { return tf_decimal_breaks_swar_(p); }
#endif

/* ---- digits to a number ---- */

/* The number in the first cnt (1..8) of the eight digits at p, first digit in the low byte of a
 * word: shifted up so that zeros stand before it, then pairs, fours and eights are joined. */
TF_INLINE uint64_t tf_decimal_eight_(const char *p, uint32_t cnt) {
  uint64_t v = (tf_decimal_load8_(p) << (64 - 8 * cnt)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
  v          = v * 10 + (v >> 8);
  return ((v & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
          ((v >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >>
         32;
}

/* The same for 1..16 digits. */
TF_INLINE uint64_t tf_decimal_digits_swar_(const char *p, uint32_t cnt) {
  if (cnt <= 8) return tf_decimal_eight_(p, cnt);
  return tf_decimal_eight_(p, cnt - 8) * 100000000u + tf_decimal_eight_(p + cnt - 8, 8);
}

#if defined(__SSE2__)
extern const uint8_t tf_decimal_tails[48]; /* 16 of 0x00, 16 of 0xff, 16 of 0x00 */

/* A mask of the last cnt of 16 bytes. */
TF_INLINE __m128i tf_decimal_tail_(uint32_t cnt) {
  return _mm_loadu_si128((const __m128i *)(const void *)(tf_decimal_tails + cnt));
}

/* Sixteen digits 0..9, the first in the lowest byte, as a number. */
TF_INLINE uint64_t tf_decimal_sixteen_(__m128i digits) {
  __m128i  none  = _mm_setzero_si128();
  __m128i  tens  = _mm_set1_epi32(0x0001000a); /* one word times 10, the next times 1 */
  __m128i  front = _mm_madd_epi16(_mm_unpacklo_epi8(digits, none), tens);
  __m128i  back  = _mm_madd_epi16(_mm_unpackhi_epi8(digits, none), tens);
  __m128i  fours = _mm_madd_epi16(_mm_packs_epi32(front, back), _mm_set1_epi32(0x00010064));
  __m128i  eight = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(0x00012710));
  uint64_t two   = (uint64_t)_mm_cvtsi128_si64(eight);
  return (uint32_t)two * UINT64_C(100000000) + (two >> 32);
}

/* The 16 bytes that end where the number does, as digit values. */
TF_INLINE __m128i tf_decimal_window_(const char *stop) {
  return _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)(stop - 16)),
                      _mm_set1_epi8('0'));
}
#endif

/* ---- hot readers ----
 *
 * floor: where p is at or behind it, the 16 bytes before p are readable too (a message's first byte
 * plus 16). 40 bytes from p on must be readable in any case.
 * Each returns how many bytes the number takes, or 0 if it is not of a usual form, and then the
 * scan decides. The caller must look at the byte behind: if it is none that may follow a number
 * there, or is a digit, '.', 'e' or 'E', the result means the same as 0. */

/* Where the parts of a usual number are: at most 16 bytes, the point among them. */
typedef struct tf_decimal_form {
  uint32_t breaks; /* tf_decimal_breaks_ of it, up to the byte behind */
  uint32_t mask;   /* and which of those bits that is */
  uint8_t  bytes;  /* all of it */
  uint8_t  part;   /* digits behind the point; 0: no point */
  char     least;  /* what it may begin with: '0' where that stands alone, else '1' */
} tf_decimal_form_t;

/* False if the number at p, whose breaks are given, is not of a usual form. */
TF_INLINE bool tf_decimal_form_of(const char *p, uint32_t breaks, tf_decimal_form_t *form) {
  uint32_t whole = (uint32_t)__builtin_ctz(breaks);
  uint32_t all   = (uint32_t)__builtin_ctz(breaks & (breaks - 1));
  uint32_t part  = all - whole - 1;
  if (p[whole] != '.') {
    all  = whole;
    part = 0;
  } else if (TF_UNLIKELY(part == 0)) { /* or the point is the 17th byte */
    return false;
  }
  form->mask   = (2u << all) - 1;
  form->breaks = breaks & form->mask;
  form->bytes  = (uint8_t)all;
  form->part   = (uint8_t)part;
  form->least  = (char)('1' - (whole == 1));
  return whole > 0;
}

/* What breaks do not say: that there is a point in its place, and that a leading zero (and so
 * anything below '0') stands alone. */
TF_INLINE bool tf_decimal_has_form(const char *p, const tf_decimal_form_t *form) {
  uint32_t part = form->part;
  if (TF_UNLIKELY(*p < form->least)) return false;
  return part == 0 || TF_LIKELY(p[form->bytes - 1 - part] == '.');
}

/* The mantissa of a number of that form. The window that ends with the number holds both its parts
 * around the point: the whole part is moved over it, and both are converted at once. */
TF_INLINE int64_t tf_decimal_of_form(const char *p, const char *floor, uint32_t bytes,
                                     uint32_t part) {
#if defined(__SSE2__)
  if (TF_LIKELY(p >= floor)) {
    __m128i number = _mm_and_si128(tf_decimal_window_(p + bytes), tf_decimal_tail_(bytes));
    if (part > 0) {
      __m128i whole = _mm_slli_si128(_mm_andnot_si128(tf_decimal_tail_(part + 1), number), 1);
      number        = _mm_or_si128(whole, _mm_and_si128(number, tf_decimal_tail_(part)));
    }
    return (int64_t)tf_decimal_sixteen_(number);
  }
#else
  (void)floor;
#endif
  if (part == 0) return (int64_t)tf_decimal_digits_swar_(p, bytes);
  uint32_t whole = bytes - part - 1;
  return (int64_t)(tf_decimal_digits_swar_(p, whole) * tf_decimal_pow10[part] +
                   tf_decimal_digits_swar_(p + whole + 1, part));
}

TF_INLINE uint32_t tf_decimal_read(const char *p, const char *floor, int64_t *mantissa,
                                   int8_t *exp) {
  tf_decimal_form_t form;
  if (TF_UNLIKELY(!tf_decimal_form_of(p, tf_decimal_breaks_(p), &form))) return 0;
  if (TF_UNLIKELY(*p < form.least)) return 0;
  *exp      = (int8_t)-form.part;
  *mantissa = tf_decimal_of_form(p, floor, form.bytes, form.part);
  return form.bytes;
}

/* As tf_decimal_read, for what that does not take and is common all the same: up to 19 digits, a sign,
 * a power of ten of one or two digits. */
uint32_t tf_decimal_read_wide(const char *p, int64_t *mantissa, int8_t *exp);

/* The same as tf_decimal_parse, where 40 bytes from text on are readable. */
TF_INLINE tf_decimal_result_t tf_decimal_parse_padded(const char *text, size_t text_bytes,
                                                      int64_t *mantissa, int8_t *exp) {
  if (TF_LIKELY(text_bytes > 0 && tf_decimal_read_wide(text, mantissa, exp) == text_bytes))
    return TF_DECIMAL_OK;
  return tf_decimal_parse(text, text_bytes, mantissa, exp);
}

/* An integer of 17 to 48 digits at p: how many; 0: it is of another form. 64 bytes from p on must be readable. */
uint32_t tf_decimal_span_long(const char *p);

/* How many bytes the number at p has: an integer, or 16 with its point, a sign beside. 0: it is of another form.
 * Nothing is made of it. 65 bytes from p on must be readable. */
TF_INLINE uint32_t tf_decimal_span(const char *p) {
  uint32_t    sign   = *p == '-';
  const char *q      = p + sign;
  uint32_t    breaks = tf_decimal_breaks_(q);
  uint32_t    whole  = (uint32_t)__builtin_ctz(breaks);
  uint32_t    all    = (uint32_t)__builtin_ctz(breaks & (breaks - 1));
  uint32_t    bytes  = q[whole] == '.' ? all : whole;
  bool is_bad = (whole == 0) | (all == whole + 1 && q[whole] == '.') | (*q == '0' && whole > 1);
  if (TF_UNLIKELY(whole == 16)) bytes = tf_decimal_span_long(q);
  return is_bad || bytes == 0 ? 0 : sign + bytes;
}

/* How many digits, at most 16, an unsigned integer at p has; its value is not made
 * (tf_json_u64). */
TF_INLINE uint32_t tf_decimal_u64_span(const char *p) {
  uint32_t cnt = (uint32_t)__builtin_ctz(tf_decimal_breaks_(p));
  return ((*p <= '0') & (cnt != 1)) ? 0 : cnt;
}

#endif
