/* The thread that asks another runtime: one for each model that has one, on no lane's core.
 *
 *   the lane's asks --> [ worker: begin, poll, drop ] --> notes, through a ring, to acquire (watch.h)
 *
 * It looks for asks every TF_WORKER_LOOK_NS, since a lane makes no syscall to wake it. What is older than the deadline when it
 * is taken is not sent (expired); what is under way for linger longer than the deadline is given up, and its slot free.
 *
 *   taken = expired + begun */
#ifndef TF_SERVE_WORKER_H
#define TF_SERVE_WORKER_H

#include <pthread.h>

#include "serve/watch.h"

#define TF_WORKER_LOOK_NS   (20 * TF_NS_PER_US)
#define TF_WORKER_LINGER_NS TF_NS_PER_SEC
#define TF_WORKER_NOTES     64u /* of the ring */
#define TF_WORKER_GIVE_UP_NS                                                                       \
  (2 * TF_NS_PER_SEC) /* stop: a thread that is stuck in the runtime is left */

typedef struct tf_worker_config {
  const tf_runtime_t *runtime;
  void               *runtime_self; /* opened; the worker closes it */
  tf_asks_t          *asks;
  const uint64_t     *gate; /* the watch's */
  uint64_t            deadline_ns;
  uint32_t            in_flight, output_cnt;
} tf_worker_config_t;

typedef struct tf_worker tf_worker_t;

/* E_CORE_NO_MEMORY. Takes the opened runtime: it is closed by fini. */
tf_err_t tf_worker_init(const tf_worker_config_t *config, tf_worker_t **worker);
/* E_CORE_THREAD. */
tf_err_t tf_worker_start(tf_worker_t *worker);
/* False: the thread is stuck in its runtime and was left; nothing of it may be freed, fini knows. */
bool tf_worker_stop(tf_worker_t *worker);
void tf_worker_fini(tf_worker_t *worker); /* accepts NULL */

/* acquire's side: the next note; false: there is none. */
bool tf_worker_note(tf_worker_t *worker, tf_note_t *note);

/* Any thread. What went wrong last, into text (TF_RUNTIME_TEXT_BYTES). */
void     tf_worker_trouble(tf_worker_t *worker, char *text);
uint64_t tf_worker_expired(const tf_worker_t *worker);

#endif
