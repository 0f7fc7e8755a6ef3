/* ONNX ops with weights, or over many values: products, convolutions, norms, pooling. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

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
  const tf_tensor_shape_t a = *tf_onnx_net_shape(im, in[0]), b = *tf_onnx_net_shape(im, in[1]);
  uint32_t                left = in[0], right = in[1], at;
  tf_err_t                err = TF_OK;
  (void)in_cnt;
  if (a.rank == 0 || b.rank == 0)
    return REFUSE(im, node, E_MODEL_SHAPE, "%s", "a factor of rank 0");
  if (a.rank == 1)
    err = tf_onnx_net_as(im, node, left, 2, (const uint32_t[2]){1, a.dims[0]}, &left);
  if (!err && b.rank == 1)
    err = tf_onnx_net_as(im, node, right, 2, (const uint32_t[2]){b.dims[0], 1}, &right);
  if (!err) err = tf_onnx_net_binary(im, node, "matmul", left, right, &at);
  if (err) return err;
  tf_tensor_shape_t shape = *tf_onnx_net_shape(im, at);
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
  if (!err && tf_onnx_net_shape(im, in)->rank != 2)
    err = REFUSE(im, node, E_MODEL_SHAPE, "a factor of rank %u; a matrix is wanted",
                 tf_onnx_net_shape(im, in)->rank);
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
  if (!err && !tf_tensor_shape_same(tf_onnx_net_shape(im, product), tf_onnx_net_shape(im, *out)))
    err = REFUSE(im, node, E_MODEL_SHAPE, "its C of %u values does not fit a row of %u",
                 c->shape.cnt, tf_onnx_net_shape(im, product)->dims[1]);
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
  const tf_tensor_shape_t *x = tf_onnx_net_shape(im, in[0]), *w = tf_onnx_net_shape(im, in[1]);
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

/* What ceil_mode adds behind: enough for a last window that is not whole, where that begins before the padding behind. */
static int64_t ceil_pad(int64_t size, int64_t kernel, int64_t stride, int64_t dilation,
                        const int64_t pads[2]) {
  const int64_t room = size + pads[0] + pads[1] - ((kernel - 1) * dilation + 1);
  if (room < 0 || room % stride == 0) return 0;
  const int64_t last = (room / stride + 1) * stride; /* where it begins */
  return last < size + pads[0] ? last - room : 0;
}

