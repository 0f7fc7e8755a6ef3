/* The records that were sent last, by their sequence: what a reader that missed some may ask for again.
 * Fixed memory: the caller's. One thread. */
#ifndef TF_SINK_RECENT_H
#define TF_SINK_RECENT_H

#include "tf/sink.h"

typedef struct tf_recent {
  tf_record_shape_t shape;
  uint64_t          slot_cnt; /* a power of two */
  uint64_t          put_cnt;  /* since init; the oldest that is there is put_cnt - slot_cnt */
  uint64_t          gone_seq; /* of the record before the oldest; 0: none was */
  uint8_t          *slots;
} tf_recent_t;

TF_INLINE size_t tf_recent_bytes(const tf_record_shape_t *shape, uint64_t slot_cnt) {
  return shape->bytes * slot_cnt;
}

void tf_recent_init(tf_recent_t *recent, const tf_record_shape_t *shape, uint64_t slot_cnt,
                    void *slots);
/* Sequences rise. */
void tf_recent_put(tf_recent_t *recent, const void *record);

/* Index (of put_cnt's counting) of the first record with a sequence of seq or more; put_cnt: none. */
uint64_t tf_recent_find(const tf_recent_t *recent, uint64_t seq);
/* idx: put_cnt - slot_cnt <= idx < put_cnt */
const void *tf_recent_at(const tf_recent_t *recent, uint64_t idx);
/* The sequence before that record's. */
uint64_t tf_recent_seq_before(const tf_recent_t *recent, uint64_t idx);

#endif
