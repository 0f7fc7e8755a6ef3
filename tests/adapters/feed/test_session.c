/* A session against a scripted venue on loopback, with a feed of three message types. Deadlines are
 * shortened; every test ends with the ledger's first row in balance. */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "feed/session.h"
#include "io/io.h"
#include "tf/atomic.h"
#include "venue_stub.h"
#include "wire/tls_pool.h"

#define MS TF_NS_PER_MS

/* ---- a feed: "ack", "T <seq>" a trade, "R <id>" wants a snapshot; a REST body "S <seq>" ---- */

typedef struct fake {
  uint32_t connects;
} fake_t;

static uint32_t fake_subscribe_cnt;
static uint64_t fake_verdict_http_rejects; /* so many bodies are refused first */

static size_t fake_state_bytes(const tf_feed_config_t *config) {
  (void)config;
  return sizeof(fake_t);
}

static tf_err_t fake_init(void *state, const tf_feed_config_t *config) {
  (void)config;
  memset(state, 0, sizeof(fake_t));
  return TF_OK;
}

static void emit(tf_feed_out_t *out, uint8_t kind, uint64_t id, uint64_t recv_ns) {
  assert_true(out->event_cnt < out->event_cap);
  tf_event_t *e = &out->events[out->event_cnt++];
  *e            = (tf_event_t){.kind = kind, .ts_recv_ns = recv_ns, .flags = TF_FLAG_LAST};
  e->u.trade.id = id;
  out->counts->events[kind]++;
}

static tf_verdict_t fake_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  (void)state;
  char text[64] = {0};
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
  out->counts->msgs_data++;
  uint64_t number = strtoull(text + 2, NULL, 10);
  if (text[0] == 'T') emit(out, TF_EVENT_TRADE, number, frame->recv_ns);
  if (text[0] == 'S') {
    assert_int_equal(frame->kind, TF_FRAME_HTTP);
    assert_non_null(strstr(frame->target, "/snap?id="));
    emit(out, TF_EVENT_BOOK, number, frame->recv_ns);
  }
  if (text[0] == 'R') out->resync_ids[out->resync_cnt++] = (uint32_t)number;
  return TF_VERDICT_DATA;
}

static void fake_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  ((fake_t *)state)->connects++;
  emit(out, TF_EVENT_STATUS, 0, now_ns);
}

static size_t fake_ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  return (size_t)snprintf(buf, cap, "/ws");
}

static size_t fake_subscribe(void *state, uint32_t idx, char *buf, size_t cap) {
  (void)state;
  if (idx >= fake_subscribe_cnt) return 0;
  return (size_t)snprintf(buf, cap, "SUB %u", idx);
}

static size_t fake_snapshot_target(const void *state, uint32_t id, char *buf, size_t cap) {
  (void)state;
  return (size_t)snprintf(buf, cap, "/snap?id=%u", id);
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
  uint64_t events, trades, books, statuses, batches, last_id, wrong_order;
  uint64_t taps, tap_bytes, tap_http, tap_connects, tap_connect_ns;
} seen;

static uint32_t test_random(void *self) {
  (void)self;
  return random_value;
}

static void on_publish(void *self, const tf_batch_t *batch) {
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
    seen.statuses += e->kind == TF_EVENT_STATUS;
    if (e->kind == TF_EVENT_STATUS) assert_int_equal(e->ts_recv_ns, seen.tap_connect_ns);
    if (e->kind == TF_EVENT_TRADE) {
      seen.wrong_order += e->u.trade.id <= seen.last_id;
      seen.last_id = e->u.trade.id;
    }
  }
}

static void on_tap(void *self, const tf_tap_record_t *record) {
  (void)self;
  assert_int_equal(record->source_idx, 3);
  if (record->kind == TF_TAP_CONNECT) {
    seen.tap_connects++;
    assert_int_equal(seen.tap_connects, seen.statuses + 1); /* before the feed */
    seen.tap_connect_ns = record->recv_ns;
    return;
  }
  assert_int_equal(record->kind, TF_TAP_FRAME);
  seen.taps++;
  seen.tap_bytes += record->bytes_cnt;
  seen.tap_http += record->frame_kind == TF_FRAME_HTTP;
  assert_int_equal(record->target != NULL, record->frame_kind == TF_FRAME_HTTP);
}

