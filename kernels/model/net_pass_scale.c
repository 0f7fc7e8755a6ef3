/* Scales and shifts by constants go into the constants before them: a number through moves and products (the scale of attention ends in the
 * weights of Q, or of K), one each of a product's or a convolution's outputs into its weights and bias (a batch norm behind either). */
#include <math.h>

#include "core/error.h"
#include "model/net_pass.h"

#define DEPTH_MAX 32u

/* ---- constants times numbers ---- */

/* One number, or one each along an axis. */
typedef struct scale {
  const float *list; /* NULL: number */
  double       number;
  bool         inverse; /* divides */
  uint32_t     axis;    /* of the constant, where there is a list */
} scale_t;

static double scale_at(const scale_t *s, const tf_tensor_shape_t *shape, uint32_t i) {
  double by = s->number;
  if (s->list)
    by =
        (double)
            s->list[i / tf_tensor_axes_cnt(shape, s->axis + 1, shape->rank) % shape->dims[s->axis]];
  return s->inverse ? 1.0 / by : by;
}

/* The product, malloc'd; NULL where a value would lose its digits, or there is no memory. */
static float *times(const tf_net_value_t *v, const scale_t *s) {
  float *out = malloc(v->shape.cnt * sizeof *out);
  for (uint32_t i = 0; out && i < v->shape.cnt; i++) {
    out[i] = (float)((double)v->constant[i] * scale_at(s, &v->shape, i));
    if (v->constant[i] == 0.0f) out[i] = 0.0f;
    if (isnormal(out[i]) || v->constant[i] == 0.0f) continue;
    free(out);
    return NULL;
  }
  return out;
}

static bool can_scale(const tf_net_value_t *v, const scale_t *s) {
  float *out = times(v, s);
  free(out);
  return out != NULL;
}

static tf_err_t add_scaled(tf_net_edit_t *e, uint32_t value, const scale_t *s, const char *name,
                           uint32_t *out) {
  const tf_net_value_t *v = &e->net->values[value];
  return tf_net_edit_constant(e, name, &v->shape, times(v, s), out);
}

/* ---- a number on its way ---- */

/* Inputs that take a number over, as bits: what is left of a node's value is that many times more. 0: it cannot. */
static uint32_t takers(const tf_net_edit_t *e, uint32_t value, const scale_t *s, uint32_t depth);

static bool takes(const tf_net_edit_t *e, uint32_t value, const scale_t *s, uint32_t depth) {
  const tf_net_value_t *v = &e->net->values[value];
  if (v->constant) return can_scale(v, s);
  return v->node != TF_NET_NONE && e->uses[value] == 1 && depth < DEPTH_MAX &&
         takers(e, value, s, depth + 1) != 0;
}

static uint32_t takers(const tf_net_edit_t *e, uint32_t value, const scale_t *s, uint32_t depth) {
  static const char *const moves[] = {"reshape", "transpose", "slice", "expand", "gather"};
  const tf_net_node_t     *node    = tf_net_maker(e->net, value);
  for (size_t i = 0; i < TF_ARRAY_CNT(moves); i++)
    if (tf_net_is(node, moves[i])) return takes(e, node->in[0], s, depth) ? 1 : 0;
  if (tf_net_is(node, "add") || tf_net_is(node, "sub"))
    return takes(e, node->in[0], s, depth) && takes(e, node->in[1], s, depth) ? 3 : 0;
  if (tf_net_is(node, "matmul") || tf_net_is(node, "mul"))
    return takes(e, node->in[1], s, depth) ? 2 : takes(e, node->in[0], s, depth) ? 1 : 0;
  if (!tf_net_is(node, "conv") || !e->net->values[node->in[1]].constant) return 0;
  if (!takes(e, node->in[1], s, depth)) return 0;
  return node->use.in_cnt < 3 ? 2 : takes(e, node->in[2], s, depth) ? 6 : 0;
}

