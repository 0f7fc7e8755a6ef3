/* From one connection to the next without a break. */
#include "session_stream.h"

/* ---- a life that ends ---- */

static void send_stream(stub_conn_t *c, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  uint64_t                     begin_ns = load(&stream_ns), id = begin_ns / TRADE_EVERY_NS;
  while (!stub_stopping(c)) {
    uint64_t now_ns = load(&stream_ns);
    while (id * TRADE_EVERY_NS + load(&late_of[idx]) <= now_ns) {
      char text[32];
      snprintf(text, sizeof text, "T %llu", (unsigned long long)++id);
      stub_text(c, text);
    }
    store(&sent_ns[idx], id * TRADE_EVERY_NS);
    if (noted(1) && idx % 3 == 2 && now_ns - begin_ns > 20 * MS) {
      stub_text(c, "L"); /* and in a while it is gone */
      begin_ns = now_ns + 3600 * TF_NS_PER_SEC;
    }
    usleep(100);
    size_t cnt;
    if (c->rx_cnt > c->rx_at || recv(c->fd, payload, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
      if (stub_recv(c, payload, &cnt) == TF_WS_CLOSE)
        note(c, 0, (uint64_t)payload[0] << 8 | payload[1]);
      return;
    }
  }
}

static void script_stream(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  uint64_t rng = 0x9e3779b97f4a7c15u * (idx + 1);
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  idx %= CONNS;
  store(&late_of[idx], (rng >> 33) % (LATE_US_MAX * TF_NS_PER_US));
  store(&sent_ns[idx], load(&stream_ns));
  store(&is_sending[idx], 1);
  send_stream(c, idx);
  store(&is_sending[idx], 0);
}

static void fresh_connection_takes_over_before_the_old_one_is_cut(void **state) {
  (void)state;
  fake.session_life_ns_max = 150 * MS;
  config.rollover_lead_ns  = 100 * MS;
  config.overlap_ns        = 20 * MS;
  begin_stream();
  begin(script_stream, false);
  uint64_t last_ns = 0, gap_ns = 0, last = 0;
  while (counts()->rollovers < 4 && load(&stream_ns) < 5 * TF_NS_PER_SEC) {
    poll_stream();
    uint64_t now_ns = load(&stream_ns);
    if (seen.trades == last) continue;
    if (last > 0 && now_ns - last_ns > gap_ns) gap_ns = now_ns - last_ns;
    last_ns = now_ns;
    last    = seen.trades;
  }
  assert_int_equal(counts()->rollovers, 4);
  STREAM_UNTIL(noted(0) == TF_WS_CLOSE_NORMAL);
  assert_true(counts()->ends[TF_LINK_END_REPLACED] >= 3);
  assert_int_equal(source->disconnects, counts()->ends[TF_LINK_END_REPLACED]);
  assert_int_equal(seen.statuses, 1); /* sequences go on: the feed is not told */
  /* Trades kept coming: a break would last as long as a reconnect takes. */
  assert_int_equal(seen.wrong_order, 0);
  assert_true(gap_ns < 50 * MS);
}

static void script_in_band(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  trades(c, 3); /* before any acknowledgement */
  if (!acks(c, 2)) return;
  stub_linger(c);
}

static void
successor_of_a_venue_with_snapshots_in_band_is_heard_from_its_first_message(void **state) {
  (void)state;
  fake.session_life_ns_max  = 4 * TF_NS_PER_SEC;
  fake.snapshot_target      = NULL;
  fake.sequences_are_shared = false;
  config.rollover_lead_ns   = 4 * TF_NS_PER_SEC - 30 * MS;
  config.take_over_ns_max   = 100 * MS; /* its book never comes */
  begin(script_in_band, false);
  RUN_UNTIL(counts()->rollovers == 1);
  fake.session_life_ns_max = 0;
  RUN_UNTIL(seen.trades == 6);
}

/* The first connection ends while its successor is being dialled; the successor's upgrade waits for
 * that. */
static void script_cut_during_rollover(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  if (idx == 1) {
    note(c, 0, 1);
    while (noted(1) == 0 && !stub_stopping(c)) usleep(1000);
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx == 0) {
    while (noted(0) == 0 && !stub_stopping(c)) usleep(1000);
    return;
  }
  stub_linger(c);
}

static void connection_that_dies_during_rollover_is_followed_by_the_successor(void **state) {
  (void)state;
  fake.session_life_ns_max = 4 * TF_NS_PER_SEC;
  config.rollover_lead_ns  = 4 * TF_NS_PER_SEC - 30 * MS;
  begin(script_cut_during_rollover, false);
  RUN_UNTIL(source->disconnects == 1);
  assert_int_equal(counts()->ends[TF_LINK_END_EOF], 1);
  __atomic_store_n(&stub.note[1], 1, __ATOMIC_SEQ_CST);
  fake.session_life_ns_max = 0; /* no further rollover */
  RUN_UNTIL(seen.trades == 2);
  run_for(100 * MS);
  assert_int_equal(requests(0), 2);
  assert_int_equal(source->connects, 2);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
}

/* ---- books of a connection's own ---- */

static char story[256]; /* what was published, a letter each: v snapshot, u change, O S G states */

static void on_story(void *self, const tf_batch_t *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    const tf_event_t *e  = &batch->events[i];
    size_t            at = strlen(story);
    if (at + 1 >= sizeof story) return;
    if (e->kind == TF_EVENT_STATUS) story[at] = "OSG???"[e->u.status.book_state];
    if (e->kind == TF_EVENT_BOOK) story[at] = e->flags & TF_FLAG_SNAPSHOT ? 'v' : 'u';
  }
}

