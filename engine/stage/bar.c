#include "stage/bar.h"

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- opening ---- */

static tf_bar_t empty_bar(tf_bar_interval_t span, double price) {
  return (tf_bar_t){.begin_ns = span.begin_ns,
                    .end_ns   = span.end_ns,
                    .open     = price,
                    .high     = price,
                    .low      = price,
                    .close    = price};
}

/* Until when a time bar waits for trades of its own. The bar after it must not end before: at most two are open. */
static uint64_t due_of(const tf_bar_spec_t *spec, uint64_t end_ns) {
  if (spec->late_max_ns == 0) return end_ns;
  const tf_bar_interval_t after = tf_bar_session_next(&spec->session, spec->span_ns, end_ns);
  return lesser(end_ns + spec->late_max_ns, after.end_ns);
}

static void open_span(tf_bar_builder_t *b, const tf_bar_spec_t *spec, const tf_bar_t *bar) {
  b->open     = *bar;
  b->is_open  = true;
  b->until_ns = bar->end_ns;
  b->due_ns   = due_of(spec, bar->end_ns);
}

static void open_amount(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t time_ns,
                        uint64_t until_ns, double price) {
  b->open     = empty_bar((tf_bar_interval_t){time_ns, time_ns}, price);
  b->is_open  = true;
  b->until_ns = b->due_ns = spec->session.length_ns > 0 ? until_ns : UINT64_MAX;
  if (spec->kind >= TF_BAR_TICK_IMBALANCE) tf_bar_flow_begin(&b->flow, &spec->flow);
}

/* The bar of a trade that the open one does not hold, or while none is open. NULL: it is in none. */
static tf_bar_t *bar_of(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t time_ns,
                        double price, tf_bar_counts_t *counts) {
  const bool        is_time = spec->kind == TF_BAR_TIME;
  const uint64_t    span_ns = is_time ? spec->span_ns : TF_BAR_DAY_NS;
  tf_bar_interval_t span;
  if (!tf_bar_session_span(&spec->session, span_ns, time_ns, &span)) {
    counts->outside_trades++;
    return NULL;
  }
  if (time_ns >= TF_BAR_TIME_NS_MAX && b->is_open) return &b->open;
  const bool was_closed = b->has_closed && time_ns < b->closed.end_ns;
  if (was_closed || (is_time && b->is_open && time_ns < b->open.begin_ns)) {
    counts->late_trades++;
    return NULL;
  }
  if (!b->is_open) {
    const tf_bar_t empty = empty_bar(span, price);
    if (is_time)
      open_span(b, spec, &empty);
    else
      open_amount(b, spec, time_ns, span.end_ns, price);
    return &b->open;
  }
  if (!is_time) {
    b->open.begin_ns = time_ns;
    return &b->open;
  }
  if (!b->is_after_open) b->after = empty_bar(span, price);
  b->is_after_open = true;
  return &b->after;
}

/* ---- closing ---- */

static void close_open(tf_bar_builder_t *b) {
  b->closed     = b->open;
  b->has_closed = true;
  b->is_open    = false;
  b->due_ns     = UINT64_MAX;
}

/* The span after the bar that closed, without a trade so far. */
static void open_flat(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns,
                      tf_bar_counts_t *counts) {
  const uint64_t    end_ns = b->closed.end_ns;
  tf_bar_interval_t span   = tf_bar_session_next(&spec->session, spec->span_ns, end_ns);
  if (now_ns > span.end_ns) {
    const uint64_t from_ns =
        tf_bar_session_back(&spec->session, spec->span_ns, now_ns, TF_BAR_FLAT_MAX);
    if (from_ns > span.begin_ns) {
      span = tf_bar_session_next(&spec->session, spec->span_ns, from_ns);
      counts->gaps_cut++;
    }
  }
  if (span.begin_ns < end_ns) return; /* nothing begins after the last instant */
  const tf_bar_t empty = empty_bar(span, b->closed.close);
  open_span(b, spec, &empty);
}

bool tf_bar_close_due_(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns,
                       tf_bar_counts_t *counts) {
  if (!b->is_open || b->due_ns == UINT64_MAX) {
    b->due_ns = UINT64_MAX;
    return false;
  }
  b->open.end_ns = b->until_ns;
  close_open(b);
  if (b->is_after_open)
    open_span(b, spec, &b->after);
  else if (spec->is_flat)
    open_flat(b, spec, now_ns, counts);
  b->is_after_open = false;
  return true;
}

/* ---- trades ---- */

static void take(tf_bar_t *bar, double price, double qty, int side) {
  if (bar->trade_cnt == 0) bar->open = bar->high = bar->low = price;
  if (price > bar->high) bar->high = price;
  if (price < bar->low) bar->low = price;
  bar->close = price;
  bar->volume += qty;
  bar->notional += price * qty;
  if (side > 0) bar->buy_volume += qty;
  bar->trade_cnt++;
}

static bool is_full(tf_bar_builder_t *b, const tf_bar_spec_t *spec, double price, double qty,
                    int side) {
  switch (spec->kind) {
  case TF_BAR_TIME: return false;
  case TF_BAR_TICKS: return (double)b->open.trade_cnt >= spec->amount;
  case TF_BAR_VOLUME: return b->open.volume >= spec->amount;
  case TF_BAR_NOTIONAL: return b->open.notional >= spec->amount;
  default: return tf_bar_flow_add(&b->flow, &spec->flow, price, qty, side);
  }
}

bool tf_bar_on_trade(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t time_ns, double price,
                     double qty, int side, tf_bar_counts_t *counts) {
  tf_bar_t *bar = &b->open;
  if (TF_UNLIKELY(!b->is_open || time_ns < bar->begin_ns || time_ns >= b->until_ns)) {
    bar = bar_of(b, spec, time_ns, price, counts);
    if (!bar) return false;
  }
  take(bar, price, qty, side);
  if (spec->kind == TF_BAR_TIME) return false;
  if (bar->end_ns < time_ns) bar->end_ns = time_ns;
  if (!is_full(b, spec, price, qty, side)) return false;
  close_open(b);
  return true;
}
