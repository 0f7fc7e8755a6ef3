/* amihud(window) = the mean of |p / p' - 1| / (p q) over the trades of the last `window` of receive time, p' being
 * the price of the trade before: return per unit of notional, illiquidity. No value while the window
 * holds none. Backfilled trades and those of no quantity are left out. The window is described in
 * time_window.h.
 *
 * Y. Amihud, "Illiquidity and stock returns", J. of Financial Markets 5 (2002) 31-56, trade by trade. */
#include "indicator/time_window.h"

enum { VALUE_CNT = 2 };

typedef struct amihud {
  double           last;   /* price of the trade before; 0: there was none */
  tf_time_window_t window; /* its entries follow: last member */
} amihud_t;

/* What a trade at price after one at last puts in. */
static void values_of(const tf_market_t *m, double last, double *values) {
  values[0] = __builtin_fabs((m->trade_price - last) / last) / (m->trade_price * m->trade_qty);
  values[1] = 1;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
}

/* A trade that does not count, because it is backfilled or the first, leaves values alone. */
static bool read_trade(const amihud_t *s, const tf_market_t *m, double *values) {
  if ((m->event->flags & TF_FLAG_BACKFILL) || !(s->last > 0)) return false;
  values_of(m, s->last, values);
  return tf_parts_finite(values[0]) && tf_parts_finite(values[1]);
}

static bool is_trade(const tf_market_t *m) {
  return tf_parts_usable(m->trade_price) && tf_parts_usable(m->trade_qty) && m->trade_price > 0;
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  amihud_t          *s = state;
  const tf_market_t *m = in->market;
  if (in->on == TF_ON_TRADE) {
    double values[VALUE_CNT];
    if (!is_trade(m)) return TF_INDICATOR_REJECTED;
    if (read_trade(s, m, values)) tf_time_window_add(&s->window, m->now_ns, values, VALUE_CNT);
    if (!(m->event->flags & TF_FLAG_BACKFILL)) s->last = m->trade_price;
    return TF_INDICATOR_WARMING;
  }
  tf_time_window_view_t view;
  tf_time_window_view(&s->window, m->now_ns, VALUE_CNT, &view);
  tf_time_window_keep(&s->window, &view, VALUE_CNT);
  return answer(&view, out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const amihud_t *s = state;
  if (in->on == TF_ON_TRADE)
    return is_trade(in->market) ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  tf_time_window_view_t view;
  tf_time_window_view(&s->window, in->market->now_ns, VALUE_CNT, &view);
  return answer(&view, out);
}

static size_t state_bytes(const double *params) {
  return offsetof(amihud_t, window) + tf_time_window_bytes(params[1], VALUE_CNT);
}

static tf_err_t init(void *state, const double *params) {
  amihud_t *s = state;
  s->last     = 0;
  return tf_time_window_init(&s->window, params[0], params[1], VALUE_CNT);
}

static void reset(void *state) {
  amihud_t *s = state;
  s->last     = 0;
  tf_time_window_reset(&s->window, VALUE_CNT);
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_WINDOW, TF_PARTS_PARAM_CAPACITY};

const tf_indicator_t tf_indicator_amihud = {
    .name        = "amihud",
    .group       = TF_GROUP_TRADE,
    .help        = "mean return per unit of traded notional, 1 per quote unit",
    .origin      = "Amihud 2002, trade by trade",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_TRADE | TF_ON_TICK,
    .outputs     = {"amihud"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
};
