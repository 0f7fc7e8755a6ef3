/* The websocket sink: records to whoever speaks RFC 6455, in the frames of tf/frame.h, one a message: binary,
 * or text with `format: json`, then a record each. libwebsockets does the protocol, and its service loop
 * runs on the egress thread. url: ws://HOST:PORT/PATH, or wss:// with cert_file and tls_key_file.
 *
 * Who: with token_file, whoever has the token, in the hello or as Authorization: Bearer; off loopback one is
 * demanded. A web page is let in only from the listener's own host, or, on loopback, from this machine
 * (Origin and Host are checked: other sites' pages, DNS rebinding). No compression, no subprotocol.
 *
 * libwebsockets allocates for each connection, on the egress thread, and ignores SIGPIPE for the process. */
#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/listener.h"
#include "core/log.h"
#include "http/guard.h"
#include "sink/clients.h"

#define BACKLOG_CNT         64
#define HEADER_BYTES_MAX    8192
#define CONNECTION_SPARE    16 /* that are not clients yet, beyond clients_max */
#define MESSAGES_CNT_MAX    64 /* of a client at once: so that none holds the thread */
#define RX_BYTES            4096
#define CLOSE_NAP_US        200
#define BEARER              "Bearer "
#define AUTHORIZATION_BYTES (sizeof BEARER + TF_FRAME_TOKEN_BYTES_MAX)

typedef struct websocket {
  struct lws_context  *context;
  struct lws_vhost    *vhost;
  tf_listener_t        listener;
  bool                 adopted; /* the listening socket is libwebsockets' to close */
  char                 host[TF_LISTENER_HOST_BYTES];
  const char          *path;
  tf_clients_t        *clients;
  tf_outlet_counts_t   counts;
  uint64_t             now_ns, last_seq;
  uint32_t             connection_cnt;
  uint8_t             *message;  /* LWS_PRE, then one message */
  struct lws         **sessions; /* clients_max: of those that are clients */
  struct lws_protocols protocols[2];
} websocket_t;

/* A connection that speaks websocket. */
typedef struct session {
  tf_sink_client_t *client; /* NULL: there was no place for it */
  uint32_t          slot;
} session_t;

/* ---- who may ---- */

/* Text of why not, and its HTTP status; NULL: it may. *token_shown: it has the right one. */
static const char *refusal(websocket_t *w, struct lws *wsi, unsigned *status,
                           tf_frame_reason_t *reason, bool *token_shown) {
  char host[TF_HTTP_HOST_BYTES] = "", origin[TF_HTTP_HOST_BYTES] = "", uri[256] = "";
  char authorization[AUTHORIZATION_BYTES + 1] = "";
  *status                                     = HTTP_STATUS_FORBIDDEN;
  *reason                                     = TF_FRAME_REASON_ORIGIN;
  if (lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) <= 0) return "a Host header is wanted";
  if (w->listener.loopback && !tf_http_guard_is_loopback(host))
    return "this listener is on loopback and answers to localhost only";
  if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0 &&
      (lws_hdr_copy(wsi, origin, sizeof origin, WSI_TOKEN_ORIGIN) <= 0 ||
       !tf_http_guard_origin(origin, host, w->listener.loopback)))
    return "a web page of another site";
  *status = HTTP_STATUS_NOT_FOUND;
  *reason = TF_FRAME_REASON_PROTOCOL;
  if (lws_hdr_copy(wsi, uri, sizeof uri, WSI_TOKEN_GET_URI) <= 0 || strcmp(uri, w->path) != 0)
    return "there is nothing at this path";
  int cnt = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);
  if (cnt <= 0) return NULL;
  *status = HTTP_STATUS_UNAUTHORIZED;
  *reason = TF_FRAME_REASON_TOKEN;
  if (lws_hdr_copy(wsi, authorization, sizeof authorization, WSI_TOKEN_HTTP_AUTHORIZATION) > 0 &&
      strncasecmp(authorization, BEARER, strlen(BEARER)) == 0)
    *token_shown = tf_clients_token_is(w->clients, authorization + strlen(BEARER),
                                       (size_t)cnt - strlen(BEARER));
  tf_secret_wipe(authorization, sizeof authorization);
  return *token_shown || !w->clients->wants_token ? NULL : "that is not the token";
}

