/* ONNX to a graph of tensor operations (net.h), offline: what import_onnx.h falls back to where a model is no chain. Every
 * size is known here, the batch being one window, so what exporters compute from shapes (Shape, Gather, Unsqueeze,
 * Concat, ConstantOfShape) folds away: a node whose inputs are all constants is evaluated at once, in double, by the
 * reference of the same op that would run it. Integers and truth values are such constants, exact to 2^53.
 *
 * The tables onnx_net_*.c say what each ONNX op becomes; a row is a name, its attributes and a function that calls
 * tf_onnx_net_emit. Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_NET_H
#define TF_KERNELS_MODEL_ONNX_NET_H

#include "model/graph.h"
#include "model/net.h"
#include "model/onnx_node.h"
#include "model/onnx_output.h"
#include "model/onnx_tensor.h"

#define TF_ONNX_NET_OPERAND_CNT_MAX 16384u
#define TF_ONNX_NET_INPUT_CNT_MAX   16u
/* What -infinity becomes in a mask, below zero: a score of it weighs nothing in a softmax. */
#define TF_ONNX_NET_INFINITE 1e30f

/* A value on the way: a constant in double, or a value of the graph. */
typedef struct tf_onnx_operand {
  const char       *name;  /* ONNX's, or NULL for one in between */
  tf_tensor_shape_t shape; /* cnt may be 0, for constants alone */
  double           *wide;  /* owned; NULL for what is computed */
  uint32_t          value; /* of the graph; TF_NET_NONE for constants that no node needed yet */
  bool              whole; /* of integers or truth values: division truncates */
} tf_onnx_operand_t;

typedef struct tf_onnx_net {
  const char             *path;   /* for error texts */
  const char             *folder; /* that other files with data lie in, or NULL */
  tf_net_t               *net;
  const Onnx__GraphProto *source;
  int64_t                 opset;
  uint32_t                window; /* asked for; 0: as the file says */
  uint32_t                operand_cnt;
  uint64_t                denormal_cnt; /* weights that were made 0 */
  tf_onnx_operand_t      *operands;     /* room for TF_ONNX_NET_OPERAND_CNT_MAX */
} tf_onnx_net_t;

/* One op of tensors.def on operands. row: the row op that it applies, or NULL. */
typedef struct tf_onnx_emit {
  const char     *op, *row;
  const uint32_t *in;
  uint32_t        in_cnt;
  const int64_t  *ints;
  uint32_t        int_cnt;
  const double   *reals;
  uint32_t        real_cnt;
} tf_onnx_emit_t;

/* One ONNX op. */
typedef struct tf_onnx_net_op {
  const char *type;
  const char *attributes; /* " axis keepdims "; any other is refused */
  uint32_t    in_min, in_max, out_max;
  /* in: the node's operands, in_cnt of them, TF_NET_NONE where one is left out. out: one operand an output, unnamed. */
  tf_err_t (*import)(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                     uint32_t in_cnt, uint32_t *out);
  const char *domain; /* NULL: ONNX's own */
} tf_onnx_net_op_t;

/* Each ends in a row of zeros. */
extern const tf_onnx_net_op_t tf_onnx_net_control[];
extern const tf_onnx_net_op_t tf_onnx_net_einsum[];
extern const tf_onnx_net_op_t tf_onnx_net_layers[];
extern const tf_onnx_net_op_t tf_onnx_net_moves[];
extern const tf_onnx_net_op_t tf_onnx_net_places[];
extern const tf_onnx_net_op_t tf_onnx_net_pointwise[];
extern const tf_onnx_net_op_t tf_onnx_net_recurrent[];
extern const tf_onnx_net_op_t tf_onnx_net_reduce[];
extern const tf_onnx_net_op_t tf_onnx_net_trees[];
/* The n-th op of all tables in the order above, or NULL past the last: for docs and errors. */
const tf_onnx_net_op_t *tf_onnx_net_at(uint32_t idx);

/* The graph's nodes and constants into graph, which is made: its net, window and inputs. opset was checked.
 * E_MODEL_UNSUPPORTED, E_MODEL_FORMAT, E_MODEL_SHAPE, E_MODEL_WEIGHTS, E_MODEL_SCHEMA. denormal_cnt: weights made 0. */
typedef struct tf_onnx_net_spec {
  const char             *path, *folder, *name;
  int64_t                 opset;
  const tf_onnx_output_t *output;
  bool                    plain; /* without the passes of net_pass.h */
  bool                    is_text;
  uint32_t                window, feature_cnt;
} tf_onnx_net_spec_t;
tf_err_t tf_onnx_net_import(const Onnx__GraphProto *source, const tf_onnx_net_spec_t *spec,
                            tf_graph_t *graph, uint64_t *denormal_cnt);

