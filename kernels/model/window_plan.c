/* A window's plan from a graph: what goes where in the block, the states and the scratch. */
#include <string.h>

#include "core/error.h"
#include "model/block.h"
#include "model/execute.h"
#include "model/window.h"

/* Windows that advance together: their gates stay in L1 between the product and the cell. */
#define CHUNK_ROWS 12u

/* Parts of the graph, by node. */
typedef struct parts {
  uint32_t recurrent_first, recurrent_cnt;
  uint32_t flatten; /* node_cnt where there is none */
  uint32_t after_first;
} parts_t;

static tf_err_t split(const tf_graph_t *g, parts_t *p) {
  *p = (parts_t){.recurrent_first = g->node_cnt, .flatten = g->node_cnt};
  for (uint32_t i = 0; i < g->node_cnt; i++) {
    const tf_op_t *op = g->nodes[i].op;
    if (op->kind == TF_OP_KIND_FLATTEN) p->flatten = i;
    if (op->kind != TF_OP_KIND_RECURRENT) continue;
    if (p->recurrent_cnt == 0) p->recurrent_first = i;
    if (p->recurrent_first + p->recurrent_cnt++ != i)
      return TF_ERR(E_MODEL_UNSUPPORTED,
                    "model %s: node %u, %s \"%s\", between recurrent layers: these must follow one "
                    "another",
                    g->name, i - 1, g->nodes[i - 1].op->name, g->nodes[i - 1].name);
  }
  bool flat = p->flatten < g->node_cnt;
  if (p->recurrent_cnt > TF_WINDOW_LAYERS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: %u recurrent layers, at most %u are allowed",
                  g->name, p->recurrent_cnt, TF_WINDOW_LAYERS_MAX);
  if (flat == (p->recurrent_cnt > 0))
    return TF_ERR(
        E_MODEL_UNSUPPORTED,
        "model %s: a window of %u rows wants either recurrent layers and the last row, or "
        "all rows flattened",
        g->name, g->window);
  if (flat && (p->flatten + 1 == g->node_cnt || strcmp(g->nodes[p->flatten + 1].op->name, "gemm")))
    return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: behind flatten stands %s, not gemm", g->name,
                  p->flatten + 1 == g->node_cnt ? "nothing" : g->nodes[p->flatten + 1].op->name);
  p->after_first = flat ? p->flatten + 2 : p->recurrent_first + p->recurrent_cnt;
  return TF_OK;
}

tf_err_t tf_window_check(const tf_graph_t *graph) {
  parts_t parts;
  return graph->window > 1 ? split(graph, &parts) : TF_OK;
}

/* A running offset: where bytes lie that begin at a multiple of 64. */
static size_t place(size_t *used, size_t bytes) {
  size_t at = *used;
  *used += tf_align_up(bytes, TF_LINE_BYTES);
  return at;
}

static tf_mat_source_t layer_source(const tf_graph_node_t *n, bool of_h, tf_precision_t precision) {
  uint32_t in_cnt = n->params.in_cnt, units = n->params.out_cnt;
  return (tf_mat_source_t){.weight     = n->weight + (of_h ? in_cnt : 0),
                           .row_floats = (size_t)in_cnt + units,
                           .in_cnt     = of_h ? units : in_cnt,
                           .out_cnt    = n->op->gate_cnt * units,
                           .precision  = precision,
                           .range      = n->ranges[of_h]};
}

/* Gates end in a vector's room: the cell reads each gate in whole vectors. */
static size_t gate_floats(const tf_graph_node_t *n) {
  return tf_align_up((size_t)n->op->gate_cnt * n->params.out_cnt, TF_OP_PAD) + TF_OP_PAD;
}

static size_t layer_bytes(const tf_graph_node_t *n, tf_precision_t precision) {
  tf_mat_source_t w = layer_source(n, false, precision), u = layer_source(n, true, precision);
  return tf_mat_bytes(&w) + tf_mat_bytes(&u) + 2 * gate_floats(n) * sizeof(float);
}

