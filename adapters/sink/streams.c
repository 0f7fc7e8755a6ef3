#include "sink/streams.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "wire/tls.h"

#define EVENT_CNT_MAX    64
#define ACCEPT_CNT_MAX   16 /* a pass */
#define MESSAGES_CNT_MAX 4  /* of a client, a pass: so that none holds the thread */
#define RX_BYTES         4096

typedef struct tls_part { /* of a TLS listener only */
  tf_tls_t tls;
  uint8_t  tx[TF_TLS_TX_BYTES_MIN];
} tls_part_t;

typedef struct stream {
  int               fd; /* -1: free */
  bool              waits_out;
  tf_sink_client_t *client;
  tls_part_t       *tls; /* NULL: plain */
} stream_t;

typedef struct streams {
  tf_listener_t      listener;
  bool               checks_user, is_tls, is_tcp;
  int                epoll_fd;
  uint64_t           now_ns, last_seq;
  tf_tls_ctx_t       tls_ctx;
  tf_clients_t      *clients;
  tf_outlet_counts_t counts;
  uint32_t           stream_cnt;
  stream_t          *streams;
} streams_t;

/* ---- a stream ---- */

static void end_stream(streams_t *s, stream_t *stream) {
  if (stream->tls) tf_tls_fini(&stream->tls->tls);
  close(stream->fd); /* and out of the epoll set */
  stream->fd = -1;
  tf_sink_client_left(s->clients, stream->client);
}

static void watch(streams_t *s, stream_t *stream, bool waits_out) {
  struct epoll_event event = {.events = EPOLLIN | (waits_out ? EPOLLOUT : 0u), .data.ptr = stream};
  if (stream->waits_out == waits_out) return;
  stream->waits_out = waits_out;
  epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, stream->fd, &event);
}

