/* The shape of windows over trades whose samples need the trade before: what a trade leaves behind for the next (link),
 * and what the two of them put in (values). Malformed trades are rejected, backfilled ones (TF_FLAG_BACKFILL) left out
 * and not remembered: their receive time is not when they happened. The window is described in time_window.h. */
#ifndef TF_INDICATOR_TRADE_CHAIN_H
#define TF_INDICATOR_TRADE_CHAIN_H

#include "indicator/trade_window.h"

/* What the last trade left: as the indicator reads it; cnt of trades so far, at most 2. */
typedef struct tf_trade_link {
  double   price, change;
  uint64_t at_ns;
  uint64_t cnt;
} tf_trade_link_t;

typedef struct tf_trade_chain {
  tf_trade_link_t  last;
  tf_time_window_t window; /* its entries follow: last member */
} tf_trade_chain_t;

/* From the trade before and this one; false: the two put nothing in. */
typedef bool (*tf_trade_chain_values_t)(const tf_trade_link_t *last, const tf_trade_link_t *now,
                                        const tf_market_t *market, double *values);

TF_INLINE bool tf_trade_chain_is_trade_(const tf_market_t *m) {
  return tf_parts_usable(m->trade_price) && tf_parts_usable(m->trade_qty) && m->trade_price > 0;
}

/* Time does not run backwards: a trade counts as of the latest before it. */
TF_INLINE tf_trade_link_t tf_trade_chain_next_(const tf_trade_link_t *last, const tf_market_t *m) {
  tf_trade_link_t now = {.price = m->trade_price, .at_ns = m->now_ns, .cnt = 1};
  if (last->cnt == 0) return now;
  now.change = m->trade_price - last->price;
  now.cnt    = 2;
  if (now.at_ns < last->at_ns) now.at_ns = last->at_ns;
  return now;
}

TF_INLINE bool tf_trade_chain_read_(const tf_trade_link_t *last, const tf_trade_link_t *now,
                                    const tf_market_t *m, tf_trade_chain_values_t read,
                                    double *values, uint32_t value_cnt) {
  bool counts = read(last, now, m, values);
  for (uint32_t v = 0; v < value_cnt; v++) counts = counts && tf_parts_finite(values[v]);
  return counts;
}

TF_INLINE tf_indicator_result_t
tf_trade_chain_update(tf_trade_chain_t *s, const tf_indicator_input_t *in, uint32_t value_cnt,
                      tf_trade_chain_values_t read, tf_trade_window_answer_t answer, double *out) {
  const tf_market_t *m = in->market;
  if (in->on == TF_ON_TRADE) {
    double values[TF_TIME_WINDOW_VALUES_MAX];
    if (!tf_trade_chain_is_trade_(m)) return TF_INDICATOR_REJECTED;
    if (m->event->flags & TF_FLAG_BACKFILL) return TF_INDICATOR_WARMING;
    tf_trade_link_t now = tf_trade_chain_next_(&s->last, m);
    if (tf_trade_chain_read_(&s->last, &now, m, read, values, value_cnt))
      tf_time_window_add(&s->window, m->now_ns, values, value_cnt);
    s->last = now;
    return TF_INDICATOR_WARMING;
  }
  tf_time_window_view_t view;
  tf_time_window_view(&s->window, m->now_ns, value_cnt, &view);
  tf_time_window_keep(&s->window, &view, value_cnt);
  return answer(&view, out);
}

TF_INLINE tf_indicator_result_t tf_trade_chain_peek(const tf_trade_chain_t     *s,
                                                    const tf_indicator_input_t *in,
                                                    uint32_t                    value_cnt,
                                                    tf_trade_window_answer_t answer, double *out) {
  if (in->on == TF_ON_TRADE)
    return tf_trade_chain_is_trade_(in->market) ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  tf_time_window_view_t view;
  tf_time_window_view(&s->window, in->market->now_ns, value_cnt, &view);
  return answer(&view, out);
}

TF_INLINE tf_err_t tf_trade_chain_init(void *state, const double *params, uint32_t value_cnt) {
  tf_trade_chain_t *s = state;
  s->last             = (tf_trade_link_t){0};
  return tf_time_window_init(&s->window, params[0], params[1], value_cnt);
}

/* The functions of such an indicator, and its descriptor; the rest are fields of that. */
#define TF_TRADE_CHAIN_DEFINE(id, value_cnt, read, answer_, ...)                                   \
  static tf_indicator_result_t id##_update(void *state, const tf_indicator_input_t *in,            \
                                           double *out) {                                          \
    return tf_trade_chain_update(state, in, value_cnt, read, answer_, out);                        \
  }                                                                                                \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    return tf_trade_chain_peek(state, in, value_cnt, answer_, out);                                \
  }                                                                                                \
  static size_t id##_state_bytes(const double *params) {                                           \
    return offsetof(tf_trade_chain_t, window) + tf_time_window_bytes(params[1], value_cnt);        \
  }                                                                                                \
  static tf_err_t id##_init(void *state, const double *params) {                                   \
    return tf_trade_chain_init(state, params, value_cnt);                                          \
  }                                                                                                \
  static void id##_reset(void *state) {                                                            \
    tf_trade_chain_t *s = state;                                                                   \
    s->last             = (tf_trade_link_t){0};                                                    \
    tf_time_window_reset(&s->window, value_cnt);                                                   \
  }                                                                                                \
  TF_TIME_WINDOW_TRAIL(id, offsetof(tf_trade_chain_t, window), 1, value_cnt)                       \
  TF_TIME_WINDOW_DESCRIPTOR(id, .group = TF_GROUP_TRADE, .on = TF_ON_TRADE | TF_ON_TICK,           \
                            __VA_ARGS__)

#endif