static tf_err_t give(tf_net_edit_t *e, uint32_t value, const scale_t *s, const char *name,
                     uint32_t *out) {
  if (e->net->values[value].constant) return add_scaled(e, value, s, name, out);
  const tf_net_node_t *node = tf_net_maker(e->net, value);
  const uint32_t       all  = takers(e, value, s, 0);
  uint32_t             in[TF_TENSOR_INPUTS_MAX];
  char                 text[TF_NET_NAME_BYTES];
  tf_err_t             err = TF_OK;
  TF_ASSERT(all != 0); /* takes said so */
  for (uint32_t i = 0; i < node->use.in_cnt && !err; i++) {
    in[i] = node->in[i];
    if (all >> i & 1) err = give(e, node->in[i], s, name, &in[i]);
  }
  tf_net_pass_name(text, (const char *const[]){node->name, name}, 2);
  return err ? err : tf_net_edit_again(e, node, in, text, out);
}

/* ---- one each of the outputs ---- */

/* A constant with one value each along axis of shape, and no other. */
static bool is_along(const tf_net_value_t *v, const tf_tensor_shape_t *shape, uint32_t axis) {
  const uint32_t from_end = shape->rank - axis;
  return v->constant && v->shape.cnt == shape->dims[axis] && v->shape.cnt > 1 &&
         v->shape.rank >= from_end && v->shape.dims[v->shape.rank - from_end] == v->shape.cnt;
}

/* A product with constant weights, or a convolution; its outputs' axis, and that of its weights. */
static const tf_net_node_t *layer_of(const tf_net_edit_t *e, uint32_t value, uint32_t *axis,
                                     uint32_t *weight_axis) {
  const tf_net_node_t *matmul = tf_net_edit_only(e, value, "matmul"),
                      *conv = tf_net_edit_only(e, value, "conv"), *node = matmul ? matmul : conv;
  if (!node || !e->net->values[node->in[1]].constant) return NULL;
  if (conv && node->use.in_cnt > 2 && !e->net->values[node->in[2]].constant) return NULL;
  if (matmul && node->use.int_cnt > 0 && node->use.ints[0]) return NULL;
  *axis        = conv ? 1 : node->use.out.rank - 1;
  *weight_axis = conv ? 0 : node->use.in[1].rank - 1;
  return node;
}

/* mul(layer, c), or mul(add(product, bias), c). */
static tf_err_t scale_outputs(tf_net_edit_t *e, const tf_net_node_t *mul, uint32_t x,
                              scale_t *scale, const tf_net_value_t *c) {
  uint32_t             axis, weight_axis, in[3], value, bias = TF_NET_NONE;
  const tf_net_node_t *add   = tf_net_edit_only(e, x, "add"),
                      *layer = layer_of(e, x, &axis, &weight_axis);
  char name[TF_NET_NAME_BYTES];
  for (uint32_t i = 0; i < 2 && add && !layer; i++) {
    if (!e->net->values[add->in[1 - i]].constant) continue;
    layer = layer_of(e, add->in[i], &axis, &weight_axis);
    bias  = add->in[1 - i];
    if (layer && !tf_tensor_shape_same(&layer->use.out, &add->use.out)) return TF_OK;
  }
  if (!layer || !is_along(c, &mul->use.out, axis) ||
      !tf_tensor_shape_same(&layer->use.out, &mul->use.out))
    return TF_OK;
  if (bias != TF_NET_NONE && !is_along(&e->net->values[bias], &add->use.out, axis)) return TF_OK;
  scale_t of_bias = *scale;
  scale->axis     = weight_axis;
  memcpy(in, layer->in, sizeof in);
  if (bias != TF_NET_NONE) { /* its one axis that is longer than 1 */
    const tf_tensor_shape_t *s = &e->net->values[bias].shape;
    of_bias.axis               = s->rank - (add->use.out.rank - axis);
    if (!can_scale(&e->net->values[bias], &of_bias)) return TF_OK;
  }
  if (!can_scale(&e->net->values[in[1]], scale)) return TF_OK;
  of_bias.axis = bias == TF_NET_NONE ? 0 : of_bias.axis;
  if (layer->use.in_cnt > 2 && !can_scale(&e->net->values[in[2]], &of_bias)) return TF_OK;
  tf_err_t err = add_scaled(e, in[1], scale, mul->name, &in[1]);
  if (!err && layer->use.in_cnt > 2) err = add_scaled(e, in[2], &of_bias, mul->name, &in[2]);
  tf_net_pass_name(name, (const char *const[]){layer->name, mul->name}, 2);
  if (!err) err = tf_net_edit_again(e, layer, in, name, &value);
  if (!err && bias != TF_NET_NONE) {
    uint32_t sum[2] = {value};
    err             = add_scaled(e, bias, &of_bias, mul->name, &sum[1]);
    if (!err) err = tf_net_edit_again(e, add, sum, NULL, &value);
  }
  if (!err) tf_net_edit_replace(e, mul->out, value);
  return err;
}

