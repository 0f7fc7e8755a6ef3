/* B1, ingest: websocket text messages of 230 bytes over loopback TCP, 1, 8 or 64 to a send.
 *
 * A sender process on one core; on another core, in turns within one run, (a) the I/O loop and the
 * websocket parser of tickfuse, (b) libwebsockets' client. Rate: messages over wall time, the receiver
 * waiting in the kernel when there is nothing. CPU: the receiving thread's CPU clock over the
 * messages. Latency, one message at a time on an open-loop schedule of 20 k/s, from the intended
 * send time to the parsed message, all spinning: the loop on io_uring, the loop's direct mode on
 * epoll, and against them a bare non-blocking recv() in a loop with the same parser.
 *
 * The best of several rounds for either side: interference only slows, and the rounds alternate. --smoke: a second, figures without meaning. --json: rows for `bench`. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/hist.h"
#include "io/io.h"
#include "peer_lws.h"
#include "wire/http.h"
#include "wire/ws.h"

#define PAYLOAD_BYTES    230
#define FRAME_BYTES      (4 + PAYLOAD_BYTES)
#define BATCH_MAX        64
#define STAMP_AT         8 /* in a payload: the intended send time in ticks, as 16 hex digits */
#define STAMP_CHARS      16
#define PACED_RATE_HZ    20000
#define ROUNDS_MAX       15
#define RECEIVER_CPU     0
#define SENDER_CPU       1
#define WAIT_NS          (100 * TF_NS_PER_MS)
#define GIVE_UP_NS       (20 * TF_NS_PER_SEC)
#define SOCKET_BYTES     (4 << 20)
#define LEAD_IN_MESSAGES 2000
#define LOOP_CNT         3 /* io_uring, io_uring read directly, epoll read directly */

/* What the receiver asks of the sender, over a socket pair. The sender accepts one connection for
 * each and closes it behind the last message. */
typedef struct job {
  uint64_t message_cnt;
  uint32_t batch;
  uint32_t rate_hz; /* 0: as fast as it goes */
} job_t;

typedef struct figures {
  double rate_hz, cpu_ns;
} figures_t;

typedef struct row {
  const char *name, *unit, *peer;
  double      ours, peer_value, ratio, budget; /* budget 0: none */
  bool        ok;
} row_t;

static row_t rows[32];
static int   row_cnt;
static bool  smoke;

static _Noreturn void die(const char *what) {
  fprintf(stderr, "bench_ingest: %s: %s\n", what, errno ? strerror(errno) : tf_error_text());
  exit(1);
}

/* ---- sender process ---- */

static void send_all(int fd, const uint8_t *bytes, size_t cnt) {
  while (cnt > 0) {
    ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return; /* the receiver reports what is missing */
    bytes += sent;
    cnt -= (size_t)sent;
  }
}

static void frames_make(uint8_t *frames) {
  static const char text[] =
      "{\"_\":\"0123456789abcdef\",\"e\":\"aggTrade\",\"E\":1718000000123,\"s\":\"BTCUSDT\",\"a\":"
      "3141592653,\"p\":\"67123.45000000\",\"q\":\"0.01234000\",\"f\":3600000001,\"l\":3600000004,"
      "\"T\":1718000000121,\"m\":true,\"M\":true,\"x\":\"";
  for (int i = 0; i < BATCH_MAX; i++) {
    uint8_t *frame = frames + i * FRAME_BYTES;
    memcpy(frame, "\x81\x7e\x00\xe6", 4);
    memset(frame + 4, '.', PAYLOAD_BYTES);
    memcpy(frame + 4, text, sizeof text - 1);
    memcpy(frame + 4 + PAYLOAD_BYTES - 2, "\"}", 2);
  }
}

static void stamp(uint8_t *frame, uint64_t ticks) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < STAMP_CHARS; i++)
    frame[4 + STAMP_AT - 2 + i] = (uint8_t)digits[ticks >> (60 - 4 * i) & 15];
}

