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
  graph->window = graph->row_cnt = 1;
  return TF_OK;
}

tf_err_t tf_graph_set_window(tf_graph_t *graph, uint32_t window) {
  TF_ASSERT(graph->row_cnt == graph->window);
  if (window == 0 || window > TF_GRAPH_WINDOW_MAX)
    return TF_ERR(E_MODEL_SHAPE, "a window of %u rows, 1 to %u are allowed", window,
                  TF_GRAPH_WINDOW_MAX);
  if ((uint64_t)graph->width_max * window > TF_GRAPH_VALUE_CNT_MAX)
    return TF_ERR(E_MODEL_SHAPE, "%u rows of %u values, at most %llu values are allowed", window,
                  graph->width_max, (unsigned long long)TF_GRAPH_VALUE_CNT_MAX);
  graph->window = graph->row_cnt = window;
  return TF_OK;
}

void tf_graph_set_net(tf_graph_t *graph, tf_net_t *net) {
  TF_ASSERT(graph->node_cnt == 0 && graph->input_cnt == net->input_cnt &&
            net->window <= TF_GRAPH_WINDOW_MAX);
  graph->net        = net;
  graph->window     = net->window;
  graph->row_cnt    = 1;
  graph->output_cnt = tf_net_output_cnt(net);
  graph->param_cnt  = net->param_cnt;
}

void tf_graph_fini(tf_graph_t *graph) {
  tf_net_delete(graph->net);
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    free(graph->nodes[i].weight);
    free(graph->nodes[i].bias);
  }
  tf_features_fini(&graph->features);
  free(graph->training);
  free(graph->schema);
  free(graph->calibration);
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

/* What an op makes of the rows so far. */
static tf_err_t check_rows(const tf_graph_t *graph, const tf_op_t *op, tf_op_params_t *params) {
  if (op->kind == TF_OP_KIND_ROW) return TF_OK;
  if (graph->row_cnt < 2)
    return TF_ERR(E_MODEL_SHAPE, "%s works on a window of rows, and there is one row", op->name);
  uint64_t width = (uint64_t)params->in_cnt * graph->row_cnt;
  if (op->kind != TF_OP_KIND_FLATTEN) return TF_OK;
  if (width > TF_OP_WIDTH_MAX)
    return TF_ERR(E_MODEL_SHAPE, "%u rows of %u values are %llu in one row, at most %u are allowed",
                  graph->row_cnt, params->in_cnt, (unsigned long long)width, TF_OP_WIDTH_MAX);
  params->out_cnt = (uint32_t)width;
  return TF_OK;
}

static uint32_t rows_after(const tf_graph_t *graph, const tf_op_t *op) {
  return op->kind == TF_OP_KIND_LAST || op->kind == TF_OP_KIND_FLATTEN ? 1 : graph->row_cnt;
}

static tf_err_t check_node(const tf_graph_t *graph, const tf_op_t *op, tf_op_params_t *params,
                           const float *weight, const float *bias) {
  if (graph->node_cnt == TF_GRAPH_NODE_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "more than %u nodes", TF_GRAPH_NODE_CNT_MAX);
  TF_ASSERT((weight != NULL) == op->has_weight && (bias == NULL || op->has_bias));
  tf_err_t err = op->shape(params);
  if (!err) err = check_rows(graph, op, params);
  if (!err && (uint64_t)params->out_cnt * rows_after(graph, op) > TF_GRAPH_VALUE_CNT_MAX)
    err = TF_ERR(E_MODEL_SHAPE, "%u rows of %u values, at most %llu values are allowed",
                 graph->row_cnt, params->out_cnt, (unsigned long long)TF_GRAPH_VALUE_CNT_MAX);
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
  graph->row_cnt    = rows_after(graph, op);
  graph->param_cnt += checked.weight_cnt + checked.bias_cnt;
  if (checked.out_cnt > graph->width_max) graph->width_max = checked.out_cnt;
  return TF_OK;
}

tf_err_t tf_graph_check_end(const tf_graph_t *graph) {
  if (graph->net) return TF_OK;
  if (graph->node_cnt == 0) return TF_ERR(E_MODEL_SHAPE, "model %s has no nodes", graph->name);
  if (graph->row_cnt == 1) return TF_OK;
  return TF_ERR(E_MODEL_SHAPE,
                "model %s answers with %u rows, one is wanted: take the last, or flatten them",
                graph->name, graph->row_cnt);
}

/* An evaluation in progress: rows of in and of out follow one another. */
typedef struct eval {
  const tf_graph_t *graph;
  uint32_t          row_cnt;
  double           *in, *out, *carry;
} eval_t;

static void eval_recurrent(eval_t *e, const tf_op_t *op, const tf_op_params_t *params) {
  double *h = e->carry + 2 * (size_t)e->graph->width_max;
  memset(e->carry, 0, 3 * (size_t)e->graph->width_max * sizeof *e->carry);
  for (uint32_t r = 0; r < e->row_cnt; r++) {
    op->ref_step(params, e->in + (size_t)r * params->in_cnt, e->carry, h);
    memcpy(e->out + (size_t)r * params->out_cnt, h, params->out_cnt * sizeof *h);
  }
}

