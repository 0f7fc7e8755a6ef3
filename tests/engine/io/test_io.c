/* The contract of include/tf/io.h, run on every backend. Peers are of this thread. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "engine/io/peer.h"
#include "io/sim.h"

#define POLLS_MAX 200000

static tf_io_kind_t kind;
static uint32_t     direct_conns_max, uring_without;
static bool         kernel_timestamps;
static bool         simulated; /* then kind says nothing */
static tf_arena_t   arena, sim_arena;
static tf_io_t     *io;

/* The k-th byte of every stream, so that order and loss show without keeping the bytes. */
static uint8_t pattern(uint64_t k) { return (uint8_t)((k * UINT64_C(0x9E3779B97F4A7C15)) >> 56); }

typedef struct sink {
  uint64_t         cnt;
  uint64_t         calls;
  bool             wrong;
  int              closed_cnt;
  int              closed_errno;
  int              accepted_cnt;
  int              accepted_fd;
  uint64_t         close_at_call; /* 0: never */
  bool             attach_on_close;
  int              attach_fd;
  tf_io_conn_t     conn;
  volatile uint8_t pad_read;
} sink_t;

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  sink_t *s = self;
  assert_int_equal(conn, s->conn);
  assert_true(cnt > 0);
  assert_true(recv_ns > 0);
  for (size_t i = 0; i < cnt; i++)
    if (bytes[i] != pattern(s->cnt + i)) s->wrong = true;
  s->pad_read = bytes[cnt + TF_BYTES_PAD - 1];
  s->cnt += cnt;
  if (++s->calls == s->close_at_call) {
    tf_io_close(io, conn);
    s->conn = TF_IO_CONN_NONE;
  }
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno);

static void on_accept(void *self, int fd) {
  sink_t *s = self;
  s->accepted_cnt++;
  if (s->accepted_fd >= 0) peer_close(s->accepted_fd);
  s->accepted_fd = fd;
}

static tf_io_handler_t handler_of(sink_t *s) {
  return (tf_io_handler_t){
      .self = s, .on_bytes = on_bytes, .on_closed = on_closed, .on_accept = on_accept};
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  sink_t *s = self;
  assert_int_equal(conn, s->conn);
  s->closed_cnt++;
  s->closed_errno = sys_errno;
  s->conn         = TF_IO_CONN_NONE;
  if (s->attach_on_close) {
    tf_io_handler_t h  = handler_of(s);
    s->attach_on_close = false;
    s->cnt             = 0;
    assert_int_equal(tf_io_attach(io, s->attach_fd, &h, &s->conn), TF_OK);
  }
}

static size_t arena_bytes_of(const tf_io_config_t *config) {
  return simulated ? tf_sim_port_arena_bytes(config) : tf_io_arena_bytes(config);
}

static tf_err_t open_backend(const tf_io_config_t *given) {
  tf_io_config_t config    = *given;
  config.uring_without     = uring_without;
  config.kernel_timestamps = kernel_timestamps;
  return simulated ? tf_sim_open(peer_sim, &config, &arena, &io)
                   : tf_io_open(kind, &config, &arena, &io);
}

static void open_io(const tf_io_config_t *config) {
  assert_int_equal(tf_arena_init(&arena, "io", arena_bytes_of(config)), TF_OK);
  assert_int_equal(open_backend(config), TF_OK);
  const char *kernels = kind == TF_IO_EPOLL ? "epoll" : "io_uring";
  assert_string_equal(io->ops->name, simulated ? "sim" : kernels);
}

static void open_default(void) {
  tf_io_config_t config   = tf_io_config_default();
  config.direct_conns_max = direct_conns_max;
  open_io(&config);
}

static int setup(void **state) {
  (void)state;
  tf_sim_config_t config = tf_sim_config_default();
  if (!simulated) return 0;
  if (tf_arena_init(&sim_arena, "sim", tf_sim_arena_bytes(&config)) != TF_OK) return -1;
  return tf_sim_init(&config, &sim_arena, &peer_sim);
}

static int teardown(void **state) {
  (void)state;
  tf_io_fini(io);
  io       = NULL;
  peer_sim = NULL;
  tf_arena_fini(&arena);
  tf_arena_fini(&sim_arena);
  return 0;
}