/* Bytes that the socket took; 0: none now; -1: it is broken. */
static ssize_t send_some(streams_t *s, stream_t *stream, const uint8_t *bytes, size_t cnt) {
  ssize_t sent = send(stream->fd, bytes, cnt, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  s->counts.bytes += (uint64_t)sent;
  return sent;
}

/* Encrypts what waits as far as there is room, and sends. 1: all is out; 0: not now; -1: broken. */
static int pump_tls(streams_t *s, stream_t *stream) {
  tf_tls_t *tls = &stream->tls->tls;
  size_t    cnt = 0, out;
  if (tls->state == TF_TLS_OPEN) {
    const uint8_t *bytes = tf_sink_client_tx(s->clients, stream->client, &cnt, s->now_ns);
    size_t         room  = tf_tls_write_room(tls);
    if (cnt > room) cnt = room;
    if (cnt > 0 && tf_tls_write(tls, bytes, cnt) != TF_OK) return -1;
    tf_sink_client_sent(stream->client, cnt, s->now_ns);
  }
  const uint8_t *cipher = tf_tls_tx(tls, &out);
  if (out == 0) return 1;
  ssize_t sent = send_some(s, stream, cipher, out);
  if (sent < 0) return -1;
  tf_tls_tx_sent(tls, (size_t)sent);
  return (size_t)sent == out && cnt > 0 ? 2 : (size_t)sent == out;
}

/* 2: all that was there is out, and there may be more. */
static int pump_plain(streams_t *s, stream_t *stream) {
  size_t         cnt;
  const uint8_t *bytes = tf_sink_client_tx(s->clients, stream->client, &cnt, s->now_ns);
  if (cnt == 0) return 1;
  ssize_t sent = send_some(s, stream, bytes, cnt);
  if (sent < 0) return -1;
  tf_sink_client_sent(stream->client, (size_t)sent, s->now_ns);
  return (size_t)sent == cnt ? 2 : 0;
}

static void pump(streams_t *s, stream_t *stream) {
  int state = 2;
  for (int i = 0; i < MESSAGES_CNT_MAX && state == 2; i++)
    state = stream->tls ? pump_tls(s, stream) : pump_plain(s, stream);
  bool over = tf_sink_client_over(s->clients, stream->client, s->now_ns);
  if (state < 0 ||
      (over && (state > 0 || s->now_ns - stream->client->began_ns >= TF_SINK_CLIENT_END_NS_MAX)))
    end_stream(s, stream);
  else
    watch(s, stream, state == 0);
}

static void pump_all(streams_t *s) {
  for (uint32_t i = 0; i < s->stream_cnt; i++)
    if (s->streams[i].fd >= 0) pump(s, &s->streams[i]);
}

/* ---- what clients say ---- */

/* False: the TLS stream ended or failed. */
static bool read_tls(streams_t *s, stream_t *stream, const uint8_t *bytes, size_t cnt) {
  tf_tls_t *tls = &stream->tls->tls;
  uint8_t   plain[RX_BYTES];
  int       got;
  tf_tls_feed(tls, bytes, cnt);
  while ((got = tf_tls_read(tls, plain, sizeof plain)) > 0)
    tf_sink_client_said(s->clients, stream->client, plain, (size_t)got, s->now_ns);
  if (got < 0) {
    size_t         out;
    const uint8_t *alert = tf_tls_tx(tls, &out);
    tf_sink_client_let_go(s->clients, stream->client, TF_FRAME_REASON_PROTOCOL,
                          "no TLS handshake that this listener knows", s->now_ns);
    send_some(s, stream, alert, out);
    return false;
  }
  return tls->state != TF_TLS_CLOSED;
}

static void read_stream(streams_t *s, stream_t *stream) {
  uint8_t bytes[RX_BYTES];
  ssize_t got = recv(stream->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  bool goes_on = got > 0;
  if (goes_on && stream->tls)
    goes_on = read_tls(s, stream, bytes, (size_t)got);
  else if (goes_on)
    tf_sink_client_said(s->clients, stream->client, bytes, (size_t)got, s->now_ns);
  if (!goes_on) end_stream(s, stream);
}

/* ---- coming ---- */

static bool is_our_user(int fd) {
  struct ucred peer;
  socklen_t    bytes = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

static void turn_away(streams_t *s, int fd) {
  uint8_t end[TF_FRAME_OUT_BYTES_MAX];
  size_t  cnt = tf_clients_full(s->clients, end);
  /* A TLS listener has nothing to say before a handshake. */
  if (!s->is_tls && send(fd, end, cnt, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) shutdown(fd, SHUT_WR);
  close(fd);
}

static bool begin_tls(streams_t *s, stream_t *stream) {
  return !stream->tls || tf_tls_init(&stream->tls->tls, &s->tls_ctx, NULL, stream->tls->tx,
                                     sizeof stream->tls->tx) == TF_OK;
}

static void take(streams_t *s, int fd) {
  char peer[TF_SINK_CLIENT_PEER_BYTES];
  int  one = 1, bytes = TF_SINK_CLIENT_SOCKET_BYTES;
  tf_listener_peer(fd, peer, sizeof peer);
  tf_sink_client_t *client = tf_clients_admit(s->clients, peer, false, s->now_ns);
  if (!client) {
    turn_away(s, fd);
    return;
  }
  stream_t *stream = s->streams;
  while (stream->fd >= 0) stream++; /* as many as there are clients */
  if (s->is_tcp) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  stream->fd               = fd;
  stream->client           = client;
  stream->waits_out        = false;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = stream};
  if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 || !begin_tls(s, stream)) {
    s->counts.errors++;
    end_stream(s, stream);
  } else if (s->checks_user && !is_our_user(fd)) {
    tf_sink_client_let_go(s->clients, client, TF_FRAME_REASON_USER,
                          "this socket is for processes of the engine's user", s->now_ns);
  }
}

static void accept_some(streams_t *s) {
  uint64_t before = s->listener.turned_away;
  for (int i = 0; i < ACCEPT_CNT_MAX; i++) {
    int fd = tf_listener_accept(&s->listener);
    if (fd < 0) break;
    take(s, fd);
  }
  s->counts.clients_refused += s->listener.turned_away - before;
}

/* ---- the outlet ---- */

static void wait_for(const streams_t *s, uint64_t wait_ns) {
  struct pollfd   ready = {.fd = s->epoll_fd, .events = POLLIN};
  struct timespec span  = {.tv_sec  = (time_t)(wait_ns / TF_NS_PER_SEC),
                           .tv_nsec = (long)(wait_ns % TF_NS_PER_SEC)};
  if (wait_ns > 0) ppoll(&ready, 1, &span, NULL);
}

static void serve_events(streams_t *s) {
  struct epoll_event events[EVENT_CNT_MAX];
  int                cnt = epoll_wait(s->epoll_fd, events, EVENT_CNT_MAX, 0);
  for (int i = 0; i < cnt; i++) {
    stream_t *stream = events[i].data.ptr;
    if (!stream)
      accept_some(s);
    else if (stream->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
      read_stream(s, stream);
  }
}

void tf_streams_poll(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  streams_t *s      = state;
  uint64_t   before = s->counts.bytes;
  s->now_ns         = now_ns;
  pump_all(s);
  wait_for(s, tf_clients_have_more(s->clients) ? 0 : wait_ns);
  serve_events(s);
  pump_all(s);
  *view = (tf_outlet_view_t){.phase      = TF_OUTLET_READY,
                             .connection = 1,
                             .acked_seq  = s->last_seq,
                             .goes_on =
                                 s->counts.bytes != before && tf_clients_have_unsent(s->clients)};
}

uint32_t tf_streams_send(void *state, const tf_out_t *outs, uint32_t n) {
  streams_t *s     = state;
  uint32_t   taken = tf_clients_publish(s->clients, outs, n, s->now_ns);
  if (taken > 0) s->last_seq = outs[taken - 1].seq;
  pump_all(s);
  return taken;
}

void tf_streams_flush(void *state, uint64_t now_ns) {
  streams_t *s = state;
  s->now_ns    = now_ns;
}

const tf_outlet_counts_t *tf_streams_counts(const void *state) {
  return &((const streams_t *)state)->counts;
}

const tf_listener_t *tf_streams_listener(const void *state) {
  return &((const streams_t *)state)->listener;
}

tf_clients_t *tf_streams_clients(void *state) { return ((streams_t *)state)->clients; }

/* ---- lifetime ---- */

static bool wants_tls(const tf_sink_config_t *config) { return config->cert_file != NULL; }

static uint32_t stream_cnt(const tf_sink_config_t *config) {
  return config->clients_max ? config->clients_max : TF_CLIENTS_DEFAULT;
}

size_t tf_streams_bytes(const tf_sink_config_t *config) {
  size_t clients = tf_clients_bytes(config), one = sizeof(stream_t);
  if (clients == 0) return 0;
  if (wants_tls(config)) one += tf_align_up(sizeof(tls_part_t), TF_LINE_PAIR_BYTES);
  return tf_align_up(sizeof(streams_t), TF_LINE_PAIR_BYTES) + clients +
         tf_align_up(one * stream_cnt(config), TF_LINE_PAIR_BYTES) + TF_LINE_PAIR_BYTES;
}

static void lay_out(streams_t *s, uint8_t *memory, const tf_sink_config_t *config) {
  s->stream_cnt = stream_cnt(config);
  s->streams    = (stream_t *)(void *)memory;
  memory += tf_align_up(sizeof(stream_t) * s->stream_cnt, TF_LINE_PAIR_BYTES);
  for (uint32_t i = 0; i < s->stream_cnt; i++) {
    s->streams[i] = (stream_t){.fd = -1};
    if (!s->is_tls) continue;
    s->streams[i].tls = (tls_part_t *)(void *)memory;
    memset(&s->streams[i].tls->tls, 0, sizeof s->streams[i].tls->tls);
    memory += tf_align_up(sizeof(tls_part_t), TF_LINE_PAIR_BYTES);
  }
}

static tf_err_t open_tls(streams_t *s, const tf_sink_config_t *config) {
  if (!config->cert_file != !config->tls_key_file)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: cert_file and tls_key_file belong together: %s is missing",
                  config->name, config->cert_file ? "tls_key_file" : "cert_file");
  if (!s->is_tls) return TF_OK;
  tf_err_t err = tf_tls_ctx_init_server(&s->tls_ctx, config->cert_file, config->tls_key_file);
  return err ? tf_error_add(err, "opening sink %s", config->name) : TF_OK;
}

static tf_err_t open_epoll(streams_t *s, const tf_sink_config_t *config) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  s->epoll_fd              = epoll_create1(EPOLL_CLOEXEC);
  if (s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listener.fd, &event) != 0)
    return TF_ERR(E_SINK_IO, "sink %s: epoll: %s", config->name, strerror(errno));
  return TF_OK;
}

