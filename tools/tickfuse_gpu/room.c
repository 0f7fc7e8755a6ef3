#include "tickfuse_gpu/room.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/error.h"
#include "gpu/loop.h"
#include "tickfuse_gpu/slots.h"

#define PAGE 4096u

static uint64_t scratch_bytes(const tf_card_program_t *program) {
  return slots_room_for(program, tf_loop_scratch_bytes(program));
}

uint64_t room_bytes(const tf_card_program_t *program, uint32_t instrument_cnt) {
  uint64_t bytes;
  if (__builtin_mul_overflow(program->state_bytes + sizeof(uint32_t), instrument_cnt, &bytes) ||
      __builtin_add_overflow(bytes, scratch_bytes(program), &bytes))
    return UINT64_MAX;
  return bytes;
}

/* The host's mailbox where the device sees it. */
static tf_err_t share_view(const tf_mailbox_view_t *host, tf_mailbox_view_t *device) {
  void    *at;
  tf_err_t err = device_share(host->box, host->file_bytes, &at);
  if (err)
    return tf_error_add(err, "the mailbox of %llu bytes", (unsigned long long)host->file_bytes);
  *device     = *host;
  device->box = at;
  device->requests =
      (tf_packet_t *)((uint8_t *)at + ((uint8_t *)host->requests - (uint8_t *)host->box));
  device->answers =
      (tf_packet_t *)((uint8_t *)at + ((uint8_t *)host->answers - (uint8_t *)host->box));
  if (host->state)
    device->state =
        (tf_packet_t *)((uint8_t *)at + ((uint8_t *)host->state - (uint8_t *)host->box));
  device->plan = NULL; /* the host's to read */
  return TF_OK;
}

tf_err_t room_open(room_t *room, const tf_card_program_t *program, uint8_t *const slots[2],
                   const tf_mailbox_view_t *view) {
  *room          = (room_t){.program = program, .view = *view};
  uint64_t bytes = room_bytes(program, view->instrument_cnt);
  if (bytes == UINT64_MAX)
    return TF_ERR(E_CORE_OVERFLOW, "windows of %u instruments, %llu bytes each",
                  view->instrument_cnt, (unsigned long long)program->state_bytes);
  room->control = aligned_alloc(PAGE, PAGE);
  if (!room->control) return TF_ERR(E_CORE_NO_MEMORY, "a control page");
  memset(room->control, 0, PAGE);
  void    *states = NULL, *numbers = NULL, *scratch = NULL, *control = NULL;
  tf_err_t err = share_view(view, &room->args.view);
  if (!err) err = device_share(room->control, PAGE, &control);
  if (!err)
    err = device_memory("the instruments' windows", program->state_bytes * view->instrument_cnt,
                        &states);
  if (!err)
    err = device_memory("the instruments' row numbers", view->instrument_cnt * sizeof(uint32_t),
                        &numbers);
  if (!err) err = device_memory("the kernel's scratch", scratch_bytes(program), &scratch);
  for (int i = 0; i < 2; i++)
    room->args.slots[i] = (const tf_card_program_t *)(const void *)slots[i];
  room->args.states  = states;
  room->args.numbers = numbers;
  room->args.scratch = scratch;
  room->args.control = control;
  if (!err && program->kind == TF_CARD_GRAPH)
    err = launcher_open(&room->launcher, &room->args, room->control, view);
  return err;
}

/* The loop's own words of the scratch as its first launch found them. */
static tf_err_t clear_loop(const room_t *room) {
  uint64_t bytes = tf_loop_own_scratch_bytes(room->program);
  void    *zeros = calloc(1, bytes);
  if (!zeros) return TF_ERR(E_CORE_NO_MEMORY, "%llu bytes of zeros", (unsigned long long)bytes);
  tf_err_t err = device_write(room->args.scratch, zeros, bytes);
  free(zeros);
  return err;
}

tf_err_t room_prepare(room_t *room, uint32_t slot, const tf_card_program_t *program) {
  return program->kind == TF_CARD_GRAPH ? launcher_capture(&room->launcher, slot, program) : TF_OK;
}

tf_err_t room_start(room_t *room, uint32_t slot, const tf_card_program_t *program) {
  memset(room->control, 0, sizeof *room->control); /* no kernel runs: this side has both lines */
  room->control->slot      = slot;
  room->args.view.next_seq = room->view.next_seq;
  tf_err_t err             = clear_loop(room);
  if (!err) err = room_prepare(room, slot, program);
  if (err) return err;
  if (program->kind != TF_CARD_GRAPH) return device_start(program, &room->args, &room->run);
  err            = launcher_start(&room->launcher, room->view.next_seq);
  room->launches = !err;
  return err;
}

tf_err_t room_look(room_t *room, bool *is_over) {
  return room->launches ? launcher_look(&room->launcher, is_over) : device_look(room->run, is_over);
}

static void forget(room_t *room) {
  if (room->launches)
    launcher_forget(&room->launcher);
  else
    device_forget(room->run);
  room->launches = false;
  room->run      = NULL;
}

tf_err_t room_end(room_t *room) {
  if (!room->run && !room->launches) return TF_OK;
  tf_store_release_u32(&room->control->abort, 1); /* pairs with: the kernel's waits */
  uint64_t begun_ns = tf_clock_monotonic_ns();
  bool     is_over  = false;
  tf_err_t err      = room_look(room, &is_over);
  while (!err && !is_over) {
    if (tf_clock_monotonic_ns() - begun_ns > ROOM_LEAVE_NS * device_patience())
      return TF_ERR(E_GPU_HANG, "the kernel did not leave when it was told to");
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    err = room_look(room, &is_over);
  }
  forget(room);
  return err;
}

void room_close(room_t *room) {
  if (!room->run && !room->launches) { /* else it may still be written */
    free(room->control);
    launcher_close(&room->launcher);
  }
  memset(room, 0, sizeof *room);
}
