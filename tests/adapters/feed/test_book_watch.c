/* What is due for a session's books: doubts of the lane, silences, and the way back. */
#include <string.h>

#include "cmocka_tf.h"
#include "feed/book_watch.h"

#define MS  TF_NS_PER_MS
#define SEC TF_NS_PER_SEC
#define CAP 1000u

static tf_arena_t      arena;
static tf_book_watch_t watch;
static uint64_t        words[CAP];
static tf_lost_books_t lost = {.since_ns = words, .cap = CAP};
static uint64_t        now;

static int setup(void **state) {
  (void)state;
  tf_book_watch_config_t config = {
      .lost_books = &lost, .crossed_after_ns = 500 * MS, .stale_after_ns = 2 * SEC};
  tf_arena_fini(&arena);
  memset(words, 0, sizeof words);
  now = 1000 * SEC;
  if (tf_arena_init(&arena, "watch", tf_book_watch_arena_bytes(CAP))) return -1;
  return tf_book_watch_init(&watch, &config, CAP, &arena);
}

static void saw(uint8_t kind, uint32_t id, uint32_t book_state) {
  tf_event_t e = {.kind = kind, .instrument_id = id, .flags = TF_FLAG_LAST};
  if (kind == TF_EVENT_STATUS) e.u.status.book_state = book_state;
  tf_book_watch_saw(&watch, &e, 1, now);
}

/* All verdicts of one look over the whole table; ids as a sum. */
static uint32_t verdicts[4];
static uint32_t look_all(void) {
  uint32_t ids = 0, id;
  memset(verdicts, 0, sizeof verdicts);
  for (uint32_t i = 0; i < CAP / TF_BOOK_WATCH_ROWS + 1; i++) {
    tf_book_watch_verdict_t verdict;
    while ((verdict = tf_book_watch_next(&watch, CAP, now, &id)) != TF_BOOK_WATCH_NOTHING) {
      verdicts[verdict]++;
      ids += id;
      if (verdict == TF_BOOK_WATCH_STALE) saw(TF_EVENT_STATUS, id, TF_BOOK_STALE);
      if (verdict == TF_BOOK_WATCH_FRESH)
        saw(TF_EVENT_STATUS, id, (uint32_t)tf_book_watch_before(&watch, id));
    }
  }
  return ids;
}

static void doubt_is_acted_on_once_and_only_after_its_time(void **state) {
  (void)state;
  saw(TF_EVENT_STATUS, 7, TF_BOOK_OK);
  words[7] = now;
  now += 500 * MS - 1;
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_LOSE], 0);
  now += 1;
  assert_int_equal(look_all(), 7);
  assert_int_equal(verdicts[TF_BOOK_WATCH_LOSE], 1);
  look_all(); /* the lane has not seen the GAP yet */
  assert_int_equal(verdicts[TF_BOOK_WATCH_LOSE], 0);
  assert_int_equal(watch.lost_cnt, 1);
}

static void doubt_of_a_book_that_the_feed_calls_broken_is_no_news(void **state) {
  (void)state;
  words[7] = words[8] = now;
  saw(TF_EVENT_STATUS, 7, TF_BOOK_GAP);
  now += 5 * SEC;
  look_all(); /* 8 is another session's */
  assert_int_equal(verdicts[TF_BOOK_WATCH_LOSE], 0);
}

static void book_that_is_lost_again_is_answered_later_each_time(void **state) {
  (void)state;
  saw(TF_EVENT_STATUS, 7, TF_BOOK_OK);
  uint64_t want_ns = 500 * MS;
  for (int i = 0; i < 12; i++) {
    uint64_t begin_ns = words[7] = now;
    do {
      now += 10 * MS;
      look_all();
    } while (verdicts[TF_BOOK_WATCH_LOSE] == 0);
    assert_in_range(now - begin_ns, want_ns, want_ns + 10 * MS);
    want_ns = want_ns * 2 < TF_BOOK_WATCH_LOSE_NS_MAX ? want_ns * 2 : TF_BOOK_WATCH_LOSE_NS_MAX;
  }
  now += TF_BOOK_WATCH_LOSE_NS_MAX; /* believed for so long */
  words[7] = now;
  now += 500 * MS;
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_LOSE], 1);
}

