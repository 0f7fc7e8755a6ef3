/* Events by HTTP: a listener of its own for POST /v1/events, plain or with TLS, HTTP/1.1 with keep-alive. What is asked
 * and answered is event_post.h's; here are sockets, their phases and their deadlines. Heads and bodies are read by wire/http.h,
 * which is strict, so that no proxy in front can disagree with us where a request ends.
 *
 *   HEAD --judged--> BODY --taken over--> WAIT for the engine --> ANSWER --> HEAD (kept alive), or the connection ends
 *
 * Of a connection nothing more is read while a request is under way, so pipelined requests wait in the kernel and in one
 * buffer of RX_BYTES, and are answered in order.
 *
 * Bounds: clients_max connections, a further one is closed at once; a head of TF_HTTP_HEAD_BYTES_MAX, a body of
 * message_bytes_max, and the times of event_post.h for each phase, of a new connection for its handshake and head together.
 * A body's memory is taken when its head was judged to be good, and given back with its answer.
 *
 * One thread, its own; the engine is met in the inbox only. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/listener.h"
#include "core/log.h"
#include "source/event_post.h"
#include "wire/tls.h"

#define CLIENTS_DEFAULT 64u
#define BACKLOG         64
/* Of a TLS record that began in the bytes before, and of all that are read at a time. */
#define CIPHER_BYTES   8192u
#define RX_BYTES       32768u
#define TX_BYTES       (TF_EVENT_POST_ANSWER_BYTES_MAX + 512u)
#define EVENT_CNT_MAX  64
#define ACCEPT_CNT_MAX 16 /* a pass */
#define TICK_MS        50 /* deadlines are looked at so often */
/* While the engine is to take something: it does within a pass of its lane, which makes no system call to say so. Looked at
 * again after so long, twice as long each time. */
#define WAIT_NS_MIN (20 * TF_NS_PER_US)
#define WAIT_NS_MAX (640 * TF_NS_PER_US)
#define LINGER_CNT  64 /* reads of what still comes behind a refusal, so that the peer can read it */

typedef enum phase { FREE, HEAD, BODY, WAIT, ANSWER, LINGER } phase_t;

typedef struct tls_part {
  tf_tls_t tls;
  uint8_t  tx[TF_TLS_TX_BYTES_MIN];
} tls_part_t;

typedef struct client {
  uint8_t                phase;
  bool                   waits_out; /* for room in the socket */
  uint32_t               watched;   /* epoll's events */
  bool                   has_begun; /* HEAD: a byte of it came */
  int                    fd;
  uint64_t               due_ns; /* of the phase */
  uint64_t               since_ns;
  uint64_t               address;
  uint32_t               rx_at, rx_cnt; /* rx[rx_at, rx_cnt) is not read yet */
  uint32_t               tx_at, tx_cnt; /* plain bytes that wait to be sent */
  uint32_t               linger_cnt;
  uint8_t               *bytes; /* of the body, message_bytes_max + TF_BYTES_PAD; NULL: none now */
  tls_part_t            *tls;   /* NULL: plain */
  tf_http_body_t         body;
  tf_http_head_t         head;
  tf_event_post_answer_t answer;
  uint8_t                rx[RX_BYTES];
  char                   tx[TX_BYTES];
} client_t;

typedef struct intake {
  const tf_intake_config_t *config;
  tf_listener_t             listener;
  tf_tls_ctx_t              tls_ctx;
  pthread_t                 thread;
  bool                      has_thread;
  int                       epoll_fd, wake_fd;
  uint32_t                  stopping; /* written by close */
  uint32_t                  client_max, client_cnt, wait_cnt;
  uint64_t                  wait_ns; /* between looks at those that wait for the engine */
  uint64_t                  now_ns;
  client_t                 *clients;   /* (client_max) */
  tls_part_t               *tls_parts; /* (client_max) of a TLS listener */
  tf_intake_counts_t        counts;    /* this thread writes; others read word by word */
  tf_event_post_t           post;
} intake_t;

TF_STATIC_ASSERT(RX_BYTES > CIPHER_BYTES + TF_TLS_RECORD_BYTES_MAX, "what is read fits in rx");

static const char wake_mark, listen_mark; /* epoll's names of what is no client */

