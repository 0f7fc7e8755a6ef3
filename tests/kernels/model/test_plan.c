#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/error.h"
#include "model/execute.h"
#include "model/loader.h"
#include "model/measure.h"
#include "model/shapes.h"

/* A graph written as a list of ops; weights from seed, of magnitude 1. */
typedef struct node_spec {
  const char *op;
  uint32_t    out_cnt; /* gemm */
  float       alpha, beta;
} node_spec_t;

static uint64_t seed = 5;

static float *noise(size_t cnt) {
  float *values = malloc(cnt * sizeof *values);
  assert_non_null(values);
  tf_shapes_noise(values, cnt, &seed);
  return values;
}

static tf_graph_t *graph_of(uint32_t input_cnt, const node_spec_t *specs, size_t cnt) {
  tf_graph_t *graph = calloc(1, sizeof *graph);
  assert_non_null(graph);
  assert_int_equal(tf_graph_init(graph, "test", input_cnt), TF_OK);
  for (size_t i = 0; i < cnt; i++) {
    const tf_op_t *op     = tf_op_find(specs[i].op);
    tf_op_params_t params = {.alpha = specs[i].alpha, .beta = specs[i].beta};
    float         *weight = NULL, *bias = NULL;
    if (op->has_bias) {
      params.weight_cnt = (uint64_t)graph->output_cnt * specs[i].out_cnt;
      params.bias_cnt   = i % 2 ? specs[i].out_cnt : 0;
      if (params.bias_cnt) bias = noise(specs[i].out_cnt);
    } else if (op->has_weight) {
      params.weight_cnt = graph->output_cnt;
    }
    if (op->has_weight) weight = noise(params.weight_cnt);
    assert_int_equal(tf_graph_append(graph, op, "n", &params, weight, bias), TF_OK);
  }
  assert_int_equal(tf_graph_make_checks(graph), TF_OK);
  return graph;
}

static void graph_delete(tf_graph_t *graph) {
  tf_graph_fini(graph);
  free(graph);
}

static tf_plan_t *plan_of(const tf_graph_t *graph, tf_isa_t isa) {
  tf_plan_t *plan;
  assert_int_equal(tf_plan_new(graph, isa, &plan), TF_OK);
  return plan;
}

static void graph_without_nodes_has_no_plan(void **state) {
  (void)state;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  tf_plan_t  *plan;
  assert_int_equal(tf_graph_init(graph, "empty", 3), TF_OK);
  assert_int_equal(tf_plan_new(graph, TF_ISA_SCALAR, &plan), E_MODEL_SHAPE);
  assert_null(plan);
  graph_delete(graph);
}

static void nodes_that_do_not_fit_are_refused_with_their_name(void **state) {
  (void)state;
  tf_graph_t    *graph  = graph_of(4,
                                   (node_spec_t[]){
                                       {"gemm", 3, 0, 0}
  },
                                   1);
  tf_op_params_t params = {.weight_cnt = 4};
  assert_int_equal(tf_graph_append(graph, tf_op_find("add"), "shift", &params, noise(4), NULL),
                   E_MODEL_SHAPE);
  assert_non_null(strstr(tf_error_text(), "add \"shift\""));
  assert_int_equal(graph->node_cnt, 1);
  static const float bad[] = {NAN, INFINITY, -INFINITY, 1e-40f};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    float *weight     = noise(3);
    weight[2]         = bad[i];
    params.weight_cnt = 3;
    assert_int_equal(tf_graph_append(graph, tf_op_find("mul"), "scale", &params, weight, NULL),
                     E_MODEL_WEIGHTS);
    assert_non_null(strstr(tf_error_text(), "tensor 1.mul.weight: element 2 is"));
  }
  graph_delete(graph);
}

