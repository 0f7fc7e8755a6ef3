/* Programs of nets, run by the kernel's own source on fibers of the CPU, against the graph in double: every family of
 * tests/golden/models and nets made up at random, in every precision, whatever the order of threads, step and advance. */
#include "cmocka_tf.h"

#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "card_run.h"
#include "core/error.h"
#include "cuda_on_cpu/cuda_on_cpu.h"
#include "gpu/card_net_draft.h"
#include "kernels/model/random_net.h"
#include "model/import_onnx.h"
#include "model/net_plan.h"
#include "model/shapes.h"
#include "net_kernels.h"

#define FAMILIES     "tests/golden/models"
#define FEATURES_MAX 64u

/* About what the loop around a program takes of shared memory. */
#define LOOP_BYTES 2048u

static uint64_t seed = 7;

/* A card of one multiprocessor of an H100; threads are few, since fibers are slow. */
static const tf_card_limits_t card = {.sm_cnt           = 132,
                                      .cluster_max      = 8,
                                      .thread_max       = 96,
                                      .shared_bytes_max = 227u << 10,
                                      .memory_bytes     = UINT64_C(1) << 30};

/* ---- a program under test ---- */

typedef struct bench {
  const tf_graph_t  *graph;
  tf_card_program_t *program;
  uint8_t           *states, *scratch;
} bench_t;

static tf_err_t bench_init(bench_t *b, const tf_graph_t *graph, tf_precision_t precision,
                           const tf_card_limits_t *limits, bool whole, uint32_t instruments,
                           uint32_t block_cnt) {
  const tf_card_net_spec_t spec = {
      .precision = precision, .limits = *limits, .whole = whole, .block_cnt = block_cnt};
  *b           = (bench_t){.graph = graph};
  tf_err_t err = tf_card_net_new(graph, &spec, &b->program);
  if (err) return err;
  b->states  = calloc(instruments, b->program->state_bytes);
  b->scratch = calloc(1, b->program->scratch_bytes + 1);
  return TF_OK;
}

static void bench_fini(bench_t *b) {
  free(b->program);
  free(b->states);
  free(b->scratch);
}

static void launch(const bench_t *b, net_args_t *args) {
  const uint32_t shared  = (b->program->input_cnt + b->program->output_cnt + 32) * 4 + 128;
  args->program          = b->program;
  args->states           = b->states;
  args->scratch          = b->scratch;
  cuda_on_cpu_launch_t l = {.grid         = b->program->block_cnt,
                            .cluster      = b->program->cluster_size,
                            .block        = b->program->thread_cnt,
                            .shared_bytes = b->program->shared_bytes + shared,
                            .seed         = seed++,
                            .kernel       = kernel_net,
                            .args         = args};
  if (!cuda_on_cpu_launch(&l)) fail_msg("%s", cuda_on_cpu_text());
}

/* ---- against the graph ---- */

/* Times the greater of 1 and what an answer is: fp32 sums of a few hundred terms; of the others 8 to 11 bits are left of a weight. */
static const double error_max[TF_PRECISION_CNT] = {
    [TF_PRECISION_FP32] = 2e-5,
    [TF_PRECISION_BF16] = 0.05,
    [TF_PRECISION_FP16] = 0.01,
    [TF_PRECISION_INT8] = 0.15,
};

static double error_of(const tf_graph_t *graph, const float *rows, const float *out) {
  double *want  = malloc(graph->output_cnt * sizeof *want);
  double  worst = 0.0;
  assert_int_equal(tf_graph_eval(graph, rows, want), TF_OK);
  for (uint32_t o = 0; o < graph->output_cnt; o++) {
    if (!isfinite(want[o])) continue; /* a norm of equal values without an epsilon, say */
    const double scale = fabs(want[o]) > 1.0 ? fabs(want[o]) : 1.0;
    const double error = fabs((double)out[o] - want[o]) / scale;
    if (!(error <= worst)) worst = error;
  }
  free(want);
  return worst;
}

