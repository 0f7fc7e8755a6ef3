#include "live_alarms.h"

#include <inttypes.h>

#include "core/log.h"

void tf_live_alarms_tick(tf_live_alarms_t *alarms, const tf_metrics_t *metrics) {
  uint32_t block_cnt = tf_metrics_block_cnt(metrics);
  for (uint32_t i = 0; i < block_cnt && i < TF_METRICS_BLOCKS_MAX; i++) {
    const tf_metrics_block_t *block = tf_metrics_block(metrics, i);
    if (!block) continue;
    for (uint32_t k = 0; k < TF_ALARM_CNT; k++) {
      char     name[TF_METRICS_NAME_BYTES];
      uint64_t total = tf_metrics_get(block, tf_alarms[k].metric);
      if (total == alarms->seen[i][k]) continue;
      tf_log(TF_LOG_WARN, "alarm", "of=%s reason=%s more=%" PRIu64 " total=%" PRIu64,
             tf_metrics_block_name(block, name), tf_alarms[k].reason, total - alarms->seen[i][k],
             total);
      alarms->seen[i][k] = total;
    }
  }
}
