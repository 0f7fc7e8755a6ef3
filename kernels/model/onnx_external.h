/* Tensors whose values lie in a file beside the model, as exporters write models of more than 2 GiB, and PyTorch's newer one any:
 * https://github.com/onnx/onnx/blob/main/docs/ExternalData.md. Such a file is data that the model names, so the model may not
 * make us read anything else: a name is relative to the model's folder, has no "..", and no part of it is a symbolic link;
 * offset and length must lie in a regular file. A checksum that is given is not compared. Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_EXTERNAL_H
#define TF_KERNELS_MODEL_ONNX_EXTERNAL_H

#include "model/onnx_wire.h"

#define TF_ONNX_EXTERNAL_NAME_BYTES 256u

/* Whether proto says that its values lie elsewhere. */
bool tf_onnx_external_is(const Onnx__TensorProto *proto);

/* Reads bytes bytes, which is what the tensor's shape and type take, into target. label is the model's file, folder the one
 * that it lies in; NULL for a model from memory. E_MODEL_UNSUPPORTED: no folder, a name that leads out of it; E_MODEL_FORMAT: no
 * location, offset or length out of the file, another length; E_FILE_OPEN, E_FILE_DAMAGED. The text names file and tensor. */
tf_err_t tf_onnx_external_read(const char *label, const char *folder,
                               const Onnx__TensorProto *proto, const char *name, uint64_t bytes,
                               void *target);

#endif
