#include "http/page.h"

#include <string.h>

#include "core/alarms.h"

/* The word of a feed's state, from metrics.def's list. */
static void feed_state(const tf_metrics_block_t *block, char word[16]) {
  const char *words = tf_metrics_info[TF_METRIC_FEED_STATE].label_value;
  for (uint64_t i = tf_metrics_get(block, TF_METRIC_FEED_STATE); i > 0 && words; i--) {
    words = strchr(words, '|');
    if (words) words++;
  }
  snprintf(word, 16, "%.*s", words ? (int)strcspn(words, "|") : 7, words ? words : "unknown");
}

static void add_alarms(const tf_metrics_block_t *block, uint32_t *alarm_cnt, tf_reply_t *reply) {
  for (uint32_t k = 0; k < TF_ALARM_CNT; k++) {
    char     name[TF_METRICS_NAME_BYTES];
    uint64_t cnt = tf_metrics_get(block, tf_alarms[k].metric);
    if (cnt == 0) continue;
    tf_reply_add(reply, "%s{\"of\":\"", (*alarm_cnt)++ ? "," : "");
    tf_reply_add_json(reply, tf_metrics_block_name(block, name));
    tf_reply_add(reply, "\",\"reason\":\"%s\",\"cnt\":%llu}", tf_alarms[k].reason,
                 (unsigned long long)cnt);
  }
}

void tf_page_health(const tf_metrics_t *metrics, bool healthy, const char *reason,
                    tf_reply_t *reply) {
  tf_reply_init(reply, healthy ? 200 : 503, "application/json");
  tf_reply_add(reply, "{\"status\":\"%s\"", healthy ? "ok" : "unavailable");
  if (!healthy) {
    tf_reply_add(reply, ",\"reason\":\"");
    tf_reply_add_json(reply, *reason ? reason : "unknown");
    tf_reply_add(reply, "\"");
  }
  tf_reply_add(reply, ",\"feeds\":[");
  uint32_t cnt = tf_metrics_block_cnt(metrics), feed_cnt = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_metrics_block_t *block = tf_metrics_block(metrics, i);
    char                      name[TF_METRICS_NAME_BYTES], state[16];
    if (!block || block->scope != TF_METRIC_FEED) continue;
    feed_state(block, state);
    tf_reply_add(reply, "%s{\"name\":\"", feed_cnt++ ? "," : "");
    tf_reply_add_json(reply, tf_metrics_block_name(block, name));
    bool is_standby = tf_metrics_get(block, TF_METRIC_FEED_STANDBY);
    tf_reply_add(reply, "\",\"state\":\"%s\"%s}", state, is_standby ? ",\"standby\":true" : "");
  }
  tf_reply_add(reply, "],\"alarms\":[");
  uint32_t alarm_cnt = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_metrics_block_t *block = tf_metrics_block(metrics, i);
    if (block) add_alarms(block, &alarm_cnt, reply);
  }
  tf_reply_add(reply, "]}\n");
}

void tf_page_start(const tf_metrics_t *metrics, const char *version, tf_reply_t *reply) {
  tf_reply_init(reply, 200, "text/html; charset=utf-8");
  tf_reply_add(reply, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                      "<title>tickfuse</title></head>\n<body>\n<h1>tickfuse ");
  tf_reply_add_html(reply, version ? version : "");
  tf_reply_add(reply, "</h1>\n<ul>\n<li><a href=\"/metrics\">/metrics</a>: Prometheus text</li>\n"
                      "<li><a href=\"/healthz\">/healthz</a>: 200 while every feed is live</li>\n"
                      "</ul>\n");
  uint32_t cnt = tf_metrics_block_cnt(metrics);
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_metrics_block_t *block = tf_metrics_block(metrics, i);
    char                      name[TF_METRICS_NAME_BYTES], state[16];
    if (!block || block->scope != TF_METRIC_FEED) continue;
    feed_state(block, state);
    tf_reply_add(reply, "<p>feed ");
    tf_reply_add_html(reply, tf_metrics_block_name(block, name));
    tf_reply_add(reply, ": %s</p>\n", state);
  }
  tf_reply_add(reply, "<p>%llu ticks, %llu decisions</p>\n</body></html>\n",
               (unsigned long long)tf_metrics_sum(metrics, TF_METRIC_TICKS),
               (unsigned long long)tf_metrics_sum(metrics, TF_METRIC_DECISIONS));
}

void tf_page_error(int status, const char *text, tf_reply_t *reply) {
  tf_reply_init(reply, status, "text/plain; charset=utf-8");
  tf_reply_add(reply, "%s\n", text);
}
