#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticCCtx: all memory is the arena's */
#include "file/capture_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "core/error.h"
#include "core/hash.h"

/* ---- writing ---------------------------------------------------------------------------------*/

static bool transient(int sys_errno) {
  return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG || sys_errno == EAGAIN ||
         sys_errno == ENOMEM;
}

static TF_COLD tf_err_t write_error(tf_capture_writer_t *w, const char *what, int why) {
  w->counts.write_errors++;
  if (!transient(why)) w->failed_errno = why;
  snprintf(w->error, sizeof w->error, "%s: file %u, byte %llu: %s: %s", w->config.dir, w->file_idx,
           (unsigned long long)w->offset, what, strerror(why));
  return TF_ERR(E_FILE_WRITE, "%s", w->error);
}

/* All of it at the file's end, or nothing: then the file is as before. */
static tf_err_t write_whole(tf_capture_writer_t *w, const void *bytes, size_t bytes_cnt) {
  size_t have = 0;
  while (have < bytes_cnt) {
    ssize_t n =
        pwrite(w->fd, (const uint8_t *)bytes + have, bytes_cnt - have, (off_t)(w->offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int why = n < 0 ? errno : ENOSPC;
      /* Should this fail too, the remains are no valid block, and the next write covers them. */
      if (have > 0 && ftruncate(w->fd, (off_t)w->offset) != 0) (void)errno;
      return write_error(w, "write", why);
    }
    have += (size_t)n;
  }
  w->offset += bytes_cnt;
  w->counts.bytes_stored += bytes_cnt;
  return TF_OK;
}

tf_err_t tf_capture_writer_sync(tf_capture_writer_t *w) {
  int result;
  do result = fdatasync(w->fd);
  while (result != 0 && errno == EINTR);
  if (result != 0) {
    int why         = errno;
    w->failed_errno = why; /* whatever it is: the kernel may have dropped the pages */
    return write_error(w, "fdatasync", why);
  }
  w->counts.syncs++;
  w->counts.records_durable = w->counts.records;
  return TF_OK;
}

/* ---- files -----------------------------------------------------------------------------------*/

static tf_err_t file_begin(tf_capture_writer_t *w, uint64_t now_ns) {
  tf_capture_file_header_t *h = (tf_capture_file_header_t *)(void *)w->header;
  char                      name[32];
  snprintf(name, sizeof name, "capture-%04u" TF_CAPTURE_SUFFIX, w->file_idx + 1);
  w->fd = openat(w->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (w->fd < 0 && errno == EEXIST)
    return TF_ERR(E_FILE_BUSY, "%s/%s: is there already; name another directory", w->config.dir,
                  name);
  if (w->fd < 0) return TF_ERR(E_FILE_OPEN, "%s/%s: %s", w->config.dir, name, strerror(errno));
  w->file_idx++;
  w->is_open          = true;
  w->offset           = 0;
  w->index_cnt        = 0;
  w->file_records     = 0;
  w->file_first_ns    = now_ns;
  h->file_idx         = w->file_idx;
  h->created_ns       = now_ns;
  h->first_block_seq  = w->block_seq;
  h->first_record_seq = w->record_seq;
  h->prev_crc         = w->prev_crc;
  h->crc              = tf_capture_header_crc(w->header, w->header_bytes);
  tf_err_t err        = write_whole(w, w->header, w->header_bytes);
  if (err) {
    w->is_open = false;
    unlinkat(w->dir_fd, name, 0);
    close(w->fd);
    w->fd = -1;
    w->file_idx--;
    return err;
  }
  w->counts.files++;
  if (fsync(w->dir_fd) != 0) return write_error(w, "fsync of the directory", errno);
  return TF_OK;
}

/* Index and trailer in one write: with them the file says that it is whole, and with the flag
 * CONTINUES that the capture is not. */
static tf_err_t file_end(tf_capture_writer_t *w, uint16_t flags) {
  tf_capture_block_header_t *h     = (tf_capture_block_header_t *)(void *)w->index_block;
  size_t                     bytes = w->index_cnt * sizeof *w->index;
  *h                               = (tf_capture_block_header_t){.magic            = TF_CAPTURE_BLOCK_MAGIC,
                                                                 .kind             = TF_CAPTURE_INDEX,
                                                                 .flags            = flags,
                                                                 .block_seq        = w->block_seq,
                                                                 .first_record_seq = w->record_seq,
                                                                 .record_cnt       = w->index_cnt,
                                                                 .raw_bytes        = (uint32_t)bytes,
                                                                 .stored_bytes     = (uint32_t)bytes,
                                                                 .prev_crc         = w->prev_crc,
                                                                 .first_ns         = w->index_cnt ? w->index[0].first_ns : 0,
                                                                 .last_ns = w->index_cnt ? w->index[w->index_cnt - 1].last_ns : 0,
                                                                 .payload_crc = tf_crc32c(0, w->index, bytes)};
  h->header_crc                    = tf_capture_block_crc(h);
  tf_capture_trailer_t trailer     = {.index_offset = w->offset, .record_cnt = w->file_records};
  memcpy(trailer.magic, TF_CAPTURE_TRAILER_MAGIC, sizeof trailer.magic);
  trailer.crc = tf_capture_trailer_crc(&trailer);
  memcpy(w->index_block + sizeof *h + bytes, &trailer, sizeof trailer);
  tf_err_t err = write_whole(w, w->index_block, sizeof *h + bytes + sizeof trailer);
  if (err) return err; /* the file stays open: it is tried again */
  err = tf_capture_writer_sync(w);
  if (close(w->fd) != 0 && !err) err = write_error(w, "close", errno);
  w->fd      = -1;
  w->is_open = false;
  return err;
}

static bool file_full(const tf_capture_writer_t *w, uint64_t now_ns) {
  const tf_capture_writer_config_t *c = &w->config;
  return w->index_cnt == TF_CAPTURE_INDEX_BLOCKS_MAX ||
         (w->index_cnt > 0 && ((c->rotate_bytes && w->offset >= c->rotate_bytes) ||
                               (c->rotate_ns && now_ns - w->file_first_ns >= c->rotate_ns)));
}

/* ---- blocks ----------------------------------------------------------------------------------*/

/* Compresses into w->sealed and makes the header. Returns the bytes of both. */
static size_t seal(tf_capture_writer_t *w, const tf_capture_block_t *b) {
  tf_capture_block_header_t *h       = (tf_capture_block_header_t *)(void *)w->sealed;
  uint8_t                   *payload = w->sealed + sizeof *h;
  size_t stored  = ZSTD_compressCCtx(w->zstd, payload, w->sealed_cap - sizeof *h, b->bytes,
                                     b->bytes_cnt, w->config.level);
  bool   smaller = !ZSTD_isError(stored) && stored < b->bytes_cnt;
  if (!smaller) {
    memcpy(payload, b->bytes, b->bytes_cnt);
    stored = b->bytes_cnt;
  }
  *h            = (tf_capture_block_header_t){.magic            = TF_CAPTURE_BLOCK_MAGIC,
                                              .kind             = TF_CAPTURE_DATA,
                                              .flags            = smaller ? TF_CAPTURE_FLAG_ZSTD : 0,
                                              .block_seq        = w->block_seq,
                                              .first_record_seq = w->record_seq,
                                              .record_cnt       = b->record_cnt,
                                              .raw_bytes        = b->bytes_cnt,
                                              .stored_bytes     = (uint32_t)stored,
                                              .prev_crc         = w->prev_crc,
                                              .first_ns         = b->first_ns,
                                              .last_ns          = b->last_ns,
                                              .payload_crc      = tf_crc32c(0, payload, stored)};
  h->header_crc = tf_capture_block_crc(h);
  return sizeof *h + stored;
}

tf_err_t tf_capture_writer_append(tf_capture_writer_t *w, const tf_capture_block_t *b,
                                  uint64_t now_ns) {
  TF_ASSERT(b->record_cnt >= 1 && b->bytes_cnt <= TF_CAPTURE_RAW_BYTES_MAX);
  if (tf_capture_writer_failed(w)) return TF_ERR(E_FILE_WRITE, "%s", w->error);
  tf_err_t err =
      w->is_open && file_full(w, now_ns) ? file_end(w, TF_CAPTURE_FLAG_CONTINUES) : TF_OK;
  if (!err && !w->is_open) err = file_begin(w, now_ns);
  if (err) return err;
  uint64_t offset = w->offset;
  size_t   bytes  = seal(w, b);
  err             = write_whole(w, w->sealed, bytes);
  if (err) return err;
  const tf_capture_block_header_t *h = (const void *)w->sealed;
  w->index[w->index_cnt++]           = (tf_capture_index_t){.offset           = offset,
                                                            .first_record_seq = w->record_seq,
                                                            .first_ns         = b->first_ns,
                                                            .last_ns          = b->last_ns,
                                                            .record_cnt       = b->record_cnt};
  w->block_seq++;
  w->record_seq += b->record_cnt;
  w->file_records += b->record_cnt;
  w->prev_crc = h->header_crc;
  w->counts.blocks++;
  w->counts.records += b->record_cnt;
  w->counts.bytes_raw += b->bytes_cnt;
  return TF_OK;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static tf_err_t text_put(char *target, size_t cap, const char *text, const char *what) {
  size_t cnt = text ? strlen(text) : 0;
  if (cnt >= cap)
    return TF_ERR(E_CORE_ARGUMENT, "capture: %s \"%.80s\" has %zu bytes, %zu are allowed", what,
                  text, cnt, cap - 1);
  memcpy(target, text ? text : "", cnt);
  return TF_OK;
}

static size_t header_bytes_of(const tf_capture_writer_config_t *c) {
  size_t bytes = sizeof(tf_capture_file_header_t) + c->feed_cnt * sizeof(tf_capture_feed_t);
  for (uint32_t i = 0; i < c->feed_cnt; i++)
    bytes += (size_t)c->feeds[i].symbol_cnt * TF_SYMBOL_BYTES_MAX;
  return bytes;
}

static tf_err_t header_make(tf_capture_writer_t *w) {
  const tf_capture_writer_config_t *c     = &w->config;
  tf_capture_file_header_t         *h     = (tf_capture_file_header_t *)(void *)w->header;
  tf_capture_feed_t                *feeds = (tf_capture_feed_t *)(void *)(h + 1);
  char                             *text  = (char *)(feeds + c->feed_cnt);
  memcpy(h->magic, TF_CAPTURE_MAGIC, sizeof h->magic);
  h->version      = TF_CAPTURE_VERSION;
  h->header_bytes = w->header_bytes;
  h->config_hash  = c->config_hash;
  h->capture_id   = w->capture_id;
  h->started_ns   = c->started_ns;
  h->feed_cnt     = c->feed_cnt;
  h->symbol_room  = c->symbol_room;
  tf_err_t err =
      text_put(h->tickfuse_version, sizeof h->tickfuse_version, c->tickfuse_version, "version");
  for (uint32_t i = 0; i < c->feed_cnt && !err; i++) {
    const tf_capture_feed_config_t *from = &c->feeds[i];
    tf_capture_feed_t              *to   = &feeds[i];
    to->channels                         = from->channels;
    to->pending_cap                      = from->pending_cap;
    to->book_depth                       = from->book_depth;
    to->symbol_cnt                       = from->symbol_cnt;
    h->symbol_cnt += from->symbol_cnt;
    err = text_put(to->name, sizeof to->name, from->name, "feed name");
    if (!err) err = text_put(to->venue, sizeof to->venue, from->venue, "venue");
    if (!err) err = text_put(to->url, sizeof to->url, from->url, "url");
    for (uint32_t k = 0; k < from->symbol_cnt && !err; k++, text += TF_SYMBOL_BYTES_MAX)
      err = text_put(text, TF_SYMBOL_BYTES_MAX, from->symbols[k], "symbol");
  }
  return err;
}

/* A capture never continues another: it could not say what is missing between the two. */
static tf_err_t dir_open(tf_capture_writer_t *w) {
  const char *dir = w->config.dir;
  if (mkdir(dir, 0700) != 0 && errno != EEXIST)
    return TF_ERR(E_FILE_OPEN, "%s: %s", dir, strerror(errno));
  w->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (w->dir_fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", dir, strerror(errno));
  DIR *entries = opendir(dir);
  if (!entries) return TF_ERR(E_FILE_OPEN, "%s: %s", dir, strerror(errno));
  bool busy = false;
  for (const struct dirent *e; (e = readdir(entries));) {
    size_t cnt = strlen(e->d_name), suffix = strlen(TF_CAPTURE_SUFFIX);
    busy = busy || (cnt > suffix && !strcmp(e->d_name + cnt - suffix, TF_CAPTURE_SUFFIX));
  }
  closedir(entries);
  return busy ? TF_ERR(E_FILE_BUSY, "%s: holds a capture already; name another directory", dir)
              : TF_OK;
}

static size_t index_block_bytes(void) {
  return sizeof(tf_capture_block_header_t) +
         TF_CAPTURE_INDEX_BLOCKS_MAX * sizeof(tf_capture_index_t) + sizeof(tf_capture_trailer_t);
}

static size_t sealed_bytes(void) {
  return sizeof(tf_capture_block_header_t) + ZSTD_compressBound(TF_CAPTURE_RAW_BYTES_MAX);
}

size_t tf_capture_writer_arena_bytes(const tf_capture_writer_config_t *c) {
  return header_bytes_of(c) + sealed_bytes() + index_block_bytes() +
         ZSTD_estimateCCtxSize(c->level) + 8 * TF_LINE_PAIR_BYTES;
}

static tf_err_t memory_init(tf_capture_writer_t *w, tf_arena_t *arena) {
  size_t zstd_bytes = ZSTD_estimateCCtxSize(w->config.level);
  w->header_bytes   = (uint32_t)header_bytes_of(&w->config);
  w->header         = tf_arena_take(arena, w->header_bytes, TF_LINE_BYTES);
  w->sealed_cap     = sealed_bytes();
  w->sealed         = tf_arena_take(arena, w->sealed_cap, TF_LINE_BYTES);
  w->index_block    = tf_arena_take(arena, index_block_bytes(), TF_LINE_BYTES);
  void *work        = tf_arena_take(arena, zstd_bytes, TF_LINE_BYTES);
  if (!w->header || !w->sealed || !w->index_block || !work)
    return tf_error_add(E_CORE_ARENA_FULL, "making a capture's writer");
  w->index = (tf_capture_index_t *)(void *)(w->index_block + sizeof(tf_capture_block_header_t));
  w->zstd  = ZSTD_initStaticCCtx(work, zstd_bytes);
  return w->zstd ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "libzstd wants more than %zu", zstd_bytes);
}

static tf_err_t config_check(const tf_capture_writer_config_t *c) {
  uint64_t symbols = 0;
  for (uint32_t i = 0; i < c->feed_cnt; i++) symbols += c->feeds[i].symbol_cnt;
  if (!c->dir || !*c->dir) return TF_ERR(E_CORE_ARGUMENT, "a capture needs a directory");
  if (c->feed_cnt < 1 || c->feed_cnt > TF_CAPTURE_FEEDS_MAX || symbols > TF_CAPTURE_SYMBOLS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "capture: %u feeds, %llu symbols; 1 to %u and 0 to %u fit",
                  c->feed_cnt, (unsigned long long)symbols, TF_CAPTURE_FEEDS_MAX,
                  TF_CAPTURE_SYMBOLS_MAX);
  if (c->level < 1 || c->level > 19)
    return TF_ERR(E_CORE_ARGUMENT, "capture: level %d; 1 to 19 are allowed", c->level);
  return TF_OK;
}

tf_err_t tf_capture_writer_init(tf_capture_writer_t *w, const tf_capture_writer_config_t *config,
                                tf_arena_t *arena) {
  memset(w, 0, sizeof *w);
  w->config     = *config;
  w->dir_fd     = -1;
  w->fd         = -1;
  w->block_seq  = 1;
  w->record_seq = 1;
  w->capture_id = tf_hash_fold(config->started_ns, (uint64_t)getpid());
  tf_err_t err  = config_check(config);
  if (!err) err = memory_init(w, arena);
  if (!err) err = header_make(w);
  if (!err) err = dir_open(w);
  if (!err) err = file_begin(w, config->started_ns);
  if (err && w->dir_fd >= 0) {
    close(w->dir_fd);
    w->dir_fd = -1;
  }
  return err;
}

void tf_capture_writer_give_up(tf_capture_writer_t *w) { w->failed_errno = ENOSPC; }

tf_err_t tf_capture_writer_fini(tf_capture_writer_t *w) {
  if (!w->config.dir || w->dir_fd < 0) return TF_OK;
  tf_err_t err = TF_OK;
  if (tf_capture_writer_failed(w)) {
    err = TF_ERR(E_FILE_WRITE, "%s", w->error);
  } else if (w->is_open) {
    err = file_end(w, 0);
  }
  if (w->is_open) close(w->fd);
  close(w->dir_fd);
  w->is_open = false;
  w->fd = w->dir_fd = -1;
  return err;
}
