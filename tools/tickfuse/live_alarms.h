/* Alarms of a live run, on the main thread: once a second the counters of core/alarms.h are read, and one that rose
 * is a line of the log, so that a thousand faults a second are one line and no lane writes any. */
#ifndef TICKFUSE_LIVE_ALARMS_H
#define TICKFUSE_LIVE_ALARMS_H

#include "core/alarms.h"

typedef struct tf_live_alarms {
  uint64_t seen[TF_METRICS_BLOCKS_MAX][TF_ALARM_CNT];
} tf_live_alarms_t;

/* Zeroed before the first. */
void tf_live_alarms_tick(tf_live_alarms_t *alarms, const tf_metrics_t *metrics);

#endif
