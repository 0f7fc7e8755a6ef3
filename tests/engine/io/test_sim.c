/* The loop on the simulator: framed streams under every fault that a seed can draw. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "io/sim.h"

#define SEEDS_DEFAULT   3000
#define CONNS_MAX       4
#define FRAME_BYTES_MAX 1500u
#define HEADER_BYTES    8u
#define ACTIONS         250
/* After the faults end: audits are 1 ms apart, and a lost receive takes three. */
#define QUIET_PASSES_MAX 400
#define CHANCE_PPM_MAX   60000u

static tf_arena_t arena;
static tf_sim_t  *sim;
static tf_io_t   *io;
static uint32_t   buffer_cnt, closes_by_owner;
static bool       reads_directly;
static uint64_t   seed_cnt = SEEDS_DEFAULT, seed_first = 1;
static uint64_t   injected_total[TF_SIM_FAULT_CNT], frames_total;

static const char *const fault_names[] = {
#define FAULT_NAME(id, text) #id,
    TF_SIM_FAULTS(FAULT_NAME)
#undef FAULT_NAME
};

/* One end of a connection, attached to the loop. */
typedef struct side {
  struct side *other;
  tf_io_conn_t conn;
  int          fd;
  uint32_t     stream;
  uint32_t     sent_seq, got_seq;
  uint64_t     sent_bytes, got_bytes;
  uint8_t      frame[HEADER_BYTES + FRAME_BYTES_MAX];
  uint32_t     frame_cnt;
  int          closed_cnt;
  bool         open, wrong;
} side_t;

static uint8_t payload_byte(uint32_t stream, uint32_t seq, uint32_t k) {
  return (uint8_t)(((stream * 31u + seq) * 2654435761u + k * 40503u) >> 13);
}

static void frame_make(uint8_t *frame, uint32_t stream, uint32_t seq, uint32_t cnt) {
  memcpy(frame, &cnt, 4);
  memcpy(frame + 4, &seq, 4);
  for (uint32_t k = 0; k < cnt; k++) frame[HEADER_BYTES + k] = payload_byte(stream, seq, k);
}

static void frame_check(side_t *s) {
  uint32_t cnt, seq;
  uint8_t  expected[HEADER_BYTES + FRAME_BYTES_MAX];
  memcpy(&cnt, s->frame, 4);
  memcpy(&seq, s->frame + 4, 4);
  frame_make(expected, s->other->stream, seq, cnt);
  s->wrong |= seq != s->got_seq++ || memcmp(expected, s->frame, HEADER_BYTES + cnt) != 0;
  s->frame_cnt = 0;
  frames_total++;
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  side_t *s = self;
  assert_int_equal(conn, s->conn);
  assert_true(recv_ns <= tf_sim_now_ns(sim) && tf_sim_now_ns(sim) - recv_ns < TF_NS_PER_US * 10);
  s->got_bytes += cnt;
  for (size_t i = 0; i < cnt; i++) {
    uint32_t want            = 0;
    s->frame[s->frame_cnt++] = bytes[i];
    if (s->frame_cnt >= HEADER_BYTES) memcpy(&want, s->frame, 4);
    s->wrong |= want > FRAME_BYTES_MAX;
    if (s->wrong) return;
    if (s->frame_cnt >= HEADER_BYTES && s->frame_cnt == HEADER_BYTES + want) frame_check(s);
  }
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  side_t *s = self;
  (void)sys_errno;
  assert_int_equal(conn, s->conn);
  s->closed_cnt++;
  s->open = false;
}

/* The test's own draws, apart from the simulator's. */
static uint64_t draw(uint64_t *state, uint64_t bound) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (*state >> 33) % bound;
}

