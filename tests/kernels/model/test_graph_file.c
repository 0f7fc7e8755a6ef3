/* Model files: what the loader takes, and every way in which a file can be wrong inside a container
 * that is right. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/graph_file.h"
#include "model/loader.h"
#include "model/shapes.h"

static const tf_model_options_t as_the_file_says = {0};

static char path[64];

#define NODES                                                                                      \
  "[{\"op\":\"gemm\",\"name\":\"d\",\"weight\":\"w\",\"bias\":\"b\"},"                             \
  "{\"op\":\"tanh\",\"name\":\"t\"}]"
#define GRAPH    "{\"input\":2,\"output\":1,\"nodes\":" NODES "}"
#define FEATURES "[\"mid\",\"spread\"]"
/* tanh(0.5 * 1 - 0.25 * 2 + 0.125) */
#define CHECK "{\"inputs\":[[1.0,2.0]],\"outputs\":[[0.124353]]}"

static const float weights[] = {0.5f, -0.25f}, biases[] = {0.125f};

/* The metadata of a good file, in order; a case replaces one of them. */
static const tf_safetensors_text_t good_texts[] = {
    {"format",        "tickfuse-model"},
    {"version",       "1"             },
    {"name",          "small"         },
    {"producer",      "test"          },
    {"source",        "none"          },
    {"graph",         GRAPH           },
    {"features",      FEATURES        },
    {"check",         CHECK           },
    {"source_sha256", ""              },
};

static tf_err_t load_with(const char *key, const char *value,
                          const tf_safetensors_source_t *sources, uint32_t source_cnt) {
  tf_safetensors_text_t texts[TF_ARRAY_CNT(good_texts) + 1];
  uint32_t              cnt = 0;
  bool                  hit = false;
  for (size_t i = 0; i < TF_ARRAY_CNT(good_texts); i++) {
    texts[cnt] = good_texts[i];
    if (key && strcmp(key, texts[cnt].key) == 0) {
      hit = true;
      if (!value) continue;
      texts[cnt].value = value;
    }
    cnt++;
  }
  if (key && !hit) texts[cnt++] = (tf_safetensors_text_t){key, value};
  assert_int_equal(tf_safetensors_write(path, texts, cnt, sources, source_cnt), TF_OK);
  tf_model_t *model;
  tf_err_t    err = tf_model_loader.load(path, &as_the_file_says, &model);
  assert_true((err == TF_OK) == (model != NULL));
  tf_model_loader.unload(model);
  return err;
}

static const tf_safetensors_source_t good_sources[] = {
    {.name = "w", .rank = 2, .shape = {1, 2}, .values = weights},
    {.name = "b", .rank = 1, .shape = {1},    .values = biases },
};

static void refuses(const char *key, const char *value, tf_err_t wanted, const char *says) {
  tf_err_t err = load_with(key, value, good_sources, 2);
  if (err != wanted)
    fail_msg("%s = %s: %s, not %s: %s", key, value ? value : "(missing)", tf_error_name(err),
             tf_error_name(wanted), tf_error_text());
  if (!strstr(tf_error_text(), says) || !strstr(tf_error_text(), path))
    fail_msg("'%s' does not say '%s' and the file", tf_error_text(), says);
}

#define NODE(fields) "{\"input\":2,\"output\":1,\"nodes\":[{" fields "}]}"
#define W            "\"weight\":\"w\",\"bias\":\"b\""

