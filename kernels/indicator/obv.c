/* obv(close, volume): on-balance volume, the volume of bars that closed higher less that of bars that
 * closed lower, since the start; 0 at the first bar. Compensated (sum.h).
 *
 * J. Granville, Granville's New Key to Stock Market Profits (1963); TA-Lib's starts at the first volume. */
#include "indicator/parts.h"
#include "indicator/sum.h"

typedef struct obv {
  double   last_close;
  uint64_t has_last;
  tf_sum_t sum;
} obv_t;

static tf_indicator_result_t step(obv_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_all_usable(x, 2))) return TF_INDICATOR_REJECTED;
  double last = s->has_last ? s->last_close : x[0];
  if (x[0] != last) tf_sum_add(&s->sum, x[0] > last ? x[1] : -x[1]);
  s->last_close = x[0];
  s->has_last   = 1;
  return tf_parts_answer(out, tf_sum_value(&s->sum));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  obv_t                *s      = state;
  obv_t                 next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  obv_t next = *(const obv_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(obv_t);
}

static tf_err_t init(void *state, const double *params) {
  (void)params;
  *(obv_t *)state = (obv_t){0};
  return TF_OK;
}

static void reset(void *state) { *(obv_t *)state = (obv_t){0}; }

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  (void)params;
  tf_sum_t sum = {0};
  for (size_t i = 0; i < len; i++) {
    if (i && series[0][i] > series[0][i - 1]) tf_sum_add(&sum, series[1][i]);
    if (i && series[0][i] < series[0][i - 1]) tf_sum_add(&sum, -series[1][i]);
    out[0][i] = sum.hi + sum.lo;
  }
}

const tf_indicator_t tf_indicator_obv = {
    .name        = "obv",
    .group       = TF_GROUP_VOLUME,
    .help        = "volume of rising bars less that of falling ones since the start, in base units",
    .origin      = "Granville 1963",
    .series_cnt  = 2,
    .output_cnt  = 1,
    .on          = TF_ON_INPUT,
    .outputs     = {"obv"    },
    .series      = { "close", "volume"},
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
