/* The rule policy: its order of checks, its brakes, and ten thousand random ticks against
 * tests/oracle/rule_policy.py. */
#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "policy/registry.h"

enum { STATE_WORDS = 4096, TICKS = 3000, CONFIGS = 12 };

extern const tf_policy_t tf_policy_rule;

static uint64_t           memory[STATE_WORDS];
static tf_policy_config_t config;

/* A rule that is feature idx > 0. */
static tf_rule_t feature_is_positive(uint32_t idx) {
  return (tf_rule_t){
      .step_cnt = 3,
      .depth    = 2,
      .steps    = {{.op = TF_RULE_LOAD, .slot_idx = TF_RULE_SLOT_FEATURES + idx},
                   {.op = TF_RULE_CONST, .value = 0},
                   {.op = TF_RULE_GT}},
  };
}

static void open_policy(uint64_t cooldown_ns, uint32_t rate_cnt, uint64_t rate_window_ns) {
  config = (tf_policy_config_t){.buy            = feature_is_positive(0),
                                .sell           = feature_is_positive(1),
                                .flat           = feature_is_positive(2),
                                .cooldown_ns    = cooldown_ns,
                                .rate_cnt_max   = rate_cnt,
                                .rate_window_ns = rate_window_ns,
                                .book_states_ok = 1u << TF_BOOK_OK | 1u << TF_BOOK_NONE};
  assert_true(tf_policy_rule.state_bytes(&config) <= sizeof memory);
  assert_int_equal(tf_policy_rule.init(memory, &config), TF_OK);
}

static tf_policy_output_t decide(uint64_t now_ns, uint8_t book, double buy, double sell,
                                 double flat) {
  const double       features[] = {buy, sell, flat};
  tf_policy_input_t  in  = {.score = 0, .features = features, .book_state = book, .now_ns = now_ns};
  tf_policy_output_t out = {.action = 99, .hold_reason = 99};
  tf_policy_rule.decide(memory, &in, &out);
  return out;
}

static void expect(tf_policy_output_t out, uint8_t action, uint8_t reason) {
  assert_int_equal(out.action, action);
  assert_int_equal(out.hold_reason, reason);
}

static void unsound_programs_and_absurd_rates_are_refused(void **state) {
  (void)state;
  static const tf_rule_t BAD[] = {
      {.step_cnt = 1,                                            .steps = {{.op = TF_RULE_GT}}},
      {.step_cnt = 1,                                                        .steps = {{.op = TF_RULE_NOT}}},
      {.step_cnt = 1,.steps = {{.op = TF_RULE_OP_CNT}}},
      {.step_cnt = 2,                                            .steps = {{.op = TF_RULE_CONST}, {.op = TF_RULE_CONST}}},
      {.step_cnt = 2,                                                        .steps = {{.op = TF_RULE_CONST}, {.op = TF_RULE_AND}}},
      {.step_cnt = TF_RULE_OPS_MAX + 1},
      {.step_cnt = 33                                           }, /* 33 constants: too deep */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(BAD); i++) {
    config = (tf_policy_config_t){.sell = BAD[i]};
    assert_int_equal(tf_policy_rule.init(memory, &config), E_CORE_ARGUMENT);
  }
  for (uint32_t depth = TF_RULE_DEPTH_MAX; depth <= TF_RULE_DEPTH_MAX + 1; depth++) {
    tf_rule_t deep = {.step_cnt = 2 * depth - 1}; /* constants, then as many operators less one */
    for (uint32_t i = depth; i < deep.step_cnt; i++) deep.steps[i].op = TF_RULE_AND;
    config = (tf_policy_config_t){.flat = deep};
    assert_int_equal(tf_policy_rule.init(memory, &config),
                     depth <= TF_RULE_DEPTH_MAX ? TF_OK : E_CORE_ARGUMENT);
  }
  config = (tf_policy_config_t){.rate_cnt_max = UINT32_MAX};
  assert_true(tf_policy_rule.state_bytes(&config) < sizeof memory);
  assert_int_equal(tf_policy_rule.init(memory, &config), E_CORE_ARGUMENT);
}

static void without_rules_nothing_ever_fires(void **state) {
  (void)state;
  config = (tf_policy_config_t){.book_states_ok = UINT32_MAX};
  assert_int_equal(tf_policy_rule.init(memory, &config), TF_OK);
  expect(decide(1, TF_BOOK_OK, 1, 1, 1), TF_ACTION_HOLD, TF_HOLD_RULE);
}