static int setup(void **state) {
  (void)state;
  memset(&seen, 0, sizeof seen);
  fake_subscribe_cnt        = 2;
  fake_verdict_http_rejects = 0;
  random_value              = 0; /* no jitter */
  fake                      = (tf_feed_t){.venue           = "fake",
                                          .suffix          = "FAKE",
                                          .state_bytes     = fake_state_bytes,
                                          .init            = fake_init,
                                          .on_frame        = fake_on_frame,
                                          .on_connect      = fake_on_connect,
                                          .ws_host         = "127.0.0.1",
                                          .ws_target       = fake_ws_target,
                                          .subscribe       = fake_subscribe,
                                          .snapshot_target = fake_snapshot_target,
                                          .silence_ns_max  = 4 * TF_NS_PER_SEC};
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
static int resolve(const char *host, const char *port, tf_address_t *a, uint32_t *cnt) {
  if (!strstr(host, ".test")) return EAI_NONAME;
  struct sockaddr_in addr = {.sin_family      = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port        = htons((uint16_t)atoi(port))};
  memcpy(&a->addr, &addr, sizeof addr);
  a->addr_cnt = sizeof addr;
  *cnt        = 1;
  return 0;
}

static void begin(stub_script_t script, bool tls) {
  if (script) {
    stub_start(&stub, script, tls ? cert : NULL, key);
    stub_on = true;
  }
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

/* As a lane: where the seal is built in, an allocation aborts. */
static int poll_once(void) {
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

static void run_for(uint64_t ns) {
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (tf_clock_monotonic_ns() - begin_ns < ns) poll_once();
}

static const tf_session_counts_t *counts(void) { return tf_session_counts(source); }

static uint64_t noted(int i) { return __atomic_load_n(&stub.note[i], __ATOMIC_SEQ_CST); }
static void     note(stub_conn_t *c, int i, uint64_t v) {
      __atomic_store_n(&c->stub->note[i], v, __ATOMIC_SEQ_CST);
}
static uint64_t requests(int kind) {
  return __atomic_load_n(&stub.request_cnt[kind], __ATOMIC_SEQ_CST);
}

static int teardown(void **state) {
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

static void trades(stub_conn_t *c, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    char text[32];
    snprintf(text, sizeof text, "T %llu",
             (unsigned long long)__atomic_add_fetch(&next_id, 1, __ATOMIC_SEQ_CST));
    stub_text(c, text);
  }
}

/* Answers cnt subscriptions; false when the client has gone. */
static bool acks(stub_conn_t *c, uint32_t cnt) {
  static _Thread_local uint8_t payload[65536];
  for (uint32_t i = 0; i < cnt;) {
    size_t len;
    int    op = stub_recv(c, payload, &len);
    if (op < 0) return false;
    if (op != TF_WS_TEXT) continue;
    char want[16];
    int  want_cnt = snprintf(want, sizeof want, "SUB %u", i);
    if (len != (size_t)want_cnt || memcmp(payload, want, len) != 0) return false;
    stub_text(c, "ack");
    i++;
  }
  return true;
}

static void script_good(stub_conn_t *c, const char *target, uint32_t idx) {
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

/* ---- refusals ---- */

static void session_without_its_parts_is_refused(void **state) {
  (void)state;
  begin(script_good, false);
  tf_source_t *other = NULL;
  tf_arena_t   small;
  assert_int_equal(tf_arena_init(&small, "small", 2u << 20), TF_OK);
  tf_session_config_t bad = config;
  bad.dialer              = NULL;
  assert_int_equal(tf_session_init(&bad, &small, &other), E_CORE_ARGUMENT);
  bad            = config;
  bad.events_cap = (1u << 24) + 1;
  assert_int_equal(tf_session_init(&bad, &small, &other), E_CORE_ARGUMENT);
  bad            = config;
  bad.events_cap = 1u << 20;
  assert_int_equal(tf_session_init(&bad, &small, &other), E_CORE_ARENA_FULL);
  bad         = config;
  bad.plain   = false;
  bad.ca_file = "/nowhere/ca.pem";
  assert_int_not_equal(tf_session_init(&bad, &small, &other), TF_OK);
  assert_null(other);
  tf_arena_fini(&small);
}

static void venue_that_cannot_be_reached_is_tried_again_with_growing_delays(void **state) {
  (void)state;
  random_value = UINT32_MAX;
  begin(NULL, false);
  uint64_t last_due = 0, last_delay = 0;
  for (uint64_t n = 1; n <= 4; n++) {
    RUN_UNTIL(counts()->dial_failures == n);
    uint64_t due   = tf_session_retry_due_ns(source);
    uint64_t delay = due - (last_due ? last_due : tf_clock_wall_ns());
    assert_true(n < 2 || delay > last_delay / 2 + last_delay / 4);
    last_due   = due;
    last_delay = delay;
  }
  assert_non_null(strstr(tf_session_trouble(source), "E_FEED_CONNECT"));
  assert_int_equal(source->connects, 0);
}

static void name_that_does_not_resolve_is_named(void **state) {
  (void)state;
  config.host = "no.such.venue";
  begin(NULL, false);
  RUN_UNTIL(counts()->dial_failures >= 2);
  assert_non_null(strstr(tf_session_trouble(source), "E_FEED_DNS"));
}

static void script_busy(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_answer(c, 503, "Retry-After: 7\r\n", "maintenance");
  stub_linger(c);
}

static void retry_after_of_a_refused_upgrade_is_honoured(void **state) {
  (void)state;
  begin(script_busy, false);
  RUN_UNTIL(counts()->dial_failures == 1);
  assert_true(tf_session_retry_due_ns(source) >= tf_clock_wall_ns() + 6 * TF_NS_PER_SEC);
  run_for(100 * MS);
  assert_int_equal(requests(0), 1);
}

static void script_unauthorized(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_answer(c, 401, NULL, "no");
  stub_linger(c);
}

static void refused_credentials_stop_the_session_for_good(void **state) {
  (void)state;
  begin(script_unauthorized, false);
  int work = 0;
  for (int i = 0; i < 5000 && work >= 0; i++) work = poll_once();
  assert_int_equal(work, E_FEED_REFUSED);
  assert_non_null(strstr(tf_session_trouble(source), "401"));
  run_for(50 * MS);
  assert_int_equal(requests(0), 1);
  assert_int_equal(source->feed_state, TF_FEED_DOWN);
}

/* ---- the ordinary course ---- */

static void subscribes_and_publishes_what_comes(void **state) {
  (void)state;
  begin(script_good, false);
  assert_int_equal(source->feed_state, TF_FEED_CONNECTING);
  RUN_UNTIL(seen.trades == 100);
  run_for(3 * MS);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
  assert_int_equal(seen.wrong_order, 0);
  assert_int_equal(seen.statuses, 1);
  assert_int_equal(counts()->subscribes_tx, 2);
  assert_int_equal(source->counts.msgs_control, 2);
  assert_int_equal(source->connects, 1);
  assert_int_equal(source->bytes_rx, __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST));
  assert_int_equal(source->bytes_framed, source->bytes_rx);
  assert_int_equal(seen.taps, 102);
  assert_int_equal(seen.tap_connects, 1);
}

static void script_glued(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  uint8_t frames[64];
  size_t  cnt = stub_frame(frames, TF_WS_TEXT, "T 1", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "T 2", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "T 3", 3);
  /* And the last one is cut: its rest comes by way of the lane. */
  stub_upgrade(c, frames, cnt - 2);
  stub_send(c, frames + cnt - 2, 2);
  __atomic_fetch_add(&c->stub->ws_bytes, 2, __ATOMIC_SEQ_CST);
  stub_linger(c);
}

static void
frames_glued_to_the_upgrade_are_published_after_the_connection_is_announced(void **state) {
  (void)state;
  for (int tls = 0; tls < 2; tls++) {
    memset(&seen, 0, sizeof seen);
    if (tls) {
      config.plain   = false;
      config.ca_file = cert;
      config.host    = "venue.test";
    }
    begin(script_glued, tls);
    RUN_UNTIL(seen.trades == 3);
    assert_int_equal(seen.statuses, 1);
    assert_int_equal(seen.last_id, 3);
    assert_int_equal(seen.wrong_order, 0);
    RUN_UNTIL(source->bytes_rx == 15);
    assert_int_equal(teardown(NULL), 0);
  }
}

static void script_paced(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  for (int i = 0; i < 4; i++) {
    size_t cnt;
    if (stub_recv(c, payload, &cnt) != TF_WS_TEXT) return;
    note(c, i, tf_clock_monotonic_ns());
  }
  stub_text(c, "T 1");
  stub_linger(c);
}

static void subscriptions_keep_to_the_venues_pace(void **state) {
  (void)state;
  fake_subscribe_cnt         = 4;
  fake.subscribe_rate_hz_max = 20;
  begin(script_paced, false);
  RUN_UNTIL(seen.trades == 1);
  /* The pace is kept where we send; the peer may see the gaps shrink by scheduling. */
  assert_true(noted(3) - noted(0) >= 130 * MS);
}

static void script_pings(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  for (int i = 0; i < 30; i++) {
    char text[8];
    int  cnt = snprintf(text, sizeof text, "p%02d", i);
    stub_control(c, TF_WS_PING, text, (size_t)cnt);
    if (i < 20) usleep(10000); /* each of them in a pass of its own */
  }
  stub_text(c, "T 1");
  size_t cnt;
  int    op;
  while ((op = stub_recv(c, payload, &cnt)) >= 0) {
    if (op != TF_WS_PONG) continue;
    note(c, 0, noted(0) + 1);
    if (cnt == 3 && memcmp(payload, "p29", 3) == 0) note(c, 1, noted(1) + 1);
  }
}

static void pings_are_answered_with_the_newest_payload_at_most_four_times_a_second(void **state) {
  (void)state;
  fake_subscribe_cnt = 0;
  begin(script_pings, false);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  RUN_UNTIL(noted(1) == 1);
  run_for(100 * MS);
  uint64_t quarters = (tf_clock_monotonic_ns() - begin_ns) / (250 * MS);
  assert_true(noted(0) >= 2 && noted(0) <= quarters + 1);
  assert_int_equal(noted(1), 1); /* and no second time */
  assert_int_equal(counts()->pings_rx, 30);
  assert_int_equal(counts()->pongs_tx, noted(0));
}

/* ---- ends ---- */

static void script_fin_mid_frame(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 5);
  if (idx == 0) {
    uint8_t frame[64];
    size_t  cnt = stub_frame(frame, TF_WS_TEXT, "T 99999", 7);
    stub_send(c, frame, cnt - 3);
    return; /* FIN */
  }
  stub_linger(c);
}

static void end_in_the_middle_of_a_frame_is_counted_and_the_session_reconnects(void **state) {
  (void)state;
  next_id = 0;
  begin(script_fin_mid_frame, false);
  RUN_UNTIL(seen.trades == 10);
  assert_int_equal(counts()->ends[TF_LINK_END_EOF], 1);
  assert_int_equal(source->bytes_partial, 2 + 7 - 3);
  assert_int_equal(source->connects, 2);
  assert_int_equal(source->disconnects, 1);
  /* Announced as gone, then as new, and once at the start. */
  assert_int_equal(seen.statuses, 3);
  assert_int_equal(seen.wrong_order, 0);
  assert_non_null(strstr(tf_session_trouble(source), "mid-frame"));
}

static void script_reset(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 5);
  if (idx < 3) {
    while (noted(0) < 5 * (idx + 1) && !stub_stopping(c)) usleep(1000);
    stub_reset(c);
    return;
  }
  stub_linger(c);
}

static void reset_reconnects_each_time(void **state) {
  (void)state;
  begin(script_reset, false);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  while (seen.trades < 20 && tf_clock_monotonic_ns() - begin_ns < 5 * TF_NS_PER_SEC) {
    poll_once();
    __atomic_store_n(&stub.note[0], seen.trades, __ATOMIC_SEQ_CST);
  }
  assert_int_equal(seen.trades, 20);
  assert_int_equal(counts()->ends[TF_LINK_END_RESET], 3);
  assert_int_equal(source->connects, 4);
}

static void script_silent(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  size_t cnt;
  if (noted(7) == 0) { /* answers one ping, then nothing any more */
    int op;
    while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_PING) {
    }
    stub_control(c, TF_WS_PONG, payload, op < 0 ? 0 : cnt);
    note(c, 0, tf_clock_monotonic_ns());
  }
  stub_linger(c);
}

