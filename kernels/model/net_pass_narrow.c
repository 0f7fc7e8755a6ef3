/* A slice along one axis of what is computed independently along that axis: the inputs are sliced in its place, and only what is needed is
 * computed. So of a layer whose last row alone is read the rows before are not computed, and what was put together to
 * be taken apart again (a product for Q, K and V, say) is computed apart, without copies. Where several slices read a value,
 * all must go along the axis, and not overlap: the work does not grow. */
#include "core/error.h"
#include "model/net_pass.h"
#include "tensor/panel.h"

/* A part of an axis: begin, cnt, step as slice has them. */
typedef struct part {
  uint32_t axis;
  int64_t  ints[3];
} part_t;

/* The only axis that a slice cuts. */
static bool read_part(const tf_net_node_t *slice, part_t *part) {
  uint32_t cuts = 0;
  for (uint32_t i = 0; i < slice->use.out.rank; i++) {
    const int64_t *ints = slice->use.ints + 3 * (size_t)i;
    if (ints[0] == 0 && ints[1] == slice->use.in[0].dims[i] && ints[2] == 1) continue;
    part->axis = i;
    memcpy(part->ints, ints, sizeof part->ints);
    cuts++;
  }
  return cuts == 1;
}

/* Whether what reads value are slices along axis alone, of no more values than there are. cost: of rows of panels, where an axis of
 * columns is cut. */
static bool are_all_slices(const tf_net_edit_t *e, uint32_t value, uint32_t axis, bool columns) {
  const tf_net_t *net  = e->net;
  const uint32_t  size = net->values[value].shape.dims[axis];
  uint64_t        sum = 0, panels = 0;
  uint32_t        reads = 0;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    const tf_net_node_t *node = &net->nodes[n];
    part_t               part;
    if (e->uses[node->out] == 0) continue;
    for (uint32_t i = 0; i < node->use.in_cnt; i++) {
      if (node->in[i] != value) continue;
      if (!tf_net_is(node, "slice") || !read_part(node, &part) || part.axis != axis) return false;
      reads++;
      sum += (uint64_t)part.ints[1];
      panels += ((uint64_t)part.ints[1] + TF_PANEL - 1) / TF_PANEL;
    }
  }
  return reads == e->uses[value] && sum <= size &&
         (!columns || panels <= (size + TF_PANEL - 1) / TF_PANEL);
}

/* value's part. */
static tf_err_t cut(tf_net_edit_t *e, const char *name, uint32_t value, const part_t *part,
                    uint32_t *out) {
  const tf_tensor_shape_t *s = &e->net->values[value].shape;
  int64_t                  ints[3 * TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < s->rank; i++)
    ints[3 * i] = 0, ints[3 * i + 1] = s->dims[i], ints[3 * i + 2] = 1;
  memcpy(ints + 3 * part->axis, part->ints, sizeof part->ints);
  const tf_net_spec_t spec = {.op      = tf_tensor_find("slice"),
                              .name    = name,
                              .in      = &value,
                              .in_cnt  = 1,
                              .ints    = ints,
                              .int_cnt = 3 * s->rank};
  return tf_net_edit_add(e, &spec, out);
}

/* Which axis of each input an axis of the output is; TF_NET_NONE: the input is read whole. False where the op is not
 * independent along it. */
typedef bool (*axes_t)(const tf_net_node_t *node, uint32_t axis, uint32_t *axes);

/* As numpy repeats: axes count from the last one. */
static bool of_values(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  const uint32_t from_end = node->use.out.rank - axis;
  for (uint32_t i = 0; i < node->use.in_cnt; i++) {
    const tf_tensor_shape_t *s = &node->use.in[i];
    axes[i]                    = TF_NET_NONE;
    if (from_end <= s->rank && s->dims[s->rank - from_end] != 1) axes[i] = s->rank - from_end;
  }
  return true;
}

static bool of_rows(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  for (uint32_t i = 1; i < node->use.in_cnt; i++) axes[i] = TF_NET_NONE;
  axes[0] = axis;
  return axis + 1 < node->use.out.rank;
}

