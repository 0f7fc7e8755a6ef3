/* FAULTS F49, F51, F53 and F54 on the kernel itself. What a kernel refuses is refused by a seccomp
 * filter, each in a child process of its own: a filter stays for good. */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "engine/io/deny.h"
#include "engine/io/peer.h"

/* io_uring_register's operations that liburing 2.3 has under these numbers too. */
#define REGISTER_RESTRICTIONS 11
#define REGISTER_ENABLE_RINGS 12
#define REGISTER_PBUF_RING    22

static tf_arena_t arena;
static tf_io_t   *io;

typedef struct sink {
  uint64_t cnt;
  int      closed_cnt;
} sink_t;

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)conn;
  (void)bytes;
  (void)recv_ns;
  ((sink_t *)self)->cnt += cnt;
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn;
  (void)sys_errno;
  ((sink_t *)self)->closed_cnt++;
}

static tf_io_conn_t attach(sink_t *s, int fd) {
  tf_io_handler_t h = {.self = s, .on_bytes = on_bytes, .on_closed = on_closed};
  tf_io_conn_t    conn;
  assert_int_equal(tf_io_attach(io, fd, &h, &conn), TF_OK);
  return conn;
}

static void open_uring(const tf_io_config_t *config) {
  assert_int_equal(tf_arena_init(&arena, "io", tf_io_arena_bytes(config)), TF_OK);
  assert_int_equal(tf_io_open(TF_IO_URING, config, &arena, &io), TF_OK);
}

static int teardown(void **state) {
  (void)state;
  tf_io_fini(io);
  io = NULL;
  tf_arena_fini(&arena);
  return 0;
}

static bool kernel_has_io_uring(void) {
  tf_io_config_t config = tf_io_config_default();
  if (tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)) != TF_OK) return false;
  bool has = tf_io_open(TF_IO_URING, &config, &arena, &io) == TF_OK;
  if (!has) printf("skipped: %s\n", tf_error_text());
  teardown(NULL);
  return has;
}

