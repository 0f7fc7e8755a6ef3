/* The shape that all rolling windows over trades share: what a trade puts in (values), what the window
 * answers at a tick (answer), and time_window.h between them. Both are inlined where they are named.
 *
 * A trade that is malformed is rejected. Backfilled trades (TF_FLAG_BACKFILL) are left out: their
 * receive time is not when they happened. Until the window has run its length for the first time it
 * holds what was seen so far. */
#ifndef TF_INDICATOR_TRADE_WINDOW_H
#define TF_INDICATOR_TRADE_WINDOW_H

#include "indicator/time_window.h"

typedef void (*tf_trade_window_values_t)(const tf_market_t *market, double *values);
typedef tf_indicator_result_t (*tf_trade_window_answer_t)(const tf_time_window_view_t *view,
                                                          double                      *out);

TF_INLINE bool tf_trade_window_read_(const tf_market_t *m, tf_trade_window_values_t read,
                                     double *values, uint32_t value_cnt) {
  if (!tf_parts_finite(m->trade_price) || !tf_parts_finite(m->trade_qty)) return false;
  read(m, values);
  bool finite = true;
  for (uint32_t v = 0; v < value_cnt; v++) finite = finite && tf_parts_finite(values[v]);
  return finite;
}

TF_INLINE tf_indicator_result_t tf_trade_window_update(
    tf_time_window_t *w, const tf_indicator_input_t *in, uint32_t value_cnt,
    tf_trade_window_values_t read, tf_trade_window_answer_t answer, double *out) {
  const tf_market_t *m = in->market;
  if (in->on == TF_ON_TRADE) {
    double values[TF_TIME_WINDOW_VALUES_MAX];
    if (!tf_trade_window_read_(m, read, values, value_cnt)) return TF_INDICATOR_REJECTED;
    if (m->event->flags & TF_FLAG_BACKFILL) return TF_INDICATOR_WARMING;
    tf_time_window_add(w, m->now_ns, values, value_cnt);
    return TF_INDICATOR_WARMING;
  }
  tf_time_window_view_t view;
  tf_time_window_view(w, m->now_ns, value_cnt, &view);
  tf_time_window_keep(w, &view, value_cnt);
  return answer(&view, out);
}

TF_INLINE tf_indicator_result_t tf_trade_window_peek(const tf_time_window_t     *w,
                                                     const tf_indicator_input_t *in,
                                                     uint32_t                    value_cnt,
                                                     tf_trade_window_values_t    read,
                                                     tf_trade_window_answer_t answer, double *out) {
  if (in->on == TF_ON_TRADE) {
    double values[TF_TIME_WINDOW_VALUES_MAX];
    bool   usable = tf_trade_window_read_(in->market, read, values, value_cnt);
    return usable ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  }
  tf_time_window_view_t view;
  tf_time_window_view(w, in->market->now_ns, value_cnt, &view);
  return answer(&view, out);
}

/* The functions of a window over trades, each for itself, and its descriptor; the rest are fields of that. */
#define TF_TRADE_WINDOW_DEFINE(id, value_cnt, read, answer_, ...)                                  \
  static tf_indicator_result_t id##_update(void *state, const tf_indicator_input_t *in,            \
                                           double *out) {                                          \
    return tf_trade_window_update(state, in, value_cnt, read, answer_, out);                       \
  }                                                                                                \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    return tf_trade_window_peek(state, in, value_cnt, read, answer_, out);                         \
  }                                                                                                \
  static size_t id##_state_bytes(const double *params) {                                           \
    return tf_time_window_bytes(params[1], value_cnt);                                             \
  }                                                                                                \
  static tf_err_t id##_init(void *state, const double *params) {                                   \
    return tf_time_window_init(state, params[0], params[1], value_cnt);                            \
  }                                                                                                \
  static void id##_reset(void *state) { tf_time_window_reset(state, value_cnt); }                  \
  TF_TIME_WINDOW_TRAIL(id, 0, 1, value_cnt)                                                        \
  TF_TIME_WINDOW_DESCRIPTOR(id, .group = TF_GROUP_TRADE, .on = TF_ON_TRADE | TF_ON_TICK,           \
                            __VA_ARGS__)

#endif
