/* Against implementations that others wrote: python3-websockets both ways, plain and over TLS, and
 * openssl s_server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "pump.h"
#include "tls_certs.h"

#define PYTHON "/usr/bin/python3"
#define SCRIPT "tests/adapters/wire/peer_websockets.py"

static const char  *cert, *key;
static tf_tls_ctx_t client_ctx, server_ctx;

static const char *const hosts[] = {"localhost", "127.0.0.1"};

static bool have_python(void) {
  return access(PYTHON, X_OK) == 0 && access(SCRIPT, R_OK) == 0 &&
         system(PYTHON " -c 'import websockets' 2>/dev/null") == 0;
}

static uint16_t start_server(child_t *child, bool tls) {
  const char *const plain[]  = {PYTHON, SCRIPT, "server", NULL};
  const char *const secure[] = {PYTHON, SCRIPT, "server", cert, key, NULL};
  char              line[64];
  *child = child_start(tls ? secure : plain);
  assert_true(child_line(child, line, sizeof line));
  return (uint16_t)atoi(line);
}

static void open_client(pump_t *pump, uint16_t port, bool tls) {
  pump_init(pump, pump_connect(port));
  if (tls) assert_int_equal(pump_tls(pump, &client_ctx, "localhost"), 0);
  const tf_err_t err = pump_upgrade(pump, "localhost", "/");
  if (err) print_error("%s\n", tf_error_text());
  assert_int_equal(err, 0);
}

static void end_client(pump_t *pump, int peer_close_code) {
  pump_run(pump);
  assert_int_equal(pump->err, 0);
  assert_int_equal(pump->ws.state, TF_WS_CLOSED);
  assert_int_equal(pump->ws.peer_close_code, peer_close_code);
  pump_fini(pump);
}

static pump_t pump;

static void echo_of_every_size(bool tls) {
  static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, 1000000};
  static uint8_t      payload[1000000];
  child_t             child;
  const uint16_t      port = start_server(&child, tls);
  open_client(&pump, port, tls);
  for (size_t i = 0; i < TF_ARRAY_CNT(sizes); i++) {
    for (int opcode = TF_WS_TEXT; opcode <= TF_WS_BINARY; opcode++) {
      for (size_t b = 0; b < sizes[i]; b++)
        payload[b] = (uint8_t)(opcode == TF_WS_TEXT ? 'a' + b % 26 : b * 37 >> 3);
      assert_true(pump_send_frame(&pump, (tf_ws_opcode_t)opcode, true, payload, sizes[i]));
      assert_true(pump_wait_message(&pump));
      assert_int_equal(pump.opcode, opcode);
      assert_int_equal(pump.message_bytes, sizes[i]);
      assert_memory_equal(pump.message, payload, sizes[i]);
    }
  }
  /* Fragments, ours and theirs, with a ping between. */
  assert_true(pump_send_frame(&pump, TF_WS_TEXT, false, "\xE2\x82", 2));
  assert_true(pump_send_frame(&pump, TF_WS_PING, true, "between", 7));
  assert_true(pump_send_frame(&pump, TF_WS_CONTINUATION, false, NULL, 0));
  assert_true(pump_send_frame(&pump, TF_WS_CONTINUATION, true, "\xAC!", 2));
  assert_true(pump_wait_message(&pump));
  assert_int_equal(pump.message_bytes, 4);
  assert_memory_equal(pump.message, "\xE2\x82\xAC!", 4);
  assert_string_equal(pump.pong, "between");
  assert_true(pump_send_frame(&pump, TF_WS_TEXT, true, "fragments", 9));
  assert_true(pump_wait_message(&pump));
  assert_int_equal(pump.message_bytes, 70011);
  assert_true(pump.ws.counts.frames_data > pump.message_cnt);
  assert_true(pump_send_frame(&pump, TF_WS_TEXT, true, "ping", 4));
  assert_true(pump_wait_message(&pump));
  assert_memory_equal(pump.message, "pong came", 9);
  assert_int_equal(pump.ws.counts.pings, 1);
  assert_true(pump_send_close(&pump, 1000, "bye"));
  end_client(&pump, 1000);
  child_stop(&child);
}

