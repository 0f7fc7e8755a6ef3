/* What a session does for books whose snapshots come in band, and for silent subscriptions. */
#include "session_rig.h"

/* Sends what note[7] picks behind the acknowledgements; then notes each text of the client's: how many
 * came (note 0), when the first and the last (1, 2). */
static const char *first_texts[4];
static uint32_t    requests_first; /* so many requests are waited for before */

static void script_listen(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  static _Thread_local uint8_t payload[65536];
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  for (uint32_t got = 0; got < requests_first;) {
    size_t cnt;
    int    op = stub_recv(c, payload, &cnt);
    if (op < 0 || op == TF_WS_CLOSE) return;
    got += op == TF_WS_TEXT;
  }
  for (int i = 0; i < 4 && first_texts[i] && idx == 0; i++) stub_text(c, first_texts[i]);
  for (;;) {
    size_t cnt;
    int    op = stub_recv(c, payload, &cnt);
    if (op < 0 || op == TF_WS_CLOSE) return;
    if (op != TF_WS_TEXT) continue;
    uint64_t now_ns = tf_clock_monotonic_ns();
    note(c, 0, noted(0) + 1);
    if (noted(1) == 0) note(c, 1, now_ns);
    note(c, 2, now_ns);
    note(c, 3, cnt == 6 && memcmp(payload, "RE 0 1", 6) == 0);
    note(c, 4, noted(4) + (cnt == 4 && memcmp(payload, "pong", 4) == 0));
  }
}

static int setup_in_band(void **state) {
  setup(state);
  memset(first_texts, 0, sizeof first_texts);
  requests_first            = 0;
  fake.snapshot_target      = NULL;
  fake.sequences_are_shared = false;
  return 0;
}

static tf_instrument_t  rows[4];
static tf_instruments_t table = {.rows = rows, .cap = 4, .cnt = 4};

/* Books of these. */
static void with_table(const char *const *symbols, uint32_t symbol_cnt) {
  config.feed_config.symbols    = symbols;
  config.feed_config.symbol_cnt = symbol_cnt;
  config.feed_config.channels   = TF_CHANNEL_BOOK;
  for (uint32_t i = 0; i < 4; i++) snprintf(rows[i].name, sizeof rows[i].name, "S%u.FAKE", i);
  config.feed_config.instruments = &table;
}

static void resync_in_band_sends_the_feeds_texts_at_the_venues_pace(void **state) {
  (void)state;
  with_table((const char *const[]){"s3"}, 1);
  fake.subscribe_rate_hz_max = 20;
  first_texts[0]             = "T 1";
  first_texts[1]             = "R 3";
  first_texts[2]             = "R 3"; /* wanted already */
  requests_first             = 1;
  begin(script_listen, false);
  RUN_UNTIL(noted(0) == 2);
  assert_true(noted(2) - noted(1) >= 45 * MS);
  assert_int_equal(noted(3), 1);
  run_for(150 * MS);
  assert_int_equal(noted(0), 2);
  assert_int_equal(counts()->streams.resyncs, 1);
  assert_int_equal(source->disconnects, 0);
}

static void resync_of_a_feed_without_requests_is_another_connection(void **state) {
  (void)state;
  with_table((const char *const[]){"S3"}, 1);
  fake.request   = NULL;
  first_texts[0] = "R 3";
  begin(script_listen, false);
  RUN_UNTIL(counts()->ends[TF_LINK_END_SEQUENCE] == 1);
  RUN_UNTIL(source->connects == 2);
}

static void broken_sequence_of_a_connection_is_another_connection(void **state) {
  (void)state;
  first_texts[0] = "G";
  begin(script_listen, false);
  RUN_UNTIL(counts()->ends[TF_LINK_END_SEQUENCE] == 1);
  RUN_UNTIL(source->connects == 2);
  run_for(50 * MS);
  assert_int_equal(source->disconnects, 1);
}

static void what_the_venue_wants_back_goes_out_at_once(void **state) {
  (void)state;
  first_texts[0] = "P";
  begin(script_listen, false);
  RUN_UNTIL(noted(4) == 1);
  run_for(20 * MS);
  assert_int_equal(noted(0), 1);
}

static char texts_heard[8][16];

