/* An ONNX file off the disk: read, checked, and unpacked by protobuf-c from the standard's own
 * schema. protobuf-c recurses for each nested message and takes memory for each field, without
 * limits of its own, so a scan over the same descriptors bounds both first. Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_WIRE_H
#define TF_KERNELS_MODEL_ONNX_WIRE_H

#include "onnx.pb-c.h"
#include "tf/err.h"

#define TF_ONNX_WIRE_FILE_BYTES_MAX (UINT64_C(1) << 30)
#define TF_ONNX_WIRE_DEPTH_MAX      16u
#define TF_ONNX_WIRE_FIELD_CNT_MAX  (UINT64_C(1) << 20) /* messages, texts and packed lists */

/* Reads path. sha256_hex: 65 bytes. The model is the caller's to free with
 * onnx__model_proto__free_unpacked(model, NULL). E_FILE_OPEN, E_FILE_DAMAGED, E_MODEL_FORMAT. */
tf_err_t tf_onnx_wire_read(const char *path, Onnx__ModelProto **model, char *sha256_hex);

/* The same from memory. */
tf_err_t tf_onnx_wire_parse(const char *label, const uint8_t *bytes, size_t bytes_cnt,
                            Onnx__ModelProto **model, char *sha256_hex);

#endif
