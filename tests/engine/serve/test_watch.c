/* Deadlines and breaker on a clock of the test's, and what the lane makes of the events: a request has one outcome, and no answer
 * stands that should not. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "serve/watch.h"

#define MS       TF_NS_PER_MS
#define DEADLINE (50 * MS)
#define WIDTH    2
#define OUTPUTS  7

typedef struct fixture {
  tf_watch_t   watch;
  tf_arena_t   arena;
  tf_foreign_t foreign;
  tf_post_t    post;
  tf_event_t   events[64];
  uint32_t     event_cnt;
  uint64_t     now_ns;
  bool         stood; /* by the last event */
} fixture_t;

static void publish(void *self, tf_event_t *e) {
  fixture_t *f = self;
  assert_true(f->event_cnt < TF_ARRAY_CNT(f->events));
  e->ts_recv_ns             = f->now_ns;
  f->events[f->event_cnt++] = *e;
  f->stood                  = tf_foreign_obey(&f->foreign, &f->post, e);
}

static int set_up(void **state) {
  static fixture_t f;
  memset(&f, 0, sizeof f);
  tf_watch_config_t   watch   = {.model_idx   = 3,
                                 .hash        = 0xabcd,
                                 .output_cnt  = OUTPUTS,
                                 .in_flight   = 4,
                                 .deadline_ns = DEADLINE,
                                 .limit       = 3,
                                 .wait_ns     = 1000 * MS,
                                 .wait_ns_max = 3000 * MS};
  tf_foreign_config_t foreign = {.name       = "far",
                                 .path       = TF_PATH_KSERVE,
                                 .width      = WIDTH,
                                 .rows       = 1,
                                 .output_cnt = OUTPUTS,
                                 .max_age_ns = 200 * MS};
  tf_foreign_begin(&f.foreign, &foreign);
  assert_int_equal(tf_arena_init(&f.arena, "test", tf_foreign_bytes(&foreign, 2) + 4096), TF_OK);
  assert_int_equal(tf_foreign_init(&f.foreign, 2, &f.arena), TF_OK);
  f.post   = tf_post_plain(OUTPUTS, OUTPUTS);
  f.now_ns = 1000000 * MS;
  tf_watch_init(&f.watch, &watch, (tf_watch_publisher_t){&f, publish});
  assert_int_equal(tf_watch_tick(&f.watch, f.now_ns), 1); /* the first word: closed, and its hash */
  assert_int_equal(f.foreign.model.hash, 0xabcd);
  f.event_cnt = 0;
  *state      = &f;
  return 0;
}

static int tear_down(void **state) {
  tf_arena_fini(&((fixture_t *)*state)->arena);
  return 0;
}

static void begin(fixture_t *f, uint32_t slot, uint32_t instrument, uint64_t seq) {
  tf_note_t note = {.kind          = TF_NOTE_BEGUN,
                    .slot          = slot,
                    .instrument_id = instrument,
                    .tick_seq      = seq,
                    .recv_ns       = f->now_ns};
  tf_watch_note(&f->watch, &note, f->now_ns);
}

static void done(fixture_t *f, uint32_t slot, uint32_t miss) {
  tf_note_t note = {.kind = TF_NOTE_DONE, .slot = slot, .miss = miss};
  for (int i = 0; i < OUTPUTS; i++) note.out[i] = (float)(i + 1);
  tf_watch_note(&f->watch, &note, f->now_ns);
}

static void pass(fixture_t *f, uint64_t ns) {
  f->now_ns += ns;
  tf_watch_tick(&f->watch, f->now_ns);
}

static void check_account(const fixture_t *f) {
  uint64_t missed = 0;
  for (int i = 0; i < TF_RUNTIME_MISS_CNT; i++) missed += f->watch.counts.misses[i];
  assert_int_equal(f->watch.counts.begun,
                   f->watch.counts.answered + missed + tf_watch_under_way(&f->watch));
}

static uint64_t gate(const fixture_t *f) { return f->watch.gate % 4; }

