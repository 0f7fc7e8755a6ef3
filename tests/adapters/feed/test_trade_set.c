/* Which trades were published lately, and which connection was first. */
#include "cmocka_tf.h"
#include "feed/race.h"
#include "feed/trade_set.h"

#include <stdlib.h>
#include <string.h>

#define INSTRUMENTS 4u
#define TRADES      64u

static tf_trade_set_t   set;
static tf_feed_counts_t counts;
static void            *memory;

static int setup(void **state) {
  (void)state;
  size_t bytes = tf_trade_set_bytes(TRADES, INSTRUMENTS);
  memory       = aligned_alloc(64, bytes);
  memset(memory, 0, bytes);
  memset(&counts, 0, sizeof counts);
  tf_trade_set_init(&set, memory, TRADES, INSTRUMENTS);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  free(memory);
  return 0;
}

static bool is_repeat(uint32_t instrument_id, uint64_t id, uint64_t ts_ns, uint8_t flags) {
  tf_event_t e = {
      .kind = TF_EVENT_TRADE, .flags = flags, .instrument_id = instrument_id, .ts_event_ns = ts_ns};
  e.u.trade.id = id;
  return tf_trade_set_is_repeat(&set, &e, &counts);
}

static bool is_repeat_at(uint64_t id, int64_t price, int8_t price_exp) {
  tf_event_t e    = {.kind = TF_EVENT_TRADE, .price_exp = price_exp, .ts_event_ns = 10};
  e.u.trade.id    = id;
  e.u.trade.price = price;
  return tf_trade_set_is_repeat(&set, &e, &counts);
}

static void other_contents_under_the_same_id_are_a_conflict(void **state) {
  (void)state;
  assert_false(is_repeat_at(5, 1005, -1));
  assert_true(is_repeat_at(5, 10050, -2)); /* another leg writes it so */
  assert_int_equal(counts.id_conflicts, 0);
  assert_true(is_repeat_at(5, 1006, -1));
  assert_true(is_repeat_at(5, 1005, -1));
  assert_int_equal(counts.id_conflicts, 1);
  assert_int_equal(counts.id_conflict_newest, 5);
}

static void trade_is_news_once_whatever_its_id(void **state) {
  (void)state;
  const uint64_t ids[] = {0, 1, UINT64_MAX, UINT64_C(0x8000000000000000), 7};
  for (size_t i = 0; i < TF_ARRAY_CNT(ids); i++) assert_false(is_repeat(0, ids[i], 10, 0));
  for (size_t i = 0; i < TF_ARRAY_CNT(ids); i++) assert_true(is_repeat(0, ids[i], 10, 0));
}

static void same_id_of_another_instrument_is_news(void **state) {
  (void)state;
  for (uint32_t i = 0; i < INSTRUMENTS; i++) assert_false(is_repeat(i, 5, 10, 0));
  for (uint32_t i = 0; i < INSTRUMENTS; i++) assert_true(is_repeat(i, 5, 10, 0));
}

static void trade_older_than_what_was_forgotten_is_a_repeat_and_a_newer_one_news(void **state) {
  (void)state;
  for (uint64_t id = 1; id <= 100 * TRADES; id++) assert_false(is_repeat(1, id, 1000 + id, 0));
  assert_true(is_repeat(1, 1, 1001, 0)); /* long gone from the table */
  assert_true(is_repeat(1, 100 * TRADES, 1000 + 100 * TRADES, 0));
  assert_false(is_repeat(1, UINT64_C(1) << 40, 1000 + 101 * TRADES, 0)); /* late and not seen */
  assert_false(is_repeat(2, 1, 1001, 0)); /* of this one nothing was forgotten */
}

static void times_that_are_not_to_be_trusted_put_no_floor(void **state) {
  (void)state;
  for (uint64_t id = 1; id <= 100 * TRADES; id++)
    assert_false(is_repeat(1, id, id % 2 ? 0 : UINT64_MAX, TF_FLAG_BAD_TS));
  assert_int_equal(set.floors[1], 0);
  assert_false(is_repeat(1, UINT64_C(1) << 40, 1, 0));
}

static void winner_is_who_came_first_and_its_lead_is_until_the_second(void **state) {
  (void)state;
  static tf_race_t       race;
  static tf_race_entry_t entries[8];
  tf_race_init(&race, entries, 8);
  tf_race_arrive(&race, 11, 0, 1000);
  assert_int_equal(race.legs[0].wins, 0); /* nobody else brought it yet */
  tf_race_arrive(&race, 11, 2, 1300);
  tf_race_arrive(&race, 11, 1, 1900);
  assert_int_equal(race.legs[0].wins, 1);
  assert_int_equal(race.legs[0].lead.max, 300);
  assert_int_equal(race.legs[0].lead.cnt, 1);
  assert_int_equal(race.legs[1].losses, 1);
  assert_int_equal(race.legs[2].losses, 1);
  tf_race_arrive(&race, 12, 1, 2000);
  tf_race_arrive(&race, 12, 1, 2100); /* says it twice itself */
  tf_race_arrive(&race, 12 + 8, 0, 2200);
  tf_race_arrive(&race, 12, 0, 2300); /* its place was taken: not counted */
  assert_int_equal(race.legs[1].wins, 0);
  tf_race_arrive(&race, 12, 1, 2200); /* read later, stamped earlier */
  assert_int_equal(race.legs[0].wins, 2);
  assert_int_equal(race.legs[0].lead.sum, 300);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(trade_is_news_once_whatever_its_id),
      TEST(other_contents_under_the_same_id_are_a_conflict),
      TEST(same_id_of_another_instrument_is_news),
      TEST(trade_older_than_what_was_forgotten_is_a_repeat_and_a_newer_one_news),
      TEST(times_that_are_not_to_be_trusted_put_no_floor),
      cmocka_unit_test(winner_is_who_came_first_and_its_lead_is_until_the_second),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