static void attach(sink_t *s, int fd) {
  tf_io_handler_t h = handler_of(s);
  assert_int_equal(tf_io_attach(io, fd, &h, &s->conn), TF_OK);
}

static void poll_some(void) { assert_true(tf_io_poll(io, 0) >= 0); }

#define POLL_UNTIL(cond)                                                                           \
  do {                                                                                             \
    int polls_ = 0;                                                                                \
    while (!(cond) && polls_++ < POLLS_MAX)                                                        \
      assert_true(tf_io_poll(io, polls_ % 64 ? 0 : 100000) >= 0);                                  \
    assert_true(cond);                                                                             \
  } while (0)

/* Sends the pattern from position *at on, as much as fits now, in segments of segment bytes. */
static void feed(int fd, uint64_t *at, uint64_t end, size_t segment) {
  static uint8_t bytes[65536];
  while (*at < end) {
    size_t cnt = end - *at < segment ? (size_t)(end - *at) : segment;
    for (size_t i = 0; i < cnt; i++) bytes[i] = pattern(*at + i);
    ssize_t sent = peer_send(fd, bytes, cnt);
    if (sent < 0) {
      assert_true(errno == EAGAIN);
      return;
    }
    *at += (uint64_t)sent;
  }
}

/* ---- refusals ---- */

static void config_outside_its_range_is_refused(void **state) {
  (void)state;
  tf_io_config_t good = tf_io_config_default(), bad;
  assert_int_equal(tf_arena_init(&arena, "io", 64 << 20), TF_OK);
#define REFUSED(field, value)                                                                      \
  bad       = good;                                                                                \
  bad.field = value;                                                                               \
  assert_int_equal(open_backend(&bad), E_CORE_ARGUMENT);                                           \
  assert_null(io)
  REFUSED(conns_max, 0);
  REFUSED(conns_max, 16385);
  REFUSED(buffer_cnt, 0);
  REFUSED(buffer_cnt, 48);
  REFUSED(buffer_cnt, 65536);
  REFUSED(buffer_bytes, 511);
  REFUSED(buffer_bytes, (1u << 20) + 1);
  REFUSED(send_bytes, 128);
  REFUSED(send_bytes, 3000);
}

static void arena_too_small_is_refused(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.send_bytes     = 4u << 20;
  assert_int_equal(tf_arena_init(&arena, "io", 2 << 20), TF_OK);
  assert_int_equal(open_backend(&config), E_CORE_ARENA_FULL);
  assert_null(io);
}

static void connection_over_the_limit_is_refused_and_stays_the_callers(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.conns_max      = 2;
  open_io(&config);
  sink_t          s[3] = {0};
  int             fds[3][2];
  tf_io_handler_t h = handler_of(&s[2]);
  for (int i = 0; i < 3; i++) peer_pair(fds[i]);
  attach(&s[0], fds[0][0]);
  attach(&s[1], fds[1][0]);
  assert_int_equal(tf_io_attach(io, fds[2][0], &h, &s[2].conn), E_IO_LIMIT);
  assert_int_equal(s[2].conn, TF_IO_CONN_NONE);
  assert_true(peer_is_open(fds[2][0]));
  poll_some();
  tf_io_close(io, s[0].conn);
  attach(&s[2], fds[2][0]); /* at once, though the last operations of the first are under way */
  uint64_t at = 0;
  feed(fds[2][1], &at, 100, 100);
  POLL_UNTIL(s[2].cnt == 100);
  for (int i = 0; i < 3; i++) peer_close(fds[i][1]);
}

static void descriptor_that_is_none_is_refused(void **state) {
  (void)state;
  open_default();
  sink_t          s = {0};
  tf_io_handler_t h = handler_of(&s);
  assert_int_equal(tf_io_attach(io, 9999, &h, &s.conn), E_IO_SYSTEM);
}

