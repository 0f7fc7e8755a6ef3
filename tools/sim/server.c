#include "sim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.h"
#include "core/log.h"
#include "io/io.h"
#include "sim/market.h"
#include "wire/http.h"
#include "wire/tls.h"
#include "wire/ws.h"
#include "wire/ws_extension.h"

#define REQUEST_BYTES_MAX 65536
/* A message that does not deflate grows by less than a quarter. */
#define FRAME_BYTES_MAX (SIM_MESSAGE_BYTES_MAX / 4 * 5 + 256)
#define PLAIN_BYTES     (TF_TLS_RECORD_BYTES_MAX + TF_BYTES_PAD)
#define LINGER_NS       TF_NS_PER_SEC /* for what is still to be sent when a client is closed */
#define NOTICE_NS       TF_NS_PER_SEC /* between a shutdown's notice and the close */

typedef enum client_phase {
  PHASE_FREE,
  PHASE_TLS,
  PHASE_HTTP,
  PHASE_BODY, /* of a REST request */
  PHASE_WS
} client_phase_t;

/* Bytes that a fault keeps back, on the heap. */
typedef struct held {
  uint8_t *bytes;
  size_t   cnt, sent_cnt;
  uint64_t due_ns, drip_ns; /* drip_ns: one byte in this time; 0: all at once */
} held_t;

/* A message that is sent later, on the heap. */
typedef struct later {
  struct later *next;
  uint64_t      due_ns;
  size_t        cnt;
  char          text[];
} later_t;

typedef struct sim_client {
  sim_peer_t      peer; /* first: a peer is its client */
  sim_server_t   *server;
  tf_io_conn_t    conn;
  int             fd;
  client_phase_t  phase;
  bool            doomed; /* closed at the end of a pass: never inside a callback of its parser */
  bool            noticed;
  uint64_t        doomed_ns; /* since when */
  uint64_t        since_ns;
  tf_http_head_t  head;
  tf_http_body_t  body;
  tf_ws_t         ws;
  tf_ws_deflate_t deflate;
  tf_tls_t        tls;
  uint8_t        *assembly, *tls_tx;
  held_t          answer; /* REST, slowed down */
  held_t          frame;  /* to go after the next one */
  later_t        *later;  /* in the order in which they were given */
} sim_client_t;

struct sim_server {
  sim_server_config_t config;
  tf_arena_t          arena;
  tf_io_t            *io;
  tf_io_conn_t        listener;
  uint16_t            port;
  uint64_t            now_ns;
  tf_tls_ctx_t        tls_ctx;
  sim_client_t        clients[SIM_CLIENTS_MAX];
  uint32_t            ws_cnt;
  sim_server_counts_t counts;
  uint8_t             plain[PLAIN_BYTES];
  uint8_t             frame[FRAME_BYTES_MAX], gzipped[FRAME_BYTES_MAX];
  z_stream            gzip;
  char                wrapped[SIM_MESSAGE_BYTES_MAX];
  char                answer[SIM_MESSAGE_BYTES_MAX], http[SIM_MESSAGE_BYTES_MAX + 1024];
};

static bool is_tls(const sim_server_t *s) { return s->config.cert_file != NULL; }

static bool hits(sim_server_t *s, sim_fault_t fault) {
  return sim_fault_hits(s->config.faults, fault);
}

static void drop_held(held_t *held) {
  free(held->bytes);
  *held = (held_t){0};
}

static bool hold(held_t *held, const void *bytes, size_t cnt, uint64_t due_ns, uint64_t drip_ns) {
  uint8_t *copy = malloc(cnt);
  if (!copy) return false;
  memcpy(copy, bytes, cnt);
  drop_held(held);
  *held = (held_t){.bytes = copy, .cnt = cnt, .due_ns = due_ns, .drip_ns = drip_ns};
  return true;
}

static void drop_client(sim_client_t *c) {
  if (c->phase == PHASE_FREE) return;
  if (c->phase == PHASE_WS) c->server->ws_cnt--;
  if (is_tls(c->server)) tf_tls_fini(&c->tls);
  memset(&c->tls, 0, sizeof c->tls);
  drop_held(&c->answer);
  drop_held(&c->frame);
  while (c->later) {
    later_t *next = c->later->next;
    free(c->later);
    c->later = next;
  }
  c->phase  = PHASE_FREE;
  c->doomed = c->noticed = false;
}

