/* The safetensors container: 8 bytes little endian with the length of a JSON header, the header,
 * the tensors' data. Format: https://github.com/huggingface/safetensors (README, "Format"). The
 * reader is strict, since a model file may come from anywhere: every limit below is checked before
 * memory is taken, and the tensors must tile the data exactly, so that nothing hides between or
 * behind them. No code, no paths: a file refers to nothing outside itself.
 *
 * Control plane only: it allocates. One thread an object. */
#ifndef TF_KERNELS_MODEL_SAFETENSORS_H
#define TF_KERNELS_MODEL_SAFETENSORS_H

#include "tf/err.h"

#define TF_SAFETENSORS_HEADER_BYTES_MAX (UINT64_C(1) << 20)
#define TF_SAFETENSORS_FILE_BYTES_MAX   (UINT64_C(4) << 30)
#define TF_SAFETENSORS_TENSOR_CNT_MAX   4096u
#define TF_SAFETENSORS_RANK_MAX         8u
#define TF_SAFETENSORS_NAME_BYTES       128u /* with the closing NUL */

typedef enum tf_safetensors_dtype {
  TF_SAFETENSORS_F32, /* first: of sources that say nothing else */
  TF_SAFETENSORS_BOOL,
  TF_SAFETENSORS_U8,
  TF_SAFETENSORS_I8,
  TF_SAFETENSORS_F8_E5M2,
  TF_SAFETENSORS_F8_E4M3,
  TF_SAFETENSORS_I16,
  TF_SAFETENSORS_U16,
  TF_SAFETENSORS_F16,
  TF_SAFETENSORS_BF16,
  TF_SAFETENSORS_I32,
  TF_SAFETENSORS_U32,
  TF_SAFETENSORS_F64,
  TF_SAFETENSORS_I64,
  TF_SAFETENSORS_U64,
  TF_SAFETENSORS_DTYPE_CNT
} tf_safetensors_dtype_t;

typedef struct tf_safetensors_tensor {
  char                   name[TF_SAFETENSORS_NAME_BYTES];
  tf_safetensors_dtype_t dtype;
  uint32_t               rank;
  uint64_t               shape[TF_SAFETENSORS_RANK_MAX];
  uint64_t               element_cnt;
  uint64_t               begin; /* bytes from the start of the data */
  uint64_t               end;
} tf_safetensors_tensor_t;

typedef struct tf_safetensors_meta {
  char *key;
  char *value;
} tf_safetensors_meta_t;

typedef struct tf_safetensors {
  uint32_t                 tensor_cnt;
  tf_safetensors_tensor_t *tensors; /* in the order of their data */
  uint32_t                 meta_cnt;
  tf_safetensors_meta_t   *metas; /* the header's __metadata__: text to text */
  uint8_t                 *data;
  uint64_t                 data_bytes;
  char                     sha256_hex[65]; /* of the whole file */
  uint32_t                 sha256_head;    /* its first 4 bytes, little endian */
} tf_safetensors_t;

/* Reads a whole file. label stands for the file in error texts. E_FILE_OPEN; E_MODEL_FORMAT for
 * anything that is not exactly such a file; E_FILE_DAMAGED when it changes under the reader;
 * E_CORE_NO_MEMORY. On failure st is empty. */
tf_err_t tf_safetensors_read(tf_safetensors_t *st, const char *path);

/* The same from memory, copied. */
tf_err_t tf_safetensors_parse(tf_safetensors_t *st, const char *label, const uint8_t *bytes,
                              size_t bytes_cnt);

/* Accepts a zeroed or failed object. */
void tf_safetensors_fini(tf_safetensors_t *st);

const tf_safetensors_tensor_t *tf_safetensors_find(const tf_safetensors_t *st, const char *name);
const char *tf_safetensors_meta(const tf_safetensors_t *st, const char *key); /* or NULL */
const char *tf_safetensors_dtype_name(tf_safetensors_dtype_t dtype);          /* "F32" */

/* What a writer takes: tensors, written in the order given, one behind the other. */
typedef struct tf_safetensors_source {
  const char            *name;
  uint32_t               rank;
  uint64_t               shape[TF_SAFETENSORS_RANK_MAX];
  const void            *values;
  tf_safetensors_dtype_t dtype; /* of whole bytes */
} tf_safetensors_source_t;

typedef struct tf_safetensors_text {
  const char *key;
  const char *value; /* UTF-8 */
} tf_safetensors_text_t;

/* Writes path by way of path.tmp, synced and renamed, so that a reader sees the old file or the new
 * one. The same arguments give the same bytes. Refuses what the reader would refuse.
 * E_FILE_WRITE, E_MODEL_FORMAT. */
tf_err_t tf_safetensors_write(const char *path, const tf_safetensors_text_t *texts,
                              uint32_t text_cnt, const tf_safetensors_source_t *sources,
                              uint32_t source_cnt);

#endif
