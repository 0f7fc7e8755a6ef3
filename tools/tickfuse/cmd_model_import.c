/* tickfuse model import. */
#include <string.h>

#include "cmd_model_reduce.h"
#include "core/error.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "text/text_import.h"
#include "text/text_model.h"

/* FILE.onnx's name without its folder and ending, cut to what a model name may be; what it may not
 * hold becomes _. */
static void name_from_path(const char *path, char *name, size_t bytes) {
  const char *slash = strrchr(path, '/');
  const char *begin = slash ? slash + 1 : path;
  const char *dot   = strrchr(begin, '.');
  size_t      used  = dot && dot != begin ? (size_t)(dot - begin) : strlen(begin);
  snprintf(name, bytes, "%.*s", (int)(used < bytes ? used : bytes - 1), begin);
  for (char *c = name; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
          *c == '-' || *c == '.' || *c == '_'))
      *c = '_';
  if (name[0] == '.') name[0] = '_';
}

static int report_import(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                         const tf_model_t *model, const tf_import_onnx_report_t *report,
                         double error_max, const tf_cmd_model_reduction_t *reduction) {
  if (args->json) {
    json_t *all = json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:I, s:s, s:f}", "file", args->out, "name",
        graph->name, "inputs", (int)graph->input_cnt, "outputs", (int)graph->output_cnt, "window",
        (int)graph->window, "params", (json_int_t)graph->param_cnt, "opset",
        (json_int_t)report->opset, "onnx_nodes", (int)report->onnx_node_cnt, "steps",
        (int)tf_cmd_model_step_cnt(model), "denormals", (json_int_t)report->denormal_cnt,
        "precision", tf_precision_name(model->precision), "error_max", error_max);
    if (reduction->step_cnt) tf_cmd_model_reduce_json(reduction, all);
    return tf_cmd_model_print(all);
  }
  printf("%s: model %s, %u features in, %u out, %llu parameters\n", args->out, graph->name,
         graph->input_cnt, graph->output_cnt, (unsigned long long)graph->param_cnt);
  if (graph->window > 1) printf("  over a window of %u rows\n", graph->window);
  printf("  %u ONNX nodes of operator set %lld, %u steps; known answers within %.1g in %s\n",
         report->onnx_node_cnt, (long long)report->opset, tf_cmd_model_step_cnt(model), error_max,
         tf_precision_name(model->precision));
  if (report->denormal_cnt)
    printf("  %llu denormal weights were made 0\n", (unsigned long long)report->denormal_cnt);
  tf_cmd_model_reduce_print(reduction);
  return 0;
}

/* The schema that `features eval` wrote: its text, and the names in it. The engine understands the rest. */
static tf_err_t read_schema(const char *path, tf_features_t *features, char **text) {
  json_error_t at;
  size_t       i;
  json_t      *feature, *root = json_load_file(path, JSON_REJECT_DUPLICATES, &at);
  if (!root)
    return TF_ERR(at.line < 0 ? E_FILE_OPEN : E_MODEL_SCHEMA, "%s:%d:%d: %s", path, at.line,
                  at.column, at.text);
  json_t  *list = json_object_get(root, "features");
  tf_err_t err  = json_array_size(list) > 0
                      ? TF_OK
                      : TF_ERR(E_MODEL_SCHEMA,
                               "%s: no list \"features\": not what `features eval` writes", path);
  json_array_foreach(list, i, feature) {
    const char *name = json_string_value(json_object_get(feature, "name"));
    if (!err && !name) err = TF_ERR(E_MODEL_SCHEMA, "%s: feature %zu has no name", path, i + 1);
    if (!err) err = tf_features_append(features, name, strlen(name));
  }
  *text = err ? NULL : json_dumps(root, JSON_COMPACT);
  if (!err && !*text) err = TF_ERR(E_CORE_NO_MEMORY, "%s", path);
  json_decref(root);
  return err;
}

