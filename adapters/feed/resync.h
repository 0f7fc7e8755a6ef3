/* Books that want their snapshot again, at a venue that sends it in band: a queue of instruments, and
 * for each the feed's own texts (unsubscribe, subscribe), at the venue's pace. One that keeps asking is
 * answered later each time: 0, 1, 2, 4 .. 60 s, until it was quiet for a minute. One thread, the lane. */
#ifndef FEED_RESYNC_H
#define FEED_RESYNC_H

#include "core/arena.h"
#include "feed/link.h"
#include "tf/feed.h"

typedef struct tf_resync_row { /* of one instrument */
  uint64_t due_ns;             /* 0: not wanted */
  uint64_t asked_ns;           /* the last time; 0 never */
  uint32_t repeat_cnt;
} tf_resync_row_t;

typedef struct tf_resync {
  const tf_feed_t *feed;
  void            *feed_state;
  tf_resync_row_t *rows; /* by instrument_id */
  uint32_t         cap;
  uint32_t         wanted_cnt; /* rows with a due time */
  uint32_t         id;         /* whose texts are being sent, if message_idx > 0 */
  uint32_t         message_idx;
  uint64_t         asked_cnt;
} tf_resync_t;

size_t   tf_resync_arena_bytes(uint32_t instrument_cap);
tf_err_t tf_resync_init(tf_resync_t *resync, uint32_t instrument_cap, tf_arena_t *arena);

void tf_resync_want(tf_resync_t *resync, uint32_t instrument_id, uint64_t now_ns);

/* The connection is gone or new: all snapshots come anyhow. */
void tf_resync_forget(tf_resync_t *resync);

/* Sends the next text that is due and that the link's pace allows, made in text[cap]. Returns work done;
 * a text that does not fit is an E_FEED_LIMIT. */
int tf_resync_tick(tf_resync_t *resync, tf_link_t *link, uint64_t now_ns, char *text, size_t cap);

#endif
