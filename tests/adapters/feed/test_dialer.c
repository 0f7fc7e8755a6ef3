/* The dialer against a scripted server on loopback: each phase failing, and both kinds of success. */
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/log.h"
#include "feed/attempts.h"
#include "feed/dialer.h"
#include "netinet/in.h"
#include "tf/atomic.h"
#include "venue_stub.h"
#include "wire/ws.h"

static stub_t             stub;
static bool               stub_on;
static tf_dialer_t       *dialer;
static tf_dialer_client_t client;
static tf_dial_t          dial;
static tf_endpoint_t      endpoint;
static tf_tls_ctx_t       tls_ctx;
static uint8_t            tls_tx[TF_TLS_TX_BYTES_MIN];
static uint8_t            leftover[TF_DIAL_LEFTOVER_BYTES + TF_BYTES_PAD];
static char               cert[64], key[64], other_cert[64], other_key[64];

static tf_dialer_config_t quick(void) {
  tf_dialer_config_t c = tf_dialer_config_default();
  c.dns_ns             = 300 * TF_NS_PER_MS;
  c.connect_ns         = 300 * TF_NS_PER_MS;
  c.tls_ns             = 300 * TF_NS_PER_MS;
  c.upgrade_ns         = 300 * TF_NS_PER_MS;
  c.get_ns             = 500 * TF_NS_PER_MS;
  c.host_gap_ns        = 0;
  c.body_bytes_max     = 100000;
  return c;
}

static void begin(const tf_dialer_config_t *config) {
  assert_int_equal(tf_dialer_start(config, &dialer), TF_OK);
  assert_int_equal(tf_dialer_join(dialer, &client), TF_OK);
  tf_dial_init(&dial, tls_tx, sizeof tls_tx, leftover);
}

static void serve(stub_script_t script, bool tls) {
  stub_start(&stub, script, tls ? cert : NULL, key);
  stub_on = true;
}

static int teardown(void **state) {
  (void)state;
  if (dialer) tf_dialer_leave(dialer, &client);
  tf_dialer_stop(dialer);
  dialer = NULL;
  tf_dial_fini(&dial);
  if (stub_on) stub_stop(&stub);
  stub_on = false;
  tf_tls_ctx_fini(&tls_ctx);
  memset(&tls_ctx, 0, sizeof tls_ctx);
  return 0;
}

static tf_dial_t *wait_back(void) {
  uint64_t begin_ns = tf_clock_monotonic_ns();
  for (;;) {
    tf_dial_t *d = tf_dialer_take(&client);
    if (d) return d;
    assert_true(tf_clock_monotonic_ns() - begin_ns < 8 * TF_NS_PER_SEC);
    poll(NULL, 0, 1);
  }
}

static tf_err_t run(tf_dial_kind_t kind, const char *host, const char *port, const char *target,
                    bool tls) {
  snprintf(endpoint.host, sizeof endpoint.host, "%s", host);
  snprintf(endpoint.port, sizeof endpoint.port, "%s", port);
  endpoint.tls_ctx = tls ? &tls_ctx : NULL;
  dial.kind        = kind;
  dial.endpoint    = &endpoint;
  snprintf(dial.target, sizeof dial.target, "%s", target);
  assert_true(tf_dialer_submit(dialer, &client, &dial));
  assert_ptr_equal(wait_back(), &dial);
  if (dial.err != TF_OK) {
    assert_true(strlen(dial.text) > 0);
    assert_int_equal(dial.fd, -1);
    assert_null(dial.body);
  }
  return dial.err;
}

static void trust(const char *ca_file) {
  tf_tls_client_config_t config = {.ca_file = ca_file};
  assert_int_equal(tf_tls_ctx_init_client(&tls_ctx, &config), TF_OK);
}

/* ---- failures ---- */

static int resolve_nothing(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  (void)host;
  (void)port;
  (void)a;
  *cnt = 0;
  return EAI_NONAME;
}

static uint64_t resolve_stuck;

static int resolve_slowly(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  while (__atomic_load_n(&resolve_stuck, __ATOMIC_SEQ_CST)) poll(NULL, 0, 1);
  return resolve_nothing(host, port, a, cnt);
}

