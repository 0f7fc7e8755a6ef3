/* OKX, Bitget, Bybit and Crypto.com: what their recordings of books cannot show. The rules that they share are a
 * table over the venues; what one of them says in its own way has its own tests. */
#include "numbered_venues.h"

typedef struct {
  const char *name, *symbol;
  const char *(*book)(book_t kind, unsigned long long seq, unsigned long long prev,
                      const char *bids);
} venue_t;

static const venue_t venues[] = {
    {"okx",       "BTC-USDT", okx_book      },
    {"bitget",    "BTCUSDT",  bitget_book   },
    {"bybit",     "BTCUSDT",  bybit_book    },
    {"cryptocom", "BTC_USDT", cryptocom_book},
};
#define EACH_VENUE(v)                                                                              \
  const venue_t *v = venues;                                                                       \
  v < venues + TF_ARRAY_CNT(venues);                                                               \
  v++

static void start_venue(const venue_t *v) {
  assert_int_equal(start_with(&rig, v->name, NULL, 0, ALL), TF_OK);
  assert_int_equal(feed_text(v->book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 3);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  assert_int_equal(newest()->u.status.apply_from, 10);
  assert_string_equal(rig.instruments.rows[0].symbol, v->symbol);
}

static void deltas_that_follow_are_taken_and_keep_their_sequence(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    assert_int_equal(feed_text(v->book(DELTA_OF, 11, 10, BID)), TF_VERDICT_DATA);
    assert_int_equal(rig.out.event_cnt, 1);
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    assert_int_equal(newest()->u.level.venue_seq, 11);
    assert_int_equal(newest()->u.level.price, 94);
    assert_int_equal(newest()->price_exp, -1);
    assert_true(newest()->ts_event_ns > UINT64_C(1723161255000000000));
    assert_int_equal(rig.counts.gaps, 0);
    check_ledger(&rig);
    stop(&rig);
  }
}

static void break_puts_one_book_in_gap_until_its_snapshot_comes(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    feed_text(v->book(DELTA_OF, 13, 12, BID));
    assert_int_equal(rig.counts.gaps, 1);
    assert_int_equal(rig.out.event_cnt, 2);
    assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.events[0].u.status.gap_first, 11);
    assert_int_equal(rig.events[0].u.status.gap_last, 12);
    assert_true(rig.events[1].flags & TF_FLAG_BAD_BOOK);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_false(rig.out.reconnect);
    feed_text(v->book(DELTA_OF, 16, 15, BID)); /* one break is one gap */
    assert_int_equal(rig.counts.gaps, 1);
    assert_true(newest()->flags & TF_FLAG_BAD_BOOK);
    feed_text(v->book(SNAPSHOT_OF, 16, 0, BID)); /* no newer than what was seen in the gap */
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
    feed_text(v->book(DELTA_OF, 17, 16, BID));
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    stop(&rig);
  }
}

static void what_another_connection_brought_already_is_a_duplicate(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    assert_true(tf_feeds_find(v->name)->sequences_are_shared);
    start_venue(v);
    feed_text(v->book(DELTA_OF, 11, 10, BID));
    feed_text(v->book(DELTA_OF, 11, 10, BID));
    assert_int_equal(rig.out.event_cnt, 0);
    feed_text(v->book(SNAPSHOT_OF, 9, 0, BID)); /* the slower one's */
    assert_int_equal(rig.out.event_cnt, 0);
    assert_int_equal(rig.counts.duplicates, 2);
    assert_int_equal(rig.counts.gaps, 0);
    feed_text(v->book(DELTA_OF, 12, 11, BID));
    assert_int_equal(rig.out.event_cnt, 1);
    check_ledger(&rig);
    stop(&rig);
  }
}

static void sequence_far_back_is_the_venue_starting_over(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    assert_int_equal(start_with(&rig, v->name, NULL, 0, ALL), TF_OK);
    feed_text(v->book(SNAPSHOT_OF, 100000010, 0, BID));
    feed_text(v->book(DELTA_OF, 11, 10, BID)); /* 99,999,999 back */
    assert_int_equal(rig.counts.duplicates, 1);
    feed_text(v->book(DELTA_OF, 10, 9, BID)); /* 100,000,000 */
    assert_int_equal(rig.counts.gaps, 1);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_int_equal(rig.events[0].u.status.gap_last, 0); /* nobody knows what is missing */
    feed_text(v->book(SNAPSHOT_OF, 12, 0, BID));
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
    stop(&rig);
  }
}

