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

/* One side of the book. Prices are whole multiples of the side's step; eight neighbouring ones make a
 * page, one cache line of quantities. Pages lie anywhere, an array keeps their order. A price's key is
 * price / step, and its complement on an ask side: so keys ascend from the worst price to the best on
 * both sides, and page `number` holds the keys from 8 * number on. Readers walk from the best level
 * down:
 *
 *   for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0; tf_book_worse(&at)) ... at.price ...
 *
 * Mantissas are at the book's scale. */
#define TF_BOOK_PAGE_BITS   3
#define TF_BOOK_PAGE_PRICES (1 << TF_BOOK_PAGE_BITS)

typedef struct tf_book_page {
  int64_t  number;
  uint32_t used; /* a bit for each key that has a level; 0: an empty page, passed over */
  uint32_t reserved;
} tf_book_page_t;

typedef struct tf_book_side {
  int64_t (*qtys)[TF_BOOK_PAGE_PRICES]; /* of each page, by key; 0 where there is no level */
  tf_book_page_t *pages;
  uint32_t       *order;     /* pages, worst first */
  uint32_t        page_cnt;  /* of order: the last of them is not empty */
  uint32_t        level_cnt; /* 0: the side is empty, and so is page_cnt */
  int64_t         step;      /* > 0 */
  int64_t         flip;      /* 0 of a bid side, -1 of an ask side: key = price / step ^ flip */
} tf_book_side_t;

typedef struct tf_book_cursor {
  int64_t               price, qty; /* of the level; qty 0: there are no more */
  const tf_book_side_t *side;
  uint32_t              page_cnt; /* pages of the order not yet begun */
  uint32_t              used;     /* levels of the page not yet seen */
  uint32_t              page;
} tf_book_cursor_t;

/* The next worse level. */
TF_INLINE void tf_book_worse(tf_book_cursor_t *at) {
  const tf_book_side_t *side = at->side;
  while (at->used == 0) {
    if (at->page_cnt == 0) {
      at->qty = 0;
      return;
    }
    at->page = side->order[--at->page_cnt];
    at->used = side->pages[at->page].used;
  }
  uint32_t slot = 31 - (uint32_t)__builtin_clz(at->used);
  at->used ^= 1u << slot;
  at->qty = side->qtys[at->page][slot];
  at->price =
      ((side->pages[at->page].number * TF_BOOK_PAGE_PRICES + slot) ^ side->flip) * side->step;
}

TF_INLINE tf_book_cursor_t tf_book_best(const tf_book_side_t *side) {
  tf_book_cursor_t at = {.side = side, .page_cnt = side->page_cnt};
  tf_book_worse(&at);
  return at;
}

/* How many levels a page has, of its `used`: bits in pairs, then in fours, then in the byte. */
TF_INLINE uint32_t tf_book_page_level_cnt(uint32_t used) {
  used -= used >> 1 & 0x55;
  used = (used & 0x33) + (used >> 2 & 0x33);
  return (used + (used >> 4)) & 0xf;
}
TF_STATIC_ASSERT(TF_BOOK_PAGE_PRICES == 8, "a page's levels are the bits of a byte");

typedef struct tf_book {
  tf_book_side_t bid, ask;
  int8_t         price_exp, qty_exp;
  uint8_t        state; /* tf_book_state_t */
  uint8_t        reserved[5];
  uint64_t       venue_seq;  /* of the last level applied */
  uint64_t       change_cnt; /* grows with every level and status: equal counts, equal levels */
} tf_book_t;

/* Two channels of one venue whose times differ by more do not tell the same time: arrival decides. Venues
 * batch by 100 ms at most; a stuck clock must not hold the other channel off for long. */
#define TF_BBO_SKEW_NS_MAX TF_NS_PER_SEC

/* Another instrument as this one's indicators see it, at this one's tick or at its own. */
typedef struct tf_peer {
  const struct tf_market *market; /* NULL: it has not ticked yet */
  const double *values;   /* of its features, as of its last tick; NULL where it is not good */
  uint64_t      age_ns;   /* since its newest event; UINT64_MAX: there was none */
  uint64_t good_until_ns; /* when its newest event gets too old; 0: its book is not in order, its
                                     venue does not trade it, or it has not ticked */
} tf_peer_t;

/* What an indicator, and the gate, may look at during one event. */
typedef struct tf_market {
  const tf_event_t *event;  /* the event being worked on */
  uint64_t          now_ns; /* its ts_recv_ns: the only clock of windows */
  const tf_book_t  *book;

  /* Best bid and offer: of the last quote or of the top of a book that is OK, whichever is fresher. What
   * comes later is fresher, unless it is of the other of the two and
   *   - the feed says by the venue's sequence that it was overtaken (TF_FLAG_OUTRUN), or else
   *   - both carry a ts_event that is to be trusted, and its is the older by at most TF_BBO_SKEW_NS_MAX.
   * A book's top is looked at when a message of levels is complete; while the book is not OK quotes alone
   * count. An instrument without quotes has its book's top. NaN until there is one. */
  double bid, ask, bid_qty, ask_qty;

  /* The last trade. side: +1 buy aggressor, -1 sell. NaN / 0 until there is one. */
  double trade_price, trade_qty;
  int    trade_side;
  bool   has_quote; /* the instrument has a quote channel */

  /* What the ticker channel said last; NaN until it did. The rate is of the venue's current period, as a
   * fraction. */
  double mark_price, funding_rate;

  /* What the models said of the last text that was answered; NaN until one was. The label by its place among the
   * model's, the time by ours. */
  double   text_score, text_confidence, text_novelty, text_label;
  uint64_t text_ns;

  /* The other instruments that the features read, in the plan's order; NULL where they read none. */
  const tf_peer_t *peers;

  /* Its place among the instruments of the lane (tf/cross.h); NULL where it is not of the universe, or nobody asks. */
  const struct tf_seat *seat;
} tf_market_t;

#endif
