#include "sink/http_link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/peer.h"
#include "core/error.h"

/* ---- where ---- */

static tf_err_t refuse_url(const char *url) {
  return TF_ERR(E_SINK_CONFIG,
                "\"%.200s\": expected http://HOST:PORT/TARGET or https://HOST/TARGET", url);
}

static bool copy(char *to, size_t to_bytes, const char *from, size_t cnt) {
  if (cnt == 0 || cnt >= to_bytes) return false;
  for (size_t i = 0; i < cnt; i++)
    if (from[i] <= ' ' || from[i] == 0x7f || strchr("@#\"\\<>", from[i])) return false;
  memcpy(to, from, cnt);
  to[cnt] = 0;
  return true;
}

tf_err_t tf_http_url_parse(const char *url, tf_http_url_t *u) {
  *u           = (tf_http_url_t){.is_tls = strncmp(url, "https://", 8) == 0};
  bool is_http = strncmp(url, "http://", 7) == 0;
  if (!u->is_tls && !is_http) return refuse_url(url);
  const char *host     = url + (u->is_tls ? 8 : 7);
  size_t      host_cnt = strcspn(host, ":/?");
  const char *rest     = host + host_cnt;
  if (*host == '[') { /* an IPv6 address */
    host_cnt = strcspn(++host, "]");
    if (host[host_cnt] != ']') return refuse_url(url);
    rest = host + host_cnt + 1;
  }
  if (!copy(u->host, sizeof u->host, host, host_cnt)) return refuse_url(url);
  snprintf(u->port, sizeof u->port, "%s", u->is_tls ? "443" : "80");
  if (*rest == ':') {
    size_t        cnt  = strspn(rest + 1, "0123456789");
    unsigned long port = cnt > 0 && cnt < 6 ? strtoul(rest + 1, NULL, 10) : 0;
    if (port == 0 || port > 65535) return refuse_url(url);
    snprintf(u->port, sizeof u->port, "%lu", port);
    u->has_port = true;
    rest += 1 + cnt;
  }
  if (*rest == 0) rest = "/";
  if (*rest != '/' || !copy(u->target, sizeof u->target, rest, strlen(rest)))
    return refuse_url(url);
  return TF_OK;
}

/* ---- lifetime ---- */

tf_err_t tf_http_link_init(tf_http_link_t *l, const tf_sink_config_t *config) {
  memset(l, 0, sizeof *l);
  l->fd = l->wake_fd = -1;
  tf_err_t err       = tf_http_url_parse(config->url, &l->url);
  if (!err && l->url.is_tls)
    err =
        tf_tls_ctx_init_client(&l->tls_ctx, &(tf_tls_client_config_t){.ca_file = config->ca_file});
  if (!err && (l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0)
    err = TF_ERR(E_CORE_SYSTEM, "eventfd: %s", strerror(errno));
  return err;
}

void tf_http_link_hang_up(tf_http_link_t *l) {
  tf_resolver_end(l->resolve);
  l->resolve = NULL;
  tf_tls_fini(&l->tls);
  if (l->fd >= 0) close(l->fd);
  l->fd       = -1;
  l->phase    = TF_HTTP_LINK_DOWN;
  l->is_ended = false;
}

void tf_http_link_fini(tf_http_link_t *l) {
  tf_http_link_hang_up(l);
  tf_tls_ctx_fini(&l->tls_ctx);
  if (l->wake_fd >= 0) close(l->wake_fd);
  l->wake_fd = -1;
}

/* ---- dialing ---- */

static tf_err_t give_up(tf_http_link_t *l, const char *what, const char *why) {
  tf_err_t err = TF_ERR(E_SINK_IO, "%s:%s: %s: %s", l->url.host, l->url.port, what, why);
  tf_http_link_hang_up(l);
  return err;
}

void tf_http_link_dial(tf_http_link_t *l, uint64_t now_ns) {
  tf_http_link_hang_up(l);
  l->resolve     = tf_resolver_begin(tf_resolver_system, l->url.host, l->url.port, l->wake_fd);
  l->phase       = TF_HTTP_LINK_RESOLVING;
  l->deadline_ns = now_ns + TF_HTTP_LINK_RESOLVE_NS;
}

/* Begins with the next address that can be begun with. */
static tf_err_t connect_next(tf_http_link_t *l, uint64_t now_ns) {
  int last_errno = ECONNREFUSED, on = 1;
  if (l->fd >= 0) close(l->fd);
  for (l->fd = -1; l->address_idx < l->address_cnt; l->fd = -1) {
    const tf_address_t *a = &l->addresses[l->address_idx++];
    l->fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
      last_errno = errno;
      continue;
    }
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(l->fd, (const struct sockaddr *)&a->addr, a->addr_cnt) == 0 ||
        errno == EINPROGRESS) {
      l->phase       = TF_HTTP_LINK_CONNECTING;
      l->deadline_ns = now_ns + TF_HTTP_LINK_CONNECT_NS;
      return TF_OK;
    }
    last_errno = errno;
    close(l->fd);
  }
  return give_up(l, "connect", strerror(last_errno));
}

