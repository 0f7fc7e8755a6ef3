#include "http/prometheus.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* 63 ns to 34 s: below is noise of the clock, above is a stall that max shows. */
#define LE_BITS_MIN 6
#define LE_BITS_MAX 35

static const char *const scope_labels[TF_METRIC_SCOPE_CNT] = {
    [TF_METRIC_THREAD] = "thread",  [TF_METRIC_FEED] = "feed",
    [TF_METRIC_LEG] = "feed",       [TF_METRIC_SINK] = "sink",
    [TF_METRIC_MODEL] = "model",    [TF_METRIC_CACHE] = "level",
    [TF_METRIC_GROUP] = "group",    [TF_METRIC_PARTITION] = "partition",
    [TF_METRIC_PROCESS] = "process"};

/* ns as seconds, exactly. */
static void add_seconds(tf_reply_t *reply, uint64_t ns) {
  tf_reply_add(reply, "%llu.%09llu", (unsigned long long)(ns / TF_NS_PER_SEC),
               (unsigned long long)(ns % TF_NS_PER_SEC));
}

static void add_value(tf_reply_t *reply, const tf_metric_info_t *info, uint64_t value) {
  tf_reply_add(reply, " ");
  bool is_negative = info->unit == TF_METRIC_NS_SIGNED && value >> 63;
  if (is_negative) tf_reply_add(reply, "-");
  if (info->unit == TF_METRIC_NS || info->unit == TF_METRIC_NS_SIGNED)
    add_seconds(reply, is_negative ? -value : value);
  else
    tf_reply_add(reply, "%llu", (unsigned long long)value);
  tf_reply_add(reply, "\n");
}

static void add_name(tf_reply_t *reply, const tf_metric_info_t *info) {
  static const char *const units[] = {[TF_METRIC_NONE]      = "",
                                      [TF_METRIC_BYTES]     = "_bytes",
                                      [TF_METRIC_NS]        = "_seconds",
                                      [TF_METRIC_NS_SIGNED] = "_seconds"};
  tf_reply_add(reply, "tickfuse_%s%s%s", info->family, units[info->unit],
               info->type == TF_METRIC_COUNTER ? "_total" : "");
}

static void add_head(tf_reply_t *reply, const tf_metric_info_t *info) {
  tf_reply_add(reply, "# HELP ");
  add_name(reply, info);
  tf_reply_add(reply, " %s\n# TYPE ", info->help);
  add_name(reply, info);
  tf_reply_add(reply, " %s\n", info->type == TF_METRIC_COUNTER ? "counter" : "gauge");
}

/* A leg's name is its feed's and its number: "main#0". */
static void add_scope(tf_reply_t *reply, const tf_metrics_block_t *block) {
  char name[TF_METRICS_NAME_BYTES];
  tf_metrics_block_name(block, name);
  char *number = block->scope == TF_METRIC_LEG ? strrchr(name, '#') : NULL;
  if (number) *number++ = '\0';
  tf_reply_add(reply, "{%s=\"", scope_labels[block->scope]);
  tf_reply_add_label(reply, name);
  tf_reply_add(reply, "\"");
  if (!number) return;
  tf_reply_add(reply, ",leg=\"");
  tf_reply_add_label(reply, number);
  tf_reply_add(reply, "\"");
}

/* One sample a word; all the words of the row are its states. */
static void add_state(tf_reply_t *reply, const tf_metrics_block_t *block,
                      const tf_metric_info_t *info, uint64_t state) {
  uint64_t idx = 0;
  for (const char *word = info->label_value; word; idx++) {
    size_t word_cnt = strcspn(word, "|");
    add_name(reply, info);
    add_scope(reply, block);
    tf_reply_add(reply, ",%s=\"%.*s\"} %d\n", info->label_key, (int)word_cnt, word, idx == state);
    word = word[word_cnt] ? word + word_cnt + 1 : NULL;
  }
}

static void add_sample(tf_reply_t *reply, const tf_metrics_block_t *block, tf_metric_t metric) {
  const tf_metric_info_t *info  = &tf_metrics_info[metric];
  uint64_t                value = tf_metrics_get(block, metric);
  if (info->type == TF_METRIC_STATE) {
    add_state(reply, block, info, value);
    return;
  }
  add_name(reply, info);
  add_scope(reply, block);
  if (info->label_key) tf_reply_add(reply, ",%s=\"%s\"", info->label_key, info->label_value);
  tf_reply_add(reply, "}");
  add_value(reply, info, value);
}

/* Rows [first, end) of one family, over all blocks of their scope. */
static void add_family(tf_reply_t *reply, const tf_metrics_t *metrics, uint32_t block_cnt,
                       uint32_t first, uint32_t end) {
  add_head(reply, &tf_metrics_info[first]);
  for (uint32_t b = 0; b < block_cnt; b++) {
    const tf_metrics_block_t *block = tf_metrics_block(metrics, b);
    if (!block || block->scope != tf_metrics_info[first].scope) continue;
    for (uint32_t i = first; i < end; i++) add_sample(reply, block, (tf_metric_t)i);
  }
}

static void add_hist_labels(tf_reply_t *reply, const char *suffix, const tf_metrics_block_t *block,
                            uint32_t hist) {
  tf_reply_add(reply, "tickfuse_stage_latency_%s", suffix);
  add_scope(reply, block);
  tf_reply_add(reply, ",stage=\"%s\"", tf_metrics_hist_info[hist].stage);
}

