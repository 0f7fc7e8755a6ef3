#include "model/net_tie.h"

#include <string.h>

#include "tensor/rounded.h"

typedef tf_net_tie_t (*rule_t)(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                               uint32_t axis);

static tf_net_tie_t whole(void) { return (tf_net_tie_t){.kind = TF_NET_TIE_ALL}; }

static tf_net_tie_t taps(uint32_t axis, int64_t first, int64_t by, uint32_t cnt, int64_t apart) {
  return (tf_net_tie_t){TF_NET_TIE_TAPS, axis, first, by, apart, cnt};
}

static tf_net_tie_t same(uint32_t axis) { return taps(axis, 0, 1, 1, 1); }

bool tf_net_tie_is_same(const tf_net_tie_t *t) {
  return t->kind == TF_NET_TIE_TAPS && t->first == 0 && t->by == 1 && t->cnt == 1;
}

/* ---- value by value ---- */

/* As numpy repeats: axes count from the last one. */
static tf_net_tie_t repeated(const tf_tensor_shape_t *in, const tf_tensor_shape_t *out,
                             uint32_t axis) {
  const uint32_t from_end = out->rank - axis;
  if (from_end > in->rank) return whole();
  const uint32_t own = in->rank - from_end;
  return in->dims[own] == out->dims[axis] ? same(own) : whole();
}

static tf_net_tie_t of_values(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                              uint32_t axis) {
  (void)net;
  return repeated(&node->use.in[i], &node->use.out, axis);
}

/* Row by row along the last axis; other inputs belong to the row. */
static tf_net_tie_t of_rows(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                            uint32_t axis) {
  (void)net;
  return i == 0 && axis + 1 < node->use.out.rank && axis + 1 < node->use.in[0].rank ? same(axis)
                                                                                    : whole();
}

/* ---- products ---- */

static tf_net_tie_t of_matmul(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                              uint32_t axis) {
  (void)net;
  const tf_tensor_shape_t *in = &node->use.in[i], *out = &node->use.out;
  const uint32_t           own = i == 0 ? out->rank - 2 : out->rank - 1;
  if (axis + 2 >= out->rank) return axis == own ? same(in->rank - 1 - (i == 0)) : whole();
  return repeated(in, out, axis);
}

#define CONV_AXIS_INTS 4u

static tf_net_tie_t of_conv(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                            uint32_t axis) {
  (void)net;
  if (i > 0 || axis == 1) return whole();
  if (axis == 0) return same(0);
  const int64_t *n = node->use.ints + 1 + (axis - 2) * CONV_AXIS_INTS;
  return taps(axis, -n[2], n[0], node->use.in[1].dims[axis], n[1]);
}

bool tf_net_tie_is_place(const tf_net_t *net, const tf_net_node_t *node, uint32_t axis,
                         uint32_t position) {
  const tf_tensor_use_t *use = &node->use;
  if (strcmp(use->op->name, "conv") != 0 || axis == TF_NET_NONE || axis < 2 || use->ints[0] != 1 ||
      !net->values[node->in[1]].constant || use->in[1].dims[0] < TF_ROUNDED_OUTPUTS_MIN)
    return false;
  for (uint32_t own = 2; own < use->out.rank; own++) {
    if (own != axis && use->out.dims[own] != 1) return false;
    const tf_net_tie_t t      = tf_net_tie(net, node, 0, own);
    uint32_t           inside = 0;
    for (uint32_t k = 0; k < t.cnt; k++) {
      const int64_t at = t.first + (own == axis ? position * t.by : 0) + k * t.apart;
      inside += at >= 0 && at < use->in[0].dims[own];
    }
    if (!inside) return false;
  }
  return true;
}

#define POOL_AXIS_INTS 5u

static tf_net_tie_t of_pool(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                            uint32_t axis) {
  (void)net, (void)i;
  if (axis < 2) return same(axis);
  const int64_t *n = node->use.ints + (axis - 2) * POOL_AXIS_INTS;
  return taps(axis, -n[3], n[1], (uint32_t)n[0], n[2]);
}

/* ---- moves ---- */

static tf_net_tie_t of_transpose(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                                 uint32_t axis) {
  (void)net, (void)i;
  const int64_t from = node->use.ints[axis];
  return same((uint32_t)(from < 0 ? from + (int64_t)node->use.out.rank : from));
}

