/* The offset of a feed's clock and the delay of its messages, against a list of all that was seen. */
#include "cmocka_tf.h"

#include <stdlib.h>

#include "stage/feed_clock.h"

#define MS  ((int64_t)TF_NS_PER_MS)
#define SEC ((int64_t)TF_NS_PER_SEC)

static tf_feed_clock_t clock_of;

static const tf_feed_clock_kind_t *saw(int64_t recv_ns, int64_t diff_ns, uint8_t kind,
                                       uint8_t flags) {
  tf_event_t e = {.kind        = kind,
                  .flags       = flags,
                  .ts_recv_ns  = (uint64_t)recv_ns,
                  .ts_event_ns = (uint64_t)(recv_ns - diff_ns)};
  tf_feed_clock_saw(&clock_of, &e);
  return kind < TF_FEED_CLOCK_KINDS ? &clock_of.kinds[kind] : NULL;
}

static void offset_is_the_least_difference_of_the_last_minute(void **state) {
  (void)state;
  static int64_t recv[40000], diff[40000];
  srand(3);
  for (int round = 0; round < 3; round++) {
    int64_t now = 1723161255 * SEC, drift = (round - 1) * 8; /* ppm */
    tf_feed_clock_init(&clock_of);
    for (int i = 0; i < 40000; i++) {
      now += rand() % (20 * MS);
      recv[i] = now;
      diff[i] = -1270 * MS + (now - recv[0]) / 1000000 * drift + rand() % (rand() % 40 * MS + 1);
      const tf_feed_clock_kind_t *k = saw(now, diff[i], TF_EVENT_QUOTE, 0);
      if (i % 97) continue;
      /* of the ten seconds begun, and the five before */
      int64_t begin = recv[0] + (now - recv[0]) / (10 * SEC) * (10 * SEC) - 50 * SEC;
      int64_t least = INT64_MAX;
      for (int j = 0; j <= i; j++)
        if (recv[j] >= begin && diff[j] < least) least = diff[j];
      assert_true(k->offset_ns == least);
    }
    assert_int_equal(clock_of.kinds[TF_EVENT_QUOTE].delays.cnt, 40000);
  }
}

static void delay_is_what_a_message_has_above_the_offset(void **state) {
  (void)state;
  tf_feed_clock_init(&clock_of);
  int64_t now = 1000 * SEC;
  saw(now, -1270 * MS, TF_EVENT_TRADE, 0);
  for (int i = 1; i <= 1000; i++)
    saw(now += MS, -1270 * MS + (i % 100 == 0 ? 40 : 2) * MS, TF_EVENT_TRADE, 0);
  const tf_hist_t *delays = &clock_of.kinds[TF_EVENT_TRADE].delays;
  assert_in_range(tf_hist_quantile(delays, 0.5), 2 * MS, 2 * MS + 2 * MS / 32);
  assert_int_equal(delays->max, 40 * MS);
  assert_int_equal(delays->sum, 10 * 40 * MS + 990 * 2 * MS);
}

static void kinds_are_apart(void **state) {
  (void)state;
  tf_feed_clock_init(&clock_of);
  assert_true(saw(9 * SEC, 5 * MS, TF_EVENT_TRADE, 0)->offset_ns == 5 * MS);
  assert_true(saw(9 * SEC, 2 * MS, TF_EVENT_BOOK, 0)->offset_ns == 2 * MS);
  assert_true(clock_of.kinds[TF_EVENT_TRADE].offset_ns == 5 * MS);
  assert_int_equal(clock_of.kinds[TF_EVENT_QUOTE].delays.cnt, 0);
}

static void what_has_no_time_of_its_sending_is_left_out(void **state) {
  (void)state;
  tf_feed_clock_init(&clock_of);
  saw(9 * SEC, 9 * SEC, TF_EVENT_TRADE, 0); /* ts_event 0 */
  saw(9 * SEC, MS, TF_EVENT_TRADE, TF_FLAG_BAD_TS);
  saw(9 * SEC, MS, TF_EVENT_TRADE, TF_FLAG_BACKFILL);
  saw(9 * SEC, MS, TF_EVENT_BOOK, TF_FLAG_SNAPSHOT);
  saw(9 * SEC, MS, TF_EVENT_STATUS, 0);
  saw(9 * SEC, MS, TF_EVENT_CONTROL, 0);
  for (int i = 0; i < TF_FEED_CLOCK_KINDS; i++) assert_int_equal(clock_of.kinds[i].delays.cnt, 0);
}

static void silence_of_hours_and_clocks_that_were_set_are_survived(void **state) {
  (void)state;
  tf_feed_clock_init(&clock_of);
  const tf_feed_clock_kind_t *k = saw(1000 * SEC, 3 * MS, TF_EVENT_BOOK, 0);
  k                             = saw(90000 * SEC, 7 * MS, TF_EVENT_BOOK, 0);
  assert_true(k->offset_ns == 7 * MS);            /* the old minute is forgotten */
  k = saw(89000 * SEC, 6 * MS, TF_EVENT_BOOK, 0); /* our clock steps back */
  assert_true(k->offset_ns == 6 * MS);
  k = saw(90001 * SEC, -3600 * SEC, TF_EVENT_BOOK, 0); /* the venue's clock goes an hour ahead */
  assert_true(k->offset_ns == -3600 * SEC);
  int64_t now = 90001 * SEC;
  for (int i = 0; i < 70; i++) k = saw(now += SEC, 5 * MS, TF_EVENT_BOOK, 0); /* and back */
  assert_true(k->offset_ns == 5 * MS);
  assert_true(saw(INT64_MAX, 1, TF_EVENT_BOOK, 0)->offset_ns == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(offset_is_the_least_difference_of_the_last_minute),
      cmocka_unit_test(delay_is_what_a_message_has_above_the_offset),
      cmocka_unit_test(kinds_are_apart),
      cmocka_unit_test(what_has_no_time_of_its_sending_is_left_out),
      cmocka_unit_test(silence_of_hours_and_clocks_that_were_set_are_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
