/* The models that a worker process answers on the tick (models[].backend gpu, stub, and auto where that was placed there; ADR
 * 0032, 0035), joined: of each a worker under its supervisor (serve/child.h), the lane's side (serve/remote.h), and a thread that
 * compares some of the answers with the CPU's, starts the worker of a version that was swapped in, and shows what goes on.
 *
 *   lane --rows--> mailbox --> worker         lane --outcomes--> acquire --> capture
 *        <-answers--                          lane --samples--> this thread --doubt--> supervisor
 *
 * A replay starts none of them: it obeys the outcomes (tf_engine_options_t). Load and add belong to boot, open to whoever runs
 * live; then start, stop and fini with the engine's. */
#ifndef TF_BOOT_REMOTES_H
#define TF_BOOT_REMOTES_H

#include <jansson.h>

#include "boot/engine.h"
#include "serve/outcome_log.h"

typedef struct tf_remotes tf_remotes_t;

/* Of the engine's arena. */
size_t tf_remotes_bytes(const tf_engine_t *engine);
/* The model that was added to the compute stage last, if a worker may come to answer it, or did in the capture. E_CORE_ARENA_FULL,
 * E_CORE_OVERFLOW, E_CORE_NO_MEMORY. */
tf_err_t tf_remotes_add(tf_engine_t *engine, uint32_t model_idx);

/* Live: starts the workers, and waits for none but those of backend auto, which it measures beside the CPU.
 * E_RUNTIME_MISSING: there is no worker program; E_CORE_*. */
tf_err_t tf_remotes_open(tf_engine_t *engine);

/* A bit for each model that a worker answers, or before they are opened may come to; *output_cnt is raised to the most outputs of one. */
uint32_t tf_remotes_models(const tf_engine_t *engine, uint32_t *output_cnt);
/* Where their outcomes go. Before start; remotes may be NULL. */
void tf_remotes_set_log(tf_remotes_t *remotes, tf_outcome_log_t *log);

/* acquire's thread, and who stops it: a worker that has its restart budget again, each once. False: none. */
bool tf_remotes_take_mark(tf_remotes_t *remotes, tf_outcome_t *mark);

/* All accept NULL. */
tf_err_t tf_remotes_start(tf_remotes_t *remotes);
void     tf_remotes_stop(tf_remotes_t *remotes); /* after acquire and the lane ended */
void     tf_remotes_fini(tf_remotes_t *remotes);

/* The ledger's row, at rest: asked - sum of results, each without its sign. */
int64_t tf_remotes_residual(const tf_remotes_t *remotes);
/* Outcomes that went to the log. */
uint64_t tf_remotes_kept(const tf_remotes_t *remotes);
/* A replay's: outcomes in the capture of ticks that there were not. 0: the models and the config are those of the run. */
uint64_t tf_remotes_unmatched(const tf_remotes_t *remotes);

/* The lane's housekeeping: the figures of model_idx, if it is one of these. */
void tf_remotes_publish(const tf_remotes_t *remotes, uint32_t model_idx, tf_metrics_block_t *block);

/* For the summary, at rest: of model_idx, or NULL if it is not one of these. */
json_t *tf_remotes_json(tf_remotes_t *remotes, uint32_t model_idx);
/* For the operator, from the figures that are published: any thread. */
json_t *tf_remotes_status(tf_remotes_t *remotes, uint32_t model_idx,
                          const tf_metrics_block_t *block);

/* The worker of a model is ended, if it runs, and another started, with the whole restart budget. Any thread, one at a time; the work
 * is done afterwards. E_CONTROL_REQUEST: no worker answers a model of that name. */
tf_err_t tf_remotes_restart(tf_remotes_t *remotes, const char *name);
/* A row for each model of a worker: name, state, starts, ends, revived, .. */
json_t *tf_remotes_list(tf_remotes_t *remotes);

const char *tf_remotes_state_name(uint64_t state);

#endif
