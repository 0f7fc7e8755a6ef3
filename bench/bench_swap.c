/* What a swap costs the ticks beside it: a lane's compute stage with a model over a window, ticks at a fixed rate, and
 * a thread that loads a version from its file, checks it, has it prepared and swapped, once a period. Slices with swaps
 * and slices without alternate, so that both see the same machine. latency is from the time at which a tick was due to
 * its answer; work is the lane's own CPU time for that answer, which a machine that is shared leaves alone.
 *
 *   bench_swap [--json] [--smoke] [--seconds N] [--rate N] [--period-ms N] [--model FILE]
 *
 * --seconds 600 --period-ms 1000 is the run of bench/RESULTS.md. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hist.h"
#include "model/loader.h"
#include "stage/compute.h"

#define INSTRUMENTS 64

typedef struct options {
  bool        json;
  double      seconds;
  uint64_t    rate_hz, period_ns;
  const char *file;
} options_t;

typedef struct bench {
  options_t            options;
  tf_arena_t           arena;
  tf_compute_t         compute;
  tf_lane_instrument_t instruments[INSTRUMENTS];
  double               rows[INSTRUMENTS][TF_MODEL_INPUTS_MAX];
  tf_hist_t            hists[2], works[2]; /* of slices without swaps, with them */
  uint64_t             slice;              /* by the lane: odd ones have swaps */
  uint64_t             ordered;  /* by the server: the word that is to serve, as an event would */
  uint64_t             stopping; /* by the lane */
  uint64_t             swaps;
  uint64_t             swap_ns_max; /* from the file to the last prepared window */
} bench_t;

static bench_t bench;

static void die(const char *what) {
  fprintf(stderr, "bench_swap: %s: %s\n", what, tf_error_text());
  exit(1);
}

/* ---- the server ---- */

static bool wait_for(const uint64_t *word, uint64_t wanted) {
  while (tf_load_acquire(word) != wanted) { /* pairs with: tf_swap_prepare, tf_swap_obey */
    if (tf_load_acquire(&bench.stopping)) return false; /* pairs with: run_lane */
    nanosleep(&(struct timespec){.tv_nsec = 200 * TF_NS_PER_US}, NULL);
  }
  return true;
}

static bool swap_once(tf_swap_t *s, tf_model_t *owned[TF_VERSION_ROWS], uint64_t serial,
                      uint32_t row) {
  tf_model_options_t options = {0};
  uint64_t           begin   = tf_clock_monotonic_ns();
  tf_version_fini(&s->versions[row]);
  tf_loader_unload(owned[row]);
  if (tf_model_loader.load(bench.options.file, &options, &owned[row])) die("load");
  if (tf_version_init(&s->versions[row], owned[row], serial, INSTRUMENTS)) die("version");
  uint64_t word = serial * TF_VERSION_ROWS + row;
  tf_store_release(&s->offered, word); /* pairs with: tf_swap_prepare */
  if (!wait_for(&s->prepared, word)) return false;
  uint64_t taken_ns = tf_clock_monotonic_ns() - begin;
  if (taken_ns > bench.swap_ns_max) bench.swap_ns_max = taken_ns;
  tf_store_release(&bench.ordered, word); /* pairs with: tick */
  return wait_for(&s->serving, word);
}

static void *run_server(void *arg) {
  tf_swap_t  *s                      = bench.compute.models[0].swap;
  tf_model_t *owned[TF_VERSION_ROWS] = {NULL};
  uint64_t    serial = 1, due_ns = tf_clock_monotonic_ns() + bench.options.period_ns / 2;
  uint32_t    row = 0;
  (void)arg;
  while (!tf_load_acquire(&bench.stopping)) { /* pairs with: run_lane */
    due_ns += bench.options.period_ns;
    while (tf_clock_monotonic_ns() < due_ns &&
           !tf_load_acquire(&bench.stopping)) /* pairs with: run_lane */
      nanosleep(&(struct timespec){.tv_nsec = TF_NS_PER_MS}, NULL);
    if (!(tf_load_acquire(&bench.slice) & 1)) continue; /* pairs with: run_lane */
    row = row % (TF_VERSION_ROWS - 1) + 1; /* never the one that serves, nor the one before */
    if (swap_once(s, owned, ++serial, row)) bench.swaps++;
  }
  return NULL; /* the process ends: what is loaded is left to it */
}

/* ---- the lane ---- */

static uint64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * TF_NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void tick(uint64_t n, uint64_t due_ns, uint64_t half) {
  tf_lane_instrument_t *in      = &bench.instruments[n % INSTRUMENTS];
  tf_swap_t            *s       = bench.compute.models[0].swap;
  uint64_t              ordered = tf_load_acquire(&bench.ordered); /* pairs with: swap_once */
  for (uint32_t i = 0; i < bench.compute.models[0].active->model->input_cnt; i++)
    in->row[i] = (double)((n * 37 + i * 11) % 64) / 32.0 - 1.0;
  uint64_t begin_ns = cpu_ns();
  /* relaxed: the lane's own word */
  if (ordered && ordered != tf_load_relaxed(&s->serving)) {
    const tf_version_t *v     = tf_swap_row(s, ordered);
    tf_event_t          event = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
    event.u.model.version     = v->number;
    event.u.model.hash        = v->model->hash;
    tf_compute_swap(&bench.compute, &event);
  }
  (void)tf_compute_models(&bench.compute, in, 0, 0);
  uint64_t work_ns = cpu_ns() - begin_ns, now_ns = tf_clock_monotonic_ns();
  tf_hist_record(&bench.works[half], work_ns);
  tf_hist_record(&bench.hists[half], now_ns > due_ns ? now_ns - due_ns : 0);
  (void)tf_compute_deferred(&bench.compute, in);
}

