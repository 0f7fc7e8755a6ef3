/* quantile(x, n, q): the q-quantile of the last n inputs (0.5: the median), between order statistics linearly as
 * NumPy's default: at rank h = q (n - 1), x[floor h] + (h - floor h) (x[floor h + 1] - x[floor h]).
 * First output at the n-th input.
 *
 * The window is kept sorted beside the ring: an input costs two bisections and the move of what lies
 * between the value that leaves and the one that comes, so O(n); n is at most 65536. */
#include "indicator/parts.h"

enum { N_MAX = 65536 };

typedef struct quantile {
  double   q;
  uint32_t n;
  uint32_t pos; /* of the oldest input, where the next one goes */
  uint32_t cnt; /* inputs seen, up to n */
  uint32_t reserved;
  double   values[]; /* n in order of arrival, then n sorted */
} quantile_t;

/* How many of the sorted are less than x. */
static uint32_t rank_of(const double *sorted, uint32_t cnt, double x) {
  uint32_t low = 0;
  while (cnt > 0) {
    uint32_t half = cnt / 2;
    bool     less = sorted[low + half] < x;
    low += less ? half + 1 : 0;
    cnt = less ? cnt - half - 1 : half;
  }
  return low;
}

/* Of the full window once x has replaced the value at rank `gone`: the value at rank k. */
static double value_at(const double *sorted, uint32_t gone, double x, uint32_t place, uint32_t k) {
  if (k == place) return x;
  uint32_t other = k < place ? k : k - 1; /* its rank without x */
  return sorted[other < gone ? other : other + 1];
}

static double blend(double below, double above, double part) {
  return part == 0 ? below : below + part * (above - below);
}

/* The answer, and where x goes among the others. */
static tf_indicator_result_t answer(const quantile_t *s, double x, uint32_t *gone, uint32_t *place,
                                    double *out) {
  const double *sorted = s->values + s->n;
  bool          full   = s->cnt == s->n;
  *gone                = full ? rank_of(sorted, s->cnt, s->values[s->pos]) : s->cnt;
  *place               = rank_of(sorted, s->cnt, x);
  if (*place > *gone) --*place;
  if (s->cnt + 1 < s->n) return tf_parts_warming(out);
  double   h = s->q * (double)(s->n - 1);
  uint32_t k = (uint32_t)h, next = k + 1 < s->n ? k + 1 : k;
  return tf_parts_answer(out, blend(value_at(sorted, *gone, x, *place, k),
                                    value_at(sorted, *gone, x, *place, next), h - (double)k));
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  quantile_t *s = state;
  double      x = in->x[0], *sorted = s->values + s->n;
  uint32_t    gone, place;
  if (TF_UNLIKELY(!tf_parts_usable(x))) return TF_INDICATOR_REJECTED;
  tf_indicator_result_t result = answer(s, x, &gone, &place, out);
  if (place < gone)
    memmove(sorted + place + 1, sorted + place, (gone - place) * sizeof x);
  else
    memmove(sorted + gone, sorted + gone + 1, (place - gone) * sizeof x);
  sorted[place]     = x;
  s->values[s->pos] = x;
  s->pos            = s->pos + 1 == s->n ? 0 : s->pos + 1;
  if (s->cnt < s->n) s->cnt++;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  uint32_t gone, place;
  if (!tf_parts_usable(in->x[0])) return TF_INDICATOR_REJECTED;
  return answer(state, in->x[0], &gone, &place, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(quantile_t), params[0], 2 * sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  quantile_t *s = state;
  uint32_t    n;
  tf_err_t    err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK || n > N_MAX || !(params[1] >= 0 && params[1] <= 1)) return E_CORE_ARGUMENT;
  memset(s, 0, state_bytes(params));
  s->n = n;
  s->q = params[1];
  return TF_OK;
}

static void reset(void *state) {
  quantile_t *s         = state;
  double      params[2] = {s->n, s->q};
  (void)init(state, params);
}

/* By counting: the value at rank k has at most k smaller ones, and more than k that are not larger. */
static double pick(const double *x, size_t n, size_t k) {
  for (size_t i = 0; i < n; i++) {
    size_t less = 0, equal = 0;
    for (size_t j = 0; j < n; j++) {
      less += x[j] < x[i];
      equal += x[j] == x[i];
    }
    if (less <= k && k < less + equal) return x[i];
  }
  return __builtin_nan("");
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t n = (size_t)params[0];
  double h = params[1] * (params[0] - 1.0);
  size_t k = (size_t)h;
  for (size_t i = 0; i < len; i++) {
    out[0][i] = __builtin_nan("");
    if (i + 1 < n) continue;
    const double *x = &series[0][i + 1 - n];
    out[0][i]       = blend(pick(x, n, k), pick(x, n, k + 1 < n ? k + 1 : k), h - (double)k);
  }
}

static const tf_param_spec_t PARAMS[] = {
    {.name = "n",
     .kind = TF_PARAM_COUNT,
     .dflt = 50,
     .min  = 1,
     .max  = N_MAX,
     .help = "window, in inputs"     },
    {.name = "q",
     .kind = TF_PARAM_REAL,
     .dflt = 0.5,
     .min  = 0,
     .max  = 1,
     .help = "which quantile, 0 to 1"}
};

const tf_indicator_t tf_indicator_quantile = {
    .name        = "quantile",
    .group       = TF_GROUP_STATISTIC,
    .help        = "quantile of the last n inputs; 0.5 is the median",
    .origin      = "definition, as numpy.quantile (linear)",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"quantile"},
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
