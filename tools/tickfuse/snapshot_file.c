#include "snapshot_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "boot/snapshot.h"
#include "core/error.h"
#include "file/folder.h"
#include "file/sealed.h"

#define PATH_BYTES 4096

static const tf_sealed_kind_t KIND = {"TFSNAPSH", TF_SNAPSHOT_VERSION};

static tf_err_t path_of(char path[PATH_BYTES], const char *name, const char *end) {
  int n = snprintf(path, PATH_BYTES, "%s%s", name, end);
  return n < PATH_BYTES ? TF_OK : TF_ERR(E_FILE_WRITE, "%s: too long a name", name);
}

/* What stands there becomes the one before: as a second name, so that neither name is ever without a file. */
static tf_err_t keep_last(const char *name) {
  char     before[PATH_BYTES], aside[PATH_BYTES];
  tf_err_t err = path_of(before, name, ".1");
  if (!err) err = path_of(aside, name, ".1.new");
  if (err || access(name, F_OK) != 0) return err;
  (void)unlink(aside); /* of one that was killed here */
  if (link(name, aside) == 0 && rename(aside, before) == 0) return TF_OK;
  return TF_ERR(E_FILE_WRITE, "%s: %s", before, strerror(errno));
}

/* The new one is whole before anything that stands there is touched. */
static tf_err_t put(void *self, const char *name, const tf_snapshot_mark_t *mark, const void *bytes,
                    size_t bytes_cnt) {
  (void)self, (void)mark;
  char     next[PATH_BYTES];
  tf_err_t err = path_of(next, name, ".next");
  if (!err) err = tf_sealed_write(next, &KIND, bytes, bytes_cnt);
  if (err) return err;
  err = keep_last(name);
  if (!err && rename(next, name) != 0) err = TF_ERR(E_FILE_WRITE, "%s: %s", name, strerror(errno));
  if (!err)
    return tf_folder_sync(
        name); /* where that fails both stand, under names that a loss of power may undo */
  (void)unlink(next);
  return err;
}

static tf_err_t get(void *self, const char *name, uint32_t back_cnt, void **bytes,
                    size_t *bytes_cnt) {
  (void)self;
  char     path[PATH_BYTES];
  tf_err_t err = path_of(path, name, back_cnt ? ".1" : "");
  *bytes       = NULL;
  *bytes_cnt   = 0;
  if (err) return err;
  if (back_cnt > 1)
    return TF_ERR(E_BOOT_SNAPSHOT_NONE, "%s: the newest and one before it are kept", name);
  if (access(path, F_OK) != 0) return TF_ERR(E_BOOT_SNAPSHOT_NONE, "%s: %s", path, strerror(errno));
  return tf_sealed_read(path, &KIND, bytes, bytes_cnt);
}

tf_snapshot_store_t tickfuse_snapshot_files(void) {
  return (tf_snapshot_store_t){.put = put, .get = get};
}