static void an_answer_in_time_comes_in_parts_and_stands(void **state) {
  fixture_t *f = *state;
  begin(f, 0, 1, 77);
  pass(f, 10 * MS);
  done(f, 0, TF_RUNTIME_ANSWERED);
  assert_int_equal(f->event_cnt, 3); /* 7 outputs, 3 an event */
  for (uint32_t i = 0; i < 3; i++) {
    assert_int_equal(f->events[i].u.answer.command, TF_CONTROL_ANSWER);
    assert_int_equal(f->events[i].u.answer.part_idx, i);
    assert_int_equal(f->events[i].u.answer.part_cnt, 3);
    assert_int_equal(f->events[i].u.answer.tick_seq, 77);
    assert_int_equal(f->events[i].u.answer.model_idx, 3);
    assert_int_equal(f->events[i].instrument_id, 1);
    assert_int_equal(f->events[i].ts_event_ns, f->now_ns - 10 * MS);
  }
  assert_true(f->stood);
  assert_true(f->foreign.coming.out[6] == 7.0f);
  assert_true(f->foreign.standing[1].answer.score == 1.0f);
  assert_null(tf_foreign_standing(&f->foreign, 0, f->now_ns));
  assert_non_null(tf_foreign_standing(&f->foreign, 1, f->now_ns + 190 * MS));
  assert_null(
      tf_foreign_standing(&f->foreign, 1, f->now_ns + 190 * MS + 1)); /* max_age, of the row */
  check_account(f);
}

static void the_deadline_misses_once_and_a_late_answer_is_no_event(void **state) {
  fixture_t *f = *state;
  begin(f, 0, 0, 5);
  pass(f, DEADLINE);
  assert_int_equal(f->event_cnt, 0); /* at the deadline it is in time yet */
  pass(f, 1);
  assert_int_equal(f->event_cnt, 1);
  assert_int_equal(f->events[0].u.answer.command, TF_CONTROL_MISS);
  assert_int_equal(f->events[0].u.answer.miss, TF_RUNTIME_MISS_DEADLINE);
  pass(f, DEADLINE);
  done(f, 0, TF_RUNTIME_ANSWERED);
  assert_int_equal(f->event_cnt, 1);
  assert_int_equal(f->watch.counts.late, 1);
  check_account(f);
}

static void an_answer_that_the_clock_has_overtaken_is_a_miss(void **state) {
  fixture_t *f = *state;
  begin(f, 0, 0, 5);
  f->now_ns += DEADLINE + 1; /* nobody looked meanwhile */
  done(f, 0, TF_RUNTIME_ANSWERED);
  assert_int_equal(f->event_cnt, 1);
  assert_int_equal(f->events[0].u.answer.miss, TF_RUNTIME_MISS_DEADLINE);
  check_account(f);
}

static void a_miss_takes_away_what_stood_before_it_and_nothing_newer(void **state) {
  fixture_t *f = *state;
  begin(f, 0, 0, 5);
  begin(f, 1, 0, 6);
  begin(f, 2, 0, 7);
  done(f, 1, TF_RUNTIME_ANSWERED);
  assert_true(f->stood);
  done(f, 0, TF_RUNTIME_MISS_STATUS); /* of an older tick */
  assert_non_null(tf_foreign_standing(&f->foreign, 0, f->now_ns));
  done(f, 2, TF_RUNTIME_MISS_SHAPE);
  assert_null(tf_foreign_standing(&f->foreign, 0, f->now_ns));
  assert_int_equal(f->foreign.counts.misses[TF_RUNTIME_MISS_SHAPE], 1);
}

static void an_answer_behind_a_newer_one_does_not_stand(void **state) {
  fixture_t *f = *state;
  begin(f, 0, 0, 5);
  begin(f, 1, 0, 6);
  done(f, 1, TF_RUNTIME_ANSWERED);
  done(f, 0, TF_RUNTIME_ANSWERED);
  assert_false(f->stood);
  assert_int_equal(f->foreign.standing[0].tick_seq, 6);
  assert_int_equal(f->foreign.counts.overtaken, 1);
}

static void an_answer_that_is_no_number_does_not_stand(void **state) {
  fixture_t *f = *state;
  begin(f, 0, 0, 5);
  done(f, 0, TF_RUNTIME_ANSWERED);
  begin(f, 0, 0, 6);
  tf_note_t note = {.kind = TF_NOTE_DONE, .slot = 0, .miss = TF_RUNTIME_ANSWERED};
  note.out[3]    = NAN;
  tf_watch_note(&f->watch, &note, f->now_ns);
  assert_false(f->stood);
  assert_null(tf_foreign_standing(&f->foreign, 0, f->now_ns));
  assert_int_equal(f->foreign.counts.refused, 1);
  assert_int_equal(f->foreign.post_counts.not_finite, 1);
}

