#include "gpu/card_net_ops.h"

#include <string.h>

#include "core/error.h"
#include "gpu/card_net_apart.h"
#include "gpu/card_net_order.h"
#include "gpu/card_net_products.h"

static const char *const fn_names[] = {
#define TF_CARD_FN(name, inputs, expr) #name,
#include "gpu/card_net_fn.def"
#undef TF_CARD_FN
};

const char *tf_card_net_ops_fn_name(uint32_t fn) { return fn_names[fn]; }

tf_card_net_fn_t tf_card_net_ops_fn(const char *name) {
  uint32_t fn = 0;
  while (fn < TF_CARD_FN_CNT && strcmp(fn_names[fn], name) != 0) fn++;
  return (tf_card_net_fn_t)fn;
}

static tf_card_net_fn_t fn_of(const tf_tensor_use_t *use) {
  return tf_card_net_ops_fn(use->op->takes_row ? use->row->name : use->op->name);
}

/* ---- value by value ---- */

/* How input i of a pointwise op is read: where loop says. */
static tf_err_t view_of_input(tf_card_net_emit_t *e, uint32_t i, tf_card_net_view_t *view) {
  const tf_tensor_loop_t *l = &e->use->loop;
  tf_card_net_place_t     place;
  tf_err_t                err = tf_card_net_emit_input_at(e, i, &place);
  if (!err) err = tf_card_net_draft_entries(e->d, e->use->out.cnt);
  if (err) return err;
  for (uint32_t n = 0; n < e->use->out.cnt; n++) {
    int64_t  at   = e->use->op->takes_row ? n : 0;
    uint32_t rest = n;
    for (uint32_t axis = e->use->op->takes_row ? 0 : l->rank; axis-- > 0; rest /= l->dims[axis])
      at += (int64_t)(rest % l->dims[axis]) * l->step[i][axis];
    e->d->entries[n] = tf_card_net_entry(tf_card_net_emit_behind(place, (uint64_t)at));
  }
  return tf_card_net_draft_view(e->d, e->use->out.cnt, view);
}

static tf_err_t add_step(tf_card_net_emit_t *e, uint32_t through,
                         const tf_card_net_view_t *others) {
  const tf_card_net_step_t step = {
      .fn      = fn_of(e->use),
      .through = through,
      .others  = {others[0], others[1]},
      .alpha   = (float)e->use->reals[0],
      .beta    = (float)e->use->reals[1]
  };
  tf_card_net_draft_t *d    = e->d;
  void                *list = d->steps;
  tf_err_t err = tf_card_net_draft_grow(&list, d->step_cnt, 1, &d->step_room, TF_CARD_NET_STEPS_MAX,
                                        sizeof *d->steps, "functions");
  d->steps     = list;
  if (err) return err;
  d->steps[d->step_cnt++] = step;
  d->ops[d->op_cnt - 1].step_cnt++;
  return TF_OK;
}

/* The function itself is a step behind a read. */
static tf_err_t add_pointwise(tf_card_net_emit_t *e) {
  tf_card_net_op_t   op       = tf_card_net_emit_op_of(e, TF_CARD_OP_EACH, e->use->out.cnt);
  tf_card_net_view_t views[3] = {0}, others[2] = {0};
  tf_err_t           err     = TF_OK;
  uint32_t           through = 0, cnt = 0;
  for (uint32_t i = 0; i < e->use->in_cnt && !err; i++) err = view_of_input(e, i, &views[i]);
  for (uint32_t i = e->use->in_cnt; i-- > 0;)
    if (views[i].walk == TF_CARD_ALONG) through = i;
  for (uint32_t i = 0; i < e->use->in_cnt; i++)
    if (i != through) others[cnt++] = views[i];
  op.each = (tf_card_net_each_t){
      .from = views[through], .to = {op.out, TF_CARD_ALONG}
  };
  if (!err) err = tf_card_net_emit_add_op(e, &op);
  return err ? err : add_step(e, through, others);
}

static bool is_same_place(tf_card_net_place_t a, tf_card_net_place_t b) {
  return a.base == b.base && a.at == b.at;
}

