#include "model/prune.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

/* A hidden axis: units outputs of one node, which reach another. */
typedef struct axis {
  tf_graph_t *graph;
  uint32_t    maker, reader; /* nodes */
  uint32_t    units;
  uint32_t
      repeat; /* how often each unit stands in the reader's row: the window's rows, behind flatten */
  bool *keep; /* by unit */
} axis_t;

static bool is_recurrent(const tf_graph_node_t *n) { return n->op->kind == TF_OP_KIND_RECURRENT; }
static bool is_gemm(const tf_graph_node_t *n) { return strcmp(n->op->name, "gemm") == 0; }

/* Which node reads what maker makes; false where something mixes its outputs before, or nothing reads them. */
static bool find_reader(axis_t *a) {
  const tf_graph_t *g = a->graph;
  a->repeat           = 1;
  for (a->reader = a->maker + 1; a->reader < g->node_cnt; a->reader++) {
    const tf_graph_node_t *n = &g->nodes[a->reader];
    if (is_gemm(n) || is_recurrent(n)) return true;
    if (n->op->mixes) return false;
    if (n->op->kind == TF_OP_KIND_FLATTEN) a->repeat = g->window;
  }
  return false;
}

/* ---- what matters ---- */

static uint32_t row_floats(const tf_graph_node_t *n) {
  return n->params.in_cnt + (is_recurrent(n) ? n->params.out_cnt : 0);
}

static uint32_t row_cnt(const tf_graph_node_t *n) {
  return n->params.out_cnt * (is_recurrent(n) ? n->op->gate_cnt : 1);
}

/* Squares of the weights that make a unit and of those that read it. */
static double weight_of_unit(const axis_t *a, uint32_t unit) {
  const tf_graph_node_t *maker = &a->graph->nodes[a->maker], *reader = &a->graph->nodes[a->reader];
  double                 made = 0.0, read = 0.0;
  for (uint32_t row = unit; row < row_cnt(maker); row += a->units)
    for (uint32_t k = 0; k < row_floats(maker); k++) {
      const double w = (double)maker->weight[(size_t)row * row_floats(maker) + k];
      made += w * w;
    }
  for (uint32_t row = 0; row < row_cnt(reader); row++)
    for (uint32_t i = 0; i < a->repeat; i++) {
      const size_t at = (size_t)row * row_floats(reader) + i * a->units + unit;
      read += (double)reader->weight[at] * (double)reader->weight[at];
    }
  return made * read;
}

/* Units of the least weight first are dropped; of equals the later ones. weights: room for one each. */
static void choose(const axis_t *a, uint32_t drop_cnt, double *weights) {
  for (uint32_t j = 0; j < a->units; j++) {
    weights[j] = weight_of_unit(a, j);
    a->keep[j] = true;
  }
  for (uint32_t i = 0; i < drop_cnt; i++) {
    uint32_t least = 0;
    while (!a->keep[least]) least++;
    for (uint32_t j = least + 1; j < a->units; j++)
      if (a->keep[j] && weights[j] <= weights[least]) least = j;
    a->keep[least] = false;
  }
}

/* ---- taking out ---- */

/* Leaves of values the ones whose unit, idx modulo units, is kept, from first on up to cnt. Returns how many there are then. */
static uint64_t squeeze(const axis_t *a, float *values, uint64_t first, uint64_t cnt) {
  uint64_t left = first;
  for (uint64_t i = first; i < cnt; i++)
    if (a->keep[(i - first) % a->units]) values[left++] = values[i];
  return left;
}

/* Rows of a maker, whole: of a recurrent layer the same unit of each gate. */
static void drop_rows(const axis_t *a, tf_graph_node_t *n) {
  const uint32_t rows = row_cnt(n), each = row_floats(n);
  uint32_t       left = 0;
  for (uint32_t row = 0; row < rows; row++)
    if (a->keep[row % a->units])
      memmove(n->weight + (size_t)left++ * each, n->weight + (size_t)row * each,
              each * sizeof *n->weight);
  n->params.weight_cnt = (uint64_t)left * each;
  n->params.bias_cnt   = squeeze(a, n->bias, 0, n->params.bias_cnt);
}

