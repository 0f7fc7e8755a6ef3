#include "gpu/card_net_chain.h"

#include <string.h>

#include "core/error.h"

/* A chain on its way: value is what the nodes so far made. */
typedef struct maker {
  const tf_graph_node_t *node;
  tf_net_t              *net;
  uint32_t               value;
} maker_t;

static const tf_tensor_shape_t *shape_of(const maker_t *m) {
  return &m->net->values[m->value].shape;
}

static tf_err_t add(maker_t *m, const char *op, const tf_op_t *row, const uint32_t *in,
                    uint32_t in_cnt, const int64_t *ints, uint32_t int_cnt) {
  const double        reals[2] = {(double)m->node->params.alpha, (double)m->node->params.beta};
  const tf_net_spec_t spec     = {.op       = tf_tensor_find(op),
                                  .row      = row,
                                  .name     = m->node->name,
                                  .in       = in,
                                  .in_cnt   = in_cnt,
                                  .ints     = ints,
                                  .int_cnt  = int_cnt,
                                  .reals    = reals,
                                  .real_cnt = tf_tensor_find(op)->real_cnt};
  return tf_net_add(m->net, &spec, &m->value);
}

/* A copy of cnt floats; zeros where from is NULL. */
static tf_err_t constant(maker_t *m, const float *from, uint32_t rank, uint32_t a, uint32_t b,
                         uint32_t c, uint32_t *value) {
  tf_tensor_shape_t shape = {
      .rank = rank, .dims = {a, b, c}
  };
  tf_err_t err = tf_tensor_shape_count(&shape);
  if (err) return err;
  float *values = calloc(shape.cnt, sizeof *values);
  if (!values) return TF_ERR(E_CORE_NO_MEMORY, "%u weights", shape.cnt);
  if (from) memcpy(values, from, shape.cnt * sizeof *values);
  return tf_net_add_constant(m->net, m->node->name, &shape, values, value);
}

static tf_err_t add_each(maker_t *m, const tf_op_t *op) {
  return add(m, op->mixes ? "rows" : "each", op, &m->value, 1, NULL, 0);
}

static tf_err_t add_gemm(maker_t *m) {
  static const int64_t  turned = 1;
  const tf_op_params_t *p      = &m->node->params;
  uint32_t              in[2]  = {m->value, 0};
  tf_err_t              err    = constant(m, m->node->weight, 2, p->out_cnt, p->in_cnt, 0, &in[1]);
  if (!err) err = add(m, "matmul", NULL, in, 2, &turned, 1);
  in[0] = m->value;
  if (!err && m->node->bias) {
    err = constant(m, m->node->bias, 1, p->out_cnt, 0, 0, &in[1]);
    if (!err) err = add(m, "add", NULL, in, 2, NULL, 0);
  }
  const tf_op_t *act = tf_op_of_act(p->act);
  return err || !act ? err : add_each(m, act);
}

static tf_err_t add_constant(maker_t *m) {
  uint32_t in[2] = {m->value, 0};
  tf_err_t err   = constant(m, m->node->weight, 1, m->node->params.in_cnt, 0, 0, &in[1]);
  return err ? err : add(m, m->node->op->name, NULL, in, 2, NULL, 0);
}

static tf_err_t add_last(maker_t *m) {
  const int64_t rows = shape_of(m)->dims[0], width = shape_of(m)->dims[1];
  const int64_t ints[6] = {rows - 1, 1, 1, 0, width, 1};
  return add(m, "slice", NULL, &m->value, 1, ints, 6);
}

static tf_err_t add_shape(maker_t *m, const int64_t *dims, uint32_t rank) {
  return add(m, "reshape", NULL, &m->value, 1, dims, rank);
}

/* A chain's biases are sums of ONNX's two, but for a GRU's third gate, whose second comes last. */
static tf_err_t add_biases(maker_t *m, uint32_t gates, uint32_t units, uint32_t *value) {
  const bool apart = m->node->op->gate_cnt == 3;
  float     *both  = calloc(2 * (size_t)gates, sizeof *both);
  if (!both) return TF_ERR(E_CORE_NO_MEMORY, "%u biases", gates);
  memcpy(both, m->node->bias, gates * sizeof *both);
  if (apart) memcpy(both + 2 * gates - units, m->node->bias + gates, units * sizeof *both);
  tf_err_t err = constant(m, both, 2, 1, 2 * gates, 0, value);
  free(both);
  return err;
}

/* A row of weights is W's part, then U's. */
static tf_err_t add_weights(maker_t *m, uint32_t gates, uint32_t first, uint32_t cnt,
                            uint32_t *value) {
  const size_t each = m->node->params.in_cnt + (size_t)m->node->params.out_cnt;
  float       *part = calloc((size_t)gates * cnt, sizeof *part);
  if (!part) return TF_ERR(E_CORE_NO_MEMORY, "%u gates", gates);
  for (uint32_t g = 0; g < gates; g++)
    memcpy(part + (size_t)g * cnt, m->node->weight + g * each + first, cnt * sizeof *part);
  tf_err_t err = constant(m, part, 3, 1, gates, cnt, value);
  free(part);
  return err;
}

static tf_err_t add_recurrent(maker_t *m) {
  static const int64_t forward = 0;
  const uint32_t       n = m->node->params.in_cnt, units = m->node->params.out_cnt,
                 gates      = m->node->op->gate_cnt * units;
  const int64_t rows        = shape_of(m)->dims[0];
  const int64_t as_batch[3] = {rows, 1, n}, as_rows[2] = {rows, units};
  uint32_t      in[6];
  tf_err_t      err = add_shape(m, as_batch, 3);
  in[0]             = m->value;
  if (!err) err = add_weights(m, gates, 0, n, &in[1]);
  if (!err) err = add_weights(m, gates, n, units, &in[2]);
  if (!err) err = add_biases(m, gates, units, &in[3]);
  if (!err) err = constant(m, NULL, 3, 1, 1, units, &in[4]);
  in[5] = in[4];
  if (!err)
    err = add(m, m->node->op->name, NULL, in, m->node->op->gate_cnt == 4 ? 6 : 5, &forward, 1);
  return err ? err : add_shape(m, as_rows, 2);
}

static tf_err_t add_node(maker_t *m) {
  const tf_op_t *op      = m->node->op;
  const int64_t  flat[2] = {1, shape_of(m)->cnt};
  switch (op->kind) {
  case TF_OP_KIND_RECURRENT: return add_recurrent(m);
  case TF_OP_KIND_LAST: return add_last(m);
  case TF_OP_KIND_FLATTEN: return add_shape(m, flat, 2);
  case TF_OP_KIND_ROW: break;
  }
  if (!op->has_weight) return add_each(m, op);
  return op->has_bias ? add_gemm(m) : add_constant(m);
}

tf_err_t tf_card_net_chain_new(const tf_graph_t *graph, tf_net_t **net) {
  maker_t  m   = {.value = TF_NET_INPUT};
  tf_err_t err = tf_net_new(graph->window, graph->input_cnt, &m.net);
  for (uint32_t n = 0; n < graph->node_cnt && !err; n++) {
    m.node = &graph->nodes[n];
    err    = add_node(&m);
    if (err) err = tf_error_add(err, "node %u, %s \"%.60s\"", n, m.node->op->name, m.node->name);
  }
  if (!err) err = tf_net_end(m.net, m.value);
  if (err) {
    tf_net_delete(m.net);
    m.net = NULL;
  }
  *net = m.net;
  return err;
}
