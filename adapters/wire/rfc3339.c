#include "wire/rfc3339.h"

#define YEAR_MIN 1970u
#define YEAR_MAX 2553u

/* cnt digits at p as a number, or UINT32_MAX. */
static uint32_t digits(const char *p, uint32_t cnt) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t digit = (uint32_t)(uint8_t)p[i] - '0';
    if (digit > 9) return UINT32_MAX;
    value = value * 10 + digit;
  }
  return value;
}

/* Days from 1970-01-01, counted in years that begin in March, so that the leap day is the last. */
static uint32_t days_of(uint32_t year, uint32_t month, uint32_t day) {
  year -= month < 3;
  uint32_t month_from_march = month < 3 ? month + 9 : month - 3;
  uint32_t day_of_year      = (153 * month_from_march + 2) / 5 + day - 1;
  return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static uint32_t days_in(uint32_t year, uint32_t month) {
  static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool                 leap   = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap);
}

/* ".123" at p as ns; the bytes used, 0 where there is none, SIZE_MAX where it is none. */
static size_t fraction(const char *p, const char *end, uint64_t *ns) {
  *ns = 0;
  if (p == end || *p != '.') return 0;
  uint64_t scale = TF_NS_PER_SEC;
  size_t   cnt   = 1;
  for (; p + cnt < end && p[cnt] >= '0' && p[cnt] <= '9'; cnt++) {
    scale /= 10;
    if (scale == 0) return SIZE_MAX;
    *ns += (uint64_t)(p[cnt] - '0') * scale;
  }
  return cnt > 1 ? cnt : SIZE_MAX;
}

/* "Z" or "+01:30" at p, to the end: seconds east. */
static bool zone(const char *p, const char *end, int64_t *east_s) {
  *east_s = 0;
  if (end - p == 1) return *p == 'Z' || *p == 'z';
  if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':') return false;
  uint32_t hours = digits(p + 1, 2), minutes = digits(p + 4, 2);
  if (hours > 23 || minutes > 59) return false;
  *east_s = (int64_t)(hours * 3600 + minutes * 60) * (*p == '-' ? -1 : 1);
  return true;
}

bool tf_rfc3339_parse(const char *text, size_t text_bytes, uint64_t *ns) {
  const char *end = text + text_bytes;
  if (text_bytes < sizeof("2026-08-09T21:05:48Z") - 1) return false;
  bool separated = text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't') &&
                   text[13] == ':' && text[16] == ':';
  uint32_t year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
  uint32_t hour = digits(text + 11, 2), minute = digits(text + 14, 2);
  uint32_t second = digits(text + 17, 2);
  if (!separated || year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1 ||
      day > days_in(year, month) || hour > 23 || minute > 59 || second > 60)
    return false;
  uint64_t part_ns;
  int64_t  east_s;
  size_t   used = fraction(text + 19, end, &part_ns);
  if (used == SIZE_MAX || !zone(text + 19 + used, end, &east_s)) return false;
  int64_t s = (int64_t)days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
  if (s < east_s) return false;
  *ns = (uint64_t)(s - east_s) * TF_NS_PER_SEC + part_ns;
  return true;
}

bool tf_rfc3339_parse_seconds(const char *text, size_t text_bytes, uint64_t *ns) {
  const char *p = text, *end = text + text_bytes;
  uint64_t    s = 0, part_ns;
  for (; p < end && *p >= '0' && *p <= '9'; p++) {
    s = s * 10 + (uint64_t)(*p - '0');
    if (s > UINT64_MAX / TF_NS_PER_SEC - 1) return false;
  }
  size_t used = fraction(p, end, &part_ns);
  if (p == text || used == SIZE_MAX || p + used != end) return false;
  *ns = s * TF_NS_PER_SEC + part_ns;
  return true;
}
