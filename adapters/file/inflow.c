#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDStream: no allocation after init */
#include "file/inflow.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "core/error.h"

#define IN_CHUNK_BYTES (UINT32_C(64) << 10)
/* zlib 1.2.13 takes 7 KiB of state and 32 KiB of window; zlib-ng some more of each. */
#define ZLIB_BYTES (UINT32_C(192) << 10)

struct tf_inflow_codec {
  z_stream z;
  uint8_t *pool; /* bumped by zlib's allocations, never given back */
  size_t   pool_used;
  bool     between; /* gzip: a member is over and the next has not begun */

  ZSTD_DStream *zstd;
  size_t        zstd_hint; /* bytes the decoder asks for; 0 = a frame is over */
  bool          zstd_full; /* the last call filled its output: flush before feeding */
};

/* ---- the file --------------------------------------------------------------------------------*/

static TF_COLD void damaged(tf_inflow_t *in, const char *what, const char *detail) {
  in->state         = TF_INFLOW_DAMAGED;
  in->damage_offset = in->in_offset + in->in_begin;
  snprintf(in->damage, sizeof in->damage, "%s%s%s", what, detail ? ": " : "", detail ? detail : "");
}

static ssize_t read_retried(tf_inflow_t *in, void *target, size_t cap) {
  ssize_t n;
  do n = read(in->fd, target, cap);
  while (n < 0 && errno == EINTR);
  if (n < 0) damaged(in, "the file cannot be read", strerror(errno));
  return n;
}

/* More compressed bytes behind those not yet consumed. False: none came. */
static bool take_chunk(tf_inflow_t *in) {
  if (in->file_ended) return false;
  size_t rest = in->in_end - in->in_begin;
  if (in->in_begin > 0) {
    memmove(in->in, in->in + in->in_begin, rest);
    in->in_offset += in->in_begin;
    in->in_begin = 0;
    in->in_end   = rest;
  }
  if (in->in_end == in->in_cap) return false;
  ssize_t n = read_retried(in, in->in + in->in_end, in->in_cap - in->in_end);
  if (n == 0) in->file_ended = true;
  if (n <= 0) return false;
  in->in_end += (size_t)n;
  return true;
}

/* ---- producers: each appends at most room bytes at buf + end, and may change state -----------*/

static void produce_plain(tf_inflow_t *in, size_t room) {
  if (in->in_begin < in->in_end) { /* the bytes that were read to tell the kind */
    size_t n = in->in_end - in->in_begin;
    if (n > room) n = room;
    memcpy(in->buf + in->end, in->in + in->in_begin, n);
    in->in_begin += n;
    in->end += n;
    in->out_bytes += n;
    return;
  }
  in->in_offset = in->out_bytes;
  in->in_begin = in->in_end = 0;
  ssize_t n                 = read_retried(in, in->buf + in->end, room);
  if (n == 0) in->state = TF_INFLOW_ENDED;
  if (n <= 0) return;
  in->end += (size_t)n;
  in->out_bytes += (size_t)n;
}

/* Between gzip members: the end, zero padding up to the end (tapes and block devices), or the next
 * member. False when there is nothing more to inflate now. */
static bool gzip_next_member(tf_inflow_t *in) {
  tf_inflow_codec_t *codec   = in->codec;
  bool               padding = false;
  for (;;) {
    if (in->in_end - in->in_begin < 2) take_chunk(in);
    if (in->state != TF_INFLOW_OPEN) return false;
    size_t rest = in->in_end - in->in_begin;
    if (rest == 0) {
      in->state = TF_INFLOW_ENDED;
      return false;
    }
    const uint8_t *p = in->in + in->in_begin;
    if (p[0] == 0) {
      padding = true;
      while (in->in_begin < in->in_end && in->in[in->in_begin] == 0) in->in_begin++;
      continue;
    }
    if (!padding && p[0] == 0x1f && (rest == 1 || p[1] == 0x8b)) break;
    damaged(in, "bytes that are no gzip member follow one", NULL);
    return false;
  }
  inflateReset(&codec->z);
  codec->between = false;
  return true;
}

static void produce_gzip(tf_inflow_t *in, size_t room) {
  tf_inflow_codec_t *codec = in->codec;
  z_stream          *z     = &codec->z;
  while (room > 0 && in->state == TF_INFLOW_OPEN) {
    if (codec->between && !gzip_next_member(in)) return;
    bool more    = in->in_begin < in->in_end || take_chunk(in);
    z->next_in   = in->in + in->in_begin;
    z->avail_in  = (uInt)(in->in_end - in->in_begin);
    z->next_out  = (Bytef *)in->buf + in->end;
    z->avail_out = (uInt)room;
    if (in->state != TF_INFLOW_OPEN) return;
    int    result   = inflate(z, Z_NO_FLUSH);
    size_t produced = room - z->avail_out;
    in->in_begin    = in->in_end - z->avail_in;
    in->end += produced;
    in->out_bytes += produced;
    room -= produced;
    if (result == Z_STREAM_END) {
      codec->between = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      damaged(in, "gzip", z->msg ? z->msg : "inflate failed");
    } else if (!more && produced == 0) {
      damaged(in, "the gzip stream is cut short", NULL);
    }
  }
}

