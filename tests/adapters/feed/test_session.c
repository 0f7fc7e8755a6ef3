/* How a session comes up, and its ordinary course. */
#include "session_rig.h"

/* ---- refusals ---- */

static void session_without_its_parts_is_refused(void **state) {
  (void)state;
  begin(script_good, false);
  tf_source_t *other = NULL;
  tf_arena_t   small;
  assert_int_equal(tf_arena_init(&small, "small", 2u << 20), TF_OK);
  tf_session_config_t bad = config;
  bad.dialer              = NULL;
  assert_int_equal(tf_session_init(&bad, &small, &other), E_CORE_ARGUMENT);
  bad            = config;
  bad.events_cap = (1u << 24) + 1;
  assert_int_equal(tf_session_init(&bad, &small, &other), E_CORE_ARGUMENT);
  bad            = config;
  bad.events_cap = 1u << 20;
  assert_int_equal(tf_session_init(&bad, &small, &other), E_CORE_ARENA_FULL);
  bad         = config;
  bad.plain   = false;
  bad.ca_file = "/nowhere/ca.pem";
  assert_int_not_equal(tf_session_init(&bad, &small, &other), TF_OK);
  assert_null(other);
  tf_arena_fini(&small);
}

static void venue_that_cannot_be_reached_is_tried_again_with_growing_delays(void **state) {
  (void)state;
  random_value = UINT32_MAX;
  begin(NULL, false);
  uint64_t last_due = 0, bound_ns = config.backoff.base_ns;
  for (uint64_t n = 1; n <= 4; n++, bound_ns *= 2) { /* the greatest draw each time */
    RUN_UNTIL(counts()->dial_failures == n);
    uint64_t due = tf_session_retry_due_ns(source);
    assert_true(n < 2 ||
                due - last_due > bound_ns - bound_ns / 4); /* a late attempt only adds to it */
    last_due = due;
  }
  assert_non_null(strstr(tf_session_trouble(source), "E_FEED_CONNECT"));
  assert_int_equal(source->connects, 0);
}

static void name_that_does_not_resolve_is_named(void **state) {
  (void)state;
  config.host = "no.such.venue";
  begin(NULL, false);
  RUN_UNTIL(counts()->dial_failures >= 2);
  assert_non_null(strstr(tf_session_trouble(source), "E_FEED_DNS"));
}

static void script_busy(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_answer(c, 503, "Retry-After: 7\r\n", "maintenance");
  stub_linger(c);
}

static void retry_after_of_a_refused_upgrade_is_honoured(void **state) {
  (void)state;
  begin(script_busy, false);
  RUN_UNTIL(counts()->dial_failures == 1);
  assert_true(tf_session_retry_due_ns(source) >= tf_clock_wall_ns() + 6 * TF_NS_PER_SEC);
  run_for(100 * MS);
  assert_int_equal(requests(0), 1);
}

static void script_unauthorized(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_answer(c, 401, NULL, "no");
  stub_linger(c);
}

static void refused_credentials_stop_the_session_for_good(void **state) {
  (void)state;
  begin(script_unauthorized, false);
  int work = 0;
  for (int i = 0; i < 5000 && work >= 0; i++) work = poll_once();
  assert_int_equal(work, E_FEED_REFUSED);
  assert_non_null(strstr(tf_session_trouble(source), "401"));
  run_for(50 * MS);
  assert_int_equal(requests(0), 1);
  assert_int_equal(source->feed_state, TF_FEED_DOWN);
}

/* ---- the ordinary course ---- */

static void subscribes_and_publishes_what_comes(void **state) {
  (void)state;
  begin(script_good, false);
  assert_int_equal(source->feed_state, TF_FEED_CONNECTING);
  RUN_UNTIL(seen.trades == 100 && source->feed_state == TF_FEED_LIVE);
  run_for(3 * MS);
  assert_int_equal(seen.wrong_order, 0);
  assert_int_equal(seen.statuses, 1);
  assert_int_equal(counts()->subscribes_tx, 2);
  assert_int_equal(source->counts.msgs_control, 2);
  assert_int_equal(source->connects, 1);
  assert_int_equal(source->bytes_rx, __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST));
  assert_int_equal(source->bytes_framed, source->bytes_rx);
  assert_int_equal(seen.taps, 102);
  assert_int_equal(seen.tap_connects, 1);
}