static void doom(sim_client_t *c) {
  if (c->doomed) return;
  c->doomed    = true;
  c->doomed_ns = c->server->now_ns;
}

/* Ciphertext that TLS has ready goes to the socket. */
static bool pump_tls(sim_client_t *c) {
  size_t         cnt;
  const uint8_t *bytes = tf_tls_tx(&c->tls, &cnt);
  if (cnt == 0) return true;
  if (tf_io_send(c->server->io, c->conn, bytes, cnt) != TF_OK) {
    doom(c);
    return false;
  }
  tf_tls_tx_sent(&c->tls, cnt);
  return true;
}

static void send_bytes(sim_client_t *c, const void *bytes, size_t cnt) {
  tf_err_t err = TF_OK;
  if (!is_tls(c->server)) {
    err = tf_io_send(c->server->io, c->conn, bytes, cnt);
  } else {
    for (size_t at = 0; at < cnt && !err;) { /* TLS memory holds few records */
      size_t run = cnt - at < TF_TLS_RECORD_BYTES_MAX ? cnt - at : TF_TLS_RECORD_BYTES_MAX;
      err        = tf_tls_write(&c->tls, (const uint8_t *)bytes + at, run);
      if (!pump_tls(c)) return;
      at += run;
    }
  }
  if (err) {
    if (!c->doomed) c->server->counts.closed_slow++;
    doom(c);
  }
}

/* ---- websocket ---- */

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  sim_client_t *c = self;
  sim_server_t *s = c->server;
  if (opcode != TF_WS_TEXT) return;
  s->config.service.on_text(s->config.service.self, &c->peer, (const char *)bytes, cnt);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)bytes, (void)cnt;
  sim_client_t        *c       = self;
  const sim_service_t *service = &c->server->config.service;
  uint8_t              frame[256];
  size_t               frame_cnt = 0;
  if (opcode != TF_WS_CLOSE) service->on_ping(service->self, &c->peer, opcode == TF_WS_PONG);
  if (opcode == TF_WS_PING) frame_cnt = tf_ws_write_pong(&c->ws, frame, sizeof frame);
  if (opcode == TF_WS_CLOSE) {
    frame_cnt = tf_ws_write_close_answer(&c->ws, frame, sizeof frame);
    doom(c);
  }
  if (frame_cnt) send_bytes(c, frame, frame_cnt);
}

/* ---- HTTP ---- */

/* The answers of whatever stands between an engine and its venue. True: it has been answered. */
static bool answer_by_fault(sim_client_t *c, bool is_upgrade) {
  static const char page[] = "<!DOCTYPE html><html><head><title>Sign in to the network</title>"
                             "</head><body><form>...</form></body></html>";
  sim_server_t     *s      = c->server;
  char              answer[1024];
  int               cnt = 0;
  if (hits(s, SIM_FAULT_PORTAL))
    cnt = tf_http_answer_write(answer, sizeof answer, 200, "text/html", NULL, false, page,
                               sizeof page - 1);
  else if (hits(s, SIM_FAULT_REDIRECT))
    cnt = tf_http_answer_write(answer, sizeof answer, 302, "text/plain",
                               "Location: http://portal.example/login\r\n", false, "", 0);
  else if (!is_upgrade && hits(s, SIM_FAULT_HTTP_429))
    cnt = tf_http_answer_write(answer, sizeof answer, 429, "application/json", "Retry-After: 1\r\n",
                               false, "{\"code\":-1003}", 14);
  if (cnt <= 0) return false;
  send_bytes(c, answer, (size_t)cnt);
  doom(c);
  return true;
}

/* When the answer may begin: faults hold it back. */
static uint64_t answer_due_ns(const sim_server_t *s, bool is_snapshot) {
  const sim_faults_t *faults = s->config.faults;
  uint64_t            due_ns = s->now_ns + faults->ns[SIM_FAULT_SLOW_REST];
  return is_snapshot ? due_ns + faults->ns[SIM_FAULT_LATE_SNAPSHOT] : due_ns;
}

static void answer_done(sim_client_t *c) {
  if (tf_http_head_keep_alive(&c->head))
    tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  else
    doom(c);
}

