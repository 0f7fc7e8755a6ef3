/* The snapshots that a feed asks for: a queue of instruments, one REST request at a time through the
 * dialer, a gap between them, backoff and Retry-After when the venue refuses. When nothing is in the
 * queue, the feed's metadata targets, once each time they are asked for; after three failures they are given up. One thread, the
 * lane. */
#ifndef FEED_SNAPSHOTS_H
#define FEED_SNAPSHOTS_H

#include "core/arena.h"
#include "feed/dialer.h"
#include "tf/feed.h"
#include "wire/ws.h"

typedef struct tf_snapshots {
  tf_dialer_t         *dialer;
  tf_dialer_client_t  *client;
  const tf_feed_t     *feed;
  void                *feed_state;
  tf_ws_random_t       random;
  const tf_endpoint_t *endpoint;
  uint64_t             gap_ns;
  tf_dial_t            dial;
  bool                 away;        /* the dialer has the dial */
  bool                 late;        /* it was asked for on a connection that is gone */
  uint32_t             id;          /* whose snapshot is asked for */
  uint32_t             failure_cnt; /* in a row */
  uint64_t             due_ns;
  uint32_t            *ids; /* queue, a ring */
  uint32_t             cap, head, cnt;
  bool                 metadata_on; /* the feed's metadata targets are asked for, behind the rest */
  bool                 is_metadata; /* the dial is one of them */
  bool                 metadata_given_up; /* the venue did not answer */
  uint32_t             metadata_idx, metadata_failure_cnt;
  uint32_t             metadata_bytes_max; /* of the answers so far */
  uint64_t             asked_cnt, taken_cnt, failed_cnt, late_cnt, dropped_cnt;
} tf_snapshots_t;

size_t   tf_snapshots_arena_bytes(uint32_t cap);
tf_err_t tf_snapshots_init(tf_snapshots_t *s, uint32_t cap, tf_arena_t *arena);
void     tf_snapshots_fini(tf_snapshots_t *s); /* the dialer has not got the dial */

/* Puts an instrument into the queue, once. A full queue drops it, counted: its book stays
 * unsynchronised until the feed asks again. */
void tf_snapshots_want(tf_snapshots_t *s, uint32_t instrument_id);

/* The connection is gone or new: what was wanted is forgotten, what is under way comes too late. */
void tf_snapshots_forget(tf_snapshots_t *s);

/* All of the metadata targets, once more; where they are being asked for, they go on. */
void tf_snapshots_ask_metadata(tf_snapshots_t *s);

/* Asks for the next one if it is due; books_done: for metadata too. Returns work done. */
int tf_snapshots_tick(tf_snapshots_t *s, uint64_t now_ns, bool books_done);

/* Its dial is back. True: the frame is for the feed, then call tf_snapshots_settle. False: nothing
 * to do. */
bool tf_snapshots_returned(tf_snapshots_t *s, uint64_t now_ns, tf_frame_t *frame);
/* What the feed said of the frame; gives the body back to the dialer. */
void tf_snapshots_settle(tf_snapshots_t *s, uint64_t now_ns, tf_verdict_t verdict);

/* Some are wanted or under way. */
bool tf_snapshots_pending(const tf_snapshots_t *s);

#endif
