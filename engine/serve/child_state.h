/* What serve/child.c, the supervisor, and serve/child_lane.c, the lane's side, share: one worker. */
#ifndef TF_SERVE_CHILD_STATE_H
#define TF_SERVE_CHILD_STATE_H

#include <pthread.h>

#include "serve/child.h"

#define TF_CHILD_TEXT_BYTES (TF_MAILBOX_TEXT_BYTES + 128)

struct tf_child {
  tf_child_config_t config;
  pthread_t         thread;
  /* by the supervisor */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t offered;
  uint64_t            down;
  uint64_t            gave_up;
  tf_child_counts_t   counts;
  tf_mailbox_device_t device; /* as the worker told it last */
  /* by the lane */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t taken;
  uint64_t suspect;
  /* by who compares */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t doubted;
  /* by the owner */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t stop;
  uint64_t        restarts_asked; /* with release */
  tf_child_next_t next;       /* behind next_asked, until next_done says that it was worked on */
  uint64_t        next_asked; /* with release */
  /* by the supervisor, of what the owner asked */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t next_done; /* with release behind next_err */
  tf_err_t next_err;
  char     next_text[TF_CHILD_TEXT_BYTES];
  /* the supervisor's own, but views, which the lane reads behind offered */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_mailbox_view_t views[TF_CHILD_MAPPINGS]; /* epoch % MAPPINGS */
  uint64_t        epoch;                     /* of the newest process */
  uint64_t        mapped[TF_CHILD_MAPPINGS]; /* epochs of views; 0: none */
  pid_t           pid;                       /* 0: none */
  uint64_t        restarts_seen, next_seen;  /* of restarts_asked, next_asked */
  bool            has_next;                  /* next is to be worked on */
  uint64_t        next_sent_ns;              /* when the process was told of next; 0: it was not */
  uint64_t        budget_from;               /* starts before it are forgotten */
  uint64_t        gave_up_ns;
  uint64_t        started_ns, pause_ns, not_before_ns;
  uint64_t        over_ns;       /* when one that served was over; 0: none was, or another serves */
  uint64_t        starts_ns[16]; /* the last starts, by number % 16 */
  pthread_mutex_t text_lock;     /* of text alone: control plane */
  char            text[TF_CHILD_TEXT_BYTES];
};

TF_INLINE tf_mailbox_view_t *tf_child_view_(tf_child_t *w, uint64_t epoch) {
  return &w->views[epoch % TF_CHILD_MAPPINGS];
}

#endif
