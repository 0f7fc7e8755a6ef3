#include "model/measure.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "model/execute.h"
#include "model/shapes.h"

#define ROW_CNT       64u
#define RUN_CNT_MIN   100u
#define RUNS_PER_LOOK 64u /* at the clock, for the end of a measurement */

typedef struct bench {
  const tf_plan_t *plan;
  float           *rows;
  float           *out;
  void            *scratch;
  uint8_t         *other;
} bench_t;

/* All that came before has happened, nothing that follows has begun. */
TF_INLINE uint64_t fenced_ticks(void) {
#if defined(__x86_64__)
  _mm_lfence();
#endif
  uint64_t ticks = tf_clock_ticks();
#if defined(__x86_64__)
  _mm_lfence();
#endif
  return ticks;
}

static void touch(uint8_t *bytes, size_t cnt) {
  for (size_t i = 0; i < cnt; i += TF_LINE_BYTES) {
    volatile uint8_t *at = bytes + i;
    *at                  = (uint8_t)(*at + 1);
  }
}

static void time_each(const bench_t *b, uint64_t ns, bool cold, tf_hist_t *hist) {
  tf_hist_reset(hist);
  uint64_t end = tf_clock_monotonic_ns() + ns;
  for (uint64_t i = 0; i < RUN_CNT_MIN || i % RUNS_PER_LOOK || tf_clock_monotonic_ns() < end; i++) {
    const float *row = b->rows + (i % ROW_CNT) * b->plan->input_cnt;
    if (cold) touch(b->other, TF_MEASURE_OTHER_BYTES);
    uint64_t begin = fenced_ticks();
    tf_execute_row(b->plan, b->scratch, row, b->out);
    tf_hist_record(hist, tf_clock_ticks_to_ns(fenced_ticks() - begin));
  }
}

static double rate(const bench_t *b, uint64_t ns) {
  uint64_t begin = tf_clock_monotonic_ns(), now = begin, cnt = 0;
  while (cnt < RUN_CNT_MIN || now - begin < ns) {
    for (uint32_t i = 0; i < RUNS_PER_LOOK; i++, cnt++)
      tf_execute_row(b->plan, b->scratch, b->rows + (cnt % ROW_CNT) * b->plan->input_cnt, b->out);
    now = tf_clock_monotonic_ns();
  }
  return (double)cnt * 1e9 / (double)(now - begin);
}

static tf_err_t init(bench_t *b, const tf_plan_t *plan) {
  uint64_t seed = 1;
  *b            = (bench_t){.plan    = plan,
                            .rows    = malloc(ROW_CNT * plan->input_cnt * sizeof(float)),
                            .out     = malloc(plan->output_cnt * sizeof(float)),
                            .scratch = aligned_alloc(TF_LINE_BYTES, plan->scratch_bytes),
                            .other   = calloc(1, TF_MEASURE_OTHER_BYTES)};
  if (!b->rows || !b->out || !b->scratch || !b->other)
    return TF_ERR(E_CORE_NO_MEMORY, "rows and scratch of a measurement");
  tf_shapes_noise(b->rows, ROW_CNT * plan->input_cnt, &seed);
  return TF_OK;
}

static void fini(bench_t *b) {
  free(b->rows);
  free(b->out);
  free(b->scratch);
  free(b->other);
}

tf_err_t tf_measure_time(const tf_plan_t *plan, double seconds, tf_measure_t *measure) {
  bench_t  b;
  tf_err_t err = init(&b, plan);
  uint64_t ns  = (uint64_t)(seconds * 1e9 / 3.0);
  if (!err) {
    (void)rate(&b, ns / 8); /* warms clock speed and caches */
    time_each(&b, ns, true, &measure->cold_ns);
    time_each(&b, ns, false, &measure->warm_ns);
    measure->ticks_per_second = rate(&b, ns);
  }
  fini(&b);
  return err;
}

tf_err_t tf_measure_error(const tf_graph_t *graph, const tf_plan_t *plan, uint32_t row_cnt,
                          double *error_max) {
  bench_t  b;
  uint64_t seed = 2;
  double  *want = malloc(plan->output_cnt * sizeof *want);
  tf_err_t err  = init(&b, plan);
  if (!err && !want) err = TF_ERR(E_CORE_NO_MEMORY, "outputs of a measurement");
  *error_max = 0.0;
  for (uint32_t r = 0; r < row_cnt && !err; r++) {
    tf_shapes_noise(b.rows, plan->input_cnt, &seed);
    tf_execute_row(plan, b.scratch, b.rows, b.out);
    err = tf_graph_eval(graph, b.rows, want);
    for (uint32_t o = 0; o < plan->output_cnt && !err; o++) {
      double error = fabs((double)b.out[o] - want[o]);
      if (!(error <= *error_max)) *error_max = error;
    }
  }
  fini(&b);
  free(want);
  return err;
}
