/* A small file that is written and read whole: a head with magic, version, length and CRC-32C, then the
 * bytes. It is written beside its place and renamed into it, so there is always a whole one. Control
 * plane only. */
#ifndef ADAPTERS_FILE_SEALED_H
#define ADAPTERS_FILE_SEALED_H

#include "tf/err.h"

#define TF_SEALED_BYTES_MAX (UINT64_C(4) << 30)

typedef struct tf_sealed_kind {
  char     magic[8];
  uint32_t version;
} tf_sealed_kind_t;

/* E_FILE_WRITE; what stood there before is then still there. */
tf_err_t tf_sealed_write(const char *path, const tf_sealed_kind_t *kind, const void *bytes,
                         size_t bytes_cnt);

/* *bytes is malloc'd. E_FILE_OPEN; E_FILE_FORMAT for another magic or version; E_FILE_DAMAGED for a wrong length
 * or checksum; E_CORE_NO_MEMORY. */
tf_err_t tf_sealed_read(const char *path, const tf_sealed_kind_t *kind, void **bytes,
                        size_t *bytes_cnt);

#endif
