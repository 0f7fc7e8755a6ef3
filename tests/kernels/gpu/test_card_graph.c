/* Programs of graphs (gpu/card_graph.h), their kernels' own source launched node by node on fibers of the CPU, as a captured graph is on a
 * card, against the graph of the model in double and the CPU's plan: what only they run, every family of tests/golden/models, and nets made up at
 * random. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "apart_nets.h"
#include "core/error.h"
#include "cuda_on_cpu/cuda_on_cpu.h"
#include "gpu/card_graph.h"
#include "graph_kernel.h"
#include "kernels/model/random_net.h"
#include "model/import_onnx.h"
#include "model/net_plan.h"
#include "model/shapes.h"

#define FAMILIES     "tests/golden/models"
#define FEATURES_MAX 64u
#define NODES_MAX    4096u
#define INSTRUMENTS  2u

static uint64_t seed = 7;

/* Blocks and threads are few, since fibers are slow, and enough that a phase has several of both. */
static const tf_card_limits_t card = {.sm_cnt           = 3,
                                      .cluster_max      = 8,
                                      .thread_max       = 64,
                                      .shared_bytes_max = 227u << 10,
                                      .memory_bytes     = UINT64_C(1) << 30};

/* ---- a program under test ---- */

typedef struct bench {
  const tf_graph_t    *graph;
  tf_card_program_t   *program;
  tf_card_graph_args_t args;
  uint32_t             numbers;
  uint32_t             places[INSTRUMENTS];
} bench_t;

static void *zeroed(uint64_t bytes) {
  void *p = aligned_alloc(256, tf_align_up(bytes + 1, 256));
  assert_non_null(p);
  return memset(p, 0, bytes);
}

static void bench_init(bench_t *b, const tf_graph_t *graph, const tf_card_net_spec_t *spec) {
  *b = (bench_t){.graph = graph};
  if (tf_card_net_new(graph, spec, &b->program) != TF_OK) fail_msg("%s", tf_error_text());
  assert_int_equal(b->program->kind, TF_CARD_GRAPH);
  b->args = (tf_card_graph_args_t){
      .program = b->program,
      .states  = zeroed(INSTRUMENTS * b->program->state_bytes),
      .scratch = zeroed(b->program->scratch_bytes),
      .ticket  = zeroed(tf_card_ticket_bytes(b->program->input_cnt, b->program->output_cnt))};
}

static void bench_fini(bench_t *b) {
  free(b->args.states);
  free(b->args.scratch);
  free(b->args.ticket);
  free(b->program);
}

static void launch(bench_t *b, tf_card_graph_part_t part) {
  static tf_card_graph_node_t nodes[NODES_MAX];
  const uint32_t              cnt = tf_card_graph_nodes(b->program, part, NULL);
  assert_true(cnt <= NODES_MAX);
  assert_int_equal(tf_card_graph_nodes(b->program, part, nodes), cnt);
  for (uint32_t i = 0; i < cnt; i++) {
    tf_card_graph_args_t args = b->args;
    args.node                 = nodes[i];
    cuda_on_cpu_launch_t l    = {.grid    = nodes[i].block_cnt,
                                 .cluster = 1,
                                 .block   = nodes[i].thread_cnt,
                                 .seed    = seed++,
                                 .kernel  = kernel_graph,
                                 .args    = &args};
    assert_true(nodes[i].block_cnt >= 1 && nodes[i].block_cnt <= b->program->block_cnt);
    if (!cuda_on_cpu_launch(&l)) fail_msg("%s", cuda_on_cpu_text());
  }
}

/* The next row of an instrument; out: NULL where no answer is wanted. */
static void put_row(bench_t *b, uint32_t instrument, const float *row, float *out) {
  tf_card_ticket_t *t = b->args.ticket;
  t->instrument       = instrument;
  t->number           = ++b->numbers;
  t->place            = b->places[instrument]++ % b->program->window;
  memcpy(tf_card_ticket_row(t), row, b->program->input_cnt * sizeof *row);
  launch(b, out ? TF_CARD_GRAPH_ANSWER : TF_CARD_GRAPH_ROW);
  float              head[3];
  const tf_packet_t *answer = tf_card_ticket_answer(t, b->program->input_cnt);
  if (out)
    assert_true(tf_packets_load(answer, out, b->program->output_cnt, t->number));
  else
    assert_true(tf_packets_load(answer, head, 1, t->number));
  launch(b, TF_CARD_GRAPH_DEFERRED);
}

/* ---- against the model's graph ---- */

/* Times the greater of 1 and what an answer is, as in test_card_net.c. */
static const double error_max[TF_PRECISION_CNT] = {
    [TF_PRECISION_FP32] = 2e-5,
    [TF_PRECISION_BF16] = 0.05,
    [TF_PRECISION_FP16] = 0.01,
    [TF_PRECISION_INT8] = 0.15,
};

