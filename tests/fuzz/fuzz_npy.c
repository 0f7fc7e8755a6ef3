/* A NumPy array file from anywhere: no crash, and what is accepted has as many values as it says. */
#include "fuzz_file.h"
#include "model/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  tf_npy_t    npy;
  const char *path = fuzz_file("tf-fuzz-npy", bytes, cnt);
  if (tf_npy_read(&npy, path) == TF_OK) {
    float sum = 0;
    for (uint64_t i = 0; i < npy.row_cnt * npy.column_cnt; i++) sum += npy.values[i];
    __asm__ volatile("" ::"x"(sum));
    tf_npy_fini(&npy);
  }
  unlink(path);
  return 0;
}
