/* A worker's model on its lane without a worker: a replay obeys outcomes tick by tick, a live lane keeps one for each, and what is
 * compared is told right from wrong. test_child and e2e_workers have real workers. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "serve/remote_check.h"

#define INSTRUMENTS 3
#define WIDTH       2
#define WINDOW      3

/* The sum of all rows of the window. */
typedef struct window {
  float    sums[WINDOW];
  uint32_t cnt;
} window_t;

static void reset(const tf_model_t *model, void *state) {
  (void)model;
  memset(state, 0, sizeof(window_t));
}

static bool step(const tf_model_t *model, void *state, void *scratch, const float *row,
                 float *out) {
  window_t *w = state;
  (void)model, (void)scratch;
  memmove(w->sums, w->sums + 1, (WINDOW - 1) * sizeof *w->sums);
  w->sums[WINDOW - 1] = row[0] + row[1];
  if (++w->cnt < WINDOW) return false;
  out[0] = w->sums[0] + w->sums[1] + w->sums[2];
  return true;
}

static void advance(const tf_model_t *model, void *state, void *scratch) {
  (void)model, (void)state, (void)scratch;
}

static const tf_model_t model = {.input_cnt     = WIDTH,
                                 .output_cnt    = 1,
                                 .error_max     = 1e-3,
                                 .hash          = 77,
                                 .window        = WINDOW,
                                 .state_bytes   = sizeof(window_t),
                                 .scratch_bytes = 64,
                                 .reset         = reset,
                                 .step          = step,
                                 .advance       = advance};

typedef struct rig {
  tf_arena_t       arena;
  tf_remote_t      remote;
  tf_outcome_log_t log;
} rig_t;

static rig_t rig;

static void begin(uint32_t window, uint32_t compare_every) {
  tf_remote_config_t config = {.model_idx     = 1,
                               .width         = WIDTH,
                               .window        = window,
                               .output_cnt    = 1,
                               .no_answer     = TF_NO_ANSWER_HOLD,
                               .deadline_ns   = TF_NS_PER_MS,
                               .compare_every = compare_every};
  size_t             bytes  = tf_remote_bytes(&config, INSTRUMENTS) + tf_outcome_log_bytes(1);
  assert_int_equal(tf_arena_init(&rig.arena, "remote", bytes), TF_OK);
  assert_int_equal(tf_remote_init(&rig.remote, &config, INSTRUMENTS, &rig.arena), TF_OK);
}

static void end(void) { tf_arena_fini(&rig.arena); }

/* ---- a replay ---- */

typedef struct script {
  const tf_outcome_t *rows;
  uint32_t            cnt, at;
  float               out;
} script_t;

static const tf_outcome_t *peek(void *self, const float **out) {
  script_t *s = self;
  if (s->at == s->cnt) return NULL;
  s->out = (float)s->rows[s->at].tick_seq;
  *out   = &s->out;
  return &s->rows[s->at];
}

static void take(void *self) { ((script_t *)self)->at++; }

#define ANSWERED(tick, instrument)                                                                 \
  { tick, instrument, 1, TF_ASKED_ANSWERED, 1 }
#define LATE(tick, instrument)                                                                     \
  { tick, instrument, 1, TF_ASKED_LATE, 0 }

static void a_replay_obeys_the_outcome_of_each_tick_and_a_hole_is_a_miss(void **state) {
  (void)state;
  static const tf_outcome_t rows[] = {
      ANSWERED(3, 0),
      LATE(4, 1),
      {6, 0, 0, TF_ASKED_ANSWERED, 1}, /* of another model */
      ANSWERED(8, 2),
      {9, 0, 1, TF_ASKED_ANSWERED, 7}, /* of another shape */
  };
  static const struct {
    uint64_t   tick;
    uint32_t   instrument;
    tf_asked_t asked;
  } ticks[] = {
      {3, 0, TF_ASKED_ANSWERED},
      {4, 1, TF_ASKED_LATE    },
      {5, 0, TF_ASKED_UNKEPT  },
      {7, 0, TF_ASKED_UNKEPT  },
      {8, 2, TF_ASKED_ANSWERED},
      {8, 1, TF_ASKED_UNKEPT  },
      {9, 0, TF_ASKED_WRONG   },
      {9, 1, TF_ASKED_UNKEPT  },
  };
  script_t      script     = {rows, TF_ARRAY_CNT(rows), 0, 0};
  tf_outcomes_t outcomes   = {&script, peek, take};
  const float   row[WIDTH] = {0};
  begin(0, 0);
  assert_false(tf_remote_is_on(&rig.remote));
  rig.remote.outcomes = &outcomes;
  assert_true(tf_remote_is_on(&rig.remote));
  for (size_t i = 0; i < TF_ARRAY_CNT(ticks); i++) {
    float out = -1;
    assert_int_equal(
        tf_remote_ask(&rig.remote, ticks[i].instrument, ticks[i].tick, row, model.hash, &out),
        ticks[i].asked);
    if (ticks[i].asked == TF_ASKED_ANSWERED) assert_true(out == (float)ticks[i].tick);
  }
  assert_int_equal(rig.remote.counts.unmatched, 1);
  assert_int_equal(rig.remote.counts.asked, TF_ARRAY_CNT(ticks));
  end();
}

