/* A directory of models, one a file: where/ID.model. Those of bytes_max that were read or written longest ago go first; a
 * file's time says when that was, so the order outlives the process. Several engines may share a directory: a file
 * appears whole, by a rename.
 *
 * Nothing is synced: what a crash leaves behind is not what its id says, and whoever reads it finds out. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "tf/model_store.h"

#define SUFFIX     ".model"
#define PART       ".part"
#define PATH_BYTES 1280

typedef struct dir {
  tf_model_store_config_t config;
} dir_t;

static void path_of(const dir_t *d, const char *id, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s/%.64s%s", d->config.where, id, SUFFIX);
}

static tf_err_t open_dir(const tf_model_store_config_t *config, void **state) {
  struct stat st;
  *state = NULL;
  if (strlen(config->where) + TF_MODEL_STORE_ID_CHARS + 32 > PATH_BYTES)
    return TF_ERR(E_CONFIG_VALUE, "%s: a path of more than %d characters", config->where,
                  PATH_BYTES - TF_MODEL_STORE_ID_CHARS - 32);
  if (mkdir(config->where, 0700) != 0 && errno != EEXIST)
    return TF_ERR(E_FILE_OPEN, "%s: %s", config->where, strerror(errno));
  if (stat(config->where, &st) != 0 || !S_ISDIR(st.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: not a directory", config->where);
  dir_t *d = calloc(1, sizeof *d);
  if (!d) return TF_ERR(E_CORE_NO_MEMORY, "the store %s", config->where);
  d->config = *config;
  *state    = d;
  return TF_OK;
}

static void close_dir(void *state) { free(state); }

/* ---- reading ---- */

static tf_model_store_result_t failed(const char *path, const char *what) {
  (void)TF_ERR(E_FILE_OPEN, "%s: %s: %s", path, what, strerror(errno));
  return TF_MODEL_STORE_FAILED;
}

static bool read_all(int fd, uint8_t *bytes, size_t cnt) {
  for (size_t done = 0; done < cnt;) {
    ssize_t n = read(fd, bytes + done, cnt - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

static tf_model_store_result_t get_open(const dir_t *d, int fd, const char *path, uint8_t **blob,
                                        size_t *blob_bytes) {
  struct stat st;
  if (fstat(fd, &st) != 0) return failed(path, "fstat");
  if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > d->config.blob_bytes_max)
    return TF_MODEL_STORE_MISS;
  size_t   cnt   = (size_t)st.st_size;
  uint8_t *bytes = malloc(cnt + 1);
  if (!bytes || !read_all(fd, bytes, cnt)) {
    free(bytes);
    return failed(path, "read");
  }
  (void)futimens(fd, NULL); /* used now; a directory that may not be written keeps its order */
  *blob       = bytes;
  *blob_bytes = cnt;
  return TF_MODEL_STORE_DONE;
}

static tf_model_store_result_t get(void *state, const char *id, uint8_t **blob,
                                   size_t *blob_bytes) {
  const dir_t *d = state;
  char         path[PATH_BYTES];
  path_of(d, id, path);
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT ? TF_MODEL_STORE_MISS : failed(path, "open");
  tf_model_store_result_t r = get_open(d, fd, path, blob, blob_bytes);
  close(fd);
  return r;
}

/* ---- room ---- */

typedef struct oldest {
  char            name[256];
  struct timespec used;
  uint64_t        bytes; /* of all */
} oldest_t;

static bool ends_in(const char *name, const char *suffix) {
  size_t chars = strlen(name);
  return chars >= strlen(suffix) && strcmp(name + chars - strlen(suffix), suffix) == 0;
}

/* What a process that died was writing goes with the rest. */
static bool is_ours(const char *name) { return ends_in(name, SUFFIX) || ends_in(name, PART); }

static bool is_older(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static bool find_oldest(const dir_t *d, oldest_t *oldest) {
  struct stat st;
  *oldest   = (oldest_t){.name = ""};
  DIR *list = opendir(d->config.where);
  if (!list) return false;
  for (struct dirent *entry; (entry = readdir(list));) {
    if (!is_ours(entry->d_name) ||
        fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
      continue;
    oldest->bytes += (uint64_t)st.st_size;
    if (*oldest->name && !is_older(&st.st_mtim, &oldest->used)) continue;
    oldest->used = st.st_mtim;
    snprintf(oldest->name, sizeof oldest->name, "%s", entry->d_name);
  }
  closedir(list);
  return true;
}

/* Room for so many bytes more; false: the directory cannot be read, or nothing can be removed. */
static bool make_room(const dir_t *d, uint64_t bytes) {
  oldest_t oldest;
  char     path[PATH_BYTES + 256];
  while (find_oldest(d, &oldest)) {
    if (oldest.bytes <= d->config.bytes_max - bytes) return true;
    snprintf(path, sizeof path, "%s/%s", d->config.where, oldest.name);
    if (unlink(path) != 0 && errno != ENOENT) return false;
  }
  return false;
}

/* ---- writing ---- */

static bool write_file(const char *path, const uint8_t *bytes, size_t cnt) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  bool good = true;
  for (size_t done = 0; good && done < cnt;) {
    ssize_t n = write(fd, bytes + done, cnt - done);
    good      = n > 0 || (n < 0 && errno == EINTR);
    done += n > 0 ? (size_t)n : 0;
  }
  return close(fd) == 0 && good;
}

static tf_model_store_result_t put(void *state, const char *id, const uint8_t *blob,
                                   size_t blob_bytes) {
  const dir_t *d = state;
  char         path[PATH_BYTES], part[PATH_BYTES + 32];
  path_of(d, id, path);
  if (access(path, F_OK) == 0) return TF_MODEL_STORE_DONE;
  if (blob_bytes > d->config.blob_bytes_max ||
      (d->config.bytes_max && blob_bytes > d->config.bytes_max))
    return TF_MODEL_STORE_MISS;
  if (d->config.bytes_max && !make_room(d, blob_bytes)) return failed(d->config.where, "make room");
  snprintf(part, sizeof part, "%s.%d" PART, path, getpid());
  if (write_file(part, blob, blob_bytes) && rename(part, path) == 0) return TF_MODEL_STORE_DONE;
  tf_model_store_result_t r = failed(part, "write");
  (void)unlink(part);
  return r;
}

static void drop(void *state, const char *id) {
  char path[PATH_BYTES];
  path_of(state, id, path);
  (void)unlink(path);
}

const tf_model_store_t tf_store_dir = {
    .name = "dir", .open = open_dir, .close = close_dir, .get = get, .put = put, .drop = drop};
