/* sma(x, n): mean of the last n inputs; first output at the n-th. The sum is compensated (sum.h) and
 * renewed once in n inputs without a pause: a second sum starts from zero whenever the ring wraps,
 * takes only additions, and n inputs later is exactly the sum of the ring, so it takes over. Any
 * residue is gone at most n inputs after its cause has left. */
#include "indicator/parts.h"
#include "indicator/shared_steps.h"

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_sma_t *s = state;
  double    x = in->x[0];
  if (TF_UNLIKELY(!tf_parts_usable(x))) return TF_INDICATOR_REJECTED;
  double mean;
  if (TF_UNLIKELY(!tf_sma_step(s, x, &mean))) return tf_parts_warming(out);
  return tf_parts_answer(out, mean);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const tf_sma_t *s = state;
  if (!tf_parts_usable(in->x[0])) return TF_INDICATOR_REJECTED;
  if (!s->full && s->pos + 1 < s->n) return tf_parts_warming(out);
  return tf_parts_answer(out, tf_sma_next(s, in->x[0]).total / (double)s->n);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(tf_sma_t), params[0], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  tf_sma_t *s = state;
  uint32_t  n;
  tf_err_t  err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((tf_sma_t *)state)->n;
  (void)init(state, &n);
}

/* Whole series at hand: no ring, and each block of n starts its own sum. */
static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x   = series[0];
  size_t        n   = (size_t)params[0];
  tf_sum_t      run = {0};
  for (size_t block = 0; block < len; block += n) {
    tf_sum_t own = {0};
    for (size_t i = block; i < len && i < block + n; i++) {
      double total = tf_sum_replace(&run, i >= n ? x[i - n] : 0.0, x[i]);
      tf_sum_add(&own, x[i]);
      if (i == block + n - 1) {
        run   = own;
        total = own.hi + own.lo;
      }
      out[0][i] = i + 1 < n ? __builtin_nan("") : total / params[0];
    }
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARAM_PERIOD(30, 1)};

const tf_indicator_t tf_indicator_sma = {
    .name        = "sma",
    .group       = TF_GROUP_OVERLAP,
    .help        = "mean of the last n inputs",
    .origin      = "definition",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"sma"},
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
