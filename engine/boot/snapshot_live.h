/* Snapshots of an engine while it runs, which no tick waits for.
 *
 *   snapshots' thread           acquire, between two passes      the lane
 *   it is time: wanted  ----->  saves its part, which ends
 *                               with event p; armed = p + 1 -->  before the first event behind p: saves what all
 *                                                                instruments share. Then an instrument before whatever touches
 *                                                                it first, less what its windows hold, and of that what is
 *                                                                overwritten next (boot/snapshot_copy.h); the others, and the
 *                                                                rest, by pieces while nothing comes, and with each event
 *                                                                where there is always something
 *   waits until the sinks  <---------------------------------    ready: all are there, as they were behind event p
 *   hold every decision up to p; seals; store.put
 *
 * So a store never has a snapshot that is ahead of the journal and the brokers: whoever goes on from it makes again what they hold
 * already, and leaves no gap. While sinks cannot be reached, and once one is broken, the one before stands.
 *
 * All memory is taken at start, in an arena of its own: for each instrument its state, full windows and a full book, and of levels that wait for
 * a book's snapshot as many as TF_SNAPSHOT_PENDING_BOOKS books may have. What does not fit is given up, counted. A lane that sheds
 * begins none. On the lane there are copies and no system call; without a snapshot under way one branch an event
 * (tf_lane_t.attention), which a replay's shedding has too. */
#ifndef TF_BOOT_SNAPSHOT_LIVE_H
#define TF_BOOT_SNAPSHOT_LIVE_H

#include "boot/snapshot.h"

#define TF_SNAPSHOT_PENDING_BOOKS 4u
#define TF_SNAPSHOT_PASS_BYTES    (32u << 10) /* copied in a pass that has nothing else to do */
#define TF_SNAPSHOT_EVENTS_BUSY   64u         /* where so many events came with no such pass, */
#define TF_SNAPSHOT_EVENT_BYTES   (4u << 10)  /* each brings a piece along */

typedef struct tf_snapshot_live tf_snapshot_live_t;

typedef struct tf_snapshot_live_config {
  tf_snapshot_store_t store;
  const char         *name;     /* as the store is to have them; kept */
  uint64_t            every_ns; /* 0: on demand alone */
} tf_snapshot_live_config_t;

/* By the snapshots' thread, shown to any; in the metrics too. Whoever sees that one was put sees its figures, or a later one's. */
typedef struct tf_snapshot_counts {
  uint64_t begun;    /* = put + failed + declined + given_up + under way (0 or 1) */
  uint64_t put;      /* the store has them */
  uint64_t failed;   /* the store would not take them */
  uint64_t declined; /* the lane was not in a state to be gone on from */
  uint64_t given_up; /* there was no room, or the engine ended */
  uint64_t bytes, decision_seq, ingest_seq; /* of the last that was put */
  uint64_t put_ns;                          /* wall time of that; 0: none yet */
  uint64_t copy_ns;                         /* from its first copied byte to its last, */
  uint64_t wait_ns;     /* from then until the sinks had what it has behind it, */
  uint64_t write_ns;    /* and what its store took */
  uint64_t instruments; /* in it, */
  uint64_t touched;     /* of these copied since an event was about to change them, the others in
                           between */
} tf_snapshot_counts_t;

/* Once the sources were added, before the engine's start: takes the memory, adds an aid to acquire, starts the thread.
 * E_CORE_NO_MEMORY, E_CORE_THREAD. */
tf_err_t tf_snapshot_live_start(tf_engine_t *engine, const tf_snapshot_live_config_t *config,
                                tf_snapshot_live_t **live);
/* After the engine was joined: what is under way is put if its decisions are out, else given up. Then, once nobody asks any more (the
 * engine's fini does it), its memory goes. Both accept NULL; stop, to be called again. */
void tf_snapshot_live_stop(tf_snapshot_live_t *live);
void tf_snapshot_live_fini(tf_snapshot_live_t *live);

/* Any thread: one as soon as may be. False: one is under way. */
bool tf_snapshot_live_request(tf_snapshot_live_t *live);
void tf_snapshot_live_counts(const tf_snapshot_live_t *live, tf_snapshot_counts_t *counts);

#endif
