/* Kernel timestamps and busy polling: by hand, on the kernel, and where the kernel refuses. */
#include <errno.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "engine/io/deny.h"
#include "engine/io/peer.h"
#include "io/socket.h"

#define PAUSE_NS (5 * TF_NS_PER_MS)

static tf_arena_t arena;
static tf_io_t   *io;

typedef struct sink {
  uint64_t cnt, recv_ns;
} sink_t;

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  sink_t *s = self;
  (void)conn;
  for (size_t i = 0; i < cnt; i++) assert_int_equal(bytes[i], 'a' + (int)((s->cnt + i) % 26));
  assert_true(recv_ns >= s->recv_ns);
  s->cnt += cnt;
  s->recv_ns = recv_ns;
}

static bool io_uring_works(void) {
  tf_io_config_t config = tf_io_config_default();
  assert_int_equal(tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)), TF_OK);
  bool works = tf_io_open(TF_IO_URING, &config, &arena, &io) == TF_OK;
  if (works) tf_io_fini(io);
  tf_arena_fini(&arena);
  return works;
}

static void open_io(tf_io_kind_t kind, uint32_t direct_conns_max) {
  tf_io_config_t config    = tf_io_config_default();
  config.kernel_timestamps = true;
  config.direct_conns_max  = direct_conns_max;
  assert_int_equal(tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_io_open(kind, &config, &arena, &io), TF_OK);
  assert_string_equal(tf_io_refusals(), "");
}

static void close_io(void) {
  tf_io_fini(io);
  tf_arena_fini(&arena);
}

static void attach(sink_t *s, int fd) {
  tf_io_handler_t h = {.self = s, .on_bytes = on_bytes};
  tf_io_conn_t    conn;
  assert_int_equal(tf_io_attach(io, fd, &h, &conn), TF_OK);
}

static void send_letters(int fd, uint64_t *at, uint64_t cnt) {
  for (uint64_t i = 0; i < cnt; i++, ++*at) {
    char letter = (char)('a' + *at % 26);
    assert_int_equal(peer_send(fd, &letter, 1), 1);
  }
}