static void full_send_buffer_takes_nothing(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.send_bytes     = 1024;
  open_io(&config);
  sink_t s = {0};
  int    fds[2];
  peer_small_pair(fds);
  attach(&s, fds[0]);
  uint8_t  bytes[1025];
  uint64_t at = 0;
  assert_int_equal(tf_io_send(io, s.conn, bytes, sizeof bytes), E_IO_SEND_FULL);
  assert_int_equal(tf_io_send_pending_bytes(io, s.conn), 0);
  tf_err_t err = TF_OK;
  for (int i = 0; i < 1000000 && err == TF_OK; i++) {
    for (size_t k = 0; k < 300; k++) bytes[k] = pattern(at + k);
    err = tf_io_send(io, s.conn, bytes, 300);
    if (err == TF_OK) at += 300;
    poll_some();
  }
  assert_int_equal(err, E_IO_SEND_FULL);
  size_t pending = tf_io_send_pending_bytes(io, s.conn);
  assert_true(pending > 1024 - 300 && pending <= 1024);
  /* Room for exactly the rest, then for nothing. */
  for (size_t k = 0; k < 1024 - pending; k++) bytes[k] = pattern(at + k);
  assert_int_equal(tf_io_send(io, s.conn, bytes, 1024 - pending + 1), E_IO_SEND_FULL);
  assert_int_equal(tf_io_send(io, s.conn, bytes, 1024 - pending), TF_OK);
  at += 1024 - pending;
  assert_int_equal(tf_io_send(io, s.conn, bytes, 1), E_IO_SEND_FULL);
  uint64_t got   = 0;
  bool     wrong = false;
  for (int i = 0; i < POLLS_MAX && got < at; i++) {
    ssize_t cnt = peer_recv(fds[1], bytes, 777);
    for (ssize_t k = 0; k < cnt; k++) wrong |= bytes[k] != pattern(got + (uint64_t)k);
    if (cnt > 0) got += (uint64_t)cnt;
    assert_true(tf_io_poll(io, i % 16 ? 0 : 100000) >= 0);
  }
  assert_int_equal(got, at);
  assert_false(wrong);
  peer_close(fds[1]);
}

/* ---- bytes ---- */

static void bytes_arrive_in_order_at_every_segment_size(void **state) {
  (void)state;
  open_default();
  static const size_t segments[] = {1, 2, 7, 997, 1448, 1461, 16384, 65536};
  for (size_t i = 0; i < TF_ARRAY_CNT(segments); i++) {
    sink_t s = {0};
    int    fds[2];
    peer_pair(fds);
    attach(&s, fds[0]);
    uint64_t at = 0, end = segments[i] * 40 + 3;
    for (int polls = 0; s.cnt < end && polls < POLLS_MAX; polls++) {
      feed(fds[1], &at, end, segments[i]);
      assert_true(tf_io_poll(io, 100000) >= 0);
    }
    assert_int_equal(s.cnt, end);
    assert_false(s.wrong);
    assert_int_equal(s.closed_cnt, 0);
    tf_io_close(io, s.conn);
    peer_close(fds[1]);
  }
  assert_true(io->counts.rx_bytes > 0 && io->counts.rx_calls > 0);
}

static void forty_connections_keep_their_bytes_apart(void **state) {
  (void)state;
  open_default();
  enum { CNT = 40 };
  sink_t   s[CNT] = {0};
  int      fds[CNT][2];
  uint64_t at[CNT] = {0}, end = 20011;
  for (int i = 0; i < CNT; i++) {
    peer_pair(fds[i]);
    attach(&s[i], fds[i][0]);
  }
  bool done = false;
  for (int polls = 0; !done && polls < POLLS_MAX; polls++) {
    int i = polls % CNT;
    feed(fds[i][1], &at[i], end, (size_t)(1 + (polls * 7919) % 3000));
    assert_true(tf_io_poll(io, 0) >= 0);
    done = true;
    for (int k = 0; k < CNT; k++) done &= s[k].cnt == end;
  }
  assert_true(done);
  for (int i = 0; i < CNT; i++) {
    assert_false(s[i].wrong);
    peer_close(fds[i][1]);
  }
  POLL_UNTIL(s[0].closed_cnt + s[CNT - 1].closed_cnt == 2);
}

