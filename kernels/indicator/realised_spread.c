/* realised_spread(window, delay) = sum(q r) / sum(q) over the trades that became `delay` old in the last `window` of receive
 * time, r = 2 D (p - M) / M in basis points: p the price, q the quantity, D the aggressor's side, +1 or -1, M the mid at
 * the first tick at which the trade is `delay` old. What is left of the effective spread to whoever gave the
 * liquidity, once the price has moved; the two differ by the price impact. No value while the window holds nothing.
 * Trades of unknown side and backfilled ones are left out. Time does not run backwards.
 *
 * Trades wait for their delay in a ring of `capacity` entries. One that comes less than q = ceil(delay / (capacity / 2))
 * after an entry was opened joins the newest entry, as does any that comes while the ring is full, and is as old as
 * that: so memory is bounded and times are resolved to q, 0.05 % of the delay at the default. The window is described in
 * time_window.h.
 *
 * R. Huang, H. Stoll, "Dealer versus auction markets", J. of Financial Economics 41 (1996) 313-357; US SEC Rule 605. */
#include "indicator/time_window.h"

enum { VALUE_CNT = 2 };

/* Trades that wait together. The mid may be anything when they are done: their prices are kept against that of the
 * first, so that sum of q D (p - M) does not cancel. */
typedef struct waiting {
  uint64_t at_ns;
  double   price;      /* of the first */
  double   signed_qty; /* sum of q D */
  double   above;      /* sum of q D (p - price) */
  double   qty;        /* sum of q */
} waiting_t;

typedef struct realised_spread {
  uint64_t         delay_ns, quantum_ns;
  uint64_t         now_ns; /* latest time seen */
  uint32_t         cap, head, cnt, reserved;
  tf_time_window_t window; /* its entries follow, and then cap of waiting_t: last member */
} realised_spread_t;

static waiting_t *place_of(const realised_spread_t *s, uint32_t i) {
  size_t     bytes = tf_time_window_bytes(s->cap, VALUE_CNT);
  waiting_t *ring  = (waiting_t *)(uintptr_t)((const char *)&s->window + bytes);
  uint32_t   at    = s->head + i;
  return &ring[at >= s->cap ? at - s->cap : at];
}

static bool is_trade(const tf_market_t *m) {
  return tf_parts_usable(m->trade_price) && tf_parts_usable(m->trade_qty) && m->trade_price > 0;
}

static void trade(realised_spread_t *s, const tf_market_t *m) {
  double signed_qty = m->trade_qty * m->trade_side;
  if (m->now_ns > s->now_ns) s->now_ns = m->now_ns;
  if (signed_qty == 0) return;
  waiting_t *newest = s->cnt > 0 ? place_of(s, s->cnt - 1) : NULL;
  if (!newest || (s->cnt < s->cap && s->now_ns - newest->at_ns >= s->quantum_ns)) {
    newest  = place_of(s, s->cnt++);
    *newest = (waiting_t){.at_ns = s->now_ns, .price = m->trade_price};
  }
  newest->signed_qty += signed_qty;
  newest->above += signed_qty * (m->trade_price - newest->price);
  newest->qty += m->trade_qty;
}

/* What is old enough at now_ns: how many entries, and their values at this mid. */
static uint32_t due(const realised_spread_t *s, uint64_t now_ns, const tf_market_t *m,
                    double *values) {
  double   mid = (m->bid + m->ask) * 0.5;
  uint32_t cnt = 0;
  values[0] = values[1] = 0;
  for (; cnt < s->cnt && tf_parts_finite(mid); cnt++) {
    const waiting_t *w = place_of(s, cnt);
    if (now_ns - w->at_ns < s->delay_ns) break;
    double above = ((w->price - m->bid) + (w->price - m->ask)) * 0.5;
    values[0] += 2e4 * (w->above + w->signed_qty * above) / mid;
    values[1] += w->qty;
  }
  return cnt;
}

/* The window at this tick before what is due, and the answer with it. Shared, so that update and peek agree to
 * the bit. */
