/* Models made smaller, by fewer bits, values and units: what a file makes of them at load is what was measured, bit for bit, and every way in which such a file can be wrong. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/cluster.h"
#include "model/graph_file.h"
#include "model/loader.h"
#include "model/prune.h"
#include "model/rounding.h"
#include "model/shapes.h"
#include "op/small_float.h"

static char path[64];

static const tf_shapes_recurrent_t lstm = {
    .op = "lstm", .window = 7, .input_cnt = 5, .layer_cnt = 2, .units = 19};
static const uint32_t widths[] = {13, 40, 21, 3};

/* A perceptron over one row, or recurrent layers over a window. */
static tf_graph_t *make(bool windowed) {
  tf_graph_t *g = calloc(1, sizeof *g);
  assert_non_null(g);
  if (windowed) {
    assert_int_equal(tf_shapes_recurrent(g, "r", &lstm, 3), TF_OK);
    assert_int_equal(tf_graph_make_checks(g), TF_OK);
  } else {
    assert_int_equal(tf_shapes_mlp(g, "m", widths, TF_ARRAY_CNT(widths), 3), TF_OK);
  }
  return g;
}

static void drop(tf_graph_t *g) {
  tf_graph_fini(g);
  free(g);
}

static tf_err_t read_back(tf_graph_t *g) {
  tf_safetensors_t st;
  memset(g, 0, sizeof *g);
  tf_err_t err = tf_safetensors_read(&st, path);
  if (!err) err = tf_graph_file_read(g, &st, path, TF_MODEL_OUTPUTS_MAX);
  tf_safetensors_fini(&st);
  return err;
}

static void what_is_written_is_read_bit_for_bit(void **state) {
  (void)state;
  for (int windowed = 0; windowed < 2; windowed++)
    for (int precision = 0; precision < TF_PRECISION_CNT; precision++) {
      tf_graph_t *g = make(windowed), *back = calloc(1, sizeof *back);
      g->nodes[0].ranges[0] = 2.5f;
      assert_int_equal(tf_rounding_apply(g, (tf_precision_t)precision), TF_OK);
      assert_int_equal(tf_graph_file_write(g, path), TF_OK);
      assert_int_equal(read_back(back), TF_OK);
      assert_int_equal(back->precision, precision);
      assert_int_equal(back->node_cnt, g->node_cnt);
      assert_true(back->nodes[0].ranges[0] == 2.5f);
      for (uint32_t n = 0; n < g->node_cnt; n++)
        if (g->nodes[n].weight)
          assert_memory_equal(back->nodes[n].weight, g->nodes[n].weight,
                              g->nodes[n].params.weight_cnt * sizeof(float));
      drop(g);
      drop(back);
    }
}

/* Each weight is at most half a step of its precision away from what it was. */
static void rounding_moves_weights_by_half_a_step(void **state) {
  (void)state;
  static const double steps[] = {0.0, 0x1p-8, 0x1p-11};
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++) {
    tf_graph_t *g = make(false), *was = make(false);
    assert_int_equal(tf_rounding_apply(g, (tf_precision_t)precision), TF_OK);
    for (uint32_t n = 0; n < g->node_cnt; n++)
      for (uint64_t i = 0; g->nodes[n].weight && i < g->nodes[n].params.weight_cnt; i++) {
        const uint32_t  columns = g->nodes[n].params.in_cnt;
        const double    w       = (double)was->nodes[n].weight[i];
        tf_mat_source_t source  = {
             .weight = was->nodes[n].weight, .row_floats = columns, .in_cnt = columns};
        const double step =
            precision == TF_PRECISION_INT8
                ? (double)tf_mat_int8_weight_scale(&source, (uint32_t)(i / columns)) * 0.5001
                : fabs(w) * steps[precision];
        assert_true(fabs((double)g->nodes[n].weight[i] - w) <= step);
      }
    drop(g);
    drop(was);
  }
}