static void parts_that_do_not_belong_together_are_no_answer(void **state) {
  fixture_t  *f      = *state;
  const float out[7] = {1, 2, 3, 4, 5, 6, 7};
  tf_event_t  parts[3], other = tf_foreign_answer_event(3, 0, 6, f->now_ns, out, 7, 1);
  for (uint32_t i = 0; i < 3; i++) {
    parts[i]            = tf_foreign_answer_event(3, 0, 5, f->now_ns, out, 7, i);
    parts[i].ts_recv_ns = f->now_ns;
  }
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &parts[1])); /* no beginning */
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &parts[0]));
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &other)); /* of another tick */
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &parts[1]));
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &parts[2]));
  tf_event_t short_one = tf_foreign_answer_event(3, 0, 5, f->now_ns, out, 3, 0);
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &short_one)); /* of a model with 3 outputs */
  tf_event_t beyond    = parts[0];
  beyond.instrument_id = 2;
  assert_false(tf_foreign_obey(&f->foreign, &f->post, &beyond));
  for (uint32_t i = 0; i < 3; i++)
    assert_int_equal(tf_foreign_obey(&f->foreign, &f->post, &parts[i]), i == 2);
}

static void misses_in_a_row_open_the_breaker_and_an_answer_between_does_not_let_them(void **state) {
  fixture_t *f = *state;
  for (uint64_t seq = 1; seq <= 6; seq++) {
    begin(f, 0, 0, seq);
    done(f, 0, seq % 3 == 0 ? TF_RUNTIME_ANSWERED : TF_RUNTIME_MISS_CLOSED);
  }
  assert_int_equal(f->watch.state, TF_RUNTIME_CLOSED);
  for (uint64_t seq = 7; seq <= 9; seq++) {
    assert_int_equal(gate(f), TF_GATE_ALL);
    begin(f, 0, 0, seq);
    done(f, 0, TF_RUNTIME_MISS_CLOSED);
  }
  assert_int_equal(f->watch.state, TF_RUNTIME_OPEN);
  assert_int_equal(gate(f), TF_GATE_SHUT);
  const tf_event_t *last = &f->events[f->event_cnt - 1];
  assert_int_equal(last->u.runtime.command, TF_CONTROL_RUNTIME);
  assert_int_equal(last->u.runtime.state, TF_RUNTIME_OPEN);
  assert_int_equal(last->u.runtime.until_ns, f->now_ns + 1000 * MS);
  check_account(f);
}

static void open_breaker(fixture_t *f) {
  for (uint32_t i = 0; i < 3; i++) {
    begin(f, 0, 0, 100 + i);
    done(f, 0, TF_RUNTIME_MISS_CONNECT);
  }
  assert_int_equal(f->watch.state, TF_RUNTIME_OPEN);
}

static void an_open_breaker_lets_nothing_stand(void **state) {
  fixture_t *f = *state;
  begin(f, 1, 1, 50);
  done(f, 1, TF_RUNTIME_ANSWERED);
  assert_non_null(tf_foreign_standing(&f->foreign, 1, f->now_ns));
  open_breaker(f);
  assert_null(tf_foreign_standing(&f->foreign, 1, f->now_ns));
}

