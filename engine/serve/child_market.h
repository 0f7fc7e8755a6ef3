/* The lane's way to a worker that computes features itself (tf/market_row.h): the market of each event that its plan follows goes there,
 * and at each tick the answer is waited for as that of a row is (serve/child.h).
 *
 *   event, bar, leaving --> tf_child_market_tell      QUIET rows, nobody waits
 *   tick                --> tf_child_market_ask       TICK rows, up to the deadline
 *   a new worker        --> before an instrument's next tick, or while there is none (idle): STATE, from the lane's own memory
 *
 * Where an instrument's memory is, the lane knows by the row numbers of its child lane: those of another epoch, or 0, mean that the
 * worker has it not. What is not there is told nothing; its state says it all later.
 *
 * Sections span instruments, so the lane keeps whom the worker has there (is_seated). A tick is a TICK only where these are the lane's members
 * at that tick; until then it is the lane's memory, STATE and STANDS, and exact too. One whose tick could not be told leaves them at
 * once: nobody is placed among values that are out of date. A worker that lacks something all the same is told that all leave, and gets
 * each member anew.
 *
 * Owner and only writer: the lane. Memory: in tf_remote_t. */
#ifndef TF_SERVE_CHILD_MARKET_H
#define TF_SERVE_CHILD_MARKET_H

#include "serve/child.h"
#include "tf/market_row.h"

#define TF_CHILD_MARKET_SLOTS 1024u /* requests under way: events of a message are one each */

/* Who knows the market: the lane's pipeline. Rows are as of the newest event. */
typedef struct tf_child_market_source {
  void *self;
  /* Returns the plan's memory, as of the tick. */
  const void *(*tick)(void *self, uint32_t instrument_idx, tf_market_row_t *row);
  /* The same; NULL: it has not ticked. row: kind, tag and row_cnt are the asker's. */
  const void *(*state)(void *self, uint32_t instrument_idx, tf_market_row_t *row);
  /* May its memory be sent between ticks? Not while a tick of it waits for its batch, which would be computed on it once more, nor
   * where a bar has closed since its tick: others are placed among what stood there at the tick. */
  bool (*is_settled)(void *self, uint32_t instrument_idx);
} tf_child_market_source_t;

typedef struct tf_child_market_counts { /* by the lane */
  uint64_t rows;                        /* sent, of all kinds */
  uint64_t states;                      /* of them */
  uint64_t state_bytes;
  uint64_t states_waited; /* ticks that could not be asked about: the room was not free */
  uint64_t sections_anew; /* times that nobody was left in the worker's sections */
} tf_child_market_counts_t;

typedef struct tf_child_market {
  tf_child_market_source_t source;
  const tf_kept_rows_t    *kept; /* of the model's window, the newest included; NULL: single rows */
  uint64_t                 mem_bytes;
  uint32_t                 instrument_cnt;
  uint32_t                 on;   /* TF_ON_TRADE, TF_ON_QUOTE: events that some step follows */
  uint32_t                 bars; /* a bit for each whose closes it reads */
  bool                     has_sections;
  uint32_t                 handed_cnt;
  uint16_t                 handed[TF_MARKET_ROW_HANDED_MAX]; /* slots whose values go with a tick */

  uint64_t                 epoch;     /* of what follows */
  bool                    *is_seated; /* (instrument_cnt) it has a place in the worker's sections */
  uint32_t                 seated_cnt;             /* of them */
  uint64_t                 state_seq, state_ticks; /* the room's newest request; 0: none */
  uint64_t                 answered_seq;           /* the newest request with an answer */
  uint32_t                 idle_at;                /* whose state is looked at next */
  tf_child_market_counts_t counts;
} tf_child_market_t;

/* Packets of the mailbox's state room; 0: more than there may be. */
uint32_t tf_child_market_packets(uint64_t mem_bytes, uint32_t width, uint32_t window);

/* Ticks of row_cnt instruments, one each, in the lane's order; as tf_child_ask_many. A row that is_quiet is told, and its result means
 * nothing. */
void tf_child_market_ask(tf_child_lane_t *lane, tf_child_market_t *market, tf_child_row_t *rows,
                         uint32_t row_cnt, uint64_t begun_ticks);
/* A row that wants no answer; does not wait. */
void tf_child_market_tell(tf_child_lane_t *lane, tf_child_market_t *market, uint32_t instrument_idx,
                          const tf_market_row_t *row);
/* A tick that nobody is asked about. */
void tf_child_market_pass(tf_child_lane_t *lane, tf_child_market_t *market,
                          uint32_t instrument_idx);
/* While there is no tick: the state of one instrument that the worker has not. */
void tf_child_market_idle(tf_child_lane_t *lane, tf_child_market_t *market);

#endif
