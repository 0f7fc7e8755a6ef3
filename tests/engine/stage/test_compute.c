/* The compute stage and models over a window: what a model is asked, when, and what is counted. The
 * model here answers with the sum of its window's rows, and notes what it was asked. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "stage/compute.h"

#define WINDOW 3

typedef struct window {
  float    rows[WINDOW];
  uint32_t cnt;
  uint32_t pending; /* steps since the last advance */
} window_t;

static char asked[256]; /* s, a, r: step, advance, reset */

static void note(const char *what) { strcat(asked, what); }

static void reset(const tf_model_t *model, void *state) {
  (void)model;
  memset(state, 0, sizeof(window_t));
  note("r");
}

static bool step(const tf_model_t *model, void *state, void *scratch, const float *row,
                 float *out) {
  window_t *w = state;
  (void)model;
  (void)scratch;
  memmove(w->rows, w->rows + 1, (WINDOW - 1) * sizeof *w->rows);
  w->rows[WINDOW - 1] = row[0];
  w->cnt++;
  w->pending++;
  note("s");
  if (w->cnt < WINDOW) return false;
  out[0] = w->rows[0] + w->rows[1] + w->rows[2];
  return true;
}

static void advance(const tf_model_t *model, void *state, void *scratch) {
  (void)model;
  (void)scratch;
  ((window_t *)state)->pending = 0;
  note("a");
}

/* Takes time by any clock: an answer within one tick of it would not be late. */
static void run(const tf_model_t *model, void *scratch, const float *row, float *out) {
  (void)model;
  (void)scratch;
  for (uint64_t begin = tf_clock_ticks(); tf_clock_ticks() - begin < 2;) {
  }
  out[0] = row[0];
}

static const tf_model_t over_window = {.name          = "window",
                                       .input_cnt     = 1,
                                       .output_cnt    = 1,
                                       .window        = WINDOW,
                                       .state_bytes   = sizeof(window_t),
                                       .scratch_bytes = 64,
                                       .reset         = reset,
                                       .step          = step,
                                       .advance       = advance};
static const tf_model_t over_row    = {
       .name = "row", .hash = 7, .input_cnt = 1, .output_cnt = 1, .scratch_bytes = 64, .run = run};

typedef struct fixture {
  tf_arena_t           arena;
  tf_compute_t         compute;
  tf_lane_instrument_t instruments[2];
  double               rows[2];
} fixture_t;

static int set_up(void **state) {
  static fixture_t f;
  memset(&f, 0, sizeof f);
  const uint32_t first = 0;
  assert_int_equal(tf_arena_init(&f.arena, "test", 1 << 20), TF_OK);
  assert_int_equal(tf_compute_add_model(&f.compute, &over_row, &first, 2, &f.arena), TF_OK);
  assert_int_equal(tf_compute_add_model(&f.compute, &over_window, &first, 2, &f.arena), TF_OK);
  for (int i = 0; i < 2; i++) {
    f.instruments[i].row = &f.rows[i];
    f.instruments[i].id  = (uint32_t)i;
    assert_null(tf_version_window(f.compute.models[0].active, (uint32_t)i));
    assert_non_null(tf_version_window(f.compute.models[1].active, (uint32_t)i));
  }
  asked[0] = 0;
  *state   = &f;
  return 0;
}

static int tear_down(void **state) {
  tf_arena_fini(&((fixture_t *)*state)->arena);
  return 0;
}

static uint32_t tick(fixture_t *f, int instrument, double value) {
  f->rows[instrument] = value;
  return tf_compute_models(&f->compute, &f->instruments[instrument], 0, 0);
}

static void window_answers_from_its_last_row_on_and_warm_up_is_counted(void **state) {
  fixture_t *f = *state;
  assert_int_equal(tick(f, 0, 1.0), 1); /* the model over a row alone */
  assert_int_equal(tick(f, 0, 2.0), 1);
  assert_int_equal(f->compute.counts.skipped_warmup, 2);
  assert_int_equal(tick(f, 0, 3.0), 3);
  assert_true(f->compute.models[1].out[0] == 6.0f);
  assert_int_equal(tick(f, 0, 4.0), 3);
  assert_true(f->compute.models[1].out[0] == 9.0f);
  const tf_compute_counts_t *c = &f->compute.counts;
  assert_int_equal(c->requested, 8);
  assert_int_equal(c->requested, c->done + c->skipped_warmup + c->skipped_output);
}