static tf_mat_source_t part_source(const tf_graph_t *g, const tf_graph_node_t *n, uint32_t part,
                                   tf_precision_t precision) {
  uint32_t in_cnt = n->params.in_cnt / g->window;
  return (tf_mat_source_t){.weight     = n->weight + (size_t)part * in_cnt,
                           .row_floats = n->params.in_cnt,
                           .in_cnt     = in_cnt,
                           .out_cnt    = n->params.out_cnt,
                           .precision  = precision,
                           .range      = n->ranges[0]};
}

static size_t parts_bytes(const tf_graph_t *g, const tf_graph_node_t *n, tf_precision_t precision) {
  tf_mat_source_t source = part_source(g, n, 0, precision);
  return g->window * (tf_mat_bytes(&source) + sizeof(tf_mat_t)) + TF_LINE_BYTES +
         tf_align_up(n->params.out_cnt, TF_OP_PAD) * sizeof(float);
}

/* The GRU's third gate has a bias on either side; all other biases are added to U h. */
static void place_biases(tf_window_layer_t *l, const tf_graph_node_t *n, float *h_bias,
                         float *x_bias) {
  const uint32_t units = l->units, shared = n->op->gate_cnt < TF_OP_BIASES_A_UNIT
                                                ? (n->op->gate_cnt - 1) * units
                                                : n->op->gate_cnt * units;
  memcpy(h_bias, n->bias, shared * sizeof *h_bias);
  l->h_bias = h_bias;
  if (n->op->gate_cnt == TF_OP_BIASES_A_UNIT) return;
  memcpy(x_bias + shared, n->bias + shared, units * sizeof *x_bias);
  memcpy(h_bias + shared, n->bias + shared + units, units * sizeof *h_bias);
  l->x_bias = x_bias;
}

static void pack_layer(tf_window_t *w, const tf_graph_t *g, uint32_t node, uint8_t *at) {
  const tf_graph_node_t *n  = &g->nodes[node];
  tf_window_layer_t     *l  = &w->layers[w->layer_cnt++];
  tf_mat_source_t        in = layer_source(n, false, w->precision),
                  h         = layer_source(n, true, w->precision);
  *l                        = (tf_window_layer_t){
                             .op          = n->op,
                             .node        = node,
                             .units       = n->params.out_cnt,
                             .gate_floats = gate_floats(n),
                             .cell = n->op->cell[w->precision == TF_PRECISION_FP32 ? TF_OP_CURVE_EXACT : TF_OP_CURVE_CUBIC]
                                                [w->isa]};
  float *biases = (float *)(void *)at;
  place_biases(l, n, biases, biases + l->gate_floats);
  at += 2 * l->gate_floats * sizeof *biases;
  tf_mat_pack(&l->w, &in, w->isa, at);
  tf_mat_pack(&l->u, &h, w->isa, at + tf_mat_bytes(&in));
  w->timed_bytes += tf_mat_bytes(&in);
  /* a timed step is W x; the others are W x but for the first layer's, and U h */
  uint64_t wx = 2 * (uint64_t)in.in_cnt * in.out_cnt, uh = 2 * (uint64_t)h.in_cnt * h.out_cnt;
  w->timed_flops += wx;
  w->deferred_flops += w->window * (uh + (w->layer_cnt > 1 ? wx : 0)) + uh;
}

static void pack_parts(tf_window_t *w, const tf_graph_t *g, uint32_t node, uint8_t *at) {
  const tf_graph_node_t *n    = &g->nodes[node];
  float                 *bias = (float *)(void *)at;
  for (uint64_t o = 0; o < n->params.bias_cnt; o++) bias[o] = n->bias[o];
  w->parts_bias = bias;
  w->sum_floats = tf_align_up(n->params.out_cnt, TF_OP_PAD);
  at += w->sum_floats * sizeof *bias;
  w->parts = (tf_mat_t *)(void *)at;
  at += tf_align_up(w->window * sizeof *w->parts, TF_LINE_BYTES);
  for (uint32_t i = 0; i < w->window; i++) {
    tf_mat_source_t source = part_source(g, n, i, w->precision);
    tf_mat_pack(&w->parts[i], &source, w->isa, at);
    at += tf_mat_bytes(&source);
    w->timed_bytes = tf_mat_bytes(&source);
    w->timed_flops = 2 * (uint64_t)source.in_cnt * source.out_cnt;
  }
  w->deferred_flops = (w->window - 1) * w->timed_flops;
}

