/* correlation(x, y, n): Pearson's correlation of the last n pairs, -1 to 1; no value while one of the series is
 * constant. First output at the n-th pair.
 *
 * How the window slides: block.h. Both parts are taken by Welford's recursion, over what the inputs are more
 * than one that is in the window (the block's first, the end's last), so that no digits are lost to the
 * height of the series nor to one that has left, and merged
 * by Chan's formula (T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for
 * computing sample variances", 1979). */
#include "indicator/block.h"

typedef struct parts {
  double mean_x, mean_y; /* x and y themselves in the current block */
  double xx, yy, xy;     /* sums of products of deviations from the means */
} parts_t;

typedef struct correlation {
  parts_t  block;                 /* the current one's */
  double   base[2], last_base[2]; /* its first inputs; the last ones of the last block */
  uint32_t n;
  uint32_t pos;
  uint32_t full;
  uint32_t reserved;
  parts_t  ring[]; /* n */
} correlation_t;

/* The cnt-th pair joins. */
static void join(parts_t *p, double x, double y, double cnt) {
  double dx = x - p->mean_x, dy = y - p->mean_y;
  p->mean_x += dx / cnt;
  p->mean_y += dy / cnt;
  p->xx += dx * (x - p->mean_x);
  p->yy += dy * (y - p->mean_y);
  p->xy += dx * (y - p->mean_y);
}

/* apart: how far what the end is counted from lies above what p is. */
static void merge(parts_t *p, double cnt, const parts_t *end, double end_cnt, double apart_x,
                  double apart_y) {
  double dx = end->mean_x - p->mean_x + apart_x, dy = end->mean_y - p->mean_y + apart_y;
  double weight = cnt * end_cnt / (cnt + end_cnt);
  p->xx += end->xx + dx * dx * weight;
  p->yy += end->yy + dy * dy * weight;
  p->xy += end->xy + dx * dy * weight;
}

static tf_indicator_result_t answer(const parts_t *p, double *out) {
  if (!(p->xx > 0) || !(p->yy > 0)) return tf_parts_warming(out);
  double r = p->xy / (__builtin_sqrt(p->xx) * __builtin_sqrt(p->yy));
  return tf_parts_answer(out, r > 1 ? 1.0 : r < -1 ? -1.0 : r);
}

static tf_indicator_result_t step(correlation_t *s, const parts_t *ring, const double *x,
                                  double *out) {
  uint32_t cnt = s->pos + 1, rest = s->n - cnt;
  if (s->pos == 0) memcpy(s->base, x, sizeof s->base);
  join(&s->block, x[0] - s->base[0], x[1] - s->base[1], (double)cnt);
  if (rest > 0 && !s->full) return tf_parts_warming(out);
  parts_t all = s->block;
  if (rest > 0)
    merge(&all, (double)cnt, &ring[cnt], (double)rest, s->last_base[0] - s->base[0],
          s->last_base[1] - s->base[1]);
  return answer(&all, out);
}

static void keep(correlation_t *s, const double *x) {
  s->ring[s->pos] = (parts_t){.mean_x = x[0], .mean_y = x[1]};
  if (!tf_block_turn(&s->pos, &s->full, s->n)) return;
  parts_t end = {0};
  memcpy(s->last_base, x, sizeof s->last_base);
  for (uint32_t i = s->n; i-- > 0;) {
    join(&end, s->ring[i].mean_x - x[0], s->ring[i].mean_y - x[1], (double)(s->n - i));
    s->ring[i] = end;
  }
  s->block = (parts_t){0};
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  correlation_t *s = state;
  if (TF_UNLIKELY(!tf_parts_all_usable(in->x, 2))) return TF_INDICATOR_REJECTED;
  correlation_t         next   = *s;
  tf_indicator_result_t result = step(&next, s->ring, in->x, out);
  *s                           = next;
  keep(s, in->x);
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const correlation_t *s    = state;
  correlation_t        next = *s;
  if (!tf_parts_all_usable(in->x, 2)) return TF_INDICATOR_REJECTED;
  return step(&next, s->ring, in->x, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(correlation_t), params[0], sizeof(parts_t));
}

static tf_err_t init(void *state, const double *params) {
  correlation_t *s = state;
  uint32_t       n;
  tf_err_t       err = tf_parts_count(params[0], 2, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((correlation_t *)state)->n;
  (void)init(state, &n);
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x = series[0], *y = series[1];
  size_t        n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    size_t  begin = i - i % n;
    parts_t own = {0}, end = {0};
    out[0][i] = __builtin_nan("");
    if (i + 1 < n) continue;
    for (size_t k = begin; k <= i; k++)
      join(&own, x[k] - x[begin], y[k] - y[begin], (double)(k - begin + 1));
    size_t last = begin ? begin - 1 : 0;
    for (size_t k = begin; k-- > i + 1 - n;)
      join(&end, x[k] - x[last], y[k] - y[last], (double)(begin - k));
    if (i + 1 - begin < n)
      merge(&own, (double)(i + 1 - begin), &end, (double)(begin + n - i - 1), x[last] - x[begin],
            y[last] - y[begin]);
    (void)answer(&own, &out[0][i]);
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(50, 2, "window, in inputs")};

const tf_indicator_t tf_indicator_correlation = {
    .name        = "correlation",
    .group       = TF_GROUP_STATISTIC,
    .help        = "correlation of the last n pairs of inputs, -1 to 1",
    .origin      = "Pearson; Welford 1962, Chan, Golub, LeVeque 1979",
    .series_cnt  = 2,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"correlation"},
    .series      = { "close",     "volume"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n_less_1,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
