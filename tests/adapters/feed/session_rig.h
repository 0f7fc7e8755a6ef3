/* A session against a scripted venue on loopback, for test_session*.c. Deadlines are shortened; every
 * test ends with the ledger's first row in balance.
 *
 * The feed greets with "SUB 0", "SUB 1" and asks for symbols with "RE <symbol> <0: no more, 1: from now on>".
 * It knows these messages: "ack"; "Y <id>", "N <id>" answer that request; "P" wants "pong" back at once; "Q <id>" makes the feed ask "ASK <id>"; "T <seq>" a trade, published once; "R <id>" wants a snapshot;
 * "B <id>" a book is in order; "L" the venue will close; "G" the sequence broke; "V <seq>" a book's snapshot
 * and "U <seq>" its next change, by the order of which it finds gaps (of instrument 0; where sequences are shared
 * the first change stands for a snapshot); and a REST body "S <seq>". */
#ifndef TESTS_SESSION_RIG_H
#define TESTS_SESSION_RIG_H

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "feed/feeds.h"
#include "feed/session.h"
#include "feed/trade_ids.h"
#include "io/io.h"
#include "tf/atomic.h"
#include "venue_stub.h"
#include "wire/tls_pool.h"

#define MS TF_NS_PER_MS

/* ---- the feed ---- */

typedef struct fake {
  tf_feed_head_t head; /* first: feeds.h */
  uint32_t       connects;
  tf_trade_ids_t ids;
  uint64_t       book;
  bool           has_book;
} fake_t;

static uint32_t fake_subscribe_cnt;
static uint64_t fake_verdict_http_rejects; /* so many bodies are refused first */

static inline size_t fake_state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  (void)config;
  return sizeof(fake_t);
}

static inline tf_err_t fake_init(const tf_feed_t *feed, void *state,
                                 const tf_feed_config_t *config) {
  (void)feed;
  (void)config;
  memset(state, 0, sizeof(fake_t));
  return TF_OK;
}

static inline void emit(tf_feed_out_t *out, uint8_t kind, uint64_t id, uint64_t recv_ns) {
  assert_true(out->event_cnt < out->event_cap);
  tf_event_t *e = &out->events[out->event_cnt++];
  *e            = (tf_event_t){.kind = kind, .ts_recv_ns = recv_ns, .flags = TF_FLAG_LAST};
  if (kind == TF_EVENT_STATUS)
    e->u.status.book_state = (uint32_t)id;
  else
    e->u.trade.id = id;
  out->counts->events[kind]++;
}

static bool fake_shares; /* as fake.sequences_are_shared */

static inline void fake_snapshot(fake_t *f, uint64_t seq, uint64_t recv_ns, tf_feed_out_t *out) {
  f->book     = seq;
  f->has_book = true;
  emit(out, TF_EVENT_BOOK, 0, recv_ns);
  out->events[out->event_cnt - 1].flags       = TF_FLAG_SNAPSHOT;
  out->events[out->event_cnt - 1].u.level.qty = (int64_t)seq;
  emit(out, TF_EVENT_STATUS, TF_BOOK_OK, recv_ns);
}

static inline void fake_lose(void *state, uint32_t id, uint64_t now_ns, tf_feed_out_t *out) {
  fake_t *f = state;
  if (!f->has_book) return;
  f->has_book = false;
  emit(out, TF_EVENT_STATUS, TF_BOOK_GAP, now_ns);
  out->resync_ids[out->resync_cnt++] = id;
}

static inline void fake_change(fake_t *f, uint64_t seq, uint64_t recv_ns, tf_feed_out_t *out) {
  if (!f->has_book) {
    if (fake_shares) fake_snapshot(f, seq, recv_ns, out);
  } else if (seq <= f->book) {
    out->counts->duplicates++;
  } else if (seq != f->book + 1) {
    out->counts->gaps++;
    fake_lose(f, 0, recv_ns, out);
  } else {
    f->book = seq;
    emit(out, TF_EVENT_BOOK, 0, recv_ns);
    out->events[out->event_cnt - 1].u.level.qty = (int64_t)seq;
  }
}

static inline void fake_pong(tf_feed_out_t *out) {
  out->reply_bytes_cnt  = (uint32_t)snprintf(out->reply, sizeof out->reply, "pong");
  out->reply_is_request = false;
}

static inline size_t fake_echo(void *state, const tf_frame_t *frame, char *buf, size_t cap) {
  (void)state;
  return frame->bytes[0] == 'P' ? (size_t)snprintf(buf, cap, "pong") : 0;
}

