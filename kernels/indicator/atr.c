/* atr(high, low, close, n): average true range, Wilder's smoothing (step 1 / n) of true_range, seeded
 * with the mean of the first n. First output at bar n.
 *
 * J. Welles Wilder, New Concepts in Technical Trading Systems (1978); Tulip's atr. TA-Lib's starts one
 * bar later, as it gives the first bar no range. */
#include "indicator/smooth.h"
#include "indicator/true_range.h"

typedef struct atr {
  double      last_close;
  uint64_t    has_last;
  tf_smooth_t range;
} atr_t;

static tf_indicator_result_t step(atr_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_all_usable(x, 3))) return TF_INDICATOR_REJECTED;
  double range  = s->has_last ? tf_true_range(x[0], x[1], s->last_close) : x[0] - x[1];
  s->last_close = x[2];
  s->has_last   = 1;
  return tf_smooth_add(&s->range, range) ? tf_parts_answer(out, s->range.mean)
                                         : tf_parts_warming(out);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  atr_t                *s      = state;
  atr_t                 next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  atr_t next = *(const atr_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(atr_t);
}

static tf_err_t init(void *state, const double *params) {
  atr_t *s = state;
  *s       = (atr_t){0};
  return tf_smooth_init_wilder(&s->range, params[0]);
}

static void reset(void *state) {
  atr_t *s      = state;
  s->last_close = 0;
  s->has_last   = 0;
  tf_smooth_reset(&s->range);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *h = series[0], *l = series[1], *c = series[2];
  double        mean = 0;
  for (size_t i = 0; i < len; i++) {
    double range = h[i] - l[i], last = i ? c[i - 1] : 0;
    if (i && __builtin_fabs(h[i] - last) > range) range = __builtin_fabs(h[i] - last);
    if (i && __builtin_fabs(l[i] - last) > range) range = __builtin_fabs(l[i] - last);
    out[0][i] = tf_smooth_scan(&mean, i, range, (size_t)params[0], 1.0 / params[0]);
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(14, 1, "period, in bars")};

const tf_indicator_t tf_indicator_atr = {
    .name        = "atr",
    .group       = TF_GROUP_VOLATILITY,
    .help        = "average true range, in price units",
    .origin      = "Wilder 1978, as Tulip atr",
    .series_cnt  = 3,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"atr"   },
    .series      = { "high", "low", "close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n_less_1,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
