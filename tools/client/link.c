#include "client/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/error.h"

#define PROGRESS 1

static tf_err_t io_error(const char *what) {
  return TF_ERR(E_IO_SYSTEM, "%s: %s", what, strerror(errno));
}

/* ---- sending ---- */

static void watch(tf_client_link_t *link, bool wants_out) {
  if (link->wants_out == wants_out) return;
  struct epoll_event wanted = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0u)};
  epoll_ctl(link->poll_fd, EPOLL_CTL_MOD, link->fd, &wanted);
  link->wants_out = wants_out;
}

static tf_err_t out_put(tf_client_link_t *link, const void *bytes, size_t cnt) {
  if (link->is_tls) return tf_tls_write(&link->tls, bytes, cnt);
  if (link->out_at == link->out_end) link->out_at = link->out_end = 0;
  if (cnt > sizeof link->out - link->out_end)
    return TF_ERR(E_IO_SEND_FULL, "the listener does not read what it is sent");
  memcpy(link->out + link->out_end, bytes, cnt);
  link->out_end += cnt;
  return TF_OK;
}

static tf_err_t out_flush(tf_client_link_t *link) {
  for (;;) {
    size_t         cnt   = link->out_end - link->out_at;
    const uint8_t *bytes = link->out + link->out_at;
    if (link->is_tls) bytes = tf_tls_tx(&link->tls, &cnt);
    if (cnt == 0) break;
    ssize_t sent = send(link->fd, bytes, cnt, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      watch(link, true);
      return TF_OK;
    }
    if (sent < 0) return io_error("sending");
    if (link->is_tls)
      tf_tls_tx_sent(&link->tls, (size_t)sent);
    else
      link->out_at += (size_t)sent;
  }
  watch(link, false);
  return TF_OK;
}

void tf_client_link_say(tf_client_link_t *link, const uint8_t *bytes, size_t cnt) {
  uint8_t frame[TF_FRAME_HEADER_BYTES + TF_FRAME_HELLO_BYTES_MAX + TF_WS_HEADER_BYTES_MAX];
  if (link->is_ws) {
    cnt   = tf_ws_write_frame(&link->ws, frame, sizeof frame, TF_WS_BINARY, true, bytes, cnt);
    bytes = frame;
  }
  out_put(link, bytes, cnt); /* room was made for it when it was opened */
}

/* ---- receiving ---- */

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  tf_client_link_t *link = self;
  size_t            cap;
  uint8_t          *room = tf_frames_room(link->frames, &cap);
  link->is_cut |= opcode != TF_WS_BINARY || cap < cnt;
  if (link->is_cut) {
    tf_ws_stop(&link->ws);
    return;
  }
  memcpy(room, bytes, cnt);
  tf_frames_fed(link->frames, cnt);
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self, (void)opcode, (void)bytes, (void)cnt; /* pongs are written behind the feed */
}

static tf_err_t ws_begin(tf_client_link_t *link) {
  tf_ws_config_t  config  = {.role              = TF_WS_CLIENT,
                             .message_bytes_max = TF_FRAME_HEADER_BYTES + TF_FRAME_BYTES_MAX,
                             .random            = {.u32 = tf_ws_random_system}};
  tf_ws_handler_t handler = {.self = link, .on_message = on_message, .on_control = on_control};
  link->phase             = TF_CLIENT_LINK_OPEN;
  return tf_ws_init(&link->ws, &config, &handler, link->assembly);
}

static tf_err_t ws_take(tf_client_link_t *link, const uint8_t *bytes, size_t cnt) {
  uint8_t pong[TF_WS_HEADER_BYTES_MAX + TF_WS_CONTROL_BYTES_MAX];
  if (tf_ws_feed(&link->ws, bytes, cnt)) return tf_ws_error(&link->ws);
  if (link->is_cut)
    return TF_ERR(E_WIRE_WS_PROTOCOL,
                  "a websocket message that is text, or longer than a frame: this client reads a "
                  "sink with `format: binary`");
  size_t pong_cnt = tf_ws_write_pong(&link->ws, pong, sizeof pong);
  return pong_cnt ? out_put(link, pong, pong_cnt) : TF_OK;
}

