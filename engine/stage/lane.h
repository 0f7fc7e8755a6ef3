/* What a lane keeps of one instrument, and what of a tick travels between its stages. buffer,
 * compute and decide of an instrument always share a thread, so these are plain private structs:
 * the lane is owner and only writer of all of it.
 *
 * Cost of a tick's way through the lane: buffer touches the event (1 line), the book's bisection (about 12
 * loads) and the market view (2 lines); compute touches the feature state and the row; decide
 * writes the decision (2 lines). Nothing is copied between them. */
#ifndef TF_STAGE_LANE_H
#define TF_STAGE_LANE_H

#include "stage/bar.h"
#include "stage/book.h"
#include "tf/decision.h"
#include "tf/market.h"

#define TF_MODELS_MAX     8
#define TF_STRATEGIES_MAX 16

/* That an instrument reads another's features (peers.h). */
typedef struct tf_lane_link {
  struct tf_lane_instrument *reader, *source; /* source NULL: it has not ticked yet */
  struct tf_lane_link *next; /* of the source's readers, in the order in which they were bound */
  uint32_t             peer_idx; /* of the plan's peers */
} tf_lane_link_t;

/* One instrument in its lane. */
typedef struct tf_lane_instrument {
  tf_market_t      market;
  tf_book_keeper_t keeper;
  tf_bar_builder_t bars[TF_BARS_MAX];
  uint64_t         bars_due_ns[TF_BAR_CLOCK_CNT]; /* by clock: the first of its bars that is due */
  int64_t          bid_price, ask_price; /* mantissas of market.bid and ask, at bbo_price_exp */
  int64_t          bid_qty, ask_qty;     /* and of their quantities, at bbo_qty_exp */
  uint64_t         event_ns;     /* the latest ts_event that is to be trusted; 0: none yet */
  uint64_t         bbo_event_ns; /* ts_event of what they are of; 0: none that is trusted */
  int64_t          trade_price;
  int8_t           bbo_price_exp, bbo_qty_exp, trade_price_exp;
  bool             has_bbo, has_trade;
  uint32_t         id;           /* its place among the lane's */
  bool             bbo_is_books; /* they are the book's top, not a quote */
  uint8_t          route;        /* by which its events come (tf/route.h) */
  uint8_t          trading;      /* tf_trading_t: what the venue said last; CHANGED is not kept */
  bool             has_ticked;   /* there is a row */
  bool             is_ready;     /* every listed feature of the row has a value */
  uint8_t          shed;         /* bit per model that is not asked on the tick in hand */
  bool             is_low;       /* of low priority */
  bool             is_queued;    /* a tick of it waits in the lane's batch */
  bool             is_live;      /* it has ticked since the start: not in a warm-up alone */
  bool             has_met;      /* it is bound to its peers */
  double  position; /* what the operator says is held: base units or contracts; NaN untold */
  void   *features; /* the feature plan's state and slots */
  double *row;      /* the feature row of the last tick */
  void   *policies[TF_STRATEGIES_MAX];

  /* of the plan's peers; NULL where it has none */
  tf_lane_link_t            *links; /* those that it reads */
  tf_peer_t                 *peers; /* how they look now */
  tf_lane_link_t            *readers, *readers_last;
  struct tf_lane_instrument *met; /* chain of those that have met */
} tf_lane_instrument_t;

/* Tick counts when each hop of the tick in hand was done; 0 = not measured on this tick. */
typedef struct tf_tick_hops {
  uint64_t origin, decoded, buffered, featured, modelled, decided;
} tf_tick_hops_t;

#endif
