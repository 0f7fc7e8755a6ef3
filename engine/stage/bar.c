#include "stage/bar.h"

static void open_at(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns, double price) {
  b->open = (tf_bar_t){.begin_ns = now_ns, .open = price, .high = price, .low = price};
  if (spec->kind == TF_BAR_TIME) {
    b->open.begin_ns = now_ns - now_ns % spec->span_ns;
    b->open.end_ns   = b->open.begin_ns + spec->span_ns;
  }
  b->is_open = true;
}

static bool is_full(const tf_bar_t *bar, const tf_bar_spec_t *spec) {
  switch (spec->kind) {
  case TF_BAR_TICKS: return (double)bar->trade_cnt >= spec->amount;
  case TF_BAR_VOLUME: return bar->volume >= spec->amount;
  case TF_BAR_NOTIONAL: return bar->notional >= spec->amount;
  default: return false;
  }
}

bool tf_bar_on_trade(tf_bar_builder_t *b, const tf_bar_spec_t *spec, uint64_t now_ns, double price,
                     double qty, int side) {
  if (!b->is_open) open_at(b, spec, now_ns, price);
  tf_bar_t *bar = &b->open;
  if (price > bar->high) bar->high = price;
  if (price < bar->low) bar->low = price;
  bar->close = price;
  bar->volume += qty;
  bar->notional += price * qty;
  if (side > 0) bar->buy_volume += qty;
  bar->trade_cnt++;
  if (spec->kind == TF_BAR_TIME || !is_full(bar, spec)) return false;
  bar->end_ns = now_ns;
  b->closed   = b->open;
  b->is_open  = false;
  return true;
}
