#include "model/graph_file.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/net_file.h"

typedef struct reader {
  tf_graph_t             *graph;
  const tf_safetensors_t *st;
  const char             *label;
  uint32_t                outputs_max;
  bool                    windowed; /* version 2 or 3 */
  bool                    net;      /* version 3 */
  tf_rounding_reader_t    tensors;
} reader_t;

static tf_err_t meta_text(const reader_t *r, const char *key, const char **text) {
  *text = tf_safetensors_meta(r->st, key);
  if (*text) return TF_OK;
  return TF_ERR(E_MODEL_FORMAT,
                "%s: its metadata has no \"%s\": not a model that tickfuse model import wrote",
                r->label, key);
}

static tf_err_t meta_json(const reader_t *r, const char *key, json_t **value) {
  const char *text;
  tf_err_t    err = meta_text(r, key, &text);
  if (err) return err;
  json_error_t at;
  *value = json_loads(text, JSON_REJECT_DUPLICATES, &at);
  if (*value) return TF_OK;
  return TF_ERR(E_MODEL_FORMAT, "%s: metadata \"%s\" is not JSON: %s (byte %d)", r->label, key,
                at.text, at.position);
}

/* A JSON number as a finite float. */
static bool json_float(const json_t *value, float *number) {
  if (!json_is_number(value)) return false;
  double wide = json_number_value(value);
  if (!(fabs(wide) <= (double)FLT_MAX * (1.0 + 0x1p-25))) return false;
  *number = (float)wide;
  return true;
}

static tf_err_t read_count(const reader_t *r, const json_t *graph, const char *key, uint32_t max,
                           uint32_t *cnt) {
  const json_t *value = json_object_get(graph, key);
  json_int_t    wide  = json_is_integer(value) ? json_integer_value(value) : 0;
  if (wide < 1 || wide > (json_int_t)max)
    return TF_ERR(E_MODEL_FORMAT, "%s: graph: \"%s\" is not an integer of 1 to %u", r->label, key,
                  max);
  *cnt = (uint32_t)wide;
  return TF_OK;
}

/* Copies a tensor out of the file, each once. */
static tf_err_t copy_tensor(reader_t *r, const char *name, const tf_safetensors_tensor_t **found,
                            float **values) {
  const tf_safetensors_tensor_t *t = tf_safetensors_find(r->st, name);
  if (!t) return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%.100s\" is not in it", r->label, name);
  size_t idx = (size_t)(t - r->st->tensors);
  if (r->tensors.used[idx])
    return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" is used twice", r->label, t->name);
  if (t->element_cnt == 0)
    return TF_ERR(E_MODEL_SHAPE, "%s: tensor \"%s\" is empty", r->label, t->name);
  tf_err_t err = tf_rounding_take(&r->tensors, (uint32_t)idx, values);
  if (err) return tf_error_add(err, "reading %s", r->label);
  *found = t;
  return TF_OK;
}

/* A node's tensor. columns: 0 for a vector. *values is the caller's to free, also on failure. */
static tf_err_t take_tensor(reader_t *r, const json_t *node, const char *key, uint64_t columns,
                            float **values, uint64_t *cnt) {
  const char *name = json_string_value(json_object_get(node, key));
  if (!name)
    return TF_ERR(E_MODEL_FORMAT, "%s: a node has no \"%s\" naming its tensor", r->label, key);
  const tf_safetensors_tensor_t *t;
  tf_err_t                       err = copy_tensor(r, name, &t, values);
  if (err) return err;
  if (t->rank != (columns ? 2u : 1u) || (columns && t->shape[1] != columns))
    return TF_ERR(E_MODEL_SHAPE, "%s: tensor \"%s\" of rank %u: %s of %llu columns is wanted",
                  r->label, t->name, t->rank, columns ? "a matrix" : "a vector, instead",
                  (unsigned long long)columns);
  *cnt = t->element_cnt;
  return TF_OK;
}