static void book_that_somebody_found_wrong_is_asked_for_again(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    rig.out.event_cnt = rig.out.resync_cnt = 0;
    rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out);
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_int_equal(rig.counts.gaps, 0);
    stop(&rig);
  }
}

static void new_connection_takes_any_sequence(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    start_venue(v);
    rig.out.event_cnt = 0;
    rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_SYNCING);
    feed_text(v->book(DELTA_OF, 500, 499, BID)); /* before its snapshot */
    assert_int_equal(newest()->flags, TF_FLAG_LAST);
    feed_text(v->book(SNAPSHOT_OF, 5, 0, BID));
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
    assert_int_equal(rig.counts.gaps, 0);
    stop(&rig);
  }
}

static void depth_message_that_is_refused_loses_its_book_and_no_other(void **state) {
  (void)state;
  static const struct {
    const char *level;
    tf_reject_t why;
  } bad[] = {
      {"[\"9.4\",\"-2\"]",                   TF_REJECT_NUMBER},
      {"[\"9.4\",\"2e200\"]",                TF_REJECT_NUMBER},
      {"[\"abc\",\"2\"]",                    TF_REJECT_NUMBER},
      {"[\"9.4\"]",                          TF_REJECT_SCHEMA},
      {"[\"99999999999999999999.4\",\"2\"]", TF_REJECT_NUMBER},
      {"17",                                 TF_REJECT_SCHEMA},
  };
  for (EACH_VENUE(v)) {
    for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
      start_venue(v);
      assert_int_equal(feed_text(v->book(DELTA_OF, 11, 10, bad[i].level)), TF_VERDICT_REJECTED);
      uint64_t refused =
          rig.counts.rejected[TF_REJECT_NUMBER] + rig.counts.rejected[TF_REJECT_SCHEMA];
      assert_int_equal(refused, 1);
      if (bad[i].why == TF_REJECT_NUMBER) assert_int_equal(rig.counts.rejected[bad[i].why], 1);
      assert_int_equal(rig.out.event_cnt, 1);
      assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
      assert_int_equal(rig.out.resync_cnt, 1);
      check_ledger(&rig);
      stop(&rig);
    }
  }
}

static void frames_that_are_no_message_are_refused_and_nothing_else_happens(void **state) {
  (void)state;
  static const struct {
    const char *text;
    tf_reject_t why;
  } bad[] = {
      {"",                   TF_REJECT_SYNTAX },
      {"ponG",               TF_REJECT_SYNTAX },
      {"{\"arg\":",          TF_REJECT_SYNTAX },
      {"[1,2]",              TF_REJECT_UNKNOWN},
      {"17",                 TF_REJECT_UNKNOWN},
      {"{}",                 TF_REJECT_UNKNOWN},
      {"{\"method\":\"x\"}", TF_REJECT_UNKNOWN},
  };
  for (EACH_VENUE(v)) {
    start_venue(v);
    for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
      assert_int_equal(feed_text(bad[i].text), TF_VERDICT_REJECTED);
      assert_true(rig.counts.rejected[bad[i].why] > 0);
      assert_int_equal(rig.out.event_cnt, 0);
    }
    check_ledger(&rig);
    stop(&rig);
  }
}

static void messages_of_instruments_that_nobody_asked_for_are_refused(void **state) {
  (void)state;
  static const char *const other[] = {"XRP"};
  for (EACH_VENUE(v)) {
    assert_int_equal(start_with(&rig, v->name, other, 1, ALL), TF_OK);
    assert_int_equal(feed_text(v->book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_REJECTED);
    assert_int_equal(rig.counts.rejected[TF_REJECT_INSTRUMENT], 1);
    stop(&rig);
  }
}

static void books_that_nobody_asked_for_are_ignored(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    assert_int_equal(start_with(&rig, v->name, NULL, 0, TF_CHANNEL_TRADE), TF_OK);
    assert_int_equal(feed_text(v->book(SNAPSHOT_OF, 10, 0, BID)), TF_VERDICT_IGNORED);
    assert_int_equal(rig.out.event_cnt, 0);
    check_ledger(&rig);
    stop(&rig);
  }
}

