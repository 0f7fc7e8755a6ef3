/* Which of an ONNX graph's outputs is the model's answer, and which nodes it needs: what no answer needs is not imported, so
 * labels beside it, other heads and last states may be of any operation. Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_OUTPUT_H
#define TF_KERNELS_MODEL_ONNX_OUTPUT_H

#include "model/onnx_wire.h"

typedef struct tf_onnx_output {
  const char *name;          /* the graph's */
  bool        beside_labels; /* of a classifier: another output is of no kind of float */
  bool       *needed;        /* by node; owned */
} tf_onnx_output_t;

/* asked: an output's name; NULL for the only one of floats. path is for error texts. E_MODEL_FORMAT: an output without a
 * name, two nodes that give one value; E_MODEL_UNSUPPORTED: none of that name, labels, several of floats: the text
 * lists them. */
tf_err_t tf_onnx_output_find(const char *path, const Onnx__GraphProto *graph, const char *asked,
                             tf_onnx_output_t *output);
void     tf_onnx_output_fini(tf_onnx_output_t *output); /* accepts a zeroed one */

/* Whether any node of the graph, or of graphs inside it, reads the value, or an output is called so. */
bool tf_onnx_output_is_read(const Onnx__GraphProto *graph, const char *value);

#endif
