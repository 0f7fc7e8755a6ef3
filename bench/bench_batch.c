/* Dynamic batches: 64 instruments that tick at one moment, again and again, with their models asked one by one and together. An MLP
 * 256-384-384-128 in fp32, and lstm_a (50 rows of 100 features, 2 layers of 100 units) in bf16. Interleaved, burst after burst, on
 * one thread:
 *
 *   answer   the product alone, a row, of 1, 8 and 32 rows at once: median. Of the window: its timed path
 *   burst    from the moment at which the 64 ticks were due to each decision in the sink: p50 and p99. Bursts are due at a fixed
 *            rate, on a schedule that is reckoned and not waited for: a burst begins when it is due or when the one before
 *            it is done, deferred work and all, whichever is later. Time is the thread's, so that neighbours
 *            on the machine are not in it
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "model/loader.h"
#include "model/shapes.h"
#include "stage/pipeline.h"

#define INSTRUMENTS 64
#define MODES       4
#define INPUTS_MAX  256
#define ROW         4

static const uint32_t caps[MODES] = {1, 8, 32, 64};

typedef struct subject {
  const char    *shape, *label;
  tf_precision_t precision;
  uint64_t period_ns; /* between bursts: twice what one by one takes, so that nothing piles up */
  uint32_t burst_cnt;
} subject_t;

static const subject_t subjects[] = {
    {"mlp",    "batch",        TF_PRECISION_FP32, 1 * TF_NS_PER_MS, 4000},
    {"lstm_a", "batch_window", TF_PRECISION_BF16, 5 * TF_NS_PER_MS, 2000},
};

typedef struct rig {
  tf_lane_t            lane;
  tf_lane_instrument_t instruments[INSTRUMENTS];
  tf_instrument_t      names[INSTRUMENTS];
  uint64_t             hashes[INSTRUMENTS];
  tf_hist_t            hops[TF_HOP_CNT];
  tf_emit_t            emit;
  tf_arena_t           arena;
  tf_hist_t            latency;         /* from when it was due */
  uint64_t             due_ns, done_ns; /* on its own schedule: the next burst, the last one */
} rig_t;

static struct {
  rig_t             rigs[MODES];
  tf_feature_plan_t plan;
  tf_model_t       *model;
  uint64_t   begin_ns, late_ns; /* of the burst in hand: the thread's time; how late it begins */
  uint64_t   seq;
  tf_hist_t *latency;
} bench;

static void die(const char *what) {
  fprintf(stderr, "bench_batch: %s: %s\n", what, tf_error_text());
  exit(1);
}

static uint64_t thread_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * TF_NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* ---- a lane's ends ---- */

static void decide(void *state, const tf_policy_input_t *in, tf_policy_output_t *out) {
  (void)state;
  out->action      = in->score > 0 ? TF_ACTION_BUY : TF_ACTION_SELL;
  out->hold_reason = TF_HOLD_NONE;
}
static const tf_policy_t policy = {.name = "sign", .decide = decide};

static int offer(void *state, const void *records, uint32_t n) {
  (void)state;
  (void)records;
  uint64_t taken_ns = thread_ns() - bench.begin_ns;
  for (uint32_t i = 0; i < n; i++) tf_hist_record(bench.latency, bench.late_ns + taken_ns);
  return (int)n;
}
static const tf_sink_t sink = {.name = "watch", .offer = offer};

/* ---- building ---- */

/* No features are computed: the row is four prices of the quote, over and over. */
static void fill_row(void *self, const tf_lane_instrument_t *in) {
  (void)self;
  in->row[0] = in->market.bid;
  in->row[1] = in->market.ask;
  in->row[2] = (in->market.bid + in->market.ask) / 2;
  in->row[3] = in->market.ask - in->market.bid;
}

static void make_model(const subject_t *s) {
  tf_graph_t         *graph   = calloc(1, sizeof *graph);
  tf_loader_options_t options = tf_loader_preset();
  options.model.precision     = s->precision;
  if (!graph || tf_shapes_make(graph, s->shape, 7) || tf_loader_make(graph, &options, &bench.model))
    die("model");
  tf_graph_fini(graph);
  free(graph);
}

static void make_instrument(rig_t *r, uint32_t i) {
  tf_lane_instrument_t *in = &r->instruments[i];
  if (tf_buffer_init_instrument(in, &r->arena, 16, 16)) die("book");
  in->id       = i;
  in->features = tf_arena_take(&r->arena, bench.plan.mem_bytes + 64, 64);
  in->row      = tf_arena_take(&r->arena, sizeof(double) * ROW, 64);
  if (!in->features || !in->row || tf_feature_plan_init_state(&bench.plan, in->features) ||
      tf_peers_init_instrument(in, 0, &r->arena))
    die("instrument");
}

