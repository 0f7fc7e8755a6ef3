#include "gpu/card_net_apart.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_net_products.h"
#include "op/small_float.h"

const char *tf_card_net_apart_name(const tf_net_t *net, const tf_net_node_t *node) {
  const tf_tensor_use_t *use = &node->use;
  if (tf_card_net_emit_is_named(use, "tree_ensemble") ||
      tf_card_net_emit_is_named(use, "gru_reset"))
    return use->op->name;
  return tf_card_net_emit_is_named(use, "gather") && !net->values[node->in[1]].constant
             ? "gather by numbers that are computed"
             : NULL;
}

/* ---- trees ---- */

enum { IN_TREE_X, IN_NODES, IN_VALUES, IN_ROOTS, IN_BASE };

static tf_card_net_tree_node_t packed(const float *node, uint32_t at) {
  if (node[0] == -1.0f) return (tf_card_net_tree_node_t){.bits = (uint32_t)node[2]};
  return (tf_card_net_tree_node_t){.bits    = tf_float_bits(node[1]),
                                   .feature = (uint16_t)node[0],
                                   .other   = (uint16_t)(node[3] - (float)at)};
}

/* Nodes as a walk reads them, and roots as numbers; tree_ensemble has checked both. */
static tf_err_t add_nodes(tf_card_net_emit_t *e, tf_card_net_trees_t *t) {
  const uint32_t           cnt    = e->use->in[IN_NODES].dims[0];
  const float             *from   = tf_card_net_emit_constant_of(e, IN_NODES);
  const float             *roots  = tf_card_net_emit_constant_of(e, IN_ROOTS);
  tf_card_net_tree_node_t *nodes  = calloc(cnt, sizeof *nodes);
  uint32_t                *firsts = calloc(t->tree_cnt, sizeof *firsts);
  tf_err_t err = nodes && firsts ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%u nodes of trees", cnt);
  for (uint32_t i = 0; i < cnt && !err; i++) nodes[i] = packed(from + 4 * (size_t)i, i);
  for (uint32_t i = 0; i < t->tree_cnt && !err; i++) firsts[i] = (uint32_t)roots[i];
  if (!err)
    err = tf_card_net_draft_add(e->d, "nodes", nodes,
                                cnt * (uint32_t)(sizeof *nodes / sizeof(uint32_t)), &t->nodes);
  if (!err) err = tf_card_net_draft_add(e->d, "roots", firsts, t->tree_cnt, &t->roots);
  free(nodes);
  free(firsts);
  return err;
}

/* Leaves side by side, the base behind them, and a fold that adds them up in double. */
static tf_err_t add_trees(tf_card_net_emit_t *e) {
  const tf_tensor_use_t *use   = e->use;
  const uint32_t         trees = use->in[IN_ROOTS].cnt, each = trees + 1;
  const uint64_t         cnt = (uint64_t)use->out.cnt * each;
  if (cnt > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu leaves to add up, at most %llu are allowed",
                  (unsigned long long)cnt, (unsigned long long)TF_TENSOR_CNT_MAX);
  const tf_card_net_place_t leaves = tf_card_net_emit_work_at(e, cnt);
  tf_card_net_op_t          op =
      tf_card_net_emit_op_of(e, TF_CARD_OP_TREES, use->out.cnt / use->in[IN_BASE].cnt * each);
  op.out   = leaves;
  op.trees = (tf_card_net_trees_t){.width    = use->in[IN_TREE_X].dims[use->in[IN_TREE_X].rank - 1],
                                   .tree_cnt = trees,
                                   .output_cnt = use->in[IN_BASE].cnt};
  tf_err_t err = tf_card_net_emit_input_at(e, IN_TREE_X, &op.trees.x);
  if (!err) err = tf_card_net_emit_input_at(e, IN_VALUES, &op.trees.values);
  if (!err) err = tf_card_net_emit_input_at(e, IN_BASE, &op.trees.base);
  if (!err) err = add_nodes(e, &op.trees);
  e->access_cnt = 0;
  if (!err && !tf_card_net_emit_constant_of(e, IN_TREE_X))
    tf_card_net_emit_touch(e, op.trees.x, use->in[IN_TREE_X].cnt, false);
  tf_card_net_emit_touch(e, leaves, cnt, true);
  if (!err) err = tf_card_net_emit_add_op(e, &op);
  if (err) return err;

  op      = tf_card_net_emit_op_of(e, TF_CARD_OP_FOLD, use->out.cnt);
  op.fold = (tf_card_net_fold_t){
      .fold = TF_CARD_FOLD_SUM, .each_cnt = each, .from = {leaves, TF_CARD_ALONG}
  };
  op.lanes = tf_card_net_emit_lanes_of(e->d, each, 1, TF_CARD_NET_EMIT_LINE_LANES, op.item_cnt);
  e->access_cnt = 0;
  tf_card_net_emit_touch(e, leaves, cnt, false);
  tf_card_net_emit_touch(e, op.out, use->out.cnt, true);
  return tf_card_net_emit_add_op(e, &op);
}