static void script_glued(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  uint8_t frames[64];
  size_t  cnt = stub_frame(frames, TF_WS_TEXT, "T 1", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "T 2", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "T 3", 3);
  /* And the last one is cut: its rest comes by way of the lane. */
  stub_upgrade(c, frames, cnt - 2);
  stub_send(c, frames + cnt - 2, 2);
  __atomic_fetch_add(&c->stub->ws_bytes, 2, __ATOMIC_SEQ_CST);
  stub_linger(c);
}

static void
frames_glued_to_the_upgrade_are_published_after_the_connection_is_announced(void **state) {
  (void)state;
  for (int tls = 0; tls < 2; tls++) {
    memset(&seen, 0, sizeof seen);
    if (tls) {
      config.plain   = false;
      config.ca_file = cert;
      config.host    = "venue.test";
    }
    begin(script_glued, tls);
    RUN_UNTIL(seen.trades == 3);
    assert_int_equal(seen.statuses, 1);
    assert_int_equal(seen.last_id, 3);
    assert_int_equal(seen.wrong_order, 0);
    RUN_UNTIL(source->bytes_rx == 15);
    assert_int_equal(teardown(NULL), 0);
  }
}

static void script_paced(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  for (int i = 0; i < 4; i++) {
    size_t cnt;
    if (stub_recv(c, payload, &cnt) != TF_WS_TEXT) return;
    note(c, i, tf_clock_monotonic_ns());
  }
  stub_text(c, "T 1");
  stub_linger(c);
}

static void subscriptions_keep_to_the_venues_pace(void **state) {
  (void)state;
  fake_subscribe_cnt         = 4;
  fake.subscribe_rate_hz_max = 20;
  begin(script_paced, false);
  RUN_UNTIL(seen.trades == 1);
  /* The pace is kept where we send; the peer may see the gaps shrink by scheduling. */
  assert_true(noted(3) - noted(0) >= 130 * MS);
}

static void script_pings(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  for (int i = 0; i < 30; i++) {
    char text[8];
    int  cnt = snprintf(text, sizeof text, "p%02d", i);
    stub_control(c, TF_WS_PING, text, (size_t)cnt);
    if (i < 20) usleep(10000); /* each of them in a pass of its own */
  }
  stub_text(c, "T 1");
  size_t cnt;
  int    op;
  while ((op = stub_recv(c, payload, &cnt)) >= 0) {
    if (op != TF_WS_PONG) continue;
    note(c, 0, noted(0) + 1);
    if (cnt == 3 && memcmp(payload, "p29", 3) == 0) note(c, 1, noted(1) + 1);
  }
}

static void pings_are_answered_with_the_newest_payload_at_most_four_times_a_second(void **state) {
  (void)state;
  fake_subscribe_cnt = 0;
  begin(script_pings, false);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  RUN_UNTIL(noted(1) == 1);
  run_for(100 * MS);
  uint64_t quarters = (tf_clock_monotonic_ns() - begin_ns) / (250 * MS);
  assert_true(noted(0) >= 2 && noted(0) <= quarters + 1);
  assert_int_equal(noted(1), 1); /* and no second time */
  assert_int_equal(counts()->pings_rx, 30);
  assert_int_equal(counts()->pongs_tx, noted(0));
}

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      T(session_without_its_parts_is_refused),
      T(venue_that_cannot_be_reached_is_tried_again_with_growing_delays),
      T(name_that_does_not_resolve_is_named),
      T(retry_after_of_a_refused_upgrade_is_honoured),
      T(refused_credentials_stop_the_session_for_good),
      T(subscribes_and_publishes_what_comes),
      T(frames_glued_to_the_upgrade_are_published_after_the_connection_is_announced),
      T(subscriptions_keep_to_the_venues_pace),
      T(pings_are_answered_with_the_newest_payload_at_most_four_times_a_second),
  };
  int failed = RUN_SESSION_TESTS(TF_IO_AUTO, "session", tests);
  /* The loops themselves are held to one contract by test_io: here the course of things and the
   * ends suffice. */
  const struct CMUnitTest on_epoll[] = {
      T(subscribes_and_publishes_what_comes),
      T(frames_glued_to_the_upgrade_are_published_after_the_connection_is_announced),
  };
  failed += RUN_SESSION_TESTS(TF_IO_EPOLL, "session, epoll", on_epoll);
  return session_rig_stop(failed);
}
