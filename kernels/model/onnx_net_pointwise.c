/* ONNX ops that work value by value, activations, and softmax. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

/* ONNX's names and ours, where nothing else is to be known. */
typedef struct pair {
  const char *type, *op;
} pair_t;

static const char *ours(const Onnx__NodeProto *node, const pair_t *pairs, size_t cnt) {
  for (size_t i = 0; i < cnt; i++)
    if (strcmp(pairs[i].type, node->op_type) == 0) return pairs[i].op;
  TF_ASSERT(false);
  return NULL;
}

static tf_err_t import_unary(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  static const pair_t pairs[] = {
      {"Abs",   "abs"  },
      {"Ceil",  "ceil" },
      {"Cos",   "cos"  },
      {"Floor", "floor"},
      {"Log",   "log"  },
      {"Round", "round"},
      {"Sign",  "sign" },
      {"Sin",   "sin"  },
      {"Sqrt",  "sqrt" },
  };
  tf_onnx_emit_t emit = {.op = ours(node, pairs, TF_ARRAY_CNT(pairs)), .in = in, .in_cnt = in_cnt};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* Row ops; alpha where the op has one. */
static tf_err_t import_each(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  static const pair_t pairs[] = {
      {"Elu",       "elu"       },
      {"Erf",       "erf"       },
      {"Exp",       "exp"       },
      {"LeakyRelu", "leaky_relu"},
      {"Relu",      "relu"      },
      {"Sigmoid",   "sigmoid"   },
      {"Softplus",  "softplus"  },
      {"Tanh",      "tanh"      },
  };
  (void)in_cnt;
  float    alpha = strcmp(node->op_type, "LeakyRelu") == 0 ? 0.01f
                   : strcmp(node->op_type, "Elu") == 0     ? 1.0f
                                                           : 0.0f;
  tf_err_t err   = tf_onnx_node_float(im->path, node, "alpha", alpha, &alpha);
  if (err) return err;
  return tf_onnx_net_each(im, node, ours(node, pairs, TF_ARRAY_CNT(pairs)), in[0], (double)alpha,
                          0.0, out);
}

/* x op constant. */
static tf_err_t with_scalar(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *op,
                            uint32_t in, double scalar, uint32_t *out) {
  uint32_t constant;
  tf_err_t err = tf_onnx_net_scalar(im, scalar, &constant);
  return err ? err : tf_onnx_net_binary(im, node, op, in, constant, out);
}

static tf_err_t import_neg(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                           uint32_t in_cnt, uint32_t *out) {
  (void)in_cnt;
  tf_err_t err = with_scalar(im, node, "mul", in[0], -1.0, out);
  if (!err) im->operands[*out].whole = im->operands[in[0]].whole;
  return err;
}

static tf_err_t import_not(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                           uint32_t in_cnt, uint32_t *out) {
  (void)in_cnt;
  return with_scalar(im, node, "equal", in[0], 0.0, out);
}

static tf_err_t import_reciprocal(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  uint32_t one;
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_scalar(im, 1.0, &one);
  return err ? err : tf_onnx_net_binary(im, node, "div", one, in[0], out);
}

/* gamma elu(x, alpha) */
static tf_err_t import_selu(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  float    alpha, gamma;
  uint32_t elu;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_float(im->path, node, "alpha", 1.67326319f, &alpha);
  if (!err) err = tf_onnx_node_float(im->path, node, "gamma", 1.05070102f, &gamma);
  if (!err) err = tf_onnx_net_each(im, node, "elu", in[0], (double)alpha, 0.0, &elu);
  return err ? err : with_scalar(im, node, "mul", elu, (double)gamma, out);
}

/* clip(slope x + shift, 0, 1) */
static tf_err_t hard_sigmoid(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                             double slope, double shift, uint32_t *out) {
  uint32_t scaled, shifted;
  tf_err_t err = with_scalar(im, node, "mul", in, slope, &scaled);
  if (!err) err = with_scalar(im, node, "add", scaled, shift, &shifted);
  return err ? err : tf_onnx_net_each(im, node, "clip", shifted, 0.0, 1.0, out);
}

static tf_err_t import_hard_sigmoid(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                    const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  float alpha, beta;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_float(im->path, node, "alpha", 0.2f, &alpha);
  if (!err) err = tf_onnx_node_float(im->path, node, "beta", 0.5f, &beta);
  return err ? err : hard_sigmoid(im, node, in[0], (double)alpha, (double)beta, out);
}

static tf_err_t import_hard_swish(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  const uint32_t *in, uint32_t in_cnt, uint32_t *out) {
  uint32_t gate;
  (void)in_cnt;
  tf_err_t err = hard_sigmoid(im, node, in[0], 1.0 / 6.0, 0.5, &gate);
  return err ? err : tf_onnx_net_binary(im, node, "mul", in[0], gate, out);
}

/* x tanh(softplus x) */
static tf_err_t import_mish(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  uint32_t inner, gate;
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_each(im, node, "softplus", in[0], 0.0, 0.0, &inner);
  if (!err) err = tf_onnx_net_each(im, node, "tanh", inner, 0.0, 0.0, &gate);
  return err ? err : tf_onnx_net_binary(im, node, "mul", in[0], gate, out);
}

/* By erf, or x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), which is the form with tanh. */
static tf_err_t import_gelu(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  const Onnx__AttributeProto *a;
  uint32_t                    square, scaled, shifted, inner, gate;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_attribute(im->path, node, "approximate",
                                        ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  if (err) return err;
  if (!a || a->s.len != 4 || memcmp(a->s.data, "tanh", 4) != 0)
    return tf_onnx_net_each(im, node, "gelu", in[0], 0.0, 0.0, out);
  const double slope = 1.5957691216057308;
  err                = tf_onnx_net_binary(im, node, "mul", in[0], in[0], &square);
  if (!err) err = with_scalar(im, node, "mul", square, 0.044715 * slope, &scaled);
  if (!err) err = with_scalar(im, node, "add", scaled, slope, &shifted);
  if (!err) err = tf_onnx_net_binary(im, node, "mul", in[0], shifted, &inner);
  if (!err) err = tf_onnx_net_each(im, node, "sigmoid", inner, 0.0, 0.0, &gate);
  return err ? err : tf_onnx_net_binary(im, node, "mul", in[0], gate, out);
}

/* A bound from an input, or from an attribute of old sets. */
static tf_err_t clip_bound(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                           uint32_t in_cnt, uint32_t idx, double preset, double *bound) {
  float narrow;
  *bound = preset;
  if (idx < in_cnt && in[idx] != TF_NET_NONE) {
    const tf_onnx_operand_t *o = tf_onnx_net_operand(im, in[idx]);
    if (!o->wide || o->shape.cnt != 1)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its input %u is no constant of one value", idx);
    *bound = fmin(fmax(o->wide[0], -3e38), 3e38);
    return TF_OK;
  }
  tf_err_t err =
      tf_onnx_node_float(im->path, node, idx == 1 ? "min" : "max", (float)preset, &narrow);
  *bound = (double)narrow;
  return err;
}

static tf_err_t import_clip(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  double   low, high;
  tf_err_t err = clip_bound(im, node, in, in_cnt, 1, -3e38, &low);
  if (!err) err = clip_bound(im, node, in, in_cnt, 2, 3e38, &high);
  return err ? err : tf_onnx_net_each(im, node, "clip", in[0], low, high, out);
}

static tf_err_t import_binary(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  static const pair_t pairs[] = {
      {"Add",         "add"       },
      {"And",         "mul"       },
      {"Div",         "div"       },
      {"Equal",       "equal"     },
      {"Less",        "less"      },
      {"LessOrEqual", "less_equal"},
      {"Mul",         "mul"       },
      {"Or",          "max"       },
      {"Pow",         "pow"       },
      {"Sub",         "sub"       },
  };
  (void)in_cnt;
  const char *op    = ours(node, pairs, TF_ARRAY_CNT(pairs));
  bool        whole = im->operands[in[0]].whole && im->operands[in[1]].whole;
  tf_err_t    err   = tf_onnx_net_binary(im, node, op, in[0], in[1], out);
  if (err || !whole || strcmp(op, "div") != 0) return err;
  tf_onnx_emit_t emit = {
      .op = "trunc", .in = (const uint32_t[1]){*out}, .in_cnt = 1}; /* of integers */
  err = tf_onnx_net_emit(im, node, &emit, out);
  if (!err) im->operands[*out].whole = true;
  return err;
}

static tf_err_t import_greater(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  (void)in_cnt;
  return tf_onnx_net_binary(im, node, strcmp(node->op_type, "Greater") == 0 ? "less" : "less_equal",
                            in[1], in[0], out);
}

/* a - b floor(a / b), or with trunc */
static tf_err_t import_mod(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                           uint32_t in_cnt, uint32_t *out) {
  int64_t  fmod_like;
  uint32_t ratio, whole, back;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_int(im->path, node, "fmod", 0, &fmod_like);
  if (!err) err = tf_onnx_net_binary(im, node, "div", in[0], in[1], &ratio);
  tf_onnx_emit_t emit = {.op = fmod_like ? "trunc" : "floor", .in = &ratio, .in_cnt = 1};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, &whole);
  if (!err) err = tf_onnx_net_binary(im, node, "mul", whole, in[1], &back);
  return err ? err : tf_onnx_net_binary(im, node, "sub", in[0], back, out);
}

/* Any number of inputs, two at a time. */
static tf_err_t import_many(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  static const pair_t pairs[] = {
      {"Max",  "max"},
      {"Mean", "add"},
      {"Min",  "min"},
      {"Sum",  "add"}
  };
  const char *op  = ours(node, pairs, TF_ARRAY_CNT(pairs));
  uint32_t    at  = in[0];
  tf_err_t    err = TF_OK;
  for (uint32_t i = 1; i < in_cnt && !err; i++)
    err = tf_onnx_net_binary(im, node, op, at, in[i], &at);
  if (!err && strcmp(node->op_type, "Mean") == 0)
    return with_scalar(im, node, "div", at, (double)in_cnt, out);
  return err ? err : tf_onnx_net_same(im, at, out);
}

/* x where it is not below 0, else slope x. */
static tf_err_t import_prelu(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  uint32_t       zero, below, scaled;
  tf_onnx_emit_t emit = {.op = "where", .in_cnt = 3};
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_scalar(im, 0.0, &zero);
  if (!err) err = tf_onnx_net_binary(im, node, "less", in[0], zero, &below);
  if (!err) err = tf_onnx_net_binary(im, node, "mul", in[0], in[1], &scaled);
  if (err) return err;
  emit.in = (const uint32_t[3]){below, scaled, in[0]};
  return tf_onnx_net_emit(im, node, &emit, out);
}

static tf_err_t import_where(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                             uint32_t in_cnt, uint32_t *out) {
  tf_onnx_emit_t emit = {.op = "where", .in = in, .in_cnt = in_cnt};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* To a kind of float nothing changes; to integers the fraction goes; to truth values what is not 0 is 1. */
static tf_err_t import_cast(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                            uint32_t in_cnt, uint32_t *out) {
  int64_t  to;
  tf_err_t err = tf_onnx_node_int(im->path, node, "to", 0, &to);
  (void)in_cnt;
  if (err) return err;
  switch (to) {
  case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
  case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
  case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
  case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
    err = tf_onnx_net_same(im, in[0], out);
    if (!err) im->operands[*out].whole = false;
    return err;
  case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
  case ONNX__TENSOR_PROTO__DATA_TYPE__INT32:
    if (im->operands[in[0]].whole) return tf_onnx_net_same(im, in[0], out);
    err = tf_onnx_net_emit(im, node, &(tf_onnx_emit_t){.op = "trunc", .in = in, .in_cnt = 1}, out);
    if (!err) im->operands[*out].whole = im->operands[*out].wide != NULL;
    return err;
  case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL:
    err = import_not(im, node, in, 1, out);
    if (!err) err = import_not(im, node, out, 1, out);
    return err;
  default:
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "casts to type %lld; kinds of float, INT32, INT64 and BOOL are supported",
                  (long long)to);
  }
}

/* Along one axis, brought to the end and back; before set 13 along all from axis on. */
static tf_err_t import_softmax(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  const tf_tensor_shape_t shape = im->operands[in[0]].shape;
  uint32_t                order[TF_TENSOR_RANK_MAX], axis, at;
  int64_t                 asked;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_int(im->path, node, "axis", im->opset < 13 ? 1 : -1, &asked);
  if (!err) err = tf_tensor_axis(&shape, asked, &axis);
  if (err)
    return tf_error_add(err, "importing %s: node \"%.80s\"", im->path, tf_onnx_node_label(node));
  if (im->opset < 13 && tf_tensor_axes_cnt(&shape, axis, shape.rank) != shape.dims[axis])
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "of operator set %lld over several axes",
                  (long long)im->opset);
  const bool log = strcmp(node->op_type, "LogSoftmax") == 0;
  for (uint32_t i = 0; i < shape.rank; i++) order[i] = i;
  order[axis] = shape.rank - 1, order[shape.rank - 1] = axis; /* its own inverse */
  err                 = tf_onnx_net_transpose(im, node, in[0], order, &at);
  tf_onnx_emit_t emit = {.op = "rows", .row = "softmax", .in = &at, .in_cnt = 1};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, &at);
  if (!err && log)
    err = tf_onnx_net_emit(
        im, node, &(tf_onnx_emit_t){.op = "log", .in = (const uint32_t[1]){at}, .in_cnt = 1}, &at);
  return err ? err : tf_onnx_net_transpose(im, node, at, order, out);
}

