/* Rule texts to programs: what they load, what they refuse, and that they compute what they say. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/rule.h"
#include "core/error.h"
#include "indicator/registry.h"
#include "policy/registry.h"

static const char *const BARS[] = {"s1"};

static tf_feature_compile_t *begun(void) {
  tf_feature_compile_t *c;
  tf_feature_env_t      env = {.indicators    = tf_indicators,
                               .indicator_cnt = tf_indicator_cnt,
                               .bar_names     = BARS,
                               .bar_cnt       = 1,
                               .plain_bar     = TF_FEATURE_COMPILE_NONE};
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  assert_int_equal(tf_feature_compile_add(c, NULL, "mid", NULL), TF_OK);
  assert_int_equal(tf_feature_compile_add(c, NULL, "z: zscore(mid, 50)", NULL), TF_OK);
  assert_int_equal(tf_feature_compile_add(c, NULL, "spread / mid * 10000", NULL), TF_OK);
  return c;
}

static const tf_policy_t *rule_policy(void) {
  for (uint32_t i = 0; i < tf_policy_cnt; i++) {
    if (strcmp(tf_policies[i]->name, "rule") == 0) return tf_policies[i];
  }
  fail_msg("no policy \"rule\"");
  return NULL;
}

/* Whether a text fires on these inputs, by the policy itself. */
static bool fires(const char *text, double score, double p10, double p90, const double *features) {
  tf_feature_compile_t     *c = begun();
  static tf_policy_config_t config;
  uint64_t                  state[16];
  config = (tf_policy_config_t){.book_states_ok = 1};
  if (tf_rule_collect(c, NULL, text) != TF_OK ||
      tf_rule_compile(c, NULL, text, &config.buy) != TF_OK) {
    fail_msg("%s", tf_error_text());
  }
  assert_true(rule_policy()->state_bytes(&config) <= sizeof state);
  assert_int_equal(rule_policy()->init(state, &config), TF_OK);
  tf_policy_input_t  in = {.score = score, .p10 = p10, .p90 = p90, .features = features};
  tf_policy_output_t out;
  rule_policy()->decide(state, &in, &out);
  tf_feature_compile_end(c);
  return out.action == TF_ACTION_BUY;
}

typedef struct row {
  const char *text;
  const char *want;
} row_t;

static const row_t BAD[] = {
    {"scroe > 0.6",                    "1: unknown name \"scroe\", did you mean \"score\"?"            },
    {"score > 0.6 and spread_bsp < 2",
     "17: unknown name \"spread_bsp\", did you mean \"spread_bps\"?"                                   },
    {"score > emma(mid)",              "9: unknown indicator \"emma\", did you mean \"ema\"?"          },
    {"score",                          "1: found a number, expected a condition for a rule"            },
    {"score > 1s",                     "9: found a duration, expected a number"                        },
    {"ema(score, 5) > 1",              "5: score is the model's output of this tick: it has no history"},
    {"min(score, 5) > 1",              "5: score is the model's output of this tick"                   },
    {"score.x > 1",                    "1: score is the model's output of this tick"                   },
    {"abs(score, 1) > 1",              "1: abs takes 1 argument and has no fields, found 2"            },
    {"min(score, p10).x > 1",          "1: min takes 2 arguments and has no fields"                    },
    {"ema(fleet_mean, 5) > 1",         "5: fleet_mean is the model's output of this tick"              },
    {"fleet_men > 1",                  "1: unknown name \"fleet_men\", did you mean \"fleet_mean\"?"   },
    {"s1 > 2",                         "1: s1 is a bar; name one of its fields"                        },
    {"score > ema(mid, 0)",            "18: found 0 for timeperiod of ema"                             },
    {"score > 0.6 && x",               "13: found \"&&\", write \"and\""                               },
};

static void wrong_rules_say_where_and_what(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(BAD); i++) {
    tf_feature_compile_t *c = begun();
    char                  want[160];
    snprintf(want, sizeof want, "expr:1:%s", BAD[i].want);
    if (tf_rule_collect(c, NULL, BAD[i].text) != E_CONFIG_EXPR) fail_msg("%s", BAD[i].text);
    if (strncmp(tf_error_text(), want, strlen(want)) != 0) {
      fail_msg("\"%s\"\n  wanted %s\n  found  %s", BAD[i].text, want, tf_error_text());
    }
    tf_feature_compile_end(c);
  }
}

