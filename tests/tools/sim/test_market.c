#include "cmocka_tf.h"

#include <string.h>

#include "sim/market.h"

#define STEPS 300000

static sim_market_t market, twin;

static void start(sim_market_t *m, uint64_t seed) {
  memset(m, 0, sizeof *m);
  sim_market_init(m, seed, 6183763, 12000000, 1000, 400);
}

/* A book kept from the depth messages alone is the market's own. */
static void depth_messages_rebuild_the_ladder(void **state) {
  (void)state;
  static int64_t book[2][SIM_LADDER_TICKS];
  start(&market, 7);
  memcpy(book, market.ladder, sizeof book);
  uint64_t last_id = market.update_id;
  for (int i = 0; i < STEPS; i++) {
    sim_market_step(&market);
    if (i % 97 != 0 && market.dirty_cnt < SIM_DIRTY_MAX - 8) continue;
    if (market.dirty_cnt) {
      assert_int_equal(market.depth_first_id, last_id + 1); /* contiguous, as the venue's are */
      last_id = market.update_id;
    }
    for (uint32_t d = 0; d < market.dirty_cnt; d++)
      book[market.dirty[d].ask][market.dirty[d].price_ticks - market.base_ticks] =
          market.dirty[d].qty;
    sim_market_take_depth(&market);
    if (i % 5000 < 97) assert_memory_equal(book, market.ladder, sizeof book);
  }
}

static void best_bid_is_below_best_ask_and_each_quote_is_new(void **state) {
  (void)state;
  memset(&market, 0, sizeof market);
  sim_market_init(&market, 3, 618376, INT64_C(20000000000), 100000000,
                  400); /* few sizes: they recur */
  for (int i = 0; i < STEPS; i++) {
    uint64_t   last_id = market.update_id;
    sim_step_t step    = sim_market_step(&market);
    if (market.dirty_cnt > SIM_DIRTY_MAX - 8) sim_market_take_depth(&market);
    if (step.quote_changed) assert_true(market.update_id > last_id); /* each quote has its own id */
    assert_true(market.best_bid < market.best_ask);
    assert_true(market.ladder[0][market.best_bid] > 0 && market.ladder[1][market.best_ask] > 0);
    if (step.traded) assert_true(step.trade_qty > 0);
  }
}

static void same_seed_gives_the_same_market_and_another_seed_another(void **state) {
  (void)state;
  start(&market, 11);
  start(&twin, 11);
  for (int i = 0; i < 20000; i++) {
    sim_market_step(&market);
    sim_market_step(&twin);
    sim_market_take_depth(&market);
    sim_market_take_depth(&twin);
  }
  assert_memory_equal(&market, &twin, sizeof market);
  start(&twin, 12);
  for (int i = 0; i < 20000; i++) {
    sim_market_step(&twin);
    sim_market_take_depth(&twin);
  }
  assert_memory_not_equal(market.ladder, twin.ladder, sizeof market.ladder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(depth_messages_rebuild_the_ladder),
      cmocka_unit_test(best_bid_is_below_best_ask_and_each_quote_is_new),
      cmocka_unit_test(same_seed_gives_the_same_market_and_another_seed_another),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