static void world_make(uint64_t seed, bool faults, uint32_t direct_conns_max) {
  uint64_t        r      = seed * UINT64_C(0x9E3779B97F4A7C15);
  tf_sim_config_t config = tf_sim_config_default();
  config.seed            = seed;
  config.endpoints_max   = 2 * CONNS_MAX;
  config.pipe_bytes      = 512u << draw(&r, 6);
  config.latency_ns_max  = config.latency_ns_min + (uint32_t)draw(&r, 100000);
  for (int i = 0; faults && i < TF_SIM_FAULT_CNT; i++)
    if (draw(&r, 2)) config.chance_ppm[i] = (uint32_t)draw(&r, CHANCE_PPM_MAX);
  config.chance_ppm[TF_SIM_CQ_DROPPED] = 0; /* a test of its own */
  config.chance_ppm[TF_SIM_RESET] /= 8;
  config.chance_ppm[TF_SIM_RECV_ECANCELED] /= 8;
  config.chance_ppm[TF_SIM_SEND_EPIPE] /= 8;
  tf_io_config_t loop   = tf_io_config_default();
  loop.conns_max        = 2 * CONNS_MAX;
  loop.buffer_cnt       = 1u << draw(&r, 5);
  loop.buffer_bytes     = 512u << draw(&r, 3);
  loop.send_bytes       = 2048u << draw(&r, 3);
  loop.cq_entries       = 4u << draw(&r, 6);
  loop.audit_ns         = TF_NS_PER_MS;
  bool direct           = draw(&r, 3) == 0;
  loop.direct_conns_max = direct_conns_max ? direct_conns_max
                          : direct         ? (uint32_t)draw(&r, 2 * CONNS_MAX + 1)
                                           : 0;
  buffer_cnt            = loop.buffer_cnt;
  closes_by_owner       = 0;
  size_t bytes          = tf_sim_arena_bytes(&config) + tf_sim_port_arena_bytes(&loop);
  if (arena.cap_bytes < bytes) {
    tf_arena_fini(&arena);
    assert_int_equal(tf_arena_init(&arena, "sim", bytes), TF_OK);
  }
  memset(arena.base, 0, arena.used_bytes); /* as a fresh one: taken memory is zero */
  arena.used_bytes = 0;
  reads_directly   = loop.direct_conns_max > 0;
  assert_int_equal(tf_sim_init(&config, &arena, &sim), TF_OK);
  assert_int_equal(tf_sim_open(sim, &loop, &arena, &io), TF_OK);
}

static void world_open(uint64_t seed, bool faults) { world_make(seed, faults, 0); }

/* Without faults; so many sockets are read directly. */
static void world_open_direct(uint64_t seed, uint32_t direct_conns_max) {
  world_make(seed, false, direct_conns_max);
}

static void attach(side_t *s) {
  tf_io_handler_t h = {.self = s, .on_bytes = on_bytes, .on_closed = on_closed};
  assert_int_equal(tf_io_attach(io, s->fd, &h, &s->conn), TF_OK);
  s->open = true;
}

static void join(side_t *a, side_t *b, uint32_t stream) {
  int fds[2];
  assert_int_equal(tf_sim_pair(sim, 0, fds), 0);
  *a = (side_t){.other = b, .fd = fds[0], .stream = 2 * stream};
  *b = (side_t){.other = a, .fd = fds[1], .stream = 2 * stream + 1};
  attach(a);
  attach(b);
}

static void send_frame(side_t *s, uint32_t cnt) {
  uint8_t frame[HEADER_BYTES + FRAME_BYTES_MAX];
  frame_make(frame, s->stream, s->sent_seq, cnt);
  if (!s->open || tf_io_send(io, s->conn, frame, HEADER_BYTES + cnt) != TF_OK) return;
  s->sent_seq++;
  s->sent_bytes += HEADER_BYTES + cnt;
}

static bool settled(const side_t *sides, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    const side_t *s = &sides[i];
    if (s->open != s->other->open) return false;
    if (s->open && s->other->got_bytes != s->sent_bytes) return false;
  }
  return true;
}

static bool has_lost_receive(const side_t *sides, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++)
    if (sides[i].open && tf_sim_armed_cnt(io, sides[i].fd) != 1) return true;
  return false;
}

/* What may end a connection, apart from its owner. */
static uint64_t fatal_cnt(void) {
  return tf_sim_injected_cnt(sim, TF_SIM_RECV_ECANCELED) +
         tf_sim_injected_cnt(sim, TF_SIM_SEND_EPIPE) + tf_sim_injected_cnt(sim, TF_SIM_RESET);
}

static void check_world(side_t *sides, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    side_t *s = &sides[i];
    assert_false(s->wrong);
    assert_true(s->closed_cnt <= 1);
    assert_int_equal(s->open, s->other->open); /* nobody waits for a peer that has gone */
    if (!s->open) assert_true(fatal_cnt() + closes_by_owner > 0);
    if (!s->open) continue;
    assert_int_equal(s->other->got_bytes, s->sent_bytes);
    assert_int_equal(s->other->got_seq, s->sent_seq);
    assert_int_equal(tf_io_send_pending_bytes(io, s->conn), 0);
  }
  assert_true(io->counts.audit_repairs <= tf_sim_injected_cnt(sim, TF_SIM_RECV_LOST));
}

