#include "cmocka_tf.h"
#include "feed/backoff.h"

#define SEC TF_NS_PER_SEC

static tf_backoff_t backoff;

static int setup(void **state) {
  (void)state;
  tf_backoff_config_t config = tf_backoff_config_default();
  tf_backoff_init(&backoff, &config);
  return 0;
}

/* The largest draw: the bound itself, less than a nanosecond. */
static uint64_t delay_max(uint64_t now_ns, uint64_t up_ns) {
  return tf_backoff_ended(&backoff, now_ns, up_ns, 0, UINT32_MAX) - now_ns;
}

static void bound_doubles_to_thirty_seconds_and_stays(void **state) {
  (void)state;
  static const uint64_t bounds[] = {1, 2, 4, 8, 16, 30, 30, 30, 30};
  for (size_t i = 0; i < TF_ARRAY_CNT(bounds); i++) {
    uint64_t delay = delay_max(1000 * SEC, 0);
    assert_true(delay <= bounds[i] * SEC && delay > bounds[i] * SEC - 10);
  }
}

static void delay_is_the_drawn_part_of_the_bound(void **state) {
  (void)state;
  assert_int_equal(tf_backoff_draw(30 * SEC, 0), 0);
  assert_int_equal(tf_backoff_draw(30 * SEC, 1u << 31), 15 * SEC);
  assert_int_equal(tf_backoff_draw(UINT64_MAX, 1u << 31), UINT64_MAX / 2);
}

static void short_session_does_not_start_the_series_over(void **state) {
  (void)state;
  for (int i = 0; i < 4; i++) delay_max(0, 0);
  assert_true(delay_max(0, 59 * SEC) > 15 * SEC);
  assert_true(delay_max(0, 60 * SEC) <= SEC);
  assert_true(delay_max(0, 0) > SEC);
}

static void two_attempts_start_a_second_apart_whatever_is_drawn(void **state) {
  (void)state;
  tf_backoff_attempt(&backoff, 100 * SEC);
  assert_int_equal(tf_backoff_ended(&backoff, 100 * SEC + 5, 0, 0, 0), 101 * SEC);
}

static void hold_is_honoured(void **state) {
  (void)state;
  assert_int_equal(tf_backoff_ended(&backoff, 50 * SEC, 0, 120 * SEC, 0), 170 * SEC);
}

static void never_more_than_sixty_attempts_in_five_minutes(void **state) {
  (void)state;
  uint64_t now = 1000 * SEC, starts[400];
  for (int i = 0; i < 400; i++) {
    starts[i] = now;
    tf_backoff_attempt(&backoff, now);
    /* The hastiest there is: nothing drawn, and a session that counts as lived. */
    now = i % 2 ? tf_backoff_ended(&backoff, now, 0, 0, 0)
                : tf_backoff_at_once(&backoff, now, 3600 * SEC, 0);
    if (i >= 60) assert_true(starts[i] - starts[i - 60] >= 300 * SEC);
    if (i >= 1) assert_true(starts[i] - starts[i - 1] >= SEC);
  }
}

static void announced_end_after_a_long_session_is_answered_at_once(void **state) {
  (void)state;
  for (int i = 0; i < 5; i++) delay_max(0, 0);
  assert_int_equal(tf_backoff_at_once(&backoff, 500 * SEC, 3600 * SEC, 0), 500 * SEC);
  assert_true(tf_backoff_at_once(&backoff, 500 * SEC, 3600 * SEC, UINT32_MAX) <= 501 * SEC);
}

static void announced_end_of_a_short_session_is_a_failure_like_any_other(void **state) {
  (void)state;
  for (int i = 0; i < 5; i++) delay_max(0, 0);
  assert_true(tf_backoff_at_once(&backoff, 500 * SEC, SEC, UINT32_MAX) > 520 * SEC);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void) {
  const struct CMUnitTest tests[] = {
      T(bound_doubles_to_thirty_seconds_and_stays),
      T(delay_is_the_drawn_part_of_the_bound),
      T(short_session_does_not_start_the_series_over),
      T(two_attempts_start_a_second_apart_whatever_is_drawn),
      T(hold_is_honoured),
      T(never_more_than_sixty_attempts_in_five_minutes),
      T(announced_end_after_a_long_session_is_answered_at_once),
      T(announced_end_of_a_short_session_is_a_failure_like_any_other),
  };
  return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
