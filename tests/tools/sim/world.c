#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"

#define START_NS          (UINT64_C(1786309548) * TF_NS_PER_SEC)
#define STEPS_A_PASS      2u /* of the market: 2,000 a second */
#define DIAL_NS           (2 * TF_NS_PER_MS)
#define REST_NS_MAX       (30 * TF_NS_PER_MS)
#define DRAIN_NS          (100 * TF_NS_PER_MS)
#define DIALS_MAX         16u
#define REQUEST_BYTES_MAX 65536u
#define ANSWER_BYTES_MAX  (4u << 20)
#define BOOK_LEVELS       4096u

world_t world;

uint64_t world_now_ns(void) { return tf_sim_now_ns(world.sim); }

uint32_t world_random(uint32_t below) {
  world.rng ^= world.rng << 13, world.rng ^= world.rng >> 7, world.rng ^= world.rng << 17;
  return (uint32_t)((world.rng >> 11) % below);
}

/* ---- connections: what the exchange calls, as sim/server.h says ---- */

struct sim_server {
  z_stream gzip;
  uint8_t  gzipped[ANSWER_BYTES_MAX], frame[ANSWER_BYTES_MAX];
  char     wrapped[ANSWER_BYTES_MAX], answer[ANSWER_BYTES_MAX];
};
static sim_server_t server;

/* Room for so many bytes and a frame more. */
static void make_room(world_conn_t *c, size_t cnt) {
  if (c->head > 0 && c->head + c->cnt + cnt > c->cap) {
    memmove(c->bytes, c->bytes + c->head, c->cnt);
    for (size_t i = 0; i < c->frame_cnt; i++) c->frames[c->frame_head + i].end -= c->head;
    c->head = 0;
  }
  if (c->cnt + cnt > c->cap) {
    c->cap   = 2 * (c->cnt + cnt);
    c->bytes = realloc(c->bytes, c->cap);
  }
  if (c->frame_head > 0 && c->frame_head + c->frame_cnt == c->frame_cap) {
    memmove(c->frames, c->frames + c->frame_head, c->frame_cnt * sizeof *c->frames);
    c->frame_head = 0;
  }
  if (c->frame_cnt == c->frame_cap) {
    c->frame_cap = 2 * c->frame_cap + 1024;
    c->frames    = realloc(c->frames, c->frame_cap * sizeof *c->frames);
  }
}

static void put(world_conn_t *c, const void *bytes, size_t cnt) {
  make_room(c, cnt);
  memcpy(c->bytes + c->head + c->cnt, bytes, cnt);
  c->cnt += cnt;
  c->frames[c->frame_head + c->frame_cnt].due_ns = world_now_ns() + c->late_ns;
  c->frames[c->frame_head + c->frame_cnt].end    = c->head + c->cnt;
  c->frame_cnt++;
}

static void drop(world_conn_t *c) {
  if (c->fd >= 0) tf_sim_close(world.sim, c->fd);
  c->fd      = -1;
  c->is_open = c->is_ending = false;
  c->head = c->cnt = c->frame_head = c->frame_cnt = 0;
}

/* Bytes whose time has come go out, up to where it is cut. */
static void pump(world_conn_t *c) {
  size_t due = 0;
  while (c->frame_cnt > 0 && c->frames[c->frame_head].due_ns <= world_now_ns()) {
    due = c->frames[c->frame_head].end - c->head;
    if (c->sent_bytes + due > c->cut_at) break;
    int sent = tf_sim_send(world.sim, c->fd, c->bytes + c->head, due);
    if (sent == -EAGAIN) return;
    if (sent < 0) {
      drop(c);
      return;
    }
    c->head += (size_t)sent;
    c->cnt -= (size_t)sent;
    c->sent_bytes += (uint64_t)sent;
    if ((size_t)sent < due) return;
    c->frame_head++;
    c->frame_cnt--;
    due = 0;
  }
  if (due > 0 && c->sent_bytes + due > c->cut_at) {
    tf_sim_send(world.sim, c->fd, c->bytes + c->head, (size_t)(c->cut_at - c->sent_bytes));
    if (c->cut_how == WORLD_RESET) {
      tf_sim_reset(world.sim, c->fd);
      c->fd = -1;
    }
    world.end_cnt++;
    drop(c);
  } else if (c->is_ending && c->cnt == 0) {
    drop(c);
  }
}

