/* ONNX ops that move values or speak of shapes: what exporters compute from shapes is made of these, and folds away. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

#define ATTRIBUTE(name) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##name

/* An axis of the node, as 0 .. rank - 1. */
static tf_err_t read_axis(const tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                          int64_t preset, uint32_t *axis) {
  int64_t  asked;
  tf_err_t err = tf_onnx_node_int(im->path, node, "axis", preset, &asked);
  if (!err) err = tf_tensor_axis(tf_onnx_net_shape(im, in), asked, axis);
  return err ? tf_error_add(err, "importing %s: node \"%.80s\" (%.32s)", im->path,
                            tf_onnx_node_label(node), node->op_type)
             : TF_OK;
}

/* ---- constants ---- */

static tf_err_t take_attribute_tensor(tf_onnx_net_t *im, const char *name,
                                      const Onnx__TensorProto *proto, uint32_t *out) {
  tf_onnx_tensors_t all;
  tf_err_t          err = tf_onnx_tensor_init(&all, im->path, im->folder);
  if (!err) err = tf_onnx_net_tensor(im, &all, name, proto, out);
  if (all.tensors) tf_onnx_tensor_fini(&all);
  return err;
}

static tf_err_t import_constant(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                uint32_t in_cnt, uint32_t *out) {
  (void)in, (void)in_cnt;
  const Onnx__AttributeProto *a = node->n_attribute == 1 ? node->attribute[0] : NULL;
  if (!a || !a->has_type)
    return REFUSE(im, node, E_MODEL_FORMAT, "holds %zu values, one is wanted", node->n_attribute);
  double   list[TF_TENSOR_INTS_MAX];
  tf_err_t err;
  switch (a->type) {
  case ATTRIBUTE(TENSOR):
    if (!a->t) break;
    return take_attribute_tensor(im, tf_onnx_node_label(node), a->t, out);
  case ATTRIBUTE(FLOAT): return tf_onnx_net_scalar(im, (double)a->f, out);
  case ATTRIBUTE(INT):
    err = tf_onnx_net_scalar(im, (double)a->i, out);
    if (!err) im->operands[*out].whole = true;
    return err;
  case ATTRIBUTE(FLOATS):
  case ATTRIBUTE(INTS): {
    const bool   whole = a->type == ATTRIBUTE(INTS);
    const size_t cnt   = whole ? a->n_ints : a->n_floats;
    if (cnt > TF_TENSOR_INTS_MAX) break;
    for (size_t i = 0; i < cnt; i++) list[i] = whole ? (double)a->ints[i] : (double)a->floats[i];
    err = tf_onnx_net_list(im, list, (uint32_t)cnt, out);
    if (!err) im->operands[*out].whole = whole;
    return err;
  }
  default: break;
  }
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "holds a \"%.40s\"; numbers are supported",
                a->name ? a->name : "");
}

static tf_err_t import_shape(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *s = tf_onnx_net_shape(im, in[0]);
  int64_t                  begin, end, rank = s->rank;
  double                   dims[TF_TENSOR_RANK_MAX] = {0};
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_int(im->path, node, "start", 0, &begin);
  if (!err) err = tf_onnx_node_int(im->path, node, "end", rank, &end);
  if (err) return err;
  if (strcmp(node->op_type, "Size") == 0) {
    err = tf_onnx_net_scalar(im, (double)s->cnt, out);
  } else {
    begin = begin < 0 ? begin + rank : begin;
    end   = end < 0 ? end + rank : end > rank ? rank : end;
    if (begin < 0 || end > rank || begin > end)
      return REFUSE(im, node, E_MODEL_SHAPE, "axes %lld to %lld of %lld", (long long)begin,
                    (long long)end, (long long)rank);
    for (int64_t i = begin; i < end; i++) dims[i - begin] = s->dims[i];
    err = tf_onnx_net_list(im, dims, (uint32_t)(end - begin), out);
  }
  if (!err) im->operands[*out].whole = true;
  return err;
}

