/* A hand-off between two threads: pointers in order, one producer thread, one consumer thread, no
 * lock, no allocation. Whoever posts a pointer gives the object away; whoever takes it owns it.
 *
 * It is a ck_ring. ThreadSanitizer cannot see CK's orderings, which are inline assembly, so under it
 * the same ring is spoken over tf/atomic.h: what it then checks is the users' discipline with the
 * objects, which is where the mistakes would be. */
#ifndef FEED_HANDOFF_H
#define FEED_HANDOFF_H

#include <ck_ring.h>

#include "tf/atomic.h"

#define TF_HANDOFF_SLOTS 16 /* a power of two; holds one less */

typedef struct tf_handoff {
#if defined(__SANITIZE_THREAD__)
  uint32_t head TF_ALIGNED(TF_LINE_PAIR_BYTES); /* consumer */
  uint32_t tail TF_ALIGNED(TF_LINE_PAIR_BYTES); /* producer */
  void         *slots[TF_HANDOFF_SLOTS];
#else
  ck_ring_t        ring;
  ck_ring_buffer_t slots[TF_HANDOFF_SLOTS];
#endif
} tf_handoff_t;

#if defined(__SANITIZE_THREAD__)

TF_INLINE void tf_handoff_init(tf_handoff_t *m) { m->head = m->tail = 0; }

TF_INLINE bool tf_handoff_post(tf_handoff_t *m, void *object) {
  uint32_t tail = m->tail;
  /* pairs with: tf_handoff_take, its release of the slot */
  if (tail - tf_load_acquire_u32(&m->head) >= TF_HANDOFF_SLOTS - 1) return false;
  m->slots[tail % TF_HANDOFF_SLOTS] = object;
  tf_store_release_u32(&m->tail, tail + 1); /* pairs with: tf_handoff_take */
  return true;
}

TF_INLINE void *tf_handoff_take(tf_handoff_t *m) {
  uint32_t head = m->head;
  if (tf_load_acquire_u32(&m->tail) == head) return NULL; /* pairs with: tf_handoff_post */
  void *object = m->slots[head % TF_HANDOFF_SLOTS];
  tf_store_release_u32(&m->head, head + 1); /* pairs with: tf_handoff_post */
  return object;
}

#else

TF_INLINE void tf_handoff_init(tf_handoff_t *m) { ck_ring_init(&m->ring, TF_HANDOFF_SLOTS); }

/* Producer. False when it is full. */
TF_INLINE bool tf_handoff_post(tf_handoff_t *m, void *object) {
  return ck_ring_enqueue_spsc(&m->ring, m->slots, object);
}

/* Consumer. NULL when it is empty. */
TF_INLINE void *tf_handoff_take(tf_handoff_t *m) {
  void *object = NULL;
  return ck_ring_dequeue_spsc(&m->ring, m->slots, &object) ? object : NULL;
}

#endif

#endif