static void loopback(tf_address_t *a, const char *port, uint8_t last_byte) {
  struct sockaddr_in addr = {.sin_family      = AF_INET,
                             .sin_addr.s_addr = htonl(0x7F000000u | last_byte),
                             .sin_port        = htons((uint16_t)atoi(port))};
  memcpy(&a->addr, &addr, sizeof addr);
  a->addr_cnt = sizeof addr;
}

/* The first of three addresses refuses, the last is the server. */
static int resolve_several(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  (void)host;
  loopback(&a[0], "1", 9);
  loopback(&a[1], "1", 8);
  loopback(&a[2], port, 1);
  *cnt = 3;
  return 0;
}

/* A listener whose queue is full: what comes more is not answered, as by a black hole. */
static int      hole_fd = -1, hole_clients[8];
static uint16_t hole_port;

static socklen_t hole_address(int family, struct sockaddr_storage *addr) {
  memset(addr, 0, sizeof *addr);
  if (family == AF_INET6) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    memcpy(addr, &v6, sizeof v6);
    return sizeof v6;
  }
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  memcpy(addr, &v4, sizeof v4);
  return sizeof v4;
}

/* False: this host has no such family. */
static bool hole_open(int family) {
  struct sockaddr_storage addr;
  socklen_t               cnt = hole_address(family, &addr);
  hole_fd                     = socket(family, SOCK_STREAM, 0);
  if (hole_fd < 0 || bind(hole_fd, (struct sockaddr *)&addr, cnt) != 0) {
    close(hole_fd);
    return false;
  }
  assert_int_equal(listen(hole_fd, 0), 0);
  assert_int_equal(getsockname(hole_fd, (struct sockaddr *)&addr, &cnt), 0);
  hole_port = ntohs(((struct sockaddr_in *)&addr)->sin_port); /* at the same place in both */
  for (size_t i = 0; i < TF_ARRAY_CNT(hole_clients); i++) {
    hole_clients[i] = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(hole_clients[i], (struct sockaddr *)&addr, cnt);
  }
  poll(NULL, 0, 20);
  return true;
}

static void hole_close(void) {
  for (size_t i = 0; i < TF_ARRAY_CNT(hole_clients); i++) close(hole_clients[i]);
  close(hole_fd);
}

static int resolve_hole_first(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  (void)host;
  char hole[8];
  snprintf(hole, sizeof hole, "%u", hole_port);
  loopback(&a[0], hole, 1);
  loopback(&a[1], port, 1);
  *cnt = 2;
  return 0;
}

/* Two IPv6 addresses that lead nowhere, as the system lists them first, then IPv4. */
static int resolve_dead_v6(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  (void)host;
  for (int i = 0; i < 2; i++) {
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(hole_port)};
    memcpy(&a[i].addr, &v6, sizeof v6);
    a[i].addr_cnt = sizeof v6;
  }
  loopback(&a[2], port, 1);
  *cnt = 3;
  return 0;
}

static uint64_t resolve_cnt;

static int resolve_once(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  if (__atomic_fetch_add(&resolve_cnt, 1, __ATOMIC_SEQ_CST) > 0)
    return resolve_nothing(host, port, a, cnt);
  loopback(&a[0], port, 1);
  *cnt = 1;
  return 0;
}

static void name_that_does_not_resolve_says_so(void **state) {
  (void)state;
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_nothing;
  begin(&config);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "no.such.venue", "443", "/", false), E_FEED_DNS);
  assert_int_equal(dial.phase, TF_DIAL_DNS);
  assert_non_null(strstr(dial.text, "no.such.venue"));
}