static void the_book_gate_comes_before_everything(void **state) {
  (void)state;
  open_policy(0, 0, 0);
  expect(decide(1, TF_BOOK_GAP, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_BOOK);
  expect(decide(1, TF_BOOK_CROSSED, 1, 1, 1), TF_ACTION_HOLD, TF_HOLD_BOOK);
  expect(decide(1, TF_BOOK_STALE, 0, 0, 0), TF_ACTION_HOLD, TF_HOLD_BOOK);
  expect(decide(1, 200, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_BOOK);
  expect(decide(1, TF_BOOK_NONE, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
}

static void opposite_rules_conflict_and_flat_beats_both(void **state) {
  (void)state;
  open_policy(0, 0, 0);
  expect(decide(1, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide(1, 0, 0, 1, 0), TF_ACTION_SELL, TF_HOLD_NONE);
  expect(decide(1, 0, 1, 1, 0), TF_ACTION_HOLD, TF_HOLD_CONFLICT);
  expect(decide(1, 0, 0, 0, 0), TF_ACTION_HOLD, TF_HOLD_RULE);
  expect(decide(1, 0, 0, 0, 1), TF_ACTION_FLAT, TF_HOLD_NONE);
  expect(decide(1, 0, 1, 0, 1), TF_ACTION_FLAT, TF_HOLD_NONE);
  expect(decide(1, 0, 1, 1, 1), TF_ACTION_FLAT, TF_HOLD_NONE);
}

static void a_nan_never_fires(void **state) {
  (void)state;
  double nan = __builtin_nan(""), inf = __builtin_inf();
  open_policy(0, 0, 0);
  expect(decide(1, 0, nan, nan, nan), TF_ACTION_HOLD, TF_HOLD_RULE);
  expect(decide(1, 0, inf, 0, 0), TF_ACTION_HOLD, TF_HOLD_RULE);
  expect(decide(1, 0, nan, 1, nan), TF_ACTION_SELL, TF_HOLD_NONE);
}

static tf_policy_output_t decide_all(uint64_t now_ns, uint8_t book, const double fire[5]) {
  tf_policy_input_t  in  = {.features = fire, .book_state = book, .now_ns = now_ns};
  tf_policy_output_t out = {.action = 99, .hold_reason = 99};
  tf_policy_rule.decide(memory, &in, &out);
  return out;
}

static void open_with_untils(uint64_t cooldown_ns, uint32_t rate_cnt, uint64_t rate_window_ns,
                             bool buy_until, bool sell_until) {
  open_policy(cooldown_ns, rate_cnt, rate_window_ns);
  if (buy_until) config.buy_until = feature_is_positive(3);
  if (sell_until) config.sell_until = feature_is_positive(4);
  assert_int_equal(tf_policy_rule.init(memory, &config), TF_OK);
}

static void bought_is_not_bought_again_until_its_until_fires(void **state) {
  (void)state;
  open_with_untils(0, 0, 0, true, false);
  expect(decide_all(1, 0, (double[]){0, 0, 0, 1, 0}), TF_ACTION_HOLD, TF_HOLD_RULE); /* none open */
  expect(decide_all(2, 0, (double[]){1, 0, 0, 1, 0}), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide_all(3, 0, (double[]){1, 0, 0, 0, 0}), TF_ACTION_HOLD, TF_HOLD_RULE);
  expect(decide_all(4, 0, (double[]){1, 0, 0, 1, 0}), TF_ACTION_FLAT, TF_HOLD_NONE);
  expect(decide_all(5, 0, (double[]){1, 0, 0, 0, 0}), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide_all(6, 0, (double[]){1, 1, 0, 0, 0}), TF_ACTION_SELL, TF_HOLD_NONE); /* turns */
  expect(decide_all(7, 0, (double[]){0, 1, 0, 0, 0}), TF_ACTION_SELL, TF_HOLD_NONE); /* no until */
  expect(decide_all(8, 0, (double[]){1, 0, 0, 0, 0}), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide_all(9, 0, (double[]){0, 0, 1, 0, 0}), TF_ACTION_FLAT, TF_HOLD_NONE);
  expect(decide_all(10, 0, (double[]){0, 0, 0, 1, 0}), TF_ACTION_HOLD, TF_HOLD_RULE);
}

static void held_back_exit_is_asked_for_again(void **state) {
  (void)state;
  open_with_untils(1000, 0, 0, true, true);
  expect(decide_all(0, 0, (double[]){0, 1, 0, 0, 0}), TF_ACTION_SELL, TF_HOLD_NONE);
  expect(decide_all(999, 0, (double[]){0, 0, 0, 0, 1}), TF_ACTION_HOLD, TF_HOLD_COOLDOWN);
  expect(decide_all(1000, TF_BOOK_GAP, (double[]){0, 0, 0, 0, 1}), TF_ACTION_HOLD, TF_HOLD_BOOK);
  expect(decide_all(1000, 0, (double[]){0, 0, 0, 1, 0}), TF_ACTION_HOLD, TF_HOLD_RULE);
  expect(decide_all(1000, 0, (double[]){0, 0, 0, 0, 1}), TF_ACTION_FLAT, TF_HOLD_NONE);
}

static void values_are_read_in_their_order_and_unknown_without_any(void **state) {
  (void)state;
  const double values[TF_RULE_VALUE_CNT] = {1, 2, 3, 4, 5, 6, 7};
  for (uint32_t i = 0; i < TF_RULE_VALUE_CNT + 1; i++) {
    bool is_alert = i == TF_RULE_VALUE_CNT;
    config        = (tf_policy_config_t){.book_states_ok = 1};
    config.buy    = (tf_rule_t){
           .step_cnt = 3,
           .depth    = 2,
           .steps    = {
                        {.op       = TF_RULE_LOAD,
                   .slot_idx = is_alert ? (uint32_t)TF_RULE_SLOT_ALERT : TF_RULE_SLOT_FLEET_MEAN + i},
                        {.op = TF_RULE_CONST, .value = is_alert ? -4 : (int)i + 1},
                        {.op = TF_RULE_EQ}}
    };
    assert_int_equal(tf_policy_rule.init(memory, &config), TF_OK);
    tf_policy_input_t  in = {.values = values, .alert = -4, .now_ns = 1};
    tf_policy_output_t out;
    tf_policy_rule.decide(memory, &in, &out);
    expect(out, TF_ACTION_BUY, TF_HOLD_NONE);
    in.values = NULL;
    in.alert  = __builtin_nan("");
    tf_policy_rule.decide(memory, &in, &out);
    expect(out, TF_ACTION_HOLD, TF_HOLD_RULE);
  }
}

static void position_is_a_slot_and_unknown_until_told(void **state) {
  (void)state;
  config     = (tf_policy_config_t){.book_states_ok = 1};
  config.buy = (tf_rule_t){
      .step_cnt = 3,
      .depth    = 2,
      .steps    = {{.op = TF_RULE_LOAD, .slot_idx = TF_RULE_SLOT_POSITION},
                   {.op = TF_RULE_CONST, .value = 2},
                   {.op = TF_RULE_LT}}
  };
  assert_int_equal(tf_policy_rule.init(memory, &config), TF_OK);
  static const struct {
    double  position;
    uint8_t action;
  } CASES[] = {
      {1.5, TF_ACTION_BUY },
      {2,   TF_ACTION_HOLD},
      {-7,  TF_ACTION_BUY },
      {3,   TF_ACTION_HOLD}
  };
  tf_policy_input_t  in = {.position = __builtin_nan(""), .now_ns = 1};
  tf_policy_output_t out;
  tf_policy_rule.decide(memory, &in, &out);
  expect(out, TF_ACTION_HOLD, TF_HOLD_RULE);
  for (size_t i = 0; i < TF_ARRAY_CNT(CASES); i++) {
    in.position = CASES[i].position;
    tf_policy_rule.decide(memory, &in, &out);
    assert_int_equal(out.action, CASES[i].action);
  }
}

static void a_cooldown_ends_exactly_when_it_has_elapsed(void **state) {
  (void)state;
  open_policy(1000, 0, 0);
  expect(decide(0, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE); /* time 0 is a time */
  expect(decide(0, 0, 0, 1, 0), TF_ACTION_HOLD, TF_HOLD_COOLDOWN);
  expect(decide(999, 0, 0, 0, 1), TF_ACTION_HOLD, TF_HOLD_COOLDOWN);
  expect(decide(999, 0, 0, 0, 0), TF_ACTION_HOLD, TF_HOLD_RULE);
  expect(decide(1000, 0, 0, 0, 1), TF_ACTION_FLAT, TF_HOLD_NONE);
  expect(decide(500, 0, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_COOLDOWN); /* time stepped back */
  expect(decide(1999, 0, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_COOLDOWN);
  expect(decide(2000, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
}

static void the_rate_is_an_exact_sliding_window_of_actions_taken(void **state) {
  (void)state;
  open_policy(0, 2, 1000);
  expect(decide(100, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide(600, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide(601, 0, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_RATE);
  expect(decide(1099, 0, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_RATE);
  expect(decide(1100, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
  expect(decide(1599, 0, 1, 0, 0), TF_ACTION_HOLD, TF_HOLD_RATE);
  expect(decide(1600, 0, 1, 0, 0), TF_ACTION_BUY, TF_HOLD_NONE);
}

static uint64_t random_next(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *seed >> 33;
}

static void random_ticks_agree_with_the_plain_model(void **state) {
  (void)state;
  if (access("/usr/bin/python3", X_OK) != 0 || access("tests/oracle/rule_policy.py", R_OK) != 0) {
    print_message("skipped: /usr/bin/python3 or tests/oracle is missing\n");
    skip();
  }
  char  path[] = "/tmp/tickfuse-policy-XXXXXX", command[128];
  int   fd     = mkstemp(path);
  FILE *file   = fd >= 0 ? fdopen(fd, "w") : NULL;
  assert_non_null(file);
  static tf_policy_output_t out[CONFIGS][TICKS];
  uint64_t                  seed                       = 42;
  uint32_t                  counts[TF_HOLD_REASON_CNT] = {0};
  for (uint32_t c = 0; c < CONFIGS; c++) {
    uint64_t cooldown = random_next(&seed) % 3 * 40, window = 50 + random_next(&seed) % 400;
    uint32_t rate      = (uint32_t)(random_next(&seed) % 7);
    uint64_t now       = UINT64_C(1700000000000000000);
    bool     buy_until = c & 1, sell_until = c & 2;
    open_with_untils(cooldown, rate, window, buy_until, sell_until);
    fprintf(file, "config %llu %u %llu %u %d %d\n", (unsigned long long)cooldown, rate,
            (unsigned long long)window, config.book_states_ok, buy_until, sell_until);
    for (uint32_t i = 0; i < TICKS; i++) {
      static const double VALUES[] = {0, 0, 1, -1};
      double              fire[5];
      now += random_next(&seed) % 30;
      if (random_next(&seed) % 50 == 0) now -= random_next(&seed) % 100;
      uint8_t book = random_next(&seed) % 10 ? TF_BOOK_OK : (uint8_t)(random_next(&seed) % 6);
      for (int k = 0; k < 5; k++) {
        fire[k] = random_next(&seed) % 20 == 0 ? __builtin_nan("") : VALUES[random_next(&seed) % 4];
      }
      out[c][i] = decide_all(now, book, fire);
      counts[out[c][i].hold_reason]++;
      fprintf(file, "tick %llu %u", (unsigned long long)now, book);
      for (int k = 0; k < 5; k++)
        fprintf(file, " %s", fire[k] > 0 ? "1" : fire[k] == fire[k] ? "0" : "nan");
      fputc('\n', file);
    }
  }
  fclose(file);
  for (uint32_t r = 0; r <= TF_HOLD_CONFLICT; r++) /* HALTED is the stage's own */
    assert_true(counts[r] > 100);
  snprintf(command, sizeof command, "/usr/bin/python3 tests/oracle/rule_policy.py %s", path);
  FILE *model = popen(command, "r");
  assert_non_null(model);
  for (uint32_t c = 0; c < CONFIGS; c++) {
    for (uint32_t i = 0; i < TICKS; i++) {
      unsigned action, reason;
      assert_int_equal(fscanf(model, "%u %u", &action, &reason), 2);
      if (action != out[c][i].action || reason != out[c][i].hold_reason) {
        fail_msg("config %u tick %u: model %u %u, policy %u %u", c, i, action, reason,
                 out[c][i].action, out[c][i].hold_reason);
      }
    }
  }
  assert_int_equal(pclose(model), 0);
  unlink(path);
}

static void the_table_holds_every_policy_by_name(void **state) {
  (void)state;
  for (uint32_t i = 0; i < tf_policy_cnt; i++) {
    const tf_policy_t *p = tf_policies[i];
    assert_true(p->name && p->help && p->state_bytes && p->init && p->attach && p->decide);
    assert_true(i == 0 || strcmp(tf_policies[i - 1]->name, p->name) < 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unsound_programs_and_absurd_rates_are_refused),
      cmocka_unit_test(without_rules_nothing_ever_fires),
      cmocka_unit_test(the_book_gate_comes_before_everything),
      cmocka_unit_test(opposite_rules_conflict_and_flat_beats_both),
      cmocka_unit_test(a_nan_never_fires),
      cmocka_unit_test(bought_is_not_bought_again_until_its_until_fires),
      cmocka_unit_test(held_back_exit_is_asked_for_again),
      cmocka_unit_test(values_are_read_in_their_order_and_unknown_without_any),
      cmocka_unit_test(position_is_a_slot_and_unknown_until_told),
      cmocka_unit_test(a_cooldown_ends_exactly_when_it_has_elapsed),
      cmocka_unit_test(the_rate_is_an_exact_sliding_window_of_actions_taken),
      cmocka_unit_test(random_ticks_agree_with_the_plain_model),
      cmocka_unit_test(the_table_holds_every_policy_by_name),
  };
  return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
