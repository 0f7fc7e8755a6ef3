/* Trades whose price cannot be meant. */
#include "cmocka_tf.h"

#include "stage/outlier.h"

static tf_outlier_row_t row;

static bool odd(int64_t price, int8_t exp) {
  tf_event_t e    = {.kind = TF_EVENT_TRADE, .price_exp = exp};
  e.u.trade.price = price;
  return tf_outlier_is(&row, &e);
}

static void fresh(void) { row = (tf_outlier_row_t){0}; }

static void price_beyond_the_factor_is_one_and_up_to_it_is_none(void **state) {
  (void)state;
  fresh();
  assert_false(odd(100, 0)); /* the first */
  assert_false(odd(100 * TF_OUTLIER_FACTOR, 0));
  assert_false(odd(100, 0));
  assert_false(odd(100 * TF_OUTLIER_FACTOR + TF_OUTLIER_FACTOR - 1, 0)); /* rounded in its favour */
  fresh();
  assert_false(odd(100, 0));
  assert_true(odd(101 * TF_OUTLIER_FACTOR, 0));
  assert_false(odd(100, 0));                         /* what was flagged is no reference */
  assert_true(odd(100 * INT64_C(1000000000000), 0)); /* FAULTS F34 */
}

static void exponents_are_no_matter(void **state) {
  (void)state;
  fresh();
  assert_false(odd(6183763, -2));
  assert_false(odd(6183763000000, -8));
  assert_false(odd(61837, 0));
  assert_true(odd(61837, 9));
  assert_true(odd(1, -20));
  assert_true(odd(INT64_MAX, 127));
  assert_true(odd(1, -127));
}

static void price_that_insists_is_believed(void **state) {
  (void)state;
  fresh();
  assert_false(odd(100, 0));
  for (uint32_t i = 1; i < TF_OUTLIER_STREAK; i++) assert_true(odd(5000000 + i, 0));
  assert_false(odd(5000000, 0));
  assert_false(odd(5000001, 0));
  assert_true(odd(100, 0));
}

static void prices_that_are_odd_in_different_ways_are_not(void **state) {
  (void)state;
  fresh();
  assert_false(odd(100000, 0));
  for (int i = 0; i < 10; i++) {
    assert_true(odd(1, 0));
    assert_true(odd(INT64_MAX, 0));
  }
  assert_true(odd(1, 0));
  assert_false(odd(100000, 0)); /* a sound one between them ends the streak */
  assert_true(odd(1, 0));
  assert_true(odd(1, 0));
}

static void price_of_nothing_is_never_believed(void **state) {
  (void)state;
  fresh();
  for (int i = 0; i < 5; i++) {
    assert_true(odd(0, 0));
    assert_true(odd(-7, 0));
  }
  assert_false(odd(100, 0));
  for (int i = 0; i < 5; i++) assert_true(odd(INT64_MIN, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(price_beyond_the_factor_is_one_and_up_to_it_is_none),
      cmocka_unit_test(exponents_are_no_matter),
      cmocka_unit_test(price_that_insists_is_believed),
      cmocka_unit_test(prices_that_are_odd_in_different_ways_are_not),
      cmocka_unit_test(price_of_nothing_is_never_believed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
