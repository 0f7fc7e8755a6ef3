/* Bars over trades: by time; by number of trades, volume or notional; by their imbalance, or the runs of one
 * side (bar_flow.h). Fed with every event's time and with every trade; says when a bar closed. Why so:
 * docs/adr/0024-what-a-bar-is.md.
 *
 * Time bars: [begin, begin + span), aligned to the session's opening (bar_session.h), without sessions to multiples of
 * span since 1970. One closes with the first event at or after its end, whatever that event is.
 * The others: the trade that reaches the threshold belongs to the bar and closes it; what exceeds the threshold is
 * not carried over.
 *
 * Sessions. A bar lies in one session: one that is open when its session ends, of whatever kind, closes there; an
 * imbalance or run bar that was cut so teaches nothing. Trades outside the sessions are in no bar.
 *
 * Gaps. A span without a trade makes no bar. With is_flat it makes one, from the first bar on: four times the last
 * close, nothing traded. Of a gap of more than TF_BAR_FLAT_MAX spans only the last so many.
 *
 * Late trades. On the clock RECV time is ts_recv as the lane has reached it, which never goes back: nothing is late, and
 * replay closes the same bars. On the clock EVENT it is the venue's: the latest ts_event of the instrument that is to be
 * trusted closes bars, and a trade goes where its own ts_event lies. A time bar is then held back until late_max_ns after
 * its end, or until the bar after it ends. Late, and in no bar: a trade older than the open time bar; of the
 * other kinds, one older than the end of the last bar. A trade without a time to be trusted counts at the latest reached.
 *
 * Values. A trade's price and quantity are finite (tf_decimal_to_double of an int64 and an int8 exponent), so that no field
 * can become NaN, and none infinite in 10^16 trades. A quantity of 0 is a trade and adds nothing.
 *
 * Owner and only writer: the lane. No allocation, no failure. An event that closes nothing costs two comparisons. */
#ifndef TF_STAGE_BAR_H
#define TF_STAGE_BAR_H

#include "stage/bar_flow.h"
#include "stage/bar_session.h"
#include "tf/market.h"

#define TF_BARS_MAX     8
#define TF_BAR_FLAT_MAX 1000 /* closed by one event: its lane does nothing else meanwhile */

typedef enum tf_bar_kind {
  TF_BAR_TIME,
  TF_BAR_TICKS,          /* amount: trades */
  TF_BAR_VOLUME,         /* amount: base units */
  TF_BAR_NOTIONAL,       /* amount: price * qty */
  TF_BAR_TICK_IMBALANCE, /* amount, from here on: trades of the first bar */
  TF_BAR_VOLUME_IMBALANCE,
  TF_BAR_NOTIONAL_IMBALANCE,
  TF_BAR_TICK_RUNS,
  TF_BAR_VOLUME_RUNS,
  TF_BAR_NOTIONAL_RUNS,
  TF_BAR_KIND_CNT
} tf_bar_kind_t;

typedef enum tf_bar_clock {
  TF_BAR_CLOCK_RECV,
  TF_BAR_CLOCK_EVENT,
  TF_BAR_CLOCK_CNT
} tf_bar_clock_t;

typedef struct tf_bar_spec {
  char               name[32];
  tf_bar_kind_t      kind;
  tf_bar_clock_t     clock;
  double             amount;      /* > 0 */
  uint64_t           span_ns;     /* of time bars, > 0 */
  uint64_t           late_max_ns; /* of time bars on the clock EVENT, <= span_ns */
  bool               is_flat;     /* of time bars */
  tf_bar_flow_spec_t flow;        /* of imbalances and runs */
  tf_bar_session_t   session;
} tf_bar_spec_t;

typedef struct tf_bar_counts { /* trades count once a bar */
  uint64_t late_trades, outside_trades;
  uint64_t gaps_cut; /* of more than TF_BAR_FLAT_MAX spans */
} tf_bar_counts_t;

typedef struct tf_bar_builder {
  tf_bar_t      open;     /* being built, if is_open */
  tf_bar_t      after;    /* the one after it, if is_after_open: open is held back */
  tf_bar_t      closed;   /* the last that closed, if has_closed */
  uint64_t      due_ns;   /* tf_bar_on_time has nothing to do before */
  uint64_t      until_ns; /* if is_open: where later trades are not its own */
  tf_bar_flow_t flow;
  bool          is_open, is_after_open, has_closed;
} tf_bar_builder_t; /* zeroed: a beginning */

bool tf_bar_close_due_(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns,
                       tf_bar_counts_t *counts);

/* True if a bar ends at or before now_ns, of the spec's clock: builder->closed is it. To be called again until it is
 * false, and before the trade of the same event. */
TF_INLINE bool tf_bar_on_time(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns,
                              tf_bar_counts_t *counts) {
  if (TF_LIKELY(now_ns < b->due_ns)) return false;
  return tf_bar_close_due_(b, spec, now_ns, counts);
}

/* Adds a trade at time_ns, which is no later than the now_ns of tf_bar_on_time. True if it closed a bar. */
bool tf_bar_on_trade(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t time_ns, double price,
                     double qty, int side, tf_bar_counts_t *counts);

/* The bar that a trade at this moment would go to, as it would close now, but for its end; NULL while none is open. */
TF_INLINE const tf_bar_t *tf_bar_now(const tf_bar_builder_t *b) {
  return b->is_after_open ? &b->after : b->is_open ? &b->open : NULL;
}

#endif