/* An axis that stays, or one cut into pieces of which axis counts the pieces. */
static tf_net_tie_t of_reshape(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                               uint32_t axis) {
  (void)net, (void)i;
  const tf_tensor_shape_t *in = &node->use.in[0], *out = &node->use.out;
  const uint32_t           outer = tf_tensor_axes_cnt(out, 0, axis), cnt = out->dims[axis];
  for (uint32_t own = 0; own < in->rank; own++) {
    if (tf_tensor_axes_cnt(in, 0, own) != outer || (in->dims[own] == 1) != (cnt == 1)) continue;
    if (in->dims[own] % cnt != 0) return whole();
    const uint32_t each = in->dims[own] / cnt;
    return each == 1 ? same(own) : taps(own, 0, each, each, 1);
  }
  return whole();
}

static tf_net_tie_t of_slice(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                             uint32_t axis) {
  (void)net, (void)i;
  const int64_t *n = node->use.ints + 3 * (size_t)axis;
  return n[2] > 0 ? taps(axis, n[0], n[2], 1, 1) : whole();
}

static tf_net_tie_t of_concat(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                              uint32_t axis) {
  (void)net;
  if (axis != (uint32_t)node->use.ints[0]) return same(axis);
  int64_t before = 0;
  for (uint32_t k = 0; k < i; k++) before += node->use.in[k].dims[axis];
  return taps(axis, -before, 1, 1, 1);
}

static tf_net_tie_t of_pad(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                           uint32_t axis) {
  (void)net, (void)i;
  const int64_t *n = node->use.ints + 1 + 2 * (size_t)axis;
  if (node->use.ints[0] != 0 && (n[0] != 0 || n[1] != 0)) return whole();
  return taps(axis, -n[0], 1, 1, 1);
}

uint32_t tf_net_tie_entry(float number, uint32_t size) {
  if (number < 0.0f) number += (float)size;
  if (!(number > 0.0f)) return 0;
  return number >= (float)size ? size - 1 : (uint32_t)number;
}

/* Entries that begin evenly apart, each of the same pattern. */
static tf_net_tie_t of_index(const tf_net_node_t *node, const float *index) {
  const tf_tensor_shape_t *s    = &node->use.in[1];
  const uint32_t           own  = (uint32_t)node->use.ints[0];
  const uint32_t           size = node->use.in[0].dims[own], rows = s->dims[0];
  const uint32_t           cnt   = s->cnt / rows;
  const int64_t            first = tf_net_tie_entry(index[0], size);
  const int64_t            apart = cnt > 1 ? (int64_t)tf_net_tie_entry(index[1], size) - first : 1;
  const int64_t            by = rows > 1 ? (int64_t)tf_net_tie_entry(index[cnt], size) - first : 1;
  if (by < 1 || apart < 1) return whole();
  for (uint32_t k = 0; k < s->cnt; k++)
    if (tf_net_tie_entry(index[k], size) != first + k / cnt * by + k % cnt * apart) return whole();
  return taps(own, first, by, cnt, apart);
}

static tf_net_tie_t of_gather(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                              uint32_t axis) {
  const float   *index = net->values[node->in[1]].constant;
  const uint32_t own = (uint32_t)node->use.ints[0], more = node->use.in[1].rank;
  if (i == 0 && axis < own) return same(axis);
  if (i == 0 && axis >= own + more) return same(axis - more + 1);
  return i == 0 && axis == own && index ? of_index(node, index) : whole();
}

void tf_net_tie_extent(const tf_net_t *net, const tf_net_node_t *node, uint32_t i, uint32_t axis,
                       uint32_t *first, uint32_t *cnt) {
  const uint32_t size  = node->use.in[i].dims[axis];
  const float   *index = NULL;
  *first = 0, *cnt = size;
  if (i == 0 && strcmp(node->use.op->name, "gather") == 0 && axis == (uint32_t)node->use.ints[0])
    index = net->values[node->in[1]].constant;
  if (!index) return;
  uint32_t least = size - 1, most = 0;
  for (uint32_t k = 0; k < node->use.in[1].cnt; k++) {
    const uint32_t entry = tf_net_tie_entry(index[k], size);
    if (least > entry) least = entry;
    if (most < entry) most = entry;
  }
  *first = least, *cnt = most - least + 1;
}

