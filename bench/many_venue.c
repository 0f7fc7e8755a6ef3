#include "many_venue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "tf/atomic.h"
#include "wire/http.h"
#include "wire/ws.h"

#define CONNS_MAX      16
#define FRAME_BYTES    192
#define BATCH_BYTES    (1u << 18)
#define READY_NS       (60 * TF_NS_PER_SEC)
#define SETTLE_NS      TF_NS_PER_SEC          /* after the last subscription */
#define FIRST_TRADE_ID UINT64_C(100000000000) /* twelve digits, for all of a run */
#define REQUEST_BYTES  65536

typedef struct frame {
  uint8_t  bytes[FRAME_BYTES];
  uint32_t cnt;
  uint32_t id_at, time_at[2]; /* of the digits that change */
} frame_t;

typedef struct conn {
  int      fd;
  tf_ws_t  ws;
  uint8_t *assembly;
  uint32_t batch_cnt;
  uint8_t  batch[BATCH_BYTES];
} conn_t;

static conn_t   conns[CONNS_MAX];
static uint32_t conn_cnt, subscribed_cnt, instrument_cnt;
static conn_t  *conn_of[TF_MANY_INSTRUMENTS_MAX];
static frame_t  frames[TF_MANY_INSTRUMENTS_MAX];
static uint64_t ids[TF_MANY_INSTRUMENTS_MAX];
static int      listener;

static _Noreturn void die(const char *what) {
  fprintf(stderr, "bench_many: venue: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void send_all(int fd, const void *data, size_t cnt) {
  for (const uint8_t *bytes = data; cnt;) {
    ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) die("the client left");
    bytes += sent;
    cnt -= (size_t)sent;
  }
}

static void frame_make(uint32_t instrument) {
  frame_t *f = &frames[instrument];
  char     text[FRAME_BYTES];
  int      cnt = snprintf(
           text, sizeof text,
           "{\"stream\":\"s%u@trade\",\"data\":{\"e\":\"trade\",\"E\":%016d,\"s\":\"S%u\",\"t\":%"
                "012d,\"p\":\"100.50000000\",\"q\":\"1.00000000\",\"T\":%016d,\"m\":true,\"M\":true}}",
           instrument, 0, instrument, 0, 0);
  TF_ASSERT(cnt > 125 && cnt + 4 <= FRAME_BYTES);
  memcpy(f->bytes, (uint8_t[]){0x81, 126, (uint8_t)(cnt >> 8), (uint8_t)cnt}, 4);
  memcpy(f->bytes + 4, text, (size_t)cnt);
  f->cnt        = (uint32_t)cnt + 4;
  f->time_at[0] = (uint32_t)(strstr(text, "\"E\":") - text) + 8;
  f->id_at      = (uint32_t)(strstr(text, "\"t\":") - text) + 8;
  f->time_at[1] = (uint32_t)(strstr(text, "\"T\":") - text) + 8;
}

static void put_digits(uint8_t *at, uint32_t cnt, uint64_t value) {
  while (cnt--) {
    at[cnt] = (uint8_t)('0' + value % 10);
    value /= 10;
  }
}

static void flush(conn_t *c) {
  if (c->batch_cnt) send_all(c->fd, c->batch, c->batch_cnt);
  c->batch_cnt = 0;
}

static void send_trade(uint32_t instrument, uint64_t trade_id, uint64_t due_us) {
  frame_t *f = &frames[instrument];
  conn_t  *c = conn_of[instrument];
  put_digits(f->bytes + f->id_at, 12, trade_id);
  put_digits(f->bytes + f->time_at[0], 16, due_us);
  put_digits(f->bytes + f->time_at[1], 16, due_us);
  if (c->batch_cnt + f->cnt > BATCH_BYTES) flush(c);
  memcpy(c->batch + c->batch_cnt, f->bytes, f->cnt);
  c->batch_cnt += f->cnt;
}

