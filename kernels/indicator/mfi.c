/* mfi(high, low, close, volume, n) = 100 P / (P + N), P and N being the flows of the last n bars whose
 * typical price (high + low + close) / 3 rose, and fell; a bar's flow is its typical price times its volume. 0
 * where there was no flow. First output at bar n + 1. How the window slides: block.h.
 *
 * G. Quong, A. Soudack, "Volume-weighted RSI: money flow", Technical Analysis of Stocks & Commodities 7 (1989). */
#include "indicator/block.h"

typedef struct flow {
  double up, down; /* of the bar, or of the bars from here on */
} flow_t;

typedef struct mfi {
  flow_t   block, bar; /* of the current block; of the newest bar */
  double   last;       /* typical price */
  uint32_t has_last;
  uint32_t n;
  uint32_t pos;
  uint32_t full;
  flow_t   ring[]; /* n */
} mfi_t;

static flow_t flow_of(double typical, double last, double volume) {
  double flow = typical * volume;
  return (flow_t){typical > last ? flow : 0.0, typical < last ? flow : 0.0};
}

static tf_indicator_result_t answer(flow_t f, double *out) {
  double total = f.up + f.down;
  return tf_parts_answer(out, total == 0 ? 0.0 : 100.0 * (f.up / total));
}

static tf_indicator_result_t step(mfi_t *s, const flow_t *ring, const double *x, double *out) {
  double typical = (x[0] + x[1] + x[2]) / 3.0;
  bool   first   = !s->has_last;
  s->bar         = flow_of(typical, first ? typical : s->last, x[3]);
  s->last        = typical;
  if (first) return tf_parts_warming(out);
  uint32_t cnt = s->pos + 1;
  s->block     = (flow_t){s->block.up + s->bar.up, s->block.down + s->bar.down};
  if (cnt == s->n) return answer(s->block, out);
  if (!s->full) return tf_parts_warming(out);
  return answer((flow_t){s->block.up + ring[cnt].up, s->block.down + ring[cnt].down}, out);
}

static void keep(mfi_t *s, const double *x) {
  (void)x;
  if (!s->has_last) { /* the first bar has no flow */
    s->has_last = 1;
    return;
  }
  s->ring[s->pos] = s->bar;
  if (!tf_block_turn(&s->pos, &s->full, s->n)) return;
  for (uint32_t i = s->n - 1; i-- > 0;) {
    s->ring[i].up += s->ring[i + 1].up;
    s->ring[i].down += s->ring[i + 1].down;
  }
  s->block = (flow_t){0};
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  mfi_t *s = state;
  if (TF_UNLIKELY(!tf_parts_all_usable(in->x, 4))) return TF_INDICATOR_REJECTED;
  mfi_t                 next   = *s;
  tf_indicator_result_t result = step(&next, s->ring, in->x, out);
  *s                           = next;
  keep(s, in->x);
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const mfi_t *s    = state;
  mfi_t        next = *s;
  if (!tf_parts_all_usable(in->x, 4)) return TF_INDICATOR_REJECTED;
  return step(&next, s->ring, in->x, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(mfi_t), params[0], sizeof(flow_t));
}

static tf_err_t init(void *state, const double *params) {
  mfi_t   *s = state;
  uint32_t n;
  tf_err_t err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((mfi_t *)state)->n;
  (void)init(state, &n);
}

static double typical_at(const double *const *series, size_t i) {
  return (series[0][i] + series[1][i] + series[2][i]) / 3.0;
}

static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  size_t n = (size_t)params[0];
  for (size_t i = 0; i < len; i++) {
    out[0][i] = __builtin_nan("");
    if (i < n) continue;
    size_t begin = i - (i - 1) % n; /* flows begin with bar 1 */
    double up = 0, down = 0, end_up = 0, end_down = 0;
    for (size_t k = begin; k <= i; k++) {
      double p = typical_at(series, k), last = typical_at(series, k - 1);
      up += p > last ? p * series[3][k] : 0.0;
      down += p < last ? p * series[3][k] : 0.0;
    }
    for (size_t k = begin; k-- > i + 1 - n;) {
      double p = typical_at(series, k), last = typical_at(series, k - 1);
      end_up += p > last ? p * series[3][k] : 0.0;
      end_down += p < last ? p * series[3][k] : 0.0;
    }
    if (i + 1 - begin < n) up += end_up, down += end_down;
    double y = up + down == 0 ? 0.0 : 100.0 * (up / (up + down));
    if (tf_parts_finite(y)) out[0][i] = y;
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(14, 1, "period, in bars")};

const tf_indicator_t tf_indicator_mfi = {
    .name        = "mfi",
    .group       = TF_GROUP_MOMENTUM,
    .help        = "money flow index, 0 to 100",
    .origin      = "Quong, Soudack 1989",
    .series_cnt  = 4,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"mfi"    },
    .series      = { "high", "low", "close", "volume"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
