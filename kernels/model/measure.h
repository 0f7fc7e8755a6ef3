/* Timing a model, and its error. Times are of single runs between two serialised reads of the TSC
 * (their own cost, about 20 ns, is in them), on the thread that calls; pin it first. */
#ifndef TF_KERNELS_MODEL_MEASURE_H
#define TF_KERNELS_MODEL_MEASURE_H

#include "core/hist.h"
#include "model/loader.h"

/* What a tick's other work leaves of the caches: this much other data is written between two
 * runs. */
#define TF_MEASURE_OTHER_BYTES (512u << 10)
#define TF_MEASURE_BUSY_STEPS  1024u /* about a microsecond */

/* The timed path is what a decision waits for: run, or step. A model over a window does its deferred work
 * (advance) after each, outside of the times but for deferred_ns and ticks_per_second. */
typedef struct tf_measure {
  tf_hist_t cold_ns;     /* after the deferred work, then TF_MEASURE_OTHER_BYTES of other data */
  tf_hist_t warm_ns;     /* after the deferred work */
  tf_hist_t deferred_ns; /* the deferred work; empty without a window */
  tf_hist_t late_ns;     /* a tick that came before the deferred work of one before it */
  /* TF_MEASURE_BUSY_STEPS multiplications, each waiting for the one before, beside each of cold_ns: no memory, so what its tail
   * has the machine has, not the model. */
  tf_hist_t busy_ns;
  /* A net whose window slides: a recompute of the window instead, one beside each TF_MEASURE_WHOLE_EVERY of cold_ns, after as
   * much other data; else empty. */
  tf_hist_t whole_ns;
  double    ticks_per_second; /* all of it, back to back, without reading the clock in between */
} tf_measure_t;

#define TF_MEASURE_WHOLE_EVERY 8u

/* Runs about a third of seconds for each figure, at least 100 runs. tf_clock_calibrate() first.
 * E_CORE_NO_MEMORY. */
tf_err_t tf_measure_time(const tf_model_t *model, double seconds, tf_measure_t *measure);

/* From a file to its first answer, the file in the page cache: parsed, packed, its known answers checked, one window answered. The
 * least of TF_MEASURE_LOAD_RUNS. As tf_loader_load. */
#define TF_MEASURE_LOAD_RUNS 3u
tf_err_t tf_measure_load(const char *path, const tf_loader_options_t *options, uint64_t *ns);

/* The greatest |model - graph in double| over random windows: 1024 of them, fewer where the double
 * evaluation would take more than a few seconds, never less than 2. *cnt is how many. */
tf_err_t tf_measure_error(const tf_graph_t *graph, const tf_model_t *model, double *error_max,
                          uint32_t *cnt);

#endif
