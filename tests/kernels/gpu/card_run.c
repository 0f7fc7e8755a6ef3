#include "cmocka_tf.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "card_run.h"

void card_run_init(card_run_t *run, const card_run_spec_t *spec) {
  const tf_card_program_t *p = spec->slots[0];
  memset(run, 0, sizeof *run);
  tf_mailbox_spec_t box = {.epoch          = 1,
                           .slot_cnt       = spec->slot_cnt,
                           .batch_max      = spec->batch_max,
                           .input_cnt      = p->input_cnt,
                           .output_cnt     = p->output_cnt,
                           .instrument_cnt = spec->instrument_cnt,
                           .window         = p->window,
                           .model_hash     = p->model_hash,
                           .state_packets  = spec->state_packets,
                           .plan           = spec->plan,
                           .plan_bytes     = spec->plan_bytes};
  assert_int_equal(tf_mailbox_create(&box, &run->lane, &run->fd), TF_OK);
  assert_int_equal(tf_mailbox_open(run->fd, &run->worker), TF_OK);
  size_t states  = p->state_bytes * spec->instrument_cnt;
  size_t numbers = tf_align_up(sizeof(uint32_t) * spec->instrument_cnt, TF_LINE_PAIR_BYTES);
  size_t bytes   = states + numbers + tf_loop_scratch_bytes(p);
  run->memory    = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(bytes, TF_LINE_PAIR_BYTES));
  assert_non_null(run->memory);
  memset(run->memory, 0, bytes);
  run->args = (tf_card_args_t){
      .slots     = {p, spec->slots[1]},
      .states    = run->memory,
      .numbers   = (uint32_t *)(void *)(run->memory + states),
      .scratch   = run->memory + states + numbers,
      .view      = run->worker,
      .control   = &run->control,
      .polls_max = spec->polls_max
  };
  run->launch = (cuda_on_cpu_launch_t){.grid         = p->block_cnt,
                                       .cluster      = p->cluster_size,
                                       .block        = p->thread_cnt,
                                       .shared_bytes = tf_loop_shared_bytes(p),
                                       .seed         = spec->seed,
                                       .kernel       = spec->kernel,
                                       .args         = &run->args};
}

static void *run_kernel(void *arg) {
  card_run_t *run = arg;
  run->ended_well = cuda_on_cpu_launch(&run->launch);
  if (!run->ended_well) fprintf(stderr, "%s\n", cuda_on_cpu_text());
  return NULL;
}

void card_run_start(card_run_t *run) {
  assert_int_equal(pthread_create(&run->thread, NULL, run_kernel, run), 0);
}

void card_run_wait(card_run_t *run) {
  assert_int_equal(pthread_join(run->thread, NULL), 0);
  assert_true(run->ended_well);
}

void card_run_stop(card_run_t *run) {
  tf_store_release_u32(&run->control.abort, 1); /* pairs with: tf_load_system */
  card_run_wait(run);
}

void card_run_fini(card_run_t *run) {
  free(run->memory);
  tf_mailbox_close(&run->worker);
  tf_mailbox_close(&run->lane);
  close(run->fd);
}

tf_mailbox_status_t card_run_await(card_run_t *run, uint64_t seq, uint32_t idx, float *out) {
  tf_mailbox_answer_t answer;
  while (!tf_mailbox_poll(&run->lane, seq, idx, &answer, out)) sched_yield();
  return answer.status;
}

tf_mailbox_status_t card_run_ask(card_run_t *run, uint32_t instrument, uint32_t number,
                                 uint32_t flags, const float *row, float *out) {
  tf_mailbox_row_t head = {.instrument_idx = instrument, .flags = flags, .number = number};
  tf_mailbox_post(&run->lane, 0, 1, &head, row);
  uint64_t seq = run->lane.next_seq++;
  return card_run_await(run, seq, 0, out);
}
