#include "wire/decimal.h"

const uint64_t tf_decimal_pow10[20] = {UINT64_C(1),
                                       UINT64_C(10),
                                       UINT64_C(100),
                                       UINT64_C(1000),
                                       UINT64_C(10000),
                                       UINT64_C(100000),
                                       UINT64_C(1000000),
                                       UINT64_C(10000000),
                                       UINT64_C(100000000),
                                       UINT64_C(1000000000),
                                       UINT64_C(10000000000),
                                       UINT64_C(100000000000),
                                       UINT64_C(1000000000000),
                                       UINT64_C(10000000000000),
                                       UINT64_C(100000000000000),
                                       UINT64_C(1000000000000000),
                                       UINT64_C(10000000000000000),
                                       UINT64_C(100000000000000000),
                                       UINT64_C(1000000000000000000),
                                       UINT64_C(10000000000000000000)};

#if defined(__SSE2__)
const uint8_t tf_decimal_tails[48] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
#endif

#define WIDE_DIGITS_MAX 19u /* any number of so many fits 64 bits, if not an int64 */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* A number's parts, before anything is made of them. */
typedef struct {
  char     digits[TF_DECIMAL_DIGITS_MAX]; /* significant: no leading zeros */
  uint32_t digit_cnt;
  uint32_t all_cnt; /* every digit of the text, exponent's too: what the limit is on */
  int32_t  part_cnt;
  int32_t  power; /* saturated far outside what fits */
  bool     negative;
} parts_t;

/* Takes a run of digits at p; false if there is none, or over the limit. */
static bool take_digits(parts_t *parts, const char **p, const char *end, bool is_part) {
  const char *first = *p;
  for (; *p < end && is_digit(**p); (*p)++) {
    if (++parts->all_cnt > TF_DECIMAL_DIGITS_MAX) return false;
    if (parts->digit_cnt > 0 || **p != '0') parts->digits[parts->digit_cnt++] = **p;
    parts->part_cnt += is_part;
  }
  return *p > first;
}

static bool take_power(parts_t *parts, const char **p, const char *end) {
  bool negative = false;
  if (*p < end && (**p == '+' || **p == '-')) negative = *(*p)++ == '-';
  const char *first = *p;
  for (; *p < end && is_digit(**p); (*p)++) {
    if (++parts->all_cnt > TF_DECIMAL_DIGITS_MAX) return false;
    if (parts->power < 100000) parts->power = parts->power * 10 + (**p - '0');
  }
  if (negative) parts->power = -parts->power;
  return *p > first;
}

/* First byte behind the number, or NULL. */
static const char *take_number(parts_t *parts, const char *p, const char *end) {
  if (p < end && *p == '-') {
    parts->negative = true;
    p++;
  }
  if (p < end && *p == '0') { /* JSON: a leading zero stands alone */
    parts->all_cnt++;
    p++;
    if (p < end && is_digit(*p)) return NULL;
  } else if (!take_digits(parts, &p, end, false)) {
    return NULL;
  }
  if (p < end && *p == '.') {
    p++;
    if (!take_digits(parts, &p, end, true)) return NULL;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (!take_power(parts, &p, end)) return NULL;
  }
  return p;
}

static bool magnitude_fits(const parts_t *parts, uint64_t *magnitude) {
  uint64_t value = 0;
  uint64_t most  = (uint64_t)INT64_MAX + parts->negative;
  for (uint32_t i = 0; i < parts->digit_cnt; i++) {
    if (__builtin_mul_overflow(value, 10u, &value)) return false;
    if (__builtin_add_overflow(value, (uint64_t)(parts->digits[i] - '0'), &value)) return false;
  }
  *magnitude = value;
  return value <= most;
}

const char *tf_decimal_scan(const char *p, const char *end, int64_t *mantissa, int8_t *exp,
                            tf_decimal_result_t *result) {
  parts_t parts;
  parts.digit_cnt = 0;
  parts.all_cnt   = 0;
  parts.part_cnt  = 0;
  parts.power     = 0;
  parts.negative  = false;
  *mantissa       = 0;
  *exp            = 0;
  p               = take_number(&parts, p, end);
  if (p == NULL) {
    *result = parts.all_cnt > TF_DECIMAL_DIGITS_MAX ? TF_DECIMAL_DIGITS : TF_DECIMAL_GRAMMAR;
    return NULL;
  }
  int32_t  power     = parts.power - parts.part_cnt;
  uint64_t magnitude = 0;
  *result            = TF_DECIMAL_RANGE;
  while (!magnitude_fits(&parts, &magnitude)) {
    if (parts.digits[parts.digit_cnt - 1] != '0') return p;
    parts.digit_cnt--;
    power++;
  }
  if (power < TF_DECIMAL_EXP_MIN || power > TF_DECIMAL_EXP_MAX) return p;
  *mantissa = parts.negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
  *exp      = (int8_t)power;
  *result   = TF_DECIMAL_OK;
  return p;
}

tf_decimal_result_t tf_decimal_parse(const char *text, size_t text_bytes, int64_t *mantissa,
                                     int8_t *exp) {
  tf_decimal_result_t result;
  const char         *stop = tf_decimal_scan(text, text + text_bytes, mantissa, exp, &result);
  if (stop == NULL || stop == text + text_bytes) return result;
  *mantissa = 0;
  *exp      = 0;
  return TF_DECIMAL_GRAMMAR;
}