/* What the CPU's plan makes of a window; below fp32 it rounds rows, too, which a card does not. */
static double cpu_error_of(const tf_graph_t *graph, const tf_net_plan_t *plan, const float *rows) {
  void  *scratch = aligned_alloc(64, tf_align_up(plan->scratch_bytes, 64));
  float *out     = calloc(plan->output_cnt, sizeof *out);
  tf_net_plan_run(plan, scratch, rows, out);
  const double error = error_of(graph, rows, out);
  free(scratch), free(out);
  return error;
}

/* The worst of all answers. */
typedef struct errors {
  double card, cpu;
} errors_t;

/* Windows slide over row_cnt rows of noise. plan: the CPU's, or NULL. */
static errors_t slide(const bench_t *b, uint32_t row_cnt, const tf_net_plan_t *plan) {
  const uint32_t width = b->graph->input_cnt, window = b->graph->window;
  float         *rows = calloc((size_t)row_cnt * width, sizeof *rows);
  float         *out  = calloc((size_t)row_cnt * b->graph->output_cnt, sizeof *out);
  uint8_t *steps = calloc(row_cnt, 1), *advances = calloc(row_cnt, 1), *resets = calloc(row_cnt, 1);
  net_args_t args  = {.advances = advances,
                      .resets   = resets,
                      .rows     = rows,
                      .row_cnt  = row_cnt,
                      .out      = out,
                      .steps    = steps};
  errors_t   worst = {0.0, 0.0};
  tf_shapes_noise(rows, (size_t)row_cnt * width, &seed);
  for (uint32_t t = 0; t < row_cnt; t++) advances[t] = (uint8_t)random_below(&seed, 4);
  resets[0]                    = 1;
  resets[row_cnt - window - 1] = row_cnt > 2 * window + 2;
  launch(b, &args);
  for (uint32_t t = 0, seen = 0; t < row_cnt; t++) {
    seen = resets[t] ? 1 : seen + 1;
    assert_int_equal(steps[t], seen >= window ? TF_CARD_STEP_DONE : TF_CARD_STEP_WARMING);
    if (seen < window) continue;
    const float *from  = rows + (size_t)(t + 1 - window) * width;
    const double error = error_of(b->graph, from, out + (size_t)t * b->graph->output_cnt);
    const double cpu   = plan ? cpu_error_of(b->graph, plan, from) : 0.0;
    if (!(error <= worst.card)) worst.card = error;
    if (!(cpu <= worst.cpu)) worst.cpu = cpu;
  }
  free(rows), free(out), free(steps), free(advances), free(resets);
  return worst;
}

/* ---- the families ---- */

static const struct {
  const char *name;
  uint32_t    columns;
} families[] = {
    {"activations", 1 },
    {"conv_norm",   6 },
    {"deeplob",     40},
    {"gru",         7 },
    {"lstm",        8 },
    {"lstm_both",   6 },
    {"mlp",         1 },
    {"nbeats",      1 },
    {"patchtst",    4 },
    {"rnn",         5 },
    {"tcn",         8 },
    {"tft",         5 },
    {"transformer", 7 },
    {"two_tower",   16},
};

static bool import_family(const char *name, const char *suffix, uint32_t columns, bool plain,
                          tf_graph_t *graph) {
  char                    path[256], text[FEATURES_MAX * 4], *at = text;
  tf_features_t           features = {0};
  tf_import_onnx_report_t report;
  snprintf(path, sizeof path, FAMILIES "/%s%s.onnx", name, suffix);
  if (access(path, R_OK) != 0) return false;
  for (uint32_t n = 0; n < columns; n++) at += sprintf(at, n ? ",f%u" : "f%u", n);
  assert_int_equal(tf_features_parse(&features, text), TF_OK);
  const tf_import_onnx_spec_t spec = {.name = "m", .features = &features, .plain = plain};
  if (tf_import_onnx(path, &spec, graph, &report) != TF_OK) fail_msg("%s", tf_error_text());
  tf_features_fini(&features);
  return true;
}