static void stream_is_told_stale_once_and_fresh_when_all_of_it_is(void **state) {
  (void)state;
  saw(TF_EVENT_STATUS, 3, TF_BOOK_OK);
  saw(TF_EVENT_BOOK, 3, 0);
  saw(TF_EVENT_QUOTE, 3, 0);
  now += 3 * SEC;
  assert_int_equal(look_all(), 3);
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE], 1);
  assert_int_equal(watch.stale_now_cnt, 1);
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE] + verdicts[TF_BOOK_WATCH_FRESH], 0);
  saw(TF_EVENT_TRADE, 3, 0); /* of a stream that is not judged */
  saw(TF_EVENT_QUOTE, 3, 0);
  assert_int_equal(watch.fresh_cnt, 0); /* the book is quiet still */
  saw(TF_EVENT_BOOK, 3, 0);
  assert_int_equal(watch.fresh_cnt, 1);
  assert_int_equal(watch.fresh_ids[0], 3);
  assert_int_equal(tf_book_watch_before(&watch, 3), TF_BOOK_OK);
  assert_int_equal(look_all(), 3); /* whoever did not empty the list is told here */
  assert_int_equal(verdicts[TF_BOOK_WATCH_FRESH], 1);
  assert_int_equal(watch.stale_now_cnt, 0);
}

static void instrument_without_a_book_goes_back_to_none(void **state) {
  (void)state;
  saw(TF_EVENT_QUOTE, 4, 0);
  now += 3 * SEC;
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE], 1);
  saw(TF_EVENT_QUOTE, 4, 0);
  assert_int_equal(tf_book_watch_before(&watch, 4), TF_BOOK_NONE);
}

static void book_that_is_out_of_order_anyhow_is_not_called_stale(void **state) {
  (void)state;
  saw(TF_EVENT_BOOK, 5, 0);
  saw(TF_EVENT_STATUS, 5, TF_BOOK_SYNCING);
  saw(TF_EVENT_BOOK, 5, 0);
  now += 3 * SEC;
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE], 0);
  saw(TF_EVENT_STATUS, 5, TF_BOOK_OK); /* a snapshot: judged again from the next delta on */
  now += 3 * SEC;
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE], 0);
  saw(TF_EVENT_BOOK, 5, 0);
  now += 3 * SEC;
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE], 1);
}

static void feeds_own_word_ends_a_silence(void **state) {
  (void)state;
  saw(TF_EVENT_STATUS, 6, TF_BOOK_OK);
  saw(TF_EVENT_BOOK, 6, 0);
  now += 3 * SEC;
  look_all();
  saw(TF_EVENT_STATUS, 6, TF_BOOK_GAP);
  assert_int_equal(watch.stale_now_cnt, 0);
  saw(TF_EVENT_BOOK, 6, 0);
  assert_int_equal(watch.fresh_cnt, 0);
}

static void thousand_streams_that_fall_silent_are_all_told(void **state) {
  (void)state;
  for (uint32_t id = 0; id < CAP; id++) {
    saw(TF_EVENT_STATUS, id, TF_BOOK_OK);
    saw(TF_EVENT_BOOK, id, 0);
  }
  now += 3 * SEC;
  assert_int_equal(look_all(), CAP * (CAP - 1) / 2);
  assert_int_equal(verdicts[TF_BOOK_WATCH_STALE], CAP);
  for (uint32_t id = 0; id < CAP; id++) saw(TF_EVENT_BOOK, id, 0);
  assert_int_equal(watch.fresh_cnt, TF_BOOK_WATCH_FRESH_MAX);
  look_all();
  assert_int_equal(verdicts[TF_BOOK_WATCH_FRESH], CAP);
}

static int teardown(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(doubt_is_acted_on_once_and_only_after_its_time, setup),
      cmocka_unit_test_setup(doubt_of_a_book_that_the_feed_calls_broken_is_no_news, setup),
      cmocka_unit_test_setup(book_that_is_lost_again_is_answered_later_each_time, setup),
      cmocka_unit_test_setup(stream_is_told_stale_once_and_fresh_when_all_of_it_is, setup),
      cmocka_unit_test_setup(instrument_without_a_book_goes_back_to_none, setup),
      cmocka_unit_test_setup(book_that_is_out_of_order_anyhow_is_not_called_stale, setup),
      cmocka_unit_test_setup(feeds_own_word_ends_a_silence, setup),
      cmocka_unit_test_setup(thousand_streams_that_fall_silent_are_all_told, setup),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