const tf_onnx_net_op_t tf_onnx_net_pointwise[] = {
    {"Abs",            "",              1, 1,  1, import_unary,        NULL},
    {"Add",            "",              2, 2,  1, import_binary,       NULL},
    {"And",            "",              2, 2,  1, import_binary,       NULL},
    {"Cast",           " to saturate ", 1, 1,  1, import_cast,         NULL},
    {"Ceil",           "",              1, 1,  1, import_unary,        NULL},
    {"Clip",           " min max ",     1, 3,  1, import_clip,         NULL},
    {"Cos",            "",              1, 1,  1, import_unary,        NULL},
    {"Div",            "",              2, 2,  1, import_binary,       NULL},
    {"Elu",            " alpha ",       1, 1,  1, import_each,         NULL},
    {"Equal",          "",              2, 2,  1, import_binary,       NULL},
    {"Erf",            "",              1, 1,  1, import_each,         NULL},
    {"Exp",            "",              1, 1,  1, import_each,         NULL},
    {"Floor",          "",              1, 1,  1, import_unary,        NULL},
    {"Gelu",           " approximate ", 1, 1,  1, import_gelu,         NULL},
    {"Greater",        "",              2, 2,  1, import_greater,      NULL},
    {"GreaterOrEqual", "",              2, 2,  1, import_greater,      NULL},
    {"HardSigmoid",    " alpha beta ",  1, 1,  1, import_hard_sigmoid, NULL},
    {"HardSwish",      "",              1, 1,  1, import_hard_swish,   NULL},
    {"LeakyRelu",      " alpha ",       1, 1,  1, import_each,         NULL},
    {"Less",           "",              2, 2,  1, import_binary,       NULL},
    {"LessOrEqual",    "",              2, 2,  1, import_binary,       NULL},
    {"Log",            "",              1, 1,  1, import_unary,        NULL},
    {"LogSoftmax",     " axis ",        1, 1,  1, import_softmax,      NULL},
    {"Max",            "",              1, 32, 1, import_many,         NULL},
    {"Mean",           "",              1, 32, 1, import_many,         NULL},
    {"Min",            "",              1, 32, 1, import_many,         NULL},
    {"Mish",           "",              1, 1,  1, import_mish,         NULL},
    {"Mod",            " fmod ",        2, 2,  1, import_mod,          NULL},
    {"Mul",            "",              2, 2,  1, import_binary,       NULL},
    {"Neg",            "",              1, 1,  1, import_neg,          NULL},
    {"Not",            "",              1, 1,  1, import_not,          NULL},
    {"Or",             "",              2, 2,  1, import_binary,       NULL},
    {"PRelu",          "",              2, 2,  1, import_prelu,        NULL},
    {"Pow",            "",              2, 2,  1, import_binary,       NULL},
    {"Reciprocal",     "",              1, 1,  1, import_reciprocal,   NULL},
    {"Relu",           "",              1, 1,  1, import_each,         NULL},
    {"Round",          "",              1, 1,  1, import_unary,        NULL},
    {"Selu",           " alpha gamma ", 1, 1,  1, import_selu,         NULL},
    {"Sigmoid",        "",              1, 1,  1, import_each,         NULL},
    {"Sign",           "",              1, 1,  1, import_unary,        NULL},
    {"Sin",            "",              1, 1,  1, import_unary,        NULL},
    {"Softmax",        " axis ",        1, 1,  1, import_softmax,      NULL},
    {"Softplus",       "",              1, 1,  1, import_each,         NULL},
    {"Sqrt",           "",              1, 1,  1, import_unary,        NULL},
    {"Sub",            "",              2, 2,  1, import_binary,       NULL},
    {"Sum",            "",              1, 32, 1, import_many,         NULL},
    {"Tanh",           "",              1, 1,  1, import_each,         NULL},
    {"Where",          "",              3, 3,  1, import_where,        NULL},
    {NULL,             NULL,            0, 0,  0, NULL,                NULL},
};
