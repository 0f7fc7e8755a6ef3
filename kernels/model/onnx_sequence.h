/* ONNX nodes about windows of rows: recurrent ones, those that move or take apart axes, and the detours that
 * exporters make to build a zero state from shapes (PyTorch's both do, Keras' converter too). The chain's
 * value is followed by the names of its axes (onnx_ops.h), so that [rows, batch, n], [batch, rows, n] and
 * what lies between them are told apart by what the nodes do. Control plane only.
 *
 * All refuse with E_MODEL_UNSUPPORTED, E_MODEL_SHAPE or E_MODEL_FORMAT, naming file, node and op. */
#ifndef TF_KERNELS_MODEL_ONNX_SEQUENCE_H
#define TF_KERNELS_MODEL_ONNX_SEQUENCE_H

#include "model/onnx_ops.h"

#define TF_ONNX_SEQUENCE_CONCAT_MAX 64u

/* LSTM and GRU. */
tf_err_t tf_onnx_sequence_recurrent(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
tf_err_t tf_onnx_sequence_transpose(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
tf_err_t tf_onnx_sequence_squeeze(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
/* Of the last row, or the last layer's state. */
tf_err_t tf_onnx_sequence_gather(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
tf_err_t tf_onnx_sequence_slice(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
/* Of the recurrent layers' last states. */
tf_err_t tf_onnx_sequence_concat(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
/* Flatten and Reshape of a value with more than two axes. shape: the node's constant, or NULL. */
tf_err_t tf_onnx_sequence_flatten(tf_onnx_ops_t *im, const Onnx__NodeProto *node, int64_t axis);
tf_err_t tf_onnx_sequence_reshape(tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                                  const tf_onnx_tensor_t *shape);

/* Whether node works on sizes or on zeros made from them, and filing what it gives. */
bool     tf_onnx_sequence_is_aside(const tf_onnx_ops_t *im, const Onnx__NodeProto *node);
tf_err_t tf_onnx_sequence_aside(tf_onnx_ops_t *im, const Onnx__NodeProto *node);

/* Before any other node: where it reads the last recurrent layer's Y_h, the chain goes on from there. */
tf_err_t tf_onnx_sequence_enter(tf_onnx_ops_t *im, const Onnx__NodeProto *node);

#endif
