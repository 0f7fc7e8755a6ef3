/* When a version beside may serve, and when a canary may go on: each limit one below it, at it and above it, and what is said. */
#include "cmocka_tf.h"

#include <string.h>

#include "serve/trial.h"

#define ASKED 100

static const tf_trial_rules_t none = {0}, all = {.shadow_min         = ASKED,
                                                 .divergence_max_ppm = 500,
                                                 .rollback_refused   = 20,
                                                 .canary_late_max    = 30};

/* answers whose scores are mean_ppm off on average; extra of the sum is lost in the division. */
static tf_shadow_t shadow(uint64_t answers, uint64_t mean_ppm, uint64_t extra) {
  return (tf_shadow_t){.answers = answers, .distance_sum = answers * mean_ppm + extra};
}

static tf_err_t check(const tf_trial_rules_t *rules, tf_shadow_t w) {
  return tf_trial_check_shadow(rules, &w, "m", 7);
}

static tf_err_t check_canary(const tf_trial_rules_t *rules, tf_shadow_t w, tf_canary_t c) {
  return tf_trial_check_canary(rules, &w, &c, "m", 7);
}

static void expect_diverged(tf_err_t err, const char *what) {
  assert_int_equal(err, E_MODEL_DIVERGED);
  if (!strstr(tf_error_text(), what)) fail_msg("\"%s\" is not in \"%s\"", what, tf_error_text());
}

static void nothing_is_refused_where_no_rule_is_given(void **state) {
  (void)state;
  tf_shadow_t w = shadow(1, UINT32_MAX, 0);
  w.refused     = 1000000;
  assert_int_equal(check(&none, w), TF_OK);
  assert_int_equal(check(&none, (tf_shadow_t){0}), TF_OK);
  assert_int_equal(check_canary(&none, w, (tf_canary_t){1, 1000000, 1000000}), TF_OK);
}

static void shadow_waits_for_its_ticks(void **state) {
  (void)state;
  expect_diverged(check(&all, shadow(ASKED - 1, 0, 0)), "answered 99 ticks beside");
  assert_int_equal(check(&all, shadow(ASKED, 0, 0)), TF_OK);
  tf_shadow_t w = shadow(ASKED - 1, 0, 0);
  w.refused     = 1; /* a tick it is, but no answer to serve by */
  expect_diverged(check(&all, w), "1 answers of version 7 were not finite");
}

static void shadow_further_off_than_allowed_does_not_serve(void **state) {
  (void)state;
  assert_int_equal(check(&all, shadow(ASKED, 499, 99)), TF_OK);
  assert_int_equal(check(&all, shadow(ASKED, 500, 99)), TF_OK);
  expect_diverged(check(&all, shadow(ASKED, 501, 0)),
                  "m: the scores of version 7 are 501 millionths off on average, 500 are allowed");
}

static void canary_further_off_than_allowed_is_ended(void **state) {
  (void)state;
  const tf_canary_t good = {.answers = 10};
  assert_int_equal(check_canary(&all, shadow(ASKED, 500, 99), good), TF_OK);
  expect_diverged(check_canary(&all, shadow(ASKED, 501, 0), good),
                  "the scores of the canary's version 7 are 501 millionths off");
}

static void canary_is_not_judged_by_fewer_ticks_than_shadow_min(void **state) {
  (void)state;
  const tf_canary_t good = {.answers = 10};
  assert_int_equal(check_canary(&all, shadow(ASKED - 1, 1000000, 0), good), TF_OK);
  expect_diverged(check_canary(&all, shadow(ASKED, 1000000, 0), good), "1000000 millionths");
  tf_shadow_t w = shadow(ASKED - 1, 1000000, 0);
  w.refused     = 50; /* nothing was compared on these */
  assert_int_equal(check_canary(&all, w, good), TF_OK);
}

static void canary_that_was_refused_or_late_too_often_is_ended(void **state) {
  (void)state;
  const tf_shadow_t near = shadow(ASKED, 0, 0), far = shadow(ASKED, 501, 0);
  assert_int_equal(check_canary(&all, near, (tf_canary_t){500, 19, 29}), TF_OK);
  expect_diverged(check_canary(&all, near, (tf_canary_t){500, 20, 0}), "20 answers of the canary");
  expect_diverged(check_canary(&all, near, (tf_canary_t){500, 0, 30}), "30 answers of the canary");
  expect_diverged(check_canary(&all, near, (tf_canary_t){500, 0, 30}), "later than the budget");
  /* the first reason is said, and these need no shadow_min */
  expect_diverged(check_canary(&all, far, (tf_canary_t){500, 20, 30}), "not finite");
  expect_diverged(check_canary(&all, far, (tf_canary_t){500, 19, 30}), "later");
  expect_diverged(check_canary(&all, shadow(0, 0, 0), (tf_canary_t){0, 20, 0}), "not finite");
}

static void mean_is_of_what_was_compared(void **state) {
  (void)state;
  const tf_shadow_t nothing = {.refused = 5}, some = shadow(3, 7, 2),
                    most = {.answers = UINT64_C(18000000), .distance_sum = UINT64_MAX};
  assert_int_equal(tf_trial_mean_distance(&nothing), 0);
  assert_int_equal(tf_trial_mean_distance(&some), 7);
  assert_int_equal(tf_trial_mean_distance(&most), UINT64_MAX / UINT64_C(18000000));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_refused_where_no_rule_is_given),
      cmocka_unit_test(shadow_waits_for_its_ticks),
      cmocka_unit_test(shadow_further_off_than_allowed_does_not_serve),
      cmocka_unit_test(canary_further_off_than_allowed_is_ended),
      cmocka_unit_test(canary_is_not_judged_by_fewer_ticks_than_shadow_min),
      cmocka_unit_test(canary_that_was_refused_or_late_too_often_is_ended),
      cmocka_unit_test(mean_is_of_what_was_compared),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