/* ---- entries by number ---- */

static tf_err_t add_gather(tf_card_net_emit_t *e) {
  const tf_tensor_use_t *use  = e->use;
  const uint32_t         axis = (uint32_t)use->ints[0];
  tf_card_net_op_t       op   = tf_card_net_emit_op_of(e, TF_CARD_OP_GATHER, use->out.cnt);
  op.gather =
      (tf_card_net_gather_t){.size       = use->in[0].dims[axis],
                             .number_cnt = use->in[1].cnt,
                             .inner = tf_tensor_axes_cnt(&use->in[0], axis + 1, use->in[0].rank)};
  tf_err_t err = tf_card_net_emit_input_at(e, 0, &op.gather.from);
  if (!err) err = tf_card_net_emit_input_at(e, 1, &op.gather.numbers);
  return err ? err : tf_card_net_emit_add_op(e, &op);
}

/* ---- a GRU whose reset gate works before the product ---- */

enum { IN_X, IN_W, IN_R, IN_B, IN_H };
#define GATES 3u

/* In words, of the call's own memory: x's part of all gates, z and r of one row, h~ of one row, h, then z and r * h. */
typedef struct reset_work {
  uint64_t of_x, of_h, of_kept, h, carry, words;
} reset_work_t;

static reset_work_t reset_work(uint32_t rows, uint64_t state) {
  reset_work_t w = {0};
  w.of_h         = w.of_x + GATES * state * rows;
  w.of_kept      = w.of_h + 2 * state;
  w.h            = w.of_kept + state;
  w.carry        = w.h + state;
  w.words        = w.carry + 2 * state;
  return w;
}

static tf_err_t add_sum_of_biases(tf_card_net_emit_t *e, uint32_t d, uint32_t gates,
                                  tf_card_net_place_t *place) {
  const float *bias = tf_card_net_emit_constant_of(e, IN_B) + (size_t)d * 2 * gates;
  float       *both = calloc(gates, sizeof *both);
  if (!both) return TF_ERR(E_CORE_NO_MEMORY, "%u biases", gates);
  for (uint32_t g = 0; g < gates; g++) both[g] = bias[g] + bias[gates + g];
  tf_err_t err = tf_card_net_emit_add_floats(e, both, gates, place);
  free(both);
  return err;
}

/* m rows of k from a, times n rows of weights. */
static tf_err_t add_gates(tf_card_net_emit_t *e, uint32_t m, uint32_t n, uint32_t k,
                          tf_card_net_place_t a, tf_card_net_place_t bias, const float *weight,
                          tf_card_net_place_t out) {
  tf_card_net_product_t p      = {.a         = a,
                                  .bias      = bias,
                                  .batch_cnt = 1,
                                  .m         = m,
                                  .n         = n,
                                  .k         = k,
                                  .a_m       = k,
                                  .a_k       = 1,
                                  .out_m     = n,
                                  .out_n     = 1};
  const tf_mat_source_t source = {.weight     = weight,
                                  .row_floats = k,
                                  .in_cnt     = k,
                                  .out_cnt    = n,
                                  .precision  = TF_PRECISION_FP32}; /* as the CPU has it */
  return tf_card_net_products_add(e, &p, &source, out);
}