static void run_lane(void) {
  const uint64_t step_ns = TF_NS_PER_SEC / bench.options.rate_hz;
  uint64_t       begin = tf_clock_monotonic_ns(), n = 0, end_ns, due_ns = begin;
  end_ns = begin + (uint64_t)(bench.options.seconds * 1e9);
  for (; due_ns < end_ns; n++, due_ns += step_ns) {
    uint64_t slice = (due_ns - begin) / bench.options.period_ns;
    /* relaxed: the lane's own word */
    if (slice != tf_load_relaxed(&bench.slice))
      tf_store_release(&bench.slice, slice); /* pairs with: run_server */
    while (tf_clock_monotonic_ns() < due_ns) tf_spin_pause();
    tick(n, due_ns, slice & 1);
  }
  tf_store_release(&bench.stopping, 1); /* pairs with: run_server, wait_for */
}

static void build(void) {
  tf_model_options_t options = {0};
  tf_model_t        *model;
  static uint32_t    places[TF_MODEL_INPUTS_MAX];
  for (uint32_t i = 0; i < TF_MODEL_INPUTS_MAX; i++) places[i] = i;
  if (tf_model_loader.load(bench.options.file, &options, &model)) die("load");
  size_t bytes = tf_compute_model_bytes(model, INSTRUMENTS, false) + (1u << 20);
  if (tf_arena_init(&bench.arena, "bench", bytes)) die("arena");
  if (tf_compute_add_model(&bench.compute, model, places, INSTRUMENTS, &bench.arena)) die("model");
  if (tf_compute_add_swap(&bench.compute, 1, INSTRUMENTS, &bench.arena)) die("swap");
  bench.compute.models[0].post = tf_post_plain(model->output_cnt, 1);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    bench.instruments[i].id  = i;
    bench.instruments[i].row = bench.rows[i];
  }
}

static double at(const tf_hist_t *h, double q) { return (double)tf_hist_quantile(h, q); }

static void print_hists(const char *what, const tf_hist_t h[2]) {
  for (int i = 0; i < 2; i++)
    printf("%-8s %-10s %9llu ticks  p50 %.0f  p99 %.0f  p99.9 %.0f  max %llu ns\n", what,
           i ? "swapping" : "quiet", (unsigned long long)h[i].cnt, at(&h[i], 0.5), at(&h[i], 0.99),
           at(&h[i], 0.999), (unsigned long long)h[i].max);
  printf("%-8s p99.9 swapping is %.3f of that of the quiet slices\n", what,
         at(&h[1], 0.999) / at(&h[0], 0.999));
}

static void print_json(const char *name, const tf_hist_t h[2], bool more) {
  double ours = at(&h[1], 0.999), peer = at(&h[0], 0.999);
  printf("%s{\"name\":\"%s\",\"ours\":%.0f,\"unit\":\"ns\",\"peer\":\"slices without swaps\","
         "\"peer_value\":%.0f,\"ratio\":%.4f,\"swaps\":%llu,\"ticks\":%llu}%s",
         more ? "[" : "", name, ours, peer, ours / peer, (unsigned long long)bench.swaps,
         (unsigned long long)(h[0].cnt + h[1].cnt), more ? ",\n" : "]\n");
}

static void report(void) {
  if (bench.options.json) {
    print_json("swap_latency_p99_9", bench.hists, true);
    print_json("swap_work_p99_9", bench.works, false);
    return;
  }
  print_hists("latency", bench.hists);
  print_hists("work", bench.works);
  printf("%llu swaps, the slowest prepared %.1f ms after its file was opened\n",
         (unsigned long long)bench.swaps, (double)bench.swap_ns_max / 1e6);
}

int main(int argc, char **argv) {
  bench.options = (options_t){.seconds   = 10.0,
                              .rate_hz   = 100000,
                              .period_ns = TF_NS_PER_SEC,
                              .file      = "models/example-lstm.safetensors"};
  for (int i = 1; i < argc; i++) {
    bool has_value = i + 1 < argc;
    if (!strcmp(argv[i], "--json"))
      bench.options.json = true;
    else if (!strcmp(argv[i], "--smoke"))
      bench.options.seconds = 0.4, bench.options.rate_hz = 5000,
      bench.options.period_ns = 50 * TF_NS_PER_MS;
    else if (!strcmp(argv[i], "--seconds") && has_value)
      bench.options.seconds = strtod(argv[++i], NULL);
    else if (!strcmp(argv[i], "--rate") && has_value)
      bench.options.rate_hz = strtoull(argv[++i], NULL, 10);
    else if (!strcmp(argv[i], "--period-ms") && has_value)
      bench.options.period_ns = strtoull(argv[++i], NULL, 10) * TF_NS_PER_MS;
    else if (!strcmp(argv[i], "--model") && has_value)
      bench.options.file = argv[++i];
    else
      return fprintf(stderr, "bench_swap: %s is no option of it\n", argv[i]), 2;
  }
  if (bench.options.rate_hz == 0 || bench.options.period_ns == 0 || bench.options.seconds <= 0)
    return fprintf(stderr, "bench_swap: rate, period and seconds are more than 0\n"), 2;
  build();
  pthread_t server;
  if (pthread_create(&server, NULL, run_server, NULL)) return 1;
  run_lane();
  pthread_join(server, NULL);
  report();
  return bench.swaps > 0 ? 0 : 1;
}
