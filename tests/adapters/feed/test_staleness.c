/* Deadlines that are learned, against an exact percentile; what counts as silence and what does not. */
#include <math.h>
#include <stdlib.h>

#include "cmocka_tf.h"
#include "feed/staleness.h"

#define MS   TF_NS_PER_MS
#define SEC  TF_NS_PER_SEC
#define BOOK TF_STALENESS_BOOK

static tf_arena_t     arena;
static tf_staleness_t watch;
static uint64_t       now;

static void begin(uint64_t fixed_ns) {
  tf_arena_fini(&arena);
  assert_int_equal(tf_arena_init(&arena, "watch", tf_staleness_arena_bytes(4)), TF_OK);
  assert_int_equal(tf_staleness_init(&watch, fixed_ns, 4, &arena), TF_OK);
  now = 1000 * SEC;
}

static void data_every(uint64_t interval_ns, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    now += interval_ns;
    tf_staleness_saw(&watch, 1, BOOK, now);
  }
}

/* The silence at which it is found due, to the ms; 0: not within a day. */
static uint64_t deadline(void) {
  uint64_t lo = 0, hi = 86400 * SEC;
  while (hi - lo > MS) { /* a check that is not due changes nothing that another would see */
    tf_staleness_row_t kept = watch.rows[1][BOOK];
    uint64_t           mid  = (lo + hi) / 2;
    bool               due  = tf_staleness_is_due(&watch, 1, now + mid);
    watch.rows[1][BOOK]     = kept;
    *(due ? &hi : &lo)      = mid;
  }
  return hi == 86400 * SEC ? 0 : hi;
}

static void stream_is_not_judged_before_it_has_shown_its_habit(void **state) {
  (void)state;
  begin(0);
  assert_int_equal(deadline(), 0);                  /* quiet from the start */
  data_every(100 * MS, TF_STALENESS_INTERVALS_MIN); /* one interval less than data */
  assert_int_equal(deadline(), 0);
  data_every(100 * MS, 1);
  assert_int_not_equal(deadline(), 0);
}

static void fast_stream_has_the_floor_of_a_second(void **state) {
  (void)state;
  begin(0);
  data_every(MS, 5000);
  assert_in_range(deadline(), SEC, SEC + MS);
  assert_false(tf_staleness_is_due(&watch, 1, now + SEC));
  assert_true(tf_staleness_is_due(&watch, 1, now + SEC + 1));
  assert_false(tf_staleness_is_due(&watch, 1, now + 2 * SEC)); /* once a silence */
  assert_true(tf_staleness_is_stale(&watch, 1));
  data_every(0, 1);
  assert_false(tf_staleness_is_stale(&watch, 1));
}

static void outage_of_an_hour_does_not_excuse_the_next_one(void **state) {
  (void)state;
  begin(0);
  data_every(200 * MS, 300);
  const uint64_t before = deadline();
  assert_in_range(before, SEC, 2 * SEC);
  assert_true(tf_staleness_is_due(&watch, 1, now + 3600 * SEC));
  data_every(3600 * SEC, 1);
  data_every(200 * MS, 300);
  assert_in_range(deadline(), before,
                  5 * before); /* the hour counts as the deadline that it passed */
}

/* Log-normal intervals, as streams have them: the deadline is the exact percentile times the factor, and at most a
 * class more. */
