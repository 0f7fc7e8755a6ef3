/* Moves of values: reshapes, transposes, slices, gathers of known entries. Those that follow one another are one, those that move nothing are a
 * reshape, which is no step of a plan, or nothing; the last two axes of a product's second factor are turned as it is packed. */
#include "core/error.h"
#include "model/net_pass.h"

static tf_err_t put(tf_net_edit_t *e, const tf_net_node_t *old, const char *op, const char *name,
                    uint32_t in, const int64_t *ints, uint32_t int_cnt) {
  uint32_t            value;
  const tf_net_spec_t spec = {.op      = tf_tensor_find(op),
                              .name    = name,
                              .in      = &in,
                              .in_cnt  = 1,
                              .ints    = ints,
                              .int_cnt = int_cnt};
  tf_err_t            err  = tf_net_edit_add(e, &spec, &value);
  if (!err) err = tf_net_edit_reshape(e, name, value, &old->use.out, &value);
  if (!err) tf_net_edit_replace(e, old->out, value);
  return err;
}

static tf_err_t put_reshape(tf_net_edit_t *e, const tf_net_node_t *old, uint32_t in) {
  uint32_t value;
  tf_err_t err = tf_net_edit_reshape(e, old->name, in, &old->use.out, &value);
  if (!err) tf_net_edit_replace(e, old->out, value);
  return err;
}

static uint32_t order_at(const tf_net_node_t *transpose, uint32_t axis) {
  const int64_t of = transpose->use.ints[axis];
  return (uint32_t)(of < 0 ? of + (int64_t)transpose->use.out.rank : of);
}

/* ---- reshapes ---- */

static tf_err_t visit_reshape(tf_net_edit_t *e, const tf_net_node_t *node) {
  const tf_net_node_t *before = tf_net_maker(e->net, node->in[0]);
  if (tf_net_is(before, "reshape")) return put_reshape(e, node, before->in[0]);
  if (tf_tensor_shape_same(&node->use.in[0], &node->use.out))
    return put_reshape(e, node, node->in[0]);
  return TF_OK;
}

/* Axes of more than one value, in order. */
static uint32_t long_axes(const tf_tensor_shape_t *s, uint32_t axes[TF_TENSOR_RANK_MAX]) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < s->rank; i++)
    if (s->dims[i] != 1) axes[cnt++] = i;
  return cnt;
}

/* Whether a reshape only adds and drops axes of one value. */
static bool keeps_axes(const tf_net_node_t *reshape) {
  uint32_t       a[TF_TENSOR_RANK_MAX], b[TF_TENSOR_RANK_MAX];
  const uint32_t cnt = long_axes(&reshape->use.in[0], a);
  if (cnt != long_axes(&reshape->use.out, b)) return false;
  for (uint32_t i = 0; i < cnt; i++)
    if (reshape->use.in[0].dims[a[i]] != reshape->use.out.dims[b[i]]) return false;
  return true;
}

/* ---- transposes ---- */

static bool moves_nothing(const tf_net_node_t *transpose) {
  uint32_t last = 0;
  for (uint32_t i = 0; i < transpose->use.out.rank; i++) {
    if (transpose->use.out.dims[i] == 1) continue;
    if (order_at(transpose, i) < last) return false;
    last = order_at(transpose, i);
  }
  return true;
}

/* What node does to reshape's output, done to its input, whose axes of one value come first. */
static void order_before(const tf_net_node_t *node, const tf_net_node_t *reshape, int64_t *order) {
  const tf_tensor_shape_t *from = &reshape->use.in[0];
  uint32_t                 outer[TF_TENSOR_RANK_MAX], inner[TF_TENSOR_RANK_MAX], cnt = 0;
  const uint32_t           many = long_axes(&reshape->use.out, outer);
  (void)long_axes(from, inner);
  for (uint32_t i = 0; i < from->rank; i++)
    if (from->dims[i] == 1) order[cnt++] = i;
  for (uint32_t i = 0; i < node->use.out.rank; i++)
    for (uint32_t k = 0; k < many; k++)
      if (order_at(node, i) == outer[k]) order[cnt++] = inner[k];
}

static tf_err_t visit_transpose(tf_net_edit_t *e, const tf_net_node_t *node) {
  const tf_net_node_t *before = tf_net_maker(e->net, node->in[0]), *source;
  const uint32_t       rank   = node->use.out.rank;
  int64_t              order[TF_TENSOR_RANK_MAX];
  char                 name[TF_NET_NAME_BYTES];
  if (moves_nothing(node)) return put_reshape(e, node, node->in[0]);
  if (!before) return TF_OK;
  tf_net_pass_name(name, (const char *const[]){before->name, node->name}, 2);
  if (tf_net_is(before, "transpose")) {
    for (uint32_t i = 0; i < rank; i++) order[i] = order_at(before, order_at(node, i));
    return put(e, node, "transpose", name, before->in[0], order, rank);
  }
  source = tf_net_is(before, "reshape") ? tf_net_maker(e->net, before->in[0]) : NULL;
  if (!tf_net_is(source, "transpose") || !keeps_axes(before)) return TF_OK;
  order_before(node, before, order);
  return put(e, node, "transpose", name, source->out, order, source->use.out.rank);
}

/* ---- slices ---- */