static void peer_that_stops_answering_pings_is_dropped(void **state) {
  (void)state;
  config.ping_idle_ns = 30 * MS;
  config.pong_wait_ns = 60 * MS;
  begin(script_silent, false);
  RUN_UNTIL(counts()->ends[TF_LINK_END_NO_PONG] == 1);
  uint64_t took = tf_clock_monotonic_ns() - noted(0);
  assert_true(took >= 85 * MS && took < 2 * TF_NS_PER_SEC);
  RUN_UNTIL(source->connects == 2);
}

static void peer_that_never_answers_pings_gets_the_venues_own_deadline(void **state) {
  (void)state;
  config.ping_idle_ns = 10 * MS;
  config.pong_wait_ns = 20 * MS;
  config.silence_ns   = 150 * MS;
  begin(script_silent, false);
  stub.note[7] = 1;
  RUN_UNTIL(seen.trades >= 1);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  RUN_UNTIL(counts()->ends[TF_LINK_END_SILENCE] >= 1);
  assert_int_equal(counts()->ends[TF_LINK_END_NO_PONG], 0);
  assert_true(tf_clock_monotonic_ns() - begin_ns >= 140 * MS);
  assert_true(counts()->pings_tx >= 1);
}

static void script_pings_only(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  while (!stub_stopping(c)) {
    stub_control(c, TF_WS_PING, "x", 1);
    usleep(5000);
  }
}