static void int8_weights_are_multiples_of_a_scale_that_lasts(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed < 200; seed++) {
    tf_graph_t *g = calloc(1, sizeof *g);
    assert_int_equal(tf_shapes_mlp(g, "m", widths, TF_ARRAY_CNT(widths), seed), TF_OK);
    assert_int_equal(tf_rounding_apply(g, TF_PRECISION_INT8), TF_OK);
    const uint32_t  columns = g->nodes[0].params.in_cnt;
    tf_mat_source_t source  = {
         .weight = g->nodes[0].weight, .row_floats = columns, .in_cnt = columns};
    for (uint32_t o = 0; o < g->nodes[0].params.out_cnt; o++) {
      const float scale = tf_mat_int8_weight_scale(&source, o);
      for (uint32_t k = 0; k < columns; k++) {
        const float w = g->nodes[0].weight[o * columns + k];
        assert_true(rintf(w / scale) * scale == w);
      }
    }
    drop(g);
  }
}

static void weights_beyond_fp16_are_refused_and_left_alone(void **state) {
  (void)state;
  static const float beyond = 65504.0f;
  const struct {
    float    weight;
    tf_err_t err;
  } cases[] = {
      {nextafterf(beyond, 0.0f), TF_OK},
      {-beyond,                 TF_OK               },
      {nextafterf(beyond,                 INFINITY),E_MODEL_WEIGHTS},
      {-1e30f,  E_MODEL_WEIGHTS                },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_graph_t *g          = make(false);
    g->nodes[0].weight[17] = cases[i].weight;
    const float other      = g->nodes[0].weight[18];
    assert_int_equal(tf_rounding_apply(g, TF_PRECISION_FP16), cases[i].err);
    if (cases[i].err) {
      assert_non_null(strstr(tf_error_text(), "weight 4 of output 1"));
      assert_true(g->nodes[0].weight[18] == other);
      assert_int_equal(g->precision, TF_PRECISION_FP32);
      tf_loader_options_t options = tf_loader_preset();
      tf_model_t         *model;
      options.model.precision = TF_PRECISION_FP16;
      assert_int_equal(tf_loader_make(g, &options, &model), E_MODEL_WEIGHTS);
    }
    drop(g);
  }
}

static void outputs_of_zeros_and_of_tiny_weights_have_no_scale(void **state) {
  (void)state;
  tf_graph_t *g = make(false), *back = calloc(1, sizeof *back);
  for (uint32_t k = 0; k < 13; k++)
    g->nodes[0].weight[k] = 0.0f, g->nodes[0].weight[13 + k] = 2e-38f;
  assert_int_equal(tf_rounding_apply(g, TF_PRECISION_INT8), TF_OK);
  assert_int_equal(tf_graph_file_write(g, path), TF_OK);
  assert_int_equal(read_back(back), TF_OK);
  for (uint32_t k = 0; k < 26; k++) assert_true(back->nodes[0].weight[k] == 0.0f);
  drop(g);
  drop(back);
}

/* ---- fewer values ---- */

static uint32_t distinct(const float *values, uint64_t cnt) {
  uint32_t found = 0;
  for (uint64_t i = 0; i < cnt; i++) {
    uint64_t k = 0;
    while (k < i && values[k] != values[i]) k++;
    found += k == i;
  }
  return found;
}

static void clustered_weights_are_few_values_and_survive_the_file(void **state) {
  (void)state;
  static const uint32_t cnts[] = {2, 3, 16, 255, 256};
  for (size_t i = 0; i < TF_ARRAY_CNT(cnts); i++)
    for (int windowed = 0; windowed < 2; windowed++) {
      tf_graph_t *g = make(windowed), *was = make(windowed), *back = calloc(1, sizeof *back);
      assert_int_equal(tf_cluster_apply(g, cnts[i]), TF_OK);
      assert_int_equal(tf_rounding_apply(g, TF_PRECISION_INT8), TF_OK);
      assert_int_equal(tf_graph_file_write(g, path), TF_OK);
      assert_int_equal(read_back(back), TF_OK);
      assert_int_equal(back->precision, TF_PRECISION_INT8);
      const tf_op_params_t *p    = &g->nodes[0].params;
      const float          *from = was->nodes[0].weight, *to = g->nodes[0].weight;
      double                lost = 0.0, all = 0.0;
      for (uint64_t k = 0; k < p->weight_cnt; k++) {
        lost += pow((double)to[k] - (double)from[k], 2.0);
        all += pow((double)from[k], 2.0);
      }
      assert_true(distinct(to, p->weight_cnt) <= cnts[i]);
      /* weights are uniform: cells as wide as each other leave 1 / cnt^2 of the squares */
      assert_true(lost / all < 1.3 / ((double)cnts[i] * cnts[i]));
      assert_memory_equal(back->nodes[0].weight, to, p->weight_cnt * sizeof(float));
      drop(g);
      drop(was);
      drop(back);
    }
}

