/* ONNX ops with weights, or over many values: products, convolutions, recurrent layers, norms, pooling, reductions. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

static const tf_tensor_shape_t *shape_of(const tf_onnx_net_t *im, uint32_t in) {
  return &im->operands[in].shape;
}

static tf_err_t reshaped(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in, uint32_t rank,
                         const uint32_t *dims, uint32_t *out) {
  tf_tensor_shape_t shape = {.rank = rank};
  memcpy(shape.dims, dims, rank * sizeof *dims);
  return tf_onnx_net_reshape(im, node, in, &shape, out);
}

static tf_err_t scaled(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in, float factor,
                       uint32_t *out) {
  uint32_t by;
  if (factor == 1.0f) return tf_onnx_net_same(im, in, out);
  tf_err_t err = tf_onnx_net_scalar(im, (double)factor, &by);
  return err ? err : tf_onnx_net_binary(im, node, "mul", in, by, out);
}

/* ---- products ---- */

/* A vector on either side is a matrix of one row or column, whose axis goes again. */
static tf_err_t import_matmul(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t a = *shape_of(im, in[0]), b = *shape_of(im, in[1]);
  uint32_t                left = in[0], right = in[1], at;
  tf_err_t                err = TF_OK;
  (void)in_cnt;
  if (a.rank == 0 || b.rank == 0)
    return REFUSE(im, node, E_MODEL_SHAPE, "%s", "a factor of rank 0");
  if (a.rank == 1) err = reshaped(im, node, left, 2, (const uint32_t[2]){1, a.dims[0]}, &left);
  if (!err && b.rank == 1)
    err = reshaped(im, node, right, 2, (const uint32_t[2]){b.dims[0], 1}, &right);
  if (!err) err = tf_onnx_net_binary(im, node, "matmul", left, right, &at);
  if (err) return err;
  tf_tensor_shape_t shape = *shape_of(im, at);
  if (b.rank == 1) shape.rank--;
  if (a.rank == 1 && b.rank != 1) shape.dims[shape.rank - 2] = shape.dims[shape.rank - 1];
  if (a.rank == 1) shape.rank--;
  return a.rank == 1 || b.rank == 1 ? tf_onnx_net_reshape(im, node, at, &shape, out)
                                    : tf_onnx_net_same(im, at, out);
}

static tf_err_t turned(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                       const char *name, uint32_t *out) {
  int64_t  trans;
  tf_err_t err = tf_onnx_node_int(im->path, node, name, 0, &trans);
  if (!err && shape_of(im, in)->rank != 2)
    err = REFUSE(im, node, E_MODEL_SHAPE, "a factor of rank %u; a matrix is wanted",
                 shape_of(im, in)->rank);
  if (err) return err;
  return trans ? tf_onnx_net_transpose(im, node, in, (const uint32_t[2]){1, 0}, out)
               : tf_onnx_net_same(im, in, out);
}

static tf_err_t import_gemm(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  float    alpha, beta;
  uint32_t a, b, product, shift;
  tf_err_t err = tf_onnx_node_float(im->path, node, "alpha", 1.0f, &alpha);
  if (!err) err = tf_onnx_node_float(im->path, node, "beta", 1.0f, &beta);
  if (!err) err = turned(im, node, in[0], "transA", &a);
  if (!err) err = turned(im, node, in[1], "transB", &b);
  if (!err) err = scaled(im, node, b, alpha, &b);
  if (!err) err = tf_onnx_net_binary(im, node, "matmul", a, b, &product);
  if (err) return err;
  if (in_cnt < 3 || in[2] == TF_NET_NONE) return tf_onnx_net_same(im, product, out);
  const tf_onnx_operand_t *c = tf_onnx_net_operand(im, in[2]);
  for (uint32_t i = 0; c->wide && i < c->shape.cnt; i++)
    if (!isfinite(c->wide[i]))
      return TF_ERR(E_MODEL_WEIGHTS, "%s: tensor \"%.100s\": element %u is %g: no finite float",
                    im->path, c->name ? c->name : "computed from constants", i, c->wide[i]);
  err = scaled(im, node, in[2], beta, &shift);
  if (!err) err = tf_onnx_net_binary(im, node, "add", product, shift, out);
  if (!err && !tf_tensor_shape_same(shape_of(im, product), shape_of(im, *out)))
    err = REFUSE(im, node, E_MODEL_SHAPE, "its C of %u values does not fit a row of %u",
                 c->shape.cnt, shape_of(im, product)->dims[1]);
  return err;
}

