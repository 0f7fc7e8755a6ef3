#include "file/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

tf_err_t tf_folder_sync(const char *path) {
  char dir[PATH_MAX];
  if (snprintf(dir, sizeof dir, "%s", path) >= (int)sizeof dir)
    return TF_ERR(E_FILE_OPEN, "%s: the path is too long", path);
  int fd = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return TF_ERR(E_FILE_OPEN, "directory of %s: %s", path, strerror(errno));
  int why = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return why ? TF_ERR(E_FILE_WRITE, "directory of %s: fsync: %s", path, strerror(why)) : TF_OK;
}
