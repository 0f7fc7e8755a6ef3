/* Decimal text to numbers and back, exactly: "61837.63000000" is the mantissa 6183763000000 at
 * exponent -8, nothing is rounded, and the venue's text can be rebuilt for its checksum. The grammar
 * is JSON's number grammar, inside strings too: no leading '+', no ".5", no "1.", no "01", no "NaN",
 * no blanks.
 *
 * Each number has a hot reader, which takes the usual forms (at most 15 bytes, 8 digits a side) 16
 * bytes at a time and converts 8 digits in three multiplications, and a bounded scan, which takes
 * everything else and says what is wrong. They agree wherever both apply (test_decimal).
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

/* Eight bytes '0'..'9', first digit in the low byte, as a number. Bytes of 0 count as digits 0, so
 * a short run is shifted up into place first. */
TF_INLINE uint64_t tf_decimal_eight_(uint64_t v) {
  v &= UINT64_C(0x0f0f0f0f0f0f0f0f);
  v = (v * 10) + (v >> 8); /* pairs, in the even bytes */
  return (((v & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064)) +
          (((v >> 16) & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001))) >>
         32;
}

/* The number in the first cnt (1..8) bytes of v. */
TF_INLINE uint64_t tf_decimal_digits_(uint64_t v, uint32_t cnt) {
  return tf_decimal_eight_(v << (64 - 8 * cnt));
}

/* One bit for each of the 16 bytes at p that is no digit, and bit 16 set. */
TF_INLINE uint32_t tf_decimal_breaks_swar_(const char *p) {
  uint32_t breaks = 1u << 16;
  for (int word = 0; word < 2; word++) {
    uint64_t t    = tf_decimal_load8_(p + 8 * word) ^ UINT64_C(0x3030303030303030);
    uint64_t high = (((t & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x7676767676767676)) | t) &
                    UINT64_C(0x8080808080808080);
    /* gathers the eight top bits into one byte */
    breaks |= (uint32_t)(((high >> 7) * UINT64_C(0x0102040810204080)) >> 56) << (8 * word);
  }
  return breaks;
}

TF_INLINE uint32_t tf_decimal_breaks_(const char *p) {
#if defined(__SSE2__)
  const __m128i nine = _mm_set1_epi8(9);
  __m128i       digits =
      _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('0'));
  return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(digits, nine), nine)) ^ 0x1ffffu;
#else
  return tf_decimal_breaks_swar_(p);
#endif
}

/* Hot reader. 40 bytes at p must be readable. Returns how many bytes the number takes, or 0 if it is
 * not of a usual form, and then tf_decimal_scan decides. The caller must still look at the byte
 * behind: a '.', 'e' or 'E' there means the same as 0. */
TF_INLINE uint32_t tf_decimal_read(const char *p, int64_t *mantissa, int8_t *exp) {
  uint32_t breaks = tf_decimal_breaks_(p);
  uint32_t whole  = (uint32_t)__builtin_ctz(breaks);
  if (TF_UNLIKELY(whole - 1 > 7)) return 0; /* none, or more than 8 */
  if (TF_UNLIKELY(*p == '0' && whole > 1)) return 0;
  uint64_t value = tf_decimal_digits_(tf_decimal_load8_(p), whole);
  if (p[whole] != '.') {
    *mantissa = (int64_t)value;
    *exp      = 0;
    return whole;
  }
  breaks &= breaks - 1;
  if (TF_UNLIKELY(breaks == 0)) return 0;
  uint32_t all  = (uint32_t)__builtin_ctz(breaks);
  uint32_t part = all - whole - 1;
  if (TF_UNLIKELY(part - 1 > 7 || all > 15)) return 0;
  *mantissa = (int64_t)(value * tf_decimal_pow10[part] +
                        tf_decimal_digits_(tf_decimal_load8_(p + whole + 1), part));
  *exp      = (int8_t) - (int32_t)part;
  return all;
}

/* Hot reader of an unsigned integer of at most 15 digits, on the same terms. */
TF_INLINE uint32_t tf_decimal_u64_read(const char *p, uint64_t *value) {
  uint32_t cnt = (uint32_t)__builtin_ctz(tf_decimal_breaks_(p));
  if (TF_UNLIKELY(cnt - 1 > 14)) return 0;
  if (TF_UNLIKELY(*p == '0' && cnt > 1)) return 0;
  uint64_t first = tf_decimal_load8_(p);
  if (cnt <= 8) {
    *value = tf_decimal_digits_(first, cnt);
  } else { /* the last eight are all digits: they need no shift */
    *value = tf_decimal_digits_(first, cnt - 8) * 100000000u +
             tf_decimal_eight_(tf_decimal_load8_(p + cnt - 8));
  }
  return cnt;
}

#endif