/* NaN where one of them is NaN and the other is not. */
static double error_of(const tf_graph_t *graph, const float *rows, const float *out) {
  double *want  = malloc(graph->output_cnt * sizeof *want);
  double  worst = 0.0;
  assert_int_equal(tf_graph_eval(graph, rows, want), TF_OK);
  for (uint32_t o = 0; o < graph->output_cnt; o++) {
    if (isnan(want[o]) && isnan(out[o])) continue;
    if (isinf(want[o])) continue;
    const double error = fabs((double)out[o] - want[o]) / fmax(1.0, fabs(want[o]));
    if (!(error <= worst)) worst = error;
  }
  free(want);
  return worst;
}

/* Windows of two instruments slide over rows of noise; the first ones want no answer. The worst answer. */
static double slide(bench_t *b, uint32_t more, const float *rows) {
  const uint32_t width = b->graph->input_cnt, window = b->graph->window, cnt = window - 1 + more;
  float         *out   = calloc(b->graph->output_cnt, sizeof *out);
  double         worst = 0.0;
  for (uint32_t t = 0; t < cnt; t++)
    for (uint32_t i = 0; i < INSTRUMENTS; i++) {
      const float *row = rows + ((size_t)i * cnt + t) * width;
      put_row(b, i, row, t + 1 < window ? NULL : out);
      if (t + 1 < window) continue;
      const double error = error_of(b->graph, row - (size_t)(window - 1) * width, out);
      if (!(error <= worst)) worst = error;
    }
  free(out);
  return worst;
}

static double slide_over_noise(const tf_graph_t *graph, tf_precision_t precision, bool whole,
                               uint32_t more) {
  const tf_card_net_spec_t spec = {
      .precision = precision, .limits = card, .whole = whole, .is_graph = true};
  const size_t cnt  = (size_t)INSTRUMENTS * (graph->window - 1 + more) * graph->input_cnt;
  float       *rows = calloc(cnt, sizeof *rows);
  bench_t      b;
  tf_shapes_noise(rows, cnt, &seed);
  bench_init(&b, graph, &spec);
  const double worst = slide(&b, more, rows);
  bench_fini(&b);
  free(rows);
  return worst;
}

/* ---- what no kernel that stays runs ---- */

static bool import_family(const char *name, uint32_t columns, tf_graph_t *graph) {
  char                    path[256], text[FEATURES_MAX * 4], *at = text;
  tf_features_t           features = {0};
  tf_import_onnx_report_t report;
  snprintf(path, sizeof path, FAMILIES "/%s.onnx", name);
  for (uint32_t n = 0; n < columns; n++) at += sprintf(at, n ? ",f%u" : "f%u", n);
  assert_int_equal(tf_features_parse(&features, text), TF_OK);
  const tf_import_onnx_spec_t spec = {.name = "m", .features = &features};
  const tf_err_t              err  = tf_import_onnx(path, &spec, graph, &report);
  tf_features_fini(&features);
  return err == TF_OK;
}

/* A forest's sums are of the same leaves in double: the CPU's plan, within a step of float. Rows of one window, so each answers. */
static void check_forest(const tf_graph_t *graph, const char *name) {
  enum { ROWS = 40 };
  const tf_card_net_spec_t spec = {.limits = card, .is_graph = true};
  const size_t             each = (size_t)graph->window * graph->input_cnt;
  float *rows = calloc(ROWS * each, sizeof *rows), *out = calloc(graph->output_cnt, sizeof *out),
        *want = calloc(graph->output_cnt, sizeof *want);
  bench_t        b;
  tf_net_plan_t *plan;
  assert_int_equal(tf_net_plan_new(graph->net, tf_isa_best(), TF_PRECISION_FP32, &plan), TF_OK);
  void *scratch = zeroed(plan->scratch_bytes);
  tf_shapes_noise(rows, ROWS * each, &seed);
  bench_init(&b, graph, &spec);
  assert_int_equal(tf_card_graph_nodes(b.program, TF_CARD_GRAPH_ANSWER, NULL), 4);
  for (uint32_t n = 0; n < ROWS; n++) {
    float *window = rows + n * each;
    for (size_t i = 0; i < each; i++) window[i] *= 3.0f;
    if (n == ROWS - 1) window[random_below(&seed, (uint32_t)each)] = NAN;
    for (uint32_t t = 0; t < graph->window; t++)
      put_row(&b, n % INSTRUMENTS, window + (size_t)t * graph->input_cnt,
              t + 1 < graph->window ? NULL : out);
    tf_net_plan_run(plan, scratch, window, want);
    for (uint32_t o = 0; o < graph->output_cnt; o++)
      if (isnan(want[o])
              ? !isnan(out[o])
              : !(fabsf(out[o] - want[o]) <= fabsf(nextafterf(want[o], INFINITY) - want[o])))
        fail_msg("%s, window %u, output %u: %.9g, the CPU's %.9g", name, n, o, (double)out[o],
                 (double)want[o]);
  }
  bench_fini(&b);
  tf_net_plan_delete(plan);
  free(scratch), free(rows), free(out), free(want);
}

