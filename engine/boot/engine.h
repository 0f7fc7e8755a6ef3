/* An engine: what a config and the registry's tables become. Boot sizes all memory, compiles the
 * features and rules, loads the models, opens the sinks, places the stages on threads; then the
 * arenas are sealed and the runner runs. Sources are made by the caller (tools), since they belong
 * to adapters: replay for recordings, sessions for live feeds.
 *
 *   init -> add_source... -> start -> (running) -> stop -> join -> fini
 *
 * Control plane: one thread, but for tf_engine_stop and what says otherwise. */
#ifndef TF_BOOT_ENGINE_H
#define TF_BOOT_ENGINE_H

#include "boot/card_plan.h"
#include "boot/config.h"
#include "boot/publish.h"
#include "core/arena.h"
#include "stage/runner.h"
#include "tf/labels.h"
#include "tf/outcome.h"
#include "tf/registry.h"

typedef struct tf_engine_options {
  bool is_check;   /* nothing is opened: neither sinks nor models that are not there yet */
  bool is_replay;  /* a busy shared-memory name gets this process's id appended */
  bool holds_lane; /* live: its events wait elsewhere, so block reaches the lane (docs/adr/0062) */
  uint32_t    instruments_min; /* room for as many, whatever the config names: a capture's */
  bool        features_only;   /* neither models, strategies nor sinks: what features eval runs */
  uint32_t    epoch;           /* of an engine of a group; 0: the seconds since 1970 */
  bool        one_by_one;      /* no batches: who looks on wants each decision beside its message */
  const char *decisions_path;  /* one more sink: a journal here; NULL for none */
  const void *snapshot; /* whose versions of models to begin with; NULL: the config's. The caller's,
                           until the start */
  size_t      snapshot_bytes;
  /* of a replay: what came of asking workers, and which models they answered (a bit each); NULL: all are run here. The caller's */
  const tf_outcomes_t *outcomes;
  uint32_t             remote_models;
} tf_engine_options_t;

/* What a live engine's numbers go on behind: the highest that earlier engines left in its sinks; 0: from 1. */
typedef struct tf_continues {
  uint64_t decision_seq;
  uint64_t ingest_seq; /* of sinks that carry events or quotes */
  uint64_t row_seq;    /* of sinks that carry feature rows */
} tf_continues_t;

typedef struct tf_engine {
  const tf_config_t         *config;
  const tf_registry_t       *registry;
  tf_engine_options_t        options;
  uint32_t                   epoch;
  tf_continues_t             continues; /* of a live one */
  tf_arena_t                 arena;
  tf_instruments_t           instruments;
  tf_labels_t                labels; /* for sinks: of the texts' model, once it is loaded */
  tf_feature_plan_t          plan;
  tf_card_plan_t             card_plans[TF_MODELS_MAX]; /* of features that a worker computes */
  tf_publish_t               publish;
  tf_model_t                *models[TF_MODELS_MAX];
  uint32_t                   versions[TF_MODELS_MAX]; /* of the registry; 0: a file by itself */
  uint32_t                   model_cnt;
  struct tf_model_server    *model_server;    /* NULL: no model is of a registry */
  struct tf_model_places    *model_places;    /* NULL: no model is one an instrument */
  struct tf_runtimes        *runtimes;        /* NULL: no model is answered by another runtime */
  struct tf_remotes         *remotes;         /* NULL: no model is answered by a worker */
  struct tf_text_source     *texts;           /* NULL: nobody reads texts */
  struct tf_outcome_capture *outcome_capture; /* NULL: nothing of it is captured */
  struct tf_snapshot_live   *snapshots;       /* NULL: none are taken while it runs */
  tf_lost_books_t  lost_books; /* written by the lane, for live sessions; a replay has none */
  tf_ring_writer_t event_writer, decision_writer;
  tf_ring_reader_t event_reader, decision_reader;
  tf_ring_t       *event_ring, *decision_ring; /* NULL where the pipeline is not cut */
  char             sink_paths[TF_SINKS_MAX][128], sink_names[TF_SINKS_MAX][32];
  const char      *strategy_names[TF_STRATEGIES_MAX];
  char             source_names[TF_SOURCES_MAX][32]; /* as acquire has them; "": an aid */
  tf_sink_filter_t sink_filters[TF_SINKS_MAX];
  tf_sink_low_t    sink_lows[TF_SINKS_MAX];
  tf_sink_ranks_t  sink_ranks[TF_SINKS_MAX];
  uint64_t         started_ns, ended_ns; /* monotonic */
  uint64_t         cpu_ns;               /* of the process between them; until join: at the start */
  tf_runner_t      runner;
} tf_engine_t;

/* Everything but sources and threads. On error the engine is to be fini'd all the same. */
tf_err_t tf_engine_init(tf_engine_t *engine, const tf_config_t *config,
                        const tf_registry_t *registry, const tf_engine_options_t *options);

/* Before start. name: the source's in the metrics. io: the loop that acquire polls for these sources;
 * not set in replay. */
tf_err_t tf_engine_add_source(tf_engine_t *engine, tf_source_t *source, const char *name);
void     tf_engine_set_io(tf_engine_t *engine, tf_io_t *io);

/* A live engine goes on behind the highest sequence that earlier ones left in its sinks: before control and start.
 * Waits for brokers to say what they hold, a few seconds at the most (sink/egress.h). */
void tf_engine_continue(tf_engine_t *engine);

/* Whether a capture has to say so. */
TF_INLINE bool tf_engine_continues(const tf_engine_t *engine) {
  const tf_continues_t *c = &engine->continues;
  return c->decision_seq != 0 || c->ingest_seq != 0 || c->row_seq != 0;
}

/* Whether a sink of policy block holds the lane up, for as long as it takes, before a record is lost. */
TF_INLINE bool tf_engine_waits(const tf_engine_t *engine) {
  return engine->options.is_replay || engine->options.holds_lane;
}

tf_err_t tf_engine_start(tf_engine_t *engine);
void     tf_engine_stop(tf_engine_t *engine); /* any thread, and a signal handler */
bool     tf_engine_is_running(const tf_engine_t *engine);
/* Waits for the end; the first error of a source or sink. */
tf_err_t tf_engine_join(tf_engine_t *engine);
void     tf_engine_fini(tf_engine_t *engine);

/* The feed of a venue, E_BOOT_INPUT with the known ones. */
tf_err_t tf_engine_feed(const tf_registry_t *registry, const char *venue, const tf_feed_t **feed);

#endif