static bool upgrade_answer(int fd) {
  static tf_http_head_t head;
  tf_http_head_init(&head, TF_HTTP_REQUEST);
  int done = TF_HTTP_MORE;
  while (done == TF_HTTP_MORE) {
    uint8_t bytes[2048];
    ssize_t cnt = recv(fd, bytes, sizeof bytes, 0);
    size_t  used;
    if (cnt <= 0) return false;
    done = tf_http_head_feed(&head, bytes, (size_t)cnt, &used);
  }
  char answer[1024];
  int  cnt =
      done == TF_HTTP_DONE ? tf_http_ws_accept_write(answer, sizeof answer, &head, NULL, NULL) : -1;
  if (cnt < 0) return false;
  send_all(fd, (const uint8_t *)answer, (size_t)cnt);
  return true;
}

static void job_run(int fd, const job_t *job, uint8_t *frames) {
  if (job->rate_hz == 0) {
    for (uint64_t sent = 0; sent < job->message_cnt; sent += job->batch)
      send_all(fd, frames, job->batch * (size_t)FRAME_BYTES);
    return;
  }
  uint64_t step = tf_clock_ns_to_ticks(TF_NS_PER_SEC / job->rate_hz);
  uint64_t due  = tf_clock_ticks() + step;
  for (uint64_t sent = 0; sent < job->message_cnt; sent++, due += step) {
    stamp(frames, due);
    while (tf_clock_ticks() < due) tf_spin_pause();
    send_all(fd, frames, FRAME_BYTES);
  }
}

static _Noreturn void sender_run(int control, int listener) {
  static uint8_t frames[BATCH_MAX * FRAME_BYTES];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  tf_cpu_pin(tf_cpu_allowed_cnt() > 1 ? SENDER_CPU : -1, "bench_sender");
  job_t job;
  while (recv(control, &job, sizeof job, 0) == (ssize_t)sizeof job) {
    int fd  = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char go;
    frames_make(frames);
    /* go comes when the receiver has its upgrade behind it and starts its clock. */
    if (upgrade_answer(fd) && recv(control, &go, 1, 0) == 1) job_run(fd, &job, frames);
    if (recv(control, &go, 1, 0) != 1) break; /* the receiver has all, or gives up */
    close(fd);
  }
  _exit(0);
}

/* ---- receivers ---- */

static int      control_fd;
static uint16_t port;

typedef struct receiver {
  tf_ws_t    ws;
  uint64_t   message_cnt, payload_bytes, skip_cnt;
  tf_hist_t *latency; /* NULL: not stamped */
  bool       closed;
} receiver_t;

static uint8_t *assembly;

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  receiver_t *r = self;
  (void)opcode;
  r->message_cnt++;
  r->payload_bytes += cnt;
  if (!r->latency || r->message_cnt <= r->skip_cnt) return;
  uint64_t due = 0;
  for (int i = 0; i < STAMP_CHARS; i++) {
    uint8_t c = bytes[STAMP_AT - 2 + i];
    due       = due << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  tf_hist_record(r->latency, tf_clock_ticks_to_ns(tf_clock_ticks() - due));
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self;
  (void)opcode;
  (void)bytes;
  (void)cnt;
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)conn;
  (void)recv_ns;
  receiver_t *r = self;
  if (tf_ws_feed(&r->ws, bytes, cnt) != TF_OK) r->closed = true;
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn;
  (void)sys_errno;
  ((receiver_t *)self)->closed = true;
}

static void receiver_init(receiver_t *r) {
  memset(r, 0, sizeof *r);
  tf_ws_config_t  config  = {.role           = TF_WS_CLIENT,
                             .utf8_unchecked = true, /* as the engine runs it: the scanner checks */
                             .random         = {.u32 = tf_ws_random_system}};
  tf_ws_handler_t handler = {.self = r, .on_message = on_message, .on_control = on_control};
  if (tf_ws_init(&r->ws, &config, &handler, assembly) != TF_OK) die("tf_ws_init");
}

