/* ONNX ops that make one value of many along axes. */
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

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
  const uint32_t     rank = tf_onnx_net_shape(im, in[0])->rank;
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
  const uint32_t rank = tf_onnx_net_shape(im, in[0])->rank;
  int64_t        axes[TF_TENSOR_RANK_MAX];
  uint32_t       cnt = 0;
  (void)in_cnt;
  for (uint32_t i = 2; i < rank; i++) axes[cnt++] = i;
  return emit_reduce(im, node,
                     strcmp(node->op_type, "GlobalAveragePool") == 0 ? "reduce_mean" : "reduce_max",
                     in[0], true, axes, cnt, out);
}

/* Sums of what comes before along one axis: a product with a triangle of ones behind that axis. */
static tf_err_t import_cum_sum(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  tf_tensor_shape_t shape                     = *tf_onnx_net_shape(im, in[0]);
  const bool        whole                     = im->operands[in[0]].whole;
  uint32_t          order[TF_TENSOR_RANK_MAX] = {0}, axis, cnt, triangle, at = in[0];
  int64_t           asked, exclusive, reverse;
  (void)in_cnt;
  tf_err_t err = tf_onnx_net_ints(im, node, in[1], 1, &asked, &cnt);
  if (!err && (cnt != 1 || shape.rank == 0))
    err = REFUSE(im, node, E_MODEL_SHAPE, "%u axes of a tensor of rank %u", cnt, shape.rank);
  if (!err) err = tf_onnx_node_int(im->path, node, "exclusive", 0, &exclusive);
  if (!err) err = tf_onnx_node_int(im->path, node, "reverse", 0, &reverse);
  if (!err) err = tf_tensor_axis(&shape, asked, &axis);
  if (err) return err;
  const uint32_t    n    = shape.dims[axis];
  tf_tensor_shape_t made = {
      .rank = 2, .dims = {n, n}
  };
  err          = tf_tensor_shape_count(&made);
  double *wide = err ? NULL : malloc(made.cnt * sizeof *wide);
  for (uint32_t i = 0; wide && i < made.cnt; i++) {
    const uint32_t from = reverse ? i % n : i / n, to = reverse ? i / n : i % n;
    wide[i] = from < to || (from == to && !exclusive) ? 1.0 : 0.0;
  }
  for (uint32_t i = 0; i < shape.rank; i++) order[i] = i;
  order[axis] = shape.rank - 1, order[shape.rank - 1] = axis; /* its own inverse */
  if (!err) err = tf_onnx_net_constant(im, &made, wide, whole, &triangle);
  if (!err) err = tf_onnx_net_transpose(im, node, at, order, &at);
  if (err) return err;
  const tf_tensor_shape_t turned = *tf_onnx_net_shape(im, at);
  err = tf_onnx_net_as(im, node, at, 2, (const uint32_t[2]){turned.cnt / n, n}, &at);
  if (!err) err = tf_onnx_net_binary(im, node, "matmul", at, triangle, &at);
  if (!err) err = tf_onnx_net_reshape(im, node, at, &turned, &at);
  if (!err) err = tf_onnx_net_transpose(im, node, at, order, out);
  if (!err) im->operands[*out].whole = whole && im->operands[*out].wide;
  return err;
}

#define REDUCE " axes keepdims noop_with_empty_axes "

const tf_onnx_net_op_t tf_onnx_net_reduce[] = {
    {"CumSum",            " exclusive reverse ", 2, 2, 1, import_cum_sum,     NULL},
    {"GlobalAveragePool", "",                    1, 1, 1, import_global_pool, NULL},
    {"GlobalMaxPool",     "",                    1, 1, 1, import_global_pool, NULL},
    {"ReduceL1",          REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceL2",          REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceLogSum",      REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceLogSumExp",   REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceMax",         REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceMean",        REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceMin",         REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceProd",        REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceSum",         REDUCE,                1, 2, 1, import_reduce,      NULL},
    {"ReduceSumSquare",   REDUCE,                1, 2, 1, import_reduce,      NULL},
    {NULL,                NULL,                  0, 0, 0, NULL,               NULL},
};