/* libzstd reports no output of a call that fails, so a call must never get past one block: what the
 * earlier blocks gave would be lost with the damaged one's error. Its hint asks for a block and
 * the 3-byte header of the next, hence the 3 less here; and a call with output still pending is
 * given no input. */
static size_t zstd_feed_bytes(const tf_inflow_t *in) {
  const tf_inflow_codec_t *codec = in->codec;
  if (codec->zstd_full) return 0;
  size_t want = codec->zstd_hint > 3 ? codec->zstd_hint - 3
                : codec->zstd_hint   ? codec->zstd_hint
                                     : 1;
  size_t rest = in->in_end - in->in_begin;
  return want < rest ? want : rest;
}

static void produce_zstd(tf_inflow_t *in, size_t room) {
  tf_inflow_codec_t *codec = in->codec;
  while (room > 0 && in->state == TF_INFLOW_OPEN) {
    bool more = in->in_begin < in->in_end || take_chunk(in);
    if (in->state != TF_INFLOW_OPEN) return;
    if (!more && codec->zstd_hint == 0) {
      in->state = TF_INFLOW_ENDED;
      return;
    }
    ZSTD_inBuffer  feed   = {in->in + in->in_begin, zstd_feed_bytes(in), 0};
    ZSTD_outBuffer out    = {in->buf + in->end, room, 0};
    size_t         result = ZSTD_decompressStream(codec->zstd, &out, &feed);
    if (ZSTD_isError(result)) {
      damaged(in, "zstd", ZSTD_getErrorName(result));
      return;
    }
    in->in_begin += feed.pos;
    in->end += out.pos;
    in->out_bytes += out.pos;
    room -= out.pos;
    codec->zstd_hint = result;
    if (!more && !codec->zstd_full && feed.pos == 0 && out.pos == 0)
      damaged(in, "the zstd frame is cut short", NULL);
    codec->zstd_full = room == 0;
  }
}

static void produce(tf_inflow_t *in, size_t room) {
  if (room > in->buf_cap - in->end) room = in->buf_cap - in->end;
  switch (in->kind) {
  case TF_INFLOW_PLAIN: produce_plain(in, room); break;
  case TF_INFLOW_GZIP: produce_gzip(in, room); break;
  default: produce_zstd(in, room); break;
  }
}

/* ---- lines -----------------------------------------------------------------------------------*/

static size_t slide(tf_inflow_t *in, size_t from) {
  memmove(in->buf, in->buf + from, in->end - from);
  in->line_at = in->line_at > from ? in->line_at - from : 0;
  in->begin -= from;
  in->end -= from;
  return from;
}

static tf_inflow_result_t line_of(tf_inflow_t *in, size_t cnt, size_t with_newline, char **bytes,
                                  size_t *bytes_cnt) {
  *bytes                    = in->buf + in->begin;
  *bytes_cnt                = cnt;
  in->line_at               = in->begin;
  tf_inflow_result_t result = TF_INFLOW_LINE;
  if (in->long_bytes || cnt > in->line_bytes_max) {
    result         = TF_INFLOW_LONG;
    *bytes_cnt     = in->long_bytes + cnt - (in->long_bytes ? TF_INFLOW_SAMPLE_BYTES : 0);
    in->long_bytes = 0;
  }
  in->begin += cnt + with_newline;
  in->scanned = 0;
  return result;
}

/* The line in the buffer is over its limit: its first bytes stay, the rest is let go. */
static void shorten_long(tf_inflow_t *in) {
  in->long_bytes += in->end - in->begin - (in->long_bytes ? TF_INFLOW_SAMPLE_BYTES : 0);
  in->end     = in->begin + TF_INFLOW_SAMPLE_BYTES;
  in->scanned = TF_INFLOW_SAMPLE_BYTES;
}