static void peer_of(struct lws *wsi, char peer[TF_SINK_CLIENT_PEER_BYTES]) {
  tf_listener_peer(lws_get_socket_fd(wsi), peer, TF_SINK_CLIENT_PEER_BYTES);
}

/* lws_return_http_status would answer as HTTP/1.0 here, which clients do not take for an answer. */
static void answer(struct lws *wsi, unsigned status, const char *text) {
  uint8_t bytes[LWS_PRE + 256];
  int     cnt = snprintf((char *)bytes + LWS_PRE, sizeof bytes - LWS_PRE,
                         "HTTP/1.1 %u Refused\r\nconnection: close\r\ncontent-type: text/plain\r\n"
                             "content-length: %zu\r\n\r\n%s\n",
                         status, strlen(text) + 1, text);
  TF_ASSERT(cnt > 0 && (size_t)cnt < sizeof bytes - LWS_PRE);
  lws_write(wsi, bytes + LWS_PRE, (size_t)cnt, LWS_WRITE_HTTP_HEADERS);
}

/* 0: the upgrade may go on; -1: it was answered otherwise. */
static int on_upgrade(websocket_t *w, struct lws *wsi) {
  unsigned          status;
  tf_frame_reason_t reason;
  bool              shown = false;
  char              peer[TF_SINK_CLIENT_PEER_BYTES];
  const char       *text = refusal(w, wsi, &status, &reason, &shown);
  /* Seen again when the connection is one of websocket: lws keeps this for us meanwhile. */
  lws_set_opaque_user_data(wsi, shown ? (void *)w->clients : (void *)w);
  if (!text) return 0;
  peer_of(wsi, peer);
  tf_clients_refuse(w->clients, peer, reason, text, w->now_ns);
  answer(wsi, status, text);
  return -1;
}

/* ---- clients ---- */

static int on_established(websocket_t *w, struct lws *wsi, session_t *session) {
  char peer[TF_SINK_CLIENT_PEER_BYTES];
  bool shown = lws_get_opaque_user_data(wsi) == w->clients;
  peer_of(wsi, peer);
  *session        = (session_t){.slot = 0};
  session->client = tf_clients_admit(w->clients, peer, shown, w->now_ns);
  if (session->client) {
    while (w->sessions[session->slot]) session->slot++; /* as many as there are clients */
    w->sessions[session->slot] = wsi;
  }
  lws_callback_on_writable(wsi);
  return 0;
}

static void on_message(websocket_t *w, struct lws *wsi, session_t *session, const uint8_t *bytes,
                       size_t cnt) {
  bool json = w->clients->config.format == TF_FORMAT_JSON;
  if (!session->client) return;
  if ((bool)lws_frame_is_binary(wsi) == json) {
    tf_sink_client_let_go(
        w->clients, session->client, TF_FRAME_REASON_PROTOCOL,
        json ? "hello: a text message is wanted" : "hello: a binary message is wanted", w->now_ns);
    return;
  }
  tf_sink_client_said(w->clients, session->client, bytes, cnt, w->now_ns);
  bool whole = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
  if (json && whole && (cnt == 0 || bytes[cnt - 1] != '\n'))
    tf_sink_client_said(w->clients, session->client, (const uint8_t *)"\n", 1, w->now_ns);
}

/* False: the connection is broken. */
static bool write_message(websocket_t *w, struct lws *wsi, const uint8_t *bytes, size_t cnt) {
  bool   json = w->clients->config.format == TF_FORMAT_JSON;
  size_t bare = json && bytes[cnt - 1] == '\n' ? cnt - 1 : cnt; /* a message needs no line's end */
  memcpy(w->message + LWS_PRE, bytes, bare);
  w->counts.bytes += bare;
  return lws_write(wsi, w->message + LWS_PRE, bare, json ? LWS_WRITE_TEXT : LWS_WRITE_BINARY) >=
         (int)bare;
}

static int say_full(websocket_t *w, struct lws *wsi) {
  uint8_t end[TF_FRAME_OUT_BYTES_MAX];
  write_message(w, wsi, end, tf_clients_full(w->clients, end));
  lws_close_reason(wsi, LWS_CLOSE_STATUS_POLICY_VIOLATION, NULL, 0);
  return -1;
}

