/* Times that cannot be meant: each cause at its limit and one beyond, and what is believed behind them. */
#include "cmocka_tf.h"

#include <string.h>

#include "stage/event_time.h"

#define NOW_NS  (1790000000 * TF_NS_PER_SEC)
#define HOUR_NS (3600 * TF_NS_PER_SEC)

static tf_event_time_row_t rows[2];
static uint64_t            causes[TF_EVENT_TIME_CAUSE_CNT];

static int setup(void **state) {
  (void)state;
  memset(rows, 0, sizeof rows);
  memset(causes, 0, sizeof causes);
  return 0;
}

/* The cause that was counted, or GOOD; the flag must agree. */
static tf_event_time_cause_t judge(uint8_t kind, uint64_t ts_ns, uint8_t flags, uint64_t recv_ns) {
  uint64_t   before[TF_EVENT_TIME_CAUSE_CNT];
  tf_event_t e = {
      .kind = kind, .flags = flags | TF_FLAG_LAST, .ts_event_ns = ts_ns, .ts_recv_ns = recv_ns};
  memcpy(before, causes, sizeof before);
  tf_event_time_judge(rows, TF_ARRAY_CNT(rows), causes, &e);
  tf_event_time_cause_t cause = TF_EVENT_TIME_GOOD;
  for (uint32_t i = 0; i < TF_EVENT_TIME_CAUSE_CNT; i++)
    if (causes[i] != before[i]) cause = (tf_event_time_cause_t)i;
  assert_int_equal((e.flags & TF_FLAG_BAD_TS) != 0, cause != TF_EVENT_TIME_GOOD);
  assert_int_equal(e.ts_event_ns, ts_ns); /* as sent */
  return cause;
}

static tf_event_time_cause_t trade(uint64_t ts_ns) {
  return judge(TF_EVENT_TRADE, ts_ns, 0, NOW_NS);
}

static void zero_is_a_fault_only_where_the_feed_says_so(void **state) {
  (void)state;
  assert_int_equal(trade(0), TF_EVENT_TIME_GOOD);
  assert_int_equal(judge(TF_EVENT_TRADE, 0, TF_FLAG_BAD_TS, NOW_NS), TF_EVENT_TIME_ZERO);
}

static void an_hour_ahead_less_the_delay_is_the_future(void **state) {
  (void)state;
  assert_int_equal(trade(NOW_NS + HOUR_NS - 300 * TF_NS_PER_MS), TF_EVENT_TIME_FUTURE);
  assert_int_equal(trade(NOW_NS + TF_EVENT_TIME_AHEAD_NS_MAX - 1), TF_EVENT_TIME_GOOD);
  assert_int_equal(trade(NOW_NS + TF_EVENT_TIME_AHEAD_NS_MAX), TF_EVENT_TIME_GOOD);
  assert_int_equal(trade(NOW_NS + TF_EVENT_TIME_AHEAD_NS_MAX + 1), TF_EVENT_TIME_FUTURE);
  assert_int_equal(trade(UINT64_MAX), TF_EVENT_TIME_FUTURE);
  /* what was flagged is no reference; what was just within is */
  assert_int_equal(rows[0].newest_ns[TF_EVENT_TRADE], NOW_NS + TF_EVENT_TIME_AHEAD_NS_MAX);
}

static void another_unit_is_told_from_another_time(void **state) {
  (void)state;
  for (uint64_t factor = 1000; factor <= 1000000000; factor *= 1000)
    assert_int_equal(trade(NOW_NS / factor), TF_EVENT_TIME_UNIT);
  assert_int_equal(judge(TF_EVENT_QUOTE, NOW_NS / 1000, 0, NOW_NS), TF_EVENT_TIME_UNIT);
  assert_int_equal(judge(TF_EVENT_TICKER, NOW_NS / 1000, 0, NOW_NS), TF_EVENT_TIME_UNIT);
  const uint64_t early_ns = 1700000 * TF_NS_PER_SEC; /* 1970: its thousandfold fits into 64 bits */
  assert_int_equal(judge(TF_EVENT_TRADE, early_ns * 1000, 0, early_ns), TF_EVENT_TIME_UNIT);
  assert_int_equal(judge(TF_EVENT_TRADE, early_ns * 500, 0, early_ns), TF_EVENT_TIME_FUTURE);
}