static void answer_rest(sim_client_t *c) {
  sim_server_t        *s           = c->server;
  const sim_service_t *service     = &s->config.service;
  size_t               cnt         = 0;
  bool                 is_snapshot = false;
  s->counts.rest++;
  if (answer_by_fault(c, false)) return;
  int status   = service->on_rest(service->self, c->head.method, c->head.target, s->answer,
                                  sizeof s->answer, &cnt, &is_snapshot);
  int http_cnt = tf_http_answer_write(s->http, sizeof s->http, status, "application/json", NULL,
                                      tf_http_head_keep_alive(&c->head), s->answer, cnt);
  if (http_cnt <= 0) {
    doom(c);
    return;
  }
  uint64_t due_ns  = answer_due_ns(s, is_snapshot);
  uint64_t drip_ns = s->config.faults->ns[SIM_FAULT_DRIP];
  if ((due_ns > s->now_ns || drip_ns) &&
      hold(&c->answer, s->http, (size_t)http_cnt, due_ns, drip_ns))
    return;
  send_bytes(c, s->http, (size_t)http_cnt);
  answer_done(c);
}

/* A REST request is answered once its body has come; no venue's public requests say anything in it. */
static void begin_rest(sim_client_t *c) {
  int rc = tf_http_body_init(&c->body, &c->head, NULL, c->assembly, REQUEST_BYTES_MAX);
  if (rc == TF_HTTP_DONE)
    answer_rest(c);
  else if (rc == TF_HTTP_MORE)
    c->phase = PHASE_BODY;
  else
    doom(c);
}

static size_t take_body(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  size_t used;
  int    rc = tf_http_body_feed(&c->body, bytes, cnt, &used);
  if (rc == TF_HTTP_MORE) return used;
  c->phase = PHASE_HTTP;
  if (rc == TF_HTTP_DONE)
    answer_rest(c);
  else
    doom(c);
  return used;
}

/* What of a held answer is due. */
static void send_held_answer(sim_client_t *c) {
  held_t  *held   = &c->answer;
  uint64_t now_ns = c->server->now_ns;
  if (!held->bytes || now_ns < held->due_ns) return;
  size_t cnt = held->cnt - held->sent_cnt;
  if (held->drip_ns) {
    cnt          = 1;
    held->due_ns = now_ns + held->drip_ns;
    c->server->config.faults->done[SIM_FAULT_DRIP]++;
  }
  send_bytes(c, held->bytes + held->sent_cnt, cnt);
  held->sent_cnt += cnt;
  if (held->sent_cnt < held->cnt) return;
  drop_held(held);
  answer_done(c);
}

/* Windows as large as a client likes, as venues have them. */
static const tf_ws_deflate_params_t deflate_ours   = {.server_max_window_bits = 15,
                                                      .client_max_window_bits = 15};
static const tf_ws_deflate_config_t deflate_config = {
    .tx_window_bits_max = 15, .tx_mem_level = 8, .tx_level = 6};

static void upgrade(sim_client_t *c) {
  sim_server_t          *s       = c->server;
  const sim_service_t   *service = &s->config.service;
  const char            *why = "no such stream path", *wrong = NULL;
  int                    status  = tf_http_ws_request_check(&c->head, &why);
  bool                   deflate = false;
  char                   extensions[TF_WS_EXTENSION_CHARS];
  tf_ws_deflate_params_t agreed;
  void                  *state = c->peer.state;
  memset(&c->peer, 0, sizeof c->peer);
  memset(state, 0, s->config.peer_bytes);
  c->peer.state = state;
  if (!status && answer_by_fault(c, true)) return;
  if (!status && s->config.deflate)
    wrong = tf_ws_extension_choose(&c->head, &deflate_ours, &deflate, &agreed, extensions);
  if (wrong) {
    why    = wrong;
    status = 400;
  }
  if (!status) status = service->on_upgrade(service->self, &c->peer, c->head.target);
  char answer[512];
  int  cnt = status ? tf_http_ws_refuse_write(answer, sizeof answer, status, why)
                    : tf_http_ws_accept_write(answer, sizeof answer, &c->head, NULL,
                                             deflate ? extensions : NULL);
  if (cnt > 0) send_bytes(c, answer, (size_t)cnt);
  if (status) {
    s->counts.refused++;
    doom(c);
    return;
  }
  tf_ws_config_t  config  = {.role = TF_WS_SERVER, .message_bytes_max = REQUEST_BYTES_MAX};
  tf_ws_handler_t handler = {c, on_message, on_control};
  if (deflate) config.deflate = &c->deflate;
  if ((deflate && tf_ws_deflate_start(&c->deflate, true, &agreed) != TF_OK) ||
      tf_ws_init(&c->ws, &config, &handler, c->assembly) != TF_OK) {
    doom(c);
    return;
  }
  c->phase = PHASE_WS;
  s->ws_cnt++;
  if (service->on_open) service->on_open(service->self, &c->peer);
}