/* ---- convolutions ---- */

/* Padding of each axis: pads, or what auto_pad says. */
static tf_err_t read_pads(const tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t axes,
                          const uint32_t *sizes, const int64_t *kernel, const int64_t *stride,
                          const int64_t *dilation, int64_t *pads) {
  const Onnx__AttributeProto *a;
  uint32_t                    cnt;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "auto_pad",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  if (!err) err = tf_onnx_net_attribute_ints(im, node, "pads", 2 * TF_TENSOR_RANK_MAX, pads, &cnt);
  if (err) return err;
  if (cnt && cnt != 2 * axes)
    return REFUSE(im, node, E_MODEL_SHAPE, "%u pads for %u axes", cnt, axes);
  if (!cnt) memset(pads, 0, 2 * axes * sizeof *pads);
  const char *how = a ? (const char *)a->s.data : "NOTSET";
  size_t      len = a ? a->s.len : strlen(how);
  if (len == 6 && memcmp(how, "NOTSET", 6) == 0) return TF_OK;
  if (len == 5 && memcmp(how, "VALID", 5) == 0) return TF_OK;
  const bool lower = len == 10 && memcmp(how, "SAME_LOWER", 10) == 0;
  if (!lower && !(len == 10 && memcmp(how, "SAME_UPPER", 10) == 0))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "auto_pad %.*s; NOTSET, VALID, SAME_UPPER and SAME_LOWER are supported",
                  (int)(len < 32 ? len : 32), how);
  for (uint32_t i = 0; i < axes; i++) {
    const int64_t out = ((int64_t)sizes[i] + stride[i] - 1) / stride[i];
    int64_t all = (out - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - (int64_t)sizes[i];
    if (all < 0) all = 0;
    pads[i]        = lower ? all - all / 2 : all / 2;
    pads[axes + i] = all - pads[i];
  }
  return TF_OK;
}

/* A list of one number an axis, 1 where it is left out; all within a tensor's size. */
static tf_err_t read_per_axis(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                              const char *name, uint32_t axes, int64_t *list) {
  uint32_t cnt;
  tf_err_t err = tf_onnx_net_attribute_ints(im, node, name, TF_TENSOR_RANK_MAX, list, &cnt);
  if (!err && cnt && cnt != axes)
    err = REFUSE(im, node, E_MODEL_SHAPE, "%u %s for %u axes", cnt, name, axes);
  for (uint32_t i = 0; i < axes && !err; i++) {
    if (!cnt) list[i] = 1;
    if (list[i] < 1 || list[i] > (int64_t)TF_TENSOR_CNT_MAX)
      err = REFUSE(im, node, E_MODEL_SHAPE, "%s of %lld", name, (long long)list[i]);
  }
  return err;
}

