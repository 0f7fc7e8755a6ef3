/* The shape of windows over changes of the best bid and offer: what a change from the last one to this puts in (values),
 * and what the window with it answers. Quotes are looked at as they come; the best bid and offer at each tick as well, since
 * one that comes from a book is not whole between the levels of one message. Rejected while a side is missing, but for
 * trades. Time is that of reception and does not run backwards; the window is described in time_window.h.
 *
 * In update the sample goes into the window after the answer was made of both, so that peek, which keeps nothing, gives
 * the same bits. */
#ifndef TF_INDICATOR_QUOTE_WINDOW_H
#define TF_INDICATOR_QUOTE_WINDOW_H

#include "indicator/order_flow.h"
#include "indicator/time_window.h"

typedef struct tf_quote_last {
  tf_level_pair_t pair;
  uint64_t        at_ns;
  uint64_t        has_pair;
} tf_quote_last_t;

typedef struct tf_quote_window {
  tf_quote_last_t  last;
  tf_time_window_t window; /* its entries follow: last member */
} tf_quote_window_t;

/* values[] of this event, and what of it to remember; last->has_pair is 0 before the first and after what is blind (order_flow.h). */
typedef void (*tf_quote_window_values_t)(const tf_quote_last_t *last, tf_quote_last_t *now,
                                         const tf_indicator_input_t *in, double *values);
/* From the sums with the event's values in. */
typedef tf_indicator_result_t (*tf_quote_window_answer_t)(const double *sums, double *out);

typedef struct tf_quote_step {
  tf_quote_last_t       now;
  double                values[TF_TIME_WINDOW_VALUES_MAX];
  tf_time_window_view_t view;
} tf_quote_step_t;

TF_INLINE tf_indicator_result_t tf_quote_window_step(const tf_quote_window_t    *s,
                                                     const tf_indicator_input_t *in,
                                                     uint32_t                    value_cnt,
                                                     tf_quote_window_values_t    read,
                                                     tf_quote_window_answer_t    answer,
                                                     tf_quote_step_t *step, double *out) {
  const tf_market_t *m = in->market;
  double             sums[TF_TIME_WINDOW_VALUES_MAX];
  if (!tf_level_pair_of_market(m, &step->now.pair)) return TF_INDICATOR_REJECTED;
  step->now.at_ns    = m->now_ns > s->last.at_ns ? m->now_ns : s->last.at_ns;
  step->now.has_pair = tf_order_flow_is_blind(m) ? 0 : 1;
  read(&s->last, &step->now, in, step->values);
  bool finite = true;
  tf_time_window_view(&s->window, step->now.at_ns, value_cnt, &step->view);
  for (uint32_t v = 0; v < value_cnt; v++) {
    tf_sum_t sum = step->view.sum[v];
    tf_sum_add(&sum, step->values[v]);
    sums[v] = tf_sum_value(&sum);
    finite  = finite && tf_parts_finite(step->values[v]);
  }
  if (!finite) return TF_INDICATOR_REJECTED;
  return in->on == TF_ON_TICK ? answer(sums, out) : TF_INDICATOR_WARMING;
}

TF_INLINE tf_indicator_result_t tf_quote_window_update(
    tf_quote_window_t *s, const tf_indicator_input_t *in, uint32_t value_cnt,
    tf_quote_window_values_t read, tf_quote_window_answer_t answer, double *out) {
  tf_quote_step_t       step;
  tf_indicator_result_t result = tf_quote_window_step(s, in, value_cnt, read, answer, &step, out);
  if (result == TF_INDICATOR_REJECTED) return result;
  bool is_empty = true;
  for (uint32_t v = 0; v < value_cnt; v++) is_empty = is_empty && step.values[v] == 0;
  tf_time_window_keep(&s->window, &step.view, value_cnt);
  if (!is_empty) tf_time_window_add(&s->window, step.now.at_ns, step.values, value_cnt);
  s->last = step.now;
  return result;
}

TF_INLINE tf_indicator_result_t tf_quote_window_peek(const tf_quote_window_t    *s,
                                                     const tf_indicator_input_t *in,
                                                     uint32_t                    value_cnt,
                                                     tf_quote_window_values_t    read,
                                                     tf_quote_window_answer_t answer, double *out) {
  tf_quote_step_t step;
  return tf_quote_window_step(s, in, value_cnt, read, answer, &step, out);
}

TF_INLINE tf_err_t tf_quote_window_init(void *state, const double *params, uint32_t value_cnt) {
  tf_quote_window_t *s = (tf_quote_window_t *)state;
  s->last              = (tf_quote_last_t){0};
  return tf_time_window_init(&s->window, params[0], params[1], value_cnt);
}

/* The functions of such an indicator, and its descriptor; the rest are fields of that. */
#define TF_QUOTE_WINDOW_DEFINE(id, value_cnt, read, answer_, ...)                                  \
  static tf_indicator_result_t id##_update(void *state, const tf_indicator_input_t *in,            \
                                           double *out) {                                          \
    return tf_quote_window_update(state, in, value_cnt, read, answer_, out);                       \
  }                                                                                                \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    return tf_quote_window_peek(state, in, value_cnt, read, answer_, out);                         \
  }                                                                                                \
  static size_t id##_state_bytes(const double *params) {                                           \
    return offsetof(tf_quote_window_t, window) + tf_time_window_bytes(params[1], value_cnt);       \
  }                                                                                                \
  static tf_err_t id##_init(void *state, const double *params) {                                   \
    return tf_quote_window_init(state, params, value_cnt);                                         \
  }                                                                                                \
  static void id##_reset(void *state) {                                                            \
    tf_quote_window_t *s = state;                                                                  \
    s->last              = (tf_quote_last_t){0};                                                   \
    tf_time_window_reset(&s->window, value_cnt);                                                   \
  }                                                                                                \
  TF_TIME_WINDOW_TRAIL(id, offsetof(tf_quote_window_t, window), 1, value_cnt)                      \
  TF_TIME_WINDOW_DESCRIPTOR(id, .group = TF_GROUP_BOOK, __VA_ARGS__)

#endif