static void instruments_have_windows_of_their_own(void **state) {
  fixture_t *f = *state;
  for (int i = 0; i < 2; i++) assert_int_equal(tick(f, i, 1.0), 1);
  for (int i = 0; i < 2; i++) assert_int_equal(tick(f, i, 10.0 * (i + 1)), 1);
  assert_int_equal(tick(f, 0, 1.0), 3);
  assert_true(f->compute.models[1].out[0] == 12.0f);
  assert_int_equal(tick(f, 1, 1.0), 3);
  assert_true(f->compute.models[1].out[0] == 22.0f);
}

static void row_that_is_not_finite_begins_the_window_anew(void **state) {
  fixture_t   *f     = *state;
  const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, 1e300};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    for (int n = 0; n < WINDOW; n++) tick(f, 0, 1.0);
    asked[0] = 0;
    assert_int_equal(tick(f, 0, bad[i]), 0);
    assert_string_equal(asked, "r"); /* the row never reached it */
    assert_int_equal(tick(f, 0, 5.0), 1);
    assert_int_equal(tick(f, 0, 5.0), 1);
    assert_int_equal(tick(f, 0, 5.0), 3);
    assert_true(f->compute.models[1].out[0] == 15.0f);
  }
  const tf_compute_counts_t *c = &f->compute.counts;
  assert_int_equal(c->requested, c->done + c->skipped_warmup + c->skipped_output);
}

static void deferred_work_is_done_once_and_only_where_a_row_was_taken(void **state) {
  fixture_t *f = *state;
  assert_false(tf_compute_deferred(&f->compute, &f->instruments[0]));
  tick(f, 0, 1.0);
  assert_true(tf_compute_deferred(&f->compute, &f->instruments[0]));
  assert_false(tf_compute_deferred(&f->compute, &f->instruments[0]));
  tick(f, 0, (double)NAN);
  assert_false(tf_compute_deferred(&f->compute, &f->instruments[0]));
  assert_string_equal(asked, "sar");
}

/* A pause, as an event would begin it: until 100 of the market's time. */
static void paused_model_is_not_asked_and_its_window_stays_whole(void **state) {
  fixture_t *f = *state;
  for (int n = 1; n <= WINDOW; n++) tick(f, 0, (double)n);
  tf_compute_pause(&f->compute, 1, 100);
  asked[0]                        = 0;
  f->instruments[0].market.now_ns = 99;
  f->compute.models[1].overrun    = TF_OVERRUN_SKIP;
  assert_int_equal(tick(f, 0, 4.0), 1);
  assert_string_equal(asked, ""); /* not on the timed path */
  assert_true(tf_compute_deferred(&f->compute, &f->instruments[0]));
  assert_string_equal(asked, "sa");
  assert_int_equal(f->compute.counts.skipped_paused, 1);
  f->instruments[0].market.now_ns = 100;
  assert_int_equal(tick(f, 0, 5.0), 3);
  assert_true(f->compute.models[1].answer.score == 12.0f); /* 3 + 4 + 5 */
  const tf_compute_counts_t *c = &f->compute.counts;
  assert_int_equal(c->requested,
                   c->done + c->skipped_warmup + c->skipped_output + c->skipped_paused);
}

static void stands_in_for_a_paused_model_what_its_policy_says(void **state) {
  fixture_t          *f        = *state;
  tf_compute_model_t *m        = &f->compute.models[1];
  tf_answer_t         lasts[2] = {{.score = NAN}, {.score = NAN}};
  m->lasts                     = lasts;
  for (int n = 1; n <= WINDOW; n++) tick(f, 1, (double)n);
  assert_true(lasts[1].score == 6.0f);
  tf_compute_pause(&f->compute, 1, 100);
  m->overrun = TF_OVERRUN_LAST;
  assert_int_equal(tick(f, 1, 9.0), 3);
  assert_true(m->answer.score == 6.0f);
  assert_int_equal(m->path, TF_PATH_FALLBACK);
  m->overrun      = TF_OVERRUN_FALLBACK;
  m->fallback_idx = 0;
  assert_int_equal(tick(f, 1, 9.0), 3);
  assert_true(m->answer.score == 9.0f);
  assert_int_equal(m->answer_hash, over_row.hash);
  m->overrun = TF_OVERRUN_LAST; /* the other one has no last answer */
  assert_int_equal(tick(f, 0, 1.0), 1);
  assert_int_equal(f->compute.counts.skipped_paused, 1);
  assert_int_equal(m->counts.fallback, 2);
}

