/* A bell wakes a thread that sleeps in its I/O loop when something was handed to it through memory. While that thread is awake a ring is
 * one atomic operation; nobody makes a system call but who rings for a sleeper, once a sleep.
 *
 *   who hands over, any thread         the sleeper, one thread
 *     hand over (an inbox, a ring)       seen = tf_bell_seen
 *     tf_bell_ring                       look at all that may have been handed over; nothing is there:
 *                                        tf_bell_arm(seen)   false: somebody has rung since, look again
 *                                        sleep, in a loop that watches ear_fd
 *                                        tf_bell_disarm
 *
 * No wake is lost: how often it was rung and whether somebody sleeps are one word, so that of a ring and an arming one is first. Was the
 * ring first, arming fails; was the arming first, the ring sees it and sends a byte.
 *
 * ear_fd is one end of a socket pair, since an I/O loop watches sockets (tf/io.h); its bytes mean nothing. */
#ifndef TF_CORE_BELL_H
#define TF_CORE_BELL_H

#include "tf/atomic.h"
#include "tf/err.h"

typedef struct tf_bell {
  int ear_fd, cord_fd; /* the sleeper's end, and who rings' */
  TF_ALIGNED(TF_LINE_PAIR_BYTES)
  uint64_t word; /* written by all: 2 x rings + is the sleeper armed */
} tf_bell_t;

/* E_IO_SYSTEM. */
tf_err_t tf_bell_init(tf_bell_t *bell);
void     tf_bell_fini(tf_bell_t *bell); /* once nobody rings; accepts a zeroed one */

/* Any thread, behind what it handed over. NULL: nobody sleeps. May make a system call, and never waits. */
void tf_bell_ring(tf_bell_t *bell);

/* The sleeper. What was handed over before one of the rings that this counts is there for whoever looks now. */
TF_INLINE uint64_t tf_bell_seen(const tf_bell_t *bell) {
  return tf_load_acquire(&bell->word); /* pairs with: tf_bell_ring */
}

/* The sleeper, not armed. False: it was rung since seen, and is not armed now. */
TF_INLINE bool tf_bell_arm(tf_bell_t *bell, uint64_t seen) {
  /* relaxed: only the word itself is told; what rings brought is seen by tf_bell_seen */
  return tf_swap_relaxed(&bell->word, &seen, seen | 1);
}

/* The sleeper, awake again for whatever reason. */
TF_INLINE void tf_bell_disarm(tf_bell_t *bell) {
  uint64_t word = tf_load_relaxed(&bell->word); /* relaxed: as tf_bell_arm */
  while (word & 1 && !tf_swap_relaxed(&bell->word, &word, word & ~UINT64_C(1))) {
  }
}

#endif
