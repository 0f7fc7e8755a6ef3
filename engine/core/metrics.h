/* Metrics: a page of plain words that any thread, or another process, may read while they are
 * counted.
 *
 * The page holds blocks. A block belongs to one writing thread and has every metric's word (those
 * of another scope stay 0 and are not shown), each block on line pairs of its own, so that counting
 * is one unshared store and a reader costs a writer nothing. What there is to count is said once,
 * in metrics.def. Blocks are added before threads start, or later: a reader sees a block only when
 * it is complete. Nothing is ever reset; readers take differences.
 *
 *   page   | header, 2 line pairs | block 0 | histograms of 0 | block 1 | ...
 *
 * The page may lie in shared memory: join checks magic, version and layout, and no offset is
 * trusted without a check. Memory is the caller's. */
#ifndef TF_CORE_METRICS_H
#define TF_CORE_METRICS_H

#include "core/hist.h"
#include "tf/atomic.h"
#include "tf/err.h"
#include "tf/feed.h"
#include "tf/runtime.h"
#include "tf/source.h"

#define TF_METRICS_MAGIC      UINT64_C(0x3147534d54454d54) /* "TMETMSG1" */
#define TF_METRICS_VERSION    1
#define TF_METRICS_BLOCKS_MAX 1024 /* 64 threads and sinks, 129 feeds with five connections each */
#define TF_METRICS_NAME_BYTES 32

typedef enum tf_metric {
#define TF_METRIC(id, ...) TF_METRIC_##id,
#include "core/metrics.def"
  TF_METRIC_CNT
} tf_metric_t;

typedef enum tf_metric_hist {
#define TF_METRIC_HIST(id, ...) TF_METRIC_HIST_##id,
#include "core/metrics.def"
  TF_METRIC_HIST_CNT
} tf_metric_hist_t;

typedef enum tf_metric_type {
  TF_METRIC_COUNTER,
  TF_METRIC_GAUGE,
  TF_METRIC_STATE
} tf_metric_type_t;

typedef enum tf_metric_scope {
  TF_METRIC_THREAD,
  TF_METRIC_FEED,
  TF_METRIC_LEG,
  TF_METRIC_SINK,
  TF_METRIC_MODEL,
  TF_METRIC_CACHE, /* a level of the model cache */
  TF_METRIC_GROUP,
  TF_METRIC_PARTITION,
  TF_METRIC_PROCESS,
  TF_METRIC_SCOPE_CNT
} tf_metric_scope_t;

typedef enum tf_metric_unit {
  TF_METRIC_NONE,
  TF_METRIC_BYTES,
  TF_METRIC_NS,
  TF_METRIC_NS_SIGNED /* the word is an int64_t */
} tf_metric_unit_t;

typedef struct tf_metric_info {
  const char *family;
  uint8_t     type, scope, unit;
  const char *label_key, *label_value;
  const char *help;
} tf_metric_info_t;

typedef struct tf_metric_hist_info {
  const char *stage, *help;
} tf_metric_hist_info_t;

extern const tf_metric_info_t      tf_metrics_info[TF_METRIC_CNT];
extern const tf_metric_hist_info_t tf_metrics_hist_info[TF_METRIC_HIST_CNT];

typedef struct TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_metrics_block {
  /* written once, before the block is published */
  char     name[TF_METRICS_NAME_BYTES]; /* "lane0", "main", "shm:decisions" */
  uint32_t scope;                       /* tf_metric_scope_t */
  uint32_t hist_cnt;                    /* TF_METRIC_HIST_CNT or 0 */
  uint64_t reserved[11];
  /* written by the block's thread */
  uint64_t words[TF_METRIC_CNT];
} tf_metrics_block_t;

typedef struct TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_metrics {
  uint64_t magic; /* written last by new, cleared first by delete */
  uint32_t version;
  uint32_t layout; /* hash of the table that the page was made with */
  uint64_t page_bytes;
  uint64_t used_bytes; /* written by tf_metrics_block_add */
  uint64_t block_cnt;  /* written by tf_metrics_block_add with release */
  uint64_t reserved[11];
  uint64_t block_offsets[TF_METRICS_BLOCKS_MAX]; /* of the page, written before block_cnt */
} tf_metrics_t;

TF_STATIC_ASSERT(offsetof(tf_metrics_block_t, words) == TF_LINE_PAIR_BYTES,
                 "counters start on a line pair of their own");
TF_STATIC_ASSERT(sizeof(tf_metrics_t) % TF_LINE_PAIR_BYTES == 0, "blocks stay aligned");
TF_STATIC_ASSERT(TF_METRIC_FEED_REJECTED_SYNTAX + TF_REJECT_CNT == TF_METRIC_FEED_EVENTS_TRADE,
                 "rejects are counted at FEED_REJECTED_SYNTAX + reason");