static void few_small_buffers_lose_no_byte(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.buffer_cnt     = 8;
  config.buffer_bytes   = 512;
  open_io(&config);
  enum { CNT = 4 };
  sink_t   s[CNT] = {0};
  int      fds[CNT][2];
  uint64_t at[CNT] = {0}, end = 300000;
  for (int i = 0; i < CNT; i++) {
    peer_pair(fds[i]);
    attach(&s[i], fds[i][0]);
  }
  bool done = false;
  for (int polls = 0; !done && polls < POLLS_MAX; polls++) {
    for (int i = 0; i < CNT; i++) feed(fds[i][1], &at[i], end, 40000);
    assert_true(tf_io_poll(io, 100000) >= 0);
    done = true;
    for (int k = 0; k < CNT; k++) done &= s[k].cnt == end;
  }
  assert_true(done);
  for (int i = 0; i < CNT; i++) {
    assert_false(s[i].wrong);
    peer_close(fds[i][1]);
  }
  if (simulated || kind == TF_IO_URING) {
    assert_true(io->counts.buffers_exhausted > 0);
    assert_true(io->counts.rearmed >= io->counts.buffers_exhausted);
  }
  assert_int_equal(io->counts.audit_repairs, 0);
}

static void four_completion_slots_lose_no_byte(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.cq_entries     = 4;
  open_io(&config);
  enum { CNT = 32 };
  sink_t   s[CNT] = {0};
  int      fds[CNT][2];
  uint64_t at[CNT] = {0}, end = 5000;
  for (int i = 0; i < CNT; i++) {
    peer_pair(fds[i]);
    attach(&s[i], fds[i][0]);
  }
  poll_some();
  bool done = false;
  for (int polls = 0; !done && polls < POLLS_MAX; polls++) {
    for (int i = 0; i < CNT; i++) feed(fds[i][1], &at[i], end, 1000);
    assert_true(tf_io_poll(io, 100000) >= 0);
    done = true;
    for (int k = 0; k < CNT; k++) done &= s[k].cnt == end && !s[k].wrong;
  }
  assert_true(done);
  for (int i = 0; i < CNT; i++) peer_close(fds[i][1]);
}

static void send_larger_than_the_socket_buffer_arrives_whole_and_in_order(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.send_bytes     = 8192;
  open_io(&config);
  sink_t s = {0};
  int    fds[2];
  peer_small_pair(fds);
  attach(&s, fds[0]);
  static uint8_t bytes[8192];
  uint64_t       at = 0, got = 0, end = 400000;
  bool           wrong = false;
  for (int polls = 0; got < end && polls < POLLS_MAX; polls++) {
    size_t cnt = (size_t)(1 + (polls * 7919) % 5000);
    if (cnt > end - at) cnt = (size_t)(end - at);
    for (size_t k = 0; k < cnt; k++) bytes[k] = pattern(at + k);
    if (cnt > 0 && tf_io_send(io, s.conn, bytes, cnt) == TF_OK) at += cnt;
    assert_true(tf_io_poll(io, polls % 4 ? 0 : 50000) >= 0);
    ssize_t read_cnt = peer_recv(fds[1], bytes, 3001);
    for (ssize_t k = 0; k < read_cnt; k++) wrong |= bytes[k] != pattern(got + (uint64_t)k);
    if (read_cnt > 0) got += (uint64_t)read_cnt;
  }
  assert_int_equal(got, end);
  assert_false(wrong);
  POLL_UNTIL(tf_io_send_pending_bytes(io, s.conn) == 0);
  assert_int_equal(io->counts.tx_bytes, end);
  assert_true(io->counts.tx_short > 0);
  peer_close(fds[1]);
}

/* ---- ends ---- */

static void half_close_delivers_all_bytes_and_then_the_end(void **state) {
  (void)state;
  open_default();
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  uint64_t at = 0;
  feed(fds[1], &at, 50000, 50000);
  peer_finish(fds[1]);
  POLL_UNTIL(s.closed_cnt == 1);
  assert_int_equal(s.closed_errno, 0);
  assert_int_equal(s.cnt, at);
  assert_false(s.wrong);
  for (int i = 0; i < 10; i++) poll_some();
  assert_int_equal(s.closed_cnt, 1);
  peer_close(fds[1]);
}

static void reset_is_reported_with_its_errno(void **state) {
  (void)state;
  open_default();
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  uint64_t at = 0;
  feed(fds[1], &at, 1000, 1000);
  POLL_UNTIL(s.cnt == 1000);
  peer_reset(fds[1]);
  POLL_UNTIL(s.closed_cnt == 1);
  assert_int_equal(s.closed_errno, ECONNRESET);
}