/* Returns -1 when the client's END is out: libwebsockets closes in order. */
static int on_writable(websocket_t *w, struct lws *wsi, session_t *session) {
  size_t cnt = 1;
  if (!session->client) return say_full(w, wsi);
  for (int i = 0; i < MESSAGES_CNT_MAX && !lws_send_pipe_choked(wsi); i++) {
    const uint8_t *bytes = tf_sink_client_tx(w->clients, session->client, &cnt, w->now_ns);
    if (cnt == 0) break;
    size_t one = tf_frame_out_message(w->clients->config.format, bytes, cnt);
    if (!write_message(w, wsi, bytes, one)) return -1;
    tf_sink_client_sent(session->client, one, w->now_ns);
  }
  if (tf_sink_client_over(w->clients, session->client, w->now_ns)) {
    bool stops = session->client->end_reason == TF_FRAME_REASON_CLOSED;
    lws_close_reason(wsi, stops ? LWS_CLOSE_STATUS_GOINGAWAY : LWS_CLOSE_STATUS_POLICY_VIOLATION,
                     NULL, 0);
    return -1;
  }
  if (cnt > 0) lws_callback_on_writable(wsi);
  return 0;
}

static void on_closed(websocket_t *w, session_t *session) {
  if (!session->client) return;
  w->sessions[session->slot] = NULL;
  tf_sink_client_left(w->clients, session->client);
  session->client = NULL;
}

/* Deadlines, and whoever has something to be sent. */
static void look_after_all(websocket_t *w) {
  for (uint32_t i = 0; i < w->clients->config.clients_max; i++) {
    struct lws *wsi = w->sessions[i];
    size_t      cnt;
    if (!wsi) continue;
    session_t *session = lws_wsi_user(wsi);
    tf_sink_client_tx(w->clients, session->client, &cnt, w->now_ns);
    bool over = tf_sink_client_over(w->clients, session->client, w->now_ns);
    if (over && cnt > 0)
      lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
    else if (over || cnt > 0)
      lws_callback_on_writable(wsi);
  }
}

/* ---- connections ---- */

static void on_listen_ready(websocket_t *w) {
  uint64_t before = w->listener.turned_away;
  int      fd     = tf_listener_accept(&w->listener);
  w->counts.clients_refused += w->listener.turned_away - before;
  if (fd < 0) return;
  if (w->connection_cnt >= w->clients->config.clients_max + CONNECTION_SPARE) {
    char peer[TF_SINK_CLIENT_PEER_BYTES];
    tf_listener_peer(fd, peer, sizeof peer);
    tf_clients_refuse(w->clients, peer, TF_FRAME_REASON_FULL, "too many connections", w->now_ns);
    close(fd);
    return;
  }
  int bytes = TF_SINK_CLIENT_SOCKET_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  struct lws *wsi = lws_adopt_socket_vhost(w->vhost, fd);
  if (!wsi) return;                 /* fd is closed by the failed adoption */
  lws_set_opaque_user_data(wsi, w); /* tells the counted connections from the listener */
  w->connection_cnt++;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t in_cnt) {
  websocket_t *w       = lws_context_user(lws_get_context(wsi));
  session_t   *session = user;
  switch (reason) {
  case LWS_CALLBACK_RAW_RX_FILE: on_listen_ready(w); return 0;
  case LWS_CALLBACK_HTTP: return -1; /* no pages here */
  case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    return strcasecmp(in, "websocket") == 0 ? on_upgrade(w, wsi) : -1;
  case LWS_CALLBACK_ESTABLISHED: return on_established(w, wsi, session);
  case LWS_CALLBACK_RECEIVE: on_message(w, wsi, session, in, in_cnt); return 0;
  case LWS_CALLBACK_SERVER_WRITEABLE: return on_writable(w, wsi, session);
  case LWS_CALLBACK_CLOSED: on_closed(w, session); return 0;
  case LWS_CALLBACK_WSI_DESTROY:
    if (lws_get_opaque_user_data(wsi)) w->connection_cnt--;
    return 0;
  default: return 0;
  }
}

/* ---- the outlet ---- */

/* True: something was sent and more is to be, so that this is to be called again at once. */
static bool serve(websocket_t *w) {
  uint64_t before = w->counts.bytes;
  look_after_all(w);
  lws_service(w->context, -1);
  return w->counts.bytes != before && tf_clients_have_unsent(w->clients);
}