static bool of_matmul(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  const uint32_t rank = node->use.out.rank, a = node->use.in[0].rank, b = node->use.in[1].rank;
  const bool     turned = node->use.int_cnt > 0 && node->use.ints[0];
  if (axis + 2 < rank) return of_values(node, axis, axes);
  axes[0] = axis + 2 == rank ? a - 2 : TF_NET_NONE;
  axes[1] = axis + 1 == rank ? b - 1 - turned : TF_NET_NONE;
  return true;
}

static bool of_transpose(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  const int64_t of = node->use.ints[axis];
  axes[0]          = (uint32_t)(of < 0 ? of + (int64_t)node->use.out.rank : of);
  return true;
}

/* The axis that the output's is, or whose pieces it counts: with as many values before it. */
static bool of_reshape(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  const tf_tensor_shape_t *in = &node->use.in[0], *out = &node->use.out;
  for (uint32_t i = 0; i < in->rank; i++) {
    axes[0] = i;
    if (in->dims[i] % out->dims[axis] == 0 &&
        tf_tensor_axes_cnt(in, 0, i) == tf_tensor_axes_cnt(out, 0, axis))
      return true;
  }
  return false;
}

/* The part in values of an input's axis, of which each of the output's counts several; false where those would lie apart. */
static bool stretch(const tf_net_node_t *node, uint32_t axis, part_t *part) {
  if (!tf_net_is(node, "reshape")) return true;
  const uint32_t each = node->use.in[0].dims[axis] / node->use.out.dims[part->axis];
  if (each > 1 && part->ints[1] > 1 && part->ints[2] != 1) return false;
  part->ints[0] *= each;
  part->ints[1] *= each;
  if (each > 1) part->ints[2] = 1;
  return true;
}

static bool of_reduce(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  const uint32_t rank = node->use.in[0].rank;
  uint32_t       gone = 0, at = 0;
  if (node->use.int_cnt < 2) return false;
  for (uint32_t i = 1; i < node->use.int_cnt; i++)
    gone |= 1u << (node->use.ints[i] < 0 ? node->use.ints[i] + (int64_t)rank : node->use.ints[i]);
  for (uint32_t i = 0; i < rank; i++) {
    const bool is_gone = gone >> i & 1;
    if (is_gone && !node->use.ints[0]) continue;
    axes[0] = i;
    if (at++ == axis) return !is_gone;
  }
  return false;
}

static bool of_concat(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  const int64_t of = node->use.ints[0], rank = (int64_t)node->use.out.rank;
  for (uint32_t i = 0; i < node->use.in_cnt; i++) axes[i] = axis;
  return (of < 0 ? of + rank : of) != (int64_t)axis;
}

static const struct {
  const char *op;
  axes_t      axes;
} rules[] = {
    {"abs",         of_values   },
    {"add",         of_values   },
    {"ceil",        of_values   },
    {"concat",      of_concat   },
    {"cos",         of_values   },
    {"div",         of_values   },
    {"each",        of_values   },
    {"equal",       of_values   },
    {"expand",      of_values   },
    {"floor",       of_values   },
    {"layer_norm",  of_rows     },
    {"less",        of_values   },
    {"less_equal",  of_values   },
    {"log",         of_values   },
    {"matmul",      of_matmul   },
    {"max",         of_values   },
    {"min",         of_values   },
    {"mul",         of_values   },
    {"pow",         of_values   },
    {"reduce_max",  of_reduce   },
    {"reduce_mean", of_reduce   },
    {"reduce_min",  of_reduce   },
    {"reduce_prod", of_reduce   },
    {"reduce_sum",  of_reduce   },
    {"reshape",     of_reshape  },
    {"rms_norm",    of_rows     },
    {"round",       of_values   },
    {"rows",        of_rows     },
    {"sign",        of_values   },
    {"sin",         of_values   },
    {"sqrt",        of_values   },
    {"sub",         of_values   },
    {"transpose",   of_transpose},
    {"trunc",       of_values   },
    {"where",       of_values   },
};

