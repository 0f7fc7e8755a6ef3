#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "wire/http.h"

/* The key and answer of RFC 6455 section 1.3. */
static const uint8_t rfc_nonce[16] = "the sample nonce";
#define RFC_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define RFC_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define GOOD                                                                                       \
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"              \
  "Sec-WebSocket-Accept: " RFC_ACCEPT "\r\n"

static tf_http_ws_client_t up;

static int feed(const char *text, const char *protocol, size_t cut, bool eof, size_t *taken) {
  const size_t cnt = strlen(text);
  int          rc  = TF_HTTP_MORE;
  assert_int_equal(tf_http_ws_client_init(&up, "stream.example.com", rfc_nonce, protocol), 0);
  *taken = 0;
  while (*taken < cnt && rc == TF_HTTP_MORE) {
    size_t used, n = cnt - *taken < cut ? cnt - *taken : cut;
    rc = tf_http_ws_client_feed(&up, (const uint8_t *)text + *taken, n, &used);
    *taken += used;
  }
  if (rc == TF_HTTP_MORE && eof) rc = tf_http_ws_client_eof(&up);
  return rc;
}

static void wrong_answers_are_refused_with_their_reason_at_every_split(void **state) {
  (void)state;
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define ACCEPT     "Sec-WebSocket-Accept: " RFC_ACCEPT "\r\n"
#define SWITCH     "HTTP/1.1 101 Switching Protocols\r\n"
  static const struct {
    const char *text, *word;
    /* clang-format off */
  } cases[] = {
      {SWITCH CONNECTION ACCEPT "\r\n", "no Upgrade"},
      {SWITCH UPGRADE ACCEPT "\r\n", "Connection"},
      {SWITCH UPGRADE CONNECTION "\r\n", "no Sec-WebSocket-Accept"},
      {SWITCH UPGRADE UPGRADE CONNECTION ACCEPT "\r\n", "more than one Upgrade"},
      {SWITCH UPGRADE CONNECTION ACCEPT ACCEPT "\r\n", "more than one Sec-WebSocket-Accept"},
      {SWITCH "Upgrade: h2c\r\n" CONNECTION ACCEPT "\r\n", "not websocket"},
      {SWITCH UPGRADE "Connection: keep-alive\r\n" ACCEPT "\r\n", "Connection"},
      {SWITCH UPGRADE CONNECTION "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
       "does not match"},
      {SWITCH UPGRADE CONNECTION "Sec-WebSocket-Accept: " RFC_ACCEPT "=\r\n\r\n", "does not match"},
      {GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extension"},
      {GOOD "Sec-WebSocket-Extensions:\r\n\r\n", "extension"},
      {GOOD "Sec-WebSocket-Protocol: chat\r\n\r\n", "subprotocol"},
      {GOOD "Content-Length: 5\r\n\r\n", "body"},
      {GOOD "Transfer-Encoding: chunked\r\n\r\n", "body"},
      {"HTTP/1.0 101 Switching\r\n" UPGRADE CONNECTION ACCEPT "\r\n", "HTTP/1.0"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "status 200 OK: \"hi\""},
      {"HTTP/1.1 301 Moved Permanently\r\nLocation: https://evil/\r\nContent-Length: 0\r\n\r\n",
       "status 301"},
      {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 33\r\nContent-Length: 4\r\n\r\nwait",
       "status 429 Too Many Requests, retry after 33 s: \"wait\""},
      {"HTTP/1.1 503 \r\nContent-Length: 3\r\n\r\n\x01\"\xff", "status 503 : \"...\""},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
       "status 403"},
      {"HTTP/1.1 100 a\r\n\r\nHTTP/1.1 102 b\r\n\r\nHTTP/1.1 103 c\r\n\r\nHTTP/1.1 100 d\r\n\r\n"
       "HTTP/1.1 100 e\r\n\r\n", "interim"},
      {"<html>captive portal</html>\r\n", "stream.example.com"},
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    for (size_t cut = 1; cut <= strlen(cases[i].text); cut++) {
      size_t    taken;
      const int rc = feed(cases[i].text, NULL, cut, false, &taken);
      assert_int_equal(rc, E_WIRE_HTTP);
      if (!strstr(tf_error_text(), cases[i].word))
        print_error("%s\nlacks %s\n", tf_error_text(), cases[i].word);
      assert_non_null(strstr(tf_error_text(), cases[i].word));
    }
  }
}

