/* Must crash on its magic, and on nothing else. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  if (bytes_cnt >= 6 && memcmp(bytes, "canary", 6) == 0) abort();
  return 0;
}
