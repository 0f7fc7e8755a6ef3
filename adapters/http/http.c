#include "http/http.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/listener.h"
#include "core/log.h"
#include "http/guard.h"
#include "http/page.h"
#include "http/prometheus.h"

TF_STATIC_ASSERT(TF_REPLY_PRE_BYTES >= LWS_PRE, "libwebsockets may write this far before the body");

#define WRITE_BYTES_MAX 16384 /* a call, so that one reader does not hold the thread */
#define LISTEN_BACKLOG  64

struct tf_http {
  tf_http_config_t     config;
  tf_prometheus_info_t info;
  struct lws_context  *context;
  struct lws_vhost    *vhost;
  pthread_t            thread;
  tf_listener_t        listener;
  bool                 adopted;        /* its socket is libwebsockets' to close */
  uint32_t             stopping;       /* written by tf_http_stop */
  uint32_t             connection_cnt; /* HTTP thread only */
};

/* One connection. */
typedef struct session {
  tf_reply_t reply;
  size_t     sent_cnt;
} session_t;

/* ---- requests ---- */

/* 0, or the status of the refusal with its text. */
static int refusal(const tf_http_t *http, struct lws *wsi, const char **text) {
  char host[TF_HTTP_HOST_BYTES] = "";
  int  uri_cnt =
      lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) + lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI);
  bool has_body = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
                  lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
  if (uri_cnt == 0) {
    *text = "only GET and HEAD are served here";
    return 405;
  }
  if (has_body || lws_hdr_copy(wsi, host, sizeof host, WSI_TOKEN_HOST) <= 0) {
    *text = has_body ? "a request here has no body" : "a Host header is needed";
    return 400;
  }
  if (!http->listener.loopback || tf_http_guard_is_loopback(host)) return 0;
  *text = "this listener is on loopback and answers to localhost only";
  return 421;
}

static void make_reply(tf_http_t *http, struct lws *wsi, const char *path, tf_reply_t *reply) {
  const char *text                         = "";
  char        reason[TF_HTTP_REASON_BYTES] = "";
  int         status                       = refusal(http, wsi, &text);
  if (status) {
    tf_page_error(status, text, reply);
  } else if (strcmp(path, "/metrics") == 0) {
    tf_reply_init(reply, 200, TF_PROMETHEUS_TYPE);
    tf_prometheus_write(http->config.metrics, &http->info, reply);
  } else if (strcmp(path, "/healthz") == 0) {
    bool healthy = !http->config.healthy || http->config.healthy(http->config.self, reason);
    reason[sizeof reason - 1] = '\0';
    tf_page_health(http->config.metrics, healthy, reason, reply);
  } else if (strcmp(path, "/") == 0) {
    tf_page_start(http->config.metrics, http->config.version, reply);
  } else {
    tf_page_error(404, "not here; there are /metrics, /healthz and /", reply);
  }
  if (reply->failed) {
    tf_reply_fini(reply);
    tf_page_error(500, "the reply did not fit into memory", reply);
  }
}

static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **p,
                      unsigned char *end) {
  return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                     (int)strlen(value), p, end);
}

static int write_headers(struct lws *wsi, const tf_reply_t *reply) {
  unsigned char  buf[LWS_PRE + 1024], *begin = buf + LWS_PRE, *p = begin;
  unsigned char *end = buf + sizeof buf - 1;
  if (lws_add_http_common_headers(wsi, (unsigned)reply->status, reply->type, reply->body_cnt, &p,
                                  end) ||
      add_header(wsi, "connection:", "close", &p, end) ||
      add_header(wsi, "cache-control:", "no-store", &p, end) ||
      add_header(wsi, "x-content-type-options:", "nosniff", &p, end) ||
      add_header(wsi, "referrer-policy:", "no-referrer", &p, end) ||
      add_header(wsi, "content-security-policy:", "default-src 'none'; frame-ancestors 'none'", &p,
                 end) ||
      (reply->status == 405 && add_header(wsi, "allow:", "GET, HEAD", &p, end)))
    return -1;
  return lws_finalize_write_http_header(wsi, begin, &p, end);
}

static int on_request(tf_http_t *http, struct lws *wsi, session_t *session, const char *path,
                      size_t path_cnt) {
  if (strnlen(path, path_cnt) != path_cnt) path = ""; /* %00 in it: no page's name */
  make_reply(http, wsi, path, &session->reply);
  bool is_head = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
  lws_set_timer_usecs(wsi, (lws_usec_t)(TF_HTTP_REPLY_NS_MAX / TF_NS_PER_US));
  if (write_headers(wsi, &session->reply) != 0 || is_head) return -1;
  lws_callback_on_writable(wsi);
  return 0;
}

