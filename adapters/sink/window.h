/* The records between a queue and a destination: sent and not acked, then those to be sent next. Private to one
 * thread. Positions rise for ever, a record lies at its position mod cap.
 *
 *   begin          cursor               touched                 end
 *     |  in flight    |  to be sent again    |  never sent yet     |
 *
 * A new connection takes the cursor back to begin; touched stays: what lies before it was sent before. */
#ifndef TF_SINK_WINDOW_H
#define TF_SINK_WINDOW_H

#include <string.h>

#include "tf/record.h"

typedef struct tf_window {
  tf_record_shape_t shape;
  uint64_t          cap; /* a power of two */
  uint64_t          begin, cursor, touched, end;
  uint8_t          *records;
} tf_window_t;

TF_INLINE uint64_t tf_window_cnt(const tf_window_t *w) { return w->end - w->begin; }
TF_INLINE uint64_t tf_window_unsent_cnt(const tf_window_t *w) { return w->end - w->cursor; }
TF_INLINE uint64_t tf_window_room(const tf_window_t *w) { return w->cap - tf_window_cnt(w); }

TF_INLINE uint8_t *tf_window_at(const tf_window_t *w, uint64_t position) {
  return w->records + (position & (w->cap - 1)) * w->shape.bytes;
}

TF_INLINE uint64_t tf_window_seq(const tf_window_t *w, uint64_t position) {
  return tf_record_seq(&w->shape, tf_window_at(w, position));
}

TF_INLINE void tf_window_push(tf_window_t *w, const void *record) {
  TF_ASSERT(tf_window_room(w) > 0);
  memcpy(tf_window_at(w, w->end++), record, w->shape.bytes);
}

/* Lets go of the first cnt. */
TF_INLINE void tf_window_release(tf_window_t *w, uint64_t cnt) {
  TF_ASSERT(cnt <= tf_window_cnt(w));
  w->begin += cnt;
  if (w->cursor < w->begin) w->cursor = w->begin;
  if (w->touched < w->begin) w->touched = w->begin;
}

/* How many of the first, before position end, have a sequence up to seq. Sequences rise. */
static inline uint64_t tf_window_covered(const tf_window_t *w, uint64_t end, uint64_t seq) {
  uint64_t low = w->begin, high = end;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (tf_window_seq(w, middle) <= seq)
      low = middle + 1;
    else
      high = middle;
  }
  return low - w->begin;
}

/* The next cnt have been sent. Returns how many of them for another time. */
TF_INLINE uint64_t tf_window_sent(tf_window_t *w, uint64_t cnt) {
  uint64_t again = w->touched > w->cursor ? w->touched - w->cursor : 0;
  w->cursor += cnt;
  if (w->touched < w->cursor) w->touched = w->cursor;
  return again < cnt ? again : cnt;
}

TF_INLINE void tf_window_rewind(tf_window_t *w) { w->cursor = w->begin; }

#endif