/* SUBSCRIBE: whose trades this connection hears; acknowledged. */
static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)opcode;
  conn_t     *c    = self;
  const char *text = (const char *)bytes, *end = text + cnt;
  for (const char *at = text; (at = memmem(at, (size_t)(end - at), "\"s", 2)) != NULL; at += 2) {
    char         *stop;
    unsigned long instrument = strtoul(at + 2, &stop, 10);
    if (*stop != '@' || instrument >= instrument_cnt) continue;
    subscribed_cnt += conn_of[instrument] == NULL;
    conn_of[instrument] = c;
  }
  const char *id = memmem(text, cnt, "\"id\":", 5);
  char        answer[64];
  uint8_t     frame[96];
  int         answer_cnt = snprintf(answer, sizeof answer, "{\"result\":null,\"id\":%lu}",
                            id ? strtoul(id + 5, NULL, 10) : 0);
  send_all(
      c->fd, frame,
      tf_ws_write_message(&c->ws, frame, sizeof frame, TF_WS_TEXT, answer, (size_t)answer_cnt));
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)bytes, (void)cnt;
  conn_t *c = self;
  uint8_t frame[160];
  if (opcode != TF_WS_PING) return;
  flush(c);
  send_all(c->fd, frame, tf_ws_write_pong(&c->ws, frame, sizeof frame));
}

static void conn_open(int fd, const tf_http_head_t *head) {
  if (conn_cnt == CONNS_MAX) die("more connections than expected");
  conn_t         *c       = &conns[conn_cnt++];
  tf_ws_config_t  config  = {.role = TF_WS_SERVER, .message_bytes_max = REQUEST_BYTES};
  tf_ws_handler_t handler = {c, on_message, on_control};
  char            answer[512];
  int             on  = 1;
  int             cnt = tf_http_ws_accept_write(answer, sizeof answer, head, NULL, NULL);
  c->fd               = fd;
  c->batch_cnt        = 0;
  c->assembly         = malloc(tf_ws_assembly_bytes(REQUEST_BYTES));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (cnt < 0 || !c->assembly || tf_ws_init(&c->ws, &config, &handler, c->assembly) != TF_OK)
    die("upgrade");
  send_all(fd, answer, (size_t)cnt);
}

/* A websocket, or a REST request, which has no answer here. */
static void accept_one(void) {
  static tf_http_head_t head;
  static const char     none[] =
      "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
  uint8_t bytes[4096];
  int     rc = TF_HTTP_MORE, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0) return;
  tf_http_head_init(&head, TF_HTTP_REQUEST);
  while (rc == TF_HTTP_MORE) {
    size_t  used;
    ssize_t cnt = recv(fd, bytes, sizeof bytes, 0);
    rc          = cnt > 0 ? tf_http_head_feed(&head, bytes, (size_t)cnt, &used) : -1;
  }
  if (rc == TF_HTTP_DONE && tf_http_ws_is_upgrade(&head)) {
    conn_open(fd, &head);
    return;
  }
  if (rc == TF_HTTP_DONE) send(fd, none, sizeof none - 1, MSG_NOSIGNAL);
  close(fd);
}

void tf_many_venue_hear(bool is_over) {
  uint8_t bytes[8192 + TF_BYTES_PAD];
  for (uint32_t i = 0; i < conn_cnt; i++) {
    ssize_t cnt = recv(conns[i].fd, bytes, 8192, MSG_DONTWAIT);
    if (cnt > 0 && tf_ws_feed(&conns[i].ws, bytes, (size_t)cnt) != TF_OK)
      die("the client's frames");
    if (cnt == 0 && !is_over) die("the client left");
  }
}

/* A venue that is there pings. */
static void ping_all(void) {
  static const uint8_t ping[] = {0x89, 0};
  for (uint32_t i = 0; i < conn_cnt; i++) send_all(conns[i].fd, ping, sizeof ping);
}

static void serve(uint64_t *pinged_ns) {
  struct pollfd p = {.fd = listener, .events = POLLIN};
  if (poll(&p, 1, 5) > 0) accept_one();
  tf_many_venue_hear(false);
  if (tf_clock_monotonic_ns() - *pinged_ns < TF_NS_PER_SEC) return;
  *pinged_ns = tf_clock_monotonic_ns();
  ping_all();
}