static void slow_look_up_ends_at_its_deadline_and_blocks_nobody(void **state) {
  (void)state;
  resolve_stuck             = 1;
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_slowly;
  begin(&config);
  /* A second dial, to an address, overtakes it. */
  static tf_dial_t     second;
  static tf_endpoint_t nowhere = {.host = "127.0.0.1", .port = "1"};
  static tf_endpoint_t stuck   = {.host = "stuck.venue", .port = "443"};
  tf_dial_init(&second, tls_tx, sizeof tls_tx, leftover);
  second.kind     = TF_DIAL_GET;
  second.endpoint = &nowhere;
  dial.kind       = TF_DIAL_WEBSOCKET;
  dial.endpoint   = &stuck;
  assert_true(tf_dialer_submit(dialer, &client, &dial));
  assert_true(tf_dialer_submit(dialer, &client, &second));
  assert_ptr_equal(wait_back(), &second);
  assert_int_equal(second.err, E_FEED_CONNECT);
  assert_ptr_equal(wait_back(), &dial);
  assert_int_equal(dial.err, E_FEED_TIMEOUT);
  assert_int_equal(dial.phase, TF_DIAL_DNS);
  __atomic_store_n(&resolve_stuck, 0, __ATOMIC_SEQ_CST);
}

static void refused_connection_says_so(void **state) {
  (void)state;
  tf_dialer_config_t config = quick();
  begin(&config);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", "1", "/", false), E_FEED_CONNECT);
  assert_int_equal(dial.phase, TF_DIAL_CONNECT);
  assert_non_null(strstr(dial.text, "refused"));
}

static void server_that_says_nothing_is_given_up_in_each_phase(void **state) {
  (void)state;
  serve(NULL, false);
  stub.mute                 = true;
  tf_dialer_config_t config = quick();
  begin(&config);
  trust(NULL);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/", true), E_FEED_TIMEOUT);
  assert_int_equal(dial.phase, TF_DIAL_TLS);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/", false), E_FEED_TIMEOUT);
  assert_int_equal(dial.phase, TF_DIAL_UPGRADE);
  assert_int_equal(run(TF_DIAL_GET, "127.0.0.1", stub.port_text, "/", false), E_FEED_TIMEOUT);
  assert_int_equal(dial.phase, TF_DIAL_REQUEST);
}

/* Each byte count at which the server may reset during the upgrade (FAULTS F03). */
static void script_cut(stub_conn_t *c, const char *target, uint32_t idx) {
  static const char text[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n";
  (void)target;
  stub_send(c, text, idx % (sizeof text - 1));
  if (idx % 2) stub_reset(c);
}

static void connection_cut_anywhere_in_the_upgrade_is_an_error_and_leaks_nothing(void **state) {
  (void)state;
  serve(script_cut, false);
  tf_dialer_config_t config = quick();
  begin(&config);
  for (int i = 0; i < 60; i++) {
    tf_err_t err = run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/", false);
    assert_true(err == E_WIRE_HTTP || err == E_FEED_CONNECT || err == E_FEED_CLOSED);
    assert_int_equal(dial.phase, TF_DIAL_UPGRADE);
  }
}

static void script_refuse(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)idx;
  int status = atoi(target + 1);
  stub_answer(c, status, status == 429 ? "Retry-After: 7\r\n" : NULL, "{\"msg\":\"go away\"}");
  stub_linger(c);
}

static void refusal_carries_status_retry_after_and_the_body(void **state) {
  (void)state;
  serve(script_refuse, false);
  tf_dialer_config_t config = quick();
  begin(&config);
  static const int statuses[] = {301, 400, 403, 418, 429, 503};
  for (size_t i = 0; i < TF_ARRAY_CNT(statuses); i++) {
    char target[16];
    snprintf(target, sizeof target, "/%d", statuses[i]);
    for (int kind = 0; kind < 2; kind++) {
      tf_err_t err =
          run(kind ? TF_DIAL_GET : TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, target, false);
      assert_int_equal(err, kind ? E_FEED_REFUSED : E_WIRE_HTTP);
      assert_int_equal(dial.http_status, statuses[i]);
      assert_int_equal(dial.retry_after_s, statuses[i] == 429 ? 7 : UINT32_MAX);
      assert_non_null(strstr(dial.text, target + 1));
      assert_non_null(strstr(dial.text, "go away"));
    }
  }
}

