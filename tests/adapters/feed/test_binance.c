#include "feed_rig.h"

#include "core/error.h"

/* ---- refusals ---- */

static void refused_messages_publish_nothing_and_say_why(void **state) {
  (void)state;
  static const struct {
    tf_reject_t why;
    const char *text;
  } rows[] = {
      {TF_REJECT_SYNTAX,     ""                                                               },
      {TF_REJECT_SYNTAX,     "{\"e\":\"trade\""                                               },
      {TF_REJECT_UNKNOWN,    "[1]"                                                            },
      {TF_REJECT_UNKNOWN,    "{}"                                                             },
      {TF_REJECT_UNKNOWN,    "{\"e\":\"surprise\"}"                                           },
      {TF_REJECT_SCHEMA,     "{\"e\":5}"                                                      },
      {TF_REJECT_SCHEMA,     "{\"stream\":1,\"data\":{}}"                                     },
      {TF_REJECT_SCHEMA,     "{\"stream\":\"x\",\"data\":null}"                               },
      {TF_REJECT_SCHEMA,     "{\"e\":\"trade\",\"s\":\"BTCUSDT\"}"                            },
      {TF_REJECT_NUMBER,
       "{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"x\","
       "\"q\":\"1\",\"m\":true}"                                                              },
      {TF_REJECT_NUMBER,
       "{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"-1\","
       "\"q\":\"1\",\"m\":true}"                                                              },
      {TF_REJECT_SCHEMA,
       "{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"1\",\"q\":\"1\",\"m\":true}"       },
      {TF_REJECT_SCHEMA,
       "{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"t\":1,\"p\":\"1\","
       "\"q\":\"1\",\"m\":\"true\"}"                                                          },
      {TF_REJECT_INSTRUMENT, "{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTC USDT\",\"t\":1,"
                             "\"p\":\"1\",\"q\":\"1\",\"m\":true}"},
      {TF_REJECT_SCHEMA,
       "{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,"
       "\"b\":[]}"                                                                            },
      {TF_REJECT_SCHEMA,
       "{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":3,\"u\":2,"
       "\"b\":[],\"a\":[]}"                                                                   },
      {TF_REJECT_NUMBER,
       "{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,"
       "\"b\":[[\"1\",\"1\"],[\"2\",\"-1\"]],\"a\":[]}"                                       },
      {TF_REJECT_NUMBER,
       "{\"u\":1,\"s\":\"BTCUSDT\",\"b\":\"1e-100\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}"     },
      {TF_REJECT_SCHEMA,
       "{\"u\":1,\"s\":\"BTCUSDT\",\"b\":[],\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}"             },
      {TF_REJECT_INSTRUMENT, SNAPSHOT(5)                                                      },
      {TF_REJECT_SCHEMA,     "{\"lastUpdateId\":1,\"bids\":[],\"asks\":7}"                    },
  };
  start(&rig, "binance-spot");
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    uint64_t before = rig.counts.rejected[rows[i].why];
    assert_int_equal(feed_text(rows[i].text), TF_VERDICT_REJECTED);
    if (rig.counts.rejected[rows[i].why] != before + 1) fail_msg("%s", rows[i].text);
    assert_int_equal(rig.out.event_cnt, 0);
    assert_int_equal(rig.instruments.cnt, 0);
    assert_int_equal(rig.counts.sample[rows[i].why].offset, i + 1);
  }
  assert_int_equal(feed_bytes(&rig, "{}", 2, TF_FRAME_BINARY, NULL), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_ENCODING], 1);
  check_ledger(&rig);
  stop(&rig);
}

static void a_symbol_that_was_not_asked_for_is_refused(void **state) {
  (void)state;
  const char *symbols[] = {"ethusdt", "BNBUSDT"};
  assert_int_equal(start_with(&rig, "binance-spot", symbols, 2, 7), TF_OK);
  assert_int_equal(rig.instruments.cnt, 2);
  assert_string_equal(rig.instruments.rows[0].name, "ETHUSDT.BINANCE-SPOT");
  assert_int_equal(feed_text(TRADE(1)), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_INSTRUMENT], 1);
  assert_int_equal(feed_rest("/api/v3/depth?symbol=BTCUSDT", SNAPSHOT(5)), TF_VERDICT_REJECTED);
  assert_int_equal(feed_text(SNAPSHOT(5)), TF_VERDICT_REJECTED); /* one of two */
  assert_int_equal(rig.counts.rejected[TF_REJECT_INSTRUMENT], 3);
  assert_int_equal(feed_rest("/api/v3/depth?symbol=BNBUSDT", SNAPSHOT(5)), TF_VERDICT_DATA);
  assert_int_equal(rig.events[0].instrument_id, 1);
  stop(&rig);
}

