/* B12, wire to decision: an open loop over loopback TCP. A sender process writes websocket messages of
 * a USD-M venue (quote, trade, quote, depth of four levels) on a schedule of 10 k, 100 k and 500 k a second; when it
 * is late it sends all that is due at once, as a venue does. The engine, spinning on a core of its own,
 * runs the whole path of B6 on each: loop, websocket, decode, book, 64 features, MLP 64-32-1, rule,
 * shared memory. Latency: from the intended send time to the decision's being in shared memory. The
 * intended time of a message follows from its number, so that what the sender or the kernel delays
 * counts, and no message is left out.
 *
 * On io_uring and on epoll in turns, ROUNDS each; a figure is the median of the rounds' own. The peer of
 * a row of io_uring is epoll, which reads its one socket directly. The sender's own delay behind the
 * schedule, the part that is not ours, is a row of each rate. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_market.h"
#include "bench_print.h"
#include "boot/engine.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "io/io.h"
#include "registry.h"
#include "wire/ws.h"

#define ROUNDS          5
#define RUN_NS          TF_NS_PER_SEC
#define SMOKE_RUN_NS    (50 * TF_NS_PER_MS)
#define LEAD_IN         5000u /* messages that are not counted: features and caches warm up */
#define LEAD_IN_STEP_NS (10 * TF_NS_PER_MS)
#define BURST_MAX       64u /* messages in one send of a sender that is late */
#define FRAME_BYTES_MAX (BENCH_TEXT_BYTES_MAX + 14u)
#define EVENTS_MAX      1024u
#define ENGINE_CPU      0
#define SENDER_CPU      1
#define GIVE_UP_NS      (30 * TF_NS_PER_SEC)

typedef enum backend { URING, EPOLL, BACKEND_CNT } backend_t;

static const uint32_t    rates_hz[]      = {10000, 100000, 500000};
static const char *const rate_names[]    = {"10k", "100k", "500k"};
static const char *const backend_names[] = {"uring", "epoll"};

enum { RATE_CNT = TF_ARRAY_CNT(rates_hz) };

/* Shared by the three processes of a run. */
typedef struct board {
  tf_hist_t latency, lateness;          /* written by the engine's thread; by the sender */
  TF_ALIGNED(128) uint64_t start_ticks; /* by the sender, before its first message */
  uint64_t message_cnt;                 /* by the engine, at its end */
  uint64_t decision_cnt, inference_cnt, rejected_cnt;
} board_t;

typedef struct run {
  backend_t backend;
  uint32_t  rate_hz;
  uint64_t  message_cnt;
} run_t;

static board_t *board;

static _Noreturn void die(const char *what) {
  fprintf(stderr, "bench_wire: %s: %s\n", what, errno ? strerror(errno) : tf_error_text());
  _exit(1);
}

/* ---- the sender ---- */

static size_t frame_write(uint8_t *frame, uint64_t n) {
  char     text[BENCH_TEXT_BYTES_MAX];
  uint64_t cnt  = (uint64_t)bench_text_write(text, n);
  size_t   head = tf_ws_write_header(frame, TF_WS_TEXT, true, cnt, NULL);
  memcpy(frame + head, text, cnt);
  return head + cnt;
}