static void our_client_speaks_with_their_server(void **state) {
  (void)state;
  if (!have_python()) skip();
  echo_of_every_size(false);
}

static void our_client_speaks_with_their_server_over_tls(void **state) {
  (void)state;
  if (!have_python()) skip();
  echo_of_every_size(true);
}

static void their_close_and_their_death_are_told_apart(void **state) {
  (void)state;
  if (!have_python()) skip();
  for (int tls = 0; tls < 2; tls++) {
    child_t        child;
    const uint16_t port = start_server(&child, tls);
    open_client(&pump, port, tls);
    pump_send_frame(&pump, TF_WS_TEXT, true, "close 4007", 10);
    end_client(&pump, 4007);
    open_client(&pump, port, tls);
    pump_send_frame(&pump, TF_WS_TEXT, true, "vanish", 6);
    pump_run(&pump);
    assert_true(pump.eof);
    assert_int_equal(tf_ws_eof(&pump.ws), E_WIRE_WS_PROTOCOL);
    assert_int_equal(pump.ws.fault, TF_WS_FAULT_EOF_NO_CLOSE);
    if (tls) assert_true(pump.err == E_WIRE_TLS_TRUNCATED || pump.err == E_IO_SYSTEM);
    pump_fini(&pump);
    child_stop(&child);
  }
}

static void serve_their_client(bool tls) {
  uint16_t  port;
  const int listener = pump_listen(&port);
  char      port_text[8], line[256] = "";
  snprintf(port_text, sizeof port_text, "%u", port);
  const char *const argv[] = {PYTHON, SCRIPT, "client", port_text, tls ? cert : NULL, NULL};
  child_t           child  = child_start(argv);
  const int         fd     = accept(listener, NULL, NULL);
  assert_true(fd >= 0);
  pump_init(&pump, fd);
  if (tls) assert_int_equal(pump_tls(&pump, &server_ctx, NULL), 0);
  assert_int_equal(pump_accept(&pump), 0);
  pump.echo = true;
  pump_run(&pump);
  assert_int_equal(pump.err, 0);
  assert_int_equal(pump.ws.peer_close_code, 4321);
  pump_fini(&pump);
  close(listener);
  assert_true(child_line(&child, line, sizeof line));
  assert_string_equal(line, "ok 27");
  assert_int_equal(child_wait(&child), 0);
}

static void our_server_speaks_with_their_client(void **state) {
  (void)state;
  if (!have_python()) skip();
  serve_their_client(false);
}

static void our_server_speaks_with_their_client_over_tls(void **state) {
  (void)state;
  if (!have_python()) skip();
  serve_their_client(true);
}

static void a_plain_request_to_their_server_is_refused_with_its_words(void **state) {
  (void)state;
  if (!have_python()) skip();
  child_t        child;
  const uint16_t port = start_server(&child, false);
  pump_init(&pump, pump_connect(port));
  static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  assert_true(pump_send(&pump, request, sizeof request - 1));
  tf_http_ws_client_t up;
  const uint8_t       nonce[16] = {0};
  const uint8_t      *bytes;
  size_t              used;
  int                 rc = TF_HTTP_MORE;
  tf_http_ws_client_init(&up, "localhost", nonce, NULL);
  while (rc == TF_HTTP_MORE) {
    const int n = pump_receive(&pump, &bytes);
    rc = n > 0 ? tf_http_ws_client_feed(&up, bytes, (size_t)n, &used) : tf_http_ws_client_eof(&up);
  }
  assert_int_equal(rc, E_WIRE_HTTP);
  assert_non_null(strstr(tf_error_text(), "status 426 Upgrade Required"));
  pump_fini(&pump);
  child_stop(&child);
}