static tf_err_t import_conv(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *x = shape_of(im, in[0]), *w = shape_of(im, in[1]);
  const uint32_t           axes = x->rank < 2 ? 0 : x->rank - 2;
  int64_t stride[TF_TENSOR_RANK_MAX], dilation[TF_TENSOR_RANK_MAX], kernel[TF_TENSOR_RANK_MAX],
      pads[2 * TF_TENSOR_RANK_MAX], ints[9];
  if (axes < 1 || axes > 2 || w->rank != x->rank)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "over %u axes; one or two are supported", axes);
  for (uint32_t i = 0; i < axes; i++) kernel[i] = w->dims[2 + i];
  tf_err_t err = tf_onnx_node_int(im->path, node, "group", 1, &ints[0]);
  if (!err) err = read_per_axis(im, node, "strides", axes, stride);
  if (!err) err = read_per_axis(im, node, "dilations", axes, dilation);
  if (!err) err = read_pads(im, node, axes, x->dims + 2, kernel, stride, dilation, pads);
  if (err) return err;
  for (uint32_t i = 0; i < axes; i++) {
    int64_t *n = ints + 1 + 4 * i;
    n[0] = stride[i], n[1] = dilation[i], n[2] = pads[i], n[3] = pads[axes + i];
  }
  const uint32_t used = in_cnt > 2 && in[2] != TF_NET_NONE ? 3 : 2;
  tf_onnx_emit_t emit = {
      .op = "conv", .in = in, .in_cnt = used, .ints = ints, .int_cnt = 1 + 4 * axes};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static tf_err_t import_pool(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *x       = shape_of(im, in[0]);
  const bool               average = strcmp(node->op_type, "AveragePool") == 0;
  const uint32_t           axes    = x->rank < 2 ? 0 : x->rank - 2;
  int64_t stride[TF_TENSOR_RANK_MAX], dilation[TF_TENSOR_RANK_MAX], kernel[TF_TENSOR_RANK_MAX],
      pads[2 * TF_TENSOR_RANK_MAX], ints[16], ceil_mode, include;
  (void)in_cnt;
  if (axes < 1 || axes > 3)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "over %u axes; one to three are supported", axes);
  tf_err_t err = read_per_axis(im, node, "kernel_shape", axes, kernel);
  if (!err) err = read_per_axis(im, node, "strides", axes, stride);
  if (!err) err = read_per_axis(im, node, "dilations", axes, dilation);
  if (!err) err = read_pads(im, node, axes, x->dims + 2, kernel, stride, dilation, pads);
  if (!err) err = tf_onnx_node_int(im->path, node, "ceil_mode", 0, &ceil_mode);
  if (!err) err = tf_onnx_node_int(im->path, node, "count_include_pad", 0, &include);
  if (!err && ceil_mode)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "ceil_mode 1 is not supported");
  if (err) return err;
  for (uint32_t i = 0; i < axes; i++) {
    int64_t *n = ints + 5 * i;
    n[0] = kernel[i], n[1] = stride[i], n[2] = dilation[i], n[3] = pads[i], n[4] = pads[axes + i];
  }
  ints[5 * axes]      = include;
  tf_onnx_emit_t emit = {.op      = average ? "average_pool" : "max_pool",
                         .in      = in,
                         .in_cnt  = 1,
                         .ints    = ints,
                         .int_cnt = 5 * axes + average};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* ---- norms ---- */

