/* What a lane asks and a worker takes: the newest of each instrument, whole, and every request in one account. */
#include "cmocka_tf.h"

#include <pthread.h>

#include "serve/asks.h"

#define INSTRUMENTS 3
#define WIDTH       24

typedef struct fixture {
  tf_arena_t arena;
  tf_asks_t  asks;
} fixture_t;

static int set_up(void **state) {
  static fixture_t f;
  size_t           bytes = tf_asks_bytes(INSTRUMENTS, WIDTH);
  assert_true(bytes > 0);
  assert_int_equal(tf_arena_init(&f.arena, "test", bytes + 4096), TF_OK);
  assert_int_equal(tf_asks_init(&f.asks, INSTRUMENTS, WIDTH, &f.arena), TF_OK);
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  tf_arena_fini(&((fixture_t *)*state)->arena);
  return 0;
}

static void ask(tf_asks_t *a, uint32_t instrument, uint64_t seq) {
  tf_ask_t *r = tf_asks_begin(a, instrument);
  r->tick_seq = seq, r->recv_ns = seq * 10, r->instrument_id = instrument;
  for (int i = 0; i < WIDTH; i++) r->rows[i] = (float)(seq % 100000);
  tf_asks_send(a, instrument);
}

static void an_empty_one_gives_nothing(void **state) {
  fixture_t *f = *state;
  assert_null(tf_asks_take(&f->asks));
  assert_int_equal(tf_asks_waiting(&f->asks), 0);
}

static void the_newest_of_an_instrument_is_taken_and_the_older_counted(void **state) {
  tf_asks_t *a = &((fixture_t *)*state)->asks;
  ask(a, 1, 1);
  ask(a, 1, 2);
  ask(a, 0, 3);
  ask(a, 1, 4);
  assert_int_equal(tf_asks_waiting(a), 2);
  const tf_ask_t *first = tf_asks_take(a);
  assert_int_equal(first->instrument_id, 1); /* it waits longest */
  assert_int_equal(first->tick_seq, 4);
  assert_true(first->rows[WIDTH - 1] == 4.0f);
  assert_int_equal(tf_asks_take(a)->tick_seq, 3);
  assert_null(tf_asks_take(a));
  assert_int_equal(a->asked, 4);
  assert_int_equal(a->superseded, 2);
  assert_int_equal(a->taken, 2);
}

static void a_taken_request_stays_whole_while_others_come(void **state) {
  tf_asks_t *a = &((fixture_t *)*state)->asks;
  ask(a, 2, 1);
  const tf_ask_t *taken = tf_asks_take(a);
  for (uint64_t seq = 2; seq < 50; seq++) ask(a, 2, seq);
  assert_int_equal(taken->tick_seq, 1);
  for (int i = 0; i < WIDTH; i++) assert_true(taken->rows[i] == 1.0f);
  assert_int_equal(tf_asks_take(a)->tick_seq, 49);
}

static void sizes_that_overflow_are_refused(void **state) {
  fixture_t *f = *state;
  tf_asks_t  other;
  assert_int_equal(tf_asks_bytes(INSTRUMENTS, SIZE_MAX / sizeof(float)), 0);
  assert_int_equal(tf_asks_bytes(UINT32_MAX, SIZE_MAX / 64), 0);
  assert_int_equal(tf_asks_init(&other, INSTRUMENTS, SIZE_MAX / sizeof(float), &f->arena),
                   E_CORE_OVERFLOW);
}

/* ---- two threads ---- */

#define ROUNDS 200000u

static void *lane(void *self) {
  tf_asks_t *a = self;
  for (uint64_t seq = 1; seq <= ROUNDS; seq++) ask(a, (uint32_t)(seq % INSTRUMENTS), seq);
  return NULL;
}

static void requests_are_whole_and_in_order_while_the_lane_writes(void **state) {
  tf_asks_t *a = &((fixture_t *)*state)->asks;
  pthread_t  thread;
  uint64_t   last[INSTRUMENTS] = {0}, taken = 0;
  assert_int_equal(pthread_create(&thread, NULL, lane, a), 0);
  while (last[0] + INSTRUMENTS <= ROUNDS || last[1] + INSTRUMENTS <= ROUNDS ||
         last[2] + INSTRUMENTS <= ROUNDS) {
    const tf_ask_t *r = tf_asks_take(a);
    if (!r) continue;
    taken++;
    if (r->tick_seq <= last[r->instrument_id]) fail_msg("an older one, or the same again");
    if (r->tick_seq % INSTRUMENTS != r->instrument_id || r->recv_ns != r->tick_seq * 10)
      fail_msg("of another instrument");
    for (int i = 0; i < WIDTH; i++)
      if (r->rows[i] != (float)(r->tick_seq % 100000)) fail_msg("a torn row");
    last[r->instrument_id] = r->tick_seq;
  }
  pthread_join(thread, NULL);
  assert_int_equal(a->asked, ROUNDS);
  assert_int_equal(a->taken, taken);
  assert_int_equal(a->asked, a->superseded + a->taken + tf_asks_waiting(a));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(an_empty_one_gives_nothing, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_newest_of_an_instrument_is_taken_and_the_older_counted,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_taken_request_stays_whole_while_others_come, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(sizes_that_overflow_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(requests_are_whole_and_in_order_while_the_lane_writes, set_up,
                                      tear_down),
  };
  return cmocka_run_group_tests_name("asks", tests, NULL, NULL);
}
