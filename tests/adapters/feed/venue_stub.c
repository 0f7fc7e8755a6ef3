#include "venue_stub.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "tf/atomic.h"
#include "wire/ws.h"

#define GIVE_UP_NS (5 * TF_NS_PER_SEC)

static void add(uint64_t *p, uint64_t n) { __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST); }

static uint64_t get(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }

bool stub_stopping(const stub_conn_t *c) { return get(&c->stub->stopping) != 0; }

static void raw_send(int fd, const uint8_t *bytes, size_t cnt) {
  while (cnt > 0) {
    ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;
    bytes += sent;
    cnt -= (size_t)sent;
  }
}

static void tls_flush(stub_conn_t *c) {
  size_t         cnt;
  const uint8_t *bytes = tf_tls_tx(&c->tls, &cnt);
  raw_send(c->fd, bytes, cnt);
  tf_tls_tx_sent(&c->tls, cnt);
}

void stub_send(stub_conn_t *c, const void *bytes, size_t cnt) {
  if (!c->tls_on) {
    raw_send(c->fd, bytes, cnt);
    return;
  }
  const uint8_t *at = bytes;
  while (cnt > 0) {
    size_t part = cnt < 8192 ? cnt : 8192;
    if (tf_tls_write(&c->tls, at, part) != TF_OK) return;
    tls_flush(c);
    at += part;
    cnt -= part;
  }
}

static bool wait_readable(stub_conn_t *c) {
  uint64_t begin = tf_clock_monotonic_ns();
  while (!stub_stopping(c) && tf_clock_monotonic_ns() - begin < GIVE_UP_NS) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    if (poll(&p, 1, 20) > 0) return true;
  }
  return false;
}

/* More bytes into rx; false at the end. */
static bool fill(stub_conn_t *c) {
  static _Thread_local uint8_t cipher[16384];
  if (c->rx_at > 0) memmove(c->rx, c->rx + c->rx_at, c->rx_cnt - c->rx_at);
  c->rx_cnt -= c->rx_at;
  c->rx_at = 0;
  for (;;) {
    size_t room = sizeof c->rx - c->rx_cnt;
    if (room == 0 || !wait_readable(c)) return false;
    if (!c->tls_on) {
      ssize_t cnt = recv(c->fd, c->rx + c->rx_cnt, room, 0);
      if (cnt <= 0) return false;
      c->rx_cnt += (size_t)cnt;
      return true;
    }
    /* No more ciphertext than there is room for its plaintext. */
    ssize_t cnt = recv(c->fd, cipher, room < sizeof cipher ? room : sizeof cipher, 0);
    if (cnt <= 0) return false;
    tf_tls_feed(&c->tls, cipher, (size_t)cnt);
    int  plain;
    bool some = false;
    while ((plain = tf_tls_read(&c->tls, c->rx + c->rx_cnt, sizeof c->rx - c->rx_cnt)) > 0) {
      c->rx_cnt += (size_t)plain;
      some = true;
    }
    tls_flush(c);
    if (plain < 0) return false;
    if (some) return true;
    if (c->tls.state == TF_TLS_CLOSED) return false;
  }
}

static bool read_request(stub_conn_t *c) {
  tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  for (;;) {
    if (c->rx_at == c->rx_cnt && !fill(c)) return false;
    size_t used;
    int    step = tf_http_head_feed(&c->head, c->rx + c->rx_at, c->rx_cnt - c->rx_at, &used);
    if (step < 0) return false;
    c->rx_at += used;
    if (step == TF_HTTP_DONE) return true;
  }
}

void stub_upgrade(stub_conn_t *c, const void *glued, size_t glued_cnt) {
  static _Thread_local char answer[70000];
  int cnt = tf_http_ws_accept_write(answer, sizeof answer, &c->head, NULL, NULL);
  if (cnt < 0 || glued_cnt > sizeof answer - (size_t)cnt) abort();
  if (glued_cnt > 0) memcpy(answer + cnt, glued, glued_cnt);
  add(&c->stub->ws_bytes, glued_cnt);
  stub_send(c, answer, (size_t)cnt + glued_cnt);
}

void stub_answer(stub_conn_t *c, int status, const char *headers, const char *body) {
  static _Thread_local char answer[70000];
  int cnt = tf_http_answer_write(answer, sizeof answer, status, "application/json", headers, false,
                                 body, strlen(body));
  if (cnt < 0) abort();
  stub_send(c, answer, (size_t)cnt);
}

size_t stub_frame(uint8_t *buf, int opcode, const void *payload, size_t cnt) {
  size_t head = tf_ws_write_header(buf, (tf_ws_opcode_t)opcode, true, cnt, NULL);
  if (cnt > 0) memcpy(buf + head, payload, cnt);
  return head + cnt;
}