static void send_to_a_peer_that_is_gone_ends_the_connection_once(void **state) {
  (void)state;
  open_default();
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  poll_some();
  peer_close(fds[1]);
  static uint8_t bytes[1000];
  for (int i = 0; i < 50 && s.closed_cnt == 0; i++) {
    tf_io_send(io, s.conn, bytes, sizeof bytes);
    poll_some();
  }
  POLL_UNTIL(s.closed_cnt == 1);
  for (int i = 0; i < 10; i++) poll_some();
  assert_int_equal(s.closed_cnt, 1);
}

static void connection_may_be_closed_inside_its_callback(void **state) {
  (void)state;
  open_default();
  sink_t s = {.close_at_call = 1};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  uint64_t at = 0;
  feed(fds[1], &at, 200000, 60000);
  POLL_UNTIL(s.calls == 1);
  for (int i = 0; i < 100; i++) assert_true(tf_io_poll(io, 10000) >= 0);
  assert_int_equal(s.calls, 1);
  assert_int_equal(s.closed_cnt, 0);
  /* The peer learns of it. */
  char byte;
  for (int i = 0; i < 100 && peer_recv(fds[1], &byte, 1) < 0 && errno == EAGAIN; i++)
    assert_true(tf_io_poll(io, 1000000) >= 0);
  assert_true(peer_recv(fds[1], &byte, 1) <= 0);
  peer_close(fds[1]);
}

static void successor_may_be_attached_where_the_end_is_reported(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.conns_max      = 1;
  open_io(&config);
  int fds[2], next[2];
  peer_pair(fds);
  peer_pair(next);
  sink_t s = {.attach_on_close = true, .attach_fd = next[0]};
  attach(&s, fds[0]);
  tf_io_conn_t first = s.conn;
  peer_close(fds[1]);
  POLL_UNTIL(s.closed_cnt == 1);
  assert_int_not_equal(s.conn, TF_IO_CONN_NONE);
  assert_int_not_equal(s.conn, first);
  uint64_t at = 0;
  feed(next[1], &at, 5000, 5000);
  POLL_UNTIL(s.cnt == 5000);
  assert_false(s.wrong);
  peer_close(next[1]);
}

static void closed_id_is_not_mistaken_for_its_successor(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.conns_max      = 1;
  open_io(&config);
  tf_io_conn_t old = TF_IO_CONN_NONE;
  for (int round = 0; round < 300; round++) {
    sink_t s = {0};
    int    fds[2];
    peer_small_pair(fds);
    attach(&s, fds[0]);
    if (old != TF_IO_CONN_NONE) {
      assert_int_equal(tf_io_send(io, old, "x", 1), E_IO_SYSTEM);
      assert_int_equal(tf_io_send_pending_bytes(io, old), 0);
      tf_io_close(io, old);
    }
    uint64_t at = 0;
    feed(fds[1], &at, 600, 600);
    if (round % 3) POLL_UNTIL(s.cnt == 600);
    assert_false(s.wrong);
    assert_int_equal(tf_io_send(io, s.conn, "x", 1), TF_OK);
    tf_io_close(io, s.conn); /* with a receive, and at times a send, under way */
    if (round % 2) poll_some();
    old = s.conn;
    peer_close(fds[1]);
  }
}

/* ---- listeners, waiting, fairness ---- */

static void listener_hands_out_connected_sockets_until_it_is_closed(void **state) {
  (void)state;
  open_default();
  uint16_t        port;
  int             listener = peer_listener(&port);
  sink_t          s        = {.accepted_fd = -1};
  tf_io_handler_t h        = handler_of(&s);
  assert_int_equal(tf_io_listen(io, listener, &h, &s.conn), TF_OK);
  int clients[20];
  for (int i = 0; i < 20; i++) clients[i] = peer_connect(port);
  POLL_UNTIL(s.accepted_cnt == 20);
  sink_t talk = {0};
  attach(&talk, s.accepted_fd);
  s.accepted_fd = -1;
  uint64_t at   = 0;
  for (int i = 0; i < 20; i++, at = 0) feed(clients[i], &at, 10, 10);
  POLL_UNTIL(talk.cnt == 10);
  tf_io_close(io, s.conn);
  for (int i = 0; i < 20; i++) {
    poll_some();
    peer_close(clients[i]);
  }
  assert_int_equal(peer_connect(port), -1);
}

