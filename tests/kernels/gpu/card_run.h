/* A worker and its card in a thread of the test: programs, mailbox and memory as the real one has them, the kernel on fibers
 * (tests/cuda_on_cpu). The test is the lane. */
#ifndef TESTS_CARD_RUN_H
#define TESTS_CARD_RUN_H

#include <pthread.h>

#include "cuda_on_cpu/cuda_on_cpu.h"
#include "flow/mailbox_file.h"
#include "gpu/loop.h"

typedef struct card_run {
  tf_mailbox_view_t    lane;
  tf_mailbox_view_t    worker;
  int                  fd;
  tf_card_args_t       args;
  tf_card_control_t    control;
  cuda_on_cpu_launch_t launch;
  pthread_t            thread;
  bool                 ended_well;
  uint8_t             *memory; /* states, numbers, scratch */
} card_run_t;

typedef struct card_run_spec {
  const tf_card_program_t *slots[2]; /* the second may be NULL */
  void (*kernel)(void *args);
  uint32_t instrument_cnt, batch_max, slot_cnt;
  uint64_t seed;
  uint32_t polls_max;
  /* of one that computes features */
  uint32_t    state_packets;
  const void *plan;
  uint64_t    plan_bytes;
} card_run_spec_t;

/* Makes all of it; the kernel runs from start on. Between them the lane may post. */
void card_run_init(card_run_t *run, const card_run_spec_t *spec);
void card_run_start(card_run_t *run);
/* Says abort, and waits until the kernel has ended. */
void card_run_stop(card_run_t *run);
void card_run_wait(card_run_t *run); /* the same where it ends by itself */
void card_run_fini(card_run_t *run);

/* One row, its request alone: the answer's status; out as tf_mailbox_poll has it. */
tf_mailbox_status_t card_run_ask(card_run_t *run, uint32_t instrument, uint32_t number,
                                 uint32_t flags, const float *row, float *out);
/* Waits for the answer to row idx of request seq. */
tf_mailbox_status_t card_run_await(card_run_t *run, uint64_t seq, uint32_t idx, float *out);

#endif