/* A budget of nothing is overrun by every answer. */
static void pause_is_asked_for_after_so_many_late_answers_in_a_row(void **state) {
  fixture_t          *f = *state;
  tf_compute_model_t *m = &f->compute.models[0];
  m->budget_ticks       = 1;
  m->late_limit         = 3;
  for (int n = 0; n < 9; n++) tick(f, 0, 1.0); /* COUNT: late ones are counted alone */
  assert_int_equal(m->counts.late, 9);
  assert_int_equal(f->compute.asks, 0);
  m->overrun = TF_OVERRUN_SKIP;
  for (int n = 0; n < 2; n++) tick(f, 0, 1.0);
  assert_int_equal(f->compute.asks, 0);
  m->budget_ticks = UINT64_MAX; /* one in time begins the row anew */
  tick(f, 0, 1.0);
  m->budget_ticks = 1;
  for (int n = 0; n < 2; n++) tick(f, 0, 1.0);
  assert_int_equal(f->compute.asks, 0);
  tick(f, 0, 1.0);
  assert_int_equal(f->compute.asks, 1);
  assert_int_equal(m->pauses_asked, 1);
  assert_int_equal(m->counts.timed, 15);
  assert_int_equal(tf_compute_late(&f->compute), 14);
}

static void outputs_beyond_what_a_tick_has_room_for_are_refused(void **state) {
  fixture_t     *f       = *state;
  tf_model_t     wide    = over_row;
  const uint32_t cnts[]  = {0, 1, TF_MODEL_OUTPUTS_MAX - 1, TF_MODEL_OUTPUTS_MAX,
                            TF_MODEL_OUTPUTS_MAX + 1};
  const bool     goods[] = {false, true, true, true, false};
  const uint32_t place   = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(cnts); i++) {
    uint32_t before = f->compute.model_cnt;
    wide.output_cnt = cnts[i];
    assert_int_equal(tf_compute_add_model(&f->compute, &wide, &place, 2, &f->arena),
                     goods[i] ? TF_OK : E_MODEL_SHAPE);
    assert_int_equal(f->compute.model_cnt, before + goods[i]);
  }
}

/* The window stands last and reads the row model's output, so its rows are those of the other's answers. */
static void chain(fixture_t *f) {
  const tf_compute_link_t link        = {.source = &f->compute.models[0], .cnt = 1};
  f->compute.models[1].feature_idx[0] = TF_COMPUTE_NO_FEATURE;
  assert_int_equal(tf_compute_add_links(&f->compute, 1, &link, 1, 1, &f->arena), TF_OK);
}

static void model_reads_what_another_made_of_the_same_tick(void **state) {
  fixture_t *f = *state;
  chain(f);
  f->compute.models[0].post.clamp_max = 10.0f; /* what rules see is what models see */
  for (int n = 0; n < WINDOW; n++) tick(f, 0, n == 1 ? 99.0 : 1.0);
  assert_true(f->compute.models[1].answer.score == 12.0f);
}

static void model_without_its_source_is_not_asked_and_its_window_begins_anew(void **state) {
  fixture_t *f = *state;
  chain(f);
  f->compute.models[0].post.valid_max = 10.0f;
  for (int n = 0; n < WINDOW; n++) tick(f, 0, 1.0);
  assert_int_equal(tick(f, 0, 11.0), 0); /* refused: no answer of either */
  assert_string_equal(asked, "sssr");
  assert_int_equal(f->compute.models[1].counts.no_input, 1);
  assert_int_equal(f->compute.counts.skipped_input, 1);
  for (int n = 1; n < WINDOW; n++) assert_int_equal(tick(f, 0, 1.0), 1);
  assert_int_equal(tick(f, 0, 1.0), 3);
  tf_compute_pause(&f->compute, 0, 100); /* what stands in is a score, no row */
  f->compute.models[0].overrun = TF_OVERRUN_LAST;
  tf_answer_t lasts[2]         = {{.score = 5}, {.score = 5}};
  f->compute.models[0].lasts   = lasts;
  assert_int_equal(tick(f, 0, 1.0), 1);
  assert_int_equal(f->compute.models[1].counts.no_input, 2);
  assert_int_equal(f->compute.models[1].counts.requested,
                   f->compute.models[1].counts.done + f->compute.models[1].counts.warmup + 2);
}

