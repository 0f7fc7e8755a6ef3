/* The way of events, quotes or feature rows from where they are made to emit: in place where both share a
 * thread, else through a ring of its own. Made only where a sink carries them; without it nobody pays
 * but for a test of a pointer.
 *
 *   events    acquire, in its order, after the lane has been told
 *   quotes    the lane, at a tick that changed an instrument's best bid and offer, after the decision has left
 *   features  the lane, at a tick, likewise
 *
 * What does not fit into a live ring is dropped, the newest, and counted: neither acquire nor the lane waits
 * for a sink. A replay waits. One producer thread, emit's thread takes out.
 *
 * Ledger: made = handed to emit + lost + what waits. */
#ifndef TF_STAGE_PASSAGE_H
#define TF_STAGE_PASSAGE_H

#include "flow/ring.h"
#include "stage/emit.h"

#define TF_PASSAGE_BURST                                                                           \
  64u /* records that emit takes of one passage before it looks at decisions again */

typedef struct tf_passage {
  /* written before the start only */
  tf_record_shape_t shape;
  tf_emit_t        *emit;
  tf_ring_t        *ring;     /* NULL: in place */
  bool              waits;    /* a replay */
  const uint32_t   *stopping; /* a full ring is given up once this is set; may be NULL */
  /* the producer's */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_writer_t writer;
  uint64_t made, lost;
  uint64_t full_waits; /* passes spent waiting for emit */
  /* emit's thread's */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_reader_t reader;
} tf_passage_t;

/* Producer. n records of the shape, in order. */
void tf_passage_put(tf_passage_t *passage, const void *records, uint32_t n);

/* Emit's thread: hands on at most TF_PASSAGE_BURST; how many. */
uint32_t tf_passage_drain(tf_passage_t *passage);

/* What waits in it. */
uint64_t tf_passage_fill(const tf_passage_t *passage);

#endif
