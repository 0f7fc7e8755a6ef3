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

void tf_log(tf_log_level_t level, const char *event, const char *fmt, ...) {
  if (level < level_min) return;
  struct timespec ts;
  struct tm       tm;
  clock_gettime(CLOCK_REALTIME, &ts);
  gmtime_r(&ts.tv_sec, &tm);
  char    line[2048];
  int     used = snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s ",
                          tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                          tm.tm_sec, ts.tv_nsec / 1000000, level_names[level], event);
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