static void a_config_that_cannot_be_met_is_an_error(void **state) {
  (void)state;
  const char *too_long[] = {"1234567890123456789012345678901234567890"}, *bad[] = {"BTC USDT"};
  const char *many[17];
  char        text[17][16];
  for (int i = 0; i < 17; i++) {
    snprintf(text[i], sizeof(text[i]), "S%d", i);
    many[i] = text[i];
  }
  assert_int_equal(start_with(&rig, "binance-spot", too_long, 1, 7), E_CONFIG_VALUE);
  stop(&rig);
  assert_int_equal(start_with(&rig, "binance-spot", bad, 1, 7), E_CONFIG_VALUE);
  stop(&rig);
  assert_int_equal(start_with(&rig, "binance-spot", many, 17, 7), E_FEED_LIMIT);
  stop(&rig);
}

static void a_message_with_more_levels_than_there_is_room_for_is_a_limit(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  static char text[65536];
  for (uint32_t over = 0; over < 2; over++) {
    int n = sprintf(text,
                    "{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":1,\"u\":2,"
                    "\"a\":[],\"b\":[");
    for (uint32_t i = 0; i < EVENT_CAP - 1 + over; i++) {
      n += sprintf(text + n, "%s[\"5\",\"1\"]", i ? "," : "");
    }
    strcpy(text + n, "]}");
    assert_int_equal(feed_text(text), over ? TF_VERDICT_REJECTED : TF_VERDICT_DATA);
    assert_int_equal(rig.out.event_cnt, over ? 0 : EVENT_CAP); /* STATUS and levels */
  }
  assert_int_equal(rig.counts.rejected[TF_REJECT_LIMIT], 1);
  rig.out.event_cap = 0;
  assert_int_equal(feed_text(TRADE(1)), TF_VERDICT_REJECTED);
  assert_int_equal(rig.counts.rejected[TF_REJECT_LIMIT], 2);
  stop(&rig);
}

static void symbols_beyond_the_instrument_table_are_a_limit(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  for (int i = 0; i < 17; i++) {
    char text[256];
    snprintf(text, sizeof(text),
             "{\"u\":1,\"s\":\"S%d\",\"b\":\"1\",\"B\":\"1\",\"a\":\"1\",\"A\":\"1\"}", i);
    assert_int_equal(feed_text(text), i < 16 ? TF_VERDICT_DATA : TF_VERDICT_REJECTED);
  }
  assert_int_equal(rig.counts.rejected[TF_REJECT_LIMIT], 1);
  stop(&rig);
}

/* ---- events ---- */

static void a_trade_is_published_as_sent(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  assert_int_equal(feed_text("{\"stream\":\"btcusdt@trade\",\"data\":" TRADE(3735683259) "}"),
                   TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 1);
  const tf_event_t *e = &rig.events[0];
  assert_int_equal(e->kind, TF_EVENT_TRADE);
  assert_int_equal(e->flags, TF_FLAG_LAST | TF_FLAG_SIDE); /* the buyer was the maker: SELL */
  assert_true(e->ts_event_ns == UINT64_C(1723161255342000000));
  assert_true(e->ts_recv_ns == RECV_NS);
  assert_int_equal(e->ingest_seq, 0);
  assert_int_equal(e->u.trade.price, 6183763000000);
  assert_int_equal(e->price_exp, -8);
  assert_int_equal(e->u.trade.qty, 2);
  assert_int_equal(e->qty_exp, -2);
  assert_int_equal(e->u.trade.id, 3735683259u);
  stop(&rig);
}

