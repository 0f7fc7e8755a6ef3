#include "model/measure.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/shapes.h"

#define ROW_CNT        64u
#define RUN_CNT_MIN    100u
#define RUNS_PER_LOOK  64u /* at the clock, for the end of a measurement */
#define ERROR_CNT_MAX  1024u
#define ERROR_CNT_MIN  2u
#define ERROR_MACS_MAX 2e9 /* of the evaluations in double */

typedef struct bench {
  const tf_model_t   *model;
  tf_loader_session_t session;
  float              *rows;
  float              *out;
  uint8_t            *other;
  uint64_t            next; /* row */
} bench_t;

/* All that came before has happened, nothing that follows has begun. */
TF_INLINE uint64_t fenced_ticks(void) {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#endif
  uint64_t ticks = tf_clock_ticks();
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#endif
  return ticks;
}

static void touch(uint8_t *bytes, size_t cnt) {
  for (size_t i = 0; i < cnt; i += TF_LINE_BYTES) {
    volatile uint8_t *at = bytes + i;
    *at                  = (uint8_t)(*at + 1);
  }
}

TF_INLINE void timed_path(bench_t *b) {
  const tf_model_t *m   = b->model;
  const float      *row = b->rows + (b->next++ % ROW_CNT) * m->input_cnt;
  if (m->window > 1)
    (void)m->step(m, b->session.state, b->session.scratch, row, b->out);
  else
    m->run(m, b->session.scratch, row, b->out);
}

TF_INLINE void deferred_work(bench_t *b) {
  if (b->model->window > 1) b->model->advance(b->model, b->session.state, b->session.scratch);
}

static uint64_t time_of(bench_t *b, void (*part)(bench_t *)) {
  uint64_t begin = fenced_ticks();
  part(b);
  return tf_clock_ticks_to_ns(fenced_ticks() - begin);
}

static void timed(bench_t *b) { timed_path(b); }
static void deferred(bench_t *b) { deferred_work(b); }

/* Nothing but the core's clock is in it. */
static void busy(bench_t *b) {
  uint64_t value = b->next | 1;
  for (uint32_t i = 0; i < TF_MEASURE_BUSY_STEPS; i++) value *= UINT64_C(6364136223846793005);
  volatile uint64_t kept = value;
  (void)kept;
}

/* What a net does where its window does not slide. */
static void whole(bench_t *b) { tf_loader_answer(&b->session, b->rows, b->out); }

static void time_cold(bench_t *b, uint64_t ns, tf_measure_t *m) {
  const bool slides = tf_loader_stream(b->model, NULL) != NULL;
  uint64_t   end    = tf_clock_monotonic_ns() + ns;
  for (uint64_t i = 0; i < RUN_CNT_MIN || i % RUNS_PER_LOOK || tf_clock_monotonic_ns() < end; i++) {
    touch(b->other, TF_MEASURE_OTHER_BYTES);
    tf_hist_record(&m->cold_ns, time_of(b, timed));
    deferred_work(b);
    tf_hist_record(&m->busy_ns, time_of(b, busy));
    if (!slides || i % TF_MEASURE_WHOLE_EVERY) continue;
    touch(b->other, TF_MEASURE_OTHER_BYTES);
    tf_hist_record(&m->whole_ns, time_of(b, whole));
  }
}

static void time_warm(bench_t *b, uint64_t ns, tf_hist_t *hist, tf_hist_t *deferred_ns) {
  uint64_t end = tf_clock_monotonic_ns() + ns;
  for (uint64_t i = 0; i < RUN_CNT_MIN || i % RUNS_PER_LOOK || tf_clock_monotonic_ns() < end; i++) {
    tf_hist_record(hist, time_of(b, timed));
    uint64_t after_ns = time_of(b, deferred);
    if (b->model->window > 1) tf_hist_record(deferred_ns, after_ns);
  }
}

/* Two ticks without deferred work between them: the second one's time. */
static void time_late(bench_t *b, tf_hist_t *hist) {
  for (uint32_t i = 0; i < RUN_CNT_MIN; i++) {
    timed_path(b);
    tf_hist_record(hist, time_of(b, timed));
    deferred_work(b);
  }
}

static double rate(bench_t *b, uint64_t ns) {
  uint64_t begin = tf_clock_monotonic_ns(), now = begin, cnt = 0;
  while (cnt < RUN_CNT_MIN || now - begin < ns) {
    for (uint32_t i = 0; i < RUNS_PER_LOOK; i++, cnt++) {
      timed_path(b);
      deferred_work(b);
    }
    now = tf_clock_monotonic_ns();
  }
  return (double)cnt * 1e9 / (double)(now - begin);
}