static bool find_axes(const tf_net_node_t *node, uint32_t axis, uint32_t *axes) {
  for (size_t i = 0; i < TF_ARRAY_CNT(rules); i++)
    if (tf_net_is(node, rules[i].op)) return rules[i].axes(node, axis, axes);
  return false;
}

/* Ops whose integers are the output's shape. */
static bool has_shape(const tf_net_node_t *node) {
  return tf_net_is(node, "reshape") || tf_net_is(node, "expand");
}

/* node over the parts of its inputs. */
static tf_err_t add_narrow(tf_net_edit_t *e, const tf_net_node_t *node, const tf_net_node_t *slice,
                           const part_t *part, const uint32_t *axes, uint32_t *value) {
  uint32_t in[TF_TENSOR_INPUTS_MAX];
  int64_t  ints[TF_TENSOR_INTS_MAX];
  char     name[TF_NET_NAME_BYTES];
  tf_err_t err = TF_OK;
  memcpy(ints, node->use.ints, sizeof ints);
  const uint32_t missing =
      node->use.out.rank - node->use.int_cnt; /* expand may name the last axes alone */
  if (has_shape(node) && part->axis >= missing) ints[part->axis - missing] = part->ints[1];
  for (uint32_t i = 0; i < node->use.in_cnt && !err; i++) {
    part_t own = *part;
    in[i]      = node->in[i];
    if (axes[i] == TF_NET_NONE) continue;
    (void)stretch(node, axes[i], &own);
    own.axis = axes[i];
    err      = cut(e, slice->name, node->in[i], &own, &in[i]);
  }
  tf_net_pass_name(name, (const char *const[]){node->name, slice->name}, 2);
  const tf_net_spec_t spec = {.op       = node->use.op,
                              .row      = node->use.row,
                              .name     = strstr(node->name, slice->name) ? node->name : name,
                              .in       = in,
                              .in_cnt   = node->use.in_cnt,
                              .ints     = ints,
                              .int_cnt  = node->use.int_cnt,
                              .reals    = node->use.reals,
                              .real_cnt = node->use.real_cnt};
  return err ? err : tf_net_edit_add(e, &spec, value);
}

/* A part of one of the inputs of a concat is that input's part. */
static tf_err_t cut_concat(tf_net_edit_t *e, const tf_net_node_t *concat,
                           const tf_net_node_t *slice, const part_t *part) {
  const int64_t last  = part->ints[0] + (part->ints[1] - 1) * part->ints[2];
  int64_t       begin = 0;
  for (uint32_t i = 0; i < concat->use.in_cnt; i++) {
    const int64_t end = begin + concat->use.in[i].dims[part->axis];
    part_t        own = *part;
    uint32_t      value;
    if (part->ints[0] >= begin && part->ints[0] < end && last >= begin && last < end) {
      own.ints[0] -= begin;
      tf_err_t err = cut(e, slice->name, concat->in[i], &own, &value);
      if (!err) tf_net_edit_replace(e, slice->out, value);
      return err;
    }
    begin = end;
  }
  return TF_OK;
}

tf_err_t tf_net_pass_narrow(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *slice = &e->net->nodes[idx];
  part_t               part;
  uint32_t             axes[TF_TENSOR_INPUTS_MAX], value;
  if (!tf_net_is(slice, "slice") || !read_part(slice, &part)) return TF_OK;
  const tf_net_node_t *node = tf_net_maker(e->net, slice->in[0]);
  if (!node) return TF_OK;
  const bool along = tf_net_is(node, "concat") && !of_concat(node, part.axis, axes);
  if (along) return cut_concat(e, node, slice, &part);
  const bool columns   = tf_net_is(node, "matmul") && part.axis + 1 == node->use.out.rank;
  part_t     stretched = part;
  if (!find_axes(node, part.axis, axes) || !are_all_slices(e, node->out, part.axis, columns) ||
      !stretch(node, axes[0], &stretched))
    return TF_OK;
  tf_err_t err = add_narrow(e, node, slice, &part, axes, &value);
  if (!err) tf_net_edit_replace(e, slice->out, value);
  return err;
}
