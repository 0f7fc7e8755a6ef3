/* A model file from anywhere: container, graph, plan and known answers. Nothing may crash; what
 * loads must run. Input that begins as ONNX does goes to the importer, all else to the loader. */
#include <string.h>

#include "core/error.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "model/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

/* Beyond this a window in double takes longer than the fuzzer waits; what it finds is in shapes and
 * offsets, not in size. */
#define WORK_MAX (UINT64_C(1) << 22)

static void run_graph(const tf_graph_t *graph) {
  if (graph->window * (graph->param_cnt + graph->width_max) > WORK_MAX) return;
  for (int precision = 0; precision < TF_PRECISION_CNT; precision++) {
    tf_loader_options_t options = tf_loader_preset();
    tf_model_t         *model   = NULL;
    options.model.precision     = (tf_precision_t)precision;
    if (tf_loader_make(graph, &options, &model) == TF_OK)
      (void)tf_loader_check(graph, model, &options.model, NULL);
    tf_loader_unload(model);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  static tf_graph_t graph;
  if (cnt == 0) return 0;
  if (bytes[0] == 8) { /* field 1, ir_version */
    tf_features_t         features = {0};
    tf_import_onnx_spec_t spec = {.name = "fuzz", .features = &features, .window = bytes[cnt - 1]};
    tf_import_onnx_report_t report;
    if (tf_features_parse(&features, "a,b,c,d,e,f,g,h,i,j,k,l") == TF_OK &&
        tf_import_onnx_parse("fuzz", bytes, cnt, &spec, &graph, &report) == TF_OK)
      run_graph(&graph);
    tf_features_fini(&features);
  } else {
    tf_safetensors_t st;
    if (tf_safetensors_parse(&st, "fuzz", bytes, cnt) == TF_OK) {
      if (tf_graph_file_read(&graph, &st, "fuzz", TF_MODEL_OUTPUTS_MAX) == TF_OK) run_graph(&graph);
      tf_safetensors_fini(&st);
    }
  }
  tf_graph_fini(&graph);
  return 0;
}
