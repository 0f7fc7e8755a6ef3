#include "model/import_onnx.h"

#include <jansson.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"
#include "model/onnx_ops.h"
#include "model/window.h"

/* Converters of trees alone name no set but ai.onnx.ml. */
#define OPSET_OF_TREES 13

static tf_err_t find_opset(tf_onnx_ops_t *im, const Onnx__ModelProto *model) {
  bool found = false, trees = false;
  for (size_t i = 0; i < model->n_opset_import; i++) {
    const Onnx__OperatorSetIdProto *set = model->opset_import[i];
    trees |= set->domain && strcmp(set->domain, "ai.onnx.ml") == 0;
    if (set->domain && set->domain[0] && strcmp(set->domain, "ai.onnx") != 0) continue;
    if (found) return TF_ERR(E_MODEL_FORMAT, "%s: two operator sets", im->path);
    found     = true;
    im->opset = set->has_version ? set->version : 0;
  }
  if (!found && trees) im->opset = OPSET_OF_TREES;
  if (im->opset >= TF_IMPORT_ONNX_OPSET_MIN && im->opset <= TF_IMPORT_ONNX_OPSET_MAX) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED,
                "%s: operator set %lld; %d to %d are supported: export with opset_version=18",
                im->path, (long long)im->opset, TF_IMPORT_ONNX_OPSET_MIN, TF_IMPORT_ONNX_OPSET_MAX);
}

/* The one input that no initialiser fills. */
static tf_err_t find_input(const tf_onnx_ops_t *im, const Onnx__GraphProto *graph,
                           const Onnx__ValueInfoProto **input) {
  *input = NULL;
  for (size_t i = 0; i < graph->n_input; i++) {
    const Onnx__ValueInfoProto *value = graph->input[i];
    if (!value->name || !value->name[0])
      return TF_ERR(E_MODEL_FORMAT, "%s: an input without a name", im->path);
    if (tf_onnx_tensor_find(&im->constants, value->name)) continue;
    if (*input)
      return TF_ERR(E_MODEL_UNSUPPORTED,
                    "%s: two inputs, \"%.80s\" and \"%.80s\"; one row of features is wanted",
                    im->path, (*input)->name, value->name);
    *input = value;
  }
  return *input ? TF_OK : TF_ERR(E_MODEL_FORMAT, "%s: no input", im->path);
}

/* Width and layout of the input, against the number of features. */
static tf_err_t read_input(tf_onnx_ops_t *im, const Onnx__ValueInfoProto *input,
                           uint32_t feature_cnt) {
  const Onnx__TypeProto__Tensor *type = NULL;
  if (input->type && input->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
    type = input->type->tensor_type;
  if (!type || !type->has_elem_type || !tf_onnx_tensor_is_float(type->elem_type))
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: input \"%.80s\" is no tensor of floats", im->path,
                  input->name);
  size_t rank = type->shape ? type->shape->n_dim : 0;
  if (rank != 2 && rank != 3)
    return TF_ERR(
        E_MODEL_UNSUPPORTED,
        "%s: input \"%.80s\" has rank %zu; [batch, %u] is wanted, or [batch, rows, %u] for "
        "a window",
        im->path, input->name, rank, feature_cnt, feature_cnt);
  int64_t sizes[3] = {0, 0, 0}; /* 0: open */
  for (size_t i = 0; i < rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = type->shape->dim[i];
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
      sizes[i] = dim->dim_value;
  }
  im->column = rank == 2 && sizes[1] == 1 && feature_cnt != 1 && sizes[0] == (int64_t)feature_cnt;
  snprintf(im->axes, sizeof im->axes, rank == 2 ? "BF" : "?\?F");
  memcpy(im->sizes, sizes, sizeof im->sizes);
  int64_t width = sizes[im->column ? 0 : rank - 1];
  if (width != 0 && width != (int64_t)feature_cnt)
    return TF_ERR(
        E_MODEL_SCHEMA,
        "%s: input \"%.80s\" takes %lld values, %u feature%s given: name one for each, in "
        "the order of training",
        im->path, input->name, (long long)width, feature_cnt, feature_cnt == 1 ? " was" : "s were");
  im->current = input->name;
  return TF_OK;
}

