/* Several ticks' models at once: what is multiplied, what is counted, what a pause and a broken row leave out, and how long one waits for
 * others. The model here doubles its row and notes how many rows it was given. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "stage/batch.h"
#include "stage/compute.h"
#include "stage/pipeline.h"

#define INSTRUMENTS 4

static uint32_t given; /* rows, of the last product */

static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  (void)model;
  (void)scratch;
  out[0] = 2 * row[0];
}

static void run_many(const tf_model_t *model, void *scratch, const float *rows, uint32_t cnt,
                     float *out) {
  given = cnt;
  for (uint32_t i = 0; i < cnt; i++) run(model, scratch, rows + i, out + i);
}

static const tf_model_t doubles = {.name               = "doubles",
                                   .input_cnt          = 1,
                                   .output_cnt         = 1,
                                   .scratch_bytes      = 64,
                                   .many_scratch_bytes = 64,
                                   .run                = run,
                                   .run_many           = run_many};

/* Over windows of two rows: their sum. States count how they were stepped. */
typedef struct window {
  float    last;
  uint32_t cnt, advanced;
} window_t;

static void reset(const tf_model_t *model, void *state) {
  (void)model;
  memset(state, 0, sizeof(window_t));
}

static bool step(const tf_model_t *model, void *state, void *scratch, const float *row,
                 float *out) {
  window_t *w = state;
  (void)model;
  (void)scratch;
  bool good = w->cnt++ > 0;
  if (good) out[0] = w->last + row[0];
  w->last = row[0];
  return good;
}

static void step_many(const tf_model_t *model, void *const *states, void *scratch,
                      const float *rows, uint32_t cnt, float *out, bool *answered) {
  given = cnt;
  for (uint32_t i = 0; i < cnt; i++)
    answered[i] = step(model, states[i], scratch, rows + i, out + i);
}

static void advance(const tf_model_t *model, void *state, void *scratch) {
  (void)model;
  (void)scratch;
  ((window_t *)state)->advanced++;
}

static const tf_model_t sums = {.name               = "sums",
                                .input_cnt          = 1,
                                .output_cnt         = 1,
                                .scratch_bytes      = 64,
                                .many_scratch_bytes = 64,
                                .window             = 2,
                                .state_bytes        = sizeof(window_t),
                                .reset              = reset,
                                .step               = step,
                                .advance            = advance,
                                .step_many          = step_many};

typedef struct fixture {
  tf_arena_t                  arena;
  tf_compute_t                compute;
  tf_lane_instrument_t        instruments[INSTRUMENTS];
  const tf_lane_instrument_t *list[INSTRUMENTS];
  double                      rows[INSTRUMENTS];
} fixture_t;

static int set_up(void **state) {
  static fixture_t f;
  memset(&f, 0, sizeof f);
  const uint32_t first = 0;
  assert_int_equal(tf_arena_init(&f.arena, "test", 1 << 20), TF_OK);
  for (int m = 0; m < 2; m++)
    assert_int_equal(tf_compute_add_model(&f.compute, &doubles, &first, INSTRUMENTS, &f.arena),
                     TF_OK);
  const tf_compute_link_t link       = {.source = &f.compute.models[0], .cnt = 1};
  f.compute.models[1].feature_idx[0] = TF_COMPUTE_NO_FEATURE;
  assert_int_equal(tf_compute_add_links(&f.compute, 1, &link, 1, 1, &f.arena), TF_OK);
  assert_int_equal(tf_compute_add_rows(&f.compute, INSTRUMENTS, &f.arena), TF_OK);
  assert_null(f.compute.models[1].together); /* it reads another */
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    f.rows[i]        = i + 1;
    f.instruments[i] = (tf_lane_instrument_t){.id = i, .row = &f.rows[i]};
    f.list[i]        = &f.instruments[i];
  }
  given  = 0;
  *state = &f;
  return 0;
}

static int tear_down(void **state) {
  tf_arena_fini(&((fixture_t *)*state)->arena);
  return 0;
}

static uint32_t take_up(fixture_t *f, uint32_t slot, uint64_t waited_ticks) {
  tf_compute_take_up(&f->compute, slot, waited_ticks);
  return tf_compute_models(&f->compute, f->list[slot], 0, 0);
}

