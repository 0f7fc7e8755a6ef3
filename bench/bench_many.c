/* A thousand instruments on one lane, one of them in flood: does it age the others?
 *
 * This process is the venue: Binance's trade messages over loopback, sent when they are due on a fixed
 * schedule (open loop), half of them of instrument 0, the others in turn. The engine is the binary
 * beside this program, one lane that spins on the first core; its decisions, one a message, go to
 * shared memory and are read when all is over, so that nothing else runs meanwhile. Age: from the
 * message's intended send time, which it carries, to the decision's way out. All instruments over one
 * connection, and over ten. Percentiles are of each instrument alone. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "tf/reader.h"
#include "wire/http.h"
#include "wire/ws.h"

#define INSTRUMENTS_MAX   1000
#define SMOKE_INSTRUMENTS 100
#define RATE_HZ           100000
#define SECONDS           20
#define SMOKE_RATE_HZ     4000
#define SMOKE_SECONDS     2
#define WARM_UP_NS        TF_NS_PER_SEC
#define CONNS_MAX         16
#define FRAME_BYTES       192
#define BATCH_BYTES       (1u << 18)
#define READY_NS          (60 * TF_NS_PER_SEC)
#define SETTLE_NS         TF_NS_PER_SEC /* after the last subscription */
#define CATCH_UP_NS       (10 * TF_NS_PER_SEC)
#define ENGINE_ENDS_NS    (10 * TF_NS_PER_SEC)
#define FIRST_TRADE_ID    UINT64_C(100000000000) /* twelve digits, for all of a run */
#define REQUEST_BYTES     65536
#define SPREAD_MAX        2.0 /* ISSUE 4: p99 of each instrument within 2x of the mean */

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

static conn_t    conns[CONNS_MAX];
static uint32_t  conn_cnt, subscribed_cnt, instrument_cnt;
static conn_t   *conn_of[INSTRUMENTS_MAX];
static frame_t   frames[INSTRUMENTS_MAX];
static uint64_t *ages[INSTRUMENTS_MAX];
static uint32_t  age_cnt[INSTRUMENTS_MAX];
static int       listener;
static char      stream[64], config_path[] = "/tmp/bench_many_XXXXXX";
static pid_t     engine;
static bool      stopping;

static _Noreturn void die(const char *what) {
  fprintf(stderr, "bench_many: %s: %s\n", what, strerror(errno));
  if (engine > 0) kill(engine, SIGKILL);
  unlink(config_path);
  exit(1);
}

static void send_all(int fd, const void *data, size_t cnt) {
  for (const uint8_t *bytes = data; cnt;) {
    ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) die("the engine left");
    bytes += sent;
    cnt -= (size_t)sent;
  }
}

/* ---- the venue ---- */

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

/* What clients say, without waiting. */
static void hear(void) {
  uint8_t bytes[8192 + TF_BYTES_PAD];
  for (uint32_t i = 0; i < conn_cnt; i++) {
    ssize_t cnt = recv(conns[i].fd, bytes, 8192, MSG_DONTWAIT);
    if (cnt > 0 && tf_ws_feed(&conns[i].ws, bytes, (size_t)cnt) != TF_OK)
      die("the engine's frames");
    if (cnt == 0 && !stopping) die("the engine left");
  }
}

/* A venue that is there pings. */
static void ping_all(void) {
  static const uint8_t ping[] = {0x89, 0};
  for (uint32_t i = 0; i < conn_cnt; i++) send_all(conns[i].fd, ping, sizeof ping);
}

/* Until every instrument is subscribed and the engine has had time to settle. */
static void wait_for_subscriptions(void) {
  uint64_t begin = tf_clock_monotonic_ns(), pinged = begin, complete = 0;
  while (!complete || tf_clock_monotonic_ns() - complete < SETTLE_NS) {
    struct pollfd p = {.fd = listener, .events = POLLIN};
    if (poll(&p, 1, 5) > 0) accept_one();
    hear();
    if (tf_clock_monotonic_ns() - pinged > TF_NS_PER_SEC) {
      pinged = tf_clock_monotonic_ns();
      ping_all();
    }
    if (!complete && subscribed_cnt == instrument_cnt) complete = tf_clock_monotonic_ns();
    if (waitpid(engine, NULL, WNOHANG) == engine) die("the engine ended before it subscribed");
    if (!complete && tf_clock_monotonic_ns() - begin > READY_NS)
      die("not all instruments are subscribed");
  }
}

/* Half of instrument 0, the others in turn, each at its time; returns the time from the schedule's
 * first message to when the last had gone. */
