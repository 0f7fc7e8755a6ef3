/* A connection's bytes that wait to be sent: a byte ring of a power of two, positions counted from
 * the connection's start. One thread. Bytes leave from the head in contiguous runs and stay where
 * they are until popped, so a kernel may read them meanwhile. */
#ifndef ENGINE_IO_SENDRING_H
#define ENGINE_IO_SENDRING_H

#include <string.h>

#include "tf/base.h"

typedef struct tf_sendring {
  uint8_t *bytes;
  uint32_t cap; /* a power of two */
  uint64_t head, tail;
} tf_sendring_t;

TF_INLINE size_t tf_sendring_used(const tf_sendring_t *r) { return (size_t)(r->tail - r->head); }

/* False, and nothing taken, if all of it does not fit. */
TF_INLINE bool tf_sendring_push(tf_sendring_t *r, const void *bytes, size_t cnt) {
  if (cnt > r->cap - tf_sendring_used(r)) return false;
  size_t at    = (size_t)r->tail & (r->cap - 1);
  size_t first = r->cap - at < cnt ? r->cap - at : cnt;
  memcpy(r->bytes + at, bytes, first);
  memcpy(r->bytes, (const uint8_t *)bytes + first, cnt - first);
  r->tail += cnt;
  return true;
}

/* The longest contiguous run from the head; *cnt is 0 when there is none. */
TF_INLINE const uint8_t *tf_sendring_run(const tf_sendring_t *r, uint32_t *cnt) {
  size_t used = tf_sendring_used(r);
  size_t at   = (size_t)r->head & (r->cap - 1);
  *cnt        = (uint32_t)(r->cap - at < used ? r->cap - at : used);
  return r->bytes + at;
}

TF_INLINE void tf_sendring_pop(tf_sendring_t *r, size_t cnt) { r->head += cnt; }
TF_INLINE void tf_sendring_clear(tf_sendring_t *r) { r->head = r->tail; }

#endif