/* Appends a call to the last op, which has made its input where the call writes: false where it does not fit. */
static tf_err_t try_behind(tf_card_net_emit_t *e, const tf_net_call_t *before, bool *done) {
  tf_card_net_view_t others[2] = {0};
  const bool         fits =
      before && tf_card_net_order_is_pointwise(e->use) &&
      is_same_place(tf_card_net_emit_out_at(before), tf_card_net_emit_out_at(e->call)) &&
      before->use.out.cnt == e->use->out.cnt;
  uint32_t through = TF_CARD_NOTHING, cnt = 0;
  tf_err_t err = TF_OK;
  *done        = false;
  for (uint32_t i = 0; fits && i < e->use->in_cnt && !err; i++) {
    tf_card_net_view_t view;
    err = view_of_input(e, i, &view);
    const bool own =
        !tf_card_net_emit_constant_of(e, i) &&
        is_same_place(tf_card_net_emit_computed_at(e, i), tf_card_net_emit_out_at(e->call));
    if (err || (own && view.walk != TF_CARD_ALONG)) return err;
    if (own && through == TF_CARD_NOTHING) {
      through = i;
      continue;
    }
    const tf_card_net_access_t read = {tf_card_net_emit_computed_at(e, i), e->use->in[i].cnt, false,
                                       e->d->call};
    if (own)
      view.walk = TF_CARD_SELF;
    else if (!tf_card_net_emit_constant_of(e, i) && !tf_card_net_draft_join(e->d, &read))
      return TF_OK;
    others[cnt++] = view;
  }
  if (err || through == TF_CARD_NOTHING) return err;
  *done = true;
  return add_step(e, through, others);
}

/* ---- moves ---- */

/* The call's own reference, run over the numbers of its inputs' values, says where each value of the output comes from. */
static tf_err_t number_moves(tf_card_net_emit_t *e, double *from) {
  tf_tensor_use_t use = *e->use;
  const double   *in[TF_TENSOR_INPUTS_MAX];
  uint64_t        cnt = 0, at = 0;
  for (uint32_t i = 0; i < use.in_cnt; i++) cnt += use.in[i].cnt;
  double  *numbers = malloc(cnt * sizeof *numbers);
  tf_err_t err = numbers ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "%llu values", (unsigned long long)cnt);
  for (uint32_t i = 0; i < use.in_cnt && !err; i++) {
    const float *constant = tf_card_net_emit_is_named(&use, "gather") && i == 1
                                ? tf_card_net_emit_constant_of(e, i)
                                : NULL;
    in[i]                 = numbers + at;
    for (uint32_t k = 0; k < use.in[i].cnt; k++, at++)
      numbers[at] = constant ? (double)constant[k] : (double)at + 1.0; /* 0: what pad puts in */
  }
  use.reals[0] = 0.0;
  if (!err) use.op->ref(&use, in, from, NULL);
  free(numbers);
  return err;
}

static tf_err_t fill_moves(tf_card_net_emit_t *e, const double *from) {
  tf_card_net_place_t places[TF_TENSOR_INPUTS_MAX];
  tf_err_t            err = tf_card_net_draft_entries(e->d, e->use->out.cnt);
  for (uint32_t i = 0; i < e->use->in_cnt && !err; i++)
    err = tf_card_net_emit_input_at(e, i, &places[i]);
  for (uint32_t n = 0; n < e->use->out.cnt && !err; n++) {
    uint64_t at      = (uint64_t)from[n];
    e->d->entries[n] = TF_CARD_NOTHING;
    if (at-- == 0) continue;
    uint32_t i = 0;
    while (at >= e->use->in[i].cnt) at -= e->use->in[i++].cnt;
    e->d->entries[n] = tf_card_net_entry(tf_card_net_emit_behind(places[i], at));
  }
  return err;
}

static tf_err_t add_move(tf_card_net_emit_t *e) {
  double          *from = malloc(e->use->out.cnt * sizeof *from);
  tf_card_net_op_t op   = tf_card_net_emit_op_of(e, TF_CARD_OP_EACH, e->use->out.cnt);
  tf_err_t         err  = from ? number_moves(e, from) : TF_ERR(E_CORE_NO_MEMORY, "a move");
  if (!err) err = fill_moves(e, from);
  op.each = (tf_card_net_each_t){
      .to   = {op.out, TF_CARD_ALONG},
      .fill = tf_card_net_emit_is_named(e->use, "pad") ? (float)e->use->reals[0] : 0.0f
  };
  if (!err) err = tf_card_net_draft_view(e->d, e->use->out.cnt, &op.each.from);
  free(from);
  return err ? err : tf_card_net_emit_add_op(e, &op);
}