static tf_indicator_result_t answer(const realised_spread_t *s, const tf_market_t *m,
                                    double *values, uint32_t *due_cnt, tf_time_window_view_t *view,
                                    double *out) {
  uint64_t now_ns = m->now_ns > s->now_ns ? m->now_ns : s->now_ns;
  double   sums[VALUE_CNT];
  *due_cnt = due(s, now_ns, m, values);
  if (!tf_parts_finite(values[0]) || !tf_parts_finite(values[1])) values[0] = values[1] = 0;
  tf_time_window_view(&s->window, now_ns, VALUE_CNT, view);
  for (uint32_t v = 0; v < VALUE_CNT; v++) {
    tf_sum_t sum = view->sum[v];
    tf_sum_add(&sum, values[v]);
    sums[v] = tf_sum_value(&sum);
  }
  return tf_parts_answer(out, sums[0] / sums[1]);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  realised_spread_t *s = state;
  const tf_market_t *m = in->market;
  if (in->on == TF_ON_TRADE) {
    if (!is_trade(m)) return TF_INDICATOR_REJECTED;
    if (!(m->event->flags & TF_FLAG_BACKFILL)) trade(s, m);
    return TF_INDICATOR_WARMING;
  }
  double                values[VALUE_CNT];
  uint32_t              due_cnt;
  tf_time_window_view_t view;
  tf_indicator_result_t result = answer(s, m, values, &due_cnt, &view, out);
  tf_time_window_keep(&s->window, &view, VALUE_CNT);
  if (values[1] != 0) tf_time_window_add(&s->window, view.now_ns, values, VALUE_CNT);
  s->now_ns = view.now_ns;
  s->head   = s->head + due_cnt >= s->cap ? s->head + due_cnt - s->cap : s->head + due_cnt;
  s->cnt -= due_cnt;
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  if (in->on == TF_ON_TRADE)
    return is_trade(in->market) ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  double                values[VALUE_CNT];
  uint32_t              due_cnt;
  tf_time_window_view_t view;
  return answer(state, in->market, values, &due_cnt, &view, out);
}

static size_t state_bytes(const double *params) {
  size_t bytes = offsetof(realised_spread_t, window) + tf_time_window_bytes(params[2], VALUE_CNT);
  return tf_parts_bytes(bytes, params[2], sizeof(waiting_t));
}

static tf_err_t init(void *state, const double *params) {
  realised_spread_t *s   = state;
  tf_err_t           err = tf_time_window_init(&s->window, params[0], params[2], VALUE_CNT);
  if (err != TF_OK) return err;
  if (!(params[1] >= 1 && params[1] <= 9e18)) return E_CORE_ARGUMENT;
  memset(s, 0, offsetof(realised_spread_t, window));
  s->delay_ns   = (uint64_t)params[1];
  s->cap        = (uint32_t)params[2];
  s->quantum_ns = (s->delay_ns + s->cap / 2 - 1) / (s->cap / 2);
  memset(place_of(s, 0), 0, s->cap * sizeof(waiting_t));
  return TF_OK;
}

static void reset(void *state) {
  const realised_spread_t *s         = state;
  double                   window_ns = (double)s->window.window_ns, delay_ns = (double)s->delay_ns;
  (void)init(state, (const double[]){window_ns, delay_ns, s->cap});
}

TF_TIME_WINDOW_TRAIL(window, offsetof(realised_spread_t, window), 2, VALUE_CNT)

/* Those that wait lie behind the window's entries. */
static tf_trail_t trail(const double *params, uint32_t i) {
  tf_trail_t window = window_trail(params, 0);
  return i == 0 ? window : tf_time_window_trail_behind(window, sizeof(waiting_t));
}

static tf_trail_held_t held(const void *state, uint32_t i) {
  const realised_spread_t *s = state;
  return i == 0 ? window_held(state, 0) : (tf_trail_held_t){s->head, s->cnt};
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARTS_PARAM_WINDOW,
    {.name = "delay",
      .kind = TF_PARAM_DURATION,
      .dflt = 1e9,
      .min  = 1e3,
      .max  = 86400e9,
      .help = "age of a trade when it is compared with the mid"},
    TF_PARTS_PARAM_CAPACITY,
};

const tf_indicator_t tf_indicator_realised_spread = {
    .name        = "realised_spread",
    .group       = TF_GROUP_TRADE,
    .help        = "mean spread left after the delay, in basis points",
    .origin      = "Huang, Stoll 1996",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TRADE | TF_ON_TICK,
    .outputs     = {"realised_spread"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .trail_cnt   = 2,
    .trail       = trail,
    .held        = held,
};