static void listener_without_descriptors_turns_peers_away_and_recovers(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  config.audit_ns       = TF_NS_PER_MS;
  open_io(&config);
  uint16_t        port;
  int             listener = peer_listener(&port);
  sink_t          s        = {.accepted_fd = -1};
  tf_io_handler_t h        = handler_of(&s);
  assert_int_equal(tf_io_listen(io, listener, &h, &s.conn), TF_OK);
  int client = peer_connect(port);
  peer_starve(client, true);
  char byte;
  int  got = -1;
  for (int i = 0; i < 1000 && got < 0; i++) {
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    got = (int)peer_recv(client, &byte, 1);
  }
  peer_starve(client, false);
  assert_int_equal(got, 0);
  assert_int_equal(s.accepted_cnt, 0);
  /* An accept armed under the old limit keeps it (io_uring reads it when armed), so that one more
   * peer may be turned away. */
  for (int i = 0; i < 20 && s.accepted_cnt == 0; i++) {
    int after = peer_connect(port);
    for (int k = 0; k < 5 && s.accepted_cnt == 0; k++)
      assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    peer_close(after);
  }
  assert_int_equal(s.accepted_cnt, 1);
  peer_close(s.accepted_fd);
  peer_close(client);
}

typedef struct waker {
  int fd;
} waker_t;

static void *wake(void *arg) {
  waker_t *w  = arg;
  uint64_t at = 0;
  feed(w->fd, &at, 9, 9);
  return NULL;
}

static void wait_ends_with_the_first_byte_or_the_limit(void **state) {
  (void)state;
  open_default();
  sink_t s = {0};
  int    fds[2];
  peer_pair(fds);
  attach(&s, fds[0]);
  poll_some();
  uint64_t begin = peer_now_ns();
  assert_int_equal(tf_io_poll(io, 20 * TF_NS_PER_MS), 0);
  uint64_t took = peer_now_ns() - begin;
  assert_true(took >= 15 * TF_NS_PER_MS && took < 5 * TF_NS_PER_SEC);
  pthread_t thread;
  waker_t   waker = {.fd = fds[1]};
  if (simulated) /* its bytes come while the loop waits in any case */
    wake(&waker);
  else
    assert_int_equal(pthread_create(&thread, NULL, wake, &waker), 0);
  for (int i = 0; i < 200 && s.cnt == 0; i++) assert_true(tf_io_poll(io, 50 * TF_NS_PER_MS) >= 0);
  assert_int_equal(s.cnt, 9);
  if (!simulated) pthread_join(thread, NULL);
  peer_close(fds[1]);
}

/* What comes on a quiet socket waits for what was read of the busy one already, and for its next turns: not for the
 * megabytes behind them. */
static void busy_socket_does_not_starve_its_neighbour(void **state) {
  (void)state;
  enum { POOL_BYTES = 16 * 512, POOLS_MAX = 4 };
  tf_io_config_t config   = tf_io_config_default();
  config.buffer_bytes     = 512;
  config.buffer_cnt       = 16;
  config.direct_conns_max = direct_conns_max;
  open_io(&config);
  sink_t busy = {0}, quiet = {0};
  int    busy_fds[2], quiet_fds[2];
  peer_pair(busy_fds);
  peer_pair(quiet_fds);
  attach(&busy, busy_fds[0]);
  attach(&quiet, quiet_fds[0]);
  uint64_t busy_at = 0, quiet_at = 0;
  feed(busy_fds[1], &busy_at, 1u << 20, 65536);
  poll_some();
  feed(quiet_fds[1], &quiet_at, 1, 1);
  if (simulated) tf_sim_advance(peer_sim, TF_NS_PER_MS); /* it has arrived */
  uint64_t before = busy.cnt;
  for (int i = 0; i < 40 && quiet.cnt == 0; i++) {
    feed(busy_fds[1], &busy_at, UINT64_MAX, 65536);
    poll_some();
  }
  assert_int_equal(quiet.cnt, 1);
  assert_true(busy_at > before + POOLS_MAX * POOL_BYTES); /* there was more to come */
  assert_in_range(busy.cnt - before, 0, POOLS_MAX * POOL_BYTES);
  assert_false(busy.wrong);
  peer_close(busy_fds[1]);
  peer_close(quiet_fds[1]);
}

