/* The measurement behind a placement (placement_rule.h): rows of chance, the same ones always, answered by the CPU and, through the
 * mailbox that the lane will use, by a worker.
 *
 *   CPU      run, or the timed step of a window; what is deferred is not in it, as on a tick
 *   worker   from the row to the answer
 *
 * Where the config says the figures (place_cpu, place_worker) nothing is measured. Control plane, before the start: the
 * lane's side of the worker is in no other hands yet. */
#ifndef TF_BOOT_PLACEMENT_H
#define TF_BOOT_PLACEMENT_H

#include <jansson.h>

#include "boot/engine.h"
#include "boot/placement_rule.h"
#include "serve/child.h"

/* What stands in is to have its answer so long after the deadline. */
#define TF_PLACEMENT_STAND_IN_NS (50 * TF_NS_PER_US)

/* What the config says of models[model_idx]: deadline, budget, figures. */
void tf_placement_begin(const tf_config_t *config, uint32_t model_idx, tf_placement_t *place);

/* The CPU's median, where place has none. E_CORE_NO_MEMORY. */
tf_err_t tf_placement_measure_cpu(const tf_model_t *model, tf_placement_t *place);

/* Waits up to start_ns for the worker of lane to serve, measures it where place has no figure, and judges. True: the lane has taken the
 * worker, and goes on where this ended; its counts, deadline and limit are as they were. */
bool tf_placement_decide(tf_child_lane_t *lane, const tf_model_t *model, uint64_t start_ns,
                         tf_placement_t *place);

/* on, was, cpu_ns, worker_ns, why, and what else there is. */
json_t *tf_placement_json(const tf_placement_t *place);

/* For who asks without a run: where models[model_idx] of an engine would be answered, measured now by a worker of its own
 * where that is open. option, place: as a start would have them. E_CORE_*, those of a worker's start. */
tf_err_t tf_placement_explain(const tf_engine_t *engine, uint32_t model_idx, bool was_worker,
                              tf_placement_option_t *option, tf_placement_t *place);

#endif
