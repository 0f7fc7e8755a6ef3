#include "model/net_attention.h"

#include <stdio.h>
#include <string.h>

#include "tensor/attention.h"

/* Axes of more than one value, and how far apart their values are. */
typedef struct axes {
  uint32_t cnt, dims[TF_TENSOR_RANK_MAX], steps[TF_TENSOR_RANK_MAX];
} axes_t;

typedef struct search {
  const tf_net_t     *net;
  const uint32_t     *uses;
  tf_net_attention_t *found;
} search_t;

static const tf_net_node_t *maker(const search_t *s, uint32_t value) {
  const uint32_t node = s->net->values[value].node;
  return node == TF_NET_NONE ? NULL : &s->net->nodes[node];
}

/* The node of op that makes value for one reader alone, or NULL. */
static const tf_net_node_t *only(const search_t *s, uint32_t value, const char *op) {
  const tf_net_node_t *node = maker(s, value);
  return node && s->uses[value] == 1 && strcmp(node->use.op->name, op) == 0 ? node : NULL;
}

static void take(search_t *s, const tf_net_node_t *node) {
  s->found->nodes[s->found->cnt++] = (uint32_t)(node - s->net->nodes);
}

/* ---- where values lie ---- */

static void steps_of(const tf_tensor_shape_t *shape, uint32_t *steps) {
  uint32_t step = 1;
  for (uint32_t axis = shape->rank; axis-- > 0; step *= shape->dims[axis]) steps[axis] = step;
}

/* Of shape's axes, with the steps given. */
static axes_t long_axes(const tf_tensor_shape_t *shape, const uint32_t *steps) {
  axes_t a = {0};
  for (uint32_t axis = 0; axis < shape->rank; axis++)
    if (shape->dims[axis] != 1) {
      a.dims[a.cnt]    = shape->dims[axis];
      a.steps[a.cnt++] = steps[axis];
    }
  return a;
}

static axes_t dense(const tf_tensor_shape_t *shape) {
  uint32_t steps[TF_TENSOR_RANK_MAX];
  steps_of(shape, steps);
  return long_axes(shape, steps);
}

static uint32_t order_at(const tf_net_node_t *transpose, uint32_t axis) {
  const int64_t of = transpose->use.ints[axis];
  return (uint32_t)(of < 0 ? of + (int64_t)transpose->use.out.rank : of);
}

static bool same_dims(const axes_t *a, const axes_t *b) {
  return a->cnt == b->cnt && memcmp(a->dims, b->dims, a->cnt * sizeof *a->dims) == 0;
}

/* A product's factor, behind the transpose that is made for it alone: *value becomes the transpose's input. */
static axes_t axes_of_input(search_t *s, uint32_t *value) {
  const axes_t         own  = dense(&s->net->values[*value].shape);
  const tf_net_node_t *view = only(s, *value, "reshape"), *turned = only(s, *value, "transpose");
  uint32_t             from[TF_TENSOR_RANK_MAX], steps[TF_TENSOR_RANK_MAX];
  if (view) { /* that adds or drops axes of one value */
    const axes_t before = dense(&view->use.in[0]);
    turned              = same_dims(&before, &own) ? only(s, view->in[0], "transpose") : NULL;
  }
  if (!turned) return own;
  steps_of(&turned->use.in[0], from);
  for (uint32_t axis = 0; axis < turned->use.out.rank; axis++)
    steps[axis] = from[order_at(turned, axis)];
  take(s, turned);
  if (view) take(s, view);
  *value = turned->in[0];
  return long_axes(&turned->use.out, steps);
}

/* What the second product gives, behind the transpose that alone reads it: *value becomes the transpose's. */
static axes_t axes_of_output(search_t *s, const tf_net_node_t *mixed, uint32_t *value) {
  uint32_t to[TF_TENSOR_RANK_MAX], steps[TF_TENSOR_RANK_MAX];
  *value = mixed->out;
  for (uint32_t n = 0; n < s->net->node_cnt && s->uses[mixed->out] == 1; n++) {
    const tf_net_node_t *turned = &s->net->nodes[n];
    if (strcmp(turned->use.op->name, "transpose") != 0 || turned->in[0] != mixed->out) continue;
    steps_of(&turned->use.out, to);
    for (uint32_t axis = 0; axis < turned->use.out.rank; axis++)
      steps[order_at(turned, axis)] = to[axis];
    *value = turned->out;
    return long_axes(&mixed->use.out, steps);
  }
  return dense(&mixed->use.out);
}

/* A mask's, repeated along the axes of the scores. */
static axes_t axes_of_mask(const tf_tensor_shape_t *mask, const tf_tensor_shape_t *scores) {
  uint32_t       own[TF_TENSOR_RANK_MAX], steps[TF_TENSOR_RANK_MAX];
  const uint32_t missing = scores->rank - mask->rank;
  steps_of(mask, own);
  for (uint32_t axis = 0; axis < scores->rank; axis++)
    steps[axis] = axis < missing || mask->dims[axis - missing] == 1 ? 0 : own[axis - missing];
  return long_axes(scores, steps);
}

