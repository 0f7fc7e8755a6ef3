/* What a connection that is up gives its owner before libnats: a link in that state, and what came from the server laid into it. */
#include "cmocka_tf.h"

#include <string.h>

#include "broker/nats_link.h"

static tf_nats_link_t conn;

static void up(void) {
  memset(&conn, 0, sizeof conn);
  conn.state                   = TF_NATS_LINK_UP;
  conn.takes_answers           = true;
  conn.guard.payload_bytes_max = TF_NATS_GUARD_PAYLOAD_BYTES;
  snprintf(conn.inbox, sizeof conn.inbox, "_INBOX.x.");
}

static void comes(const char *bytes, size_t cnt) {
  assert_true(conn.in_at == conn.in_end && cnt <= sizeof conn.in);
  memcpy(conn.in, bytes, cnt);
  conn.in_at  = 0;
  conn.in_end = cnt;
}

static void answers_come_whole_wherever_the_bytes_are_cut(void **state) {
  (void)state;
  static const char text[] = "MSG _INBOX.x.0 1 3\r\nabc\r\n"
                             "MSG _INBOX.x.18446744073709551615 1 0\r\n\r\n"
                             "MSG _INBOX.x.7 1 REPLY 4\r\n\r\n\r\n\r\n";
  static const struct {
    uint64_t    token;
    const char *bytes;
  } want[] = {
      {0,          "abc"     },
      {UINT64_MAX, ""        },
      {7,          "\r\n\r\n"}
  };
  for (size_t step = 1; step < sizeof text; step++) {
    tf_nats_answer_t answer;
    uint32_t         cnt = 0;
    up();
    for (size_t at = 0; at < sizeof text - 1; at += step) {
      comes(text + at, sizeof text - 1 - at < step ? sizeof text - 1 - at : step);
      for (; tf_nats_link_answer(&conn, &answer); cnt++) {
        assert_true(cnt < TF_ARRAY_CNT(want));
        assert_true(answer.token == want[cnt].token);
        assert_int_equal(answer.bytes_cnt, strlen(want[cnt].bytes));
        assert_memory_equal(answer.bytes, want[cnt].bytes, answer.bytes_cnt);
      }
    }
    assert_int_equal(cnt, TF_ARRAY_CNT(want));
    assert_int_equal(conn.state, TF_NATS_LINK_UP);
  }
}

static void what_is_no_protocol_ends_the_connection_behind_the_answers_before_it(void **state) {
  (void)state;
  static const char text[] = "MSG _INBOX.x.1 1 2\r\nok\r\nMSG _INBOX.x.2 1 -2\r\nok\r\n";
  tf_nats_answer_t  answer;
  up();
  comes(text, sizeof text - 1);
  assert_true(tf_nats_link_answer(&conn, &answer));
  assert_int_equal(answer.token, 1);
  assert_false(tf_nats_link_answer(&conn, &answer));
  assert_int_equal(conn.state, TF_NATS_LINK_DOWN);
  assert_non_null(strstr(conn.text, "message of no size"));
  assert_false(tf_nats_link_answer(&conn, &answer));
}

static void a_line_that_libnats_has_no_room_for_is_refused(void **state) {
  (void)state;
  static char line[TF_NATS_GUARD_MESSAGE_LINE_BYTES + 4];
  for (size_t cnt = TF_NATS_GUARD_MESSAGE_LINE_BYTES; cnt <= TF_NATS_GUARD_MESSAGE_LINE_BYTES + 1;
       cnt++) {
    memset(line, 'x', sizeof line);
    memcpy(line, "MSG ", 4);
    memcpy(line + cnt - 4, " 1 1\r\n", 6);
    up();
    tf_err_t err = tf_nats_guard_check(&conn.guard, line, cnt + 2);
    assert_int_equal(err, cnt <= TF_NATS_GUARD_MESSAGE_LINE_BYTES ? TF_OK : E_BROKER_IO);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_come_whole_wherever_the_bytes_are_cut),
      cmocka_unit_test(what_is_no_protocol_ends_the_connection_behind_the_answers_before_it),
      cmocka_unit_test(a_line_that_libnats_has_no_room_for_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