/* The shape that a list of sizes says. */
static tf_err_t read_shape(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                           tf_tensor_shape_t *shape) {
  int64_t  sizes[TF_TENSOR_RANK_MAX];
  tf_err_t err = tf_onnx_net_ints(im, node, in, TF_TENSOR_RANK_MAX, sizes, &shape->rank);
  for (uint32_t i = 0; i < shape->rank && !err; i++) {
    if (sizes[i] < 1 || sizes[i] > (int64_t)TF_TENSOR_CNT_MAX)
      return REFUSE(im, node, E_MODEL_SHAPE, "an axis of %lld", (long long)sizes[i]);
    shape->dims[i] = (uint32_t)sizes[i];
  }
  return err ? err : tf_tensor_shape_count(shape);
}

static tf_err_t import_constant_of_shape(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                         const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  const Onnx__AttributeProto *a;
  tf_tensor_shape_t           shape = {0};
  double                      value = 0.0;
  bool                        whole = false;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_attribute(im->path, node, "value", ATTRIBUTE(TENSOR), &a);
  if (!err && a && a->t) {
    uint32_t one;
    err = take_attribute_tensor(im, "value", a->t, &one);
    if (!err && im->operands[one].shape.cnt != 1)
      err = REFUSE(im, node, E_MODEL_FORMAT, "%s", "its value is not one number");
    if (!err) value = im->operands[one].wide[0], whole = im->operands[one].whole;
  }
  if (!err) err = read_shape(im, node, in[0], &shape);
  if (err) return err;
  double *wide = malloc((shape.cnt + 1) * sizeof *wide);
  for (uint32_t i = 0; wide && i < shape.cnt; i++) wide[i] = value;
  return tf_onnx_net_constant(im, &shape, wide, whole, out);
}

static tf_err_t import_range(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  double at[3];
  for (uint32_t i = 0; i < in_cnt; i++) {
    const tf_onnx_operand_t *o = tf_onnx_net_operand(im, in[i]);
    if (!o->wide || o->shape.cnt != 1)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its input %u is no constant number", i);
    at[i] = o->wide[0];
  }
  const double cnt = ceil((at[1] - at[0]) / at[2]);
  if (!(cnt >= 1.0 && cnt <= (double)TF_TENSOR_CNT_MAX))
    return REFUSE(im, node, E_MODEL_SHAPE, "of %g values", cnt);
  tf_tensor_shape_t shape = {.rank = 1, .dims = {(uint32_t)cnt}, .cnt = (uint32_t)cnt};
  double           *wide  = malloc((size_t)cnt * sizeof *wide);
  for (uint32_t i = 0; wide && i < shape.cnt; i++) wide[i] = at[0] + (double)i * at[2];
  return tf_onnx_net_constant(im, &shape, wide, im->operands[in[0]].whole, out);
}

/* The upper or lower triangle of the last two axes: times ones and zeros. A constant is cut by hand, since infinite times 0 is
 * NaN. */
