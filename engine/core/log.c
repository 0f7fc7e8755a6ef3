#include "core/log.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "notice", "warn", "error", "fatal"};

static tf_log_level_t level_min = TF_LOG_NOTICE; /* set at start, before threads */

void tf_log_level_set(tf_log_level_t level) { level_min = level; }

bool tf_log_level_parse(const char *text, tf_log_level_t *level) {
  for (size_t i = 0; i < TF_ARRAY_CNT(level_names); i++) {
    if (strcmp(text, level_names[i]) == 0) {
      *level = (tf_log_level_t)i;
      return true;
    }
  }
  return false;
}

typedef struct date {
  int year, month, day;
} date_t;

/* Gregorian date of a time since 1970. gmtime_r would do, but it reads the time zone first, and that
 * allocates. Days are counted in 400-year eras from 1 March of year 0, so that the leap day ends a
 * year (Hinnant, "chrono-compatible low-level date algorithms"). */
static date_t date_of(time_t seconds) {
  long days    = seconds / 86400 + 719468;
  long era     = days / 146097;
  long in_era  = days % 146097;
  long year    = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  long in_year = in_era - (365 * year + year / 4 - year / 100);
  long month   = (5 * in_year + 2) / 153; /* 0 is March */
  return (date_t){.year  = (int)(year + era * 400 + (month >= 10)),
                  .month = (int)(month < 10 ? month + 3 : month - 9),
                  .day   = (int)(in_year - (153 * month + 2) / 5 + 1)};
}

void tf_log(tf_log_level_t level, const char *event, const char *fmt, ...) {
  if (level < level_min) return;
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  date_t date = date_of(ts.tv_sec);
  char   line[2048];
  int    used =
      snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s ", date.year,
               date.month, date.day, (int)(ts.tv_sec % 86400 / 3600), (int)(ts.tv_sec % 3600 / 60),
               (int)(ts.tv_sec % 60), ts.tv_nsec / 1000000, level_names[level], event);
  va_list args;
  va_start(args, fmt);
  int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, fmt, args);
  va_end(args);
  size_t cnt = (size_t)used + (more > 0 ? (size_t)more : 0);
  if (cnt > sizeof line - 2) cnt = sizeof line - 2;
  for (size_t i = 0; i < cnt; i++) /* a value from outside must not forge a second line */
    if ((unsigned char)line[i] < 0x20) line[i] = '?';
  line[cnt++]     = '\n';
  ssize_t written = write(STDERR_FILENO, line, cnt);
  (void)written; /* a closed stderr has nobody to tell */
}