static void pause_ns(uint64_t ns) {
  uint64_t until = tf_clock_monotonic_ns() + ns;
  while (tf_clock_monotonic_ns() < until) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* ---- by hand ---- */

typedef struct control {
  _Alignas(struct cmsghdr) uint8_t bytes[TF_STAMP_CONTROL_BYTES];
} control_t;

static control_t control_of(int level, int type, int64_t sec, int64_t nsec) {
  control_t       c   = {0};
  struct msghdr   msg = {.msg_control = c.bytes, .msg_controllen = sizeof c.bytes};
  struct cmsghdr *h   = CMSG_FIRSTHDR(&msg);
  struct timespec ts  = {.tv_sec = sec, .tv_nsec = nsec};
  h->cmsg_level       = level;
  h->cmsg_type        = type;
  h->cmsg_len         = CMSG_LEN(3 * sizeof ts);
  memcpy(CMSG_DATA(h), &ts, sizeof ts);
  return c;
}

static void stamp_is_found_among_control_messages_or_is_none(void **state) {
  (void)state;
  control_t c = control_of(SOL_SOCKET, SCM_TIMESTAMPING, 12, 345);
  assert_int_equal(tf_socket_stamp_ns(c.bytes, sizeof c.bytes), 12000000345);
  assert_int_equal(tf_socket_stamp_ns(c.bytes, 0), 0);
  assert_int_equal(tf_socket_stamp_ns(c.bytes, sizeof(struct cmsghdr) - 1), 0);
  c = control_of(SOL_SOCKET, SCM_RIGHTS, 12, 345);
  assert_int_equal(tf_socket_stamp_ns(c.bytes, sizeof c.bytes), 0);
  c = control_of(SOL_SOCKET + 1, SCM_TIMESTAMPING, 12, 345);
  assert_int_equal(tf_socket_stamp_ns(c.bytes, sizeof c.bytes), 0);
}

static void stamp_is_translated_and_time_never_runs_back(void **state) {
  (void)state;
  const uint64_t   pass = 1000 * TF_NS_PER_SEC, minute = 60 * TF_NS_PER_SEC;
  const int64_t    offset = -5000; /* the kernel's clock is ahead of ours by so much */
  tf_io_counts_t   counts = {0};
  static tf_hist_t ages;
  uint64_t         newest = 0;
#define RECV(stamp) tf_socket_recv_ns(&counts, &ages, &newest, stamp, offset, pass)
  assert_true(RECV(pass + 5000 - 900) == pass - 900);
  assert_true(RECV(pass + 5000 - 300) == pass - 300);
  assert_true(RECV(pass + 5000 - 700) == pass - 300); /* older than what went before */
  assert_true(RECV(pass + 5000 + 40) == pass);        /* came during the pass */
  assert_int_equal(counts.stamps, 4);
  assert_int_equal(counts.stamp_age_ns, 900 + 300 + 700);
  assert_int_equal(counts.stamp_age_ns_max, 900);
  assert_int_equal(ages.cnt, 4); /* as a distribution, too */
  assert_int_equal(ages.sum, 900 + 300 + 700);
  assert_int_equal(ages.max, 900);
  assert_true(RECV(0) == pass);
  assert_true(RECV(pass + 5000 - minute) == pass); /* the clock was set */
  assert_true(RECV(pass + 5000 + minute) == pass);
  assert_int_equal(counts.stamps_missing, 3);
  assert_true(RECV(pass + 5000 - minute + 1) == pass);
  assert_true(RECV(pass + 5000 + minute - 1) == pass);
  assert_int_equal(counts.stamps, 6);
}

/* ---- on the kernel ---- */

static void poll_until(const sink_t *s, uint64_t cnt) {
  for (int i = 0; i < 1000 && s->cnt < cnt; i++) assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  assert_int_equal(s->cnt, cnt);
}

static void tcp_bytes_bear_the_kernels_time(tf_io_kind_t kind, uint32_t direct_conns_max) {
  open_io(kind, direct_conns_max);
  sink_t   s = {0};
  int      fds[2];
  uint64_t at = 0;
  peer_pair(fds);
  attach(&s, fds[0]);
  /* The kernel turns stamping on some time after it was asked to: a worker of its own does it. */
  for (int i = 0; i < 1000 && io->counts.stamps == 0; i++) {
    send_letters(fds[1], &at, 1);
    poll_until(&s, at);
    pause_ns(TF_NS_PER_MS);
  }
  tf_io_counts_t start  = io->counts;
  uint64_t       before = tf_clock_wall_ns();
  send_letters(fds[1], &at, 1);
  uint64_t sent = tf_clock_wall_ns();
  pause_ns(PAUSE_NS);
  poll_until(&s, at);
  assert_int_equal(io->counts.stamps, start.stamps + 1);
  assert_in_range(s.recv_ns, before - TF_NS_PER_US, sent + PAUSE_NS / 2);
  assert_true(io->counts.stamp_age_ns - start.stamp_age_ns >= PAUSE_NS / 2);
  assert_true(io->counts.stamp_age_ns_max >= PAUSE_NS / 2);
  assert_int_equal(io->stamp_ages->cnt, io->counts.stamps);
  assert_true(tf_hist_quantile(io->stamp_ages, 1.0) >= PAUSE_NS / 2);
  for (int i = 0; i < 100; i++) { /* many, in order, and the end */
    send_letters(fds[1], &at, 1 + (uint64_t)i);
    assert_true(tf_io_poll(io, 0) >= 0);
  }
  peer_close(fds[1]);
  poll_until(&s, at);
  assert_int_equal(io->counts.stamps_missing, start.stamps_missing);
  close_io();
}

static void tcp_bytes_bear_the_kernels_time_on_io_uring(void **state) {
  (void)state;
  if (!io_uring_works()) skip();
  tcp_bytes_bear_the_kernels_time(TF_IO_URING, 0);
}

static void tcp_bytes_bear_the_kernels_time_on_epoll(void **state) {
  (void)state;
  tcp_bytes_bear_the_kernels_time(TF_IO_EPOLL, 0);
}

static void tcp_bytes_bear_the_kernels_time_on_epoll_read_directly(void **state) {
  (void)state;
  tcp_bytes_bear_the_kernels_time(TF_IO_EPOLL, 1);
}

static void socket_without_stamps_keeps_the_time_of_the_pass(void **state) {
  (void)state;
  static const tf_io_kind_t kinds[] = {TF_IO_AUTO, TF_IO_EPOLL};
  for (size_t i = 0; i < TF_ARRAY_CNT(kinds); i++) {
    open_io(kinds[i], 0);
    sink_t   s = {0};
    int      fds[2];
    uint64_t at = 0;
    peer_small_pair(fds);
    attach(&s, fds[0]);
    send_letters(fds[1], &at, 3);
    pause_ns(PAUSE_NS);
    uint64_t begin = tf_clock_wall_ns();
    for (int k = 0; k < 1000 && s.cnt < 3; k++) assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    assert_int_equal(s.cnt, 3);
    assert_true(s.recv_ns >= begin);
    assert_int_equal(io->counts.stamps, 0);
    assert_true(io->counts.stamps_missing > 0);
    peer_close(fds[1]);
    close_io();
  }
}

/* ---- where it is refused ---- */

static void refused_options_are_said_and_the_loop_goes_on(void) {
  deny_call(__NR_setsockopt, SOL_SOCKET, EPERM);
  tf_io_config_t config    = tf_io_config_default();
  config.kernel_timestamps = true;
  config.busy_poll_us      = 50;
  CHILD_WANT(tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)) == TF_OK);
  CHILD_WANT(tf_io_open(TF_IO_AUTO, &config, &arena, &io) == TF_OK);
  CHILD_WANT(strstr(tf_io_refusals(), "kernel timestamps: Operation not permitted") != NULL);
  CHILD_WANT(strstr(tf_io_refusals(), "busy polling of sockets: Operation not perm") != NULL);
  sink_t   s = {0};
  int      fds[2];
  uint64_t at = 0;
  peer_pair(fds);
  attach(&s, fds[0]);
  send_letters(fds[1], &at, 3);
  for (int i = 0; i < 1000 && s.cnt < 3; i++) CHILD_WANT(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  CHILD_WANT(s.cnt == 3);
  CHILD_WANT(io->counts.stamps + io->counts.stamps_missing == 0);
}