static inline tf_verdict_t fake_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  fake_t *f        = state;
  char    text[64] = {0};
  memcpy(text, frame->bytes, frame->bytes_cnt < 63 ? frame->bytes_cnt : 63);
  volatile char pad = frame->bytes[frame->bytes_cnt + TF_BYTES_PAD - 1];
  (void)pad;
  assert_true(frame->recv_ns > 0);
  out->counts->messages++;
  if (frame->kind == TF_FRAME_HTTP && fake_verdict_http_rejects > 0) {
    fake_verdict_http_rejects--;
    out->counts->rejected[TF_REJECT_SYNTAX]++;
    return TF_VERDICT_REJECTED;
  }
  if (text[0] == 'a') {
    out->counts->msgs_control++;
    return TF_VERDICT_CONTROL;
  }
  uint64_t number = strtoull(text + 2, NULL, 10);
  if (text[0] == 'Q') {
    out->reply_bytes_cnt  = (uint32_t)snprintf(out->reply, sizeof out->reply, "ASK %s", text + 2);
    out->reply_is_request = true;
    out->counts->msgs_control++;
    return TF_VERDICT_CONTROL;
  }
  if (text[0] == 'Y' || text[0] == 'N' || text[0] == 'P') {
    if (text[0] == 'N') snprintf(f->head.venue_error, sizeof f->head.venue_error, "no such thing");
    if (text[0] == 'P')
      fake_pong(out);
    else
      out->answers[out->answer_cnt++] = (tf_feed_answer_t){number, UINT32_MAX, 0, text[0] == 'N'};
    out->counts->msgs_control++;
    return TF_VERDICT_CONTROL;
  }
  out->counts->msgs_data++;
  if (text[0] == 'T') {
    tf_trade_said_t said = {.price = 1, .id = (uint32_t)number, .is_known = true};
    if (tf_trade_ids_step(&f->ids, number, &said, out->counts))
      out->counts->duplicates++;
    else
      emit(out, TF_EVENT_TRADE, number, frame->recv_ns);
  }
  if (text[0] == 'B') {
    emit(out, TF_EVENT_STATUS, TF_BOOK_OK, frame->recv_ns);
    out->events[out->event_cnt - 1].instrument_id = (uint32_t)number;
  }
  if (text[0] == 'U') fake_change(f, number, frame->recv_ns, out);
  if (text[0] == 'V') fake_snapshot(f, number, frame->recv_ns, out);
  if (text[0] == 'L') out->leaving = true;
  if (text[0] == 'G') out->reconnect = true;
  if (text[0] == 'S') {
    assert_int_equal(frame->kind, TF_FRAME_HTTP);
    assert_non_null(strstr(frame->target, "/snap?id="));
    emit(out, TF_EVENT_BOOK, number, frame->recv_ns);
  }
  if (text[0] == 'R') out->resync_ids[out->resync_cnt++] = (uint32_t)number;
  return TF_VERDICT_DATA;
}

static inline void fake_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  fake_t *f   = state;
  f->has_book = f->ids.is_continued = false;
  f->connects++;
  emit(out, TF_EVENT_STATUS, TF_BOOK_SYNCING, now_ns);
}

static inline size_t fake_ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  return (size_t)snprintf(buf, cap, "/ws");
}

static inline size_t fake_hello(const void *state, uint32_t idx, char *buf, size_t cap) {
  (void)state;
  if (idx >= fake_subscribe_cnt) return 0;
  return (size_t)snprintf(buf, cap, "SUB %u", idx);
}

static inline size_t fake_snapshot_target(const void *state, uint32_t id, char *buf, size_t cap) {
  (void)state;
  return (size_t)snprintf(buf, cap, "/snap?id=%u", id);
}

static inline size_t fake_request(const void *state, const tf_feed_request_t *r, char *buf,
                                  size_t cap) {
  (void)state;
  return (size_t)snprintf(buf, cap, "RE %u %u", r->symbols[0], !r->unsubscribe);
}

static inline size_t fake_heartbeat(const void *state, char *buf, size_t cap) {
  (void)state;
  return (size_t)snprintf(buf, cap, "HB");
}

static tf_feed_t fake; /* set anew for each test */

/* ---- the bench around it ---- */

static stub_t              stub;
static bool                stub_on;
static tf_arena_t          io_arena, arena;
static tf_io_kind_t        io_kind;
static tf_io_t            *io;
static tf_dialer_t        *dialer;
static tf_source_t        *source;
static tf_session_config_t config;
static char                cert[64], key[64];
static uint32_t            random_value;

static struct {
  uint64_t events, trades, books, statuses, batches, first_id, last_id, wrong_order;
  uint64_t taps, tap_bytes, tap_http, tap_connects, tap_connect_ns;
  int      tap_up; /* connections, as the tap tells it */
} seen;

static inline uint32_t test_random(void *self) {
  (void)self;
  return random_value;
}

