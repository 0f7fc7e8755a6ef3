/* B13, memory. Two runs, each in a process of its own:
 *
 *   flat   the whole path in process, from the venue's text to shared memory, over 10^8 events (B6's
 *          config): resident memory and calls of the allocator, between the end of a warm-up and
 *          the last event. Both must be 0.
 *   bars   a million bars of a second through 20 indicators: the process's peak.
 *
 * --smoke: fewer events. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_market.h"
#include "bench_print.h"
#include "boot/engine.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "registry.h"

#define FLAT_MESSAGES   (UINT64_C(100000000) / BENCH_EVENTS_A_ROUND * 4)
#define BARS            UINT64_C(1000000)
#define SMOKE_MESSAGES  (WARM_UP + 40000)
#define WARM_UP         UINT64_C(400000)    /* messages: every ring has gone round */
#define WARM_UP_STEP_NS (10 * TF_NS_PER_MS) /* so that bars of a second are there after it */
#define MESSAGES_A_POLL 64
#define EVENTS_MAX      1024u
#define BAR_NS          TF_NS_PER_SEC
#define TICK_NS         (10 * TF_NS_PER_US)
#define BARS_BYTES_MAX  (40u << 20)

/* Shared with the process of a run, which writes it. */
typedef struct board {
  uint64_t events, growth_bytes, alloc_cnt, peak_bytes;
  bool     ok;
} board_t;

typedef struct memory {
  tf_source_t      source; /* first */
  const tf_feed_t *feed;
  void            *feed_state;
  tf_feed_out_t    out;
  uint64_t         message_cnt, messages_max, recv_ns, step_ns, events;
  uint64_t         warm_rss_bytes, warm_alloc_cnt;
} memory_t;

static board_t    *board;
static memory_t    memory;
static tf_engine_t engine;

/* ---- the allocator, counted ---- */

static uint64_t alloc_cnt; /* by every thread */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t cnt, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);

void *malloc(size_t bytes) {
  __atomic_fetch_add(&alloc_cnt, 1, __ATOMIC_RELAXED); /* relaxed: a count and nothing more */
  return __libc_malloc(bytes);
}
void *calloc(size_t cnt, size_t bytes) {
  __atomic_fetch_add(&alloc_cnt, 1, __ATOMIC_RELAXED); /* relaxed: as above */
  return __libc_calloc(cnt, bytes);
}
void *realloc(void *p, size_t bytes) {
  __atomic_fetch_add(&alloc_cnt, 1, __ATOMIC_RELAXED); /* relaxed: as above */
  return __libc_realloc(p, bytes);
}

/* Counted page by page: statm's figure is a sum over processors that is brought up to date now and
 * then. By read(2): the C library's streams would allocate, and be counted. */
static uint64_t rss_bytes(void) {
  char     text[2048] = {0};
  uint64_t kib        = 0;
  int      fd         = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) {
    const char *rss = strstr(text, "Rss:");
    if (rss) kib = strtoull(rss + 4, NULL, 10);
  }
  if (fd >= 0) close(fd);
  return kib << 10;
}

/* ---- the source ---- */

static void decode(memory_t *m, const char *text, size_t cnt, uint8_t kind) {
  tf_frame_t frame = {.bytes     = text,
                      .bytes_cnt = (uint32_t)cnt,
                      .kind      = kind,
                      .recv_ns   = m->recv_ns,
                      .target    = kind == TF_FRAME_HTTP ? BENCH_SNAPSHOT_TARGET : NULL};
  m->out.event_cnt = m->out.resync_cnt = 0;
  m->feed->on_frame(m->feed_state, &frame, &m->out);
  if (m->out.event_cnt == 0) return;
  m->events += m->out.event_cnt;
  uint64_t   now   = tf_clock_ticks();
  tf_batch_t batch = {m->out.events, m->out.event_cnt, now, now};
  m->source.publisher.publish(m->source.publisher.self, &batch);
}

static int memory_poll(tf_source_t *source, uint64_t now_ns) {
  static char snapshot[BENCH_SNAPSHOT_BYTES_MAX];
  char        text[BENCH_TEXT_BYTES_MAX + TF_BYTES_PAD];
  memory_t   *m = (memory_t *)source;
  (void)now_ns;
  if (m->message_cnt == 0) decode(m, snapshot, bench_snapshot_write(snapshot), TF_FRAME_HTTP);
  for (int i = 0; i < MESSAGES_A_POLL; i++) {
    if (m->message_cnt == WARM_UP) {
      m->warm_rss_bytes = rss_bytes();
      m->warm_alloc_cnt = alloc_cnt;
      m->events         = 0;
    }
    if (m->message_cnt == m->messages_max) {
      board->growth_bytes = rss_bytes() - m->warm_rss_bytes;
      board->alloc_cnt    = alloc_cnt - m->warm_alloc_cnt;
      return TF_SOURCE_DONE;
    }
    int cnt = bench_text_write(text, m->message_cnt++);
    decode(m, text, (size_t)cnt, TF_FRAME_TEXT);
    m->recv_ns +=
        m->message_cnt < WARM_UP && m->step_ns < WARM_UP_STEP_NS ? WARM_UP_STEP_NS : m->step_ns;
  }
  return MESSAGES_A_POLL;
}