/* As heads of rows of columns: the axes before the last two have to go as one. */
static bool view_of(const axes_t *a, uint32_t rows, uint32_t columns, tf_attention_view_t *view) {
  uint32_t cnt = a->cnt;
  *view        = (tf_attention_view_t){.column = 1};
  if (columns > 1) view->column = a->steps[--cnt];
  if (rows > 1) view->row = a->steps[--cnt];
  if (cnt > 0) view->head = a->steps[cnt - 1];
  for (uint32_t i = 1; i < cnt; i++)
    if (a->steps[i - 1] != a->steps[i] * a->dims[i]) return false;
  return true;
}

/* A second factor, [.., rows, columns] of a product, or turned. */
static bool factor_of(search_t *s, const tf_net_node_t *product, uint32_t rows, uint32_t columns,
                      uint32_t *value, tf_attention_view_t *view) {
  *value            = product->in[1];
  const axes_t axes = axes_of_input(s, value);
  if (product->use.int_cnt == 0 || !product->use.ints[0])
    return view_of(&axes, rows, columns, view);
  const bool     good = view_of(&axes, columns, rows, view);
  const uint32_t row  = view->row;
  view->row           = view->column;
  view->column        = row;
  return good;
}

/* ---- the nodes ---- */

static uint32_t matrices(const tf_tensor_shape_t *shape) {
  return tf_tensor_axes_cnt(shape, 0, shape->rank - 2);
}

/* Factors are computed, and there are as many matrices in the one as in the other. */
static bool is_paired(const search_t *s, const tf_net_node_t *product) {
  const tf_net_value_t *a = &s->net->values[product->in[0]], *b = &s->net->values[product->in[1]];
  return !a->constant && !b->constant && matrices(&a->shape) == matrices(&b->shape) &&
         matrices(&a->shape) == matrices(&product->use.out);
}

/* The product whose scores the softmax reads, and the mask that is added before: TF_NET_NONE for none. */
static const tf_net_node_t *scores_of(search_t *s, const tf_net_node_t *softmax, uint32_t *mask) {
  const tf_net_node_t *product = only(s, softmax->in[0], "matmul"),
                      *add     = only(s, softmax->in[0], "add");
  *mask                        = TF_NET_NONE;
  for (uint32_t i = 0; i < 2 && add && !product; i++) {
    product = only(s, add->in[i], "matmul");
    *mask   = add->in[1 - i];
    if (product && !tf_tensor_shape_same(&product->use.out, &add->use.out)) return NULL;
  }
  if (product && add) take(s, add);
  return product;
}

static void add_input(const search_t *s, uint32_t value) {
  tf_net_node_t *node = &s->found->node;
  if (s->net->values[value].constant) node->use.constant_mask |= 1u << node->use.in_cnt;
  node->in[node->use.in_cnt]       = value;
  node->use.in[node->use.in_cnt++] = s->net->values[value].shape;
}

bool tf_net_attention_find(const tf_net_t *net, const uint32_t *uses, uint32_t n,
                           tf_net_attention_t *found) {
  search_t             s     = {net, uses, found};
  const tf_net_node_t *mixed = &net->nodes[n], *softmax, *product;
  uint32_t             mask, q, k, v, out;
  *found = (tf_net_attention_t){.cnt = 1};
  if (strcmp(mixed->use.op->name, "matmul") != 0) return false;
  softmax = only(&s, mixed->in[0], "rows");
  if (!softmax || strcmp(softmax->use.row->name, "softmax") != 0) return false;
  product = scores_of(&s, softmax, &mask);
  if (!product || !is_paired(&s, product) || !is_paired(&s, mixed)) return false;

  const tf_tensor_shape_t *scores = &product->use.out, *of_q = &product->use.in[0];
  tf_attention_t           a = {.heads     = matrices(scores),
                                .queries   = scores->dims[scores->rank - 2],
                                .keys      = scores->dims[scores->rank - 1],
                                .width     = of_q->dims[of_q->rank - 1],
                                .out_width = mixed->use.out.dims[mixed->use.out.rank - 1]};
  q                          = product->in[0];
  const axes_t   q_axes      = axes_of_input(&s, &q);
  bool           good        = factor_of(&s, product, a.width, a.keys, &k, &a.k);
  const uint32_t row         = a.k.row; /* keys are the product's columns */
  a.k.row                    = a.k.column;
  a.k.column                 = row;
  good                       = factor_of(&s, mixed, a.keys, a.out_width, &v, &a.v) && good;
  good                  = view_of(&q_axes, a.queries, a.width, &a.q) && good && a.q.column == 1;
  const axes_t out_axes = axes_of_output(&s, mixed, &out);
  good = view_of(&out_axes, a.queries, a.out_width, &a.out) && good && a.out.column == 1;
  if (mask != TF_NET_NONE) {
    const axes_t mask_axes = axes_of_mask(&net->values[mask].shape, scores);
    good = view_of(&mask_axes, a.queries, a.keys, &a.mask) && good && a.mask.column == 1;
  }
  if (!good) return false;

  found->nodes[0] = net->values[out].node;
  take(&s, softmax);
  take(&s, product);
  if (out != mixed->out) take(&s, mixed);
  snprintf(found->node.name, sizeof found->node.name, "%s", mixed->name);
  add_input(&s, q);
  add_input(&s, k);
  add_input(&s, v);
  if (mask != TF_NET_NONE) add_input(&s, mask);
  found->node.out     = out;
  found->node.use.out = net->values[out].shape;
  found->node.use.row = softmax->use.row;
  tf_attention_put(&a, &found->node.use);
  return true;
}
