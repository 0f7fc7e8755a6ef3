/* F69: how long after the deadline a tick has its answer that the worker misses. A lane's compute stage with a model over a window, a
 * worker process (gpu-stub) that is late, silent or dies where it is told, ticks at a fixed rate. What stands in is the same
 * model on the lane. The peer is the same lane without a worker, its ticks in slices between: the time of its answer is what the
 * stand-in cannot do without.
 *
 *   bench_deadline [--json] [--smoke] [--seconds N] [--stub PROGRAM] [--model FILE] [--deadline-us N]
 *
 * late     from the deadline to the answer, of ticks that waited for it in vain
 * absent   the answer itself, of ticks that found no worker: nobody waits for these
 * kept     late, of those ticks alone in which the kernel left the thread its core and faulted no page in; what is in late and
 *          not here is the machine's
 *
 * --seconds is of each of the six cases, half of it the peer's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hist.h"
#include "model/loader.h"
#include "stage/compute.h"

#define INSTRUMENTS 16
#define BUDGET_NS   (50 * TF_NS_PER_US)
#define SLICE_NS    (100 * TF_NS_PER_MS)

typedef struct options {
  bool        json;
  double      seconds;
  uint64_t    deadline_ns;
  const char *file, *stub;
} options_t;

typedef enum kind { LATE, ABSENT, KEPT, PEER, KIND_CNT } kind_t;

typedef struct bench {
  options_t            options;
  tf_arena_t           arena;
  tf_compute_t         compute;
  tf_remote_t          remote;
  tf_model_t          *model;
  tf_lane_instrument_t instruments[INSTRUMENTS];
  double               rows[INSTRUMENTS][TF_MODEL_INPUTS_MAX];
  tf_event_t           event;
  tf_hist_t            hists[KIND_CNT];
} bench_t;

static bench_t bench;

static void die(const char *what) {
  fprintf(stderr, "bench_deadline: %s: %s\n", what, tf_error_text());
  exit(1);
}

/* ---- the lane ---- */

typedef struct disturbance {
  long switches, faults;
} disturbance_t;

static disturbance_t disturbances(void) {
  struct rusage r;
  getrusage(RUSAGE_THREAD, &r);
  return (disturbance_t){r.ru_nivcsw, r.ru_minflt + r.ru_majflt};
}

static void note(uint64_t took_ns, const uint64_t before[TF_ASKED_CNT], bool was_left_alone) {
  const uint64_t *now = bench.remote.counts.results, deadline_ns = bench.options.deadline_ns;
  if (now[TF_ASKED_ABSENT] > before[TF_ASKED_ABSENT]) tf_hist_record(&bench.hists[ABSENT], took_ns);
  if (now[TF_ASKED_LATE] == before[TF_ASKED_LATE]) return;
  uint64_t over_ns = took_ns > deadline_ns ? took_ns - deadline_ns : 0;
  tf_hist_record(&bench.hists[LATE], over_ns);
  if (was_left_alone) tf_hist_record(&bench.hists[KEPT], over_ns);
}

static void tick(uint64_t n, bool has_worker) {
  tf_lane_instrument_t *in = &bench.instruments[n % INSTRUMENTS];
  uint64_t              before[TF_ASKED_CNT];
  memcpy(before, bench.remote.counts.results, sizeof before);
  for (uint32_t i = 0; i < bench.model->input_cnt; i++)
    in->row[i] = (double)((n * 37 + i * 11) % 64) / 32.0 - 1.0;
  bench.event.ingest_seq = n + 1;
  disturbance_t was      = disturbances();
  uint64_t      begun    = tf_clock_ticks();
  (void)tf_compute_models(&bench.compute, in, 0, 0);
  uint64_t      took_ns = tf_clock_ticks_to_ns(tf_clock_ticks() - begun);
  disturbance_t is      = disturbances();
  if (has_worker)
    note(took_ns, before, is.switches == was.switches && is.faults == was.faults);
  else
    tf_hist_record(&bench.hists[PEER], took_ns);
  (void)tf_compute_deferred(&bench.compute, in);
}