/* ---- rules of one venue ---- */

static void okx_sequence_below_its_predecessor_is_a_reset(void **state) {
  (void)state;
  start_venue(&venues[0]);
  feed_text(okx_book(DELTA_OF, 3, 10, BID)); /* follows, and counts from below */
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  assert_int_equal(rig.counts.duplicates, 0);
  feed_text(okx_book(SNAPSHOT_OF, 5, 0, BID));
  feed_text(okx_book(DELTA_OF, 6, 5, BID));
  assert_int_equal(newest()->flags, TF_FLAG_LAST);
  stop(&rig);
}

static void update_without_levels_says_that_nothing_happened(void **state) {
  (void)state;
  static const size_t with_them[] = {0, 1, 3};
  for (size_t i = 0; i < TF_ARRAY_CNT(with_them); i++) {
    start_venue(&venues[with_them[i]]);
    assert_int_equal(feed_text(venues[with_them[i]].book(DELTA_OF, 10, 10, "")), TF_VERDICT_DATA);
    assert_int_equal(rig.out.event_cnt, 0);
    assert_int_equal(rig.counts.duplicates + rig.counts.gaps, 0);
    stop(&rig);
  }
}

static void bybit_that_counts_from_one_again_sends_a_whole_book(void **state) {
  (void)state;
  start_venue(&venues[2]);
  feed_text(bybit_book(DELTA_OF, 1, 0, BID));
  assert_true(rig.events[0].flags & TF_FLAG_SNAPSHOT);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  assert_int_equal(newest()->u.status.apply_from, 1);
  feed_text(bybit_book(DELTA_OF, 2, 0, BID));
  assert_int_equal(newest()->flags, TF_FLAG_LAST);
  assert_int_equal(rig.counts.gaps + rig.counts.duplicates, 0);
  stop(&rig);
}

static void levels_of_a_count_that_is_over_do_not_wait_for_its_snapshot(void **state) {
  (void)state;
  for (EACH_VENUE(v)) {
    for (uint32_t back = 99999999; back <= 100000000; back++) {
      assert_int_equal(start_with(&rig, v->name, NULL, 0, ALL), TF_OK);
      feed_text(v->book(DELTA_OF, 200000000, 199999999, BID)); /* no book yet: it waits */
      feed_text(v->book(SNAPSHOT_OF, 200000000 - back, 0, BID));
      bool is_over = back == 100000000;
      assert_int_equal(rig.events[0].kind, is_over ? TF_EVENT_STATUS : TF_EVENT_BOOK);
      if (is_over) assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_SYNCING);
      assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
      stop(&rig);
    }
  }
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  feed_text(bybit_book(DELTA_OF, 28, 0, BID));
  feed_text(bybit_book(DELTA_OF, 1, 0, BID));
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_SYNCING);
  assert_true(rig.events[1].flags & TF_FLAG_SNAPSHOT);
  stop(&rig);
}

static void bybit_half_a_quote_is_refused(void **state) {
  (void)state;
#define BEST(type)                                                                                 \
  "{\"topic\":\"orderbook.1.BTCUSDT\",\"ts\":1723161255102,\"type\":\"" type                       \
  "\",\"data\":{\"s\":\"BTCUSDT\",\"b\":[[\"9.4\",\"2\"]],\"a\":[[\"9.50\",\"1\"]],\"u\":7,"       \
  "\"seq\":7}}"
  assert_int_equal(start_with(&rig, "bybit", NULL, 0, ALL), TF_OK);
  assert_int_equal(feed_text(BEST("delta")), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_SCHEMA], 1);
  assert_int_equal(feed_text(BEST("snapshot")), TF_VERDICT_DATA);
  assert_int_equal(newest()->kind, TF_EVENT_QUOTE);
  assert_int_equal(newest()->u.quote.bid_price, 940);
  assert_int_equal(newest()->u.quote.ask_price, 950);
  assert_int_equal(newest()->ts_event_ns, UINT64_C(1723161255102000000));
  stop(&rig);
}

#define OKX_BEST(bids, asks)                                                                       \
  OKX_ARG("bbo-tbt")                                                                               \
  ",\"data\":[{\"asks\":[" asks "],\"bids\":[" bids "],\"ts\":\"1723161255100\",\"seqId\":4}]}"

