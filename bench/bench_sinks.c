/* Every sink as the engine has it: decisions a second through emit (queue, thread, acknowledgements, order), until the
 * other end has all, and the CPU that one costs this process and, apart, the other end's (sink_ends.h). Beside it the fewest calls
 * that bring the same records there (sink_peers.h). Ours and the peer take turns; medians. Decisions are
 * offered one at a time, and not while the sink's queue is half full: emit's waiting is no cost of a sink.
 *
 *   bench_sinks [--json] [--smoke] */
#include <math.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "sink/egress.h"
#include "sink/registry.h"
#include "sink_peers.h"
#include "stage/emit.h"

#define REPEATS_MAX 5u
#define SINK_CAP    16u
#define FIGURE_CNT  3u
#define STEP        64u                    /* decisions between two looks at the queue */
#define QUEUE_SLOTS (4 * TF_EGRESS_WINDOW) /* a window on the way leaves room to offer more */
#define WHOLE_RUN   (UINT64_C(1) << 17)    /* slots of what may not lag: shm, a client's queue */

TF_STATIC_ASSERT(REPEATS_MAX <= SINK_END_RUNS_MAX, "the mock cluster has a topic for each run");

typedef enum figure { PER_S, CPU_NS, END_CPU_NS } figure_t;

typedef struct cost {
  double of[FIGURE_CNT][REPEATS_MAX];
} cost_t;

static uint64_t    record_cnt = 100000;
static uint32_t    repeats    = REPEATS_MAX;
static char        dir[]      = "/tmp/bench-sinks-XXXXXX";
static sink_end_t *end; /* of the run */
static uint64_t    begin_ns, begin_cpu_ns, begin_end_cpu_ns;

static void begin(void) {
  begin_ns         = tf_clock_monotonic_ns();
  begin_cpu_ns     = tf_clock_process_cpu_ns();
  begin_end_cpu_ns = sink_end_cpu_ns(end);
}

/* False: the reader has not got all. */
static bool finish(cost_t *cost, uint32_t run) {
  uint64_t cpu_ns = tf_clock_process_cpu_ns() - begin_cpu_ns;
  if (!sink_end_wait(end)) return false;
  double cnt                = (double)record_cnt;
  cost->of[PER_S][run]      = cnt * 1e9 / (double)(tf_clock_monotonic_ns() - begin_ns);
  cost->of[CPU_NS][run]     = (double)cpu_ns / cnt;
  cost->of[END_CPU_NS][run] = end->is_server || end->cpu_ns
                                  ? (double)(sink_end_cpu_ns(end) - begin_end_cpu_ns) / cnt
                                  : (double)NAN;
  return true;
}

/* ---- ours ---- */

static bool is_listener(const char *type) {
  return !strcmp(type, "unix") || !strcmp(type, "tcp") || !strcmp(type, "websocket");
}

static bool is_server(const char *type) {
  return !strcmp(type, "http") || !strcmp(type, "kafka") || !strcmp(type, "nats") ||
         !strcmp(type, "redis");
}

static tf_sink_config_t config_of(const tf_sink_t *sink, const char *stream) {
  bool is_path = strstr(end->url, "://") == NULL;
  return (tf_sink_config_t){.type          = sink->name,
                            .name          = sink->name,
                            .url           = is_path ? NULL : end->url,
                            .path          = is_path ? end->url : NULL,
                            .stream        = stream,
                            .stream_create = true,
                            .shape         = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                            .policy        = sink->policies & TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK)
                                                 ? TF_OVERFLOW_BLOCK
                                                 : sink->policy,
                            .slot_cnt      = strcmp(sink->name, "shm") ? QUEUE_SLOTS : WHOLE_RUN,
                            .client_slots  = WHOLE_RUN,
                            .clients_max   = 1,
                            .ttl           = 1,
                            .epoch         = 1,
                            .block_ns_max  = UINT64_MAX,
                            .drain_ns_max  = 60 * TF_NS_PER_SEC};
}

static void die(const char *what) { sink_end_die(what, tf_error_text()); }

/* The other end is there, and the sink knows it. */
static void await_end(const tf_emit_sink_t *s) {
  tf_sink_counts_t c = {0};
  if (s->sink->last_seq && s->sink->last_seq(s->state) != 0) die("a stream that is new");
  while (is_listener(s->sink->name) && c.clients == 0) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    tf_emit_counts(s, &c);
  }
  /* It is counted before it has said from where on it wants them, and nothing is kept here for who comes later. */
  if (is_listener(s->sink->name)) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static void await_room(tf_emit_t *emit) {
  for (tf_sink_counts_t c;; nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL)) {
    tf_emit_counts(&emit->sinks[0], &c);
    if (c.pending < QUEUE_SLOTS / 2) return;
  }
}

/* Standard output, as long as the sink has it. */
static int lend_stdout(int fd) {
  fflush(stdout);
  int kept = dup(STDOUT_FILENO);
  dup2(fd, STDOUT_FILENO);
  close(fd);
  end->fd = -1;
  return kept;
}