static void on_text(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  sim_service_t service = sim_exchange_service(&world.exchange);
  if (opcode == TF_WS_TEXT) service.on_text(service.self, self, (const char *)bytes, cnt);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)bytes, (void)cnt;
  world_conn_t *c       = self;
  sim_service_t service = sim_exchange_service(&world.exchange);
  uint8_t       frame[256];
  size_t        frame_cnt = 0;
  if (opcode != TF_WS_CLOSE) service.on_ping(service.self, &c->peer, opcode == TF_WS_PONG);
  if (opcode == TF_WS_PING) frame_cnt = tf_ws_write_pong(&c->ws, frame, sizeof frame);
  if (opcode == TF_WS_CLOSE) frame_cnt = tf_ws_write_close_answer(&c->ws, frame, sizeof frame);
  if (frame_cnt > 0) put(c, frame, frame_cnt);
  c->is_ending |= opcode == TF_WS_CLOSE;
}

static void hear(world_conn_t *c) {
  static uint8_t bytes[16384 + TF_BYTES_PAD];
  for (;;) {
    int got = tf_sim_recv(world.sim, c->fd, bytes, 16384);
    if (got == -EAGAIN) return;
    if (got <= 0 || tf_ws_feed(&c->ws, bytes, (size_t)got) != TF_OK) {
      drop(c);
      return;
    }
  }
}

sim_peer_t *sim_server_peer(sim_server_t *s, uint32_t idx) {
  (void)s;
  for (uint32_t i = 0; i < WORLD_CONNS; i++)
    if (world.conns[i].is_open && idx-- == 0) return &world.conns[i].peer;
  return NULL;
}

bool sim_server_is_heard(const sim_server_t *s, uint32_t stream) {
  (void)s;
  for (uint32_t i = 0; i < WORLD_CONNS; i++)
    if (world.conns[i].is_open && sim_bit(world.conns[i].peer.streams, stream)) return true;
  return false;
}

void sim_server_close(sim_server_t *s, sim_peer_t *peer, uint16_t code, const char *reason) {
  (void)s;
  world_conn_t *c = (world_conn_t *)peer;
  uint8_t       frame[256];
  if (code != SIM_CLOSE_CUT)
    put(c, frame, tf_ws_write_close(&c->ws, frame, sizeof frame, code, reason));
  c->is_ending = true;
}

void sim_server_ping(sim_server_t *s, sim_peer_t *peer) {
  (void)s;
  world_conn_t *c = (world_conn_t *)peer;
  uint8_t       frame[64];
  put(c, frame, tf_ws_write_frame(&c->ws, frame, sizeof frame, TF_WS_PING, true, "p", 1));
}

void sim_server_send(sim_server_t *s, sim_peer_t *peer, uint32_t stream, const char *text,
                     size_t cnt, sim_message_kind_t kind) {
  (void)kind;
  world_conn_t  *c       = (world_conn_t *)peer;
  sim_service_t  service = sim_exchange_service(&world.exchange);
  tf_ws_opcode_t opcode  = world.venue->framing == SIM_FRAMING_TEXT ? TF_WS_TEXT : TF_WS_BINARY;
  if (!c->is_open || c->is_ending) return;
  size_t wrapped =
      service.wrap(service.self, peer, stream, text, cnt, s->wrapped, sizeof s->wrapped);
  const void *bytes = wrapped > 0 ? s->wrapped : text;
  if (wrapped > 0) cnt = wrapped;
  if (world.venue->framing == SIM_FRAMING_GZIP) {
    deflateReset(&s->gzip);
    s->gzip.next_in   = (z_const Bytef *)(uintptr_t)bytes;
    s->gzip.avail_in  = (uInt)cnt;
    s->gzip.next_out  = s->gzipped;
    s->gzip.avail_out = sizeof s->gzipped;
    assert_int_equal(deflate(&s->gzip, Z_FINISH), Z_STREAM_END);
    bytes = s->gzipped;
    cnt   = sizeof s->gzipped - s->gzip.avail_out;
  }
  size_t frame_cnt = tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, opcode, bytes, cnt);
  assert_true(frame_cnt > 0);
  put(c, s->frame, frame_cnt);
}

