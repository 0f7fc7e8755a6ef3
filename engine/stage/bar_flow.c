#include "stage/bar_flow.h"

static double greater(double a, double b) { return a > b ? a : b; }

/* One sample into a mean over cnt samples before it, the first of which it is to be as well. */
static double averaged(double mean, uint64_t cnt, uint32_t ewma_bars, double sample) {
  const double weight = 2.0 / ((double)ewma_bars + 1.0);
  return cnt == 0 ? sample : mean + weight * (sample - mean);
}

static void learn(tf_bar_flow_t *f, const tf_bar_flow_spec_t *spec) {
  const uint32_t n      = spec->ewma_bars;
  const double   trades = (double)f->trade_cnt, buys = (double)f->buy_cnt, sells = trades - buys;
  f->length    = averaged(f->length, f->bar_cnt, n, trades);
  f->imbalance = averaged(f->imbalance, f->bar_cnt, n, (f->buy - f->sell) / trades);
  f->buy_share = averaged(f->buy_share, f->bar_cnt, n, buys / trades);
  if (buys > 0) f->buy_mean = averaged(f->buy_mean, f->buy_bar_cnt++, n, f->buy / buys);
  if (sells > 0) f->sell_mean = averaged(f->sell_mean, f->sell_bar_cnt++, n, f->sell / sells);
  f->bar_cnt++;
}

static double threshold_of(const tf_bar_flow_t *f, const tf_bar_flow_spec_t *spec) {
  if (!spec->is_runs) return f->length * __builtin_fabs(f->imbalance);
  return f->length * greater(f->buy_share * f->buy_mean, (1.0 - f->buy_share) * f->sell_mean);
}

void tf_bar_flow_begin(tf_bar_flow_t *f, const tf_bar_flow_spec_t *spec) {
  f->buy = f->sell = 0;
  f->buy_cnt = f->trade_cnt = 0;
  f->threshold              = threshold_of(f, spec);
}

static bool is_full(const tf_bar_flow_t *f, const tf_bar_flow_spec_t *spec) {
  if (TF_UNLIKELY(f->bar_cnt == 0)) return (double)f->trade_cnt >= spec->amount;
  if (f->trade_cnt < spec->trades_min) return false;
  if (f->trade_cnt >= spec->trades_max) return true;
  const double reached =
      spec->is_runs ? greater(f->buy, f->sell) : __builtin_fabs(f->buy - f->sell);
  return reached >= f->threshold;
}

bool tf_bar_flow_add(tf_bar_flow_t *f, const tf_bar_flow_spec_t *spec, double price, double qty,
                     int side) {
  const double x = spec->weight == TF_BAR_WEIGHT_ONE   ? 1.0
                   : spec->weight == TF_BAR_WEIGHT_QTY ? qty
                                                       : price * qty;
  if (side > 0) {
    f->buy += x;
    f->buy_cnt++;
  } else {
    f->sell += x;
  }
  f->trade_cnt++;
  if (!is_full(f, spec)) return false;
  learn(f, spec);
  return true;
}
