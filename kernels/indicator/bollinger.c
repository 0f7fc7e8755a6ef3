/* bollinger(x, n, width): middle = mean of the last n inputs, lower and upper = middle -+ width standard
 * deviations of the population (divided by n). First output at the n-th input. Accuracy and cost:
 * moments.h.
 *
 * J. Bollinger, Bollinger on Bollinger Bands (2001); TA-Lib BBANDS with an SMA. */
#include "indicator/moments.h"

enum { OUTPUTS = 3 };

typedef struct bollinger {
  double   width;
  uint64_t moments[]; /* tf_moments_t and its ring */
} bollinger_t;

static tf_indicator_result_t answer(const bollinger_t *s, const tf_moments_sums_t *sums,
                                    const tf_moments_view_t *view, double *out) {
  const tf_moments_t *m      = (const void *)s->moments;
  double              middle = sums->centre + view->away;
  double              half   = s->width * __builtin_sqrt(view->spread * m->inv_n);
  return tf_parts_answers(out, (double[]){middle - half, middle, middle + half}, OUTPUTS);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  bollinger_t  *s = state;
  tf_moments_t *m = (void *)s->moments;
  double        x = in->x[0];
  if (TF_UNLIKELY(!tf_parts_usable(x))) return TF_INDICATOR_REJECTED;
  tf_moments_view_t view;
  tf_moments_sums_t next    = tf_moments_step(m, x, &view);
  bool              is_warm = m->cnt + 1 >= m->n;
  if (TF_UNLIKELY(is_warm && !view.sound)) {
    tf_moments_renew(m, x, &next, &view);
    m->renew_cnt++;
  }
  tf_moments_keep(m, x, &next);
  return is_warm ? answer(s, &next, &view, out) : tf_parts_warming_all(out, OUTPUTS);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const bollinger_t  *s = state;
  const tf_moments_t *m = (const void *)s->moments;
  double              x = in->x[0];
  if (!tf_parts_usable(x)) return TF_INDICATOR_REJECTED;
  if (m->cnt + 1 < m->n) return tf_parts_warming_all(out, OUTPUTS);
  tf_moments_view_t view;
  tf_moments_sums_t next = tf_moments_step(m, x, &view);
  if (!view.sound) tf_moments_renew(m, x, &next, &view);
  return answer(s, &next, &view, out);
}

static size_t state_bytes(const double *params) {
  return offsetof(bollinger_t, moments) + tf_moments_bytes(params);
}

static tf_err_t init(void *state, const double *params) {
  bollinger_t *s = state;
  s->width       = params[1];
  return tf_moments_init((void *)s->moments, params);
}

static void reset(void *state) {
  bollinger_t *s         = state;
  double       params[2] = {((tf_moments_t *)s->moments)->n, s->width};
  (void)init(state, params);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t            n = (size_t)params[0];
  tf_moments_scan_t scan;
  for (size_t i = 0; i < len; i++) {
    tf_moments_scan(series[0], i, n, &scan);
    double half   = params[1] * __builtin_sqrt(scan.spread * (1.0 / params[0]));
    double middle = scan.centre + scan.away, nan = __builtin_nan("");
    out[0][i] = i + 1 < n ? nan : middle - half;
    out[1][i] = i + 1 < n ? nan : middle;
    out[2][i] = i + 1 < n ? nan : middle + half;
  }
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARTS_PARAM_N(20, 2, "window, in inputs"),
    {.name = "width",
                                  .kind = TF_PARAM_REAL,
                                  .dflt = 2,
                                  .min  = 0,
                                  .max  = 100,
                                  .help = "half width of the band, in standard deviations"}
};

const tf_indicator_t tf_indicator_bollinger = {
    .name        = "bollinger",
    .group       = TF_GROUP_OVERLAP,
    .help        = "mean of the last n inputs and a band around it: lower, middle, upper",
    .origin      = "Bollinger 2001, as TA-Lib BBANDS",
    .series_cnt  = 1,
    .output_cnt  = 3,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"lower",  "middle", "upper"},
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