static void side_without_anybody_is_a_price_of_nothing(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "okx", NULL, 0, ALL), TF_OK);
  assert_int_equal(feed_text(OKX_BEST("", "[\"0.0015\",\"8\",\"0\",\"1\"]")), TF_VERDICT_DATA);
  assert_int_equal(newest()->u.quote.bid_price, 0);
  assert_int_equal(newest()->u.quote.bid_qty, 0);
  assert_int_equal(newest()->u.quote.ask_price, 15);
  assert_int_equal(newest()->price_exp, -4);
  assert_int_equal(feed_text(OKX_BEST("[\"0.0014\",\"8\",\"0\",\"1\"]", "")), TF_VERDICT_DATA);
  assert_int_equal(newest()->u.quote.ask_price, 0);
  assert_int_equal(newest()->u.quote.bid_price, 14);
  assert_int_equal(feed_text(OKX_BEST("", "")), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 0);
  stop(&rig);
}

/* 787628559 and -2004530757 are zlib's crc32 of "9.4:2:9.5:1" and "9.4:3:9.5:1", with a sign. */
#define CRC_A "787628559"
#define CRC_B "-2004530757"
#define OKX_OLD(action, bids, asks, checksum)                                                      \
  OKX_ARG("books")                                                                                 \
  ",\"action\":\"" action "\",\"data\":[{\"asks\":[" asks "],\"bids\":[" bids                      \
  "],\"ts\":\"1723161255100\",\"checksum\":" checksum "}]}"
#define OKX_LEVEL(price, qty) "[\"" price "\",\"" qty "\",\"0\",\"1\"]"

static void okx_checksum_of_old_is_compared_and_zero_is_none(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "okx", NULL, 0, ALL), TF_OK);
  feed_text(OKX_OLD("snapshot", OKX_LEVEL("9.4", "2"), OKX_LEVEL("9.5", "1"), CRC_A));
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  feed_text(OKX_OLD("update", OKX_LEVEL("9.4", "3"), "", CRC_B));
  assert_int_equal(rig.counts.checksums, 2);
  assert_int_equal(rig.counts.checksum_mismatches, 0);
  feed_text(OKX_OLD("update", OKX_LEVEL("9.4", "4"), "", CRC_B));
  assert_int_equal(rig.counts.checksum_mismatches, 1);
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  feed_text(OKX_OLD("snapshot", OKX_LEVEL("9.4", "2"), OKX_LEVEL("9.5", "1"), "0"));
  feed_text(
      OKX_OLD("update", OKX_LEVEL("9.4", "3"), "", "5")); /* of a book whose snapshot had none */
  assert_int_equal(rig.counts.checksums, 3);
  assert_int_equal(rig.counts.checksum_mismatches, 1);
  stop(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(deltas_that_follow_are_taken_and_keep_their_sequence),
      cmocka_unit_test(break_puts_one_book_in_gap_until_its_snapshot_comes),
      cmocka_unit_test(what_another_connection_brought_already_is_a_duplicate),
      cmocka_unit_test(sequence_far_back_is_the_venue_starting_over),
      cmocka_unit_test(book_that_somebody_found_wrong_is_asked_for_again),
      cmocka_unit_test(new_connection_takes_any_sequence),
      cmocka_unit_test(depth_message_that_is_refused_loses_its_book_and_no_other),
      cmocka_unit_test(frames_that_are_no_message_are_refused_and_nothing_else_happens),
      cmocka_unit_test(messages_of_instruments_that_nobody_asked_for_are_refused),
      cmocka_unit_test(books_that_nobody_asked_for_are_ignored),
      cmocka_unit_test(okx_sequence_below_its_predecessor_is_a_reset),
      cmocka_unit_test(update_without_levels_says_that_nothing_happened),
      cmocka_unit_test(bybit_that_counts_from_one_again_sends_a_whole_book),
      cmocka_unit_test(levels_of_a_count_that_is_over_do_not_wait_for_its_snapshot),
      cmocka_unit_test(bybit_half_a_quote_is_refused),
      cmocka_unit_test(side_without_anybody_is_a_price_of_nothing),
      cmocka_unit_test(okx_checksum_of_old_is_compared_and_zero_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
