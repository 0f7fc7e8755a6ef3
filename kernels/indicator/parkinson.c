/* parkinson(high, low, n) = sqrt(sum(ln(high / low)^2) / (4 n ln 2)) over the last n bars: volatility from ranges, a
 * bar, not annualised. First output at bar n. Bars that are not positive are rejected. The logarithm is
 * log_ratio.h, how the window slides: block.h.
 *
 * M. Parkinson, "The extreme value method for estimating the variance of the rate of return", J. of
 * Business 53 (1980) 61-65. */
#include "indicator/block.h"
#include "indicator/log_ratio.h"

#define FOUR_LN_2 2.7725887222397811

typedef struct parkinson {
  double   sum; /* of the current block */
  uint32_t n;
  uint32_t pos;
  uint32_t full;
  uint32_t reserved;
  double   ring[]; /* n: squares, sums of the squares from here on */
} parkinson_t;

static bool usable(const double *x) { return tf_parts_all_usable(x, 2) && x[0] > 0 && x[1] > 0; }

static double square_of(const double *x) {
  double r = tf_log_ratio(x[0], x[1]);
  return r * r;
}

static tf_indicator_result_t step(parkinson_t *s, const double *ring, const double *x,
                                  double *out) {
  uint32_t cnt = s->pos + 1;
  s->sum += square_of(x);
  if (cnt < s->n && !s->full) return tf_parts_warming(out);
  double total = cnt < s->n ? s->sum + ring[cnt] : s->sum;
  return tf_parts_answer(out, __builtin_sqrt(total / (FOUR_LN_2 * (double)s->n)));
}

static void keep(parkinson_t *s, const double *x) {
  s->ring[s->pos] = square_of(x);
  if (!tf_block_turn(&s->pos, &s->full, s->n)) return;
  for (uint32_t i = s->n - 1; i-- > 0;) s->ring[i] += s->ring[i + 1];
  s->sum = 0;
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  parkinson_t *s = state;
  if (TF_UNLIKELY(!usable(in->x))) return TF_INDICATOR_REJECTED;
  parkinson_t           next   = *s;
  tf_indicator_result_t result = step(&next, s->ring, in->x, out);
  *s                           = next;
  keep(s, in->x);
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const parkinson_t *s    = state;
  parkinson_t        next = *s;
  if (!usable(in->x)) return TF_INDICATOR_REJECTED;
  return step(&next, s->ring, in->x, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(parkinson_t), params[0], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  parkinson_t *s = state;
  uint32_t     n;
  tf_err_t     err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((parkinson_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    size_t begin = i - i % n;
    double own = 0, end = 0;
    for (size_t k = begin; k <= i; k++) own += square_of((double[]){series[0][k], series[1][k]});
    for (size_t k = begin; i + 1 >= n && k-- > i + 1 - n;)
      end += square_of((double[]){series[0][k], series[1][k]});
    if (i + 1 - begin < n) own += end;
    out[0][i] = i + 1 < n ? __builtin_nan("") : __builtin_sqrt(own / (FOUR_LN_2 * params[0]));
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(20, 1, "window, in bars")};

const tf_indicator_t tf_indicator_parkinson = {
    .name        = "parkinson",
    .group       = TF_GROUP_VOLATILITY,
    .help        = "volatility from the ranges of the last n bars, per bar",
    .origin      = "Parkinson 1980",
    .series_cnt  = 2,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"parkinson"},
    .series      = { "high",      "low"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n_less_1,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
