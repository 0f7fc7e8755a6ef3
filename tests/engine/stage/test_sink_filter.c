#include "cmocka_tf.h"

#include <string.h>

#include "stage/sink_filter.h"
#include "tf/partition.h"

static tf_instrument_t rows[4] = {{.name = "BTCUSDT.BINANCE-SPOT"},
                                  {.name = "ETHUSDT.BINANCE-SPOT"},
                                  {.name = "BTC-USD.COINBASE"},
                                  {.name = "LATER.COINBASE"}};
static uint32_t        known[4];

static tf_instruments_t table = {.rows = rows, .cap = 4, .cnt = 3};

static tf_sink_filter_t filter_of(const char *const *patterns, uint32_t cnt) {
  memset(known, 0, sizeof known);
  return (tf_sink_filter_t){
      .names      = {.table = &table, .patterns = patterns, .pattern_cnt = cnt, .known = known},
      .shape      = tf_record_shape(TF_CARRIES_DECISIONS, 0),
      .strategies = UINT32_MAX,
      .actions    = (1u << TF_ACTION_CNT) - 1
  };
}

static bool passes(const tf_sink_filter_t *f, uint32_t instrument, uint8_t strategy,
                   uint8_t action) {
  tf_decision_t d = {.instrument_id = instrument, .strategy_id = strategy, .action = action};
  return tf_sink_filter_passes(f, &d);
}

static void a_name_and_a_venue_are_patterns(void **state) {
  (void)state;
  const char *const patterns[] = {"ETHUSDT.BINANCE-SPOT", "*.COINBASE"};
  tf_sink_filter_t  f          = filter_of(patterns, 2);
  for (int again = 0; again < 2; again++) { /* found, then known */
    assert_false(passes(&f, 0, 0, 0));
    assert_true(passes(&f, 1, 0, 0));
    assert_true(passes(&f, 2, 0, 0));
  }
  assert_false(tf_sink_names_match(patterns, 2, "XETHUSDT.BINANCE-SPOT"));
  assert_false(tf_sink_names_match(patterns, 2, "BTC-USD.COINBASE-EXCHANGE"));
  assert_false(tf_sink_names_match(patterns, 2, "COINBASE"));
}

static void what_is_of_no_instrument_passes_only_where_they_are_not_told_apart(void **state) {
  (void)state;
  const char *const patterns[] = {"*.COINBASE"};
  tf_sink_filter_t  f = filter_of(patterns, 1), all = filter_of(NULL, 0);
  assert_true(passes(&all, UINT32_MAX, 0, 0));
  assert_false(passes(&f, UINT32_MAX, 0, 0));
  assert_false(passes(&f, 3, 0, 0)); /* its row is not there yet */
  table.cnt = 4;
  assert_true(passes(&f, 3, 0, 0));
  table.cnt = 3;
}

static void strategies_and_actions_are_of_decisions_alone(void **state) {
  (void)state;
  tf_sink_filter_t f = filter_of(NULL, 0);
  f.strategies       = 1u << 2 | 1u << 15;
  f.actions          = 1u << TF_ACTION_SELL;
  assert_true(passes(&f, 0, 2, TF_ACTION_SELL));
  assert_true(passes(&f, 0, 15, TF_ACTION_SELL));
  assert_false(passes(&f, 0, 3, TF_ACTION_SELL));
  assert_false(passes(&f, 0, 2, TF_ACTION_BUY));
  tf_event_t e = {.instrument_id = 0};
  f.shape      = tf_record_shape(TF_CARRIES_EVENTS, 0);
  assert_true(tf_sink_filter_passes(&f, &e));
}

static void each_instrument_is_in_one_partition(void **state) {
  (void)state;
  for (uint32_t id = 0; id < 3; id++)
    for (uint32_t p = 0; p < 5; p++) {
      tf_sink_filter_t f    = filter_of(NULL, 0);
      f.names.partition_cnt = 5;
      f.names.partition     = p;
      assert_int_equal(passes(&f, id, 0, 0), tf_partition_of(rows[id].name, 5) == p);
    }
}

static void low_is_of_such_an_instrument_or_of_such_a_strategy(void **state) {
  (void)state;
  const char *const patterns[] = {"*.COINBASE"};
  tf_sink_filter_t  f          = filter_of(patterns, 1);
  tf_sink_low_t     low        = {.names = f.names, .shape = f.shape, .strategies = 1u << 1};
  tf_decision_t     d          = {.instrument_id = 2};
  assert_true(tf_sink_low_is(&low, &d));
  d.instrument_id = 0;
  assert_false(tf_sink_low_is(&low, &d));
  d.strategy_id = 1;
  assert_true(tf_sink_low_is(&low, &d));
  low.names.pattern_cnt = 0; /* of no instrument */
  d                     = (tf_decision_t){.instrument_id = 2};
  assert_false(tf_sink_low_is(&low, &d));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_and_a_venue_are_patterns),
      cmocka_unit_test(what_is_of_no_instrument_passes_only_where_they_are_not_told_apart),
      cmocka_unit_test(strategies_and_actions_are_of_decisions_alone),
      cmocka_unit_test(each_instrument_is_in_one_partition),
      cmocka_unit_test(low_is_of_such_an_instrument_or_of_such_a_strategy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
