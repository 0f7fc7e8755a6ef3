/* The JSON scanner with SSE2 and without: they must say the same of every input.. */
#include "json_paths.h"

#include <string.h>

#include "tf/base.h"
#include "tf/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

#define INPUT_BYTES_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static char text[INPUT_BYTES_MAX + TF_BYTES_PAD];
  if (bytes_cnt > INPUT_BYTES_MAX) return 0;
  if (bytes_cnt) memcpy(text, bytes, bytes_cnt);
  for (size_t i = 0; i < TF_BYTES_PAD; i++) text[bytes_cnt + i] = "0\"],}[{:"[i % 8];
  for (int round = 0; round < 3; round++) /* unlearned perhaps, seen, then learned */
    TF_ASSERT(json_digest_sse2(text, bytes_cnt) == json_digest_swar(text, bytes_cnt));
  return 0;
}