static tf_err_t import_trilu(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t shape = *tf_onnx_net_shape(im, in[0]);
  int64_t                 upper, k[1] = {0};
  uint32_t                cnt = 1;
  tf_err_t                err = tf_onnx_node_int(im->path, node, "upper", 1, &upper);
  if (!err && in_cnt > 1 && in[1] != TF_NET_NONE)
    err = tf_onnx_net_ints(im, node, in[1], 1, k, &cnt);
  if (!err && (shape.rank < 2 || cnt != 1))
    err = REFUSE(im, node, E_MODEL_SHAPE, "of a tensor of rank %u", shape.rank);
  if (err) return err;
  const uint32_t    rows = shape.dims[shape.rank - 2], columns = shape.dims[shape.rank - 1];
  const double     *from = im->operands[in[0]].wide;
  tf_tensor_shape_t made = from ? shape
                                : (tf_tensor_shape_t){
                                      .rank = 2, .dims = {rows, columns},
                                           .cnt = rows * columns
  };
  double           *wide = malloc((made.cnt + 1) * sizeof *wide);
  for (uint32_t i = 0; wide && i < made.cnt; i++) {
    const int64_t above = (int64_t)(i % columns) - (int64_t)(i / columns % rows) - k[0];
    const bool    keep  = upper ? above >= 0 : above <= 0;
    wide[i]             = !keep ? 0.0 : from ? from[i] : 1.0;
  }
  uint32_t mask;
  err = tf_onnx_net_constant(im, &made, wide, from && im->operands[in[0]].whole, &mask);
  if (err || from) {
    *out = mask;
    return err;
  }
  return tf_onnx_net_binary(im, node, "mul", in[0], mask, out);
}

/* ---- views ---- */

static tf_err_t import_identity(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                uint32_t in_cnt, uint32_t *out) {
  (void)node, (void)in_cnt;
  return tf_onnx_net_same(im, in[0], out);
}

static tf_err_t as_shape(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                         const tf_tensor_shape_t *shape, uint32_t *out) {
  const bool whole = im->operands[in].whole;
  tf_err_t   err   = tf_onnx_net_reshape(im, node, in, shape, out);
  if (!err) im->operands[*out].whole = whole;
  return err;
}

static tf_err_t import_reshape(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *s = tf_onnx_net_shape(im, in[0]);
  int64_t                  sizes[TF_TENSOR_RANK_MAX], known = 1, allow_zero = 0;
  uint32_t                 open  = UINT32_MAX;
  tf_tensor_shape_t        shape = {0};
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_ints(im, node, in[1], TF_TENSOR_RANK_MAX, sizes, &shape.rank);
  if (!err) err = tf_onnx_node_int(im->path, node, "allowzero", 0, &allow_zero);
  for (uint32_t i = 0; i < shape.rank && !err; i++) {
    if (sizes[i] == 0 && i < s->rank && !allow_zero) sizes[i] = s->dims[i];
    if (sizes[i] == -1 && open == UINT32_MAX) {
      open = i;
      continue;
    }
    if (sizes[i] < 1 || sizes[i] > (int64_t)TF_TENSOR_CNT_MAX || known > (int64_t)TF_TENSOR_CNT_MAX)
      return REFUSE(im, node, E_MODEL_SHAPE, "axis %u of the new shape is %lld", i,
                    (long long)sizes[i]);
    known *= sizes[i];
    shape.dims[i] = (uint32_t)sizes[i];
  }
  if (err) return err;
  if (open != UINT32_MAX) shape.dims[open] = (uint32_t)((int64_t)s->cnt / known);
  return as_shape(im, node, in[0], &shape, out);
}

static tf_err_t import_flatten(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *s = tf_onnx_net_shape(im, in[0]);
  int64_t                  axis;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_int(im->path, node, "axis", 1, &axis);
  if (axis < 0) axis += s->rank;
  if (!err && (axis < 0 || axis > (int64_t)s->rank))
    err = REFUSE(im, node, E_MODEL_SHAPE, "axis %lld of a tensor of rank %u", (long long)axis,
                 s->rank);
  if (err) return err;
  tf_tensor_shape_t shape = {
      .rank = 2,
      .dims = {tf_tensor_axes_cnt(s, 0, (uint32_t)axis),
               tf_tensor_axes_cnt(s, (uint32_t)axis, s->rank)}
  };
  return as_shape(im, node, in[0], &shape, out);
}