static int connect_upgraded(void) {
  static tf_http_ws_client_t up;
  static const uint8_t       nonce[16] = {1};
  char                       request[512];
  errno = 0;
  if (tf_http_ws_client_init(&up, "127.0.0.1", nonce, NULL) != TF_OK) die("upgrade");
  int cnt = tf_http_ws_client_write(&up, request, sizeof request, NULL, "/", NULL);
  if (cnt < 0) die("upgrade");
  int                fd   = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in addr = {
      .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
  if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) die("connect");
  send_all(fd, (const uint8_t *)request, (size_t)cnt);
  int done = TF_HTTP_MORE;
  while (done == TF_HTTP_MORE) {
    uint8_t bytes[2048];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    size_t  used;
    if (got <= 0) die("upgrade answer");
    done = tf_http_ws_client_feed(&up, bytes, (size_t)got, &used);
  }
  if (done != TF_HTTP_DONE) die("upgrade answer");
  return fd;
}

static uint64_t thread_cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void job_ask(const job_t *job) {
  if (send(control_fd, job, sizeof *job, MSG_NOSIGNAL) != (ssize_t)sizeof *job) die("sender");
}
static void job_tell(void) {
  if (send(control_fd, "g", 1, MSG_NOSIGNAL) != 1) die("sender");
}

static void check_complete(uint64_t got, uint64_t payload, uint64_t wanted) {
  errno = 0;
  if (got == wanted && payload == wanted * PAYLOAD_BYTES) return;
  fprintf(stderr, "bench_ingest: %llu messages of %llu came\n", (unsigned long long)got,
          (unsigned long long)wanted);
  exit(1);
}

/* One connection through a loop: spinning, or waiting in the kernel when there is nothing. */
static figures_t run_loop(tf_io_t *io, const job_t *job, bool spin, tf_hist_t *latency) {
  static receiver_t r;
  job_ask(job);
  int fd = connect_upgraded();
  receiver_init(&r);
  r.latency               = latency;
  r.skip_cnt              = latency ? LEAD_IN_MESSAGES : 0;
  tf_io_handler_t handler = {.self = &r, .on_bytes = on_bytes, .on_closed = on_closed};
  tf_io_conn_t    conn;
  if (tf_io_attach(io, fd, &handler, &conn) != TF_OK) die("attach");
  if (tf_io_poll(io, 0) < 0) die("poll");
  job_tell();
  uint64_t cpu   = thread_cpu_ns();
  uint64_t begin = tf_clock_monotonic_ns();
  while (r.message_cnt < job->message_cnt && !r.closed) {
    int cnt = tf_io_poll(io, spin ? 0 : WAIT_NS);
    if (cnt < 0) die("poll");
    if (cnt == 0 && tf_clock_monotonic_ns() - begin > GIVE_UP_NS) break;
  }
  double wall_ns = (double)(tf_clock_monotonic_ns() - begin);
  double cpu_ns  = (double)(thread_cpu_ns() - cpu);
  tf_io_close(io, conn);
  tf_io_poll(io, 0);
  job_tell();
  check_complete(r.message_cnt, r.payload_bytes, job->message_cnt);
  double cnt = (double)job->message_cnt;
  return (figures_t){.rate_hz = cnt / wall_ns * 1e9, .cpu_ns = cpu_ns / cnt};
}

static figures_t run_lws(const job_t *job) {
  job_ask(job);
  peer_lws_t *peer = peer_lws_open(port, NULL);
  if (!peer) die("libwebsockets cannot connect");
  job_tell();
  uint64_t cpu     = thread_cpu_ns();
  uint64_t begin   = tf_clock_monotonic_ns();
  bool     all     = peer_lws_receive(peer, job->message_cnt);
  double   wall_ns = (double)(tf_clock_monotonic_ns() - begin);
  double   cpu_ns  = (double)(thread_cpu_ns() - cpu);
  uint64_t payload = peer_lws_payload_bytes(peer);
  peer_lws_close(peer);
  job_tell();
  check_complete(all ? job->message_cnt : 0, payload, job->message_cnt);
  double cnt = (double)job->message_cnt;
  return (figures_t){.rate_hz = cnt / wall_ns * 1e9, .cpu_ns = cpu_ns / cnt};
}