/* Plaintext of a client, in whatever phase it is. */
static void on_plain(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  while (cnt && !c->doomed) {
    if (c->phase == PHASE_WS) {
      if (tf_ws_feed(&c->ws, bytes, cnt) != TF_OK) {
        uint8_t frame[256];
        send_bytes(c, frame, tf_ws_write_close_answer(&c->ws, frame, sizeof frame));
        doom(c);
      }
      return;
    }
    size_t used;
    if (c->phase == PHASE_BODY) {
      used = take_body(c, bytes, cnt);
      bytes += used;
      cnt -= used;
      continue;
    }
    int rc = tf_http_head_feed(&c->head, bytes, cnt, &used);
    bytes += used;
    cnt -= used;
    if (rc == TF_HTTP_MORE) return;
    if (rc != TF_HTTP_DONE)
      doom(c);
    else if (tf_http_ws_is_upgrade(&c->head))
      upgrade(c);
    else
      begin_rest(c);
  }
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)conn, (void)recv_ns;
  sim_client_t *c = self;
  if (c->doomed) return;
  if (!is_tls(c->server)) {
    on_plain(c, bytes, cnt);
    return;
  }
  tf_tls_feed(&c->tls, bytes, cnt);
  int n = 0;
  while (!c->doomed && (n = tf_tls_read(&c->tls, c->server->plain, TF_TLS_RECORD_BYTES_MAX)) > 0) {
    if (c->phase == PHASE_TLS) c->phase = PHASE_HTTP;
    on_plain(c, c->server->plain, (size_t)n);
  }
  if (c->doomed || n < 0 || c->tls.state == TF_TLS_CLOSED) doom(c);
  pump_tls(c);
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn, (void)sys_errno;
  drop_client(self);
}

static void on_accept(void *self, int fd) {
  sim_server_t *s = self;
  sim_client_t *c = NULL;
  for (uint32_t i = 0; i < s->config.clients_max && !c; i++)
    if (s->clients[i].phase == PHASE_FREE) c = &s->clients[i];
  if (!c) {
    s->counts.refused++;
    close(fd);
    return;
  }
  c->fd       = fd;
  c->since_ns = s->now_ns;
  c->phase    = is_tls(s) ? PHASE_TLS : PHASE_HTTP;
  tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  tf_io_handler_t handler = {c, on_bytes, on_closed, NULL};
  if ((is_tls(s) &&
       tf_tls_init(&c->tls, &s->tls_ctx, NULL, c->tls_tx, TF_TLS_TX_BYTES_MIN) != TF_OK) ||
      tf_io_attach(s->io, fd, &handler, &c->conn) != TF_OK) {
    s->counts.refused++;
    close(fd);
    drop_client(c);
    return;
  }
  s->counts.accepted++;
}

/* ---- sending, with faults ---- */

/* One frame, unless the connection's age says otherwise. */
static void send_frame(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  sim_server_t *s      = c->server;
  sim_faults_t *faults = s->config.faults;
  uint64_t      age_ns = s->now_ns - c->since_ns;
  if (sim_fault_is_due(faults, SIM_FAULT_MUTE, age_ns)) {
    faults->done[SIM_FAULT_MUTE]++;
    return;
  }
  bool is_cut = sim_fault_is_due(faults, SIM_FAULT_CLOSE, age_ns);
  send_bytes(c, bytes, is_cut ? cnt / 2 : cnt);
  c->peer.sent_ns = s->now_ns;
  s->counts.frames++;
  if (!is_cut) return;
  faults->done[SIM_FAULT_CLOSE]++;
  doom(c);
}