static tf_err_t emit_norm(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                          uint32_t in_cnt, float epsilon, uint32_t *out) {
  const double   real = (double)epsilon;
  tf_onnx_emit_t emit = {
      .op = "layer_norm", .in = in, .in_cnt = in_cnt, .reals = &real, .real_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* Over the axes from axis on, taken as one. */
static tf_err_t import_layer_norm(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t shape = *shape_of(im, in[0]);
  float                   epsilon;
  int64_t                 asked;
  uint32_t                axis, parts[3];
  tf_err_t                err = tf_onnx_node_float(im->path, node, "epsilon", 1e-5f, &epsilon);
  if (!err) err = tf_onnx_node_int(im->path, node, "axis", -1, &asked);
  if (!err) err = tf_tensor_axis(&shape, asked, &axis);
  if (err) return err;
  const uint32_t width = tf_tensor_axes_cnt(&shape, axis, shape.rank);
  if (in_cnt > 2 && in[2] == TF_NET_NONE) in_cnt = 2;
  err = reshaped(im, node, in[0], 2, (const uint32_t[2]){shape.cnt / width, width}, &parts[0]);
  for (uint32_t i = 1; i < in_cnt && !err; i++)
    err = reshaped(im, node, in[i], 1, &width, &parts[i]);
  if (!err) err = emit_norm(im, node, parts, in_cnt, epsilon, &parts[0]);
  return err ? err : tf_onnx_net_reshape(im, node, parts[0], &shape, out);
}

/* Times scale and plus shift, one each of axis 1: as [channels, 1, ..] */
static tf_err_t scale_channels(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                               uint32_t scale, uint32_t shift, uint32_t *out) {
  const tf_tensor_shape_t shape                    = *shape_of(im, in);
  uint32_t                dims[TF_TENSOR_RANK_MAX] = {shape.dims[1], 1, 1, 1, 1, 1, 1}, at;
  tf_err_t                err = reshaped(im, node, scale, shape.rank - 1, dims, &scale);
  if (!err) err = reshaped(im, node, shift, shape.rank - 1, dims, &shift);
  if (!err) err = tf_onnx_net_binary(im, node, "mul", in, scale, &at);
  return err ? err : tf_onnx_net_binary(im, node, "add", at, shift, out);
}

/* Instance norm is one of a group a channel. */
static tf_err_t import_group_norm(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t shape = *shape_of(im, in[0]);
  float                   epsilon;
  int64_t                 groups = 0;
  uint32_t                at, scale = in[1], shift = in[2];
  (void)in_cnt;
  if (shape.rank < 3) return REFUSE(im, node, E_MODEL_SHAPE, "of a tensor of rank %u", shape.rank);
  tf_err_t err = tf_onnx_node_float(im->path, node, "epsilon", 1e-5f, &epsilon);
  if (!err) err = tf_onnx_node_int(im->path, node, "num_groups", shape.dims[1], &groups);
  if (!err && (groups < 1 || groups > shape.dims[1] || shape.dims[1] % groups))
    err = REFUSE(im, node, E_MODEL_SHAPE, "%lld groups of %u channels", (long long)groups,
                 shape.dims[1]);
  if (err) return err;
  const uint32_t rows = shape.dims[0] * (uint32_t)groups, each = shape.dims[1] / (uint32_t)groups;
  const bool     by_group = im->opset < 21 && strcmp(node->op_type, "GroupNormalization") == 0;
  err = reshaped(im, node, in[0], 2, (const uint32_t[2]){rows, shape.cnt / rows}, &at);
  if (!err) err = emit_norm(im, node, &at, 1, epsilon, &at);
  if (!err) err = tf_onnx_net_reshape(im, node, at, &shape, &at);
  for (uint32_t i = 0; i < 2 && by_group && !err;
       i++) { /* a value a group, repeated for its channels */
    uint32_t     *list    = i ? &shift : &scale;
    const int64_t wide[2] = {groups, each};
    err = reshaped(im, node, *list, 2, (const uint32_t[2]){(uint32_t)groups, 1}, list);
    tf_onnx_emit_t emit = {.op = "expand", .in = list, .in_cnt = 1, .ints = wide, .int_cnt = 2};
    if (!err) err = tf_onnx_net_emit(im, node, &emit, list);
    if (!err) err = reshaped(im, node, *list, 1, &shape.dims[1], list);
  }
  return err ? err : scale_channels(im, node, at, scale, shift, out);
}

/* A convolution or product with constant weights behind which nothing else reads: its weights take the scale. */
static bool scale_into_conv(tf_onnx_net_t *im, uint32_t in, const double *scale,
                            const double *shift, uint32_t channels) {
  tf_net_t      *net   = im->net;
  const uint32_t value = im->operands[in].value;
  if (im->operands[in].wide || net->values[value].node != net->node_cnt - 1) return false;
  tf_net_node_t *node = &net->nodes[net->node_cnt - 1];
  if (strcmp(node->use.op->name, "conv") != 0 || node->use.in_cnt != 3 ||
      node->use.in[1].dims[0] != channels)
    return false;
  tf_net_value_t *w = &net->values[node->in[1]], *b = &net->values[node->in[2]];
  if (!w->constant || !b->constant) return false;
  const uint32_t each = w->shape.cnt / channels;
  for (uint32_t i = 0; i < w->shape.cnt; i++) /* leave alone what would lose its digits */
    if (w->constant[i] != 0.0f && !isnormal((float)((double)w->constant[i] * scale[i / each])))
      return false;
  for (uint32_t c = 0; c < channels; c++)
    if (!isfinite((float)((double)b->constant[c] * scale[c] + shift[c]))) return false;
  for (uint32_t i = 0; i < w->shape.cnt; i++)
    w->constant[i] = (float)((double)w->constant[i] * scale[i / each]);
  for (uint32_t c = 0; c < channels; c++)
    b->constant[c] = (float)((double)b->constant[c] * scale[c] + shift[c]);
  return true;
}

/* As running statistics have it: (x - mean) / sqrt(variance + epsilon) * scale + shift. */
static tf_err_t import_batch_norm(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t x = *shape_of(im, in[0]);
  float                   epsilon;
  int64_t                 training;
  tf_err_t                err = tf_onnx_node_float(im->path, node, "epsilon", 1e-5f, &epsilon);
  if (!err) err = tf_onnx_node_int(im->path, node, "training_mode", 0, &training);
  if (!err && training)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "in training mode: export in eval mode");
  if (!err && (x.rank < 2 || x.rank > TF_TENSOR_RANK_MAX))
    err = REFUSE(im, node, E_MODEL_SHAPE, "of a tensor of rank %u", x.rank);
  if (err) return err;
  const uint32_t channels = x.dims[1];
  const double  *lists[5] = {NULL};
  for (uint32_t i = 1; i < in_cnt; i++) {
    const tf_onnx_operand_t *o = tf_onnx_net_operand(im, in[i]);
    if (!o->wide || o->shape.cnt != channels)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its input %u is no constant of %u values", i,
                    channels);
    lists[i] = o->wide;
  }
  double *scale = malloc(2 * (size_t)channels * sizeof *scale), *shift = scale + channels;
  if (!scale) return TF_ERR(E_CORE_NO_MEMORY, "%s: a norm", im->path);
  for (uint32_t c = 0; c < channels; c++) {
    scale[c] = lists[1][c] / sqrt(lists[4][c] + (double)epsilon);
    shift[c] = lists[2][c] - lists[3][c] * scale[c];
    if (!isfinite(scale[c]))
      err = REFUSE(im, node, E_MODEL_WEIGHTS, "channel %u has the variance %g", c, lists[4][c]);
  }
  uint32_t by, plus;
  if (!err && scale_into_conv(im, in[0], scale, shift, channels)) {
    err = tf_onnx_net_same(im, in[0], out);
  } else if (!err) {
    err = tf_onnx_net_list(im, scale, channels, &by);
    if (!err) err = tf_onnx_net_list(im, shift, channels, &plus);
    if (!err) err = scale_channels(im, node, in[0], by, plus, out);
  }
  free(scale);
  return err;
}