static void set_all_chances(uint32_t chance_ppm) {
  for (int i = 0; i < TF_SIM_FAULT_CNT; i++) tf_sim_set_chance(sim, (tf_sim_fault_t)i, chance_ppm);
}

/* A world of one seed, from its first byte to its last descriptor. Returns the trace. */
static uint64_t live_through(uint64_t seed, bool faults) {
  side_t   sides[2 * CONNS_MAX];
  uint64_t r = seed;
  world_open(seed, faults);
  uint32_t cnt = 2 * (1 + (uint32_t)draw(&r, CONNS_MAX));
  for (uint32_t i = 0; i < cnt; i += 2) join(&sides[i], &sides[i + 1], i / 2);
  static const uint64_t waits[] = {0, 0, 10000, 1000000};
  for (int i = 0; i < ACTIONS; i++) {
    side_t *s = &sides[draw(&r, cnt)];
    if (draw(&r, 200) == 0 && s->open) {
      tf_io_close(io, s->conn);
      s->open = false;
      closes_by_owner++;
    }
    send_frame(s, (uint32_t)draw(&r, FRAME_BYTES_MAX + 1));
    /* A loop that reads directly goes on so until it waits: time passes by itself meanwhile. */
    bool no_wait = reads_directly && i < ACTIONS / 2;
    if (no_wait) tf_sim_advance(sim, draw(&r, 20 * TF_NS_PER_US));
    assert_true(tf_io_poll(io, no_wait ? 0 : waits[draw(&r, TF_ARRAY_CNT(waits))]) >= 0);
  }
  set_all_chances(0);
  for (int i = 0; i < QUIET_PASSES_MAX && !settled(sides, cnt); i++)
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  check_world(sides, cnt);
  /* A receive lost on a quiet connection shows with the next bytes, and is repaired. */
  for (uint32_t i = 0; i < cnt; i++) send_frame(&sides[i], 1);
  for (int i = 0; i < QUIET_PASSES_MAX && (!settled(sides, cnt) || i < 2); i++)
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  check_world(sides, cnt);
  for (int i = 0; i < 2; i++) assert_true(tf_io_poll(io, 0) >= 0); /* ENOBUFS: armed one pass on */
  assert_false(has_lost_receive(sides, cnt));
  for (uint32_t i = 0; i < cnt; i++)
    if (sides[i].open) tf_io_close(io, sides[i].conn);
  for (int i = 0; i < QUIET_PASSES_MAX && tf_sim_ops_under_way(io) > 0; i++)
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  assert_int_equal(tf_sim_ops_under_way(io), 0);
  assert_int_equal(tf_sim_open_fds(sim), 0);
  assert_int_equal(tf_sim_buffers_free(io), buffer_cnt);
  for (int i = 0; i < TF_SIM_FAULT_CNT; i++)
    injected_total[i] += tf_sim_injected_cnt(sim, (tf_sim_fault_t)i);
  uint64_t trace = tf_sim_trace_hash(sim);
  tf_io_fini(io);
  return trace;
}

static void streams_arrive_whole_or_are_reported_closed_under_every_seed(void **state) {
  (void)state;
  memset(injected_total, 0, sizeof injected_total);
  frames_total = 0;
  for (uint64_t seed = seed_first; seed < seed_first + seed_cnt; seed++) {
    if (seed_cnt == 1) print_message("seed %" PRIu64 "\n", seed);
    live_through(seed, true);
  }
  print_message("%-20s %" PRIu64 "\n", "frames", frames_total);
  assert_true(frames_total > 50 * seed_cnt);
  for (int i = 0; i < TF_SIM_FAULT_CNT; i++) {
    print_message("%-20s %" PRIu64 "\n", fault_names[i], injected_total[i]);
    if (seed_cnt < 1000) continue;
    if (i == TF_SIM_CQ_DROPPED || i == TF_SIM_ACCEPT_ECONNABORTED) continue; /* below */
    assert_true(injected_total[i] > 0);
  }
}

static void same_seed_gives_the_same_trace_and_another_gives_another(void **state) {
  (void)state;
  uint64_t before = 0;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    uint64_t trace = live_through(seed, true);
    assert_true(live_through(seed, true) == trace);
    assert_true(trace != before);
    before = trace;
  }
}

