/* The HTTP intake's thread against an engine that is this one: requests over sockets, and what of them stands in the inbox.
 * Run under ThreadSanitizer too. */
#include "cmocka_tf.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "source/intake.h"
#include "tf/atomic.h"

#define BODY_MAX   4096u
#define WORKER_CNT 4u
#define EACH_CNT   200u
#define TRADE                                                                                      \
  "{\"instrument\":\"BTC.DESK\",\"kind\":\"trade\",\"side\":\"buy\",\"price\":\"1.5\",\"qty\":2}"

extern const tf_intake_t tf_intake_http;

static tf_intake_config_t config;
static tf_inbox_t        *inbox;
static void              *inbox_memory, *state;
static uint32_t           is_over; /* the engine's stop */
static uint64_t           taken_cnt;
static pthread_t          engine;
static bool               has_engine;
static uint64_t           unwatched_cnt;

static void *take_all(void *self) {
  (void)self;
  tf_inbox_message_t m;
  /* pairs with: stop_engine */
  while (!tf_load_acquire_u32(&is_over)) {
    if (!tf_inbox_peek(inbox, &m)) {
      usleep(50);
      continue;
    }
    taken_cnt += m.bytes_cnt > 0 && m.bytes[0] == '{';
    tf_inbox_drop(inbox);
  }
  return NULL;
}

static void start_engine(void) {
  has_engine = pthread_create(&engine, NULL, take_all, NULL) == 0;
  assert_true(has_engine);
}

static void stop_engine(void) {
  tf_store_release_u32(&is_over, 1); /* pairs with: take_all */
  if (has_engine) pthread_join(engine, NULL);
  has_engine = false;
}

static int begin(void **unused) {
  (void)unused;
  config       = (tf_intake_config_t){.name              = "desk",
                                      .listen            = "127.0.0.1:0",
                                      .message_bytes_max = BODY_MAX,
                                      .clients_max       = 16,
                                      .events_max        = 100};
  inbox_memory = aligned_alloc(128, tf_inbox_bytes(tf_inbox_capacity_for(BODY_MAX)));
  inbox        = tf_inbox_init(inbox_memory, tf_inbox_capacity_for(BODY_MAX));
  state        = calloc(1, tf_intake_http.state_bytes(&config));
  is_over      = 0;
  taken_cnt    = 0;
  assert_int_equal(tf_intake_http.open(state, &config, inbox), TF_OK);
  return 0;
}

static int end(void **unused) {
  (void)unused;
  stop_engine();
  tf_intake_http.close(state);
  free(state);
  free(inbox_memory);
  return 0;
}

static int dial(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tf_intake_http.port(state))};
  to.sin_addr.s_addr    = htonl(INADDR_LOOPBACK);
  int fd                = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  return fd;
}

static void send_all(int fd, const char *text, size_t cnt) {
  while (cnt > 0) {
    ssize_t n = send(fd, text, cnt, MSG_NOSIGNAL);
    assert_true(n > 0);
    text += n;
    cnt -= (size_t)n;
  }
}

static size_t request(char *text, size_t cap, const char *body) {
  int n = snprintf(text, cap,
                   "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                   "application/x-ndjson\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(body), body);
  return (size_t)n;
}

/* Status of the next answer; all of it is read. 0: the connection's end. */
static int answer(int fd) {
  char        text[16384];
  size_t      cnt = 0, whole = 0;
  const char *blank = NULL;
  while (!blank || cnt < whole) {
    ssize_t n = recv(fd, text + cnt, blank ? whole - cnt : 1, 0);
    if (n <= 0) return 0;
    cnt += (size_t)n;
    text[cnt] = '\0';
    if (blank || cnt < 4 || memcmp(text + cnt - 4, "\r\n\r\n", 4) != 0) continue;
    blank = text + cnt;
    whole = cnt + strtoul(strstr(text, "Content-Length: ") + 16, NULL, 10);
  }
  return atoi(text + 9);
}

static tf_intake_counts_t counts(void) {
  tf_intake_counts_t c;
  tf_intake_http.counts(state, &c);
  return c;
}

static void *work(void *self) {
  char   text[1024];
  size_t cnt = request(text, sizeof text, TRADE);
  int    fd  = dial();
  for (uint32_t i = 0; i < EACH_CNT; i++) {
    send_all(fd, text, cnt);
    *(uint64_t *)self += answer(fd) == 200;
  }
  close(fd);
  return NULL;
}

static void many_clients_are_answered_once_each_request_was_taken(void **unused) {
  (void)unused;
  pthread_t workers[WORKER_CNT];
  uint64_t  good[WORKER_CNT] = {0}, sum = 0;
  start_engine();
  for (uint32_t i = 0; i < WORKER_CNT; i++) pthread_create(&workers[i], NULL, work, &good[i]);
  for (uint32_t i = 0; i < WORKER_CNT; i++) {
    pthread_join(workers[i], NULL);
    sum += good[i];
  }
  assert_int_equal(sum, WORKER_CNT * EACH_CNT);
  assert_int_equal(tf_inbox_taken(inbox), sum);
  assert_int_equal(counts().messages, sum);
  stop_engine();
  assert_int_equal(taken_cnt, sum);
}

