/* A kernel, or in its place a thread that launches graphs (launcher.h), with all that it stands on: a mailbox, the control page, an
 * instrument's windows each, scratch. The host's side of it, one thread at a time.
 *
 *   room_open    takes memory, of the device too: before the first kernel is started
 *   room_start   the kernel runs
 *   room_look    whether it still does
 *   room_prepare what lies in the other slot may be taken up
 *   room_end     tells it to leave, and waits for that, within a bound
 *   room_close   after that; the device's memory goes with the device */
#ifndef TICKFUSE_GPU_ROOM_H
#define TICKFUSE_GPU_ROOM_H

#include "tf/mailbox.h"
#include "tickfuse_gpu/launcher.h"

#define ROOM_LEAVE_NS (2 * TF_NS_PER_SEC) /* a kernel looks at abort in each of its waits */

typedef struct room {
  const tf_card_program_t *program;  /* its shape; the caller's */
  tf_mailbox_view_t        view;     /* as the host sees it; the caller's mapping */
  tf_card_control_t       *control;  /* owned: a page */
  tf_card_args_t           args;     /* as the device sees it */
  device_run_t            *run;      /* NULL: no kernel runs */
  launcher_t               launcher; /* of graphs alone */
  bool                     launches; /* it runs */
} room_t;

/* slots: programs in the device's memory. E_GPU_*, E_CORE_NO_MEMORY, E_CORE_OVERFLOW. */
tf_err_t room_open(room_t *room, const tf_card_program_t *program, uint8_t *const slots[2],
                   const tf_mailbox_view_t *view);
/* program: the host's copy of what lies in slot, of the shape of room's. */
tf_err_t room_start(room_t *room, uint32_t slot, const tf_card_program_t *program);
/* Beside what runs, for slot, which it does not use. */
tf_err_t room_prepare(room_t *room, uint32_t slot, const tf_card_program_t *program);
/* *is_over: it has left its loop. E_GPU_DEVICE, E_GPU_HANG. */
tf_err_t room_look(room_t *room, bool *is_over);
/* E_GPU_HANG: it did not leave; E_GPU_DEVICE. Accepts a room without a kernel. */
tf_err_t room_end(room_t *room);
void     room_close(room_t *room); /* accepts a zeroed one */

/* Bytes that the windows of instrument_cnt instruments and the scratch take; UINT64_MAX: more than there can be. */
uint64_t room_bytes(const tf_card_program_t *program, uint32_t instrument_cnt);

#endif