/* openssl s_server -www answers any GET with a page about the connection, then closes. */
static void our_client_reads_a_page_from_openssl_s_server(void **state) {
  (void)state;
  static const char *const versions[] = {"-tls1_3", "-tls1_2"};
  if (access("/usr/bin/openssl", X_OK) != 0) skip();
  for (int v = 0; v < 2; v++) {
    const char *const argv[] = {"/usr/bin/openssl",
                                "s_server",
                                "-accept",
                                "127.0.0.1:0",
                                "-cert",
                                cert,
                                "-key",
                                key,
                                "-www",
                                versions[v],
                                NULL};
    char              line[256];
    child_t           child = child_start(argv);
    unsigned          port  = 0;
    while (port == 0 && child_line(&child, line, sizeof line)) {
      const char *colon = strrchr(line, ':');
      if (strncmp(line, "ACCEPT", 6) == 0 && colon) port = (unsigned)atoi(colon + 1);
    }
    assert_int_not_equal(port, 0);
    static char             page[1 << 20];
    static tf_http_head_t   head;
    const tf_http_request_t request = {.method = "GET", .host = "localhost", .target = "/"};
    char                    text[512], what[64];
    tf_http_body_t          body;
    const uint8_t          *bytes;
    pump_init(&pump, pump_connect((uint16_t)port));
    assert_int_equal(pump_tls(&pump, &client_ctx, "localhost"), 0);
    tf_tls_describe(&pump.tls, what, sizeof what);
    assert_non_null(strstr(what, v ? "TLSv1.2" : "TLSv1.3"));
    const int cnt = tf_http_request_write(text, sizeof text, &request);
    assert_true(pump_send(&pump, text, (size_t)cnt));
    tf_http_head_init(&head, TF_HTTP_RESPONSE);
    int  rc      = TF_HTTP_MORE;
    bool in_body = false;
    while (rc == TF_HTTP_MORE && !pump.eof && pump.tls.state == TF_TLS_OPEN) {
      const int n    = pump_receive(&pump, &bytes);
      size_t    used = 0, at = 0;
      assert_true(n >= 0);
      if (!in_body) {
        rc = tf_http_head_feed(&head, bytes, (size_t)n, &used);
        at = used;
        if (rc != TF_HTTP_DONE) continue;
        in_body = true;
        rc = tf_http_body_init(&body, &head, "GET", (uint8_t *)page, sizeof page - TF_BYTES_PAD);
      }
      if (rc == TF_HTTP_MORE) rc = tf_http_body_feed(&body, bytes + at, (size_t)n - at, &used);
    }
    if (rc == TF_HTTP_MORE) rc = tf_http_body_eof(&body);
    assert_int_equal(rc, TF_HTTP_DONE);
    assert_int_equal(head.status, 200);
    assert_non_null(strstr(page, "s_server"));
    pump_fini(&pump);
    child_stop(&child);
  }
}

int main(void) {
  cert                                = cert_path("good.pem");
  key                                 = cert_path("good.key");
  const tf_tls_client_config_t config = {.ca_file = cert};
  if (tf_tls_self_signed(cert, key, hosts, 2, 2) || tf_tls_ctx_init_client(&client_ctx, &config) ||
      tf_tls_ctx_init_server(&server_ctx, cert, key)) {
    fprintf(stderr, "%s\n", tf_error_text());
    return 1;
  }
  if (!have_python() && access("/usr/bin/openssl", X_OK) != 0) {
    printf("skipped: neither " PYTHON " with websockets nor openssl is here\n");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plain_request_to_their_server_is_refused_with_its_words),
      cmocka_unit_test(their_close_and_their_death_are_told_apart),
      cmocka_unit_test(our_client_speaks_with_their_server),
      cmocka_unit_test(our_client_speaks_with_their_server_over_tls),
      cmocka_unit_test(our_server_speaks_with_their_client),
      cmocka_unit_test(our_server_speaks_with_their_client_over_tls),
      cmocka_unit_test(our_client_reads_a_page_from_openssl_s_server),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  tf_tls_ctx_fini(&client_ctx);
  tf_tls_ctx_fini(&server_ctx);
  return failed;
}
