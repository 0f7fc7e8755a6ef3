/* How connections end, and what follows. */
#include "session_rig.h"

/* ---- ends ---- */

static void script_fin_mid_frame(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 5);
  if (idx == 0) {
    uint8_t frame[64];
    size_t  cnt = stub_frame(frame, TF_WS_TEXT, "T 99999", 7);
    stub_send(c, frame, cnt - 3);
    return; /* FIN */
  }
  stub_linger(c);
}

static void end_in_the_middle_of_a_frame_is_counted_and_the_session_reconnects(void **state) {
  (void)state;
  next_id = 0;
  begin(script_fin_mid_frame, false);
  RUN_UNTIL(seen.trades == 10);
  assert_int_equal(counts()->ends[TF_LINK_END_EOF], 1);
  assert_int_equal(source->bytes_partial, 2 + 7 - 3);
  assert_int_equal(source->connects, 2);
  assert_int_equal(source->disconnects, 1);
  /* Announced as gone, then as new, and once at the start. */
  assert_int_equal(seen.statuses, 3);
  assert_int_equal(seen.wrong_order, 0);
  assert_non_null(strstr(tf_session_trouble(source), "mid-frame"));
}

static void script_reset(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 5);
  if (idx < 3) {
    while (noted(0) < 5 * (idx + 1) && !stub_stopping(c)) usleep(1000);
    stub_reset(c);
    return;
  }
  stub_linger(c);
}

static void reset_reconnects_each_time(void **state) {
  (void)state;
  begin(script_reset, false);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (seen.trades < 20 && tf_clock_monotonic_ns() - begin_ns < 5 * TF_NS_PER_SEC) {
    poll_once();
    __atomic_store_n(&stub.note[0], seen.trades, __ATOMIC_SEQ_CST);
  }
  assert_int_equal(seen.trades, 20);
  assert_int_equal(counts()->ends[TF_LINK_END_RESET], 3);
  assert_int_equal(source->connects, 4);
}

static void script_silent(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  size_t cnt;
  if (noted(7) == 0) { /* answers one ping, then nothing any more */
    int op;
    while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_PING) {
    }
    stub_control(c, TF_WS_PONG, payload, op < 0 ? 0 : cnt);
    note(c, 0, tf_clock_monotonic_ns());
  }
  stub_linger(c);
}

static void peer_that_stops_answering_pings_is_dropped(void **state) {
  (void)state;
  config.ping_idle_ns = 30 * MS;
  config.pong_wait_ns = 60 * MS;
  begin(script_silent, false);
  RUN_UNTIL(counts()->ends[TF_LINK_END_NO_PONG] == 1);
  uint64_t took = tf_clock_monotonic_ns() - noted(0);
  assert_true(took >= 85 * MS && took < 2 * TF_NS_PER_SEC);
  RUN_UNTIL(source->connects == 2);
}

static void peer_that_never_answers_pings_gets_the_venues_own_deadline(void **state) {
  (void)state;
  config.ping_idle_ns = 10 * MS;
  config.pong_wait_ns = 20 * MS;
  config.silence_ns   = 150 * MS;
  begin(script_silent, false);
  stub.note[7] = 1;
  RUN_UNTIL(seen.trades >= 1);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  RUN_UNTIL(counts()->ends[TF_LINK_END_SILENCE] >= 1);
  assert_int_equal(counts()->ends[TF_LINK_END_NO_PONG], 0);
  assert_true(tf_clock_monotonic_ns() - begin_ns >= 140 * MS);
  assert_true(counts()->pings_tx >= 1);
}

static void script_pings_only(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  while (!stub_stopping(c)) {
    stub_control(c, TF_WS_PING, "x", 1);
    usleep(5000);
  }
}

static void venue_that_only_pings_is_stale_and_then_left(void **state) {
  (void)state;
  config.silence_ns      = 60 * MS;
  config.data_silence_ns = 200 * MS;
  begin(script_pings_only, false);
  RUN_UNTIL(source->feed_state == TF_FEED_STALE);
  assert_int_equal(source->disconnects, 0);
  RUN_UNTIL(counts()->ends[TF_LINK_END_NO_DATA] == 1);
  assert_int_equal(counts()->ends[TF_LINK_END_SILENCE], 0);
}

static void script_close_code(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx > 0) {
    stub_linger(c);
    return;
  }
  uint64_t code    = noted(7);
  uint8_t  body[2] = {(uint8_t)(code >> 8), (uint8_t)code};
  stub_control(c, TF_WS_CLOSE, body, 2);
  size_t cnt;
  int    op;
  while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_CLOSE) {
  }
  note(c, 0, op == TF_WS_CLOSE && cnt >= 2 ? (uint64_t)payload[0] << 8 | payload[1] : 1);
}

static void close_frame_is_echoed_and_its_code_decides_what_follows(void **state) {
  (void)state;
  static const struct {
    uint16_t code;
    bool     stops, late;
  } rows[] = {
      {1000, false, false},
      {1001, false, false},
      {1008, false, true },
      {1012, false, false},
      {1013, false, true },
      {3000, true,  false},
      {4001, false, false}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    begin(script_close_code, false);
    stub.note[7] = rows[i].code;
    RUN_UNTIL(counts()->ends[TF_LINK_END_PEER_CLOSE] == 1);
    RUN_UNTIL(noted(0) == rows[i].code);
    if (rows[i].stops) {
      assert_int_equal(poll_once(), E_FEED_REFUSED);
    } else if (rows[i].late) {
      assert_true(tf_session_retry_due_ns(source) > tf_clock_wall_ns() + 9 * TF_NS_PER_SEC);
    } else {
      RUN_UNTIL(source->connects == 2);
    }
    assert_int_equal(teardown(NULL), 0);
  }
}

