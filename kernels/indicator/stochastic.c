/* stochastic(high, low, close, n, d): k = 100 (close - L) / (H - L), H and L being the highest high and the
 * lowest low of the last n bars, 50 where they are equal; d = the mean of the last `d` values of k. Both
 * come at once, when there is a d: at bar n + d - 1. The mean is added up anew each time: d is small.
 *
 * G. Lane's oscillator, as TA-Lib STOCHF (the fast one). */
#include "indicator/channel.h"

enum { OUTPUTS = 2, D_MAX = 64 };

typedef struct stochastic {
  uint32_t d;
  uint32_t cnt; /* values of k seen, up to d */
  uint32_t pos; /* of the oldest k, where the next one goes */
  uint32_t reserved;
  double   ks[D_MAX];
  uint64_t channel[]; /* tf_channel_bytes */
} stochastic_t;

static double k_of(const tf_channel_t *view, double close) {
  double range = view->top - view->bottom;
  return range == 0 ? 50.0 : 100.0 * ((close - view->bottom) / range);
}

static tf_indicator_result_t answer(const stochastic_t *s, double k, double *out) {
  double sum = 0;
  if (s->cnt + 1 < s->d) return tf_parts_warming_all(out, OUTPUTS);
  for (uint32_t i = 1; i < s->d; i++) /* oldest first, without the one that k replaces */
    sum += s->ks[s->pos + i < s->d ? s->pos + i : s->pos + i - s->d];
  return tf_parts_answers(out, (double[]){k, (sum + k) / (double)s->d}, OUTPUTS);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  stochastic_t *s    = state;
  tf_channel_t  view = {0};
  if (TF_UNLIKELY(!tf_parts_all_usable(in->x, 3))) return TF_INDICATOR_REJECTED;
  if (!tf_channel_update(s->channel, in->x[0], in->x[1], &view))
    return tf_parts_warming_all(out, OUTPUTS);
  double                k      = k_of(&view, in->x[2]);
  tf_indicator_result_t result = answer(s, k, out);
  s->ks[s->pos]                = k;
  s->pos                       = s->pos + 1 == s->d ? 0 : s->pos + 1;
  if (s->cnt < s->d) s->cnt++;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const stochastic_t *s    = state;
  tf_channel_t        view = {0};
  if (!tf_parts_all_usable(in->x, 3)) return TF_INDICATOR_REJECTED;
  if (!tf_channel_peek(s->channel, in->x[0], in->x[1], &view))
    return tf_parts_warming_all(out, OUTPUTS);
  return answer(s, k_of(&view, in->x[2]), out);
}

static size_t state_bytes(const double *params) {
  return offsetof(stochastic_t, channel) + tf_channel_bytes(params);
}

static tf_err_t init(void *state, const double *params) {
  stochastic_t *s = state;
  memset(s, 0, sizeof *s);
  tf_err_t err = tf_parts_count(params[1], 1, &s->d);
  if (err || s->d > D_MAX) return E_CORE_ARGUMENT;
  return tf_channel_init(s->channel, params);
}

static void reset(void *state) {
  stochastic_t *s         = state;
  double        params[2] = {((tf_extreme_t *)s->channel)->n, s->d};
  (void)init(state, params);
}

static uint64_t lookback(const double *params) {
  return (uint64_t)params[0] + (uint64_t)params[1] - 2;
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t n = (size_t)params[0], d = (size_t)params[1];
  for (size_t i = 0; i < len; i++) {
    double sum = 0, k = 0;
    out[0][i] = out[1][i] = __builtin_nan("");
    if (i + 2 < n + d) continue;
    for (size_t j = i + 1 - d; j <= i; j++) {
      tf_channel_t view = {0};
      (void)tf_channel_scan(series[0], series[1], j, n, &view);
      double range = view.top - view.bottom;
      k            = range == 0 ? 50.0 : 100.0 * ((series[2][j] - view.bottom) / range);
      sum += k;
    }
    out[0][i] = k;
    out[1][i] = sum / (double)d;
  }
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARTS_PARAM_N(14, 1, "window, in bars"),
    {.name = "d",
                                .kind = TF_PARAM_COUNT,
                                .dflt = 3,
                                .min  = 1,
                                .max  = D_MAX,
                                .help = "values of k that d is the mean of"}
};

const tf_indicator_t tf_indicator_stochastic = {
    .name        = "stochastic",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "close within the range of the last n bars, 0 to 100, and its mean: k, d",
    .origin      = "Lane, as TA-Lib STOCHF",
    .series_cnt  = 3,
    .output_cnt  = 2,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"k",    "d"    },
    .series      = { "high", "low", "close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = lookback,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