tf_inflow_result_t tf_inflow_line_cold_(tf_inflow_t *in, char **bytes, size_t *bytes_cnt) {
  uint64_t passed_bytes = 0;
  *bytes                = in->buf + in->begin;
  *bytes_cnt            = 0;
  for (;;) {
    char  *begin   = in->buf + in->begin;
    size_t held    = in->end - in->begin;
    char  *newline = memchr(begin + in->scanned, '\n', held - in->scanned);
    if (newline) return line_of(in, (size_t)(newline - begin), 1, bytes, bytes_cnt);
    in->scanned = held;
    if (in->state == TF_INFLOW_ENDED)
      return held ? line_of(in, held, 0, bytes, bytes_cnt) : TF_INFLOW_END;
    if (in->state == TF_INFLOW_DAMAGED) {
      in->partial_bytes = in->long_bytes ? in->long_bytes + held - TF_INFLOW_SAMPLE_BYTES : held;
      return TF_INFLOW_DAMAGE;
    }
    if (held > in->line_bytes_max && held > TF_INFLOW_SAMPLE_BYTES) {
      passed_bytes += held;
      shorten_long(in);
      if (passed_bytes > TF_RECORD_BYTES_MAX) return TF_INFLOW_AGAIN;
    }
    slide(in, in->begin);
    in->line_at = 0;
    held        = in->end; /* begin is 0 now */
    produce(in, held > TF_INFLOW_PIECE_BYTES ? held : TF_INFLOW_PIECE_BYTES);
  }
}

size_t tf_inflow_look(tf_inflow_t *in, size_t want, const char **bytes) {
  if (want > TF_INFLOW_PIECE_BYTES) want = TF_INFLOW_PIECE_BYTES;
  while (in->end - in->begin < want && in->state == TF_INFLOW_OPEN) {
    slide(in, in->begin);
    produce(in, TF_INFLOW_PIECE_BYTES - in->end);
  }
  *bytes = in->buf + in->begin;
  return in->end - in->begin;
}

size_t tf_inflow_top_up(tf_inflow_t *in, size_t step_bytes) {
  size_t moved = 0;
  if (in->state != TF_INFLOW_OPEN || in->end - in->begin >= TF_INFLOW_AHEAD_BYTES) return 0;
  if (in->end + step_bytes > TF_INFLOW_WINDOW_BYTES) moved = slide(in, in->line_at);
  if (in->end < TF_INFLOW_WINDOW_BYTES) produce(in, step_bytes);
  return moved;
}

void tf_inflow_skip_to(tf_inflow_t *in, uint64_t offset) {
  while (in->out_bytes < offset && in->state == TF_INFLOW_OPEN) {
    in->begin = in->end = 0;
    produce(in, TF_INFLOW_PIECE_BYTES);
  }
  uint64_t beyond = in->out_bytes > offset ? in->out_bytes - offset : 0;
  in->begin       = in->end - (size_t)beyond;
  in->line_at     = in->begin;
}