static void venue_that_only_pings_is_stale_and_then_left(void **state) {
  (void)state;
  config.silence_ns      = 60 * MS;
  config.data_silence_ns = 200 * MS;
  begin(script_pings_only, false);
  RUN_UNTIL(source->feed_state == TF_FEED_STALE);
  assert_int_equal(source->disconnects, 0);
  RUN_UNTIL(counts()->ends[TF_LINK_END_NO_DATA] == 1);
  assert_int_equal(counts()->ends[TF_LINK_END_SILENCE], 0);
}

static void script_close_code(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx > 0) {
    stub_linger(c);
    return;
  }
  uint64_t code    = noted(7);
  uint8_t  body[2] = {(uint8_t)(code >> 8), (uint8_t)code};
  stub_control(c, TF_WS_CLOSE, body, 2);
  size_t cnt;
  int    op;
  while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_CLOSE) {
  }
  note(c, 0, op == TF_WS_CLOSE && cnt >= 2 ? (uint64_t)payload[0] << 8 | payload[1] : 1);
}

static void close_frame_is_echoed_and_its_code_decides_what_follows(void **state) {
  (void)state;
  static const struct {
    uint16_t code;
    bool     stops, late;
  } rows[] = {
      {1000, false, false},
      {1001, false, false},
      {1008, false, true },
      {1012, false, false},
      {1013, false, true },
      {3000, true,  false},
      {4001, false, false}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    begin(script_close_code, false);
    stub.note[7] = rows[i].code;
    RUN_UNTIL(counts()->ends[TF_LINK_END_PEER_CLOSE] == 1);
    RUN_UNTIL(noted(0) == rows[i].code);
    if (rows[i].stops) {
      assert_int_equal(poll_once(), E_FEED_REFUSED);
    } else if (rows[i].late) {
      assert_true(tf_session_retry_due_ns(source) > tf_clock_wall_ns() + 9 * TF_NS_PER_SEC);
    } else {
      RUN_UNTIL(source->connects == 2);
    }
    assert_int_equal(teardown(NULL), 0);
  }
}