static void memory_stop(tf_source_t *source) { (void)source; }

static const tf_source_ops_t memory_ops = {.poll = memory_poll, .stop = memory_stop};

static tf_err_t source_open(memory_t *m) {
  static tf_feed_config_t  config;
  static const char *const symbols[] = {"BTCUSDT"};
  config                             = (tf_feed_config_t){.instruments = &engine.instruments,
                                                          .symbols     = symbols,
                                                          .symbol_cnt  = 1,
                                                          .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                                                          .pending_cap = 64};
  tf_err_t err = tf_engine_feed(tickfuse_registry(), "binance-usdm", &m->feed);
  if (err) return err;
  m->feed_state = aligned_alloc(64, tf_align_up(m->feed->state_bytes(m->feed, &config), 64));
  m->out        = (tf_feed_out_t){.events    = calloc(EVENTS_MAX, sizeof(tf_event_t)),
                                  .event_cap = EVENTS_MAX,
                                  .counts    = &m->source.counts};
  m->recv_ns    = UINT64_C(1723161255000000000);
  m->source.ops = &memory_ops;
  return m->feed->init(m->feed, m->feed_state, &config);
}

/* ---- runs ---- */

static bool engine_run(const char *path, uint64_t messages_max, uint64_t step_ns) {
  char shm[64], stream[96];
  snprintf(shm, sizeof shm, "sinks.0.path=bench-memory-%d", (int)getpid());
  snprintf(stream, sizeof stream, "/dev/shm/tickfuse.bench-memory-%d", (int)getpid());
  const char  *sets[] = {shm};
  tf_config_t *config;
  if (tickfuse_load_config(path, sets, 1, &config) != 0) return false;
  const tf_engine_options_t options = {.is_replay = true};
  tf_err_t                  err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  memory.messages_max           = messages_max;
  memory.step_ns                = step_ns;
  if (!err) err = source_open(&memory);
  if (!err) err = tf_engine_add_source(&engine, &memory.source, "memory");
  if (!err) err = tf_engine_start(&engine);
  if (!err) err = tf_engine_join(&engine);
  unlink(stream);
  if (err) fprintf(stderr, "bench_memory: %s\n", tf_error_text());
  board->events      = memory.events;
  board->peak_bytes  = tf_cpu_rss_bytes_max();
  uint64_t decisions = engine.runner.lane.decide.counts.decisions;
  if (!err && decisions == 0) fprintf(stderr, "bench_memory: %s: no decision was made\n", path);
  return !err && decisions > 0;
}

static bool in_process(const char *path, uint64_t messages_max, uint64_t step_ns) {
  int status = 0;
  memset(board, 0, sizeof *board);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    tf_clock_calibrate();
    board->ok = engine_run(path, messages_max, step_ns);
    _exit(0);
  }
  return waitpid(child, &status, 0) == child && status == 0 && board->ok;
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                code = tf_bench_options_parse(
                     argc, argv, "B13: memory over 10^8 events, and of a million bars\n", &options);
  if (code >= 0) return code;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED) return 1;
  uint64_t flat_messages = options.smoke ? SMOKE_MESSAGES : FLAT_MESSAGES + WARM_UP;
  uint64_t bar_messages  = options.smoke ? SMOKE_MESSAGES : 4 * BARS;
  if (!in_process("bench/path.yaml", flat_messages, TICK_NS)) return 1;
  board_t flat = *board;
  if (!in_process("bench/bars.yaml", bar_messages, BAR_NS / 4)) return 1;
  const double   none   = (double)NAN;
  tf_bench_row_t rows[] = {
      {.name = "memory_events",      .ours = (double)flat.events,       .unit = "events"},
      {.name = "memory_growth",      .ours = (double)flat.growth_bytes, .unit = "bytes" },
      {.name = "memory_allocations", .ours = (double)flat.alloc_cnt,    .unit = "calls" },
      {.name = "memory_bars_peak",   .ours = (double)board->peak_bytes, .unit = "bytes" },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    rows[i].peer_value      = none;
    rows[i].budget          = i == 0 ? none : i == 3 ? (double)BARS_BYTES_MAX : 0;
    rows[i].lower_is_better = i != 0;
  }
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return 0;
}
