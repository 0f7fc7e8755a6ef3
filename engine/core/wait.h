/* One more turn of a wait that may last. Spins for the first ones, so that a short wait makes no system call; later each turn gives the
 * core away: the one who is waited for may want it. For threads that have nothing else to do until then. */
#ifndef TF_CORE_WAIT_H
#define TF_CORE_WAIT_H

#include <time.h>

#include "tf/atomic.h"

#define TF_WAIT_SPIN_TURNS 1024u /* some tens of us */
#define TF_WAIT_NAP_NS     (50 * TF_NS_PER_US)

TF_INLINE void tf_wait_turn(uint32_t *turn) {
  if (*turn < TF_WAIT_SPIN_TURNS) {
    ++*turn;
    tf_spin_pause();
  } else {
    nanosleep(&(struct timespec){.tv_nsec = TF_WAIT_NAP_NS}, NULL);
  }
}

#endif