static void make_rig(rig_t *r, uint32_t cap) {
  static uint32_t places[INPUTS_MAX];
  tf_lane_t      *lane = &r->lane;
  memset(r, 0, sizeof *r);
  for (uint32_t i = 0; i < INPUTS_MAX; i++) places[i] = i % ROW;
  size_t bytes = ((size_t)8 << 20) + tf_compute_model_bytes(bench.model, INSTRUMENTS, false) +
                 tf_compute_rows_bytes(bench.model, TF_MODEL_ROWS_MAX);
  if (tf_arena_init(&r->arena, "bench", bytes)) die("arena");
  lane->compute.plan   = &bench.plan;
  lane->instruments    = r->instruments;
  lane->instrument_cap = INSTRUMENTS;
  lane->names          = r->names;
  lane->hists          = r->hops;
  lane->emit           = &r->emit;
  lane->watch          = (tf_row_watch_t){.on_row = fill_row};
  lane->decide.hashes  = r->hashes;
  lane->sample_every = lane->sample_left = UINT32_MAX;
  for (uint32_t i = 0; i < INSTRUMENTS; i++) make_instrument(r, i);
  if (tf_compute_add_model(&lane->compute, bench.model, places, INSTRUMENTS, &r->arena))
    die("model");
  lane->compute.models[0].post = tf_post_plain(bench.model->output_cnt, bench.model->output_cnt);
  lane->decide.strategy_cnt    = 1;
  lane->decide.strategies[0]   = (tf_strategy_t){.policy = &policy, .model_idx = 0};
  r->emit.sinks[r->emit.sink_cnt++] = (tf_emit_sink_t){.sink = &sink, .is_open = true};
  if (cap > 1 && tf_batch_init(lane, cap, 0, &r->arena)) die("batch");
}

/* ---- measuring ---- */

static void burst(rig_t *r, uint64_t period_ns) {
  uint64_t at_ns = r->done_ns > r->due_ns ? r->done_ns : r->due_ns;
  bench.latency  = &r->latency;
  bench.late_ns  = at_ns - r->due_ns;
  bench.begin_ns = thread_ns();
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    int64_t    mid = 100000 + (int64_t)((bench.seq * 7919 + i * 104729) % 1000);
    tf_event_t e   = {
          .kind          = TF_EVENT_QUOTE,
          .flags         = TF_FLAG_LAST,
          .price_exp     = -5,
          .instrument_id = i,
          .ingest_seq    = ++bench.seq,
          .ts_recv_ns    = UINT64_C(1700000000000000000) + bench.seq,
          .u.quote       = {.bid_price = mid - 1, .ask_price = mid + 1, .bid_qty = 1, .ask_qty = 1}
    };
    if (r->lane.batch)
      tf_batch_on_events(&r->lane, &e, 1, 0, 0);
    else
      tf_lane_on_events(&r->lane, &e, 1, 0, 0);
  }
  if (r->lane.batch) (void)tf_batch_settle(&r->lane, true);
  r->done_ns = at_ns + thread_ns() - bench.begin_ns;
  r->due_ns += period_ns;
}

static void run_bursts(uint64_t period_ns, uint32_t burst_cnt) {
  for (int m = 0; m < MODES; m++) { /* first ticks, first pages, windows that fill */
    for (uint32_t n = 0; n < bench.model->window || n == 0; n++) burst(&bench.rigs[m], 0);
    tf_hist_reset(&bench.rigs[m].latency);
    bench.rigs[m].done_ns = 0;
  }
  for (uint32_t n = 0; n < burst_cnt; n++) burst(&bench.rigs[n % MODES], period_ns);
}

/* Rows of as many instruments, answered at once or one by one. */
typedef struct answers {
  const tf_model_t *model;
  uint32_t          cnt;
  float            *rows, *out;
  void             *many, *one, *states[TF_MODEL_ROWS_MAX]; /* NULL: of single rows */
} answers_t;

static void *take(size_t bytes) {
  void *taken = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(bytes + 1, TF_LINE_PAIR_BYTES));
  if (!taken) die("memory");
  memset(taken, 0, tf_align_up(bytes + 1, TF_LINE_PAIR_BYTES));
  return taken;
}

static void answers_init(answers_t *a, const tf_model_t *m, uint32_t cnt) {
  uint64_t seed = 3;
  *a            = (answers_t){.model = m,
                              .cnt   = cnt,
                              .rows  = take((size_t)cnt * m->input_cnt * sizeof(float)),
                              .out   = take((size_t)cnt * m->output_cnt * sizeof(float)),
                              .many  = take(m->many_scratch_bytes),
                              .one   = take(m->scratch_bytes)};
  tf_shapes_noise(a->rows, (size_t)cnt * m->input_cnt, &seed);
  for (uint32_t i = 0; i < cnt && m->window > 1; i++) {
    a->states[i] = take(m->state_bytes);
    m->reset(m, a->states[i]);
    for (uint32_t n = 0; n < m->window; n++) {
      (void)m->step(m, a->states[i], a->one, a->rows, a->out);
      m->advance(m, a->states[i], a->one);
    }
  }
}

