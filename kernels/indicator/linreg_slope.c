/* linreg_slope(x, n): slope of the least squares line through the last n inputs, in units of x an input.
 * With d = x less a reference of its block, so that a trend is not lost in the height of x, S = sum(d)
 * and W = sum(i d), i = 1 for the oldest:
 *
 *   slope = 12 (W - S (n + 1) / 2) / (n (n^2 - 1))
 *
 * How the window slides: block.h. The reference is one that is in the window, the block's first input
 * and the end's last; the end is brought to the block's by adding the difference. First output at the n-th input. TA-Lib LINEARREG_SLOPE. */
#include "indicator/block.h"

typedef struct entry {
  double sum,
      weighted; /* of the entries from here on; sum is the input itself in the current block */
} entry_t;

typedef struct linreg_slope {
  double   sum, weighted; /* of the current block less its reference */
  double   reference, last_reference;
  uint32_t n;
  uint32_t pos;
  uint32_t full;
  uint32_t reserved;
  entry_t  ring[]; /* n */
} linreg_slope_t;

static double slope_of(double sum, double weighted, double n) {
  return (weighted - sum * (0.5 * (n + 1.0))) * 12.0 / (n * (n * n - 1.0));
}

static tf_indicator_result_t step(linreg_slope_t *s, const entry_t *ring, const double *x,
                                  double *out) {
  uint32_t cnt = s->pos + 1, rest = s->n - cnt;
  if (s->pos == 0) s->reference = x[0];
  double d = x[0] - s->reference;
  s->sum += d;
  s->weighted += (double)cnt * d;
  if (rest > 0 && !s->full) return tf_parts_warming(out);
  double sum = s->sum, weighted = s->weighted + (double)rest * s->sum;
  if (rest > 0) {
    double shift = s->last_reference - s->reference, k = (double)rest;
    sum += ring[cnt].sum + k * shift;
    weighted += ring[cnt].weighted + 0.5 * k * (k + 1.0) * shift;
  }
  return tf_parts_answer(out, slope_of(sum, weighted, (double)s->n));
}

static void keep(linreg_slope_t *s, const double *x) {
  s->ring[s->pos].sum = x[0];
  if (!tf_block_turn(&s->pos, &s->full, s->n)) return;
  double sum = 0, weighted = 0;
  for (uint32_t i = s->n; i-- > 0;) {
    sum += s->ring[i].sum - x[0];
    weighted += sum;
    s->ring[i] = (entry_t){sum, weighted};
  }
  s->last_reference = x[0];
  s->sum = s->weighted = 0;
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  linreg_slope_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  linreg_slope_t        next   = *s;
  tf_indicator_result_t result = step(&next, s->ring, in->x, out);
  *s                           = next;
  keep(s, in->x);
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const linreg_slope_t *s    = state;
  linreg_slope_t        next = *s;
  if (!tf_parts_usable(in->x[0])) return TF_INDICATOR_REJECTED;
  return step(&next, s->ring, in->x, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(linreg_slope_t), params[0], sizeof(entry_t));
}

static tf_err_t init(void *state, const double *params) {
  linreg_slope_t *s = state;
  uint32_t        n;
  tf_err_t        err = tf_parts_count(params[0], 2, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((linreg_slope_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0];
  size_t        n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    size_t begin = i - i % n, rest = n - 1 - i % n;
    double own = 0, own_weighted = 0, end = 0, end_weighted = 0;
    out[0][i] = __builtin_nan("");
    if (i + 1 < n) continue;
    for (size_t k = begin; k <= i; k++) {
      own += x[k] - x[begin];
      own_weighted += (double)(k - begin + 1) * (x[k] - x[begin]);
    }
    for (size_t k = begin; k-- > i + 1 - n;) {
      end += x[k] - x[begin - 1];
      end_weighted += end;
    }
    double weighted = own_weighted + (double)rest * own;
    if (rest > 0) {
      double shift = x[begin - 1] - x[begin];
      own += end + (double)rest * shift;
      weighted += end_weighted + 0.5 * (double)rest * ((double)rest + 1.0) * shift;
    }
    double y = (weighted - own * (0.5 * (params[0] + 1.0))) * 12.0 /
               (params[0] * (params[0] * params[0] - 1.0));
    if (tf_parts_finite(y)) out[0][i] = y;
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(14, 2, "window, in inputs")};

const tf_indicator_t tf_indicator_linreg_slope = {
    .name  = "linreg_slope",
    .group = TF_GROUP_STATISTIC,
    .help  = "slope of the least squares line through the last n inputs, in units of the input per "
             "input",
    .origin      = "least squares, as TA-Lib LINEARREG_SLOPE",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"linreg_slope"},
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
