/* A thousand instruments on one lane, one of them in flood: does it age the others?
 *
 * This process is the venue (many_venue.h). The engine is the binary beside this program, one lane that spins on the
 * first core; its decisions, one a message, go to shared memory and are read when all is over, so that nothing else
 * runs meanwhile. Age: from the message's intended send time, which it carries, to the decision's way out. All
 * instruments over one connection, over ten, and over one without the flood.
 *
 * The peer reads the same streams in turns with the engine: recv in a loop, and nothing but the end of each frame and
 * its time looked for (peer_recv.h). What it is late is nobody's work but the sender's, the kernel's and the
 * scheduler's.
 *
 * Percentiles are of each instrument alone. Rows named "quiet" leave out what was under way while sender or lane were
 * kept off their cores (off_core.h), and count from when the sender had handed the message to the kernel; how much
 * is left, a row says. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "many_venue.h"
#include "off_core.h"
#include "peer_recv.h"
#include "tf/atomic.h"
#include "tf/reader.h"

#define SMOKE_INSTRUMENTS 100
#define RATE_HZ           100000
#define SECONDS           6
#define ROUNDS            2
#define SMOKE_RATE_HZ     4000
#define SMOKE_SECONDS     1
#define WARM_UP_NS        TF_NS_PER_SEC
#define SMOKE_WARM_UP_NS  (TF_NS_PER_SEC / 4)
#define CATCH_UP_NS       (10 * TF_NS_PER_SEC)
#define ENGINE_ENDS_NS    (10 * TF_NS_PER_SEC)
#define LANE_THREAD       "tf:acqlaneemit"
#define SPREAD_MAX        2.0 /* p99 of each instrument within twice the mean */

typedef struct case_ {
  const char *name;
  uint32_t    conn_cnt;
  bool        flood; /* without it, the others are sent as often as with it */
} case_t;

static const case_t cases[] = {
    {"one",  1,  true },
    {"ten",  10, true },
    {"calm", 1,  false},
};
#define CASES TF_ARRAY_CNT(cases)

/* Ages of one instrument, of all rounds. */
typedef struct ages {
  uint64_t *ns;
  uint32_t  cnt, cap;
} ages_t;

typedef struct sample {
  ages_t   all[TF_MANY_INSTRUMENTS_MAX];
  ages_t   quiet[TF_MANY_INSTRUMENTS_MAX], quiet_pool; /* from the send on */
  double   sum_ns, quiet_sum_ns, sender_sum_ns;
  uint64_t cnt, quiet_cnt;
  uint64_t off_ns, stolen_ns, watched_ns;
} sample_t;

static sample_t samples[CASES][2]; /* of the engine, of the peer */

static struct {
  uint64_t           begin_ns; /* shared with the peer */
  tf_bench_options_t options;
  int                cpus[2];
  uint32_t           instrument_cnt, rate_hz, seconds, rounds;
  uint64_t           warm_up_ns;
} plan;

static char  stream[64], config_path[] = "/tmp/bench_many_XXXXXX";
static pid_t client;

static void end_client(void) {
  if (client > 0) kill(client, SIGKILL);
  unlink(config_path);
}

static _Noreturn void die(const char *what) {
  fprintf(stderr, "bench_many: %s: %s\n", what, strerror(errno));
  exit(1);
}

/* ---- the engine ---- */

static void write_config(uint16_t port, const case_t *c, uint64_t slots) {
  strcpy(config_path, "/tmp/bench_many_XXXXXX");
  int   fd   = mkstemp(config_path);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file) die("config");
  fprintf(file,
          "engine: {lanes: [{cpu: %d, stages: all}], idle: spin, instruments_max: 1024, "
          "latency_sample: 64}\n"
          "feeds:\n  - name: many\n    venue: binance-spot\n    channels: [trade]\n    url: "
          "ws://127.0.0.1:%u\n"
          "    rest: http://127.0.0.1:%u\n    streams_per_connection: %u\n    instruments: [",
          plan.cpus[0], port, port, plan.instrument_cnt / c->conn_cnt);
  for (uint32_t i = 0; i < plan.instrument_cnt; i++) fprintf(file, "%sS%u", i ? ", " : "", i);
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
  client = fork();
  if (client < 0) die("fork");
  if (client) return;
  int null = open("/dev/null", O_RDWR);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execl(binary, binary, "run", config_path, "--json", (char *)NULL);
  _exit(127);
}

static bool is_client_alive(void) { return waitpid(client, NULL, WNOHANG) == 0; }

