#include "feed/dialing.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"

static bool connected(tf_dialing_t *d, uint64_t now_ns);

bool tf_dialing_fail(tf_dialing_t *d, tf_err_t err) {
  tf_dial_t *dial = d->dial;
  dial->err       = err;
  dial->phase     = d->phase;
  snprintf(dial->text, sizeof dial->text, "%s", tf_error_text());
  return false;
}

static void close_phase(tf_dialing_t *d, uint64_t now_ns) {
  if (now_ns > d->phase_begin_ns) d->dial->phase_ns[d->phase] += now_ns - d->phase_begin_ns;
  d->phase_begin_ns = now_ns;
}

static bool done(tf_dialing_t *d) {
  tf_dial_t *dial = d->dial;
  close_phase(d, tf_clock_monotonic_ns());
  dial->err     = TF_OK;
  dial->phase   = TF_DIAL_DONE;
  dial->text[0] = '\0';
  if (dial->kind == TF_DIAL_WEBSOCKET) {
    dial->fd = d->fd;
    d->fd    = -1;
  }
  return false;
}

static void enter_phase(tf_dialing_t *d, tf_dial_phase_t phase, uint64_t now_ns,
                        uint64_t limit_ns) {
  close_phase(d, now_ns);
  d->phase = phase;
  /* A REST request has one deadline for everything, set at its start. */
  if (d->dial->kind == TF_DIAL_WEBSOCKET) d->deadline_ns = now_ns + limit_ns;
}

static const tf_via_t *proxy_of(const tf_dialing_t *d) {
  const tf_via_t *via = d->dial->endpoint->via;
  return via && via->proxy_host ? via : NULL;
}

/* What is connected to first. */
static const char *hop_host(const tf_dialing_t *d) {
  return proxy_of(d) ? proxy_of(d)->proxy_host : d->dial->endpoint->host;
}

static const char *hop_port(const tf_dialing_t *d) {
  return proxy_of(d) ? proxy_of(d)->proxy_port : d->dial->endpoint->port;
}

/* ---- addresses ---- */

static bool raced(tf_dialing_t *d, tf_attempts_step_t step, uint64_t now_ns) {
  tf_attempts_t *all = &d->attempts;
  if (step == TF_ATTEMPTS_ON) return true;
  if (step == TF_ATTEMPTS_LOST)
    return tf_dialing_fail(
        d, TF_ERR(E_FEED_CONNECT, "%s:%s cannot be reached over %u addresses: %s%s", hop_host(d),
                  hop_port(d), all->address_cnt, all->what, strerror(all->last_errno)));
  d->fd         = all->won_fd;
  all->won_fd   = -1;
  d->dial->peer = all->addresses[all->won_idx];
  return connected(d, now_ns);
}

static bool resolved(tf_dialing_t *d, int eai, uint64_t now_ns) {
  tf_attempts_t  *all  = &d->attempts;
  const tf_via_t *via  = d->dial->endpoint->via;
  int             only = via && via->source.addr_cnt > 0 ? via->source.addr.ss_family : AF_UNSPEC;
  if (eai != 0 || all->address_cnt == 0) {
    TF_ERR(E_FEED_DNS, "%s does not resolve: %s", hop_host(d),
           gai_strerror(eai ? eai : EAI_NONAME));
    if (d->last_good.addr_cnt == 0) return tf_dialing_fail(d, E_FEED_DNS);
    all->addresses[0] = d->last_good;
    all->address_cnt  = 1;
  }
  tf_resolver_end(d->resolve);
  d->resolve       = NULL;
  all->address_cnt = tf_addresses_order(all->addresses, all->address_cnt, only, &d->last_good);
  enter_phase(d, TF_DIAL_CONNECT, now_ns, d->config->connect_ns);
  if (all->address_cnt == 0)
    return tf_dialing_fail(d, TF_ERR(E_FEED_CONNECT,
                                     "%s has no address of source_address's family, %s",
                                     hop_host(d), only == AF_INET ? "IPv4" : "IPv6"));
  return raced(d, tf_attempts_start(all, via, d->config->connect_ns, now_ns), now_ns);
}