/* Each connection has its own numbers; its snapshot is asked for, and the second's comes late. */
static void script_books(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  size_t cnt = 0;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  while (cnt < 6 || memcmp(payload, "RE 0 1", 6) != 0)
    if (stub_recv(c, payload, &cnt) < 0) return;
  if (idx == 1) usleep(100 * 1000);
  stub_text(c, idx == 0 ? "V 5" : "V 905");
  stub_text(c, idx == 0 ? "U 6" : "U 906");
  note(c, (int)idx, 1);
  if (idx == 0) {
    while (noted(2) == 0 && !stub_stopping(c)) usleep(1000);
    stub_text(c, "U 7"); /* the old one goes on meanwhile */
  }
  stub_linger(c);
}

static void book_moves_to_the_successor_at_its_snapshot_without_a_gap(void **state) {
  (void)state;
  static tf_instrument_t   row       = {.name = "S0.FAKE"};
  static tf_instruments_t  table     = {.rows = &row, .cap = 1, .cnt = 1};
  static const char *const symbols[] = {"s0"};
  memset(story, 0, sizeof story);
  fake.session_life_ns_max = 4 * TF_NS_PER_SEC;
  fake.snapshot_target     = NULL;
  fake_shares = fake.sequences_are_shared = false;
  config.rollover_lead_ns                 = 4 * TF_NS_PER_SEC - 60 * MS;
  config.overlap_ns                       = 20 * MS;
  config.tap                              = (tf_tap_t){0};
  config.feed_config                      = (tf_feed_config_t){
                           .symbols = symbols, .symbol_cnt = 1, .channels = TF_CHANNEL_BOOK, .instruments = &table};
  begin(script_books, false);
  source->publisher = (tf_publisher_t){.publish = on_story};
  RUN_UNTIL(source->connects == 2);
  assert_string_equal(story, "SvOu");
  __atomic_store_n(&stub.note[2], 1, __ATOMIC_SEQ_CST);
  RUN_UNTIL(strlen(story) > 4);
  assert_int_equal(counts()->rollovers, 0); /* the newcomer has no book yet */
  RUN_UNTIL(counts()->ends[TF_LINK_END_REPLACED] == 1);
  RUN_UNTIL(strlen(story) == 8);
  assert_string_equal(story, "SvOu"
                             "u"
                             "vOu");
  assert_int_equal(source->counts.merged, 1); /* the newcomer's SYNCING */
  fake.session_life_ns_max = 0;
}

