/* Trade ids: what is news, against the plainest record of what was seen. */
#include "cmocka_tf.h"
#include "feed/trade_ids.h"

#include <string.h>

static tf_trade_ids_t   ids;
static tf_feed_counts_t counts;

static int setup(void **state) {
  (void)state;
  memset(&ids, 0, sizeof ids);
  memset(&counts, 0, sizeof counts);
  return 0;
}

static bool is_repeat_of(uint64_t id, int64_t price) {
  tf_trade_said_t said = {.price = price, .qty = 1, .id = (uint32_t)id, .is_known = true};
  return tf_trade_ids_step(&ids, id, &said, &counts);
}
static bool is_repeat(uint64_t id) { return is_repeat_of(id, 1); }

static void run_of_ids_is_news_and_leaves_no_hole(void **state) {
  (void)state;
  for (uint64_t id = 0; id <= 1000; id++) assert_false(is_repeat(id));
  for (uint64_t id = 0; id <= 1000; id++) assert_true(is_repeat(id));
  assert_int_equal(ids.hole_cnt, 0);
  assert_int_equal(counts.gaps, 0);
}

static void what_a_jump_left_out_is_news_once_however_late(void **state) {
  (void)state;
  assert_false(is_repeat(0));
  assert_false(is_repeat(100001));
  assert_int_equal(counts.gaps, 1);
  for (uint64_t id = 1; id <= 100000; id++) assert_false(is_repeat(id));
  assert_int_equal(ids.hole_cnt, 0);
  for (uint64_t id = 1; id <= 100001; id++) assert_true(is_repeat(id));
  assert_int_equal(counts.gaps, 1);
}

static void jump_behind_a_reconnect_is_no_gap_but_a_hole(void **state) {
  (void)state;
  assert_false(is_repeat(7));
  ids.is_continued = false;
  assert_false(is_repeat(11));
  assert_int_equal(counts.gaps, 0);
  assert_false(is_repeat(9));
  assert_true(is_repeat(9));
}

static void oldest_hole_is_forgotten_when_there_are_too_many(void **state) {
  (void)state;
  assert_false(is_repeat(0));
  for (uint64_t i = 1; i <= TF_TRADE_IDS_HOLES; i++) assert_false(is_repeat(10 * i));
  assert_int_equal(ids.hole_cnt, TF_TRADE_IDS_HOLES);
  assert_false(is_repeat(1)); /* the oldest is there yet */
  assert_false(is_repeat(10 * (TF_TRADE_IDS_HOLES + 1)));
  assert_int_equal(ids.hole_cnt, TF_TRADE_IDS_HOLES);
  assert_true(is_repeat(2)); /* and is gone */
  assert_false(is_repeat(11));
}

static void hole_that_is_parted_when_all_are_taken_keeps_its_newer_part(void **state) {
  (void)state;
  assert_false(is_repeat(0));
  for (uint64_t i = 1; i <= TF_TRADE_IDS_HOLES; i++) assert_false(is_repeat(10 * i));
  assert_false(is_repeat(5)); /* of 1..9 */
  assert_true(is_repeat(4));
  assert_false(is_repeat(6));
  assert_false(is_repeat(15)); /* of 11..19: 7..9 make room */
  assert_false(is_repeat(14));
  assert_true(is_repeat(7));
}

static void first_ids_may_change_places(void **state) {
  (void)state;
  assert_false(is_repeat(1000));
  assert_false(is_repeat(1000 - TF_TRADE_IDS_EARLY));
  assert_true(is_repeat(1000 - TF_TRADE_IDS_EARLY - 1));
  setup(NULL);
  assert_false(is_repeat(2));
  assert_false(is_repeat(0));
  assert_false(is_repeat(1));
  assert_true(is_repeat(0));
}

static void numbers_far_back_are_the_venue_starting_over(void **state) {
  (void)state;
  assert_false(is_repeat(TF_TRADE_IDS_RESTART + 10));
  assert_true(is_repeat(11));
  assert_int_equal(ids.last, TF_TRADE_IDS_RESTART + 10);
  assert_false(is_repeat(10));
  assert_int_equal(ids.last, 10);
}

/* Two connections, each late in its own way and each with breaks of its own: every id that either brought
 * is news exactly once. */
