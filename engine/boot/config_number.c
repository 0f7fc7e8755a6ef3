#include "boot/config_number.h"

#include <string.h>

#include "tf/event.h"

const tf_number_units_t tf_config_number_durations = {
    .what     = "duration",
    .names    = "ns, us, ms, s, m, h",
    .example  = "250ms",
    .unit_cnt = 6,
    .units    = {{"ns", 1},
                 {"us", TF_NS_PER_US},
                 {"ms", TF_NS_PER_MS},
                 {"s", TF_NS_PER_SEC},
                 {"m", 60 * TF_NS_PER_SEC},
                 {"h", 3600 * TF_NS_PER_SEC}},
};

const tf_number_units_t tf_config_number_sizes = {
    .what     = "size",
    .names    = "B, KiB, MiB, GiB",
    .example  = "64MiB",
    .unit_cnt = 4,
    .units    = {{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}},
};

const tf_number_units_t tf_config_number_speeds = {
    .what     = "speed",
    .names    = "x",
    .example  = "2.5x",
    .unit_cnt = 1,
    .units    = {{"x", 1000}},
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t digits(const char *text) {
  size_t cnt = 0;
  while (is_digit(text[cnt])) cnt++;
  return cnt;
}

bool tf_config_number_is(const char *text) {
  if (*text == '-' || *text == '+') text++;
  if (strcmp(text, ".inf") == 0 || strcmp(text, ".nan") == 0 || strcmp(text, ".Inf") == 0 ||
      strcmp(text, ".INF") == 0 || strcmp(text, ".NaN") == 0 || strcmp(text, ".NAN") == 0)
    return true;
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b'))
    return text[2] && strspn(text + 2, "0123456789abcdefABCDEF_") == strlen(text + 2);
  /* Underscores and colons: YAML 1.1 reads 1_000 and 1:30 as numbers. */
  size_t whole = strspn(text, "0123456789_");
  if (whole == 0 && !(text[0] == '.' && is_digit(text[1]))) return false;
  if (whole && !is_digit(text[0])) return false;
  text += whole;
  while (*text == ':' && is_digit(text[1])) text += 1 + digits(text + 1);
  if (*text == '.') text += 1 + strspn(text + 1, "0123456789_");
  if (*text == 'e' || *text == 'E') {
    const char *exp = text + 1 + (text[1] == '-' || text[1] == '+');
    if (is_digit(*exp)) text = exp + digits(exp);
  }
  return *text == '\0';
}

tf_number_read_t tf_config_number_whole(const char *text, int64_t *value) {
  bool   negative = *text == '-';
  size_t cnt      = digits(text += negative);
  if (cnt == 0 || text[cnt] != '\0' || (cnt > 1 && text[0] == '0')) return TF_NUMBER_BAD;
  if (cnt > 18) return TF_NUMBER_BIG;
  int64_t v = 0;
  for (size_t i = 0; i < cnt; i++) v = v * 10 + (text[i] - '0');
  *value = negative ? -v : v;
  return TF_NUMBER_OK;
}

/* Reads "12.50" as mantissa 1250 and two places; returns what follows, NULL if it is no number. */
static const char *mantissa(const char *text, uint64_t *value, uint32_t *places) {
  size_t whole = digits(text);
  if (whole == 0 || (whole > 1 && text[0] == '0')) return NULL;
  uint64_t v = 0;
  *places    = 0;
  for (bool point = false;; text++) {
    if (*text == '.' && !point && is_digit(text[1])) {
      point = true;
    } else if (is_digit(*text)) {
      if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
          __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
        v = UINT64_MAX;
      *places += point;
    } else {
      break;
    }
  }
  *value = v;
  return text;
}

tf_number_read_t tf_config_number_decimal(const char *text, double *value) {
  uint64_t    v;
  uint32_t    places;
  const char *end = mantissa(text, &v, &places);
  if (!end || *end) return TF_NUMBER_BAD;
  if (v >= UINT64_C(1000000000000000) || places > 15) return TF_NUMBER_BIG;
  *value = tf_decimal_to_double((int64_t)v, -(int)places);
  return TF_NUMBER_OK;
}

tf_number_read_t tf_config_number_quantity(const tf_number_units_t *units, const char *text,
                                           uint64_t *value) {
  uint64_t    v;
  uint32_t    places;
  const char *unit = mantissa(text, &v, &places);
  if (!unit) return TF_NUMBER_BAD;
  if (*unit == '\0') return TF_NUMBER_NO_UNIT;
  for (uint32_t i = 0; i < units->unit_cnt; i++) {
    if (strcmp(unit, units->units[i].name) != 0) continue;
    uint64_t divisor = 1;
    if (places > 18) return TF_NUMBER_BAD;
    for (uint32_t p = 0; p < places; p++) divisor *= 10;
    if (v == UINT64_MAX || __builtin_mul_overflow(v, units->units[i].scale, &v))
      return TF_NUMBER_BIG;
    if (v % divisor != 0) return TF_NUMBER_BAD;
    *value = v / divisor;
    return TF_NUMBER_OK;
  }
  return TF_NUMBER_BAD;
}

const char *tf_config_number_unit_text(const tf_number_units_t *units, uint64_t value,
                                       char buf[32]) {
  uint32_t i = units->unit_cnt - 1;
  if (value == 0) i = units->unit_cnt == 6 ? 3 : 0; /* "0s", "0B" */
  while (i > 0 && value % units->units[i].scale != 0) i--;
  uint64_t scale = units->units[i].scale, rest = value % scale;
  int      used = snprintf(buf, 32, "%llu%s", (unsigned long long)(value / scale), rest ? "." : "");
  for (; rest != 0; rest = rest * 10 % scale)
    used +=
        snprintf(buf + used, 32 - (size_t)used, "%llu", (unsigned long long)(rest * 10 / scale));
  snprintf(buf + used, 32 - (size_t)used, "%s", units->units[i].name);
  return buf;
}