/* The message as a frame in s->frame; its length, 0 where it cannot be sent any more. */
static size_t write_frame(sim_client_t *c, const char *text, size_t cnt) {
  sim_server_t *s = c->server;
  if (s->config.framing == SIM_FRAMING_TEXT)
    return tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, TF_WS_TEXT, text, cnt);
  const void *bytes = text;
  if (s->config.framing == SIM_FRAMING_GZIP) {
    deflateReset(&s->gzip);
    s->gzip.next_in   = (z_const Bytef *)(uintptr_t)text;
    s->gzip.avail_in  = (uInt)cnt;
    s->gzip.next_out  = s->gzipped;
    s->gzip.avail_out = sizeof s->gzipped;
    if (deflate(&s->gzip, Z_FINISH) != Z_STREAM_END) return 0;
    bytes = s->gzipped;
    cnt   = sizeof s->gzipped - s->gzip.avail_out;
  }
  return tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, TF_WS_BINARY, bytes, cnt);
}

static void send_message(sim_client_t *c, const char *text, size_t cnt, sim_message_kind_t kind) {
  sim_server_t *s = c->server;
  if (kind == SIM_MESSAGE_BOOK && hits(s, SIM_FAULT_GAP)) return;
  size_t frame_cnt = write_frame(c, text, cnt);
  if (frame_cnt == 0) return;
  if (c->ws.deflate) s->counts.deflated++;
  if (kind == SIM_MESSAGE_ANSWER) {
    send_frame(c, s->frame, frame_cnt);
    return;
  }
  if (cnt && hits(s, SIM_FAULT_CORRUPT)) {
    size_t payload_cnt = cnt < frame_cnt ? cnt : frame_cnt / 2; /* deflated: its later half */
    s->frame[frame_cnt - 1 - sim_random(&s->config.faults->rng) % payload_cnt] ^= 0x15;
  }
  if (!c->frame.bytes && hits(s, SIM_FAULT_REORDER)) {
    hold(&c->frame, s->frame, frame_cnt, 0, 0);
    return;
  }
  send_frame(c, s->frame, frame_cnt);
  if (!c->doomed && hits(s, SIM_FAULT_DUP)) send_frame(c, s->frame, frame_cnt);
  if (!c->doomed && c->frame.bytes) send_frame(c, c->frame.bytes, c->frame.cnt);
  drop_held(&c->frame);
}

void sim_server_send(sim_server_t *s, sim_peer_t *peer, uint32_t stream, const char *text,
                     size_t cnt, sim_message_kind_t kind) {
  sim_client_t        *c       = (sim_client_t *)peer;
  const sim_service_t *service = &s->config.service;
  if (c->phase != PHASE_WS || c->doomed) return;
  size_t wrapped_cnt = service->wrap ? service->wrap(service->self, peer, stream, text, cnt,
                                                     s->wrapped, sizeof s->wrapped)
                                     : 0;
  send_message(c, wrapped_cnt ? s->wrapped : text, wrapped_cnt ? wrapped_cnt : cnt, kind);
}

void sim_server_send_later(sim_server_t *s, sim_peer_t *peer, const char *text, size_t cnt,
                           uint64_t due_ns) {
  (void)s;
  later_t **at    = &((sim_client_t *)peer)->later;
  later_t  *later = malloc(sizeof *later + cnt);
  if (!later) return;
  *later = (later_t){.due_ns = due_ns, .cnt = cnt};
  memcpy(later->text, text, cnt);
  while (*at) at = &(*at)->next;
  *at = later;
}

static void send_what_waited(sim_client_t *c) {
  for (later_t **at = &c->later; *at && !c->doomed;) {
    later_t *later = *at;
    if (c->server->now_ns < later->due_ns) {
      at = &later->next;
      continue;
    }
    sim_server_send(c->server, &c->peer, SIM_STREAM_NONE, later->text, later->cnt,
                    SIM_MESSAGE_ANSWER);
    *at = later->next;
    free(later);
  }
}

void sim_server_broadcast(sim_server_t *s, uint32_t stream, const char *text, size_t cnt,
                          sim_message_kind_t kind) {
  s->counts.messages++;
  for (uint32_t i = 0; i < s->config.clients_max && s->ws_cnt; i++)
    if (sim_bit(s->clients[i].peer.streams, stream))
      sim_server_send(s, &s->clients[i].peer, stream, text, cnt, kind);
}

sim_peer_t *sim_server_peer(sim_server_t *s, uint32_t idx) {
  for (uint32_t i = 0; i < s->config.clients_max; i++)
    if (s->clients[i].phase == PHASE_WS && !s->clients[i].doomed && idx-- == 0)
      return &s->clients[i].peer;
  return NULL;
}