/* A part of a tensor in the state (model/net_half.c): ints are axis, first place, places in all. */
static tf_err_t add_keep(tf_card_net_emit_t *e) {
  const tf_tensor_use_t *use   = e->use;
  const uint32_t         axis  = (uint32_t)use->ints[0];
  const uint32_t         outer = tf_tensor_axes_cnt(&use->out, 0, axis);
  const uint64_t         inner = tf_tensor_axes_cnt(&use->out, axis + 1, use->out.rank);
  const uint32_t         each = use->in[0].cnt / outer, all = use->out.cnt / outer;
  tf_card_net_op_t       op  = tf_card_net_emit_op_of(e, TF_CARD_OP_EACH, use->in[0].cnt);
  tf_err_t               err = tf_card_net_draft_entries(e->d, use->in[0].cnt);
  for (uint32_t i = 0; i < use->in[0].cnt && !err; i++)
    e->d->entries[i] = tf_card_net_entry(tf_card_net_emit_behind(
        op.out, (uint64_t)(i / each) * all + (uint64_t)use->ints[1] * inner + i % each));
  if (!err) err = tf_card_net_draft_view(e->d, use->in[0].cnt, &op.each.to);
  op.each.from.walk = TF_CARD_ALONG;
  if (!err) err = tf_card_net_emit_input_at(e, 0, &op.each.from.place);
  return err ? err : tf_card_net_emit_add_op(e, &op);
}

/* ---- folds ---- */

static const struct {
  const char             *op;
  tf_card_net_fold_kind_t fold;
} folds[] = {
    {"average_pool", TF_CARD_FOLD_MEAN_OF},
    {"max_pool",     TF_CARD_FOLD_MAX    },
    {"reduce_max",   TF_CARD_FOLD_MAX    },
    {"reduce_mean",  TF_CARD_FOLD_MEAN   },
    {"reduce_min",   TF_CARD_FOLD_MIN    },
    {"reduce_prod",  TF_CARD_FOLD_PROD   },
    {"reduce_sum",   TF_CARD_FOLD_SUM    },
};

static const tf_card_net_fold_kind_t *fold_of(const tf_tensor_use_t *use) {
  for (size_t i = 0; i < TF_ARRAY_CNT(folds); i++)
    if (tf_card_net_emit_is_named(use, folds[i].op)) return &folds[i].fold;
  return NULL;
}

static tf_err_t add_fold(tf_card_net_emit_t *e, tf_card_net_fold_kind_t fold, uint32_t each_cnt) {
  tf_card_net_op_t op = tf_card_net_emit_op_of(e, TF_CARD_OP_FOLD, e->use->out.cnt);
  op.fold             = (tf_card_net_fold_t){.fold = fold, .each_cnt = each_cnt};
  op.lanes = tf_card_net_emit_lanes_of(e->d, each_cnt, 1, TF_CARD_NET_EMIT_LINE_LANES, op.item_cnt);
  tf_err_t err = tf_card_net_draft_view(e->d, e->use->out.cnt * each_cnt, &op.fold.from);
  return err ? err : tf_card_net_emit_add_op(e, &op);
}

/* loop walks kept axes first. */
static tf_err_t add_reduce(tf_card_net_emit_t *e) {
  const tf_tensor_loop_t *l = &e->use->loop;
  tf_card_net_place_t     x;
  tf_err_t                err = tf_card_net_emit_input_at(e, 0, &x);
  if (!err) err = tf_card_net_draft_entries(e->d, e->use->in[0].cnt);
  for (uint32_t n = 0; n < e->use->in[0].cnt && !err; n++) {
    int64_t  at   = 0;
    uint32_t rest = n;
    for (uint32_t axis = l->rank; axis-- > 0; rest /= l->dims[axis])
      at += (int64_t)(rest % l->dims[axis]) * l->step[0][axis];
    e->d->entries[n] = tf_card_net_entry(tf_card_net_emit_behind(x, (uint64_t)at));
  }
  return err ? err : add_fold(e, *fold_of(e->use), e->use->in[0].cnt / e->use->out.cnt);
}

