/* What a model's precision, pruning or clustering does to its answers on rows of the market, and the ranges that int8 rows are cut to. Control plane.
 *
 * A range is the greatest |x| that a product's rows had, or the magnitude below which the given share of all their values lies: what is beyond it is cut.
 * Magnitudes are counted in bins of 2^-7 of themselves, so a range by percentile is up to 0.8 % too wide. */
#ifndef TF_KERNELS_MODEL_CALIBRATE_H
#define TF_KERNELS_MODEL_CALIBRATE_H

#include "model/loader.h"
#include "model/rows.h"

#define TF_CALIBRATE_PERCENTILE_MIN 50.0
/* Evaluations in double for ranges, and answers to compare: fewer of them where they would take longer than some seconds. */
#define TF_CALIBRATE_MACS_MAX   4e9
#define TF_CALIBRATE_FLOPS_MAX  2e11
#define TF_CALIBRATE_ANSWER_MAX 65536u

/* Sets the ranges of graph's products from windows spread over rows. percentile: TF_CALIBRATE_PERCENTILE_MIN to 100. *cnt is how many
 * windows were run. E_CORE_NO_MEMORY. */
tf_err_t tf_calibrate_ranges(tf_graph_t *graph, const tf_rows_t *rows, double percentile,
                             uint32_t *cnt);

/* Of one output: |model - reference|, and how often their signs differ. */
typedef struct tf_calibrate_output {
  double max, mean, p99;
  double flips; /* share of the windows */
} tf_calibrate_output_t;

typedef struct tf_calibrate_error {
  uint32_t              window_cnt;
  uint32_t              output_cnt;
  double                error_max; /* relative to the greater of 1 and the reference's answer */
  uint64_t              worst_window;
  uint32_t              worst_output;
  tf_calibrate_output_t outputs[TF_MODEL_OUTPUTS_MAX];
} tf_calibrate_error_t;

/* The answers of two models to windows spread over rows; the same in shape. E_CORE_NO_MEMORY. */
tf_err_t tf_calibrate_compare(const tf_model_t *model, const tf_model_t *reference,
                              const tf_rows_t *rows, tf_calibrate_error_t *error);

#endif
