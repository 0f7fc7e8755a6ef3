/* The instruments of a snapshot as they are behind one event, into memory that was taken at start, while the lane goes on.
 *
 *   begun    its words, the newest entry of each of its trails, its book, its models' windows: before the first event that may change any of them
 *   whole    and all that its trails held (stage/feature_trail.h): ahead of what the lane overwrites, a few entries before
 *            each event of it; the rest by pieces
 *
 * So an event waits for the words and the book of its instrument, and of those that read it, however many samples their windows hold. What is
 * still copied in one: a state that is no trail, a model's window; and a trail before an event that may merge it, which takes longer itself.
 *
 * The lane's, until all are whole; then whoever is shown that has the bytes. */
#ifndef TF_BOOT_SNAPSHOT_COPY_H
#define TF_BOOT_SNAPSHOT_COPY_H

#include "boot/snapshot.h"

/* Of an instrument. */
typedef struct tf_snapshot_row {
  uint32_t serial; /* of the copy that it was begun for last */
  uint32_t left;   /* its trails that are not whole */
} tf_snapshot_row_t;

typedef struct tf_snapshot_copy {
  tf_engine_t       *engine;
  uint8_t           *bytes; /* records are appended to them */
  size_t             room, at;
  tf_snapshot_row_t *rows;  /* (instrument_cap) */
  tf_walk_ring_t    *rings; /* (instrument_cap, trail_cnt) what is left of each */
  uint32_t           serial, instrument_cnt;
  uint32_t           begun_cnt, whole_cnt;
  uint32_t           next_id;     /* pieces go on from there: all before it are whole */
  uint32_t           touched_cnt; /* begun since an event was about to change them */
  uint64_t           as_of_ns;    /* the newest receive time in it */
  bool               has_no_room; /* given up: nothing more is copied */
} tf_snapshot_copy_t;

/* What it takes beside the bytes, for so many instruments. */
size_t tf_snapshot_copy_footprint(const tf_engine_t *engine, size_t instrument_cap);
void   tf_snapshot_copy_init(tf_snapshot_copy_t *copy, tf_engine_t *engine, uint8_t *bytes,
                             size_t room, void *memory);

/* The first instrument_cnt of the lane, as they are now; `at` bytes stand before their records. */
void tf_snapshot_copy_begin(tf_snapshot_copy_t *copy, size_t at, uint32_t instrument_cnt);
/* Before an event that may change that instrument. True: it was begun for it. */
bool tf_snapshot_copy_touch(tf_snapshot_copy_t *copy, uint32_t id);
/* The next piece: what begins an instrument, or at most about bytes_max of entries. Returns its bytes; 0: nothing is left. */
size_t tf_snapshot_copy_piece(tf_snapshot_copy_t *copy, size_t bytes_max);

TF_INLINE bool tf_snapshot_copy_is_whole(const tf_snapshot_copy_t *c) {
  return c->whole_cnt == c->instrument_cnt;
}

#endif
