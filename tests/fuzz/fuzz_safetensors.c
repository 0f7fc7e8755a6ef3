/* A model file from anywhere: container, graph, plan and known answers. Nothing may crash; what
 * loads must run. Input that begins as ONNX does goes to the importer, all else to the loader. */
#include <string.h>

#include "core/error.h"
#include "model/execute.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "model/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

static void run_graph(const tf_graph_t *graph) {
  tf_plan_t *plan = NULL;
  if (tf_plan_new(graph, tf_op_isa_best(), &plan) == TF_OK)
    (void)tf_loader_check(graph, plan, NULL);
  tf_plan_delete(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  static tf_graph_t graph;
  if (cnt == 0) return 0;
  if (bytes[0] == 8) { /* field 1, ir_version */
    tf_features_t           features = {0};
    tf_import_onnx_report_t report;
    if (tf_features_parse(&features, "a,b,c,d,e,f,g,h,i,j,k,l") == TF_OK &&
        tf_import_onnx_parse("fuzz", bytes, cnt, "fuzz", &features, &graph, &report) == TF_OK)
      run_graph(&graph);
    tf_features_fini(&features);
  } else {
    tf_safetensors_t st;
    if (tf_safetensors_parse(&st, "fuzz", bytes, cnt) == TF_OK) {
      if (tf_graph_file_read(&graph, &st, "fuzz") == TF_OK) run_graph(&graph);
      tf_safetensors_fini(&st);
    }
  }
  tf_graph_fini(&graph);
  return 0;
}
