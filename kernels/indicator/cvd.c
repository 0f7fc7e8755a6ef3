/* cvd = sum of the quantities that buy aggressors traded less those of sell aggressors, since the start: cumulative
 * volume delta. Backfilled trades are left out, a trade of unknown side counts for neither. 0 before the
 * first trade. Compensated (sum.h). */
#include "indicator/window_values.h"

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  return tf_cvd_step(state, in, out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  tf_sum_t sum = *(const tf_sum_t *)state;
  return tf_cvd_step(&sum, in, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(tf_sum_t);
}

static tf_err_t init(void *state, const double *params) {
  (void)params;
  *(tf_sum_t *)state = (tf_sum_t){0};
  return TF_OK;
}

static void reset(void *state) { *(tf_sum_t *)state = (tf_sum_t){0}; }

const tf_indicator_t tf_indicator_cvd = {
    .name       = "cvd",
    .group      = TF_GROUP_TRADE,
    .help       = "quantity bought less quantity sold by aggressors since the start, in base units",
    .origin     = "cumulative volume delta",
    .output_cnt = 1,
    .on         = TF_ON_TRADE | TF_ON_TICK,
    .outputs    = {"cvd"},
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