static const char *const fusions[][2] = {
    {"mul gemm",                           "gemm"         },
    {"gemm add relu",                      "gemm"         },
    {"gemm mul add tanh",                  "gemm"         },
    {"gemm add mul add sigmoid",           "gemm"         },
    {"add mul gemm clip",                  "add gemm"     },
    {"gemm relu mul gemm tanh",            "gemm gemm"    },
    {"gemm leaky_relu relu",               "gemm relu"    },
    {"gemm relu add gemm",                 "gemm add gemm"},
    {"mul mul gemm",                       "mul gemm"     },
    {"clip sigmoid",                       "clip sigmoid" },
    {"gemm softmax",                       "gemm softmax" },
    {"gemm gemm",                          "gemm gemm"    },
    {"mul gemm mul add relu mul gemm add", "gemm gemm"    },
};

static tf_graph_t *graph_of_text(const char *text) {
  node_spec_t specs[16];
  char        words[128];
  size_t      cnt = 0;
  snprintf(words, sizeof words, "%s", text);
  for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
    specs[cnt] = (node_spec_t){word, 5 + (uint32_t)cnt * 9, -0.5f, 0.5f}, cnt++;
  return graph_of(7, specs, cnt);
}

static void fusing_shortens_the_plan_and_keeps_the_answers(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(fusions); i++)
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      tf_graph_t *graph     = graph_of_text(fusions[i][0]);
      tf_plan_t  *plan      = plan_of(graph, (tf_isa_t)isa);
      char        text[128] = "";
      double      error_max;
      for (uint32_t s = 0; s < plan->step_cnt; s++) {
        strcat(text, s ? " " : "");
        strcat(text, plan->steps[s].op->name);
      }
      assert_string_equal(text, fusions[i][1]);
      assert_int_equal(plan->steps[0].node_first, 0);
      assert_int_equal(plan->steps[plan->step_cnt - 1].node_last, graph->node_cnt - 1);
      tf_loader_options_t options = {.isa = (tf_isa_t)isa};
      tf_model_t         *model;
      uint32_t            cnt;
      assert_int_equal(tf_loader_make(graph, &options, &model), TF_OK);
      assert_int_equal(tf_loader_check(graph, model, &options.model, NULL), TF_OK);
      assert_int_equal(tf_measure_error(graph, model, &error_max, &cnt), TF_OK);
      tf_loader_unload(model);
      if (!(error_max < 1e-5)) fail_msg("%s: off by %g", fusions[i][0], error_max);
      tf_plan_delete(plan);
      graph_delete(graph);
    }
}

/* A price near 1e5 whose last digits matter: the shift must not be folded into the bias. */
static void shift_of_a_large_input_loses_no_digits(void **state) {
  (void)state;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  assert_int_equal(tf_graph_init(graph, "price", 1), TF_OK);
  const struct {
    const char *op;
    float       value;
  } nodes[] = {
      {"add",  -100000.0f},
      {"mul",  1.0f      },
      {"gemm", 3.7f      },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(nodes); i++) {
    float *weight = malloc(sizeof *weight);
    *weight       = nodes[i].value;
    assert_int_equal(tf_graph_append(graph, tf_op_find(nodes[i].op), "n",
                                     &(tf_op_params_t){.weight_cnt = 1}, weight, NULL),
                     TF_OK);
  }
  tf_plan_t           *plan = plan_of(graph, tf_isa_best());
  TF_ALIGNED(64) float scratch[64];
  float                row = 100000.1171875f, out; /* exact in float */
  double               want;
  assert_true(plan->scratch_bytes <= sizeof scratch);
  tf_execute_row(plan, scratch, &row, &out);
  assert_int_equal(tf_graph_eval(graph, &row, &want), TF_OK);
  assert_true(fabs((double)out - want) < 1e-6); /* folded: off by 5e-3 */
  tf_plan_delete(plan);
  graph_delete(graph);
}