static void metadata_that_is_wrong_is_refused_by_key(void **state) {
  (void)state;
  static const struct {
    const char *key;
    const char *value;
    tf_err_t    err;
    const char *says;
  } cases[] = {
      {"format",   NULL,                                                                   E_MODEL_FORMAT,      "no \"format\""  },
      {"format",   "pt",                                                                   E_MODEL_FORMAT,      "\"pt\" is not"  },
      {"version",  "4",                                                                    E_MODEL_FORMAT,      "version \"4\""  },
      {"version",  "3",                                                                    E_MODEL_FORMAT,      "window"         },
      {"version",  "2",                                                                    E_MODEL_FORMAT,      "window"         },
      {"name",     NULL,                                                                   E_MODEL_FORMAT,      "no \"name\""    },
      {"name",     "",                                                                     E_MODEL_FORMAT,      "name of 0 bytes"},
      {"name",     "a/b",                                                                  E_MODEL_FORMAT,      "\"a/b\""        },
      {"name",     "..",                                                                   E_MODEL_FORMAT,      "dot"            },
      {"name",     "0123456789012345678901234567890123",                                   E_MODEL_FORMAT,      "34 bytes"       },
      {"source",   NULL,                                                                   E_MODEL_FORMAT,      "no \"source\""  },
      {"producer",
       "0123456789012345678901234567890123456789012345678901234567890123456789"
       "0123456789012345678901234567890123456789012345678901234567890123456789",           E_MODEL_FORMAT,      "longer than 127"},
      {"training", "[]",                                                                   E_MODEL_FORMAT,      "no object"      },
      {"training", "{",                                                                    E_MODEL_FORMAT,      "not JSON"       },
      {"features", "[\"mid\"]",                                                            E_MODEL_SCHEMA,      "1 features for" },
      {"features", "[\"mid\",\"mid\"]",                                                    E_MODEL_SCHEMA,      "twice"          },
      {"features", "[\"mid\",7]",                                                          E_MODEL_SCHEMA,      "not text"       },
      {"features", "[\"mid\",\"ema(mid, 20)\"]",                                           E_MODEL_SCHEMA,      "canonical"      },
      {"features", "{}",                                                                   E_MODEL_SCHEMA,      "0 features"     },
      {"features", "[\"mid\",\"spread\"",                                                  E_MODEL_FORMAT,      "not JSON"       },
      {"check",    NULL,                                                                   E_MODEL_FORMAT,      "no \"check\""   },
      {"check",    "{\"inputs\":[[1,2]],\"outputs\":[]}",                                  E_MODEL_FORMAT,      "0 rows of outp" },
      {"check",    "{\"inputs\":[[1]],\"outputs\":[[1]]}",                                 E_MODEL_FORMAT,      "has 1 values"   },
      {"check",    "{\"inputs\":[[1,1e39]],\"outputs\":[[1]]}",                            E_MODEL_FORMAT,      "not a float"    },
      {"check",    "{\"inputs\":[[1,2]],\"outputs\":[[0.1244]]}",                          E_MODEL_CHECK,       "known answer 0" },
      {"graph",    "[]",                                                                   E_MODEL_FORMAT,      "\"input\""      },
      {"graph",    "{\"input\":0,\"output\":1,\"nodes\":[]}",                              E_MODEL_FORMAT,      "\"input\""      },
      {"graph",    "{\"input\":1025,\"output\":1,\"nodes\":[]}",                           E_MODEL_FORMAT,      "1 to 1024"      },
      {"graph",    "{\"input\":2,\"output\":257,\"nodes\":[]}",                            E_MODEL_FORMAT,      "1 to 256"       },
      {"graph",    "{\"input\":2,\"output\":1,\"nodes\":[]}",                              E_MODEL_FORMAT,      "1 to 256 nodes" },
      {"graph",    "{\"input\":2,\"output\":1,\"nodes\":[],\"x\":1}",                      E_MODEL_FORMAT,      "wanted"         },
      {"graph",    "{\"input\":3,\"output\":1,\"nodes\":" NODES "}",                       E_MODEL_SHAPE,       "of 3 columns"   },
      {"graph",    "{\"input\":2,\"output\":2,\"nodes\":" NODES "}",                       E_MODEL_SHAPE,       "says 2"         },
      {"graph",    NODE("\"op\":\"conv\",\"name\":\"c\""),                                 E_MODEL_UNSUPPORTED, "\"conv\""       },
      {"graph",    NODE("\"op\":7,\"name\":\"c\""),                                        E_MODEL_FORMAT,      "no op or name"  },
      {"graph",    NODE("\"op\":\"gemm\",\"name\":\"d\""),                                 E_MODEL_FORMAT,      "no \"weight\""  },
      {"graph",    NODE("\"op\":\"gemm\",\"name\":\"d\",\"weight\":\"x\""),                E_MODEL_FORMAT,
       "\"x\" is not"                                                                                                            },
      {"graph",    NODE("\"op\":\"gemm\",\"name\":\"d\",\"weight\":\"b\""),                E_MODEL_SHAPE,       "rank 1"         },
      {"graph",    NODE("\"op\":\"gemm\",\"name\":\"d\",\"weight\":\"w\",\"bias\":\"w\""),
       E_MODEL_FORMAT,                                                                                          "used twice"     },
      {"graph",    NODE("\"op\":\"gemm\",\"name\":\"d\",\"weight\":\"w\""),                E_MODEL_FORMAT,
       "by no node"                                                                                                              },
      {"graph",    NODE("\"op\":\"gemm\",\"name\":\"d\"," W ",\"alpha\":1"),               E_MODEL_FORMAT,
       "no \"alpha\""                                                                                                            },
      {"graph",    NODE("\"op\":\"relu\",\"name\":\"r\",\"weight\":\"w\""),                E_MODEL_FORMAT,
       "no \"weight\""                                                                                                           },
      {"graph",    NODE("\"op\":\"clip\",\"name\":\"c\",\"alpha\":0.0"),                   E_MODEL_FORMAT,
       "\"beta\" is not"                                                                                                         },
      {"graph",    NODE("\"op\":\"clip\",\"name\":\"c\",\"alpha\":2.0,\"beta\":1.0"),      E_MODEL_SHAPE,
       "lower bound"                                                                                                             },
      {"graph",    NODE("\"op\":\"leaky_relu\",\"name\":\"c\",\"alpha\":\"x\""),           E_MODEL_FORMAT,
       "not a float"                                                                                                             },
      {"graph",    NODE("\"op\":\"mul\",\"name\":\"c\",\"weight\":\"b\""),                 E_MODEL_SHAPE,
       "1 constants"                                                                                                             },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++)
    refuses(cases[i].key, cases[i].value, cases[i].err, cases[i].says);
}