/* Slices with the worker and without; a window goes on in both, since the lane keeps it for a stand-in. */
static void run_lane(uint64_t rate_hz) {
  const uint64_t step_ns = TF_NS_PER_SEC / rate_hz, begin = tf_clock_monotonic_ns();
  const uint64_t end_ns = begin + (uint64_t)(bench.options.seconds * 1e9);
  uint64_t       n = 0, due_ns = begin;
  bool           has_worker = true;
  for (; due_ns < end_ns; n++, due_ns += step_ns) {
    bool wanted = (due_ns - begin) / SLICE_NS % 2 == 0;
    if (wanted != has_worker)
      tf_compute_set_remote(&bench.compute, 0, wanted ? &bench.remote : NULL);
    has_worker = wanted;
    while (tf_clock_monotonic_ns() < due_ns) tf_spin_pause();
    if (tf_clock_monotonic_ns() > due_ns + 10 * TF_NS_PER_MS)
      due_ns = tf_clock_monotonic_ns(); /* it was off its core: no burst of what is long due */
    tick(n, has_worker);
  }
}

/* ---- a case ---- */

static void build(void) {
  tf_model_options_t options = {0};
  static uint32_t    places[TF_MODEL_INPUTS_MAX];
  for (uint32_t i = 0; i < TF_MODEL_INPUTS_MAX; i++) places[i] = i;
  if (tf_model_loader.load(bench.options.file, &options, &bench.model)) die("load");
  tf_remote_config_t config = {.width       = bench.model->input_cnt,
                               .window      = bench.model->window > 1 ? bench.model->window : 0,
                               .output_cnt  = bench.model->output_cnt,
                               .no_answer   = TF_NO_ANSWER_CPU,
                               .deadline_ns = bench.options.deadline_ns};
  size_t             bytes  = tf_compute_model_bytes(bench.model, INSTRUMENTS, false) +
                 tf_remote_bytes(&config, INSTRUMENTS) + (1u << 20);
  if (tf_arena_init(&bench.arena, "bench", bytes)) die("arena");
  if (tf_compute_add_model(&bench.compute, bench.model, places, INSTRUMENTS, &bench.arena))
    die("model");
  if (tf_remote_init(&bench.remote, &config, INSTRUMENTS, &bench.arena)) die("remote");
  tf_compute_set_remote(&bench.compute, 0, &bench.remote);
  bench.remote.is_asking       = true;
  bench.compute.models[0].post = tf_post_plain(bench.model->output_cnt, 1);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    bench.instruments[i].id           = i;
    bench.instruments[i].row          = bench.rows[i];
    bench.instruments[i].market.event = &bench.event;
  }
}

static void unbuild(void) {
  tf_arena_fini(&bench.arena);
  tf_model_loader.unload(bench.model);
  memset(&bench.compute, 0, sizeof bench.compute);
  memset(bench.hists, 0, sizeof bench.hists);
}

static tf_child_t *start_worker(const char *faults) {
  static const char *argv[6];
  const char        *words[] = {bench.options.stub, "--model", bench.options.file,
                                "--faults",         faults,    NULL};
  memcpy(argv, words, sizeof words);
  tf_child_config_t config = {
      .argv        = argv,
      .heart_ns    = 10 * TF_NS_PER_SEC,
      .restart_max = 15,
      .restart_ns  = TF_NS_PER_MS, /* it may die as often as it is told */
      .mailbox     = {.slot_cnt       = 64,
                      .batch_max      = 16,
                      .input_cnt      = bench.model->input_cnt,
                      .output_cnt     = bench.model->output_cnt,
                      .instrument_cnt = INSTRUMENTS + 1,
                      .window         = bench.model->window,
                      .model_hash     = bench.model->hash}
  };
  tf_child_t *child = NULL;
  if (tf_child_start(&config, &child)) die("worker");
  for (int look = 0; look < 10000 && !tf_child_serving(child); look++)
    nanosleep(&(struct timespec){.tv_nsec = TF_NS_PER_MS}, NULL);
  if (!tf_child_serving(child)) die("the worker does not serve");
  return child;
}

static double at(const tf_hist_t *h, double q) { return (double)tf_hist_quantile(h, q); }

static void print_hist(const char *what, const tf_hist_t *h) {
  printf("  %-8s %8llu ticks  p50 %6.1f  p99 %6.1f  p99.9 %7.1f  max %8.1f us\n", what,
         (unsigned long long)h->cnt, at(h, 0.5) * 1e-3, at(h, 0.99) * 1e-3, at(h, 0.999) * 1e-3,
         (double)h->max * 1e-3);
}

