/* Ticks that follow the price: where the price gains or loses a digit, and what is told of it. */
#include "cmocka_tf.h"

#include "feed/tick_rule.h"

static const tf_tick_rule_t five = {.digits = 5, .finest_exp = -8, .coarsest_exp = INT8_MAX};

/* One division a digit. */
static int exp_by_division(const tf_tick_rule_t *rule, int64_t price, int8_t price_exp) {
  int exp = price_exp - rule->digits;
  for (; price > 0; price /= 10) exp++;
  if (exp < rule->finest_exp) return rule->finest_exp;
  return exp > rule->coarsest_exp ? rule->coarsest_exp : exp;
}

static void digits_are_counted_at_every_power_of_ten_and_of_two(void **state) {
  (void)state;
  int64_t power = 1;
  for (int i = 0; i <= 18; i++, power *= i <= 18 ? 10 : 1)
    for (int64_t price = power - 1; price <= power + 1; price++)
      assert_int_equal(tf_tick_rule_exp(&five, price, -4), exp_by_division(&five, price, -4));
  for (int i = 0; i < 63; i++)
    for (int64_t price = (INT64_C(1) << i) - 1; price <= INT64_C(1) << i; price++)
      assert_int_equal(tf_tick_rule_exp(&five, price, -9), exp_by_division(&five, price, -9));
  assert_int_equal(tf_tick_rule_exp(&five, INT64_MAX, 0), exp_by_division(&five, INT64_MAX, 0));
}

static void a_tick_is_neither_finer_nor_coarser_than_the_rule_has_it(void **state) {
  (void)state;
  static const tf_tick_rule_t narrow = {.digits = 5, .finest_exp = -6, .coarsest_exp = 0};
  assert_int_equal(tf_tick_rule_exp(&narrow, 1, -6), -6);     /* 0.000001 */
  assert_int_equal(tf_tick_rule_exp(&narrow, 123456, 0), 0);  /* six digits before the point */
  assert_int_equal(tf_tick_rule_exp(&narrow, 123456, -1), 0); /* 12345.6 */
  assert_int_equal(tf_tick_rule_exp(&narrow, 99999, -1), -1); /* 9999.9 */
  assert_int_equal(tf_tick_rule_exp(&narrow, 100000, -1), 0); /* 10000.0 */
}

static void a_tick_is_news_once_and_when_the_price_gains_a_digit(void **state) {
  (void)state;
  tf_listing_t said     = {0};
  tf_symbols_t symbols  = {.listings = &said};
  tf_event_t   e        = {.kind = TF_EVENT_TICKER, .price_exp = -1};
  e.u.ticker.last_price = 99999;
  assert_true(tf_tick_rule_is_news(&symbols, 0, &five, &e));
  said = (tf_listing_t){.tick_size = 1, .price_exp = -1};
  assert_false(tf_tick_rule_is_news(&symbols, 0, &five, &e));
  e.u.ticker.last_price = 100000;
  assert_true(tf_tick_rule_is_news(&symbols, 0, &five, &e));
  said.price_exp = 0;
  assert_false(tf_tick_rule_is_news(&symbols, 0, &five, &e));
  e.u.ticker.last_price = 99999;
  assert_true(tf_tick_rule_is_news(&symbols, 0, &five, &e));
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(digits_are_counted_at_every_power_of_ten_and_of_two),
      cmocka_unit_test(a_tick_is_neither_finer_nor_coarser_than_the_rule_has_it),
      cmocka_unit_test(a_tick_is_news_once_and_when_the_price_gains_a_digit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
