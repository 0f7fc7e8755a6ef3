/* A shm sink under a name of this process's own, and decisions whose bytes depend on each other. */
#ifndef TESTS_STREAM_FIXTURE_H
#define TESTS_STREAM_FIXTURE_H

#include "tf/reader.h"
#include "tf/sink.h"

extern const tf_sink_t tf_sink_shm;

typedef struct stream {
  char             name[64];
  char             path[TF_STREAM_PATH_BYTES];
  tf_sink_config_t config;
  uint64_t         state[64];
  uint64_t         written; /* decisions offered so far: decision_seq of the last */
} stream_t;

/* Exits 77 with the reason where there is no /dev/shm to write. */
void stream_skip_without_shm(void);

/* Names the stream and sets its config up; opens nothing. */
void     stream_init(stream_t *stream, const char *name, uint64_t slot_cnt);
tf_err_t stream_open(stream_t *stream);
void     stream_write(stream_t *stream, uint64_t n);
void     stream_close(stream_t *stream);
void     stream_remove(stream_t *stream); /* the file */

/* Decision number seq: every word is a function of seq and its place. */
void stream_decision(uint64_t seq, tf_decision_t *decision);
/* Whole, that is one of stream_decision's. */
bool stream_decision_whole(const tf_decision_t *decision);

/* The file mapped for writing, as no reader can: for tests that damage it or set its heartbeat back. */
tf_stream_header_t *stream_map(const stream_t *stream, uint64_t *map_bytes);

#endif
