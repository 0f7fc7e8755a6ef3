#include "cmocka_tf.h"

#include <string.h>

#include "core/nearest.h"

static const char *const KNOWN[] = {"ema", "sma", NULL, "spread", "spread_bps", "zscore", "mid"};

static const char *nearest(const char *name) {
  return tf_nearest_name(name, KNOWN, TF_ARRAY_CNT(KNOWN));
}

static void a_name_unlike_all_others_has_no_neighbour(void **state) {
  (void)state;
  assert_null(nearest("volatility"));
  assert_null(nearest("xyz"));
  assert_null(nearest(""));
  assert_null(tf_nearest_name("ema", NULL, 0));
}

static void an_overlong_name_is_near_to_nothing(void **state) {
  (void)state;
  char long_name[TF_NEAREST_CHARS_MAX + 3];
  memset(long_name, 'a', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  assert_null(nearest(long_name));
  assert_int_equal(tf_nearest_distance(long_name, "a"), UINT32_MAX);
  long_name[TF_NEAREST_CHARS_MAX] = '\0';
  assert_int_equal(tf_nearest_distance(long_name, "a"), TF_NEAREST_CHARS_MAX - 1);
}

static void distance_counts_each_kind_of_edit_once(void **state) {
  (void)state;
  assert_int_equal(tf_nearest_distance("ema", "ema"), 0);
  assert_int_equal(tf_nearest_distance("EMA", "ema"), 0);
  assert_int_equal(tf_nearest_distance("emma", "ema"), 1);
  assert_int_equal(tf_nearest_distance("em", "ema"), 1);
  assert_int_equal(tf_nearest_distance("eme", "ema"), 1);
  assert_int_equal(tf_nearest_distance("mea", "ema"), 1);
  assert_int_equal(tf_nearest_distance("spraed_bsp", "spread_bps"), 2);
  assert_int_equal(tf_nearest_distance("", "abc"), 3);
  assert_int_equal(tf_nearest_distance("ca", "abc"), 3); /* restricted: no edit inside a swap */
}

static void the_nearest_name_wins_and_the_first_of_equals(void **state) {
  (void)state;
  assert_string_equal(nearest("emma"), "ema");
  assert_string_equal(nearest("zsocre"), "zscore");
  assert_string_equal(nearest("spread_bp"), "spread_bps");
  assert_string_equal(nearest("Mid"), "mid");
  assert_string_equal(nearest("xma"), "ema");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_unlike_all_others_has_no_neighbour),
      cmocka_unit_test(an_overlong_name_is_near_to_nothing),
      cmocka_unit_test(distance_counts_each_kind_of_edit_once),
      cmocka_unit_test(the_nearest_name_wins_and_the_first_of_equals),
  };
  return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