static void host_that_refuses_says_why_once_and_delivers_all_the_same(void **state) {
  (void)state;
  in_child(refused_options_are_said_and_the_loop_goes_on);
}

static void busy_polling_loop_delivers_on_either_backend(void **state) {
  (void)state;
  static const tf_io_kind_t kinds[] = {TF_IO_AUTO, TF_IO_EPOLL};
  for (size_t i = 0; i < TF_ARRAY_CNT(kinds); i++) {
    tf_io_config_t config = tf_io_config_default();
    config.busy_poll_us   = 20;
    assert_int_equal(tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)), TF_OK);
    assert_int_equal(tf_io_open(kinds[i], &config, &arena, &io), TF_OK);
    print_message("%s: refused: \"%s\"\n", io->ops->name, tf_io_refusals());
    sink_t   s = {0};
    int      fds[2];
    uint64_t at = 0;
    peer_pair(fds);
    attach(&s, fds[0]);
    for (int k = 0; k < 50; k++) {
      send_letters(fds[1], &at, 10);
      assert_true(tf_io_poll(io, 0) >= 0);
    }
    for (int k = 0; k < 1000 && s.cnt < at; k++) assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    assert_int_equal(s.cnt, at);
    peer_close(fds[1]);
    close_io();
  }
}

static void busy_polling_over_its_limit_is_refused(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  assert_int_equal(tf_arena_init(&arena, "io", 2 * tf_io_arena_bytes(&config)), TF_OK);
  config.busy_poll_us = 1000001;
  assert_int_equal(tf_io_open(TF_IO_EPOLL, &config, &arena, &io), E_CORE_ARGUMENT);
  config.busy_poll_us = 1000000;
  assert_int_equal(tf_io_open(TF_IO_EPOLL, &config, &arena, &io), TF_OK);
  close_io();
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stamp_is_found_among_control_messages_or_is_none),
      cmocka_unit_test(stamp_is_translated_and_time_never_runs_back),
      cmocka_unit_test(tcp_bytes_bear_the_kernels_time_on_io_uring),
      cmocka_unit_test(tcp_bytes_bear_the_kernels_time_on_epoll),
      cmocka_unit_test(tcp_bytes_bear_the_kernels_time_on_epoll_read_directly),
      cmocka_unit_test(socket_without_stamps_keeps_the_time_of_the_pass),
      cmocka_unit_test(host_that_refuses_says_why_once_and_delivers_all_the_same),
      cmocka_unit_test(busy_polling_loop_delivers_on_either_backend),
      cmocka_unit_test(busy_polling_over_its_limit_is_refused),
  };
  return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