static void send_all(int fd, const uint8_t *bytes, size_t cnt) {
  while (cnt > 0) {
    ssize_t sent = send(fd, bytes, cnt, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return; /* the engine reports what is missing */
    bytes += sent;
    cnt -= (size_t)sent;
  }
}

static uint64_t step_ticks_x256(uint32_t rate_hz) {
  return tf_clock_ns_to_ticks(256 * TF_NS_PER_SEC / rate_hz);
}

static uint64_t due_ticks(const run_t *run, uint64_t start_ticks, uint64_t n) {
  return start_ticks + ((n * step_ticks_x256(run->rate_hz)) >> 8);
}

static _Noreturn void sender_run(int fd, const run_t *run) {
  static uint8_t frames[BURST_MAX * FRAME_BYTES_MAX];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  tf_cpu_pin(tf_cpu_allowed_cnt() > 1 ? SENDER_CPU : -1, "bench_sender");
  uint64_t start = tf_clock_ticks() + tf_clock_ns_to_ticks(50 * TF_NS_PER_MS);
  tf_store_release(&board->start_ticks, start); /* pairs with: on_message */
  for (uint64_t n = 0; n < run->message_cnt;) {
    size_t   cnt   = 0;
    uint32_t burst = 0;
    do { /* written before it is due: making the text is no part of the wire */
      cnt += frame_write(frames + cnt, n + burst++);
    } while (burst < BURST_MAX && n + burst < run->message_cnt &&
             due_ticks(run, start, n + burst) <= tf_clock_ticks());
    while (tf_clock_ticks() < due_ticks(run, start, n + burst - 1)) tf_spin_pause();
    uint64_t now = tf_clock_ticks();
    for (uint32_t i = 0; i < burst; i++)
      tf_hist_record(&board->lateness, tf_clock_ticks_to_ns(now - due_ticks(run, start, n + i)));
    send_all(fd, frames, cnt);
    n += burst;
  }
  char done;
  while (recv(fd, &done, 1, 0) > 0) continue; /* until the engine has closed */
  _exit(0);
}

/* ---- the engine ---- */

typedef struct wire {
  tf_source_t      source; /* first */
  const run_t     *run;
  tf_ws_t          ws;
  const tf_feed_t *feed;
  void            *feed_state;
  tf_feed_out_t    out;
  uint64_t         first_recv_ns, ahead_ns; /* of the lead-in */
  uint64_t         recv_ns, start_ticks, message_cnt, give_up_ns;
  bool             closed;
} wire_t;

static wire_t      wire;
static tf_engine_t engine;

static void decode(wire_t *w, const tf_frame_t *frame, uint64_t origin_ticks) {
  w->out.event_cnt = w->out.resync_cnt = 0;
  w->feed->on_frame(w->feed_state, frame, &w->out);
  if (w->out.event_cnt == 0) return;
  tf_batch_t batch = {w->out.events, w->out.event_cnt, origin_ticks, tf_clock_ticks()};
  w->source.publisher.publish(w->source.publisher.self, &batch);
}

static void snapshot_take(wire_t *w) {
  static char text[BENCH_SNAPSHOT_BYTES_MAX];
  size_t      cnt   = bench_snapshot_write(text);
  tf_frame_t  frame = {.bytes     = text,
                       .bytes_cnt = (uint32_t)cnt,
                       .kind      = TF_FRAME_HTTP,
                       .recv_ns   = w->recv_ns,
                       .target    = BENCH_SNAPSHOT_TARGET};
  decode(w, &frame, tf_clock_ticks());
}

/* During the lead-in ten milliseconds pass with every message, for the one feature that wants fourteen
 * bars of a second; then time goes on as it is. */
static uint64_t event_ns(wire_t *w) {
  if (w->message_cnt < LEAD_IN) {
    w->ahead_ns = w->message_cnt * LEAD_IN_STEP_NS;
    if (w->message_cnt == 0) w->first_recv_ns = w->recv_ns;
    return w->first_recv_ns + w->ahead_ns;
  }
  return w->recv_ns + w->ahead_ns;
}

static void on_message(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  wire_t *w = self;
  (void)opcode;
  if (w->message_cnt == 0) {
    w->start_ticks = tf_load_acquire(&board->start_ticks); /* pairs with: sender_run */
    snapshot_take(w);
  }
  uint64_t   at_ns = event_ns(w);
  uint64_t   due   = due_ticks(w->run, w->start_ticks, w->message_cnt++);
  tf_frame_t frame = {.bytes     = (const char *)bytes,
                      .bytes_cnt = (uint32_t)cnt,
                      .kind      = TF_FRAME_TEXT,
                      .recv_ns   = at_ns};
  decode(w, &frame, due);
  if (w->message_cnt > LEAD_IN)
    tf_hist_record(&board->latency, tf_clock_ticks_to_ns(tf_clock_ticks() - due));
}

static void on_control(void *self, tf_ws_opcode_t opcode, const uint8_t *bytes, size_t cnt) {
  (void)self, (void)opcode, (void)bytes, (void)cnt;
}

static void on_bytes(void *self, tf_io_conn_t conn, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  wire_t *w  = self;
  w->recv_ns = recv_ns;
  (void)conn;
  if (tf_ws_feed(&w->ws, bytes, cnt) != TF_OK) w->closed = true;
}

static void on_closed(void *self, tf_io_conn_t conn, int sys_errno) {
  (void)conn, (void)sys_errno;
  ((wire_t *)self)->closed = true;
}

static int wire_poll(tf_source_t *source, uint64_t now_ns) {
  wire_t *w = (wire_t *)source;
  if (w->give_up_ns == 0) w->give_up_ns = now_ns + GIVE_UP_NS;
  bool over = w->closed || w->message_cnt >= w->run->message_cnt || now_ns > w->give_up_ns;
  return over ? TF_SOURCE_DONE : 0;
}

static void wire_stop(tf_source_t *source) { (void)source; }

static const tf_source_ops_t wire_ops = {.poll = wire_poll, .stop = wire_stop};

static tf_err_t source_open(wire_t *w) {
  static tf_feed_config_t  config;
  static const char *const symbols[] = {"BTCUSDT"};
  config                             = (tf_feed_config_t){.instruments = &engine.instruments,
                                                          .symbols     = symbols,
                                                          .symbol_cnt  = 1,
                                                          .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                                                          .pending_cap = 64};
  tf_err_t err = tf_engine_feed(tickfuse_registry(), "binance-usdm", &w->feed);
  if (err) return err;
  w->feed_state     = aligned_alloc(64, tf_align_up(w->feed->state_bytes(w->feed, &config), 64));
  w->out            = (tf_feed_out_t){.events    = calloc(EVENTS_MAX, sizeof(tf_event_t)),
                                      .event_cap = EVENTS_MAX,
                                      .counts    = &w->source.counts};
  tf_ws_config_t ws = {
      .role = TF_WS_CLIENT, .utf8_unchecked = true, .random = {NULL, tf_ws_random_system}
  };
  tf_ws_handler_t handler = {w, on_message, on_control};
  err                     = tf_ws_init(&w->ws, &ws, &handler, malloc(tf_ws_assembly_bytes(0)));
  if (!err) err = w->feed->init(w->feed, w->feed_state, &config);
  w->source.ops = &wire_ops;
  return err;
}

/* One run in a process of its own, since an engine's memory is sealed once it starts. */
static _Noreturn void engine_run(int fd, const run_t *run) {
  char shm[64];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  snprintf(shm, sizeof shm, "sinks.0.path=bench-wire-%d", (int)getpid());
  const char  *sets[] = {shm};
  tf_config_t *config;
  errno = 0;
  if (tickfuse_load_config("bench/path.yaml", sets, 1, &config) != 0) die("bench/path.yaml");
  const tf_engine_options_t options = {.is_replay = true};
  tf_io_config_t            io      = tf_io_config_default();
  tf_arena_t                arena;
  tf_io_t                  *loop;
  tf_io_conn_t              conn;
  io.conns_max            = 4;
  io.direct_conns_max     = 1;
  tf_io_handler_t handler = {.self = &wire, .on_bytes = on_bytes, .on_closed = on_closed};
  wire.run                = run;
  tf_err_t err            = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (!err) err = source_open(&wire);
  if (!err) err = tf_engine_add_source(&engine, &wire.source, "wire");
  if (!err) err = tf_arena_init(&arena, "wire", tf_io_arena_bytes(&io));
  if (!err) err = tf_io_open(run->backend == URING ? TF_IO_URING : TF_IO_EPOLL, &io, &arena, &loop);
  if (!err) err = tf_io_attach(loop, fd, &handler, &conn);
  if (err) die("engine");
  tf_engine_set_io(&engine, loop);
  if (tf_engine_start(&engine) != TF_OK || tf_engine_join(&engine) != TF_OK) die("engine");
  board->message_cnt   = wire.message_cnt;
  board->decision_cnt  = engine.runner.lane.decide.counts.decisions;
  board->inference_cnt = engine.runner.lane.compute.counts.done;
  for (int i = 0; i < TF_REJECT_CNT; i++) board->rejected_cnt += wire.source.counts.rejected[i];
  tf_io_fini(loop); /* the sender sees the end */
  char path[96];
  snprintf(path, sizeof path, "/dev/shm/tickfuse.bench-wire-%d", (int)getpid());
  unlink(path);
  _exit(0);
}

/* ---- runs and rows ---- */

static void tcp_pair(int fds[2]) {
  struct sockaddr_in addr     = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t          addr_cnt = sizeof addr;
  int                one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
      listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&addr, &addr_cnt) != 0)
    die("listen");
  fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fds[1], (struct sockaddr *)&addr, sizeof addr) != 0) die("connect");
  fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  close(listener);
}