static void one_product_answers_all_and_each_is_counted_when_it_is_taken_up(void **state) {
  fixture_t *f = *state;
  tf_compute_products(&f->compute, f->list, INSTRUMENTS);
  assert_int_equal(given, INSTRUMENTS);
  assert_int_equal(f->compute.counts.requested, 0);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    assert_int_equal(take_up(f, i, 0), 3);
    assert_true(f->compute.models[0].answer.score == 2.0f * (float)(i + 1));
    assert_true(f->compute.models[1].answer.score == 4.0f * (float)(i + 1)); /* of this tick's */
    assert_true(f->compute.models[0].row[0] == (float)(i + 1));
    assert_int_equal(f->compute.counts.done, 2 * (i + 1));
  }
}

static void row_that_is_none_is_left_out_and_counted_as_such(void **state) {
  fixture_t *f = *state;
  f->rows[1]   = NAN;
  f->rows[2]   = 1e300; /* no float */
  tf_compute_products(&f->compute, f->list, INSTRUMENTS);
  assert_int_equal(given, 2);
  const uint32_t good[] = {3, 0, 0, 3};
  for (uint32_t i = 0; i < INSTRUMENTS; i++) assert_int_equal(take_up(f, i, 0), good[i]);
  assert_true(f->compute.models[0].answer.score == 8.0f);
  assert_int_equal(f->compute.models[0].counts.warmup, 2);
  assert_int_equal(f->compute.models[1].counts.no_input, 2);
}

static void pause_of_all_makes_no_product_and_of_some_gives_them_no_answer(void **state) {
  fixture_t *f = *state;
  tf_compute_pause(&f->compute, 0, 100);
  f->compute.models[0].overrun = TF_OVERRUN_SKIP;
  tf_compute_products(&f->compute, f->list, INSTRUMENTS);
  assert_int_equal(given, 0);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) assert_int_equal(take_up(f, i, 0), 0);
  assert_int_equal(f->compute.counts.skipped_paused, INSTRUMENTS);
  f->instruments[3].market.now_ns = 100; /* it is over there */
  tf_compute_products(&f->compute, f->list, INSTRUMENTS);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) assert_int_equal(take_up(f, i, 0), i == 3 ? 3 : 0);
  assert_true(f->compute.models[0].answer.score == 8.0f);
}

/* What a tick waited for its batch is part of its answer's time. */
static void waiting_counts_against_the_budget(void **state) {
  fixture_t          *f = *state;
  tf_compute_model_t *m = &f->compute.models[0];
  m->budget_ticks       = UINT64_C(1) << 40;
  tf_compute_products(&f->compute, f->list, 2);
  take_up(f, 0, 0);
  assert_int_equal(m->counts.late, 0);
  take_up(f, 1, m->budget_ticks);
  assert_int_equal(m->counts.late, 1);
  assert_int_equal(m->counts.timed, 2);
}

static void tick_of_no_batch_is_answered_by_itself(void **state) {
  fixture_t *f = *state;
  tf_compute_products(&f->compute, f->list, INSTRUMENTS);
  tf_compute_take_up(&f->compute, TF_COMPUTE_NO_SLOT, 0);
  f->rows[0] = 21;
  assert_int_equal(tf_compute_models(&f->compute, f->list[0], 0, 0), 3);
  assert_true(f->compute.models[0].answer.score == 42.0f);
}

/* As set_up, of one model over windows. */
static int set_up_window(void **state) {
  static fixture_t f;
  memset(&f, 0, sizeof f);
  const uint32_t first = 0;
  assert_int_equal(tf_arena_init(&f.arena, "test", 1 << 20), TF_OK);
  assert_int_equal(tf_compute_add_model(&f.compute, &sums, &first, INSTRUMENTS, &f.arena), TF_OK);
  assert_int_equal(tf_compute_add_rows(&f.compute, INSTRUMENTS, &f.arena), TF_OK);
  assert_non_null(f.compute.models[0].together);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    f.rows[i]        = i + 1;
    f.instruments[i] = (tf_lane_instrument_t){.id = i, .row = &f.rows[i]};
    f.list[i]        = &f.instruments[i];
  }
  given  = 0;
  *state = &f;
  return 0;
}

/* A burst: a tick of each of cnt, and what is to be done after each. */
static uint32_t tick_all(fixture_t *f, uint32_t cnt) {
  uint32_t good = 0;
  tf_compute_products(&f->compute, f->list, cnt);
  for (uint32_t i = 0; i < cnt; i++) {
    good |= take_up(f, i, 0) << i;
    assert_false(tf_compute_deferred(&f->compute, f->list[i])); /* not between decisions */
  }
  tf_compute_take_up(&f->compute, TF_COMPUTE_NO_SLOT, 0);
  for (uint32_t i = 0; i < cnt; i++) assert_true(tf_compute_advance(&f->compute, f->list[i]));
  return good;
}