static void script_slam(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
}

static void venue_that_accepts_and_closes_at_once_is_backed_off_from(void **state) {
  (void)state;
  random_value = UINT32_MAX;
  begin(script_slam, false);
  RUN_UNTIL(source->disconnects == 1);
  uint64_t first = tf_session_retry_due_ns(source) - tf_clock_wall_ns();
  RUN_UNTIL(source->disconnects == 4);
  uint64_t fourth = tf_session_retry_due_ns(source) - tf_clock_wall_ns();
  assert_true(first <= 8 * MS);
  assert_true(fourth > 40 * MS && fourth <= 64 * MS);
}

static void script_oversized(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx == 0) {
    memset(payload, 'x', 5000);
    stub_control(c, TF_WS_TEXT, payload, 5000);
    size_t cnt;
    int    op;
    while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_CLOSE) {
    }
    note(c, 0, op == TF_WS_CLOSE ? (uint64_t)payload[0] << 8 | payload[1] : 1);
  }
  stub_linger(c);
}

static void message_over_the_limit_is_refused_with_its_close_code(void **state) {
  (void)state;
  begin(script_oversized, false);
  RUN_UNTIL(counts()->ends[TF_LINK_END_PROTOCOL] == 1);
  RUN_UNTIL(noted(0) == TF_WS_CLOSE_TOO_BIG);
  RUN_UNTIL(source->connects == 2 && seen.trades == 2);
  assert_true(source->bytes_rejected > 0);
  assert_non_null(strstr(tf_session_trouble(source), "message_bytes"));
}

static void script_wait_for_close(stub_conn_t *c, const char *target, uint32_t idx) {
  static _Thread_local uint8_t payload[65536];
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  size_t cnt;
  int    op;
  while ((op = stub_recv(c, payload, &cnt)) >= 0 && op != TF_WS_CLOSE) {
  }
  note(c, 0, op == TF_WS_CLOSE ? (uint64_t)payload[0] << 8 | payload[1] : 1);
}

static void stop_says_goodbye_and_ends_the_source(void **state) {
  (void)state;
  for (int tls = 0; tls < 2; tls++) {
    if (tls) {
      config.plain   = false;
      config.ca_file = cert;
      config.host    = "venue.test";
    }
    seen.trades = 0;
    begin(script_wait_for_close, tls);
    RUN_UNTIL(seen.trades == 1);
    source->ops->stop(source);
    int work = 0;
    for (int i = 0; i < 2000 && work != TF_SOURCE_DONE; i++) work = poll_once();
    assert_int_equal(work, TF_SOURCE_DONE);
    RUN_UNTIL(noted(0) == TF_WS_CLOSE_NORMAL);
    assert_int_equal(counts()->ends[TF_LINK_END_STOPPED], 1);
    assert_int_equal(teardown(NULL), 0);
  }
}

/* ---- snapshots ---- */

