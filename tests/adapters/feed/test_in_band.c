/* What the recordings and their decoder cannot say of the venues with snapshots in band: what is asked of
 * the session, the texts that are sent, and the limits. */
#include "feed_rig.h"

static const tf_event_t *newest(void) {
  assert_true(rig.out.event_cnt > 0);
  return &rig.out.events[rig.out.event_cnt - 1];
}

#define L2(seq, type, product, updates)                                                            \
  "{\"channel\":\"l2_data\",\"timestamp\":\"2024-08-08T23:54:15.2Z\",\"sequence_num\":" #seq       \
  ",\"events\":[{\"type\":\"" type "\",\"product_id\":\"" product "\",\"updates\":[" updates       \
  "]}]}"
#define LEVEL(side, price, qty)                                                                    \
  "{\"side\":\"" side "\",\"event_time\":\"2024-08-08T23:54:15.170326Z\",\"price_level\":\"" price \
  "\",\"new_quantity\":\"" qty "\"}"
#define TWO_SIDES LEVEL("bid", "5.0", "1") "," LEVEL("offer", "6.0", "2")

static void coinbase_gap_puts_every_book_in_gap_and_asks_for_a_new_connection(void **state) {
  (void)state;
  start(&rig, "coinbase");
  feed_text(L2(0, "snapshot", "BTC-USD", TWO_SIDES));
  feed_text(L2(1, "snapshot", "ETH-USD", TWO_SIDES));
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  assert_false(rig.out.reconnect);
  feed_text("{\"channel\":\"heartbeats\",\"sequence_num\":4,\"events\":[]}");
  assert_true(rig.out.reconnect);
  assert_int_equal(rig.out.event_cnt, 2);
  for (uint32_t i = 0; i < 2; i++) {
    assert_int_equal(rig.events[i].instrument_id, i);
    assert_int_equal(rig.events[i].kind, TF_EVENT_STATUS);
    assert_int_equal(rig.events[i].u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.events[i].u.status.gap_first, 2);
    assert_int_equal(rig.events[i].u.status.gap_last, 3);
    assert_true(rig.events[i].flags & TF_FLAG_LAST);
  }
  feed_text(L2(5, "update", "BTC-USD", TWO_SIDES));
  assert_true(rig.events[0].flags & TF_FLAG_BAD_BOOK);
  assert_int_equal(rig.counts.gaps, 1);
  check_ledger(&rig);
  stop(&rig);
}

static void coinbase_trade_of_a_buying_maker_is_a_sell(void **state) {
  (void)state;
  start(&rig, "coinbase");
  feed_text(
      "{\"channel\":\"market_trades\",\"timestamp\":\"2024-08-08T23:54:15.2Z\",\"sequence_num\":0,"
      "\"events\":[{\"type\":\"update\",\"trades\":["
      "{\"product_id\":\"BTC-USD\",\"trade_id\":\"11\",\"price\":\"5.0\",\"size\":\"1\","
      "\"time\":\"2024-08-08T23:54:15.2Z\",\"side\":\"BUY\"},"
      "{\"product_id\":\"BTC-USD\",\"trade_id\":\"10\",\"price\":\"5.1\",\"size\":\"1\","
      "\"time\":\"2024-08-08T23:54:15.1Z\",\"side\":\"SELL\"}]}]}");
  assert_int_equal(rig.out.event_cnt, 2);
  assert_int_equal(rig.events[0].u.trade.id, 10); /* oldest first */
  assert_int_equal(tf_event_sign(&rig.events[0]), 1);
  assert_int_equal(tf_event_sign(&rig.events[1]), -1);
  assert_int_equal(rig.events[0].flags & TF_FLAG_LAST, 0);
  assert_true(rig.events[1].flags & TF_FLAG_LAST);
  stop(&rig);
}

static void coinbase_message_without_room_for_its_levels_is_refused_whole(void **state) {
  (void)state;
  start(&rig, "coinbase");
  feed_text(L2(0, "snapshot", "BTC-USD", TWO_SIDES));
  for (uint32_t cap = 1; cap <= 5; cap++) {
    rig.out.event_cap = cap;
    tf_verdict_t verdict =
        feed_text(L2(1, "snapshot", "BTC-USD", TWO_SIDES)); /* two levels, room for two statuses */
    rig.out.event_cap = EVENT_CAP;
    stop(&rig);
    start(&rig, "coinbase");
    feed_text(L2(0, "snapshot", "BTC-USD", TWO_SIDES));
    assert_int_equal(verdict, cap < 4 ? TF_VERDICT_REJECTED : TF_VERDICT_DATA);
  }
  stop(&rig);
}

static const char *const pairs[]        = {"btc-usd", "ETH-USD"};
static const char *const kraken_pairs[] = {"btc/usd", "ETH/USD"};

static const char *const *pairs_of(const char *venue) {
  return strcmp(venue, "kraken") == 0 ? kraken_pairs : pairs;
}