static void script_bodies(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)idx;
  static const char cut[]     = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
  static const char large[]   = "HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n";
  static const char endless[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  if (strcmp(target, "/cut") == 0) stub_send(c, cut, sizeof cut - 1);
  if (strcmp(target, "/large") == 0) stub_send(c, large, sizeof large - 1);
  if (strcmp(target, "/endless") == 0) {
    stub_send(c, endless, sizeof endless - 1);
    for (int i = 0; i < 300; i++)
      stub_send(c, "200\r\n", 5), stub_send(c, leftover, 512), stub_send(c, "\r\n", 2);
  }
}

static void body_that_is_cut_or_over_its_limit_is_refused(void **state) {
  (void)state;
  serve(script_bodies, false);
  tf_dialer_config_t config = quick();
  begin(&config);
  assert_int_equal(run(TF_DIAL_GET, "127.0.0.1", stub.port_text, "/cut", false), E_WIRE_HTTP);
  assert_int_equal(run(TF_DIAL_GET, "127.0.0.1", stub.port_text, "/large", false), E_WIRE_HTTP);
  tf_err_t err = run(TF_DIAL_GET, "127.0.0.1", stub.port_text, "/endless", false);
  assert_int_equal(err, E_WIRE_HTTP);
}

static void script_ok(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)idx;
  if (strcmp(target, "/empty") == 0) {
    stub_answer(c, 200, NULL, "");
  } else if (strcmp(target, "/body") == 0) {
    stub_answer(c, 200, NULL, "{\"lastUpdateId\":5}");
  } else {
    uint8_t frames[64];
    size_t  cnt = stub_frame(frames, TF_WS_TEXT, "first", 5);
    cnt += stub_frame(frames + cnt, TF_WS_TEXT, "second", 6);
    stub_upgrade(c, frames, cnt);
  }
  stub_linger(c);
}

static void certificate_for_another_host_or_of_an_unknown_issuer_is_refused(void **state) {
  (void)state;
  serve(script_ok, true);
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_several;
  begin(&config);
  trust(cert);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "other.venue", stub.port_text, "/ws", true),
                   E_WIRE_TLS_VERIFY);
  assert_int_equal(dial.phase, TF_DIAL_TLS);
  assert_non_null(strstr(dial.text, "other.venue"));
  tf_tls_ctx_fini(&tls_ctx);
  trust(other_cert);
  assert_int_equal(run(TF_DIAL_GET, "venue.test", stub.port_text, "/body", true),
                   E_WIRE_TLS_VERIFY);
}

/* ---- successes ---- */

static void expect_frames_glued(void) {
  assert_true(dial.fd >= 0);
  assert_int_equal(dial.leftover_cnt, 2 + 5 + 2 + 6);
  assert_memory_equal(leftover + 2, "first", 5);
  assert_memory_equal(leftover + 9, "second", 6);
}

static void upgrade_hands_over_the_socket_and_the_bytes_behind_the_answer(void **state) {
  (void)state;
  serve(script_ok, false);
  tf_dialer_config_t config = quick();
  begin(&config);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/ws", false), TF_OK);
  assert_int_equal(dial.phase, TF_DIAL_DONE);
  expect_frames_glued();
  assert_int_equal(dial.http_status, 101);
}

static void upgrade_over_tls_hands_over_the_open_stream(void **state) {
  (void)state;
  serve(script_ok, true);
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_several; /* two dead addresses before the good one */
  begin(&config);
  trust(cert);
  for (int i = 0; i < 3; i++) { /* the same dial again and again: nothing of the last use stays */
    assert_int_equal(run(TF_DIAL_WEBSOCKET, "venue.test", stub.port_text, "/ws", true), TF_OK);
    assert_int_equal(dial.tls.state, TF_TLS_OPEN);
    expect_frames_glued();
  }
}

