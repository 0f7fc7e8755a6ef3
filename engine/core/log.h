/* Structured log lines on stderr: `2026-11-21T03:00:00.123Z notice feed_live venue=... `. Event
 * names are stable; one line an event. Control plane only: never on a lane after start, where
 * things are counted and drained in housekeeping. Any thread; a line is one write(2). */
#ifndef TF_CORE_LOG_H
#define TF_CORE_LOG_H

#include "tf/base.h"

typedef enum tf_log_level {
  TF_LOG_DEBUG, /* off by default */
  TF_LOG_INFO,
  TF_LOG_NOTICE, /* the operator should see it */
  TF_LOG_WARN,   /* degraded, still correct */
  TF_LOG_ERROR,  /* a component stops */
  TF_LOG_FATAL   /* the process stops */
} tf_log_level_t;

void tf_log_level_set(tf_log_level_t level);
/* Parses "debug" .. "fatal"; false if it is none of them. */
bool tf_log_level_parse(const char *text, tf_log_level_t *level);

/* event: a stable snake_case name. fmt: "key=value key=value"; may be "". */
void tf_log(tf_log_level_t level, const char *event, const char *fmt, ...) TF_PRINTF(3, 4);

#endif
