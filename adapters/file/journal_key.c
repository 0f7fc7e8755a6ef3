#include "file/journal_key.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

static tf_err_t key_read(int fd, tf_journal_key_t *key, const char *path) {
  uint8_t     bytes[TF_BLAKE2B_BYTES_MAX + 2];
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: is no regular file; a key is", path);
  if (st.st_mode & (S_IRWXG | S_IRWXO))
    return TF_ERR(E_FILE_OPEN, "%s: others may read it (mode %03o): chmod 600", path,
                  (unsigned)st.st_mode & 0777);
  ssize_t n = read(fd, bytes, sizeof bytes);
  if (n < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (n > 0 && bytes[n - 1] == '\n') n--;
  if (n < TF_JOURNAL_KEY_BYTES_MIN || n > TF_BLAKE2B_BYTES_MAX)
    return TF_ERR(E_FILE_FORMAT, "%s: a key of %zd%s bytes; %d to %d are wanted", path, n,
                  n > TF_BLAKE2B_BYTES_MAX ? " or more" : "", TF_JOURNAL_KEY_BYTES_MIN,
                  TF_BLAKE2B_BYTES_MAX);
  memcpy(key->bytes, bytes, (size_t)n);
  key->bytes_cnt = (uint32_t)n;
  explicit_bzero(bytes, sizeof bytes);
  return TF_OK;
}

tf_err_t tf_journal_key_load(tf_journal_key_t *key, const char *path) {
  *key   = (tf_journal_key_t){0};
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return TF_ERR(E_FILE_OPEN, "%s: %s", path,
                  errno == ELOOP ? "is a symbolic link; name the file itself" : strerror(errno));
  tf_err_t err = key_read(fd, key, path);
  close(fd);
  return err;
}