static tf_err_t import_squeeze(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *s = tf_onnx_net_shape(im, in[0]);
  int64_t                  axes[TF_TENSOR_RANK_MAX];
  uint32_t                 cnt, mask = 0;
  tf_tensor_shape_t        shape = {0};
  tf_err_t                 err   = tf_onnx_net_axes(im, node, in, in_cnt, 1, s->rank, axes, &cnt);
  if (err) return err;
  for (uint32_t i = 0; i < cnt; i++) mask |= 1u << axes[i];
  for (uint32_t i = 0; i < s->rank; i++) {
    const bool gone = cnt ? mask >> i & 1 : s->dims[i] == 1;
    if (gone && s->dims[i] != 1)
      return REFUSE(im, node, E_MODEL_SHAPE, "axis %u has %u values", i, s->dims[i]);
    if (!gone) shape.dims[shape.rank++] = s->dims[i];
  }
  return as_shape(im, node, in[0], &shape, out);
}

static tf_err_t import_unsqueeze(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                 uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *s = tf_onnx_net_shape(im, in[0]);
  int64_t                  axes[TF_TENSOR_RANK_MAX];
  uint32_t                 cnt = 0, mask = 0, from = 0;
  tf_tensor_shape_t        shape = {0};
  tf_err_t err = tf_onnx_net_attribute_ints(im, node, "axes", TF_TENSOR_RANK_MAX, axes, &cnt);
  if (!err && in_cnt > 1 && in[1] != TF_NET_NONE)
    err = tf_onnx_net_ints(im, node, in[1], TF_TENSOR_RANK_MAX, axes, &cnt);
  shape.rank = s->rank + cnt;
  if (!err && (cnt == 0 || shape.rank > TF_TENSOR_RANK_MAX))
    err = REFUSE(im, node, E_MODEL_SHAPE, "%u axes more than %u", cnt, s->rank);
  for (uint32_t i = 0; i < cnt && !err; i++) {
    if (axes[i] < 0) axes[i] += shape.rank;
    if (axes[i] < 0 || axes[i] >= (int64_t)shape.rank || mask >> axes[i] & 1)
      err = REFUSE(im, node, E_MODEL_SHAPE, "axis %lld of %u", (long long)axes[i], shape.rank);
    else
      mask |= 1u << axes[i];
  }
  if (err) return err;
  for (uint32_t i = 0; i < shape.rank; i++) shape.dims[i] = mask >> i & 1 ? 1 : s->dims[from++];
  return as_shape(im, node, in[0], &shape, out);
}

/* ---- copies ---- */

static tf_err_t import_transpose(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                 uint32_t in_cnt, uint32_t *out) {
  const uint32_t rank = tf_onnx_net_shape(im, in[0])->rank;
  int64_t        axes[TF_TENSOR_RANK_MAX];
  uint32_t       order[TF_TENSOR_RANK_MAX], cnt;
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_attribute_ints(im, node, "perm", TF_TENSOR_RANK_MAX, axes, &cnt);
  if (!err && cnt && cnt != rank)
    err = REFUSE(im, node, E_MODEL_SHAPE, "an order of %u axes for a tensor of rank %u", cnt, rank);
  for (uint32_t i = 0; i < rank && !err; i++) {
    order[i] = cnt ? (uint32_t)axes[i] : rank - 1 - i;
    if (order[i] >= rank)
      err = REFUSE(im, node, E_MODEL_SHAPE, "axis %lld of %u", (long long)axes[i], rank);
  }
  return err ? err : tf_onnx_net_transpose(im, node, in[0], order, out);
}

static tf_err_t import_gather(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  uint32_t axis;
  tf_err_t err = read_axis(im, node, in[0], 0, &axis);
  if (err) return err;
  const tf_onnx_operand_t *idx  = tf_onnx_net_operand(im, in[1]);
  const double             size = tf_onnx_net_shape(im, in[0])->dims[axis];
  for (uint32_t i = 0; idx->wide && i < idx->shape.cnt; i++)
    if (!(idx->wide[i] >= -size && idx->wide[i] < size))
      return REFUSE(im, node, E_MODEL_SHAPE, "entry %g of axis %u, which has %g", idx->wide[i],
                    axis, size);
  const bool     whole = im->operands[in[0]].whole;
  const int64_t  ints  = axis;
  tf_onnx_emit_t emit  = {.op = "gather", .in = in, .in_cnt = in_cnt, .ints = &ints, .int_cnt = 1};
  err                  = tf_onnx_net_emit(im, node, &emit, out);
  if (!err) im->operands[*out].whole = whole && im->operands[*out].wide;
  return err;
}