static void a_window_that_is_not_full_asks_nothing_of_the_capture(void **state) {
  (void)state;
  static const tf_outcome_t rows[]     = {ANSWERED(3, 0), ANSWERED(7, 0)};
  script_t                  script     = {rows, 2, 0, 0};
  tf_outcomes_t             outcomes   = {&script, peek, take};
  const float               row[WIDTH] = {0};
  float                     out;
  begin(WINDOW, 0);
  rig.remote.outcomes = &outcomes;
  for (uint64_t tick = 1; tick <= 3; tick++)
    assert_int_equal(tf_remote_ask(&rig.remote, 0, tick, row, model.hash, &out),
                     tick < WINDOW ? TF_ASKED_WARMING : TF_ASKED_ANSWERED);
  tf_remote_break(&rig.remote, 0); /* it begins anew */
  tf_remote_tell(&rig.remote, 0, row);
  tf_remote_tell(&rig.remote, 0, row);
  assert_int_equal(tf_remote_ask(&rig.remote, 0, 7, row, model.hash, &out), TF_ASKED_ANSWERED);
  end();
}

/* ---- live, and nobody serves ---- */

static void
each_tick_has_its_outcome_in_order_and_a_full_ring_is_a_miss_that_is_counted(void **state) {
  (void)state;
  const float row[WIDTH] = {0};
  float       out;
  uint64_t    tick = 0, taken = 0, seen = 0;
  begin(0, 0);
  assert_int_equal(tf_outcome_log_init(&rig.log, 1, &rig.arena), TF_OK);
  rig.remote.log       = &rig.log;
  rig.remote.is_asking = true;
  tf_asked_t asked;
  do
    asked =
        tf_remote_ask(&rig.remote, (uint32_t)(tick % INSTRUMENTS), tick + 1, row, model.hash, &out),
    tick++;
  while (asked == TF_ASKED_ABSENT && tick < 100000);
  assert_int_equal(asked, TF_ASKED_UNKEPT);
  uint8_t bytes[100]; /* no multiple of an outcome */
  for (uint32_t cnt; (cnt = tf_outcome_log_take(&rig.log, bytes, sizeof bytes, &taken));)
    for (uint32_t at = 0; at < cnt; at += tf_outcome_bytes(0)) {
      tf_outcome_t o;
      memcpy(&o, bytes + at, sizeof o);
      assert_int_equal(o.tick_seq, ++seen);
      assert_int_equal(o.instrument_id, (seen - 1) % INSTRUMENTS);
      assert_int_equal(o.model_idx, 1);
      assert_int_equal(o.asked, TF_ASKED_ABSENT);
    }
  assert_int_equal(seen, tick - 1);
  assert_int_equal(taken, rig.remote.counts.kept);
  assert_int_equal(tf_remote_ask(&rig.remote, 0, tick + 1, row, model.hash, &out), TF_ASKED_ABSENT);
  end();
}

/* ---- what is compared ---- */

static void give(float off) {
  const float row[WIDTH] = {1, 2};
  float       out;
  for (uint64_t tick = 1; tick <= WINDOW; tick++)
    (void)tf_remote_ask(&rig.remote, 0, tick, row, model.hash, &out);
  rig.remote.due_out[0] = 9.0f + off;
  rig.remote.is_due     = true;
  tf_remote_give_sample(&rig.remote, 0, row);
  assert_false(rig.remote.is_due);
}

static void an_answer_is_compared_with_the_cpus_of_the_same_window(void **state) {
  (void)state;
  tf_remote_check_t check = {0};
  uint64_t          seq   = 40;
  begin(WINDOW, 1);
  rig.remote.is_asking    = true;
  rig.remote.decision_seq = &seq;
  assert_int_equal(tf_remote_check_init(&check, &model), TF_OK);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_NOTHING);
  give(0.0f);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_GOOD);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_NOTHING);
  give(2e-3f * 9.0f * 0.99f); /* twice error_max, of 9 */
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_GOOD);
  seq = 50;
  give(2e-3f * 9.0f * 1.01f);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_WRONG);
  assert_int_equal(check.first_seq, 41);
  give(NAN);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_WRONG);
  rig.remote.config.compare_max = 0.5;
  give(4.0f);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 0), TF_REMOTE_GOOD);
  give(4.0f);
  assert_int_equal(tf_remote_check_look(&check, &rig.remote, 1),
                   TF_REMOTE_NOTHING); /* of another worker */
  assert_int_equal(check.compared, 5);
  assert_int_equal(check.wrong, 2);
  tf_remote_check_fini(&check);
  end();
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_replay_obeys_the_outcome_of_each_tick_and_a_hole_is_a_miss),
      cmocka_unit_test(a_window_that_is_not_full_asks_nothing_of_the_capture),
      cmocka_unit_test(
          each_tick_has_its_outcome_in_order_and_a_full_ring_is_a_miss_that_is_counted),
      cmocka_unit_test(an_answer_is_compared_with_the_cpus_of_the_same_window),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