bool sim_server_is_heard(const sim_server_t *s, uint32_t stream) {
  for (uint32_t i = 0; i < s->config.clients_max && s->ws_cnt; i++)
    if (s->clients[i].phase == PHASE_WS && sim_bit(s->clients[i].peer.streams, stream)) return true;
  return false;
}

void sim_server_close(sim_server_t *s, sim_peer_t *peer, uint16_t code, const char *reason) {
  sim_client_t *c = (sim_client_t *)peer;
  uint8_t       frame[TF_WS_CONTROL_BYTES_MAX + TF_WS_HEADER_BYTES_MAX];
  (void)s;
  if (c->phase != PHASE_WS || c->doomed) return;
  if (code != SIM_CLOSE_CUT) {
    size_t cnt = tf_ws_write_close(&c->ws, frame, sizeof frame, code, reason);
    send_bytes(c, frame, cnt);
  }
  doom(c);
}

void sim_server_ping(sim_server_t *s, sim_peer_t *peer) {
  sim_client_t *c = (sim_client_t *)peer;
  uint8_t       frame[TF_WS_HEADER_BYTES_MAX + 24];
  char          payload[24]; /* the time in ms, as venues send it */
  if (c->phase != PHASE_WS || c->doomed) return;
  int payload_cnt =
      snprintf(payload, sizeof payload, "%llu", (unsigned long long)(s->now_ns / TF_NS_PER_MS));
  size_t cnt = tf_ws_write_frame(&c->ws, frame, sizeof frame, TF_WS_PING, true, payload,
                                 (size_t)payload_cnt);
  if (cnt) send_frame(c, frame, cnt);
}

/* ---- what a connection's age brings ---- */

static void close_politely(sim_client_t *c, const char *reason) {
  sim_server_close(c->server, &c->peer, TF_WS_CLOSE_GOING_AWAY, reason);
}

/* RST instead of FIN. */
static void reset(sim_client_t *c) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  tf_io_close(c->server->io, c->conn);
  drop_client(c);
}

static void age(sim_client_t *c) {
  sim_server_t *s      = c->server;
  sim_faults_t *faults = s->config.faults;
  uint64_t      age_ns = s->now_ns - c->since_ns;
  if (s->config.life_ns && age_ns > s->config.life_ns) {
    s->counts.lives_ended++;
    close_politely(c, "");
  } else if (sim_fault_is_due(faults, SIM_FAULT_SHUTDOWN, age_ns)) {
    if (!c->noticed) {
      c->noticed = true;
      faults->done[SIM_FAULT_SHUTDOWN]++;
      s->config.service.on_shutdown(s->config.service.self, &c->peer);
    } else if (age_ns > faults->ns[SIM_FAULT_SHUTDOWN] + NOTICE_NS) {
      close_politely(c, "server shutdown");
    }
  } else if (sim_fault_is_due(faults, SIM_FAULT_RESET, age_ns)) {
    faults->done[SIM_FAULT_RESET]++;
    reset(c);
  }
}

static void close_doomed(sim_client_t *c) {
  sim_server_t *s = c->server;
  if (tf_io_send_pending_bytes(s->io, c->conn) && s->now_ns - c->doomed_ns < LINGER_NS) return;
  tf_io_close(s->io, c->conn);
  drop_client(c);
}

tf_err_t sim_server_poll(sim_server_t *s, uint64_t now_ns, uint64_t wait_ns) {
  s->now_ns = now_ns;
  int n     = tf_io_poll(s->io, wait_ns);
  for (uint32_t i = 0; i < s->config.clients_max; i++) {
    sim_client_t *c = &s->clients[i];
    if (c->phase == PHASE_WS && !c->doomed) age(c);
    if (c->phase == PHASE_WS && !c->doomed) send_what_waited(c);
    if (c->phase != PHASE_FREE && !c->doomed) send_held_answer(c);
    if (c->phase != PHASE_FREE && c->doomed) close_doomed(c);
  }
  return n < 0 ? n : TF_OK;
}

/* ---- lifetime ---- */

