/* A feed's streams over connections, and the venue's budget of connections. */
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "feed/budget.h"
#include "feed/shard.h"

#define SEC     TF_NS_PER_SEC
#define ANY     7u
#define A_HOUR  3600u
#define SYMBOLS 1000u

static tf_feed_t  feed;
static tf_shard_t shards[TF_SHARDS_MAX];
static uint32_t   cnt;

static int setup(void **state) {
  (void)state;
  feed = (tf_feed_t){.venue = "a-venue"};
  return 0;
}

static tf_err_t plan(uint32_t channels, uint32_t symbol_cnt, uint32_t streams_max, bool apart) {
  return tf_shard_plan(&feed, channels, symbol_cnt, streams_max, apart, shards, &cnt);
}

/* Every symbol once for each of the channels, in order, and no connection over its bound. */
static void check_whole(uint32_t channels, uint32_t symbol_cnt, uint32_t streams_max) {
  uint32_t seen[TF_CHANNEL_CNT] = {0};
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t streams = shards[i].symbol_cnt * (uint32_t)__builtin_popcount(shards[i].channels);
    assert_true(shards[i].symbol_cnt > 0 && (streams_max == 0 || streams <= streams_max));
    for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++) {
      if (!(shards[i].channels & 1u << c)) continue;
      assert_int_equal(shards[i].symbol_first, seen[c]);
      seen[c] += shards[i].symbol_cnt;
    }
  }
  for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++)
    assert_int_equal(seen[c], channels & 1u << c ? symbol_cnt : 0);
}

static void a_feed_without_bounds_is_one_connection(void **state) {
  (void)state;
  assert_int_equal(plan(ANY, SYMBOLS, 0, true), TF_OK);
  assert_int_equal(cnt, 1);
  check_whole(ANY, SYMBOLS, 0);
}

static void one_stream_more_than_the_bound_makes_a_second_connection(void **state) {
  (void)state;
  for (uint32_t symbols = 340; symbols <= 342; symbols++) { /* 1020, 1023 and 1026 streams */
    assert_int_equal(plan(ANY, symbols, 1024, true), TF_OK);
    assert_int_equal(cnt, symbols <= 341 ? 1 : 2);
    check_whole(ANY, symbols, 1024);
  }
  assert_int_equal(shards[0].symbol_cnt, 171);
  assert_int_equal(shards[1].symbol_cnt, 171);
}

static void sizes_differ_by_one_at_most(void **state) {
  (void)state;
  for (uint32_t symbols = 1; symbols < 200; symbols++) {
    for (uint32_t most = 8; most < 40; most += 7) {
      assert_int_equal(plan(3, symbols, most, true), TF_OK);
      check_whole(3, symbols, most);
      for (uint32_t i = 0; i < cnt; i++)
        assert_true(shards[0].symbol_cnt - shards[i].symbol_cnt <= 1);
      assert_int_equal(cnt, (symbols + most / 2 - 1) / (most / 2));
    }
  }
}

static void channels_that_the_venue_serves_apart_lie_apart(void **state) {
  (void)state;
  feed.channel_groups[0] = TF_CHANNEL_TRADE | TF_CHANNEL_TICKER;
  assert_int_equal(plan(ANY | TF_CHANNEL_TICKER, 10, 0, true), TF_OK);
  assert_int_equal(cnt, 2);
  assert_int_equal(shards[0].channels, TF_CHANNEL_TRADE | TF_CHANNEL_TICKER);
  assert_int_equal(shards[1].channels, TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK);
  check_whole(ANY | TF_CHANNEL_TICKER, 10, 0);
  assert_int_equal(plan(TF_CHANNEL_BOOK, 10, 0, true), TF_OK); /* no group for what is not asked */
  assert_int_equal(cnt, 1);
  assert_int_equal(plan(ANY, 10, 0, false), TF_OK); /* a path of the config's own */
  assert_int_equal(cnt, 1);
  assert_int_equal(shards[0].channels, ANY);
}

static void bound_that_holds_no_symbol_is_refused(void **state) {
  (void)state;
  assert_int_equal(plan(ANY, 1, 2, true), E_FEED_LIMIT);
  assert_non_null(strstr(tf_error_text(), "one symbol has 3"));
  assert_int_equal(plan(ANY, 1, 3, true), TF_OK);
}

