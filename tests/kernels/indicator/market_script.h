/* A scripted market for tests: the same list of events drives tf_market_t here and, written out as
 * text, the Python oracle. Prices are hundredths, quantities thousandths. */
#ifndef TESTS_MARKET_SCRIPT_H
#define TESTS_MARKET_SCRIPT_H

#include <stdio.h>

#include "tf/indicator.h"

#define SCRIPT_LEVELS 12

typedef struct script_event {
  char     kind; /* T trade, Q quote, B whole book after this message, V book has gone (NONE) */
  bool     last; /* a tick follows */
  bool     backfill;
  uint64_t now_ns;
  int64_t  price, qty; /* trade */
  int      side;
  int64_t  bid, bid_qty, ask, ask_qty;
  bool     has_ticker; /* that came just before, without a tick: its mark price, and rate in 1e-8 */
  int64_t  mark, funding;
  uint32_t bid_cnt, ask_cnt;
  int64_t  bid_price[SCRIPT_LEVELS], bid_size[SCRIPT_LEVELS]; /* best first */
  int64_t  ask_price[SCRIPT_LEVELS], ask_size[SCRIPT_LEVELS];
} script_event_t;

typedef struct script_market {
  tf_market_t    market;
  tf_event_t     event;
  tf_book_t      book;
  int64_t        qtys[2][SCRIPT_LEVELS][TF_BOOK_PAGE_PRICES];
  tf_book_page_t pages[2][SCRIPT_LEVELS];
  uint32_t       order[2][SCRIPT_LEVELS];
  tf_market_t    other; /* the first of the peers: what the market was before, half as dear */
  tf_peer_t      peers[2];
  double         other_values[1];
  uint32_t       event_cnt;
} script_market_t;

/* xorshift64*: the tests' only randomness. */
uint64_t script_random(uint64_t *seed);

/* cnt events from a seed: bursts at one receive time, quiet spells, one-sided books, a time that
 * steps back, gaps exactly as long as step_ns. */
void script_make(script_event_t *events, uint32_t cnt, uint64_t seed, uint64_t step_ns);

/* The side becomes cnt levels, given best first. */
void script_set_side(tf_book_side_t *side, const int64_t *price, const int64_t *size, uint32_t cnt);

void script_market_init(script_market_t *m);
/* An indicator's call at the market as it stands, peers with it where it reads any. */
tf_indicator_input_t script_input(const script_market_t *m, const tf_indicator_t *d, uint32_t on);
/* Applies an event; the TF_ON_* bit that indicators see. */
uint32_t script_market_apply(script_market_t *m, const script_event_t *e);

void script_print(const script_event_t *events, uint32_t cnt, FILE *file);

#endif
