/* The constants of an ONNX graph: initialisers and Constant nodes as plain arrays, found by name.
 * Control plane only. */
#ifndef TF_KERNELS_MODEL_ONNX_TENSOR_H
#define TF_KERNELS_MODEL_ONNX_TENSOR_H

#include "model/onnx_wire.h"

#define TF_ONNX_TENSOR_RANK_MAX 8u
#define TF_ONNX_TENSOR_CNT_MAX  4096u

typedef struct tf_onnx_tensor {
  const char *name; /* the model's */
  uint32_t    rank;
  uint64_t    dims[TF_ONNX_TENSOR_RANK_MAX];
  uint64_t    cnt;
  float      *values; /* the kinds of float, denormals made 0; or NULL */
  int64_t    *ints;   /* INT64, INT32, BOOL; or NULL */
  bool        alias;  /* values and ints belong to another one */
} tf_onnx_tensor_t;

typedef struct tf_onnx_tensors {
  const char *label;          /* the file, for error texts */
  const char *folder;         /* which it lies in: other files with data are there; NULL: nowhere */
  uint64_t    external_bytes; /* read from such files, up to TF_ONNX_WIRE_FILE_BYTES_MAX */
  uint32_t    cnt;
  uint64_t    denormal_cnt; /* values that were made 0 */
  bool        masks; /* INT32, BOOL and infinite values are taken too: what masks are made of */
  tf_onnx_tensor_t *tensors;
} tf_onnx_tensors_t;

/* Room for TF_ONNX_TENSOR_CNT_MAX. E_CORE_NO_MEMORY. */
tf_err_t tf_onnx_tensor_init(tf_onnx_tensors_t *all, const char *label, const char *folder);
void     tf_onnx_tensor_fini(tf_onnx_tensors_t *all); /* accepts a zeroed one */

const tf_onnx_tensor_t *tf_onnx_tensor_find(const tf_onnx_tensors_t *all, const char *name);

/* FLOAT, DOUBLE, FLOAT16 and BFLOAT16: all are computed in fp32. */
bool tf_onnx_tensor_is_float(int32_t type);

/* Adds a tensor under name. E_MODEL_FORMAT: a name that is there, sizes that disagree;
 * E_MODEL_UNSUPPORTED: other types than kinds of float and INT64 (with masks INT32 and BOOL); E_MODEL_WEIGHTS:
 * NaN, no float32, or (without masks) infinite, naming tensor and element; what onnx_external.h refuses. */
tf_err_t tf_onnx_tensor_add(tf_onnx_tensors_t *all, const char *name,
                            const Onnx__TensorProto *proto);
/* Adds a second name for a tensor that is there. */
tf_err_t tf_onnx_tensor_add_alias(tf_onnx_tensors_t *all, const char *name,
                                  const tf_onnx_tensor_t *of);
/* Adds numbers given in an attribute: rank 0 where rank is 0 (cnt is 1 then), else rank 1. One of
 * floats and ints is NULL. */
tf_err_t tf_onnx_tensor_add_list(tf_onnx_tensors_t *all, const char *name, uint32_t rank,
                                 size_t cnt, const float *floats, const int64_t *ints);

#endif
