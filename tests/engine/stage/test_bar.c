#include "cmocka_tf.h"

#include "stage/bar.h"

static tf_bar_counts_t counts;

static void trade_on_the_boundary_opens_the_next_bar(void **state) {
  (void)state;
  tf_bar_spec_t    spec = {.kind = TF_BAR_TIME, .amount = 1000, .span_ns = 1000};
  tf_bar_builder_t b    = {0};
  assert_false(tf_bar_on_trade(&b, &spec, 5500, 10.0, 1.0, 1, &counts));
  assert_false(tf_bar_on_time(&b, &spec, 5999, &counts));
  assert_true(tf_bar_on_time(&b, &spec, 6000, &counts));
  assert_int_equal(b.closed.begin_ns, 5000);
  assert_int_equal(b.closed.end_ns, 6000);
  assert_false(tf_bar_on_time(&b, &spec, 9000, &counts)); /* a span without a trade makes no bar */
  tf_bar_on_trade(&b, &spec, 9000, 11.0, 1.0, 1, &counts);
  assert_int_equal(b.open.begin_ns, 9000);
}

static void bar_keeps_open_high_low_close_and_sums(void **state) {
  (void)state;
  tf_bar_spec_t    spec = {.kind = TF_BAR_TICKS, .amount = 4};
  tf_bar_builder_t b    = {0};
  assert_false(tf_bar_on_trade(&b, &spec, 1, 10.0, 1.0, 1, &counts));
  assert_false(tf_bar_on_trade(&b, &spec, 2, 13.0, 2.0, -1, &counts));
  assert_false(tf_bar_on_trade(&b, &spec, 3, 8.0, 3.0, 1, &counts));
  assert_true(tf_bar_on_trade(&b, &spec, 4, 9.0, 4.0, -1, &counts));
  const tf_bar_t *bar = &b.closed;
  assert_true(bar->open == 10.0 && bar->high == 13.0 && bar->low == 8.0 && bar->close == 9.0);
  assert_true(bar->volume == 10.0 && bar->buy_volume == 4.0 && bar->notional == 96.0);
  assert_int_equal(bar->trade_cnt, 4);
  assert_int_equal(bar->begin_ns, 1);
  assert_int_equal(bar->end_ns, 4);
}

static void threshold_trade_belongs_to_its_bar_and_nothing_is_carried_over(void **state) {
  (void)state;
  tf_bar_spec_t volume   = {.kind = TF_BAR_VOLUME, .amount = 5},
                notional = {.kind = TF_BAR_NOTIONAL, .amount = 100};
  tf_bar_builder_t b = {0}, n = {0};
  assert_false(tf_bar_on_trade(&b, &volume, 1, 10.0, 4.0, 1, &counts));
  assert_true(tf_bar_on_trade(&b, &volume, 2, 10.0, 4.0, 1, &counts));
  assert_true(b.closed.volume == 8.0);
  assert_false(tf_bar_on_trade(&b, &volume, 3, 10.0, 4.0, 1, &counts));
  assert_false(tf_bar_on_trade(&n, &notional, 1, 10.0, 9.0, 1, &counts));
  assert_true(tf_bar_on_trade(&n, &notional, 2, 10.0, 1.0, 1, &counts));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(trade_on_the_boundary_opens_the_next_bar),
      cmocka_unit_test(bar_keeps_open_high_low_close_and_sums),
      cmocka_unit_test(threshold_trade_belongs_to_its_bar_and_nothing_is_carried_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
