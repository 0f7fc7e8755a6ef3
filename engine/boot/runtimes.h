/* The models that other runtimes answer (models[].backend onnxruntime and kserve; ADR 0031), joined: of each a worker's thread
 * (serve/worker.h), a watch on acquire's thread (serve/watch.h), and the lane's side (serve/foreign.h).
 *
 *   lane --asks--> worker --notes--> watch --events--> acquire --> lane, capture, replay
 *
 * A replay loads none of them: it obeys the events. Load and add belong to boot, open to whoever runs live; then start,
 * stop and fini with the engine's. */
#ifndef TF_BOOT_RUNTIMES_H
#define TF_BOOT_RUNTIMES_H

#include <jansson.h>

#include "boot/engine.h"
#include "tf/tap.h"

typedef struct tf_runtimes tf_runtimes_t;

/* Does another runtime answer it? */
TF_INLINE bool tf_runtimes_answers(const tf_config_model_t *model) {
  return tf_config_model_is_foreign(model);
}

/* The model of the config as the lane sees it. E_CORE_NO_MEMORY, E_RUNTIME_MISSING. */
tf_err_t tf_runtimes_load(tf_engine_t *engine, uint32_t model_idx, tf_model_t **model);
/* Of the engine's arena. */
size_t tf_runtimes_bytes(const tf_engine_t *engine);
/* The model that was added to the compute stage last, if it is one of these. E_CORE_ARENA_FULL, E_CORE_OVERFLOW. */
tf_err_t tf_runtimes_add(tf_engine_t *engine, uint32_t model_idx);

/* Live: opens the runtimes, and adds the source of their events. What opens them wrongly is told here; a server that is not
 * there is none. */
tf_err_t tf_runtimes_open(tf_engine_t *engine, tf_tap_t tap);

/* All accept NULL. */
tf_err_t tf_runtimes_start(tf_runtimes_t *runtimes);
void     tf_runtimes_stop(tf_runtimes_t *runtimes);
void     tf_runtimes_fini(tf_runtimes_t *runtimes);

/* The ledger's row, at rest: asked - superseded - taken - waiting, taken - expired - begun, begun - answered - missed -
 * under way, each without its sign. */
int64_t tf_runtimes_residual(const tf_runtimes_t *runtimes);

/* The lane's housekeeping: the figures of model_idx, if it is one of these. */
void tf_runtimes_publish(const tf_runtimes_t *runtimes, uint32_t model_idx,
                         tf_metrics_block_t *block);

/* For the summary, at rest: of model_idx, or NULL if it is not one of these. */
json_t *tf_runtimes_json(const tf_runtimes_t *runtimes, uint32_t model_idx);
/* For the operator, from the figures that are published: any thread. */
json_t *tf_runtimes_status(const tf_runtimes_t *runtimes, uint32_t model_idx,
                           const tf_metrics_block_t *block);

const char *tf_runtimes_state_name(uint64_t state);

#endif