/* Plain bytes, TF_BYTES_PAD behind them: the upgrade's answer, then messages. */
static tf_err_t ws_bytes_take(tf_client_link_t *link, const uint8_t *bytes, size_t cnt) {
  if (link->phase == TF_CLIENT_LINK_UPGRADE) {
    size_t used = 0;
    int    got  = tf_http_ws_client_feed(&link->upgrade, bytes, cnt, &used);
    if (got < 0) return got;
    if (got == TF_HTTP_MORE) return TF_OK;
    tf_err_t err = ws_begin(link);
    if (err) return err;
    bytes += used;
    cnt -= used;
  }
  return cnt ? ws_take(link, bytes, cnt) : TF_OK;
}

static tf_err_t upgrade_begin(tf_client_link_t *link) {
  uint8_t nonce[16];
  char    request[TF_CLIENT_LINK_OUT_BYTES], host[TF_CLIENT_LINK_HOST_BYTES + 2];
  bool    is_v6 = strchr(link->host, ':') != NULL;
  snprintf(host, sizeof host, "%s%s%s", is_v6 ? "[" : "", link->host, is_v6 ? "]" : "");
  if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) return io_error("getrandom");
  tf_err_t err = tf_http_ws_client_init(&link->upgrade, host, nonce, NULL);
  if (err) return err;
  int cnt     = tf_http_ws_client_write(&link->upgrade, request, sizeof request, link->port,
                                        link->target, NULL);
  link->phase = TF_CLIENT_LINK_UPGRADE;
  return cnt < 0 ? cnt : out_put(link, request, (size_t)cnt);
}

/* Ciphertext came: all that it holds goes on. */
static tf_err_t tls_take(tf_client_link_t *link, size_t cnt) {
  tf_tls_feed(&link->tls, link->cipher, cnt);
  for (;;) {
    size_t   cap   = sizeof link->plain - TF_BYTES_PAD;
    uint8_t *plain = link->is_ws ? link->plain : tf_frames_room(link->frames, &cap);
    if (cap == 0) return TF_ERR(E_WIRE_TLS, "records without an end");
    int got = tf_tls_read(&link->tls, plain, cap);
    if (link->phase == TF_CLIENT_LINK_TLS && link->tls.state == TF_TLS_OPEN) {
      tf_err_t err = link->is_ws ? upgrade_begin(link) : TF_OK;
      if (err) return err;
      if (!link->is_ws) link->phase = TF_CLIENT_LINK_OPEN;
    }
    if (got < 0) return link->tls.err;
    if (got == 0) break;
    if (!link->is_ws) {
      tf_frames_fed(link->frames, (size_t)got);
    } else {
      tf_err_t err = ws_bytes_take(link, plain, (size_t)got);
      if (err) return err;
    }
  }
  if (link->tls.state == TF_TLS_CLOSED)
    return TF_ERR(E_IO_SYSTEM, "the listener closed the connection");
  return TF_OK;
}

static tf_err_t ended(tf_client_link_t *link) {
  if (link->phase == TF_CLIENT_LINK_UPGRADE) return tf_http_ws_client_eof(&link->upgrade);
  if (link->is_tls && tf_tls_eof(&link->tls)) return tf_error_code();
  return TF_ERR(E_IO_SYSTEM, "the listener closed the connection");
}

