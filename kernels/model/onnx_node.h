/* What both importers ask of an ONNX node: its name for people, its inputs and attributes, and refusals that name them.
 * Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_NODE_H
#define TF_KERNELS_MODEL_ONNX_NODE_H

#include "model/onnx_wire.h"

/* The node's name for people. */
const char *tf_onnx_node_label(const Onnx__NodeProto *node);

/* Every refusal of a node: "model.onnx: node \"fc1\" (Gemm): ...". im is any struct with the file's path. */
#define TF_ONNX_REFUSE(im, node, code, fmt, ...)                                                   \
  TF_ERR(code, "%s: node \"%.80s\" (%.32s): " fmt, (im)->path, tf_onnx_node_label(node),           \
         (node)->op_type ? (node)->op_type : "no op", __VA_ARGS__)

/* An attribute of that name and type; *found stays NULL where the node has none. E_MODEL_FORMAT. */
tf_err_t tf_onnx_node_attribute(const char *path, const Onnx__NodeProto *node, const char *name,
                                Onnx__AttributeProto__AttributeType type,
                                const Onnx__AttributeProto        **found);
tf_err_t tf_onnx_node_int(const char *path, const Onnx__NodeProto *node, const char *name,
                          int64_t preset, int64_t *value);
/* E_MODEL_WEIGHTS too: NaN and infinite. */
tf_err_t tf_onnx_node_float(const char *path, const Onnx__NodeProto *node, const char *name,
                            float preset, float *value);

/* E_MODEL_UNSUPPORTED for an attribute that is none of names: " axis epsilon ", a space around each. */
tf_err_t tf_onnx_node_takes(const char *path, const Onnx__NodeProto *node, const char *names);

/* input idx, or NULL where it is left out. */
const char *tf_onnx_node_input(const Onnx__NodeProto *node, size_t idx);
/* Whether the node belongs to ONNX's own operator set. */
bool tf_onnx_node_is_standard(const Onnx__NodeProto *node);

#endif
