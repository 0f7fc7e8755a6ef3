/* A tape as one input of a replay (file/replay.h): its messages in order, one look ahead.
 *
 * A message ends with an event that has the flag LAST, or where ts_recv changes: that is
 * the batch that acquire gets. (A venue's message on several instruments has a LAST for each, and
 * comes as so many batches: a tick is an event with LAST, the lane sees no difference.)
 *
 * The tape's instruments are rows of the engine's table: found by name, or added. ids of events are
 * translated; a tape that is replayed alone into an empty table keeps its own.
 *
 * Damage: what is lost is passed over and the rest is delivered; afterwards the reader says what it
 * was (tf_tape_reader_is_whole, tf_tape_reader_error). */
#ifndef ADAPTERS_FILE_TAPE_TRACK_H
#define ADAPTERS_FILE_TAPE_TRACK_H

#include "file/tape_reader.h"

typedef struct tf_tape_track {
  tf_tape_reader_t reader;
  uint32_t        *ids; /* (reader.row_cnt) of the engine's table, by the tape's */
  tf_event_t      *events;
  uint32_t         cap, begin, end; /* events[begin .. end) are read and not yet taken */
  uint32_t         message_cnt; /* events[begin ..) that are the next message; 0: none is ready */
  uint64_t         next_block;
  bool             is_block_open;
  uint64_t         from_ns, to_ns;
  uint64_t         bytes_framed;   /* of EVENTS blocks that were read and decoded */
  uint64_t         bytes_rejected; /* lost to damage */
  uint64_t         unknown_ids;    /* events passed over: their instrument is not in the tape */
} tf_tape_track_t;

/* Opens path (kept). Events with ts_recv in [from_ns, to_ns) are delivered; blocks wholly outside are
 * not even read. message_cap: events of the largest message. Control plane: mallocs. Errors of
 * tf_tape_reader_init; E_FEED_LIMIT: the table is full; E_CORE_NO_MEMORY. */
tf_err_t tf_tape_track_init(tf_tape_track_t *track, const char *path, tf_instruments_t *instruments,
                            uint32_t message_cap, uint64_t from_ns, uint64_t to_ns);
void     tf_tape_track_fini(tf_tape_track_t *track); /* accepts a zeroed one */

/* Makes the next message ready: track->events[begin .. begin + message_cnt). False: there is none
 * left. A message longer than message_cap comes in pieces. */
bool tf_tape_track_ready(tf_tape_track_t *track);

/* Back to the first message, as after init; the counts go on. */
TF_INLINE void tf_tape_track_rewind(tf_tape_track_t *track) {
  track->begin = track->end = track->message_cnt = 0;
  track->next_block                              = 0;
  track->is_block_open                           = false;
}

TF_INLINE void tf_tape_track_take(tf_tape_track_t *track) {
  track->begin += track->message_cnt;
  track->message_cnt = 0;
}

#endif