/* A book that never comes holds the old connection for so long and no longer. */
static void script_no_book(stub_conn_t *c, const char *target, uint32_t idx) {
  if (idx == 0) {
    script_books(c, target, idx);
    return;
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  stub_linger(c);
}

static void successor_without_the_book_takes_over_in_the_end(void **state) {
  (void)state;
  static tf_instrument_t   row       = {.name = "S0.FAKE"};
  static tf_instruments_t  table     = {.rows = &row, .cap = 1, .cnt = 1};
  static const char *const symbols[] = {"s0"};
  memset(story, 0, sizeof story);
  fake.session_life_ns_max = 4 * TF_NS_PER_SEC;
  fake.snapshot_target     = NULL;
  fake_shares = fake.sequences_are_shared = false;
  fake.lose_book                          = fake_lose;
  config.rollover_lead_ns                 = 4 * TF_NS_PER_SEC - 60 * MS;
  config.overlap_ns                       = 20 * MS;
  config.take_over_ns_max                 = 200 * MS;
  config.tap                              = (tf_tap_t){0};
  config.feed_config                      = (tf_feed_config_t){
                           .symbols = symbols, .symbol_cnt = 1, .channels = TF_CHANNEL_BOOK, .instruments = &table};
  begin(script_no_book, false);
  source->publisher = (tf_publisher_t){.publish = on_story};
  RUN_UNTIL(counts()->ends[TF_LINK_END_REPLACED] == 1);
  assert_true(source->connects >= 2);
  assert_string_equal(story, "SvOuG");
  fake.session_life_ns_max = 0;
}

/* ---- our bytes do not arrive (FAULTS F06) ---- */

/* Brings trades all the while; the first connection answers one ping and no further. */
static void script_deaf(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  for (uint32_t pongs = 0; !stub_stopping(c); usleep(1000)) {
    uint8_t byte;
    size_t  cnt;
    trades(c, 1);
    if (c->rx_cnt == c->rx_at && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) continue;
    int op = stub_recv(c, payload, &cnt);
    if (op < 0 || op == TF_WS_CLOSE) return;
    if (op == TF_WS_PING && (idx > 0 || pongs++ == 0)) stub_control(c, TF_WS_PONG, payload, cnt);
  }
}

static void peer_that_stops_to_answer_while_data_comes_is_replaced_and_not_cut(void **state) {
  (void)state;
  config.ping_idle_ns = 10 * TF_NS_PER_SEC;
  config.ping_busy_ns = 40 * MS;
  config.pong_busy_ns = 400 * MS;
  config.overlap_ns   = 20 * MS;
  begin(script_deaf, false);
  RUN_UNTIL(counts()->rollovers == 1);
  RUN_UNTIL(counts()->ends[TF_LINK_END_REPLACED] == 1);
  run_for(300 * MS);
  assert_int_equal(counts()->rollovers, 1); /* the new one answers */
  assert_int_equal(source->disconnects, 1);
  assert_true(counts()->pings_tx > 4);
}

/* ---- no trade missed, none twice ---- */

/* FAULTS F22, the life of a day in 40 to 80 ms: in each run the instants fall elsewhere. */
static void trades_are_neither_missed_nor_doubled_over_many_rollovers(void **state) {
  (void)state;
  const char    *asked     = getenv("TF_ROLLOVERS");
  const uint64_t rollovers = asked ? strtoull(asked, NULL, 10) : 60;
  fake.session_life_ns_max = 80 * MS;
  config.rollover_lead_ns  = 40 * MS;
  config.overlap_ns        = 3 * LATE_US_MAX * TF_NS_PER_US;
  config.overlap_bytes_max = 1u << 20;
  config.backoff.window_ns = MS;
  begin_stream();
  begin(script_stream, false);
  stub.note[1] = 1; /* some connections say that they will close */
  for (uint64_t n = 1; n <= rollovers; n++) STREAM_UNTIL(counts()->rollovers >= n);
  for (uint64_t until_ns = load(&stream_ns) + 30 * MS; load(&stream_ns) < until_ns;) poll_stream();
  assert_int_equal(seen.wrong_order, 0);
  assert_int_equal(source->counts.gaps, 0);
  assert_true(source->counts.duplicates > rollovers); /* the overlap did bring some twice */
  assert_int_equal(seen.last_id - seen.first_id + 1, seen.trades);
  assert_int_equal(source->disconnects, counts()->ends[TF_LINK_END_REPLACED]);
}

/* Without room to keep what the successor brings, it takes over at once. */
static void overlap_without_room_is_over_at_once(void **state) {
  (void)state;
  fake.session_life_ns_max = 4 * TF_NS_PER_SEC;
  config.rollover_lead_ns  = 4 * TF_NS_PER_SEC - 30 * MS;
  config.overlap_ns        = 60 * TF_NS_PER_SEC;
  config.overlap_bytes_max = 8;
  begin_stream();
  begin(script_stream, false);
  STREAM_UNTIL(counts()->rollovers == 1);
  fake.session_life_ns_max = 0;
  STREAM_UNTIL(counts()->ends[TF_LINK_END_REPLACED] == 1);
}

static void script_leaving(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx == 0) stub_text(c, "L");
  stub_linger(c);
}