static void check_family(const tf_graph_t *graph, const char *name, tf_precision_t precision,
                         bool whole) {
  bench_t b;
  if (bench_init(&b, graph, precision, &card, whole, 1, 0) != TF_OK)
    fail_msg("%s: %s", name, tf_error_text());
  const double error = slide(&b, graph->window + (whole ? 4 : graph->window + 4), NULL).card;
  if (getenv("TF_TEST_SHOW"))
    printf("%s %s%s: %u ops, %u phases timed, %u deferred; %u KiB shared, error %.2g\n", name,
           tf_precision_name(precision), whole ? " whole" : "",
           tf_card_net_of(b.program)->op_cnt[0], tf_card_net_of(b.program)->phase_cnt[0],
           tf_card_net_of(b.program)->phase_cnt[1], b.program->shared_bytes >> 10, error);
  if (!(error <= error_max[precision])) fail_msg("%s: an error of %g", name, error);
  bench_fini(&b);
}

static void every_family_answers_as_its_graph(void **state) {
  (void)state;
  static const char *const suffixes[] = {"", "_dynamo"};
  tf_graph_t              *graph      = malloc(sizeof *graph);
  uint32_t                 cnt        = 0;
  for (size_t f = 0; f < 4 * TF_ARRAY_CNT(families); f++) {
    const char *name = families[f / 4].name;
    if (!import_family(name, suffixes[f / 2 % 2], families[f / 4].columns, f % 2, graph)) continue;
    /* of a family's four graphs two take two precisions each, two the others; a third of them recompute */
    for (tf_precision_t precision = f % 2; precision < TF_PRECISION_CNT; precision += 2)
      check_family(graph, name, precision, (f + precision) % 3 == 0);
    tf_graph_fini(graph);
    cnt++;
  }
  free(graph);
  assert_int_equal(cnt, 54);
}

/* An answer to a window whose newest row has a NaN: NaN where the graph's is, and nowhere else. */
static void check_nan(const tf_graph_t *graph, const char *name, bool whole) {
  const uint32_t width = graph->input_cnt, window = graph->window;
  float         *rows  = calloc((size_t)window * width, sizeof *rows);
  float         *out   = calloc((size_t)window * graph->output_cnt, sizeof *out);
  double        *want  = calloc(graph->output_cnt, sizeof *want);
  uint8_t       *steps = calloc(window, 1);
  net_args_t     args  = {.rows = rows, .row_cnt = window, .out = out, .steps = steps};
  bench_t        b;
  assert_int_equal(bench_init(&b, graph, TF_PRECISION_INT8, &card, whole, 1, 0), TF_OK);
  tf_shapes_noise(rows, (size_t)window * width, &seed);
  rows[(size_t)(window - 1) * width + random_below(&seed, width)] = NAN;
  launch(&b, &args);
  assert_int_equal(tf_graph_eval(graph, rows, want), TF_OK);
  for (uint32_t o = 0; o < graph->output_cnt; o++)
    if (isnan(want[o]) != isnan(out[(size_t)(window - 1) * graph->output_cnt + o]))
      fail_msg("%s: output %u is %g, the graph's %g", name, o,
               (double)out[(size_t)(window - 1) * graph->output_cnt + o], want[o]);
  bench_fini(&b);
  free(rows), free(out), free(want), free(steps);
}

static void nan_goes_through_every_family(void **state) {
  (void)state;
  tf_graph_t *graph = malloc(sizeof *graph);
  for (size_t f = 0; f < TF_ARRAY_CNT(families); f++) {
    if (!import_family(families[f].name, "_dynamo", families[f].columns, false, graph))
      fail_msg("%s is missing", families[f].name);
    check_nan(graph, families[f].name, false);
    check_nan(graph, families[f].name, true);
    tf_graph_fini(graph);
  }
  free(graph);
}

/* ---- made up ---- */

#define NETS 150u