/* Entries that a constant numbers evenly, as first, cnt, step of a slice. */
static bool read_entries(const tf_net_node_t *gather, const tf_net_value_t *index, int64_t *slice) {
  const int64_t size  = gather->use.in[0].dims[gather->use.ints[0]];
  int64_t       first = 0, step = 1;
  if (!index->constant || index->shape.rank > 1) return false;
  for (uint32_t i = 0; i < index->shape.cnt; i++) {
    const double x = (double)index->constant[i];
    int64_t      at;
    if (!(x >= (double)-size && x < (double)size) || x != (double)(int64_t)x) return false;
    at = (int64_t)x < 0 ? (int64_t)x + size : (int64_t)x;
    if (i == 0) first = at;
    if (i == 1) step = at - first;
    if (at != first + step * i) return false;
  }
  slice[0] = first, slice[1] = index->shape.cnt, slice[2] = step;
  return step != 0 && index->shape.cnt <= (uint64_t)size;
}

static tf_err_t visit_gather(tf_net_edit_t *e, const tf_net_node_t *node) {
  const uint32_t rank = node->use.in[0].rank;
  int64_t        ints[3 * TF_TENSOR_RANK_MAX], part[3];
  if (!read_entries(node, &e->net->values[node->in[1]], part)) return TF_OK;
  for (uint32_t i = 0; i < rank; i++)
    ints[3 * i] = 0, ints[3 * i + 1] = node->use.in[0].dims[i], ints[3 * i + 2] = 1;
  memcpy(ints + 3 * node->use.ints[0], part, sizeof part);
  return put(e, node, "slice", node->name, node->in[0], ints, 3 * rank);
}

static tf_err_t visit_slice(tf_net_edit_t *e, const tf_net_node_t *node) {
  const tf_net_node_t *before = tf_net_maker(e->net, node->in[0]);
  int64_t              ints[3 * TF_TENSOR_RANK_MAX];
  char                 name[TF_NET_NAME_BYTES];
  if (tf_tensor_shape_same(&node->use.in[0], &node->use.out)) {
    bool same = true; /* not backwards */
    for (uint32_t i = 0; i < node->use.out.rank; i++)
      same &= node->use.out.dims[i] == 1 || node->use.ints[3 * i + 2] == 1;
    if (same) return put_reshape(e, node, node->in[0]);
  }
  if (!tf_net_is(before, "slice")) return TF_OK;
  for (uint32_t i = 0; i < node->use.out.rank; i++) {
    const int64_t *a = before->use.ints + 3 * (size_t)i, *b = node->use.ints + 3 * (size_t)i;
    ints[3 * i]     = a[0] + b[0] * a[2];
    ints[3 * i + 1] = b[1];
    ints[3 * i + 2] = b[1] == 1 ? 1 : a[2] * b[2];
  }
  tf_net_pass_name(name, (const char *const[]){before->name, node->name}, 2);
  return put(e, node, "slice", name, before->in[0], ints, 3 * node->use.out.rank);
}

/* ---- products ---- */

/* Its last axis was the last but one before: the product can do that. What the transpose does besides stays. */
static tf_err_t visit_matmul(tf_net_edit_t *e, const tf_net_node_t *node) {
  const tf_net_node_t *turned = tf_net_maker(e->net, node->in[1]), *view = NULL;
  const int64_t        yes = 1;
  int64_t              order[TF_TENSOR_RANK_MAX];
  uint32_t             in[2] = {node->in[0]};
  char                 name[TF_NET_NAME_BYTES];
  if (node->use.int_cnt && node->use.ints[0]) return TF_OK;
  if (tf_net_is(turned, "reshape") && keeps_axes(turned)) {
    view   = turned;
    turned = tf_net_maker(e->net, view->in[0]);
  }
  if (!tf_net_is(turned, "transpose")) return TF_OK;
  const uint32_t rank = turned->use.out.rank, outer = node->use.in[1].rank;
  if (rank < 2 || order_at(turned, rank - 2) != rank - 1 ||
      turned->use.out.dims[rank - 1] != node->use.in[1].dims[outer - 1] ||
      turned->use.out.dims[rank - 2] != node->use.in[1].dims[outer - 2])
    return TF_OK;
  for (uint32_t i = 0; i < rank; i++) order[i] = order_at(turned, i);
  order[rank - 1] = rank - 1, order[rank - 2] = order_at(turned, rank - 1);
  bool moved = false; /* what else it does must not be done twice */
  for (uint32_t i = 0; i < rank; i++) moved |= order[i] != i;
  if (moved && e->uses[turned->out] > 1) return TF_OK;
  const tf_net_spec_t spec = {.op      = turned->use.op,
                              .name    = turned->name,
                              .in      = turned->in,
                              .in_cnt  = 1,
                              .ints    = order,
                              .int_cnt = rank};
  tf_err_t            err  = tf_net_edit_add(e, &spec, &in[1]);
  tf_tensor_shape_t   b    = node->use.in[1];
  b.dims[outer - 1]        = node->use.in[1].dims[outer - 2];
  b.dims[outer - 2]        = node->use.in[1].dims[outer - 1];
  if (!err) err = tf_net_edit_reshape(e, view ? view->name : turned->name, in[1], &b, &in[1]);
  tf_net_pass_name(name, (const char *const[]){turned->name, node->name}, 2);
  const tf_net_spec_t product = {
      .op = node->use.op, .name = name, .in = in, .in_cnt = 2, .ints = &yes, .int_cnt = 1};
  uint32_t value;
  if (!err) err = tf_net_edit_add(e, &product, &value);
  if (!err) tf_net_edit_replace(e, node->out, value);
  return err;
}

tf_err_t tf_net_pass_moves(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *node = &e->net->nodes[idx];
  if (tf_net_is(node, "reshape")) return visit_reshape(e, node);
  if (tf_net_is(node, "transpose")) return visit_transpose(e, node);
  if (tf_net_is(node, "gather")) return visit_gather(e, node);
  if (tf_net_is(node, "slice")) return visit_slice(e, node);
  if (tf_net_is(node, "matmul")) return visit_matmul(e, node);
  return TF_OK;
}