/* ---- reductions ---- */

static tf_err_t emit_reduce(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *op,
                            uint32_t in, bool keep, const int64_t *axes, uint32_t cnt,
                            uint32_t *out) {
  int64_t ints[1 + TF_TENSOR_RANK_MAX] = {keep};
  for (uint32_t i = 0; i < cnt; i++) ints[1 + i] = axes[i];
  tf_onnx_emit_t emit = {.op = op, .in = &in, .in_cnt = 1, .ints = ints, .int_cnt = 1 + cnt};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* What is done before and after: the L2 norm is the root of a sum of squares. */
typedef struct reduction {
  const char *type, *before, *op, *after;
} reduction_t;

static tf_err_t apply(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *op, uint32_t in,
                      uint32_t *out) {
  if (!op) return tf_onnx_net_same(im, in, out);
  if (strcmp(op, "square") == 0) return tf_onnx_net_binary(im, node, "mul", in, in, out);
  if (strcmp(op, "exp") == 0) return tf_onnx_net_each(im, node, op, in, 0.0, 0.0, out);
  tf_onnx_emit_t emit = {.op = op, .in = &in, .in_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static tf_err_t import_reduce(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  static const reduction_t rows[] = {
      {"ReduceL1",        "abs",    "reduce_sum",  NULL  },
      {"ReduceL2",        "square", "reduce_sum",  "sqrt"},
      {"ReduceLogSum",    NULL,     "reduce_sum",  "log" },
      {"ReduceLogSumExp", "exp",    "reduce_sum",  "log" },
      {"ReduceMax",       NULL,     "reduce_max",  NULL  },
      {"ReduceMean",      NULL,     "reduce_mean", NULL  },
      {"ReduceMin",       NULL,     "reduce_min",  NULL  },
      {"ReduceProd",      NULL,     "reduce_prod", NULL  },
      {"ReduceSum",       NULL,     "reduce_sum",  NULL  },
      {"ReduceSumSquare", "square", "reduce_sum",  NULL  },
  };
  const uint32_t     rank = shape_of(im, in[0])->rank;
  const reduction_t *r    = rows;
  int64_t            axes[TF_TENSOR_RANK_MAX], keep, noop;
  uint32_t           cnt, at;
  while (strcmp(r->type, node->op_type) != 0) r++;
  tf_err_t err = tf_onnx_net_axes(im, node, in, in_cnt, 1, rank, axes, &cnt);
  if (!err) err = tf_onnx_node_int(im->path, node, "keepdims", 1, &keep);
  if (!err) err = tf_onnx_node_int(im->path, node, "noop_with_empty_axes", 0, &noop);
  if (err) return err;
  if (cnt == 0 && noop) return tf_onnx_net_same(im, in[0], out);
  if (cnt == 0)
    for (; cnt < rank; cnt++) axes[cnt] = cnt;
  err = apply(im, node, r->before, in[0], &at);
  if (!err) err = emit_reduce(im, node, r->op, at, keep, axes, cnt, &at);
  const bool whole = im->operands[in[0]].whole && !r->after && strcmp(r->op, "reduce_mean") != 0;
  if (!err) err = apply(im, node, r->after, at, out);
  if (!err) im->operands[*out].whole = whole && im->operands[*out].wide;
  return err;
}

static tf_err_t import_global_pool(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                   const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  const uint32_t rank = shape_of(im, in[0])->rank;
  int64_t        axes[TF_TENSOR_RANK_MAX];
  uint32_t       cnt = 0;
  (void)in_cnt;
  for (uint32_t i = 2; i < rank; i++) axes[cnt++] = i;
  return emit_reduce(im, node,
                     strcmp(node->op_type, "GlobalAveragePool") == 0 ? "reduce_mean" : "reduce_max",
                     in[0], true, axes, cnt, out);
}

/* ---- recurrent layers ---- */

static bool same_word(const ProtobufCBinaryData *text, const char *word) {
  return text->len == strlen(word) && strncasecmp((const char *)text->data, word, text->len) == 0;
}

static tf_err_t check_activations(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  uint32_t directions) {
  static const char *const of_lstm[] = {"Sigmoid", "Tanh", "Tanh"}, *const of_rnn[] = {"Tanh"};
  const bool                  rnn = strcmp(node->op_type, "RNN") == 0;
  const size_t                cnt = rnn ? 1 : strcmp(node->op_type, "LSTM") == 0 ? 3 : 2;
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "activations",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, &a);
  if (err || !a) return err;
  bool same = a->n_strings == cnt * directions;
  for (size_t i = 0; same && i < a->n_strings; i++)
    same = same_word(&a->strings[i], (rnn ? of_rnn : of_lstm)[i % cnt]);
  return same ? TF_OK
              : REFUSE(im, node, E_MODEL_UNSUPPORTED, "its activations are not %s",
                       rnn        ? "Tanh"
                       : cnt == 3 ? "Sigmoid, Tanh, Tanh"
                                  : "Sigmoid, Tanh");
}

static tf_err_t read_direction(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                               int64_t *direction) {
  static const char *const    names[] = {"forward", "reverse", "bidirectional"};
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "direction",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  *direction                      = 0;
  if (err || !a) return err;
  for (*direction = 0; *direction < 3; ++*direction)
    if (a->s.len == strlen(names[*direction]) &&
        memcmp(a->s.data, names[*direction], a->s.len) == 0)
      return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                "direction %.*s; forward, reverse and bidirectional are supported",
                (int)(a->s.len < 32 ? a->s.len : 32), (const char *)a->s.data);
}

static tf_err_t check_recurrent(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                uint32_t in_cnt, uint32_t directions) {
  int64_t  forget, reset = 1;
  float    clip;
  tf_err_t err = check_activations(im, node, directions);
  if (!err) err = tf_onnx_node_int(im->path, node, "input_forget", 0, &forget);
  if (!err) err = tf_onnx_node_float(im->path, node, "clip", 0.0f, &clip);
  if (!err && strcmp(node->op_type, "GRU") == 0)
    err = tf_onnx_node_int(im->path, node, "linear_before_reset", 0, &reset);
  if (!err && (forget || !reset || clip != 0.0f))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s is not supported",
                 forget  ? "input_forget = 1"
                 : reset ? "clip"
                         : "linear_before_reset = 0 (PyTorch exports 1)");
  if (!err && in_cnt > 4 && in[4] != TF_NET_NONE) {
    const tf_onnx_operand_t *lens = tf_onnx_net_operand(im, in[4]);
    for (uint32_t i = 0; i < lens->shape.cnt && !err; i++)
      if (!lens->wide || lens->wide[i] != (double)shape_of(im, in[0])->dims[0])
        err =
            REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "sequence_lens: a window has all its rows");
  }
  if (!err && in_cnt > 7 && in[7] != TF_NET_NONE)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "peepholes (P) are not supported");
  return err;
}