static void what_nobody_takes_is_answered_202_and_a_full_inbox_503(void **unused) {
  (void)unused;
  static char body[BODY_MAX + 1], text[BODY_MAX + 512];
  memset(body, ' ', BODY_MAX);
  memcpy(body, TRADE, sizeof TRADE - 1);
  size_t cnt = request(text, sizeof text, body);
  int    fds[16], later[16], waiting = 0;
  for (int i = 0; i < 8; i++) {
    fds[i] = dial();
    send_all(fds[i], text, cnt);
  }
  for (int i = 0; i < 8; i++) { /* those of whom there is no room are told at once */
    later[i] = answer(fds[i]);
    waiting += later[i] == 202;
    assert_true(later[i] == 202 || later[i] == 503);
    close(fds[i]);
  }
  assert_int_equal(waiting, (int)tf_inbox_waiting(inbox));
  assert_true(waiting >= 3 && waiting < 8);
  assert_int_equal(counts().busy, (uint64_t)(8 - waiting));
  start_engine();
  int fd = dial();
  cnt    = request(text, sizeof text, TRADE);
  do {
    send_all(fd, text, cnt);
  } while (answer(fd) != 200);
  close(fd);
  stop_engine();
  assert_int_equal(tf_inbox_waiting(inbox), 0);
}

/* In the place of libc's: sees whether a connection is taken out of the watch for input. */
int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event) {
  if (op == EPOLL_CTL_MOD && !(event->events & EPOLLIN)) tf_count_add(&unwatched_cnt, 1);
  return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

/* It is watched for input meanwhile, until some comes. */
static void what_comes_while_a_request_waits_is_answered_behind_it(void **unused) {
  (void)unused;
  char     text[1024];
  size_t   cnt    = request(text, sizeof text, TRADE);
  int      fd     = dial();
  uint64_t before = tf_load_relaxed(&unwatched_cnt); /* relaxed: a count */
  send_all(fd, text, cnt);
  while (tf_inbox_waiting(inbox) < 1) usleep(100);
  assert_int_equal(tf_load_relaxed(&unwatched_cnt), before); /* relaxed: a count */
  for (int i = 0; i < 3; i++) send_all(fd, text, cnt);
  shutdown(fd, SHUT_WR);
  while (tf_load_relaxed(&unwatched_cnt) == before) usleep(100); /* relaxed: as above */
  start_engine();
  for (int i = 0; i < 4; i++) assert_int_equal(answer(fd), 200);
  assert_int_equal(answer(fd), 0);
  close(fd);
  stop_engine();
  assert_int_equal(taken_cnt, 4);
}

static void closing_ends_whoever_waits(void **unused) {
  (void)unused;
  char text[1024];
  int  fds[6];
  for (uint32_t i = 0; i < 6; i++) {
    fds[i]     = dial();
    size_t cnt = request(text, sizeof text, TRADE);
    send_all(fds[i], text, i < 3 ? cnt : cnt / 2);
  }
  while (tf_inbox_waiting(inbox) < 3) usleep(100);
  tf_intake_http.close(state);
  for (uint32_t i = 0; i < 6; i++) {
    assert_int_equal(answer(fds[i]), 0);
    close(fds[i]);
  }
  assert_int_equal(counts().is_up, 0);
  assert_int_equal(counts().connects, counts().disconnects);
  assert_int_equal(tf_inbox_waiting(inbox), 3); /* promised to nobody */
}

static void an_address_that_is_taken_is_an_error(void **unused) {
  (void)unused;
  char  listen[32];
  void *other = calloc(1, tf_intake_http.state_bytes(&config));
  snprintf(listen, sizeof listen, "127.0.0.1:%u", tf_intake_http.port(state));
  tf_intake_config_t same = config;
  same.listen             = listen;
  assert_int_equal(tf_intake_http.open(other, &same, inbox), E_HTTP_LISTEN);
  same.listen = "nowhere:1";
  assert_int_equal(tf_intake_http.open(other, &same, inbox), E_HTTP_LISTEN);
  same.listen    = "127.0.0.1:0";
  same.cert_file = "/nowhere";
  assert_int_equal(tf_intake_http.open(other, &same, inbox), E_SOURCE_CONFIG);
  same.tls_key_file = "/nowhere";
  assert_true(tf_intake_http.open(other, &same, inbox) != TF_OK);
  free(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      TEST(many_clients_are_answered_once_each_request_was_taken),
      TEST(what_nobody_takes_is_answered_202_and_a_full_inbox_503),
      TEST(what_comes_while_a_request_waits_is_answered_behind_it),
      TEST(closing_ends_whoever_waits),
      TEST(an_address_that_is_taken_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