static void add_hist(tf_reply_t *reply, const tf_metrics_block_t *block, uint32_t hist) {
  const tf_hist_t *h   = tf_metrics_hist_of(block, (tf_metric_hist_t)hist);
  uint64_t         cnt = 0;
  uint32_t         b   = 0;
  if (!h || tf_load_relaxed(&h->cnt) == 0) return; /* relaxed: statistics */
  for (uint32_t bits = LE_BITS_MIN; bits <= LE_BITS_MAX; bits++) {
    uint64_t le = (UINT64_C(1) << bits) - 1;
    for (; b < TF_HIST_BUCKET_CNT && tf_hist_bucket_top(b) <= le; b++)
      cnt += tf_load_relaxed(&h->buckets[b]); /* relaxed: statistics */
    add_hist_labels(reply, "seconds_bucket", block, hist);
    tf_reply_add(reply, ",le=\"");
    add_seconds(reply, le);
    tf_reply_add(reply, "\"} %llu\n", (unsigned long long)cnt);
  }
  for (; b < TF_HIST_BUCKET_CNT; b++)
    cnt += tf_load_relaxed(&h->buckets[b]); /* relaxed: statistics */
  /* The count is what the buckets hold: a writer may be between a bucket and its own cnt. */
  add_hist_labels(reply, "seconds_bucket", block, hist);
  tf_reply_add(reply, ",le=\"+Inf\"} %llu\n", (unsigned long long)cnt);
  add_hist_labels(reply, "seconds_sum", block, hist);
  tf_reply_add(reply, "} ");
  add_seconds(reply, tf_load_relaxed(&h->sum)); /* relaxed: statistics */
  tf_reply_add(reply, "\n");
  add_hist_labels(reply, "seconds_count", block, hist);
  tf_reply_add(reply, "} %llu\n", (unsigned long long)cnt);
}

static void add_hists(tf_reply_t *reply, const tf_metrics_t *metrics, uint32_t block_cnt) {
  tf_reply_add(reply,
               "# HELP tickfuse_stage_latency_seconds Time of each stage on sampled ticks: decode "
               "and tick_to_decision from the receipt of the bytes, receive up to our pass, the "
               "others their own part\n"
               "# TYPE tickfuse_stage_latency_seconds histogram\n");
  for (uint32_t b = 0; b < block_cnt; b++)
    for (uint32_t i = 0; i < TF_METRIC_HIST_CNT; i++) {
      const tf_metrics_block_t *block = tf_metrics_block(metrics, b);
      if (block) add_hist(reply, block, i);
    }
  tf_reply_add(reply, "# HELP tickfuse_stage_latency_max_seconds The longest time of each stage "
                      "since the start\n# TYPE tickfuse_stage_latency_max_seconds gauge\n");
  for (uint32_t b = 0; b < block_cnt; b++)
    for (uint32_t i = 0; i < TF_METRIC_HIST_CNT; i++) {
      const tf_metrics_block_t *block = tf_metrics_block(metrics, b);
      const tf_hist_t          *h = block ? tf_metrics_hist_of(block, (tf_metric_hist_t)i) : NULL;
      if (!h || tf_load_relaxed(&h->cnt) == 0) continue; /* relaxed: statistics */
      add_hist_labels(reply, "max_seconds", block, i);
      tf_reply_add(reply, "} ");
      add_seconds(reply, tf_load_relaxed(&h->max)); /* relaxed: statistics */
      tf_reply_add(reply, "\n");
    }
}

static uint64_t resident_bytes(void) {
  unsigned long long pages = 0;
  FILE              *file  = fopen("/proc/self/statm", "re");
  if (!file) return 0;
  if (fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
  fclose(file);
  return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The names that every Prometheus client library gives them. */
static void add_process(tf_reply_t *reply, const tf_prometheus_info_t *info) {
  struct rusage usage;
  uint64_t      cpu_ns = 0;
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TF_NS_PER_SEC +
             (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * TF_NS_PER_US;
  tf_reply_add(reply, "# HELP tickfuse_build_info The build and the config that it runs\n"
                      "# TYPE tickfuse_build_info gauge\ntickfuse_build_info{version=\"");
  tf_reply_add_label(reply, info->version ? info->version : "");
  tf_reply_add(reply, "\",commit=\"");
  tf_reply_add_label(reply, info->commit ? info->commit : "");
  tf_reply_add(reply, "\",config_hash=\"");
  tf_reply_add_label(reply, info->config_hash ? info->config_hash : "");
  tf_reply_add(reply, "\"} 1\n# HELP process_start_time_seconds Start of the process since 1970\n"
                      "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds ");
  add_seconds(reply, info->start_ns);
  tf_reply_add(reply, "\n# HELP process_cpu_seconds_total Processor time used\n"
                      "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ");
  add_seconds(reply, cpu_ns);
  tf_reply_add(reply,
               "\n# HELP process_resident_memory_bytes Resident memory\n"
               "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n",
               (unsigned long long)resident_bytes());
}

void tf_prometheus_write(const tf_metrics_t *metrics, const tf_prometheus_info_t *info,
                         tf_reply_t *reply) {
  uint32_t block_cnt = tf_metrics_block_cnt(metrics);
  for (uint32_t first = 0, end; first < TF_METRIC_CNT; first = end) {
    const char *family = tf_metrics_info[first].family;
    for (end = first; end < TF_METRIC_CNT && strcmp(tf_metrics_info[end].family, family) == 0;)
      end++;
    add_family(reply, metrics, block_cnt, first, end);
  }
  add_hists(reply, metrics, block_cnt);
  add_process(reply, info);
}
