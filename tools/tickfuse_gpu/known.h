/* A model's known answers through a kernel, by a mailbox that no engine sees: what the device really computes, with the
 * weights that it really holds, through the loop that is going to serve. */
#ifndef TICKFUSE_GPU_KNOWN_H
#define TICKFUSE_GPU_KNOWN_H

#include "tickfuse_gpu/load.h"
#include "tickfuse_gpu/room.h"
#include "tickfuse_gpu/watch.h"

#define KNOWN_ANSWER_NS (20 * TF_NS_PER_SEC) /* for a request of up to 64 rows */

/* A mailbox for it: one instrument, of the model's shapes. The caller closes it (tf_mailbox_close). */
tf_err_t known_mailbox(const tf_model_t *model, tf_mailbox_view_t *view);

/* Starts room's kernel on slot, asks, ends it. The bounds are the loader's (model/loader.h). box: the engine's, whose end is
 * noticed; *ended then says which, and the return is TF_OK. *worst: the greatest error met, relative as there; may be NULL.
 * E_MODEL_CHECK, E_GPU_HANG, E_GPU_DEVICE. */
tf_err_t known_ask(room_t *room, uint32_t slot, const loaded_t *loaded, const tf_mailbox_t *box,
                   watch_end_t *ended, double *worst);

#endif