static void print_case(const char *name, uint64_t rate_hz, bool is_first) {
  const tf_hist_t *h    = bench.hists;
  double           load = 0;
  (void)getloadavg(&load, 1);
  if (bench.options.json) {
    printf(
        "%s{\"name\":\"deadline_%s_%llu\",\"ours\":%.0f,\"unit\":\"ns\",\"peer\":\"the lane "
        "without "
        "a worker, p99\",\"peer_value\":%.0f,\"budget\":%llu,\"ok\":%s,\"p50\":%.0f,\"p99_9\":%.0f,"
        "\"max\":%llu,\"ticks\":%llu,\"kept_p99\":%.0f,\"kept_ticks\":%llu,\"absent_p99\":%.0f,"
        "\"load\":%.1f}",
        is_first ? "[" : ",\n", name, (unsigned long long)rate_hz, at(&h[LATE], 0.99),
        at(&h[PEER], 0.99), (unsigned long long)BUDGET_NS,
        at(&h[LATE], 0.99) <= (double)BUDGET_NS ? "true" : "false", at(&h[LATE], 0.5),
        at(&h[LATE], 0.999), (unsigned long long)h[LATE].max, (unsigned long long)h[LATE].cnt,
        at(&h[KEPT], 0.99), (unsigned long long)h[KEPT].cnt, at(&h[ABSENT], 0.99), load);
    return;
  }
  printf("%s, %llu ticks/s, deadline %.0f us, load %.1f\n", name, (unsigned long long)rate_hz,
         (double)bench.options.deadline_ns * 1e-3, load);
  print_hist("late", &h[LATE]);
  print_hist("kept", &h[KEPT]);
  if (h[ABSENT].cnt) print_hist("absent", &h[ABSENT]);
  print_hist("peer", &h[PEER]);
}

static const struct {
  const char *name, *faults;
} cases[] = {
    {"late",   "late=1/10,late_by=1ms"},
    {"silent", "silent=1/10"          },
    {"dead",   "die=1/200"            },
};
static const uint64_t rates[] = {1000, 10000};

static void run_case(size_t i, size_t rate_idx) {
  build();
  tf_child_t *child      = start_worker(cases[i].faults);
  bench.remote.offers[1] = (tf_remote_offer_t){.worker = child, .hash = bench.model->hash};
  tf_store_release(&bench.remote.offered, 1); /* pairs with: has_worker */
  run_lane(rates[rate_idx]);
  tf_child_stop(child);
  print_case(cases[i].name, rates[rate_idx], i == 0 && rate_idx == 0);
  unbuild();
}

/* The stub beside this program's folder: build/rel/gpu-stub. */
static const char *default_stub(void) {
  static char path[1024];
  ssize_t     cnt         = readlink("/proc/self/exe", path, sizeof path - 32);
  path[cnt > 0 ? cnt : 0] = '\0';
  for (int up = 0; up < 2; up++) {
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
  }
  strcat(path, "/gpu-stub");
  return path;
}

int main(int argc, char **argv) {
  bench.options = (options_t){.seconds     = 10.0,
                              .deadline_ns = 100 * TF_NS_PER_US,
                              .file        = "models/example-lstm.safetensors",
                              .stub        = default_stub()};
  for (int i = 1; i < argc; i++) {
    bool has_value = i + 1 < argc;
    if (!strcmp(argv[i], "--json"))
      bench.options.json = true;
    else if (!strcmp(argv[i], "--smoke"))
      bench.options.seconds = 0.4;
    else if (!strcmp(argv[i], "--seconds") && has_value)
      bench.options.seconds = strtod(argv[++i], NULL);
    else if (!strcmp(argv[i], "--stub") && has_value)
      bench.options.stub = argv[++i];
    else if (!strcmp(argv[i], "--model") && has_value)
      bench.options.file = argv[++i];
    else if (!strcmp(argv[i], "--deadline-us") && has_value)
      bench.options.deadline_ns = strtoull(argv[++i], NULL, 10) * TF_NS_PER_US;
    else
      return fprintf(stderr, "bench_deadline: %s is no option of it\n", argv[i]), 2;
  }
  if (bench.options.seconds <= 0 || bench.options.deadline_ns == 0)
    return fprintf(stderr, "bench_deadline: seconds and deadline are more than 0\n"), 2;
  tf_clock_calibrate();
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    for (size_t k = 0; k < TF_ARRAY_CNT(rates); k++) run_case(i, k);
  if (bench.options.json) printf("]\n");
  return 0;
}
