#include "serve/kserve_conn.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

#define RX_BYTES 16384

tf_err_t tf_kserve_conn_init(tf_kserve_conn_t *c, const tf_kserve_server_t *server, size_t tx_cap) {
  memset(c, 0, sizeof *c);
  c->server          = server;
  c->fd              = -1;
  c->attempts.won_fd = -1;
  c->tx_cap          = tx_cap;
  c->tx              = malloc(tx_cap);
  c->body_bytes      = malloc(TF_KSERVE_BODY_BYTES_MAX + TF_BYTES_PAD);
  c->tls_tx          = server->tls_ctx ? malloc(TF_TLS_TX_BYTES_MIN + tx_cap * 2) : NULL;
  if (c->tx && c->body_bytes && (c->tls_tx || !server->tls_ctx)) return TF_OK;
  tf_kserve_conn_fini(c);
  return TF_ERR(E_CORE_NO_MEMORY, "a connection to %s", server->host);
}

static void hang_up(tf_kserve_conn_t *c) {
  tf_resolver_end(c->resolve);
  c->resolve = NULL;
  tf_attempts_end(&c->attempts);
  if (c->server && c->server->tls_ctx) tf_tls_fini(&c->tls);
  memset(&c->tls, 0, sizeof c->tls);
  if (c->fd >= 0) close(c->fd);
  c->fd    = -1;
  c->phase = TF_KSERVE_DOWN;
}

void tf_kserve_conn_fini(tf_kserve_conn_t *c) {
  if (!c->server) return;
  hang_up(c);
  free(c->tx);
  free(c->body_bytes);
  free(c->tls_tx);
  memset(c, 0, sizeof *c);
}

/* ---- ends of an exchange ---- */

static bool over(tf_kserve_conn_t *c, tf_runtime_miss_t miss) {
  c->is_busy = false;
  c->miss    = miss;
  if (miss != TF_RUNTIME_ANSWERED) hang_up(c);
  return true;
}

/* With the text of the error record. */
static bool failed(tf_kserve_conn_t *c, tf_runtime_miss_t miss) {
  snprintf(c->text, sizeof c->text, "%s", tf_error_text());
  return over(c, miss);
}

static bool connect_now(tf_kserve_conn_t *c);

/* The connection ended under the request. */
static bool cut(tf_kserve_conn_t *c, const char *why) {
  bool may_retry = c->is_busy && !c->is_fresh && !c->is_retry && c->rx_cnt == 0;
  hang_up(c);
  if (!c->is_busy) return false; /* an idle one: the next request makes another */
  if (may_retry) {
    c->is_retry = true;
    return connect_now(c);
  }
  snprintf(c->text, sizeof c->text, "%s:%s ended the connection %s: %s", c->server->host,
           c->server->port, c->rx_cnt ? "in the middle of its answer" : "before its answer", why);
  return over(c, TF_RUNTIME_MISS_CLOSED);
}

/* ---- the request ---- */

