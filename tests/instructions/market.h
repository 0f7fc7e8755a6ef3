/* A made-up USD-M market for counting instructions: seeded, so that the same messages come in every
 * run, and shaped like the recording that the benches use (docs: bench/RESULTS.md, B6): books some
 * thousand levels deep, depth messages of a few dozen levels in price order, half of them more than 220
 * levels from the best, a third of them inserts or deletes. */
#ifndef TESTS_INSTRUCTIONS_MARKET_H
#define TESTS_INSTRUCTIONS_MARKET_H

#include "tf/base.h"

#define MARKET_MESSAGE_BYTES_MAX (1u << 20)
#define MARKET_SIDE_TICKS        8192

typedef enum market_class {
  MARKET_TRADE,
  MARKET_QUOTE,
  MARKET_DEPTH,
  MARKET_SNAPSHOT
} market_class_t;

typedef struct market {
  uint64_t rng, now_ms, trade_id;
  uint64_t update_id, depth_id; /* the newest of all, and of a depth message: the next one's pu */
  uint32_t qty[2]
              [MARKET_SIDE_TICKS]; /* [0] bids, [1] asks, by distance from the best; 1e-3 units */
} market_t;

void market_init(market_t *market);

/* The next message of a class as the venue sends it on a combined stream (SNAPSHOT: as its REST answer);
 * its length. *levels: price levels in it. */
uint32_t market_message(market_t *market, market_class_t class, char *text, uint32_t *levels);

#endif