static void world_without_faults_needs_no_repair(void **state) {
  (void)state;
  memset(injected_total, 0, sizeof injected_total);
  for (uint64_t seed = 1; seed <= 50; seed++) live_through(seed, false);
  for (int i = 0; i < TF_SIM_FAULT_CNT; i++) assert_int_equal(injected_total[i], 0);
}

static void every_lost_receive_is_repaired_by_the_audit(void **state) {
  (void)state;
  side_t a, b;
  world_open(7, false);
  join(&a, &b, 0);
  for (uint32_t i = 0; i < 20; i++) {
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    tf_sim_set_chance(sim, TF_SIM_RECV_LOST, 1000000);
    send_frame(&a, 100);
    for (int k = 0; k < 5 && tf_sim_injected_cnt(sim, TF_SIM_RECV_LOST) == i; k++)
      assert_true(tf_io_poll(io, TF_NS_PER_MS / 10) >= 0);
    tf_sim_set_chance(sim, TF_SIM_RECV_LOST, 0);
    assert_int_equal(tf_sim_injected_cnt(sim, TF_SIM_RECV_LOST), i + 1);
    uint64_t before_ns = tf_sim_now_ns(sim);
    for (int k = 0; k < 10 && b.got_seq == i; k++) assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    assert_int_equal(b.got_seq, i + 1);
    assert_true(tf_sim_now_ns(sim) - before_ns < 5 * TF_NS_PER_MS);
    assert_int_equal(io->counts.audit_repairs, i + 1);
  }
  tf_io_fini(io);
}

static void port_that_dropped_a_completion_stays_broken_and_says_so(void **state) {
  (void)state;
  side_t a, b;
  world_open(3, false);
  join(&a, &b, 0);
  assert_true(tf_io_poll(io, 1) >= 0);
  tf_sim_set_chance(sim, TF_SIM_CQ_DROPPED, 1000000);
  assert_int_equal(tf_io_poll(io, 0), E_IO_SYSTEM);
  tf_sim_set_chance(sim, TF_SIM_CQ_DROPPED, 0);
  assert_int_equal(tf_io_poll(io, 0), E_IO_SYSTEM);
  tf_io_fini(io);
}

static void loop_that_never_waits_reads_its_sockets_itself_and_still_sends(void **state) {
  (void)state;
  side_t a, b;
  world_open_direct(13, 2);
  join(&a, &b, 0);
  for (int i = 0; i < 3000; i++) {
    if (i % 50 == 0) send_frame(i % 100 ? &a : &b, 200);
    assert_int_equal(tf_sim_armed_cnt(io, a.fd) + tf_sim_armed_cnt(io, b.fd), 0);
    assert_true(tf_io_poll(io, 0) >= 0);
  }
  assert_true(a.got_seq > 20 && b.got_seq > 20);
  /* The first wait gives them their receives, and nothing is lost over it. */
  send_frame(&a, 1000);
  for (int i = 0; i < QUIET_PASSES_MAX && a.sent_bytes != b.got_bytes; i++)
    assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
  assert_int_equal(b.got_bytes, a.sent_bytes);
  assert_int_equal(tf_sim_armed_cnt(io, a.fd), 1);
  assert_int_equal(tf_sim_armed_cnt(io, b.fd), 1);
  assert_false(a.wrong || b.wrong);
  assert_int_equal(io->counts.audit_repairs, 0);
  tf_io_fini(io);
}

typedef struct acceptor {
  int fds[64];
  int cnt;
} acceptor_t;

static void on_accept(void *self, int fd) {
  acceptor_t *a    = self;
  a->fds[a->cnt++] = fd;
}

static void accept_goes_on_after_connections_that_came_to_nothing(void **state) {
  (void)state;
  world_open(11, false);
  acceptor_t      a        = {0};
  tf_io_handler_t h        = {.self = &a, .on_accept = on_accept};
  int             listener = tf_sim_listener(sim);
  tf_io_conn_t    conn;
  assert_int_equal(tf_io_listen(io, listener, &h, &conn), TF_OK);
  tf_sim_set_chance(sim, TF_SIM_ACCEPT_ECONNABORTED, 500000);
  for (int i = 0; i < 20; i++) {
    int client = tf_sim_connect(sim, listener);
    assert_true(client >= 0);
    for (int k = 0; k < 100 && a.cnt == i; k++) assert_true(tf_io_poll(io, TF_NS_PER_MS) >= 0);
    assert_int_equal(a.cnt, i + 1);
    tf_sim_close(sim, client);
    tf_sim_close(sim, a.fds[i]);
  }
  assert_true(tf_sim_injected_cnt(sim, TF_SIM_ACCEPT_ECONNABORTED) > 0);
  assert_int_equal(tf_sim_armed_cnt(io, listener), 1);
  tf_io_fini(io);
}