static void release(streams_t *s) {
  tf_listener_close(&s->listener);
  if (s->epoll_fd >= 0) close(s->epoll_fd);
  tf_tls_ctx_fini(&s->tls_ctx);
  if (s->clients) tf_clients_fini(s->clients);
}

tf_err_t tf_streams_open(void *state, const tf_sink_config_t *config, const tf_listener_t *listener,
                         bool checks_user) {
  streams_t *s    = state;
  *s              = (streams_t){.listener    = *listener,
                                .checks_user = checks_user,
                                .is_tls      = wants_tls(config),
                                .is_tcp      = listener->port != 0,
                                .epoll_fd    = -1,
                                .now_ns      = tf_clock_monotonic_ns()};
  uint8_t *memory = (uint8_t *)state + tf_align_up(sizeof *s, TF_LINE_PAIR_BYTES);
  tf_err_t err    = tf_clients_init(&s->clients, memory, config, &s->counts);
  if (!err) lay_out(s, memory + tf_clients_bytes(config), config);
  if (!err) err = open_tls(s, config);
  if (!err) err = open_epoll(s, config);
  if (err) release(s);
  return err;
}

/* Clients get what is queued for them and their END, as far as they take it in time. */
void tf_streams_close(void *state) {
  streams_t *s      = state;
  uint64_t   due_ns = tf_clock_monotonic_ns() + s->clients->config.drain_ns_max;
  tf_clients_stop(s->clients, s->now_ns);
  while ((s->now_ns = tf_clock_monotonic_ns()) < due_ns && s->counts.clients > 0) {
    pump_all(s);
    wait_for(s, tf_clients_have_more(s->clients) ? 0 : TF_NS_PER_MS);
    serve_events(s);
  }
  for (uint32_t i = 0; i < s->stream_cnt; i++)
    if (s->streams[i].fd >= 0) end_stream(s, &s->streams[i]);
  release(s);
}
