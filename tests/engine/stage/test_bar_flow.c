/* Imbalances and runs: the definitions on paper, the clamps at their edges. */
#include "cmocka_tf.h"

#include "stage/bar_flow.h"

static uint64_t seed = 3;

static double uniform(void) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(seed >> 33) / 2147483648.0;
}

/* The bars' lengths over n trades, each a buy with probability buys. */
static uint32_t run(const tf_bar_flow_spec_t *spec, double buys, uint32_t n, uint32_t *lengths) {
  tf_bar_flow_t flow = {0};
  uint32_t      cnt = 0, length = 0;
  tf_bar_flow_begin(&flow, spec);
  for (uint32_t i = 0; i < n; i++) {
    length++;
    if (!tf_bar_flow_add(&flow, spec, 100, 1 + uniform(), uniform() < buys ? 1 : -1)) continue;
    tf_bar_flow_begin(&flow, spec);
    lengths[cnt++] = length;
    length         = 0;
  }
  return cnt;
}

static void first_bar_has_the_amount_and_teaches_what_to_expect(void **state) {
  (void)state;
  const tf_bar_flow_spec_t spec = {.amount = 4, .ewma_bars = 3, .trades_min = 1, .trades_max = 9};
  tf_bar_flow_t            flow = {0};
  tf_bar_flow_begin(&flow, &spec);
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 1, 1));
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 1, 1));
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 1, 1));
  assert_true(tf_bar_flow_add(&flow, &spec, 1, 1, -1));
  assert_true(flow.length == 4 && flow.imbalance == 0.5 && flow.buy_share == 0.75);
  tf_bar_flow_begin(&flow, &spec);
  assert_true(flow.threshold == 2); /* 4 * |0.5| */
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 1, -1));
  assert_true(tf_bar_flow_add(&flow, &spec, 1, 1, -1));     /* |-2| >= 2 */
  assert_true(flow.length == 3 && flow.imbalance == -0.25); /* half of the new, half of the old */
  tf_bar_flow_begin(&flow, &spec);
  assert_true(flow.threshold == 0.75); /* whichever side is ahead */
}

static void runs_expect_the_side_that_trades_more(void **state) {
  (void)state;
  const tf_bar_flow_spec_t spec = {.amount     = 4,
                                   .ewma_bars  = 1,
                                   .trades_min = 1,
                                   .trades_max = 99,
                                   .weight     = TF_BAR_WEIGHT_QTY,
                                   .is_runs    = true};
  tf_bar_flow_t            flow = {0};
  tf_bar_flow_begin(&flow, &spec);
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 2, 1));
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 4, 1));
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 6, 1));
  assert_true(tf_bar_flow_add(&flow, &spec, 1, 8, -1));
  assert_true(flow.buy_mean == 4 && flow.sell_mean == 8 && flow.buy_share == 0.75);
  tf_bar_flow_begin(&flow, &spec);
  assert_true(flow.threshold == 12); /* 4 * max(0.75 * 4, 0.25 * 8) */
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 11, -1));
  assert_false(tf_bar_flow_add(&flow, &spec, 1, 11.5, 1)); /* the sides do not offset one another */
  assert_true(tf_bar_flow_add(&flow, &spec, 1, 1, -1));
}

static void side_that_a_bar_lacked_keeps_its_mean(void **state) {
  (void)state;
  const tf_bar_flow_spec_t spec = {
      .amount = 2, .ewma_bars = 1, .trades_min = 1, .trades_max = 2, .weight = TF_BAR_WEIGHT_QTY};
  tf_bar_flow_t flow = {0};
  tf_bar_flow_begin(&flow, &spec);
  (void)tf_bar_flow_add(&flow, &spec, 1, 5, 1);
  assert_true(tf_bar_flow_add(&flow, &spec, 1, 7, 1));
  assert_true(flow.buy_mean == 6 && flow.sell_mean == 0 && flow.sell_bar_cnt == 0);
  tf_bar_flow_begin(&flow, &spec);
  (void)tf_bar_flow_add(&flow, &spec, 1, 3, -1);
  assert_true(tf_bar_flow_add(&flow, &spec, 1, 3, -1));
  assert_true(flow.buy_mean == 6 && flow.sell_mean == 3 && flow.buy_share == 0);
}

