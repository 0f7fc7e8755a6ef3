/* true_range(high, low, close): how far a bar reached, the gap from the last close included
 * (true_range.h). First output at the first bar. */
#include "indicator/true_range.h"

typedef struct true_range {
  double   last_close;
  uint64_t has_last;
} true_range_t;

static tf_indicator_result_t step(true_range_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_all_usable(x, 3))) return TF_INDICATOR_REJECTED;
  double range  = s->has_last ? tf_true_range(x[0], x[1], s->last_close) : x[0] - x[1];
  s->last_close = x[2];
  s->has_last   = 1;
  return tf_parts_answer(out, range);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  true_range_t         *s      = state;
  true_range_t          next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  true_range_t next = *(const true_range_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(true_range_t);
}

static tf_err_t init(void *state, const double *params) {
  (void)params;
  *(true_range_t *)state = (true_range_t){0};
  return TF_OK;
}

static void reset(void *state) { *(true_range_t *)state = (true_range_t){0}; }

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  (void)params;
  const double *h = series[0], *l = series[1], *c = series[2];
  for (size_t i = 0; i < len; i++) {
    out[0][i] = h[i] - l[i];
    if (i == 0) continue;
    double up = __builtin_fabs(h[i] - c[i - 1]), down = __builtin_fabs(l[i] - c[i - 1]);
    if (up > out[0][i]) out[0][i] = up;
    if (down > out[0][i]) out[0][i] = down;
  }
}

const tf_indicator_t tf_indicator_true_range = {
    .name        = "true_range",
    .group       = TF_GROUP_VOLATILITY,
    .help        = "range of a bar with the gap from the last close, in price units",
    .origin      = "Wilder 1978, as Tulip tr",
    .series_cnt  = 3,
    .output_cnt  = 1,
    .on          = TF_ON_INPUT,
    .outputs     = {"true_range"},
    .series      = { "high", "low", "close"},
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