void sim_server_send_later(sim_server_t *s, sim_peer_t *peer, const char *text, size_t cnt,
                           uint64_t due_ns) {
  (void)due_ns; /* of faults alone, and there are none here */
  sim_server_send(s, peer, SIM_STREAM_NONE, text, cnt, SIM_MESSAGE_ANSWER);
}

void sim_server_broadcast(sim_server_t *s, uint32_t stream, const char *text, size_t cnt,
                          sim_message_kind_t kind) {
  for (uint32_t i = 0; i < WORLD_CONNS; i++)
    if (world.conns[i].is_open && sim_bit(world.conns[i].peer.streams, stream))
      sim_server_send(s, &world.conns[i].peer, stream, text, cnt, kind);
}

/* ---- limits, as sim/limits.h and sim/exchange.h say: there are none ---- */

bool sim_admit(sim_exchange_t *x, sim_peer_t *peer, sim_limit_t limit, uint64_t cnt) {
  (void)x, (void)peer, (void)limit, (void)cnt;
  return true;
}
void sim_pinged(sim_exchange_t *x, sim_peer_t *peer) { (void)x, (void)peer; }
void sim_ponged(sim_peer_t *peer) { (void)peer; }
void sim_limits_open(sim_exchange_t *x, sim_peer_t *peer) { (void)x, (void)peer; }
void sim_limits_tick(sim_exchange_t *x, sim_peer_t *peer) { (void)x, (void)peer; }

/* ---- the dialer, as feed/dialer.h says ---- */

typedef struct pending {
  tf_dial_t          *dial;
  tf_dialer_client_t *client;
  uint64_t            due_ns;
} pending_t;

struct tf_dialer {
  pending_t           pending[DIALS_MAX];
  uint32_t            pending_cnt;
  tf_dialer_client_t *clients[WORLD_SESSIONS]; /* by session */
};
static tf_dialer_t dialer;
static uint32_t    joining; /* whose client joins */

tf_err_t tf_dialer_join(tf_dialer_t *d, tf_dialer_client_t *client) {
  d->clients[joining] = client;
  return TF_OK;
}

void tf_dialer_leave(tf_dialer_t *d, tf_dialer_client_t *client) {
  for (uint32_t i = 0; i < d->pending_cnt;)
    if (d->pending[i].client == client)
      d->pending[i] = d->pending[--d->pending_cnt];
    else
      i++;
}

void tf_dial_init(tf_dial_t *dial, uint8_t *tls_tx, size_t tls_tx_cap, uint8_t *leftover) {
  memset(dial, 0, sizeof *dial);
  dial->fd         = -1;
  dial->tls_tx     = tls_tx;
  dial->tls_tx_cap = tls_tx_cap;
  dial->leftover   = leftover;
}

void tf_dial_fini(tf_dial_t *dial) {
  if (dial->fd >= 0) tf_sim_close(world.sim, dial->fd);
  free(dial->body);
  dial->fd   = -1;
  dial->body = NULL;
}

const char *tf_dialer_phase_name(tf_dial_phase_t phase) {
  return phase == TF_DIAL_DONE ? "done" : "simulated";
}

static void refuse(tf_dial_t *dial, int status) {
  dial->http_status = (uint16_t)status;
  dial->phase       = TF_DIAL_UPGRADE;
  dial->err         = TF_ERR(E_FEED_REFUSED, "%s: http_status_%d", dial->target, status);
  snprintf(dial->text, sizeof dial->text, "%s", tf_error_text());
}

/* The venue is asked now, and its answer comes later. */
static void ask(tf_dial_t *dial) {
  sim_service_t service     = sim_exchange_service(&world.exchange);
  bool          is_snapshot = false;
  size_t        cnt         = 0;
  int           status = service.on_rest(service.self, dial->kind == TF_DIAL_GET ? "GET" : "POST",
                                         dial->target, dial->post_body ? dial->post_body : "", server.answer,
                                         sizeof server.answer, &cnt, &is_snapshot);
  if (status != 200) {
    refuse(dial, status);
    return;
  }
  dial->body     = calloc(1, cnt + TF_BYTES_PAD);
  dial->body_cnt = cnt;
  memcpy(dial->body, server.answer, cnt);
}

