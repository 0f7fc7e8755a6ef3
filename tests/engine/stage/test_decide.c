/* What a strategy requires of the features before its policy is asked. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "stage/decide.h"

static uint32_t asked_cnt;

static void decide_buy(void *state, const tf_policy_input_t *in, tf_policy_output_t *out) {
  (void)state;
  (void)in;
  asked_cnt++;
  *out = (tf_policy_output_t){TF_ACTION_BUY, TF_HOLD_NONE};
}

static const tf_policy_t always_buys = {.name = "always", .decide = decide_buy};

typedef struct fixture {
  tf_decide_t          decide;
  tf_compute_t         compute;
  tf_lane_instrument_t in;
  tf_event_t           event;
  double               row[3];
  uint64_t             hash;
} fixture_t;

static fixture_t *fresh(void) {
  static fixture_t f;
  memset(&f, 0, sizeof f);
  f.decide.hashes       = &f.hash;
  f.decide.strategy_cnt = 1;
  f.decide.strategies[0] =
      (tf_strategy_t){.policy = &always_buys, .model_idx = TF_STRATEGY_NO_MODEL};
  f.in.market.event = &f.event;
  f.in.row          = f.row;
  asked_cnt         = 0;
  return &f;
}

static tf_decision_t decided(fixture_t *f) {
  tf_decision_t d[TF_STRATEGIES_MAX];
  assert_int_equal(tf_decide_tick(&f->decide, &f->compute, &f->in, 0, 0, d), 1);
  return d[0];
}

static void is_held(fixture_t *f) {
  uint32_t      before = asked_cnt;
  tf_decision_t d      = decided(f);
  assert_int_equal(d.action, TF_ACTION_HOLD);
  assert_int_equal(d.hold_reason, TF_HOLD_WARMING);
  assert_int_equal(asked_cnt, before);
}

static void a_strategy_that_requires_nothing_is_asked_at_once(void **state) {
  (void)state;
  fixture_t *f = fresh();
  f->row[0]    = (double)NAN;
  assert_int_equal(decided(f).action, TF_ACTION_BUY);
  assert_int_equal(asked_cnt, 1);
}

static void one_that_requires_all_waits_for_the_row(void **state) {
  (void)state;
  fixture_t *f                          = fresh();
  f->decide.strategies[0].waits_for_all = true;
  is_held(f);
  assert_int_equal(f->decide.counts.holds[TF_HOLD_WARMING], 1);
  f->in.is_ready = true;
  assert_int_equal(decided(f).action, TF_ACTION_BUY);
  f->in.is_ready = false; /* an input went missing later */
  is_held(f);
}

static void one_that_requires_what_its_rules_name_waits_for_those(void **state) {
  (void)state;
  static const uint32_t AWAITED[]     = {2, 0};
  fixture_t            *f             = fresh();
  f->decide.strategies[0].awaited     = AWAITED;
  f->decide.strategies[0].awaited_cnt = 2;
  f->row[0] = f->row[1] = f->row[2] = (double)NAN;
  is_held(f);
  f->row[2] = 1;
  is_held(f);
  f->row[0] = 1;
  assert_int_equal(decided(f).action, TF_ACTION_BUY);
}

static void a_halt_goes_before_warming(void **state) {
  (void)state;
  fixture_t *f                          = fresh();
  f->decide.strategies[0].waits_for_all = true;
  f->decide.halted                      = true;
  assert_int_equal(decided(f).hold_reason, TF_HOLD_HALTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_strategy_that_requires_nothing_is_asked_at_once),
      cmocka_unit_test(one_that_requires_all_waits_for_the_row),
      cmocka_unit_test(one_that_requires_what_its_rules_name_waits_for_those),
      cmocka_unit_test(a_halt_goes_before_warming),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