/* ---- the network by itself ---- */

static void bytes_come_after_their_latency_and_the_end_behind_the_last(void **state) {
  (void)state;
  world_open(5, false);
  int     fds[2];
  uint8_t bytes[64];
  assert_int_equal(tf_sim_pair(sim, 0, fds), 0);
  assert_int_equal(tf_sim_send(sim, fds[0], "abc", 3), 3);
  tf_sim_shutdown(sim, fds[0], false);
  assert_int_equal(tf_sim_recv(sim, fds[1], bytes, sizeof bytes), -EAGAIN);
  assert_int_equal(tf_sim_send(sim, fds[0], "d", 1), -EPIPE);
  tf_sim_advance(sim, TF_NS_PER_MS);
  assert_int_equal(tf_sim_recv(sim, fds[1], bytes, 2), 2);
  assert_int_equal(tf_sim_recv(sim, fds[1], bytes, sizeof bytes), 1);
  assert_int_equal(tf_sim_recv(sim, fds[1], bytes, sizeof bytes), 0);
  assert_int_equal(tf_sim_send(sim, fds[1], "back", 4), 4); /* the other direction is open */
  tf_sim_advance(sim, TF_NS_PER_MS);
  tf_sim_close(sim, fds[0]); /* unread bytes: a reset */
  tf_sim_advance(sim, TF_NS_PER_MS);
  assert_int_equal(tf_sim_send(sim, fds[1], "x", 1), -ECONNRESET);
  tf_io_fini(io);
}

static void full_pipe_takes_what_fits_and_no_more(void **state) {
  (void)state;
  world_open(5, false);
  int            fds[2];
  static uint8_t bytes[513];
  assert_int_equal(tf_sim_pair(sim, 512, fds), 0);
  assert_int_equal(tf_sim_send(sim, fds[0], bytes, 511), 511);
  assert_int_equal(tf_sim_send(sim, fds[0], bytes, 513), 1);
  assert_int_equal(tf_sim_send(sim, fds[0], bytes, 1), -EAGAIN);
  tf_sim_advance(sim, TF_NS_PER_MS);
  assert_int_equal(tf_sim_recv(sim, fds[1], bytes, 1), 1);
  assert_int_equal(tf_sim_send(sim, fds[0], bytes, 2), 1);
  tf_io_fini(io);
}

static void config_outside_its_range_is_refused(void **state) {
  (void)state;
  tf_sim_config_t good = tf_sim_config_default(), bad;
#define REFUSED(field, value)                                                                      \
  bad       = good;                                                                                \
  bad.field = value;                                                                               \
  assert_int_equal(tf_sim_init(&bad, &arena, &sim), E_CORE_ARGUMENT)
  REFUSED(endpoints_max, 1);
  REFUSED(endpoints_max, 65537);
  REFUSED(pipe_bytes, 0);
  REFUSED(pipe_bytes, 1000);
  REFUSED(latency_ns_min, good.latency_ns_max + 1);
}

/* test_sim [SEEDS [FIRST]]: test_sim 1 4711 lives through seed 4711 alone. */
int main(int argc, char **argv) {
  tf_clock_calibrate();
  if (argc > 1) seed_cnt = strtoull(argv[1], NULL, 10);
  if (argc > 2) seed_first = strtoull(argv[2], NULL, 10);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(config_outside_its_range_is_refused),
      cmocka_unit_test(bytes_come_after_their_latency_and_the_end_behind_the_last),
      cmocka_unit_test(full_pipe_takes_what_fits_and_no_more),
      cmocka_unit_test(world_without_faults_needs_no_repair),
      cmocka_unit_test(same_seed_gives_the_same_trace_and_another_gives_another),
      cmocka_unit_test(every_lost_receive_is_repaired_by_the_audit),
      cmocka_unit_test(port_that_dropped_a_completion_stays_broken_and_says_so),
      cmocka_unit_test(loop_that_never_waits_reads_its_sockets_itself_and_still_sends),
      cmocka_unit_test(accept_goes_on_after_connections_that_came_to_nothing),
      cmocka_unit_test(streams_arrive_whole_or_are_reported_closed_under_every_seed),
  };
  int failed = cmocka_run_group_tests_name("sim", tests, NULL, NULL);
  tf_arena_fini(&arena);
  return failed != 0;
}
