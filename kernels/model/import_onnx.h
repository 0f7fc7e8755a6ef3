/* ONNX to graph, offline. A chain (one float input of rank 2, a batch of rows, or 3, a window of rows; one op behind the
 * other) becomes nodes of row ops, whose window slides exactly (window.h) and which runs below fp32 too:
 *
 *   Gemm (alpha, beta, transA, transB), MatMul, Add, Sub, Mul, Div with a constant
 *   Relu, LeakyRelu, Tanh, Sigmoid, Softmax, Clip
 *   LSTM, GRU (linear_before_reset 1): forward, from a zero state, the usual activations
 *   Transpose, Squeeze, Reshape of a window's axes; Gather or Slice of its last row; Flatten of all
 *   Identity, Cast to floats, Flatten, Reshape that leaves the row as it is
 *   Constant, initialisers of FLOAT, DOUBLE, FLOAT16, BFLOAT16 and INT64, also in files beside the model
 *
 * Whatever is no chain becomes a net of tensor operations (onnx_net.h: convolutions, attention, norms, branches, trees; up to
 * TF_ONNX_NET_INPUT_CNT_MAX inputs, which share the features in their order). What neither takes is refused by name, with the net's words.
 *
 * Operator sets 7 to 21 (https://github.com/onnx/onnx/blob/main/docs/Operators.md), and ai.onnx.ml for trees; where an op's form
 * changed from set to set (inputs of Clip, axes of Squeeze, the default axis of Softmax) it is read as each set has it. */
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
  const char          *output;   /* which of the file's outputs; NULL: the only one of floats */
  bool
       is_text; /* its inputs are a text's tokens and their mask, of one text; answers are the caller's to make */
  bool plain; /* leave a net as the file has it, without the passes of net_pass.h */
} tf_import_onnx_spec_t;

/* Reads path into graph and computes its known answers. E_FILE_OPEN; E_MODEL_FORMAT; E_MODEL_UNSUPPORTED naming node and op;
 * E_MODEL_SHAPE; E_MODEL_WEIGHTS; E_MODEL_SCHEMA where there is not one feature for each input.
 * On failure graph is empty. */
tf_err_t tf_import_onnx(const char *path, const tf_import_onnx_spec_t *spec, tf_graph_t *graph,
                        tf_import_onnx_report_t *report);

/* The same from memory, where no file lies beside the model; label stands for the file in error texts. */
tf_err_t tf_import_onnx_parse(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                              const tf_import_onnx_spec_t *spec, tf_graph_t *graph,
                              tf_import_onnx_report_t *report);

#endif