static void a_quote_brings_both_sides_to_one_exponent(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  assert_int_equal(
      feed_text("{\"u\":1,\"s\":\"BTCUSDT\",\"b\":\"10.5\",\"B\":\"3\",\"a\":\"10.625\",\"A\":"
                "\"1.25\"}"),
      TF_VERDICT_DATA);
  const tf_event_t *e = &rig.events[0];
  assert_int_equal(e->u.quote.bid_price, 10500);
  assert_int_equal(e->u.quote.ask_price, 10625);
  assert_int_equal(e->price_exp, -3);
  assert_int_equal(e->u.quote.bid_qty, 300);
  assert_int_equal(e->u.quote.ask_qty, 125);
  assert_int_equal(e->ts_event_ns, 0);
  assert_int_equal(e->flags, TF_FLAG_LAST); /* no time is no bad time */
  stop(&rig);
}

static void a_first_delta_says_syncing_and_asks_for_a_snapshot_once(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  assert_int_equal(feed_text(DELTA(10, 12)), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 4);
  assert_int_equal(rig.events[0].kind, TF_EVENT_STATUS);
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_SYNCING);
  assert_int_equal(rig.out.resync_cnt, 1);
  for (uint32_t i = 1; i < 4; i++) {
    const tf_event_t *e = &rig.events[i];
    assert_int_equal(e->kind, TF_EVENT_BOOK);
    assert_int_equal(e->flags, (i > 1 ? TF_FLAG_SIDE : 0) | (i == 3 ? TF_FLAG_LAST : 0));
    assert_int_equal(e->u.level.level_idx, i - 1);
    assert_int_equal(e->u.level.level_cnt, 3);
    assert_int_equal(e->u.level.venue_seq, 12);
  }
  feed_text(DELTA(13, 14));
  assert_int_equal(rig.out.event_cnt, 3);
  assert_int_equal(rig.out.resync_cnt, 0);
  assert_int_equal(rig.counts.resyncs, 0);
  stop(&rig);
}

static void a_snapshot_is_published_before_the_status_that_makes_the_book_ok(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(DELTA(10, 12));
  feed_text(DELTA(13, 14));
  assert_int_equal(feed_rest("/api/v3/depth?symbol=BTCUSDT&limit=5000", SNAPSHOT(12)),
                   TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 3);
  assert_int_equal(rig.events[0].flags, TF_FLAG_SNAPSHOT);
  assert_int_equal(rig.events[1].flags, TF_FLAG_SNAPSHOT | TF_FLAG_SIDE);
  assert_int_equal(rig.events[1].u.level.venue_seq, 12);
  assert_int_equal(rig.events[2].kind, TF_EVENT_STATUS);
  assert_int_equal(rig.events[2].flags, TF_FLAG_LAST);
  assert_int_equal(rig.events[2].u.status.book_state, TF_BOOK_OK);
  assert_int_equal(rig.events[2].u.status.apply_from, 14);
  assert_int_equal(rig.counts.bridged_out_levels, 3);
  stop(&rig);
}

static void a_gap_comes_before_its_levels_and_they_are_marked_until_resynced(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(DELTA(10, 12));
  feed_text(SNAPSHOT(11));
  feed_text(DELTA(15, 16));
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.events[0].u.status.gap_first, 13);
  assert_int_equal(rig.events[0].u.status.gap_last, 14);
  assert_int_equal(rig.events[1].flags, TF_FLAG_BAD_BOOK);
  assert_int_equal(rig.out.resync_cnt, 1);
  assert_int_equal(rig.counts.gaps, 1);
  assert_int_equal(rig.counts.resyncs, 1);
  feed_text(DELTA(17, 17));
  assert_int_equal(rig.events[0].flags, TF_FLAG_BAD_BOOK);
  feed_text(SNAPSHOT(12)); /* still too old: published, marked, and asked for again */
  assert_int_equal(rig.out.event_cnt, 2);
  assert_int_equal(rig.events[0].flags, TF_FLAG_SNAPSHOT | TF_FLAG_BAD_BOOK);
  assert_int_equal(rig.events[1].flags & TF_FLAG_LAST, TF_FLAG_LAST);
  assert_int_equal(rig.out.resync_cnt, 1);
  feed_text(SNAPSHOT(16));
  assert_int_equal(rig.events[2].u.status.book_state, TF_BOOK_OK);
  feed_text(DELTA(18, 18));
  assert_int_equal(rig.events[0].flags, 0);
  stop(&rig);
}