static uint64_t run_schedule(uint64_t message_cnt, uint32_t rate_hz) {
  uint64_t begin = tf_clock_wall_ns() + TF_NS_PER_MS, ids[INSTRUMENTS_MAX];
  uint64_t heard = begin;
  for (uint32_t i = 0; i < instrument_cnt; i++) ids[i] = FIRST_TRADE_ID;
  for (uint64_t sent = 0; sent < message_cnt;) {
    uint64_t now_ns = tf_clock_wall_ns();
    for (uint64_t due;
         sent < message_cnt && (due = begin + sent * TF_NS_PER_SEC / rate_hz) <= now_ns; sent++) {
      uint32_t instrument = sent % 2 ? 1 + (uint32_t)(sent / 2 % (instrument_cnt - 1)) : 0;
      send_trade(instrument, ids[instrument]++, due / TF_NS_PER_US);
    }
    for (uint32_t i = 0; i < conn_cnt; i++) flush(&conns[i]);
    if (now_ns - heard > 10 * TF_NS_PER_MS && now_ns > heard) {
      heard = now_ns;
      hear();
    }
    tf_spin_pause();
  }
  return tf_clock_wall_ns() - begin;
}

/* ---- the engine ---- */

static uint16_t listen_any(void) {
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  listener                    = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      listen(listener, 64) != 0 || getsockname(listener, (struct sockaddr *)&addr, &addr_cnt) != 0)
    die("listen");
  return ntohs(addr.sin_port);
}

static void write_config(uint16_t port, uint32_t streams_per_connection, uint64_t slots, int cpu) {
  int   fd   = mkstemp(config_path);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file) die("config");
  fprintf(file,
          "engine: {lanes: [{cpu: %d, stages: all}], idle: spin, instruments_max: 1024, "
          "latency_sample: 64}\n"
          "feeds:\n  - name: many\n    venue: binance-spot\n    channels: [trade]\n    url: "
          "ws://127.0.0.1:%u\n"
          "    rest: http://127.0.0.1:%u\n    streams_per_connection: %u\n    instruments: [",
          cpu, port, port, streams_per_connection);
  for (uint32_t i = 0; i < instrument_cnt; i++) fprintf(file, "%sS%u", i ? ", " : "", i);
  fprintf(file,
          "]\nfeatures: [last]\nstrategies: [{name: t, buy: \"last > 0\", books: all}]\n"
          "sinks: [{type: shm, path: %s, slots: %llu}]\nhttp: {listen: \"off\"}\n",
          stream, (unsigned long long)slots);
  fclose(file);
}

static void start_engine(void) {
  char    binary[1000];
  ssize_t cnt = readlink("/proc/self/exe", binary, sizeof binary - 16);
  if (cnt < 0) die("/proc/self/exe");
  binary[cnt] = '\0';
  for (int i = 0; i < 2; i++) *strrchr(binary, '/') = '\0'; /* build/rel/bench/bench_many */
  strcat(binary, "/tickfuse");
  engine = fork();
  if (engine < 0) die("fork");
  if (engine) return;
  int null = open("/dev/null", O_RDWR);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execl(binary, binary, "run", config_path, "--json", (char *)NULL);
  _exit(127);
}

static void stop_engine(void) {
  stopping = true;
  kill(engine, SIGINT);
  uint64_t begin = tf_clock_monotonic_ns();
  while (waitpid(engine, NULL, WNOHANG) == 0) {
    if (tf_clock_monotonic_ns() - begin > ENGINE_ENDS_NS) kill(engine, SIGKILL);
    hear();
    poll(NULL, 0, 5);
  }
  engine   = 0;
  stopping = false;
}

/* ---- figures ---- */