static void values_that_are_already_few_are_kept(void **state) {
  (void)state;
  static const float sorted[] = {-2.0f, -2.0f, -1.0f, -1.0f, -1.0f, 0.5f, 3.0f, 3.0f};
  float              values[8];
  tf_cluster_values(sorted, TF_ARRAY_CNT(sorted), 6, values);
  for (size_t i = 0; i < TF_ARRAY_CNT(sorted); i++)
    assert_true(values[tf_cluster_nearest(values, 6, sorted[i])] == sorted[i]);
}

/* ---- fewer units ---- */

static void check_pruned(tf_graph_t *g, uint32_t axes, uint32_t units, uint32_t left) {
  tf_prune_report_t report;
  assert_int_equal(tf_prune_apply(g, 0.3, &report), TF_OK);
  assert_int_equal(report.axis_cnt, axes);
  assert_int_equal(report.unit_cnt, units);
  assert_int_equal(report.left_cnt, left);
}

/* Nobody reads five of 19 units of either layer, which is 0.3 of them. */
static void silence(tf_graph_t *g, uint32_t gates) {
  static const uint32_t silent[] = {2, 3, 7, 11, 18};
  for (size_t s = 0; s < TF_ARRAY_CNT(silent); s++) {
    for (uint32_t row = 0; row < gates * 19; row++) {
      g->nodes[0].weight[row * 24 + 5 + silent[s]]  = 0.0f;
      g->nodes[1].weight[row * 38 + silent[s]]      = 0.0f;
      g->nodes[1].weight[row * 38 + 19 + silent[s]] = 0.0f;
    }
    g->nodes[3].weight[silent[s]] = 0.0f;
  }
}

static void units_that_nobody_reads_go_first_and_leave_the_answers(void **state) {
  (void)state;
  for (int gru = 0; gru < 2; gru++) {
    tf_shapes_recurrent_t shape = lstm;
    tf_graph_t           *g     = calloc(1, sizeof *g);
    float                 rows[7 * 5];
    double                was, is;
    uint64_t              seed = 5;
    shape.op                   = gru ? "gru" : "lstm";
    assert_int_equal(tf_shapes_recurrent(g, "r", &shape, 3), TF_OK);
    tf_shapes_noise(rows, TF_ARRAY_CNT(rows), &seed);
    silence(g, gru ? 3 : 4);
    assert_int_equal(tf_graph_eval(g, rows, &was), TF_OK);
    check_pruned(g, 2, 38, 28);
    assert_int_equal(g->nodes[0].params.out_cnt, 14);
    assert_int_equal(g->nodes[1].params.in_cnt, 14);
    assert_int_equal(g->nodes[3].params.in_cnt, 14);
    assert_int_equal(tf_graph_eval(g, rows, &is), TF_OK);
    assert_true(fabs(is - was) < 1e-12);
    drop(g);
  }
}

static void a_perceptron_loses_units_between_its_products(void **state) {
  (void)state;
  tf_graph_t *g = make(false);
  check_pruned(g, 2, 61, 43); /* 12 of 40 and 6 of 21 go; inputs and outputs stay */
  assert_int_equal(g->param_cnt, 13 * 28 + 28 + 28 * 15 + 15 + 15 * 3 + 3);
  assert_int_equal(tf_graph_make_checks(g), TF_OK);
  tf_loader_options_t options = tf_loader_preset();
  tf_model_t         *model;
  assert_int_equal(tf_loader_make(g, &options, &model), TF_OK);
  assert_int_equal(tf_loader_check(g, model, &options.model, NULL), TF_OK);
  tf_loader_unload(model);
  drop(g);
}

static void a_product_alone_has_nothing_to_prune(void **state) {
  (void)state;
  static const uint32_t two[] = {5, 3};
  tf_prune_report_t     report;
  tf_graph_t           *g = calloc(1, sizeof *g);
  assert_int_equal(tf_shapes_mlp(g, "m", two, 2, 3), TF_OK);
  assert_int_equal(tf_prune_apply(g, 0.3, &report), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "no hidden units"));
  drop(g);
}