static tf_err_t check_node_keys(const reader_t *r, const tf_op_t *op, json_t *node) {
  const char *key;
  json_t     *ignored;
  json_object_foreach(node, key, ignored) {
    bool known = strcmp(key, "op") == 0 || strcmp(key, "name") == 0 ||
                 (op->has_weight && strcmp(key, "weight") == 0) ||
                 (op->has_bias && strcmp(key, "bias") == 0) ||
                 (op->scalar_cnt > 0 && strcmp(key, "alpha") == 0) ||
                 (op->scalar_cnt > 1 && strcmp(key, "beta") == 0) ||
                 (op->has_bias && strcmp(key, "ranges") == 0);
    if (!known)
      return TF_ERR(E_MODEL_FORMAT, "%s: node %u: %s takes no \"%.32s\"", r->label,
                    r->graph->node_cnt, op->name, key);
  }
  return TF_OK;
}

static tf_err_t read_scalars(const reader_t *r, const tf_op_t *op, const json_t *node,
                             tf_op_params_t *params) {
  float *const      targets[] = {&params->alpha, &params->beta};
  const char *const keys[]    = {"alpha", "beta"};
  for (uint32_t i = 0; i < op->scalar_cnt; i++)
    if (!json_float(json_object_get(node, keys[i]), targets[i]))
      return TF_ERR(E_MODEL_FORMAT, "%s: node %u: %s's \"%s\" is not a float", r->label,
                    r->graph->node_cnt, op->name, keys[i]);
  return TF_OK;
}

/* A recurrent op's bias comes first: it says how many units there are, and so how wide the weights
 * are. */
static tf_err_t read_weights(reader_t *r, const tf_op_t *op, const json_t *node,
                             tf_op_params_t *params, float **weight, float **bias) {
  bool     recurrent = op->kind == TF_OP_KIND_RECURRENT;
  tf_err_t err       = TF_OK;
  if (recurrent) err = take_tensor(r, node, "bias", 0, bias, &params->bias_cnt);
  if (!err && op->has_weight) {
    uint64_t columns = tf_op_weight_columns(op, r->graph->output_cnt, params->bias_cnt);
    err              = take_tensor(r, node, "weight", columns, weight, &params->weight_cnt);
  }
  if (!err && !recurrent && json_object_get(node, "bias"))
    err = take_tensor(r, node, "bias", 0, bias, &params->bias_cnt);
  return err;
}

static tf_err_t read_node(reader_t *r, json_t *node) {
  const char *name = json_string_value(json_object_get(node, "name"));
  const char *kind = json_string_value(json_object_get(node, "op"));
  if (!name || !kind)
    return TF_ERR(E_MODEL_FORMAT, "%s: node %u has no op or name text", r->label,
                  r->graph->node_cnt);
  const tf_op_t *op = tf_op_find(kind);
  if (!op)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: node %u: op \"%.32s\" is not known to this build",
                  r->label, r->graph->node_cnt, kind);
  tf_op_params_t params = {0};
  float         *weight = NULL, *bias = NULL;
  tf_err_t       err = check_node_keys(r, op, node);
  if (!err) err = read_scalars(r, op, node, &params);
  if (!err) err = read_weights(r, op, node, &params, &weight, &bias);
  if (err) {
    free(weight);
    free(bias);
    return err;
  }
  err = tf_graph_append(r->graph, op, name, &params, weight, bias);
  if (err) return tf_error_add(err, "reading %s", r->label);
  return tf_net_file_read_ranges(node, op->kind == TF_OP_KIND_RECURRENT ? 2 : 1,
                                 r->graph->nodes[r->graph->node_cnt - 1].ranges);
}

/* The nodes of a chain, or of a net. */
static tf_err_t read_chain(reader_t *r, const json_t *nodes) {
  if (!json_is_array(nodes) || json_array_size(nodes) == 0 ||
      json_array_size(nodes) > TF_GRAPH_NODE_CNT_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: graph: input, output and 1 to %u nodes are wanted", r->label,
                  TF_GRAPH_NODE_CNT_MAX);
  tf_err_t err = TF_OK;
  for (size_t i = 0; i < json_array_size(nodes) && !err; i++)
    err = read_node(r, json_array_get(nodes, i));
  return err;
}

