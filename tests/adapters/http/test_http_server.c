/* The HTTP listener over real loopback sockets, fed byte by byte. */
#include "cmocka_tf.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "http/http.h"

#define ANSWER_BYTES (8u << 20)

static tf_metrics_t       *metrics;
static tf_metrics_block_t *lane, *feed, *odd, *sink;
static tf_http_t          *http;
static char               *answer; /* of the last exchange */
static bool                healthy = true;
static uint32_t            writer_stop;
static int                 idle_fd_cnt; /* open when nobody is connected */

static bool is_healthy(void *self, char reason[TF_HTTP_REASON_BYTES]) {
  (void)self;
  if (!healthy) snprintf(reason, TF_HTTP_REASON_BYTES, "feed \"main\" is STALE\n<b>");
  return healthy;
}

static int dial(uint16_t port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  return fd;
}

/* Reads until the peer closes, at most wait_ms between two pieces; -1 if it stays open. */
static ssize_t read_answer(int fd, int wait_ms) {
  size_t used = 0;
  for (;;) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, wait_ms) <= 0) return -1;
    ssize_t n = recv(fd, answer + used, ANSWER_BYTES - 1 - used, 0);
    if (n <= 0) break; /* a reset counts as closed: we may have sent more than it read */
    used += (size_t)n;
  }
  answer[used] = '\0';
  return (ssize_t)used;
}

static ssize_t exchange(const void *bytes, size_t bytes_cnt) {
  int fd    = dial(tf_http_port(http));
  answer[0] = '\0';
  for (size_t sent = 0; sent < bytes_cnt;) {
    ssize_t n = send(fd, (const char *)bytes + sent, bytes_cnt - sent, MSG_NOSIGNAL);
    if (n <= 0) break;
    sent += (size_t)n;
  }
  ssize_t n = read_answer(fd, 300);
  if (n < 0) { /* it waits for more of the request: there is no more */
    shutdown(fd, SHUT_WR);
    n = read_answer(fd, 4000);
  }
  close(fd);
  assert_true(n >= 0);
  return n;
}

/* The answer's status; 0 when the connection was closed without one. */
static int get(const char *method, const char *path) {
  char request[256];
  int  status = 0;
  snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, path);
  exchange(request, strlen(request));
  sscanf(answer, "HTTP/1.%*d %d", &status);
  return status;
}

static const char *body(void) {
  const char *at = strstr(answer, "\r\n\r\n");
  return at ? at + 4 : "";
}

static bool has_header(const char *line) {
  const char *end = strstr(answer, "\r\n\r\n");
  for (const char *at = answer; at && at < end; at = strstr(at, "\r\n") + 2)
    if (strncasecmp(at, line, strlen(line)) == 0) return true;
  return false;
}

static void a_busy_port_is_named_with_its_cause(void **state) {
  (void)state;
  char             expected[128];
  tf_http_t       *second;
  tf_http_config_t config = {.host = "127.0.0.1", .port = tf_http_port(http), .metrics = metrics};
  assert_int_equal(tf_http_start(&config, &second), E_HTTP_LISTEN);
  assert_null(second);
  snprintf(
      expected, sizeof expected,
      "http.listen: cannot listen on 127.0.0.1:%u: another program has that port; name another",
      config.port);
  assert_string_equal(tf_error_text(), expected);
  config.host = "example.com";
  assert_int_equal(tf_http_start(&config, &second), E_HTTP_LISTEN);
  assert_non_null(strstr(tf_error_text(), "example.com:"));
  config.host = "192.0.2.1"; /* TEST-NET: of no interface */
  config.port = 0;
  assert_int_equal(tf_http_start(&config, &second), E_HTTP_LISTEN);
  assert_string_equal(tf_error_text(),
                      "http.listen: cannot listen on 192.0.2.1:0: Cannot assign requested address");
}

