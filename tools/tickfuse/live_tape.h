/* A tape of a live run: what acquire publishes goes into a ring beside the lane's, and a thread of its
 * own takes it from there to the file (file/tape_writer.h). `run --tape` and `record --tape` share it.
 *
 * acquire never waits for it: events that find the ring full are not on the tape, and are counted; the
 * tape's ingest_seq then shows where. What was published is on disk (not synced) at most
 * TF_LIVE_TAPE_FLUSH_NS later, so that a crash of the process loses no more. Control plane, one thread;
 * the counters are read after stop. */
#ifndef TICKFUSE_LIVE_TAPE_H
#define TICKFUSE_LIVE_TAPE_H

#include <jansson.h>
#include <pthread.h>

#include "boot/engine.h"
#include "file/tape_writer.h"

#define TF_LIVE_TAPE_RING_SLOTS 262144 /* 16 MiB: a quarter of a second at 1 M events/s */
#define TF_LIVE_TAPE_FLUSH_NS   TF_NS_PER_SEC

typedef struct tf_live_tape {
  const char      *path; /* NULL: none is written */
  tf_acquire_t    *acquire;
  tf_arena_t       arena;
  tf_ring_writer_t ring_writer; /* acquire's */
  tf_ring_reader_t ring_reader; /* the thread's */
  tf_tape_writer_t tape;        /* the thread's, until stop */
  pthread_t        thread;
  bool             is_running;
  uint32_t         stopping; /* by stop, with release */
  uint64_t         written;  /* by the thread: events */
  tf_err_t         err;      /* by the thread, then by stop */
  char             err_text[512];
} tf_live_tape_t;

/* After tf_engine_init, before tf_engine_start. path NULL: nothing happens. Errors of
 * tf_tape_writer_init, E_CORE_NO_MEMORY, E_CORE_THREAD. */
tf_err_t tf_live_tape_start(tf_live_tape_t *live, tf_engine_t *engine, const char *path);

/* After acquire has ended: takes what is left, ends the file. Accepts one that was not started. A tape
 * that lacks events is E_FILE_WRITE in live->err. */
void tf_live_tape_stop(tf_live_tape_t *live);

/* After stop: an object, or a line for people; NULL and nothing when there was no tape. */
json_t *tf_live_tape_json(const tf_live_tape_t *live);
void    tf_live_tape_print(const tf_live_tape_t *live, FILE *out);

#endif
