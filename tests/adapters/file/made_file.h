/* Files that tests make: a directory that goes away, and bytes compressed by zlib and libzstd. */
#ifndef TESTS_ADAPTERS_FILE_MADE_FILE_H
#define TESTS_ADAPTERS_FILE_MADE_FILE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

typedef struct bytes {
  uint8_t *p;
  size_t   cnt;
} bytes_t;

static char made_dir[64];
static char made_path_[128];

static inline int made_dir_setup(void **state) {
  (void)state;
  /* In memory where that is to be had: thousands of small files and syncs are nothing for a disk
   * that others use too. */
  const char *in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(made_dir, sizeof made_dir, "%s/tf_test_XXXXXX", in);
  return mkdtemp(made_dir) ? 0 : -1;
}

static inline int made_dir_teardown(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", made_dir);
  return system(command);
}

/* One path at a time. */
static inline const char *made_path(const char *name) {
  snprintf(made_path_, sizeof made_path_, "%s/%s", made_dir, name);
  return made_path_;
}

static inline const char *made_file(const char *name, const void *bytes, size_t cnt) {
  const char *path = made_path(name);
  unlink(path);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, bytes, cnt) != (ssize_t)cnt || close(fd) != 0) abort();
  return path;
}

static inline bytes_t made_read(const char *path) {
  struct stat st;
  int         fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0) abort();
  bytes_t b = {malloc((size_t)st.st_size + 1), (size_t)st.st_size};
  if (!b.p || read(fd, b.p, b.cnt) != (ssize_t)b.cnt) abort();
  close(fd);
  return b;
}

static inline bytes_t made_joined(bytes_t a, bytes_t b) {
  bytes_t both = {malloc(a.cnt + b.cnt + 1), a.cnt + b.cnt};
  if (!both.p) abort();
  memcpy(both.p, a.p, a.cnt);
  memcpy(both.p + a.cnt, b.p, b.cnt);
  return both;
}

static inline bytes_t made_gzip(const void *bytes, size_t cnt) {
  z_stream z = {0};
  bytes_t  b = {malloc(cnt + 256), 0};
  if (!b.p || deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
  z.next_in   = (Bytef *)(uintptr_t)bytes;
  z.avail_in  = (uInt)cnt;
  z.next_out  = b.p;
  z.avail_out = (uInt)cnt + 256;
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
  b.cnt = z.total_out;
  deflateEnd(&z);
  return b;
}

/* A frame with checksum, flushed every block_bytes, so that it has many blocks; window_log 0: the
 * library's default. */
static inline bytes_t made_zstd_window(const void *bytes, size_t cnt, size_t block_bytes,
                                       int window_log) {
  ZSTD_CCtx *c   = ZSTD_createCCtx();
  size_t     cap = ZSTD_compressBound(cnt) + 64 * (cnt / block_bytes + 2);
  bytes_t    b   = {malloc(cap), 0};
  if (!c || !b.p) abort();
  ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
  ZSTD_outBuffer out = {b.p, cap, 0};
  for (size_t at = 0; at < cnt; at += block_bytes) {
    size_t        n  = cnt - at < block_bytes ? cnt - at : block_bytes;
    ZSTD_inBuffer in = {(const uint8_t *)bytes + at, n, 0};
    if (ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush) != 0) abort();
  }
  ZSTD_inBuffer none = {NULL, 0, 0};
  if (ZSTD_compressStream2(c, &out, &none, ZSTD_e_end) != 0) abort();
  ZSTD_freeCCtx(c);
  b.cnt = out.pos;
  return b;
}

static inline bytes_t made_zstd(const void *bytes, size_t cnt, size_t block_bytes) {
  return made_zstd_window(bytes, cnt, block_bytes, 0);
}

/* What can be decoded of a cut or damaged stream, by the plainest use of each library: the oracle
 * of how much a reader must deliver. Output may be at most cap bytes. */
static inline size_t made_gunzip_prefix(bytes_t from, uint8_t *out, size_t cap) {
  size_t   have = 0;
  z_stream z    = {0};
  z.next_in     = from.p;
  z.avail_in    = (uInt)from.cnt;
  for (;;) {
    if (inflateInit2(&z, 15 + 16) != Z_OK) abort();
    z.next_out  = out + have;
    z.avail_out = (uInt)(cap - have);
    int result  = inflate(&z, Z_SYNC_FLUSH);
    have        = cap - z.avail_out;
    inflateEnd(&z);
    if (result != Z_STREAM_END || z.avail_in == 0) return have;
  }
}

static inline size_t made_unzstd_prefix(bytes_t from, uint8_t *out, size_t cap) {
  ZSTD_DCtx     *d = ZSTD_createDCtx();
  ZSTD_outBuffer o = {out, cap, 0};
  for (size_t i = 0; i < from.cnt; i++) {
    ZSTD_inBuffer in = {from.p + i, 1, 0};
    if (ZSTD_isError(ZSTD_decompressStream(d, &o, &in))) break;
  }
  ZSTD_freeDCtx(d);
  return o.pos;
}

#endif