static bool run_once(const run_t *run) {
  int fds[2], status = 0;
  memset(board, 0, sizeof *board);
  fflush(NULL);
  tcp_pair(fds);
  pid_t engine_pid = fork();
  if (engine_pid == 0) {
    close(fds[1]);
    engine_run(fds[0], run);
  }
  close(fds[0]);
  pid_t sender_pid = fork();
  if (sender_pid == 0) sender_run(fds[1], run);
  close(fds[1]);
  waitpid(engine_pid, &status, 0);
  waitpid(sender_pid, NULL, 0);
  /* All came, none was refused, and the model ran on all but those that it was warmed up with. */
  if (status == 0 && board->message_cnt == run->message_cnt && board->rejected_cnt == 0 &&
      board->inference_cnt + LEAD_IN >= run->message_cnt)
    return true;
  fprintf(stderr,
          "bench_wire: %llu messages of %llu came, %llu refused, %llu inferences, %llu decisions\n",
          (unsigned long long)board->message_cnt, (unsigned long long)run->message_cnt,
          (unsigned long long)board->rejected_cnt, (unsigned long long)board->inference_cnt,
          (unsigned long long)board->decision_cnt);
  return false;
}

enum { P50, P99, P999, MAX, FIGURES };
static const double      quantiles[]    = {0.5, 0.99, 0.999, 1.0};
static const char *const figure_names[] = {"p50", "p99", "p99_9", "max"};

