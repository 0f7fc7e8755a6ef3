/* A version beside another: its windows are those of one that always ran, whenever it came, and it serves at one place. The model
 * here answers with the sum of its window's rows times a factor of its own. */
#include "cmocka_tf.h"

#include <pthread.h>
#include <string.h>

#include "serve/swap.h"

#define WINDOW      3
#define INSTRUMENTS 5

typedef struct window {
  float    rows[WINDOW];
  uint32_t cnt;
} window_t;

static void reset(const tf_model_t *model, void *state) {
  (void)model;
  memset(state, 0, sizeof(window_t));
}

static bool step(const tf_model_t *model, void *state, void *scratch, const float *row,
                 float *out) {
  window_t *w = state;
  (void)scratch;
  memmove(w->rows, w->rows + 1, (WINDOW - 1) * sizeof *w->rows);
  w->rows[WINDOW - 1] = row[0];
  w->cnt++;
  out[0] = (w->rows[0] + w->rows[1] + w->rows[2]) * (float)model->param_cnt;
  return w->cnt >= WINDOW;
}

static void advance(const tf_model_t *model, void *state, void *scratch) {
  (void)model, (void)state, (void)scratch;
}

#define MODEL_(factor)                                                                             \
  {                                                                                                \
    .input_cnt = 1, .output_cnt = 1, .param_cnt = (factor), .hash = 100 + (factor),                \
    .window = WINDOW, .state_bytes = sizeof(window_t), .scratch_bytes = 64, .reset = reset,        \
    .step = step, .advance = advance                                                               \
  }

static const tf_model_t models[] = {MODEL_(1), MODEL_(2), MODEL_(3)};

typedef struct lane {
  tf_swap_t           swap;
  const tf_version_t *active;
  float               kept[INSTRUMENTS * WINDOW];
  uint32_t            cnts[INSTRUMENTS], next[INSTRUMENTS];
} lane_t;

static void lane_init(lane_t *l) {
  memset(l, 0, sizeof *l);
  assert_int_equal(tf_version_init(&l->swap.versions[0], &models[0], 1, INSTRUMENTS), TF_OK);
  l->swap.offered = l->swap.taken = l->swap.prepared = l->swap.serving = TF_VERSION_ROWS;
  l->swap.instrument_cnt                                               = INSTRUMENTS;
  l->swap.kept = (tf_kept_rows_t){l->kept, l->cnts, l->next, WINDOW, 1};
  l->active    = &l->swap.versions[0];
}

static void lane_fini(lane_t *l) {
  for (uint32_t i = 0; i < TF_VERSION_ROWS; i++) tf_version_fini(&l->swap.versions[i]);
}

/* A tick: the answer, then what follows the decision. row 0 breaks the window. NaN: no answer. */
static float tick(lane_t *l, uint32_t id, float row, bool prepares) {
  float out   = 0;
  void *state = tf_version_window(l->active, id);
  bool  good  = false;
  if (row != 0.0f)
    good = l->active->model->step(l->active->model, state, l->active->scratch, &row, &out);
  else
    l->active->model->reset(l->active->model, state);
  float shadow[TF_MODEL_OUTPUTS_MAX];
  if (tf_swap_follow(&l->swap, id, row != 0.0f ? &row : NULL, NULL, shadow) && good)
    tf_swap_compare(&l->swap, out, shadow);
  if (prepares) (void)tf_swap_prepare(&l->swap);
  return good ? out : __builtin_nanf("");
}

static uint64_t random_state;

static uint32_t draw(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % below;
}

/* Ticks at random, with breaks; the version comes at one tick and serves at a later one, wholly prepared by then or
 * not. From there on answers are those of a lane that had it from the beginning. */
static void answers_are_those_of_a_version_that_always_ran(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 500; seed++) {
    lane_t l, always;
    lane_init(&l);
    lane_init(&always);
    tf_version_fini(&always.swap.versions[0]);
    assert_int_equal(tf_version_init(&always.swap.versions[0], &models[1], 2, INSTRUMENTS), TF_OK);
    random_state   = seed;
    uint32_t ticks = 60, comes_at = draw(40), serves_at = comes_at + draw(20);
    bool     is_prepared = draw(2);
    for (uint32_t n = 0; n < ticks; n++) {
      uint32_t id  = draw(INSTRUMENTS);
      float    row = draw(12) ? (float)(1 + draw(9)) : 0.0f;
      if (n == comes_at) {
        assert_int_equal(tf_version_init(&l.swap.versions[2], &models[1], 2, INSTRUMENTS), TF_OK);
        l.swap.offered = 2 * TF_VERSION_ROWS + 2;
      }
      if (n == serves_at) {
        assert_null(tf_swap_obey(&l.swap, 3, models[1].hash)); /* another number, another hash */
        assert_null(tf_swap_obey(&l.swap, 2, models[2].hash));
        l.active = tf_swap_obey(&l.swap, 2, models[1].hash);
        assert_non_null(l.active);
        assert_int_equal(l.swap.serving, l.swap.offered);
      }
      float got = tick(&l, id, row, is_prepared), want = tick(&always, id, row, false);
      if (n >= serves_at) assert_memory_equal(&got, &want, sizeof got);
    }
    lane_fini(&l);
    lane_fini(&always);
  }
}

static void preparing_ends_while_no_tick_comes_and_says_so_once(void **state) {
  (void)state;
  lane_t l;
  lane_init(&l);
  for (uint32_t id = 0; id < INSTRUMENTS; id += 2) tick(&l, id, 1.0f, true);
  assert_false(tf_swap_prepare(&l.swap));
  assert_int_equal(tf_version_init(&l.swap.versions[1], &models[1], 2, INSTRUMENTS), TF_OK);
  l.swap.offered = 2 * TF_VERSION_ROWS + 1;
  int calls      = 0;
  while (tf_swap_prepare(&l.swap)) calls++;
  assert_int_equal(calls, INSTRUMENTS + 1); /* each takes the row it has, if any; then it is said */
  assert_int_equal(l.swap.prepared, l.swap.offered);
  lane_fini(&l);
}