static void check_made_up(const tf_graph_t *graph, const char *name) {
  const tf_precision_t precision =
      random_below(&seed, 3) ? TF_PRECISION_FP32 : random_below(&seed, TF_PRECISION_CNT);
  tf_card_limits_t limits = card;
  tf_net_plan_t   *plan;
  bench_t          b;
  /* some with values in the card's memory, or hardly anything kept */
  if (random_below(&seed, 3) == 0)
    limits.shared_bytes_max = LOOP_BYTES + random_below(&seed, 40000);
  limits.thread_max        = 32 * (1 + random_below(&seed, 4));
  const uint32_t block_cnt = random_below(&seed, 3) ? 0 : 1u << random_below(&seed, 4);
  if (bench_init(&b, graph, precision, &limits, random_below(&seed, 2), 1, block_cnt) != TF_OK)
    fail_msg("%s: %s", name, tf_error_text());
  assert_int_equal(tf_net_plan_new(graph->net, tf_isa_best(), precision, &plan), TF_OK);
  const errors_t e = slide(&b, graph->window + 3, plan);
  if (!(e.card <= error_max[precision] + 4 * e.cpu))
    fail_msg("%s %s: an error of %g, the CPU's %g", name, tf_precision_name(precision), e.card,
             e.cpu);
  tf_net_plan_delete(plan);
  bench_fini(&b);
}

static void made_up_nets_answer_as_their_graphs(void **state) {
  (void)state;
  const char *only = getenv("TF_TEST_SEED"); /* as a failure printed it */
  if (only) seed = strtoull(only, NULL, 10);
  const uint32_t nets = only ? 1 : getenv("TF_NIGHTLY") ? 50 * NETS : NETS;
  for (uint32_t n = 0; n < nets; n++) {
    tf_graph_t graph;
    char       name[64];
    snprintf(name, sizeof name, "net %u, seed %llu", n, (unsigned long long)seed);
    tf_net_t *net = random_net(&seed);
    if (!net) continue;
    assert_int_equal(tf_graph_init(&graph, "m", net->input_cnt), TF_OK);
    tf_graph_set_net(&graph, net);
    check_made_up(&graph, name);
    tf_graph_fini(&graph);
  }
}

/* ---- chains ---- */

static void check_graph(const tf_graph_t *graph, uint32_t row_cnt) {
  for (tf_precision_t precision = 0; precision < TF_PRECISION_CNT; precision++) {
    bench_t b;
    if (bench_init(&b, graph, precision, &card, false, 1, 0) != TF_OK)
      fail_msg("%s", tf_error_text());
    const double error = slide(&b, row_cnt, NULL).card;
    if (!(error <= error_max[precision])) fail_msg("%s: an error of %g", graph->name, error);
    bench_fini(&b);
  }
}