static void repeats_are_counted_and_not_published(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(DELTA(10, 12));
  feed_text(SNAPSHOT(11));
  assert_int_equal(feed_text(DELTA(10, 12)), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 0);
  assert_int_equal(feed_text(SNAPSHOT(11)), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 0);
  feed_text(TRADE(100));
  assert_int_equal(feed_text(TRADE(100)), TF_VERDICT_DATA);
  assert_int_equal(rig.out.event_cnt, 0);
  assert_int_equal(rig.counts.duplicates, 3);
  assert_int_equal(rig.counts.events[TF_EVENT_TRADE], 1);
  check_ledger(&rig);
  stop(&rig);
}

static void a_late_trade_is_published_once_if_it_is_among_the_last_64(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(TRADE(1000));
  feed_text(TRADE(1064));
  feed_text(TRADE(1001)); /* 63 back, never seen */
  assert_int_equal(rig.out.event_cnt, 1);
  feed_text(TRADE(1001));
  assert_int_equal(rig.out.event_cnt, 0);
  feed_text(TRADE(1000)); /* 64 back: beyond what is kept */
  assert_int_equal(rig.out.event_cnt, 0);
  assert_int_equal(rig.counts.duplicates, 2);
  feed_text(TRADE(1200)); /* everything before is forgotten, not seen */
  feed_text(TRADE(1199));
  assert_int_equal(rig.out.event_cnt, 1);
  stop(&rig);
}

static void ids_missed_during_a_reconnect_are_no_gap_and_repeats_still_are(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(TRADE(100));
  feed_text(TRADE(103));
  assert_int_equal(rig.counts.gaps, 1);
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  feed_text(TRADE(103)); /* the venue replays the last one */
  assert_int_equal(rig.counts.duplicates, 1);
  feed_text(TRADE(110));
  assert_int_equal(rig.counts.gaps, 1);
  feed_text(TRADE(112));
  assert_int_equal(rig.counts.gaps, 2);
  stop(&rig);
}

static void book_that_is_lost_from_outside_is_bridged_to_a_snapshot_anew(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(DELTA(1, 2));
  rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out); /* it has no snapshot: nothing to lose */
  assert_int_equal(rig.out.event_cnt, 4);
  feed_rest("/api/v3/depth?symbol=BTCUSDT", SNAPSHOT(1));
  feed_text(DELTA(3, 4));
  assert_int_equal(rig.events[0].flags & TF_FLAG_BAD_BOOK, 0);
  rig.out.event_cnt = rig.out.resync_cnt = 0;
  rig.feed->lose_book(rig.state, 0, RECV_NS, &rig.out);
  assert_int_equal(rig.out.event_cnt, 1);
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_GAP);
  assert_int_equal(rig.out.resync_cnt, 1);
  feed_rest("/api/v3/depth?symbol=BTCUSDT", SNAPSHOT(3)); /* older than what was lost */
  assert_int_equal(rig.out.resync_cnt, 1);
  feed_text(DELTA(5, 6));
  assert_true(rig.events[0].flags & TF_FLAG_BAD_BOOK);
  assert_int_equal(rig.counts.gaps, 0); /* its sequence goes on */
  feed_rest("/api/v3/depth?symbol=BTCUSDT", SNAPSHOT(4));
  assert_int_equal(rig.events[rig.out.event_cnt - 1].u.status.book_state, TF_BOOK_OK);
  assert_int_equal(rig.events[rig.out.event_cnt - 1].u.status.apply_from, 6);
  check_ledger(&rig);
  stop(&rig);
}

static void a_channel_that_was_not_asked_for_is_ignored(void **state) {
  (void)state;
  assert_int_equal(start_with(&rig, "binance-spot", NULL, 0, TF_CHANNEL_QUOTE), TF_OK);
  assert_int_equal(feed_text(TRADE(1)), TF_VERDICT_IGNORED);
  assert_int_equal(feed_text(DELTA(1, 2)), TF_VERDICT_IGNORED);
  assert_int_equal(feed_rest("/api/v3/depth?symbol=A", SNAPSHOT(1)), TF_VERDICT_IGNORED);
  assert_int_equal(rig.out.resync_cnt, 0);
  rig.out.event_cnt = 0;
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  assert_int_equal(rig.out.event_cnt, 0); /* no books, no states of books */
  check_ledger(&rig);
  stop(&rig);
}