static void offer_that_is_taken_back_is_let_go(void **state) {
  (void)state;
  lane_t l;
  lane_init(&l);
  tick(&l, 0, 1.0f, true);
  assert_int_equal(tf_version_init(&l.swap.versions[1], &models[1], 2, INSTRUMENTS), TF_OK);
  l.swap.offered = 2 * TF_VERSION_ROWS + 1;
  tick(&l, 0, 1.0f, true);
  assert_int_equal(l.swap.taken, l.swap.offered);
  l.swap.offered = 0;
  assert_false(tf_swap_prepare(&l.swap));
  assert_int_equal(l.swap.taken, 0);
  tf_version_fini(&l.swap.versions[1]); /* under asan: nothing touches it now */
  for (int n = 0; n < 5; n++) tick(&l, 0, 1.0f, true);
  assert_null(tf_swap_obey(&l.swap, 2, models[1].hash));
  lane_fini(&l);
}

static void shadow_is_compared_on_the_same_ticks_and_forgotten_with_the_next(void **state) {
  (void)state;
  lane_t             l;
  const tf_shadow_t *w = &l.swap.shadow;
  lane_init(&l);
  for (int n = 0; n < WINDOW; n++) tick(&l, 0, 1.0f, true);
  assert_int_equal(tf_version_init(&l.swap.versions[1], &models[2], 2, INSTRUMENTS), TF_OK);
  l.swap.offered = 2 * TF_VERSION_ROWS + 1;
  while (tf_swap_prepare(&l.swap)) {
  }
  tick(&l, 0, 2.0f, true); /* 4, and three times as much */
  tick(&l, 0, 1.0f, true);
  tick(&l, 0, -9.0f, true); /* -6 and -18 */
  assert_int_equal(w->answers, 3);
  assert_int_equal(w->distance_sum, 28000000);
  assert_int_equal(w->distance_max, 12000000);
  assert_int_equal(w->signs, 0);
  const float far = -1e30f;
  tf_swap_compare(&l.swap, 1.0f, &far);
  tf_swap_compare(&l.swap, 1.0f, NULL);
  assert_int_equal(w->distance_max, TF_SHADOW_DISTANCE_MAX);
  assert_int_equal(w->signs, 1);
  assert_int_equal(w->refused, 1);
  l.swap.offered = 0;
  (void)tf_swap_prepare(&l.swap);
  assert_int_equal(w->answers + w->refused + w->signs + w->distance_sum + w->distance_max, 0);
  lane_fini(&l);
}

/* ---- two threads ---- */

#define SWAPS 300

typedef struct race {
  lane_t   lane;
  uint64_t ordered;  /* by the server: the word that is to serve, as an event would */
  uint64_t stopping; /* by the server */
} race_t;

static void *run_lane(void *arg) {
  race_t  *r = arg;
  uint64_t n = 0, obeyed = 0;
  while (!tf_load_acquire(&r->stopping)) {           /* pairs with: swaps_race_with_ticks */
    uint64_t ordered = tf_load_acquire(&r->ordered); /* pairs with: swaps_race_with_ticks */
    if (ordered != obeyed) {
      const tf_version_t *v = tf_swap_row(&r->lane.swap, ordered);
      r->lane.active        = tf_swap_obey(&r->lane.swap, v->number, v->model->hash);
      assert_ptr_equal(r->lane.active, v);
      obeyed = ordered;
    }
    float got = tick(&r->lane, (uint32_t)(n++ % INSTRUMENTS), 1.0f, true);
    if (got == got) assert_true(got == 3.0f * (float)r->lane.active->model->param_cnt);
  }
  return NULL;
}

static void wait_for(const uint64_t *word, uint64_t wanted) {
  while (tf_load_acquire(word) != wanted) tf_spin_pause(); /* pairs with: tf_swap_prepare */
}

static void swaps_race_with_ticks(void **state) {
  (void)state;
  static race_t r;
  pthread_t     thread;
  uint32_t      rows[2] = {0, 0}; /* that serves, that served before */
  lane_init(&r.lane);
  assert_int_equal(pthread_create(&thread, NULL, run_lane, &r), 0);
  for (uint64_t serial = 2; serial < SWAPS; serial++) {
    uint32_t row = 0;
    while (row == rows[0] || row == rows[1]) row++;
    tf_version_fini(&r.lane.swap.versions[row]);
    assert_int_equal(
        tf_version_init(&r.lane.swap.versions[row], &models[serial % 3], serial, INSTRUMENTS),
        TF_OK);
    uint64_t word = serial * TF_VERSION_ROWS + row;
    tf_store_release(&r.lane.swap.offered, word); /* pairs with: tf_swap_prepare */
    wait_for(&r.lane.swap.prepared, word);
    tf_store_release(&r.ordered, word); /* pairs with: run_lane */
    wait_for(&r.lane.swap.serving, word);
    rows[1] = rows[0];
    rows[0] = row;
  }
  tf_store_release(&r.stopping, 1); /* pairs with: run_lane */
  pthread_join(thread, NULL);
  lane_fini(&r.lane);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_those_of_a_version_that_always_ran),
      cmocka_unit_test(preparing_ends_while_no_tick_comes_and_says_so_once),
      cmocka_unit_test(offer_that_is_taken_back_is_let_go),
      cmocka_unit_test(shadow_is_compared_on_the_same_ticks_and_forgotten_with_the_next),
      cmocka_unit_test(swaps_race_with_ticks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