static void chains_answer_as_their_graphs(void **state) {
  (void)state;
  static const uint32_t              widths[] = {37, 64, 19, 3};
  static const tf_shapes_recurrent_t layers[] = {
      {"gru",  7, 5, 2, 12},
      {"lstm", 6, 9, 3, 8 }
  };
  tf_graph_t *graph = malloc(sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  check_graph(graph, 5);
  tf_graph_fini(graph);
  for (size_t i = 0; i < TF_ARRAY_CNT(layers); i++) {
    assert_int_equal(tf_shapes_recurrent(graph, layers[i].op, &layers[i], 4), TF_OK);
    check_graph(graph, 2 * layers[i].window);
    tf_graph_fini(graph);
  }
  free(graph);
}

/* ---- functions ---- */

/* A net of one node over a row of cnt values, and as many again as its other inputs. */
static tf_net_t *net_of(const tf_tensor_op_t *op, const tf_op_t *row, uint32_t cnt) {
  static const double reals[TF_TENSOR_REALS_MAX] = {0.1, 0.7};
  tf_net_t           *net;
  uint32_t            in[3], value;
  assert_int_equal(tf_net_new(1, 3 * cnt, &net), TF_OK);
  for (uint32_t i = 0; i < 3; i++) {
    const int64_t       ints[6] = {0, 1, 1, i * cnt, cnt, 1};
    const uint32_t      window  = TF_NET_INPUT;
    const tf_net_spec_t part    = {.op      = tf_tensor_find("slice"),
                                   .name    = "part",
                                   .in      = &window,
                                   .in_cnt  = 1,
                                   .ints    = ints,
                                   .int_cnt = 6};
    assert_int_equal(tf_net_add(net, &part, &in[i]), TF_OK);
  }
  const tf_net_spec_t spec = {.op       = op,
                              .row      = row,
                              .name     = "f",
                              .in       = in,
                              .in_cnt   = op->in_min,
                              .reals    = reals,
                              .real_cnt = op->real_cnt};
  assert_int_equal(tf_net_add(net, &spec, &value), TF_OK);
  assert_int_equal(tf_net_end(net, value), TF_OK);
  return net;
}

#define VALUES 48u

static void check_function(tf_net_t *net, const char *name) {
  tf_graph_t graph;
  bench_t    b;
  float      rows[3 * VALUES], out[VALUES];
  uint8_t    step;
  net_args_t args = {.rows = rows, .row_cnt = 1, .out = out, .steps = &step};
  assert_int_equal(tf_graph_init(&graph, "m", 3 * VALUES), TF_OK);
  tf_graph_set_net(&graph, net);
  if (bench_init(&b, &graph, TF_PRECISION_FP32, &card, false, 1, 0) != TF_OK)
    fail_msg("%s: %s", name, tf_error_text());
  for (uint32_t scale = 0; scale < 3; scale++) {
    tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
    for (uint32_t i = 0; i < TF_ARRAY_CNT(rows); i++)
      rows[i] = (strcmp(name, "log") && strcmp(name, "sqrt") && strcmp(name, "pow")
                     ? rows[i]
                     : fabsf(rows[i]) + 0.01f) *
                (scale == 0   ? 0.01f
                 : scale == 1 ? 1.0f
                              : 7.0f);
    rows[1] = rows[VALUES + 1]; /* equal ones */
    launch(&b, &args);
    const double error = error_of(&graph, rows, out);
    if (!(error <= 2e-6)) fail_msg("%s: an error of %g", name, error);
  }
  rows[5] = NAN; /* what is decided by it aside, it goes through */
  launch(&b, &args);
  const bool decides = !strcmp(name, "where") || !strcmp(name, "less") || !strcmp(name, "equal") ||
                       !strcmp(name, "less_equal");
  if (!decides && !isnan(out[5])) fail_msg("%s of NaN is %g", name, (double)out[5]);
  bench_fini(&b);
  tf_graph_fini(&graph);
}

static void every_function_is_that_of_the_graph_and_lets_nan_through(void **state) {
  (void)state;
  uint32_t cnt = 0;
  for (uint32_t i = 0; tf_tensor_at(i); i++)
    if (tf_tensor_at(i)->shape == tf_tensor_shape_broadcast)
      check_function(net_of(tf_tensor_at(i), NULL, VALUES), tf_tensor_at(i)->name), cnt++;
  for (uint32_t i = 0; tf_op_at(i); i++) {
    const tf_op_t *op = tf_op_at(i);
    if (op->kind != TF_OP_KIND_ROW || op->has_weight || op->mixes) continue;
    check_function(net_of(tf_tensor_find("each"), op, VALUES), op->name), cnt++;
  }
  assert_int_equal(cnt, TF_CARD_FN_CNT);
}

/* ---- the same bits ---- */

static void a_rows_bits_do_not_depend_on_company_or_on_the_order_of_threads(void **state) {
  (void)state;
  enum { EACH = 40, CNT = 3 };
  tf_graph_t *graph = malloc(sizeof *graph);
  bench_t     b;
  float       rows[CNT * EACH * 7], mixed[CNT * EACH * 7], out[CNT * EACH * 4], alone[EACH * 4];
  uint32_t    instruments[CNT * EACH];
  uint8_t     steps[CNT * EACH], advances[CNT * EACH];
  assert_true(import_family("transformer", "", 7, false, graph));
  assert_int_equal(bench_init(&b, graph, TF_PRECISION_FP16, &card, false, CNT, 0), TF_OK);
  const uint32_t outputs = graph->output_cnt;
  assert_true(outputs <= 4);
  tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
  for (uint32_t t = 0; t < CNT * EACH; t++) {
    instruments[t] = t % CNT;
    advances[t]    = (uint8_t)random_below(&seed, 3);
    memcpy(mixed + (size_t)t * 7, rows + ((size_t)(t % CNT) * EACH + t / CNT) * 7,
           7 * sizeof *rows);
  }
  net_args_t args = {.instruments = instruments,
                     .advances    = advances,
                     .rows        = mixed,
                     .row_cnt     = CNT * EACH,
                     .out         = out,
                     .steps       = steps};
  launch(&b, &args);
  for (uint32_t i = 0; i < CNT; i++) {
    memset(b.states, 0, CNT * b.program->state_bytes);
    net_args_t one = {
        .rows = rows + (size_t)i * EACH * 7, .row_cnt = EACH, .out = alone, .steps = steps};
    launch(&b, &one);
    for (uint32_t t = graph->window - 1; t < EACH; t++)
      assert_memory_equal(alone + (size_t)t * outputs, out + ((size_t)t * CNT + i) * outputs,
                          outputs * sizeof *out);
  }
  bench_fini(&b);
  tf_graph_fini(graph);
  free(graph);
}

/* Answers to one row each of a perceptron, on as many blocks as limits make it. */
static uint32_t answer_rows(const tf_graph_t *graph, const tf_card_limits_t *limits,
                            const float *rows, uint32_t cnt, float *out) {
  bench_t    b;
  uint8_t    steps[8];
  net_args_t args = {.rows = rows, .row_cnt = cnt, .out = out, .steps = steps};
  if (bench_init(&b, graph, TF_PRECISION_INT8, limits, false, 1, 0) != TF_OK)
    fail_msg("%s", tf_error_text());
  launch(&b, &args);
  const uint32_t blocks = b.program->block_cnt;
  bench_fini(&b);
  return blocks;
}

static void blocks_share_what_is_too_large_for_one_and_give_the_same_bits(void **state) {
  (void)state;
  static const uint32_t widths[] = {64, 250, 256, 3};
  /* bytes of shared memory, and how few blocks hold the weights then: 81 KB, and half as much again for values, ops and padding */
  static const uint32_t kib[][2] = {
      {160, 1},
      {64,  2},
      {48,  4},
      {4,   8}
  };
  tf_card_limits_t limits = card;
  tf_graph_t      *graph  = malloc(sizeof *graph);
  float            rows[4 * 64], one[4 * 3], out[4 * 3];
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
  limits.cluster_max = 1;
  assert_int_equal(answer_rows(graph, &limits, rows, 4, one), 1);
  for (size_t i = 0; i < TF_ARRAY_CNT(kib); i++) {
    limits                  = card;
    limits.shared_bytes_max = kib[i][0] << 10;
    assert_int_equal(answer_rows(graph, &limits, rows, 4, out), kib[i][1]);
    assert_memory_equal(out, one, sizeof one);
  }
  limits.sm_cnt = 2; /* no more than there are */
  assert_int_equal(answer_rows(graph, &limits, rows, 4, out), 2);
  assert_memory_equal(out, one, sizeof one);
  tf_graph_fini(graph);
  free(graph);
}

/* ---- behind the mailbox ---- */

/* Rows of two instruments in turn through the persistent loop; the worst error of the answers from row first on. */
static double ask_rows(card_run_t *run, const tf_graph_t *graph, uint32_t first) {
  const uint32_t width = graph->input_cnt, window = graph->window, cnt = window + 4;
  float         *rows  = calloc((size_t)2 * cnt * width, sizeof *rows), out[8];
  double         worst = 0.0;
  assert_true(graph->output_cnt <= TF_ARRAY_CNT(out));
  tf_shapes_noise(rows, (size_t)2 * cnt * width, &seed);
  for (uint32_t t = 0; t < 2 * cnt; t++) {
    const uint32_t            instrument = t % 2, n = t / 2;
    const float              *row   = rows + ((size_t)instrument * cnt + n) * width;
    const uint32_t            flags = n == 0 ? TF_MAILBOX_RESET : 0;
    const tf_mailbox_status_t status =
        card_run_ask(run, first + instrument, n + 1, flags, row, out);
    assert_int_equal(status, n + 1 >= window ? TF_MAILBOX_OK : TF_MAILBOX_WARMING);
    if (status != TF_MAILBOX_OK) continue;
    const double error = error_of(graph, row - (size_t)(window - 1) * width, out);
    if (!(error <= worst)) worst = error;
  }
  free(rows);
  return worst;
}

static void the_persistent_loop_answers_before_and_behind_a_swap(void **state) {
  (void)state;
  tf_graph_t *graph = malloc(sizeof *graph);
  assert_true(import_family("transformer", "", 7, false, graph));
  for (uint32_t blocks = 1; blocks <= 4; blocks *= 2) {
    static const tf_precision_t precisions[2] = {TF_PRECISION_FP32, TF_PRECISION_BF16};
    tf_card_program_t          *programs[2];
    card_run_t                  run;
    for (uint32_t i = 0; i < 2; i++) {
      const tf_card_net_spec_t spec = {
          .precision = precisions[i], .limits = card, .block_cnt = blocks};
      assert_int_equal(tf_card_net_new(graph, &spec, &programs[i]), TF_OK);
      assert_int_equal(programs[i]->block_cnt, blocks);
    }
    const card_run_spec_t spec = {
        .slots          = {programs[0], programs[1]},
        .kernel         = kernel_net_loop,
        .instrument_cnt = 4,
        .batch_max      = 4,
        .slot_cnt       = 8,
        .seed           = seed++
    };
    card_run_init(&run, &spec);
    card_run_start(&run);
    assert_true(ask_rows(&run, graph, 0) <= error_max[precisions[0]]);
    tf_store_release_u32(&run.control.slot, 1); /* pairs with: tf_load_system */
    while (tf_load_acquire_u32(&run.control.slot_used) != 1)
      sched_yield(); /* pairs with: tf_store_system */
    assert_true(ask_rows(&run, graph, 1) <= error_max[precisions[1]]);
    card_run_stop(&run);
    card_run_fini(&run);
    free(programs[0]);
    free(programs[1]);
  }
  tf_graph_fini(graph);
  free(graph);
}

/* ---- what is refused ---- */

static void what_has_no_form_is_named(void **state) {
  (void)state;
  tf_card_program_t *program;
  tf_graph_t        *graph = malloc(sizeof *graph);
  assert_true(import_family("xgboost", "", 1, false, graph));
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP32, &card, &program),
                   E_MODEL_UNSUPPORTED);
  assert_null(program);
  assert_non_null(
      strstr(tf_error_text(), "tree_ensemble has no form in a kernel that stays on the card"));
  assert_non_null(strstr(tf_error_text(), "node "));
  tf_graph_fini(graph);
  free(graph);
}