static void order_of_answering_is_said_and_the_hash_covers_what_is_read(void **state) {
  fixture_t     *f     = *state;
  const uint32_t old[] = {f->compute.models[0].hash, f->compute.models[1].hash};
  assert_int_equal(old[0], over_row.hash);
  const tf_compute_link_t link        = {.source = &f->compute.models[1], .cnt = 1};
  f->compute.models[0].feature_idx[0] = TF_COMPUTE_NO_FEATURE;
  assert_int_equal(tf_compute_add_links(&f->compute, 0, &link, 1, 1, &f->arena), TF_OK);
  tf_compute_order(&f->compute, (const uint32_t[]){1, 0}, (const uint8_t[]){1, 1});
  assert_int_not_equal(f->compute.models[0].hash, old[0]);
  assert_int_equal(f->compute.models[1].hash, old[1]);
  for (int n = 1; n < WINDOW; n++) assert_int_equal(tick(f, 0, 2.0), 0);
  assert_int_equal(tick(f, 0, 2.0), 3);
  assert_true(f->compute.models[0].answer.score == 6.0f);
}

static void share_of_instruments_is_of_names_and_share_of_ticks_of_numbers(void **state) {
  (void)state;
  const tf_canary_share_t by_name = {2500, TF_SHARE_BY_INSTRUMENTS};
  const tf_canary_share_t by_tick = {2500, TF_SHARE_BY_TICKS};
  uint32_t                names = 0, ticks = 0, of_other_model = 0;
  for (uint64_t n = 0; n < 10000; n++) {
    char name[32];
    snprintf(name, sizeof name, "S%llu.MADE", (unsigned long long)n);
    bool is_named = tf_compute_is_in_share(by_name, name, n, 0);
    bool is_tick  = tf_compute_is_in_share(by_tick, name, n, 0);
    assert_int_equal(is_named, tf_compute_is_in_share(by_name, name, n + 1, 0));
    assert_int_equal(is_tick, tf_compute_is_in_share(by_tick, "ANOTHER.MADE", n, 0));
    names += is_named, ticks += is_tick;
    of_other_model += is_tick && tf_compute_is_in_share(by_tick, name, n, 1);
    for (uint32_t by = 0; by < TF_SHARE_BY_CNT; by++) {
      assert_false(tf_compute_is_in_share((tf_canary_share_t){0, by}, name, n, 0));
      assert_true(tf_compute_is_in_share((tf_canary_share_t){TF_CANARY_SHARES, by}, name, n, 0));
    }
  }
  assert_in_range(names, 2300, 2700); /* the same every time: nothing is drawn */
  assert_in_range(ticks, 2300, 2700);
  assert_in_range(of_other_model, 500, 750); /* a quarter of a quarter: each model has its own */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(row_that_is_not_finite_begins_the_window_anew, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(window_answers_from_its_last_row_on_and_warm_up_is_counted,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(instruments_have_windows_of_their_own, set_up, tear_down),
      cmocka_unit_test_setup_teardown(paused_model_is_not_asked_and_its_window_stays_whole, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(stands_in_for_a_paused_model_what_its_policy_says, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(pause_is_asked_for_after_so_many_late_answers_in_a_row,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(deferred_work_is_done_once_and_only_where_a_row_was_taken,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(outputs_beyond_what_a_tick_has_room_for_are_refused, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(model_reads_what_another_made_of_the_same_tick, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(
          model_without_its_source_is_not_asked_and_its_window_begins_anew, set_up, tear_down),
      cmocka_unit_test_setup_teardown(order_of_answering_is_said_and_the_hash_covers_what_is_read,
                                      set_up, tear_down),
      cmocka_unit_test(share_of_instruments_is_of_names_and_share_of_ticks_of_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
