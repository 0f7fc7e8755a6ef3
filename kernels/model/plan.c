#include "model/plan.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/block.h"

/* A node on its way to becoming a step: weights that fusing may change. */
typedef struct draft {
  const tf_op_t *op;
  tf_op_params_t params;
  float         *weight; /* owned */
  float         *bias;   /* owned, NULL for none */
  float          range;  /* int8: of its rows */
  uint32_t       node_first;
  uint32_t       node_last;
} draft_t;

static void draft_fini(draft_t *d) {
  free(d->weight);
  free(d->bias);
  memset(d, 0, sizeof *d);
}

static tf_err_t draft_init(draft_t *d, const tf_graph_node_t *node, uint32_t node_idx) {
  *d                  = (draft_t){.op         = node->op,
                                  .params     = node->params,
                                  .range      = node->ranges[0],
                                  .node_first = node_idx,
                                  .node_last  = node_idx};
  size_t weight_bytes = node->params.weight_cnt * sizeof(float);
  size_t bias_bytes   = node->params.bias_cnt * sizeof(float);
  if (node->weight && (d->weight = malloc(weight_bytes)) != NULL)
    memcpy(d->weight, node->weight, weight_bytes);
  if (node->bias && (d->bias = malloc(bias_bytes)) != NULL) memcpy(d->bias, node->bias, bias_bytes);
  if ((node->weight && !d->weight) || (node->bias && !d->bias))
    return TF_ERR(E_CORE_NO_MEMORY, "a copy of node %u's weights", node_idx);
  return TF_OK;
}

static bool is(const draft_t *d, const char *name) { return strcmp(d->op->name, name) == 0; }

/* Multiplies weight [row][column] by rows[row] and columns[column], either may be NULL. Leaves it
 * alone and answers false where a product is no normal float: such a fold would change the model. */
static bool scale_weights(draft_t *gemm, const float *rows, const float *columns) {
  const uint32_t in_cnt = gemm->params.in_cnt, out_cnt = gemm->params.out_cnt;
  for (int pass = 0; pass < 2; pass++)
    for (uint32_t o = 0; o < out_cnt; o++)
      for (uint32_t k = 0; k < in_cnt; k++) {
        float *w = &gemm->weight[(size_t)o * in_cnt + k];
        double product =
            (double)*w * (double)(rows ? rows[o] : 1.0f) * (double)(columns ? columns[k] : 1.0f);
        if (pass == 1)
          *w = (float)product;
        else if (!isnormal((float)product) && product != 0.0)
          return false;
      }
  return true;
}

/* mul behind gemm: also the bias is scaled. */
static bool fuse_mul_after(draft_t *gemm, const draft_t *mul) {
  for (uint64_t o = 0; o < gemm->params.bias_cnt; o++) {
    float product = gemm->bias[o] * mul->weight[o];
    if (!isnormal(product) && gemm->bias[o] != 0.0f && mul->weight[o] != 0.0f) return false;
  }
  if (!scale_weights(gemm, mul->weight, NULL)) return false;
  for (uint64_t o = 0; o < gemm->params.bias_cnt; o++) gemm->bias[o] *= mul->weight[o];
  return true;
}

static bool fuse_add_after(draft_t *gemm, draft_t *add) {
  if (!gemm->bias) {
    gemm->bias            = add->weight;
    gemm->params.bias_cnt = gemm->params.out_cnt;
    add->weight           = NULL;
    return true;
  }
  for (uint32_t o = 0; o < gemm->params.out_cnt; o++)
    if (!isfinite(gemm->bias[o] + add->weight[o])) return false;
  for (uint32_t o = 0; o < gemm->params.out_cnt; o++) gemm->bias[o] += add->weight[o];
  return true;
}

/* Takes next into the draft before it; false where they stay two steps. A mul stays before a product in int8: what
 * brings the row's values to one magnitude is what leaves each of them its digits. */
