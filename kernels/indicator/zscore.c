/* zscore(x, n) = (x - mean) / stddev of the last n inputs, x being the newest of them; the population's
 * standard deviation (scipy.stats.zscore). 0 where the window is constant: x is then its mean. First
 * output at the n-th input. Accuracy and cost: moments.h. */
#include "indicator/zscore.h"

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  return tf_zscore_update(state, in->x[0], out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_moments_t *m = state;
  double              x = in->x[0];
  if (!tf_parts_usable(x)) return TF_INDICATOR_REJECTED;
  if (m->cnt + 1 < m->n) return tf_parts_warming(out);
  tf_moments_view_t view;
  tf_moments_sums_t next = tf_moments_step(m, x, &view);
  if (!view.sound) tf_moments_renew(m, x, &next, &view);
  return tf_zscore_answer(m, &next, &view, x, out);
}

static size_t state_bytes(const double *params) { return tf_moments_bytes(params); }

static tf_err_t init(void *state, const double *params) { return tf_moments_init(state, params); }

static void reset(void *state) {
  double n = ((tf_moments_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double     *x = series[0];
  size_t            n = (size_t)params[0];
  tf_moments_scan_t scan;
  for (size_t i = 0; i < len; i++) {
    tf_moments_scan(x, i, n, &scan);
    double away = (x[i] - scan.centre) - scan.away;
    double dev  = __builtin_sqrt(scan.spread * (1.0 / params[0]));
    out[0][i]   = i + 1 < n ? __builtin_nan("") : (scan.spread == 0 ? 0.0 : away / dev);
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(100, 2, "window, in inputs")};

const tf_indicator_t tf_indicator_zscore = {
    .name        = "zscore",
    .group       = TF_GROUP_STATISTIC,
    .help        = "newest input less the mean of the last n, in standard deviations",
    .origin      = "definition, as scipy.stats.zscore",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"zscore"},
    .series      = {"close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n_less_1,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