static void stop_client(int signal) {
  kill(client, signal);
  uint64_t begin = tf_clock_monotonic_ns();
  while (is_client_alive()) {
    if (tf_clock_monotonic_ns() - begin > ENGINE_ENDS_NS) kill(client, SIGKILL);
    tf_many_venue_hear(true);
    poll(NULL, 0, 5);
  }
  client = 0;
}

/* ---- ages ---- */

static void put(ages_t *ages, uint64_t ns) {
  if (ages->cnt == ages->cap) {
    ages->cap = ages->cap ? 2 * ages->cap : 1024;
    ages->ns  = realloc(ages->ns, ages->cap * sizeof ages->ns[0]);
    if (!ages->ns) die("realloc");
  }
  ages->ns[ages->cnt++] = ns;
}

static void take(sample_t *sample, const tf_many_schedule_t *s, const tf_off_core_t *watch,
                 uint64_t message, uint32_t instrument, uint64_t out_ns) {
  uint64_t due_ns = tf_many_due_ns(s, message);
  uint64_t age_ns = out_ns > due_ns ? out_ns - due_ns : 0;
  if (due_ns - s->begin_ns < plan.warm_up_ns) return;
  put(&sample->all[instrument], age_ns);
  sample->sum_ns += (double)age_ns;
  sample->sender_sum_ns += (double)(s->sent_ns[message] - due_ns);
  sample->cnt++;
  if (tf_off_core_touches(watch, due_ns, due_ns + age_ns)) return;
  uint64_t sent_ns = s->sent_ns[message], own_ns = out_ns > sent_ns ? out_ns - sent_ns : 0;
  put(&sample->quiet[instrument], own_ns);
  put(&sample->quiet_pool, own_ns);
  sample->quiet_sum_ns += (double)own_ns;
  sample->quiet_cnt++;
}

/* All of them, or what came within the time that the engine is given to catch up. */
static void read_decisions(tf_reader_t *reader, sample_t *sample, const tf_many_schedule_t *s,
                           const tf_off_core_t *watch) {
  tf_decision_t d;
  uint64_t      read_cnt = 0, begin = tf_clock_monotonic_ns();
  while (read_cnt < s->message_cnt && tf_clock_monotonic_ns() - begin < CATCH_UP_NS) {
    if (tf_reader_next(reader, &d) != TF_READER_READ) {
      poll(NULL, 0, 5);
      tf_many_venue_hear(false);
      continue;
    }
    read_cnt++;
    uint64_t message = tf_many_message_at(s, d.ts_event_ns);
    if (d.instrument_id < plan.instrument_cnt && message < s->message_cnt)
      take(sample, s, watch, message, d.instrument_id, d.ts_out_ns);
  }
  if (read_cnt == s->message_cnt) return;
  fprintf(stderr, "bench_many: %llu decisions on %llu messages\n", (unsigned long long)read_cnt,
          (unsigned long long)s->message_cnt);
  errno = 0;
  die("decisions are missing");
}

static void read_peer(const uint64_t *had_ns, sample_t *sample, const tf_many_schedule_t *s,
                      const tf_off_core_t *watch) {
  uint64_t begin = tf_clock_monotonic_ns();
  for (uint64_t i = 0; i < s->message_cnt; i++) {
    /* relaxed: a time, nothing behind it */
    while (tf_load_relaxed(&had_ns[i]) == 0) {
      if (tf_clock_monotonic_ns() - begin > CATCH_UP_NS) die("the peer lacks messages");
      poll(NULL, 0, 5);
    }
    take(sample, s, watch, i, tf_many_instrument_of(s, i), had_ns[i]);
  }
}

/* ---- a run ---- */

static void *shared_map(size_t bytes) {
  void *map =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (map == MAP_FAILED) die("mmap");
  return map;
}

static void send_watched(tf_many_schedule_t *s, tf_off_core_t *watch, const char *thread,
                         uint64_t *begin_ns) {
  bool is_watched =
      tf_off_core_add(watch, client, thread) && tf_off_core_add(watch, getpid(), NULL);
  if (!is_watched) fprintf(stderr, "bench_many: no account of waits: \"quiet\" is all\n");
  s->begin_ns = tf_clock_wall_ns() + TF_NS_PER_MS;
  tf_store_relaxed(begin_ns, s->begin_ns); /* relaxed: read behind the first message */
  tf_off_core_begin(watch, s->begin_ns);
  tf_many_venue_send(s, watch);
}