static void kraken_asks_for_the_depth_it_was_given(void **state) {
  (void)state;
  static const char *const symbols[] = {"BTC/USD"};
  char                     all[8192];
  rig_t                   *r = &rig;
  memset(r, 0, sizeof *r);
  r->feed             = tf_feeds_find("kraken");
  r->instruments.cap  = 4;
  r->instruments.rows = calloc(4, sizeof(tf_instrument_t));
  for (uint32_t depth = 0; depth <= 1001; depth++) {
    tf_feed_config_t config = {.instruments = &r->instruments,
                               .symbols     = symbols,
                               .symbol_cnt  = 1,
                               .channels    = 7,
                               .book_depth  = depth};
    bool             is_one =
        depth == 0 || depth == 10 || depth == 25 || depth == 100 || depth == 500 || depth == 1000;
    r->state = aligned_alloc(64, tf_align_up(r->feed->state_bytes(r->feed, &config), 64));
    assert_int_equal(r->feed->init(r->feed, r->state, &config), is_one ? TF_OK : E_CONFIG_VALUE);
    uint32_t          first   = 0;
    tf_feed_request_t request = {
        .channel = TF_CHANNEL_BOOK, .symbols = &first, .symbol_cnt = 1, .id = 9};
    if (depth == 25) {
      r->feed->request(r->state, &request, all, sizeof all);
      assert_string_equal(all, "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\","
                               "\"symbol\":[\"BTC/USD\"],\"depth\":25,"
                               "\"snapshot\":true},\"req_id\":9}");
      request.unsubscribe = true;
      r->feed->request(r->state, &request, all, sizeof all);
      assert_string_equal(all, "{\"method\":\"unsubscribe\",\"params\":{\"channel\":\"book\","
                               "\"symbol\":[\"BTC/USD\"],\"depth\":25},\"req_id\":9}");
    }
    free(r->state);
  }
  free(r->instruments.rows);
}

static void kraken_refusals_are_named(void **state) {
  (void)state;
  start(&rig, "kraken");
  assert_int_equal(feed_text("{\"error\":\"Subscription depth not "
                             "supported\",\"method\":\"subscribe\",\"success\":false}"),
                   TF_VERDICT_CONTROL);
  const tf_feed_head_t *head = rig.state;
  assert_int_equal(head->venue_error_cnt, 1);
  assert_string_equal(head->venue_error, "Subscription depth not supported");
  feed_text("{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"system\":\"maintenance\"}]}");
  assert_string_equal(head->venue_error, "the venue's system is not online");
  assert_int_equal(head->venue_error_cnt, 2);
  stop(&rig);
}

#define KRAKEN(type, bids, checksum)                                                               \
  "{\"channel\":\"book\",\"type\":\"" type "\",\"data\":[{\"symbol\":\"A/B\",\"bids\":[" bids      \
  "],\"asks\":[],\"checksum\":" checksum "}]}"

/* 1330857165 is crc32("12"): the price and the quantity. */
static void
kraken_mismatch_asks_for_that_book_alone_and_the_third_stops_the_comparing(void **state) {
  (void)state;
  start(&rig, "kraken");
  feed_text(KRAKEN("snapshot", "{\"price\":1,\"qty\":2}", "1330857165"));
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  for (int i = 1; i <= 3; i++) {
    feed_text(KRAKEN("update", "{\"price\":1,\"qty\":2}", "5"));
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_false(rig.out.reconnect);
    assert_int_equal(rig.counts.checksum_mismatches, i);
    assert_int_equal(rig.counts.checksums_off, i == 3);
    feed_text(KRAKEN("snapshot", "{\"price\":1,\"qty\":2}", "1330857165"));
    assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  }
  uint64_t compared = rig.counts.checksums;
  feed_text(KRAKEN("update", "{\"price\":1,\"qty\":2}", "5"));
  assert_int_equal(rig.out.resync_cnt, 0);
  assert_int_equal(rig.counts.checksums, compared);
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out); /* a new connection compares again */
  feed_text(KRAKEN("snapshot", "{\"price\":1,\"qty\":2}", "1330857165"));
  assert_int_equal(rig.counts.checksums, compared + 1);
  stop(&rig);
}