static void market_in_balance_has_no_bars_below_the_least(void **state) {
  (void)state;
  static uint32_t lengths[200000];
  for (uint8_t weight = 0; weight < 3; weight++) {
    tf_bar_flow_spec_t spec = {
        .amount = 50, .ewma_bars = 20, .trades_min = 5, .trades_max = 500, .weight = weight};
    const uint32_t cnt = run(&spec, 0.5, 200000, lengths);
    assert_true(cnt > 400 && cnt <= 40000);
    for (uint32_t i = 0; i < cnt; i++) assert_in_range(lengths[i], 5, 500);
    spec.trades_min = 1; /* what the clamp is for: most bars are one or two trades then */
    assert_true(run(&spec, 0.5, 200000, lengths) > 60000);
  }
}

static void one_sided_market_has_no_bars_beyond_the_most(void **state) {
  (void)state;
  static uint32_t lengths[200000];
  for (uint8_t runs = 0; runs < 2; runs++) {
    const tf_bar_flow_spec_t spec = {
        .amount = 50, .ewma_bars = 20, .trades_min = 5, .trades_max = 120, .is_runs = runs};
    uint32_t longest = 0, cnt = run(&spec, 0.97, 100000, lengths);
    for (uint32_t i = 0; i < cnt; i++) longest = lengths[i] > longest ? lengths[i] : longest;
    assert_in_range(longest, 50, 120);
    cnt = run(&spec, 1.0, 6000, lengths); /* nothing but buys: each bar is as long as the first */
    for (uint32_t i = 0; i < cnt; i++) assert_int_equal(lengths[i], 50);
  }
}

static void clamps_hold_at_their_very_edges(void **state) {
  (void)state;
  static uint32_t lengths[1000];
  for (uint32_t edge = 9; edge <= 11; edge++) {
    const tf_bar_flow_spec_t spec = {.amount     = 10,
                                     .ewma_bars  = 5,
                                     .trades_min = edge < 10 ? edge : 10,
                                     .trades_max = edge > 10 ? edge : 10};
    const uint32_t           cnt  = run(&spec, 0.5, 1000, lengths);
    for (uint32_t i = 0; i < cnt; i++)
      assert_in_range(lengths[i], spec.trades_min, spec.trades_max);
    assert_true(cnt >= 1000 / spec.trades_max);
  }
}

static void quantities_of_nothing_close_at_the_least(void **state) {
  (void)state;
  const tf_bar_flow_spec_t spec = {
      .amount = 4, .ewma_bars = 5, .trades_min = 3, .trades_max = 40, .weight = TF_BAR_WEIGHT_QTY};
  tf_bar_flow_t flow = {0};
  uint32_t      cnt  = 0;
  tf_bar_flow_begin(&flow, &spec);
  for (int i = 0; i < 4 + 3 * 5; i++)
    if (tf_bar_flow_add(&flow, &spec, 100, 0, 1)) {
      tf_bar_flow_begin(&flow, &spec);
      cnt++;
    }
  assert_int_equal(cnt, 6); /* expected 0, reached 0 */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_bar_has_the_amount_and_teaches_what_to_expect),
      cmocka_unit_test(runs_expect_the_side_that_trades_more),
      cmocka_unit_test(side_that_a_bar_lacked_keeps_its_mean),
      cmocka_unit_test(market_in_balance_has_no_bars_below_the_least),
      cmocka_unit_test(one_sided_market_has_no_bars_beyond_the_most),
      cmocka_unit_test(clamps_hold_at_their_very_edges),
      cmocka_unit_test(quantities_of_nothing_close_at_the_least),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
