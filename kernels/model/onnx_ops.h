/* ONNX nodes, one by one, into a graph: the part of the importer that knows what each op means.
 * A linear layer is rows [batch, n] times a matrix, or a matrix times columns [n, batch]; which of
 * the two the chain's value is at the moment is tracked, so that transA and transB are taken for
 * what they do to it. So are the axes of a window (onnx_sequence.h). Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_OPS_H
#define TF_KERNELS_MODEL_ONNX_OPS_H

#include "model/graph.h"
#include "model/onnx_node.h"
#include "model/onnx_tensor.h"

/* Axes of the chain's value: B batch, T rows of the window, F what a row holds, D one that counts
 * directions or layers; ? an outer axis of the input that no node has shown yet to be T or B. */
#define TF_ONNX_AXES_MAX 4u

/* Names whose values the chain does not go through. */
#define TF_ONNX_ASIDE_CNT_MAX 256u

typedef enum tf_onnx_aside {
  TF_ONNX_ASIDE_NONE,
  TF_ONNX_ASIDE_SHAPE, /* made of sizes only */
  TF_ONNX_ASIDE_ZEROS, /* zeros of such a size */
} tf_onnx_aside_t;

typedef struct tf_onnx_ops {
  const char       *path; /* for error texts */
  tf_graph_t       *graph;
  const char       *current; /* the value that the chain has come to */
  bool              column;  /* it is a column [width, batch] instead of rows [batch, width] */
  int64_t           opset;
  tf_onnx_tensors_t constants;

  char        axes[TF_ONNX_AXES_MAX + 1]; /* "BF" for rows and columns alike */
  int64_t     sizes[2];                   /* of the input's two outer axes; 0: open */
  uint32_t    window;                     /* asked for; 0: as the file says */
  uint32_t    d_cnt;                      /* along D */
  uint32_t    recurrent_cnt;
  const char *hidden[TF_GRAPH_NODE_CNT_MAX]; /* Y_h of each recurrent node, or NULL */
  struct {
    const char     *name;
    tf_onnx_aside_t kind;
  } asides[TF_ONNX_ASIDE_CNT_MAX];
  uint32_t aside_cnt;
} tf_onnx_ops_t;

/* Appends what node does to the graph, or files a constant. E_MODEL_UNSUPPORTED, E_MODEL_FORMAT,
 * E_MODEL_SHAPE, E_MODEL_WEIGHTS: the text names file, node and op, and what is supported. */
tf_err_t tf_onnx_ops_append(tf_onnx_ops_t *im, const Onnx__NodeProto *node);

/* ---- for the files that know the nodes ---- */

/* Appends an op to the graph; takes over weight and bias. The chain goes on with output 0. */
tf_err_t tf_onnx_ops_add(tf_onnx_ops_t *im, const Onnx__NodeProto *node, const char *op_name,
                         const tf_op_params_t *params, float *weight, float *bias);

#endif