#define POOL_INTS                                                                                  \
  5u /* of an axis: size, stride, dilation, padding before and behind (tensor/pool.h) */

/* Value number w of the window of output out; false outside. */
static bool pool_source(const tf_tensor_use_t *use, uint32_t out, uint32_t w, uint64_t *source) {
  const tf_tensor_shape_t *from   = &use->in[0];
  uint64_t                 step   = 1;
  bool                     inside = true;
  *source                         = 0;
  for (uint32_t axis = from->rank; axis-- > 2; step *= from->dims[axis]) {
    const int64_t *n = use->ints + (axis - 2) * POOL_INTS;
    const int64_t  at =
        (int64_t)(out % use->out.dims[axis]) * n[1] + (int64_t)(w % (uint32_t)n[0]) * n[2] - n[3];
    inside &= at >= 0 && at < (int64_t)from->dims[axis];
    *source += (uint64_t)at * step;
    out /= use->out.dims[axis];
    w /= (uint32_t)n[0];
  }
  *source += out * step;
  return inside;
}

static tf_err_t add_pool(tf_card_net_emit_t *e) {
  const tf_tensor_use_t *use      = e->use;
  uint64_t               each_cnt = 1;
  tf_card_net_place_t    x;
  tf_err_t               err = tf_card_net_emit_input_at(e, 0, &x);
  for (uint32_t axis = 2; axis < use->in[0].rank; axis++)
    each_cnt *= (uint64_t)use->ints[(axis - 2) * POOL_INTS];
  if (each_cnt * use->out.cnt > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values in all windows of a pool, at most %llu",
                  (unsigned long long)each_cnt * use->out.cnt,
                  (unsigned long long)TF_TENSOR_CNT_MAX);
  if (!err) err = tf_card_net_draft_entries(e->d, (uint32_t)each_cnt * use->out.cnt);
  for (uint32_t n = 0; n < each_cnt * use->out.cnt && !err; n++) {
    uint64_t   at;
    const bool inside = pool_source(use, n / (uint32_t)each_cnt, n % (uint32_t)each_cnt, &at);
    e->d->entries[n] = inside ? tf_card_net_entry(tf_card_net_emit_behind(x, at)) : TF_CARD_NOTHING;
  }
  tf_card_net_fold_kind_t fold = *fold_of(use);
  if (fold == TF_CARD_FOLD_MEAN_OF && use->ints[use->int_cnt - 1]) fold = TF_CARD_FOLD_MEAN;
  return err ? err : add_fold(e, fold, (uint32_t)each_cnt);
}

/* ---- rows ---- */

static tf_err_t add_row(tf_card_net_emit_t *e, tf_card_net_row_kind_t kind) {
  const uint32_t   width = e->use->in[0].rank ? e->use->in[0].dims[e->use->in[0].rank - 1] : 1;
  tf_card_net_op_t op    = tf_card_net_emit_op_of(e, TF_CARD_OP_ROW, e->use->out.cnt / width);
  op.row                 = (tf_card_net_row_t){
                      .row     = kind,
                      .width   = width,
                      .scale   = {TF_CARD_NOWHERE, 0},
                      .shift   = {TF_CARD_NOWHERE, 0},
                      .epsilon = (float)e->use->reals[0]
  };
  op.lanes = tf_card_net_emit_lanes_of(e->d, width, 1, TF_CARD_NET_EMIT_LINE_LANES, op.item_cnt);
  tf_err_t err = tf_card_net_emit_input_at(e, 0, &op.row.from);
  if (!err && e->use->in_cnt > 1) err = tf_card_net_emit_input_at(e, 1, &op.row.scale);
  if (!err && e->use->in_cnt > 2) err = tf_card_net_emit_input_at(e, 2, &op.row.shift);
  return err ? err : tf_card_net_emit_add_op(e, &op);
}

/* ---- which is what ---- */

static bool is_move(const tf_tensor_use_t *use) {
  return use->op->flops == tf_tensor_flops_none && use->op->ref;
}