const char *tf_decimal_u64_scan(const char *p, const char *end, uint64_t *value,
                                tf_decimal_result_t *result) {
  uint64_t v        = 0;
  bool     overflow = false;
  *value            = 0;
  const char *first = p;
  for (; p < end && is_digit(*p); p++) {
    if (p - first >= TF_DECIMAL_DIGITS_MAX) {
      *result = TF_DECIMAL_DIGITS;
      return NULL;
    }
    overflow |= __builtin_mul_overflow(v, 10u, &v);
    overflow |= __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v);
  }
  if (p == first || (*first == '0' && p - first > 1)) {
    *result = TF_DECIMAL_GRAMMAR;
    return NULL;
  }
  *result = overflow ? TF_DECIMAL_RANGE : TF_DECIMAL_OK;
  if (!overflow) *value = v;
  return p;
}

/* The number in 1 to 19 digits. */
static uint64_t nineteen(const char *p, uint32_t cnt) {
  if (cnt <= 16) return tf_decimal_digits_swar_(p, cnt);
  return tf_decimal_eight_(p, cnt - 16) * tf_decimal_pow10[16] +
         tf_decimal_digits_swar_(p + cnt - 16, 16);
}

/* A power of one or two digits at p: its length, 0 for none. */
static uint32_t power_of(const char *p, int32_t *power) {
  if ((*p | 0x20) != 'e') return 0;
  uint32_t sign = 1 + (p[1] == '+' || p[1] == '-'), cnt = 0;
  for (*power = 0; cnt < 2 && is_digit(p[sign + cnt]); cnt++)
    *power = *power * 10 + (p[sign + cnt] - '0');
  if (p[1] == '-') *power = -*power;
  return cnt > 0 ? sign + cnt : 0;
}

uint32_t tf_decimal_read_wide(const char *p, int64_t *mantissa, int8_t *exp) {
  uint32_t sign = *p == '-';
  p += sign;
  uint32_t breaks = (tf_decimal_breaks_(p) & 0xffffu) | tf_decimal_breaks_(p + 16) << 16;
  if (breaks == 0) return 0;
  uint32_t whole = (uint32_t)__builtin_ctz(breaks), part = 0;
  if (p[whole] == '.') {
    breaks &= breaks - 1;
    if (breaks == 0) return 0;
    part = (uint32_t)__builtin_ctz(breaks) - whole - 1;
    if (part == 0) return 0;
  }
  if (whole == 0 || (*p == '0' && whole > 1) || whole + part > WIDE_DIGITS_MAX) return 0;
  uint32_t bytes  = whole + (part > 0) + part;
  uint64_t number = nineteen(p, whole);
  int32_t  power  = 0;
  if (part > 0) number = number * tf_decimal_pow10[part] + nineteen(p + whole + 1, part);
  if (TF_UNLIKELY(number > INT64_MAX)) return 0;
  bytes += power_of(p + bytes, &power);
  *mantissa = sign ? -(int64_t)number : (int64_t)number;
  *exp      = (int8_t)(power - (int32_t)part);
  return sign + bytes;
}

uint32_t tf_decimal_span_long(const char *p) {
  uint32_t digit_cnt = 16;
  for (; digit_cnt < 48; digit_cnt += 16) {
    uint32_t breaks = tf_decimal_breaks_(p + digit_cnt) & 0xffffu;
    if (breaks != 0) {
      digit_cnt += (uint32_t)__builtin_ctz(breaks);
      break;
    }
  }
  return p[digit_cnt] == '.' ? 0 : digit_cnt;
}

size_t tf_decimal_format(int64_t mantissa, int exp, char text[TF_DECIMAL_TEXT_BYTES]) {
  TF_ASSERT(exp >= TF_DECIMAL_EXP_MIN && exp <= TF_DECIMAL_EXP_MAX);
  char     digits[20]; /* lowest first */
  uint32_t digit_cnt = 0;
  uint64_t magnitude = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
  do {
    digits[digit_cnt++] = (char)('0' + magnitude % 10);
    magnitude /= 10;
  } while (magnitude > 0);

  size_t n = 0;
  if (mantissa < 0) text[n++] = '-';
  uint32_t part_cnt = exp < 0 ? (uint32_t)-exp : 0;
  if (digit_cnt <= part_cnt) {
    text[n++] = '0';
  } else {
    for (uint32_t i = digit_cnt; i > part_cnt; i--) text[n++] = digits[i - 1];
  }
  if (part_cnt > 0) {
    text[n++] = '.';
    for (uint32_t i = part_cnt; i > 0; i--) text[n++] = i > digit_cnt ? '0' : digits[i - 1];
  }
  if (exp > 0 && mantissa != 0) {
    text[n++] = 'e';
    if (exp >= 100) text[n++] = (char)('0' + exp / 100);
    if (exp >= 10) text[n++] = (char)('0' + exp / 10 % 10);
    text[n++] = (char)('0' + exp % 10);
  }
  text[n] = '\0';
  return n;
}