/* ---- the parts of an import, and what nodes with graphs inside need of them ---- */

/* Inputs of features (onnx_net_ends.c): makes im->net. */
tf_err_t tf_onnx_net_enter(tf_onnx_net_t *im, const Onnx__GraphProto *source, uint32_t feature_cnt);
/* Inputs of a text: its tokens, the mask, and where there is one what tells a pair's texts apart, which is 0. The window's
 * columns are token and mask; im->window its rows. */
tf_err_t tf_onnx_net_enter_text(tf_onnx_net_t *im, const Onnx__GraphProto *source);
tf_err_t tf_onnx_net_leave(tf_onnx_net_t *im, const Onnx__GraphProto *source,
                           const tf_onnx_output_t *wanted, bool is_text);
/* The initialisers of a graph, under their names; one tensor, which all must have room for. */
tf_err_t tf_onnx_net_tensors(tf_onnx_net_t *im, const Onnx__GraphProto *source);
tf_err_t tf_onnx_net_tensor(tf_onnx_net_t *im, tf_onnx_tensors_t *all, const char *name,
                            const Onnx__TensorProto *proto, uint32_t *out);
/* Its nodes in order; needed, by node, or NULL for all. */
tf_err_t tf_onnx_net_nodes(tf_onnx_net_t *im, const Onnx__GraphProto *source, const bool *needed);

/* ---- for the tables ---- */

/* The operand called name, the newest of several; TF_NET_NONE. */
uint32_t tf_onnx_net_find(const tf_onnx_net_t *im, const char *name);
/* A copy of operand; the constant it owns is the caller's on failure: past TF_ONNX_NET_OPERAND_CNT_MAX. */
tf_err_t tf_onnx_net_claim(tf_onnx_net_t *im, const tf_onnx_operand_t *operand, uint32_t *idx);

/* Adds the op to the graph, or evaluates it where all its inputs are constants. The error names the node. */
tf_err_t tf_onnx_net_emit(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                          const tf_onnx_emit_t *emit, uint32_t *out);
/* A constant; takes over wide (malloc'd), also on failure. */
tf_err_t tf_onnx_net_constant(tf_onnx_net_t *im, const tf_tensor_shape_t *shape, double *wide,
                              bool whole, uint32_t *out);
/* The same of rank 0 or, where cnt is not 0, of rank 1. */
tf_err_t tf_onnx_net_scalar(tf_onnx_net_t *im, double value, uint32_t *out);
tf_err_t tf_onnx_net_list(tf_onnx_net_t *im, const double *values, uint32_t cnt, uint32_t *out);
/* A second operand of the same value. */
tf_err_t tf_onnx_net_same(tf_onnx_net_t *im, uint32_t in, uint32_t *out);
/* emit of a reshape; ints are the axes. */
tf_err_t tf_onnx_net_reshape(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                             const tf_tensor_shape_t *shape, uint32_t *out);
/* The same, of axes one by one. */
tf_err_t tf_onnx_net_as(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in, uint32_t rank,
                        const uint32_t *dims, uint32_t *out);
/* emit of one with two inputs. */
tf_err_t tf_onnx_net_binary(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *op,
                            uint32_t a, uint32_t b, uint32_t *out);
/* emit of a row op on each value. */
tf_err_t tf_onnx_net_each(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *row,
                          uint32_t in, double alpha, double beta, uint32_t *out);
/* emit of an order of axes. */
tf_err_t tf_onnx_net_transpose(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                               const uint32_t *order, uint32_t *out);

TF_INLINE const tf_tensor_shape_t *tf_onnx_net_shape(const tf_onnx_net_t *im, uint32_t idx) {
  return &im->operands[idx].shape;
}

TF_INLINE const tf_onnx_operand_t *tf_onnx_net_operand(const tf_onnx_net_t *im, uint32_t idx) {
  return &im->operands[idx];
}

/* The whole numbers of a constant operand. E_MODEL_UNSUPPORTED where it is none, E_MODEL_SHAPE for more than max. */
tf_err_t tf_onnx_net_ints(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in, uint32_t max,
                          int64_t *ints, uint32_t *cnt);
/* An attribute that is a list, max of them at most; *cnt 0 where there is none. */
tf_err_t tf_onnx_net_attribute_ints(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                    const char *name, uint32_t max, int64_t *ints, uint32_t *cnt);
/* Axes from input idx of the node or, before ONNX moved them there, the attribute "axes"; of a tensor of rank, counted from
 * its end where negative, as 0 .. rank - 1. *cnt 0 where neither is given. */
tf_err_t tf_onnx_net_axes(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                          uint32_t in_cnt, uint32_t idx, uint32_t rank, int64_t *axes,
                          uint32_t *cnt);

#endif
