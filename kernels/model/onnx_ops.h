/* ONNX nodes, one by one, into a graph: the part of the importer that knows what each op means.
 * A linear layer is rows [batch, n] times a matrix, or a matrix times columns [n, batch]; which of
 * the two the chain's value is at the moment is tracked, so that transA and transB are taken for
 * what they do to it. Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_OPS_H
#define TF_KERNELS_MODEL_ONNX_OPS_H

#include "model/graph.h"
#include "model/onnx_tensor.h"

typedef struct tf_onnx_ops {
  const char       *path; /* for error texts */
  tf_graph_t       *graph;
  const char       *current; /* the value that the chain has come to */
  bool              column;  /* it is a column [width, batch] instead of rows [batch, width] */
  int64_t           opset;
  tf_onnx_tensors_t constants;
} tf_onnx_ops_t;

/* Appends what node does to the graph, or files a constant. E_MODEL_UNSUPPORTED, E_MODEL_FORMAT,
 * E_MODEL_SHAPE, E_MODEL_WEIGHTS: the text names file, node and op, and what is supported. */
tf_err_t tf_onnx_ops_append(tf_onnx_ops_t *im, const Onnx__NodeProto *node);

#endif
