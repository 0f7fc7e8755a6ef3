/* The persistent loop against a lane in this thread: what it answers, what it says of rows that it cannot answer, and how it ends.
 * The kernel runs on fibers of another thread; whoever waits, waits for what must come. */
#include "cmocka_tf.h"

#include <math.h>
#include <sched.h>
#include <string.h>

#include "card_run.h"
#include "loop_kernel.h"

#define INPUTS_MAX 200u

typedef struct program {
  tf_card_program_t head;
  loop_model_t      model;
} program_t;
TF_STATIC_ASSERT(offsetof(program_t, model) == sizeof(tf_card_program_t), "the image is behind");

typedef struct shape {
  uint32_t blocks, cluster, threads, inputs, outputs, window;
} shape_t;

static const shape_t shapes[] = {
    {1, 1, 32, 5,   1, 3},
    {1, 1, 96, 200, 9, 1}, /* more packets than a warp has lanes; more outputs than a packet */
    {4, 4, 64, 40,  2, 4}, /* a cluster */
    {3, 1, 32, 200, 3, 2}, /* blocks that meet in the card's memory */
    {4, 2, 32, 5,   1, 3}, /* clusters that do */
};
static const shape_t one = {1, 1, 32, 5, 1, 3};

static program_t program_of(const shape_t *s, float base) {
  return (program_t){
      {.kind          = TF_CARD_KIND_CNT,
       .model_hash    = 7,
       .input_cnt     = s->inputs,
       .output_cnt    = s->outputs,
       .window        = s->window,
       .block_cnt     = s->blocks,
       .cluster_size  = s->cluster,
       .thread_cnt    = s->threads,
       .shared_bytes  = 256,
       .state_bytes   = tf_align_up(s->blocks * sizeof(loop_state_t), TF_LINE_PAIR_BYTES),
       .scratch_bytes = 4 * s->blocks * sizeof(tf_packet_t)},
      {.base = base,        .pieces = 3, .absent_block = UINT32_MAX}
  };
}

static card_run_spec_t spec_of(const program_t *p, uint64_t seed) {
  return (card_run_spec_t){
      .slots          = {&p->head},
      .kernel         = loop_kernel,
      .instrument_cnt = 5,
      .batch_max      = 4,
      .slot_cnt       = 8,
      .seed           = seed,
  };
}

/* Whole numbers, so that the order of a sum does not matter. */
static float value_of(uint32_t instrument, uint32_t number, uint32_t i) {
  return (float)((instrument * 31 + number * 7 + i * 3) % 17) - 8.0f;
}

static void row_of(float *row, uint32_t cnt, uint32_t instrument, uint32_t number) {
  for (uint32_t i = 0; i < cnt; i++) row[i] = value_of(instrument, number, i);
}

static float sum_of(const shape_t *s, uint32_t instrument, uint32_t last) {
  float sum = 0;
  for (uint32_t n = last + 1 - s->window; n <= last; n++)
    for (uint32_t i = 0; i < s->inputs; i++) sum += value_of(instrument, n, i);
  return sum;
}

static void assert_answer(const shape_t *s, float base, uint32_t instrument, uint32_t last,
                          const float *out) {
  for (uint32_t j = 0; j < s->outputs; j++)
    assert_true(out[j] == base + (float)j + sum_of(s, instrument, last));
}

static tf_mailbox_status_t ask(card_run_t *run, const shape_t *s, uint32_t instrument,
                               uint32_t number, float *out) {
  float row[INPUTS_MAX];
  row_of(row, s->inputs, instrument, number);
  return card_run_ask(run, instrument, number, number == 1 ? TF_MAILBOX_RESET : 0, row, out);
}

static void each_row_is_answered_in_every_shape_of_launch(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(shapes); i++) {
    const shape_t  *s    = &shapes[i];
    program_t       p    = program_of(s, 1000);
    card_run_spec_t spec = spec_of(&p, i);
    card_run_t      run;
    float           out[16];
    card_run_init(&run, &spec);
    card_run_start(&run);
    for (uint32_t n = 1; n <= 9; n++)
      for (uint32_t instrument = 0; instrument < 2; instrument++) {
        tf_mailbox_status_t status = ask(&run, s, instrument, n, out);
        assert_int_equal(status, n < s->window ? TF_MAILBOX_WARMING : TF_MAILBOX_OK);
        if (status == TF_MAILBOX_OK) assert_answer(s, 1000, instrument, n, out);
      }
    card_run_stop(&run);
    assert_int_equal(run.control.left, TF_CARD_ENDED);
    assert_int_equal(run.control.answered, 2 * (9 - (s->window - 1)));
    assert_int_equal(run.control.behind + run.control.refused + run.control.overtaken, 0);
    assert_true(run.control.beat > 0);
    card_run_fini(&run);
  }
}

