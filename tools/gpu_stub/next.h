/* Another model in the place of the one that answers (tf/mailbox.h), as tickfuse-gpu does it: loaded and proved by a thread of its own,
 * taken up by the serving thread between two requests. Faults next_* make it go wrong. */
#ifndef GPU_STUB_NEXT_H
#define GPU_STUB_NEXT_H

#include <pthread.h>

#include "gpu_stub/serve.h"

/* A model with what it runs in. */
typedef struct stub_model {
  const tf_model_t *model;
  tf_model_t *owned; /* model, where this program's loader is to take it back; NULL: the caller's */
  void       *scratch;
  uint8_t    *states; /* (instruments) windows, a stride apart; NULL: single rows */
  size_t      stride;
} stub_model_t;

/* E_CORE_NO_MEMORY. */
tf_err_t stub_model_init(stub_model_t *made, const tf_model_t *model, uint32_t instrument_cnt);
void     stub_model_fini(stub_model_t *made); /* accepts a zeroed one */

typedef struct stub_next {
  const tf_mailbox_view_t *view; /* set once, as load and faults */
  tf_model_options_t       load;
  faults_t                *faults; /* next_* alone, by the thread */
  uint64_t                 seen_cnt;
  bool                     is_busy;
  pthread_t                thread;
  stub_model_t             made;    /* by the thread, behind is_done */
  tf_err_t                 err;     /* likewise */
  uint64_t                 is_done; /* with release */
} stub_next_t;

/* Looks whether another model is wanted, begins on it, and tells the engine what came of it. True: now, which answers, was replaced. */
bool stub_next_look(stub_next_t *next, stub_model_t *now);
void stub_next_end(stub_next_t *next);

#endif
