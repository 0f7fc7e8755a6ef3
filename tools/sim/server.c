#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "io/io.h"
#include "market.h"
#include "wire/http.h"
#include "wire/tls.h"
#include "wire/ws.h"
#include "wire/ws_extension.h"

#define REQUEST_BYTES_MAX 65536
#define ANSWER_BYTES_MAX  (1u << 20)
#define SEND_BYTES        (1u << 20) /* of a client that reads slowly, then it is cut */
/* A message that does not deflate grows by less than a quarter. */
#define FRAME_BYTES_MAX (SIM_MESSAGE_BYTES_MAX / 4 * 5 + 256)
#define PLAIN_BYTES     (TF_TLS_RECORD_BYTES_MAX + TF_BYTES_PAD)

typedef enum client_phase { PHASE_FREE, PHASE_TLS, PHASE_HTTP, PHASE_WS } client_phase_t;

typedef struct sim_client {
  sim_server_t   *server;
  tf_io_conn_t    conn;
  client_phase_t  phase;
  bool            doomed; /* closed at the end of the pass: never inside a callback of its parser */
  uint64_t        since_ns;
  tf_http_head_t  head;
  tf_ws_t         ws;
  tf_ws_deflate_t deflate;
  tf_tls_t        tls;
  uint8_t        *assembly, *tls_tx;
  sim_subscription_t sub;
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
  uint8_t             frame[FRAME_BYTES_MAX];
  char                answer[ANSWER_BYTES_MAX], http[ANSWER_BYTES_MAX + 1024];
};

static bool is_tls(const sim_server_t *s) { return s->config.cert_file != NULL; }

static void drop_client(sim_client_t *c) {
  if (c->phase == PHASE_FREE) return;
  if (c->phase == PHASE_WS) c->server->ws_cnt--;
  if (is_tls(c->server)) tf_tls_fini(&c->tls);
  memset(&c->tls, 0, sizeof c->tls);
  c->phase  = PHASE_FREE;
  c->doomed = false;
}

/* Ciphertext that TLS has ready goes to the socket. */
static void pump_tls(sim_client_t *c) {
  size_t         cnt;
  const uint8_t *bytes = tf_tls_tx(&c->tls, &cnt);
  if (cnt == 0) return;
  if (tf_io_send(c->server->io, c->conn, bytes, cnt) == TF_OK)
    tf_tls_tx_sent(&c->tls, cnt);
  else
    c->doomed = true;
}

static void send_bytes(sim_client_t *c, const void *bytes, size_t cnt) {
  tf_err_t err = TF_OK;
  if (!is_tls(c->server)) {
    err = tf_io_send(c->server->io, c->conn, bytes, cnt);
  } else {
    for (size_t at = 0; at < cnt && !err && !c->doomed;) { /* TLS memory holds few records */
      size_t run = cnt - at < TF_TLS_RECORD_BYTES_MAX ? cnt - at : TF_TLS_RECORD_BYTES_MAX;
      err        = tf_tls_write(&c->tls, (const uint8_t *)bytes + at, run);
      pump_tls(c);
      at += run;
    }
  }
  if (err && !c->doomed) {
    c->server->counts.closed_slow++;
    c->doomed = true;
  }
}

/* ---- websocket ---- */

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  sim_client_t *c = self;
  sim_server_t *s = c->server;
  if (opcode != TF_WS_TEXT) return;
  size_t answer_cnt = s->config.venue.on_text(s->config.venue.self, (const char *)bytes, cnt,
                                              &c->sub, s->answer, sizeof s->answer);
  if (answer_cnt == 0) return;
  size_t frame_cnt =
      tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, TF_WS_TEXT, s->answer, answer_cnt);
  send_bytes(c, s->frame, frame_cnt);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)bytes, (void)cnt;
  sim_client_t *c = self;
  uint8_t       frame[256];
  size_t        frame_cnt = 0;
  if (opcode == TF_WS_PING) frame_cnt = tf_ws_write_pong(&c->ws, frame, sizeof frame);
  if (opcode == TF_WS_CLOSE) {
    frame_cnt = tf_ws_write_close_answer(&c->ws, frame, sizeof frame);
    c->doomed = true;
  }
  if (frame_cnt) send_bytes(c, frame, frame_cnt);
}

/* ---- HTTP ---- */

