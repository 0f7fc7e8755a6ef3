/* adx(high, low, close, n): Wilder's directional movement. From one bar to the next, +DM is the rise of
 * the high and -DM the fall of the low, the smaller of the two and a negative one being 0. DM and the
 * true range are smoothed with step 1 / n, seeded with the mean of the first n; plus_di and minus_di are
 * 100 DM / range; DX = 100 |plus - minus| / (plus + minus), 0 where both are; adx is DX smoothed in the
 * same way. All outputs come at once, with the first adx: at bar 2 n.
 *
 * J. Welles Wilder, New Concepts in Technical Trading Systems (1978). */
#include "indicator/smooth.h"
#include "indicator/true_range.h"

enum { OUTPUTS = 3 };

typedef struct adx {
  double      last[3]; /* high, low, close */
  uint64_t    has_last;
  tf_smooth_t range, plus, minus, dx;
} adx_t;

static double percent(double part, double whole) {
  return whole == 0 ? 0.0 : 100.0 * (part / whole);
}

static tf_indicator_result_t step(adx_t *s, const double *x, double *out) {
  if (TF_UNLIKELY(!tf_parts_all_usable(x, 3))) return TF_INDICATOR_REJECTED;
  double up = x[0] - s->last[0], down = s->last[1] - x[1];
  double range = tf_true_range(x[0], x[1], s->last[2]);
  bool   first = !s->has_last;
  memcpy(s->last, x, sizeof s->last);
  s->has_last = 1;
  if (first) return tf_parts_warming_all(out, OUTPUTS);
  (void)tf_smooth_add(&s->range, range);
  (void)tf_smooth_add(&s->plus, up > down && up > 0 ? up : 0.0);
  if (!tf_smooth_add(&s->minus, down > up && down > 0 ? down : 0.0))
    return tf_parts_warming_all(out, OUTPUTS);
  double plus  = percent(s->plus.mean, s->range.mean);
  double minus = percent(s->minus.mean, s->range.mean);
  if (!tf_smooth_add(&s->dx, percent(__builtin_fabs(plus - minus), plus + minus)))
    return tf_parts_warming_all(out, OUTPUTS);
  return tf_parts_answers(out, (double[]){s->dx.mean, plus, minus}, OUTPUTS);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  adx_t                *s      = state;
  adx_t                 next   = *s;
  tf_indicator_result_t result = step(&next, in->x, out);
  if (result != TF_INDICATOR_REJECTED) *s = next;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  adx_t next = *(const adx_t *)state;
  return step(&next, in->x, out);
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(adx_t);
}

static tf_err_t init(void *state, const double *params) {
  adx_t *s     = state;
  *s           = (adx_t){0};
  tf_err_t err = tf_smooth_init_wilder(&s->range, params[0]);
  if (err) return err;
  s->plus = s->minus = s->dx = s->range;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((adx_t *)state)->range.n;
  (void)init(state, &n);
}

static uint64_t lookback(const double *params) { return 2 * (uint64_t)params[0] - 1; }

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *h = series[0], *l = series[1], *c = series[2], k = 1.0 / params[0];
  size_t        n       = (size_t)params[0];
  double        mean[4] = {0};
  for (size_t i = 0; i < len; i++) {
    out[0][i] = out[1][i] = out[2][i] = __builtin_nan("");
    if (i == 0) continue;
    double up = h[i] - h[i - 1], down = l[i - 1] - l[i];
    double range = tf_smooth_scan(&mean[0], i - 1, tf_true_range(h[i], l[i], c[i - 1]), n, k);
    double plus  = tf_smooth_scan(&mean[1], i - 1, up > down && up > 0 ? up : 0.0, n, k);
    double minus = tf_smooth_scan(&mean[2], i - 1, down > up && down > 0 ? down : 0.0, n, k);
    if (i < n) continue;
    plus        = range == 0 ? 0.0 : 100.0 * (plus / range);
    minus       = range == 0 ? 0.0 : 100.0 * (minus / range);
    double both = plus + minus;
    double dx   = both == 0 ? 0.0 : 100.0 * (__builtin_fabs(plus - minus) / both);
    double adx  = tf_smooth_scan(&mean[3], i - n, dx, n, k);
    if (i + 1 < 2 * n) continue;
    out[0][i] = adx;
    out[1][i] = plus;
    out[2][i] = minus;
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(14, 1, "period, in bars")};

const tf_indicator_t tf_indicator_adx = {
    .name        = "adx",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "directional movement: adx, plus_di, minus_di, each 0 to 100",
    .origin      = "Wilder 1978",
    .series_cnt  = 3,
    .output_cnt  = 3,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"adx",  "plus_di", "minus_di"},
    .series      = {"high", "low",     "close"   },
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = lookback,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