static void set_phase(intake_t *s, client_t *c, phase_t phase, uint64_t span_ns) {
  s->wait_cnt -= c->phase == WAIT;
  s->wait_cnt += phase == WAIT;
  if (phase == WAIT) s->wait_ns = WAIT_NS_MIN;
  c->phase    = (uint8_t)phase;
  c->since_ns = s->now_ns;
  c->due_ns   = s->now_ns + span_ns;
}

static void give_body_back(client_t *c) {
  free(c->bytes);
  c->bytes = NULL;
}

static void end_client(intake_t *s, client_t *c) {
  set_phase(s, c, FREE, 0);
  if (c->tls) tf_tls_fini(&c->tls->tls);
  give_body_back(c);
  close(c->fd); /* and out of the epoll set */
  c->fd = -1;
  s->client_cnt--;
  tf_count_add(&s->counts.disconnects, 1);
}

static bool reads(const client_t *c) {
  return c->phase == HEAD || c->phase == BODY || c->phase == LINGER;
}

static void set_watched(intake_t *s, client_t *c, uint32_t watched) {
  struct epoll_event event = {.events = watched, .data = {.ptr = c}};
  if (c->watched != watched) epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
  c->watched = watched;
}

/* Of one that is not read now input is watched on, until some comes: few send before they are answered. */
static void watch(intake_t *s, client_t *c) {
  uint32_t in = reads(c) ? EPOLLIN : c->watched & EPOLLIN;
  set_watched(s, c, in | (c->waits_out ? EPOLLOUT : 0u));
}

/* ---- sending ---- */

/* 1: all is out; 0: not now; -1: the connection is broken. */
static int send_bytes(client_t *c, const void *bytes, size_t cnt, size_t *sent) {
  ssize_t n = send(c->fd, bytes, cnt, MSG_NOSIGNAL | MSG_DONTWAIT);
  *sent     = n > 0 ? (size_t)n : 0;
  if (n < 0 && errno != EAGAIN && errno != EINTR) return -1;
  return *sent == cnt;
}

static int flush_tls(client_t *c) {
  size_t         cnt, sent;
  const uint8_t *bytes = tf_tls_tx(&c->tls->tls, &cnt);
  if (cnt == 0) return 1;
  int state = send_bytes(c, bytes, cnt, &sent);
  tf_tls_tx_sent(&c->tls->tls, sent);
  return state;
}

static int flush(client_t *c) {
  size_t left = c->tx_cnt - c->tx_at, sent = 0;
  int    state;
  if (!c->tls) {
    if (left == 0) return 1;
    state = send_bytes(c, c->tx + c->tx_at, left, &sent);
    c->tx_at += (uint32_t)sent;
    return state;
  }
  do {
    size_t room = tf_tls_write_room(&c->tls->tls);
    left        = c->tx_cnt - c->tx_at;
    if (left > room) left = room;
    if (left > 0 && tf_tls_write(&c->tls->tls, c->tx + c->tx_at, left) != TF_OK) return -1;
    c->tx_at += (uint32_t)left;
    state = flush_tls(c);
  } while (state == 1 && c->tx_at < c->tx_cnt);
  return state;
}

static void begin_answer(intake_t *s, client_t *c) {
  tf_event_post_answer_t *a = &c->answer;
  int cnt = tf_http_answer_write(c->tx, sizeof c->tx, a->status, "application/json", a->headers,
                                 !a->closes, a->body, a->body_cnt);
  TF_ASSERT(cnt > 0);
  c->tx_at  = 0;
  c->tx_cnt = (uint32_t)cnt;
  give_body_back(c);
  tf_count_add(&s->counts.refused, a->status >= 300 && !a->is_busy);
  tf_count_add(&s->counts.busy, a->is_busy);
  set_phase(s, c, ANSWER, TF_EVENT_POST_ANSWER_NS_MAX);
}

static void refuse(intake_t *s, client_t *c, int status, const char *why) {
  tf_event_post_refuse(&c->answer, status, true, why);
  begin_answer(s, c);
}

/* ---- requests ---- */

static void await_head(intake_t *s, client_t *c) {
  tf_http_head_init(&c->head, TF_HTTP_REQUEST);
  c->has_begun = false;
  set_phase(s, c, HEAD, TF_EVENT_POST_IDLE_NS_MAX);
}