static void a_batch_is_answered_row_by_row_and_quiet_rows_are_not(void **state) {
  (void)state;
  const shape_t  *s    = &shapes[2];
  program_t       p    = program_of(s, 0);
  card_run_spec_t spec = spec_of(&p, 3);
  card_run_t      run;
  card_run_init(&run, &spec);
  card_run_start(&run);
  for (uint32_t n = 1; n <= 7; n++) {
    for (uint32_t i = 0; i < 4; i++) {
      float            row[INPUTS_MAX];
      tf_mailbox_row_t head = {.instrument_idx = i,
                               .flags          = (n == 1 ? TF_MAILBOX_RESET : 0) |
                                        (i == 2 ? TF_MAILBOX_QUIET : 0),
                               .number = n};
      row_of(row, s->inputs, i, n);
      tf_mailbox_post(&run.lane, i, 4, &head, row);
    }
    uint64_t seq = run.lane.next_seq++;
    float    out[16];
    for (uint32_t i = 0; i < 4; i++) {
      if (i == 2) continue;
      assert_int_equal(card_run_await(&run, seq, i, out),
                       n < 4 ? TF_MAILBOX_WARMING : TF_MAILBOX_OK);
      if (n >= 4) assert_answer(s, 0, i, n, out);
    }
    tf_mailbox_answer_t none;
    assert_false(tf_mailbox_poll(&run.lane, seq, 2, &none, out));
  }
  card_run_stop(&run);
  card_run_fini(&run);
}

static void missing_rows_are_said_and_rows_sent_again_fill_the_window(void **state) {
  (void)state;
  const shape_t  *s    = &shapes[2];
  program_t       p    = program_of(s, 0);
  card_run_spec_t spec = spec_of(&p, 5);
  card_run_t      run;
  float           out[16], row[INPUTS_MAX];
  card_run_init(&run, &spec);
  card_run_start(&run);
  row_of(row, s->inputs, 1, 9);
  assert_int_equal(card_run_ask(&run, 1, 9, 0, row, out), TF_MAILBOX_BEHIND); /* never begun */
  for (uint32_t n = 1; n <= 5; n++) ask(&run, s, 1, n, out);
  row_of(row, s->inputs, 1, 7);
  assert_int_equal(card_run_ask(&run, 1, 7, 0, row, out), TF_MAILBOX_BEHIND); /* 6 is missing */
  row_of(row, s->inputs, 1, 8);
  assert_int_equal(card_run_ask(&run, 1, 8, 0, row, out), TF_MAILBOX_BEHIND); /* and stays so */
  for (uint32_t n = 5; n <= 8; n++) {
    tf_mailbox_row_t head = {1, (n == 5 ? TF_MAILBOX_RESET : 0) | (n < 8 ? TF_MAILBOX_QUIET : 0),
                             n};
    row_of(row, s->inputs, 1, n);
    tf_mailbox_post(&run.lane, 0, 1, &head, row);
    run.lane.next_seq++;
  }
  assert_int_equal(card_run_await(&run, run.lane.next_seq - 1, 0, out), TF_MAILBOX_OK);
  assert_answer(s, 0, 1, 8, out);
  card_run_stop(&run);
  assert_int_equal(run.control.behind, 3);
  card_run_fini(&run);
}

static void a_row_that_lies_is_refused_and_nothing_else_is_lost(void **state) {
  (void)state;
  program_t       p    = program_of(&one, 0);
  card_run_spec_t spec = spec_of(&p, 6);
  card_run_t      run;
  float           out[16], row[INPUTS_MAX];
  card_run_init(&run, &spec);
  card_run_start(&run);
  row_of(row, one.inputs, 0, 1);
  assert_int_equal(ask(&run, &one, 4, 1, out), TF_MAILBOX_WARMING); /* the last one there is */
  assert_int_equal(card_run_ask(&run, 5, 1, TF_MAILBOX_RESET, row, out), TF_MAILBOX_REFUSED);
  assert_int_equal(card_run_ask(&run, UINT32_MAX, 1, 0, row, out), TF_MAILBOX_REFUSED);
  assert_int_equal(card_run_ask(&run, 4, 0, 0, row, out), TF_MAILBOX_REFUSED);
  assert_int_equal(card_run_ask(&run, 4, 2, 1u << 10, row, out), TF_MAILBOX_REFUSED);
  assert_int_equal(ask(&run, &one, 4, 2, out), TF_MAILBOX_WARMING);
  assert_int_equal(ask(&run, &one, 4, 3, out), TF_MAILBOX_OK);
  assert_answer(&one, 0, 4, 3, out);
  card_run_stop(&run);
  assert_int_equal(run.control.refused, 4);
  card_run_fini(&run);
}

