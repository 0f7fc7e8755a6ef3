/* What a model server says: answers as JSON and as bytes, metadata, extensions. The first byte chooses what is read, the second where the
 * JSON ends. An answer that is taken has as many floats as were declared. */
#include <stdlib.h>
#include <string.h>

#include "serve/kserve_text.h"
#include "tf/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  tf_kserve_model_t m = {.input = "x", .output = "y", .rows = 1, .width = 2, .output_cnt = 3};
  char              text[TF_RUNTIME_TEXT_BYTES];
  if (bytes_cnt < 2) return 0;
  size_t cnt  = bytes_cnt - 2;
  char  *body = malloc(cnt + 1); /* of its own size: a byte too far is seen */
  float *out  = malloc(m.output_cnt * sizeof *out);
  TF_ASSERT(body && out);
  memcpy(body, bytes + 2, cnt);
  size_t json_cnt = bytes[1] == 255 ? cnt : bytes[1];
  switch (bytes[0] % 3) {
  case 0:
    TF_ASSERT(tf_kserve_answer_read(&m, 7, body, cnt, json_cnt, out, text) <= TF_RUNTIME_ANSWERED);
    break;
  case 1: (void)tf_kserve_metadata_read(&m, bytes[1] & 1 ? "x" : NULL, NULL, body, cnt); break;
  default: (void)tf_kserve_offers_binary(body, cnt); break;
  }
  free(body);
  free(out);
  return 0;
}
