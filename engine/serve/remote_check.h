/* Compares some of a worker's answers with the CPU's, off the lane: what corrupts an answer without a sign (a flipped bit in
 * a weight on the card, say) is found within compare_every answers and one look (FAULTS F71).
 *
 * The reference is a model of its own, loaded from the same file, so a swap takes nothing from under it. Two kernels that are each
 * allowed to be error_max off the truth may be twice that apart, relative to the greater of 1 and the answer; compare_max is for who
 * knows better.
 *
 * One thread, that of the supervisor of workers. */
#ifndef TF_SERVE_REMOTE_CHECK_H
#define TF_SERVE_REMOTE_CHECK_H

#include "serve/remote.h"

typedef enum tf_remote_verdict {
  TF_REMOTE_NOTHING, /* no answer waits to be compared */
  TF_REMOTE_GOOD,
  TF_REMOTE_WRONG
} tf_remote_verdict_t;

typedef struct tf_remote_check {
  tf_version_t reference; /* with one window */
  uint64_t     compared, wrong;
  double       off_max;   /* the furthest apart that was not wrong, relative as above */
  uint64_t     good_seq;  /* the last decision before the newest answer that was good */
  uint64_t     first_seq; /* of WRONG: the first decision that may be of wrong answers */
  uint64_t     epoch, serial;
  double       off; /* of the answer compared last */
} tf_remote_check_t;

/* model stays the caller's. E_CORE_NO_MEMORY. */
tf_err_t tf_remote_check_init(tf_remote_check_t *check, const tf_model_t *model);
void     tf_remote_check_fini(tf_remote_check_t *check); /* accepts a zeroed one */

/* The answer that waits, if there is one of serial. WRONG: the worker that gave it is of epoch. */
tf_remote_verdict_t tf_remote_check_look(tf_remote_check_t *check, tf_remote_t *remote,
                                         uint64_t serial);

#endif
