/* The ids of one instrument's trades, where a venue gives them in ascending order: tells repeats (a
 * venue's replay behind a reconnect, what two connections both brought) from news, and counts jumps as
 * gaps.
 *
 * What a jump left out is remembered as a hole: a trade that comes late falls into one and is news,
 * however far back it is (the slower of two connections brings what the other missed). Of an instrument
 * the newest TF_TRADE_IDS_HOLES are kept; what falls into none is a repeat.
 *
 * Where ids ascend with jumps between them (a venue's one counter for all its instruments) each jump is
 * a hole, so that trades late by up to that many are told apart.
 *
 * Of the newest ids what the trade said is remembered too (trade_print.h), one place for each id by its low bits, and
 * looked at only where an id repeats: one that says something else then is a conflict, counted; the first stands. What came longer ago is a repeat and no more.
 *
 * One writer: the feed. */
#ifndef TF_FEED_TRADE_IDS_H
#define TF_FEED_TRADE_IDS_H

#include "feed/trade_print.h"
#include "tf/feed.h"

#define TF_TRADE_IDS_HOLES 8u
/* Before the first id that is seen at all, so many are held to be unseen: two trades may change places. */
#define TF_TRADE_IDS_EARLY 63u
/* An id this far back, in no hole, is the venue starting over; nearer, it is a repeat. */
#define TF_TRADE_IDS_RESTART UINT64_C(1000000)

/* As many as a venue replays behind a reconnect: 100 (Coinbase), 50 (Kraken). A power of two. */
#define TF_TRADE_IDS_SAID 128u

typedef struct tf_trade_ids_hole {
  uint64_t first, last; /* none of these was seen */
} tf_trade_ids_hole_t;

/* Zeroed: none seen yet. */
typedef struct tf_trade_ids {
  uint64_t            last;                      /* the largest that was seen */
  tf_trade_ids_hole_t holes[TF_TRADE_IDS_HOLES]; /* (hole_cnt), ascending, all below last */
  uint32_t            hole_cnt;
  bool                is_known;
  bool            is_continued; /* false behind a reconnect: what was missed meanwhile is no gap */
  tf_trade_said_t said[TF_TRADE_IDS_SAID]; /* by id */
} tf_trade_ids_t;

/* A trade that is news. */
TF_INLINE void tf_trade_ids_put_said(tf_trade_ids_t *ids, const tf_trade_said_t *said) {
  ids->said[said->id % TF_TRADE_IDS_SAID] = *said;
}

/* A repeat: counts a conflict where it does not say what the first did. */
TF_COLD void tf_trade_ids_check_said(const tf_trade_ids_t *ids, uint64_t id,
                                     const tf_trade_said_t *said, tf_feed_counts_t *counts);

/* The id is not the one behind the last. */
TF_COLD bool tf_trade_ids_jump(tf_trade_ids_t *ids, uint64_t id, const tf_trade_said_t *said,
                               tf_feed_counts_t *counts);

/* True: the id was seen before. Counts a gap where ids are missing, a conflict where it says something else than the
 * first. */
TF_INLINE bool tf_trade_ids_step(tf_trade_ids_t *ids, uint64_t id, const tf_trade_said_t *said,
                                 tf_feed_counts_t *counts) {
  if (TF_UNLIKELY(!ids->is_known || id != ids->last + 1))
    return tf_trade_ids_jump(ids, id, said, counts);
  ids->last         = id;
  ids->is_continued = true;
  tf_trade_ids_put_said(ids, said);
  return false;
}

#endif