static tf_err_t read_net(reader_t *r, const json_t *nodes, uint32_t window) {
  tf_net_t *net;
  tf_err_t  err = tf_net_file_read(nodes, &r->tensors, r->label, window, r->graph->input_cnt, &net);
  if (!err) tf_graph_set_net(r->graph, net);
  return err;
}

static tf_err_t read_nodes(reader_t *r, json_t *graph) {
  uint32_t    input_cnt = 0, output_cnt = 0, window = 1;
  const char *name;
  json_t     *nodes = json_object_get(graph, "nodes");
  tf_err_t    err   = meta_text(r, "name", &name);
  if (!err) err = read_count(r, graph, "input", TF_MODEL_INPUTS_MAX, &input_cnt);
  if (!err) err = read_count(r, graph, "output", r->outputs_max, &output_cnt);
  if (!err && r->windowed) err = read_count(r, graph, "window", TF_GRAPH_WINDOW_MAX, &window);
  if (err) return err;
  err = tf_graph_init(r->graph, name, input_cnt);
  if (!err && !r->net) err = tf_graph_set_window(r->graph, window);
  if (err) return tf_error_add(err, "reading %s", r->label);
  if (json_object_size(graph) != (r->windowed ? 4 : 3))
    return TF_ERR(E_MODEL_FORMAT, "%s: graph: input, output and 1 to %u nodes are wanted", r->label,
                  TF_GRAPH_NODE_CNT_MAX);
  err = r->net ? read_net(r, nodes, window) : read_chain(r, nodes);
  if (err) return err;
  if (r->graph->output_cnt != output_cnt)
    return TF_ERR(E_MODEL_SHAPE, "%s: graph: its last node is %u wide, \"output\" says %u",
                  r->label, r->graph->output_cnt, output_cnt);
  err = tf_graph_check_end(r->graph);
  return err ? tf_error_add(err, "reading %s", r->label) : TF_OK;
}

static tf_err_t check_all_used(const reader_t *r) {
  for (uint32_t i = 0; i < r->st->tensor_cnt; i++)
    if (!r->tensors.used[i])
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" is used by no node", r->label,
                    r->st->tensors[i].name);
  return TF_OK;
}

static tf_err_t read_features(reader_t *r, json_t *list) {
  if (!json_is_array(list) || json_array_size(list) != r->graph->input_cnt)
    return TF_ERR(E_MODEL_SCHEMA, "%s: %zu features for a row of %u", r->label,
                  json_array_size(list), r->graph->input_cnt);
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *text = json_string_value(json_array_get(list, i));
    if (!text) return TF_ERR(E_MODEL_SCHEMA, "%s: feature %zu is not text", r->label, i + 1);
    tf_err_t err = tf_features_append(&r->graph->features, text, strlen(text));
    if (err) return tf_error_add(err, "reading %s", r->label);
    if (strcmp(r->graph->features.names[i], text) != 0)
      return TF_ERR(E_MODEL_SCHEMA, "%s: feature \"%.80s\" holds blanks; its canonical form is %s",
                    r->label, text, r->graph->features.names[i]);
  }
  return TF_OK;
}

