/* Bars over trades: by time, number of trades, volume or notional. Fed with every event's time and
 * every trade; says when a bar closed. Time is ts_recv, so replay closes the same bars.
 *
 * Rules. Time: [begin, begin + span), aligned to multiples of span since 1970; a bar closes with the
 * first event at or after its end, whatever that event is; a span without a trade makes no bar.
 * Ticks, volume, notional: the trade that reaches the threshold belongs to the bar and closes it;
 * what exceeds the threshold is not carried over. Owner: the lane. */
#ifndef TF_STAGE_BAR_H
#define TF_STAGE_BAR_H

#include "tf/market.h"

#define TF_BARS_MAX 8

typedef enum tf_bar_kind {
  TF_BAR_TIME,    /* amount: ns */
  TF_BAR_TICKS,   /* amount: trades */
  TF_BAR_VOLUME,  /* amount: base units */
  TF_BAR_NOTIONAL /* amount: price * qty */
} tf_bar_kind_t;

typedef struct tf_bar_spec {
  char          name[24];
  tf_bar_kind_t kind;
  double        amount; /* > 0 */
  uint64_t      span_ns;
} tf_bar_spec_t;

typedef struct tf_bar_builder {
  tf_bar_t open;   /* being built, if is_open */
  tf_bar_t closed; /* the last that closed */
  bool     is_open;
} tf_bar_builder_t;

/* True if a time bar ends at or before now: builder->closed is it, and the builder is empty. */
TF_INLINE bool tf_bar_on_time(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns) {
  if (spec->kind != TF_BAR_TIME || !b->is_open || now_ns < b->open.end_ns) return false;
  b->closed  = b->open;
  b->is_open = false;
  return true;
}

/* Adds a trade (after tf_bar_on_time of the same event). True if it closed a bar. */
bool tf_bar_on_trade(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns, double price,
                     double qty, int side);

#endif