static double medians[RATE_CNT][BACKEND_CNT][FIGURES], lateness_p99[RATE_CNT];

static bool measure(uint32_t rate_idx, bool smoke, bool uring) {
  static double values[BACKEND_CNT][FIGURES][ROUNDS], late[ROUNDS];
  uint32_t      rounds = smoke ? 1 : ROUNDS;
  for (uint32_t i = 0; i < rounds; i++)
    for (backend_t b = uring ? URING : EPOLL; b < BACKEND_CNT; b++) {
      run_t run       = {.backend = b, .rate_hz = rates_hz[rate_idx]};
      run.message_cnt = LEAD_IN + run.rate_hz * (smoke ? SMOKE_RUN_NS : RUN_NS) / TF_NS_PER_SEC;
      if (!run_once(&run)) return false;
      for (int f = 0; f < FIGURES; f++)
        values[b][f][i] = (double)tf_hist_quantile(&board->latency, quantiles[f]);
      late[i] = (double)tf_hist_quantile(&board->lateness, 0.99);
    }
  for (int b = 0; b < BACKEND_CNT; b++)
    for (int f = 0; f < FIGURES; f++)
      medians[rate_idx][b][f] =
          b == URING && !uring ? (double)NAN : tf_bench_median(values[b][f], rounds);
  lateness_p99[rate_idx] = tf_bench_median(late, rounds);
  return true;
}

static bool uring_works(void) {
  tf_io_config_t config = tf_io_config_default();
  tf_arena_t     arena;
  tf_io_t       *io;
  bool           works = tf_arena_init(&arena, "probe", tf_io_arena_bytes(&config)) == TF_OK &&
               tf_io_open(TF_IO_URING, &config, &arena, &io) == TF_OK;
  if (works) tf_io_fini(io);
  tf_arena_fini(&arena);
  return works;
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                code = tf_bench_options_parse(argc, argv,
                                                   "B12: from a message's intended send time to its decision "
                                                                  "in shared memory, at three rates\n",
                                                   &options);
  if (code >= 0) return code;
  tf_clock_calibrate();
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED) die("mmap");
  static char           names[RATE_CNT * (BACKEND_CNT * FIGURES + 1)][48];
  static tf_bench_row_t rows[TF_ARRAY_CNT(names)];
  size_t                row_cnt = 0;
  bool                  uring   = uring_works();
  for (uint32_t r = 0; r < RATE_CNT; r++) {
    if (!measure(r, options.smoke, uring)) return 1;
    for (int b = 0; b < BACKEND_CNT; b++)
      for (int f = 0; f < FIGURES; f++) {
        snprintf(names[row_cnt], sizeof names[0], "wire_%s_%s_%s", rate_names[r], backend_names[b],
                 figure_names[f]);
        rows[row_cnt] =
            (tf_bench_row_t){.name            = names[row_cnt],
                             .ours            = medians[r][b][f],
                             .unit            = "ns",
                             .peer            = b == URING ? "epoll" : NULL,
                             .peer_value      = b == URING ? medians[r][EPOLL][f] : (double)NAN,
                             .budget          = (double)NAN,
                             .lower_is_better = true};
        row_cnt++;
      }
    snprintf(names[row_cnt], sizeof names[0], "wire_%s_sender_late_p99", rate_names[r]);
    rows[row_cnt] = (tf_bench_row_t){.name            = names[row_cnt],
                                     .ours            = lateness_p99[r],
                                     .unit            = "ns",
                                     .peer_value      = (double)NAN,
                                     .budget          = (double)NAN,
                                     .lower_is_better = true};
    row_cnt++;
  }
  tf_bench_print(rows, row_cnt, options.json);
  return 0;
}