void stub_control(stub_conn_t *c, int opcode, const void *payload, size_t cnt) {
  uint8_t *buf = malloc(cnt + TF_WS_HEADER_BYTES_MAX);
  size_t   all = stub_frame(buf, opcode, payload, cnt);
  add(&c->stub->ws_bytes, all);
  stub_send(c, buf, all);
  free(buf);
}

void stub_text(stub_conn_t *c, const char *text) {
  stub_control(c, TF_WS_TEXT, text, strlen(text));
}

static bool need(stub_conn_t *c, size_t cnt) {
  while (c->rx_cnt - c->rx_at < cnt)
    if (!fill(c)) return false;
  return true;
}

int stub_recv(stub_conn_t *c, uint8_t *payload, size_t *cnt) {
  if (!need(c, 2)) return -1;
  const uint8_t *p    = c->rx + c->rx_at;
  int            op   = p[0] & 15;
  size_t         len  = p[1] & 127;
  size_t         head = 2;
  if (!(p[1] & 128)) abort(); /* a client must mask */
  if (len == 126) {
    if (!need(c, 4)) return -1;
    p    = c->rx + c->rx_at;
    len  = (size_t)p[2] << 8 | p[3];
    head = 4;
  }
  if (len > 16000 || !need(c, head + 4 + len)) return -1;
  p = c->rx + c->rx_at;
  for (size_t i = 0; i < len; i++) payload[i] = p[head + 4 + i] ^ p[head + i % 4];
  c->rx_at += head + 4 + len;
  *cnt = len;
  return op;
}

void stub_reset(stub_conn_t *c) {
  struct linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

void stub_linger(stub_conn_t *c) {
  do {
    c->rx_at = c->rx_cnt = 0;
  } while (fill(c));
}

static bool conn_tls_start(stub_conn_t *c) {
  c->tls_on = c->stub->tls_on;
  if (!c->tls_on) return true;
  c->tls_tx = malloc(TF_TLS_TX_BYTES_MIN);
  if (tf_tls_init(&c->tls, &c->stub->tls_ctx, NULL, c->tls_tx, TF_TLS_TX_BYTES_MIN) != TF_OK)
    return false;
  return true;
}

static void *conn_thread(void *arg) {
  stub_conn_t *c   = arg;
  stub_t      *s   = c->stub;
  int          one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (s->mute) {
    while (!stub_stopping(c) && wait_readable(c)) {
      uint8_t byte[512];
      if (recv(c->fd, byte, sizeof byte, 0) <= 0) break;
    }
  } else if (conn_tls_start(c) && read_request(c)) {
    int      kind = tf_http_ws_is_upgrade(&c->head) ? 0 : 1;
    uint32_t idx  = (uint32_t)__atomic_fetch_add(&s->request_cnt[kind], 1, __ATOMIC_SEQ_CST);
    s->script(c, c->head.target, idx);
  }
  if (c->tls_on) tf_tls_fini(&c->tls);
  free(c->tls_tx);
  close(c->fd);
  free(c);
  add(&s->live_cnt, (uint64_t)-1);
  return NULL;
}

static void *accept_thread(void *arg) {
  stub_t *s = arg;
  while (!get(&s->stopping)) {
    struct pollfd p = {.fd = s->listener, .events = POLLIN};
    if (poll(&p, 1, 10) <= 0) continue;
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) continue;
    stub_conn_t *c = calloc(1, sizeof *c);
    c->stub        = s;
    c->fd          = fd;
    add(&s->conn_cnt, 1);
    add(&s->live_cnt, 1);
    pthread_t thread;
    if (pthread_create(&thread, NULL, conn_thread, c) != 0) abort();
    pthread_detach(thread);
  }
  return NULL;
}

void stub_start(stub_t *s, stub_script_t script, const char *cert_path, const char *key_path) {
  memset(s, 0, sizeof *s);
  s->script = script;
  s->tls_on = cert_path != NULL;
  if (s->tls_on && tf_tls_ctx_init_server(&s->tls_ctx, cert_path, key_path) != TF_OK) abort();
  s->listener                 = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      listen(s->listener, 64) != 0 ||
      getsockname(s->listener, (struct sockaddr *)&addr, &addr_cnt) != 0)
    abort();
  s->port = ntohs(addr.sin_port);
  snprintf(s->port_text, sizeof s->port_text, "%u", s->port);
  if (pthread_create(&s->thread, NULL, accept_thread, s) != 0) abort();
}

void stub_stop(stub_t *s) {
  __atomic_store_n(&s->stopping, 1, __ATOMIC_SEQ_CST);
  pthread_join(s->thread, NULL);
  while (get(&s->live_cnt) > 0) poll(NULL, 0, 1);
  close(s->listener);
  tf_tls_ctx_fini(&s->tls_ctx);
}