static tf_err_t emit_slice(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                           const int64_t *ints, uint32_t *out) {
  const tf_tensor_shape_t *s     = tf_onnx_net_shape(im, in);
  bool                     whole = true;
  for (uint32_t i = 0; i < s->rank; i++)
    whole &= ints[3 * i] == 0 && ints[3 * i + 1] == s->dims[i] && ints[3 * i + 2] == 1;
  if (whole) return tf_onnx_net_same(im, in, out);
  tf_onnx_emit_t emit = {
      .op = "slice", .in = &in, .in_cnt = 1, .ints = ints, .int_cnt = 3 * s->rank};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static void whole_axes(const tf_tensor_shape_t *s, int64_t *ints) {
  for (uint32_t i = 0; i < s->rank; i++)
    ints[3 * i] = 0, ints[3 * i + 1] = s->dims[i], ints[3 * i + 2] = 1;
}

/* What begin, end and step of ONNX say of an axis of size: its first value and how many. */
static tf_err_t slice_axis(const tf_onnx_net_t *im, const Onnx__NodeProto *node, int64_t size,
                           int64_t begin, int64_t end, int64_t step, int64_t *ints) {
  if (step == 0 || step < -size || step > INT32_MAX) {
    if (step == 0) return REFUSE(im, node, E_MODEL_SHAPE, "%s", "a step of 0");
    step = step < 0 ? -size : size;
  }
  if (step > size) step = size;
  if (begin < 0) begin += size;
  if (end < 0) end += size;
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  begin = begin < low ? low : begin > high ? high : begin;
  end   = end < low ? low : end > high ? high : end;
  if (step < 0 && begin < 0) begin = 0;
  const int64_t span = step > 0 ? end - begin : begin - end, by = step > 0 ? step : -step;
  if (span <= 0) {
    ints[1] = 0;
    return TF_OK;
  }
  ints[0] = begin, ints[1] = (span + by - 1) / by, ints[2] = step;
  return TF_OK;
}

static tf_err_t read_slice_list(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                uint32_t in_cnt, uint32_t idx, const char *name, int64_t *list,
                                uint32_t *cnt) {
  if (idx < in_cnt && in[idx] != TF_NET_NONE)
    return tf_onnx_net_ints(im, node, in[idx], TF_TENSOR_RANK_MAX, list, cnt);
  return tf_onnx_net_attribute_ints(im, node, name, TF_TENSOR_RANK_MAX, list, cnt);
}

static tf_err_t import_slice(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t s = *tf_onnx_net_shape(im, in[0]);
  int64_t begins[TF_TENSOR_RANK_MAX], ends[TF_TENSOR_RANK_MAX], axes[TF_TENSOR_RANK_MAX],
      steps[TF_TENSOR_RANK_MAX];
  int64_t  ints[3 * TF_TENSOR_RANK_MAX];
  uint32_t cnt, end_cnt, axis_cnt, step_cnt = 0;
  tf_err_t err = read_slice_list(im, node, in, in_cnt, 1, "starts", begins, &cnt);
  if (!err) err = read_slice_list(im, node, in, in_cnt, 2, "ends", ends, &end_cnt);
  if (!err) err = tf_onnx_net_axes(im, node, in, in_cnt, 3, s.rank, axes, &axis_cnt);
  if (!err && in_cnt > 4 && in[4] != TF_NET_NONE)
    err = tf_onnx_net_ints(im, node, in[4], TF_TENSOR_RANK_MAX, steps, &step_cnt);
  if (!err && (cnt == 0 || end_cnt != cnt || (axis_cnt && axis_cnt != cnt) ||
               (step_cnt && step_cnt != cnt) || cnt > s.rank))
    err = REFUSE(im, node, E_MODEL_SHAPE, "%u starts, %u ends, %u axes and %u steps", cnt, end_cnt,
                 axis_cnt, step_cnt);
  if (err) return err;
  whole_axes(&s, ints);
  for (uint32_t i = 0; i < cnt && !err; i++) {
    const uint32_t axis = axis_cnt ? (uint32_t)axes[i] : i;
    err = slice_axis(im, node, s.dims[axis], begins[i], ends[i], step_cnt ? steps[i] : 1,
                     ints + 3 * axis);
  }
  const bool whole = im->operands[in[0]].whole;
  for (uint32_t i = 0; i < s.rank && !err;
       i++) { /* an empty list of sizes: of no more use than to be put behind others */
    if (ints[3 * i + 1] != 0) continue;
    if (s.rank == 1 && im->operands[in[0]].wide) return tf_onnx_net_list(im, NULL, 0, out);
    err = REFUSE(im, node, E_MODEL_SHAPE, "nothing is left of axis %u of %u", i, s.dims[i]);
  }
  if (!err) err = emit_slice(im, node, in[0], ints, out);
  if (!err) im->operands[*out].whole = whole;
  return err;
}

static tf_err_t import_split(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t s = *tf_onnx_net_shape(im, in[0]);
  int64_t                 sizes[TF_TENSOR_INPUTS_MAX], ints[3 * TF_TENSOR_RANK_MAX], used = 0;
  uint32_t                axis, cnt = 0, parts = (uint32_t)node->n_output;
  tf_err_t                err = read_axis(im, node, in[0], 0, &axis);
  if (!err) err = tf_onnx_net_attribute_ints(im, node, "split", TF_TENSOR_INPUTS_MAX, sizes, &cnt);
  if (!err && in_cnt > 1 && in[1] != TF_NET_NONE)
    err = tf_onnx_net_ints(im, node, in[1], TF_TENSOR_INPUTS_MAX, sizes, &cnt);
  if (!err && cnt && cnt != parts)
    err = REFUSE(im, node, E_MODEL_SHAPE, "%u sizes for %u parts", cnt, parts);
  for (uint32_t i = 0; i < parts && !err; i++) {
    const int64_t even = (s.dims[axis] + parts - 1) / parts, left = (int64_t)s.dims[axis] - used;
    const int64_t size = cnt ? sizes[i] : left < even ? left : even;
    if (size < 1 || size > left)
      return REFUSE(im, node, E_MODEL_SHAPE, "part %u has %lld of %lld values", i, (long long)size,
                    (long long)left);
    whole_axes(&s, ints);
    ints[3 * axis]     = used;
    ints[3 * axis + 1] = size;
    err                = emit_slice(im, node, in[0], ints, &out[i]);
    used += size;
  }
  return err;
}

static tf_err_t import_concat(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  uint32_t axis, kept[TF_TENSOR_INPUTS_MAX], cnt = 0;
  for (uint32_t i = 0; i < in_cnt; i++) {
    if (in[i] == TF_NET_NONE)
      return REFUSE(im, node, E_MODEL_FORMAT, "its input %u is left out", i);
    if (tf_onnx_net_shape(im, in[i])->cnt) kept[cnt++] = in[i]; /* an empty list adds nothing */
  }
  if (cnt == 0) return tf_onnx_net_same(im, in[0], out);
  tf_err_t err = read_axis(im, node, kept[0], 0, &axis);
  if (err) return err;
  if (cnt == 1) return tf_onnx_net_same(im, kept[0], out);
  const int64_t  ints = axis;
  tf_onnx_emit_t emit = {.op = "concat", .in = kept, .in_cnt = cnt, .ints = &ints, .int_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static tf_err_t import_expand(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  int64_t  sizes[TF_TENSOR_RANK_MAX];
  uint32_t cnt;
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_ints(im, node, in[1], TF_TENSOR_RANK_MAX, sizes, &cnt);
  if (err) return err;
  tf_onnx_emit_t emit = {.op = "expand", .in = in, .in_cnt = 1, .ints = sizes, .int_cnt = cnt};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* Repeated whole: an axis of 1 before each axis, expanded. */
static tf_err_t import_tile(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t s     = *tf_onnx_net_shape(im, in[0]);
  tf_tensor_shape_t       split = {0}, joined = s;
  int64_t                 repeats[TF_TENSOR_RANK_MAX], wide[TF_TENSOR_RANK_MAX];
  uint32_t                cnt, at;
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_ints(im, node, in[1], TF_TENSOR_RANK_MAX, repeats, &cnt);
  if (!err && cnt != s.rank)
    err = REFUSE(im, node, E_MODEL_SHAPE, "%u repeats of %u axes", cnt, s.rank);
  for (uint32_t i = 0; i < cnt && !err; i++) {
    if (repeats[i] < 1 || repeats[i] > (int64_t)TF_TENSOR_CNT_MAX ||
        (repeats[i] > 1 && split.rank + 2 > TF_TENSOR_RANK_MAX) || split.rank == TF_TENSOR_RANK_MAX)
      return REFUSE(im, node, E_MODEL_SHAPE, "axis %u %lld times", i, (long long)repeats[i]);
    if (repeats[i] > 1) wide[split.rank] = repeats[i], split.dims[split.rank++] = 1;
    wide[split.rank]         = s.dims[i];
    split.dims[split.rank++] = s.dims[i];
    joined.dims[i]           = (uint32_t)repeats[i] * s.dims[i];
  }
  if (!err) err = tf_onnx_net_reshape(im, node, in[0], &split, &at);
  tf_onnx_emit_t emit = {
      .op = "expand", .in = &at, .in_cnt = 1, .ints = wide, .int_cnt = split.rank};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, &at);
  return err ? err : tf_onnx_net_reshape(im, node, at, &joined, out);
}

static tf_err_t pad_mode(const tf_onnx_net_t *im, const Onnx__NodeProto *node, int64_t *mode) {
  static const char *const    modes[] = {"constant", "edge", "reflect"};
  const Onnx__AttributeProto *a;
  tf_err_t err = tf_onnx_node_attribute(im->path, node, "mode", ATTRIBUTE(STRING), &a);
  *mode        = 0;
  if (err || !a) return err;
  for (*mode = 0; *mode < (int64_t)TF_ARRAY_CNT(modes); ++*mode)
    if (a->s.len == strlen(modes[*mode]) && memcmp(a->s.data, modes[*mode], a->s.len) == 0)
      return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                "mode %.*s; constant, edge and reflect are supported",
                (int)(a->s.len < 32 ? a->s.len : 32), (const char *)a->s.data);
}

static tf_err_t import_pad(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                           uint32_t in_cnt, uint32_t *out) {
  const uint32_t rank = tf_onnx_net_shape(im, in[0])->rank;
  int64_t        pads[2 * TF_TENSOR_RANK_MAX], axes[TF_TENSOR_RANK_MAX],
      ints[1 + 2 * TF_TENSOR_RANK_MAX] = {0};
  uint32_t cnt, axis_cnt;
  float    narrow;
  double   value;
  tf_err_t err = pad_mode(im, node, &ints[0]);
  if (!err) err = tf_onnx_net_attribute_ints(im, node, "pads", 2 * TF_TENSOR_RANK_MAX, pads, &cnt);
  if (!err && in_cnt > 1 && in[1] != TF_NET_NONE)
    err = tf_onnx_net_ints(im, node, in[1], 2 * TF_TENSOR_RANK_MAX, pads, &cnt);
  if (!err) err = tf_onnx_net_axes(im, node, in, in_cnt, 3, rank, axes, &axis_cnt);
  if (!err) err = tf_onnx_node_float(im->path, node, "value", 0.0f, &narrow);
  if (err) return err;
  const uint32_t padded = axis_cnt ? axis_cnt : rank;
  value                 = (double)narrow;
  if (in_cnt > 2 && in[2] != TF_NET_NONE) {
    const tf_onnx_operand_t *o = tf_onnx_net_operand(im, in[2]);
    if (!o->wide || o->shape.cnt != 1)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "its value is no constant number");
    value = o->wide[0];
  }
  if (cnt != 2 * padded) return REFUSE(im, node, E_MODEL_SHAPE, "%u pads for %u axes", cnt, padded);
  for (uint32_t i = 0; i < padded; i++) {
    const uint32_t axis = axis_cnt ? (uint32_t)axes[i] : i;
    ints[1 + 2 * axis]  = pads[i];
    ints[2 + 2 * axis]  = pads[padded + i];
  }
  tf_onnx_emit_t emit = {.op       = "pad",
                         .in       = in,
                         .in_cnt   = 1,
                         .ints     = ints,
                         .int_cnt  = 1 + 2 * rank,
                         .reals    = &value,
                         .real_cnt = 1};
  bool           none = true;
  for (uint32_t i = 1; i < 1 + 2 * rank; i++) none &= ints[i] == 0;
  return none ? tf_onnx_net_same(im, in[0], out) : tf_onnx_net_emit(im, node, &emit, out);
}

const tf_onnx_net_op_t tf_onnx_net_moves[] = {
    {"Concat",          " axis ",                                                                          1, 32, 1,  import_concat,            NULL},
    {"Constant",        " value value_float value_floats value_int value_ints sparse_value value_string ",
     0,                                                                                                       0,  1,  import_constant,          NULL},
    {"ConstantOfShape", " value ",                                                                         1, 1,  1,  import_constant_of_shape, NULL},
    {"Dropout",         " ratio seed ",                                                                    1, 3,  1,  import_identity,          NULL},
    {"Expand",          "",                                                                                2, 2,  1,  import_expand,            NULL},
    {"Flatten",         " axis ",                                                                          1, 1,  1,  import_flatten,           NULL},
    {"Gather",          " axis ",                                                                          2, 2,  1,  import_gather,            NULL},
    {"Identity",        "",                                                                                1, 1,  1,  import_identity,          NULL},
    {"Pad",             " mode pads value ",                                                               1, 4,  1,  import_pad,               NULL},
    {"Range",           "",                                                                                3, 3,  1,  import_range,             NULL},
    {"Reshape",         " allowzero ",                                                                     2, 2,  1,  import_reshape,           NULL},
    {"Shape",           " start end ",                                                                     1, 1,  1,  import_shape,             NULL},
    {"Size",            "",                                                                                1, 1,  1,  import_shape,             NULL},
    {"Slice",           " starts ends axes ",                                                              1, 5,  1,  import_slice,             NULL},
    {"Split",           " axis split num_outputs ",                                                        1, 2,  32, import_split,             NULL},
    {"Squeeze",         " axes ",                                                                          1, 2,  1,  import_squeeze,           NULL},
    {"Tile",            "",                                                                                2, 2,  1,  import_tile,              NULL},
    {"Transpose",       " perm ",                                                                          1, 1,  1,  import_transpose,         NULL},
    {"Trilu",           " upper ",                                                                         1, 2,  1,  import_trilu,             NULL},
    {"Unsqueeze",       " axes ",                                                                          1, 2,  1,  import_unsqueeze,         NULL},
    {NULL,              NULL,                                                                              0, 0,  0,  NULL,                     NULL},
};