static void poll_clients(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  websocket_t *w = state;
  (void)wait_ns; /* libwebsockets waits in whole milliseconds: the egress thread naps instead */
  w->now_ns    = now_ns;
  bool goes_on = serve(w);
  *view        = (tf_outlet_view_t){
             .phase = TF_OUTLET_READY, .connection = 1, .acked_seq = w->last_seq, .goes_on = goes_on};
}

static uint32_t send_records(void *state, const tf_out_t *outs, uint32_t n) {
  websocket_t *w     = state;
  uint32_t     taken = tf_clients_publish(w->clients, outs, n, w->now_ns);
  if (taken > 0) w->last_seq = outs[taken - 1].seq;
  return taken;
}

static void flush_clients(void *state, uint64_t now_ns) { ((websocket_t *)state)->now_ns = now_ns; }

static const tf_outlet_counts_t *counts_of(const void *state) {
  return &((const websocket_t *)state)->counts;
}

/* ---- lifetime ---- */

static uint32_t session_cnt(const tf_sink_config_t *config) {
  return config->clients_max ? config->clients_max : TF_CLIENTS_DEFAULT;
}

static size_t state_bytes(const tf_sink_config_t *config) {
  size_t clients = tf_clients_bytes(config);
  if (clients == 0) return 0;
  return tf_align_up(sizeof(websocket_t), TF_LINE_PAIR_BYTES) + clients +
         tf_align_up(LWS_PRE + tf_clients_tx_bytes(config), TF_LINE_PAIR_BYTES) +
         tf_align_up(sizeof(struct lws *) * session_cnt(config), TF_LINE_PAIR_BYTES);
}

static tf_err_t check(const tf_sink_config_t *config) {
  if (!config->url || config->path)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: a websocket sink has a url, ws://HOST:PORT/PATH, and no path",
                  config->name);
  if (!config->cert_file != !config->tls_key_file)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: cert_file and tls_key_file belong together: %s is missing",
                  config->name, config->cert_file ? "tls_key_file" : "cert_file");
  return TF_OK;
}

static tf_err_t listen_at(websocket_t *w, const tf_sink_config_t *config) {
  uint16_t          port;
  const char       *scheme = config->cert_file ? "wss" : "ws";
  tf_listener_use_t use    = {
         .code = E_SINK_CONFIG, .what = "websocket sink: url", .backlog = BACKLOG_CNT};
  tf_err_t err = tf_listener_url(&use, config->url, scheme, w->host, &port, &w->path);
  if (!err) err = tf_listener_tcp(&w->listener, &use, w->host, port);
  if (err) return err;
  if (!*w->path) w->path = "/";
  if (!w->listener.loopback && !config->token_file)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: url %s is not on loopback: token_file is wanted, or 127.0.0.1",
                  config->name, config->url);
  if (!w->listener.loopback && !config->cert_file)
    tf_log(
        TF_LOG_WARN, "sink_exposed",
        "sink=%s remedy=\"token and records cross the network in the clear: wss:// with cert_file "
        "and tls_key_file\"",
        config->name);
  return TF_OK;
}