static bool numeric_address(const char *host, const char *port, tf_address_t *address) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  if (getaddrinfo(host, port, &hints, &found) != 0 || !found) return false;
  memcpy(&address->addr, found->ai_addr, found->ai_addrlen);
  address->addr_cnt = found->ai_addrlen;
  freeaddrinfo(found);
  return true;
}

bool tf_dialing_begin(tf_dialing_t *d, tf_dialing_scratch_t *s, uint64_t now_ns) {
  const char *host = hop_host(d), *port = hop_port(d);
  free(d->dial->body); /* of the request that this dial was before (ticket.h) */
  d->dial->body     = NULL;
  d->dial->body_cnt = 0;
  if (d->dial->kind != TF_DIAL_WEBSOCKET) d->deadline_ns = now_ns + d->config->get_ns;
  enter_phase(d, TF_DIAL_DNS, now_ns, d->config->dns_ns);
  if (numeric_address(host, port, &d->attempts.addresses[0])) {
    d->attempts.address_cnt = 1;
    return resolved(d, 0, now_ns);
  }
  d->resolve = tf_resolver_begin(d->config->resolve, host, port, s->wake_fd);
  if (!d->resolve) return tf_dialing_fail(d, E_FEED_DNS);
  return true;
}

/* ---- requests ---- */

/* Any window of the server's is fine, and ours may be asked to be smaller. */
static const tf_ws_deflate_params_t deflate_offer = {.client_max_window_bits =
                                                         TF_WS_DEFLATE_WINDOW_BITS_MAX};

static const char *method_of(const tf_dial_t *dial) {
  return dial->kind == TF_DIAL_POST ? "POST" : "GET";
}

/* As URLs and the Host header spell it: an IPv6 address in brackets. */
static const char *host_text(const tf_endpoint_t *to, char text[sizeof(to->host) + 2]) {
  bool is_v6 = strchr(to->host, ':') != NULL;
  snprintf(text, sizeof(to->host) + 2, "%s%s%s", is_v6 ? "[" : "", to->host, is_v6 ? "]" : "");
  return text;
}

static bool request_make(tf_dialing_t *d, uint64_t now_ns) {
  tf_dial_t           *dial = d->dial;
  const tf_endpoint_t *to   = dial->endpoint;
  char                 host[sizeof to->host + 2];
  const char          *port = strcmp(to->port, to->tls_ctx ? "443" : "80") == 0 ? NULL : to->port;
  int                  cnt;
  if (dial->kind == TF_DIAL_WEBSOCKET) {
    enter_phase(d, TF_DIAL_UPGRADE, now_ns, d->config->upgrade_ns);
    tf_err_t err = tf_http_ws_client_init(&d->u.upgrade, host_text(to, host), dial->nonce, NULL);
    if (err != TF_OK) return tf_dialing_fail(d, err);
    if (dial->deflate_offer) tf_http_ws_client_offer(&d->u.upgrade, &deflate_offer);
    cnt = tf_http_ws_client_write(&d->u.upgrade, d->request, sizeof d->request, port, dial->target,
                                  NULL);
  } else {
    char headers[256];
    bool has_body = dial->kind == TF_DIAL_POST && dial->post_body != NULL;
    snprintf(headers, sizeof headers,
             "User-Agent: %s\r\nAccept: application/json\r\n%sConnection: close\r\n",
             d->config->user_agent, has_body ? "Content-Type: application/json\r\n" : "");
    enter_phase(d, TF_DIAL_REQUEST, now_ns, 0);
    tf_http_head_init(&d->u.get.head, TF_HTTP_RESPONSE);
    tf_http_request_t request = {.method   = method_of(dial),
                                 .host     = host_text(to, host),
                                 .port     = port,
                                 .target   = dial->target,
                                 .headers  = headers,
                                 .body     = dial->kind == TF_DIAL_POST ? dial->post_body : NULL,
                                 .body_cnt = has_body ? strlen(dial->post_body) : 0};
    cnt                       = tf_http_request_write(d->request, sizeof d->request, &request);
  }
  if (cnt < 0) return tf_dialing_fail(d, cnt);
  d->request_cnt = (uint32_t)cnt;
  d->request_at  = 0;
  if (!to->tls_ctx) return true;
  tf_err_t err = tf_tls_write(&dial->tls, d->request, d->request_cnt);
  if (err != TF_OK) return tf_dialing_fail(d, err);
  d->request_at = d->request_cnt;
  return true;
}