static void get_brings_the_body_and_release_takes_it_back(void **state) {
  (void)state;
  for (int tls = 0; tls < 2; tls++) {
    serve(script_ok, tls);
    tf_dialer_config_t config = quick();
    config.resolve            = resolve_several;
    begin(&config);
    trust(cert);
    assert_int_equal(run(TF_DIAL_GET, "venue.test", stub.port_text, "/body", tls), TF_OK);
    assert_int_equal(dial.http_status, 200);
    assert_int_equal(dial.body_cnt, 18);
    assert_memory_equal(dial.body, "{\"lastUpdateId\":5}", 18);
    assert_int_equal(dial.body[18 + TF_BYTES_PAD - 1], 0);
    assert_int_equal(run(TF_DIAL_RELEASE, "venue.test", stub.port_text, "", tls), TF_OK);
    assert_null(dial.body);
    assert_int_equal(run(TF_DIAL_GET, "venue.test", stub.port_text, "/empty", tls), TF_OK);
    assert_int_equal(dial.body_cnt, 0);
    teardown(NULL);
  }
}

static void last_good_address_serves_when_the_look_up_fails(void **state) {
  (void)state;
  serve(script_ok, false);
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_once;
  resolve_cnt               = 0;
  begin(&config);
  assert_int_equal(run(TF_DIAL_GET, "venue.test", stub.port_text, "/body", false), TF_OK);
  assert_int_equal(run(TF_DIAL_GET, "venue.test", stub.port_text, "/body", false), TF_OK);
  assert_int_equal(resolve_cnt, 2);
}

static void address_that_leads_nowhere_costs_a_moment_and_is_then_passed_over(void **state) {
  (void)state;
  serve(script_ok, false);
  assert_true(hole_open(AF_INET));
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_hole_first;
  config.connect_ns         = 2 * TF_NS_PER_SEC;
  begin(&config);
  for (int i = 0; i < 2; i++) {
    uint64_t begin_ns = tf_clock_monotonic_ns();
    assert_int_equal(run(TF_DIAL_WEBSOCKET, "venue.test", stub.port_text, "/ws", false), TF_OK);
    uint64_t took_ns = tf_clock_monotonic_ns() - begin_ns;
    assert_true(i == 0 ? took_ns >= TF_ATTEMPTS_GAP_NS : took_ns < TF_ATTEMPTS_GAP_NS);
    assert_true(took_ns < TF_NS_PER_SEC);
    assert_true(dial.peer.addr_cnt > 0 && dial.phase_ns[TF_DIAL_CONNECT] > 0);
  }
  hole_close();
}

static void a_dead_ipv6_costs_one_gap_and_the_next_dial_nothing(void **state) {
  (void)state;
  if (!hole_open(AF_INET6)) skip();
  serve(script_ok, false);
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_dead_v6;
  config.connect_ns         = 2 * TF_NS_PER_SEC;
  begin(&config);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(run(TF_DIAL_WEBSOCKET, "venue.test", stub.port_text, "/ws", false), TF_OK);
    uint64_t took_ns = dial.phase_ns[TF_DIAL_CONNECT];
    assert_int_equal(dial.peer.addr.ss_family, AF_INET);
    /* IPv4 has its turn behind the first of the IPv6 addresses, not behind both */
    assert_true(i == 0 ? took_ns >= TF_ATTEMPTS_GAP_NS : took_ns < TF_ATTEMPTS_GAP_NS);
    assert_true(took_ns < 2 * TF_ATTEMPTS_GAP_NS);
  }
  hole_close();
}

static void only_black_holes_end_at_the_deadline(void **state) {
  (void)state;
  assert_true(hole_open(AF_INET));
  char port[8];
  snprintf(port, sizeof port, "%u", hole_port);
  tf_dialer_config_t config = quick();
  config.resolve            = resolve_hole_first; /* the second is the hole too */
  begin(&config);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "venue.test", port, "/ws", false), E_FEED_TIMEOUT);
  assert_int_equal(dial.phase, TF_DIAL_CONNECT);
  hole_close();
}

static void sources_budget_holds_the_next_dial_back(void **state) {
  (void)state;
  serve(script_ok, false);
  static tf_budget_t budget;
  tf_budget_init(&budget, 1);
  tf_dialer_config_t config = quick();
  begin(&config);
  endpoint.budget = &budget;
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/ws", false), TF_OK);
  assert_true(tf_dialer_submit(dialer, &client, &dial));
  poll(NULL, 0, 100);
  assert_null(tf_dialer_take(&client)); /* its turn is in five minutes */
  tf_dialer_leave(dialer, &client);
  assert_ptr_equal(tf_dialer_take(&client), &dial);
  assert_int_equal(dial.phase, TF_DIAL_WAIT);
  endpoint.budget = NULL;
}