static void one_request_tries_and_each_miss_doubles_the_wait_up_to_its_end(void **state) {
  fixture_t     *f       = *state;
  const uint64_t waits[] = {1000 * MS, 2000 * MS, 3000 * MS, 3000 * MS};
  open_breaker(f);
  for (size_t i = 0; i < TF_ARRAY_CNT(waits); i++) {
    pass(f, waits[i] - 1);
    assert_int_equal(f->watch.state, TF_RUNTIME_OPEN);
    pass(f, 1);
    assert_int_equal(f->watch.state, TF_RUNTIME_HALF_OPEN);
    assert_int_equal(gate(f), TF_GATE_ONE);
    begin(f, 0, 0, 200 + i);
    pass(f, DEADLINE + 1);
    assert_int_equal(f->watch.state, TF_RUNTIME_OPEN);
    done(f, 0, TF_RUNTIME_MISS_DEADLINE);
  }
  pass(f, 3000 * MS);
  begin(f, 0, 0, 300);
  done(f, 0, TF_RUNTIME_ANSWERED);
  assert_int_equal(f->watch.state, TF_RUNTIME_CLOSED);
  assert_int_equal(gate(f), TF_GATE_ALL);
  open_breaker(f); /* and the wait is the first again */
  assert_int_equal(f->watch.until_ns, f->now_ns + 1000 * MS);
  check_account(f);
}

static void what_was_under_way_before_is_no_trial(void **state) {
  fixture_t *f = *state;
  begin(f, 3, 1, 60);
  open_breaker(f);
  f->watch.rows[3].due_ns += 10000 * MS; /* a patient one */
  pass(f, 1000 * MS);
  assert_int_equal(f->watch.state, TF_RUNTIME_HALF_OPEN);
  done(f, 3, TF_RUNTIME_MISS_STATUS);
  assert_int_equal(f->watch.state, TF_RUNTIME_HALF_OPEN);
}

static void retry_after_opens_at_once_and_for_as_long(void **state) {
  fixture_t *f    = *state;
  tf_note_t  note = {
       .kind = TF_NOTE_DONE, .slot = 0, .miss = TF_RUNTIME_MISS_STATUS, .retry_ns = 7000 * MS};
  begin(f, 0, 0, 1);
  tf_watch_note(&f->watch, &note, f->now_ns);
  assert_int_equal(f->watch.state, TF_RUNTIME_OPEN);
  assert_int_equal(f->watch.until_ns, f->now_ns + 7000 * MS);
}

static void a_window_is_asked_about_once_it_is_full_and_oldest_first(void **state) {
  fixture_t          *f      = *state;
  tf_foreign_config_t config = f->foreign.config;
  tf_arena_t          arena;
  tf_foreign_t        over;
  config.rows = 3;
  tf_foreign_begin(&over, &config);
  assert_int_equal(tf_arena_init(&arena, "window", tf_foreign_bytes(&config, 2) + 4096), TF_OK);
  assert_int_equal(tf_foreign_init(&over, 2, &arena), TF_OK);
  over.is_asking = true;
  for (uint64_t i = 1; i <= 5; i++) {
    const float row[WIDTH] = {(float)i, -(float)i};
    tf_foreign_ask(&over, 0, i, i * 10, row);
    const tf_ask_t *ask = tf_asks_take(&over.asks);
    assert_int_equal(ask != NULL, i >= 3);
    for (uint64_t k = 0; ask && k < 3; k++) {
      assert_true(ask->rows[k * WIDTH] == (float)(i - 2 + k));
      assert_true(ask->rows[k * WIDTH + 1] == -(float)(i - 2 + k));
    }
  }
  tf_foreign_break(&over, 0);
  tf_foreign_ask(&over, 0, 6, 60, (const float[]){6, 6});
  assert_null(tf_asks_take(&over.asks));
  tf_arena_fini(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
      TEST_(an_answer_in_time_comes_in_parts_and_stands),
      TEST_(the_deadline_misses_once_and_a_late_answer_is_no_event),
      TEST_(an_answer_that_the_clock_has_overtaken_is_a_miss),
      TEST_(a_miss_takes_away_what_stood_before_it_and_nothing_newer),
      TEST_(an_answer_behind_a_newer_one_does_not_stand),
      TEST_(an_answer_that_is_no_number_does_not_stand),
      TEST_(parts_that_do_not_belong_together_are_no_answer),
      TEST_(misses_in_a_row_open_the_breaker_and_an_answer_between_does_not_let_them),
      TEST_(an_open_breaker_lets_nothing_stand),
      TEST_(one_request_tries_and_each_miss_doubles_the_wait_up_to_its_end),
      TEST_(what_was_under_way_before_is_no_trial),
      TEST_(retry_after_opens_at_once_and_for_as_long),
      TEST_(a_window_is_asked_about_once_it_is_full_and_oldest_first),
#undef TEST_
  };
  return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