static void finish_body(intake_t *s, client_t *c) {
  tf_event_post_take(&s->post, &c->head, (char *)c->body.bytes, c->body.bytes_cnt,
                     tf_clock_wall_ns(), s->now_ns, &c->answer);
  tf_store_relaxed(&s->counts.messages, s->post.put_cnt); /* relaxed: a word by itself */
  tf_store_relaxed(&s->counts.bytes, s->post.put_bytes);  /* relaxed: as above */
  c->answer.closes |= !tf_http_head_keep_alive(&c->head);
  give_body_back(c);
  if (c->answer.ticket == 0)
    begin_answer(s, c);
  else
    set_phase(s, c, WAIT, TF_EVENT_POST_TAKEN_NS_MAX);
}

static void refuse_body(intake_t *s, client_t *c) {
  if (c->body.is_too_long)
    refuse(s, c, 413, "the body is longer than this listener takes");
  else
    refuse(s, c, 400, "the body's length or form contradicts its head");
}

/* Somebody who asks whether to send at all is told so (RFC 9110 10.1.1). */
static void say_go_on(client_t *c) {
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  if (c->head.minor_version == 0 || !tf_http_head_has_token(&c->head, "expect", "100-continue"))
    return;
  memcpy(c->tx, go_on, sizeof go_on - 1);
  c->tx_at  = 0;
  c->tx_cnt = sizeof go_on - 1;
}

static void finish_head(intake_t *s, client_t *c) {
  size_t bytes_max = s->config->message_bytes_max;
  if (!tf_event_post_judge(&s->post, &c->head, c->address, s->now_ns, &c->answer)) {
    begin_answer(s, c);
    return;
  }
  c->bytes = malloc(bytes_max + TF_BYTES_PAD);
  if (!c->bytes) {
    refuse(s, c, 503, "no memory for a body");
    return;
  }
  int state = tf_http_body_init(&c->body, &c->head, NULL, c->bytes, bytes_max);
  if (state < 0) {
    refuse_body(s, c);
  } else if (state == TF_HTTP_DONE) {
    refuse(s, c, 400, "a body is wanted");
  } else {
    set_phase(s, c, BODY, TF_EVENT_POST_BODY_NS_MAX);
    say_go_on(c);
  }
}

/* As far as what was received goes, and no request is under way. */
static void read_requests(intake_t *s, client_t *c) {
  while (c->rx_at < c->rx_cnt && (c->phase == HEAD || c->phase == BODY)) {
    size_t         used, cnt = c->rx_cnt - c->rx_at;
    const uint8_t *bytes = c->rx + c->rx_at;
    if (c->phase == HEAD && !c->has_begun) {
      c->has_begun = true;
      set_phase(s, c, HEAD, TF_EVENT_POST_HEAD_NS_MAX);
    }
    int state = c->phase == HEAD ? tf_http_head_feed(&c->head, bytes, cnt, &used)
                                 : tf_http_body_feed(&c->body, bytes, cnt, &used);
    if (state < 0) {
      if (c->phase == HEAD)
        refuse(s, c, 400, "this is no HTTP/1.1 request that is taken here");
      else
        refuse_body(s, c);
      return;
    }
    c->rx_at += (uint32_t)used;
    if (state == TF_HTTP_DONE && c->phase == HEAD)
      finish_head(s, c);
    else if (state == TF_HTTP_DONE)
      finish_body(s, c);
  }
}

/* ---- a connection's progress ---- */