static int receive(tf_client_link_t *link) {
  size_t   cap    = TF_FRAMES_ROOM_BYTES / 2;
  uint8_t *target = link->is_tls  ? link->cipher
                    : link->is_ws ? link->plain
                                  : tf_frames_room(link->frames, &cap);
  if (link->is_tls) cap = sizeof link->cipher;
  ssize_t got = recv(link->fd, target, cap, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return 0;
  if (got < 0) return io_error("receiving");
  if (got == 0) return ended(link);
  tf_err_t err = TF_OK;
  if (link->is_tls)
    err = tls_take(link, (size_t)got);
  else if (link->is_ws)
    err = ws_bytes_take(link, target, (size_t)got);
  else
    tf_frames_fed(link->frames, (size_t)got);
  return err ? err : PROGRESS;
}

/* ---- connecting ---- */

static int connected(tf_client_link_t *link) {
  int       err = 0;
  socklen_t cnt = sizeof err;
  if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &err, &cnt) != 0) return io_error("connecting");
  errno = err;
  if (err) return io_error("connecting");
  /* No error yet may mean that it is still on its way. */
  struct sockaddr_storage peer;
  cnt = sizeof peer;
  if (getpeername(link->fd, (struct sockaddr *)&peer, &cnt) != 0) return 0;
  if (link->is_tls) {
    link->phase = TF_CLIENT_LINK_TLS;
    tf_err_t tls_err =
        tf_tls_init(&link->tls, &link->tls_ctx, link->host, link->tls_tx, sizeof link->tls_tx);
    return tls_err ? tls_err : PROGRESS;
  }
  if (link->is_ws) {
    tf_err_t ws_err = upgrade_begin(link);
    return ws_err ? ws_err : PROGRESS;
  }
  link->phase = TF_CLIENT_LINK_OPEN;
  return PROGRESS;
}

int tf_client_link_pump(tf_client_link_t *link) {
  int progress = link->phase == TF_CLIENT_LINK_CONNECTING ? connected(link) : 0;
  if (progress < 0 || link->phase == TF_CLIENT_LINK_CONNECTING) return progress;
  tf_err_t err = out_flush(link);
  if (err) return err;
  /* What a peer said before it closed is read first: only then its end is an error. */
  int got = receive(link);
  if (got < 0) return got;
  err = out_flush(link);
  return err ? err : got || progress;
}