static void two_websocket_dials_to_one_host_start_apart(void **state) {
  (void)state;
  serve(script_ok, false);
  tf_dialer_config_t config = quick();
  config.host_gap_ns        = 200 * TF_NS_PER_MS;
  begin(&config);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/ws", false), TF_OK);
  assert_int_equal(run(TF_DIAL_WEBSOCKET, "127.0.0.1", stub.port_text, "/ws", false), TF_OK);
  assert_true(tf_clock_monotonic_ns() - begin_ns >= 200 * TF_NS_PER_MS);
}

static void leaving_takes_back_a_dial_that_is_under_way(void **state) {
  (void)state;
  serve(NULL, false);
  stub.mute                 = true;
  tf_dialer_config_t config = tf_dialer_config_default();
  begin(&config);
  snprintf(endpoint.host, sizeof endpoint.host, "127.0.0.1");
  snprintf(endpoint.port, sizeof endpoint.port, "%s", stub.port_text);
  endpoint.tls_ctx = NULL;
  dial.kind        = TF_DIAL_GET;
  dial.endpoint    = &endpoint;
  snprintf(dial.target, sizeof dial.target, "/");
  assert_true(tf_dialer_submit(dialer, &client, &dial));
  while (__atomic_load_n(&stub.conn_cnt, __ATOMIC_SEQ_CST) == 0) poll(NULL, 0, 1);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  tf_dialer_leave(dialer, &client);
  assert_true(tf_clock_monotonic_ns() - begin_ns < 2 * TF_NS_PER_SEC);
  assert_ptr_equal(tf_dialer_take(&client), &dial);
  assert_int_equal(dial.err, E_FEED_CLOSED);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  snprintf(cert, sizeof cert, "/tmp/tf_dialer_%d.pem", getpid());
  snprintf(key, sizeof key, "/tmp/tf_dialer_%d.key", getpid());
  snprintf(other_cert, sizeof other_cert, "/tmp/tf_dialer_%d_other.pem", getpid());
  snprintf(other_key, sizeof other_key, "/tmp/tf_dialer_%d_other.key", getpid());
  static const char *const hosts[] = {"venue.test"};
  if (tf_tls_self_signed(cert, key, hosts, 1, 1) != TF_OK ||
      tf_tls_self_signed(other_cert, other_key, hosts, 1, 1) != TF_OK)
    return 1;
  const struct CMUnitTest tests[] = {
      T(name_that_does_not_resolve_says_so),
      T(slow_look_up_ends_at_its_deadline_and_blocks_nobody),
      T(refused_connection_says_so),
      T(server_that_says_nothing_is_given_up_in_each_phase),
      T(connection_cut_anywhere_in_the_upgrade_is_an_error_and_leaks_nothing),
      T(refusal_carries_status_retry_after_and_the_body),
      T(body_that_is_cut_or_over_its_limit_is_refused),
      T(certificate_for_another_host_or_of_an_unknown_issuer_is_refused),
      T(upgrade_hands_over_the_socket_and_the_bytes_behind_the_answer),
      T(upgrade_over_tls_hands_over_the_open_stream),
      T(get_brings_the_body_and_release_takes_it_back),
      T(last_good_address_serves_when_the_look_up_fails),
      T(address_that_leads_nowhere_costs_a_moment_and_is_then_passed_over),
      T(a_dead_ipv6_costs_one_gap_and_the_next_dial_nothing),
      T(only_black_holes_end_at_the_deadline),
      T(sources_budget_holds_the_next_dial_back),
      T(two_websocket_dials_to_one_host_start_apart),
      T(leaving_takes_back_a_dial_that_is_under_way),
  };
  int failed = cmocka_run_group_tests_name("dialer", tests, NULL, NULL);
  unlink(cert);
  unlink(key);
  unlink(other_cert);
  unlink(other_key);
  return failed;
}