/* Returns -1, which closes the connection in order, once everything is handed over. */
static int on_writable(struct lws *wsi, session_t *session) {
  const tf_reply_t *reply = &session->reply;
  size_t            left  = reply->body_cnt - session->sent_cnt;
  size_t            cnt   = left < WRITE_BYTES_MAX ? left : WRITE_BYTES_MAX;
  if (!reply->type || left == 0) return -1;
  int n = lws_write(wsi, (unsigned char *)tf_reply_body(reply) + session->sent_cnt, cnt,
                    cnt == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
  if (n < (int)cnt) return -1;
  session->sent_cnt += cnt;
  if (session->sent_cnt == reply->body_cnt) return -1;
  lws_callback_on_writable(wsi);
  return 0;
}

/* ---- connections ---- */

static void on_listen_ready(tf_http_t *http) {
  int fd = tf_listener_accept(&http->listener);
  if (fd < 0) return; /* gone already, or turned away */
  if (http->connection_cnt >= TF_HTTP_CONNECTIONS_MAX) {
    close(fd);
    return;
  }
  struct lws *wsi = lws_adopt_socket_vhost(http->vhost, fd);
  if (!wsi) return;                    /* fd is closed by the failed adoption */
  lws_set_opaque_user_data(wsi, http); /* tells the counted connections from the listener */
  http->connection_cnt++;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t in_cnt) {
  tf_http_t *http    = lws_context_user(lws_get_context(wsi));
  session_t *session = user;
  switch (reason) {
  case LWS_CALLBACK_RAW_RX_FILE: on_listen_ready(http); return 0;
  case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return -1; /* neither websocket nor h2c is served */
  case LWS_CALLBACK_HTTP: return on_request(http, wsi, session, in, in_cnt);
  case LWS_CALLBACK_HTTP_WRITEABLE: return on_writable(wsi, session);
  case LWS_CALLBACK_TIMER: return -1; /* too slow */
  case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
  case LWS_CALLBACK_CLOSED_HTTP:
    if (session) tf_reply_fini(&session->reply);
    return 0;
  case LWS_CALLBACK_WSI_DESTROY:
    if (lws_get_opaque_user_data(wsi) == http) http->connection_cnt--;
    return 0;
  default: return 0;
  }
}

/* ---- start and stop ---- */

static tf_err_t open_context(tf_http_t *http) {
  static const struct lws_protocols protocols[] = {
      {"http", on_event, sizeof(session_t), 0, 0, NULL, 0},
      {NULL,   NULL,     0,                 0, 0, NULL, 0}
  };
  struct lws_context_creation_info info = {
      .port                  = CONTEXT_PORT_NO_LISTEN_SERVER,
      .protocols             = protocols,
      .gid                   = (gid_t)-1,
      .uid                   = (uid_t)-1,
      .options               = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
      .user                  = http,
      .max_http_header_data2 = TF_HTTP_HEADER_BYTES_MAX,
      .max_http_header_pool2 = TF_HTTP_CONNECTIONS_MAX,
      .timeout_secs          = (unsigned)(TF_HTTP_REPLY_NS_MAX / TF_NS_PER_SEC),
      .timeout_secs_ah_idle  = (unsigned)(TF_HTTP_HEADER_NS_MAX / TF_NS_PER_SEC),
      .keepalive_timeout     = (int)(TF_HTTP_HEADER_NS_MAX / TF_NS_PER_SEC),
      .fd_limit_per_thread   = TF_HTTP_CONNECTIONS_MAX + 16,
  };
  tf_http_guard_log();
  http->context = lws_create_context(&info);
  if (!http->context) return TF_ERR(E_CORE_NO_MEMORY, "the HTTP listener's context cannot be made");
  http->vhost = lws_create_vhost(http->context, &info);
  if (!http->vhost) return TF_ERR(E_CORE_NO_MEMORY, "the HTTP listener's host cannot be made");
  lws_sock_file_fd_type fd;
  memset(&fd, 0, sizeof fd);
  fd.filefd     = http->listener.fd;
  http->adopted = true; /* a failed adoption closes it too */
  if (!lws_adopt_descriptor_vhost(http->vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "http", NULL))
    return TF_ERR(E_CORE_NO_MEMORY, "the HTTP listener's socket cannot be watched");
  return TF_OK;
}

static void *run(void *self) {
  tf_http_t *http = self;
  tf_cpu_pin(-1, "tf-http");
  /* pairs with: tf_http_stop */
  while (!tf_load_acquire_u32(&http->stopping) && lws_service(http->context, 0) >= 0) {
  }
  return NULL;
}

static tf_err_t start_thread(tf_http_t *http) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
  int err = pthread_create(&http->thread, NULL, run, http);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return err ? TF_ERR(E_CORE_THREAD, "the HTTP thread: %s", strerror(err)) : TF_OK;
}

static void release(tf_http_t *http) {
  if (http->context) lws_context_destroy(http->context);
  if (http->adopted) http->listener.fd = -1;
  tf_listener_close(&http->listener);
  free(http);
}

tf_err_t tf_http_start(const tf_http_config_t *config, tf_http_t **started) {
  *started        = NULL;
  tf_http_t *http = calloc(1, sizeof *http);
  if (!http) return TF_ERR(E_CORE_NO_MEMORY, "no memory for the HTTP listener");
  http->config          = *config;
  http->info            = (tf_prometheus_info_t){.version     = config->version,
                                                 .commit      = config->commit,
                                                 .config_hash = config->config_hash,
                                                 .start_ns    = tf_clock_wall_ns()};
  tf_listener_use_t use = {.code = E_HTTP_LISTEN, .what = "http.listen", .backlog = LISTEN_BACKLOG};
  tf_err_t          err = tf_listener_tcp(&http->listener, &use, config->host, config->port);
  if (!err) err = open_context(http);
  if (!err) err = start_thread(http);
  if (err) {
    release(http);
    return err;
  }
  if (!http->listener.loopback)
    tf_log(TF_LOG_WARN, "http_exposed",
           "address=%s port=%u remedy=\"no authentication: bind to "
           "127.0.0.1, or put a proxy in front\"",
           config->host, http->listener.port);
  *started = http;
  return TF_OK;
}

void tf_http_stop(tf_http_t *http) {
  if (!http) return;
  tf_store_release_u32(&http->stopping, 1); /* pairs with: run */
  lws_cancel_service(http->context);
  pthread_join(http->thread, NULL);
  release(http);
}

uint16_t tf_http_port(const tf_http_t *http) { return http->listener.port; }