static int import_with(const tf_cmd_model_args_t *args, const char *name,
                       const tf_features_t *features, char *schema) {
  tf_import_onnx_report_t  report;
  tf_import_onnx_spec_t    spec  = {.name     = name,
                                    .features = features,
                                    .window   = args->window,
                                    .output   = args->output,
                                    .plain    = args->plain};
  tf_model_t              *model = NULL;
  tf_cmd_model_reduction_t reduction;
  double                   error_max = 0.0;
  tf_graph_t              *graph     = calloc(1, sizeof *graph);
  if (!graph) return TF_EXIT_FAILED;
  tf_err_t err = tf_import_onnx(args->file, &spec, graph, &report);
  if (!err && schema && !(graph->schema = strdup(schema)))
    err = TF_ERR(E_CORE_NO_MEMORY, "%s", args->schema_file);
  if (!err) err = tf_cmd_model_reduce(args, graph, &reduction);
  if (!err) err = tf_loader_make(graph, &args->options, &model);
  if (!err) err = tf_loader_check(graph, model, &args->options.model, &error_max);
  if (!err) err = tf_graph_file_write(graph, args->out);
  int code = err ? tf_cmd_model_failed(args, err)
                 : report_import(args, graph, model, &report, error_max, &reduction);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}

/* ---- of texts ---- */

#define LENGTHS "16,32,64"

static int report_texts(const tf_cmd_model_args_t *args, const tf_text_model_t *m) {
  if (args->json) {
    json_t *labels = json_object(), *lengths = json_array();
    for (uint32_t i = 0; i < m->label_cnt; i++)
      json_object_set_new(labels, m->labels[i], json_real((double)m->weights[i]));
    for (uint32_t i = 0; i < m->length_cnt; i++)
      json_array_append_new(lengths, json_integer(m->lengths[i]));
    return tf_cmd_model_print(json_pack(
        "{s:s, s:s, s:s, s:o, s:i, s:o, s:I, s:s}", "file", args->out, "name", m->name, "sha256",
        m->sha256_hex, "labels", labels, "embedding", (int)m->embedding_cnt, "lengths", lengths,
        "params", (json_int_t)m->param_cnt, "precision", tf_precision_name(m->precision)));
  }
  printf("%s: texts' model %s, ", args->out, m->name);
  if (m->label_cnt) printf("%u labels, ", m->label_cnt);
  if (m->embedding_cnt) printf("embedding of %u, ", m->embedding_cnt);
  printf("%llu parameters in %s, up to %u tokens\n", (unsigned long long)m->param_cnt,
         tf_precision_name(m->precision), m->lengths[m->length_cnt - 1]);
  return 0;
}

static int import_texts(const tf_cmd_model_args_t *args) {
  char name[32];
  name_from_path(args->file, name, sizeof name);
  if (args->features || args->features_file || args->schema_file || args->window ||
      args->calibrate || args->prune > 0 || args->cluster)
    return tf_cmd_model_usage("import", "--vocab makes a model of texts, which has no features");
  tf_text_model_t            *model;
  const tf_text_import_spec_t spec = {.name    = args->name ? args->name : name,
                                      .onnx    = args->file,
                                      .output  = args->output,
                                      .vocab   = args->vocab,
                                      .labels  = args->labels,
                                      .lengths = args->lengths ? args->lengths : LENGTHS,
                                      .lowers  = !args->keeps_case};
  tf_err_t                    err  = tf_text_import(&spec, args->out, &args->options.model, &model);
  int code = err ? tf_cmd_model_failed(args, err) : report_texts(args, model);
  tf_text_loader.unload(model);
  return code;
}

int tf_cmd_model_import(const tf_cmd_model_args_t *args) {
  if (!args->out) return tf_cmd_model_usage("import", "--out FILE.safetensors is missing");
  if (args->vocab) return import_texts(args);
  if (!!args->features + !!args->features_file + !!args->schema_file != 1)
    return tf_cmd_model_usage("import",
                              "one of --features, --features-file and --schema is wanted");
  int bad = tf_cmd_model_reduce_check(args);
  if (bad) return bad;
  tf_features_t features = {0};
  char         *schema   = NULL;
  tf_err_t      err      = args->features        ? tf_features_parse(&features, args->features)
                           : args->features_file ? tf_features_read(&features, args->features_file)
                                                 : read_schema(args->schema_file, &features, &schema);
  int           code;
  char          name[32];
  name_from_path(args->file, name, sizeof name);
  if (err) {
    code = tf_cmd_model_failed(args, err);
    if (code == TF_EXIT_DATA && args->features) code = TF_EXIT_USAGE;
  } else {
    code = import_with(args, args->name ? args->name : name, &features, schema);
  }
  free(schema);
  tf_features_fini(&features);
  return code;
}