bool tf_dialer_submit(tf_dialer_t *d, tf_dialer_client_t *client, tf_dial_t *dial) {
  uint64_t due_ns = world_now_ns() + DIAL_NS;
  assert_true(d->pending_cnt < DIALS_MAX);
  free(dial->body);
  dial->body          = NULL;
  dial->body_cnt      = 0;
  dial->err           = TF_OK;
  dial->phase         = TF_DIAL_DONE;
  dial->retry_after_s = UINT32_MAX;
  dial->http_status   = 0;
  dial->leftover_cnt  = 0;
  if (dial->kind == TF_DIAL_GET || dial->kind == TF_DIAL_POST) {
    ask(dial);
    due_ns += world_random((uint32_t)REST_NS_MAX);
  }
  d->pending[d->pending_cnt++] = (pending_t){dial, client, due_ns};
  return true;
}

static void connect_to(tf_dial_t *dial, uint32_t session) {
  sim_service_t  service = sim_exchange_service(&world.exchange);
  tf_ws_config_t config  = {.role = TF_WS_SERVER, .message_bytes_max = REQUEST_BYTES_MAX};
  world_conn_t  *c       = world.conns;
  int            fds[2];
  while (c->is_open) c++;
  assert_true(c < world.conns + WORLD_CONNS);
  memset(&c->peer, 0, sizeof c->peer);
  memset(c->peer_state, 0, sim_exchange_peer_bytes(&world.exchange) + 1);
  c->peer.state = c->peer_state;
  int status    = service.on_upgrade(service.self, &c->peer, dial->target);
  if (status != 0) {
    refuse(dial, status);
    return;
  }
  tf_ws_handler_t handler = {c, on_text, on_control};
  assert_int_equal(tf_ws_init(&c->ws, &config, &handler, c->assembly), TF_OK);
  assert_int_equal(tf_sim_pair(world.sim, 0, fds), 0);
  dial->fd   = fds[0];
  c->fd      = fds[1];
  c->session = session;
  c->is_open = true;
  c->late_ns =
      session == 0 || world.late_ns_max == 0 ? 0 : world_random((uint32_t)world.late_ns_max);
  c->sent_bytes = c->whole_ns = 0;
  c->since_ns                 = world_now_ns();
  c->cut_at                   = UINT64_MAX;
  service.on_open(service.self, &c->peer);
}

tf_dial_t *tf_dialer_take(tf_dialer_client_t *client) {
  for (uint32_t i = 0; i < dialer.pending_cnt; i++) {
    pending_t p = dialer.pending[i];
    if (p.client != client || p.due_ns > world_now_ns()) continue;
    memmove(&dialer.pending[i], &dialer.pending[i + 1],
            (--dialer.pending_cnt - i) * sizeof dialer.pending[0]);
    uint32_t session = client == dialer.clients[0] ? 0 : 1;
    if (p.dial->kind == TF_DIAL_WEBSOCKET) connect_to(p.dial, session);
    return p.dial;
  }
  return NULL;
}

/* ---- sessions ---- */

static uint32_t session_random(void *self) {
  (void)self;
  return world_random(UINT32_MAX);
}

static void on_events(void *self, const tf_batch_t *batch) {
  world_session_t *s     = self;
  world_story_t   *story = &s->story;
  if (story->cnt + batch->event_cnt > story->cap) {
    story->cap    = 2 * (story->cap + batch->event_cnt);
    story->events = realloc(story->events, story->cap * sizeof *story->events);
  }
  memcpy(story->events + story->cnt, batch->events, batch->event_cnt * sizeof *batch->events);
  story->cnt += batch->event_cnt;
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    const tf_event_t *e = &batch->events[i];
    if (e->instrument_id >= WORLD_INSTRUMENTS) continue;
    tf_book_on_event(&s->books[e->instrument_id], e);
    if (e->flags & TF_FLAG_LAST) tf_book_settle(&s->books[e->instrument_id], e->ts_recv_ns);
  }
}