/* Sends what the feed asks for and its heartbeat in one segment, and keeps what comes. */
static void script_requests(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  static const char *const     said[] = {"Q 1", "Q 2", "Q 1", "Q 3", "Q 2", "P", "P"};
  (void)target, (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  uint8_t frames[128];
  size_t  at = 0, cnt;
  for (size_t i = 0; i < TF_ARRAY_CNT(said); i++)
    at += stub_frame(frames + at, TF_WS_TEXT, said[i], strlen(said[i]));
  __atomic_fetch_add(&c->stub->ws_bytes, at, __ATOMIC_SEQ_CST);
  stub_send(c, frames, at);
  for (uint64_t n = 0; n < TF_ARRAY_CNT(texts_heard);) {
    int op = stub_recv(c, payload, &cnt);
    if (op < 0 || op == TF_WS_CLOSE) return;
    if (op != TF_WS_TEXT || cnt >= sizeof texts_heard[0]) continue;
    memcpy(texts_heard[n], payload, cnt);
    note(c, 0, ++n);
  }
}

static void requests_of_the_feed_wait_in_turn_and_echoes_go_before_them(void **state) {
  (void)state;
  static const char *const expected[] = {"pong", "ASK 1", "ASK 2", "ASK 3"};
  memset(texts_heard, 0, sizeof texts_heard);
  fake.subscribe_rate_hz_max = 20;
  begin(script_requests, false);
  RUN_UNTIL(noted(0) == 4);
  run_for(150 * MS);
  assert_int_equal(noted(0), 4); /* each once, though some were wanted twice */
  for (size_t i = 0; i < TF_ARRAY_CNT(expected); i++)
    assert_string_equal(texts_heard[i], expected[i]);
}

static void a_refused_stream_is_named_and_the_feed_goes_on_without_it(void **state) {
  (void)state;
  with_table((const char *const[]){"S1", "S2"}, 2);
  config.silence_ns = 3600 * TF_NS_PER_SEC;
  requests_first    = 2;
  first_texts[0]    = "B 1";
  first_texts[1]    = "N 2";
  begin(script_listen, false);
  RUN_UNTIL(counts()->streams.refusals == 1);
  const char *trouble = tf_session_trouble(source);
  assert_string_equal(trouble, "book of S2.FAKE: refused: no such thing, asked again (try 1 of 3)");
}

static void heartbeats_in_the_venues_words_keep_their_time(void **state) {
  (void)state;
  fake.heartbeat    = fake_heartbeat;
  fake.heartbeat_ns = 40 * MS;
  begin(script_listen, false);
  RUN_UNTIL(noted(0) == 4);
  assert_true(noted(2) - noted(1) >= 110 * MS);
  assert_true(counts()->heartbeats_tx >= 4);
}

/* The deadline is of time that the session is told: it is told of half a minute at once. */
static void book_that_does_not_come_is_asked_for_again_and_at_last_given_up(void **state) {
  (void)state;
  with_table((const char *const[]){"s1", "S2"}, 2);
  config.silence_ns = 3600 * TF_NS_PER_SEC;
  first_texts[0]    = "B 1"; /* the other is acknowledged and silent */
  first_texts[1]    = "Y 2";
  begin(script_listen, false);
  RUN_UNTIL(source->counts.msgs_data == 1 && source->counts.msgs_control == 3);
  run_for(5 * MS);
  assert_int_equal(source->feed_state, TF_FEED_SYNCING);
  assert_int_equal(counts()->streams.silent_asked, 0);
  uint64_t base_ns = tf_clock_wall_ns();
  for (uint64_t round = 1; round <= 3; round++) {
    uint64_t begin_ns = tf_clock_monotonic_ns();
    while (counts()->streams.resyncs < round &&
           tf_clock_monotonic_ns() - begin_ns < 2 * TF_NS_PER_SEC)
      source->ops->poll(source,
                        base_ns + round * 70 * TF_NS_PER_SEC + tf_clock_monotonic_ns() - begin_ns);
    assert_int_equal(counts()->streams.resyncs, round);
    assert_int_equal(counts()->streams.silent_asked, round);
  }
  assert_non_null(strstr(tf_session_trouble(source), "S2.FAKE"));
  assert_int_equal(source->feed_state, TF_FEED_SYNCING);
  for (int i = 0; i < 5; i++)
    source->ops->poll(source, base_ns + 400 * TF_NS_PER_SEC + (uint64_t)i * 10 * MS);
  assert_int_equal(counts()->streams.silent, 1);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
}

#define B(name) cmocka_unit_test_setup_teardown(name, setup_in_band, teardown)

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      B(resync_in_band_sends_the_feeds_texts_at_the_venues_pace),
      B(resync_of_a_feed_without_requests_is_another_connection),
      B(broken_sequence_of_a_connection_is_another_connection),
      B(what_the_venue_wants_back_goes_out_at_once),
      B(requests_of_the_feed_wait_in_turn_and_echoes_go_before_them),
      B(a_refused_stream_is_named_and_the_feed_goes_on_without_it),
      B(heartbeats_in_the_venues_words_keep_their_time),
      B(book_that_does_not_come_is_asked_for_again_and_at_last_given_up),
  };
  return session_rig_stop(RUN_SESSION_TESTS(TF_IO_AUTO, "session, books", tests));
}
