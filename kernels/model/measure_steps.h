/* A model's plan step by step: what each one does, and how long it takes when it runs over and over, so with its weights in the nearest
 * cache that holds them. Steps of chains take tens of nanoseconds, so each is repeated between two reads of the clock; a
 * net's are timed in their order, a read of the clock each (net_plan.h): of a window that slides what a tick does (net_stream.h), else a
 * recompute of it. */
#ifndef TF_KERNELS_MODEL_MEASURE_STEPS_H
#define TF_KERNELS_MODEL_MEASURE_STEPS_H

#include "model/loader.h"

#define TF_MEASURE_STEP_TEXT_BYTES 200u
/* Of each step of a chain: runs between two reads of the clock, and how often; the least counts. */
#define TF_MEASURE_STEP_REPEATS 64u
#define TF_MEASURE_STEP_TRIES   200u
/* Of a net: runs of all of its steps, back to back. */
#define TF_MEASURE_NET_RUNS 2000u

typedef struct tf_measure_step {
  char     text[TF_MEASURE_STEP_TEXT_BYTES];
  double   ns;
  uint64_t flops;
  uint64_t bytes;    /* of weights, as packed, and of values read and written */
  bool     deferred; /* done after the answer */
} tf_measure_step_t;

/* Of a chain or a net; over a window the timed path's steps, then the deferred ones. *steps is the caller's to free.
 * tf_clock_calibrate() first. E_CORE_NO_MEMORY. */
tf_err_t tf_measure_steps(const tf_model_t *model, tf_measure_step_t **steps, uint32_t *cnt);

#endif