static void what_the_venue_complains_of_is_kept_for_the_session(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  const tf_feed_head_t *head = rig.state;
  assert_int_equal(feed_text("{\"result\":null,\"id\":1}"), TF_VERDICT_CONTROL);
  assert_int_equal(head->venue_error_cnt, 0);
  assert_int_equal(feed_text("{\"code\":2,\"msg\":\"Invalid\\nrequest\",\"id\":3}"),
                   TF_VERDICT_CONTROL);
  assert_int_equal(head->venue_error_cnt, 1);
  assert_string_equal(head->venue_error, "2 Invalid\\nrequest");
  assert_int_equal(feed_text("{\"error\":{\"code\":3,\"msg\":\"\xc3\xa9\"},\"id\":4}"),
                   TF_VERDICT_CONTROL);
  assert_string_equal(head->venue_error, "{\"code\":3,\"msg\":\"??\"}");
  assert_int_equal(feed_text("{\"e\":\"serverShutdown\",\"E\":1770123456789}"), TF_VERDICT_CONTROL);
  assert_string_equal(head->venue_error, "serverShutdown");
  static char text[2000];
  int         n = sprintf(text, "{\"msg\":\"");
  memset(text + n, 'm', 1500);
  strcpy(text + n + 1500, "\"}");
  assert_int_equal(feed_text(text), TF_VERDICT_CONTROL);
  assert_int_equal(strlen(head->venue_error), sizeof(head->venue_error) - 1);
  assert_int_equal(rig.counts.msgs_control, 5);
  stop(&rig);
}

static void ignored_types_beyond_the_table_gather_as_other(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  for (int i = 0; i < 40; i++) {
    char text[64];
    snprintf(text, sizeof(text), "{\"stream\":\"!all%d@arr\",\"data\":[]}", i);
    assert_int_equal(feed_text(text), TF_VERDICT_IGNORED);
  }
  assert_int_equal(rig.counts.ignored_type_cnt, TF_IGNORED_TYPES_MAX);
  assert_string_equal(rig.counts.ignored[TF_IGNORED_TYPES_MAX - 1].name, "other");
  assert_int_equal(rig.counts.ignored[TF_IGNORED_TYPES_MAX - 1].cnt, 40 - TF_IGNORED_TYPES_MAX + 1);
  check_ledger(&rig);
  stop(&rig);
}

static void a_connection_says_syncing_for_each_book_as_far_as_there_is_room(void **state) {
  (void)state;
  const char *symbols[] = {"A", "BTCUSDT", "C"};
  assert_int_equal(start_with(&rig, "binance-spot", symbols, 3, 7), TF_OK);
  rig.out.event_cap = 1;
  rig.feed->on_connect(rig.state, RECV_NS, &rig.out);
  assert_int_equal(rig.out.event_cnt, 1);
  assert_int_equal(rig.events[0].flags, TF_FLAG_LAST);
  assert_int_equal(rig.events[0].u.status.book_state, TF_BOOK_SYNCING);
  assert_int_equal(rig.counts.events[TF_EVENT_STATUS], 1);
  rig.out.event_cap = EVENT_CAP;
  feed_text(DELTA(1, 2)); /* its first delta says what there was no room for */
  assert_int_equal(rig.events[0].kind, TF_EVENT_STATUS);
  stop(&rig);
}

static void a_list_of_wanted_snapshots_that_is_full_is_tried_again(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(DELTA(1, 2));
  feed_text(SNAPSHOT(1));
  rig.out.event_cnt = 0;
  tf_frame_t frame  = {.recv_ns = RECV_NS};
  char       text[512];
  for (int i = 0; i < 2; i++) {
    memset(text, 0, sizeof(text));
    strcpy(text, i == 0 ? DELTA(9, 9) : DELTA(10, 10));
    frame.bytes        = text;
    frame.bytes_cnt    = (uint32_t)strlen(text);
    rig.out.resync_cnt = i == 0 ? TF_RESYNC_MAX : 0;
    memset(rig.out.resync_ids, 0xff, sizeof(rig.out.resync_ids));
    rig.feed->on_frame(rig.state, &frame, &rig.out);
    assert_int_equal(rig.out.resync_cnt, i == 0 ? TF_RESYNC_MAX : 1);
    assert_int_equal(rig.counts.resyncs, i);
  }
  stop(&rig);
}

