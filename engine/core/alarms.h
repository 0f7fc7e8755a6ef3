/* Counters that stand still while all is well: each step of one is something that an operator should hear of, though
 * the feed goes on. /healthz lists those that are not 0, and a live run logs their steps, once a second at the
 * most (tools/tickfuse/live_alarms.h).
 *
 * Read from the metrics page by any thread. */
#ifndef TF_CORE_ALARMS_H
#define TF_CORE_ALARMS_H

#include "core/metrics.h"

typedef struct tf_alarm {
  tf_metric_t metric;
  const char *reason; /* the word for it, stable: logs and /healthz */
} tf_alarm_t;

#define TF_ALARM_CNT 14
extern const tf_alarm_t tf_alarms[TF_ALARM_CNT];

#endif