static void old_trades_and_deltas_are_of_the_past_and_old_quotes_are_not(void **state) {
  (void)state;
  assert_int_equal(trade(NOW_NS - TF_EVENT_TIME_AGE_NS_MAX), TF_EVENT_TIME_GOOD);
  assert_int_equal(trade(NOW_NS - TF_EVENT_TIME_AGE_NS_MAX - 1), TF_EVENT_TIME_PAST);
  const uint64_t last_year_ns = NOW_NS - 365 * 24 * HOUR_NS;
  assert_int_equal(judge(TF_EVENT_BOOK, last_year_ns, 0, NOW_NS), TF_EVENT_TIME_PAST);
  assert_int_equal(judge(TF_EVENT_BOOK, last_year_ns, TF_FLAG_SNAPSHOT, NOW_NS),
                   TF_EVENT_TIME_GOOD);
  assert_int_equal(judge(TF_EVENT_TRADE, last_year_ns, TF_FLAG_BACKFILL, NOW_NS),
                   TF_EVENT_TIME_GOOD);
  assert_int_equal(judge(TF_EVENT_QUOTE, last_year_ns, 0, NOW_NS), TF_EVENT_TIME_GOOD);
  assert_int_equal(judge(TF_EVENT_TICKER, last_year_ns, 0, NOW_NS), TF_EVENT_TIME_GOOD);
}

static void time_that_goes_back_is_a_fault_beyond_a_minute(void **state) {
  (void)state;
  assert_int_equal(trade(NOW_NS), TF_EVENT_TIME_GOOD);
  assert_int_equal(trade(NOW_NS - TF_EVENT_TIME_BACK_NS_MAX), TF_EVENT_TIME_GOOD);
  assert_int_equal(trade(NOW_NS - TF_EVENT_TIME_BACK_NS_MAX - 1), TF_EVENT_TIME_BACKWARDS);
  assert_int_equal(judge(TF_EVENT_QUOTE, NOW_NS - HOUR_NS, 0, NOW_NS), TF_EVENT_TIME_GOOD);
}

static void clock_that_stays_back_is_believed_the_third_time(void **state) {
  (void)state;
  assert_int_equal(trade(NOW_NS), TF_EVENT_TIME_GOOD);
  for (uint32_t i = 1; i < TF_EVENT_TIME_STREAK; i++)
    assert_int_equal(trade(NOW_NS - HOUR_NS + i), TF_EVENT_TIME_BACKWARDS);
  assert_int_equal(trade(NOW_NS - HOUR_NS + 9), TF_EVENT_TIME_GOOD);
  assert_int_equal(trade(NOW_NS - HOUR_NS + 10), TF_EVENT_TIME_GOOD);
  assert_int_equal(rows[0].newest_ns[TF_EVENT_TRADE], NOW_NS - HOUR_NS + 10);
}

static void sound_time_between_them_ends_the_streak(void **state) {
  (void)state;
  assert_int_equal(trade(NOW_NS), TF_EVENT_TIME_GOOD);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(trade(NOW_NS - HOUR_NS), TF_EVENT_TIME_BACKWARDS);
    assert_int_equal(trade(NOW_NS + (uint64_t)i), TF_EVENT_TIME_GOOD);
  }
}

static void levels_of_one_message_are_one_step_of_a_streak(void **state) {
  (void)state;
  tf_event_t level = {.kind = TF_EVENT_BOOK, .ts_event_ns = NOW_NS - HOUR_NS, .ts_recv_ns = NOW_NS};
  assert_int_equal(judge(TF_EVENT_BOOK, NOW_NS, 0, NOW_NS), TF_EVENT_TIME_GOOD);
  for (uint32_t i = 0; i < 3 * TF_EVENT_TIME_STREAK; i++) {
    level.flags = 0;
    tf_event_time_judge(rows, TF_ARRAY_CNT(rows), causes, &level);
    assert_int_equal(level.flags, TF_FLAG_BAD_TS);
  }
}

static void flag_of_the_feed_stays_and_is_counted(void **state) {
  (void)state;
  assert_int_equal(judge(TF_EVENT_TRADE, NOW_NS, TF_FLAG_BAD_TS, NOW_NS), TF_EVENT_TIME_SAID);
  assert_int_equal(rows[0].newest_ns[TF_EVENT_TRADE], 0);
}

static void what_it_does_not_know_it_leaves_alone(void **state) {
  (void)state;
  assert_int_equal(judge(TF_EVENT_STATUS, NOW_NS + HOUR_NS, 0, NOW_NS), TF_EVENT_TIME_GOOD);
  tf_event_t e = {.instrument_id = TF_ARRAY_CNT(rows), .ts_event_ns = NOW_NS + HOUR_NS};
  tf_event_time_judge(rows, TF_ARRAY_CNT(rows), causes, &e);
  assert_int_equal(e.flags, 0);
}

