/* ONNX to graph, offline. What is accepted is a chain: one float input of rank 2 (a batch of rows,
 * or one column) or 3 (a window of rows, batch first or second), one op behind the other, one output 1
 * or 3 wide.
 *
 *   Gemm (alpha, beta, transA, transB), MatMul, Add, Sub, Mul, Div with a constant
 *   Relu, LeakyRelu, Tanh, Sigmoid, Softmax, Clip
 *   LSTM, GRU (linear_before_reset 1): forward, from a zero state, the usual activations
 *   Transpose, Squeeze, Reshape of a window's axes; Gather or Slice of its last row; Flatten of all
 *   Identity, Cast to FLOAT, Flatten, Reshape that leaves the row as it is
 *   Constant, initialisers of FLOAT, DOUBLE and INT64
 *
 * Operator sets 7 to 21 (https://github.com/onnx/onnx/blob/main/docs/Operators.md): the ops above
 * mean the same in all of them, but for the inputs of Clip and the default axis of Softmax, which
 * are read as each set has them. Everything else is refused by name. */
#ifndef TF_KERNELS_MODEL_IMPORT_ONNX_H
#define TF_KERNELS_MODEL_IMPORT_ONNX_H

#include "model/graph.h"

#define TF_IMPORT_ONNX_OPSET_MIN 7
#define TF_IMPORT_ONNX_OPSET_MAX 21

typedef struct tf_import_onnx_report {
  int64_t  opset;
  uint32_t onnx_node_cnt;
  uint64_t denormal_cnt; /* weights that were denormal, and are 0 now */
} tf_import_onnx_report_t;

typedef struct tf_import_onnx_spec {
  const char          *name;
  const tf_features_t *features; /* copied: the schema */
  uint32_t             window;   /* rows; 0: as the file says */
} tf_import_onnx_spec_t;

/* Reads path into graph and computes its known answers. E_FILE_OPEN; E_MODEL_FORMAT; E_MODEL_UNSUPPORTED naming node and op;
 * E_MODEL_SHAPE; E_MODEL_WEIGHTS; E_MODEL_SCHEMA where there is not one feature for each input.
 * On failure graph is empty. */
tf_err_t tf_import_onnx(const char *path, const tf_import_onnx_spec_t *spec, tf_graph_t *graph,
                        tf_import_onnx_report_t *report);

/* The same from memory; label stands for the file in error texts. */
tf_err_t tf_import_onnx_parse(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                              const tf_import_onnx_spec_t *spec, tf_graph_t *graph,
                              tf_import_onnx_report_t *report);

#endif