static void events_are_appended_behind_those_that_are_there(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(TRADE(1));
  tf_event_t first     = rig.events[0];
  char       text[512] = DELTA(1, 2);
  tf_frame_t frame     = {.bytes = text, .bytes_cnt = (uint32_t)strlen(text), .recv_ns = RECV_NS};
  rig.feed->on_frame(rig.state, &frame, &rig.out);
  assert_int_equal(rig.out.event_cnt, 5);
  assert_memory_equal(&rig.events[0], &first, sizeof(first));
  stop(&rig);
}

static void asks_before_bids_and_levels_beside_data_come_out_in_order(void **state) {
  (void)state;
  start(&rig, "binance-spot");
  feed_text(DELTA(1, 2));
  feed_text(SNAPSHOT(1));
  feed_text("{\"b\":[[\"9\",\"9\"]],\"stream\":\"btcusdt@depth\",\"data\":{\"a\":[[\"3\",\"1\"],["
            "\"4\",\"1\"]],"
            "\"U\":3,\"u\":3,\"b\":[[\"1\",\"1\"],[\"2\",\"1\"],[\"1.5\",\"1\"]],\"e\":"
            "\"depthUpdate\",\"E\":"
            "1723161255208,\"s\":\"BTCUSDT\"}}");
  static const int64_t prices[] = {1, 2, 15, 3, 4};
  assert_int_equal(rig.out.event_cnt, 5);
  for (uint32_t i = 0; i < 5; i++) {
    assert_int_equal(rig.events[i].u.level.price, prices[i]);
    assert_int_equal(rig.events[i].u.level.level_idx, i);
    assert_int_equal(!!(rig.events[i].flags & TF_FLAG_SIDE), i >= 3);
  }
  stop(&rig);
}

static void coin_m_contracts_have_their_multiplier(void **state) {
  (void)state;
  start(&rig, "binance-coinm");
  feed_text("{\"e\":\"bookTicker\",\"u\":1,\"s\":\"BTCUSD_PERP\",\"b\":\"1\",\"B\":\"1\",\"a\":"
            "\"1\",\"A\":\"1\"}");
  feed_text("{\"e\":\"bookTicker\",\"u\":1,\"s\":\"ETHUSD_PERP\",\"b\":\"1\",\"B\":\"1\",\"a\":"
            "\"1\",\"A\":\"1\"}");
  assert_true(rig.instruments.rows[0].multiplier == 100.0);
  assert_true(rig.instruments.rows[1].multiplier == 10.0);
  assert_string_equal(rig.instruments.rows[0].quote_currency, "USD");
  stop(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refused_messages_publish_nothing_and_say_why),
      cmocka_unit_test(a_symbol_that_was_not_asked_for_is_refused),
      cmocka_unit_test(a_config_that_cannot_be_met_is_an_error),
      cmocka_unit_test(a_message_with_more_levels_than_there_is_room_for_is_a_limit),
      cmocka_unit_test(symbols_beyond_the_instrument_table_are_a_limit),
      cmocka_unit_test(a_trade_is_published_as_sent),
      cmocka_unit_test(a_quote_brings_both_sides_to_one_exponent),
      cmocka_unit_test(a_first_delta_says_syncing_and_asks_for_a_snapshot_once),
      cmocka_unit_test(a_snapshot_is_published_before_the_status_that_makes_the_book_ok),
      cmocka_unit_test(a_gap_comes_before_its_levels_and_they_are_marked_until_resynced),
      cmocka_unit_test(repeats_are_counted_and_not_published),
      cmocka_unit_test(a_late_trade_is_published_once_if_it_is_among_the_last_64),
      cmocka_unit_test(ids_missed_during_a_reconnect_are_no_gap_and_repeats_still_are),
      cmocka_unit_test(book_that_is_lost_from_outside_is_bridged_to_a_snapshot_anew),
      cmocka_unit_test(a_channel_that_was_not_asked_for_is_ignored),
      cmocka_unit_test(what_the_venue_complains_of_is_kept_for_the_session),
      cmocka_unit_test(ignored_types_beyond_the_table_gather_as_other),
      cmocka_unit_test(a_connection_says_syncing_for_each_book_as_far_as_there_is_room),
      cmocka_unit_test(a_list_of_wanted_snapshots_that_is_full_is_tried_again),
      cmocka_unit_test(events_are_appended_behind_those_that_are_there),
      cmocka_unit_test(asks_before_bids_and_levels_beside_data_come_out_in_order),
      cmocka_unit_test(coin_m_contracts_have_their_multiplier),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
