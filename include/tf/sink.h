/* The contract of a sink: one file adapters/sink/<name>.c exporting tf_sink_<name>, plus its line in
 * sinks.def. Called by the emit stage's thread only. Backpressure ends at the decision ring: a
 * sink that cannot take now returns fewer, and emit applies the declared policy. */
#ifndef TF_SINK_H
#define TF_SINK_H

#include "tf/decision.h"
#include "tf/err.h"
#include "tf/instrument.h"

typedef struct tf_sink_config {
  const char             *type;
  const char             *path;     /* file or shared-memory name; NULL if not given */
  uint64_t                slot_cnt; /* shm: ring size in decisions, a power of two */
  bool                    durable;  /* journal: a block counts as written when it is on disk */
  const char             *key_file; /* journal: of the key of its MACs; NULL: none */
  uint32_t                epoch;
  const tf_instruments_t *instruments;
} tf_sink_config_t;

typedef struct tf_sink {
  const char *name;
  const char *help;
  bool        reliable; /* false: lossy by design, its readers detect what they missed */
  size_t (*state_bytes)(const tf_sink_config_t *config);
  tf_err_t (*open)(void *state, const tf_sink_config_t *config);
  /* Takes the first k <= n decisions, in order, and returns k; < 0 is tf_err_t: broken for good. */
  int (*offer)(void *state, const tf_decision_t *decisions, uint32_t n);
  tf_err_t (*flush)(void *state, uint64_t now_ns); /* called when emit is idle, and before close */
  tf_err_t (*close)(void *state);
  /* The last decision_seq that is known to outlive a crash of the machine; NULL: nothing is kept. */
  uint64_t (*durable_seq)(const void *state);
} tf_sink_t;

#endif