static tf_err_t read_rows(const reader_t *r, const json_t *check, const char *key, uint32_t width,
                          uint32_t *row_cnt, float **target) {
  const json_t *rows = json_object_get(check, key);
  size_t        cnt  = json_array_size(rows);
  if (cnt == 0 || cnt > TF_GRAPH_CHECK_CNT_MAX || (*row_cnt && cnt != *row_cnt))
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: check: %zu rows of %s, 1 to %u are allowed, as many inputs "
                  "as outputs",
                  r->label, cnt, key, TF_GRAPH_CHECK_CNT_MAX);
  *target = calloc(cnt * width, sizeof **target);
  if (!*target) return TF_ERR(E_CORE_NO_MEMORY, "%s: check rows", r->label);
  for (size_t i = 0; i < cnt; i++) {
    const json_t *row = json_array_get(rows, i);
    if (json_array_size(row) != width)
      return TF_ERR(E_MODEL_FORMAT, "%s: check: row %zu of %s has %zu values, not %u", r->label, i,
                    key, json_array_size(row), width);
    for (uint32_t j = 0; j < width; j++)
      if (!json_float(json_array_get(row, j), &(*target)[i * width + j]))
        return TF_ERR(E_MODEL_FORMAT, "%s: check: row %zu of %s: value %u is not a float", r->label,
                      i, key, j);
  }
  *row_cnt = (uint32_t)cnt;
  return TF_OK;
}

static tf_err_t check_finite(const reader_t *r, const char *name, const float *values,
                             uint64_t cnt) {
  for (uint64_t i = 0; i < cnt; i++)
    if (!isfinite(values[i]))
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": element %llu is not finite", r->label, name,
                    (unsigned long long)i);
  return TF_OK;
}

/* Version 2: known answers as tensors. */
static tf_err_t read_check_tensors(reader_t *r) {
  tf_graph_t                    *g = r->graph;
  const tf_safetensors_tensor_t *in, *out;
  tf_err_t err = copy_tensor(r, TF_GRAPH_FILE_CHECK_INPUTS, &in, &g->check_inputs);
  if (!err) err = copy_tensor(r, TF_GRAPH_FILE_CHECK_OUTPUTS, &out, &g->check_outputs);
  if (err) return err;
  uint64_t cnt = in->shape[0];
  if (in->rank != 3 || cnt > TF_GRAPH_CHECK_CNT_MAX || in->shape[1] != g->window ||
      in->shape[2] != g->input_cnt || out->rank != 2 || out->shape[0] != cnt ||
      out->shape[1] != g->output_cnt)
    return TF_ERR(E_MODEL_SHAPE,
                  "%s: tensors \"%s\" and \"%s\": [n, %u, %u] and [n, %u] are wanted, n of 1 to %u",
                  r->label, in->name, out->name, g->window, g->input_cnt, g->output_cnt,
                  TF_GRAPH_CHECK_CNT_MAX);
  err = check_finite(r, in->name, g->check_inputs, in->element_cnt);
  if (!err) err = check_finite(r, out->name, g->check_outputs, out->element_cnt);
  if (!err) g->check_cnt = (uint32_t)cnt;
  return err;
}

static tf_err_t read_check(reader_t *r, json_t *check) {
  tf_graph_t *g   = r->graph;
  uint32_t    cnt = 0;
  tf_err_t    err = read_rows(r, check, "inputs", g->input_cnt, &cnt, &g->check_inputs);
  if (!err) err = read_rows(r, check, "outputs", g->output_cnt, &cnt, &g->check_outputs);
  if (!err) g->check_cnt = cnt;
  return err;
}

/* A text that may be missing: a JSON object, kept as it is. */
static tf_err_t read_object(reader_t *r, const char *key, size_t bytes_max, char **kept) {
  const char *text = tf_safetensors_meta(r->st, key);
  if (!text) return TF_OK;
  json_t  *parsed = NULL;
  tf_err_t err    = meta_json(r, key, &parsed);
  if (!err && (!json_is_object(parsed) || strlen(text) >= bytes_max))
    err = TF_ERR(E_MODEL_FORMAT, "%s: \"%s\" is no object of at most %zu bytes", r->label, key,
                 bytes_max - 1);
  json_decref(parsed);
  if (!err && (*kept = strdup(text)) == NULL)
    err = TF_ERR(E_CORE_NO_MEMORY, "%s: its %s", r->label, key);
  return err;
}