static void script_slam(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
}

static void venue_that_accepts_and_closes_at_once_is_backed_off_from(void **state) {
  (void)state;
  random_value = UINT32_MAX;
  begin(script_slam, false);
  RUN_UNTIL(source->disconnects == 1);
  uint64_t first = tf_session_retry_due_ns(source) - tf_clock_wall_ns();
  RUN_UNTIL(source->disconnects == 4);
  uint64_t fourth = tf_session_retry_due_ns(source) - tf_clock_wall_ns();
  assert_true(first <= 8 * MS);
  assert_true(fourth > 40 * MS && fourth <= 64 * MS);
}

static void script_oversized(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx == 0) {
    memset(payload, 'x', 5000);
    stub_control(c, TF_WS_TEXT, payload, 5000);
    size_t cnt;
    int    op;
    while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_CLOSE) {
    }
    note(c, 0, op == TF_WS_CLOSE ? (uint64_t)payload[0] << 8 | payload[1] : 1);
  }
  stub_linger(c);
}

static void message_over_the_limit_is_refused_with_its_close_code(void **state) {
  (void)state;
  begin(script_oversized, false);
  RUN_UNTIL(counts()->ends[TF_LINK_END_PROTOCOL] == 1);
  RUN_UNTIL(noted(0) == TF_WS_CLOSE_TOO_BIG);
  RUN_UNTIL(source->connects == 2 && seen.trades == 2);
  assert_true(source->bytes_rejected > 0);
  assert_non_null(strstr(tf_session_trouble(source), "message_bytes"));
}

static void script_wait_for_close(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  size_t cnt;
  int    op;
  while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_CLOSE) {
  }
  note(c, 0, op == TF_WS_CLOSE ? (uint64_t)payload[0] << 8 | payload[1] : 1);
}

static void stop_says_goodbye_and_ends_the_source(void **state) {
  (void)state;
  for (int tls = 0; tls < 2; tls++) {
    if (tls) {
      config.plain   = false;
      config.ca_file = cert;
      config.host    = "venue.test";
    }
    seen.trades = 0;
    begin(script_wait_for_close, tls);
    RUN_UNTIL(seen.trades == 1);
    source->ops->stop(source);
    int work = 0;
    for (int i = 0; i < 2000 && work != TF_SOURCE_DONE; i++) work = poll_once();
    assert_int_equal(work, TF_SOURCE_DONE);
    RUN_UNTIL(noted(0) == TF_WS_CLOSE_NORMAL);
    assert_int_equal(counts()->ends[TF_LINK_END_STOPPED], 1);
    assert_int_equal(teardown(NULL), 0);
  }
}

static void lane_that_was_held_up_does_not_blame_the_peer(void **state) {
  (void)state;
  config.ping_idle_ns    = 20 * MS;
  config.pong_wait_ns    = 150 * MS;
  config.silence_ns      = 200 * MS;
  config.data_silence_ns = 3600 * TF_NS_PER_SEC;
  begin(script_silent, false);
  RUN_UNTIL(seen.trades == 1);
  source->ops->poll(source, tf_clock_wall_ns() + 10 * TF_NS_PER_SEC);
  source->ops->poll(source, tf_clock_wall_ns() + 10 * TF_NS_PER_SEC);
  assert_int_equal(source->disconnects, 0);
  /* It is no excuse for ever. */
  for (uint64_t ahead = 20; ahead <= 60; ahead += 10)
    source->ops->poll(source, tf_clock_wall_ns() + ahead * TF_NS_PER_SEC);
  assert_int_equal(source->disconnects, 1);
}

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      T(end_in_the_middle_of_a_frame_is_counted_and_the_session_reconnects),
      T(reset_reconnects_each_time),
      T(peer_that_stops_answering_pings_is_dropped),
      T(peer_that_never_answers_pings_gets_the_venues_own_deadline),
      T(venue_that_only_pings_is_stale_and_then_left),
      T(close_frame_is_echoed_and_its_code_decides_what_follows),
      T(venue_that_accepts_and_closes_at_once_is_backed_off_from),
      T(message_over_the_limit_is_refused_with_its_close_code),
      T(stop_says_goodbye_and_ends_the_source),
      T(lane_that_was_held_up_does_not_blame_the_peer),
  };
  int failed = RUN_SESSION_TESTS(TF_IO_AUTO, "session, ends", tests);
  /* The loops themselves are held to one contract by test_io: here the course of things and the
   * ends suffice. */
  const struct CMUnitTest on_epoll[] = {
      T(end_in_the_middle_of_a_frame_is_counted_and_the_session_reconnects),
      T(reset_reconnects_each_time),
      T(message_over_the_limit_is_refused_with_its_close_code),
      T(stop_says_goodbye_and_ends_the_source),
  };
  failed += RUN_SESSION_TESTS(TF_IO_EPOLL, "session, ends, epoll", on_epoll);
  return session_rig_stop(failed);
}
