/* The order book of one instrument: two sorted sides, absolute quantities, 0 deletes.
 *
 * A side is a pair of arrays, worst level first, best last, that float inside their storage. A deleted
 * level leaves a hole (quantity 0): prices come and go at the same places, so most holes are filled
 * again by the level that left them, and a new price moves only what lies between it and the nearest
 * hole. On the USD-M recording 37 % of the changes insert or delete, and each used to move 5.8 KB.
 * Holes are closed when they are a quarter of a side; the best entry never is one. Search gallops from
 * the best price. Depth is bounded: a level worse than the worst kept one is left out of a full side,
 * and counted.
 *
 * While the book is not in sync, deltas are kept, in order, and applied when the feed says from which
 * venue sequence on they follow the snapshot (tf/feed.h). Owner and only writer: the lane. */
#ifndef TF_STAGE_BOOK_H
#define TF_STAGE_BOOK_H

#include "core/arena.h"
#include "tf/market.h"

typedef struct tf_book_pending {
  int64_t  price, qty; /* as the event had them */
  uint64_t venue_seq;
  int8_t   price_exp, qty_exp;
  uint8_t  side; /* 1 = ask */
  uint8_t  reserved[5];
} tf_book_pending_t;

typedef struct tf_book_keeper {
  tf_book_t          book;          /* what indicators see */
  int64_t           *storage[2][2]; /* [side][price or qty], storage_cnt words each */
  uint32_t           storage_cnt;
  uint32_t           levels_max;   /* of a side, holes not counted */
  uint32_t           holes[2];     /* [side] */
  bool               collecting;   /* deltas go to pending, not to the book */
  bool               pending_lost; /* pending was too small: cannot be bridged */
  bool               has_scale;
  uint64_t           apply_from; /* older deltas are part of the snapshot already */
  uint32_t           pending_cnt, pending_max;
  tf_book_pending_t *pending;
  uint64_t           truncated_levels;  /* left out of a full side */
  uint64_t           pending_dropped;   /* levels that did not fit into pending */
  uint64_t           unscalable_levels; /* price does not fit the book's scale in 63 bits */
} tf_book_keeper_t;

/* Takes all memory from the arena: 32 bytes a level and side, 32 a pending level. */
tf_err_t tf_book_init(tf_book_keeper_t *keeper, tf_arena_t *arena, uint32_t levels_max,
                      uint32_t pending_max);

/* One BOOK or STATUS event, in ingest order. */
void tf_book_on_event(tf_book_keeper_t *keeper, const tf_event_t *event);

/* After the last event of a message: OK becomes CROSSED and back as the sides say. */
void tf_book_settle(tf_book_keeper_t *keeper);

#endif
