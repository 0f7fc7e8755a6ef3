#include "serve/outcome_log.h"

#include <string.h>

#define LOG_SLOTS 4096u /* 40 ms of 100,000 ticks a second between two looks of acquire */

bool tf_outcome_log_has_room(tf_outcome_log_t *log) {
  return tf_ring_credits_(&log->writer, 1) > 0;
}

bool tf_outcome_log_put(tf_outcome_log_t *log, const tf_outcome_t *outcome, const float *out) {
  uint32_t      n = 1;
  tf_outcome_t *o = tf_ring_claim(&log->writer, &n);
  if (TF_UNLIKELY(!o)) return false;
  *o = *outcome;
  if (o->out_cnt > 0) memcpy(o + 1, out, o->out_cnt * sizeof *out);
  tf_ring_publish(&log->writer, 1);
  return true;
}

uint32_t tf_outcome_log_take(tf_outcome_log_t *log, uint8_t *bytes, uint32_t cap,
                             uint64_t *outcome_cnt) {
  uint32_t put = 0;
  for (uint32_t n = 1;; n = 1) {
    const tf_outcome_t *o = tf_ring_peek(&log->reader, &n);
    if (!o) return put;
    uint32_t one = tf_outcome_bytes(o->out_cnt);
    if (one > cap - put) return put;
    memcpy(bytes + put, o, one);
    put += one;
    ++*outcome_cnt;
    tf_ring_release(&log->reader, 1);
  }
}

size_t tf_outcome_log_bytes(uint32_t output_cnt) {
  return tf_ring_footprint(LOG_SLOTS, tf_outcome_bytes(output_cnt)) + sizeof(tf_outcome_log_t) +
         2 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_outcome_log_init(tf_outcome_log_t *log, uint32_t output_cnt, tf_arena_t *arena) {
  const uint32_t slot_bytes = tf_outcome_bytes(output_cnt);
  void *mem = tf_arena_take(arena, tf_ring_footprint(LOG_SLOTS, slot_bytes), TF_LINE_PAIR_BYTES);
  tf_ring_t *ring = mem ? tf_ring_new(mem, LOG_SLOTS, slot_bytes) : NULL;
  if (!ring) return E_CORE_ARENA_FULL;
  memset(ring + 1, 0, LOG_SLOTS * (size_t)slot_bytes); /* what pads an outcome is the same always */
  tf_ring_writer_init(&log->writer, ring);
  tf_ring_reader_init(&log->reader, ring);
  return TF_OK;
}
