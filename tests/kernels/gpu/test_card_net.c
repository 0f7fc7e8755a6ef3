/* Programs of nets, run by the kernel's own source on fibers of the CPU, against the graph in double: every family of
 * tests/golden/models and nets made up at random, in every precision, whatever the order of threads, step and advance. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "cuda_on_cpu/cuda_on_cpu.h"
#include "gpu/card_net.h"
#include "kernels/model/random_net.h"
#include "model/import_onnx.h"
#include "model/net_plan.h"
#include "model/shapes.h"
#include "net_kernels.h"

#define FAMILIES     "tests/golden/models"
#define FEATURES_MAX 64u

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
                           const tf_card_limits_t *limits, bool whole, uint32_t instruments) {
  const tf_card_net_spec_t spec = {.precision = precision, .limits = *limits, .whole = whole};
  *b                            = (bench_t){.graph = graph};
  tf_err_t err                  = tf_card_net_new(graph, &spec, &b->program);
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
  cuda_on_cpu_launch_t l = {.grid         = 1,
                            .cluster      = 1,
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
    const double scale = fabs(want[o]) > 1.0 ? fabs(want[o]) : 1.0;
    const double error = fabs((double)out[o] - want[o]) / scale;
    if (!(error <= worst)) worst = error;
  }
  free(want);
  return worst;
}

/* Windows slide over row_cnt rows of noise; the worst error of all answers. */
static double slide(const bench_t *b, uint32_t row_cnt) {
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
  double     worst = 0.0;
  tf_shapes_noise(rows, (size_t)row_cnt * width, &seed);
  for (uint32_t t = 0; t < row_cnt; t++) advances[t] = (uint8_t)random_below(&seed, 4);
  resets[0]                    = 1;
  resets[row_cnt - window - 1] = row_cnt > 2 * window + 2;
  launch(b, &args);
  for (uint32_t t = 0, seen = 0; t < row_cnt; t++) {
    seen = resets[t] ? 1 : seen + 1;
    assert_int_equal(steps[t], seen >= window ? TF_CARD_STEP_DONE : TF_CARD_STEP_WARMING);
    if (seen < window) continue;
    const double error = error_of(b->graph, rows + (size_t)(t + 1 - window) * width,
                                  out + (size_t)t * b->graph->output_cnt);
    if (!(error <= worst)) worst = error;
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
  if (bench_init(&b, graph, precision, &card, whole, 1) != TF_OK)
    fail_msg("%s: %s", name, tf_error_text());
  const double error = slide(&b, 2 * graph->window + 4);
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
    for (tf_precision_t precision = 0; precision < TF_PRECISION_CNT; precision++)
      check_family(graph, name, precision, (f + precision) % 3 == 0);
    tf_graph_fini(graph);
    cnt++;
  }
  free(graph);
  assert_int_equal(cnt, 54);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_family_answers_as_its_graph),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