static inline void on_publish(void *self, const tf_batch_t *batch) {
  (void)self;
  assert_true(batch->event_cnt > 0);
  assert_true(batch->decoded_tsc >= batch->origin_tsc);
  assert_true(tf_clock_ticks_to_ns(batch->decoded_tsc - batch->origin_tsc) < 5 * TF_NS_PER_SEC);
  seen.batches++;
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    const tf_event_t *e = &batch->events[i];
    seen.events++;
    seen.trades += e->kind == TF_EVENT_TRADE;
    seen.books += e->kind == TF_EVENT_BOOK;
    seen.statuses += e->kind == TF_EVENT_STATUS && e->instrument_id == 0; /* "B" has others */
    if (seen.tap_connect_ns) { /* the feed was told with the time that the tap saw, and next */
      assert_int_equal(e->kind, TF_EVENT_STATUS);
      assert_int_equal(e->ts_recv_ns, seen.tap_connect_ns);
      seen.tap_connect_ns = 0;
    }
    if (e->kind == TF_EVENT_TRADE) {
      seen.wrong_order += e->u.trade.id <= seen.last_id;
      seen.last_id = e->u.trade.id;
      if (seen.first_id == 0) seen.first_id = e->u.trade.id;
    }
  }
}

static inline void on_tap(void *self, const tf_tap_record_t *record) {
  (void)self;
  assert_int_equal(record->source_idx, 3);
  if (record->kind == TF_TAP_RETIRE) return;
  if (record->kind != TF_TAP_FRAME) { /* a shared decoder is told of the first and of the last */
    bool is_up   = record->kind == TF_TAP_CONNECT;
    bool is_told = !fake.sequences_are_shared || seen.tap_up == (is_up ? 0 : 1);
    seen.tap_up += is_up ? 1 : -1;
    seen.tap_connects += is_told;
    assert_int_equal(seen.tap_connect_ns, 0);
    if (is_told && fake.sequences_are_shared) seen.tap_connect_ns = record->recv_ns;
    return;
  }
  assert_int_equal(record->kind, TF_TAP_FRAME);
  seen.taps++;
  seen.tap_bytes += record->bytes_cnt;
  seen.tap_http += record->frame_kind == TF_FRAME_HTTP;
  assert_int_equal(record->target != NULL, record->frame_kind == TF_FRAME_HTTP);
}

static inline int setup(void **state) {
  (void)state;
  memset(&seen, 0, sizeof seen);
  fake_subscribe_cnt        = 2;
  fake_verdict_http_rejects = 0;
  random_value              = 0; /* no jitter */
  fake                      = (tf_feed_t){.venue                = "fake",
                                          .suffix               = "FAKE",
                                          .state_bytes          = fake_state_bytes,
                                          .init                 = fake_init,
                                          .on_frame             = fake_on_frame,
                                          .on_connect           = fake_on_connect,
                                          .ws_host              = "127.0.0.1",
                                          .ws_target            = fake_ws_target,
                                          .hello                = fake_hello,
                                          .request              = fake_request,
                                          .snapshot_target      = fake_snapshot_target,
                                          .sequences_are_shared = true,
                                          .silence_ns_max       = 4 * TF_NS_PER_SEC};
  config                    = (tf_session_config_t){
                         .feed              = &fake,
                         .polls_io          = true,
                         .io_wait_ns        = MS,
                         .plain             = true,
                         .rest_plain        = true,
                         .message_bytes_max = 4096,
                         .events_cap        = 64,
                         .ping_idle_ns      = UINT64_MAX,
                         .rest_gap_ns       = MS,
                         .backoff           = {.base_ns   = 8 * MS,
                                               .bound_ns  = 64 * MS,
                                               .gap_ns    = MS,
                                               .lived_ns  = 10 * TF_NS_PER_SEC,
                                               .window_ns = 100 * MS},
                         .random            = {.u32 = test_random      },
                         .tap               = {.on_record = on_tap},
                         .tap_source_idx    = 3,
  };
  return 0;
}

/* "venue.test" is loopback, "other.test" too. */
static inline int resolve(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  if (!strstr(host, ".test")) return EAI_NONAME;
  struct sockaddr_in addr = {.sin_family      = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port        = htons((uint16_t)atoi(port))};
  memcpy(&a->addr, &addr, sizeof addr);
  a->addr_cnt = sizeof addr;
  *cnt        = 1;
  return 0;
}

static inline void begin_stub(stub_script_t script) {
  stub_start(&stub, script, NULL, key);
  stub_on = true;
}

