/* Timing a plan, and its error. Times are of single runs between two serialised reads of the TSC
 * (their own cost, about 20 ns, is in them), on the thread that calls; pin it first. */
#ifndef TF_KERNELS_MODEL_MEASURE_H
#define TF_KERNELS_MODEL_MEASURE_H

#include "core/hist.h"
#include "model/plan.h"

/* What a tick's other work leaves of the caches: this much other data is written between two
 * runs. */
#define TF_MEASURE_OTHER_BYTES (512u << 10)

typedef struct tf_measure {
  tf_hist_t cold_ns;          /* after TF_MEASURE_OTHER_BYTES of other data were touched */
  tf_hist_t warm_ns;          /* back to back */
  double    ticks_per_second; /* back to back, without reading the clock in between */
} tf_measure_t;

/* Runs about a third of seconds for each figure, at least 100 runs. tf_clock_calibrate() first.
 * E_CORE_NO_MEMORY. */
tf_err_t tf_measure_time(const tf_plan_t *plan, double seconds, tf_measure_t *measure);

/* The greatest |plan - graph in double| over row_cnt random rows. */
tf_err_t tf_measure_error(const tf_graph_t *graph, const tf_plan_t *plan, uint32_t row_cnt,
                          double *error_max);

#endif