static void eval_node(eval_t *e, uint32_t node, const tf_net_watch_t *watch) {
  const tf_op_t        *op     = e->graph->nodes[node].op;
  const tf_op_params_t *params = &e->graph->nodes[node].params;
  const size_t          in_cnt = params->in_cnt, all_in_cnt = e->row_cnt * in_cnt;
  switch (op->kind) {
  case TF_OP_KIND_ROW:
    for (uint32_t r = 0; r < e->row_cnt; r++)
      op->ref(params, e->in + r * in_cnt, e->out + r * (size_t)params->out_cnt);
    break;
  case TF_OP_KIND_RECURRENT: eval_recurrent(e, op, params); break;
  case TF_OP_KIND_LAST:
    memcpy(e->out, e->in + (e->row_cnt - 1) * in_cnt, in_cnt * sizeof *e->out);
    e->row_cnt = 1;
    break;
  case TF_OP_KIND_FLATTEN: /* rows lie one behind the other as it is */
    memcpy(e->out, e->in, e->row_cnt * in_cnt * sizeof *e->out);
    e->row_cnt = 1;
    break;
  }
  if (watch)
    watch->see(watch->self, node, e->in, all_in_cnt, e->out, e->row_cnt * (size_t)params->out_cnt);
  double *done = e->in;
  e->in        = e->out;
  e->out       = done;
}

/* The most values between two nodes. */
static size_t value_cnt_max(const tf_graph_t *graph) {
  size_t rows = graph->window, max = rows * graph->input_cnt;
  for (uint32_t i = 0; i < graph->node_cnt; i++) {
    tf_op_kind_t kind = graph->nodes[i].op->kind;
    if (kind == TF_OP_KIND_LAST || kind == TF_OP_KIND_FLATTEN) rows = 1;
    if (max < rows * graph->nodes[i].params.out_cnt) max = rows * graph->nodes[i].params.out_cnt;
  }
  return max;
}

tf_err_t tf_graph_eval(const tf_graph_t *graph, const float *rows, double *out) {
  return tf_graph_eval_watched(graph, rows, out, NULL);
}

tf_err_t tf_graph_eval_watched(const tf_graph_t *graph, const float *rows, double *out,
                               const tf_net_watch_t *watch) {
  if (graph->net) return tf_net_eval_watched(graph->net, rows, out, watch);
  size_t  cnt    = value_cnt_max(graph);
  double *values = malloc((2 * cnt + 3 * (size_t)graph->width_max) * sizeof *values);
  if (!values) return TF_ERR(E_CORE_NO_MEMORY, "%u rows of %u", graph->window, graph->width_max);
  eval_t e = {graph, graph->window, values, values + cnt, values + 2 * cnt};
  for (size_t i = 0; i < (size_t)graph->input_cnt * graph->window; i++) e.in[i] = (double)rows[i];
  for (uint32_t n = 0; n < graph->node_cnt; n++) eval_node(&e, n, watch);
  memcpy(out, e.in, graph->output_cnt * sizeof *out);
  free(values);
  return TF_OK;
}

/* The outputs of check_inputs, cnt windows of them. */
static tf_err_t answer_checks(tf_graph_t *graph, uint32_t cnt) {
  const size_t each = (size_t)graph->window * graph->input_cnt;
  double      *out  = malloc(graph->output_cnt * sizeof *out);
  tf_err_t     err  = out ? tf_graph_check_end(graph) : TF_ERR(E_CORE_NO_MEMORY, "check rows");
  for (uint32_t r = 0; r < cnt && !err; r++) {
    err = tf_graph_eval(graph, graph->check_inputs + r * each, out);
    for (uint32_t o = 0; o < graph->output_cnt && !err; o++) {
      if (!(fabs(out[o]) <= (double)FLT_MAX))
        err = TF_ERR(E_MODEL_WEIGHTS, "output %u of known answer %u is %g: no float", o, r, out[o]);
      graph->check_outputs[(size_t)r * graph->output_cnt + o] = (float)out[o];
    }
  }
  free(out);
  if (!err) graph->check_cnt = cnt;
  return err;
}

static tf_err_t begin_checks(tf_graph_t *graph, uint32_t cnt) {
  const size_t each = (size_t)graph->window * graph->input_cnt;
  free(graph->check_inputs);
  free(graph->check_outputs);
  graph->check_cnt     = 0;
  graph->check_inputs  = malloc(cnt * each * sizeof *graph->check_inputs);
  graph->check_outputs = malloc((size_t)cnt * graph->output_cnt * sizeof *graph->check_outputs);
  return graph->check_inputs && graph->check_outputs ? TF_OK
                                                     : TF_ERR(E_CORE_NO_MEMORY, "check rows");
}

tf_err_t tf_graph_make_checks(tf_graph_t *graph) {
  const uint32_t cnt  = TF_ARRAY_CNT(check_scales);
  const size_t   each = (size_t)graph->window * graph->input_cnt;
  uint64_t       seed = 0;
  tf_err_t       err  = begin_checks(graph, cnt);
  for (uint32_t r = 0; r < cnt && !err; r++) {
    float *rows = graph->check_inputs + r * each;
    tf_shapes_noise(rows, each, &seed);
    for (size_t i = 0; i < each; i++) rows[i] *= check_scales[r];
  }
  return err ? err : answer_checks(graph, cnt);
}

tf_err_t tf_graph_make_checks_of(tf_graph_t *graph, const float *const *windows, uint32_t cnt) {
  const size_t each = (size_t)graph->window * graph->input_cnt;
  TF_ASSERT(cnt >= 1 && cnt <= TF_GRAPH_CHECK_CNT_MAX);
  tf_err_t err = begin_checks(graph, cnt);
  for (uint32_t r = 0; r < cnt && !err; r++)
    memcpy(graph->check_inputs + r * each, windows[r], each * sizeof(float));
  return err ? err : answer_checks(graph, cnt);
}