static void run(const case_t *c, bool is_peer, sample_t *sample) {
  uint32_t           rate_hz = c->flood ? plan.rate_hz : plan.rate_hz / 2;
  tf_many_schedule_t s       = {
            .message_cnt = (uint64_t)rate_hz * plan.seconds, .rate_hz = rate_hz, .flood = c->flood};
  size_t        word_bytes = s.message_cnt * sizeof(uint64_t);
  uint64_t     *sent_ns = shared_map(word_bytes), *had_ns = shared_map(word_bytes);
  uint64_t     *begin_ns = shared_map(4096), slots = 1024;
  uint8_t      *marks = shared_map(2000ul * plan.seconds);
  tf_off_core_t watch;
  tf_reader_t   reader;
  s.sent_ns = sent_ns;
  tf_off_core_init(&watch, marks, 2000ul * plan.seconds);
  uint64_t stolen_ns = tf_off_core_stolen_ns();
  uint16_t port      = tf_many_venue_start(plan.instrument_cnt);
  if (is_peer) {
    tf_peer_recv_config_t config = {.port        = port,
                                    .conn_cnt    = c->conn_cnt,
                                    .cpu         = plan.cpus[0],
                                    .had_ns      = had_ns,
                                    .begin_ns    = begin_ns,
                                    .message_cnt = s.message_cnt,
                                    .rate_hz     = rate_hz};
    client                       = tf_peer_recv_start(&config);
    if (client < 0) die("fork");
    tf_many_venue_await_peer(c->conn_cnt);
    send_watched(&s, &watch, TF_PEER_RECV_NAME, begin_ns);
    read_peer(had_ns, sample, &s, &watch);
    stop_client(SIGKILL);
  } else {
    while (slots < s.message_cnt + 1024) slots *= 2;
    write_config(port, c, slots);
    start_engine();
    tf_many_venue_await(is_client_alive);
    if (tf_reader_open(stream, &reader) != TF_OK) die(reader.error);
    send_watched(&s, &watch, LANE_THREAD, begin_ns);
    read_decisions(&reader, sample, &s, &watch);
    stop_client(SIGINT);
    tf_reader_close(&reader);
    unlink(config_path);
  }
  sample->off_ns += watch.off_ns;
  sample->stolen_ns += tf_off_core_stolen_ns() - stolen_ns;
  sample->watched_ns += (uint64_t)plan.seconds * TF_NS_PER_SEC * 2;
  tf_off_core_fini(&watch);
  tf_many_venue_stop();
  munmap(sent_ns, word_bytes);
  munmap(had_ns, word_bytes);
  munmap(begin_ns, 4096);
  munmap(marks, 2000ul * plan.seconds);
}

/* ---- figures ---- */