static void place_state(tf_window_t *w) {
  size_t          used  = TF_LINE_BYTES; /* the head */
  const tf_mat_t *first = w->layer_cnt ? &w->layers[0].w : &w->parts[0];
  w->input_row_bytes    = first->row_bytes;
  w->inputs_at          = place(&used, w->window * first->row_bytes);
  w->sums_at            = place(&used, w->window * w->sum_floats * sizeof(float));
  if (w->layer_cnt) w->shared_at = place(&used, w->layers[0].gate_floats * sizeof(float));
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    tf_window_layer_t *l     = &w->layers[i];
    size_t             units = tf_align_up(l->units, TF_OP_PAD);
    l->rows_at               = place(&used, w->window * l->u.row_bytes);
    l->carry_at              = place(&used, w->window * units * sizeof(float));
    l->ready_at              = place(&used, l->gate_floats * sizeof(float));
  }
  w->state_bytes = used;
}

static void place_scratch(tf_window_t *w) {
  size_t used = 0, gates = 0, units = 0, plans = 0;
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    if (gates < w->layers[i].gate_floats) gates = w->layers[i].gate_floats;
    if (units < w->layers[i].units) units = w->layers[i].units;
  }
  if (w->before) plans = w->before->scratch_bytes;
  if (w->after && plans < w->after->scratch_bytes) plans = w->after->scratch_bytes;
  w->gates_at          = place(&used, w->row_cnt_chunk * gates * sizeof(float));
  w->products_at       = place(&used, w->row_cnt_chunk * gates * sizeof(float));
  w->shared_scratch_at = place(&used, gates * sizeof(float));
  w->h_at              = place(&used, tf_align_up(units, TF_OP_PAD) * sizeof(float));
  w->plan_scratch_at   = place(&used, plans);
  w->row_at            = place(&used, (w->before ? w->before->row_floats : 0) * sizeof(float));
  w->scratch_bytes     = used ? used : TF_LINE_BYTES;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void place_many_scratch(tf_window_t *w) {
  const size_t cnt       = TF_MODEL_ROWS_MAX;
  size_t       used      = tf_align_up(w->scratch_bytes, TF_LINE_BYTES);
  size_t       row_bytes = w->input_row_bytes, products = w->sum_floats, results = w->sum_floats;
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    row_bytes = larger(row_bytes, w->layers[i].u.row_bytes);
    products  = larger(products, w->layers[i].gate_floats);
    results   = larger(results, tf_align_up(w->layers[i].units, TF_OP_PAD));
  }
  size_t plans = w->before ? tf_execute_rows_bytes(w->before) : 0;
  if (w->after) plans = larger(plans, tf_execute_rows_bytes(w->after));
  w->many_rows_at     = place(&used, cnt * row_bytes);
  w->many_products_at = place(&used, cnt * products * sizeof(float));
  w->many_results_at  = place(&used, cnt * results * sizeof(float));
  w->many_outs_at     = place(&used, cnt * w->output_cnt * sizeof(float));
  w->many_made_at     = place(&used, cnt * (w->before ? w->before->output_cnt : 0) * sizeof(float));
  w->many_plan_at     = place(&used, plans);
  w->many_scratch_bytes = used;
}

/* Ops on single rows, from one node up to another; none leaves *plan NULL. They stay in fp32: they are
 * a small part of the time, and scale what may not be rounded before. */
static tf_err_t plan_rows(const tf_graph_t *g, const tf_window_t *w, uint32_t first, uint32_t end,
                          tf_plan_t **plan) {
  bool any = false;
  for (uint32_t i = first; i < end; i++) any = any || g->nodes[i].op->kind == TF_OP_KIND_ROW;
  tf_plan_spec_t spec = {.isa = w->isa, .node_first = first, .node_cnt = end - first};
  return any ? tf_plan_new_part(g, &spec, plan) : TF_OK;
}

