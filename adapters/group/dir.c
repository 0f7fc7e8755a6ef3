/* A group's store in a directory: for members on one machine, and for tests. A file lock makes swap one step, a rename each file
 * whole:
 *
 *   DIR/GROUP/lock       locked by whoever reads or writes
 *   DIR/GROUP/table      its revision, then the table
 *   DIR/GROUP/PPPP.0 .1  the newest snapshot of a partition, and the one before
 *
 * Locks of a network's file system are not to be relied upon: past one machine a broker is wanted. Snapshots are synced, the table is
 * not: after a crash of the machine no lease is left that it could be wrong about. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "group/frame.h"

#define PATH_BYTES 1200u
#define DIR_CHARS  1023u

typedef struct dir {
  char path[PATH_BYTES - 32]; /* DIR/GROUP */
  int  lock_fd;
} dir_t;

static tf_group_result_t failed(const char *path, const char *what) {
  (void)TF_ERR(E_GROUP_STORE, "%s: %s: %s", path, what, strerror(errno));
  return TF_GROUP_FAILED;
}

static tf_err_t make_dir(const char *path) {
  if (mkdir(path, 0700) == 0 || errno == EEXIST) return TF_OK;
  return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
}

static tf_err_t open_dir(const tf_group_store_config_t *config, void **state) {
  char path[PATH_BYTES];
  *state = NULL;
  if (!config->dir || strlen(config->dir) > DIR_CHARS)
    return TF_ERR(E_CONFIG_VALUE,
                  "group.dir: a directory of 1 to %u characters is wanted with "
                  "store: dir",
                  DIR_CHARS);
  dir_t *d = calloc(1, sizeof *d);
  if (!d) return TF_ERR(E_CORE_NO_MEMORY, "the group's store %s", config->dir);
  snprintf(d->path, sizeof d->path, "%s/%s", config->dir, config->group);
  snprintf(path, sizeof path, "%s/lock", d->path);
  tf_err_t err = make_dir(config->dir);
  if (!err) err = make_dir(d->path);
  if (!err && (d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
    err = TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (err) {
    free(d);
    return err;
  }
  *state = d;
  return TF_OK;
}

static void close_dir(void *state) {
  dir_t *d = state;
  if (d) close(d->lock_fd);
  free(d);
}

/* ---- files ---- */

static bool lock(dir_t *d) {
  while (flock(d->lock_fd, LOCK_EX) != 0)
    if (errno != EINTR) return false;
  return true;
}

static void unlock(dir_t *d) { (void)flock(d->lock_fd, LOCK_UN); }

static bool read_all(int fd, void *bytes, size_t cnt) {
  for (size_t done = 0; done < cnt;) {
    ssize_t n = read(fd, (uint8_t *)bytes + done, cnt - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

static bool write_all(int fd, const void *bytes, size_t cnt) {
  for (size_t done = 0; done < cnt;) {
    ssize_t n = write(fd, (const uint8_t *)bytes + done, cnt - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += (size_t)n;
  }
  return true;
}

/* head, then bytes, under that name: whole or not at all. */
static tf_group_result_t write_file(const char *path, const void *head, size_t head_cnt,
                                    const void *bytes, size_t bytes_cnt, bool syncs) {
  char part[PATH_BYTES + 8];
  snprintf(part, sizeof part, "%s.part", path);
  int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed(part, "open");
  bool good = write_all(fd, head, head_cnt) && write_all(fd, bytes, bytes_cnt) &&
              (!syncs || fsync(fd) == 0);
  tf_group_result_t result = good ? TF_GROUP_DONE : failed(part, "write");
  close(fd);
  if (good && rename(part, path) != 0) result = failed(path, "rename");
  return result;
}

/* ---- the table ---- */

/* -1 with errno ENOENT: there is none; *revision 0. */
static int open_table(const dir_t *d, char path[PATH_BYTES], uint64_t *revision) {
  *revision = 0;
  snprintf(path, PATH_BYTES, "%s/table", d->path);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read_all(fd, revision, sizeof *revision)) return fd;
  close(fd);
  errno = EIO;
  return -1;
}

static tf_group_result_t read_locked(dir_t *d, void *bytes, size_t cap, size_t *bytes_cnt,
                                     uint64_t *revision) {
  char        path[PATH_BYTES];
  struct stat st;
  int         fd = open_table(d, path, revision);
  *bytes_cnt     = 0;
  if (fd < 0) return errno == ENOENT ? TF_GROUP_DONE : failed(path, "read");
  bool good = fstat(fd, &st) == 0 && (uint64_t)st.st_size <= cap + sizeof *revision;
  if (good) *bytes_cnt = (size_t)st.st_size - sizeof *revision;
  if (good) good = read_all(fd, bytes, *bytes_cnt);
  close(fd);
  return good ? TF_GROUP_DONE : failed(path, "read");
}

static tf_group_result_t read_table(void *state, void *bytes, size_t cap, size_t *bytes_cnt,
                                    uint64_t *revision) {
  dir_t *d = state;
  if (!lock(d)) return failed(d->path, "flock");
  tf_group_result_t result = read_locked(d, bytes, cap, bytes_cnt, revision);
  unlock(d);
  return result;
}

static tf_group_result_t swap_locked(dir_t *d, const void *bytes, size_t bytes_cnt,
                                     uint64_t *revision) {
  char     path[PATH_BYTES];
  uint64_t last;
  int      fd = open_table(d, path, &last);
  if (fd < 0 && errno != ENOENT) return failed(path, "read");
  if (fd >= 0) close(fd);
  if (last != *revision) return TF_GROUP_LOST;
  last++;
  tf_group_result_t result = write_file(path, &last, sizeof last, bytes, bytes_cnt, false);
  if (result == TF_GROUP_DONE) *revision = last;
  return result;
}

static tf_group_result_t swap(void *state, const void *bytes, size_t bytes_cnt,
                              uint64_t *revision) {
  dir_t *d = state;
  if (!lock(d)) return failed(d->path, "flock");
  tf_group_result_t result = swap_locked(d, bytes, bytes_cnt, revision);
  unlock(d);
  return result;
}

/* ---- snapshots ---- */

static void path_of(const dir_t *d, uint32_t partition, uint32_t age, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s/%04u.%u", d->path, partition, age);
}

static tf_group_result_t read_frame(int fd, const char *path, uint32_t partition,
                                    tf_group_frame_t *frame) {
  uint8_t head[sizeof *frame];
  if (!read_all(fd, head, sizeof head)) return failed(path, "read");
  return tf_group_frame_read(frame, head, sizeof head, partition) ? TF_GROUP_FAILED : TF_GROUP_DONE;
}

static tf_group_result_t get_locked(dir_t *d, uint32_t partition, uint32_t age,
                                    tf_group_snapshot_t *snapshot, uint8_t **bytes) {
  char             path[PATH_BYTES];
  tf_group_frame_t frame;
  path_of(d, partition, age, path);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? TF_GROUP_LOST : failed(path, "open");
  tf_group_result_t result = read_frame(fd, path, partition, &frame);
  if (result == TF_GROUP_DONE) *snapshot = frame.snapshot;
  if (result == TF_GROUP_DONE && bytes) {
    uint8_t *got = malloc(frame.snapshot.bytes_cnt + 1);
    if (!got || !read_all(fd, got, frame.snapshot.bytes_cnt))
      result = failed(path, "read");
    else if (tf_group_frame_check(&frame, got) != TF_OK)
      result = TF_GROUP_FAILED;
    if (result == TF_GROUP_DONE)
      *bytes = got;
    else
      free(got);
  }
  close(fd);
  return result;
}

static tf_group_result_t get(void *state, uint32_t partition, uint32_t age,
                             tf_group_snapshot_t *snapshot, uint8_t **bytes) {
  dir_t *d = state;
  if (!lock(d)) return failed(d->path, "flock");
  tf_group_result_t result = get_locked(d, partition, age, snapshot, bytes);
  unlock(d);
  return result;
}

static tf_group_result_t put_locked(dir_t *d, const tf_group_snapshot_t *snapshot,
                                    const void *bytes) {
  char                newest[PATH_BYTES], before[PATH_BYTES];
  tf_group_snapshot_t last;
  tf_group_frame_t    frame;
  path_of(d, snapshot->partition, 0, newest);
  path_of(d, snapshot->partition, 1, before);
  if (get_locked(d, snapshot->partition, 0, &last, NULL) == TF_GROUP_DONE) {
    if (last.epoch > snapshot->epoch) return TF_GROUP_LOST;
    if (rename(newest, before) != 0) return failed(newest, "rename");
  }
  tf_group_frame_make(&frame, snapshot, bytes);
  return write_file(newest, &frame, sizeof frame, bytes, snapshot->bytes_cnt, true);
}

static tf_group_result_t put(void *state, const tf_group_snapshot_t *snapshot, const void *bytes) {
  dir_t *d = state;
  if (!lock(d)) return failed(d->path, "flock");
  tf_group_result_t result = put_locked(d, snapshot, bytes);
  unlock(d);
  return result;
}

extern const tf_group_store_t tf_group_store_dir;
const tf_group_store_t        tf_group_store_dir = {.name = "dir",
                                                    .help = "a directory, for members on one machine",
                                                    .open  = open_dir,
                                                    .close = close_dir,
                                                    .read  = read_table,
                                                    .swap  = swap,
                                                    .put   = put,
                                                    .get   = get};
