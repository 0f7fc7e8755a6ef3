/* Fuzz target: any bytes as a config file, with the bytes behind the last NUL as one --set argument.
 * Whatever comes, the loader ends, within its limits, with a config or with errors, never both, and
 * what it says can be shown on a terminal. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

/* The loader takes a path: a file in memory, kept over all runs. */
static int memory_file(const uint8_t *bytes, size_t bytes_cnt) {
  static int fd = -1;
  if (fd < 0) fd = memfd_create("fuzz_config", MFD_CLOEXEC);
  TF_ASSERT(fd >= 0 && ftruncate(fd, 0) == 0);
  TF_ASSERT(pwrite(fd, bytes, bytes_cnt, 0) == (ssize_t)bytes_cnt);
  return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt) {
  static tf_config_errors_t errors;
  char                      path[64], set[512];
  const char               *sets[]  = {set};
  const uint8_t            *nul     = memrchr(bytes, 0, bytes_cnt);
  size_t                    set_cnt = nul ? (size_t)(bytes + bytes_cnt - nul - 1) : 0;
  bool                      has_set = set_cnt > 0 && set_cnt < sizeof set;
  if (has_set) {
    memcpy(set, nul + 1, set_cnt);
    set[set_cnt] = '\0';
    bytes_cnt    = (size_t)(nul - bytes);
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory_file(bytes, bytes_cnt));
  tf_config_t *config;
  tf_err_t     err = tf_config_load(path, sets, has_set, NULL, &errors, &config);
  TF_ASSERT((err != TF_OK) == (config == NULL));
  TF_ASSERT((err != TF_OK) == (errors.error_cnt > 0));
  TF_ASSERT(errors.error_cnt <= TF_CONFIG_ERRORS_MAX);
  for (uint32_t i = 0; i < errors.error_cnt; i++) {
    TF_ASSERT(errors.errors[i].code < 0 && errors.errors[i].text[0] != '\0');
    for (const char *c = errors.errors[i].text; *c; c++) /* a terminal is not to be written to */
      TF_ASSERT((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7F);
  }
  if (config) {
    TF_ASSERT(config->engine.lane_cnt >= 1 && config->engine.lane_cnt <= 64);
    for (const tf_config_value_t *v = config->values; v; v = v->next)
      TF_ASSERT(tf_config_value_at(config, v->path) && v->text);
  }
  tf_config_free(config);
  return 0;
}
