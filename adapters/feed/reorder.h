/* Trades in the order of their ids, for those who ask for it (feeds[].reorder_window): a trade that is ahead of its turn is
 * held until those before it have come, or the window is over. Behind the merging of connections, so that what
 * one leg brings later than another falls into its place too.
 *
 *   id is next         published, and those that were held for it behind it
 *   id is ahead        held; with TF_REORDER_HELD_MAX of them the instrument's go out at once
 *   id is behind       late: published where it is
 *   window over        the instrument's go out in order; what was missing is a gap, as without a window
 *
 * Held is a trade alone: quotes, books and tickers go on meanwhile, and books are put in order by nobody (ADR 0020).
 * A trade keeps the time at which it was received, and is a tick of its own when it goes out. A window ends with the first
 * message of the feed behind its end, or, where none comes, when the session looks at the clock: that is a record of
 * the tap (TF_TAP_WINDOW_END), so that a replay holds and lets go alike. When the last connection is gone nothing is held.
 *
 * Pure; one thread. Nothing but a comparison where no trade is ahead. */
#ifndef FEED_REORDER_H
#define FEED_REORDER_H

#include "tf/feed.h"

#define TF_REORDER_HELD_MAX 1024u

typedef struct tf_reorder_row {
  uint64_t next_id; /* 0: not known yet */
  uint32_t held_cnt;
} tf_reorder_row_t;

typedef struct tf_reorder {
  tf_reorder_row_t *rows; /* (instrument_cap) */
  tf_event_t       *held; /* (TF_REORDER_HELD_MAX), in order of arrival */
  uint64_t          window_ns;
  uint32_t          instrument_cap, held_cnt;
  bool              is_starved; /* the last that might go found no room */
} tf_reorder_t;

/* Zeroed memory, aligned to a line. 0 bytes where there is no window. */
size_t tf_reorder_bytes(uint64_t window_ns, uint32_t instrument_cap);
void   tf_reorder_init(tf_reorder_t *reorder, void *memory, uint64_t window_ns,
                       uint32_t instrument_cap);

/* The oldest that is held has been so for the window. */
TF_INLINE bool tf_reorder_is_due(const tf_reorder_t *reorder, uint64_t now_ns) {
  return reorder->held_cnt > 0 && now_ns >= reorder->held[0].ts_recv_ns &&
         now_ns - reorder->held[0].ts_recv_ns >= reorder->window_ns;
}

/* What a message made: takes out what is ahead, puts in what may go. What finds no room stays for the next. */
void tf_reorder_pass(tf_reorder_t *reorder, tf_feed_out_t *out, uint64_t now_ns);

/* All that is held goes out, as far as there is room. */
void tf_reorder_flush(tf_reorder_t *reorder, tf_feed_out_t *out);

#endif