static tf_err_t pack(tf_window_t *w, const tf_graph_t *g, const parts_t *p) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < p->recurrent_cnt; i++)
    bytes += layer_bytes(&g->nodes[p->recurrent_first + i], w->precision);
  if (!p->recurrent_cnt) bytes = parts_bytes(g, &g->nodes[p->flatten + 1], w->precision);
  w->weight_bytes = bytes;
  w->block        = tf_block_new(&bytes);
  if (!w->block)
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: %zu bytes of packed weights", g->name, bytes);
  uint8_t *at = w->block;
  for (uint32_t i = 0; i < p->recurrent_cnt; i++) {
    pack_layer(w, g, p->recurrent_first + i, at);
    at += layer_bytes(&g->nodes[p->recurrent_first + i], w->precision);
  }
  if (!p->recurrent_cnt) pack_parts(w, g, p->flatten + 1, at);
  return TF_OK;
}

static tf_err_t build(tf_window_t *w, const tf_graph_t *g) {
  parts_t  p;
  tf_err_t err = tf_graph_check_end(g);
  if (!err) err = split(g, &p);
  if (err) return err;
  uint32_t before_end = p.recurrent_cnt ? p.recurrent_first : p.flatten;
  err                 = plan_rows(g, w, 0, before_end, &w->before);
  if (!err) err = plan_rows(g, w, p.after_first, g->node_cnt, &w->after);
  if (!err) err = pack(w, g, &p);
  if (err) return err;
  place_state(w);
  place_scratch(w);
  place_many_scratch(w);
  for (int i = 0; i < 2; i++) {
    const tf_plan_t *plan = i ? w->after : w->before;
    if (!plan) continue;
    w->timed_flops += plan->flops;
    w->timed_bytes += plan->weight_bytes;
    w->weight_bytes += plan->weight_bytes;
  }
  if (w->state_bytes <= TF_WINDOW_STATE_BYTES_MAX) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "model %s: %zu bytes of state an instrument, at most %llu",
                g->name, w->state_bytes, (unsigned long long)TF_WINDOW_STATE_BYTES_MAX);
}

tf_err_t tf_window_new(const tf_graph_t *g, tf_isa_t isa, tf_precision_t precision,
                       tf_window_t **window) {
  TF_ASSERT(g->window > 1);
  *window = NULL;
  if (!tf_isa_supported(isa))
    return TF_ERR(E_CORE_ARGUMENT, "this CPU has no %s; it has %s", tf_isa_name(isa),
                  tf_isa_name(tf_isa_best()));
  tf_window_t *w = calloc(1, sizeof *w);
  if (!w) return TF_ERR(E_CORE_NO_MEMORY, "model %s: its plan", g->name);
  w->window        = g->window;
  w->input_cnt     = g->input_cnt;
  w->output_cnt    = g->output_cnt;
  w->isa           = isa;
  w->precision     = precision;
  w->row_cnt_chunk = g->window < CHUNK_ROWS ? g->window : CHUNK_ROWS;
  tf_err_t err     = build(w, g);
  if (err)
    tf_window_delete(w);
  else
    *window = w;
  return err;
}

tf_err_t tf_window_split(tf_window_t *w, const char *name) {
  const tf_mat_t *mats[TF_WINDOW_LAYERS_MAX];
  const float    *biases[TF_WINDOW_LAYERS_MAX];
  TF_STATIC_ASSERT(TF_WINDOW_LAYERS_MAX <= TF_SPLIT_JOBS_MAX, "a job for each layer");
  for (uint32_t i = 0; i < w->layer_cnt; i++) {
    mats[i]   = &w->layers[i].w;
    biases[i] = w->layers[i].x_bias;
  }
  tf_split_t *split = tf_split_new(mats, biases, w->layer_cnt);
  if (!split) return TF_ERR(E_CORE_NO_MEMORY, "model %s: what two lanes share", name);
  if (!tf_split_shares(split)) {
    tf_split_delete(split);
    return TF_ERR(
        E_MODEL_UNSUPPORTED,
        "model %s: two lanes share the products of recurrent layers, of %u gates and more "
        "a layer; it has none",
        name, TF_SPLIT_OUTPUTS_MIN);
  }
  w->split = split;
  return TF_OK;
}

void tf_window_delete(tf_window_t *w) {
  if (!w) return;
  tf_split_delete(w->split);
  tf_plan_delete(w->before);
  tf_plan_delete(w->after);
  free(w->block);
  free(w);
}