void tf_many_venue_await(bool (*is_alive)(void)) {
  uint64_t begin = tf_clock_monotonic_ns(), pinged = begin, complete = 0;
  while (!complete || tf_clock_monotonic_ns() - complete < SETTLE_NS) {
    serve(&pinged);
    if (!complete && subscribed_cnt == instrument_cnt) complete = tf_clock_monotonic_ns();
    if (!is_alive()) die("the engine ended before it subscribed");
    if (!complete && tf_clock_monotonic_ns() - begin > READY_NS)
      die("not all instruments are subscribed");
  }
}

void tf_many_venue_await_peer(uint32_t wanted_cnt) {
  uint64_t begin = tf_clock_monotonic_ns(), pinged = begin;
  while (conn_cnt < wanted_cnt) {
    serve(&pinged);
    if (tf_clock_monotonic_ns() - begin > READY_NS) die("the peer does not come");
  }
  for (uint32_t i = 0; i < instrument_cnt; i++)
    conn_of[i] = &conns[(uint64_t)i * wanted_cnt / instrument_cnt];
}

/* ---- the schedule ---- */

uint64_t tf_many_due_ns(const tf_many_schedule_t *s, uint64_t message) {
  return s->begin_ns + message * TF_NS_PER_SEC / s->rate_hz;
}

uint64_t tf_many_message_at(const tf_many_schedule_t *s, uint64_t due_ns) {
  if (due_ns + TF_NS_PER_US < s->begin_ns) return UINT64_MAX;
  return (due_ns + TF_NS_PER_US - s->begin_ns) * s->rate_hz / TF_NS_PER_SEC;
}

uint32_t tf_many_instrument_of(const tf_many_schedule_t *s, uint64_t message) {
  if (s->flood && message % 2 == 0) return 0;
  uint64_t turn = s->flood ? message / 2 : message;
  return 1 + (uint32_t)(turn % (instrument_cnt - 1));
}

/* Once a pass: what is due has been put together, and goes. */
static void flush_all(tf_many_schedule_t *s, uint64_t from, uint64_t to) {
  uint64_t now_ns = tf_clock_wall_ns();
  for (uint64_t i = from; i < to; i++) s->sent_ns[i] = now_ns;
  for (uint32_t i = 0; i < conn_cnt; i++) flush(&conns[i]);
}

void tf_many_venue_send(tf_many_schedule_t *s, tf_off_core_t *watch) {
  uint64_t heard_ns = s->begin_ns, flushed = 0;
  for (uint64_t next = 0; next < s->message_cnt;) {
    uint64_t now_ns = tf_clock_wall_ns();
    for (uint64_t due_ns; next < s->message_cnt && (due_ns = tf_many_due_ns(s, next)) <= now_ns;
         next++) {
      uint32_t instrument = tf_many_instrument_of(s, next);
      send_trade(instrument, ids[instrument]++, due_ns / TF_NS_PER_US);
    }
    if (next > flushed) flush_all(s, flushed, next);
    flushed = next;
    tf_off_core_poll(watch, now_ns);
    if (now_ns > heard_ns + 10 * TF_NS_PER_MS) {
      heard_ns = now_ns;
      tf_many_venue_hear(false);
    }
    tf_spin_pause();
  }
}

/* ---- lifetime ---- */

uint16_t tf_many_venue_start(uint32_t instruments) {
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  listener                    = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&addr, &addr_cnt) != 0)
    die("listen");
  TF_ASSERT(instruments > 1 && instruments <= TF_MANY_INSTRUMENTS_MAX);
  instrument_cnt = instruments;
  conn_cnt = subscribed_cnt = 0;
  memset(conn_of, 0, sizeof conn_of);
  for (uint32_t i = 0; i < instrument_cnt; i++) {
    ids[i] = FIRST_TRADE_ID;
    frame_make(i);
  }
  return ntohs(addr.sin_port);
}

void tf_many_venue_stop(void) {
  for (uint32_t i = 0; i < conn_cnt; i++) {
    close(conns[i].fd);
    free(conns[i].assembly);
  }
  close(listener);
}
