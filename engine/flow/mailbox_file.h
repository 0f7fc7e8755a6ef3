/* Making and opening the memory of a mailbox (tf/mailbox.h): a memfd that can be neither cut nor grown, so that no side can
 * take pages from under the other; the worker gets it as an open descriptor, and it is gone with the last of the two.
 *
 * Control plane. */
#ifndef TF_FLOW_MAILBOX_FILE_H
#define TF_FLOW_MAILBOX_FILE_H

#include "tf/err.h"
#include "tf/mailbox.h"

typedef struct tf_mailbox_spec {
  uint32_t epoch;     /* from 1 */
  uint32_t slot_cnt;  /* a power of two, 2 .. TF_MAILBOX_SLOT_CNT_MAX */
  uint32_t batch_max; /* 1 .. TF_MAILBOX_BATCH_MAX */
  uint32_t input_cnt; /* 1 .. TF_MAILBOX_VALUES_MAX, as output_cnt */
  uint32_t output_cnt;
  uint32_t instrument_cnt;     /* 1 .. TF_MAILBOX_INSTRUMENT_MAX */
  uint32_t window, model_hash; /* of the model, tf/model.h */

  /* Of a worker that computes features (tf/market_row.h); else 0. */
  uint32_t    state_packets; /* 1 .. TF_MAILBOX_STATE_MAX */
  const void *plan;          /* an image of tf/plan_view.h; copied */
  uint64_t    plan_bytes;    /* 1 .. TF_MAILBOX_PLAN_BYTES_MAX */
} tf_mailbox_spec_t;

/* For the engine. fd: close-on-exec, the caller's to close once the worker has it. E_CORE_ARGUMENT names the size that
 * is out of range; E_CORE_SYSTEM; E_CORE_ARGUMENT on a CPU without AVX. */
tf_err_t tf_mailbox_create(const tf_mailbox_spec_t *spec, tf_mailbox_view_t *view, int *fd);

/* For the worker: fd stays the caller's. E_FILE_FORMAT: no mailbox, of another version, or sizes that do not fit
 * each other and the file. */
tf_err_t tf_mailbox_open(int fd, tf_mailbox_view_t *view);

void tf_mailbox_close(tf_mailbox_view_t *view); /* accepts a zeroed one */

#endif