/* add(conv, c): the convolution's bias. */
static tf_err_t shift_outputs(tf_net_edit_t *e, const tf_net_node_t *add, uint32_t x,
                              const tf_net_value_t *c) {
  uint32_t             axis, weight_axis, in[3], value;
  const tf_net_node_t *conv = layer_of(e, x, &axis, &weight_axis);
  char                 name[TF_NET_NAME_BYTES];
  if (!tf_net_is(conv, "conv") || !is_along(c, &add->use.out, axis) ||
      !tf_tensor_shape_same(&conv->use.out, &add->use.out))
    return TF_OK;
  tf_tensor_shape_t shape = {.rank = 1, .dims = {c->shape.cnt}, .cnt = c->shape.cnt};
  float            *bias  = malloc(shape.cnt * sizeof *bias);
  memcpy(in, conv->in, sizeof in);
  for (uint32_t i = 0; bias && i < shape.cnt; i++) {
    const double old = conv->use.in_cnt > 2 ? (double)e->net->values[in[2]].constant[i] : 0.0;
    bias[i]          = (float)(old + (double)c->constant[i]);
    if (fpclassify(bias[i]) == FP_SUBNORMAL) bias[i] = 0.0f;
  }
  tf_net_pass_name(name, (const char *const[]){conv->name, add->name}, 2);
  tf_err_t            err  = tf_net_edit_constant(e, add->name, &shape, bias, &in[2]);
  const tf_net_spec_t spec = {.op      = conv->use.op,
                              .name    = name,
                              .in      = in,
                              .in_cnt  = 3,
                              .ints    = conv->use.ints,
                              .int_cnt = conv->use.int_cnt};
  if (!err) err = tf_net_edit_add(e, &spec, &value);
  if (!err) tf_net_edit_replace(e, add->out, value);
  return err;
}

/* ---- nodes ---- */

static tf_err_t visit_number(tf_net_edit_t *e, const tf_net_node_t *node, uint32_t x,
                             const scale_t *scale) {
  uint32_t value;
  if (!tf_tensor_shape_same(&e->net->values[x].shape, &node->use.out) || !takes(e, x, scale, 0))
    return TF_OK;
  tf_err_t err = give(e, x, scale, node->name, &value);
  if (!err) tf_net_edit_replace(e, node->out, value);
  return err;
}

tf_err_t tf_net_pass_scale(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *node = &e->net->nodes[idx];
  const bool           mul = tf_net_is(node, "mul"), div = tf_net_is(node, "div");
  const bool           add = tf_net_is(node, "add");
  for (uint32_t i = 0; i < (div ? 1u : 2u) && (mul || div || add); i++) {
    const uint32_t        x = node->in[i];
    const tf_net_value_t *c = &e->net->values[node->in[1 - i]];
    scale_t               s = {.inverse = div};
    if (!c->constant || e->net->values[x].constant) continue;
    if (add) return shift_outputs(e, node, x, c);
    if (tf_net_is_number(e->net, node->in[1 - i], &s.number)) return visit_number(e, node, x, &s);
    s.list = c->constant;
    return scale_outputs(e, node, x, &s, c);
  }
  return TF_OK;
}
