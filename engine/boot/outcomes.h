/* The outcomes of a live run into its capture (tf/outcome.h, serve/outcome_log.h): those of workers and of shedding. And of a
 * capture into a replay.
 *
 * Opened once the workers are (boot/remotes.h), before the start; its source is acquire's. */
#ifndef TF_BOOT_OUTCOMES_H
#define TF_BOOT_OUTCOMES_H

#include "boot/engine.h"
#include "tf/tap.h"

typedef struct tf_outcome_capture tf_outcome_capture_t;

/* Of the engine's arena. */
size_t tf_outcomes_bytes(const tf_engine_t *engine);

/* Whether lanes may come to shed, or a capture may tell so. */
bool tf_outcomes_shed(const tf_engine_t *engine);

/* Live. Nothing where the tap is nobody's, or nothing of this config has outcomes. E_CORE_ARENA_FULL, E_CORE_NO_MEMORY. */
tf_err_t tf_outcomes_open(tf_engine_t *engine, tf_tap_t tap);
/* With the engine's start: shedding begins, or a replay's obedience. */
void tf_outcomes_start(tf_engine_t *engine);
/* The rest, after acquire and the lane ended. Accepts NULL, as fini does. */
void tf_outcomes_stop(tf_outcome_capture_t *capture);
void tf_outcomes_fini(tf_outcome_capture_t *capture);

/* Outcomes that went into the capture: at rest, for the ledger. */
uint64_t tf_outcomes_captured(const tf_outcome_capture_t *capture);

#endif
