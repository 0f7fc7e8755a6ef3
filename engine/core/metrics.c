#include "core/metrics.h"

#include <string.h>

#include "core/error.h"
#include "tf/decision.h"
#include "tf/source.h"

const tf_metric_info_t tf_metrics_info[TF_METRIC_CNT] = {
#define TF_METRIC(id, family, TYPE, SCOPE, UNIT, label_key, label_value, help)                     \
  {#family, TF_METRIC_##TYPE, TF_METRIC_##SCOPE, TF_METRIC_##UNIT, label_key, label_value, help},
#include "core/metrics.def"
};

const tf_metric_hist_info_t tf_metrics_hist_info[TF_METRIC_HIST_CNT] = {
#define TF_METRIC_HIST(id, stage, help) {stage, help},
#include "core/metrics.def"
};

TF_STATIC_ASSERT(TF_FEED_CONNECTING == 0 && TF_FEED_LIVE == 2 && TF_FEED_DOWN == 5,
                 "feed_state's words are those of tf_feed_state_t");
TF_STATIC_ASSERT(TF_METRIC_ACTIONS_HOLD + TF_ACTION_CNT == TF_METRIC_HOLDS_NONE,
                 "actions are counted at ACTIONS_HOLD + action");
TF_STATIC_ASSERT(TF_METRIC_HOLDS_NONE + TF_HOLD_REASON_CNT == TF_METRIC_HALTED,
                 "holds are counted at HOLDS_NONE + reason");

#define HISTS_BYTES tf_align_up(sizeof(tf_hist_t) * TF_METRIC_HIST_CNT, TF_LINE_PAIR_BYTES)

/* FNV-1a over the table's names: a page made by a build with another table is not read. */
static uint32_t layout_hash(void) {
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < TF_METRIC_CNT; i++) {
    const char *texts[] = {tf_metrics_info[i].family, tf_metrics_info[i].label_value};
    for (uint32_t k = 0; k < 2; k++)
      for (const char *c = texts[k] ? texts[k] : "-"; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
  }
  return (hash ^ TF_METRIC_HIST_CNT ^ (uint32_t)sizeof(tf_hist_t)) * 16777619u;
}

size_t tf_metrics_footprint(uint32_t block_cnt, uint32_t hist_block_cnt) {
  if (block_cnt > TF_METRICS_BLOCKS_MAX || hist_block_cnt > block_cnt) return 0;
  return sizeof(tf_metrics_t) + sizeof(tf_metrics_block_t) * block_cnt +
         HISTS_BYTES * hist_block_cnt;
}

tf_metrics_t *tf_metrics_new(void *memory, size_t bytes) {
  if (!memory || (uintptr_t)memory % TF_LINE_PAIR_BYTES != 0 || bytes < sizeof(tf_metrics_t)) {
    TF_ERR(E_CORE_ARGUMENT, "a metrics page of %zu bytes at %p; at least %zu, aligned on %d", bytes,
           memory, sizeof(tf_metrics_t), TF_LINE_PAIR_BYTES);
    return NULL;
  }
  tf_metrics_t *metrics = memory;
  memset(metrics, 0, sizeof *metrics);
  metrics->version    = TF_METRICS_VERSION;
  metrics->layout     = layout_hash();
  metrics->page_bytes = bytes;
  metrics->used_bytes = sizeof *metrics;
  tf_store_release(&metrics->magic, TF_METRICS_MAGIC); /* pairs with: tf_metrics_join */
  return metrics;
}

const tf_metrics_t *tf_metrics_join(const void *memory, size_t bytes) {
  const tf_metrics_t *metrics = memory;
  const char         *why     = NULL;
  if (!memory || (uintptr_t)memory % TF_LINE_PAIR_BYTES != 0 || bytes < sizeof *metrics)
    why = "too small or misaligned";
  else if (tf_load_acquire(&metrics->magic) != TF_METRICS_MAGIC) /* pairs with: tf_metrics_new */
    why = "no magic: not a metrics page, or its engine is gone";
  else if (metrics->version != TF_METRICS_VERSION)
    why = "another version";
  else if (metrics->layout != layout_hash())
    why = "another table of metrics: made by another build";
  else if (metrics->page_bytes > bytes)
    why = "cut short";
  if (!why) return metrics;
  TF_ERR(E_SHM_LAYOUT, "metrics page of %zu bytes: %s", bytes, why);
  return NULL;
}

const void *tf_metrics_leave(const tf_metrics_t *metrics) { return metrics; }

void *tf_metrics_delete(tf_metrics_t *metrics) {
  tf_store_release(&metrics->magic, 0); /* pairs with: tf_metrics_join */
  return metrics;
}

tf_metrics_block_t *tf_metrics_block_add(tf_metrics_t *metrics, tf_metric_scope_t scope,
                                         const char *name, bool with_hists) {
  size_t bytes = sizeof(tf_metrics_block_t) + (with_hists ? HISTS_BYTES : 0);
  TF_ASSERT(scope < TF_METRIC_SCOPE_CNT);
  if (metrics->block_cnt == TF_METRICS_BLOCKS_MAX ||
      bytes > metrics->page_bytes - metrics->used_bytes) {
    TF_ERR(E_CORE_ARENA_FULL, "metrics block \"%s\": the page was sized for %llu blocks", name,
           (unsigned long long)metrics->block_cnt);
    return NULL;
  }
  tf_metrics_block_t *block = (tf_metrics_block_t *)(void *)((char *)metrics + metrics->used_bytes);
  memset(block, 0, bytes);
  snprintf(block->name, sizeof block->name, "%s", name);
  block->scope                               = scope;
  block->hist_cnt                            = with_hists ? TF_METRIC_HIST_CNT : 0;
  metrics->block_offsets[metrics->block_cnt] = metrics->used_bytes;
  metrics->used_bytes += bytes;
  /* pairs with: tf_metrics_block_cnt */
  tf_store_release(&metrics->block_cnt, metrics->block_cnt + 1);
  return block;
}

uint32_t tf_metrics_block_cnt(const tf_metrics_t *metrics) {
  uint64_t cnt = tf_load_acquire(&metrics->block_cnt); /* pairs with: tf_metrics_block_add */
  return cnt < TF_METRICS_BLOCKS_MAX ? (uint32_t)cnt : TF_METRICS_BLOCKS_MAX;
}

const tf_metrics_block_t *tf_metrics_block(const tf_metrics_t *metrics, uint32_t idx) {
  TF_ASSERT(idx < TF_METRICS_BLOCKS_MAX);
  uint64_t offset = metrics->block_offsets[idx], page_bytes = metrics->page_bytes;
  if (offset < sizeof *metrics || offset % TF_LINE_PAIR_BYTES != 0 || offset >= page_bytes ||
      page_bytes - offset < sizeof(tf_metrics_block_t))
    return NULL;
  const tf_metrics_block_t *block =
      (const tf_metrics_block_t *)(const void *)((const char *)metrics + offset);
  bool has_hists = block->hist_cnt == TF_METRIC_HIST_CNT;
  if (block->scope >= TF_METRIC_SCOPE_CNT || (block->hist_cnt != 0 && !has_hists)) return NULL;
  if (has_hists && page_bytes - offset < sizeof *block + HISTS_BYTES) return NULL;
  return block;
}

const char *tf_metrics_block_name(const tf_metrics_block_t *block,
                                  char                      name[TF_METRICS_NAME_BYTES]) {
  memcpy(name, block->name, TF_METRICS_NAME_BYTES);
  name[TF_METRICS_NAME_BYTES - 1] = '\0';
  return name;
}

const tf_hist_t *tf_metrics_hist_of(const tf_metrics_block_t *block, tf_metric_hist_t hist) {
  return block->hist_cnt ? (const tf_hist_t *)(const void *)(block + 1) + hist : NULL;
}

uint64_t tf_metrics_sum(const tf_metrics_t *metrics, tf_metric_t metric) {
  uint32_t cnt = tf_metrics_block_cnt(metrics);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_metrics_block_t *block = tf_metrics_block(metrics, i);
    if (!block || block->scope != tf_metrics_info[metric].scope) continue;
    uint64_t value = tf_metrics_get(block, metric);
    if (tf_metrics_info[metric].type != TF_METRIC_STATE)
      sum += value;
    else if (value > sum)
      sum = value;
  }
  return sum;
}

void tf_metrics_hist_sum(const tf_metrics_t *metrics, tf_metric_hist_t hist, tf_hist_t *sum) {
  uint32_t cnt = tf_metrics_block_cnt(metrics);
  tf_hist_reset(sum);
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_metrics_block_t *block  = tf_metrics_block(metrics, i);
    const tf_hist_t          *source = block ? tf_metrics_hist_of(block, hist) : NULL;
    if (source) tf_hist_merge(sum, source);
  }
}

void tf_metrics_snapshot(const tf_metrics_t *metrics, uint64_t words[TF_METRIC_CNT]) {
  for (uint32_t i = 0; i < TF_METRIC_CNT; i++) words[i] = tf_metrics_sum(metrics, (tf_metric_t)i);
}