static int by_age(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

typedef struct figures {
  double mean_ns, p99_mean_ns, p99_worst_ns, p99_flood_ns;
} figures_t;

/* All of them, or what came within the time that the engine is given to catch up. */
static void read_decisions(tf_reader_t *reader, uint64_t message_cnt) {
  tf_decision_t d;
  uint64_t      read_cnt = 0, first_ns = 0, begin = tf_clock_monotonic_ns();
  while (read_cnt < message_cnt && tf_clock_monotonic_ns() - begin < CATCH_UP_NS) {
    if (tf_reader_next(reader, &d) != TF_READER_READ) {
      poll(NULL, 0, 5);
      hear();
      continue;
    }
    if (!first_ns) first_ns = d.ts_event_ns;
    read_cnt++;
    if (d.instrument_id >= instrument_cnt || d.ts_event_ns - first_ns < WARM_UP_NS) continue;
    ages[d.instrument_id][age_cnt[d.instrument_id]++] =
        d.ts_out_ns > d.ts_event_ns ? d.ts_out_ns - d.ts_event_ns : 0;
  }
  if (read_cnt == message_cnt) return;
  fprintf(stderr, "bench_many: %llu decisions on %llu messages\n", (unsigned long long)read_cnt,
          (unsigned long long)message_cnt);
  errno = 0;
  die("decisions are missing");
}

static figures_t figures_of(void) {
  figures_t f   = {0};
  double    sum = 0, cnt = 0;
  for (uint32_t i = 0; i < instrument_cnt; i++) {
    if (!age_cnt[i]) die("an instrument without decisions");
    qsort(ages[i], age_cnt[i], sizeof ages[i][0], by_age);
    double p99 = (double)ages[i][(uint64_t)age_cnt[i] * 99 / 100];
    for (uint32_t k = 0; k < age_cnt[i]; k++) sum += (double)ages[i][k];
    cnt += age_cnt[i];
    f.p99_mean_ns += p99 / instrument_cnt;
    if (i == 0) f.p99_flood_ns = p99;
    if (p99 > f.p99_worst_ns) f.p99_worst_ns = p99;
  }
  f.mean_ns = sum / cnt;
  return f;
}

static figures_t run(uint32_t streams_per_connection, const tf_bench_options_t *options,
                     const int cpus[2]) {
  uint32_t rate_hz     = options->smoke ? SMOKE_RATE_HZ : RATE_HZ;
  uint64_t message_cnt = (uint64_t)rate_hz * (options->smoke ? SMOKE_SECONDS : SECONDS),
           slots       = 1024;
  while (slots < message_cnt + 1024) slots *= 2;
  conn_cnt = subscribed_cnt = 0;
  memset(conn_of, 0, sizeof conn_of);
  memset(age_cnt, 0, sizeof age_cnt);
  for (uint32_t i = 0; i < instrument_cnt; i++) {
    frame_make(i);
    ages[i] =
        malloc((i ? message_cnt / (instrument_cnt - 1) + 2 : message_cnt) * sizeof ages[i][0]);
    if (!ages[i]) die("malloc");
  }
  snprintf(stream, sizeof stream, "bench-many-%d", getpid());
  strcpy(config_path, "/tmp/bench_many_XXXXXX");
  write_config(listen_any(), streams_per_connection, slots, cpus[0]);
  start_engine();
  wait_for_subscriptions();
  tf_reader_t reader;
  if (tf_reader_open(stream, &reader) != TF_OK) die(reader.error);
  run_schedule(message_cnt, rate_hz);
  read_decisions(&reader, message_cnt);
  stop_engine();
  figures_t f = figures_of();
  tf_reader_close(&reader);
  for (uint32_t i = 0; i < instrument_cnt; i++) free(ages[i]);
  for (uint32_t i = 0; i < conn_cnt; i++) {
    close(conns[i].fd);
    free(conns[i].assembly);
  }
  close(listener);
  unlink(config_path);
  char path[96];
  snprintf(path, sizeof path, "/dev/shm/tickfuse.%s", stream);
  unlink(path);
  return f;
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                code = tf_bench_options_parse(
                     argc, argv,
                     "bench_many: 1,000 instruments on one lane at 100 k msg/s, half of them one instrument's",
                     &options);
  if (code >= 0) return code;
  int cpus[2];
  if (!tf_bench_cpus(cpus, 2)) {
    fprintf(stderr, "bench_many: one core for the lane and one for the venue are needed\n");
    return 77;
  }
  tf_clock_calibrate();
  tf_cpu_pin(cpus[1], "bench_many");
  static const char *const names[2][4] = {
      {"many_one_connection_age_mean",  "many_one_connection_age_p99_flood",
       "many_one_connection_p99_worst_to_mean_p99",  "many_one_connection_p99_worst_to_mean_age" },
      {"many_ten_connections_age_mean", "many_ten_connections_age_p99_flood",
       "many_ten_connections_p99_worst_to_mean_p99", "many_ten_connections_p99_worst_to_mean_age"}
  };
  instrument_cnt                           = options.smoke ? SMOKE_INSTRUMENTS : INSTRUMENTS_MAX;
  const uint32_t streams_per_connection[2] = {instrument_cnt, instrument_cnt / 10};
  tf_bench_row_t rows[8];
  uint32_t       row_cnt = 0;
  for (int i = 0; i < 2; i++) {
    figures_t f     = run(streams_per_connection[i], &options, cpus);
    rows[row_cnt++] = (tf_bench_row_t){names[i][0], f.mean_ns, "ns", NULL, NAN, NAN, true};
    rows[row_cnt++] = (tf_bench_row_t){names[i][1], f.p99_flood_ns, "ns", NULL, NAN, NAN, true};
    rows[row_cnt++] = (tf_bench_row_t){
        names[i][2], f.p99_worst_ns / f.p99_mean_ns, "x", NULL, NAN, SPREAD_MAX, true};
    rows[row_cnt++] =
        (tf_bench_row_t){names[i][3], f.p99_worst_ns / f.mean_ns, "x", NULL, NAN, SPREAD_MAX, true};
  }
  tf_bench_print(rows, row_cnt, options.json);
  return 0;
}