static void memory_ends_at_its_limit(void **state) {
  (void)state;
  static const uint32_t widths[] = {64, 64, 1};
  tf_card_limits_t      limits   = card;
  tf_card_program_t    *program;
  tf_graph_t           *graph = malloc(sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP32, &limits, &program), TF_OK);
  const uint64_t need = program->image_bytes + program->scratch_bytes;
  free(program);
  for (uint64_t bytes = need - 1; bytes <= need + 1; bytes++) {
    limits.memory_bytes = bytes;
    const tf_err_t err  = tf_card_net_make(graph, TF_PRECISION_FP32, &limits, &program);
    assert_int_equal(err, bytes < need ? E_MODEL_UNSUPPORTED : TF_OK);
    free(program);
  }
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP32, &card, &program), TF_OK);
  assert_true(program->shared_bytes > 0 && program->scratch_bytes == 0);
  const uint32_t shared = program->shared_bytes;
  free(program);
  /* past shared memory the values lie in the card's */
  const tf_card_program_t loop = {
      .input_cnt = 64, .output_cnt = 1, .block_cnt = 1, .cluster_size = 1};
  const uint32_t values   = 32 * 4;
  limits                  = card;
  limits.cluster_max      = 1;
  limits.shared_bytes_max = tf_loop_own_shared_bytes(&loop) + TF_CARD_NET_CONTEXT_BYTES + values;
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP32, &limits, &program), TF_OK);
  assert_true(program->shared_bytes <= TF_CARD_NET_CONTEXT_BYTES + values &&
              program->shared_bytes < shared);
  assert_true(program->scratch_bytes > 0);
  free(program);
  limits.thread_max = TF_CARD_NET_WARP - 1;
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP32, &limits, &program),
                   E_MODEL_UNSUPPORTED);
  tf_graph_fini(graph);
  free(graph);
}