static tf_err_t listen_on(sim_server_t *s) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(s->config.port)};
  if (inet_pton(AF_INET, s->config.host, &addr.sin_addr) != 1)
    return TF_ERR(E_CORE_ARGUMENT, "sim: \"%s\" is not an IPv4 address", s->config.host);
  if (ntohl(addr.sin_addr.s_addr) >> 24 != 127)
    return TF_ERR(E_CORE_ARGUMENT,
                  "sim: %s is not a loopback address: the simulator serves this machine only",
                  s->config.host);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) return TF_ERR(E_IO_SYSTEM, "sim: socket: %s", strerror(errno));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t addr_bytes = sizeof addr;
  if (bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, SIM_CLIENTS_MAX) != 0 ||
      getsockname(fd, (struct sockaddr *)&addr, &addr_bytes) != 0) {
    tf_err_t err = TF_ERR(E_IO_SYSTEM, "sim: cannot listen on %s:%u: %s: choose another --port",
                          s->config.host, s->config.port, strerror(errno));
    close(fd);
    return err;
  }
  s->port                 = ntohs(addr.sin_port);
  tf_io_handler_t handler = {.self = s, .on_accept = on_accept};
  tf_err_t        err     = tf_io_listen(s->io, fd, &handler, &s->listener);
  if (err) close(fd);
  return err;
}

static tf_err_t open_all(sim_server_t *s) {
  tf_io_config_t io = tf_io_config_default();
  io.conns_max      = s->config.clients_max + 2;
  io.send_bytes     = s->config.send_bytes;
  size_t deflate    = s->config.deflate ? tf_ws_deflate_bytes(&deflate_config) : 0;
  size_t per_client = tf_ws_assembly_bytes(REQUEST_BYTES_MAX) + TF_TLS_TX_BYTES_MIN + deflate +
                      s->config.peer_bytes + 384;
  tf_err_t err =
      tf_arena_init(&s->arena, "sim", tf_io_arena_bytes(&io) + s->config.clients_max * per_client);
  if (err) return err;
  for (uint32_t i = 0; i < s->config.clients_max; i++) {
    s->clients[i].server   = s;
    s->clients[i].assembly = tf_arena_take(&s->arena, tf_ws_assembly_bytes(REQUEST_BYTES_MAX), 64);
    s->clients[i].tls_tx   = tf_arena_take(&s->arena, TF_TLS_TX_BYTES_MIN, 64);
    s->clients[i].peer.state = tf_arena_take(&s->arena, s->config.peer_bytes + 1, 64);
    if (!s->clients[i].assembly || !s->clients[i].tls_tx || !s->clients[i].peer.state)
      return E_CORE_ARENA_FULL;
    if (!s->config.deflate) continue;
    uint8_t *memory = tf_arena_take(&s->arena, deflate, 64);
    if (!memory) return E_CORE_ARENA_FULL;
    err = tf_ws_deflate_init(&s->clients[i].deflate, &deflate_config, memory);
    if (err) return err;
  }
  if (is_tls(s)) {
    err = tf_tls_ctx_init_server(&s->tls_ctx, s->config.cert_file, s->config.key_file);
    if (err) return err;
  }
  err = tf_io_open(TF_IO_EPOLL, &io, &s->arena, &s->io);
  return err ? err : listen_on(s);
}

tf_err_t sim_server_start(const sim_server_config_t *config, sim_server_t **server) {
  sim_server_t *s = calloc(1, sizeof *s);
  if (!s) return TF_ERR(E_CORE_NO_MEMORY, "sim: %zu bytes", sizeof *s);
  s->config    = *config;
  tf_err_t err = open_all(s);
  if (!err && config->framing == SIM_FRAMING_GZIP &&
      deflateInit2(&s->gzip, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, MAX_MEM_LEVEL,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    err = TF_ERR(E_CORE_NO_MEMORY, "sim: gzip");
  if (err) {
    sim_server_stop(s);
    return err;
  }
  *server = s;
  return TF_OK;
}

void sim_server_stop(sim_server_t *s) {
  if (!s) return;
  for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) drop_client(&s->clients[i]);
  tf_io_fini(s->io);
  tf_tls_ctx_fini(&s->tls_ctx);
  deflateEnd(&s->gzip);
  tf_arena_fini(&s->arena);
  free(s);
}

uint16_t                   sim_server_port(const sim_server_t *s) { return s->port; }
const sim_server_counts_t *sim_server_counts(const sim_server_t *s) { return &s->counts; }