/* io_uring is refused with a text, AUTO takes epoll for that reason, and epoll carries bytes. */
static void falls_back_because(const tf_io_config_t *config, const char *text) {
  CHILD_WANT(tf_arena_init(&arena, "io", tf_io_arena_bytes(config)) == TF_OK);
  CHILD_WANT(tf_io_open(TF_IO_URING, config, &arena, &io) == E_IO_UNAVAILABLE);
  CHILD_WANT(strstr(tf_error_text(), text) != NULL);
  CHILD_WANT(tf_io_open(TF_IO_AUTO, config, &arena, &io) == TF_OK);
  CHILD_WANT(strcmp(io->ops->name, "epoll") == 0);
  CHILD_WANT(strstr(tf_io_fallback_reason(), text) != NULL);
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  CHILD_WANT(peer_send(fds[1], "abc", 3) == 3);
  for (int i = 0; i < 1000 && s.cnt < 3; i++) CHILD_WANT(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  CHILD_WANT(s.cnt == 3);
  tf_io_fini(io);
}

/* ---- F53: io_uring refused ---- */

#define F53_REFUSED(name, call, arg1, sys_errno, text)                                             \
  static void name##_body(void) {                                                                  \
    tf_io_config_t config = tf_io_config_default();                                                \
    deny_call(call, arg1, sys_errno);                                                              \
    falls_back_because(&config, text);                                                             \
  }                                                                                                \
  static void name(void **state) {                                                                 \
    (void)state;                                                                                   \
    in_child(name##_body);                                                                         \
  }

F53_REFUSED(f53_seccomp_filter_falls_back, __NR_io_uring_setup, DENY_ANY, EPERM, "seccomp")
F53_REFUSED(f53_kernel_without_io_uring_falls_back, __NR_io_uring_setup, DENY_ANY, ENOSYS,
            "the kernel has none")
F53_REFUSED(f53_enomem_at_setup_falls_back, __NR_io_uring_setup, DENY_ANY, ENOMEM, "RLIMIT_MEMLOCK")
F53_REFUSED(f53_emfile_at_setup_falls_back, __NR_io_uring_setup, DENY_ANY, EMFILE, "RLIMIT_NOFILE")
F53_REFUSED(f53_setup_that_knows_no_flag_falls_back, __NR_io_uring_setup, DENY_ANY, EINVAL, "6.0")
F53_REFUSED(f53_kernel_without_buffer_rings_falls_back, __NR_io_uring_register, REGISTER_PBUF_RING,
            EINVAL, "provided buffer ring")
F53_REFUSED(f53_kernel_without_restrictions_falls_back, __NR_io_uring_register,
            REGISTER_RESTRICTIONS, EINVAL, "restrictions")
F53_REFUSED(f53_ring_that_cannot_be_enabled_falls_back, __NR_io_uring_register,
            REGISTER_ENABLE_RINGS, EINVAL, "enabled")

#define F53_WITHOUT(name, feature, text)                                                           \
  static void name##_body(void) {                                                                  \
    tf_io_config_t config = tf_io_config_default();                                                \
    config.uring_without  = feature;                                                               \
    falls_back_because(&config, text);                                                             \
  }                                                                                                \
  static void name(void **state) {                                                                 \
    (void)state;                                                                                   \
    in_child(name##_body);                                                                         \
  }

F53_WITHOUT(f53_kernel_without_ext_arg_falls_back, TF_URING_EXT_ARG, "EXT_ARG")
F53_WITHOUT(f53_kernel_without_nodrop_falls_back, TF_URING_NODROP, "NODROP")
F53_WITHOUT(f53_kernel_without_multishot_receive_falls_back, TF_URING_MULTISHOT, "multishot")

/* ---- F49, F51, F54: the kernel under pressure ---- */

static void f49_eight_buffers_and_a_parser_that_slept_lose_no_byte(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.buffer_cnt     = 8;
  config.buffer_bytes   = 512;
  open_uring(&config);
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  assert_true(tf_io_poll(io, 0) >= 0);
  static uint8_t bytes[65536]; /* 128 buffers' worth comes while nobody polls */
  ssize_t        sent = peer_send(fds[1], bytes, sizeof bytes);
  assert_true(sent > 8 * 512);
  for (int i = 0; i < 10000 && s.cnt < (uint64_t)sent; i++)
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  assert_int_equal(s.cnt, sent);
  assert_true(io->counts.buffers_exhausted > 0);
  assert_int_equal(io->counts.rearmed, io->counts.buffers_exhausted);
  assert_int_equal(io->counts.audit_repairs, 0);
  assert_int_equal(s.closed_cnt, 0);
  peer_close(fds[1]);
}

static void f51_burst_over_four_completion_slots_is_counted_and_loses_nothing(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.cq_entries     = 4;
  config.audit_ns       = 1;
  config.uring_without  = TF_URING_DEFER_TASKRUN; /* completions are made without being asked for */
  open_uring(&config);
  enum { CNT = 48 };
  sink_t s[CNT] = {0};
  int    fds[CNT][2];
  for (int i = 0; i < CNT; i++) {
    peer_small_pair(fds[i]);
    attach(&s[i], fds[i][0]);
  }
  for (int i = 0; i < 20; i++) assert_true(tf_io_poll(io, 0) >= 0);
  uint64_t total = 0;
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < CNT; i++) assert_int_equal(peer_send(fds[i][1], "0123456789", 10), 10);
    for (int k = 0; k < 10000 && total < (uint64_t)(round + 1) * CNT * 10; k++) {
      assert_true(tf_io_poll(io, 0) >= 0);
      total = 0;
      for (int i = 0; i < CNT; i++) total += s[i].cnt;
    }
    assert_int_equal(total, (round + 1) * CNT * 10);
  }
  assert_true(io->counts.cq_overflow > 0);
  for (int i = 0; i < CNT; i++) peer_close(fds[i][1]);
}

static void enter_fails_with(uint32_t sys_errno, tf_err_t wanted) {
  tf_io_config_t config = tf_io_config_default();
  config.audit_ns       = 1;
  CHILD_WANT(tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)) == TF_OK);
  CHILD_WANT(tf_io_open(TF_IO_URING, &config, &arena, &io) == TF_OK);
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  CHILD_WANT(tf_io_poll(io, 0) >= 0);
  deny_call(__NR_io_uring_enter, DENY_ANY, sys_errno);
  int cnt = tf_io_poll(io, TF_NS_PER_MS);
  CHILD_WANT(wanted == TF_OK ? cnt == 0 : cnt == wanted);
  if (wanted != TF_OK) CHILD_WANT(strstr(tf_error_text(), strerror((int)sys_errno)) != NULL);
  if (wanted == TF_OK) CHILD_WANT(io->counts.enter_retries == 1);
}