/* Bytes received into rx; 0: none now; -1: the connection is over. */
static int receive(client_t *c) {
  uint8_t  cipher[CIPHER_BYTES];
  ssize_t  n;
  uint8_t *to = c->tls ? cipher : c->rx;
  n           = recv(c->fd, to, c->tls ? sizeof cipher : sizeof c->rx, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  if (n == 0) return -1;
  c->rx_at  = 0;
  c->rx_cnt = (uint32_t)n;
  if (!c->tls) return (int)n;
  tf_tls_feed(&c->tls->tls, cipher, (size_t)n);
  c->rx_cnt = 0;
  int got;
  while ((got = tf_tls_read(&c->tls->tls, c->rx + c->rx_cnt, sizeof c->rx - c->rx_cnt)) > 0)
    c->rx_cnt += (uint32_t)got;
  bool is_over = got < 0 || (c->tls->tls.state == TF_TLS_CLOSED && c->rx_cnt == 0);
  return is_over ? -1 : (int)c->rx_cnt;
}

/* What was refused before it was read through: closing now would send a reset, and that may overtake the answer. */
static void begin_linger(intake_t *s, client_t *c) {
  if (c->tls) {
    tf_tls_shutdown(&c->tls->tls);
    flush_tls(c);
  }
  shutdown(c->fd, SHUT_WR);
  c->linger_cnt = 0;
  set_phase(s, c, LINGER, TF_EVENT_POST_HEAD_NS_MAX);
}

static void linger(intake_t *s, client_t *c) {
  ssize_t n = recv(c->fd, c->rx, sizeof c->rx, MSG_DONTWAIT);
  if (n > 0 && ++c->linger_cnt < LINGER_CNT) return;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  end_client(s, c);
}

static void finish_answer(intake_t *s, client_t *c) {
  if (c->answer.closes) {
    begin_linger(s, c);
    return;
  }
  await_head(s, c);
  read_requests(s, c); /* what was pipelined */
}

/* Goes on as far as it can without waiting. */
static void advance(intake_t *s, client_t *c) {
  while (c->phase != FREE && c->phase != LINGER) {
    if (c->phase == WAIT && tf_event_post_is_taken(&s->post, c->answer.ticket)) begin_answer(s, c);
    int state    = flush(c);
    c->waits_out = state == 0;
    if (state < 0) end_client(s, c);
    if (state <= 0 || c->phase != ANSWER) break;
    finish_answer(s, c);
  }
  if (c->phase != FREE) watch(s, c);
}

static void on_readable(intake_t *s, client_t *c) {
  if (c->phase == LINGER) {
    linger(s, c);
    return;
  }
  int got = receive(c);
  if (got < 0) {
    if (c->tls) flush_tls(c); /* an alert */
    end_client(s, c);
    return;
  }
  if (got > 0) read_requests(s, c);
  advance(s, c);
}

static void on_events(intake_t *s, client_t *c, uint32_t events) {
  if (!reads(c) && events & (EPOLLHUP | EPOLLERR)) {
    end_client(s, c); /* nobody is there to be answered; what it sent is the engine's */
    return;
  }
  if (reads(c) && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    on_readable(s, c);
    return;
  }
  if (events & EPOLLIN) set_watched(s, c, c->watched & ~(uint32_t)EPOLLIN);
  if (events & EPOLLOUT) advance(s, c);
}

static void on_deadline(intake_t *s, client_t *c) {
  if (c->phase == WAIT) {
    c->answer.status = 202;
    begin_answer(s, c);
    advance(s, c);
  } else if ((c->phase == HEAD && c->has_begun) || c->phase == BODY) {
    refuse(s, c, 408, "the request took too long");
    advance(s, c);
  } else {
    end_client(s, c);
  }
}

static void look_at_all(intake_t *s) {
  for (uint32_t i = 0; i < s->client_max; i++) {
    client_t *c = &s->clients[i];
    if (c->phase == FREE) continue;
    if (c->phase == WAIT && tf_event_post_is_taken(&s->post, c->answer.ticket)) advance(s, c);
    if (c->phase != FREE && s->now_ns >= c->due_ns) on_deadline(s, c);
  }
}

/* ---- coming ---- */

/* An IPv6 host has all of its network's 2^64 addresses to itself. */
static uint64_t address_of(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t               bytes   = sizeof address;
  uint64_t                word    = 0;
  getpeername(fd, (struct sockaddr *)&address, &bytes);
  if (address.ss_family == AF_INET6)
    memcpy(&word, &((struct sockaddr_in6 *)&address)->sin6_addr, sizeof word);
  else
    memcpy(&word, &((struct sockaddr_in *)&address)->sin_addr, sizeof(struct in_addr));
  return tf_hash_fold(TF_HASH_SEED, word) | 1;
}

static void take(intake_t *s, int fd) {
  int       one = 1;
  client_t *c   = s->clients;
  if (s->client_cnt == s->client_max) {
    close(fd);
    tf_count_add(&s->counts.refused, 1);
    return;
  }
  while (c->phase != FREE) c++;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  c->fd      = fd;
  c->address = address_of(fd);
  c->rx_at = c->rx_cnt = c->tx_at = c->tx_cnt = 0;
  c->waits_out                                = false;
  c->tls                                      = s->tls_parts ? &s->tls_parts[c - s->clients] : NULL;
  s->client_cnt++;
  tf_count_add(&s->counts.connects, 1);
  await_head(s, c);
  set_phase(s, c, HEAD, TF_EVENT_POST_HEAD_NS_MAX);
  c->watched                    = EPOLLIN;
  struct epoll_event event      = {.events = c->watched, .data = {.ptr = c}};
  bool               is_watched = epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
  if (c->tls) memset(&c->tls->tls, 0, sizeof c->tls->tls);
  if (!is_watched || (c->tls && tf_tls_init(&c->tls->tls, &s->tls_ctx, NULL, c->tls->tx,
                                            sizeof c->tls->tx) != TF_OK)) {
    tf_count_add(&s->counts.errors, 1);
    end_client(s, c);
  }
}

static void accept_some(intake_t *s) {
  for (int i = 0; i < ACCEPT_CNT_MAX; i++) {
    int fd = tf_listener_accept(&s->listener);
    if (fd < 0) return;
    take(s, fd);
  }
}

/* ---- the thread ---- */

static int wait_for(intake_t *s, struct epoll_event *events) {
  if (s->wait_cnt == 0) return epoll_wait(s->epoll_fd, events, EVENT_CNT_MAX, TICK_MS);
  const struct timespec span = {.tv_nsec = (long)s->wait_ns};
  s->wait_ns                 = s->wait_ns < WAIT_NS_MAX ? 2 * s->wait_ns : WAIT_NS_MAX;
  int cnt                    = epoll_pwait2(s->epoll_fd, events, EVENT_CNT_MAX, &span, NULL);
  if (cnt >= 0 || errno != ENOSYS) return cnt;
  return epoll_wait(s->epoll_fd, events, EVENT_CNT_MAX, 1); /* a kernel before 5.11 */
}

static void *run(void *self) {
  intake_t          *s = self;
  struct epoll_event events[EVENT_CNT_MAX];
  tf_cpu_pin(-1, "tf-events");
  /* pairs with: http_close */
  while (!tf_load_acquire_u32(&s->stopping)) {
    int cnt   = wait_for(s, events);
    s->now_ns = tf_clock_monotonic_ns();
    for (int i = 0; i < cnt; i++) {
      client_t *c = events[i].data.ptr;
      if (events[i].data.ptr == &wake_mark) continue;
      if (events[i].data.ptr == &listen_mark)
        accept_some(s);
      else if (c->phase != FREE)
        on_events(s, c, events[i].events);
    }
    look_at_all(s);
  }
  return NULL;
}

/* ---- lifetime ---- */

static size_t http_state_bytes(const tf_intake_config_t *config) {
  (void)config;
  return sizeof(intake_t);
}

static tf_err_t open_listener(intake_t *s) {
  char                    host[TF_LISTENER_HOST_BYTES], url[128];
  uint16_t                port;
  const char             *path;
  const tf_listener_use_t use = {.code = E_HTTP_LISTEN, .what = "feeds.listen", .backlog = BACKLOG};
  snprintf(url, sizeof url, "http://%s", s->config->listen);
  tf_err_t err = tf_listener_url(&use, url, "http", host, &port, &path);
  if (!err) err = tf_listener_tcp(&s->listener, &use, host, port);
  return err ? tf_error_add(err, "opening the listener of feed %s", s->config->name) : TF_OK;
}

static tf_err_t open_tls(intake_t *s) {
  const tf_intake_config_t *c = s->config;
  if (!c->cert_file != !c->tls_key_file)
    return TF_ERR(E_SOURCE_CONFIG, "feed %s: cert_file and tls_key_file belong together", c->name);
  if (!c->cert_file) return TF_OK;
  tf_err_t err = tf_tls_ctx_init_server(&s->tls_ctx, c->cert_file, c->tls_key_file);
  if (err) return tf_error_add(err, "opening the listener of feed %s", c->name);
  s->tls_parts = calloc(s->client_max, sizeof *s->tls_parts);
  return s->tls_parts ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "feed %s: TLS of its clients", c->name);
}