static tf_err_t open_context(websocket_t *w, const tf_sink_config_t *config) {
  /* What goes out at once is a whole message: without tx_packet_size libwebsockets cuts it into pieces of rx_buffer_size,
   * one a pass of its service. */
  w->protocols[0]                              = (struct lws_protocols){.name                  = "tickfuse",
                                                                        .callback              = on_event,
                                                                        .per_session_data_size = sizeof(session_t),
                                                                        .rx_buffer_size        = RX_BYTES,
                                                                        .tx_packet_size        = tf_clients_tx_bytes(config)};
  uint32_t                         connections = session_cnt(config) + CONNECTION_SPARE;
  struct lws_context_creation_info info        = {
             .port                  = CONTEXT_PORT_NO_LISTEN_SERVER,
             .protocols             = w->protocols,
             .gid                   = (gid_t)-1,
             .uid                   = (uid_t)-1,
             .options               = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
             .user                  = w,
             .max_http_header_data2 = HEADER_BYTES_MAX,
             .max_http_header_pool2 = (unsigned short)connections,
             .timeout_secs          = (unsigned)(TF_SINK_CLIENT_HELLO_NS_MAX / TF_NS_PER_SEC),
             .timeout_secs_ah_idle  = (unsigned)(TF_SINK_CLIENT_HELLO_NS_MAX / TF_NS_PER_SEC),
             .keepalive_timeout     = (int)(TF_SINK_CLIENT_HELLO_NS_MAX / TF_NS_PER_SEC),
             .fd_limit_per_thread   = connections + 16,
  };
  if (config->cert_file) {
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.ssl_cert_filepath        = config->cert_file;
    info.ssl_private_key_filepath = config->tls_key_file;
    info.ssl_options_set          = (long)(SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1);
  }
  tf_http_guard_log();
  w->context = lws_create_context(&info);
  if (w->context) w->vhost = lws_create_vhost(w->context, &info);
  if (!w->vhost)
    return TF_ERR(E_SINK_CONFIG, "sink %s: libwebsockets does not start%s%s", config->name,
                  config->cert_file ? ": see its log line; cert_file is " : "",
                  config->cert_file ? config->cert_file : "");
  lws_sock_file_fd_type fd;
  memset(&fd, 0, sizeof fd);
  fd.filefd  = w->listener.fd;
  w->adopted = true; /* a failed adoption closes it too */
  if (!lws_adopt_descriptor_vhost(w->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "tickfuse", NULL))
    return TF_ERR(E_CORE_NO_MEMORY, "sink %s: its socket cannot be watched", config->name);
  return TF_OK;
}

static void release(websocket_t *w) {
  if (w->context) lws_context_destroy(w->context);
  if (w->adopted) w->listener.fd = -1;
  tf_listener_close(&w->listener);
  if (w->clients) tf_clients_fini(w->clients);
}

static tf_err_t open_websocket(void *state, const tf_sink_config_t *config) {
  websocket_t *w  = state;
  uint8_t     *at = (uint8_t *)state + tf_align_up(sizeof *w, TF_LINE_PAIR_BYTES);
  *w              = (websocket_t){
                   .now_ns = tf_clock_monotonic_ns(), .listener = {-1, -1, .folder_fd = -1}
  };
  tf_err_t err = check(config);
  if (!err) err = tf_clients_init(&w->clients, at, config, &w->counts);
  if (!err) {
    w->message = at + tf_clients_bytes(config);
    w->sessions =
        (struct lws **)(void *)(w->message + tf_align_up(LWS_PRE + tf_clients_tx_bytes(config),
                                                         TF_LINE_PAIR_BYTES));
    memset(w->sessions, 0, sizeof *w->sessions * session_cnt(config));
    err = listen_at(w, config);
  }
  if (!err) err = open_context(w, config);
  if (err) {
    release(w);
    return err;
  }
  bool v6 = strchr(w->host, ':') != NULL;
  tf_log(TF_LOG_NOTICE, "sink_listening", "sink=%s url=%s://%s%s%s:%u%s", config->name,
         config->cert_file ? "wss" : "ws", v6 ? "[" : "", w->host, v6 ? "]" : "", w->listener.port,
         w->path);
  return TF_OK;
}

/* Clients get what is queued for them and their END, as far as they take it in time. */
static void close_websocket(void *state) {
  websocket_t *w      = state;
  uint64_t     due_ns = tf_clock_monotonic_ns() + w->clients->config.drain_ns_max;
  tf_clients_stop(w->clients, w->now_ns);
  while (w->counts.clients > 0 && (w->now_ns = tf_clock_monotonic_ns()) < due_ns)
    if (!serve(w)) usleep(CLOSE_NAP_US);
  release(w);
}

static const tf_outlet_t outlet = {.state_bytes = state_bytes,
                                   .open        = open_websocket,
                                   .poll        = poll_clients,
                                   .send        = send_records,
                                   .flush       = flush_clients,
                                   .counts      = counts_of,
                                   .close       = close_websocket,
                                   .has_clients = true};

TF_EGRESS_SINK(websocket, "whoever speaks websocket (tf/frame.h), plain or TLS", outlet,
               TF_SINK_CLIENT_POLICIES, TF_SINK_CLIENT_POLICY, (1u << TF_CARRIES_CNT) - 1,
               "url clients client_slots history token_file cert_file tls_key_file batch", NULL);