static const window_t *window_of(const fixture_t *f, uint32_t i) {
  return tf_version_window(f->compute.models[0].active, i);
}

static void windows_are_stepped_together_and_each_takes_its_own_row(void **state) {
  fixture_t          *f = *state;
  tf_compute_model_t *m = &f->compute.models[0];
  assert_int_equal(tick_all(f, INSTRUMENTS), 0); /* not full */
  assert_int_equal(given, INSTRUMENTS);
  assert_int_equal(m->counts.warmup, INSTRUMENTS);
  assert_int_equal(tick_all(f, 2), 3);
  assert_true(m->answer.score == 4.0f); /* the second one's: 2 + 2 */
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    assert_int_equal(window_of(f, i)->cnt, i < 2 ? 2 : 1);
    assert_int_equal(window_of(f, i)->advanced, i < 2 ? 2 : 1); /* also of those not full */
  }
}

static void window_whose_row_is_none_begins_anew_and_the_others_do_not(void **state) {
  fixture_t *f = *state;
  for (int n = 0; n < 2; n++) tick_all(f, INSTRUMENTS);
  f->rows[1] = NAN;
  assert_int_equal(tick_all(f, INSTRUMENTS), 0xd);
  assert_int_equal(given, INSTRUMENTS - 1);
  assert_int_equal(window_of(f, 1)->cnt, 0);
  f->rows[1] = 5;
  assert_int_equal(tick_all(f, INSTRUMENTS), 0xd);
  assert_int_equal(tick_all(f, INSTRUMENTS), 0xf);
}

static void paused_windows_take_their_rows_afterwards(void **state) {
  fixture_t          *f = *state;
  tf_compute_model_t *m = &f->compute.models[0];
  for (int n = 0; n < 2; n++) tick_all(f, INSTRUMENTS);
  tf_compute_pause(&f->compute, 0, 100);
  m->overrun                      = TF_OVERRUN_SKIP;
  f->instruments[2].market.now_ns = 100; /* it is over there */
  for (uint32_t i = 0; i < INSTRUMENTS; i++) f->rows[i] = 10 * (i + 1);
  assert_int_equal(tick_all(f, INSTRUMENTS), 4);
  assert_int_equal(given, 1);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    assert_int_equal(window_of(f, i)->cnt, 3);
    assert_true(window_of(f, i)->last == 10.0f * (float)(i + 1));
  }
}

/* ---- how long one waits ---- */

#define DELAY_TICKS (UINT64_C(1) << 50) /* days: what is of no test's making does not end it */

typedef struct lane_fixture {
  tf_lane_t            lane;
  tf_arena_t           arena;
  tf_lane_instrument_t instruments[INSTRUMENTS];
  tf_event_t           event;
  double               rows[INSTRUMENTS];
  tf_hist_t            hists[TF_HOP_CNT];
} lane_fixture_t;

/* A lane whose ticks wait for each other so long, up to cap of them. */
static tf_tick_batch_t *begin_waits(lane_fixture_t *f, uint32_t cap, uint64_t delay_ticks) {
  const uint32_t first = 0;
  memset(f, 0, sizeof *f);
  assert_int_equal(tf_arena_init(&f->arena, "test", 1 << 20), TF_OK);
  assert_int_equal(tf_compute_add_model(&f->lane.compute, &doubles, &first, INSTRUMENTS, &f->arena),
                   TF_OK);
  assert_int_equal(tf_batch_init(&f->lane, cap, delay_ticks, &f->arena), TF_OK);
  f->lane.hists = f->hists;
  for (uint32_t i = 0; i < INSTRUMENTS; i++)
    f->instruments[i] =
        (tf_lane_instrument_t){.id = i, .row = &f->rows[i], .market.event = &f->event};
  given = 0;
  return f->lane.batch;
}

static void take(lane_fixture_t *f, uint32_t i) {
  const tf_tick_hops_t hops = {0};
  tf_batch_take(&f->lane, &f->instruments[i], &hops);
}

/* The batch's oldest has waited so much longer. */
static void let_pass(tf_tick_batch_t *b, uint64_t ticks) { b->ticks[0].queued_tsc -= ticks; }

