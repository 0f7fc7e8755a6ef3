/* zscore(x, n) = (x - mean) / stddev of the last n inputs, x being the newest of them; the population's
 * standard deviation (scipy.stats.zscore). 0 where the window is constant: x is then its mean. First
 * output at the n-th input. Accuracy and cost: moments.h. */
#include "indicator/moments.h"

static tf_indicator_result_t answer(const tf_moments_t *m, const tf_moments_sums_t *sums,
                                    const tf_moments_view_t *view, double x, double *out) {
  if (TF_UNLIKELY(view->spread == 0)) return tf_parts_answer(out, 0.0);
  double away = (x - sums->centre) - view->away;
  return tf_parts_answer(out, away / __builtin_sqrt(view->spread * m->inv_n));
}

TF_COLD static tf_indicator_result_t update_renewed(tf_moments_t *m, double x, double *out) {
  tf_moments_sums_t sums;
  tf_moments_view_t view;
  tf_moments_renew(m, x, &sums, &view);
  tf_moments_keep(m, x, &sums);
  m->renew_cnt++;
  return answer(m, &sums, &view, x, out);
}

TF_INLINE tf_indicator_result_t update_at(tf_moments_t *m, bool is_warm, double x, double *out) {
  tf_moments_view_t view;
  tf_moments_sums_t next = tf_moments_step(m, x, &view);
  if (TF_UNLIKELY(is_warm && !view.sound)) return update_renewed(m, x, out);
  tf_moments_keep(m, x, &next);
  return is_warm ? answer(m, &next, &view, x, out) : tf_parts_warming(out);
}

/* The inputs up to the one that fills the window: apart, so that the others ask once. */
TF_COLD static tf_indicator_result_t update_filling(tf_moments_t *m, double x, double *out) {
  return update_at(m, m->cnt + 1 == m->n, x, out);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_moments_t *m = state;
  double        x = in->x[0];
  if (TF_UNLIKELY(!tf_parts_usable(x))) return TF_INDICATOR_REJECTED;
  if (TF_UNLIKELY(m->cnt != m->n)) return update_filling(m, x, out);
  return update_at(m, true, x, out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_moments_t *m = state;
  double              x = in->x[0];
  if (!tf_parts_usable(x)) return TF_INDICATOR_REJECTED;
  if (m->cnt + 1 < m->n) return tf_parts_warming(out);
  tf_moments_view_t view;
  tf_moments_sums_t next = tf_moments_step(m, x, &view);
  if (!view.sound) tf_moments_renew(m, x, &next, &view);
  return answer(m, &next, &view, x, out);
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
