#include "model/graph.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/shapes.h"

/* Magnitudes of the check rows. */
static const float check_scales[] = {1.0f, 0.1f, 0.01f, 0.001f};
TF_STATIC_ASSERT(TF_ARRAY_CNT(check_scales) <= TF_GRAPH_CHECK_CNT_MAX, "rows that a file may hold");

tf_err_t tf_graph_init(tf_graph_t *graph, const char *name, uint32_t input_cnt) {
  memset(graph, 0, sizeof *graph);
  size_t length = strlen(name);
  if (length == 0 || length >= sizeof graph->name)
    return TF_ERR(E_MODEL_FORMAT, "a model name of %zu bytes, 1 to %zu are allowed", length,
                  sizeof graph->name - 1);
  if (name[0] == '.' || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789_-.") != length)
    return TF_ERR(E_MODEL_FORMAT,
                  "model name \"%s\": A-Z a-z 0-9 _ - . are allowed, not beginning with a dot",
                  name);
  if (input_cnt == 0 || input_cnt > TF_MODEL_INPUTS_MAX)
    return TF_ERR(E_MODEL_SHAPE, "a model of %u inputs, 1 to %d are allowed", input_cnt,
                  TF_MODEL_INPUTS_MAX);
  memcpy(graph->name, name, length + 1);
  graph->input_cnt = graph->output_cnt = graph->width_max = input_cnt;
  return TF_OK;
}

void tf_graph_fini(tf_graph_t *graph) {
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    free(graph->nodes[i].weight);
    free(graph->nodes[i].bias);
  }
  tf_features_fini(&graph->features);
  free(graph->training);
  free(graph->check_inputs);
  free(graph->check_outputs);
  memset(graph, 0, sizeof *graph);
}

void tf_graph_tensor_name(char *target, size_t bytes, uint32_t node_idx, const char *op_name,
                          const char *what) {
  snprintf(target, bytes, "%u.%s.%s", node_idx, op_name, what);
}

static tf_err_t check_values(const tf_graph_t *graph, const tf_op_t *op, const char *what,
                             const float *values, uint64_t cnt) {
  char tensor[TF_GRAPH_NAME_BYTES];
  for (uint64_t i = 0; i < cnt; i++) {
    int kind = fpclassify(values[i]);
    if (kind == FP_NORMAL || kind == FP_ZERO) continue;
    tf_graph_tensor_name(tensor, sizeof tensor, graph->node_cnt, op->name, what);
    return TF_ERR(E_MODEL_WEIGHTS, "tensor %s: element %llu is %s; export the model anew", tensor,
                  (unsigned long long)i,
                  kind == FP_NAN        ? "NaN"
                  : kind == FP_INFINITE ? "infinite"
                                        : "denormal (tickfuse model import makes those 0)");
  }
  return TF_OK;
}

static tf_err_t check_node(const tf_graph_t *graph, const tf_op_t *op, tf_op_params_t *params,
                           const float *weight, const float *bias) {
  if (graph->node_cnt == TF_GRAPH_NODE_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "more than %u nodes", TF_GRAPH_NODE_CNT_MAX);
  TF_ASSERT((weight != NULL) == op->has_weight && (bias == NULL || op->has_bias));
  tf_err_t err = op->shape(params);
  if (!err && graph->param_cnt + params->weight_cnt + params->bias_cnt > TF_GRAPH_PARAM_CNT_MAX)
    err = TF_ERR(E_MODEL_UNSUPPORTED, "more than %llu parameters",
                 (unsigned long long)TF_GRAPH_PARAM_CNT_MAX);
  if (!err) err = check_values(graph, op, "weight", weight, params->weight_cnt);
  if (!err) err = check_values(graph, op, "bias", bias, params->bias_cnt);
  return err;
}

tf_err_t tf_graph_append(tf_graph_t *graph, const tf_op_t *op, const char *name,
                         const tf_op_params_t *params, float *weight, float *bias) {
  tf_op_params_t checked = *params;
  checked.in_cnt         = graph->output_cnt;
  checked.weight         = weight;
  checked.bias           = bias;
  tf_err_t err           = check_node(graph, op, &checked, weight, bias);
  if (err) {
    free(weight);
    free(bias);
    return tf_error_add(err, "adding node %u, %s \"%.60s\"", graph->node_cnt, op->name, name);
  }
  tf_graph_node_t *node = &graph->nodes[graph->node_cnt++];
  *node = (tf_graph_node_t){.op = op, .params = checked, .weight = weight, .bias = bias};
  snprintf(node->name, sizeof node->name, "%s", name);
  graph->output_cnt = checked.out_cnt;
  graph->param_cnt += checked.weight_cnt + checked.bias_cnt;
  if (checked.out_cnt > graph->width_max) graph->width_max = checked.out_cnt;
  return TF_OK;
}

tf_err_t tf_graph_eval(const tf_graph_t *graph, const float *row, double *out) {
  double *values = malloc(2 * (size_t)graph->width_max * sizeof *values);
  if (!values) return TF_ERR(E_CORE_NO_MEMORY, "rows of %u", graph->width_max);
  double *in = values, *next = values + graph->width_max;
  for (uint32_t i = 0; i < graph->input_cnt; i++) in[i] = (double)row[i];
  for (uint32_t n = 0; n < graph->node_cnt; n++) {
    graph->nodes[n].op->ref(&graph->nodes[n].params, in, next);
    double *done = in;
    in           = next;
    next         = done;
  }
  memcpy(out, in, graph->output_cnt * sizeof *out);
  free(values);
  return TF_OK;
}

tf_err_t tf_graph_make_checks(tf_graph_t *graph) {
  const uint32_t cnt  = TF_ARRAY_CNT(check_scales);
  uint64_t       seed = 0;
  free(graph->check_inputs);
  free(graph->check_outputs);
  graph->check_cnt     = 0;
  graph->check_inputs  = malloc((size_t)cnt * graph->input_cnt * sizeof *graph->check_inputs);
  graph->check_outputs = malloc((size_t)cnt * graph->output_cnt * sizeof *graph->check_outputs);
  double  *out         = malloc(graph->output_cnt * sizeof *out);
  tf_err_t err         = graph->check_inputs && graph->check_outputs && out
                             ? TF_OK
                             : TF_ERR(E_CORE_NO_MEMORY, "check rows");
  for (uint32_t r = 0; r < cnt && !err; r++) {
    float *row = graph->check_inputs + (size_t)r * graph->input_cnt;
    tf_shapes_noise(row, graph->input_cnt, &seed);
    for (uint32_t i = 0; i < graph->input_cnt; i++) row[i] *= check_scales[r];
    err = tf_graph_eval(graph, row, out);
    for (uint32_t o = 0; o < graph->output_cnt && !err; o++) {
      if (!(fabs(out[o]) <= (double)FLT_MAX))
        err = TF_ERR(E_MODEL_WEIGHTS, "output %u of a row of magnitude %g is %g: no float", o,
                     (double)check_scales[r], out[o]);
      graph->check_outputs[(size_t)r * graph->output_cnt + o] = (float)out[o];
    }
  }
  free(out);
  if (!err) graph->check_cnt = cnt;
  return err;
}