static bool fuse(draft_t *last, draft_t *next, tf_precision_t precision) {
  bool fused = false;
  if (is(last, "mul") && is(next, "gemm")) {
    if (precision == TF_PRECISION_INT8 || !scale_weights(next, NULL, last->weight)) return false;
    uint32_t first = last->node_first;
    draft_fini(last);
    *last            = *next;
    last->node_first = first;
    memset(next, 0, sizeof *next);
    return true;
  }
  if (!is(last, "gemm") || last->params.act != TF_OP_ACT_NONE) return false;
  if (is(next, "mul"))
    fused = fuse_mul_after(last, next);
  else if (is(next, "add"))
    fused = fuse_add_after(last, next);
  else if (next->op->act != TF_OP_ACT_NONE) {
    last->params.act   = next->op->act;
    last->params.alpha = next->params.alpha;
    last->params.beta  = next->params.beta;
    fused              = true;
  }
  if (fused) {
    last->node_last = next->node_last;
    draft_fini(next);
  }
  return fused;
}

static tf_err_t draft_all(const tf_graph_t *graph, const tf_plan_spec_t *spec, draft_t *drafts,
                          uint32_t *draft_cnt) {
  *draft_cnt = 0;
  for (uint32_t i = spec->node_first; i < spec->node_first + spec->node_cnt; i++) {
    if (graph->nodes[i].op->kind != TF_OP_KIND_ROW) continue;
    draft_t *next = &drafts[*draft_cnt];
    tf_err_t err  = draft_init(next, &graph->nodes[i], i);
    *draft_cnt += 1;
    if (err) return err;
    if (*draft_cnt > 1 && fuse(next - 1, next, spec->precision)) *draft_cnt -= 1;
  }
  for (uint32_t i = 0; i < *draft_cnt; i++) {
    drafts[i].params.weight = drafts[i].weight;
    drafts[i].params.bias   = drafts[i].bias;
  }
  return TF_OK;
}

static size_t plan_header_bytes(uint32_t step_cnt) {
  return tf_align_up(sizeof(tf_plan_t) + step_cnt * sizeof(tf_plan_step_t), TF_LINE_PAIR_BYTES);
}

static tf_mat_source_t mat_source(const draft_t *d, tf_precision_t precision) {
  return (tf_mat_source_t){.weight     = d->weight,
                           .row_floats = d->params.in_cnt,
                           .in_cnt     = d->params.in_cnt,
                           .out_cnt    = d->params.out_cnt,
                           .precision  = precision,
                           .range      = d->range};
}

/* Whether a draft's product is a packed matrix of mat.h: what is below fp32. */
static bool is_mat(const draft_t *d, tf_precision_t precision) {
  return precision != TF_PRECISION_FP32 && is(d, "gemm");
}

static size_t packed_bytes(const draft_t *d, tf_precision_t precision) {
  if (is_mat(d, precision)) {
    tf_mat_source_t source = mat_source(d, precision);
    return tf_mat_bytes(&source) + tf_align_up(d->params.out_cnt, TF_MAT_BLOCK) * sizeof(float);
  }
  return d->op->packed_cnt ? d->op->packed_cnt(&d->params) * sizeof(float) : 0;
}

/* The bias lies in front of the weights, padded like the outputs. */
static void pack_mat(tf_plan_t *plan, tf_plan_step_t *step, const draft_t *d, float *at) {
  tf_mat_source_t source = mat_source(d, plan->precision);
  const tf_op_t  *act    = tf_op_of_act(d->params.act);
  for (uint64_t o = 0; o < d->params.bias_cnt; o++) at[o] = d->bias[o];
  tf_mat_pack(&step->mat, &source, plan->isa, at + tf_align_up(d->params.out_cnt, TF_MAT_BLOCK));
  step->params        = d->params;
  step->params.bias   = at;
  step->params.weight = NULL;
  step->run           = act ? act->run[plan->isa] : NULL;
  if (plan->ready_bytes < step->mat.row_bytes) plan->ready_bytes = step->mat.row_bytes;
}

