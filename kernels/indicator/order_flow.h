/* Order flow between two states of a level: from (Pb', qb', Pa', qa') to (Pb, qb, Pa, qa)
 *
 *   e = [Pb >= Pb'] qb - [Pb <= Pb'] qb' - [Pa <= Pa'] qa + [Pa >= Pa'] qa'
 *
 * in base units. R. Cont, A. Kukanov, S. Stoikov, "The price impact of order book events", J. Financial Econometrics 12
 * (2014) 47-88, equation (4), for the best level. */
#ifndef TF_INDICATOR_ORDER_FLOW_H
#define TF_INDICATOR_ORDER_FLOW_H

#include "indicator/parts.h"

typedef struct tf_level_pair {
  double bid, bid_qty, ask, ask_qty;
} tf_level_pair_t;

TF_INLINE bool tf_level_pair_finite(const tf_level_pair_t *p) {
  return tf_parts_finite(p->bid) && tf_parts_finite(p->bid_qty) && tf_parts_finite(p->ask) &&
         tf_parts_finite(p->ask_qty);
}

/* The best bid and offer. */
TF_INLINE bool tf_level_pair_of_market(const tf_market_t *m, tf_level_pair_t *now) {
  *now = (tf_level_pair_t){m->bid, m->bid_qty, m->ask, m->ask_qty};
  return tf_level_pair_finite(now);
}

/* The book is broken: what flowed since it was whole is unknown. */
TF_INLINE bool tf_order_flow_is_broken(const tf_book_t *book) {
  return book && (book->state == TF_BOOK_GAP || book->state == TF_BOOK_SYNCING);
}

/* The same of the best bid and offer: quotes do not care about the book. */
TF_INLINE bool tf_order_flow_is_blind(const tf_market_t *m) {
  return !m->has_quote && tf_order_flow_is_broken(m->book);
}

TF_INLINE double tf_order_flow(const tf_level_pair_t *last, const tf_level_pair_t *now) {
  double e = 0;
  if (now->bid >= last->bid) e += now->bid_qty;
  if (now->bid <= last->bid) e -= last->bid_qty;
  if (now->ask <= last->ask) e -= now->ask_qty;
  if (now->ask >= last->ask) e += last->ask_qty;
  return e;
}

#endif