tf_err_t tf_inflow_error(const tf_inflow_t *in) {
  TF_ASSERT(in->state == TF_INFLOW_DAMAGED);
  return TF_ERR(E_FILE_DAMAGED,
                "%s: %s, at byte %llu of the file (byte %llu decompressed); everything before was "
                "used, fetch the file again for the rest",
                in->path, in->damage, (unsigned long long)in->damage_offset,
                (unsigned long long)in->out_bytes);
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static void *zlib_take(void *self, uInt cnt, uInt size) {
  tf_inflow_codec_t *codec = self;
  size_t             bytes = tf_align_up((uint64_t)cnt * size, 64);
  if (bytes > ZLIB_BYTES - codec->pool_used) return NULL;
  void *p = codec->pool + codec->pool_used;
  codec->pool_used += bytes;
  return p;
}

static void zlib_give(void *self, void *p) {
  (void)self;
  (void)p;
}

static tf_err_t open_regular(const char *path, int *fd) {
  /* O_NONBLOCK: opening a FIFO must not hang; it means nothing for a regular file. */
  *fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (*fd < 0 && errno == ELOOP)
    return TF_ERR(E_FILE_OPEN, "%s: is a symbolic link; name the file itself", path);
  if (*fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  struct stat st;
  tf_err_t    err = 0;
  if (fstat(*fd, &st) != 0)
    err = TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  else if (!S_ISREG(st.st_mode))
    err = TF_ERR(E_FILE_OPEN, "%s: is no regular file; recordings are read from files only", path);
  if (err) {
    close(*fd);
    *fd = -1;
    return err;
  }
  posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return 0;
}

/* Reads the first bytes and tells the kind. A file shorter than the magic that it begins with is
 * damaged. */
static tf_err_t tell_kind(tf_inflow_t *in, uint8_t *first, size_t cap, size_t *first_cnt) {
  static const uint8_t gzip[] = {0x1f, 0x8b, 0x08}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
  size_t               cnt = 0;
  while (cnt < cap && !in->file_ended) {
    ssize_t n = read_retried(in, first + cnt, cap - cnt);
    if (n < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", in->path, in->damage);
    if (n == 0) in->file_ended = true;
    cnt += (size_t)n;
  }
  *first_cnt = cnt;
  if (cnt == 0) return TF_ERR(E_FILE_FORMAT, "%s: the file is empty", in->path);
  bool skippable =
      cnt >= 4 && (first[0] & 0xf0) == 0x50 && memcmp(first + 1, "\x2a\x4d\x18", 3) == 0;
  if (memcmp(first, gzip, cnt < 3 ? cnt : 3) == 0)
    in->kind = TF_INFLOW_GZIP;
  else if (memcmp(first, zstd, cnt < 4 ? cnt : 4) == 0 || skippable)
    in->kind = TF_INFLOW_ZSTD;
  else
    in->kind = TF_INFLOW_PLAIN;
  return 0;
}

static tf_err_t codec_init(tf_inflow_t *in, uint8_t *work, size_t work_bytes) {
  tf_inflow_codec_t *codec = in->codec;
  if (in->kind == TF_INFLOW_GZIP) {
    codec->pool     = work;
    codec->z.zalloc = zlib_take;
    codec->z.zfree  = zlib_give;
    codec->z.opaque = codec;
    if (inflateInit2(&codec->z, 15 + 16) != Z_OK)
      return TF_ERR(E_CORE_NO_MEMORY, "zlib wants more than %u bytes", ZLIB_BYTES);
  } else if (in->kind == TF_INFLOW_ZSTD) {
    codec->zstd = ZSTD_initStaticDStream(work, work_bytes);
    if (!codec->zstd)
      return TF_ERR(E_CORE_NO_MEMORY, "libzstd wants more than %zu bytes", work_bytes);
    codec->zstd_hint = 1; /* a file that holds no whole frame header is cut short */
  }
  return 0;
}

static tf_err_t map_memory(tf_inflow_t *in, uint8_t **work, size_t *work_bytes) {
  size_t codec_bytes = tf_align_up(sizeof(tf_inflow_codec_t), 4096);
  *work_bytes =
      in->kind == TF_INFLOW_GZIP ? ZLIB_BYTES
      : in->kind == TF_INFLOW_ZSTD
          ? tf_align_up(ZSTD_estimateDStreamSize((size_t)1 << TF_INFLOW_ZSTD_WINDOW_LOG_MAX), 4096)
          : 0;
  size_t buf_cap = in->line_bytes_max + 1;
  if (buf_cap < TF_INFLOW_WINDOW_BYTES) buf_cap = TF_INFLOW_WINDOW_BYTES;
  in->in_cap = IN_CHUNK_BYTES;
  in->map_bytes =
      codec_bytes + IN_CHUNK_BYTES + *work_bytes + tf_align_up(buf_cap + TF_BYTES_PAD, 4096);
  /* MAP_NORESERVE: a zstd window of 128 MiB is allowed for, and used only by files that have it. */
  void *map = mmap(NULL, in->map_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED)
    return TF_ERR(E_CORE_NO_MEMORY, "%s: %zu bytes of address space: %s", in->path, in->map_bytes,
                  strerror(errno));
  in->map     = map;
  in->codec   = map;
  in->in      = (uint8_t *)map + codec_bytes;
  *work       = in->in + IN_CHUNK_BYTES;
  in->buf     = (char *)*work + *work_bytes;
  in->buf_cap = buf_cap;
  return 0;
}

tf_err_t tf_inflow_init(tf_inflow_t *in, const char *path, size_t line_bytes_max) {
  TF_ASSERT(line_bytes_max >= 1 && line_bytes_max <= TF_RECORD_BYTES_MAX);
  *in = (tf_inflow_t){.fd = -1, .path = path, .line_bytes_max = line_bytes_max};
  uint8_t  first[8], *work = NULL;
  size_t   first_cnt = 0, work_bytes = 0;
  tf_err_t err = open_regular(path, &in->fd);
  if (!err) err = tell_kind(in, first, sizeof first, &first_cnt);
  if (!err) err = map_memory(in, &work, &work_bytes);
  if (!err) {
    memcpy(in->in, first, first_cnt);
    in->in_end = first_cnt;
    err        = codec_init(in, work, work_bytes);
  }
  if (err) {
    tf_inflow_fini(in);
    return err;
  }
  memset(in->buf, 0, TF_INFLOW_WINDOW_BYTES); /* page faults belong to start, not to a lane */
  produce(in, TF_INFLOW_PIECE_BYTES);
  return 0;
}

void tf_inflow_fini(tf_inflow_t *in) {
  if (in->map) {
    if (in->codec->z.state) inflateEnd(&in->codec->z);
    munmap(in->map, in->map_bytes);
  }
  if (in->fd >= 0 && in->path) close(in->fd);
  *in = (tf_inflow_t){.fd = -1};
}
