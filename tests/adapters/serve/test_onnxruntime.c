/* The real ONNX Runtime beside our own kernels, on the models that PyTorch, LightGBM and XGBoost exported: the same answers; and what it
 * refuses, in which words. The library: $TF_ONNXRUNTIME, or where a system or pip keeps it; else skipped. */
#include "cmocka_tf.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/features.h"
#include "model/import_onnx.h"
#include "model/loader.h"
#include "serve/registry.h"

#define APART_MAX 1e-5 /* of the greater of 1 and the magnitude */
#define ANSWERS   20

static char library[1024];

static const char *const places[] = {
    "/usr/lib/*/libonnxruntime.so.1",
    "/usr/lib/libonnxruntime.so.1",
    "/usr/local/lib/libonnxruntime.so.1",
    "../*/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*",
    "../../*/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.1.*",
};

static bool find_library(void) {
  const char *named = getenv("TF_ONNXRUNTIME");
  if (named) {
    snprintf(library, sizeof library, "%s", named);
    return true;
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(places) && !*library; i++) {
    glob_t found;
    if (glob(places[i], 0, NULL, &found) == 0) {
      snprintf(library, sizeof library, "%s", found.gl_pathv[0]);
      globfree(&found);
    }
  }
  return *library;
}

static const tf_runtime_t *runtime(void) {
  for (uint32_t i = 0; i < tf_runtimes_all_cnt; i++)
    if (!strcmp(tf_runtimes_all[i]->name, "onnxruntime")) return tf_runtimes_all[i];
  return NULL;
}

typedef struct golden {
  const char *file, *output; /* output NULL: the only one */
  uint32_t    rows, width, output_cnt;
} golden_t;

static const golden_t goldens[] = {
    {"activations.onnx",      NULL,            1,  10, 3},
    {"conv_norm.onnx",        NULL,            6,  24, 1},
    {"deeplob.onnx",          NULL,            32, 40, 3},
    {"gru.onnx",              NULL,            18, 7,  3},
    {"lightgbm.onnx",         NULL,            1,  8,  1},
    {"lightgbm_classes.onnx", "probabilities", 1,  8,  3},
    {"lstm.onnx",             NULL,            20, 8,  1},
    {"lstm_both.onnx",        NULL,            16, 6,  1},
    {"mlp.onnx",              NULL,            1,  12, 1},
    {"nbeats.onnx",           NULL,            1,  24, 1},
    {"patchtst_dynamo.onnx",  NULL,            40, 4,  3},
    {"rnn.onnx",              NULL,            15, 5,  1},
    {"tcn.onnx",              NULL,            32, 8,  1},
    {"tft.onnx",              NULL,            12, 5,  3},
    {"transformer.onnx",      NULL,            16, 7,  1},
    {"xgboost.onnx",          NULL,            1,  8,  1},
};

static tf_runtime_config_t config_of(const golden_t *g, char path[256]) {
  snprintf(path, 256, "tests/golden/models/%s", g->file);
  return (tf_runtime_config_t){.model      = "far",
                               .file       = path,
                               .library    = library,
                               .output     = g->output,
                               .rows       = g->rows,
                               .width      = g->width,
                               .output_cnt = g->output_cnt,
                               .in_flight  = 1,
                               .threads    = 1};
}

static void make_ours(const golden_t *g, const char *path, tf_graph_t *graph, tf_model_t **model) {
  tf_features_t           features = {0};
  tf_import_onnx_report_t report;
  for (uint32_t i = 0; i < g->width; i++) {
    char name[16];
    int  cnt = snprintf(name, sizeof name, "f%u", i);
    assert_int_equal(tf_features_append(&features, name, (size_t)cnt), TF_OK);
  }
  tf_import_onnx_spec_t spec = {.name     = "near",
                                .features = &features,
                                .window   = g->rows > 1 ? g->rows : 0,
                                .output   = g->output};
  tf_err_t              err  = tf_import_onnx(path, &spec, graph, &report);
  if (err) fail_msg("%s: %s", path, tf_error_text());
  tf_loader_options_t options = tf_loader_preset();
  err                         = tf_loader_make(graph, &options, model);
  if (err) fail_msg("%s: %s", path, tf_error_text());
  tf_features_fini(&features);
}

static float next_value(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (float)(int32_t)(*seed >> 32) / (float)INT32_MAX * 2.0f;
}