static void a_kernel_that_was_overtaken_goes_on_from_what_is_there(void **state) {
  (void)state;
  program_t       p    = program_of(&one, 0);
  card_run_spec_t spec = spec_of(&p, 7);
  card_run_t      run;
  float           out[16], row[INPUTS_MAX];
  card_run_init(&run, &spec);
  for (uint32_t n = 1; n <= 19; n++) { /* slots of 8: of 1 .. 11 nothing is left */
    tf_mailbox_row_t head = {0, n == 1 ? TF_MAILBOX_RESET : 0, n};
    row_of(row, one.inputs, 0, n);
    tf_mailbox_post(&run.lane, 0, 1, &head, row);
    run.lane.next_seq++;
  }
  card_run_start(&run);
  assert_int_equal(card_run_await(&run, 19, 0, out), TF_MAILBOX_BEHIND);
  tf_mailbox_answer_t answer;
  assert_true(tf_mailbox_poll(&run.lane, 17, 0, &answer, out));
  card_run_stop(&run);
  assert_int_equal(run.control.overtaken, 16); /* the first slot holds 17 */
  assert_int_equal(run.control.behind, 3);
  card_run_fini(&run);
}

static void a_swap_takes_the_other_weights_and_begins_the_windows_anew(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(shapes); i++) {
    const shape_t  *s = &shapes[i];
    program_t       p = program_of(s, 100), q = program_of(s, 5000);
    card_run_spec_t spec = spec_of(&p, 8 + i);
    card_run_t      run;
    float           out[16];
    spec.slots[1] = &q.head;
    card_run_init(&run, &spec);
    card_run_start(&run);
    for (uint32_t n = 1; n <= 6; n++) ask(&run, s, 2, n, out);
    assert_answer(s, 100, 2, 6, out);
    tf_store_release_u32(&run.control.slot, 1); /* pairs with: tf_load_system */
    while (tf_load_acquire_u32(&run.control.slot_used) != 1)
      sched_yield(); /* pairs with: tf_card_loop */
    if (s->window > 1) assert_int_equal(ask(&run, s, 2, 7, out), TF_MAILBOX_BEHIND);
    for (uint32_t n = 1; n <= 9; n++) ask(&run, s, 2, n, out);
    assert_answer(s, 5000, 2, 9, out);
    card_run_stop(&run);
    card_run_fini(&run);
  }
}

static void deferred_work_is_done_by_pieces_when_nobody_asks(void **state) {
  (void)state;
  const shape_t  *s    = &shapes[3];
  program_t       p    = program_of(s, 0);
  card_run_spec_t spec = spec_of(&p, 21);
  card_run_t      run;
  float           out[16];
  card_run_init(&run, &spec);
  card_run_start(&run);
  for (uint32_t n = 1; n <= 4; n++) ask(&run, s, 3, n, out);
  const loop_state_t *last =
      (const loop_state_t *)(const void *)(run.args.states + 3 * p.head.state_bytes) + 2;
  while (tf_load_acquire_u32(&last->pieces_left) > 0 || tf_load_acquire_u32(&last->pieces_done) < 3)
    sched_yield(); /* pairs with: tf_store_system */
  card_run_stop(&run);
  assert_int_equal(last->pieces_left, 0);
  assert_in_range(last->pieces_done, 3, 12); /* a step puts anew what was left */
  card_run_fini(&run);
}

static void a_block_that_does_not_answer_ends_the_loop_with_a_reason(void **state) {
  (void)state;
  for (size_t i = 2; i < TF_ARRAY_CNT(shapes); i++) {
    const shape_t  *s    = &shapes[i];
    program_t       p    = program_of(s, 0);
    card_run_spec_t spec = spec_of(&p, 30 + i);
    card_run_t      run;
    float           row[INPUTS_MAX];
    p.model.absent_block = 1;
    spec.polls_max       = 5000;
    card_run_init(&run, &spec);
    card_run_start(&run);
    row_of(row, s->inputs, 0, 1);
    tf_mailbox_row_t head = {0, TF_MAILBOX_RESET, 1};
    tf_mailbox_post(&run.lane, 0, 1, &head, row);
    card_run_wait(&run);
    assert_int_equal(run.control.left, TF_CARD_STUCK);
    card_run_fini(&run);
  }
}

static void abort_ends_the_loop_before_its_first_row_and_whatever_it_does(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(shapes); i++) {
    program_t       p    = program_of(&shapes[i], 0);
    card_run_spec_t spec = spec_of(&p, 40 + i);
    card_run_t      run;
    card_run_init(&run, &spec);
    run.control.abort = 1;
    card_run_start(&run);
    card_run_wait(&run);
    assert_int_equal(run.control.left, TF_CARD_ENDED);
    card_run_fini(&run);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_row_is_answered_in_every_shape_of_launch),
      cmocka_unit_test(a_batch_is_answered_row_by_row_and_quiet_rows_are_not),
      cmocka_unit_test(missing_rows_are_said_and_rows_sent_again_fill_the_window),
      cmocka_unit_test(a_row_that_lies_is_refused_and_nothing_else_is_lost),
      cmocka_unit_test(a_kernel_that_was_overtaken_goes_on_from_what_is_there),
      cmocka_unit_test(a_swap_takes_the_other_weights_and_begins_the_windows_anew),
      cmocka_unit_test(deferred_work_is_done_by_pieces_when_nobody_asks),
      cmocka_unit_test(a_block_that_does_not_answer_ends_the_loop_with_a_reason),
      cmocka_unit_test(abort_ends_the_loop_before_its_first_row_and_whatever_it_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