static void script_snapshots(stub_conn_t *c, const char *target, uint32_t idx) {
  if (strncmp(target, "/snap", 5) == 0) {
    note(c, (int)idx < 6 ? (int)idx : 6, tf_clock_monotonic_ns());
    if (idx < noted(7)) {
      stub_answer(c, 429, "Retry-After: 1\r\n", "too many");
    } else {
      stub_answer(c, 200, NULL, "S 77");
    }
    stub_linger(c);
    return;
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  /* In one segment: the second comes while the first still waits for its turn. */
  uint8_t frames[32];
  size_t  cnt = stub_frame(frames, TF_WS_TEXT, "R 3", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "R 3", 3);
  cnt += stub_frame(frames + cnt, TF_WS_TEXT, "R 4", 3);
  __atomic_fetch_add(&c->stub->ws_bytes, cnt, __ATOMIC_SEQ_CST);
  stub_send(c, frames, cnt);
  trades(c, 3);
  stub_linger(c);
}

static void wanted_snapshots_are_fetched_and_published(void **state) {
  (void)state;
  config.rest_gap_ns = 50 * MS;
  begin(script_snapshots, false);
  RUN_UNTIL(seen.trades == 3);
  RUN_UNTIL(seen.books == 2);
  run_for(3 * MS);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
  assert_int_equal(requests(1), 2);
  assert_true(noted(1) - noted(0) >= 45 * MS);
  assert_int_equal(counts()->snapshots_taken, 2);
  assert_int_equal(counts()->snapshots_failed, 0);
  assert_int_equal(seen.tap_http, 2);
  assert_int_equal(source->bytes_rx,
                   __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST) + 2 * strlen("S 77"));
}

static void too_many_requests_are_answered_with_patience(void **state) {
  (void)state;
  begin(script_snapshots, false);
  stub.note[7] = 1;
  RUN_UNTIL(seen.trades == 3);
  RUN_UNTIL(counts()->snapshots_failed == 1);
  run_for(2 * MS);
  assert_int_not_equal(source->feed_state, TF_FEED_LIVE);
  RUN_UNTIL(seen.books == 2);
  assert_true(noted(1) - noted(0) >= 950 * MS);
}

static void snapshot_that_the_feed_refuses_is_asked_for_again(void **state) {
  (void)state;
  begin(script_snapshots, false);
  fake_verdict_http_rejects = 2;
  RUN_UNTIL(seen.books == 2);
  assert_int_equal(counts()->snapshots_failed, 2);
  assert_int_equal(requests(1), 4);
}

static void script_snapshot_late(stub_conn_t *c, const char *target, uint32_t idx) {
  if (strncmp(target, "/snap", 5) == 0) {
    while (noted(0) == 0 && !stub_stopping(c)) usleep(1000);
    stub_answer(c, 200, NULL, "S 77");
    stub_linger(c);
    return;
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  if (idx == 0) {
    stub_text(c, "R 3");
    while (__atomic_load_n(&c->stub->request_cnt[1], __ATOMIC_SEQ_CST) == 0 && !stub_stopping(c))
      usleep(1000);
    return; /* gone while the snapshot is under way */
  }
  trades(c, 1);
  stub_linger(c);
}

static void snapshot_asked_for_on_a_connection_that_is_gone_is_dropped(void **state) {
  (void)state;
  begin(script_snapshot_late, false);
  RUN_UNTIL(seen.trades == 1);
  __atomic_store_n(&stub.note[0], 1, __ATOMIC_SEQ_CST);
  RUN_UNTIL(counts()->snapshots_late == 1);
  run_for(20 * MS);
  assert_int_equal(seen.books, 0);
}

/* ---- TLS ---- */

static void good_certificate_is_accepted_for_stream_and_rest(void **state) {
  (void)state;
  config.plain   = false;
  config.ca_file = cert;
  config.host    = "venue.test";
  begin(script_good, true);
  RUN_UNTIL(seen.trades == 100);
  assert_int_equal(seen.wrong_order, 0);
  assert_int_equal(source->bytes_rx, __atomic_load_n(&stub.ws_bytes, __ATOMIC_SEQ_CST));
}

static void certificate_of_another_host_is_refused(void **state) {
  (void)state;
  config.plain   = false;
  config.ca_file = cert;
  config.host    = "other.test";
  begin(script_good, true);
  RUN_UNTIL(counts()->dial_failures >= 2);
  assert_non_null(strstr(tf_session_trouble(source), "E_WIRE_TLS_VERIFY"));
  assert_int_equal(source->connects, 0);
  assert_int_equal(requests(0), 0);
}

static void script_tls_cut(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx > 0) stub_linger(c);
}

