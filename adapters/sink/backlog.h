/* The last slot_cnt records that a listener was given, in order: what a client that comes back is
 * served from. A record has a position, from 0, and a sequence, which rises with it. One thread. */
#ifndef TF_SINK_BACKLOG_H
#define TF_SINK_BACKLOG_H

#include <string.h>

#include "tf/record.h"

typedef struct tf_backlog {
  uint8_t  *records;  /* the caller's: slot_cnt * shape.bytes */
  uint32_t *before;   /* the caller's, (slot_cnt): what was lost before each; NULL: not told */
  uint64_t  slot_cnt; /* a power of two */
  uint64_t  head;     /* position of the next one */
  tf_record_shape_t shape;
} tf_backlog_t;

TF_INLINE uint8_t *tf_backlog_at(const tf_backlog_t *b, uint64_t pos) {
  return b->records + (pos & (b->slot_cnt - 1)) * b->shape.bytes;
}

TF_INLINE uint64_t tf_backlog_seq(const tf_backlog_t *b, uint64_t pos) {
  return tf_record_seq(&b->shape, tf_backlog_at(b, pos));
}

/* The oldest that is still there; head: none. */
TF_INLINE uint64_t tf_backlog_oldest(const tf_backlog_t *b) {
  return b->head > b->slot_cnt ? b->head - b->slot_cnt : 0;
}

/* Copies a record in, over the oldest where it is full; returns its place there. */
TF_INLINE uint8_t *tf_backlog_append(tf_backlog_t *b, const void *record) {
  uint8_t *at = tf_backlog_at(b, b->head++);
  memcpy(at, record, b->shape.bytes);
  return at;
}

/* Position of the first record whose sequence is seq or higher; head: none is. */
TF_INLINE uint64_t tf_backlog_find(const tf_backlog_t *b, uint64_t seq) {
  uint64_t from = tf_backlog_oldest(b), to = b->head;
  while (from < to) {
    uint64_t middle = from + (to - from) / 2;
    if (tf_backlog_seq(b, middle) < seq)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

TF_INLINE uint32_t tf_backlog_before(const tf_backlog_t *b, uint64_t pos) {
  return b->before ? b->before[pos & (b->slot_cnt - 1)] : 0;
}

/* How many of those from pos on lie side by side in memory, at most n, with nothing lost between them. */
static inline uint32_t tf_backlog_run(const tf_backlog_t *b, uint64_t pos, uint32_t n) {
  uint64_t there = b->head - pos, side = b->slot_cnt - (pos & (b->slot_cnt - 1));
  if (there > side) there = side;
  if (there < n) n = (uint32_t)there;
  for (uint32_t i = 1; b->before && i < n; i++)
    if (tf_backlog_before(b, pos + i)) return i;
  return n;
}

#endif