/* [directions, batch, units] of zeros where a first state is left out. */
static tf_err_t first_state(tf_onnx_net_t *im, const uint32_t *in, uint32_t in_cnt, uint32_t idx,
                            const uint32_t *dims, uint32_t *state) {
  if (idx < in_cnt && in[idx] != TF_NET_NONE) {
    *state = in[idx];
    return TF_OK;
  }
  tf_tensor_shape_t shape = {
      .rank = 3, .dims = {dims[0], dims[1], dims[2]},
           .cnt = dims[0] * dims[1] * dims[2]
  };
  return tf_onnx_net_constant(im, &shape, calloc(shape.cnt + 1, sizeof(double)), false, state);
}

/* h after the last row: of a layer in reverse that is row 0. y [rows, directions, batch, units]. */
static tf_err_t last_state(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t y,
                           int64_t direction, uint32_t *out) {
  const tf_tensor_shape_t s = *shape_of(im, y);
  uint32_t                parts[2];
  tf_err_t                err = TF_OK;
  for (uint32_t d = 0; d < s.dims[1] && !err; d++) {
    const bool    reverse  = direction == 1 || d == 1;
    const int64_t ints[12] = {
        reverse ? 0 : s.dims[0] - 1, 1, 1, d, 1, 1, 0, s.dims[2], 1, 0, s.dims[3], 1};
    tf_onnx_emit_t emit = {.op = "slice", .in = &y, .in_cnt = 1, .ints = ints, .int_cnt = 12};
    err                 = tf_onnx_net_emit(im, node, &emit, &parts[d]);
    if (!err)
      err =
          reshaped(im, node, parts[d], 3, (const uint32_t[3]){1, s.dims[2], s.dims[3]}, &parts[d]);
  }
  if (err || s.dims[1] == 1) return err ? err : tf_onnx_net_same(im, parts[0], out);
  const int64_t  axis = 0;
  tf_onnx_emit_t emit = {.op = "concat", .in = parts, .in_cnt = 2, .ints = &axis, .int_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static tf_err_t import_recurrent(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                 uint32_t in_cnt, uint32_t *out) {
  const char *const        op = strcmp(node->op_type, "LSTM") == 0  ? "lstm"
                                : strcmp(node->op_type, "GRU") == 0 ? "gru"
                                                                    : "rnn";
  const tf_tensor_shape_t *r  = shape_of(im, in[2]);
  int64_t                  direction, layout, hidden;
  uint32_t                 parts[6] = {in[0], in[1], in[2]};
  tf_err_t                 err      = read_direction(im, node, &direction);
  if (!err) err = check_recurrent(im, node, in, in_cnt, direction == 2 ? 2 : 1);
  if (!err) err = tf_onnx_node_int(im->path, node, "layout", 0, &layout);
  if (!err)
    err = tf_onnx_node_int(im->path, node, "hidden_size", r->rank == 3 ? r->dims[2] : 0, &hidden);
  if (!err && layout)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "layout %lld of no chain; 0 is supported",
                 (long long)layout);
  if (!err && (shape_of(im, in[0])->rank != 3 || r->rank != 3 || r->dims[2] != hidden))
    err = REFUSE(im, node, E_MODEL_SHAPE,
                 "rank %u, R of rank %u, hidden_size %lld; [rows, batch, n] is wanted",
                 shape_of(im, in[0])->rank, r->rank, (long long)hidden);
  if (err) return err;
  if (im->net->window > 1 && shape_of(im, in[0])->dims[0] == 1 &&
      shape_of(im, in[0])->dims[1] == im->net->window)
    return REFUSE(im, node, E_MODEL_SHAPE,
                  "%u sequences of one row: the input's rows are taken for its batch; export with "
                  "a batch of 1",
                  im->net->window);
  const uint32_t state[3] = {r->dims[0], shape_of(im, in[0])->dims[1], r->dims[2]};
  if (in_cnt > 3 && in[3] != TF_NET_NONE) {
    parts[3] = in[3];
  } else {
    tf_tensor_shape_t shape = {
        .rank = 2, .dims = {r->dims[0], 2 * r->dims[1]},
             .cnt = 2 * r->dims[0] * r->dims[1]
    };
    err = tf_onnx_net_constant(im, &shape, calloc(shape.cnt + 1, sizeof(double)), false, &parts[3]);
  }
  if (!err) err = first_state(im, in, in_cnt, 5, state, &parts[4]);
  if (!err && strcmp(op, "lstm") == 0) err = first_state(im, in, in_cnt, 6, state, &parts[5]);
  tf_onnx_emit_t emit = {.op      = op,
                         .in      = parts,
                         .in_cnt  = strcmp(op, "lstm") == 0 ? 6 : 5,
                         .ints    = &direction,
                         .int_cnt = 1};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, &out[0]);
  if (!err && node->n_output > 1 && node->output[1] && node->output[1][0])
    err = last_state(im, node, out[0], direction, &out[1]);
  return err;
}