/* The bound: nothing but recv and the parser. */
static void run_busy_recv(const job_t *job, tf_hist_t *latency) {
  static receiver_t r;
  static uint8_t    bytes[16384 + TF_BYTES_PAD];
  job_ask(job);
  int fd = connect_upgraded();
  receiver_init(&r);
  r.latency  = latency;
  r.skip_cnt = LEAD_IN_MESSAGES;
  job_tell();
  while (r.message_cnt < job->message_cnt && !r.closed) {
    ssize_t cnt = recv(fd, bytes, sizeof bytes - TF_BYTES_PAD, MSG_DONTWAIT);
    if (cnt > 0)
      on_bytes(&r, 0, bytes, (size_t)cnt, 0);
    else if (cnt == 0 || (errno != EAGAIN && errno != EINTR))
      break;
  }
  close(fd);
  job_tell();
  check_complete(r.message_cnt, r.payload_bytes, job->message_cnt);
}

/* ---- figures ---- */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double least(double *values, int cnt) {
  qsort(values, (size_t)cnt, sizeof *values, compare);
  return values[0];
}

static double most(double *values, int cnt) {
  qsort(values, (size_t)cnt, sizeof *values, compare);
  return values[cnt - 1];
}

static void row_add(row_t row) { rows[row_cnt++] = row; }

static void throughput(tf_io_t *io, uint32_t batch, const char *rate_name, const char *cpu_name) {
  uint64_t messages = batch == 1 ? 200000 : batch == 8 ? 480000 : 960000;
  int      rounds   = smoke ? 1 : 5;
  if (smoke) messages /= 16;
  job_t  job = {.message_cnt = messages / batch * batch, .batch = batch};
  double rate[2][ROUNDS_MAX], cpu[2][ROUNDS_MAX];
  for (int i = 0; i < rounds; i++) {
    figures_t ours = run_loop(io, &job, false, NULL);
    figures_t lws  = run_lws(&job);
    rate[0][i]     = ours.rate_hz;
    rate[1][i]     = lws.rate_hz;
    cpu[0][i]      = ours.cpu_ns;
    cpu[1][i]      = lws.cpu_ns;
  }
  double ours = most(rate[0], rounds), peer = most(rate[1], rounds);
  double budget = batch == 64 ? 5e6 : 0;
  row_add((row_t){rate_name, "msg/s", "libwebsockets", ours, peer, ours / peer, budget,
                  ours >= budget});
  ours   = least(cpu[0], rounds);
  peer   = least(cpu[1], rounds);
  budget = batch == 64 ? 100 : 0;
  row_add((row_t){cpu_name, "ns_cpu/msg", "libwebsockets", ours, peer, peer / ours, budget,
                  batch != 64 || (ours <= budget && peer / ours >= 6)});
}

static void latency(tf_io_t *const loops[LOOP_CNT]) {
  static tf_hist_t hist;
  int              rounds = smoke ? 1 : ROUNDS_MAX;
  job_t            job = {.message_cnt = smoke ? 4000 : 8000, .batch = 1, .rate_hz = PACED_RATE_HZ};
  double           p50[LOOP_CNT + 1][ROUNDS_MAX], p99[LOOP_CNT + 1][ROUNDS_MAX];
  for (int i = 0; i < rounds; i++) {
    for (int k = 0; k <= LOOP_CNT; k++) {
      tf_hist_reset(&hist);
      if (k < LOOP_CNT)
        run_loop(loops[k], &job, true, &hist);
      else
        run_busy_recv(&job, &hist);
      p50[k][i] = (double)tf_hist_quantile(&hist, 0.5);
      p99[k][i] = (double)tf_hist_quantile(&hist, 0.99);
    }
  }
  double busy50 = least(p50[LOOP_CNT], rounds), busy99 = least(p99[LOOP_CNT], rounds);
  static const char *const names[LOOP_CNT][2] = {
      {"ingest_1_p50_uring",        "ingest_1_p99_uring"       },
      {"ingest_1_p50_uring_direct", "ingest_1_p99_uring_direct"},
      {"ingest_1_p50_direct",       "ingest_1_p99_direct"      }
  };
  for (int k = 0; k < LOOP_CNT; k++) {
    double ours = least(p50[k], rounds);
    /* A histogram step is 3 %: within one step is "no worse". The ways to receive may be
     * chosen, so the direct ones carry the budget. */
    row_add((row_t){names[k][0], "ns", "busy recv()", ours, busy50, busy50 / ours,
                    k > 0 ? busy50 * 1.032 : 0, k == 0 || ours <= busy50 * 1.032});
    ours = least(p99[k], rounds);
    row_add((row_t){names[k][1], "ns", "busy recv()", ours, busy99, busy99 / ours, 0, true});
  }
}