/* The venue is there already, or is not. */
static inline void begin_session(void) {
  tf_io_config_t io_config = tf_io_config_default();
  io_config.conns_max      = 4;
  assert_int_equal(tf_arena_init(&io_arena, "io", tf_io_arena_bytes(&io_config)), TF_OK);
  assert_int_equal(tf_io_open(io_kind, &io_config, &io_arena, &io), TF_OK);
  tf_dialer_config_t dialer_config = tf_dialer_config_default();
  dialer_config.host_gap_ns        = 0;
  dialer_config.upgrade_ns         = 500 * MS;
  dialer_config.resolve            = resolve;
  assert_int_equal(tf_dialer_start(&dialer_config, &dialer), TF_OK);
  fake.ws_port  = stub_on ? stub.port_text : "1";
  config.io     = io;
  config.dialer = dialer;
  assert_int_equal(tf_arena_init(&arena, "session", tf_session_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_session_init(&config, &arena, &source), TF_OK);
  source->publisher = (tf_publisher_t){.publish = on_publish};
}

static inline void begin(stub_script_t script, bool tls) {
  if (script) {
    stub_start(&stub, script, tls ? cert : NULL, key);
    stub_on = true;
  }
  begin_session();
}

/* As a lane: where the seal is built in, an allocation aborts. */
static inline int poll_once(void) {
  tf_arena_lane_enter();
  int work = source->ops->poll(source, tf_clock_wall_ns());
  tf_arena_lane_leave();
  return work;
}

#define RUN_UNTIL(cond)                                                                            \
  do {                                                                                             \
    uint64_t begin_ns_ = tf_clock_monotonic_ns();                                                  \
    while (!(cond) && tf_clock_monotonic_ns() - begin_ns_ < 8 * TF_NS_PER_SEC) poll_once();        \
    if (!(cond)) print_message("trouble: %s\n", tf_session_trouble(source));                       \
    assert_true(cond);                                                                             \
  } while (0)

static inline void run_for(uint64_t ns) {
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (tf_clock_monotonic_ns() - begin_ns < ns) poll_once();
}

static inline const tf_session_counts_t *counts(void) { return tf_session_counts(source); }

static inline uint64_t noted(int i) { return __atomic_load_n(&stub.note[i], __ATOMIC_SEQ_CST); }
static inline void     note(stub_conn_t *c, int i, uint64_t v) {
      __atomic_store_n(&c->stub->note[i], v, __ATOMIC_SEQ_CST);
}
static inline uint64_t requests(int kind) {
  return __atomic_load_n(&stub.request_cnt[kind], __ATOMIC_SEQ_CST);
}

static inline int teardown(void **state) {
  (void)state;
  bool balanced = true;
  if (source) {
    balanced =
        source->bytes_rx == source->bytes_framed + source->bytes_partial + source->bytes_rejected;
    tf_session_fini(source);
    source = NULL;
  }
  tf_io_fini(io);
  io = NULL;
  tf_dialer_stop(dialer);
  dialer = NULL;
  tf_arena_fini(&arena);
  tf_arena_fini(&io_arena);
  if (stub_on) stub_stop(&stub);
  stub_on = false;
  if (!balanced) print_message("the ledger's first row is out of balance\n");
  return balanced ? 0 : -1;
}

/* ---- scripts ---- */

static uint64_t next_id; /* trade ids over all connections */

static inline void trades(stub_conn_t *c, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    char text[32];
    snprintf(text, sizeof text, "T %llu",
             (unsigned long long)__atomic_add_fetch(&next_id, 1, __ATOMIC_SEQ_CST));
    stub_text(c, text);
  }
}

/* Answers the subscription of that index; false when the client has gone. */
static inline bool ack(stub_conn_t *c, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  size_t                       len;
  int                          op;
  do {
    op = stub_recv(c, payload, &len);
    if (op < 0) return false;
  } while (op != TF_WS_TEXT);
  char want[16];
  int  want_cnt = snprintf(want, sizeof want, "SUB %u", idx);
  if (len != (size_t)want_cnt || memcmp(payload, want, len) != 0) return false;
  stub_text(c, "ack");
  return true;
}

/* Answers cnt subscriptions; false when the client has gone. */
static inline bool acks(stub_conn_t *c, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++)
    if (!ack(c, i)) return false;
  return true;
}

static inline void script_good(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)idx;
  if (strncmp(target, "/snap", 5) == 0) {
    stub_answer(c, 200, NULL, "S 77");
    stub_linger(c);
    return;
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 100);
  stub_linger(c);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Runs the tests on one kind of loop; returns how many failed. */
#define RUN_SESSION_TESTS(kind, name, tests)                                                       \
  (io_kind = (kind), cmocka_run_group_tests_name(name, tests, NULL, NULL))

/* Once a program: its clock, its certificate. */
static inline bool session_rig_start(void) {
  static const char *const hosts[] = {"venue.test"};
  tf_tls_pool_install();
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  snprintf(cert, sizeof cert, "/tmp/tf_session_%d.pem", getpid());
  snprintf(key, sizeof key, "/tmp/tf_session_%d.key", getpid());
  return tf_tls_self_signed(cert, key, hosts, 1, 1) == TF_OK;
}

static inline int session_rig_stop(int failed) {
  unlink(cert);
  unlink(key);
  return failed != 0;
}

#endif
