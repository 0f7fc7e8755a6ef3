#include "sim/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NUMBER_CHARS_MAX 48 /* 20 digits, the zeros of a small one, sign and point */

void sim_put_bytes(sim_text_t *t, const char *bytes, size_t cnt) {
  if (cnt > t->cap - t->cnt) {
    t->full = true;
    return;
  }
  memcpy(t->bytes + t->cnt, bytes, cnt);
  t->cnt += cnt;
}

void sim_put(sim_text_t *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  size_t left = t->cap - t->cnt;
  int    cnt  = vsnprintf(t->bytes + t->cnt, left, fmt, args);
  va_end(args);
  if (cnt < 0 || (size_t)cnt >= left)
    t->full = true;
  else
    t->cnt += (size_t)cnt;
}

static size_t write_decimal(char text[NUMBER_CHARS_MAX], int64_t mantissa, uint32_t digits) {
  char     reversed[NUMBER_CHARS_MAX];
  size_t   cnt  = 0;
  uint64_t left = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
  TF_ASSERT(digits <= 18);
  do {
    reversed[cnt++] = (char)('0' + left % 10);
    left /= 10;
    if (cnt == digits) reversed[cnt++] = '.';
  } while (left || cnt <= digits + (digits > 0)); /* at least one digit before the point */
  if (mantissa < 0) reversed[cnt++] = '-';
  for (size_t i = 0; i < cnt; i++) text[i] = reversed[cnt - 1 - i];
  return cnt;
}

void sim_put_decimal(sim_text_t *t, int64_t mantissa, uint32_t digits) {
  char text[NUMBER_CHARS_MAX];
  sim_put_bytes(t, text, write_decimal(text, mantissa, digits));
}

void sim_put_trimmed(sim_text_t *t, int64_t mantissa, uint32_t digits) {
  char   text[NUMBER_CHARS_MAX];
  size_t cnt = write_decimal(text, mantissa, digits);
  if (digits) {
    while (text[cnt - 1] == '0') cnt--;
    if (text[cnt - 1] == '.') cnt--;
  }
  sim_put_bytes(t, text, cnt);
}

void sim_put_time(sim_text_t *t, uint64_t wall_ns, uint32_t digits) {
  time_t    seconds = (time_t)(wall_ns / 1000000000u);
  uint32_t  part    = (uint32_t)(wall_ns % 1000000000u);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  sim_put(t, "%04d-%02d-%02dT%02d:%02d:%02d.%0*uZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
          tm.tm_hour, tm.tm_min, tm.tm_sec, (int)digits, digits == 6 ? part / 1000 : part);
}