static void no_more_connections_than_there_may_be(void **state) {
  (void)state;
  for (uint32_t symbols = TF_SHARDS_MAX - 1; symbols <= TF_SHARDS_MAX + 1; symbols++) {
    tf_err_t err = plan(ANY, symbols, 3, true);
    assert_int_equal(err, symbols <= TF_SHARDS_MAX ? TF_OK : E_FEED_LIMIT);
    if (err == TF_OK) check_whole(ANY, symbols, 3);
  }
  feed.channel_groups[0] = TF_CHANNEL_BOOK; /* the sum over the groups counts */
  assert_int_equal(plan(ANY, TF_SHARDS_MAX / 2, 2, true), TF_OK);
  assert_int_equal(plan(ANY, TF_SHARDS_MAX / 2 + 1, 2, true), TF_OK);
  assert_int_equal(plan(TF_CHANNEL_TRADE | TF_CHANNEL_BOOK, TF_SHARDS_MAX / 2 + 1, 1, true),
                   E_FEED_LIMIT);
}

static void the_configs_bound_is_held_to_the_venues(void **state) {
  (void)state;
  feed.streams_max = 1024;
  assert_int_equal(tf_shard_streams_max(&feed, 0), 1024);
  assert_int_equal(tf_shard_streams_max(&feed, 1023), 1023);
  assert_int_equal(tf_shard_streams_max(&feed, 1025), 1024);
  feed.streams_max = 0;
  assert_int_equal(tf_shard_streams_max(&feed, 0), 0);
  assert_int_equal(tf_shard_streams_max(&feed, 50), 50);
}

static void names_fit_and_differ(void **state) {
  (void)state;
  char name[12];
  tf_shard_name("main", 0, 1, name, sizeof name);
  assert_string_equal(name, "main");
  tf_shard_name("main", 11, 12, name, sizeof name);
  assert_string_equal(name, "main/11");
  tf_shard_name("a-very-long-name", 7, 8, name, sizeof name);
  assert_string_equal(name, "a-very-lo/7");
}

/* ---- the budget ---- */

static void as_many_starts_as_allowed_go_at_once_and_the_next_waits(void **state) {
  (void)state;
  static tf_budget_t b;
  tf_budget_init(&b, 3);
  for (int i = 0; i < 3; i++)
    assert_int_equal(tf_budget_book(&b, 100 * SEC + (uint64_t)i), 100 * SEC + (uint64_t)i);
  assert_int_equal(tf_budget_book(&b, 101 * SEC), 400 * SEC);
  assert_int_equal(tf_budget_book(&b, 101 * SEC), 400 * SEC + 1);
  assert_int_equal(tf_budget_book(&b, 900 * SEC), 900 * SEC);
}

static void no_window_of_five_minutes_has_more_than_the_bound(void **state) {
  (void)state;
  static tf_budget_t b;
  static uint64_t    starts[3000];
  for (uint32_t most = TF_BUDGET_CONNECT_MAX - 1; most <= TF_BUDGET_CONNECT_MAX + 1; most++) {
    uint32_t held = most < TF_BUDGET_CONNECT_MAX ? most : TF_BUDGET_CONNECT_MAX;
    tf_budget_init(&b, most);
    for (uint32_t i = 0; i < 3000; i++) {
      starts[i] = tf_budget_book(&b, i % 700 * SEC); /* wishes that go back in time, too */
      if (i > 0) assert_true(starts[i] >= starts[i - 1]);
      if (i >= held) assert_true(starts[i] - starts[i - held] >= TF_BUDGET_WINDOW_NS);
    }
  }
}

static void no_bound_books_nothing(void **state) {
  (void)state;
  static tf_budget_t b;
  tf_budget_init(&b, 0);
  for (uint64_t i = 0; i < 2 * TF_BUDGET_CONNECT_MAX; i++)
    assert_int_equal(tf_budget_book(&b, A_HOUR), A_HOUR);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_feed_without_bounds_is_one_connection, setup),
      cmocka_unit_test_setup(one_stream_more_than_the_bound_makes_a_second_connection, setup),
      cmocka_unit_test_setup(sizes_differ_by_one_at_most, setup),
      cmocka_unit_test_setup(channels_that_the_venue_serves_apart_lie_apart, setup),
      cmocka_unit_test_setup(bound_that_holds_no_symbol_is_refused, setup),
      cmocka_unit_test_setup(no_more_connections_than_there_may_be, setup),
      cmocka_unit_test_setup(the_configs_bound_is_held_to_the_venues, setup),
      cmocka_unit_test_setup(names_fit_and_differ, setup),
      cmocka_unit_test(as_many_starts_as_allowed_go_at_once_and_the_next_waits),
      cmocka_unit_test(no_window_of_five_minutes_has_more_than_the_bound),
      cmocka_unit_test(no_bound_books_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
