/* What the buffer stage keeps of one instrument, as indicators and rules read it. Owner and only
 * writer: the instrument's lane. Doubles are made once, here, from the decimals as sent
 * (tf_decimal_to_double), so that every indicator sees the same bits. */
#ifndef TF_MARKET_H
#define TF_MARKET_H

#include "tf/event.h"

/* A bar over trades. Half-open in time: a trade at exactly the boundary opens the next bar. An
 * interval without a trade makes no bar. */
typedef struct tf_bar {
  uint64_t begin_ns, end_ns; /* of ts_recv: the interval, not the first and last trade */
  double   open, high, low, close;
  double   volume;     /* base units */
  double   notional;   /* sum of price * qty */
  double   buy_volume; /* of buy aggressors */
  uint64_t trade_cnt;
} tf_bar_t;

/* One side of the book. Sorted so that the best level is LAST: price[cnt - 1]. An entry with quantity 0 is
 * a hole that a deleted level left: readers pass over it. The last entry is never a hole. Mantissas at
 * the book's scale. */
typedef struct tf_book_side {
  int64_t *price;
  int64_t *qty;
  uint32_t cnt; /* entries, holes included */
  uint32_t cap; /* levels that are kept at most */
} tf_book_side_t;

typedef struct tf_book {
  tf_book_side_t bid, ask;
  int8_t         price_exp, qty_exp;
  uint8_t        state; /* tf_book_state_t */
  uint8_t        reserved[5];
  uint64_t       venue_seq; /* of the last level applied */
} tf_book_t;

/* What an indicator, and the gate, may look at during one event. */
typedef struct tf_market {
  const tf_event_t *event;  /* the event being worked on */
  uint64_t          now_ns; /* its ts_recv_ns: the only clock of windows */
  const tf_book_t  *book;

  /* Best bid and offer: the last quote where the instrument has a quote channel, else the book's
   * top. NaN until there is one. */
  double bid, ask, bid_qty, ask_qty;

  /* The last trade. side: +1 buy aggressor, -1 sell. NaN / 0 until there is one. */
  double trade_price, trade_qty;
  int    trade_side;
  bool   has_quote; /* bid and ask come from quotes */
} tf_market_t;

#endif