static tf_err_t check_output(const tf_onnx_ops_t *im, const char *output) {
  if (strcmp(output, im->current) != 0)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s: its output is \"%.80s\", its last node gives \"%.80s\": nodes after the "
                  "output, or a branch",
                  im->path, output, im->current);
  if (im->graph->node_cnt == 0)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: its output is its input", im->path);
  if (strcmp(im->axes, "BF") != 0)
    return TF_ERR(
        E_MODEL_UNSUPPORTED,
        "%s: output \"%.80s\" has the axes %s (B batch, T rows, F values, D directions); one "
        "row is wanted: take the last",
        im->path, output, im->axes);
  if (im->window && im->window != im->graph->window)
    return TF_ERR(E_MODEL_SHAPE, "%s: a window of %u rows was asked for, it takes single rows",
                  im->path, im->window);
  if (im->graph->output_cnt > TF_MODEL_OUTPUTS_MAX)
    return TF_ERR(E_MODEL_SHAPE,
                  "%s: output \"%.80s\" is %u wide; at most %d are allowed: 1 (a score) or 3 (p10, "
                  "p50, p90) for each step ahead",
                  im->path, output, im->graph->output_cnt, TF_MODEL_OUTPUTS_MAX);
  return TF_OK;
}

/* "training": the texts that the exporter left, for inspect. */
static tf_err_t keep_training(tf_onnx_ops_t *im, const Onnx__ModelProto *model) {
  json_t *texts = json_object();
  bool    good  = texts != NULL;
  if (good && model->doc_string && model->doc_string[0])
    good = json_object_set_new(texts, "doc", json_string(model->doc_string)) == 0;
  for (size_t i = 0; i < model->n_metadata_props && good; i++) {
    const Onnx__StringStringEntryProto *entry = model->metadata_props[i];
    good                                      = entry->key && json_object_set_new(texts, entry->key,
                                                                                  json_string(entry->value ? entry->value : "")) == 0;
  }
  tf_err_t err = TF_OK;
  if (!good) err = TF_ERR(E_MODEL_FORMAT, "%s: its metadata_props are not UTF-8 text", im->path);
  if (good && json_object_size(texts) > 0) {
    im->graph->training = json_dumps(texts, JSON_COMPACT);
    if (!im->graph->training)
      err = TF_ERR(E_CORE_NO_MEMORY, "%s: its metadata", im->path);
    else if (strlen(im->graph->training) >= TF_GRAPH_TRAINING_BYTES)
      err = TF_ERR(E_MODEL_UNSUPPORTED, "%s: %zu bytes of metadata_props, at most %u are kept",
                   im->path, strlen(im->graph->training), TF_GRAPH_TRAINING_BYTES - 1);
  }
  json_decref(texts);
  return err;
}

static void keep_source(tf_onnx_ops_t *im, const Onnx__ModelProto *model) {
  const char *producer =
      model->producer_name && model->producer_name[0] ? model->producer_name : "unknown producer";
  snprintf(im->graph->producer, sizeof im->graph->producer, "tickfuse model import");
  snprintf(im->graph->source, sizeof im->graph->source, "onnx operator set %lld, %.60s %.24s",
           (long long)im->opset, producer, model->producer_version ? model->producer_version : "");
  for (char *c = im->graph->source; *c; c++)
    if (*c < 0x20 || *c > 0x7e) *c = '?';
  size_t length = strlen(im->graph->source);
  while (length && im->graph->source[length - 1] == ' ') im->graph->source[--length] = 0;
}

/* A model on its way: the file's folder, and which output is wanted. */
typedef struct source {
  const char                  *folder;
  const Onnx__ModelProto      *model;
  const tf_import_onnx_spec_t *spec;
  tf_onnx_output_t             output;
} source_t;

static tf_err_t import_chain(tf_onnx_ops_t *im, const source_t *s) {
  const Onnx__GraphProto     *graph = s->model->graph;
  const Onnx__ValueInfoProto *input;
  tf_err_t                    err = TF_OK;
  for (size_t i = 0; i < graph->n_initializer && !err; i++)
    err = tf_onnx_tensor_add(&im->constants, graph->initializer[i]->name, graph->initializer[i]);
  if (!err) err = find_input(im, graph, &input);
  if (!err) err = read_input(im, input, s->spec->features->cnt);
  if (err) return err;
  err = tf_graph_init(im->graph, s->spec->name, s->spec->features->cnt);
  if (err) return tf_error_add(err, "importing %s", im->path);
  for (size_t i = 0; i < graph->n_node && !err; i++)
    if (s->output.needed[i]) err = tf_onnx_ops_append(im, graph->node[i]);
  if (!err) err = check_output(im, s->output.name);
  return err ? err : tf_window_check(im->graph);
}

/* A chain, whose window slides and whose precision may be lower, or else a net; what is neither is told by the net's words,
 * which takes more. */