static void venue_that_says_it_will_close_is_left_before_it_does(void **state) {
  (void)state;
  fake.session_life_ns_max = 24 * 3600 * TF_NS_PER_SEC;
  config.overlap_ns        = 20 * MS;
  begin(script_leaving, false);
  RUN_UNTIL(counts()->rollovers == 1);
  RUN_UNTIL(seen.trades == 2);
  assert_int_equal(counts()->ends[TF_LINK_END_REPLACED], 1);
  assert_int_equal(source->disconnects, 1);
}

/* The successor is heard for a minute before its messages are decoded; its heartbeat wants an echo before. */
static void script_echo(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  size_t                       cnt;
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  stub_text(c, idx == 0 ? "L" : "P");
  for (int op = 0; idx == 1 && op >= 0 && op != TF_WS_CLOSE;) {
    op = stub_recv(c, payload, &cnt);
    if (op == TF_WS_TEXT && cnt == 4 && memcmp(payload, "pong", 4) == 0) note(c, 0, 1);
  }
  stub_linger(c);
}

static void successor_answers_the_venues_heartbeat_before_it_takes_over(void **state) {
  (void)state;
  fake.session_life_ns_max = 24 * 3600 * TF_NS_PER_SEC;
  fake.echo                = fake_echo;
  config.overlap_ns        = 60 * TF_NS_PER_SEC;
  begin(script_echo, false);
  RUN_UNTIL(noted(0) == 1);
  assert_int_equal(counts()->ends[TF_LINK_END_REPLACED], 0); /* and it has not */
  assert_int_equal(seen.trades, 1);
}

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      T(fresh_connection_takes_over_before_the_old_one_is_cut),
      T(successor_of_a_venue_with_snapshots_in_band_is_heard_from_its_first_message),
      T(connection_that_dies_during_rollover_is_followed_by_the_successor),
      T(trades_are_neither_missed_nor_doubled_over_many_rollovers),
      T(overlap_without_room_is_over_at_once),
      T(venue_that_says_it_will_close_is_left_before_it_does),
      T(successor_answers_the_venues_heartbeat_before_it_takes_over),
      T(book_moves_to_the_successor_at_its_snapshot_without_a_gap),
      T(successor_without_the_book_takes_over_in_the_end),
      T(peer_that_stops_to_answer_while_data_comes_is_replaced_and_not_cut),
  };
  int failed = RUN_SESSION_TESTS(TF_IO_AUTO, "session, rollover", tests);
  /* The loops themselves are held to one contract by test_io: here the course of things and the
   * ends suffice. */
  const struct CMUnitTest on_epoll[] = {
      T(fresh_connection_takes_over_before_the_old_one_is_cut),
  };
  failed += RUN_SESSION_TESTS(TF_IO_EPOLL, "session, rollover, epoll", on_epoll);
  return session_rig_stop(failed);
}