static void stream_cut_without_close_notify_is_a_loss(void **state) {
  (void)state;
  config.plain   = false;
  config.ca_file = cert;
  config.host    = "venue.test";
  begin(script_tls_cut, true);
  RUN_UNTIL(counts()->ends[TF_LINK_END_TLS] == 1);
  assert_non_null(strstr(tf_session_trouble(source), "E_WIRE_TLS_TRUNCATED"));
  RUN_UNTIL(source->connects == 2 && seen.trades == 2);
}

/* ---- a life that ends ---- */

static void script_forever(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  static _Thread_local uint8_t payload[65536];
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  /* Every connection carries the same stream: ids by the clock. */
  while (!stub_stopping(c)) {
    char text[32];
    snprintf(text, sizeof text, "T %llu", (unsigned long long)(tf_clock_monotonic_ns() / 1000));
    stub_text(c, text);
    usleep(500);
    size_t cnt;
    if (c->rx_cnt > c->rx_at || recv(c->fd, payload, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) {
      int op = stub_recv(c, payload, &cnt);
      if (op == TF_WS_CLOSE) {
        note(c, 0, (uint64_t)payload[0] << 8 | payload[1]);
        return;
      }
      if (op < 0) return;
    }
  }
}

static void fresh_connection_takes_over_before_the_old_one_is_cut(void **state) {
  (void)state;
  fake.session_life_ns_max = 150 * MS;
  config.rollover_lead_ns  = 100 * MS;
  begin(script_forever, false);
  RUN_UNTIL(seen.trades > 0);
  uint64_t begin_ns = tf_clock_monotonic_ns(), last_ns = begin_ns, gap_ns = 0, last = seen.trades;
  while (counts()->rollovers < 4 && tf_clock_monotonic_ns() - begin_ns < 5 * TF_NS_PER_SEC) {
    poll_once();
    uint64_t now = tf_clock_monotonic_ns();
    if (seen.trades != last) {
      if (now - last_ns > gap_ns) gap_ns = now - last_ns;
      last_ns = now;
      last    = seen.trades;
    }
  }
  assert_int_equal(counts()->rollovers, 4);
  RUN_UNTIL(noted(0) == TF_WS_CLOSE_NORMAL);
  assert_true(counts()->ends[TF_LINK_END_REPLACED] >= 3);
  assert_int_equal(source->disconnects, counts()->ends[TF_LINK_END_REPLACED]);
  assert_int_equal(seen.statuses, source->connects);
  /* Trades kept coming: a break would last as long as a reconnect takes. */
  assert_int_equal(seen.wrong_order, 0);
  assert_true(gap_ns < 100 * MS);
}

static void script_in_band(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  (void)idx;
  stub_upgrade(c, NULL, 0);
  trades(c, 3); /* before any acknowledgement */
  if (!acks(c, 2)) return;
  stub_linger(c);
}

static void
successor_of_a_venue_with_snapshots_in_band_is_heard_from_its_first_message(void **state) {
  (void)state;
  fake.session_life_ns_max = 4 * TF_NS_PER_SEC;
  fake.snapshot_target     = NULL;
  config.rollover_lead_ns  = 4 * TF_NS_PER_SEC - 30 * MS;
  begin(script_in_band, false);
  RUN_UNTIL(counts()->rollovers == 1);
  fake.session_life_ns_max = 0;
  RUN_UNTIL(seen.trades == 6);
  assert_int_equal(counts()->messages_early, 0);
}

/* The first connection ends while its successor is being dialled; the successor's upgrade waits for
 * that. */
static void script_cut_during_rollover(stub_conn_t *c, const char *target, uint32_t idx) {
  (void)target;
  if (idx == 1) {
    note(c, 0, 1);
    while (noted(1) == 0 && !stub_stopping(c)) usleep(1000);
  }
  stub_upgrade(c, NULL, 0);
  if (!acks(c, 2)) return;
  trades(c, 1);
  if (idx == 0) {
    while (noted(0) == 0 && !stub_stopping(c)) usleep(1000);
    return;
  }
  stub_linger(c);
}

static void connection_that_dies_during_rollover_is_followed_by_the_successor(void **state) {
  (void)state;
  fake.session_life_ns_max = 4 * TF_NS_PER_SEC;
  config.rollover_lead_ns  = 4 * TF_NS_PER_SEC - 30 * MS;
  begin(script_cut_during_rollover, false);
  RUN_UNTIL(source->disconnects == 1);
  assert_int_equal(counts()->ends[TF_LINK_END_EOF], 1);
  __atomic_store_n(&stub.note[1], 1, __ATOMIC_SEQ_CST);
  fake.session_life_ns_max = 0; /* no further rollover */
  RUN_UNTIL(seen.trades == 2);
  run_for(100 * MS);
  assert_int_equal(requests(0), 2);
  assert_int_equal(source->connects, 2);
  assert_int_equal(source->feed_state, TF_FEED_LIVE);
}

static void lane_that_was_held_up_does_not_blame_the_peer(void **state) {
  (void)state;
  config.ping_idle_ns    = 20 * MS;
  config.pong_wait_ns    = 150 * MS;
  config.silence_ns      = 200 * MS;
  config.data_silence_ns = 3600 * TF_NS_PER_SEC;
  begin(script_silent, false);
  RUN_UNTIL(seen.trades == 1);
  source->ops->poll(source, tf_clock_wall_ns() + 10 * TF_NS_PER_SEC);
  source->ops->poll(source, tf_clock_wall_ns() + 10 * TF_NS_PER_SEC);
  assert_int_equal(source->disconnects, 0);
  /* It is no excuse for ever. */
  for (uint64_t ahead = 20; ahead <= 60; ahead += 10)
    source->ops->poll(source, tf_clock_wall_ns() + ahead * TF_NS_PER_SEC);
  assert_int_equal(source->disconnects, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  tf_tls_pool_install();
  tf_clock_calibrate();
  tf_log_level_set(TF_LOG_FATAL);
  snprintf(cert, sizeof cert, "/tmp/tf_session_%d.pem", getpid());
  snprintf(key, sizeof key, "/tmp/tf_session_%d.key", getpid());
  static const char *const hosts[] = {"venue.test"};
  if (tf_tls_self_signed(cert, key, hosts, 1, 1) != TF_OK) return 1;
  const struct CMUnitTest tests[] = {
      T(session_without_its_parts_is_refused),
      T(venue_that_cannot_be_reached_is_tried_again_with_growing_delays),
      T(name_that_does_not_resolve_is_named),
      T(retry_after_of_a_refused_upgrade_is_honoured),
      T(refused_credentials_stop_the_session_for_good),
      T(subscribes_and_publishes_what_comes),
      T(frames_glued_to_the_upgrade_are_published_after_the_connection_is_announced),
      T(subscriptions_keep_to_the_venues_pace),
      T(pings_are_answered_with_the_newest_payload_at_most_four_times_a_second),
      T(end_in_the_middle_of_a_frame_is_counted_and_the_session_reconnects),
      T(reset_reconnects_each_time),
      T(peer_that_stops_answering_pings_is_dropped),
      T(peer_that_never_answers_pings_gets_the_venues_own_deadline),
      T(venue_that_only_pings_is_stale_and_then_left),
      T(close_frame_is_echoed_and_its_code_decides_what_follows),
      T(venue_that_accepts_and_closes_at_once_is_backed_off_from),
      T(message_over_the_limit_is_refused_with_its_close_code),
      T(stop_says_goodbye_and_ends_the_source),
      T(wanted_snapshots_are_fetched_and_published),
      T(too_many_requests_are_answered_with_patience),
      T(snapshot_that_the_feed_refuses_is_asked_for_again),
      T(snapshot_asked_for_on_a_connection_that_is_gone_is_dropped),
      T(good_certificate_is_accepted_for_stream_and_rest),
      T(certificate_of_another_host_is_refused),
      T(stream_cut_without_close_notify_is_a_loss),
      T(fresh_connection_takes_over_before_the_old_one_is_cut),
      T(successor_of_a_venue_with_snapshots_in_band_is_heard_from_its_first_message),
      T(connection_that_dies_during_rollover_is_followed_by_the_successor),
      T(lane_that_was_held_up_does_not_blame_the_peer),
  };
  io_kind    = TF_IO_AUTO;
  int failed = cmocka_run_group_tests_name("session", tests, NULL, NULL);
  /* The loops themselves are held to one contract by test_io: here the course of things and the
   * ends suffice. */
  const struct CMUnitTest on_epoll[] = {
      T(subscribes_and_publishes_what_comes),
      T(frames_glued_to_the_upgrade_are_published_after_the_connection_is_announced),
      T(end_in_the_middle_of_a_frame_is_counted_and_the_session_reconnects),
      T(reset_reconnects_each_time),
      T(message_over_the_limit_is_refused_with_its_close_code),
      T(stop_says_goodbye_and_ends_the_source),
      T(good_certificate_is_accepted_for_stream_and_rest),
      T(fresh_connection_takes_over_before_the_old_one_is_cut),
  };
  io_kind = TF_IO_EPOLL;
  failed += cmocka_run_group_tests_name("session, epoll", on_epoll, NULL, NULL);
  unlink(cert);
  unlink(key);
  return failed != 0;
}