tf_err_t tf_client_link_connect(tf_client_link_t *link, tf_frames_t *frames) {
  const tf_client_link_address_t *to     = &link->addresses[link->address_idx];
  struct epoll_event              wanted = {.events = EPOLLIN | EPOLLOUT};
  int                             on     = 1;
  link->address_idx                      = (link->address_idx + 1) % link->address_cnt;
  link->frames                           = frames;
  link->is_cut                           = false;
  link->wants_out                        = true;
  link->out_at = link->out_end = 0;
  link->fd = socket(to->bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (link->fd < 0) return io_error("socket");
  if (to->bytes.ss_family != AF_UNIX)
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int rc = connect(link->fd, (const struct sockaddr *)&to->bytes, to->cnt);
  if (rc != 0 && errno != EINPROGRESS) return io_error("connecting");
  if (epoll_ctl(link->poll_fd, EPOLL_CTL_ADD, link->fd, &wanted) != 0) return io_error("epoll_ctl");
  link->phase = TF_CLIENT_LINK_CONNECTING;
  return TF_OK;
}

void tf_client_link_close(tf_client_link_t *link) {
  if (link->fd >= 0) close(link->fd); /* epoll forgets it */
  tf_tls_fini(&link->tls);
  memset(&link->tls, 0, sizeof link->tls);
  link->fd    = -1;
  link->phase = TF_CLIENT_LINK_CLOSED;
}

/* ---- open ---- */

tf_err_t tf_client_link_open_unix(tf_client_link_t *link, const char *path) {
  struct sockaddr_un *to = (struct sockaddr_un *)&link->addresses[0].bytes;
  to->sun_family         = AF_UNIX;
  if (!path[0] || strlen(path) >= sizeof to->sun_path)
    return TF_ERR(E_CORE_ARGUMENT, "a socket's path is 1 to %zu characters long",
                  sizeof to->sun_path - 1);
  memcpy(to->sun_path, path, strlen(path) + 1);
  link->addresses[0].cnt = sizeof *to;
  link->address_cnt      = 1;
  return TF_OK;
}

/* "HOST:PORT/TARGET", "[::1]:PORT": host, port and target of the link. */
static tf_err_t authority_take(tf_client_link_t *link, const char *rest) {
  size_t      cnt   = strcspn(rest, "/");
  const char *end   = rest + cnt;
  const char *colon = memrchr(rest, ':', cnt);
  const char *close = memrchr(rest, ']', cnt);
  if (!colon || (close && close > colon))
    return TF_ERR(E_CORE_ARGUMENT, "a port is wanted: HOST:PORT%s", link->is_ws ? "/PATH" : "");
  const char *host       = rest[0] == '[' && close == colon - 1 ? rest + 1 : rest;
  size_t      host_bytes = (size_t)((host != rest ? close : colon) - host);
  size_t      port_bytes = (size_t)(end - colon) - 1;
  char       *after;
  if (host_bytes == 0 || host_bytes >= sizeof link->host)
    return TF_ERR(E_CORE_ARGUMENT, "a host's name is 1 to %zu characters long",
                  sizeof link->host - 1);
  memcpy(link->host, host, host_bytes);
  if (port_bytes >= sizeof link->port) port_bytes = sizeof link->port - 1;
  memcpy(link->port, colon + 1, port_bytes);
  unsigned long port = strtoul(link->port, &after, 10);
  if (link->port[0] < '0' || link->port[0] > '9' || *after || port == 0 || port > 65535)
    return TF_ERR(E_CORE_ARGUMENT, "port \"%s\": 1 to 65535 are allowed", link->port);
  if (*end && !link->is_ws && strcmp(end, "/") != 0)
    return TF_ERR(E_CORE_ARGUMENT, "\"%s\" behind the port: a path goes with ws:// alone", end);
  snprintf(link->target, sizeof link->target, "%s", *end ? end : "/");
  return TF_OK;
}

static tf_err_t resolve(tf_client_link_t *link) {
  struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
  int              rc = getaddrinfo(link->host, link->port, &hints, &list);
  if (rc != 0) return TF_ERR(E_IO_SYSTEM, "host \"%s\": %s", link->host, gai_strerror(rc));
  for (struct addrinfo *at = list; at && link->address_cnt < TF_CLIENT_LINK_ADDRESSES_MAX;
       at                  = at->ai_next) {
    tf_client_link_address_t *to = &link->addresses[link->address_cnt];
    if (at->ai_addrlen > sizeof to->bytes) continue;
    memcpy(&to->bytes, at->ai_addr, at->ai_addrlen);
    to->cnt = at->ai_addrlen;
    link->address_cnt++;
  }
  freeaddrinfo(list);
  return link->address_cnt ? TF_OK : TF_ERR(E_IO_SYSTEM, "host \"%s\": no address", link->host);
}

tf_err_t tf_client_link_open_tcp(tf_client_link_t *link, const char *rest, bool is_tls, bool is_ws,
                                 const char *ca_file) {
  tf_tls_client_config_t config = {.ca_file = ca_file};
  link->is_tls                  = is_tls;
  link->is_ws                   = is_ws;
  tf_err_t err                  = authority_take(link, rest);
  if (!err) err = resolve(link);
  if (!err && is_tls) err = tf_tls_ctx_init_client(&link->tls_ctx, &config);
  if (err || !is_ws) return err;
  link->assembly = malloc(tf_ws_assembly_bytes(TF_FRAME_HEADER_BYTES + TF_FRAME_BYTES_MAX));
  return link->assembly ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "for websocket messages");
}

void tf_client_link_fini(tf_client_link_t *link) {
  tf_client_link_close(link);
  tf_tls_ctx_fini(&link->tls_ctx);
  free(link->assembly);
  link->assembly = NULL;
}