static tf_err_t import_either(tf_onnx_ops_t *im, const source_t *s, uint64_t *denormal_cnt) {
  if (!s->spec->is_text) {
    tf_err_t err = tf_onnx_tensor_init(&im->constants, im->path, s->folder);
    if (!err) err = import_chain(im, s);
    *denormal_cnt = im->constants.denormal_cnt;
    if (im->constants.tensors) tf_onnx_tensor_fini(&im->constants);
    if (!err || err == E_CORE_NO_MEMORY) return err;
    tf_graph_fini(im->graph);
  }
  tf_onnx_net_spec_t net = {.path        = im->path,
                            .folder      = s->folder,
                            .name        = s->spec->name,
                            .opset       = im->opset,
                            .output      = &s->output,
                            .plain       = s->spec->plain,
                            .is_text     = s->spec->is_text,
                            .window      = s->spec->window,
                            .feature_cnt = s->spec->features->cnt};
  return tf_onnx_net_import(s->model->graph, &net, im->graph, denormal_cnt);
}

static tf_err_t import_model(tf_onnx_ops_t *im, source_t *s, uint64_t *denormal_cnt) {
  const tf_features_t    *features = s->spec->features;
  const Onnx__GraphProto *graph    = s->model->graph;
  if (!graph) return TF_ERR(E_MODEL_FORMAT, "%s: no ONNX file: it holds no graph", im->path);
  if (graph->n_sparse_initializer)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: it holds sparse initialisers", im->path);
  tf_err_t err = find_opset(im, s->model);
  if (!err) err = tf_onnx_output_find(im->path, graph, s->spec->output, &s->output);
  if (!err) err = import_either(im, s, denormal_cnt);
  for (uint32_t i = 0; i < features->cnt && !err; i++)
    err = tf_features_append(&im->graph->features, features->names[i], strlen(features->names[i]));
  if (!err) err = keep_training(im, s->model);
  if (!err) keep_source(im, s->model);
  if (err || s->spec->is_text) return err;
  err = tf_graph_make_checks(im->graph);
  return err ? tf_error_add(err, "importing %s", im->path) : TF_OK;
}

static tf_err_t import_unpacked(const char *label, source_t *s, tf_graph_t *graph,
                                tf_import_onnx_report_t *report) {
  tf_onnx_ops_t im           = {.path = label, .graph = graph, .window = s->spec->window};
  uint64_t      denormal_cnt = 0;
  tf_err_t      err          = import_model(&im, s, &denormal_cnt);
  if (!err)
    *report = (tf_import_onnx_report_t){.opset         = im.opset,
                                        .onnx_node_cnt = (uint32_t)s->model->graph->n_node,
                                        .denormal_cnt  = denormal_cnt};
  else
    tf_graph_fini(graph);
  tf_onnx_output_fini(&s->output);
  return err;
}

static tf_err_t import_and_free(const char *label, const char *folder, Onnx__ModelProto *model,
                                const char *sha256_hex, const tf_import_onnx_spec_t *spec,
                                tf_graph_t *graph, tf_import_onnx_report_t *report) {
  source_t s   = {.folder = folder, .model = model, .spec = spec};
  tf_err_t err = spec->features->cnt ? import_unpacked(label, &s, graph, report)
                                     : TF_ERR(E_MODEL_SCHEMA, "%s: no features were given", label);
  if (!err) memcpy(graph->source_sha256_hex, sha256_hex, sizeof graph->source_sha256_hex);
  onnx__model_proto__free_unpacked(model, NULL);
  return err;
}

/* The folder that path lies in, malloc'd. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return strdup(".");
  return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

tf_err_t tf_import_onnx(const char *path, const tf_import_onnx_spec_t *spec, tf_graph_t *graph,
                        tf_import_onnx_report_t *report) {
  char              sha256_hex[65];
  Onnx__ModelProto *model;
  memset(graph, 0, sizeof *graph);
  memset(report, 0, sizeof *report);
  tf_err_t err = tf_onnx_wire_read(path, &model, sha256_hex);
  if (err) return err;
  char *folder = folder_of(path);
  if (folder) {
    err = import_and_free(path, folder, model, sha256_hex, spec, graph, report);
  } else {
    onnx__model_proto__free_unpacked(model, NULL);
    err = TF_ERR(E_CORE_NO_MEMORY, "%s: its folder", path);
  }
  free(folder);
  return err;
}

tf_err_t tf_import_onnx_parse(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                              const tf_import_onnx_spec_t *spec, tf_graph_t *graph,
                              tf_import_onnx_report_t *report) {
  char              sha256_hex[65];
  Onnx__ModelProto *model;
  memset(graph, 0, sizeof *graph);
  memset(report, 0, sizeof *report);
  tf_err_t err = tf_onnx_wire_parse(label, bytes, bytes_cnt, &model, sha256_hex);
  return err ? err : import_and_free(label, NULL, model, sha256_hex, spec, graph, report);
}