static tf_err_t add_reset_direction(tf_card_net_emit_t *e, uint32_t d) {
  const tf_tensor_use_t *use  = e->use;
  const uint32_t         rows = use->in[IN_X].dims[0], batch = use->in[IN_X].dims[1],
                 inputs = use->in[IN_X].dims[2], units = use->in[IN_R].dims[2],
                 directions = use->in[IN_R].dims[0], gates = GATES * units;
  const uint64_t            state   = (uint64_t)batch * units;
  const reset_work_t        at      = reset_work(rows, state);
  const tf_card_net_place_t work    = tf_card_net_emit_work_at(e, at.words),
                            nowhere = {TF_CARD_NOWHERE, 0};
  const float *of_w = tf_card_net_emit_constant_of(e, IN_W) + (size_t)d * gates * inputs,
              *of_r = tf_card_net_emit_constant_of(e, IN_R) + (size_t)d * gates * units;
  tf_card_net_place_t bias, x, h;
  if (at.words > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values of gates, at most %llu are allowed",
                  (unsigned long long)at.words, (unsigned long long)TF_TENSOR_CNT_MAX);
  tf_err_t err = add_sum_of_biases(e, d, gates, &bias);
  if (!err) err = tf_card_net_emit_input_at(e, IN_X, &x);
  if (!err) err = tf_card_net_emit_input_at(e, IN_H, &h);
  if (err) return err;
  e->access_cnt = 0;
  if (!tf_card_net_emit_constant_of(e, IN_X))
    tf_card_net_emit_touch(e, x, use->in[IN_X].cnt, false);
  tf_card_net_emit_touch(e, work, at.of_h, true);
  err = add_gates(e, rows * batch, gates, inputs, x, bias, of_w, work);
  if (err) return err;

  tf_card_net_op_t op = tf_card_net_emit_op_of(e, TF_CARD_OP_RESET, 0);
  op.out              = tf_card_net_emit_behind(op.out, d * state);
  op.recurrence       = (tf_card_net_recurrence_t){.is_reverse = use->ints[0] == 1 || d == 1,
                                                   .row_cnt    = rows,
                                                   .batch_cnt  = batch,
                                                   .unit_cnt   = units,
                                                   .out_row    = (uint32_t)(directions * state),
                                                   .carry_row  = TF_CARD_NOTHING,
                                                   .gates      = work,
                                                   .h          = tf_card_net_emit_behind(h, d * state),
                                                   .carry      = nowhere,
                                                   .work_h     = tf_card_net_emit_behind(work, at.h),
                                                   .work_carry = tf_card_net_emit_behind(work, at.carry)};
  tf_card_net_emit_touch_all(e);
  tf_card_net_emit_touch(e, work, at.of_h, false);
  tf_card_net_emit_touch(e, tf_card_net_emit_behind(work, at.of_h), at.words - at.of_h, true);
  err           = tf_card_net_emit_add_op(e, &op);
  e->access_cnt = 0; /* it is the layer that runs its products */
  if (!err)
    err = add_gates(e, batch, 2 * units, units, op.recurrence.work_h, nowhere, of_r,
                    tf_card_net_emit_behind(work, at.of_h));
  if (!err)
    err =
        add_gates(e, batch, units, units, tf_card_net_emit_behind(work, at.carry + state), nowhere,
                  of_r + (size_t)2 * units * units, tf_card_net_emit_behind(work, at.of_kept));
  return err;
}

static tf_err_t add_reset(tf_card_net_emit_t *e) {
  tf_err_t err = TF_OK;
  for (uint32_t d = 0; d < e->use->in[IN_R].dims[0] && !err; d++) {
    e->d->call++; /* each with work of its own */
    err = add_reset_direction(e, d);
  }
  return err;
}

tf_err_t tf_card_net_apart_add(tf_card_net_emit_t *e) {
  if (tf_card_net_emit_is_named(e->use, "tree_ensemble")) return add_trees(e);
  return tf_card_net_emit_is_named(e->use, "gather") ? add_gather(e) : add_reset(e);
}
