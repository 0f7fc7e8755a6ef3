/* The order book of one instrument: two sorted sides, absolute quantities, 0 deletes.
 *
 * A side is a ladder (stage/ladder.h). Depth is bounded: a level worse than the worst kept one is left
 * out of a full side, and counted.
 *
 * While the book is not in sync, deltas are kept, in order, and applied when the feed says from which
 * venue sequence on they follow the snapshot (tf/feed.h). Owner and only writer: the lane. */
#ifndef TF_STAGE_BOOK_H
#define TF_STAGE_BOOK_H

#include "core/arena.h"
#include "stage/ladder.h"
#include "tf/market.h"

typedef struct tf_book_pending {
  int64_t  price, qty; /* as the event had them */
  uint64_t venue_seq;
  int8_t   price_exp, qty_exp;
  uint8_t  side; /* 1 = ask */
  uint8_t  reserved[5];
} tf_book_pending_t;

/* Memory of both sides. */
#define TF_BOOK_BYTES(levels_max) (2 * TF_LADDER_BYTES(levels_max))

typedef struct tf_book_keeper {
  tf_book_t          book;         /* what indicators see */
  tf_ladder_t        sides[2];     /* bid, ask: how book.bid and book.ask are kept */
  bool               collecting;   /* deltas go to pending, not to the book */
  bool               pending_lost; /* pending was too small: cannot be bridged */
  bool               has_scale;
  uint64_t           apply_from; /* older deltas are part of the snapshot already */
  uint32_t           pending_cnt, pending_max;
  tf_book_pending_t *pending;
  uint64_t           pending_dropped;   /* levels that did not fit into pending */
  uint64_t           unscalable_levels; /* price does not fit the book's scale in 63 bits */
} tf_book_keeper_t;

/* Takes all memory from the arena: TF_BOOK_BYTES(levels_max), 32 bytes a pending level. */
tf_err_t tf_book_init(tf_book_keeper_t *keeper, tf_arena_t *arena, uint32_t levels_max,
                      uint32_t pending_max);

/* An empty book that knows nothing, as after init; counters and change_cnt go on. */
void tf_book_forget(tf_book_keeper_t *keeper);

/* Levels left out of a full side. */
uint64_t tf_book_truncated(const tf_book_keeper_t *keeper);

/* One BOOK or STATUS event, in ingest order. */
void tf_book_on_event(tf_book_keeper_t *keeper, const tf_event_t *event);

/* After the last event of a message: OK becomes CROSSED and back as the sides say. */
void tf_book_settle(tf_book_keeper_t *keeper);

#endif