/* status 0: closed without an answer; -1: either that or any refusal (4xx, 5xx), never 2xx. */
static void malformed_requests_are_refused(void **state) {
  (void)state;
#define ROW(text, status)                                                                          \
  { text, sizeof(text) - 1, status }
  static const struct {
    const char *bytes;
    size_t      bytes_cnt;
    int         status;
  } rows[] = {
      ROW("GET /metrics\r\n", -1),
      ROW("GET /metrics\r\n\r\n", -1),
      ROW("GET\r\n\r\n", -1),
      ROW("\r\n\r\n\r\n\r\n", -1),
      ROW("GET /metrics HTTP/1.1\r\n\r\n", 400),
      ROW("GET /metrics HTTP/1.0\r\n\r\n", 400),
      ROW("GET /metrics HTTP/1.1\r\nHost:\r\n\r\n", 400),
      ROW("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
      ROW("GET /metrics HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 421),
      ROW("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example:80\r\n\r\n", 421),
      ROW("GET /metrics HTTP/1.1\r\nHost: localhost:80@evil.example\r\n\r\n", 421),
      ROW("GET /metrics HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n", 421),
      ROW("GET /metrics HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /metrics HTTP/1.1\r\nHost: [::2]\r\n\r\n", 421),
      ROW("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd", 405),
      ROW("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
      ROW("PUT /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
      ROW("DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
      ROW("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("XYZZY /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /", 400),
      ROW("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: "
          "chunked\r\n\r\n0\r\n\r\n",
          400),
      ROW("GET /metrics HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400),
      ROW("GET /%00metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /metrics%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /met\0rics HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /..\\..\\etc\\passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", -1),
      ROW("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
      ROW("GET /metricsx HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
      ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -1),
      ROW("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
          -1),
      ROW("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
          "h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
          -1),
      ROW("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", -1),
      ROW("GET / HTTP/1.1\r\nHo\0st: localhost\r\n\r\n", -1),
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    int status = 0;
    exchange(rows[i].bytes, rows[i].bytes_cnt);
    sscanf(answer, "HTTP/1.%*d %d", &status);
    bool good = rows[i].status >= 0 ? status == rows[i].status : status == 0 || status >= 400;
    if (!good) fail_msg("%s answered %d: %.300s", rows[i].bytes, status, answer);
    assert_null(strstr(answer, "tickfuse_ticks_total"));
  }
  assert_int_equal(get("GET", "/healthz"), 200); /* it still serves */
}

static void a_url_or_header_over_its_limit_is_refused(void **state) {
  (void)state;
  size_t cap     = 300000;
  char  *request = malloc(cap);
  for (int i = 0; i < 3; i++) {
    size_t      long_cnt = i == 1 ? 250000 : 65536;
    const char *head     = i == 0 ? "GET /" : "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-A: ";
    if (i == 2) head = "GET /metrics HTTP/1.1\r\nHost: ";
    size_t used = (size_t)snprintf(request, cap, "%s", head);
    memset(request + used, 'a', long_cnt);
    used += long_cnt;
    used += (size_t)snprintf(request + used, cap - used, "%s",
                             i == 0 ? " HTTP/1.1\r\nHost: localhost\r\n\r\n" : "\r\n\r\n");
    exchange(request, used);
    int status = 0;
    sscanf(answer, "HTTP/1.%*d %d", &status);
    assert_true(status == 0 || status >= 400);
  }
  free(request);
  assert_int_equal(get("GET", "/healthz"), 200);
}

static void ten_thousand_pipelined_requests_get_one_answer(void **state) {
  (void)state;
  static const char one[]   = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  size_t            one_cnt = sizeof one - 1;
  char             *all     = malloc(one_cnt * 10000);
  for (size_t i = 0; i < 10000; i++) memcpy(all + i * one_cnt, one, one_cnt);
  exchange(all, one_cnt * 10000);
  const char *first = strstr(answer, "HTTP/1.1 200");
  assert_null(first ? strstr(first + 1, "HTTP/1.1") : NULL);
  free(all);
  assert_int_equal(get("GET", "/healthz"), 200);
}

static void slow_requests_are_cut_after_two_seconds(void **state) {
  (void)state;
  int      idle = dial(tf_http_port(http)), half = dial(tf_http_port(http));
  int      drip     = dial(tf_http_port(http));
  uint64_t begin_ns = tf_clock_monotonic_ns(), cut_ns = 0;
  assert_int_equal(send(half, "GET /metrics HTTP/1.1\r\nHost: loc", 33, MSG_NOSIGNAL), 33);
  assert_int_equal(send(drip, "GET /", 5, MSG_NOSIGNAL), 5);
  while (!cut_ns && tf_clock_monotonic_ns() - begin_ns < 4 * TF_NS_PER_SEC) {
    struct pollfd p = {.fd = drip, .events = POLLIN};
    if (send(drip, "a", 1, MSG_NOSIGNAL) < 0 || poll(&p, 1, 100) > 0)
      cut_ns = tf_clock_monotonic_ns();
  }
  assert_true(cut_ns - begin_ns > 1500 * TF_NS_PER_MS && cut_ns - begin_ns < 3500 * TF_NS_PER_MS);
  assert_true(read_answer(idle, 1000) >= 0);
  assert_true(read_answer(half, 1000) >= 0);
  close(idle);
  close(half);
  close(drip);
}

static void the_sixty_fifth_connection_is_closed_at_once(void **state) {
  (void)state;
  int fds[TF_HTTP_CONNECTIONS_MAX + 1];
  for (size_t i = 0; i < TF_ARRAY_CNT(fds); i++) {
    fds[i] = dial(tf_http_port(http));
    if (i < TF_HTTP_CONNECTIONS_MAX) assert_int_equal(send(fds[i], "G", 1, MSG_NOSIGNAL), 1);
  }
  assert_int_equal(read_answer(fds[TF_HTTP_CONNECTIONS_MAX], 1000), 0);
  struct pollfd p = {.fd = fds[0], .events = POLLIN};
  assert_int_equal(poll(&p, 1, 0), 0); /* the others stand */
  for (size_t i = 0; i < TF_ARRAY_CNT(fds); i++) close(fds[i]);
  /* The thread notices the closed ones in its own time. */
  int status = 0;
  for (int tries = 0; tries < 100 && status != 200; tries++) status = get("GET", "/healthz");
  assert_int_equal(status, 200);
}

static int open_fd_cnt(void) {
  int cnt = 0;
  for (int fd = 0; fd < 1024; fd++) cnt += fcntl(fd, F_GETFD) != -1;
  return cnt;
}

static void callers_are_turned_away_when_descriptors_run_out(void **state) {
  (void)state;
  struct rlimit before, tight;
  int           fds[64], cnt = 0, fd = -1;
  /* Connections that the server is still taking down would free descriptors below. */
  for (int tries = 0; open_fd_cnt() > idle_fd_cnt && tries < 300; tries++) poll(NULL, 0, 10);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  tight          = before;
  tight.rlim_cur = 256;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tf_http_port(http))};
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  for (int i = 0; i < 8; i++) fds[cnt++] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int last = fds[0];
  while ((fd = dup(last)) >= 0) last = fd; /* all descriptors are taken now */
  for (int i = 0; i < cnt; i++) {
    assert_int_equal(connect(fds[i], (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(read_answer(fds[i], 3000), 0); /* never left in the queue */
  }
  for (fd = 255; fd > fds[cnt - 1]; fd--) close(fd);
  for (int i = 0; i < cnt; i++) close(fds[i]);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(get("GET", "/healthz"), 200);
}

static void the_three_pages_are_served(void **state) {
  (void)state;
  assert_int_equal(get("GET", "/"), 200);
  assert_true(has_header("content-type: text/html; charset=utf-8"));
  assert_true(has_header("content-security-policy: default-src 'none'; frame-ancestors 'none'"));
  assert_true(has_header("x-content-type-options: nosniff"));
  assert_true(has_header("connection: close"));
  assert_non_null(strstr(body(), "<a href=\"/metrics\">"));
  assert_non_null(strstr(body(), "feed a&quot;b"));
  assert_null(strstr(body(), "<script>"));
  assert_int_equal(get("GET", "/metrics"), 200);
  assert_true(has_header("content-type: text/plain; version=0.0.4; charset=utf-8"));
  assert_int_equal(get("GET", "/metrics?x=1"), 200);
  static const char *const hosts[] = {"127.0.0.1", "LOCALHOST:8090", "[::1]:1", "[::1]",
                                      "127.0.0.1:8090"};
  for (size_t i = 0; i < TF_ARRAY_CNT(hosts); i++) {
    char request[128];
    snprintf(request, sizeof request, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
    exchange(request, strlen(request));
    assert_non_null(strstr(answer, " 200 "));
  }
}

static void head_has_the_headers_alone(void **state) {
  (void)state;
  assert_int_equal(get("HEAD", "/metrics"), 200);
  assert_true(has_header("content-length: "));
  assert_string_equal(body(), "");
}

static void health_names_what_an_operator_should_hear_of(void **state) {
  (void)state;
  tf_metrics_add(feed, TF_METRIC_FEED_ID_CONFLICTS, 3);
  tf_metrics_add(lane, TF_METRIC_EVENTS_BAD_TIME_FUTURE, 1);
  assert_int_equal(get("GET", "/healthz"), 200); /* the feed goes on */
  assert_non_null(strstr(body(), "\"alarms\":["));
  assert_non_null(strstr(body(), "{\"of\":\"main\",\"reason\":\"id_conflict\",\"cnt\":3}"));
  assert_non_null(strstr(body(), "{\"of\":\"lane0\",\"reason\":\"ts_suspect_future\",\"cnt\":1}"));
  tf_metrics_set(feed, TF_METRIC_FEED_ID_CONFLICTS, 0);
  tf_metrics_set(lane, TF_METRIC_EVENTS_BAD_TIME_FUTURE, 0);
}

static void health_is_503_with_the_reason(void **state) {
  (void)state;
  assert_int_equal(get("GET", "/healthz"), 200);
  assert_true(has_header("content-type: application/json"));
  assert_string_equal(body(),
                      "{\"status\":\"ok\",\"feeds\":[{\"name\":\"main\",\"state\":\"live\"},"
                      "{\"name\":\"a\\\"b\\\\\\n\u00e9?\\u003cscript>\",\"state\":"
                      "\"down\"}],\"alarms\":[]}\n");
  healthy = false;
  assert_int_equal(get("GET", "/healthz"), 503);
  assert_non_null(strstr(body(), "\"status\":\"unavailable\",\"reason\":\"feed \\\"main\\\" is "
                                 "STALE\\n\\u003cb>\",\"feeds\":["));
  healthy = true;
}

static void the_exposition_is_what_prometheus_reads(void **state) {
  (void)state;
  char  path[] = "/tmp/tf_metrics_XXXXXX";
  char *args[] = {"/usr/bin/python3",
                  "tests/oracle/prometheus_check.py",
                  path,
                  "tickfuse_ticks_total{thread=\"lane0\"}=42",
                  "tickfuse_feed_received_bytes_total{feed=\"main\"}=12345678901234",
                  "tickfuse_feed_messages_rejected_total{feed=\"main\",reason=\"schema\"}=3",
                  "tickfuse_feed_state{feed=\"main\",state=\"live\"}=1",
                  "tickfuse_feed_state{feed=\"main\",state=\"down\"}=0",
                  "tickfuse_feed_state{feed=\"a\\\"b\\\\\\n\u00e9?<script>\",state=\"down\"}=1",
                  "tickfuse_feed_lag_seconds{feed=\"main\"}=1.000000007",
                  "tickfuse_sink_pending{sink=\"shm:decisions\"}=5",
                  "tickfuse_stage_latency_seconds_count{thread=\"lane0\",stage=\"decode\"}=4",
                  "tickfuse_stage_latency_seconds_bucket{thread=\"lane0\",stage=\"decode\",le="
                  "\"0.000000063\"}=1",
                  "tickfuse_stage_latency_seconds_bucket{thread=\"lane0\",stage=\"decode\",le="
                  "\"0.000000127\"}=2",
                  "tickfuse_stage_latency_seconds_bucket{thread=\"lane0\",stage=\"decode\",le="
                  "\"0.000001023\"}=3",
                  "tickfuse_stage_latency_seconds_sum{thread=\"lane0\",stage=\"decode\"}="
                  "70.000001127",
                  "tickfuse_stage_latency_max_seconds{thread=\"lane0\",stage=\"decode\"}=70",
                  "tickfuse_build_info{version=\"1.2\",commit=\"\",config_hash=\"00ff\"}=1",
                  NULL};
  if (access(args[0], X_OK) != 0) {
    print_message("skipped: /usr/bin/python3 is not there\n");
    skip();
  }
  assert_int_equal(get("GET", "/metrics"), 200);
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  size_t cnt = strlen(body());
  assert_int_equal(write(fd, body(), cnt), cnt);
  close(fd);
  int   status = -1;
  pid_t pid    = fork();
  if (pid == 0) {
    execv(args[0], args);
    _exit(127);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  unlink(path);
  assert_int_equal(status, 0);
}

static void *count_on(void *self) {
  tf_metrics_block_t *block = self;
  /* pairs with: metrics_are_served_while_they_are_counted */
  while (!tf_load_acquire_u32(&writer_stop)) {
    tf_metrics_add(block, TF_METRIC_SINK_ACKED, 1);
    tf_hist_record(tf_metrics_hist(block, TF_METRIC_HIST_EMIT), 100);
  }
  return NULL;
}

static void metrics_are_served_while_they_are_counted(void **state) {
  (void)state;
  pthread_t thread;
  tf_store_release_u32(&writer_stop, 0); /* pairs with: count_on */
  assert_int_equal(pthread_create(&thread, NULL, count_on, sink), 0);
  unsigned long long last = 0, now;
  for (int i = 0; i < 20; i++) {
    assert_int_equal(get("GET", "/metrics"), 200);
    const char *at = strstr(body(), "tickfuse_sink_acked_total{sink=\"shm:decisions\"} ");
    assert_non_null(at);
    assert_int_equal(sscanf(strchr(at, '}') + 1, "%llu", &now), 1);
    assert_true(now >= last);
    last = now;
  }
  tf_store_release_u32(&writer_stop, 1); /* pairs with: count_on */
  pthread_join(thread, NULL);
}

static void it_can_be_stopped_with_connections_open_and_started_again(void **state) {
  (void)state;
  tf_http_t       *other;
  tf_http_config_t config = {.host = "::1", .metrics = metrics};
  if (tf_http_start(&config, &other) != TF_OK) { /* no IPv6 here */
    config.host = "127.0.0.1";
    assert_int_equal(tf_http_start(&config, &other), TF_OK);
  }
  config.port = tf_http_port(other);
  assert_int_not_equal(config.port, 0);
  tf_http_stop(other);
  assert_int_equal(tf_http_start(&config, &other), TF_OK);
  assert_int_equal(tf_http_port(other), config.port);
  if (strcmp(config.host, "127.0.0.1") == 0) {
    int fd = dial(config.port);
    tf_http_stop(other);
    assert_true(read_answer(fd, 1000) >= 0);
    close(fd);
  } else {
    tf_http_stop(other);
  }
  tf_http_stop(NULL);
}

static int start(void **state) {
  (void)state;
  size_t bytes = tf_metrics_footprint(8, 2);
  void  *page  = NULL;
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL); /* libwebsockets' remarks on bad requests */
  answer = malloc(ANSWER_BYTES);
  if (!answer || posix_memalign(&page, TF_LINE_PAIR_BYTES, bytes) != 0) return -1;
  metrics = tf_metrics_new(page, bytes);
  lane    = tf_metrics_block_add(metrics, TF_METRIC_THREAD, "lane0", true);
  feed    = tf_metrics_block_add(metrics, TF_METRIC_FEED, "main", false);
  odd     = tf_metrics_block_add(metrics, TF_METRIC_FEED, "a\"b\\\n\u00e9\xff<script>", false);
  sink    = tf_metrics_block_add(metrics, TF_METRIC_SINK, "shm:decisions", true);
  if (!lane || !feed || !odd || !sink) return -1;
  tf_metrics_set(lane, TF_METRIC_TICKS, 42);
  tf_metrics_add(feed, TF_METRIC_FEED_RX_BYTES, UINT64_C(12345678901234));
  tf_metrics_add(feed, TF_METRIC_FEED_REJECTED_SYNTAX + TF_REJECT_SCHEMA, 3);
  tf_metrics_set(feed, TF_METRIC_FEED_STATE, 2);
  tf_metrics_set(feed, TF_METRIC_FEED_LAG_NS, TF_NS_PER_SEC + 7);
  tf_metrics_set(odd, TF_METRIC_FEED_STATE, 5);
  tf_metrics_set(sink, TF_METRIC_SINK_PENDING, 5);
  const uint64_t decode_ns[] = {63, 64, 1000, 70 * TF_NS_PER_SEC};
  for (size_t i = 0; i < TF_ARRAY_CNT(decode_ns); i++)
    tf_hist_record(tf_metrics_hist(lane, TF_METRIC_HIST_DECODE), decode_ns[i]);
  tf_http_config_t config = {.host        = "127.0.0.1",
                             .metrics     = metrics,
                             .version     = "1.2",
                             .config_hash = "00ff",
                             .healthy     = is_healthy};
  if (tf_http_start(&config, &http) != TF_OK) return -1;
  idle_fd_cnt = open_fd_cnt();
  return 0;
}

static int stop(void **state) {
  (void)state;
  tf_http_stop(http);
  free(tf_metrics_delete(metrics));
  free(answer);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_busy_port_is_named_with_its_cause),
      cmocka_unit_test(malformed_requests_are_refused),
      cmocka_unit_test(a_url_or_header_over_its_limit_is_refused),
      cmocka_unit_test(ten_thousand_pipelined_requests_get_one_answer),
      cmocka_unit_test(slow_requests_are_cut_after_two_seconds),
      cmocka_unit_test(the_sixty_fifth_connection_is_closed_at_once),
      cmocka_unit_test(callers_are_turned_away_when_descriptors_run_out),
      cmocka_unit_test(the_three_pages_are_served),
      cmocka_unit_test(head_has_the_headers_alone),
      cmocka_unit_test(health_names_what_an_operator_should_hear_of),
      cmocka_unit_test(health_is_503_with_the_reason),
      cmocka_unit_test(the_exposition_is_what_prometheus_reads),
      cmocka_unit_test(metrics_are_served_while_they_are_counted),
      cmocka_unit_test(it_can_be_stopped_with_connections_open_and_started_again),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