/* ---- choosing a backend ---- */

static void auto_takes_io_uring_where_it_works(void **state) {
  (void)state;
  tf_io_config_t config = tf_io_config_default();
  assert_int_equal(tf_arena_init(&arena, "io", tf_io_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_io_open(TF_IO_AUTO, &config, &arena, &io), TF_OK);
  if (strcmp(io->ops->name, "io_uring") == 0)
    assert_string_equal(tf_io_fallback_reason(), "");
  else
    assert_true(strlen(tf_io_fallback_reason()) > 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest contract[] = {
    T(config_outside_its_range_is_refused),
    T(arena_too_small_is_refused),
    T(connection_over_the_limit_is_refused_and_stays_the_callers),
    T(descriptor_that_is_none_is_refused),
    T(full_send_buffer_takes_nothing),
    T(bytes_arrive_in_order_at_every_segment_size),
    T(forty_connections_keep_their_bytes_apart),
    T(few_small_buffers_lose_no_byte),
    T(four_completion_slots_lose_no_byte),
    T(send_larger_than_the_socket_buffer_arrives_whole_and_in_order),
    T(half_close_delivers_all_bytes_and_then_the_end),
    T(reset_is_reported_with_its_errno),
    T(send_to_a_peer_that_is_gone_ends_the_connection_once),
    T(connection_may_be_closed_inside_its_callback),
    T(successor_may_be_attached_where_the_end_is_reported),
    T(closed_id_is_not_mistaken_for_its_successor),
    T(listener_hands_out_connected_sockets_until_it_is_closed),
    T(listener_without_descriptors_turns_peers_away_and_recovers),
    T(wait_ends_with_the_first_byte_or_the_limit),
    T(busy_socket_does_not_starve_its_neighbour),
};

static const struct CMUnitTest choice[] = {
    T(auto_takes_io_uring_where_it_works),
};

static bool uring_available(void) {
  tf_io_config_t config = tf_io_config_default();
  tf_arena_t     probe_arena;
  tf_io_t       *probe_io;
  if (tf_arena_init(&probe_arena, "probe", tf_io_arena_bytes(&config)) != TF_OK) return false;
  bool available = tf_io_open(TF_IO_URING, &config, &probe_arena, &probe_io) == TF_OK;
  if (available)
    tf_io_fini(probe_io);
  else
    printf("skipped: the io_uring half: %s\n", tf_error_text());
  tf_arena_fini(&probe_arena);
  return available;
}

int main(void) {
  tf_clock_calibrate();
  int failed = 0;
  if (uring_available()) {
    kind = TF_IO_URING;
    failed += cmocka_run_group_tests_name("io_uring", contract, NULL, NULL);
    uring_without = TF_URING_DEFER_TASKRUN;
    failed += cmocka_run_group_tests_name("io_uring as of 5.19", contract, NULL, NULL);
    uring_without |= TF_URING_COOP_TASKRUN;
    failed += cmocka_run_group_tests_name("io_uring, plain", contract, NULL, NULL);
    uring_without     = 0;
    kernel_timestamps = true;
    failed += cmocka_run_group_tests_name("io_uring, kernel timestamps", contract, NULL, NULL);
    kernel_timestamps = false;
    direct_conns_max  = 64;
    failed += cmocka_run_group_tests_name("io_uring, direct", contract, NULL, NULL);
    direct_conns_max = 0;
  }
  kind = TF_IO_EPOLL;
  failed += cmocka_run_group_tests_name("epoll", contract, NULL, NULL);
  kernel_timestamps = true;
  failed += cmocka_run_group_tests_name("epoll, kernel timestamps", contract, NULL, NULL);
  kernel_timestamps = false;
  direct_conns_max  = 64;
  failed += cmocka_run_group_tests_name("epoll, direct", contract, NULL, NULL);
  simulated = true;
  failed += cmocka_run_group_tests_name("sim, direct", contract, NULL, NULL);
  direct_conns_max = 0;
  failed += cmocka_run_group_tests_name("sim", contract, NULL, NULL);
  simulated = false;
  failed += cmocka_run_group_tests_name("choice", choice, NULL, NULL);
  return failed != 0;
}