/* A tape holds what was judged when it was written: judged again it is the same. */
static void judging_twice_is_judging_once(void **state) {
  (void)state;
  enum { CNT = 20000 };
  static tf_event_t events[CNT];
  uint64_t          rng = 88172645463325252u;
  for (uint32_t i = 0; i < CNT; i++) {
    rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
    const uint64_t recv_ns  = NOW_NS + i * TF_NS_PER_MS;
    const uint64_t odd_ns[] = {0,
                               recv_ns / 1000,
                               recv_ns + HOUR_NS,
                               recv_ns - HOUR_NS,
                               recv_ns - HOUR_NS,
                               recv_ns - 400 * 24 * HOUR_NS,
                               recv_ns - 59 * TF_NS_PER_SEC};
    const uint8_t  flags[]  = {0, 0, 0, TF_FLAG_BAD_TS, TF_FLAG_SNAPSHOT, TF_FLAG_BACKFILL};
    const bool     is_odd   = rng % 8 > 3;
    events[i] =
        (tf_event_t){.kind          = (uint8_t)(rng >> 8 & 3),
                     .instrument_id = (uint32_t)(rng >> 16 & 1),
                     .flags         = flags[(rng >> 24) % TF_ARRAY_CNT(flags)] |
                              (uint8_t)(rng >> 32 & 1 ? TF_FLAG_LAST : 0),
                     .ts_recv_ns  = recv_ns,
                     .ts_event_ns = is_odd ? odd_ns[(rng >> 40) % TF_ARRAY_CNT(odd_ns)] : recv_ns};
    tf_event_time_judge(rows, TF_ARRAY_CNT(rows), causes, &events[i]);
  }
  for (uint32_t i = 0; i < TF_EVENT_TIME_CAUSE_CNT; i++) assert_true(causes[i] > 0);
  setup(NULL);
  for (uint32_t i = 0; i < CNT; i++) {
    tf_event_t again = events[i];
    tf_event_time_judge(rows, TF_ARRAY_CNT(rows), causes, &again);
    assert_memory_equal(&again, &events[i], sizeof again);
  }
}

/* Levels that are passed over leave everything as if they had been judged. */
static void what_is_as_the_event_before_need_not_be_judged(void **state) {
  (void)state;
  static tf_event_time_row_t other_rows[TF_ARRAY_CNT(rows)];
  uint64_t   other_causes[TF_EVENT_TIME_CAUSE_CNT] = {0}, skipped = 0, rng = 88172645463325252u;
  tf_event_t before = {0};
  memset(other_rows, 0, sizeof other_rows);
  for (uint32_t i = 0; i < 20000; i++) {
    rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
    const uint64_t recv_ns = NOW_NS + (i / 4) * TF_NS_PER_MS;
    const uint8_t  flags[] = {0, 0, 0, 0, 0, 0, TF_FLAG_BAD_TS, TF_FLAG_SNAPSHOT};
    tf_event_t     e       = {.kind          = rng >> 8 & 3 ? TF_EVENT_BOOK : TF_EVENT_TRADE,
                              .instrument_id = (rng >> 16 & 7) == 0,
                              .flags         = flags[rng >> 24 & 7],
                              .ts_recv_ns    = recv_ns,
                              .ts_event_ns   = (rng >> 32 & 7) ? recv_ns : recv_ns - HOUR_NS};
    tf_event_t     again   = e;
    tf_event_time_judge(rows, TF_ARRAY_CNT(rows), causes, &e);
    if (i > 0 && tf_event_time_is_as(&again, &before))
      skipped++;
    else
      tf_event_time_judge(other_rows, TF_ARRAY_CNT(rows), other_causes, &again);
    assert_memory_equal(&again, &e, sizeof e);
    assert_memory_equal(other_rows, rows, sizeof rows);
    assert_memory_equal(other_causes, causes, sizeof causes);
    before = again;
  }
  assert_true(skipped > 1000);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, setup)
  const struct CMUnitTest tests[] = {
      TEST(zero_is_a_fault_only_where_the_feed_says_so),
      TEST(an_hour_ahead_less_the_delay_is_the_future),
      TEST(another_unit_is_told_from_another_time),
      TEST(old_trades_and_deltas_are_of_the_past_and_old_quotes_are_not),
      TEST(time_that_goes_back_is_a_fault_beyond_a_minute),
      TEST(clock_that_stays_back_is_believed_the_third_time),
      TEST(sound_time_between_them_ends_the_streak),
      TEST(levels_of_one_message_are_one_step_of_a_streak),
      TEST(flag_of_the_feed_stays_and_is_counted),
      TEST(what_it_does_not_know_it_leaves_alone),
      TEST(judging_twice_is_judging_once),
      TEST(what_is_as_the_event_before_need_not_be_judged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