static tf_err_t read_origin(reader_t *r) {
  const struct {
    const char *key;
    char       *target;
    size_t      bytes;
  } texts[] = {
      {"producer",      r->graph->producer,          sizeof r->graph->producer         },
      {"source",        r->graph->source,            sizeof r->graph->source           },
      {"source_sha256", r->graph->source_sha256_hex, sizeof r->graph->source_sha256_hex},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    const char *text;
    tf_err_t    err = meta_text(r, texts[i].key, &text);
    if (err) return err;
    if (strlen(text) >= texts[i].bytes)
      return TF_ERR(E_MODEL_FORMAT, "%s: \"%s\" is longer than %zu bytes", r->label, texts[i].key,
                    texts[i].bytes - 1);
    memcpy(texts[i].target, text, strlen(text) + 1);
  }
  tf_err_t err = read_object(r, "training", TF_GRAPH_TRAINING_BYTES, &r->graph->training);
  if (!err) err = read_object(r, "schema", TF_GRAPH_SCHEMA_BYTES, &r->graph->schema);
  return err ? err
             : read_object(r, "calibration", TF_GRAPH_CALIBRATION_BYTES, &r->graph->calibration);
}

/* What the weights are stored in, and their scales. */
static tf_err_t read_precision(reader_t *r) {
  const char *name = tf_safetensors_meta(r->st, "precision");
  if (name && !tf_precision_parse(name, &r->graph->precision))
    return TF_ERR(E_MODEL_FORMAT, "%s: precision \"%.32s\" is none of fp32, bf16, fp16, int8",
                  r->label, name);
  tf_err_t err = tf_rounding_scale(&r->tensors, r->graph);
  return err ? tf_error_add(err, "reading %s", r->label) : TF_OK;
}

static tf_err_t read_format(reader_t *r) {
  const char *format, *version;
  tf_err_t    err = meta_text(r, "format", &format);
  if (!err) err = meta_text(r, "version", &version);
  if (err) return err;
  if (strcmp(format, TF_GRAPH_FILE_FORMAT) != 0)
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: format \"%.32s\" is not \"%s\": export to ONNX, then tickfuse model import",
                  r->label, format, TF_GRAPH_FILE_FORMAT);
  r->net      = strcmp(version, TF_GRAPH_FILE_VERSION_NET) == 0;
  r->windowed = r->net || strcmp(version, TF_GRAPH_FILE_VERSION_WINDOW) == 0;
  if (!r->windowed && strcmp(version, TF_GRAPH_FILE_VERSION) != 0)
    return TF_ERR(E_MODEL_FORMAT,
                  "%s: version \"%.32s\", this build reads %s, %s and %s: import it anew", r->label,
                  version, TF_GRAPH_FILE_VERSION, TF_GRAPH_FILE_VERSION_WINDOW,
                  TF_GRAPH_FILE_VERSION_NET);
  return TF_OK;
}

static tf_err_t read_all(reader_t *r) {
  const struct {
    const char *key;
    tf_err_t (*read)(reader_t *, json_t *);
  } parts[] = {
      {"graph",    read_nodes   },
      {"features", read_features},
      {"check",    read_check   },
  };
  tf_err_t err = read_format(r);
  for (size_t i = 0; i < TF_ARRAY_CNT(parts) - r->windowed && !err; i++) {
    json_t *value = NULL;
    err           = meta_json(r, parts[i].key, &value);
    if (!err) err = parts[i].read(r, value);
    json_decref(value);
  }
  if (!err) err = read_precision(r);
  if (!err && r->windowed) err = read_check_tensors(r);
  if (!err) err = check_all_used(r);
  return err ? err : read_origin(r);
}

tf_err_t tf_graph_file_read(tf_graph_t *graph, const tf_safetensors_t *st, const char *label,
                            uint32_t outputs_max) {
  memset(graph, 0, sizeof *graph);
  reader_t *r = calloc(1, sizeof *r);
  if (!r) return TF_ERR(E_CORE_NO_MEMORY, "%s: its graph", label);
  *r = (reader_t){
      .graph = graph, .st = st, .label = label, .outputs_max = outputs_max, .tensors.st = st};
  tf_err_t err = read_all(r);
  free(r);
  if (err) tf_graph_fini(graph);
  return err;
}