static void answer_get(sim_client_t *c) {
  sim_server_t *s      = c->server;
  size_t        cnt    = 0;
  int           status = 405;
  s->counts.rest++;
  if (!strcmp(c->head.method, "GET"))
    status = s->config.venue.on_get(s->config.venue.self, c->head.target, s->answer,
                                    sizeof s->answer, &cnt);
  int http_cnt = tf_http_answer_write(s->http, sizeof s->http, status, "application/json", NULL,
                                      tf_http_head_keep_alive(&c->head), s->answer, cnt);
  if (http_cnt > 0) send_bytes(c, s->http, (size_t)http_cnt);
  if (tf_http_head_keep_alive(&c->head))
    tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  else
    c->doomed = true;
}

/* Windows as large as a client likes, as venues have them. */
static const tf_ws_deflate_params_t deflate_ours   = {.server_max_window_bits = 15,
                                                      .client_max_window_bits = 15};
static const tf_ws_deflate_config_t deflate_config = {
    .tx_window_bits_max = 15, .tx_mem_level = 8, .tx_level = 6};

static void upgrade(sim_client_t *c) {
  sim_server_t *s   = c->server;
  const char   *why = "no such stream path", *wrong = NULL;
  int           status  = tf_http_ws_request_check(&c->head, &why);
  bool          deflate = false;
  char          extensions[TF_WS_EXTENSION_CHARS];

  tf_ws_deflate_params_t agreed;
  if (!status && s->config.deflate)
    wrong = tf_ws_extension_choose(&c->head, &deflate_ours, &deflate, &agreed, extensions);
  if (wrong) {
    why    = wrong;
    status = 400;
  }
  memset(&c->sub, 0, sizeof c->sub);
  if (!status && !s->config.venue.on_upgrade(s->config.venue.self, c->head.target, &c->sub))
    status = 404;
  char answer[512];
  int  cnt = status ? tf_http_ws_refuse_write(answer, sizeof answer, status, why)
                    : tf_http_ws_accept_write(answer, sizeof answer, &c->head, NULL,
                                             deflate ? extensions : NULL);
  if (cnt > 0) send_bytes(c, answer, (size_t)cnt);
  if (status) {
    s->counts.refused++;
    c->doomed = true;
    return;
  }
  tf_ws_config_t  config  = {.role = TF_WS_SERVER, .message_bytes_max = REQUEST_BYTES_MAX};
  tf_ws_handler_t handler = {c, on_message, on_control};
  if (deflate) config.deflate = &c->deflate;
  if ((deflate && tf_ws_deflate_start(&c->deflate, true, &agreed) != TF_OK) ||
      tf_ws_init(&c->ws, &config, &handler, c->assembly) != TF_OK) {
    c->doomed = true;
    return;
  }
  c->phase = PHASE_WS;
  s->ws_cnt++;
}