/* Whether what is sent and received now is ciphertext: to the proxy it is not. */
static bool is_cipher(const tf_dialing_t *d) {
  return d->dial->endpoint->tls_ctx != NULL && d->phase != TF_DIAL_PROXY;
}

/* Sends what waits: ciphertext, or the rest of the request. False: the connection broke. */
static bool flush(tf_dialing_t *d) {
  tf_dial_t *dial = d->dial;
  bool       tls  = is_cipher(d);
  for (;;) {
    size_t         cnt   = d->request_cnt - d->request_at;
    const uint8_t *bytes = (const uint8_t *)d->request + d->request_at;
    if (tls) bytes = tf_tls_tx(&dial->tls, &cnt);
    d->want_write = cnt > 0;
    if (cnt == 0) return true;
    ssize_t sent = send(d->fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent > 0) {
      if (tls)
        tf_tls_tx_sent(&dial->tls, (size_t)sent);
      else
        d->request_at += (uint32_t)sent;
    } else if (errno == EAGAIN) {
      return true;
    } else if (errno != EINTR) {
      return tf_dialing_fail(d, TF_ERR(E_FEED_CONNECT, "%s:%s: %s while sending in phase %s",
                                       dial->endpoint->host, dial->endpoint->port, strerror(errno),
                                       tf_dialer_phase_name(d->phase)));
    }
  }
}

/* The way to the venue is open: TLS, or the request at once. */
static bool start_transport(tf_dialing_t *d, uint64_t now_ns) {
  tf_dial_t *dial = d->dial;
  d->want_write   = false;
  if (dial->endpoint->tls_ctx) {
    enter_phase(d, TF_DIAL_TLS, now_ns, d->config->tls_ns);
    tf_err_t err = tf_tls_init(&dial->tls, dial->endpoint->tls_ctx, dial->endpoint->host,
                               dial->tls_tx, dial->tls_tx_cap);
    if (err != TF_OK) return tf_dialing_fail(d, err);
  } else if (!request_make(d, now_ns)) {
    return false;
  }
  return flush(d);
}

static bool connected(tf_dialing_t *d, uint64_t now_ns) {
  const tf_endpoint_t *to    = d->dial->endpoint;
  const tf_via_t      *proxy = proxy_of(d);
  char                 host[sizeof to->host + 2];
  if (!proxy) return start_transport(d, now_ns);
  bool is_known = proxy->proxy_authorization[0] != '\0';
  enter_phase(d, TF_DIAL_PROXY, now_ns, d->config->proxy_ns);
  tf_http_head_init(&d->u.proxy, TF_HTTP_RESPONSE);
  host_text(to, host);
  int cnt = snprintf(d->request, sizeof d->request,
                     "CONNECT %s:%s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: %s\r\n%s%s%s\r\n", host,
                     to->port, host, to->port, d->config->user_agent,
                     is_known ? "Proxy-Authorization: Basic " : "", proxy->proxy_authorization,
                     is_known ? "\r\n" : "");
  TF_ASSERT(cnt > 0 && (size_t)cnt < sizeof d->request);
  d->request_cnt = (uint32_t)cnt;
  d->request_at  = 0;
  return flush(d);
}

/* ---- answers ---- */

/* The proxy's. Any 2xx opens the tunnel (RFC 9110, 9.3.6); its body begins behind the head, and nothing
 * may come that nobody has asked the venue for. */
