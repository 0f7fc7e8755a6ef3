/* An ONNX file from anywhere: no crash; what is imported can be planned, run and written, and read back it is the same. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "fuzz_file.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "model/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static void run_once(const tf_graph_t *graph) {
  const tf_loader_options_t options = tf_loader_preset();
  tf_model_t               *model;
  tf_loader_session_t       session;
  float                     out[TF_MODEL_OUTPUTS_MAX];
  if (tf_loader_make(graph, &options, &model) != TF_OK) return;
  if (tf_loader_session_init(&session, model) == TF_OK)
    tf_loader_answer(&session, graph->check_inputs, out);
  tf_loader_session_fini(&session);
  tf_loader_unload(model);
}

static void write_and_read(const tf_graph_t *graph) {
  const char      *path = fuzz_file("tf-fuzz-onnx", (const uint8_t *)"", 0);
  tf_graph_t      *back = calloc(1, sizeof *back);
  tf_safetensors_t st;
  if (!back) abort();
  if (tf_graph_file_write(graph, path) == TF_OK && tf_safetensors_read(&st, path) == TF_OK) {
    if (tf_graph_file_read(back, &st, path, TF_MODEL_OUTPUTS_MAX) != TF_OK) {
      fprintf(stderr, "written, and not read: %s\n", tf_error_text());
      abort();
    }
    if (back->output_cnt != graph->output_cnt || back->window != graph->window) abort();
    tf_graph_fini(back);
    tf_safetensors_fini(&st);
  }
  free(back);
  unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  static const char *const names[]  = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  tf_features_t            features = {0};
  tf_graph_t              *graph    = calloc(1, sizeof *graph);
  if (!graph) abort();
  for (size_t i = 0; i < (cnt ? bytes[cnt - 1] % 10u + 1u : 1u); i++)
    (void)tf_features_append(&features, names[i], 1);
  tf_import_onnx_spec_t   spec = {.name = "model", .features = &features};
  tf_import_onnx_report_t report;
  if (tf_import_onnx_parse("m.onnx", bytes, cnt, &spec, graph, &report) == TF_OK) {
    run_once(graph);
    write_and_read(graph);
  }
  tf_graph_fini(graph);
  tf_features_fini(&features);
  free(graph);
  return 0;
}
