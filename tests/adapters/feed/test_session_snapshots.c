/* Snapshots by REST, and TLS on both ways. */
#include "session_rig.h"

/* ---- snapshots ---- */

static void script_snapshots(stub_conn_t *c, const char *target, uint32_t idx) {
  if (strncmp(target, "/snap", 5) == 0) {
    note(c, (int)idx < 6 ? (int)idx : 6, tf_clock_monotonic_ns());
    if (idx < noted(7)) {
      stub_answer(c, 429, "Retry-After: 1\r\n", "too many");
    } else {
      stub_answer(c, 200, NULL, "S 77");
    }
    stub_linger(c);
    return;
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  /* In one segment: the second comes while the first still waits for its turn. */
  uint8_t frames[32];
  size_t  cnt = stub_frame(frames, TF_WS_TEXT, "R 3", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "R 3", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "R 4", 3);
  __atomic_fetch_add(&c->stub->ws_bytes, cnt, __ATOMIC_SEQ_CST);
  stub_send(c, frames, cnt);
  trades(c, 3);
  stub_linger(c);
}

static void wanted_snapshots_are_fetched_and_published(void **state) {
  (void)state;
  config.rest_gap_ns = 50 * MS;
  begin(script_snapshots, false);
  RUN_UNTIL(seen.trades == 3);
  RUN_UNTIL(seen.books == 2);
  run_for(3 * MS);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
  assert_int_equal(requests(1), 2);
  assert_true(noted(1) - noted(0) >= 45 * MS);
  assert_int_equal(counts()->snapshots_taken, 2);
  assert_int_equal(counts()->snapshots_failed, 0);
  assert_int_equal(seen.tap_http, 2);
  assert_int_equal(source->bytes_rx,
                   __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST) + 2 * strlen("S 77"));
}

static void too_many_requests_are_answered_with_patience(void **state) {
  (void)state;
  begin(script_snapshots, false);
  stub.note[7] = 1;
  RUN_UNTIL(seen.trades == 3);
  RUN_UNTIL(counts()->snapshots_failed == 1);
  run_for(2 * MS);
  assert_int_not_equal(source->feed_state, TF_FEED_LIVE);
  RUN_UNTIL(seen.books == 2);
  assert_true(noted(1) - noted(0) >= 950 * MS);
}

static void snapshot_that_the_feed_refuses_is_asked_for_again(void **state) {
  (void)state;
  begin(script_snapshots, false);
  fake_verdict_http_rejects = 2;
  RUN_UNTIL(seen.books == 2);
  assert_int_equal(counts()->snapshots_failed, 2);
  assert_int_equal(requests(1), 4);
}

static void script_snapshot_late(stub_conn_t *c, const char *target, uint32_t idx) {
  if (strncmp(target, "/snap", 5) == 0) {
    while (noted(0) == 0 && !stub_stopping(c)) usleep(1000);
    stub_answer(c, 200, NULL, "S 77");
    stub_linger(c);
    return;
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  if (idx == 0) {
    stub_text(c, "R 3");
    while (__atomic_load_n(&c->stub->request_cnt[1], __ATOMIC_SEQ_CST) == 0 && !stub_stopping(c))
      usleep(1000);
    return; /* gone while the snapshot is under way */
  }
  trades(c, 1);
  stub_linger(c);
}

static void snapshot_asked_for_on_a_connection_that_is_gone_is_dropped(void **state) {
  (void)state;
  begin(script_snapshot_late, false);
  RUN_UNTIL(seen.trades == 1);
  __atomic_store_n(&stub.note[0], 1, __ATOMIC_SEQ_CST);
  RUN_UNTIL(counts()->snapshots_late == 1);
  run_for(20 * MS);
  assert_int_equal(seen.books, 0);
}

/* ---- TLS ---- */

static void good_certificate_is_accepted_for_stream_and_rest(void **state) {
  (void)state;
  config.plain   = false;
  config.ca_file = cert;
  config.host    = "venue.test";
  begin(script_good, true);
  RUN_UNTIL(seen.trades == 100);
  assert_int_equal(seen.wrong_order, 0);
  assert_int_equal(source->bytes_rx, __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST));
}

static void certificate_of_another_host_is_refused(void **state) {
  (void)state;
  config.plain   = false;
  config.ca_file = cert;
  config.host    = "other.test";
  begin(script_good, true);
  RUN_UNTIL(counts()->dial_failures >= 2);
  assert_non_null(strstr(tf_session_trouble(source), "E_WIRE_TLS_VERIFY"));
  assert_int_equal(source->connects, 0);
  assert_int_equal(requests(0), 0);
}

static void script_tls_cut(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx > 0) stub_linger(c);
}

static void stream_cut_without_close_notify_is_a_loss(void **state) {
  (void)state;
  config.plain   = false;
  config.ca_file = cert;
  config.host    = "venue.test";
  begin(script_tls_cut, true);
  RUN_UNTIL(counts()->ends[TF_LINK_END_TLS] == 1);
  assert_non_null(strstr(tf_session_trouble(source), "E_WIRE_TLS_TRUNCATED"));
  RUN_UNTIL(source->connects == 2 && seen.trades == 2);
}

int main(void) {
  if (!session_rig_start()) return 1;
  const struct CMUnitTest tests[] = {
      T(wanted_snapshots_are_fetched_and_published),
      T(too_many_requests_are_answered_with_patience),
      T(snapshot_that_the_feed_refuses_is_asked_for_again),
      T(snapshot_asked_for_on_a_connection_that_is_gone_is_dropped),
      T(good_certificate_is_accepted_for_stream_and_rest),
      T(certificate_of_another_host_is_refused),
      T(stream_cut_without_close_notify_is_a_loss),
  };
  int failed = RUN_SESSION_TESTS(TF_IO_AUTO, "session, snapshots", tests);
  /* The loops themselves are held to one contract by test_io: here the course of things and the
   * ends suffice. */
  const struct CMUnitTest on_epoll[] = {
      T(good_certificate_is_accepted_for_stream_and_rest),
  };
  failed += RUN_SESSION_TESTS(TF_IO_EPOLL, "session, snapshots, epoll", on_epoll);
  return session_rig_stop(failed);
}
