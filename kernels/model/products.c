#include "model/products.h"

#include <string.h>

/* ---- chains ---- */

static bool is_gemm(const tf_graph_node_t *node) { return strcmp(node->op->name, "gemm") == 0; }

/* How many products a chain's node is. Over a window, ops on single rows stay fp32 (model/window.h). */
static uint32_t chain_product_cnt(const tf_graph_t *g, uint32_t node) {
  const tf_graph_node_t *n = &g->nodes[node];
  if (g->window <= 1) return is_gemm(n) ? 1 : 0;
  if (n->op->kind == TF_OP_KIND_RECURRENT) return 2;
  const bool flat = node > 0 && g->nodes[node - 1].op->kind == TF_OP_KIND_FLATTEN;
  return flat && is_gemm(n) ? g->window : 0;
}

static tf_product_t chain_product(const tf_graph_t *g, uint32_t node, uint32_t idx) {
  const tf_graph_node_t *n      = &g->nodes[node];
  const uint32_t         in_cnt = n->params.in_cnt, out_cnt = n->params.out_cnt;
  const bool             recurrent = n->op->kind == TF_OP_KIND_RECURRENT;
  const uint32_t         each      = recurrent ? 0 : in_cnt / chain_product_cnt(g, node);
  tf_mat_source_t        source    = {.weight     = n->weight + (size_t)idx * each,
                                      .row_floats = in_cnt,
                                      .in_cnt     = each,
                                      .out_cnt    = out_cnt};
  if (recurrent)
    source = (tf_mat_source_t){.weight     = n->weight + (idx ? in_cnt : 0),
                               .row_floats = (size_t)in_cnt + out_cnt,
                               .in_cnt     = idx ? out_cnt : in_cnt,
                               .out_cnt    = n->op->gate_cnt * out_cnt};
  return (tf_product_t){.source  = source,
                        .values  = n->weight,
                        .node    = node,
                        .range   = recurrent ? idx : 0,
                        .is_only = true};
}

static tf_err_t each_of_chain(const tf_graph_t *g, tf_product_visit_t visit, void *self) {
  tf_err_t err = TF_OK;
  for (uint32_t n = 0; n < g->node_cnt && !err; n++)
    for (uint32_t i = 0; i < chain_product_cnt(g, n) && !err; i++) {
      const tf_product_t product = chain_product(g, n, i);
      err                        = visit(self, &product);
    }
  return err;
}

/* ---- nets ---- */

static uint32_t reader_cnt(const tf_net_t *net, uint32_t value) {
  uint32_t cnt = 0;
  for (uint32_t n = 0; n < net->node_cnt; n++)
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++) cnt += net->nodes[n].in[i] == value;
  return cnt;
}

static tf_err_t each_of_node(const tf_net_t *net, uint32_t node, tf_precision_t precision,
                             tf_product_visit_t visit, void *self) {
  tf_tensor_use_t     use = net->nodes[node].use;
  tf_tensor_product_t p;
  tf_err_t            err = TF_OK;
  use.precision           = precision;
  for (uint32_t i = 0; use.op->product && !err && use.op->product(&use, i, &p); i++) {
    const uint32_t value   = net->nodes[node].in[p.input];
    tf_product_t   product = {.source  = p.source,
                              .values  = net->values[value].constant,
                              .node    = node,
                              .range   = p.range,
                              .is_only = reader_cnt(net, value) == 1};
    product.source.weight  = product.values + p.first;
    err                    = visit(self, &product);
  }
  return err;
}

tf_err_t tf_products_each(const tf_graph_t *graph, tf_precision_t precision,
                          tf_product_visit_t visit, void *self) {
  tf_err_t err = TF_OK;
  if (!graph->net) return each_of_chain(graph, visit, self);
  for (uint32_t n = 0; n < graph->net->node_cnt && !err; n++)
    err = each_of_node(graph->net, n, precision, visit, self);
  return err;
}

float *tf_products_ranges(tf_graph_t *graph, uint32_t node) {
  return graph->net ? graph->net->nodes[node].use.ranges : graph->nodes[node].ranges;
}

uint32_t tf_products_range_cnt_of_op(const tf_tensor_use_t *use) {
  tf_tensor_use_t     in_int8 = *use;
  tf_tensor_product_t p;
  uint32_t            cnt = 0;
  in_int8.precision       = TF_PRECISION_INT8;
  for (uint32_t i = 0; use->op->product && use->op->product(&in_int8, i, &p); i++)
    if (cnt <= p.range) cnt = p.range + 1;
  return cnt;
}

uint32_t tf_products_range_cnt(const tf_graph_t *graph, uint32_t node) {
  if (graph->net) return tf_products_range_cnt_of_op(&graph->net->nodes[node].use);
  const uint32_t cnt = chain_product_cnt(graph, node);
  return graph->nodes[node].op->kind == TF_OP_KIND_RECURRENT ? cnt : cnt > 0;
}