static void lists_end_at_their_limit(void **state) {
  (void)state;
  for (uint32_t cnt = 9; cnt <= 11; cnt++) {
    void    *list = NULL;
    uint32_t room = 0;
    tf_err_t err  = tf_card_net_draft_grow(&list, 0, 4, &room, 10, sizeof(uint32_t), "words");
    assert_int_equal(err, TF_OK);
    err = tf_card_net_draft_grow(&list, 4, cnt - 4, &room, 10, sizeof(uint32_t), "words");
    assert_int_equal(err, cnt <= 10 ? TF_OK : E_MODEL_UNSUPPORTED);
    if (err) assert_non_null(strstr(tf_error_text(), "more than 10 words"));
    assert_true(err || room >= cnt);
    free(list);
  }
}

static void weights_that_fp16_cannot_hold_are_refused(void **state) {
  (void)state;
  static const uint32_t widths[] = {4, 1};
  tf_card_program_t    *program;
  tf_graph_t           *graph = malloc(sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  graph->nodes[0].weight[2] = 65504.0f;
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP16, &card, &program), TF_OK);
  free(program);
  graph->nodes[0].weight[2] = 65505.0f;
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP16, &card, &program), E_MODEL_WEIGHTS);
  assert_non_null(strstr(tf_error_text(), "weight 2 of output 0"));
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_BF16, &card, &program), TF_OK);
  free(program);
  tf_graph_fini(graph);
  free(graph);
}

