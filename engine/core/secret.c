#include "core/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#define LINE_END_CHARS 2 /* "\r\n" */

static tf_err_t take_line(const char *path, char *line, size_t cap, size_t cnt) {
  size_t end  = strcspn(line, "\r\n");
  size_t more = strspn(line + end, "\r\n");
  if (end == 0 || end >= cap || more > LINE_END_CHARS || end + more != cnt)
    return TF_ERR(E_FEED_KEY, "%s: one line of 1 to %zu characters is wanted", path, cap - 1);
  line[end] = '\0';
  return TF_OK;
}

/* A regular file of ours alone, opened. */
static tf_err_t open_own(const char *path, int *fd) {
  struct stat st;
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (*fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (fstat(*fd, &st) != 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (!S_ISREG(st.st_mode)) return TF_ERR(E_FILE_OPEN, "%s: no regular file", path);
  if ((st.st_mode & 077) != 0)
    return TF_ERR(E_FEED_KEY, "%s: mode %03o lets others read it: chmod 600 %s", path,
                  (unsigned)(st.st_mode & 0777), path);
  return TF_OK;
}

tf_err_t tf_secret_read(const char *path, char *line, size_t cap) {
  char     bytes[TF_SECRET_BYTES_MAX + LINE_END_CHARS + 1];
  int      fd;
  tf_err_t err = open_own(path, &fd);
  TF_ASSERT(cap > 1 && cap <= TF_SECRET_BYTES_MAX);
  line[0]     = '\0';
  ssize_t got = err ? 0 : read(fd, bytes, cap + LINE_END_CHARS);
  if (!err && got < 0) err = TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (fd >= 0) close(fd);
  if (err) return err;
  bytes[got] = '\0';
  err        = take_line(path, bytes, cap, (size_t)got);
  if (!err) memcpy(line, bytes, strlen(bytes) + 1);
  tf_secret_wipe(bytes, sizeof bytes);
  return err;
}

bool tf_secret_equal(const char *secret, size_t secret_bytes, const char *guess,
                     size_t guess_bytes) {
  volatile uint8_t differs = secret_bytes != guess_bytes;
  for (size_t i = 0; i < guess_bytes; i++)
    differs = (uint8_t)(differs | (guess[i] ^ secret[secret_bytes ? i % secret_bytes : 0]));
  return !differs;
}

tf_err_t tf_secret_check(const char *path) {
  int      fd;
  tf_err_t err = open_own(path, &fd);
  if (fd >= 0) close(fd);
  return err;
}

void tf_secret_wipe(void *secret, size_t bytes) { explicit_bzero(secret, bytes); }