/* ---- files ---- */

#define NODES                                                                                      \
  "[{\"op\":\"gemm\",\"name\":\"d\",\"weight\":\"w\",\"bias\":\"b\"%s},"                           \
  "{\"op\":\"tanh\",\"name\":\"t\"%s}]"

static const float  biases[] = {0.125f}, good_scale[] = {0.25f};
static const int8_t good_weights[] = {127, -2};

static tf_err_t load(const tf_safetensors_source_t *sources, uint32_t cnt, const char *precision,
                     const char *gemm_keys, const char *tanh_keys) {
  char nodes[512], graph[600];
  snprintf(nodes, sizeof nodes, NODES, gemm_keys, tanh_keys);
  snprintf(graph, sizeof graph, "{\"input\":2,\"output\":1,\"nodes\":%s}", nodes);
  const tf_safetensors_text_t texts[] = {
      {"format",        "tickfuse-model"                                   },
      {"version",       "1"                                                },
      {"name",          "small"                                            },
      {"producer",      "test"                                             },
      {"source",        "none"                                             },
      {"graph",         graph                                              },
      {"features",      "[\"mid\",\"spread\"]"                             },
      {"check",         "{\"inputs\":[[0.0,0.0]],\"outputs\":[[0.124353]]}"},
      {"source_sha256", ""                                                 },
      {"precision",     precision                                          },
  };
  tf_model_t              *model;
  const tf_model_options_t options = {.precision = TF_PRECISION_AUTO};
  assert_int_equal(tf_safetensors_write(path, texts, TF_ARRAY_CNT(texts), sources, cnt), TF_OK);
  tf_err_t err = tf_model_loader.load(path, &options, &model);
  if (!err) assert_string_equal(tf_precision_name(model->precision), precision);
  tf_model_loader.unload(model);
  return err;
}

