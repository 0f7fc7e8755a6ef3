/* The Open Inference Protocol, version 2 (KServe v2, Triton's HTTP API), as text and bytes: what is sent for a row, and what an answer
 * means. https://github.com/kserve/open-inference-protocol, and Triton's binary tensor data extension: a body is JSON, then
 * the tensors' bytes, little endian, and the header Inference-Header-Content-Length says where JSON ends.
 *
 * Pure but for jansson's memory. Every size from outside is checked before it is used. */
#ifndef SERVE_KSERVE_TEXT_H
#define SERVE_KSERVE_TEXT_H

#include "tf/runtime.h"

#define TF_KSERVE_NAME_BYTES 128
#define TF_KSERVE_RANK_MAX   8

/* Of a model, as its metadata or the config say. */
typedef struct tf_kserve_model {
  char     input[TF_KSERVE_NAME_BYTES], output[TF_KSERVE_NAME_BYTES];
  uint32_t rows, width, output_cnt;
  bool     is_binary;
} tf_kserve_model_t;

/* Room for the body of any request. 0: it overflows. */
size_t tf_kserve_request_bytes(const tf_kserve_model_t *model);

/* Writes a request; *json_cnt of its bytes are JSON, the rest (binary only) the tensor. */
size_t tf_kserve_request_write(const tf_kserve_model_t *model, uint64_t id, const float *rows,
                               char *body, size_t cap, size_t *json_cnt);

/* Reads an answer into out (output_cnt). json_cnt: of its bytes that are JSON; body_cnt where there is no such header. Other
 * than ANSWERED: text says why (TF_RUNTIME_TEXT_BYTES). */
tf_runtime_miss_t tf_kserve_answer_read(const tf_kserve_model_t *model, uint64_t id,
                                        const char *body, size_t body_cnt, size_t json_cnt,
                                        float *out, char *text);

/* Reads a model's metadata: which tensors it has, and whether they are those that were declared (wanted names: NULL where there
 * is one alone). E_RUNTIME_SERVER, E_RUNTIME_MODEL, E_MODEL_SHAPE. */
tf_err_t tf_kserve_metadata_read(tf_kserve_model_t *model, const char *wanted_input,
                                 const char *wanted_output, const char *body, size_t body_cnt);

/* Does the server's metadata name the binary extension? */
bool tf_kserve_offers_binary(const char *body, size_t body_cnt);

#endif
