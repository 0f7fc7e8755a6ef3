#include "core/alarms.h"

#define ALARM_ROW(id, reason)                                                                      \
  { TF_METRIC_##id, reason }
#define TIME_ROW(id, name) ALARM_ROW(EVENTS_BAD_TIME_##id, "ts_suspect_" name),

const tf_alarm_t tf_alarms[] = {ALARM_ROW(FEED_ID_CONFLICTS, "id_conflict"),
                                ALARM_ROW(FEED_CHECKSUMS_OFF, "checksums_off"),
                                ALARM_ROW(SHEDS_BOOKS, "conflated"),
                                ALARM_ROW(SHEDS_LOW, "shed"),
                                ALARM_ROW(FEED_STREAM_REFUSED, "stream_refused"),
                                ALARM_ROW(EVENTS_OUTLIER, "outlier"),
                                ALARM_ROW(SINK_DROPPED_FULL, "sink_full"),
                                ALARM_ROW(SINK_DROPPED_BROKEN, "sink_broken"),
                                TF_EVENT_TIME_CAUSES(TIME_ROW)};
TF_STATIC_ASSERT(sizeof tf_alarms == TF_ALARM_CNT * sizeof tf_alarms[0], "every row has an alarm");