static void print(bool json) {
  if (json) printf("[");
  for (int i = 0; i < row_cnt; i++) {
    const row_t *r = &rows[i];
    char         budget[32];
    snprintf(budget, sizeof budget, r->budget > 0 ? "%.6g" : json ? "null" : "-", r->budget);
    if (json)
      printf("%s{\"name\":\"%s\",\"ours\":%.6g,\"unit\":\"%s\",\"peer\":\"%s\",\"peer_value\":%.6g,"
             "\"ratio\":%.4g,\"budget\":%s,\"ok\":%s}",
             i ? ",\n " : "", r->name, r->ours, r->unit, r->peer, r->peer_value, r->ratio, budget,
             r->ok ? "true" : "false");
    else
      printf("%-22s %12.6g %-11s %14s %12.6g  x%-6.3g budget %-9s %s\n", r->name, r->ours, r->unit,
             r->peer, r->peer_value, r->ratio, budget, r->ok ? "ok" : "MISSED");
  }
  if (json) printf("]\n");
}

static tf_io_t *loop_open(tf_io_kind_t kind, uint32_t direct_conns_max, tf_arena_t *arena) {
  tf_io_config_t config   = tf_io_config_default();
  config.conns_max        = 4;
  config.direct_conns_max = direct_conns_max;
  tf_io_t *io;
  errno = 0;
  if (tf_arena_init(arena, "bench", tf_io_arena_bytes(&config)) != TF_OK) die("arena");
  if (tf_io_open(kind, &config, arena, &io) != TF_OK) die("tf_io_open");
  if (tf_io_fallback_reason()[0]) fprintf(stderr, "no io_uring: %s\n", tf_io_fallback_reason());
  return io;
}

int main(int argc, char **argv) {
  bool json = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--json") == 0)
      json = true;
    else if (strcmp(argv[i], "--smoke") == 0)
      smoke = true;
    else {
      fprintf(stderr, "usage: bench_ingest [--json] [--smoke]\n");
      return 2;
    }
  }
  tf_clock_calibrate();
  int                pair[2];
  int                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  int                bytes    = SOCKET_BYTES;
  setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      listen(listener, 8) != 0 || getsockname(listener, (struct sockaddr *)&addr, &addr_cnt) != 0 ||
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    die("sockets");
  port        = ntohs(addr.sin_port);
  control_fd  = pair[0];
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    close(pair[0]);
    sender_run(pair[1], listener);
  }
  close(pair[1]);
  close(listener);
  tf_cpu_pin(tf_cpu_allowed_cnt() > 1 ? RECEIVER_CPU : -1, "bench_ingest");

  assembly = malloc(tf_ws_assembly_bytes(0));
  if (!assembly) die("malloc");
  tf_arena_t arenas[LOOP_CNT];
  tf_io_t   *loops[LOOP_CNT] = {
        loop_open(TF_IO_AUTO, 0, &arenas[0]),
        loop_open(TF_IO_AUTO, 1, &arenas[1]),
        loop_open(TF_IO_EPOLL, 1, &arenas[2]),
  };
  tf_io_t *io = loops[0];
  throughput(io, 1, "ingest_1_rate", "ingest_1_cpu");
  throughput(io, 8, "ingest_8_rate", "ingest_8_cpu");
  throughput(io, 64, "ingest_64_rate", "ingest_64_cpu");
  latency(loops);
  print(json);
  for (int i = 0; i < LOOP_CNT; i++) {
    tf_io_fini(loops[i]);
    tf_arena_fini(&arenas[i]);
  }
  free(assembly);
  close(control_fd);
  waitpid(child, NULL, 0);
  return 0;
}