static void kraken_message_of_more_changes_than_the_mirror_takes_loses_the_book(void **state) {
  (void)state;
  static char              text[400000];
  static const char *const symbols[] = {"A/B"};
  for (uint32_t over = 0; over < 2; over++) {
    assert_int_equal(start_with(&rig, "kraken", symbols, 1, 7), TF_OK); /* a depth of 100 */
    rig.out.events    = calloc(4096, sizeof(tf_event_t));
    rig.out.event_cap = 4096;
    feed_text(KRAKEN("snapshot", "{\"price\":1,\"qty\":2}", "1330857165"));
    size_t at = (size_t)sprintf(
        text, "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"A/B\",\"bids\":[");
    for (uint32_t i = 0; i < 256 + over; i++)
      at += (size_t)sprintf(text + at, "%s{\"price\":%u,\"qty\":1}", i ? "," : "", i + 2);
    sprintf(text + at, "],\"asks\":[]}]}");
    tf_verdict_t verdict = feed_text(text);
    assert_int_equal(verdict, over ? TF_VERDICT_REJECTED : TF_VERDICT_DATA);
    assert_int_equal(rig.out.resync_cnt, over);
    if (over) {
      assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
    } else {
      assert_int_equal(rig.counts.derived, 157); /* 257 bids, a hundred stay */
      assert_true(newest()->flags & TF_FLAG_DERIVED);
    }
    free(rig.out.events);
    stop(&rig);
  }
}

static void new_connection_says_once_that_books_are_synchronised_again(void **state) {
  (void)state;
  static const char *const venues[] = {"coinbase", "coinbase-exchange", "kraken"};
  for (size_t v = 0; v < TF_ARRAY_CNT(venues); v++) {
    assert_int_equal(start_with(&rig, venues[v], pairs_of(venues[v]), 2, 7), TF_OK);
    for (int i = 0; i < 2; i++) {
      rig.out.event_cnt = 0;
      rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
      assert_int_equal(rig.out.event_cnt, i == 0 ? 2 : 0);
    }
    assert_int_equal(rig.events[1].u.status.book_state, TF_BOOK_SYNCING);
    assert_int_equal(rig.events[1].flags, TF_FLAG_LAST);
    stop(&rig);
  }
}

static void book_that_is_lost_from_outside_is_in_gap_until_its_next_snapshot(void **state) {
  (void)state;
  static const char *const venues[] = {"coinbase", "coinbase-exchange", "kraken"};
  for (size_t v = 0; v < TF_ARRAY_CNT(venues); v++) {
    assert_int_equal(start_with(&rig, venues[v], pairs_of(venues[v]), 2, 7), TF_OK);
    rig.feed->lose_book(rig.state, 1, RECV_NS, &rig.out); /* no connection yet, no book */
    assert_int_equal(rig.out.event_cnt, 0);
    rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
    rig.out.event_cnt = 0;
    rig.feed->lose_book(rig.state, 7, RECV_NS, &rig.out);
    assert_int_equal(rig.out.event_cnt, 0);
    for (uint32_t i = 0; i < 2; i++) { /* said each time: who asks may not have heard the first */
      rig.feed->lose_book(rig.state, 1, RECV_NS + i, &rig.out);
      assert_int_equal(rig.out.event_cnt, i + 1);
      assert_int_equal(newest()->instrument_id, 1);
      assert_int_equal(newest()->u.status.book_state, TF_BOOK_GAP);
      assert_int_equal(newest()->ts_recv_ns, RECV_NS + i);
    }
    assert_int_equal(rig.out.resync_cnt, 1);
    assert_int_equal(rig.out.resync_ids[0], 1);
    stop(&rig);
  }
  start(&rig, "kraken");
  feed_text(KRAKEN("snapshot", "{\"price\":1,\"qty\":2}", "1330857165"));
  rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out);
  feed_text(KRAKEN("update", "{\"price\":1,\"qty\":2}", "1330857165"));
  assert_true(rig.events[0].flags & TF_FLAG_BAD_BOOK);
  feed_text(KRAKEN("snapshot", "{\"price\":1,\"qty\":2}", "1330857165"));
  assert_int_equal(newest()->u.status.book_state, TF_BOOK_OK);
  stop(&rig);
}

static void symbols_that_were_not_asked_for_are_refused(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "coinbase", pairs, 2, 7), TF_OK);
  assert_int_equal(feed_text(L2(0, "snapshot", "XRP-USD", TWO_SIDES)), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_INSTRUMENT], 1);
  assert_int_equal(rig.out.event_cnt, 0);
  stop(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(coinbase_gap_puts_every_book_in_gap_and_asks_for_a_new_connection),
      cmocka_unit_test(coinbase_trade_of_a_buying_maker_is_a_sell),
      cmocka_unit_test(coinbase_message_without_room_for_its_levels_is_refused_whole),
      cmocka_unit_test(kraken_asks_for_the_depth_it_was_given),
      cmocka_unit_test(kraken_refusals_are_named),
      cmocka_unit_test(kraken_mismatch_asks_for_that_book_alone_and_the_third_stops_the_comparing),
      cmocka_unit_test(kraken_message_of_more_changes_than_the_mirror_takes_loses_the_book),
      cmocka_unit_test(new_connection_says_once_that_books_are_synchronised_again),
      cmocka_unit_test(book_that_is_lost_from_outside_is_in_gap_until_its_next_snapshot),
      cmocka_unit_test(symbols_that_were_not_asked_for_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
