/* Publishes the stages' own counters on the metrics page, about once a millisecond, each from the
 * thread that counts: a stage's hot code adds to plain words of its own and never touches the page. */
#ifndef TF_BOOT_PUBLISH_H
#define TF_BOOT_PUBLISH_H

#include "core/metrics.h"
#include "serve/cache.h"
#include "stage/runner.h"

typedef struct tf_publish {
  const tf_runner_t        *runner;
  const tf_instruments_t   *instruments;
  tf_metrics_t             *page;
  void                     *memory;  /* of the page; heap */
  tf_metrics_block_t       *control; /* written by the thread that waits for the engine */
  tf_metrics_block_t       *threads[TF_THREADS_MAX];
  tf_metrics_block_t       *feeds[TF_SOURCES_MAX];
  tf_metrics_block_t       *legs[TF_SOURCES_MAX][TF_SOURCE_LEGS_MAX];
  tf_metrics_block_t       *sinks[TF_SINKS_MAX];
  tf_metrics_block_t       *models[TF_MODELS_MAX];
  tf_metrics_block_t       *cache_levels[TF_CACHE_LEVELS_MAX]; /* written by model_places' thread */
  const struct tf_runtimes *runtimes;     /* of models that others answer; NULL: none */
  const struct tf_remotes  *remotes;      /* of models that workers answer; NULL: none */
  uint32_t                  warmup_at;    /* the lane's: the instrument that is looked at next */
  uint32_t                  quantiles_at; /* acquire's: the distribution that is summed up next */
} tf_publish_t;

/* Makes the page, before the runner's threads are placed on it. */
tf_err_t tf_publish_init(tf_publish_t *publish, const tf_runner_t *runner,
                         const tf_instruments_t *instruments);
void     tf_publish_fini(tf_publish_t *publish);

/* A block per source, sink and model, and one for each connection of a source; names as the config gives them. */
tf_err_t tf_publish_add_feed(tf_publish_t *publish, uint32_t source_idx, const char *name);
tf_err_t tf_publish_add_sink(tf_publish_t *publish, uint32_t sink_idx, const char *name);
tf_err_t tf_publish_add_model(tf_publish_t *publish, uint32_t model_idx, const char *name);

/* A level of the model cache. */
tf_err_t tf_publish_add_cache_level(tf_publish_t *publish, uint32_t level_idx, const char *name);

/* The control thread's own figures, once a second or so: of the allocator, 0 where it has none. */
void tf_publish_control(tf_publish_t *publish, uint64_t heap_allocated_bytes,
                        uint64_t heap_resident_bytes);

/* One figure of the process, from the control thread. */
void tf_publish_process(tf_publish_t *publish, tf_metric_t metric, uint64_t value);

/* The runner's housekeep callback. */
void tf_publish_run(void *self, uint32_t stages, uint64_t now_ns);

/* The lane's histograms (TF_HOP_CNT of them) lie in its thread's block. */
tf_hist_t *tf_publish_hists(tf_publish_t *publish);
/* The I/O loop's (tf_io_t.stamp_ages) in the block of the thread that polls it. */
tf_hist_t *tf_publish_receive(tf_publish_t *publish);

#endif