void world_session_start(uint32_t idx, const tf_session_config_t *given) {
  static const char  *symbols[2];
  world_session_t    *s = &world.sessions[idx];
  tf_session_config_t c = *given;
  for (uint32_t i = 0; i < 2; i++) symbols[i] = world.exchange.symbols[i].name;
  s->instruments.cap  = WORLD_INSTRUMENTS;
  s->instruments.rows = calloc(WORLD_INSTRUMENTS, sizeof *s->instruments.rows);
  c.feed              = &s->feed;
  c.io                = world.io;
  c.dialer            = &dialer;
  c.polls_io          = idx == 0;
  c.io_wait_ns        = WORLD_STEP_NS;
  c.host = c.rest_host = "venue.test";
  c.plain = c.rest_plain    = true;
  c.random.u32              = session_random;
  c.message_bytes_max       = 4u << 20;
  c.events_cap              = 65536;
  c.feed_config.instruments = &s->instruments;
  c.feed_config.symbols     = symbols;
  c.feed_config.symbol_cnt  = 2;
  c.feed_config.pending_cap = 256;
  c.backoff                 = (tf_backoff_config_t){.base_ns   = TF_NS_PER_MS,
                                                    .bound_ns  = 2 * TF_NS_PER_MS,
                                                    .gap_ns    = TF_NS_PER_MS,
                                                    .lived_ns  = TF_NS_PER_MS,
                                                    .window_ns = TF_NS_PER_MS};
  s->config                 = c;
  joining                   = idx;
  assert_int_equal(tf_arena_init(&s->arena, "session", tf_session_arena_bytes(&c)), TF_OK);
  assert_int_equal(tf_session_init(&s->config, &s->arena, &s->source), TF_OK);
  s->source->publisher = (tf_publisher_t){.self = s, .publish = on_events};
  size_t bytes = WORLD_INSTRUMENTS * (TF_BOOK_BYTES(BOOK_LEVELS) + BOOK_LEVELS * 8 * 32 + 4096);
  assert_int_equal(tf_arena_init(&s->books_arena, "books", bytes), TF_OK);
  for (uint32_t i = 0; i < WORLD_INSTRUMENTS; i++)
    assert_int_equal(tf_book_init(&s->books[i], &s->books_arena, BOOK_LEVELS, BOOK_LEVELS * 8),
                     TF_OK);
}

/* ---- time ---- */

/* Whoever asks what time it is learns the simulation's. */
static void set_clock(void) {
  tf_clock_global.anchor_wall_ns = world_now_ns();
  tf_clock_global.anchor_ticks   = tf_clock_ticks();
}

static void note_whole(void) {
  uint32_t all = 0;
  for (uint32_t i = 0; i < WORLD_CONNS; i++) {
    const world_conn_t *c = &world.conns[i];
    if (c->is_open && c->peer.stream_cnt > all) all = c->peer.stream_cnt;
  }
  for (uint32_t i = 0; i < WORLD_CONNS; i++) {
    world_conn_t *c = &world.conns[i];
    if (c->is_open && c->whole_ns == 0 && all > 0 && c->peer.stream_cnt == all)
      c->whole_ns = world_now_ns();
  }
}

void world_step(void) {
  sim_exchange_t *x = &world.exchange;
  tf_sim_advance(world.sim, WORLD_STEP_NS);
  set_clock();
  for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
    tf_source_t *source = world.sessions[i].source;
    if (source != NULL) assert_true(source->ops->poll(source, world_now_ns()) >= 0);
  }
  sim_exchange_tick(x, world_now_ns(), world_now_ns());
  for (uint32_t i = 0; i < STEPS_A_PASS && !world.market_rests; i++)
    sim_exchange_step(x, world.turn++ % x->symbol_cnt);
  if (!world.market_rests) sim_exchange_depth(x);
  for (uint32_t i = 0; i < WORLD_CONNS; i++) {
    world_conn_t *c = &world.conns[i];
    if (c->is_open) hear(c);
    if (c->is_open) pump(c);
  }
  note_whole();
}

void world_drain(void) {
  world.market_rests = true;
  for (uint32_t i = 0; i < world.exchange.symbol_cnt; i++) sim_flush_depth(&world.exchange, i);
  for (uint64_t i = 0; i < DRAIN_NS / WORLD_STEP_NS; i++) world_step();
  world.market_rests = false;
}