static void random_interleavings_of_two_streams_lose_and_double_nothing(void **state) {
  (void)state;
  enum { IDS = 4000, BREAKS_MAX = TF_TRADE_IDS_HOLES / 2 };
  static uint8_t seen[IDS + 1];
  uint64_t       rng = 88172645463325252u;
  for (int run = 0; run < 500; run++) {
    setup(NULL);
    memset(seen, 0, sizeof seen);
    seen[0]        = 1;
    uint32_t at[2] = {1, 1}, breaks = 0;
    while (at[0] <= IDS || at[1] <= IDS) {
      rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
      int k = (int)(rng >> 20 & 1);
      if (at[k] > IDS) continue;
      if (rng % 1000 == 0 && breaks < BREAKS_MAX) { /* what it misses the other brings, or nobody */
        breaks++;
        at[k] += (uint32_t)(rng >> 40 & 255);
        continue;
      }
      if (at[k] == 1 && at[1 - k] > 1 + TF_TRADE_IDS_EARLY) {
        at[k] = at[1 - k]; /* joined late */
        continue;
      }
      assert_int_equal(is_repeat(at[k]), seen[at[k]]);
      seen[at[k]++] = 1;
    }
  }
}

static void repeat_that_says_something_else_is_a_conflict_and_the_first_stands(void **state) {
  (void)state;
  assert_false(is_repeat_of(1000, 3));
  assert_false(is_repeat_of(1001, 5));
  assert_true(is_repeat_of(1000, 3));
  assert_int_equal(counts.id_conflicts, 0);
  assert_true(is_repeat_of(1000, 7));
  assert_true(is_repeat_of(1000, 3)); /* what the conflict said is not remembered */
  assert_int_equal(counts.id_conflicts, 1);
  assert_int_equal(counts.id_conflict_newest, 1000);
  assert_false(is_repeat_of(990, 9)); /* late, and news */
  assert_true(is_repeat_of(990, 11));
  assert_int_equal(counts.id_conflicts, 2);
}

static void what_was_said_is_remembered_for_so_many_ids(void **state) {
  (void)state;
  for (uint64_t id = 1000; id < 1000 + TF_TRADE_IDS_SAID; id++) assert_false(is_repeat_of(id, 3));
  assert_true(is_repeat_of(1000, 5));
  assert_int_equal(counts.id_conflicts, 1);
  assert_false(is_repeat_of(1000 + TF_TRADE_IDS_SAID, 3)); /* takes the place of 1000 */
  assert_true(is_repeat_of(1000, 5));
  assert_int_equal(counts.id_conflicts, 1);
  assert_true(is_repeat_of(1001, 5));
  assert_int_equal(counts.id_conflicts, 2);
}

static void repeat_that_writes_the_same_otherwise_is_no_conflict(void **state) {
  (void)state;
  tf_trade_said_t said = {.price = 1005, .price_exp = -1, .qty = 7, .id = 50, .is_known = true};
  tf_trade_said_t same = {
      .price = 10050, .price_exp = -2, .qty = 70, .qty_exp = -1, .id = 50, .is_known = true};
  assert_false(tf_trade_ids_step(&ids, 50, &said, &counts));
  assert_true(tf_trade_ids_step(&ids, 50, &same, &counts));
  assert_int_equal(counts.id_conflicts, 0);
  same.sells = true;
  assert_true(tf_trade_ids_step(&ids, 50, &same, &counts));
  assert_int_equal(counts.id_conflicts, 1);
}

static void same_value_written_otherwise_is_the_same_print(void **state) {
  (void)state;
  uint32_t print = tf_trade_print_of(10050, -2, 7, 0, true);
  assert_int_equal(print, tf_trade_print_of(1005, -1, 700, -2, true));
  assert_int_equal(print, tf_trade_print_of(10050000000, -8, 7, 0, true));
  assert_int_not_equal(print, tf_trade_print_of(10051, -2, 7, 0, true));
  assert_int_not_equal(print, tf_trade_print_of(10050, -2, 8, 0, true));
  assert_int_not_equal(print, tf_trade_print_of(10050, -2, 7, 0, false));
  assert_int_not_equal(print,
                       tf_trade_print_of(7, 0, 10050, -2, true)); /* not each for the other */
  assert_int_not_equal(tf_trade_print_of(0, 0, 0, 0, false), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, setup)
  const struct CMUnitTest tests[] = {
      TEST(run_of_ids_is_news_and_leaves_no_hole),
      TEST(what_a_jump_left_out_is_news_once_however_late),
      TEST(jump_behind_a_reconnect_is_no_gap_but_a_hole),
      TEST(oldest_hole_is_forgotten_when_there_are_too_many),
      TEST(hole_that_is_parted_when_all_are_taken_keeps_its_newer_part),
      TEST(first_ids_may_change_places),
      TEST(numbers_far_back_are_the_venue_starting_over),
      TEST(repeat_that_says_something_else_is_a_conflict_and_the_first_stands),
      TEST(what_was_said_is_remembered_for_so_many_ids),
      TEST(repeat_that_writes_the_same_otherwise_is_no_conflict),
      TEST(same_value_written_otherwise_is_the_same_print),
      TEST(random_interleavings_of_two_streams_lose_and_double_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
