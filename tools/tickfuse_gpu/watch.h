/* Whether a worker may go on: what the engine says, whether there is one, and signals. Any thread of the worker. */
#ifndef TICKFUSE_GPU_WATCH_H
#define TICKFUSE_GPU_WATCH_H

#include "tf/mailbox.h"

#define WATCH_ORPHAN_NS (2 * TF_NS_PER_SEC) /* an engine that lives beats every few ms */

typedef enum watch_end {
  WATCH_GOES_ON = 0,
  WATCH_STOP,   /* the engine said so */
  WATCH_SIGNAL, /* SIGTERM or SIGINT */
  WATCH_ORPHAN, /* the engine's heart has stopped */
} watch_end_t;

/* SIGTERM and SIGINT are noted from here on, and SIGPIPE is nothing. */
void        watch_signals(void);
watch_end_t watch_look(const tf_mailbox_t *box, uint64_t now_ns);

#endif