static void forests_answer_as_the_cpu_within_a_step_of_float(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint32_t    columns;
  } rows[] = {
      {"lightgbm",            8},
      {"xgboost",             8},
      {"xgboost",             1},
      {"xgboost_two_classes", 8},
  };
  tf_graph_t *graph = malloc(sizeof *graph);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    if (!import_family(rows[i].name, rows[i].columns, graph)) fail_msg("%s", tf_error_text());
    check_forest(graph, rows[i].name);
    tf_graph_fini(graph);
  }
  free(graph);
}

static void check_graph(const tf_graph_t *graph, const float *rows, uint32_t more, bool whole) {
  const tf_card_net_spec_t spec = {.limits = card, .whole = whole, .is_graph = true};
  bench_t                  b;
  tf_card_program_t       *persistent;
  assert_int_equal(tf_card_net_make(graph, TF_PRECISION_FP32, &card, &persistent),
                   E_MODEL_UNSUPPORTED);
  bench_init(&b, graph, &spec);
  const double error = slide(&b, more, rows);
  if (!(error <= error_max[TF_PRECISION_FP32])) fail_msg("an error of %g", error);
  bench_fini(&b);
}

/* Numbers from the end, past both ends, between two, and NaN. */
static void entries_by_computed_numbers_are_those_of_the_graph(void **state) {
  (void)state;
  enum { LINES = 5, WIDTH = 6, ROWS = 11 };
  static const float numbers[ROWS] = {0, 4, 2.7f, -1, -5, -9, 7, 1e9f, -1e9f, NAN, 3};
  float              rows[INSTRUMENTS * ROWS * (WIDTH + 1)];
  tf_graph_t         graph;
  tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
  for (uint32_t i = 0; i < INSTRUMENTS * ROWS; i++) rows[i * (WIDTH + 1)] = numbers[i % ROWS];
  apart_embedding(&graph, LINES, WIDTH, &seed);
  check_graph(&graph, rows, ROWS, false);
  tf_graph_fini(&graph);
}

static void a_gru_whose_reset_gate_is_before_answers_as_its_graph(void **state) {
  (void)state;
  enum { WINDOW = 7, INPUTS = 5, UNITS = 6, MORE = 9 };
  float rows[INSTRUMENTS * (WINDOW - 1 + MORE) * INPUTS];
  for (int64_t direction = 0; direction < 3; direction++)
    for (uint32_t whole = 0; whole < 2; whole++) {
      tf_graph_t graph;
      tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
      apart_gru(&graph, WINDOW, INPUTS, UNITS, direction, &seed);
      check_graph(&graph, rows, MORE, whole);
      tf_graph_fini(&graph);
    }
}

/* ---- what the other kinds run, too ---- */

static void every_family_answers_as_its_graph(void **state) {
  (void)state;
  static const struct {
    const char *name;
    uint32_t    columns;
  } families[] = {
      {"activations_dynamo", 1 },
      {"conv_norm_dynamo",   6 },
      {"deeplob_dynamo",     40},
      {"gru_dynamo",         7 },
      {"lstm_dynamo",        8 },
      {"lstm_both_dynamo",   6 },
      {"mlp_dynamo",         1 },
      {"nbeats_dynamo",      1 },
      {"patchtst_dynamo",    4 },
      {"rnn_dynamo",         5 },
      {"tcn_dynamo",         8 },
      {"tft_dynamo",         5 },
      {"transformer_dynamo", 7 },
      {"two_tower_dynamo",   16},
  };
  tf_graph_t *graph = malloc(sizeof *graph);
  for (size_t f = 0; f < TF_ARRAY_CNT(families); f++) {
    if (!import_family(families[f].name, families[f].columns, graph))
      fail_msg("%s", tf_error_text());
    const tf_precision_t precision = f % TF_PRECISION_CNT;
    const double         error     = slide_over_noise(graph, precision, f % 3 == 0, 3);
    if (!(error <= error_max[precision])) fail_msg("%s: an error of %g", families[f].name, error);
    tf_graph_fini(graph);
  }
  free(graph);
}