TF_STATIC_ASSERT(TF_METRIC_FEED_EVENTS_TRADE + TF_EVENT_KIND_CNT == TF_METRIC_FEED_MERGED,
                 "events are counted at FEED_EVENTS_TRADE + kind");
TF_STATIC_ASSERT(TF_METRIC_LEG_ENDED_NONE + TF_LEG_END_CNT == TF_METRIC_LEG_ENDED_IO + 1,
                 "ends are counted at LEG_ENDED_NONE + cause");
TF_STATIC_ASSERT(TF_METRIC_FEED_DIALS_FAILED_WAIT + TF_DIAL_CNT ==
                     TF_METRIC_FEED_DIALS_FAILED_DONE + 1,
                 "failed dials are counted at FEED_DIALS_FAILED_WAIT + phase");

/* ---- page: one thread builds ---- */

/* Bytes of a page for this many blocks, of which hist_block_cnt have histograms. 0 if block_cnt is
 * over TF_METRICS_BLOCKS_MAX or hist_block_cnt over block_cnt. */
size_t tf_metrics_footprint(uint32_t block_cnt, uint32_t hist_block_cnt);

/* Makes an empty page in memory of bytes bytes, aligned on TF_LINE_PAIR_BYTES. NULL, with
 * E_CORE_ARGUMENT recorded: memory NULL, misaligned or too small for the header. */
tf_metrics_t *tf_metrics_new(void *memory, size_t bytes);

/* A page that somebody else made, in memory of bytes bytes (a read-only mapping will do). NULL,
 * with E_SHM_LAYOUT recorded: not a page, another version or table, or larger than bytes. */
const tf_metrics_t *tf_metrics_join(const void *memory, size_t bytes);

/* Ends a join: nothing to do but to unmap, which is the caller's. Returns the memory. */
const void *tf_metrics_leave(const tf_metrics_t *metrics);

/* Unmakes the page: later joins fail. Returns the memory. */
void *tf_metrics_delete(tf_metrics_t *metrics);

/* Adds a block. name is cut to TF_METRICS_NAME_BYTES - 1 bytes. NULL, with E_CORE_ARENA_FULL
 * recorded, when the page was sized for fewer. One thread at a time. */
tf_metrics_block_t *tf_metrics_block_add(tf_metrics_t *metrics, tf_metric_scope_t scope,
                                         const char *name, bool with_hists);

/* ---- block: its one thread ---- */

TF_INLINE void tf_metrics_add(tf_metrics_block_t *block, tf_metric_t metric, uint64_t n) {
  tf_count_add(&block->words[metric], n);
}
TF_INLINE void tf_metrics_set(tf_metrics_block_t *block, tf_metric_t metric, uint64_t value) {
  /* relaxed: a lone word, read as it is */
  tf_store_relaxed(&block->words[metric], value);
}
TF_INLINE tf_hist_t *tf_metrics_hist(tf_metrics_block_t *block, tf_metric_hist_t hist) {
  return (tf_hist_t *)(void *)(block + 1) + hist;
}

/* ---- reading: any thread, any process ---- */

/* Blocks that are there; their order never changes. */
uint32_t tf_metrics_block_cnt(const tf_metrics_t *metrics);
/* Block idx; NULL if the page's offset points outside of it (a damaged page). */
const tf_metrics_block_t *tf_metrics_block(const tf_metrics_t *metrics, uint32_t idx);
/* Copies the block's name, cut at its end whatever the page says. Returns name. */
const char *tf_metrics_block_name(const tf_metrics_block_t *block,
                                  char                      name[TF_METRICS_NAME_BYTES]);

TF_INLINE uint64_t tf_metrics_get(const tf_metrics_block_t *block, tf_metric_t metric) {
  /* relaxed: a lone word; two words of one block may be from different moments */
  return tf_load_relaxed(&block->words[metric]);
}
/* The block's histogram; NULL if it has none. */
const tf_hist_t *tf_metrics_hist_of(const tf_metrics_block_t *block, tf_metric_hist_t hist);

/* Over all blocks of the metric's scope: sum of counters and gauges; for a STATE the largest. */
uint64_t tf_metrics_sum(const tf_metrics_t *metrics, tf_metric_t metric);
/* Merges all blocks' histograms of one kind into *sum, which is overwritten. */
void tf_metrics_hist_sum(const tf_metrics_t *metrics, tf_metric_hist_t hist, tf_hist_t *sum);
/* All sums at once. Words are read one after the other: exact at rest, close while running. */
void tf_metrics_snapshot(const tf_metrics_t *metrics, uint64_t words[TF_METRIC_CNT]);

#endif