static tf_err_t resolve(tf_http_link_t *l, uint64_t now_ns) {
  int eai;
  if (!l->resolve) return give_up(l, "look-up", "no thread can be had for it");
  if (!tf_resolver_poll(l->resolve, &eai, l->addresses, &l->address_cnt)) return TF_OK;
  tf_resolver_end(l->resolve);
  l->resolve = NULL;
  if (eai) return give_up(l, "look-up", gai_strerror(eai));
  l->address_idx = 0;
  l->address_cnt = tf_addresses_order(l->addresses, l->address_cnt, AF_UNSPEC, &(tf_address_t){0});
  return connect_next(l, now_ns);
}

static tf_err_t connected(tf_http_link_t *l, uint64_t now_ns) {
  struct pollfd at        = {.fd = l->fd, .events = POLLOUT};
  int           sys_errno = 0;
  socklen_t     cnt       = sizeof sys_errno;
  if (poll(&at, 1, 0) <= 0) return TF_OK;
  getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &sys_errno, &cnt);
  if (!sys_errno && tf_peer_is_self(l->fd)) sys_errno = ECONNREFUSED; /* nobody listens */
  if (sys_errno) {
    if (l->address_idx < l->address_cnt) return connect_next(l, now_ns);
    return give_up(l, "connect", strerror(sys_errno));
  }
  l->phase = TF_HTTP_LINK_OPEN;
  if (!l->url.is_tls) return TF_OK;
  l->phase       = TF_HTTP_LINK_TLS;
  l->deadline_ns = now_ns + TF_HTTP_LINK_TLS_NS;
  return tf_tls_init(&l->tls, &l->tls_ctx, l->url.host, l->tx, sizeof l->tx);
}

/* ---- bytes ---- */

static int failed_io(tf_http_link_t *l, const char *what) {
  return TF_ERR(E_SINK_IO, "%s:%s: %s: %s", l->url.host, l->url.port, what, strerror(errno));
}

static int send_some(tf_http_link_t *l, const void *bytes, size_t cnt) {
  ssize_t n = send(l->fd, bytes, cnt, MSG_NOSIGNAL);
  if (n >= 0) return (int)n;
  return errno == EAGAIN || errno == EINTR ? 0 : failed_io(l, "send");
}

/* What TLS has to send, as far as it goes. */
static int flush_tls(tf_http_link_t *l) {
  for (size_t cnt;;) {
    const uint8_t *bytes = tf_tls_tx(&l->tls, &cnt);
    int            n     = cnt > 0 ? send_some(l, bytes, cnt) : 0;
    if (n <= 0) return n;
    tf_tls_tx_sent(&l->tls, (size_t)n);
  }
}

