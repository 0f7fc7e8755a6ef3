/* What windows over trades and quotes take of each, and what they answer, of those that a card runs too. C, C++ and CUDA: the
 * headers of the folder that this one stands on are read by all three. Formulas and sources: the indicators' own files. */
#ifndef TF_INDICATOR_WINDOW_VALUES_H
#define TF_INDICATOR_WINDOW_VALUES_H

#include "indicator/quote_window.h"
#include "indicator/trade_window.h"

/* ---- ofi ---- */

enum { TF_OFI_VALUES = 1 };

TF_INLINE void tf_ofi_values(const tf_quote_last_t *last, tf_quote_last_t *now,
                             const tf_indicator_input_t *in, double *values) {
  (void)in;
  values[0] = last->has_pair && now->has_pair ? tf_order_flow(&last->pair, &now->pair) : 0;
}
TF_INLINE tf_indicator_result_t tf_ofi_answer(const double *sums, double *out) {
  return tf_parts_answer(out, sums[0]);
}

/* ---- cvd ---- */

TF_INLINE tf_indicator_result_t tf_cvd_step(tf_sum_t *sum, const tf_indicator_input_t *in,
                                            double *out) {
  const tf_market_t *m = in->market;
  if (in->on != TF_ON_TRADE) return tf_parts_answer(out, tf_sum_value(sum));
  if (!tf_parts_finite(m->trade_price) || !tf_parts_usable(m->trade_qty))
    return TF_INDICATOR_REJECTED;
  if (!(m->event->flags & TF_FLAG_BACKFILL)) tf_sum_add(sum, m->trade_qty * m->trade_side);
  return TF_INDICATOR_WARMING;
}

/* ---- trades ---- */

enum {
  TF_TRADE_COUNT_VALUES     = 1,
  TF_TRADE_IMBALANCE_VALUES = 2,
  TF_VOLUME_VALUES          = 1,
  TF_VWAP_VALUES            = 2
};

TF_INLINE void tf_trade_count_values(const tf_market_t *m, double *values) {
  (void)m;
  values[0] = 1.0;
}
TF_INLINE void tf_volume_values(const tf_market_t *m, double *values) { values[0] = m->trade_qty; }

/* Of both. */
TF_INLINE tf_indicator_result_t tf_volume_answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]));
}

/* trade_intensity: tf_trade_count_values, a second. */
TF_INLINE tf_indicator_result_t tf_trade_intensity_answer(const tf_time_window_view_t *view,
                                                          double                      *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) * 1e9 / (double)view->window_ns);
}

TF_INLINE void tf_trade_imbalance_values(const tf_market_t *m, double *values) {
  values[0] = m->trade_side > 0 ? m->trade_qty : 0.0;
  values[1] = m->trade_side < 0 ? m->trade_qty : 0.0;
}
TF_INLINE tf_indicator_result_t tf_trade_imbalance_answer(const tf_time_window_view_t *view,
                                                          double                      *out) {
  double buy = tf_sum_value(&view->sum[0]), sell = tf_sum_value(&view->sum[1]);
  if (buy + sell == 0) return tf_parts_answer(out, 0.0);
  return tf_parts_answer(out, (buy - sell) / (buy + sell));
}

TF_INLINE void tf_vwap_values(const tf_market_t *m, double *values) {
  values[0] = m->trade_price * m->trade_qty;
  values[1] = m->trade_qty;
}
TF_INLINE tf_indicator_result_t tf_vwap_answer(const tf_time_window_view_t *view, double *out) {
  if (view->cnt == 0) return tf_parts_warming(out);
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]) / tf_sum_value(&view->sum[1]));
}

#endif