static void answers_fini(answers_t *a) {
  for (uint32_t i = 0; i < a->cnt; i++) free(a->states[i]);
  free(a->rows);
  free(a->out);
  free(a->many);
  free(a->one);
}

/* Windows do their deferred work afterwards, untimed. */
static double time_once(const answers_t *a, bool together) {
  const tf_model_t *m = a->model;
  bool              answered[TF_MODEL_ROWS_MAX];
  uint64_t          begin = tf_clock_ticks();
  if (together && m->window > 1)
    m->step_many(m, a->states, a->many, a->rows, a->cnt, a->out, answered);
  else if (together)
    m->run_many(m, a->many, a->rows, a->cnt, a->out);
  else
    for (uint32_t r = 0; r < a->cnt; r++) {
      float *out = a->out + r * m->output_cnt, *row = a->rows + r * m->input_cnt;
      if (m->window > 1)
        (void)m->step(m, a->states[r], a->one, row, out);
      else
        m->run(m, a->one, row, out);
    }
  uint64_t taken = tf_clock_ticks() - begin;
  for (uint32_t r = 0; r < a->cnt && m->window > 1; r++) m->advance(m, a->states[r], a->one);
  return (double)tf_clock_ticks_to_ns(taken) / a->cnt;
}

/* ns a row of cnt rows at once, and of as many one by one. */
static void time_rows(uint32_t cnt, uint32_t repeat_cnt, double *together, double *apart) {
  answers_t a;
  double   *t = take(repeat_cnt * sizeof *t), *o = take(repeat_cnt * sizeof *o);
  answers_init(&a, bench.model, cnt);
  for (uint32_t i = 0; i < repeat_cnt; i++) {
    t[i] = time_once(&a, true);
    o[i] = time_once(&a, false);
  }
  *together = tf_bench_median(t, repeat_cnt);
  *apart    = tf_bench_median(o, repeat_cnt);
  answers_fini(&a);
  free(t);
  free(o);
}

#define ROWS_A_SUBJECT 9

/* What one model's rows say. */
static void measure(const subject_t *s, bool smoke, tf_bench_row_t *rows, char (*names)[48]) {
  const uint32_t rows_of[] = {1, 8, 32};
  size_t         cnt       = 0;
  make_model(s);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows_of); i++, cnt++) {
    double together, apart;
    time_rows(rows_of[i], smoke ? 5 : 2000, &together, &apart);
    snprintf(names[cnt], sizeof names[cnt], "%s_answer_of_%u", s->label, rows_of[i]);
    rows[cnt] =
        (tf_bench_row_t){names[cnt], together, "ns", "one by one", apart, (double)NAN, true};
  }
  for (int m = 0; m < MODES; m++) make_rig(&bench.rigs[m], caps[m]);
  run_bursts(s->period_ns, smoke ? 40 : s->burst_cnt);
  for (int m = 1; m < MODES; m++)
    for (int q = 0; q < 2; q++, cnt++) {
      double at = q ? 0.99 : 0.5;
      snprintf(names[cnt], sizeof names[cnt], "%s_%u_burst_%s", s->label, caps[m],
               q ? "p99" : "p50");
      rows[cnt] = (tf_bench_row_t){
          names[cnt],   (double)tf_hist_quantile(&bench.rigs[m].latency, at), "ns",
          "one by one", (double)tf_hist_quantile(&bench.rigs[0].latency, at), (double)NAN,
          true};
    }
  TF_ASSERT(cnt == ROWS_A_SUBJECT);
  for (int m = 0; m < MODES; m++) tf_arena_fini(&bench.rigs[m].arena);
  tf_loader_unload(bench.model);
}

int main(int argc, char **argv) {
  static const char  help[] = "usage: bench_batch [--json] [--smoke]\n";
  tf_bench_options_t options;
  int                code = tf_bench_options_parse(argc, argv, help, &options);
  if (code >= 0) return code;
  tf_clock_calibrate();
  tf_bench_row_t rows[ROWS_A_SUBJECT * TF_ARRAY_CNT(subjects)];
  char           names[ROWS_A_SUBJECT * TF_ARRAY_CNT(subjects)][48];
  for (size_t i = 0; i < TF_ARRAY_CNT(subjects); i++)
    measure(&subjects[i], options.smoke, rows + i * ROWS_A_SUBJECT, names + i * ROWS_A_SUBJECT);
  tf_bench_print(rows, TF_ARRAY_CNT(rows), options.json);
  return 0;
}