static void a_program_too_long_or_too_deep_is_refused(void **state) {
  (void)state;
  char                  text[TF_EXPR_BYTES_MAX + 1] = "score";
  tf_rule_t             rule;
  tf_feature_compile_t *c = begun();
  for (int i = 0; i < 31; i++) strcat(text, "+1"); /* 32 values, 31 additions */
  strcat(text, " > 0");
  assert_int_equal(tf_rule_compile(c, NULL, text, &rule), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "more than 64 steps"));
  assert_int_equal(rule.step_cnt, 0);

  text[0] = '\0';
  for (int i = 0; i < 16; i++) strcat(text, "1+(");
  strcat(text, "score");
  for (int i = 0; i < 16; i++) strcat(text, ")");
  strcat(text, " > 0");
  assert_int_equal(tf_rule_compile(c, NULL, text, &rule), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "more than 16 values deep"));
  tf_feature_compile_end(c);
}

static void a_feature_that_was_not_collected_is_refused(void **state) {
  (void)state;
  tf_rule_t             rule;
  tf_feature_compile_t *c = begun();
  assert_int_equal(tf_rule_compile(c, NULL, "score > last", &rule), E_CONFIG_EXPR);
  assert_string_equal(tf_error_text(),
                      "expr:1:9: found a feature that no tf_rule_collect has announced");
  tf_feature_compile_end(c);
}

static void an_empty_text_is_no_rule(void **state) {
  (void)state;
  tf_rule_t             rule = {.step_cnt = 9};
  tf_feature_compile_t *c    = begun();
  assert_int_equal(tf_rule_collect(c, NULL, "  "), TF_OK);
  assert_int_equal(tf_rule_compile(c, NULL, "", &rule), TF_OK);
  assert_int_equal(rule.step_cnt, 0);
  tf_feature_compile_end(c);
}

static void features_beyond_the_list_are_appended_for_rules_only(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun();
  tf_feature_plan_t     plan;
  tf_rule_t             rule;
  const char *text = "score > 0.6 and spread_bps < 2 and z < 1 and ema(mid, 9) - mid > last and "
                     "spread_bps > 0 and s1.close > 1";
  assert_int_equal(tf_rule_collect(c, NULL, text), TF_OK);
  assert_int_equal(tf_feature_compile_add(c, NULL, "bid", NULL), E_CORE_ARGUMENT);
  assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
  assert_int_equal(plan.listed_cnt, 3);
  assert_int_equal(plan.feature_cnt, 7);
  assert_string_equal(tf_feature_plan_name(&plan, 3), "spread_bps");
  assert_string_equal(tf_feature_plan_name(&plan, 4), "ema(mid,9)");
  assert_string_equal(tf_feature_plan_name(&plan, 5), "last");
  assert_string_equal(tf_feature_plan_name(&plan, 6), "s1.close");
  assert_int_equal(tf_rule_compile(c, NULL, text, &rule), TF_OK);
  assert_true(rule.depth >= 3 && rule.depth <= 4);

  /* a row is ready by its listed features alone */
  void       *mem = aligned_alloc(64, plan.mem_bytes);
  double      row[16], nan = __builtin_nan("");
  tf_event_t  event  = {0};
  tf_market_t market = {.event       = &event,
                        .bid         = 9,
                        .ask         = 11,
                        .bid_qty     = 1,
                        .ask_qty     = 1,
                        .trade_price = nan,
                        .trade_qty   = nan};
  assert_int_equal(tf_feature_plan_init_state(&plan, mem), TF_OK);
  for (int i = 0; i < 50; i++) {
    assert_true(tf_feature_plan_on_tick(&plan, mem, &market, row) == (i == 49));
  }
  assert_true(row[3] == 2000 && row[5] != row[5] && row[6] != row[6]);
  free(mem);
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
}

