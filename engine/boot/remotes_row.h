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
  uint64_t revived[TF_CHILD_REVIVAL_CNT], swaps;
  uint64_t compared, wrong;
  uint64_t wrong_first_seq, wrong_last_seq; /* decisions that the last wrong answer may concern */
  tf_mailbox_device_t device;
} tf_remotes_shown_t;

/* How far the worker is with the version that serves (remotes_follow.c). */
typedef enum tf_remotes_course {
  TF_REMOTES_SERVES,
  TF_REMOTES_WITHDRAWN,
  TF_REMOTES_LOADING
} tf_remotes_course_t;

typedef struct tf_remotes_row {
  tf_remote_t        *remote; /* of the arena; NULL: the model is none of these */
  uint32_t            model_idx;
  tf_child_t         *child, *before; /* before: the lane may still be asking it */
  tf_worker_words_t   words[2];
  uint32_t            words_idx;       /* of child's */
  uint64_t            serial, version; /* as remote->offered, as remote->wanted */
  const tf_model_t   *reference;       /* the lane's own, held at the model server */
  tf_remotes_course_t course;
  uint64_t            swap_ns;                    /* when the worker was told of a version */
  uint64_t            restarts_asked;             /* by an operator, with release */
  uint64_t            restarts_seen;              /* by the thread that watches */
  uint64_t          marked[TF_CHILD_REVIVAL_CNT]; /* by acquire: of shown.revived, in the capture */
  tf_remote_check_t check;
  uint64_t          doubted_ns; /* when a wrong answer was found that is not told yet; 0: none */
  uint64_t          doubted_at; /* the lane's passed_seq then, and as it went on */
  uint32_t          doubted_ticks;
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
  uint64_t         runs; /* with release: rows have their workers, and the thread looks at them */
  tf_remotes_row_t rows[TF_MODELS_MAX];
};

/* remotes_follow.c. At the start: the version that serves, its worker started and offered. E_MODEL_VERSION, E_RUNTIME_MISSING, E_CORE_*. */
tf_err_t tf_remotes_follow_begin(tf_remotes_t *remotes, tf_remotes_row_t *row);
/* A look of the thread that watches. */
void tf_remotes_follow(tf_remotes_t *remotes, tf_remotes_row_t *row);
/* Lets go what is held. Twice does no harm. */
void tf_remotes_follow_end(tf_remotes_t *remotes, tf_remotes_row_t *row);

const char *tf_remotes_revival_name(uint32_t cause);

#endif