static void folds_that_would_overflow_are_left_out(void **state) {
  (void)state;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  float      *scale = malloc(sizeof *scale), *weight = malloc(sizeof *weight);
  assert_int_equal(tf_graph_init(graph, "wide", 1), TF_OK);
  *scale = 1e30f, *weight = 1e30f;
  tf_op_params_t one = {.weight_cnt = 1};
  assert_int_equal(tf_graph_append(graph, tf_op_find("mul"), "s", &one, scale, NULL), TF_OK);
  assert_int_equal(tf_graph_append(graph, tf_op_find("gemm"), "w", &one, weight, NULL), TF_OK);
  tf_plan_t *plan = plan_of(graph, tf_isa_best());
  assert_int_equal(plan->step_cnt, 2);
  TF_ALIGNED(64) float scratch[64];
  float                row = 1e-35f, out;
  tf_execute_row(plan, scratch, &row, &out);
  assert_true(out > 0.9e25f && out < 1.1e25f);
  tf_plan_delete(plan);
  graph_delete(graph);
}

static const uint32_t mlp_widths[] = {19, 33, 17, 3};

static void same_row_gives_the_same_bits_whatever_ran_before(void **state) {
  (void)state;
  enum { ROWS = 40 };
  tf_graph_t *graph = calloc(1, sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", mlp_widths, 4, 9), TF_OK);
  float *rows = noise((size_t)ROWS * graph->input_cnt);
  float  first[ROWS][3], out[3];
  for (int isa = 0; isa < TF_ISA_CNT; isa++) {
    if (!tf_isa_supported((tf_isa_t)isa)) continue;
    tf_plan_t *plan    = plan_of(graph, (tf_isa_t)isa);
    float     *scratch = aligned_alloc(64, plan->scratch_bytes);
    /* scratch that holds NaN must not leak into a row */
    memset(scratch, 0xff, plan->scratch_bytes);
    for (int r = 0; r < ROWS; r++) {
      tf_execute_row(plan, scratch, rows + r * (int)graph->input_cnt, out);
      if (isa == TF_ISA_SCALAR) memcpy(first[r], out, sizeof out);
      assert_memory_equal(out, first[r], sizeof out);
    }
    for (int r = ROWS - 1; r >= 0; r--) {
      memset(scratch, r, plan->scratch_bytes);
      tf_execute_row(plan, scratch, rows + r * (int)graph->input_cnt, out);
      assert_memory_equal(out, first[r], sizeof out);
    }
    free(scratch);
    tf_plan_delete(plan);
  }
  free(rows);
  graph_delete(graph);
}

/* Of every instruction set and precision, and every number of rows that the tiles of a product divide otherwise. */
static void rows_at_once_have_the_bits_of_rows_by_themselves(void **state) {
  (void)state;
  static const char *const texts[] = {"gemm gemm", "clip gemm relu softmax gemm tanh",
                                      "gemm leaky_relu add gemm sigmoid", "mul gemm gelu gemm",
                                      "softmax"};
  static const uint32_t counts[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, TF_MODEL_ROWS_MAX};
  for (size_t t = 0; t < TF_ARRAY_CNT(texts) * TF_PRECISION_CNT * TF_ISA_CNT; t++) {
    tf_plan_spec_t spec = {.isa       = (tf_isa_t)(t % TF_ISA_CNT),
                           .precision = (tf_precision_t)(t / TF_ISA_CNT % TF_PRECISION_CNT)};
    if (!tf_isa_supported(spec.isa)) continue;
    tf_graph_t *graph = graph_of_text(texts[t / TF_ISA_CNT / TF_PRECISION_CNT]);
    tf_plan_t  *plan;
    spec.node_cnt = graph->node_cnt;
    assert_int_equal(tf_plan_new_part(graph, &spec, &plan), TF_OK);
    const uint32_t in_cnt = plan->input_cnt, out_cnt = plan->output_cnt;
    float *rows = noise((size_t)TF_MODEL_ROWS_MAX * in_cnt), *one = malloc(out_cnt * sizeof *one);
    float *scratch = aligned_alloc(64, tf_align_up(tf_execute_rows_bytes(plan), 64));
    for (size_t c = 0; c < TF_ARRAY_CNT(counts); c++) {
      float *out = malloc((size_t)counts[c] * out_cnt * sizeof *out); /* asan guards its end */
      memset(scratch, 0xff, tf_execute_rows_bytes(plan));
      tf_execute_rows(plan, scratch, rows, counts[c], out);
      for (uint32_t r = 0; r < counts[c]; r++) {
        tf_execute_row(plan, scratch, rows + r * in_cnt, one);
        assert_memory_equal(out + r * out_cnt, one, out_cnt * sizeof *one);
      }
      free(out);
    }
    free(rows);
    free(one);
    free(scratch);
    tf_plan_delete(plan);
    graph_delete(graph);
  }
}

static void rows_need_no_more_than_a_floats_alignment_and_exact_size(void **state) {
  (void)state;
  static const char *const texts[] = {"clip gemm", "gemm tanh", "sigmoid", "softmax"};
  for (size_t t = 0; t < TF_ARRAY_CNT(texts); t++) {
    tf_graph_t *graph   = graph_of_text(texts[t]);
    tf_plan_t  *plan    = plan_of(graph, tf_isa_best());
    float      *scratch = aligned_alloc(64, plan->scratch_bytes); /* asan guards its ends */
    float      *row     = malloc((plan->input_cnt + 1) * sizeof *row);
    float      *aligned = noise(plan->input_cnt);
    float      *out     = malloc(2 * plan->output_cnt * sizeof *out);
    memcpy(row + 1, aligned, plan->input_cnt * sizeof *row);
    tf_execute_row(plan, scratch, aligned, out);
    tf_execute_row(plan, scratch, row + 1, out + plan->output_cnt);
    assert_memory_equal(out, out + plan->output_cnt, plan->output_cnt * sizeof *out);
    free(scratch);
    free(row);
    free(aligned);
    free(out);
    tf_plan_delete(plan);
    graph_delete(graph);
  }
}

/* In the dev preset malloc on a sealed lane aborts. */
static void running_on_a_sealed_lane_allocates_nothing(void **state) {
  (void)state;
  tf_graph_t *graph   = graph_of_text("clip gemm relu softmax gemm tanh");
  tf_plan_t  *plan    = plan_of(graph, tf_isa_best());
  float      *scratch = aligned_alloc(64, plan->scratch_bytes);
  float      *row = noise(plan->input_cnt), *out = noise(plan->output_cnt);
  tf_arena_seal_all();
  tf_arena_lane_enter();
  tf_execute_row(plan, scratch, row, out);
  tf_arena_lane_leave();
  tf_arena_unseal_all();
  free(row);
  free(out);
  free(scratch);
  tf_plan_delete(plan);
  graph_delete(graph);
}

static void nan_in_a_row_comes_out(void **state) {
  (void)state;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  assert_int_equal(tf_shapes_mlp(graph, "mlp", mlp_widths, 4, 9), TF_OK);
  tf_plan_t *plan    = plan_of(graph, tf_isa_best());
  float     *scratch = aligned_alloc(64, plan->scratch_bytes);
  float     *row     = noise(graph->input_cnt), out[3];
  for (uint32_t i = 0; i < graph->input_cnt; i++) {
    float kept = row[i];
    row[i]     = NAN;
    tf_execute_row(plan, scratch, row, out);
    for (int o = 0; o < 3; o++) assert_true(isnan(out[o]));
    row[i] = kept;
  }
  tf_execute_row(plan, scratch, row, out);
  assert_true(isfinite(out[0]));
  free(row);
  free(scratch);
  tf_plan_delete(plan);
  graph_delete(graph);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(graph_without_nodes_has_no_plan),
      cmocka_unit_test(nodes_that_do_not_fit_are_refused_with_their_name),
      cmocka_unit_test(folds_that_would_overflow_are_left_out),
      cmocka_unit_test(shift_of_a_large_input_loses_no_digits),
      cmocka_unit_test(fusing_shortens_the_plan_and_keeps_the_answers),
      cmocka_unit_test(same_row_gives_the_same_bits_whatever_ran_before),
      cmocka_unit_test(rows_at_once_have_the_bits_of_rows_by_themselves),
      cmocka_unit_test(rows_need_no_more_than_a_floats_alignment_and_exact_size),
      cmocka_unit_test(running_on_a_sealed_lane_allocates_nothing),
      cmocka_unit_test(nan_in_a_row_comes_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