static void a_listed_expression_is_loaded_whole(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun();
  tf_rule_t             rule;
  assert_int_equal(tf_rule_collect(c, NULL, "spread / mid * 10000 < 2"), TF_OK);
  assert_int_equal(tf_rule_compile(c, NULL, "spread / mid * 10000 < 2", &rule), TF_OK);
  assert_int_equal(rule.step_cnt, 3);
  assert_int_equal(rule.steps[0].op, TF_RULE_LOAD);
  assert_int_equal(rule.steps[0].slot_idx, TF_RULE_SLOT_FEATURES + 2);
  tf_feature_compile_end(c);
}

static void rules_compute_what_they_say(void **state) {
  (void)state;
  static const double F[]   = {100, 0.5, 3, 7, 8, 9};
  static const char  *YES[] = {"score > 0.6",
                               "score >= 0.75 and score <= 0.75 and score == 0.75",
                               "score != 0.7",
                               "not score < 0.6",
                               "score < 0 or z < 1",
                               "score < 0 or score > 1 or mid == 100",
                               "mid / 4 - 5 * 2 == 15",
                               "mid - 10 - 20 == 70",
                               "mid - (10 - 20) == 110",
                               "-z == -0.5",
                               "abs(p10) == 2",
                               "min(p10, p90) == p10 and max(p10, p90) == p90",
                               "min(5, score) == 0.75",
                               "max(0, p10) == 0",
                               "(score > 0.6 or z > 9) and not (mid < 1)",
                               "spread / mid * 10000 == 3",
                               "2 * 3 + 1 == 7"};
  static const char  *NO[]  = {
        "score < 0.6",           "score > 0.75", "score >= 0.8", "score != 0.75", "not score > 0.6",
        "score > 0.6 and z > 1", "mid < 100",    "p10 / 0 > 1",  "p10 / 0 < 1",   "not p10 / 0 < 1"};
  for (size_t i = 0; i < TF_ARRAY_CNT(YES); i++) {
    if (!fires(YES[i], 0.75, -2, 4, F)) fail_msg("\"%s\" does not fire", YES[i]);
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(NO); i++) {
    if (fires(NO[i], 0.75, -2, 4, F)) fail_msg("\"%s\" fires", NO[i]);
  }
}

static void a_nan_or_infinity_anywhere_keeps_a_rule_from_firing(void **state) {
  (void)state;
  static const char  *TEXTS[] = {"score > 0",
                                 "score < 0",
                                 "not score > 0",
                                 "score != score",
                                 "score == score or mid > 0",
                                 "mid > 0 or score > 0",
                                 "not (mid < 0 and score > 0)",
                                 "abs(score) >= 0",
                                 "max(1, score) > 0",
                                 "min(1, score) < 2",
                                 "-score < 0 or mid > 0"};
  static const double F[]     = {100, 0.5, 3};
  const double        bad[]   = {__builtin_nan(""), __builtin_inf(), -__builtin_inf()};
  for (size_t i = 0; i < TF_ARRAY_CNT(TEXTS); i++) {
    for (size_t b = 0; b < TF_ARRAY_CNT(bad); b++) {
      if (fires(TEXTS[i], bad[b], 0, 0, F)) fail_msg("\"%s\" fires on %g", TEXTS[i], bad[b]);
    }
  }
  const double hole[] = {__builtin_nan(""), 0.5, 3};
  assert_false(fires("mid > 0 or score > 0", 1, 0, 0, hole));
  assert_true(fires("z > 0 or score > 0", 1, 0, 0, hole));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_rules_say_where_and_what),
      cmocka_unit_test(a_program_too_long_or_too_deep_is_refused),
      cmocka_unit_test(a_feature_that_was_not_collected_is_refused),
      cmocka_unit_test(an_empty_text_is_no_rule),
      cmocka_unit_test(features_beyond_the_list_are_appended_for_rules_only),
      cmocka_unit_test(a_listed_expression_is_loaded_whole),
      cmocka_unit_test(rules_compute_what_they_say),
      cmocka_unit_test(a_nan_or_infinity_anywhere_keeps_a_rule_from_firing),
  };
  return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
