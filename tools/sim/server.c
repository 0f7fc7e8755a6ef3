#include "sim/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "sim/client.h"

#define LINGER_NS TF_NS_PER_SEC /* for what is still to be sent when a client is closed */

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
    sim_client_doom(c);
  }
  if (frame_cnt) sim_client_send(c, frame, frame_cnt);
}

/* Plaintext of a client, in whatever phase it is. */
static void on_plain(sim_client_t *c, const uint8_t *bytes, size_t cnt) {
  while (cnt && !c->doomed) {
    if (c->phase == PHASE_WS) {
      if (tf_ws_feed(&c->ws, bytes, cnt) != TF_OK) {
        uint8_t frame[256];
        sim_client_send(c, frame, tf_ws_write_close_answer(&c->ws, frame, sizeof frame));
        sim_client_doom(c);
      }
      return;
    }
    size_t used;
    if (c->phase == PHASE_BODY) {
      used = sim_http_on_body(c, bytes, cnt);
      bytes += used;
      cnt -= used;
      continue;
    }
    int rc = tf_http_head_feed(&c->head, bytes, cnt, &used);
    bytes += used;
    cnt -= used;
    if (rc == TF_HTTP_MORE) return;
    if (rc != TF_HTTP_DONE)
      sim_client_doom(c);
    else
      sim_http_on_head(c, &(tf_ws_handler_t){c, on_message, on_control});
  }
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)conn, (void)recv_ns;
  sim_client_t *c = self;
  if (c->doomed) return;
  if (!sim_is_tls(c->server)) {
    on_plain(c, bytes, cnt);
    return;
  }
  tf_tls_feed(&c->tls, bytes, cnt);
  int n = 0;
  while (!c->doomed && (n = tf_tls_read(&c->tls, c->server->plain, TF_TLS_RECORD_BYTES_MAX)) > 0) {
    if (c->phase == PHASE_TLS) c->phase = PHASE_HTTP;
    on_plain(c, c->server->plain, (size_t)n);
  }
  if (c->doomed || n < 0 || c->tls.state == TF_TLS_CLOSED) sim_client_doom(c);
  sim_client_pump(c);
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn, (void)sys_errno;
  sim_client_drop(self);
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
  int on = 1; /* each message leaves when it is made */
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  c->fd       = fd;
  c->since_ns = s->now_ns;
  c->phase    = sim_is_tls(s) ? PHASE_TLS : PHASE_HTTP;
  tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  tf_io_handler_t handler = {c, on_bytes, on_closed, NULL};
  if ((sim_is_tls(s) &&
       tf_tls_init(&c->tls, &s->tls_ctx, NULL, c->tls_tx, TF_TLS_TX_BYTES_MIN) != TF_OK) ||
      tf_io_attach(s->io, fd, &handler, &c->conn) != TF_OK) {
    s->counts.refused++;
    close(fd);
    sim_client_drop(c);
    return;
  }
  s->counts.accepted++;
}

static void close_doomed(sim_client_t *c) {
  sim_server_t *s = c->server;
  if (tf_io_send_pending_bytes(s->io, c->conn) && s->now_ns - c->doomed_ns < LINGER_NS) return;
  tf_io_close(s->io, c->conn);
  sim_client_drop(c);
}

tf_err_t sim_server_poll(sim_server_t *s, uint64_t now_ns, uint64_t wait_ns) {
  s->now_ns = now_ns;
  int n     = tf_io_poll(s->io, wait_ns);
  for (uint32_t i = 0; i < s->config.clients_max; i++) {
    sim_client_t *c = &s->clients[i];
    if (c->phase == PHASE_WS && !c->doomed) sim_send_pass(c);
    if (c->phase != PHASE_FREE && !c->doomed) sim_client_flush(c);
    if (c->phase != PHASE_FREE && !c->doomed) sim_http_send_held(c);
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
  size_t deflate    = s->config.deflate ? sim_http_deflate_bytes() : 0;
  size_t per_client = tf_ws_assembly_bytes(SIM_REQUEST_BYTES_MAX) + TF_TLS_TX_BYTES_MIN + deflate +
                      s->config.peer_bytes + 384;
  tf_err_t err =
      tf_arena_init(&s->arena, "sim", tf_io_arena_bytes(&io) + s->config.clients_max * per_client);
  if (err) return err;
  for (uint32_t i = 0; i < s->config.clients_max; i++) {
    s->clients[i].server       = s;
    s->clients[i].muted_stream = SIM_STREAM_NONE;
    s->clients[i].assembly =
        tf_arena_take(&s->arena, tf_ws_assembly_bytes(SIM_REQUEST_BYTES_MAX), 64);
    s->clients[i].tls_tx     = tf_arena_take(&s->arena, TF_TLS_TX_BYTES_MIN, 64);
    s->clients[i].peer.state = tf_arena_take(&s->arena, s->config.peer_bytes + 1, 64);
    if (!s->clients[i].assembly || !s->clients[i].tls_tx || !s->clients[i].peer.state)
      return E_CORE_ARENA_FULL;
    if (!s->config.deflate) continue;
    uint8_t *memory = tf_arena_take(&s->arena, deflate, 64);
    if (!memory) return E_CORE_ARENA_FULL;
    err = sim_http_deflate_init(&s->clients[i].deflate, memory);
    if (err) return err;
  }
  if (sim_is_tls(s)) {
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
  for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) sim_client_drop(&s->clients[i]);
  tf_io_fini(s->io);
  tf_tls_ctx_fini(&s->tls_ctx);
  deflateEnd(&s->gzip);
  tf_arena_fini(&s->arena);
  free(s);
}

uint16_t                   sim_server_port(const sim_server_t *s) { return s->port; }
const sim_server_counts_t *sim_server_counts(const sim_server_t *s) { return &s->counts; }
