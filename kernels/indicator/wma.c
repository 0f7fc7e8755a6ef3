/* wma(x, n) = sum(i x[i]) / sum(i) over the last n inputs, i = 1 for the oldest and n for the newest: linearly weighted
 * moving average. First output at the n-th input. How the window slides: block.h; with S and W the sum
 * and the weighted sum of a block's end, W[j] = W[j + 1] + S[j].
 *
 * TA-Lib WMA. */
#include "indicator/block.h"

typedef struct entry {
  double sum,
      weighted; /* of the entries from here on; sum is the input itself in the current block */
} entry_t;

typedef struct wma {
  double   sum, weighted; /* of the current block, weights from 1 */
  uint32_t n;
  uint32_t pos;
  uint32_t full;
  uint32_t reserved;
  entry_t  ring[]; /* n */
} wma_t;

static tf_indicator_result_t step(wma_t *s, const entry_t *ring, const double *x, double *out) {
  uint32_t cnt = s->pos + 1, rest = s->n - cnt; /* of this block; of the last one */
  s->sum += x[0];
  s->weighted += (double)cnt * x[0];
  if (rest > 0 && !s->full) return tf_parts_warming(out);
  double total = s->weighted + (double)rest * s->sum;
  if (rest > 0) total += ring[cnt].weighted;
  return tf_parts_answer(out, total / (0.5 * (double)s->n * ((double)s->n + 1.0)));
}

static void keep(wma_t *s, const double *x) {
  s->ring[s->pos].sum = x[0];
  if (!tf_block_turn(&s->pos, &s->full, s->n)) return;
  double sum = 0, weighted = 0;
  for (uint32_t i = s->n; i-- > 0;) {
    sum += s->ring[i].sum;
    weighted += sum;
    s->ring[i] = (entry_t){sum, weighted};
  }
  s->sum = s->weighted = 0;
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  wma_t *s = state;
  if (TF_UNLIKELY(!tf_parts_usable(in->x[0]))) return TF_INDICATOR_REJECTED;
  wma_t                 next   = *s;
  tf_indicator_result_t result = step(&next, s->ring, in->x, out);
  *s                           = next;
  keep(s, in->x);
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const wma_t *s    = state;
  wma_t        next = *s;
  if (!tf_parts_usable(in->x[0])) return TF_INDICATOR_REJECTED;
  return step(&next, s->ring, in->x, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(wma_t), params[0], sizeof(entry_t));
}

static tf_err_t init(void *state, const double *params) {
  wma_t   *s = state;
  uint32_t n;
  tf_err_t err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((wma_t *)state)->n;
  (void)init(state, &n);
}

/* Both parts of each window added up from the series. */
static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0];
  size_t        n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    size_t begin = i - i % n; /* of the current block */
    double sum = 0, weighted = 0, end = 0, end_weighted = 0;
    for (size_t k = begin; k <= i; k++) {
      sum += x[k];
      weighted += (double)(k - begin + 1) * x[k];
    }
    for (size_t k = begin; i + 1 >= n && k-- > i + 1 - n;) {
      end += x[k];
      end_weighted += end;
    }
    double total = weighted + (double)(n - 1 - i % n) * sum;
    if (i % n + 1 < n) total += end_weighted;
    out[0][i] = i + 1 < n ? __builtin_nan("") : total / (0.5 * params[0] * (params[0] + 1.0));
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARAM_PERIOD(30, 1)};

const tf_indicator_t tf_indicator_wma = {
    .name        = "wma",
    .group       = TF_GROUP_OVERLAP,
    .help        = "linearly weighted moving average",
    .origin      = "definition, as TA-Lib WMA",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"wma"},
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