static void a_program_is_told_to_people(void **state) {
  (void)state;
  char               text[256];
  tf_card_program_t *program;
  tf_graph_t        *graph = malloc(sizeof *graph);
  assert_true(import_family("transformer", "", 7, false, graph));
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP16, &card, &program), TF_OK);
  const tf_card_net_t *net      = tf_card_net_of(program);
  uint32_t             products = 0, barriers = 0;
  for (uint32_t i = 0; i < net->op_cnt[TF_CARD_TIMED] + net->op_cnt[TF_CARD_DEFERRED]; i++) {
    tf_card_net_describe(program, i, text, sizeof text);
    products += strstr(text, " product 1 x ") != NULL;
    barriers += strstr(text, ", barrier") != NULL;
  }
  assert_true(net->slides && products >= 6);
  assert_int_equal(barriers, net->phase_cnt[TF_CARD_TIMED] + net->phase_cnt[TF_CARD_DEFERRED]);
  free(program);
  tf_graph_fini(graph);
  free(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_has_no_form_is_named),
      cmocka_unit_test(memory_ends_at_its_limit),
      cmocka_unit_test(lists_end_at_their_limit),
      cmocka_unit_test(weights_that_fp16_cannot_hold_are_refused),
      cmocka_unit_test(a_program_is_told_to_people),
      cmocka_unit_test(every_function_is_that_of_the_graph_and_lets_nan_through),
      cmocka_unit_test(chains_answer_as_their_graphs),
      cmocka_unit_test(a_rows_bits_do_not_depend_on_company_or_on_the_order_of_threads),
      cmocka_unit_test(blocks_share_what_is_too_large_for_one_and_give_the_same_bits),
      cmocka_unit_test(the_persistent_loop_answers_before_and_behind_a_swap),
      cmocka_unit_test(nan_goes_through_every_family),
      cmocka_unit_test(every_family_answers_as_its_graph),
      cmocka_unit_test(made_up_nets_answer_as_their_graphs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