/* Columns from first up to before end of each row of each floats. */
static void drop_columns(const axis_t *a, tf_graph_node_t *n, uint32_t each, uint32_t first,
                         uint32_t end) {
  const uint64_t rows = n->params.weight_cnt / each;
  uint64_t       used = 0;
  for (uint64_t row = 0; row < rows; row++)
    for (uint32_t k = 0; k < each; k++)
      if (k < first || k >= end || a->keep[(k - first) % a->units])
        n->weight[used++] = n->weight[row * each + k];
  n->params.weight_cnt = used;
}

static void drop_units(const axis_t *a) {
  tf_graph_node_t *maker = &a->graph->nodes[a->maker], *reader = &a->graph->nodes[a->reader];
  const uint32_t   maker_row = row_floats(maker), reader_row = row_floats(reader);
  drop_rows(a, maker);
  if (is_recurrent(maker)) drop_columns(a, maker, maker_row, maker->params.in_cnt, maker_row);
  for (uint32_t n = a->maker + 1; n < a->reader; n++) {
    tf_graph_node_t *between = &a->graph->nodes[n];
    if (between->weight)
      between->params.weight_cnt = squeeze(a, between->weight, 0, between->params.weight_cnt);
  }
  drop_columns(a, reader, reader_row, 0, reader->params.in_cnt);
}

/* ---- the graph anew ---- */

/* Appends the nodes to an empty graph, which checks their shapes, and puts it in g's place. */
static tf_err_t rebuild(tf_graph_t *g) {
  tf_graph_t *fresh = calloc(1, sizeof *fresh);
  if (!fresh) return TF_ERR(E_CORE_NO_MEMORY, "model %s: its graph", g->name);
  tf_err_t err = tf_graph_init(fresh, g->name, g->input_cnt);
  if (!err) err = tf_graph_set_window(fresh, g->window);
  for (uint32_t i = 0; i < g->node_cnt && !err; i++) {
    tf_graph_node_t *n      = &g->nodes[i];
    float           *weight = n->weight, *bias = n->bias;
    n->weight = n->bias = NULL; /* fresh's from here on */
    err                 = tf_graph_append(fresh, n->op, n->name, &n->params, weight, bias);
  }
  if (err) {
    tf_graph_fini(fresh);
    free(fresh);
    return err;
  }
  /* what is not made of the nodes stays g's */
  memcpy(g->nodes, fresh->nodes, sizeof g->nodes);
  g->param_cnt = fresh->param_cnt;
  g->width_max = fresh->width_max;
  g->check_cnt = 0;
  free(fresh);
  return TF_OK;
}

static tf_err_t prune_axis(tf_graph_t *g, uint32_t maker, double share, tf_prune_report_t *report) {
  axis_t a = {.graph = g, .maker = maker, .units = g->nodes[maker].params.out_cnt};
  if (!find_reader(&a)) return TF_OK;
  const uint32_t drop_cnt = (uint32_t)(share * a.units);
  double        *weights  = malloc(a.units * sizeof *weights);
  a.keep                  = malloc(a.units * sizeof *a.keep);
  const bool good         = weights && a.keep;
  if (good) {
    choose(&a, drop_cnt, weights);
    drop_units(&a);
  }
  free(weights);
  free(a.keep);
  if (!good) return TF_ERR(E_CORE_NO_MEMORY, "model %s: its units", g->name);
  report->axis_cnt++;
  report->unit_cnt += a.units;
  report->left_cnt += a.units - drop_cnt;
  return rebuild(g);
}

tf_err_t tf_prune_apply(tf_graph_t *g, double share, tf_prune_report_t *report) {
  TF_ASSERT(share > 0.0 && share <= TF_PRUNE_SHARE_MAX);
  memset(report, 0, sizeof *report);
  if (g->net)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "model %s is a graph of tensor operations; units are pruned of chains alone",
                  g->name);
  tf_err_t err = TF_OK;
  for (uint32_t n = 0; n < g->node_cnt && !err; n++)
    if (is_gemm(&g->nodes[n]) || is_recurrent(&g->nodes[n])) err = prune_axis(g, n, share, report);
  if (!err && report->axis_cnt == 0)
    err = TF_ERR(E_MODEL_UNSUPPORTED, "model %s has no hidden units to prune", g->name);
  return err;
}
