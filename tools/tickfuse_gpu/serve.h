/* A worker's course: from a mailbox and a model file to a kernel that serves, until the engine says stop, is gone, a signal
 * comes, or the device fails.
 *
 *   serve thread   starts all, then relays the kernel's beat and counters every ms: a kernel that hangs is a heart that stops
 *   next           loads another model into the other slot, when the engine asks for one (next.h)
 *   telling        device figures (nvml.h)
 *   kernel         polls the mailbox by itself; none of the threads stands between it and the lane */
#ifndef TICKFUSE_GPU_SERVE_H
#define TICKFUSE_GPU_SERVE_H

#include "tickfuse_gpu/load.h"
#include "tickfuse_gpu/watch.h"

typedef struct serve_options {
  const char *model;
  uint32_t    device;
  bool        takes_turn;      /* device is counted round those that there are */
  double      memory_fraction; /* of what is free on the device */
  load_spec_t load;
} serve_options_t;

/* view: of the engine's mailbox; its worker's part is written, state too. TF_OK: ended in order, *ended says by what. Else
 * the box says FAILED; E_GPU_HANG and E_GPU_DEVICE leave a device that only the process's end can free. */
tf_err_t serve(const serve_options_t *options, tf_mailbox_view_t *view, watch_end_t *ended);

/* The model's known answers on the device, and no more. They go to standard output. */
tf_err_t serve_check(const serve_options_t *options, watch_end_t *ended);

#endif