static void compare(const golden_t *g) {
  char                path[256];
  tf_runtime_config_t config = config_of(g, path);
  tf_graph_t          graph  = {0};
  tf_model_t         *model  = NULL;
  tf_loader_session_t session;
  void               *self;
  uint32_t            hash;
  uint64_t            seed = 42;
  float ours[TF_MODEL_OUTPUTS_MAX], *rows = calloc((size_t)g->rows * g->width, sizeof *rows);
  make_ours(g, path, &graph, &model);
  assert_int_equal(tf_loader_session_init(&session, model), TF_OK);
  tf_err_t err = runtime()->open(&config, &self, &hash);
  if (err) fail_msg("%s: %s", path, tf_error_text());
  for (uint64_t n = 1; n <= ANSWERS; n++) {
    tf_runtime_done_t done = {0};
    for (uint32_t i = 0; i < g->rows * g->width; i++) rows[i] = next_value(&seed);
    runtime()->begin(self, 0, n, rows);
    assert_int_equal(runtime()->poll(self, 0, &done, 1), 1);
    assert_int_equal(done.miss, TF_RUNTIME_ANSWERED);
    tf_loader_answer(&session, rows, ours);
    for (uint32_t i = 0; i < g->output_cnt; i++) {
      double scale = fmax(1.0, fabs((double)ours[i]));
      if (!(fabs((double)done.out[i] - (double)ours[i]) <= APART_MAX * scale))
        fail_msg("%s: output %u of answer %llu: %.9g, ours %.9g", path, i, (unsigned long long)n,
                 (double)done.out[i], (double)ours[i]);
    }
  }
  runtime()->close(self);
  tf_loader_session_fini(&session);
  tf_loader_unload(model);
  tf_graph_fini(&graph);
  free(rows);
}

static void each_exported_model_has_the_answers_of_our_own_kernels(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(goldens); i++) compare(&goldens[i]);
}

static void refused(tf_runtime_config_t config, tf_err_t code, const char *text) {
  void    *self = NULL;
  uint32_t hash;
  assert_int_equal(runtime()->open(&config, &self, &hash), code);
  assert_null(self);
  if (!strstr(tf_error_text(), text)) fail_msg("\"%s\" is not in: %s", text, tf_error_text());
}

static void what_was_declared_otherwise_is_refused_with_both_words(void **state) {
  const golden_t      lstm    = {"lstm.onnx", NULL, 20, 8, 1};
  const golden_t      classes = {"lightgbm_classes.onnx", NULL, 1, 8, 3};
  char                path[256];
  tf_runtime_config_t c = config_of(&lstm, path);
  (void)state;
  c.width = 9;
  refused(c, E_MODEL_SHAPE, "x0 is ? x 20 x 8, but the config declares 20 rows of 9 features");
  c.width = 8, c.rows = 1;
  refused(c, E_MODEL_SHAPE, "1 row of 8 features");
  c.rows = 20, c.output_cnt = 2;
  refused(c, E_MODEL_SHAPE, "y is ? x 1, but outputs says 2");
  c.output_cnt = 1, c.input = "z";
  refused(c, E_RUNTIME_MODEL, "no input is called \"z\"; there are: x0");
  c = config_of(&classes, path);
  refused(c, E_RUNTIME_MODEL, "2 outputs, say which by output: label, probabilities");
  c.output = "label", c.output_cnt = 1;
  refused(c, E_RUNTIME_MODEL, "element type 7");
}

static void files_and_libraries_that_are_none_are_refused(void **state) {
  const golden_t      lstm = {"lstm.onnx", NULL, 20, 8, 1};
  char                path[256];
  tf_runtime_config_t c = config_of(&lstm, path);
  (void)state;
  c.file = "tests/golden/models/not-there.onnx";
  refused(c, E_FILE_OPEN, "not-there.onnx");
  c.file = "LICENSE";
  refused(c, E_RUNTIME_MODEL, "LICENSE: ONNX Runtime says: ");
  c         = config_of(&lstm, path);
  c.library = "/nowhere/libonnxruntime.so";
  refused(c, E_RUNTIME_LIBRARY, "/nowhere/libonnxruntime.so");
  c.library = "libm.so.6";
  refused(c, E_RUNTIME_LIBRARY, "libm.so.6 is no ONNX Runtime");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_exported_model_has_the_answers_of_our_own_kernels),
      cmocka_unit_test(what_was_declared_otherwise_is_refused_with_both_words),
      cmocka_unit_test(files_and_libraries_that_are_none_are_refused),
  };
  if (!find_library()) {
    printf("skipped: no libonnxruntime.so.1 (TF_ONNXRUNTIME, /usr/lib, pip's site-packages)\n");
    return 77;
  }
  return cmocka_run_group_tests_name("onnxruntime", tests, NULL, NULL);
}