static void a_refusals_text_shows_at_most_128_bytes_of_its_body(void **state) {
  (void)state;
  char   text[1024];
  size_t taken;
  int    at = snprintf(text, sizeof text, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  memset(text + at, 'b', 500);
  text[at + 500] = '\0';
  assert_int_equal(feed(text, NULL, 50, false, &taken), E_WIRE_HTTP);
  const char *shown = strchr(tf_error_text(), '"');
  assert_non_null(shown);
  assert_int_equal(strspn(shown + 1, "b"), TF_HTTP_SAMPLE_BYTES);
  text[at + 20] = '\0'; /* without a length, the end of the connection ends the body */
  assert_int_equal(feed(text, NULL, 50, true, &taken), E_WIRE_HTTP);
  assert_int_equal(strspn(strchr(tf_error_text(), '"') + 1, "b"), 20);
  assert_int_equal(feed("HTTP/1.1 101 Swi", NULL, 50, true, &taken), E_WIRE_HTTP);
  assert_non_null(strstr(tf_error_text(), "after 16 bytes"));
}

static void a_good_answer_upgrades_at_every_split_and_leaves_the_frames(void **state) {
  (void)state;
  static const struct {
    const char *text, *protocol;
  } cases[] = {
      {GOOD "\r\n\x81\x01x",                                                                NULL  },
      {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" GOOD "\r\n\x81\x01x",                  NULL  },
      {GOOD "Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x01x",                                "chat"},
      {GOOD "\r\n\x81\x01x",                                                                "chat"},
      {"HTTP/1.1 101\r\nupgrade: WebSocket\r\nConnection: keep-alive\r\nconnection: uPGRADE\r\n"
       "sec-websocket-accept: " RFC_ACCEPT "\r\ncontent-length: 0\r\n\r\n\x81\x01x",
       NULL                                                                                       },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    for (size_t cut = 1; cut <= strlen(cases[i].text); cut++) {
      size_t taken;
      assert_int_equal(feed(cases[i].text, cases[i].protocol, cut, false, &taken), TF_HTTP_DONE);
      assert_string_equal(cases[i].text + taken, "\x81\x01x");
    }
  }
}

static tf_http_head_t request;

static int check_request(const char *text, const char **why) {
  size_t used;
  tf_http_head_init(&request, TF_HTTP_REQUEST);
  assert_int_equal(tf_http_head_feed(&request, (const uint8_t *)text, strlen(text), &used),
                   TF_HTTP_DONE);
  return tf_http_ws_request_check(&request, why);
}

static void wrong_requests_are_answered_with_their_status(void **state) {
  (void)state;
#define REQ_KEY  "Sec-WebSocket-Key: " RFC_KEY "\r\n"
#define REQ_VER  "Sec-WebSocket-Version: 13\r\n"
#define REQ_HOST "Host: h\r\n"
#define REQ_UP   UPGRADE CONNECTION
  static const struct {
    const char *text;
    int         status;
    /* clang-format off */
  } cases[] = {
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY REQ_VER "\r\n", 0},
      {"POST / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY REQ_VER "\r\n", 405},
      {"GET / HTTP/1.0\r\n" REQ_HOST REQ_UP REQ_KEY REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_UP REQ_KEY REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_HOST REQ_UP REQ_KEY REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST CONNECTION REQ_KEY REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST UPGRADE REQ_KEY REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY REQ_KEY REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP "Sec-WebSocket-Key: short\r\n" REQ_VER "\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP
       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n" REQ_VER "\r\n",
       400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY "\r\n", 426},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY REQ_VER "Content-Length: 3\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" REQ_HOST REQ_UP REQ_KEY REQ_VER "Transfer-Encoding: chunked\r\n\r\n",
       400},
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    const char *why = NULL;
    assert_int_equal(check_request(cases[i].text, &why), cases[i].status);
    if (cases[i].status == 0) continue;
    char      answer[1024];
    const int cnt = tf_http_ws_refuse_write(answer, sizeof answer, cases[i].status, why);
    assert_true(cnt > 0);
    assert_true(strlen(why) > 10);
    if (cases[i].status == 426)
      assert_non_null(memmem(answer, (size_t)cnt, "Sec-WebSocket-Version: 13", 25));
  }
}

static void both_sides_of_ours_shake_hands(void **state) {
  (void)state;
  static const char *const protocols[] = {NULL, "v1.chat"};
  for (int i = 0; i < 2; i++) {
    char        text[2048], answer[1024];
    const char *why;
    size_t      used;
    tf_http_ws_client_init(&up, "localhost", rfc_nonce, protocols[i]);
    assert_string_equal(up.key, RFC_KEY);
    assert_string_equal(up.accept, RFC_ACCEPT);
    const int cnt = tf_http_ws_client_write(&up, text, sizeof text - 1, "9001", "/ws?streams=a",
                                            "X-Token: t\r\n");
    assert_true(cnt > 0);
    text[cnt] = '\0';
    assert_int_equal(check_request(text, &why), 0);
    assert_true(tf_http_ws_is_upgrade(&request));
    assert_string_equal(request.target, "/ws?streams=a");
    assert_int_equal(tf_http_ws_accept_write(answer, sizeof answer, &request, "v2.chat", NULL),
                     E_WIRE_HTTP);
    const int answer_cnt =
        tf_http_ws_accept_write(answer, sizeof answer, &request, protocols[i], NULL);
    assert_true(answer_cnt > 0);
    assert_int_equal(
        tf_http_ws_client_feed(&up, (const uint8_t *)answer, (size_t)answer_cnt, &used),
        TF_HTTP_DONE);
    assert_int_equal(used, answer_cnt);
    for (size_t cap = 0; cap < (size_t)cnt; cap += 7)
      assert_int_equal(
          tf_http_ws_client_write(&up, text, cap, "9001", "/ws?streams=a", "X-Token: t\r\n"),
          E_WIRE_HTTP);
    assert_int_equal(
        tf_http_ws_accept_write(answer, (size_t)answer_cnt, &request, protocols[i], NULL),
        E_WIRE_HTTP);
  }
  assert_int_equal(tf_http_ws_client_init(&up, "h", rfc_nonce, "a, b"), 0);
  char text[1024];
  assert_int_equal(tf_http_ws_client_write(&up, text, sizeof text, NULL, "/", NULL), E_WIRE_HTTP);
  assert_int_equal(tf_http_ws_client_init(&up, "h", rfc_nonce, NULL), 0);
  assert_int_equal(
      tf_http_ws_client_write(&up, text, sizeof text, NULL, "/", "Sec-WebSocket-Extensions: x\r\n"),
      E_WIRE_HTTP);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_answers_are_refused_with_their_reason_at_every_split),
      cmocka_unit_test(a_refusals_text_shows_at_most_128_bytes_of_its_body),
      cmocka_unit_test(wrong_requests_are_answered_with_their_status),
      cmocka_unit_test(a_good_answer_upgrades_at_every_split_and_leaves_the_frames),
      cmocka_unit_test(both_sides_of_ours_shake_hands),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