static void weights_that_are_no_numbers_are_refused_by_tensor_and_element(void **state) {
  (void)state;
  static const float bad[] = {NAN, INFINITY, 1e-40f};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    float                   spoiled[] = {0.5f, bad[i]};
    tf_safetensors_source_t sources[] = {good_sources[0], good_sources[1]};
    sources[0].values                 = spoiled;
    assert_int_equal(load_with(NULL, NULL, sources, 2), E_MODEL_WEIGHTS);
    assert_non_null(strstr(tf_error_text(), "0.gemm.weight: element 1"));
  }
}

static void tensor_that_no_node_uses_is_refused(void **state) {
  (void)state;
  tf_safetensors_source_t sources[] = {good_sources[0], good_sources[1], good_sources[1]};
  sources[2].name                   = "spare";
  assert_int_equal(load_with(NULL, NULL, sources, 3), E_MODEL_FORMAT);
  assert_non_null(strstr(tf_error_text(), "\"spare\" is used by no node"));
}

static void damaged_weight_is_found_by_the_known_answer(void **state) {
  (void)state;
  float                   spoiled[] = {0.5f, -0.26f};
  tf_safetensors_source_t sources[] = {good_sources[0], good_sources[1]};
  sources[0].values                 = spoiled;
  assert_int_equal(load_with(NULL, NULL, sources, 2), E_MODEL_CHECK);
}

static void as_many_outputs_as_the_limit_load_and_one_more_does_not(void **state) {
  (void)state;
  for (uint32_t cnt = TF_MODEL_OUTPUTS_MAX - 1; cnt <= TF_MODEL_OUTPUTS_MAX + 1; cnt++) {
    tf_graph_t *graph = calloc(1, sizeof *graph);
    tf_model_t *model = NULL;
    assert_int_equal(tf_shapes_mlp(graph, "wide", (uint32_t[]){2, cnt}, 2, 1), TF_OK);
    assert_int_equal(tf_graph_file_write(graph, path), TF_OK);
    tf_err_t err = tf_model_loader.load(path, &as_the_file_says, &model);
    assert_int_equal(err, cnt > TF_MODEL_OUTPUTS_MAX ? E_MODEL_FORMAT : TF_OK);
    if (!err) assert_int_equal(model->output_cnt, cnt);
    tf_model_loader.unload(model);
    tf_graph_fini(graph);
    free(graph);
  }
}

static void every_truncation_is_refused(void **state) {
  (void)state;
  tf_model_t *model;
  assert_int_equal(load_with(NULL, NULL, good_sources, 2), TF_OK);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  uint8_t bytes[4096];
  size_t  cnt = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  assert_true(cnt < sizeof bytes);
  for (size_t i = 0; i < cnt; i++) {
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, i, file), i);
    fclose(file);
    assert_int_equal(tf_model_loader.load(path, &as_the_file_says, &model), E_MODEL_FORMAT);
    assert_null(model);
  }
}

