#include "wire/rfc3339.h"

#include <string.h>

#include "wire/decimal.h"

#define YEAR_MIN            1970u
#define YEAR_MAX            2553u
#define FRACTION_DIGITS_MAX 9u

/* Two digits at p as a number, or more than 99. */
static uint32_t two_digits(const char *p) {
  uint32_t tens = (uint32_t)(uint8_t)p[0] - '0', ones = (uint32_t)(uint8_t)p[1] - '0';
  return tens > 9 || ones > 9 ? UINT32_MAX : tens * 10 + ones;
}

/* Eight bytes at a time, each against what a form has there, as XOR leaves it: a digit's value, 0 for what is no
 * digit. True: all are of the form. */
static bool has_form(uint64_t left, uint64_t may_add) {
  const uint64_t tops = UINT64_C(0x8080808080808080);
  return (((left & ~tops) + may_add) & tops) == 0 && (left & tops) == 0;
}

static uint32_t pair_at(uint64_t left, uint32_t byte) {
  return (uint32_t)(left >> (8 * byte) & 15) * 10 + (uint32_t)(left >> (8 * byte + 8) & 15);
}

typedef struct {
  uint32_t year, month, day, hour, minute;
} date_t;

/* "2026-08-09T21:05" at p. */
static bool take_date(const char *p, date_t *d) {
  /* 0x76 makes a digit beyond 9 reach the top bit, 0x7f anything but 0 */
  uint64_t front, back;
  memcpy(&front, p, 8);
  memcpy(&back, p + 8, 8);
  back |= UINT64_C(0x200000);            /* t for T */
  front ^= UINT64_C(0x2d30302d30303030); /* 0000-00- */
  back ^= UINT64_C(0x30303a3030743030);  /* 00t00:00 */
  if (!has_form(front, UINT64_C(0x7f76767f76767676)) ||
      !has_form(back, UINT64_C(0x76767f76767f7676)))
    return false;
  *d = (date_t){.year   = pair_at(front, 0) * 100 + pair_at(front, 2),
                .month  = pair_at(front, 5),
                .day    = pair_at(back, 0),
                .hour   = pair_at(back, 3),
                .minute = pair_at(back, 6)};
  return true;
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
  uint64_t part = 0;
  size_t   cnt  = 1;
  for (; p + cnt < end && p[cnt] >= '0' && p[cnt] <= '9'; cnt++) {
    if (cnt > FRACTION_DIGITS_MAX) return SIZE_MAX;
    part = part * 10 + (uint64_t)(p[cnt] - '0');
  }
  *ns = part * tf_decimal_pow10[FRACTION_DIGITS_MAX + 1 - cnt];
  return cnt > 1 ? cnt : SIZE_MAX;
}

/* "Z" or "+01:30" at p, to the end: seconds east. */
static bool zone(const char *p, const char *end, int64_t *east_s) {
  *east_s = 0;
  if (end - p == 1) return *p == 'Z' || *p == 'z';
  if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':') return false;
  uint32_t hours = two_digits(p + 1), minutes = two_digits(p + 4);
  if (hours > 23 || minutes > 59) return false;
  *east_s = (int64_t)(hours * 3600 + minutes * 60) * (*p == '-' ? -1 : 1);
  return true;
}

bool tf_rfc3339_parse(const char *text, size_t text_bytes, uint64_t *ns) {
  const char *end = text + text_bytes;
  if (text_bytes < sizeof("2026-08-09T21:05:48Z") - 1) return false;
  date_t d;
  if (!take_date(text, &d) || text[16] != ':') return false;
  uint32_t second = two_digits(text + 17);
  if (d.year < YEAR_MIN || d.year > YEAR_MAX || d.month < 1 || d.month > 12 || d.day < 1 ||
      (d.day > 28 && d.day > days_in(d.year, d.month)) || d.hour > 23 || d.minute > 59 ||
      second > 60)
    return false;
  uint64_t part_ns;
  int64_t  east_s;
  size_t   used = fraction(text + 19, end, &part_ns);
  if (used == SIZE_MAX || !zone(text + 19 + used, end, &east_s)) return false;
  int64_t s =
      (int64_t)days_of(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + second;
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