static tf_net_tie_t of_reduce(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                              uint32_t axis) {
  (void)net, (void)i;
  const tf_tensor_use_t *use  = &node->use;
  uint32_t               gone = 0, at = 0;
  for (uint32_t k = 1; k < use->int_cnt; k++)
    gone |= 1u << (use->ints[k] < 0 ? use->ints[k] + (int64_t)use->in[0].rank : use->ints[k]);
  for (uint32_t own = 0; own < use->in[0].rank; own++) {
    if (gone >> own & 1 && !use->ints[0]) continue;
    if (at++ == axis) return gone >> own & 1 ? whole() : same(own);
  }
  return whole();
}

/* ---- layers ---- */

enum { RECURRENT_X, RECURRENT_W, RECURRENT_R, RECURRENT_B, RECURRENT_H };
enum { DIRECTION_FORWARD, DIRECTION_REVERSE };

/* x [rows, batch, n] and first states [directions, batch, units] to [rows, directions, batch, units]. */
static tf_net_tie_t of_recurrent(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                                 uint32_t axis) {
  (void)net;
  const int64_t direction = node->use.ints[0];
  if (axis == 2 && (i == RECURRENT_X || i >= RECURRENT_H)) return same(1);
  const bool last_carry = node->use.int_cnt > 1 && node->use.ints[1]; /* one more row */
  if (axis != 0 || i != RECURRENT_X || last_carry) return whole();
  if (direction == DIRECTION_FORWARD) return (tf_net_tie_t){.kind = TF_NET_TIE_BEFORE};
  if (direction == DIRECTION_REVERSE) return (tf_net_tie_t){.kind = TF_NET_TIE_BEHIND};
  return whole();
}

static tf_net_tie_t of_trees(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                             uint32_t axis) {
  (void)net;
  return i == 0 && axis + 1 < node->use.out.rank ? same(axis) : whole();
}

/* By name. Ops that are missing read all of their inputs. */
static const struct {
  const char *op;
  rule_t      rule;
} rules[] = {
    {"abs",           of_values   },
    {"add",           of_values   },
    {"average_pool",  of_pool     },
    {"ceil",          of_values   },
    {"concat",        of_concat   },
    {"conv",          of_conv     },
    {"cos",           of_values   },
    {"div",           of_values   },
    {"each",          of_values   },
    {"equal",         of_values   },
    {"expand",        of_values   },
    {"floor",         of_values   },
    {"gather",        of_gather   },
    {"gru",           of_recurrent},
    {"layer_norm",    of_rows     },
    {"less",          of_values   },
    {"less_equal",    of_values   },
    {"log",           of_values   },
    {"lstm",          of_recurrent},
    {"matmul",        of_matmul   },
    {"max",           of_values   },
    {"max_pool",      of_pool     },
    {"min",           of_values   },
    {"mul",           of_values   },
    {"pad",           of_pad      },
    {"pow",           of_values   },
    {"reduce_max",    of_reduce   },
    {"reduce_mean",   of_reduce   },
    {"reduce_min",    of_reduce   },
    {"reduce_prod",   of_reduce   },
    {"reduce_sum",    of_reduce   },
    {"reshape",       of_reshape  },
    {"rms_norm",      of_rows     },
    {"rnn",           of_recurrent},
    {"round",         of_values   },
    {"rows",          of_rows     },
    {"sign",          of_values   },
    {"sin",           of_values   },
    {"slice",         of_slice    },
    {"sqrt",          of_values   },
    {"sub",           of_values   },
    {"transpose",     of_transpose},
    {"tree_ensemble", of_trees    },
    {"trunc",         of_values   },
    {"where",         of_values   },
};

static rule_t rule_of(const tf_tensor_op_t *op) {
  for (size_t k = 0; k < TF_ARRAY_CNT(rules); k++)
    if (strcmp(rules[k].op, op->name) == 0) return rules[k].rule;
  return NULL;
}

tf_net_tie_t tf_net_tie(const tf_net_t *net, const tf_net_node_t *node, uint32_t i, uint32_t axis) {
  const rule_t rule = rule_of(node->use.op);
  return rule && axis < node->use.out.rank ? rule(net, node, i, axis) : whole();
}

uint32_t tf_net_tie_axis(const tf_net_t *net, const tf_net_node_t *node, uint32_t i,
                         uint32_t axis) {
  for (uint32_t own = 0; own < node->use.out.rank; own++) {
    const tf_net_tie_t tie = tf_net_tie(net, node, i, own);
    if (tie.kind != TF_NET_TIE_ALL && tie.axis == axis) return own;
  }
  return TF_NET_NONE;
}