#define WEIGHT(type, values_)                                                                      \
  { .name = "w", .rank = 2, .shape = {1, 2}, .dtype = TF_SAFETENSORS_##type, .values = values_ }
#define VECTOR(name_, cnt, values_)                                                                \
  { .name = name_, .rank = 1, .shape = {cnt}, .values = values_ }

static void files_that_contradict_themselves_are_refused_in_words(void **state) {
  (void)state;
  static const int8_t   too_small[] = {-128, 5};
  static const uint8_t  numbers[]   = {0, 1};
  static const uint16_t half_nan[] = {0x7e00, 0x3c00}, halves[] = {0x3c00, 0xc000};
  static const float    many[257] = {0.5f}, two[] = {0.25f, 0.25f}, nan[] = {NAN};
  static const float    negative[] = {-0.25f}, huge[] = {1e37f}, tiny[] = {1e-33f};
  /* clang-format off: a table */
  static const struct {
    tf_safetensors_source_t sources[3];
    uint32_t                cnt;
    const char             *precision, *gemm, *tanh;
    tf_err_t                err;
    const char             *says;
  } cases[] = {
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 1, good_scale)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       TF_OK,                                                                                                                                        ""                                        },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 1, good_scale)},
       3,                                                                                                      "int8",
       ",\"ranges\":[3.5]",                                                                                                "",
       TF_OK,                                                                                                                                        ""                                        },
      {{WEIGHT(F16, halves), VECTOR("b", 1, biases)},                                                       2, "fp16", "", "",                TF_OK, ""                                        },
      {{WEIGHT(U8, numbers), VECTOR("b", 1, biases), VECTOR("w.codebook", 2, two)},
       3,                                                                                                      "fp32",
       "",                                                                                                                 "",
       TF_OK,                                                                                                                                        ""                                        },
      {{WEIGHT(U8, numbers), VECTOR("b", 1, biases), VECTOR("w.codebook", 256, many)},
       3,                                                                                                      "fp32",
       "",                                                                                                                 "",
       TF_OK,                                                                                                                                        ""                                        },
      {{WEIGHT(U8, numbers), VECTOR("b", 1, biases), VECTOR("w.codebook", 257, many)},
       3,                                                                                                      "fp32",
       "",                                                                                                                 "",
       E_MODEL_FORMAT,                                                                                                                               "of 1 to 256 F32"                         },
      {{WEIGHT(U8, numbers), VECTOR("b", 1, biases), VECTOR("w.codebook", 1, two)},
       3,                                                                                                      "fp32",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "element 1 is number 1 of a codebook of 1"},
      {{WEIGHT(U8, numbers), VECTOR("b", 1, biases)},
       2,                                                                                                      "fp32",
       "",                                                                                                                 "",
       E_MODEL_FORMAT,                                                                                                                               "\"w.codebook\""                          },
      {{WEIGHT(F16, half_nan), VECTOR("b", 1, biases)},
       2,                                                                                                      "fp16",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "element 0 is NaN"                        },
      {{WEIGHT(U16, halves), VECTOR("b", 1, biases)},
       2,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_UNSUPPORTED,                                                                                                                          "is U16"                                  },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases)},
       2,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_FORMAT,                                                                                                                               "\"w.scale\" of F32 is wanted"            },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 2, two)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_SHAPE,                                                                                                                                "2 scales, 1 are wanted"                  },
      {{WEIGHT(I8, too_small), VECTOR("b", 1, biases), VECTOR("w.scale", 1, good_scale)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "element 0 is -128"                       },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 1, negative)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "element 0 is -0.25"                      },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 1, huge)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "are allowed"                             },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 1, tiny)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "are allowed"                             },
      {{WEIGHT(I8, good_weights), VECTOR("b", 1, biases), VECTOR("w.scale", 1, nan)},
       3,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_WEIGHTS,                                                                                                                              "element 0 is nan"                        },
      {{WEIGHT(F32, two),
        {.name = "b", .rank = 1, .shape = {1}, .dtype = TF_SAFETENSORS_I8, .values = good_weights}},
       2,                                                                                                      "int8",
       "",                                                                                                                 "",
       E_MODEL_FORMAT,                                                                                                                               "no product's weight"                     },
      {{WEIGHT(F32, two), VECTOR("b", 1, biases)},
       2,                                                                                                      "fp8",
       "",                                                                                                                 "",
       E_MODEL_FORMAT,                                                                                                                               "\"fp8\" is none of"                      },
      {{WEIGHT(F32, two), VECTOR("b", 1, biases)},
       2,                                                                                                      "fp32",
       ",\"ranges\":[-1]",                                                                                                 "",
       E_MODEL_FORMAT,                                                                                                                               "number 0 is none of 0 to"                },
      {{WEIGHT(F32, two), VECTOR("b", 1, biases)},
       2,                                                                                                      "fp32",
       ",\"ranges\":[1,1]",                                                                                                "",
       E_MODEL_FORMAT,                                                                                                                               "no list of at most 1"                    },
      {{WEIGHT(F32, two), VECTOR("b", 1, biases)},
       2,                                                                                                      "fp32",
       "",                                                                                                                 ",\"ranges\":[1]",
       E_MODEL_FORMAT,                                                                                                                               "takes no \"ranges\""                     },
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_err_t err =
        load(cases[i].sources, cases[i].cnt, cases[i].precision, cases[i].gemm, cases[i].tanh);
    if (err != cases[i].err || (err && !strstr(tf_error_text(), cases[i].says)))
      fail_msg("case %zu: %d, '%s'; '%s' is wanted", i, (int)err, err ? tf_error_text() : "",
               cases[i].says);
  }
}

int main(void) {
  snprintf(path, sizeof path, "/tmp/test_rounding.%d.safetensors", (int)getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_that_contradict_themselves_are_refused_in_words),
      cmocka_unit_test(weights_beyond_fp16_are_refused_and_left_alone),
      cmocka_unit_test(what_is_written_is_read_bit_for_bit),
      cmocka_unit_test(rounding_moves_weights_by_half_a_step),
      cmocka_unit_test(int8_weights_are_multiples_of_a_scale_that_lasts),
      cmocka_unit_test(a_product_alone_has_nothing_to_prune),
      cmocka_unit_test(a_perceptron_loses_units_between_its_products),
      cmocka_unit_test(units_that_nobody_reads_go_first_and_leave_the_answers),
      cmocka_unit_test(values_that_are_already_few_are_kept),
      cmocka_unit_test(clustered_weights_are_few_values_and_survive_the_file),
      cmocka_unit_test(outputs_of_zeros_and_of_tiny_weights_have_no_scale),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
