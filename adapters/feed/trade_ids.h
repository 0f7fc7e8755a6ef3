/* The ids of one instrument's trades, where a venue numbers them one by one: tells repeats (a venue's
 * replay behind a reconnect, two connections that overlap) from news, and counts jumps as gaps.
 * One writer: the feed. */
#ifndef TF_FEED_TRADE_IDS_H
#define TF_FEED_TRADE_IDS_H

#include "tf/feed.h"

/* An id this far back is the venue starting over; nearer, it is a repeat. */
#define TF_TRADE_IDS_RESTART UINT64_C(1000000)

/* The ids that were seen last: bit k of recent is last - k. Zeroed: none yet. */
typedef struct tf_trade_ids {
  uint64_t last;
  uint64_t recent;
  bool     is_known;
  bool     is_continued; /* false behind a reconnect: what was missed meanwhile is no gap */
} tf_trade_ids_t;

TF_COLD bool tf_trade_ids_is_repeat(tf_trade_ids_t *ids, uint64_t id);

/* True: the id was seen before. Counts a gap where ids are missing. */
TF_INLINE bool tf_trade_ids_step(tf_trade_ids_t *ids, uint64_t id, tf_feed_counts_t *counts) {
  uint64_t ahead = id - ids->last;
  if (TF_UNLIKELY(!ids->is_known)) {
    ids->recent = 0;
    ahead       = 1;
  } else if (TF_UNLIKELY(id <= ids->last)) {
    return tf_trade_ids_is_repeat(ids, id);
  }
  counts->gaps += ahead > 1 && ids->is_continued;
  ids->recent       = ahead < 64 ? ids->recent << ahead | 1 : 1;
  ids->last         = id;
  ids->is_known     = true;
  ids->is_continued = true;
  return false;
}

#endif