static tf_err_t init(bench_t *b, const tf_model_t *model) {
  uint64_t seed = 1;
  *b            = (bench_t){.model = model,
                            .rows  = malloc(ROW_CNT * model->input_cnt * sizeof(float)),
                            .out   = malloc(model->output_cnt * sizeof(float)),
                            .other = calloc(1, TF_MEASURE_OTHER_BYTES)};
  if (!b->rows || !b->out || !b->other)
    return TF_ERR(E_CORE_NO_MEMORY, "rows and scratch of a measurement");
  tf_shapes_noise(b->rows, ROW_CNT * model->input_cnt, &seed);
  return tf_loader_session_init(&b->session, model);
}

static void fini(bench_t *b) {
  tf_loader_session_fini(&b->session);
  free(b->rows);
  free(b->out);
  free(b->other);
}

/* Until a window is full, step answers nothing. */
static void fill_window(bench_t *b) {
  for (uint32_t i = 0; i < b->model->window; i++) {
    timed_path(b);
    deferred_work(b);
  }
}

tf_err_t tf_measure_time(const tf_model_t *model, double seconds, tf_measure_t *measure) {
  bench_t    b;
  tf_err_t   err     = init(&b, model);
  uint64_t   ns      = (uint64_t)(seconds * 1e9 / 3.0);
  tf_hist_t *hists[] = {&measure->cold_ns, &measure->warm_ns, &measure->deferred_ns,
                        &measure->late_ns, &measure->busy_ns, &measure->whole_ns};
  for (size_t i = 0; i < TF_ARRAY_CNT(hists); i++) tf_hist_reset(hists[i]);
  if (!err) {
    fill_window(&b);
    (void)rate(&b, ns / 8); /* warms clock speed and caches */
    time_cold(&b, ns, measure);
    time_warm(&b, ns, &measure->warm_ns, &measure->deferred_ns);
    if (model->window > 1) time_late(&b, &measure->late_ns);
    measure->ticks_per_second = rate(&b, ns);
  }
  fini(&b);
  return err;
}

static tf_err_t load_once(const char *path, const tf_loader_options_t *options) {
  tf_model_t *model;
  bench_t     b;
  tf_err_t    err = tf_loader_load(path, options, &model, NULL);
  if (err) return err;
  err = init(&b, model);
  for (uint32_t i = 0; i < (model->window ? model->window : 1) && !err; i++) timed_path(&b);
  fini(&b);
  tf_loader_unload(model);
  return err;
}

tf_err_t tf_measure_load(const char *path, const tf_loader_options_t *options, uint64_t *ns) {
  tf_err_t err = TF_OK;
  *ns          = UINT64_MAX;
  for (uint32_t i = 0; i < TF_MEASURE_LOAD_RUNS && !err; i++) {
    uint64_t begin = tf_clock_monotonic_ns();
    err            = load_once(path, options);
    uint64_t took  = tf_clock_monotonic_ns() - begin;
    if (took < *ns) *ns = took;
  }
  return err;
}

static uint32_t error_cnt(const tf_graph_t *graph) {
  const double macs =
      graph->net ? (double)graph->net->flops / 2.0 + 1.0 : (double)graph->param_cnt * graph->window;
  double cnt = ERROR_MACS_MAX / macs;
  return cnt < ERROR_CNT_MIN ? ERROR_CNT_MIN : cnt < ERROR_CNT_MAX ? (uint32_t)cnt : ERROR_CNT_MAX;
}

tf_err_t tf_measure_error(const tf_graph_t *graph, const tf_model_t *model, double *error_max,
                          uint32_t *cnt) {
  const size_t        each = (size_t)graph->window * graph->input_cnt;
  tf_loader_session_t session;
  uint64_t            seed = 2;
  float              *rows = malloc(each * sizeof *rows);
  float              *out  = malloc(graph->output_cnt * sizeof *out);
  double             *want = malloc(graph->output_cnt * sizeof *want);
  tf_err_t            err  = tf_loader_session_init(&session, model);
  if (!err && (!rows || !out || !want)) err = TF_ERR(E_CORE_NO_MEMORY, "rows of a measurement");
  *cnt       = error_cnt(graph);
  *error_max = 0.0;
  for (uint32_t r = 0; r < *cnt && !err; r++) {
    tf_shapes_noise(rows, each, &seed);
    tf_loader_answer(&session, rows, out);
    err = tf_graph_eval(graph, rows, want);
    for (uint32_t o = 0; o < graph->output_cnt && !err; o++) {
      double error = fabs((double)out[o] - want[o]);
      if (!(error <= *error_max)) *error_max = error;
    }
  }
  tf_loader_session_fini(&session);
  free(rows);
  free(out);
  free(want);
  return err;
}
