#include "file/sealed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "file/crc32c.h"

typedef struct head {
  char     magic[8];
  uint32_t version;
  uint32_t crc; /* of the bytes */
  uint64_t bytes_cnt;
  uint32_t reserved;
  uint32_t head_crc; /* of the 28 bytes before */
} head_t;

TF_STATIC_ASSERT(sizeof(head_t) == 32 && offsetof(head_t, head_crc) == 28, "part of the format");

static bool write_all(FILE *file, const head_t *head, const void *bytes, size_t bytes_cnt) {
  return fwrite(head, sizeof *head, 1, file) == 1 &&
         (bytes_cnt == 0 || fwrite(bytes, bytes_cnt, 1, file) == 1) && fflush(file) == 0 &&
         fsync(fileno(file)) == 0;
}

tf_err_t tf_sealed_write(const char *path, const tf_sealed_kind_t *kind, const void *bytes,
                         size_t bytes_cnt) {
  char   beside[4096];
  head_t head = {
      .version = kind->version, .crc = tf_crc32c(0, bytes, bytes_cnt), .bytes_cnt = bytes_cnt};
  memcpy(head.magic, kind->magic, sizeof head.magic);
  head.head_crc = tf_crc32c(0, &head, offsetof(head_t, head_crc));
  if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside)
    return TF_ERR(E_FILE_WRITE, "%s: too long a name", path);
  FILE *file = fopen(beside, "wb");
  if (!file) return TF_ERR(E_FILE_WRITE, "%s: %s", beside, strerror(errno));
  bool written = write_all(file, &head, bytes, bytes_cnt);
  written      = fclose(file) == 0 && written;
  if (written && rename(beside, path) == 0) return TF_OK;
  tf_err_t err = TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
  (void)unlink(beside);
  return err;
}

static tf_err_t read_bytes(const char *path, FILE *file, const head_t *head, void **bytes) {
  *bytes = malloc(head->bytes_cnt + 1);
  if (!*bytes)
    return TF_ERR(E_CORE_NO_MEMORY, "%s: %llu bytes", path, (unsigned long long)head->bytes_cnt);
  size_t cnt = fread(*bytes, 1, head->bytes_cnt + 1, file); /* one more: the file must end there */
  if (cnt != head->bytes_cnt)
    return TF_ERR(E_FILE_DAMAGED, "%s: %zu bytes%s behind its head, which says %llu", path, cnt,
                  cnt > head->bytes_cnt ? " or more" : "", (unsigned long long)head->bytes_cnt);
  if (tf_crc32c(0, *bytes, cnt) != head->crc)
    return TF_ERR(E_FILE_DAMAGED, "%s: its checksum does not fit its bytes", path);
  return TF_OK;
}

static tf_err_t read_head(const char *path, FILE *file, const tf_sealed_kind_t *kind,
                          head_t *head) {
  size_t cnt = fread(head, 1, sizeof *head, file);
  if (cnt >= sizeof head->magic && memcmp(head->magic, kind->magic, sizeof head->magic) != 0)
    return TF_ERR(E_FILE_FORMAT, "%s: it is no %.8s file", path, kind->magic);
  if (cnt < sizeof *head || tf_crc32c(0, head, offsetof(head_t, head_crc)) != head->head_crc)
    return TF_ERR(E_FILE_DAMAGED, "%s: its head is damaged", path);
  if (head->version != kind->version)
    return TF_ERR(E_FILE_FORMAT, "%s: version %u, this build reads %u", path, head->version,
                  kind->version);
  if (head->bytes_cnt > TF_SEALED_BYTES_MAX)
    return TF_ERR(E_FILE_DAMAGED, "%s: it says %llu bytes; at most %llu", path,
                  (unsigned long long)head->bytes_cnt, (unsigned long long)TF_SEALED_BYTES_MAX);
  return TF_OK;
}

tf_err_t tf_sealed_read(const char *path, const tf_sealed_kind_t *kind, void **bytes,
                        size_t *bytes_cnt) {
  head_t head;
  FILE  *file = fopen(path, "rb");
  *bytes      = NULL;
  *bytes_cnt  = 0;
  if (!file) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  tf_err_t err = read_head(path, file, kind, &head);
  if (!err) err = read_bytes(path, file, &head, bytes);
  fclose(file);
  if (!err) {
    *bytes_cnt = head.bytes_cnt;
    return TF_OK;
  }
  free(*bytes);
  *bytes = NULL;
  return err;
}