int tf_http_link_write(tf_http_link_t *l, const void *bytes, size_t cnt) {
  if (cnt > TF_HTTP_LINK_TX_BYTES) cnt = TF_HTTP_LINK_TX_BYTES;
  if (!l->url.is_tls) return send_some(l, bytes, cnt);
  int err = flush_tls(l);
  if (err < 0) return err;
  size_t room = tf_tls_write_room(&l->tls);
  if (cnt > room) cnt = room;
  if (cnt == 0) return 0;
  err = tf_tls_write(&l->tls, bytes, cnt);
  if (!err) err = flush_tls(l);
  return err < 0 ? err : (int)cnt;
}

static int receive(tf_http_link_t *l, void *bytes, size_t cap) {
  ssize_t n = recv(l->fd, bytes, cap, 0);
  if (n > 0) return (int)n;
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : failed_io(l, "receive");
  l->is_ended = true;
  return 0;
}

int tf_http_link_read(tf_http_link_t *l, void *bytes, size_t cap) {
  if (!l->url.is_tls) return receive(l, bytes, cap);
  for (;;) {
    int n = tf_tls_read(&l->tls, bytes, cap);
    if (n == 0 && l->tls.state == TF_TLS_CLOSED) l->is_ended = true;
    if (n != 0 || l->is_ended) return n;
    int got = receive(l, l->rx, sizeof l->rx);
    if (got == 0 && l->is_ended) return tf_tls_eof(&l->tls);
    if (got <= 0) return got < 0 ? got : flush_tls(l) < 0 ? failed_io(l, "send") : 0;
    tf_tls_feed(&l->tls, l->rx, (size_t)got);
  }
}

static tf_err_t shake_hands(tf_http_link_t *l) {
  uint8_t none[1];
  int     n = flush_tls(l);
  if (n >= 0) n = tf_http_link_read(l, none, sizeof none);
  if (n >= 0 && flush_tls(l) < 0) n = E_SINK_IO;
  if (n < 0) {
    char why[TF_ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", tf_error_text());
    return give_up(l, "TLS", why);
  }
  if (n > 0 || l->is_ended) return give_up(l, "TLS", "the server speaks before it is asked");
  if (l->tls.state == TF_TLS_OPEN) l->phase = TF_HTTP_LINK_OPEN;
  return TF_OK;
}

tf_err_t tf_http_link_step(tf_http_link_t *l, uint64_t now_ns) {
  static const char *const names[] = {"", "look-up", "connect", "TLS", ""};
  tf_err_t                 err     = TF_OK;
  if (l->phase == TF_HTTP_LINK_RESOLVING) err = resolve(l, now_ns);
  if (!err && l->phase == TF_HTTP_LINK_CONNECTING) err = connected(l, now_ns);
  if (!err && l->phase == TF_HTTP_LINK_TLS) err = shake_hands(l);
  if (err || l->phase == TF_HTTP_LINK_OPEN || now_ns < l->deadline_ns) return err;
  if (l->phase == TF_HTTP_LINK_CONNECTING && l->address_idx < l->address_cnt)
    return connect_next(l, now_ns);
  return give_up(l, names[l->phase], "no answer in time");
}

void tf_http_link_wait(tf_http_link_t *l, bool writes, uint64_t wait_ns) {
  struct pollfd at   = {.fd = l->fd, .events = POLLIN};
  size_t        left = 0;
  if (l->phase == TF_HTTP_LINK_RESOLVING) at.fd = l->wake_fd;
  if (l->tls.ssl) tf_tls_tx(&l->tls, &left);
  if (writes || left > 0 || l->phase == TF_HTTP_LINK_CONNECTING) at.events |= POLLOUT;
  const struct timespec wait = {(time_t)(wait_ns / TF_NS_PER_SEC), (long)(wait_ns % TF_NS_PER_SEC)};
  uint64_t              woken;
  if (ppoll(&at, at.fd >= 0, &wait, NULL) > 0 && at.fd == l->wake_fd)
    (void)!read(l->wake_fd, &woken, sizeof woken);
}
