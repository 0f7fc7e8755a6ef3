/* What boot/remotes.c and boot/remotes_show.c share: one model that a worker answers. */
#ifndef TF_BOOT_REMOTES_ROW_H
#define TF_BOOT_REMOTES_ROW_H

#include <pthread.h>

#include "boot/placement.h"
#include "boot/remotes.h"
#include "boot/worker_program.h"
#include "serve/remote_check.h"

#define TF_REMOTES_TEXT_BYTES 512

/* By the thread that watches, each published plainly. */
typedef struct tf_remotes_shown {
  uint64_t state; /* tf_child_state_t */
  uint64_t starts, ends[TF_CHILD_END_CNT], back_ns, back_ns_max;
  uint64_t compared, wrong;
  uint64_t wrong_first_seq, wrong_last_seq; /* decisions that the last wrong answer may concern */
  tf_mailbox_device_t device;
} tf_remotes_shown_t;

typedef struct tf_remotes_row {
  tf_remote_t       *remote; /* of the arena; NULL: the model is none of these */
  uint32_t           model_idx;
  tf_child_t        *child, *before;  /* before: the lane may still be asking it */
  tf_worker_words_t  words[2];        /* of child's, by serial % 2 */
  uint64_t           serial, version; /* of child: as remote->offered, as remote->wanted */
  tf_model_t        *reference;
  tf_remote_check_t  check;
  uint64_t           doubted_ns; /* when a wrong answer was found that is not told yet; 0: none */
  tf_remotes_shown_t shown;
  tf_placement_t     place;                       /* where it was put at the start, and why */
  pthread_mutex_t    lock;                        /* of text */
  char               text[TF_REMOTES_TEXT_BYTES]; /* what the last worker ended of */
} tf_remotes_row_t;

struct tf_remotes {
  tf_engine_t     *engine;
  bool             is_open, is_started;
  pthread_t        thread;
  uint64_t         stop; /* with release */
  tf_remotes_row_t rows[TF_MODELS_MAX];
};

#endif