static bool take_tunnel(tf_dialing_t *d, const uint8_t *bytes, size_t cnt, uint64_t now_ns) {
  tf_http_head_t *head = &d->u.proxy;
  size_t          used = 0;
  int             step = tf_http_head_feed(head, bytes, cnt, &used);
  if (step < 0)
    return tf_dialing_fail(
        d, tf_error_add(step, "reading the answer of the proxy %s:%s", hop_host(d), hop_port(d)));
  if (step != TF_HTTP_DONE) return true;
  size_t left = cnt - used;
  if (head->status < 200 || head->status > 299) {
    int sample           = (int)(left < TF_HTTP_SAMPLE_BYTES ? left : TF_HTTP_SAMPLE_BYTES);
    d->dial->http_status = head->status;
    return tf_dialing_fail(
        d, TF_ERR(E_FEED_REFUSED,
                  "the proxy %s:%s answered http_status_%u %s to CONNECT %s:%s%s; its body begins: "
                  "%.*s",
                  hop_host(d), hop_port(d), head->status, head->reason, d->dial->endpoint->host,
                  d->dial->endpoint->port,
                  head->status == 407 ? " (it wants credentials: proxy_key_file)" : "", sample,
                  (const char *)bytes + used));
  }
  if (left > 0)
    return tf_dialing_fail(
        d,
        TF_ERR(E_WIRE_HTTP, "the proxy %s:%s sent %zu bytes behind its answer, before any of ours",
               hop_host(d), hop_port(d), left));
  return start_transport(d, now_ns);
}

static bool leftover_add(tf_dialing_t *d, const uint8_t *bytes, size_t cnt) {
  tf_dial_t *dial = d->dial;
  if (cnt > TF_DIAL_LEFTOVER_BYTES - dial->leftover_cnt)
    return tf_dialing_fail(d, TF_ERR(E_FEED_LIMIT, "%s: more than %u bytes behind the upgrade",
                                     dial->endpoint->host, TF_DIAL_LEFTOVER_BYTES));
  memcpy(dial->leftover + dial->leftover_cnt, bytes, cnt);
  dial->leftover_cnt += cnt;
  return true;
}

static bool take_upgrade(tf_dialing_t *d, const uint8_t *bytes, size_t cnt) {
  if (d->upgraded) return leftover_add(d, bytes, cnt);
  size_t used;
  int    step            = tf_http_ws_client_feed(&d->u.upgrade, bytes, cnt, &used);
  d->dial->http_status   = d->u.upgrade.head.status;
  d->dial->retry_after_s = d->u.upgrade.retry_after_s;
  if (step < 0) return tf_dialing_fail(d, step);
  if (step != TF_HTTP_DONE) return true;
  d->upgraded             = true;
  d->dial->deflate_agreed = d->u.upgrade.deflate_agreed;
  d->dial->deflate        = d->u.upgrade.deflate;
  return leftover_add(d, bytes + used, cnt - used);
}

static bool take_head(tf_dialing_t *d, const uint8_t *bytes, size_t cnt, size_t *used) {
  tf_dial_t      *dial = d->dial;
  tf_http_head_t *head = &d->u.get.head;
  int             step = tf_http_head_feed(head, bytes, cnt, used);
  if (step < 0) return tf_dialing_fail(d, step);
  if (step != TF_HTTP_DONE) return true;
  if (head->status >= 100 && head->status < 200 && ++d->u.get.interim_cnt <= TF_HTTP_INTERIM_MAX) {
    tf_http_head_init(head, TF_HTTP_RESPONSE);
    return true;
  }
  dial->http_status   = head->status;
  dial->retry_after_s = tf_http_head_retry_after_s(head);
  if (head->status != 200) {
    size_t left   = cnt - *used;
    int    sample = (int)(left < TF_HTTP_SAMPLE_BYTES ? left : TF_HTTP_SAMPLE_BYTES);
    return tf_dialing_fail(
        d, TF_ERR(E_FEED_REFUSED, "%s answered http_status_%u %s to %s %s; its body begins: %.*s",
                  dial->endpoint->host, head->status, head->reason, method_of(dial), dial->target,
                  sample, (const char *)bytes + *used));
  }
  /* All of it is taken at once: pages that stay untouched cost nothing, and what is too much is
   * given back when the length is known. */
  dial->body = malloc(d->config->body_bytes_max + TF_BYTES_PAD);
  if (!dial->body)
    return tf_dialing_fail(d, TF_ERR(E_CORE_NO_MEMORY, "no memory for an answer of at most %zu MiB",
                                     d->config->body_bytes_max >> 20));
  d->phase = TF_DIAL_BODY;
  step     = tf_http_body_init(&d->u.get.body, head, method_of(dial), dial->body,
                               d->config->body_bytes_max);
  if (step < 0) return tf_dialing_fail(d, step);
  return step == TF_HTTP_MORE;
}