static bool watch_fixed(intake_t *s, int fd, const char *mark) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = (void *)(uintptr_t)mark}};
  return fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static tf_err_t open_epoll(intake_t *s) {
  s->wake_fd  = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (s->epoll_fd < 0 || !watch_fixed(s, s->wake_fd, &wake_mark) ||
      !watch_fixed(s, s->listener.fd, &listen_mark))
    return TF_ERR(E_SOURCE_IO, "feed %s: epoll: %s", s->config->name, strerror(errno));
  return TF_OK;
}

static tf_err_t start_thread(intake_t *s) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
  int err = pthread_create(&s->thread, NULL, run, s);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  s->has_thread = err == 0;
  return err ? TF_ERR(E_CORE_THREAD, "the thread of feed %s: %s", s->config->name, strerror(err))
             : TF_OK;
}

static void http_close(void *state) {
  intake_t *s   = state;
  uint64_t  one = 1;
  tf_store_release_u32(&s->stopping, 1); /* pairs with: run */
  if (s->has_thread) {
    if (write(s->wake_fd, &one, sizeof one) < 0) tf_count_add(&s->counts.errors, 1);
    pthread_join(s->thread, NULL);
  }
  s->has_thread = false;
  for (uint32_t i = 0; s->clients && i < s->client_max; i++)
    if (s->clients[i].phase != FREE) end_client(s, &s->clients[i]);
  tf_listener_close(&s->listener);
  if (s->epoll_fd >= 0) close(s->epoll_fd);
  if (s->wake_fd >= 0) close(s->wake_fd);
  s->epoll_fd = s->wake_fd = -1;
  tf_tls_ctx_fini(&s->tls_ctx);
  tf_event_post_fini(&s->post);
  free(s->clients);
  free(s->tls_parts);
  s->clients   = NULL;
  s->tls_parts = NULL;
  tf_store_relaxed(&s->counts.is_up, 0); /* relaxed: a word by itself */
}