static bool flush(tf_kserve_conn_t *c) {
  const bool is_tls = c->server->tls_ctx != NULL;
  for (;;) {
    size_t         cnt   = c->is_busy ? c->tx_cnt - c->tx_at : 0;
    const uint8_t *bytes = (const uint8_t *)c->tx + c->tx_at;
    if (is_tls) bytes = tf_tls_tx(&c->tls, &cnt);
    if (cnt == 0) return true;
    ssize_t sent = send(c->fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN;
    if (is_tls)
      tf_tls_tx_sent(&c->tls, (size_t)sent);
    else
      c->tx_at += (size_t)sent;
  }
}

static bool wants_write(const tf_kserve_conn_t *c) {
  size_t cnt = c->is_busy ? c->tx_cnt - c->tx_at : 0;
  if (c->server->tls_ctx) (void)tf_tls_tx(&c->tls, &cnt);
  return cnt > 0;
}

/* There is a connection: out with it. */
static bool begin_exchange(tf_kserve_conn_t *c) {
  c->phase       = TF_KSERVE_UP;
  c->tx_at       = 0;
  c->rx_cnt      = 0;
  c->has_head    = false;
  c->interim_cnt = 0;
  tf_http_head_init(&c->head, TF_HTTP_RESPONSE);
  if (c->server->tls_ctx && c->is_busy) {
    if (tf_tls_write(&c->tls, c->tx, c->tx_cnt) != TF_OK) return failed(c, TF_RUNTIME_MISS_CONNECT);
    c->tx_at = c->tx_cnt;
  }
  return flush(c) ? false : cut(c, strerror(errno));
}

/* ---- connecting ---- */

static bool connected(tf_kserve_conn_t *c) {
  c->fd              = c->attempts.won_fd;
  c->attempts.won_fd = -1;
  c->is_fresh        = true;
  if (!c->server->tls_ctx) return begin_exchange(c);
  c->phase = TF_KSERVE_HANDSHAKE;
  if (tf_tls_init(&c->tls, c->server->tls_ctx, c->server->host, c->tls_tx,
                  TF_TLS_TX_BYTES_MIN + c->tx_cap * 2) != TF_OK)
    return failed(c, TF_RUNTIME_MISS_CONNECT);
  return flush(c) ? false : cut(c, strerror(errno));
}

static bool raced(tf_kserve_conn_t *c, tf_attempts_step_t step) {
  if (step == TF_ATTEMPTS_ON) return false;
  if (step == TF_ATTEMPTS_WON) return connected(c);
  TF_ERR(E_FEED_CONNECT, "%s:%s cannot be reached over %u addresses: %s%s", c->server->host,
         c->server->port, c->attempts.address_cnt, c->attempts.what,
         strerror(c->attempts.last_errno));
  return failed(c, TF_RUNTIME_MISS_CONNECT);
}

static bool connect_now(tf_kserve_conn_t *c) {
  memset(&c->attempts, 0, sizeof c->attempts);
  c->attempts.won_fd = -1;
  c->phase           = TF_KSERVE_RESOLVING;
  c->resolve =
      tf_resolver_begin(tf_resolver_system, c->server->host, c->server->port, c->server->wake_fd);
  return c->resolve ? false : failed(c, TF_RUNTIME_MISS_CONNECT);
}

static bool resolved(tf_kserve_conn_t *c, uint64_t now_ns) {
  const tf_address_t none = {0};
  int                eai  = 0;
  if (!tf_resolver_poll(c->resolve, &eai, c->attempts.addresses, &c->attempts.address_cnt))
    return false;
  tf_resolver_end(c->resolve);
  c->resolve = NULL;
  if (eai) {
    TF_ERR(E_FEED_DNS, "%s does not resolve: %s", c->server->host, gai_strerror(eai));
    return failed(c, TF_RUNTIME_MISS_CONNECT);
  }
  c->attempts.address_cnt =
      tf_addresses_order(c->attempts.addresses, c->attempts.address_cnt, AF_UNSPEC, &none);
  c->phase = TF_KSERVE_CONNECTING;
  return raced(c, tf_attempts_start(&c->attempts, NULL, TF_KSERVE_CONNECT_NS, now_ns));
}

bool tf_kserve_conn_send(tf_kserve_conn_t *c, const char *method, uint64_t now_ns) {
  (void)now_ns;
  c->method   = method;
  c->is_busy  = true;
  c->is_retry = false;
  c->rx_cnt   = 0;
  c->text[0]  = '\0';
  return c->phase == TF_KSERVE_UP ? begin_exchange(c) : connect_now(c);
}

void tf_kserve_conn_drop(tf_kserve_conn_t *c) {
  c->is_busy = false;
  hang_up(c);
}

/* ---- the answer ---- */

static bool complete(tf_kserve_conn_t *c) {
  bool stays  = tf_http_head_keep_alive(&c->head);
  c->is_fresh = false;
  (void)over(c, TF_RUNTIME_ANSWERED);
  if (!stays) hang_up(c);
  return true;
}

/* Of a body that is refused: for its size, or for what it is (wire/http_body.c has the words). */
static bool refused(tf_kserve_conn_t *c) {
  bool is_large = strstr(tf_error_text(), "over the limit") != NULL;
  return failed(c, is_large ? TF_RUNTIME_MISS_LIMIT : TF_RUNTIME_MISS_PROTOCOL);
}

/* True: all that came was of the head, or it is over (is_over). */
static bool take_head(tf_kserve_conn_t *c, const uint8_t *bytes, size_t cnt, size_t *used,
                      bool *is_over) {
  int step = tf_http_head_feed(&c->head, bytes, cnt, used);
  *is_over = false;
  if (step == TF_HTTP_MORE) return false;
  if (step < 0) return *is_over = failed(c, TF_RUNTIME_MISS_PROTOCOL);
  if (c->head.status >= 100 && c->head.status < 200 && ++c->interim_cnt <= TF_HTTP_INTERIM_MAX) {
    tf_http_head_init(&c->head, TF_HTTP_RESPONSE);
    return false;
  }
  c->has_head = true;
  step = tf_http_body_init(&c->body, &c->head, c->method, c->body_bytes, TF_KSERVE_BODY_BYTES_MAX);
  if (step < 0) return *is_over = refused(c);
  if (step == TF_HTTP_DONE) *is_over = complete(c);
  return *is_over;
}

static bool take_plain(tf_kserve_conn_t *c, const uint8_t *bytes, size_t cnt) {
  size_t at = 0, used = 0;
  bool   is_over = false;
  if (!c->is_busy && cnt > 0) { /* nobody asked */
    hang_up(c);
    return false;
  }
  c->rx_cnt += cnt;
  while (!c->has_head && at < cnt) {
    if (take_head(c, bytes + at, cnt - at, &used, &is_over)) return is_over;
    at += used;
  }
  if (at == cnt) return false;
  int step = tf_http_body_feed(&c->body, bytes + at, cnt - at, &used);
  if (step < 0) return refused(c);
  if (step == TF_HTTP_MORE) return false;
  bool has_more = at + used < cnt;
  (void)complete(c);
  if (has_more) hang_up(c); /* bytes that belong to nothing: what comes next could not be trusted */
  return true;
}

static bool take_cipher(tf_kserve_conn_t *c, const uint8_t *bytes, size_t cnt) {
  static _Thread_local uint8_t plain[TF_TLS_RECORD_BYTES_MAX];
  tf_tls_feed(&c->tls, bytes, cnt);
  for (;;) {
    int n = tf_tls_read(&c->tls, plain, sizeof plain);
    if (n < 0) {
      (void)flush(c); /* the alert */
      bool was_busy = c->is_busy;
      if (was_busy) return failed(c, TF_RUNTIME_MISS_CONNECT);
      hang_up(c);
      return false;
    }
    if (c->phase == TF_KSERVE_HANDSHAKE && c->tls.state == TF_TLS_OPEN && begin_exchange(c))
      return true;
    if (n == 0) return flush(c) ? false : cut(c, strerror(errno));
    if (take_plain(c, plain, (size_t)n)) return true;
    if (c->phase == TF_KSERVE_DOWN) return false;
  }
}

static bool ended(tf_kserve_conn_t *c) {
  bool is_whole = c->is_busy && c->has_head && tf_http_body_eof(&c->body) == TF_HTTP_DONE;
  if (is_whole && (!c->server->tls_ctx || tf_tls_eof(&c->tls) == TF_OK)) return complete(c);
  return cut(c, "it closed");
}

static bool receive(tf_kserve_conn_t *c) {
  static _Thread_local uint8_t rx[RX_BYTES];
  for (;;) {
    ssize_t cnt = recv(c->fd, rx, sizeof rx, 0);
    if (cnt == 0) return ended(c);
    if (cnt < 0 && errno == EINTR) continue;
    if (cnt < 0) return errno == EAGAIN ? false : cut(c, strerror(errno));
    if (c->server->tls_ctx ? take_cipher(c, rx, (size_t)cnt) : take_plain(c, rx, (size_t)cnt))
      return true;
    if (c->fd < 0) return false;
  }
}

/* ---- polling ---- */

uint32_t tf_kserve_conn_fds(const tf_kserve_conn_t *c, struct pollfd *fds) {
  if (c->phase == TF_KSERVE_CONNECTING) {
    for (uint32_t i = 0; i < c->attempts.open_cnt; i++)
      fds[i] = (struct pollfd){.fd = c->attempts.open[i].fd, .events = POLLOUT};
    return c->attempts.open_cnt;
  }
  if (c->fd < 0) return 0;
  fds[0] = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (wants_write(c) ? POLLOUT : 0))};
  return 1;
}

bool tf_kserve_conn_step(tf_kserve_conn_t *c, const struct pollfd *fds, uint32_t fd_cnt,
                         uint64_t now_ns) {
  if (c->phase == TF_KSERVE_RESOLVING) return resolved(c, now_ns);
  if (c->phase == TF_KSERVE_CONNECTING) {
    for (uint32_t i = 0; i < fd_cnt; i++) /* its sockets move with what it tells: one at a time */
      if (fds[i].revents) return raced(c, tf_attempts_ready(&c->attempts, i, now_ns));
    return raced(c, tf_attempts_tick(&c->attempts, now_ns));
  }
  if (fd_cnt == 0 || !fds[0].revents || c->fd < 0) return false;
  if (!flush(c)) return cut(c, strerror(errno));
  return receive(c);
}
