/* The order book of one instrument: two sorted sides, absolute quantities, 0 deletes.
 *
 * A side is a ladder (stage/ladder.h). Depth is bounded: a full side drops its worst level, counted, and from then on
 * keeps what is better than all that it dropped, which is the venue's book without holes. As the market moves
 * that becomes less; a side that has dropped levels and is down to a quarter of its room makes the book doubtful, and
 * the snapshot that follows fills it again.
 *
 * While the book is not in sync, deltas are kept, in order, and applied when the feed says from which
 * venue sequence on they follow the snapshot (tf/feed.h). Where there are too many the newest are kept: the longer a
 * snapshot takes, the newer it is. Owner and only writer: the lane. */
#ifndef TF_STAGE_BOOK_H
#define TF_STAGE_BOOK_H

#include "core/arena.h"
#include "core/walk.h"
#include "stage/ladder.h"
#include "tf/market.h"

typedef struct tf_book_pending {
  int64_t  price, qty; /* as the event had them */
  uint64_t venue_seq;
  int8_t   price_exp, qty_exp;
  uint8_t  side; /* 1 = ask */
  uint8_t  reserved[5];
} tf_book_pending_t;

/* A book that so many messages in a row left crossed may be the venue's own haste: orders of one match come
 * in several messages. The next such message makes it doubtful (tf/lost_books.h). */
#define TF_BOOK_CROSSED_MESSAGES_MAX 5u

/* And of fewer messages, one that has stood so long, on an instrument that is seldom told of, say. */
#define TF_BOOK_CROSSED_NS_MAX (10 * TF_NS_PER_SEC)

/* Memory of both sides. */
#define TF_BOOK_BYTES(levels_max) (2 * TF_LADDER_BYTES(levels_max))

typedef struct tf_book_keeper {
  tf_book_t          book;         /* what indicators see */
  tf_ladder_t        sides[2];     /* bid, ask: how book.bid and book.ask are kept */
  bool               collecting;   /* deltas go to pending, not to the book */
  bool               pending_lost; /* pending was too small: its oldest made room, */
  bool               has_scale;
  uint64_t           apply_from;       /* older deltas are part of the snapshot already */
  uint64_t           pending_lost_seq; /* up to this one of them: a snapshot must be as new */
  uint32_t           pending_head, pending_cnt, pending_max;
  uint32_t           crossed_cnt; /* messages in a row that left the book crossed, */
  uint32_t           short_cnt; /* a side that dropped levels and has fewer than so many is short */
  uint64_t           short_since_ns;     /* 0: neither is */
  uint64_t           crossed_since_ns;   /* and the receive time of the first of them */
  uint64_t           broken_since_ns;    /* not 0: GAP, and the feed does not know it */
  uint64_t           doubtful_since_ns;  /* 0: the book is believed, or said to be broken already */
  uint64_t           settled_change_cnt; /* of the book, as settle left it */
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

/* BOOK events of one message, as if one by one. */
void tf_book_on_levels(tf_book_keeper_t *keeper, const tf_event_t *events, uint32_t cnt);

/* After the last event of a message, received at now_ns: OK becomes CROSSED (best bid above best ask; equal
 * ones are a locked book, which is in order) and back as the sides say; doubtful_since_ns is brought up to
 * date. False, at the cost of one comparison: the message did not touch the book. */
bool tf_book_settle(tf_book_keeper_t *keeper, uint64_t now_ns);

/* All that it knows: levels, what waits for a snapshot, what it makes of its own state. Loading where there is less room for either,
 * or what is no book, sets is_short and leaves one that knows nothing. TF_BOOK_WALK_BYTES(levels_max, pending_cnt) at most. */
void tf_book_walk(tf_book_keeper_t *keeper, tf_walk_t *walk);

#define TF_BOOK_WALK_BYTES(levels_max, pending_cnt)                                                \
  (256 + 2 * (size_t)(levels_max) * sizeof(tf_ladder_level_t) +                                    \
   (size_t)(pending_cnt) * sizeof(tf_book_pending_t))

#endif