static tf_err_t http_open(void *state, const tf_intake_config_t *config, tf_inbox_t *inbox) {
  intake_t *s = state;
  memset(s, 0, sizeof *s);
  s->config      = config;
  s->epoll_fd    = -1;
  s->wake_fd     = -1;
  s->listener.fd = -1;
  s->client_max  = config->clients_max ? config->clients_max : CLIENTS_DEFAULT;
  s->now_ns      = tf_clock_monotonic_ns();
  s->clients     = calloc(s->client_max, sizeof *s->clients);
  if (!s->clients) return TF_ERR(E_CORE_NO_MEMORY, "feed %s: its clients", config->name);
  tf_err_t err = open_listener(s);
  if (!err) err = tf_event_post_init(&s->post, config, inbox, s->listener.loopback);
  if (!err) err = open_tls(s);
  if (!err) err = open_epoll(s);
  if (!err) tf_store_relaxed(&s->counts.is_up, 1); /* relaxed: a word by itself */
  if (!err) err = start_thread(s);
  if (err) {
    http_close(s);
    return err;
  }
  if (!s->listener.loopback && !config->cert_file)
    tf_log(TF_LOG_WARN, "events_in_the_clear",
           "feed=%s listen=%s remedy=\"cert_file and tls_key_file, or a proxy in front: the token "
           "can be read on the way\"",
           config->name, config->listen);
  return TF_OK;
}

static void http_counts(const void *state, tf_intake_counts_t *counts) {
  const intake_t *s = state;
  tf_words_from_shared((uint64_t *)counts, (const uint64_t *)&s->counts,
                       sizeof *counts / sizeof(uint64_t));
}

static void http_say(const tf_intake_config_t *config, char *text, size_t cap) {
  snprintf(text, cap, "POST %s://%s" TF_EVENT_POST_TARGET "%s",
           config->cert_file ? "https" : "http", config->listen,
           config->token_file ? ", with a token" : "");
}

static uint16_t http_port(const void *state) { return ((const intake_t *)state)->listener.port; }

const tf_intake_t tf_intake_http = {.name        = "http",
                                    .help        = "POST /v1/events on a listener of its own",
                                    .keys        = "listen token_file cert_file tls_key_file "
                                                   "clients_max rate_max",
                                    .state_bytes = http_state_bytes,
                                    .open        = http_open,
                                    .close       = http_close,
                                    .counts      = http_counts,
                                    .say         = http_say,
                                    .port        = http_port};
