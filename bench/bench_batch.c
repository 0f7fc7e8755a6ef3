/* Dynamic batches: an MLP 256-384-384-128 in fp32 on 64 instruments that tick at one moment, again and again, with their models
 * asked one by one and together. Interleaved, burst after burst, on one thread and one model:
 *
 *   answer   the product alone, a row, of 1, 8 and 32 rows at once: median
 *   burst    from the moment at which the 64 ticks were due to each decision in the sink: p50 and p99, the bursts due at a fixed
 *            rate, so that a burst that is not done when the next is due makes that one wait
 */
#include <math.h>

#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "model/loader.h"
#include "model/shapes.h"
#include "stage/pipeline.h"

#define INSTRUMENTS 64
#define MODES       4
#define INPUTS      256
#define ROW         4

static const uint32_t caps[MODES] = {1, 8, 32, 64};

typedef struct rig {
  tf_lane_t            lane;
  tf_lane_instrument_t instruments[INSTRUMENTS];
  tf_instrument_t      names[INSTRUMENTS];
  uint64_t             hashes[INSTRUMENTS];
  tf_hist_t            hops[TF_HOP_CNT];
  tf_emit_t            emit;
  tf_arena_t           arena;
  tf_hist_t            latency;
} rig_t;

static struct {
  rig_t             rigs[MODES];
  tf_feature_plan_t plan;
  tf_model_t       *model;
  uint64_t          due_ns, seq; /* of the burst in hand */
  tf_hist_t        *latency;
} bench;

static void die(const char *what) {
  fprintf(stderr, "bench_batch: %s: %s\n", what, tf_error_text());
  exit(1);
}

/* ---- a lane's ends ---- */

static void decide(void *state, const tf_policy_input_t *in, tf_policy_output_t *out) {
  (void)state;
  out->action      = in->score > 0 ? TF_ACTION_BUY : TF_ACTION_SELL;
  out->hold_reason = TF_HOLD_NONE;
}
static const tf_policy_t policy = {.name = "sign", .decide = decide};

static int offer(void *state, const tf_decision_t *decisions, uint32_t n) {
  (void)state;
  (void)decisions;
  uint64_t now_ns = tf_clock_monotonic_ns();
  for (uint32_t i = 0; i < n; i++) tf_hist_record(bench.latency, now_ns - bench.due_ns);
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

static void make_model(void) {
  tf_graph_t         *graph   = calloc(1, sizeof *graph);
  tf_loader_options_t options = tf_loader_preset();
  if (!graph || tf_shapes_make(graph, "mlp", 7) || tf_loader_make(graph, &options, &bench.model))
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
  static uint32_t places[INPUTS];
  tf_lane_t      *lane = &r->lane;
  for (uint32_t i = 0; i < INPUTS; i++) places[i] = i % ROW;
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

static void burst(rig_t *r) {
  bench.latency = &r->latency;
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
}

static void run_bursts(uint64_t period_ns, uint32_t burst_cnt) {
  for (int m = 0; m < MODES; m++) { /* first ticks, first pages */
    bench.due_ns = tf_clock_monotonic_ns();
    burst(&bench.rigs[m]);
    tf_hist_reset(&bench.rigs[m].latency);
  }
  bench.due_ns = tf_clock_monotonic_ns() + period_ns;
  for (uint32_t n = 0; n < burst_cnt; n++, bench.due_ns += period_ns) {
    while (tf_clock_monotonic_ns() < bench.due_ns) tf_spin_pause();
    burst(&bench.rigs[n % MODES]);
  }
}

/* ns a row of cnt rows at once, and of as many one by one. */
static void time_rows(uint32_t cnt, uint32_t repeat_cnt, double *together, double *apart) {
  const tf_model_t *m    = bench.model;
  float            *rows = malloc((size_t)cnt * m->input_cnt * sizeof *rows);
  float            *out  = malloc((size_t)cnt * m->output_cnt * sizeof *out);
  void             *many = aligned_alloc(64, tf_align_up(m->many_scratch_bytes, 64));
  void             *one  = aligned_alloc(64, tf_align_up(m->scratch_bytes, 64));
  double           *a = malloc(repeat_cnt * sizeof *a), *b = malloc(repeat_cnt * sizeof *b);
  uint64_t          seed = 3;
  if (!rows || !out || !many || !one || !a || !b) die("memory");
  tf_shapes_noise(rows, (size_t)cnt * m->input_cnt, &seed);
  for (uint32_t i = 0; i < repeat_cnt; i++) {
    uint64_t begin = tf_clock_ticks();
    m->run_many(m, many, rows, cnt, out);
    uint64_t middle = tf_clock_ticks();
    for (uint32_t r = 0; r < cnt; r++)
      m->run(m, one, rows + r * m->input_cnt, out + r * m->output_cnt);
    uint64_t end = tf_clock_ticks();
    a[i]         = (double)tf_clock_ticks_to_ns(middle - begin) / cnt;
    b[i]         = (double)tf_clock_ticks_to_ns(end - middle) / cnt;
  }
  *together = tf_bench_median(a, repeat_cnt);
  *apart    = tf_bench_median(b, repeat_cnt);
  free(rows);
  free(out);
  free(many);
  free(one);
  free(a);
  free(b);
}

int main(int argc, char **argv) {
  static const char  help[] = "usage: bench_batch [--json] [--smoke]\n";
  tf_bench_options_t options;
  int                code = tf_bench_options_parse(argc, argv, help, &options);
  if (code >= 0) return code;
  tf_clock_calibrate();
  make_model();
  for (int m = 0; m < MODES; m++) make_rig(&bench.rigs[m], caps[m]);
  tf_bench_row_t rows[16];
  char           names[16][48];
  size_t         cnt       = 0;
  const uint32_t rows_of[] = {1, 8, 32};
  for (size_t i = 0; i < TF_ARRAY_CNT(rows_of); i++, cnt++) {
    double together, apart;
    time_rows(rows_of[i], options.smoke ? 5 : 2000, &together, &apart);
    snprintf(names[cnt], sizeof names[cnt], "batch_answer_of_%u", rows_of[i]);
    rows[cnt] =
        (tf_bench_row_t){names[cnt], together, "ns", "one by one", apart, (double)NAN, true};
  }
  run_bursts(4 * TF_NS_PER_MS, options.smoke ? 40 : 5000);
  for (int m = 1; m < MODES; m++)
    for (int q = 0; q < 2; q++, cnt++) {
      double at = q ? 0.99 : 0.5;
      snprintf(names[cnt], sizeof names[cnt], "batch_%u_burst_%s", caps[m], q ? "p99" : "p50");
      rows[cnt] = (tf_bench_row_t){
          names[cnt],   (double)tf_hist_quantile(&bench.rigs[m].latency, at), "ns",
          "one by one", (double)tf_hist_quantile(&bench.rigs[0].latency, at), (double)NAN,
          true};
    }
  tf_bench_print(rows, cnt, options.json);
  return 0;
}
