/* B8: what a model that another runtime answers costs its lane, and how long an answer takes. The lane's part is a copy of the
 * row and an exchange; the peer is the same copy alone. The answer's way is from the ask to the worker's note of it, ONNX Runtime in between,
 * and its peer a run of the same session by the thread that asks. Without libonnxruntime (TF_ONNXRUNTIME) the latter rows are empty. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/hist.h"
#include "serve/registry.h"
#include "serve/worker.h"

#define WIDTH       8
#define WINDOW      20
#define INSTRUMENTS 3
#define ROUND_CNT   7

static tf_arena_t arena;

static void make(tf_foreign_t *f, uint32_t rows) {
  static char         names[WIDTH][TF_MODEL_FEATURE_NAME_BYTES];
  tf_foreign_config_t config = {.name       = "far",
                                .width      = WIDTH,
                                .rows       = rows,
                                .output_cnt = 1,
                                .max_age_ns = TF_NS_PER_SEC,
                                .features   = names};
  tf_foreign_begin(f, &config);
  TF_ASSERT(tf_foreign_init(f, INSTRUMENTS, &arena) == TF_OK);
  f->is_asking = true;
}

/* ns of an ask, nobody taking: the exchange and the copy. */
static double ask_ns(tf_foreign_t *f, uint64_t cnt) {
  float    row[WIDTH] = {1, 2, 3, 4, 5, 6, 7, 8};
  uint64_t begin      = tf_clock_ticks();
  for (uint64_t n = 1; n <= cnt; n++) {
    row[0] = (float)n;
    tf_foreign_ask(f, (uint32_t)(n % INSTRUMENTS), n, n, row);
  }
  return (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin) / (double)cnt;
}

static double copy_ns(size_t value_cnt, uint64_t cnt) {
  static float from[WINDOW * WIDTH], to[INSTRUMENTS][WINDOW * WIDTH];
  uint64_t     begin = tf_clock_ticks();
  for (uint64_t n = 1; n <= cnt; n++) {
    from[0] = (float)n;
    memcpy(to[n % INSTRUMENTS], from, value_cnt * sizeof *from);
    __asm__ __volatile__("" : : "r"(to) : "memory");
  }
  return (double)tf_clock_ticks_to_ns(tf_clock_ticks() - begin) / (double)cnt;
}

static void rest(long ns) { nanosleep(&(struct timespec){.tv_nsec = ns}, NULL); }

/* The way of an answer, asked at rest: every 200 us. */
static bool measure_answers(tf_hist_t *through, tf_hist_t *alone, uint32_t cnt) {
  const tf_runtime_t *r = NULL;
  static tf_foreign_t f;
  uint64_t            gate   = TF_GATE_ALL;
  void               *self   = NULL;
  tf_worker_t        *worker = NULL;
  uint32_t            hash;
  float               row[WIDTH] = {0};
  tf_runtime_config_t config     = {.model      = "far",
                                    .file       = "models/example-lstm.onnx",
                                    .rows       = WINDOW,
                                    .width      = WIDTH,
                                    .output_cnt = 1,
                                    .in_flight  = 1,
                                    .threads    = 1};
  for (uint32_t i = 0; i < tf_runtimes_all_cnt; i++)
    if (!strcmp(tf_runtimes_all[i]->name, "onnxruntime")) r = tf_runtimes_all[i];
  if (!r || r->open(&config, &self, &hash) != TF_OK) return false;
  static float rows[WINDOW * WIDTH];
  for (uint32_t n = 0; n < cnt; n++) {
    tf_runtime_done_t done;
    uint64_t          begin = tf_clock_ticks();
    r->begin(self, 0, n + 1, rows);
    TF_ASSERT(r->poll(self, 0, &done, 1) == 1 && done.miss == TF_RUNTIME_ANSWERED);
    tf_hist_record(alone, tf_clock_ticks_to_ns(tf_clock_ticks() - begin));
    rest(200000);
  }
  make(&f, WINDOW);
  tf_worker_config_t wc = {.runtime      = r,
                           .runtime_self = self,
                           .asks         = &f.asks,
                           .gate         = &gate,
                           .deadline_ns  = 10 * TF_NS_PER_SEC,
                           .in_flight    = 1,
                           .output_cnt   = 1};
  TF_ASSERT(tf_worker_init(&wc, &worker) == TF_OK && tf_worker_start(worker) == TF_OK);
  for (uint32_t n = 0; n < WINDOW - 1; n++) tf_foreign_ask(&f, 0, n + 1, 0, row);
  for (uint32_t n = 0; n < cnt; n++) {
    tf_note_t note  = {.kind = TF_NOTE_BEGUN};
    uint64_t  begin = tf_clock_ticks();
    tf_foreign_ask(&f, 0, WINDOW + n, tf_clock_wall_ns(), row);
    while (note.kind != TF_NOTE_DONE)
      if (!tf_worker_note(worker, &note)) tf_spin_pause();
    tf_hist_record(through, tf_clock_ticks_to_ns(tf_clock_ticks() - begin));
    rest(200000);
  }
  tf_worker_fini(worker);
  return true;
}

int main(int argc, char **argv) {
  tf_bench_options_t  options;
  static tf_foreign_t single, window;
  static tf_hist_t    through, alone;
  double              asks[2][ROUND_CNT], copies[2][ROUND_CNT];
  int                 status =
      tf_bench_options_parse(argc, argv, "a model that another runtime answers (B8)", &options);
  if (status >= 0) return status;
  tf_clock_calibrate();
  TF_ASSERT(tf_arena_init(&arena, "bench", 1 << 20) == TF_OK);
  make(&single, 1);
  make(&window, WINDOW);
  uint64_t cnt = options.smoke ? 10000 : 2000000;
  for (int i = 0; i < ROUND_CNT; i++) {
    asks[0][i]   = ask_ns(&single, cnt);
    copies[0][i] = copy_ns(WIDTH, cnt);
    asks[1][i]   = ask_ns(&window, cnt);
    copies[1][i] = copy_ns(WINDOW * WIDTH, cnt);
  }
  bool has = measure_answers(&through, &alone, options.smoke ? 20 : 5000);
  /* in us */
#define QUANTILE(h, q) (has ? (double)tf_hist_quantile(&(h), (q)) * 1e-3 : (double)NAN)
  tf_bench_row_t rows[] = {
      {"runtime_ask_row_8",       tf_bench_median(asks[0], ROUND_CNT), "ns", "memcpy",
       tf_bench_median(copies[0],                                                                               ROUND_CNT), NAN, true},
      {"runtime_ask_window_20x8", tf_bench_median(asks[1], ROUND_CNT), "ns", "memcpy",
       tf_bench_median(copies[1],                                                                               ROUND_CNT), NAN, true},
      {"runtime_answer_p50",      QUANTILE(through,        0.5),       "us", "onnxruntime run", QUANTILE(alone, 0.5),
       NAN,                                                                                                                      true},
      {"runtime_answer_p99",      QUANTILE(through,        0.99),      "us", "onnxruntime run",
       QUANTILE(alone,                                                                                          0.99),      NAN, true},
  };
  tf_bench_print(rows, has ? TF_ARRAY_CNT(rows) : 2, options.json);
  return 0;
}