/* Zeros around the axes behind batch and channel. */
static tf_err_t pad_zeros(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                          uint32_t axes, const int64_t *pads, uint32_t *out) {
  int64_t ints[1 + 2 * TF_TENSOR_RANK_MAX] = {0};
  double  zero                             = 0.0;
  for (uint32_t i = 0; i < axes; i++) {
    ints[1 + 2 * (2 + i)] = pads[i];
    ints[2 + 2 * (2 + i)] = pads[axes + i];
  }
  tf_onnx_emit_t emit = {.op       = "pad",
                         .in       = &in,
                         .in_cnt   = 1,
                         .ints     = ints,
                         .int_cnt  = 1 + 2 * (2 + axes),
                         .reals    = &zero,
                         .real_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* ints of max_pool and average_pool (tensor/pool.h). Padding that counts, of windows that are cut at their end, is made first:
 * then what is cut does not count. */
static tf_err_t emit_pool(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                          uint32_t axes, const int64_t *kernel, const int64_t *stride,
                          const int64_t *dilation, int64_t *pads, uint32_t *out) {
  const bool average  = strcmp(node->op_type, "AveragePool") == 0;
  int64_t    ints[16] = {0}, more[3] = {0}, ceil_mode, include;
  tf_err_t   err = tf_onnx_node_int(im->path, node, "ceil_mode", 0, &ceil_mode);
  if (!err) err = tf_onnx_node_int(im->path, node, "count_include_pad", 0, &include);
  if (err) return err;
  for (uint32_t i = 0; i < axes && ceil_mode; i++) {
    const int64_t both[2] = {pads[i], pads[axes + i]};
    more[i] =
        ceil_pad(tf_onnx_net_shape(im, in)->dims[2 + i], kernel[i], stride[i], dilation[i], both);
  }
  if (average && ceil_mode && include) {
    err     = pad_zeros(im, node, in, axes, pads, &in);
    include = 0;
    memset(pads, 0, 2 * axes * sizeof *pads);
  }
  if (err) return err;
  for (uint32_t i = 0; i < axes; i++) {
    int64_t *n = ints + 5 * i;
    n[0] = kernel[i], n[1] = stride[i], n[2] = dilation[i], n[3] = pads[i];
    n[4] = pads[axes + i] + more[i];
  }
  ints[5 * axes]      = include;
  tf_onnx_emit_t emit = {.op      = average ? "average_pool" : "max_pool",
                         .in      = &in,
                         .in_cnt  = 1,
                         .ints    = ints,
                         .int_cnt = 5 * axes + average};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static tf_err_t import_pool(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t *x    = tf_onnx_net_shape(im, in[0]);
  const uint32_t           axes = x->rank < 2 ? 0 : x->rank - 2;
  int64_t stride[TF_TENSOR_RANK_MAX], dilation[TF_TENSOR_RANK_MAX], kernel[TF_TENSOR_RANK_MAX],
      pads[2 * TF_TENSOR_RANK_MAX];
  (void)in_cnt;
  if (axes < 1 || axes > 3)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "over %u axes; one to three are supported", axes);
  tf_err_t err = read_per_axis(im, node, "kernel_shape", axes, kernel);
  if (!err) err = read_per_axis(im, node, "strides", axes, stride);
  if (!err) err = read_per_axis(im, node, "dilations", axes, dilation);
  if (!err) err = read_pads(im, node, axes, x->dims + 2, kernel, stride, dilation, pads);
  for (uint32_t i = 0; i < 2 * axes && !err; i++)
    if (pads[i] < 0 || pads[i] > (int64_t)TF_TENSOR_CNT_MAX)
      err = REFUSE(im, node, E_MODEL_SHAPE, "pads of %lld", (long long)pads[i]);
  return err ? err : emit_pool(im, node, in[0], axes, kernel, stride, dilation, pads, out);
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
  const tf_tensor_shape_t shape = *tf_onnx_net_shape(im, in[0]);
  float                   epsilon;
  int64_t                 asked;
  uint32_t                axis, parts[3];
  tf_err_t                err = tf_onnx_node_float(im->path, node, "epsilon", 1e-5f, &epsilon);
  if (!err) err = tf_onnx_node_int(im->path, node, "axis", -1, &asked);
  if (!err) err = tf_tensor_axis(&shape, asked, &axis);
  if (err) return err;
  const uint32_t width = tf_tensor_axes_cnt(&shape, axis, shape.rank);
  if (in_cnt > 2 && in[2] == TF_NET_NONE) in_cnt = 2;
  err =
      tf_onnx_net_as(im, node, in[0], 2, (const uint32_t[2]){shape.cnt / width, width}, &parts[0]);
  for (uint32_t i = 1; i < in_cnt && !err; i++)
    err = tf_onnx_net_as(im, node, in[i], 1, &width, &parts[i]);
  if (!err) err = emit_norm(im, node, parts, in_cnt, epsilon, &parts[0]);
  return err ? err : tf_onnx_net_reshape(im, node, parts[0], &shape, out);
}

/* Times scale and plus shift, one each of axis 1: as [channels, 1, ..] */
static tf_err_t scale_channels(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                               uint32_t scale, uint32_t shift, uint32_t *out) {
  const tf_tensor_shape_t shape                    = *tf_onnx_net_shape(im, in);
  uint32_t                dims[TF_TENSOR_RANK_MAX] = {shape.dims[1], 1, 1, 1, 1, 1, 1}, at;
  tf_err_t                err = tf_onnx_net_as(im, node, scale, shape.rank - 1, dims, &scale);
  if (!err) err = tf_onnx_net_as(im, node, shift, shape.rank - 1, dims, &shift);
  if (!err) err = tf_onnx_net_binary(im, node, "mul", in, scale, &at);
  return err ? err : tf_onnx_net_binary(im, node, "add", at, shift, out);
}

/* Instance norm is one of a group a channel. */
static tf_err_t import_group_norm(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t shape = *tf_onnx_net_shape(im, in[0]);
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
  err = tf_onnx_net_as(im, node, in[0], 2, (const uint32_t[2]){rows, shape.cnt / rows}, &at);
  if (!err) err = emit_norm(im, node, &at, 1, epsilon, &at);
  if (!err) err = tf_onnx_net_reshape(im, node, at, &shape, &at);
  for (uint32_t i = 0; i < 2 && by_group && !err;
       i++) { /* a value a group, repeated for its channels */
    uint32_t     *list    = i ? &shift : &scale;
    const int64_t wide[2] = {groups, each};
    err = tf_onnx_net_as(im, node, *list, 2, (const uint32_t[2]){(uint32_t)groups, 1}, list);
    tf_onnx_emit_t emit = {.op = "expand", .in = list, .in_cnt = 1, .ints = wide, .int_cnt = 2};
    if (!err) err = tf_onnx_net_emit(im, node, &emit, list);
    if (!err) err = tf_onnx_net_as(im, node, *list, 1, &shape.dims[1], list);
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
  const tf_tensor_shape_t x = *tf_onnx_net_shape(im, in[0]);
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

#define CONV " auto_pad dilations group kernel_shape pads strides "
#define POOL                                                                                       \
  " auto_pad ceil_mode count_include_pad dilations kernel_shape pads storage_order strides "

const tf_onnx_net_op_t tf_onnx_net_layers[] = {
    {"AveragePool",           POOL,                               1, 1, 1, import_pool,       NULL},
    {"BatchNormalization",    " epsilon momentum training_mode ", 5, 5, 1, import_batch_norm, NULL},
    {"Conv",                  CONV,                               2, 3, 1, import_conv,       NULL},
    {"Gemm",                  " alpha beta transA transB ",       2, 3, 1, import_gemm,       NULL},
    {"GroupNormalization",    " epsilon num_groups stash_type ",  3, 3, 1, import_group_norm, NULL},
    {"InstanceNormalization", " epsilon ",                        3, 3, 1, import_group_norm, NULL},
    {"LayerNormalization",    " axis epsilon stash_type ",        2, 3, 1, import_layer_norm, NULL},
    {"MatMul",                "",                                 2, 2, 1, import_matmul,     NULL},
    {"MaxPool",               POOL,                               1, 1, 1, import_pool,       NULL},
    {NULL,                    NULL,                               0, 0, 0, NULL,              NULL},
};
