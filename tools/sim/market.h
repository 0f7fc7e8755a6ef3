/* A seeded synthetic market for one instrument: a ladder of price levels, an order flow that
 * leans one way for a while and then the other, trades that eat the best level. The same seed
 * gives the same steps. No clock and no text in here: the venues (sim/venue_*.c) turn what
 * changed into messages. */
#ifndef SIM_MARKET_H
#define SIM_MARKET_H

#include "tf/base.h"

#define SIM_LADDER_TICKS 32768 /* price window; the walk is turned back at its edges */
#define SIM_DIRTY_MAX    512   /* levels changed since the last depth message */

typedef struct sim_level {
  int64_t price_ticks;
  int64_t qty; /* 1e-8 units; 0 = gone */
  bool    ask;
} sim_level_t;

typedef struct sim_market {
  uint64_t    rng;
  int64_t     base_ticks;         /* price of ladder[.][0] */
  int32_t     best_bid, best_ask; /* ladder indices */
  double      lean;               /* order flow's bias, -1 .. 1, mean reverting */
  int64_t     lot;                /* typical size, 1e-8 units */
  int64_t     qty_step;           /* sizes are multiples of it, 1e-8 units */
  int64_t     last_ticks;         /* the last trade's price; 0: none yet */
  int64_t     traded_qty;         /* since the start */
  uint64_t    update_id;          /* one a level change, as the venue counts */
  uint64_t    trade_id;
  uint64_t    depth_first_id; /* of the changes since the last depth message; 0: none */
  uint32_t    dirty_cnt;
  sim_level_t dirty[SIM_DIRTY_MAX];
  int64_t     ladder[2][SIM_LADDER_TICKS]; /* [0] bids, [1] asks: quantity at each tick */
} sim_market_t;

typedef struct sim_step {
  bool    traded, quote_changed;
  bool    seller_took; /* the aggressor sold */
  int64_t trade_price_ticks, trade_qty;
} sim_step_t;

/* market: zeroed memory, so that the ladder's far ends cost none. price_ticks: where the market
 * starts, at least SIM_LADDER_TICKS / 2. levels: of each side at the start, 1 to
 * SIM_LADDER_TICKS / 2. */
void sim_market_init(sim_market_t *market, uint64_t seed, int64_t price_ticks, int64_t lot,
                     int64_t qty_step, uint32_t levels);

/* One action of somebody. Changed levels are noted in dirty; the caller empties it with
 * sim_market_take_depth before it is full (a step adds at most 4). */
sim_step_t sim_market_step(sim_market_t *market);

/* Ends a depth message's interval: the caller has read dirty. */
void sim_market_take_depth(sim_market_t *market);
/* The next depth message says of one bid level what the ladder does not: qty at price_ticks. */
void sim_market_tell(sim_market_t *market, int64_t price_ticks, int64_t qty);

TF_INLINE int64_t sim_market_price(const sim_market_t *m, int32_t ladder_idx) {
  return m->base_ticks + ladder_idx;
}

#endif