static int by_age(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* Sorts. */
static double quantile_ns(ages_t *ages, uint32_t per_mille) {
  if (ages->cnt == 0) return (double)NAN;
  qsort(ages->ns, ages->cnt, sizeof ages->ns[0], by_age);
  return (double)ages->ns[(uint64_t)ages->cnt * per_mille / 1000];
}

typedef struct figures {
  double mean_ns, p99_worst_ns, p99_mean_ns, p99_first_ns;
  double others_p99_mean_ns; /* of all but the one that may flood */
} figures_t;

static figures_t figures_of(ages_t *ages, double sum_ns, uint64_t cnt) {
  figures_t f            = {.mean_ns = cnt ? sum_ns / (double)cnt : (double)NAN};
  uint32_t  measured_cnt = 0;
  for (uint32_t i = 0; i < plan.instrument_cnt; i++) {
    if (ages[i].cnt < 2) continue;
    double p99 = quantile_ns(&ages[i], 990);
    measured_cnt++;
    f.p99_mean_ns += p99;
    if (i == 0) f.p99_first_ns = p99;
    if (p99 > f.p99_worst_ns) f.p99_worst_ns = p99;
  }
  bool has_first       = ages[0].cnt > 1;
  f.others_p99_mean_ns = (f.p99_mean_ns - f.p99_first_ns) / (measured_cnt - has_first);
  f.p99_mean_ns /= measured_cnt;
  return f;
}

#define ROWS_MAX 48
static tf_bench_row_t rows[ROWS_MAX];
static char           names[ROWS_MAX][64];
static uint32_t       row_cnt;

static void row(const char *case_name, const char *what, double ours, double peers,
                const char *unit, double budget) {
  TF_ASSERT(row_cnt < ROWS_MAX);
  snprintf(names[row_cnt], sizeof names[0], "many_%s_%s", case_name, what);
  rows[row_cnt] = (tf_bench_row_t){names[row_cnt], ours,   unit, isnan(peers) ? NULL : "recv",
                                   peers,          budget, true};
  row_cnt++;
}

static figures_t rows_of(const case_t *c, sample_t *sample) {
  sample_t *ours = &sample[0], *peers = &sample[1];
  figures_t all        = figures_of(ours->all, ours->sum_ns, ours->cnt);
  figures_t peer_all   = figures_of(peers->all, peers->sum_ns, peers->cnt);
  figures_t quiet      = figures_of(ours->quiet, ours->quiet_sum_ns, ours->quiet_cnt);
  figures_t peer_quiet = figures_of(peers->quiet, peers->quiet_sum_ns, peers->quiet_cnt);
  row(c->name, "age_mean", all.mean_ns, peer_all.mean_ns, "ns", NAN);
  row(c->name, "of_it_sender", ours->sender_sum_ns / (double)ours->cnt,
      peers->sender_sum_ns / (double)peers->cnt, "ns", NAN);
  row(c->name, "p99_worst_to_mean_p99", all.p99_worst_ns / all.p99_mean_ns,
      peer_all.p99_worst_ns / peer_all.p99_mean_ns, "x", SPREAD_MAX);
  row(c->name, "p99_worst_to_mean_age", all.p99_worst_ns / all.mean_ns,
      peer_all.p99_worst_ns / peer_all.mean_ns, "x", NAN);
  row(c->name, "off_core", 100 * (double)ours->off_ns / (double)ours->watched_ns,
      100 * (double)peers->off_ns / (double)peers->watched_ns, "%", NAN);
  row(c->name, "stolen", 100 * (double)ours->stolen_ns / (double)ours->watched_ns,
      100 * (double)peers->stolen_ns / (double)peers->watched_ns, "%", NAN);
  row(c->name, "quiet_share", 100 * (double)ours->quiet_cnt / (double)ours->cnt,
      100 * (double)peers->quiet_cnt / (double)peers->cnt, "%", NAN);
  row(c->name, "quiet_age_mean", quiet.mean_ns, peer_quiet.mean_ns, "ns", NAN);
  row(c->name, "quiet_age_p50", quantile_ns(&ours->quiet_pool, 500),
      quantile_ns(&peers->quiet_pool, 500), "ns", NAN);
  row(c->name, "quiet_age_p99", quantile_ns(&ours->quiet_pool, 990),
      quantile_ns(&peers->quiet_pool, 990), "ns", NAN);
  row(c->name, "quiet_p99_worst", quiet.p99_worst_ns, peer_quiet.p99_worst_ns, "ns", NAN);
  row(c->name, "quiet_p99_worst_to_mean_age", quiet.p99_worst_ns / quiet.mean_ns,
      peer_quiet.p99_worst_ns / peer_quiet.mean_ns, "x", SPREAD_MAX);
  return quiet;
}

int main(int argc, char **argv) {
  int code = tf_bench_options_parse(
      argc, argv,
      "bench_many: 1,000 instruments on one lane at 100 k msg/s, half of them one instrument's",
      &plan.options);
  if (code >= 0) return code;
  if (!tf_bench_cpus(plan.cpus, 2)) {
    fprintf(stderr, "bench_many: one core for the lane and one for the venue are needed\n");
    return 77;
  }
  bool smoke          = plan.options.smoke;
  plan.instrument_cnt = smoke ? SMOKE_INSTRUMENTS : TF_MANY_INSTRUMENTS_MAX;
  plan.rate_hz        = smoke ? SMOKE_RATE_HZ : RATE_HZ;
  plan.seconds        = smoke ? SMOKE_SECONDS : SECONDS;
  plan.rounds         = smoke ? 1 : ROUNDS;
  plan.warm_up_ns     = smoke ? SMOKE_WARM_UP_NS : WARM_UP_NS;
  tf_clock_calibrate();
  tf_cpu_pin(plan.cpus[1], "bench_many");
  snprintf(stream, sizeof stream, "bench-many-%d", getpid());
  atexit(end_client);
  for (uint32_t round = 0; round < plan.rounds; round++)
    for (uint32_t i = 0; i < CASES; i++)
      for (int who = 0; who < 2; who++) run(&cases[i], who == 1, &samples[i][who]);
  figures_t with = rows_of(&cases[0], samples[0]);
  rows_of(&cases[1], samples[1]);
  figures_t without = rows_of(&cases[2], samples[2]);
  row("flood", "quiet_others_p99_to_calm", with.others_p99_mean_ns / without.others_p99_mean_ns,
      NAN, "x", SPREAD_MAX);
  tf_bench_print(rows, row_cnt, plan.options.json);
  char path[96];
  snprintf(path, sizeof path, "/dev/shm/tickfuse.%s", stream);
  unlink(path);
  return 0;
}