static bool body_complete(tf_dialing_t *d) {
  tf_dial_t *dial = d->dial;
  dial->body_cnt  = d->u.get.body.bytes_cnt;
  uint8_t *fitted = realloc(dial->body, dial->body_cnt + TF_BYTES_PAD);
  if (fitted) dial->body = fitted;
  memset(dial->body + dial->body_cnt, 0, TF_BYTES_PAD);
  return done(d);
}

static bool take_answer(tf_dialing_t *d, const uint8_t *bytes, size_t cnt) {
  size_t at = 0;
  while (d->phase == TF_DIAL_REQUEST && at < cnt) {
    size_t used = 0;
    if (!take_head(d, bytes + at, cnt - at, &used))
      return d->dial->err == TF_OK && d->phase == TF_DIAL_BODY ? body_complete(d) : false;
    at += used;
  }
  if (d->phase != TF_DIAL_BODY || at == cnt) return true;
  size_t used;
  int    step = tf_http_body_feed(&d->u.get.body, bytes + at, cnt - at, &used);
  if (step < 0) return tf_dialing_fail(d, step);
  return step == TF_HTTP_DONE ? body_complete(d) : true;
}

static bool take_plain(tf_dialing_t *d, const uint8_t *bytes, size_t cnt) {
  return d->dial->kind == TF_DIAL_WEBSOCKET ? take_upgrade(d, bytes, cnt)
                                            : take_answer(d, bytes, cnt);
}

/* Ciphertext to the end, since it is borrowed: also when the 101 is among it already. */
static bool take_cipher(tf_dialing_t *d, tf_dialing_scratch_t *s, const uint8_t *bytes, size_t cnt,
                        uint64_t now_ns) {
  tf_tls_t *tls = &d->dial->tls;
  tf_tls_feed(tls, bytes, cnt);
  for (;;) {
    int plain_cnt = tf_tls_read(tls, s->plain, sizeof s->plain);
    if (plain_cnt < 0) {
      tf_dialing_fail(d, plain_cnt);
      tf_err_t err = d->dial->err;
      flush(d); /* the alert, so that the peer's log says why too */
      d->dial->err = err;
      return false;
    }
    if (d->phase == TF_DIAL_TLS && tls->state == TF_TLS_OPEN && !request_make(d, now_ns))
      return false;
    if (plain_cnt == 0) return flush(d);
    if (!take_plain(d, s->plain, (size_t)plain_cnt)) return false;
  }
}

static bool ended(tf_dialing_t *d) {
  tf_dial_t *dial = d->dial;
  tf_err_t   err  = TF_OK;
  if (is_cipher(d)) err = tf_tls_eof(&dial->tls);
  if (err == TF_OK && d->phase == TF_DIAL_BODY) {
    int step = tf_http_body_eof(&d->u.get.body);
    if (step == TF_HTTP_DONE) return body_complete(d);
    err = step;
  }
  if (err == TF_OK && d->phase == TF_DIAL_UPGRADE) err = tf_http_ws_client_eof(&d->u.upgrade);
  if (err == TF_OK)
    err = TF_ERR(E_FEED_CLOSED, "%s:%s closed the connection in phase %s", dial->endpoint->host,
                 dial->endpoint->port, tf_dialer_phase_name(d->phase));
  return tf_dialing_fail(d, err);
}

