/* hawkes(mu, alpha, beta): the intensity of a self-exciting process of trades with an exponential kernel, in trades a second,
 *
 *   lambda(t) = mu + sum of alpha exp(-beta (t - t[i])) over the trades so far
 *
 * Outputs: all, and its parts buy and sell, to which the trades of that aggressor and half of mu belong; a trade of
 * unknown side is half a one of either. The parameters are the caller's, in 1 / s: this filters, it does not fit (the
 * process is stationary where alpha < beta). Time is that of reception and does not run backwards. Backfilled trades are left
 * out. O(1): the sum is decayed from trade to trade, by elementary.h.
 *
 * A. Hawkes, "Spectra of some self-exciting and mutually exciting point processes", Biometrika 58 (1971) 83-90; the
 * recursion: Y. Ogata, "On Lewis' simulation method for point processes", IEEE Trans. Information Theory 27 (1981) 23-31. */
#include "indicator/elementary.h"
#include "indicator/parts.h"

enum { MU, ALPHA, BETA, PARAM_CNT };
enum { ALL, BUY, SELL, OUTPUT_CNT };

typedef struct hawkes {
  double   params[PARAM_CNT];
  double   buy, sell; /* as they were at at_ns */
  uint64_t at_ns;     /* of the last trade */
} hawkes_t;

static uint64_t time_of(const hawkes_t *s, const tf_market_t *m) {
  return m->now_ns > s->at_ns ? m->now_ns : s->at_ns;
}

static double decay(const hawkes_t *s, uint64_t now_ns) {
  return tf_exp(-s->params[BETA] * ((double)(now_ns - s->at_ns) * 1e-9));
}

static bool is_trade(const tf_market_t *m) {
  return tf_parts_finite(m->trade_price) && tf_parts_finite(m->trade_qty);
}

static void trade(hawkes_t *s, const tf_market_t *m) {
  uint64_t now_ns = time_of(s, m);
  double   factor = decay(s, now_ns), buys = 0.5 + 0.5 * m->trade_side;
  s->buy   = s->buy * factor + s->params[ALPHA] * buys;
  s->sell  = s->sell * factor + s->params[ALPHA] * (1 - buys);
  s->at_ns = now_ns;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const hawkes_t *s = state;
  if (in->on == TF_ON_TRADE)
    return is_trade(in->market) ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  double factor = decay(s, time_of(s, in->market)), values[OUTPUT_CNT];
  values[BUY]   = 0.5 * s->params[MU] + s->buy * factor;
  values[SELL]  = 0.5 * s->params[MU] + s->sell * factor;
  values[ALL]   = values[BUY] + values[SELL];
  return tf_parts_answers(out, values, OUTPUT_CNT);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_indicator_result_t result = peek(state, in, out);
  if (in->on == TF_ON_TRADE && result != TF_INDICATOR_REJECTED &&
      !(in->market->event->flags & TF_FLAG_BACKFILL))
    trade(state, in->market);
  return result;
}

static size_t state_bytes(const double *params) {
  (void)params;
  return sizeof(hawkes_t);
}

static tf_err_t init(void *state, const double *params) {
  hawkes_t *s = state;
  memset(s, 0, sizeof *s);
  memcpy(s->params, params, sizeof s->params);
  return params[MU] >= 0 && params[ALPHA] >= 0 && params[BETA] > 0 ? TF_OK : E_CORE_ARGUMENT;
}

static void reset(void *state) {
  double params[PARAM_CNT];
  memcpy(params, ((hawkes_t *)state)->params, sizeof params);
  (void)init(state, params);
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("mu", 0, 0, 1e6, "intensity without trades, in 1/s"),
    TF_PARAM_NUMBER("alpha", 1, 0, 1e6, "what a trade adds, in 1/s"),
    TF_PARAM_NUMBER("beta", 1, 1e-6, 1e6, "rate at which that decays, in 1/s"),
};

const tf_indicator_t tf_indicator_hawkes = {
    .name        = "hawkes",
    .group       = TF_GROUP_TRADE,
    .help        = "self-exciting intensity of trades, in 1/s: all, buy, sell",
    .origin      = "Hawkes 1971, exponential kernel",
    .output_cnt  = OUTPUT_CNT,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TRADE | TF_ON_TICK,
    .outputs     = {"all", "buy", "sell"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