static void
one_waits_for_others_as_long_as_it_may_and_then_goes_with_those_that_came(void **state) {
  (void)state;
  static lane_fixture_t f;
  for (uint32_t cnt = 1; cnt < INSTRUMENTS; cnt++) {
    tf_tick_batch_t *b = begin_waits(&f, INSTRUMENTS, DELAY_TICKS);
    for (uint32_t i = 0; i < cnt; i++) {
      take(&f, i);
      assert_true(tf_batch_settle(&f.lane, false));
    }
    let_pass(b, DELAY_TICKS / 2);
    assert_true(tf_batch_settle(&f.lane, false));
    assert_int_equal(given, 0);
    let_pass(b, DELAY_TICKS / 2);
    assert_false(tf_batch_settle(&f.lane, false));
    assert_int_equal(given, cnt);
    assert_int_equal(b->counts.ticks, cnt);
    assert_int_equal(b->counts.sizes[cnt > 1], 1);
    assert_int_equal(f.lane.compute.counts.done, cnt);
    assert_false(tf_batch_settle(&f.lane, false)); /* and is not answered again */
    assert_int_equal(b->counts.ticks, cnt);
    tf_arena_fini(&f.arena);
  }
}

static void who_comes_later_does_not_make_the_first_wait_longer(void **state) {
  (void)state;
  static lane_fixture_t f;
  tf_tick_batch_t      *b = begin_waits(&f, INSTRUMENTS, DELAY_TICKS);
  take(&f, 0);
  let_pass(b, DELAY_TICKS / 2);
  take(&f, 1);
  assert_int_equal(given, 0);
  let_pass(b, DELAY_TICKS / 2);
  take(&f, 2); /* within a pass: the three go at once */
  assert_int_equal(given, 3);
  assert_int_equal(b->cnt, 0);
  take(&f, 0); /* a wait of its own */
  assert_true(tf_batch_settle(&f.lane, false));
  assert_int_equal(given, 3);
  tf_arena_fini(&f.arena);
}

static void nobody_waits_where_the_batch_is_full_or_the_end_is_there(void **state) {
  (void)state;
  static lane_fixture_t f;
  begin_waits(&f, 3, DELAY_TICKS);
  for (uint32_t i = 0; i < 3; i++) take(&f, i);
  assert_int_equal(given, 3);
  take(&f, 3);
  assert_false(tf_batch_settle(&f.lane, true));
  assert_int_equal(given, 1);
  tf_arena_fini(&f.arena);
}

static void without_a_delay_one_waits_for_the_pass_alone(void **state) {
  (void)state;
  static lane_fixture_t f;
  tf_tick_batch_t      *b = begin_waits(&f, INSTRUMENTS, 0);
  take(&f, 0);
  let_pass(b, DELAY_TICKS);
  take(&f, 1);
  assert_int_equal(given, 0);
  assert_false(tf_batch_settle(&f.lane, false));
  assert_int_equal(given, 2);
  tf_arena_fini(&f.arena);
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(
          one_product_answers_all_and_each_is_counted_when_it_is_taken_up, set_up, tear_down),
      cmocka_unit_test_setup_teardown(row_that_is_none_is_left_out_and_counted_as_such, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(
          pause_of_all_makes_no_product_and_of_some_gives_them_no_answer, set_up, tear_down),
      cmocka_unit_test_setup_teardown(waiting_counts_against_the_budget, set_up, tear_down),
      cmocka_unit_test_setup_teardown(tick_of_no_batch_is_answered_by_itself, set_up, tear_down),
      cmocka_unit_test_setup_teardown(windows_are_stepped_together_and_each_takes_its_own_row,
                                      set_up_window, tear_down),
      cmocka_unit_test_setup_teardown(window_whose_row_is_none_begins_anew_and_the_others_do_not,
                                      set_up_window, tear_down),
      cmocka_unit_test_setup_teardown(paused_windows_take_their_rows_afterwards, set_up_window,
                                      tear_down),
      cmocka_unit_test(one_waits_for_others_as_long_as_it_may_and_then_goes_with_those_that_came),
      cmocka_unit_test(who_comes_later_does_not_make_the_first_wait_longer),
      cmocka_unit_test(nobody_waits_where_the_batch_is_full_or_the_end_is_there),
      cmocka_unit_test(without_a_delay_one_waits_for_the_pass_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