/* Plaintext of a client, in whatever phase it is. */
static void on_plain(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  while (cnt && !c->doomed) {
    if (c->phase == PHASE_WS) {
      if (tf_ws_feed(&c->ws, bytes, cnt) != TF_OK) {
        uint8_t frame[256];
        send_bytes(c, frame, tf_ws_write_close_answer(&c->ws, frame, sizeof frame));
        c->doomed = true;
      }
      return;
    }
    size_t used;
    int    rc = tf_http_head_feed(&c->head, bytes, cnt, &used);
    bytes += used;
    cnt -= used;
    if (rc == TF_HTTP_MORE) return;
    if (rc != TF_HTTP_DONE)
      c->doomed = true;
    else if (tf_http_ws_is_upgrade(&c->head))
      upgrade(c);
    else
      answer_get(c);
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
  if (c->doomed || n < 0 || c->tls.state == TF_TLS_CLOSED) c->doomed = true;
  pump_tls(c);
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn, (void)sys_errno;
  drop_client(self);
}

static void on_accept(void *self, int fd) {
  sim_server_t *s = self;
  sim_client_t *c = NULL;
  for (uint32_t i = 0; i < SIM_CLIENTS_MAX && !c; i++)
    if (s->clients[i].phase == PHASE_FREE) c = &s->clients[i];
  if (!c) {
    s->counts.refused++;
    close(fd);
    return;
  }
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

static void send_message(sim_client_t *c, const char *text, size_t cnt) {
  sim_server_t *s      = c->server;
  sim_faults_t *faults = &s->config.faults;
  size_t frame_cnt = tf_ws_write_message(&c->ws, s->frame, sizeof s->frame, TF_WS_TEXT, text, cnt);
  if (frame_cnt == 0) return;
  if (faults->corrupt_p > 0 && sim_random_unit(&faults->rng) < faults->corrupt_p) {
    const size_t payload_cnt = cnt < frame_cnt ? cnt : frame_cnt / 2; /* deflated: its later half */
    s->frame[frame_cnt - 1 - sim_random(&faults->rng) % payload_cnt] ^= 0x15;
    s->counts.corrupted++;
  }
  if (faults->mute_ns && s->now_ns - c->since_ns > faults->mute_ns) {
    s->counts.muted++;
    return;
  }
  if (faults->close_ns && s->now_ns - c->since_ns > faults->close_ns) {
    frame_cnt /= 2; /* the connection ends in the middle of this frame */
    c->doomed = true;
    s->counts.cut++;
  }
  bool doomed = c->doomed;
  c->doomed   = false;
  send_bytes(c, s->frame, frame_cnt);
  c->doomed |= doomed;
  s->counts.frames++;
  if (c->ws.deflate) s->counts.deflated++;
}

void sim_server_broadcast(sim_server_t *s, uint32_t stream, const char *stream_name,
                          const char *text, size_t cnt, bool droppable) {
  s->counts.messages++;
  sim_faults_t *faults = &s->config.faults;
  if (droppable && faults->drop_p > 0 && sim_random_unit(&faults->rng) < faults->drop_p) {
    s->counts.dropped++;
    return;
  }
  int wrapped_cnt = 0;
  for (uint32_t i = 0; i < SIM_CLIENTS_MAX && s->ws_cnt; i++) {
    sim_client_t *c = &s->clients[i];
    if (c->phase != PHASE_WS || c->doomed || !sim_has_stream(&c->sub, stream)) continue;
    if (!c->sub.combined) {
      send_message(c, text, cnt);
      continue;
    }
    if (wrapped_cnt == 0)
      wrapped_cnt = snprintf(s->answer, sizeof s->answer, "{\"stream\":\"%s\",\"data\":%.*s}",
                             stream_name, (int)cnt, text);
    send_message(c, s->answer, (size_t)wrapped_cnt);
  }
}

tf_err_t sim_server_poll(sim_server_t *s, uint64_t now_ns, uint64_t wait_ns) {
  s->now_ns = now_ns;
  int n     = tf_io_poll(s->io, wait_ns);
  for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
    sim_client_t *c = &s->clients[i];
    if (c->phase == PHASE_FREE || !c->doomed) continue;
    if (tf_io_send_pending_bytes(s->io, c->conn) && c->phase == PHASE_HTTP) continue;
    tf_io_close(s->io, c->conn);
    drop_client(c);
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
  io.conns_max      = SIM_CLIENTS_MAX + 2;
  io.send_bytes     = SEND_BYTES;
  size_t deflate    = s->config.deflate ? tf_ws_deflate_bytes(&deflate_config) : 0;
  size_t per_client = tf_ws_assembly_bytes(REQUEST_BYTES_MAX) + TF_TLS_TX_BYTES_MIN + deflate + 320;
  tf_err_t err =
      tf_arena_init(&s->arena, "sim", tf_io_arena_bytes(&io) + SIM_CLIENTS_MAX * per_client);
  if (err) return err;
  for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
    s->clients[i].server   = s;
    s->clients[i].assembly = tf_arena_take(&s->arena, tf_ws_assembly_bytes(REQUEST_BYTES_MAX), 64);
    s->clients[i].tls_tx   = tf_arena_take(&s->arena, TF_TLS_TX_BYTES_MIN, 64);
    if (!s->clients[i].assembly || !s->clients[i].tls_tx) return E_CORE_ARENA_FULL;
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
  s->config = *config;
  if (!s->config.faults.rng) s->config.faults.rng = 0x853c49e6748fea9bu;
  tf_err_t err = open_all(s);
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
  tf_arena_fini(&s->arena);
  free(s);
}

uint16_t                   sim_server_port(const sim_server_t *s) { return s->port; }
uint32_t                   sim_server_client_cnt(const sim_server_t *s) { return s->ws_cnt; }
const sim_server_counts_t *sim_server_counts(const sim_server_t *s) { return &s->counts; }