static json_t *rows_json(const float *values, uint32_t row_cnt, uint32_t width) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < row_cnt; i++) {
    json_t *row = json_array();
    for (uint32_t j = 0; j < width; j++)
      json_array_append_new(row, json_real((double)values[(size_t)i * width + j]));
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *chain_json(const tf_graph_t *graph) {
  json_t *nodes = json_array();
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    const tf_graph_node_t *n    = &graph->nodes[i];
    json_t                *node = json_object();
    char                   tensor[TF_GRAPH_NAME_BYTES];
    json_object_set_new(node, "op", json_string(n->op->name));
    json_object_set_new(node, "name", json_string(n->name));
    if (n->weight) {
      tf_graph_tensor_name(tensor, sizeof tensor, i, n->op->name, "weight");
      json_object_set_new(node, "weight", json_string(tensor));
    }
    if (n->bias) {
      tf_graph_tensor_name(tensor, sizeof tensor, i, n->op->name, "bias");
      json_object_set_new(node, "bias", json_string(tensor));
    }
    if (n->op->scalar_cnt > 0)
      json_object_set_new(node, "alpha", json_real((double)n->params.alpha));
    if (n->op->scalar_cnt > 1) json_object_set_new(node, "beta", json_real((double)n->params.beta));
    json_t *ranges = tf_net_file_ranges(n->ranges);
    if (ranges) json_object_set_new(node, "ranges", ranges);
    json_array_append_new(nodes, node);
  }
  return nodes;
}

/* Versions 2 and 3. */
static bool is_windowed(const tf_graph_t *graph) { return graph->window > 1 || graph->net; }

static json_t *graph_json(const tf_graph_t *graph) {
  json_t *nodes = graph->net ? tf_net_file_nodes(graph->net) : chain_json(graph);
  json_t *all   = json_pack("{s:i, s:i, s:o}", "input", (int)graph->input_cnt, "output",
                            (int)graph->output_cnt, "nodes", nodes);
  if (all && is_windowed(graph))
    json_object_set_new(all, "window", json_integer((int)graph->window));
  return all;
}

/* Takes json over. 9 digits name a float exactly. NULL when out of memory. */
static char *dump(json_t *json) {
  char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(json);
  return text;
}

static uint32_t list_sources(const tf_graph_t *graph, tf_safetensors_source_t *sources,
                             char (*names)[TF_GRAPH_NAME_BYTES]) {
  uint32_t cnt = graph->net ? tf_net_file_sources(graph->net, sources, names) : 0;
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    const tf_graph_node_t *n = &graph->nodes[i];
    if (n->weight) {
      tf_graph_tensor_name(names[cnt], sizeof names[cnt], i, n->op->name, "weight");
      sources[cnt]     = (tf_safetensors_source_t){.name = names[cnt], .values = n->weight};
      uint64_t columns = tf_op_weight_columns(n->op, n->params.in_cnt, n->params.bias_cnt);
      if (columns) sources[cnt].shape[sources[cnt].rank++] = n->params.weight_cnt / columns;
      sources[cnt].shape[sources[cnt].rank++] = columns ? columns : n->params.in_cnt;
      cnt++;
    }
    if (n->bias) {
      tf_graph_tensor_name(names[cnt], sizeof names[cnt], i, n->op->name, "bias");
      sources[cnt] = (tf_safetensors_source_t){
          .name = names[cnt], .rank = 1, .shape = {n->params.bias_cnt}, .values = n->bias};
      cnt++;
    }
  }
  if (!is_windowed(graph)) return cnt;
  sources[cnt++] = (tf_safetensors_source_t){
      .name   = TF_GRAPH_FILE_CHECK_INPUTS,
      .rank   = 3,
      .shape  = {graph->check_cnt, graph->window, graph->input_cnt},
      .values = graph->check_inputs
  };
  sources[cnt++] = (tf_safetensors_source_t){
      .name   = TF_GRAPH_FILE_CHECK_OUTPUTS,
      .rank   = 2,
      .shape  = {graph->check_cnt, graph->output_cnt},
      .values = graph->check_outputs
  };
  return cnt;
}

