/* A thread of the host in the place of a kernel that stays, for programs of kind TF_CARD_GRAPH: it polls the mailbox, launches a captured
 * graph a row, and waits for its ticket (gpu/card_graph.h). To the mailbox and the control page it is what kernels/gpu/loop.cuh is, so that who
 * starts, proves, swaps and ends a kernel knows no difference (room.h).
 *
 *   launcher_open      takes memory, of the device's view too
 *   launcher_capture   what lies in a slot becomes graphs; while the other slot's are launched, too
 *   launcher_start     the thread runs, until control->abort or a failure
 *   launcher_look      whether it still does
 *   launcher_forget    after that
 *   launcher_close     after the device is closed
 *
 * It takes a core while it runs, and gives it away where somebody else wants it and no row has come. Where none comes, an empty graph goes to the
 * device and back every ms: the beat is the device's, and its clocks stay up. */
#ifndef TICKFUSE_GPU_LAUNCHER_H
#define TICKFUSE_GPU_LAUNCHER_H

#include <pthread.h>

#include "core/error.h"
#include "tickfuse_gpu/device.h"

#define LAUNCHER_BEAT_NS TF_NS_PER_MS
#define LAUNCHER_WAIT_NS (2 * TF_NS_PER_SEC) /* a launch that takes longer does not end */

/* An instrument's rows, as the thread counts them. */
typedef struct launcher_window {
  uint32_t number; /* of the last row; 0: the next one must begin a window */
  uint32_t seen;   /* rows, up to window */
  uint32_t place;  /* of the next row */
} launcher_window_t;

typedef struct launcher {
  /* set once */
  const tf_card_args_t *args; /* the room's */
  tf_card_control_t    *control;
  tf_card_ticket_t     *ticket;        /* owned: whole pages */
  void                 *device_ticket; /* the same, as the device addresses it */
  launcher_window_t    *windows;       /* owned: (instruments) */
  uint32_t              window;        /* rows */
  /* the thread's while it runs */
  tf_mailbox_view_t view;
  uint32_t          slot, number; /* number: of the last ticket */
  uint64_t          beat_ns;
  uint64_t          answered, overtaken, behind, refused;
  tf_err_t          err; /* before is_over */
  char              text[TF_ERROR_TEXT_BYTES];
  /* the other slot's: whoever asks for a swap, behind launcher_capture and ahead of control->slot */
  device_graph_t *graphs[2];
  pthread_t       thread;
  uint64_t        is_over; /* by the thread */
} launcher_t;

/* view: the host's. args: filled in by the time of launcher_capture. E_CORE_NO_MEMORY, E_GPU_*. */
tf_err_t launcher_open(launcher_t *launcher, const tf_card_args_t *args, tf_card_control_t *control,
                       const tf_mailbox_view_t *view);
/* program: the host's copy of what lies in slot. E_GPU_*, E_CORE_NO_MEMORY. */
tf_err_t launcher_capture(launcher_t *launcher, uint32_t slot, const tf_card_program_t *program);
/* From request next_seq on. control is zeroed but for slot. E_CORE_THREAD. */
tf_err_t launcher_start(launcher_t *launcher, uint64_t next_seq);
/* *is_over: the thread has ended, and then its failure is returned. */
tf_err_t launcher_look(launcher_t *launcher, bool *is_over);
void     launcher_forget(launcher_t *launcher);
void     launcher_close(launcher_t *launcher); /* accepts a zeroed one */

#endif
