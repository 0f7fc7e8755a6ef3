/* The http sink against a server that the test plays, byte by byte, at a time of the test's own. `test_http_sink
 * push URL CNT SIGN_FILE CA_FILE` sends CNT decisions through the whole sink, for test_http_sink.py. */
#include "cmocka_tf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "sink/egress.h"
#include "sink/http_link.h"

extern const tf_outlet_t tf_http_outlet;
extern const tf_sink_t   tf_sink_http;

#define WAIT_NS (60 * TF_NS_PER_SEC) /* real time, for what must come */
#define SECRET  "0123456789abcdef-secret"
#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static struct {
  tf_sink_config_t config;
  char             url[96], sign_file[64];
  void            *outlet;
  tf_outlet_view_t view;
  uint64_t         now_ns, cursor, last; /* egress: the next to send, the last there is */
  uint32_t         connection;
  int              listener, peer;
  uint32_t         accepted;
  char             request[1 << 20];
  size_t           request_cnt;
  char             key[128]; /* of the request read last */
  const char      *body;
  size_t           body_cnt;
} rig;

static uint64_t known_errors; /* set back by setup */

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL); }

static void listen_on(uint16_t port) {
  struct sockaddr_in at = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t at_bytes = sizeof at;
  int       on       = 1;
  rig.listener       = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(rig.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  assert_int_equal(bind(rig.listener, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(rig.listener, 8), 0);
  getsockname(rig.listener, (struct sockaddr *)&at, &at_bytes);
  snprintf(rig.url, sizeof rig.url, "http://127.0.0.1:%u/in?x=1", ntohs(at.sin_port));
}

static void outlet_open(void) {
  rig.outlet = malloc(tf_http_outlet.state_bytes(&rig.config));
  assert_int_equal(tf_http_outlet.open(rig.outlet, &rig.config), TF_OK);
}

static void outlet_close(void) {
  tf_http_outlet.close(rig.outlet);
  free(rig.outlet);
}

static int setup(void **state) {
  (void)state;
  memset(&rig, 0, sizeof rig);
  known_errors = 0;
  rig.peer     = -1;
  rig.now_ns   = 1000 * TF_NS_PER_SEC;
  rig.cursor   = 1;
  listen_on(0);
  rig.config = (tf_sink_config_t){.type      = "http",
                                  .name      = "hook",
                                  .shape     = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                                  .format    = TF_FORMAT_BINARY,
                                  .batch_max = 10,
                                  .epoch     = 4,
                                  .url       = rig.url};
  outlet_open();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  outlet_close();
  if (rig.peer >= 0) close(rig.peer);
  if (rig.listener >= 0) close(rig.listener);
  return 0;
}

static tf_decision_t decision(uint64_t seq) {
  return (tf_decision_t){.decision_seq = seq, .ref_price = (int64_t)seq * 3, .version = 1};
}

/* One pass of the egress thread, as egress.c has it; and the server takes who knocks. */
static void pass(void) {
  tf_http_outlet.poll(rig.outlet, rig.now_ns, 0, &rig.view);
  if (rig.view.phase == TF_OUTLET_READY && rig.view.connection != rig.connection) {
    rig.connection = rig.view.connection;
    rig.cursor     = rig.view.acked_seq + 1;
  }
  while (rig.view.phase == TF_OUTLET_READY && rig.cursor <= rig.last) {
    tf_decision_t d   = decision(rig.cursor);
    tf_out_t      out = {.record = &d, .seq = rig.cursor};
    if (tf_http_outlet.send(rig.outlet, &out, 1) == 0) break;
    rig.cursor++;
  }
  if (rig.view.phase == TF_OUTLET_READY && rig.cursor > rig.last)
    tf_http_outlet.flush(rig.outlet, rig.now_ns);
  if (rig.peer < 0 && rig.listener >= 0 &&
      (rig.peer = accept4(rig.listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    rig.accepted++;
    rig.request_cnt = 0;
  }
}

static void run_until(bool (*done)(void)) {
  for (uint64_t until = tf_clock_monotonic_ns() + WAIT_NS; !done(); nap()) {
    if (tf_clock_monotonic_ns() > until) fail_msg("not in time");
    pass();
  }
}

static void hang_up(void) {
  close(rig.peer);
  rig.peer = -1;
}

/* A whole request is there. */
static bool has_request(void) {
  if (rig.peer < 0) return false;
  ssize_t n =
      recv(rig.peer, rig.request + rig.request_cnt, sizeof rig.request - 1 - rig.request_cnt, 0);
  if (n > 0) rig.request_cnt += (size_t)n;
  rig.request[rig.request_cnt] = 0;
  const char *end              = strstr(rig.request, "\r\n\r\n"), *length, *key;
  if (!end) return false;
  length = strstr(rig.request, "Content-Length: ");
  key    = strstr(rig.request, "Idempotency-Key: ");
  assert_true(length && length < end && key && key < end);
  rig.body     = end + 4;
  rig.body_cnt = strtoul(length + 16, NULL, 10);
  sscanf(key + 17, "%127[^\r]", rig.key);
  if (rig.request_cnt < (size_t)(rig.body - rig.request) + rig.body_cnt) return false;
  assert_int_equal(rig.request_cnt, (size_t)(rig.body - rig.request) + rig.body_cnt);
  return true;
}

/* The next request, which must have this key and those decisions. */
static void expect(uint64_t first, uint64_t last) {
  char key[64];
  snprintf(key, sizeof key, "hook-%llu-%llu", (unsigned long long)first, (unsigned long long)last);
  rig.request_cnt = 0;
  run_until(has_request);
  assert_string_equal(rig.key, key);
  assert_int_equal(rig.body_cnt, (last - first + 1) * sizeof(tf_decision_t));
  for (uint64_t seq = first; seq <= last; seq++) {
    tf_decision_t d = decision(seq);
    assert_memory_equal(rig.body + (seq - first) * sizeof d, &d, sizeof d);
  }
}

static void answer(const char *text) {
  size_t cnt = strlen(text);
  assert_int_equal(send(rig.peer, text, cnt, MSG_NOSIGNAL), cnt);
}

static uint64_t wanted_ack;
static bool     is_acked(void) { return rig.view.acked_seq >= wanted_ack; }
static void     await_ack(uint64_t seq) {
      wanted_ack = seq;
      run_until(is_acked);
      assert_int_equal(rig.view.acked_seq, seq);
}

static uint64_t errors(void) { return tf_http_outlet.counts(rig.outlet)->errors; }
static bool     has_error(void) { return errors() > known_errors; }
static void     await_error(const char *text) {
      run_until(has_error);
      if (!strstr(tf_error_text(), text)) fail_msg("\"%s\" in \"%s\"", text, tf_error_text());
  known_errors = errors();
}

/* The connection is in trouble: the time of the next attempt comes. */
static void wait_out(uint64_t ns) {
  if (rig.peer >= 0) hang_up();
  rig.now_ns += ns;
}

/* ---- what is sent ---- */

static void a_batch_is_posted_and_acked_and_the_connection_is_kept(void **state) {
  (void)state;
  rig.last = 35;
  for (uint64_t first = 1; first <= 35; first += 10) {
    uint64_t last = first + 9 < 35 ? first + 9 : 35;
    expect(first, last);
    assert_int_equal(rig.view.acked_seq, first - 1);
    assert_non_null(strstr(rig.request, "POST /in?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert_non_null(strstr(rig.request, "\r\nContent-Type: application/octet-stream\r\n"));
    assert_non_null(strstr(rig.request, "\r\nTickfuse-Epoch: 4\r\n"));
    assert_null(strstr(rig.request, "Signature"));
    answer(OK);
    await_ack(last);
  }
  assert_int_equal(rig.accepted, 1);
  assert_int_equal(errors(), 0);
  assert_int_equal(tf_http_outlet.counts(rig.outlet)->connects, 1);
}

static void a_batch_waits_for_linger_or_until_it_is_full(void **state) {
  (void)state;
  outlet_close();
  rig.config.linger_ns = TF_NS_PER_MS;
  outlet_open();
  rig.last = 9;
  for (int i = 0; i < 100; i++) pass(), nap();
  assert_true(rig.peer >= 0);
  assert_int_equal(recv(rig.peer, rig.request, 1, MSG_PEEK), -1);
  rig.last = 10;
  expect(1, 10);
  answer(OK);
  await_ack(10);
  rig.last = 12;
  for (int i = 0; i < 20; i++) pass();
  assert_int_equal(recv(rig.peer, rig.request, 1, MSG_PEEK), -1);
  rig.now_ns += TF_NS_PER_MS;
  expect(11, 12);
  answer(OK);
  await_ack(12);
}

static void the_signature_is_openssls(void **state) {
  (void)state;
  char path[] = "/tmp/tf-sign-XXXXXX", want[65], text[4096], timestamp[32];
  int  fd     = mkstemp(path);
  assert_int_equal(write(fd, SECRET "\n", strlen(SECRET) + 1), strlen(SECRET) + 1);
  fchmod(fd, 0600);
  close(fd);
  outlet_close();
  rig.config.sign_file = path;
  outlet_open();
  rig.last = 3;
  expect(1, 3);
  unlink(path);
  assert_int_equal(sscanf(strstr(rig.request, "Tickfuse-Timestamp: "),
                          "Tickfuse-Timestamp: %31[0-9]", timestamp),
                   1);
  int      cnt = snprintf(text, sizeof text, "%s.%s.", timestamp, rig.key);
  uint8_t  mac[32];
  unsigned mac_cnt = sizeof mac;
  memcpy(text + cnt, rig.body, rig.body_cnt);
  HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET), (uint8_t *)text, (size_t)cnt + rig.body_cnt, mac,
       &mac_cnt);
  for (int i = 0; i < 32; i++) snprintf(want + 2 * i, 3, "%02x", mac[i]);
  const char *found = strstr(rig.request, "Tickfuse-Signature: sha256=");
  assert_non_null(found);
  assert_memory_equal(found + 27, want, 64);
}

/* ---- what is answered ---- */

static void what_may_pass_is_sent_again_under_the_same_key(void **state) {
  (void)state;
  static const int statuses[] = {408, 425, 429, 500, 502, 503, 504, 599};
  rig.last                    = 4;
  expect(1, 4);
  for (size_t i = 0; i < TF_ARRAY_CNT(statuses); i++) {
    char text[128];
    snprintf(text, sizeof text, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", statuses[i]);
    rig.last = 30; /* more has come: the batch ends where it ended all the same */
    answer(text);
    snprintf(text, sizeof text, "POST /in?x=1: %d No", statuses[i]);
    await_error(text);
    assert_int_equal(rig.view.acked_seq, 0);
    wait_out(5 * TF_NS_PER_SEC);
    expect(1, 4);
  }
  answer(OK);
  await_ack(4);
  expect(5, 14);
}

static void retry_after_is_obeyed(void **state) {
  (void)state;
  rig.last = 4;
  expect(1, 4);
  answer("HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n");
  await_error("429");
  wait_out(17 * TF_NS_PER_SEC - 1);
  for (int i = 0; i < 100; i++) pass(), nap();
  assert_int_equal(rig.accepted, 1);
  wait_out(1);
  expect(1, 4);
  assert_int_equal(rig.accepted, 2);
}

static void a_refusal_waits_long_and_drops_nothing(void **state) {
  (void)state;
  static const char *const refusals[][2] = {
      {"HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n",                                  "401 Who"  },
      {"HTTP/1.1 404 Where\r\nContent-Length: 0\r\n\r\n",                                "404 Where"},
      {"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
       "302 to http://elsewhere/: redirects are not followed"                                       },
      {"HTTP/1.1 307 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",                   "307 to /x"}
  };
  rig.last = 4;
  expect(1, 4);
  for (uint32_t i = 0; i < TF_ARRAY_CNT(refusals); i++) {
    answer(refusals[i][0]);
    await_error(refusals[i][1]);
    wait_out(30 * TF_NS_PER_SEC - 1);
    for (int k = 0; k < 50; k++) pass(), nap();
    assert_int_equal(rig.accepted, i + 1);
    wait_out(1);
    expect(1, 4);
  }
  answer(OK);
  await_ack(4);
}

static void what_is_too_large_is_halved(void **state) {
  (void)state;
  static const uint64_t halves[] = {10, 5, 2, 1};
  rig.last                       = 20;
  for (size_t i = 0; i < TF_ARRAY_CNT(halves); i++) {
    expect(1, halves[i]);
    if (i + 1 == TF_ARRAY_CNT(halves)) break;
    answer("HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n");
    await_error("413");
    wait_out(5 * TF_NS_PER_SEC);
  }
  answer(OK);
  await_ack(1);
  expect(2, 2);
}

static void a_connection_that_ends_before_the_answer_is_another_attempt(void **state) {
  (void)state;
  static const char *const parts[] = {"", "H", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Le"};
  rig.last                         = 4;
  expect(1, 4);
  for (size_t i = 0; i < TF_ARRAY_CNT(parts); i++) {
    if (parts[i][0]) answer(parts[i]);
    for (int k = 0; k < 5; k++) pass();
    hang_up();
    await_error("the connection ended before an answer");
    wait_out(5 * TF_NS_PER_SEC);
    expect(1, 4);
  }
  answer(OK);
  await_ack(4);
}

/* Once the head has said 2xx the batch is there, whatever becomes of the rest. */
static void an_answer_without_an_end_costs_the_connection_and_nothing_else(void **state) {
  (void)state;
  static const char *const heads[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nxxxx",
      "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
      "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"};
  for (uint64_t i = 0; i < TF_ARRAY_CNT(heads); i++) {
    rig.last = 4 * (i + 1);
    expect(rig.last - 3, rig.last);
    answer(heads[i]);
    await_ack(rig.last);
    if (strstr(heads[i], "fffffff"))
      for (int k = 0; k < 3000 && send(rig.peer, rig.request, 1000, MSG_NOSIGNAL) > 0; k++) pass();
    for (int k = 0; k < 5; k++) pass();
    hang_up();
  }
  rig.last++;
  expect(rig.last, rig.last);
  assert_int_equal(rig.accepted, TF_ARRAY_CNT(heads) + 1);
  assert_int_equal(errors(), 0);
}

static void a_lying_server_is_left(void **state) {
  (void)state;
  static const char *const lies[] = {
      "SSH-2.0-OpenSSH_9.2\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      "HTTP/1.1 100 A\r\n\r\nHTTP/1.1 100 B\r\n\r\nHTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 D\r\n\r\n"
      "HTTP/1.1 100 E\r\n\r\n"};
  rig.last = 4;
  for (size_t i = 0; i < TF_ARRAY_CNT(lies); i++) {
    expect(1, 4);
    answer(lies[i]);
    await_error("");
    assert_int_equal(rig.view.acked_seq, 0);
    wait_out(30 * TF_NS_PER_SEC);
  }
  expect(1, 4);
  answer("HTTP/1.1 100 Continue\r\n\r\n" OK); /* one is allowed */
  await_ack(4);
  answer(OK); /* nobody asked */
  await_error("bytes behind the answer");
}

static void a_head_without_end_is_left(void **state) {
  (void)state;
  char line[1001];
  memset(line, 'x', sizeof line);
  memcpy(line, "X: ", 3);
  memcpy(line + 998, "\r\n", 3);
  rig.last = 4;
  expect(1, 4);
  answer("HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 17; i++) {
    (void)!send(rig.peer, line, 1000, MSG_NOSIGNAL);
    for (int k = 0; k < 5; k++) pass();
  }
  await_error("POST /in?x=1: ");
  assert_int_equal(rig.view.acked_seq, 0);
}

static void silence_is_given_ten_seconds(void **state) {
  (void)state;
  rig.last = 4;
  expect(1, 4);
  rig.now_ns += 10 * TF_NS_PER_SEC - 1;
  for (int i = 0; i < 20; i++) pass();
  assert_int_equal(errors(), 0);
  rig.now_ns += 1;
  await_error("no answer in 10 s");
  wait_out(5 * TF_NS_PER_SEC);
  expect(1, 4);
}

static void an_idle_connection_may_go_at_any_time(void **state) {
  (void)state;
  for (rig.last = 2; rig.last <= 8; rig.last += 2) {
    expect(rig.last - 1, rig.last);
    answer(OK);
    await_ack(rig.last);
    for (int k = 0; k < 5; k++) pass();
    hang_up();
  }
  assert_int_equal(errors(), 0);
}

static void a_server_that_is_not_there_is_tried_again(void **state) {
  (void)state;
  uint16_t port = (uint16_t)strtoul(strrchr(rig.url, ':') + 1, NULL, 10);
  close(rig.listener);
  rig.listener = -1;
  rig.last     = 4;
  outlet_close();
  outlet_open();
  for (int i = 0; i < 4; i++) {
    await_error("connect: Connection refused");
    rig.now_ns += 5 * TF_NS_PER_SEC;
  }
  listen_on(port);
  expect(1, 4);
  answer(OK);
  await_ack(4);
}

/* ---- config ---- */

static void urls_are_read_whole_or_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "http:",
                                    "http://",
                                    "http:///x",
                                    "ftp://a/",
                                    "http://a:0/",
                                    "http://a:65536/",
                                    "http://a:/",
                                    "http://a:1x/",
                                    "http://a b/",
                                    "http://u@a/",
                                    "http://a/x y",
                                    "http://a/x#y",
                                    "http://a?x",
                                    "http://[::1/",
                                    "http://[]/",
                                    "HTTP://a/"};
  tf_http_url_t            u;
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    if (tf_http_url_parse(bad[i], &u) != E_SINK_CONFIG) fail_msg("\"%s\" was taken", bad[i]);
  assert_int_equal(tf_http_url_parse("https://example.net", &u), TF_OK);
  assert_string_equal(u.host, "example.net");
  assert_string_equal(u.port, "443");
  assert_string_equal(u.target, "/");
  assert_true(u.is_tls && !u.has_port);
  assert_int_equal(tf_http_url_parse("http://[::1]:65535/a?b=c", &u), TF_OK);
  assert_string_equal(u.host, "::1");
  assert_string_equal(u.port, "65535");
  assert_string_equal(u.target, "/a?b=c");
  for (size_t cnt = TF_HTTP_LINK_HOST_BYTES - 2; cnt <= TF_HTTP_LINK_HOST_BYTES; cnt++) {
    char url[512] = "http://";
    memset(url + 7, 'a', cnt);
    assert_int_equal(tf_http_url_parse(url, &u) == TF_OK, cnt < TF_HTTP_LINK_HOST_BYTES);
  }
}

static void a_token_does_not_leave_without_tls(void **state) {
  (void)state;
  tf_sink_config_t wrong  = rig.config;
  void            *memory = malloc(tf_http_outlet.state_bytes(&wrong));
  wrong.token_file        = "/nonexistent";
  wrong.url               = "http://example.net/x";
  assert_int_equal(tf_http_outlet.open(memory, &wrong), E_SINK_CONFIG);
  assert_non_null(strstr(tf_error_text(), "over https only"));
  wrong.url = "https://example.net/x";
  assert_int_equal(tf_http_outlet.open(memory, &wrong), E_FILE_OPEN);
  wrong.url = NULL;
  assert_int_equal(tf_http_outlet.open(memory, &wrong), E_SINK_CONFIG);
  free(memory);
}

/* ---- for the other server ---- */

static int push(char **args) {
  tf_sink_config_t config = {.type         = "http",
                             .name         = "hook",
                             .shape        = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                             .format       = TF_FORMAT_JSON,
                             .policy       = TF_OVERFLOW_BLOCK,
                             .slot_cnt     = 1024,
                             .epoch        = 9,
                             .url          = args[0],
                             .sign_file    = args[2],
                             .ca_file      = args[3],
                             .batch_max    = 100,
                             .drain_ns_max = WAIT_NS};
  uint64_t         cnt    = strtoull(args[1], NULL, 10);
  void            *sink   = aligned_alloc(128, tf_align_up(tf_sink_http.state_bytes(&config), 128));
  tf_sink_counts_t counts;
  if (tf_sink_http.open(sink, &config)) {
    printf("%s\n", tf_error_text());
    return 2;
  }
  for (uint64_t seq = 1; seq <= cnt;) {
    tf_decision_t d = decision(seq);
    int           n = tf_sink_http.offer(sink, &d, 1);
    if (n == 0) nap();
    seq += n > 0;
  }
  tf_sink_http.close(sink);
  tf_sink_http.counts(sink, &counts);
  printf("acked %llu resent %llu errors %llu pending %llu\n", (unsigned long long)counts.acked,
         (unsigned long long)counts.resent, (unsigned long long)counts.errors,
         (unsigned long long)counts.pending);
  free(sink);
  return counts.acked == cnt ? 0 : 1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(a_batch_is_posted_and_acked_and_the_connection_is_kept),
      TEST(a_batch_waits_for_linger_or_until_it_is_full),
      TEST(the_signature_is_openssls),
      TEST(what_may_pass_is_sent_again_under_the_same_key),
      TEST(retry_after_is_obeyed),
      TEST(a_refusal_waits_long_and_drops_nothing),
      TEST(what_is_too_large_is_halved),
      TEST(a_connection_that_ends_before_the_answer_is_another_attempt),
      TEST(an_answer_without_an_end_costs_the_connection_and_nothing_else),
      TEST(a_lying_server_is_left),
      TEST(a_head_without_end_is_left),
      TEST(silence_is_given_ten_seconds),
      TEST(an_idle_connection_may_go_at_any_time),
      TEST(a_server_that_is_not_there_is_tried_again),
      TEST(urls_are_read_whole_or_refused),
      TEST(a_token_does_not_leave_without_tls),
  };
  tf_clock_calibrate();
  if (argc == 6 && strcmp(argv[1], "push") == 0) return push(argv + 2);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