static void made_up_nets_answer_as_their_graphs(void **state) {
  (void)state;
  for (uint32_t n = 0; n < 40; n++) {
    tf_graph_t graph;
    tf_net_t  *net = random_net(&seed);
    if (!net) continue;
    assert_int_equal(tf_graph_init(&graph, "m", net->input_cnt), TF_OK);
    tf_graph_set_net(&graph, net);
    const double error = slide_over_noise(&graph, TF_PRECISION_FP32, n % 2, 2);
    if (!(error <= 1e-3)) fail_msg("net %u: an error of %g", n, error);
    tf_graph_fini(&graph);
  }
}

/* ---- what is refused, and what is launched ---- */

static void memory_ends_at_its_limit(void **state) {
  (void)state;
  static const uint32_t widths[] = {64, 64, 1};
  tf_card_limits_t      limits   = card;
  tf_card_program_t    *program;
  tf_graph_t           *graph = malloc(sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  assert_int_equal(tf_card_graph_make(graph, TF_PRECISION_FP32, &limits, &program), TF_OK);
  const uint64_t need = program->image_bytes + program->scratch_bytes;
  assert_int_equal(program->block_cnt, card.sm_cnt);
  assert_int_equal(program->shared_bytes, 0);
  free(program);
  for (uint64_t bytes = need - 1; bytes <= need + 1; bytes++) {
    limits.memory_bytes = bytes;
    const tf_err_t err  = tf_card_graph_make(graph, TF_PRECISION_FP32, &limits, &program);
    assert_int_equal(err, bytes < need ? E_MODEL_UNSUPPORTED : TF_OK);
    free(program);
  }
  tf_graph_fini(graph);
  free(graph);
}

/* A layer that meets at barriers has a block, a wide product as many as there are, a beat one node. */
static void nodes_have_as_many_blocks_as_they_have_work_for(void **state) {
  (void)state;
  static const uint32_t widths[] = {64, 512, 1};
  tf_card_graph_node_t  nodes[16];
  tf_card_program_t    *program;
  tf_graph_t           *graph = malloc(sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  assert_int_equal(tf_card_graph_make(graph, TF_PRECISION_FP32, &card, &program), TF_OK);
  assert_int_equal(tf_card_graph_nodes(program, TF_CARD_GRAPH_ANSWER, nodes), 4);
  assert_int_equal(nodes[0].what, TF_CARD_NODE_TAKE);
  assert_int_equal(nodes[0].block_cnt, 1);
  assert_int_equal(nodes[1].what, TF_CARD_NODE_PHASE);
  assert_int_equal(nodes[1].block_cnt, card.sm_cnt);
  assert_int_equal(nodes[3].what, TF_CARD_NODE_GIVE);
  assert_int_equal(nodes[3].cnt, 1);
  assert_int_equal(tf_card_graph_nodes(program, TF_CARD_GRAPH_ROW, nodes), 2);
  assert_int_equal(tf_card_graph_nodes(program, TF_CARD_GRAPH_DEFERRED, nodes), 0);
  assert_int_equal(tf_card_graph_nodes(program, TF_CARD_GRAPH_BEAT, nodes), 1);
  assert_int_equal(nodes[0].what, TF_CARD_NODE_BEAT);
  free(program);
  tf_graph_fini(graph);
  free(graph);
}

static void a_beat_is_the_tickets_number_as_it_stands(void **state) {
  (void)state;
  static const uint32_t    widths[] = {3, 4};
  const tf_card_net_spec_t spec     = {.limits = card, .is_graph = true};
  tf_graph_t              *graph    = malloc(sizeof *graph);
  bench_t                  b;
  float                    nothing[3];
  assert_int_equal(tf_shapes_mlp(graph, "mlp", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  bench_init(&b, graph, &spec);
  b.args.ticket->number     = 77;
  const tf_packet_t *answer = tf_card_ticket_answer(b.args.ticket, 3);
  assert_false(tf_packets_load(answer, nothing, 1, 77));
  launch(&b, TF_CARD_GRAPH_BEAT);
  assert_true(tf_packets_load(answer, nothing, 1, 77));
  bench_fini(&b);
  tf_graph_fini(graph);
  free(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_ends_at_its_limit),
      cmocka_unit_test(nodes_have_as_many_blocks_as_they_have_work_for),
      cmocka_unit_test(a_beat_is_the_tickets_number_as_it_stands),
      cmocka_unit_test(forests_answer_as_the_cpu_within_a_step_of_float),
      cmocka_unit_test(entries_by_computed_numbers_are_those_of_the_graph),
      cmocka_unit_test(a_gru_whose_reset_gate_is_before_answers_as_its_graph),
      cmocka_unit_test(every_family_answers_as_its_graph),
      cmocka_unit_test(made_up_nets_answer_as_their_graphs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
