/* Against libwebsockets, both ways, plain and over TLS. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/error.h"
#include "lws_peer.h"
#include "pump.h"
#include "tls_certs.h"

static const char *cert, *key;
static pump_t      pump;

static const char *const hosts[] = {"localhost", "127.0.0.1"};

/* Contexts are made after the fork, so that the child's libwebsockets starts OpenSSL by itself. */
static child_t start_server(bool tls, uint16_t *port) {
  int     ends[2];
  char    line[32];
  child_t child;
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  fflush(NULL);
  child.pid = fork();
  assert_true(child.pid >= 0);
  if (child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    lws_peer_serve(ends[1], tls ? cert : NULL, tls ? key : NULL);
  }
  close(ends[1]);
  child.out = ends[0];
  assert_true(child_line(&child, line, sizeof line));
  *port = (uint16_t)atoi(line);
  return child;
}

static void speak_with_their_server(bool tls) {
  static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65537, 300000};
  static uint8_t      payload[300000];
  uint16_t            port;
  child_t             child = start_server(tls, &port);
  tf_tls_ctx_t        ctx   = {0};
  pump_init(&pump, pump_connect(port));
  if (tls) {
    const tf_tls_client_config_t config = {.ca_file = cert};
    assert_int_equal(tf_tls_ctx_init_client(&ctx, &config), 0);
    const tf_err_t err = pump_tls(&pump, &ctx, "localhost");
    if (err) print_error("%s\n", tf_error_text());
    assert_int_equal(err, 0);
  }
  const tf_err_t err = pump_upgrade(&pump, "localhost", "/");
  if (err) print_error("%s\n", tf_error_text());
  assert_int_equal(err, 0);
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
  assert_true(pump_send_frame(&pump, TF_WS_TEXT, false, "frag", 4));
  assert_true(pump_send_frame(&pump, TF_WS_PING, true, "between", 7));
  assert_true(pump_send_frame(&pump, TF_WS_CONTINUATION, true, "ments", 5));
  assert_true(pump_wait_message(&pump));
  assert_int_equal(pump.message_bytes, 9);
  assert_memory_equal(pump.message, "fragments", 9);
  assert_true(pump_send_close(&pump, 1000, NULL));
  pump_run(&pump);
  assert_string_equal(pump.pong, "between");
  assert_int_equal(pump.ws.state, TF_WS_CLOSED);
  assert_int_equal(pump.ws.peer_close_code, 1000);
  pump_fini(&pump);
  tf_tls_ctx_fini(&ctx);
  child_stop(&child);
}

static void serve_their_client(bool tls) {
  uint16_t  port;
  const int listener = pump_listen(&port);
  child_t   child    = {.out = -1};
  fflush(NULL);
  child.pid = fork();
  assert_true(child.pid >= 0);
  if (child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    lws_peer_connect(port, tls ? cert : NULL);
  }
  tf_tls_ctx_t ctx = {0};
  const int    fd  = accept(listener, NULL, NULL);
  assert_true(fd >= 0);
  pump_init(&pump, fd);
  if (tls) {
    assert_int_equal(tf_tls_ctx_init_server(&ctx, cert, key), 0);
    assert_int_equal(pump_tls(&pump, &ctx, NULL), 0);
  }
  assert_int_equal(pump_accept(&pump), 0);
  pump.echo = true;
  pump_run(&pump);
  assert_int_equal(pump.message_cnt, 18);
  assert_int_equal(pump.ws.peer_close_code, 4321);
  pump_fini(&pump);
  tf_tls_ctx_fini(&ctx);
  close(listener);
  assert_int_equal(child_wait(&child), 0);
}

static void our_client_speaks_with_their_server(void **state) {
  (void)state;
  speak_with_their_server(false);
}

static void our_client_speaks_with_their_server_over_tls(void **state) {
  (void)state;
  speak_with_their_server(true);
}

static void our_server_speaks_with_their_client(void **state) {
  (void)state;
  serve_their_client(false);
}

static void our_server_speaks_with_their_client_over_tls(void **state) {
  (void)state;
  serve_their_client(true);
}

int main(void) {
  cert = cert_path("good.pem");
  key  = cert_path("good.key");
  if (tf_tls_self_signed(cert, key, hosts, 2, 2)) {
    fprintf(stderr, "%s\n", tf_error_text());
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(our_client_speaks_with_their_server),
      cmocka_unit_test(our_server_speaks_with_their_client),
      cmocka_unit_test(our_client_speaks_with_their_server_over_tls),
      cmocka_unit_test(our_server_speaks_with_their_client_over_tls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