void world_forget(void) {
  for (uint32_t i = 0; i < WORLD_SESSIONS; i++) world.sessions[i].story.cnt = 0;
}

/* ---- deaths ---- */

bool world_is_covered(const world_conn_t *conn, uint64_t heard_ns) {
  for (uint32_t i = 0; i < WORLD_CONNS; i++) {
    const world_conn_t *c = &world.conns[i];
    bool is_another       = c != conn && c->is_open && !c->is_ending && c->session == conn->session;
    if (is_another && c->cut_at == UINT64_MAX && c->whole_ns != 0 &&
        world_now_ns() > c->whole_ns + heard_ns)
      return true;
  }
  return false;
}

void world_cut(world_conn_t *conn, uint64_t in_bytes, world_end_t how) {
  conn->cut_at  = conn->sent_bytes + in_bytes;
  conn->cut_how = how;
}

/* ---- lifetime ---- */

void world_start(const char *venue, uint64_t seed) {
  tf_sim_config_t sim_config = tf_sim_config_default();
  tf_io_config_t  io_config  = tf_io_config_default();
  memset(&world, 0, sizeof world);
  memset(&dialer, 0, sizeof dialer);
  world.rng                          = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  world.faults.rng                   = 1;
  sim_config.seed                    = seed;
  sim_config.start_ns                = START_NS;
  sim_config.endpoints_max           = 4 * WORLD_CONNS;
  sim_config.pipe_bytes              = 1u << 20;
  sim_config.chance_ppm[TF_SIM_LATE] = sim_config.chance_ppm[TF_SIM_RECV_SHORT] = 20000;
  sim_config.chance_ppm[TF_SIM_SEND_SHORT] = sim_config.chance_ppm[TF_SIM_RECV_ENDS] = 20000;
  assert_int_equal(tf_arena_init(&world.sim_arena, "sim", tf_sim_arena_bytes(&sim_config)), TF_OK);
  assert_int_equal(tf_sim_init(&sim_config, &world.sim_arena, &world.sim), TF_OK);
  assert_int_equal(tf_arena_init(&world.io_arena, "io", tf_sim_port_arena_bytes(&io_config)),
                   TF_OK);
  assert_int_equal(tf_sim_open(world.sim, &io_config, &world.io_arena, &world.io), TF_OK);
  set_clock();
  world.venue = sim_venue_find(venue);
  assert_non_null(world.venue);
  char symbols[128];
  snprintf(symbols, sizeof symbols, "%s,%s", world.venue->pairs[0].name,
           world.venue->pairs[1].name);
  world.exchange.server = &server;
  assert_int_equal(
      sim_exchange_init(&world.exchange, world.venue, symbols, seed, 40, &world.faults), TF_OK);
  world.exchange.server = &server;
  snprintf(world.exchange.url, sizeof world.exchange.url, "ws://venue.test:1");
  if (server.gzip.state == NULL)
    assert_int_equal(deflateInit2(&server.gzip, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
  for (uint32_t i = 0; i < WORLD_CONNS; i++) {
    world.conns[i].fd         = -1;
    world.conns[i].peer_state = calloc(1, sim_exchange_peer_bytes(&world.exchange) + 1);
    world.conns[i].assembly   = malloc(tf_ws_assembly_bytes(REQUEST_BYTES_MAX));
  }
  for (uint32_t i = 0; i < WORLD_SESSIONS;
       i++) { /* the paces of both sides have tests of their own */
    world.sessions[i].feed                       = *tf_feeds_find(venue);
    world.sessions[i].feed.subscribe_rate_hz_max = 0;
  }
}

void world_stop(void) {
  for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
    world_session_t *s = &world.sessions[i];
    tf_session_fini(s->source);
    tf_arena_fini(&s->arena);
    tf_arena_fini(&s->books_arena);
    free(s->instruments.rows);
    free(s->story.events);
  }
  for (uint32_t i = 0; i < WORLD_CONNS; i++) {
    free(world.conns[i].peer_state);
    free(world.conns[i].assembly);
    free(world.conns[i].bytes);
    free(world.conns[i].frames);
  }
  sim_exchange_fini(&world.exchange);
  tf_io_fini(world.io);
  tf_arena_fini(&world.io_arena);
  tf_arena_fini(&world.sim_arena);
}