/* The last c is nobody's: a name of it that a node reads is refused there. */
static tf_err_t import_lstm(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  tf_err_t err = import_recurrent(im, node, in, in_cnt, out);
  if (err || node->n_output < 3) return err;
  double           *none  = calloc(1, sizeof *none);
  tf_tensor_shape_t empty = {.rank = 1};
  return tf_onnx_net_constant(im, &empty, none, false, &out[2]);
}

#define RECURRENT                                                                                  \
  " activations activation_alpha activation_beta clip direction hidden_size input_forget layout "  \
  "linear_before_reset "
#define CONV " auto_pad dilations group kernel_shape pads strides "
#define POOL                                                                                       \
  " auto_pad ceil_mode count_include_pad dilations kernel_shape pads storage_order strides "
#define REDUCE " axes keepdims noop_with_empty_axes "

const tf_onnx_net_op_t tf_onnx_net_layers[] = {
    {"AveragePool",           POOL,                               1, 1, 1, import_pool,        NULL},
    {"BatchNormalization",    " epsilon momentum training_mode ", 5, 5, 1, import_batch_norm,  NULL},
    {"Conv",                  CONV,                               2, 3, 1, import_conv,        NULL},
    {"GRU",                   RECURRENT,                          3, 6, 2, import_recurrent,   NULL},
    {"Gemm",                  " alpha beta transA transB ",       2, 3, 1, import_gemm,        NULL},
    {"GlobalAveragePool",     "",                                 1, 1, 1, import_global_pool, NULL},
    {"GlobalMaxPool",         "",                                 1, 1, 1, import_global_pool, NULL},
    {"GroupNormalization",    " epsilon num_groups stash_type ",  3, 3, 1, import_group_norm,  NULL},
    {"InstanceNormalization", " epsilon ",                        3, 3, 1, import_group_norm,  NULL},
    {"LSTM",                  RECURRENT,                          3, 8, 3, import_lstm,        NULL},
    {"LayerNormalization",    " axis epsilon stash_type ",        2, 3, 1, import_layer_norm,  NULL},
    {"MatMul",                "",                                 2, 2, 1, import_matmul,      NULL},
    {"MaxPool",               POOL,                               1, 1, 1, import_pool,        NULL},
    {"RNN",                   RECURRENT,                          3, 6, 2, import_recurrent,   NULL},
    {"ReduceL1",              REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceL2",              REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceLogSum",          REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceLogSumExp",       REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceMax",             REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceMean",            REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceMin",             REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceProd",            REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceSum",             REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {"ReduceSumSquare",       REDUCE,                             1, 2, 1, import_reduce,      NULL},
    {NULL,                    NULL,                               0, 0, 0, NULL,               NULL},
};
