/* What indicators over two instruments share: the price of each, and what counts as no movement at all. */
#ifndef TF_INDICATOR_PAIR_H
#define TF_INDICATOR_PAIR_H

#include "indicator/order_flow.h"

/* A sum of squared returns below this is none: no price moves by 10^-12 of itself, and what sums keep of squares that
 * have left (sum.h) is below 10^-30. */
#define TF_PAIR_SQUARES_MIN 1e-24

/* The mid, or NaN where there is none whose logarithm could be taken, or the book behind it is broken. */
TF_INLINE double tf_pair_mid(const tf_market_t *m) {
  double mid = (m->bid + m->ask) * 0.5;
  return mid > 0 && tf_parts_usable(mid) && !tf_order_flow_is_blind(m) ? mid : __builtin_nan("");
}

/* Of a peer: NaN as well where its book or its venue's trading is not as wanted. */
TF_INLINE double tf_pair_peer_mid(const tf_peer_t *peer) {
  return peer->market && peer->good_until_ns > 0 ? tf_pair_mid(peer->market) : __builtin_nan("");
}

#endif