/* The known answers of a model over one row; over a window they are tensors. */
static json_t *check_json(const tf_graph_t *graph) {
  if (is_windowed(graph)) return json_object();
  return json_pack("{s:o, s:o}", "inputs",
                   rows_json(graph->check_inputs, graph->check_cnt, graph->input_cnt), "outputs",
                   rows_json(graph->check_outputs, graph->check_cnt, graph->output_cnt));
}

/* Room for a weight and a bias a node, or for a net's constants, and the known answers; and for scales. */
#define SOURCE_CNT_MAX (2 * TF_NET_VALUE_CNT_MAX + 2)
TF_STATIC_ASSERT(SOURCE_CNT_MAX >= 3 * TF_GRAPH_NODE_CNT_MAX + 2 &&
                     TF_NET_FILE_NAME_BYTES == TF_GRAPH_NAME_BYTES,
                 "a chain's tensors too");

tf_err_t tf_graph_file_write(const tf_graph_t *graph, const char *path) {
  TF_ASSERT(graph->features.cnt == graph->input_cnt && graph->check_cnt > 0);
  json_t *features = json_array();
  for (uint32_t i = 0; i < graph->features.cnt; i++)
    json_array_append_new(features, json_string(graph->features.names[i]));
  char                    *graph_text    = dump(graph_json(graph));
  char                    *features_text = dump(features);
  char                    *check_text    = dump(check_json(graph));
  tf_safetensors_source_t *sources       = calloc(SOURCE_CNT_MAX, sizeof *sources);
  char(*names)[TF_GRAPH_NAME_BYTES]      = calloc(SOURCE_CNT_MAX, sizeof *names);
  const char *version                    = graph->net          ? TF_GRAPH_FILE_VERSION_NET
                                           : graph->window > 1 ? TF_GRAPH_FILE_VERSION_WINDOW
                                                               : TF_GRAPH_FILE_VERSION;
  tf_err_t    err;
  if (graph_text && features_text && check_text && sources && names) {
    tf_safetensors_text_t texts[13] = {
        {"format",        TF_GRAPH_FILE_FORMAT    },
        {"version",       version                 },
        {"name",          graph->name             },
        {"producer",      graph->producer         },
        {"source",        graph->source           },
        {"source_sha256", graph->source_sha256_hex},
        {"graph",         graph_text              },
        {"features",      features_text           },
    };
    uint32_t text_cnt = 8;
    if (!is_windowed(graph)) texts[text_cnt++] = (tf_safetensors_text_t){"check", check_text};
    if (graph->schema) texts[text_cnt++] = (tf_safetensors_text_t){"schema", graph->schema};
    if (graph->training) texts[text_cnt++] = (tf_safetensors_text_t){"training", graph->training};
    if (graph->precision != TF_PRECISION_FP32)
      texts[text_cnt++] = (tf_safetensors_text_t){"precision", tf_precision_name(graph->precision)};
    if (graph->calibration)
      texts[text_cnt++] = (tf_safetensors_text_t){"calibration", graph->calibration};
    void    *block;
    uint32_t source_cnt = list_sources(graph, sources, names);
    err                 = tf_rounding_encode(graph, sources, &source_cnt, names, &block);
    if (!err) err = tf_safetensors_write(path, texts, text_cnt, sources, source_cnt);
    free(block);
  } else {
    err = TF_ERR(E_CORE_NO_MEMORY, "%s: its metadata", path);
  }
  free(graph_text);
  free(features_text);
  free(check_text);
  free(sources);
  free(names);
  return err;
}