static void run_engine(const tf_sink_t *sink, const char *stream) {
  static tf_emit_t emit;
  tf_sink_config_t config = config_of(sink, stream);
  int              kept   = strcmp(sink->name, "stdout") ? -1 : end->fd;
  size_t           bytes  = tf_align_up(sink->state_bytes(&config), TF_LINE_PAIR_BYTES);
  void            *state  = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  tf_decision_t    d      = {.version = TF_DECISION_VERSION};
  uint64_t         origin = 0;
  emit                    = (tf_emit_t){0};
  if (!end->is_server && end->reader_fd >= 0) sink_end_read(end, record_cnt);
  if (kept >= 0) kept = lend_stdout(kept);
  if (!state || tf_emit_add(&emit, sink, state, config.policy, &config)) die(sink->name);
  if (!end->is_server && end->reader_fd < 0) sink_end_read(end, record_cnt);
  await_end(&emit.sinks[0]);
  begin();
  for (d.decision_seq = 1; d.decision_seq <= record_cnt; d.decision_seq++) {
    if (d.decision_seq % STEP == 0) await_room(&emit);
    tf_emit_offer(&emit, &d, 1, &origin);
  }
  if (tf_emit_close(&emit, tf_clock_wall_ns())) die(sink->name);
  if (kept >= 0) {
    dup2(kept, STDOUT_FILENO);
    close(kept);
  }
  tf_sink_counts_t counts;
  tf_emit_counts(&emit.sinks[0], &counts);
  if (counts.acked != record_cnt) sink_end_die(sink->name, "not all were delivered");
  free(state);
}

/* ---- both ---- */

static bool run_ours(const tf_sink_t *sink, uint32_t run, cost_t *cost) {
  char stream[16];
  snprintf(stream, sizeof stream, SINK_END_TOPIC, "ours", run);
  if (!end->is_server) sink_end_prepare(end, sink->name, dir, run);
  run_engine(sink, stream);
  return finish(cost, run);
}

static bool run_peer(const sink_peer_t *peer, uint32_t run, cost_t *cost) {
  char stream[16];
  snprintf(stream, sizeof stream, SINK_END_TOPIC, "peer", run);
  if (peer->has_pair) {
    sink_end_pair(end, peer->type);
    sink_end_read_bytes(end, peer->byte_cnt(record_cnt));
  } else if (!end->is_server) {
    sink_end_prepare(end, peer->type, dir, REPEATS_MAX + run);
  }
  peer->run(end, stream, record_cnt, begin);
  return finish(cost, run);
}

/* NULL, or why it is left out. */
static const char *measure(const tf_sink_t *sink, cost_t *ours, cost_t *theirs) {
  static sink_end_t  one;
  const sink_peer_t *peer = sink_peer_of(sink->name);
  end                     = &one;
  one                     = (sink_end_t){.type = sink->name, .fd = -1, .reader_fd = -1};
  if (is_server(sink->name) && !sink_end_serve(&one, sink->name, dir))
    return "its server is not installed";
  for (uint32_t run = 0; run < repeats; run++) {
    if (!run_ours(sink, run, ours) || (peer && !run_peer(peer, run, theirs)))
      return "a reader has not got all";
  }
  if (one.is_server) sink_end_stop(&one);
  return NULL;
}

int main(int argc, char **argv) {
  static const struct {
    const char *suffix, *unit;
    bool        lower_is_better;
  } figures[FIGURE_CNT] = {
      [PER_S]      = {"decisions",    "1/s", false},
      [CPU_NS]     = {"cpu",          "ns",  true },
      [END_CPU_NS] = {"consumer_cpu", "ns",  true }
  };
  static cost_t         ours[SINK_CAP], theirs[SINK_CAP];
  static char           names[SINK_CAP * FIGURE_CNT][32];
  static tf_bench_row_t rows[SINK_CAP * FIGURE_CNT];
  size_t                row_cnt = 0;
  tf_bench_options_t    options;
  int status = tf_bench_options_parse(argc, argv, "decisions a second into every sink", &options);
  if (status >= 0) return status;
  if (options.smoke) {
    record_cnt = 500;
    repeats    = 1;
  }
  tf_clock_calibrate();
  if (!mkdtemp(dir)) die("mkdtemp");
  for (uint32_t i = 0; i < tf_sink_cnt && i < SINK_CAP; i++) {
    const sink_peer_t *peer = sink_peer_of(tf_sinks[i]->name);
    const char        *why  = measure(tf_sinks[i], &ours[i], &theirs[i]);
    if (why) {
      fprintf(stderr, "bench_sinks: %s is left out: %s\n", tf_sinks[i]->name, why);
      continue;
    }
    for (uint32_t f = 0; f < FIGURE_CNT; f++) {
      double own = tf_bench_median(ours[i].of[f], repeats);
      if (isnan(own)) continue; /* nobody is at the other end */
      snprintf(names[row_cnt], sizeof names[0], "%s_%s", tf_sinks[i]->name, figures[f].suffix);
      rows[row_cnt] = (tf_bench_row_t){
          .name            = names[row_cnt],
          .ours            = own,
          .unit            = figures[f].unit,
          .peer            = peer ? peer->what : NULL,
          .peer_value      = peer ? tf_bench_median(theirs[i].of[f], repeats) : (double)NAN,
          .budget          = NAN,
          .lower_is_better = figures[f].lower_is_better};
      row_cnt++;
    }
  }
  tf_bench_print(rows, row_cnt, options.json);
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command) == 0 ? 0 : 1;
}