static bool receive(tf_dialing_t *d, tf_dialing_scratch_t *s, uint64_t now_ns) {
  for (;;) {
    ssize_t cnt = recv(d->fd, s->rx, sizeof s->rx, 0);
    if (cnt == 0) return ended(d);
    if (cnt < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return true;
      return tf_dialing_fail(d, TF_ERR(E_FEED_CONNECT, "%s:%s: %s in phase %s",
                                       d->dial->endpoint->host, d->dial->endpoint->port,
                                       strerror(errno), tf_dialer_phase_name(d->phase)));
    }
    bool more = d->phase == TF_DIAL_PROXY ? take_tunnel(d, s->rx, (size_t)cnt, now_ns)
                : is_cipher(d)            ? take_cipher(d, s, s->rx, (size_t)cnt, now_ns)
                                          : take_plain(d, s->rx, (size_t)cnt);
    if (!more) return false;
    if (d->upgraded) return done(d); /* the rest of the stream is the lane's to read */
  }
}

uint32_t tf_dialing_poll_fds(const tf_dialing_t *d, struct pollfd *fds) {
  if (d->phase == TF_DIAL_CONNECT) {
    for (uint32_t i = 0; i < d->attempts.open_cnt; i++)
      fds[i] = (struct pollfd){.fd = d->attempts.open[i].fd, .events = POLLOUT};
    return d->attempts.open_cnt;
  }
  if (d->fd < 0) return 0;
  fds[0] = (struct pollfd){.fd = d->fd, .events = (short)(POLLIN | (d->want_write ? POLLOUT : 0))};
  return 1;
}

bool tf_dialing_ready(tf_dialing_t *d, tf_dialing_scratch_t *s, uint32_t fd_idx, uint64_t now_ns) {
  if (d->phase == TF_DIAL_DNS) {
    int eai;
    if (!tf_resolver_poll(d->resolve, &eai, d->attempts.addresses, &d->attempts.address_cnt))
      return true;
    return resolved(d, eai, now_ns);
  }
  if (d->phase == TF_DIAL_CONNECT)
    return raced(d, tf_attempts_ready(&d->attempts, fd_idx, now_ns), now_ns);
  if (!flush(d)) return false;
  return receive(d, s, now_ns);
}

bool tf_dialing_tick(tf_dialing_t *d, uint64_t now_ns) {
  const tf_endpoint_t *to = d->dial->endpoint;
  if (now_ns >= d->deadline_ns) {
    if (d->phase == TF_DIAL_DNS && d->last_good.addr_cnt > 0) {
      d->attempts.address_cnt = 0;
      return resolved(d, EAI_AGAIN, now_ns);
    }
    return tf_dialing_fail(d, TF_ERR(E_FEED_TIMEOUT, "%s:%s: phase %s took too long", to->host,
                                     to->port, tf_dialer_phase_name(d->phase)));
  }
  if (d->phase == TF_DIAL_CONNECT) return raced(d, tf_attempts_tick(&d->attempts, now_ns), now_ns);
  return true;
}

uint64_t tf_dialing_due_ns(const tf_dialing_t *d) {
  if (d->phase == TF_DIAL_WAIT) return d->start_ns;
  uint64_t next_due_ns =
      d->phase == TF_DIAL_CONNECT ? tf_attempts_due_ns(&d->attempts) : UINT64_MAX;
  return next_due_ns < d->deadline_ns ? next_due_ns : d->deadline_ns;
}

void tf_dialing_fini(tf_dialing_t *d) {
  tf_resolver_end(d->resolve);
  d->resolve = NULL;
  tf_attempts_end(&d->attempts);
  if (d->fd >= 0) close(d->fd);
  d->fd = -1;
  if (d->dial->err != TF_OK || d->dial->kind != TF_DIAL_WEBSOCKET) tf_tls_fini(&d->dial->tls);
  if (d->dial->err == TF_OK) return;
  free(d->dial->body);
  d->dial->body     = NULL;
  d->dial->body_cnt = 0;
}