static void fill_steps(tf_plan_t *plan, const draft_t *drafts) {
  uint8_t *at = (uint8_t *)plan + plan_header_bytes(plan->step_cnt);
  for (uint32_t i = 0; i < plan->step_cnt; i++) {
    const draft_t  *d    = &drafts[i];
    tf_plan_step_t *step = &plan->steps[i];
    *step                = (tf_plan_step_t){.run        = d->op->run[plan->isa],
                                            .params     = d->params,
                                            .op         = d->op,
                                            .node_first = d->node_first,
                                            .node_last  = d->node_last};
    if (is_mat(d, plan->precision))
      pack_mat(plan, step, d, (float *)(void *)at);
    else if (d->op->pack)
      d->op->pack(&d->params, plan->isa, (float *)(void *)at, &step->params);
    size_t bytes = packed_bytes(d, plan->precision);
    plan->weight_bytes += bytes;
    at += bytes;
    plan->flops += d->op->flops(&d->params);
    uint32_t width = d->params.in_cnt > d->params.out_cnt ? d->params.in_cnt : d->params.out_cnt;
    if (plan->row_floats < width) plan->row_floats = width;
  }
  plan->row_floats    = (uint32_t)tf_align_up(plan->row_floats, TF_OP_PAD);
  plan->scratch_bytes = 2 * (size_t)plan->row_floats * sizeof(float) + plan->ready_bytes;
  /* gemm reads in_cnt floats one by one; every other op reads whole vectors past the row's end */
  plan->direct = is(&drafts[0], "gemm");
}

static tf_err_t build(const tf_graph_t *graph, const tf_plan_spec_t *spec, draft_t *drafts,
                      uint32_t *draft_cnt, tf_plan_t **plan) {
  tf_err_t err = draft_all(graph, spec, drafts, draft_cnt);
  if (err) return err;
  if (*draft_cnt == 0) return TF_ERR(E_MODEL_SHAPE, "model %s has no nodes", graph->name);
  size_t bytes = plan_header_bytes(*draft_cnt);
  for (uint32_t i = 0; i < *draft_cnt; i++) bytes += packed_bytes(&drafts[i], spec->precision);
  *plan = tf_block_new(&bytes);
  if (!*plan)
    return TF_ERR(E_CORE_NO_MEMORY, "model %s: %zu bytes of packed weights", graph->name, bytes);
  (*plan)->step_cnt    = *draft_cnt;
  (*plan)->input_cnt   = drafts[0].params.in_cnt;
  (*plan)->output_cnt  = drafts[*draft_cnt - 1].params.out_cnt;
  (*plan)->isa         = spec->isa;
  (*plan)->precision   = spec->precision;
  (*plan)->block_bytes = bytes;
  fill_steps(*plan, drafts);
  return TF_OK;
}

tf_err_t tf_plan_new_part(const tf_graph_t *graph, const tf_plan_spec_t *spec, tf_plan_t **plan) {
  *plan = NULL;
  if (!tf_isa_supported(spec->isa))
    return TF_ERR(E_CORE_ARGUMENT, "this CPU has no %s; it has %s", tf_isa_name(spec->isa),
                  tf_isa_name(tf_isa_best()));
  draft_t *drafts = calloc((size_t)spec->node_cnt + 1, sizeof *drafts);
  if (!drafts) return TF_ERR(E_CORE_NO_MEMORY, "model %s: its plan", graph->name);
  uint32_t draft_cnt = 0;
  tf_err_t err       = build(graph, spec, drafts, &draft_cnt, plan);
  for (uint32_t i = 0; i < draft_cnt; i++) draft_fini(&drafts[i]);
  free(drafts);
  return err;
}

tf_err_t tf_plan_new(const tf_graph_t *graph, tf_isa_t isa, tf_plan_t **plan) {
  tf_plan_spec_t spec = {.isa = isa, .node_cnt = graph->node_cnt};
  return tf_plan_new_part(graph, &spec, plan);
}

void tf_plan_delete(tf_plan_t *plan) { free(plan); }

void tf_plan_describe_step(const tf_plan_step_t *step, char *target, size_t bytes) {
  const tf_op_t *act = tf_op_of_act(step->params.act);
  snprintf(target, bytes, "%s %u->%u%s%s%s", step->op->name, step->params.in_cnt,
           step->params.out_cnt, step->params.bias_cnt ? " +bias" : "", act ? " +" : "",
           act ? act->name : "");
}