static int by_size(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static void learned_deadline_is_the_exact_percentile_within_a_class(void **state) {
  (void)state;
  static uint64_t intervals[20000];
  srand(7);
  for (int round = 0; round < 12; round++) {
    begin(0);
    tf_staleness_saw(&watch, 1, BOOK, now);
    uint32_t cnt = 2000 + 1500 * (uint32_t)round;
    for (uint32_t i = 0; i < cnt; i++) {
      double normal = 0;
      for (int k = 0; k < 12; k++) normal += rand() / (double)RAND_MAX;
      intervals[i] = (uint64_t)((double)(300 * MS) * exp(normal - 6.0) * (1 + round));
      data_every(intervals[i], 1);
    }
    qsort(intervals, cnt, sizeof *intervals, by_size);
    uint64_t exact = intervals[cnt - 1 - cnt / 1000];
    assert_in_range(deadline(), TF_STALENESS_FACTOR * exact,
                    TF_STALENESS_FACTOR * (exact + exact / 4) + MS);
  }
}

static void what_a_stream_did_long_ago_is_forgotten(void **state) {
  (void)state;
  begin(0);
  data_every(10 * SEC, 1000);
  assert_true(deadline() >= 40 * SEC);
  data_every(20 * MS, 10 * TF_STALENESS_INTERVALS_MAX);
  assert_in_range(deadline(), SEC, SEC + MS);
}

static void fixed_deadline_holds_from_the_first_data(void **state) {
  (void)state;
  begin(3 * SEC);
  assert_int_equal(deadline(), 0);
  data_every(MS, 1);
  assert_false(tf_staleness_is_due(&watch, 1, now + 3 * SEC));
  assert_true(tf_staleness_is_due(&watch, 1, now + 3 * SEC + 1));
  begin(TF_STALENESS_OFF);
  data_every(MS, 500);
  assert_int_equal(deadline(), 0);
}

static void new_connection_judges_nobody_before_its_data(void **state) {
  (void)state;
  begin(0);
  data_every(MS, 500);
  tf_staleness_reconnected(&watch);
  assert_int_equal(deadline(), 0);
  now += 100 * SEC;
  data_every(0, 1); /* the time between connections is nobody's interval */
  assert_in_range(deadline(), SEC, SEC + MS);
}

static void time_in_which_nobody_listened_is_no_silence(void **state) {
  (void)state;
  begin(0);
  data_every(MS, 500);
  now += 50 * SEC;
  tf_staleness_unheard(&watch, 50 * SEC);
  assert_false(tf_staleness_is_due(&watch, 1, now + SEC - MS));
  assert_true(tf_staleness_is_due(&watch, 1, now + SEC + MS));
}

static void one_instruments_silence_is_not_anothers(void **state) {
  (void)state;
  begin(0);
  for (int i = 0; i < 500; i++) {
    now += MS;
    tf_staleness_saw(&watch, 1, BOOK, now);
    tf_staleness_saw(&watch, 2, TF_STALENESS_QUOTE, now);
  }
  for (int i = 0; i < 3000; i++) tf_staleness_saw(&watch, 1, BOOK, now += MS);
  assert_false(tf_staleness_is_due(&watch, 1, now));
  assert_true(tf_staleness_is_due(&watch, 2, now));
  assert_false(tf_staleness_is_due(&watch, 4, now)); /* beyond the table */
  tf_staleness_forgive(&watch, 2);
  assert_false(tf_staleness_is_stale(&watch, 2));
  assert_false(tf_staleness_is_due(&watch, 2, now + 9 * SEC));
}

static void clock_that_steps_back_makes_no_interval(void **state) {
  (void)state;
  begin(0);
  data_every(MS, 500);
  tf_staleness_saw(&watch, 1, BOOK, now - 300 * SEC);
  assert_int_equal(watch.rows[1][BOOK].interval_cnt, 499);
  assert_false(tf_staleness_is_due(&watch, 1, now - 400 * SEC));
}

static int teardown(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stream_is_not_judged_before_it_has_shown_its_habit),
      cmocka_unit_test(fast_stream_has_the_floor_of_a_second),
      cmocka_unit_test(outage_of_an_hour_does_not_excuse_the_next_one),
      cmocka_unit_test(learned_deadline_is_the_exact_percentile_within_a_class),
      cmocka_unit_test(what_a_stream_did_long_ago_is_forgotten),
      cmocka_unit_test(fixed_deadline_holds_from_the_first_data),
      cmocka_unit_test(new_connection_judges_nobody_before_its_data),
      cmocka_unit_test(time_in_which_nobody_listened_is_no_silence),
      cmocka_unit_test(one_instruments_silence_is_not_anothers),
      cmocka_unit_test(clock_that_steps_back_makes_no_interval),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