#define F51_ENTER(name, sys_errno, wanted)                                                         \
  static void name##_body(void) { enter_fails_with(sys_errno, wanted); }                           \
  static void name(void **state) {                                                                 \
    (void)state;                                                                                   \
    in_child(name##_body);                                                                         \
  }

F51_ENTER(f51_ebusy_is_counted_and_tried_again, EBUSY, TF_OK)
F51_ENTER(f51_eagain_is_counted_and_tried_again, EAGAIN, TF_OK)
F51_ENTER(f51_eintr_is_counted_and_tried_again, EINTR, TF_OK)
F51_ENTER(f51_ebadr_breaks_the_loop_with_a_clear_error, EBADR, E_IO_SYSTEM)
F51_ENTER(f51_unknown_error_breaks_the_loop_with_a_clear_error, EFAULT, E_IO_SYSTEM)

static void f54_full_submission_ring_is_flushed_counted_and_loses_nothing(void **state) {
  (void)state;
  enum { CNT = 300 }; /* the ring has 256 entries */
  tf_io_config_t config = tf_io_config_default();
  config.conns_max      = CNT;
  config.send_bytes     = 256;
  config.audit_ns       = 1;
  open_uring(&config);
  static sink_t s[CNT];
  static int    fds[CNT][2];
  memset(s, 0, sizeof s);
  for (int i = 0; i < CNT; i++) {
    peer_small_pair(fds[i]);
    tf_io_conn_t conn = attach(&s[i], fds[i][0]);
    assert_int_equal(tf_io_send(io, conn, "ping", 4), TF_OK);
    assert_int_equal(peer_send(fds[i][1], "pong", 4), 4);
  }
  uint64_t total = 0;
  for (int i = 0; i < 10000 && total < 4 * CNT; i++) {
    assert_true(tf_io_poll(io, 0) >= 0);
    total = 0;
    for (int k = 0; k < CNT; k++) total += s[k].cnt;
  }
  assert_int_equal(total, 4 * CNT);
  assert_true(io->counts.port_full > 0);  /* before the first pass nothing can be submitted */
  assert_true(io->counts.sq_flushes > 0); /* afterwards it is, for room */
  char ping[4];
  for (int i = 0; i < CNT; i++) {
    assert_int_equal(peer_recv(fds[i][1], ping, 4), 4);
    peer_close(fds[i][1]);
  }
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
  tf_clock_calibrate();
  if (!kernel_has_io_uring()) return 77;
  const struct CMUnitTest tests[] = {
      T(f53_seccomp_filter_falls_back),
      T(f53_kernel_without_io_uring_falls_back),
      T(f53_enomem_at_setup_falls_back),
      T(f53_emfile_at_setup_falls_back),
      T(f53_setup_that_knows_no_flag_falls_back),
      T(f53_kernel_without_buffer_rings_falls_back),
      T(f53_kernel_without_restrictions_falls_back),
      T(f53_ring_that_cannot_be_enabled_falls_back),
      T(f53_kernel_without_ext_arg_falls_back),
      T(f53_kernel_without_nodrop_falls_back),
      T(f53_kernel_without_multishot_receive_falls_back),
      T(f49_eight_buffers_and_a_parser_that_slept_lose_no_byte),
      T(f51_burst_over_four_completion_slots_is_counted_and_loses_nothing),
      T(f51_ebusy_is_counted_and_tried_again),
      T(f51_eagain_is_counted_and_tried_again),
      T(f51_eintr_is_counted_and_tried_again),
      T(f51_ebadr_breaks_the_loop_with_a_clear_error),
      T(f51_unknown_error_breaks_the_loop_with_a_clear_error),
      T(f54_full_submission_ring_is_flushed_counted_and_loses_nothing),
  };
  return cmocka_run_group_tests_name("io_uring faults", tests, NULL, NULL);
}
