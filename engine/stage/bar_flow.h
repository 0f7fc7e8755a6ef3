/* When an imbalance or run bar is full: Lopez de Prado, Advances in Financial Machine Learning, 2018, chapter 2.3.2.
 *
 *   imbalances  |sum of b x| >= E[T] * |E[b x]|
 *   runs        max(sum of x over buys, sum of x over sells) >= E[T] * max(P E[x|buy], (1 - P) E[x|sell])
 *
 * b is +1 for a buy aggressor and -1 for a sell, as the venue says it; x is 1, the quantity, or price * quantity;
 * T the number of trades of a bar, P the share of buys among them.
 *
 * Expectations are moving averages over the bars that closed so: E[T] of their numbers of trades, E[b x] of their means per
 * trade, P of their shares, E[x|side] of the side's means (of the bars that had that side). The newest bar has the
 * weight 2 / (ewma_bars + 1).
 *
 * Warm-up: before a bar has closed nothing is known, so the first closes with its `amount`-th trade. That is E[T]
 * to begin with; the other averages begin with what that bar had.
 *
 * Clamps: the threshold feeds on the bars that it makes. In a market in balance it would shrink to bars of one trade,
 * in a one-sided one bars could grow without end. So no bar closes before its trades_min-th trade, and every one with its
 * trades_max-th; E[T], an average of such, lies between the two as well.
 *
 * One writer: the lane. */
#ifndef TF_STAGE_BAR_FLOW_H
#define TF_STAGE_BAR_FLOW_H

#include "tf/base.h"

typedef enum tf_bar_weight {
  TF_BAR_WEIGHT_ONE,
  TF_BAR_WEIGHT_QTY,
  TF_BAR_WEIGHT_NOTIONAL
} tf_bar_weight_t;

typedef struct tf_bar_flow_spec {
  double   amount; /* trades: whole; trades_min <= amount <= trades_max */
  uint32_t ewma_bars;
  uint32_t trades_min, trades_max; /* >= 1 */
  uint8_t  weight;                 /* tf_bar_weight_t: what x is */
  bool     is_runs;
} tf_bar_flow_spec_t;

typedef struct tf_bar_flow {
  /* Of the bar at hand. */
  double   buy, sell; /* sums of x */
  uint64_t buy_cnt, trade_cnt;
  double   threshold;

  /* Expected, once bar_cnt > 0. */
  double   length, imbalance, buy_share, buy_mean, sell_mean;
  uint64_t bar_cnt, buy_bar_cnt, sell_bar_cnt; /* that the averages are over */
} tf_bar_flow_t;

/* Forgets the bar at hand, keeps what is expected, and sets its threshold. A zeroed flow is a beginning. */
void tf_bar_flow_begin(tf_bar_flow_t *flow, const tf_bar_flow_spec_t *spec);

/* One more trade of the bar. True: it is full, and what is expected has taken it in. */
bool tf_bar_flow_add(tf_bar_flow_t *flow, const tf_bar_flow_spec_t *spec, double price, double qty,
                     int side);

#endif