static tf_err_t check(const tf_net_t *net, const tf_net_node_t *node, bool is_graph) {
  const tf_tensor_use_t *use = &node->use;
  bool good = tf_card_net_emit_is_named(use, "matmul") || tf_card_net_emit_is_named(use, "conv") ||
              tf_card_net_emit_is_named(use, "keep") ||
              tf_card_net_emit_is_named(use, "layer_norm") ||
              tf_card_net_emit_is_named(use, "rms_norm") || fold_of(use) ||
              tf_card_net_products_cell(use) || is_move(use);
  if (tf_card_net_order_is_pointwise(use)) good = fn_of(use) < TF_CARD_FN_CNT;
  if (tf_card_net_emit_is_named(use, "rows") && use->row->mixes)
    good = strcmp(use->row->name, "softmax") == 0;
  const char *apart = tf_card_net_apart_name(net, node);
  if (apart && is_graph) return TF_OK;
  if (apart)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s has no form in a kernel that stays on the card", apart);
  if (!good)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s%s%s has no form on a card", use->op->name,
                  use->row ? " " : "", use->row ? use->row->name : "");
  return TF_OK;
}

tf_err_t tf_card_net_ops_check(const tf_net_t *net, bool is_graph) {
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    tf_err_t err = check(net, &net->nodes[n], is_graph);
    if (err) return tf_error_add(err, "node %u, \"%.60s\"", n, net->nodes[n].name);
  }
  return TF_OK;
}

static tf_err_t add_call(tf_card_net_emit_t *e) {
  const tf_tensor_use_t *use = e->use;
  tf_card_net_emit_touch_all(e);
  if (tf_card_net_apart_name(e->d->net, e->node)) return tf_card_net_apart_add(e);
  if (tf_card_net_emit_is_named(use, "matmul")) return tf_card_net_products_matmul(e);
  if (tf_card_net_emit_is_named(use, "conv")) return tf_card_net_products_conv(e);
  if (tf_card_net_emit_is_named(use, "keep")) return add_keep(e);
  if (tf_card_net_emit_is_named(use, "layer_norm")) return add_row(e, TF_CARD_ROW_LAYER_NORM);
  if (tf_card_net_emit_is_named(use, "rms_norm")) return add_row(e, TF_CARD_ROW_RMS_NORM);
  if (tf_card_net_order_is_pointwise(use)) return add_pointwise(e);
  if (use->op->takes_row) return add_row(e, TF_CARD_ROW_SOFTMAX);
  if (tf_card_net_products_cell(use)) return tf_card_net_products_recurrent(e);
  if (fold_of(use)) return strstr(use->op->name, "pool") ? add_pool(e) : add_reduce(e);
  return add_move(e);
}

/* Whether the last of the ops from first on makes all of call's output by itself. */
static bool is_one_op(const tf_card_net_draft_t *d, uint32_t first, const tf_net_call_t *call) {
  const tf_card_net_op_t *last = &d->ops[d->op_cnt - 1];
  uint32_t                cnt  = 0;
  for (uint32_t i = first; i < d->op_cnt; i++)
    cnt += d->ops[i].out.base == tf_card_net_emit_out_at(call).base &&
           d->ops[i].out.at >= call->out_at && d->ops[i].out.at - call->out_at < call->use.out.cnt;
  return cnt == 1 && is_same_place(last->out, tf_card_net_emit_out_at(call)) &&
         last->kind != TF_CARD_OP_RECURRENCE && last->kind != TF_CARD_OP_RESET;
}

tf_err_t tf_card_net_ops_add(tf_card_net_draft_t *d) {
  const tf_net_call_t *before = NULL; /* what a call may go behind: where one op made it */
  d->part_first               = d->op_cnt;
  for (uint32_t i = 0; i < d->plan->call_cnt; i++) {
    const tf_net_call_t *call = &d->plan->calls[i];
    tf_card_net_emit_t   e    = {
             .d = d, .call = call, .use = &call->use, .node = &d->net->nodes[call->node]};
    const uint32_t op_cnt = d->op_cnt;
    bool           done;
    d->call++;
    d->node      = e.node;
    d->node_idx  = call->node;
    tf_err_t err = try_behind(&e, before, &done);
    if (!err && !done) {
      err    = add_call(&e);
      before = !err && is_one_op(d, op_cnt, call) ? call : NULL;
    }
    if (err)
      return tf_error_add(err, "node %u, %s \"%.60s\"", call->node, call->use.op->name,
                          e.node->name);
  }
  d->node = NULL;
  tf_card_net_draft_end_phase(d);
  return TF_OK;
}