static void good_file_runs_and_describes_itself(void **state) {
  (void)state;
  tf_model_t *model;
  assert_int_equal(load_with("training", "{\"note\":\"by hand\"}", good_sources, 2), TF_OK);
  assert_int_equal(tf_model_loader.load(path, &as_the_file_says, &model), TF_OK);
  assert_string_equal(model->name, "small");
  assert_int_equal(model->input_cnt, 2);
  assert_int_equal(model->output_cnt, 1);
  assert_int_equal(model->param_cnt, 3);
  assert_string_equal(model->features[1], "spread");
  assert_int_equal(strlen(model->sha256_hex), 64);
  unsigned bytes[4];
  assert_int_equal(
      sscanf(model->sha256_hex, "%2x%2x%2x%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3]), 4);
  assert_int_equal(model->hash, bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24);
  void *scratch = aligned_alloc(64, model->scratch_bytes);
  float out;
  model->run(model, scratch, (float[]){1.0f, 2.0f}, &out);
  assert_true(fabs((double)out - tanh(0.125)) < 1e-7);
  free(scratch);
  tf_model_loader.unload(model);
  tf_model_loader.unload(NULL);
}

static void written_graph_is_read_back_alike(void **state) {
  (void)state;
  tf_graph_t      *graph = calloc(1, sizeof *graph), *back = calloc(1, sizeof *back);
  tf_safetensors_t st;
  assert_int_equal(tf_shapes_mlp(graph, "mlp", (uint32_t[]){5, 9, 3}, 3, 4), TF_OK);
  tf_op_params_t clip = {.alpha = -0.1f, .beta = 3.4028234664e38f};
  assert_int_equal(tf_graph_append(graph, tf_op_find("clip"), "c", &clip, NULL, NULL), TF_OK);
  assert_int_equal(tf_graph_make_checks(graph), TF_OK);
  assert_int_equal(tf_graph_file_write(graph, path), TF_OK);
  assert_int_equal(tf_safetensors_read(&st, path), TF_OK);
  assert_int_equal(tf_graph_file_read(back, &st, path, TF_MODEL_OUTPUTS_MAX), TF_OK);
  assert_int_equal(back->node_cnt, graph->node_cnt);
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    const tf_graph_node_t *a = &graph->nodes[i], *b = &back->nodes[i];
    assert_ptr_equal(a->op, b->op);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->params.weight_cnt, b->params.weight_cnt);
    if (a->weight)
      assert_memory_equal(a->weight, b->weight, a->params.weight_cnt * sizeof *a->weight);
    if (a->bias) assert_memory_equal(a->bias, b->bias, a->params.bias_cnt * sizeof *a->bias);
    assert_true(a->params.alpha == b->params.alpha && a->params.beta == b->params.beta);
  }
  assert_memory_equal(graph->check_inputs, back->check_inputs,
                      graph->check_cnt * graph->input_cnt * sizeof(float));
  assert_memory_equal(graph->check_outputs, back->check_outputs,
                      graph->check_cnt * graph->output_cnt * sizeof(float));
  tf_safetensors_fini(&st);
  tf_graph_fini(graph);
  tf_graph_fini(back);
  free(graph);
  free(back);
}

static void committed_example_loads(void **state) {
  (void)state;
  tf_model_t *model;
  assert_int_equal(
      tf_model_loader.load("models/example-mlp.safetensors", &as_the_file_says, &model), TF_OK);
  assert_string_equal(model->name, "example-mlp");
  assert_int_equal(model->input_cnt, 12);
  assert_string_equal(model->features[0], "spread_bps");
  tf_model_loader.unload(model);
}

int main(void) {
  snprintf(path, sizeof path, "/tmp/tickfuse_graph_%d.safetensors", (int)getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(metadata_that_is_wrong_is_refused_by_key),
      cmocka_unit_test(weights_that_are_no_numbers_are_refused_by_tensor_and_element),
      cmocka_unit_test(tensor_that_no_node_uses_is_refused),
      cmocka_unit_test(damaged_weight_is_found_by_the_known_answer),
      cmocka_unit_test(as_many_outputs_as_the_limit_load_and_one_more_does_not),
      cmocka_unit_test(every_truncation_is_refused),
      cmocka_unit_test(good_file_runs_and_describes_itself),
      cmocka_unit_test(written_graph_is_read_back_alike),
      cmocka_unit_test(committed_example_loads),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
