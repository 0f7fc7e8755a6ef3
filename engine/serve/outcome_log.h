/* What the lane did that its events do not tell, on its way into the capture (tf/outcome.h, ADR 0035): which answers of
 * workers came in time, when it began to shed and when it ended. One a lane.
 *
 *   lane --put--> ring --take--> acquire --tap--> capture
 *
 * What cannot be put is not done, so that a replay can do the same: ask has_room first. */
#ifndef TF_SERVE_OUTCOME_LOG_H
#define TF_SERVE_OUTCOME_LOG_H

#include "core/arena.h"
#include "flow/ring.h"
#include "tf/outcome.h"

typedef struct tf_outcome_log {
  tf_ring_writer_t writer; /* the lane's; of slots with room for the largest outcome */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_reader_t reader; /* acquire's */
} tf_outcome_log_t;

/* Of the arena; outcomes have up to output_cnt outputs. */
size_t   tf_outcome_log_bytes(uint32_t output_cnt);
tf_err_t tf_outcome_log_init(tf_outcome_log_t *log, uint32_t output_cnt, tf_arena_t *arena);

/* The lane's side. put: false if there was no room; out (outcome->out_cnt) may be NULL for none. */
bool tf_outcome_log_has_room(tf_outcome_log_t *log);
bool tf_outcome_log_put(tf_outcome_log_t *log, const tf_outcome_t *outcome, const float *out);

/* acquire's side: whole outcomes into bytes, as a capture keeps them; how many bytes. 0: there are none. */
uint32_t tf_outcome_log_take(tf_outcome_log_t *log, uint8_t *bytes, uint32_t cap,
                             uint64_t *outcome_cnt);

#endif
