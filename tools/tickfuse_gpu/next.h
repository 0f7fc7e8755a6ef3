/* Another model in the place of the one that serves, without a pause: loaded, checked and copied by a thread of its own into
 * the slot that is idle, asked its known answers in a room beside where the device has room for two kernels, then taken up
 * by the kernel between two requests. tf/mailbox.h says what the engine writes and reads. */
#ifndef TICKFUSE_GPU_NEXT_H
#define TICKFUSE_GPU_NEXT_H

#include <pthread.h>

#include "tickfuse_gpu/load.h"
#include "tickfuse_gpu/room.h"
#include "tickfuse_gpu/slots.h"
#include "tickfuse_gpu/watch.h"

typedef struct next {
  /* set once */
  room_t          *main, *trial; /* trial: its kernel is started only where has_room */
  const slots_t   *slots;
  const loaded_t  *first;
  tf_mailbox_t    *box;
  tf_card_limits_t limits;
  bool             has_room;
  /* the serve thread's */
  uint64_t  seen_cnt; /* of next_cnt */
  bool      is_busy;
  pthread_t thread;
  /* between the two */
  uint64_t is_done; /* by the thread */
} next_t;

/* Looks whether the engine wants another model, and starts on it; takes up an end. The serve thread, every ms. */
void next_look(next_t *next);
/* Waits for the thread, which notices that the worker ends. */
void next_end(next_t *next);

/* Blocks of both kernels fit on the device at once. */
bool next_has_room(const tf_card_program_t *program, const tf_card_limits_t *limits);

#endif
