#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDCtx: no allocation after init */
#include "file/capture_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "core/error.h"
#include "tf/feed.h"
#include "tf/io.h"

#define SCAN_BYTES (UINT32_C(64) << 10) /* read at a time in search of a block behind damage */

static const char *path_of(const tf_capture_reader_t *r) { return r->paths[r->path_idx]; }

/* Up to cap bytes at offset: as many as there are, -1 when the disk refuses. */
static ssize_t read_at(int fd, void *target, size_t cap, uint64_t offset) {
  size_t have = 0;
  while (have < cap) {
    ssize_t n = pread(fd, (uint8_t *)target + have, cap - have, (off_t)(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    have += (size_t)n;
  }
  return (ssize_t)have;
}

/* ---- blocks ----------------------------------------------------------------------------------*/

static TF_COLD tf_capture_read_t damaged(tf_capture_reader_t *r, const char *what) {
  snprintf(r->damage, sizeof r->damage, "%s", what);
  r->damage_offset = r->offset;
  r->end           = TF_CAPTURE_READ_DAMAGE;
  return TF_CAPTURE_READ_DAMAGE;
}

/* The stored payload of the header at offset into r->stored. False: it is not whole or not intact. */
static bool payload_read(tf_capture_reader_t *r, const tf_capture_block_header_t *h,
                         uint64_t offset) {
  ssize_t n = read_at(r->fd, r->stored, h->stored_bytes, offset + sizeof *h);
  return n == (ssize_t)h->stored_bytes &&
         tf_crc32c(0, r->stored, h->stored_bytes) == h->payload_crc;
}

/* Whether an intact block stands anywhere at or after offset. */
static TF_COLD bool intact_follows(tf_capture_reader_t *r, uint64_t offset) {
  static const uint32_t magic = TF_CAPTURE_BLOCK_MAGIC;
  uint8_t               piece[SCAN_BYTES];
  for (;;) {
    ssize_t n = read_at(r->fd, piece, sizeof piece, offset);
    if (n < (ssize_t)sizeof(tf_capture_block_header_t)) return false;
    for (const uint8_t *at = piece, *end = piece + n;
         (at = memmem(at, (size_t)(end - at), &magic, sizeof magic)); at++) {
      tf_capture_block_header_t h;
      uint64_t                  place = offset + (uint64_t)(at - piece);
      if (read_at(r->fd, &h, sizeof h, place) != sizeof h) break;
      if (tf_capture_block_valid(&h) && payload_read(r, &h, place)) return true;
    }
    if (n < (ssize_t)sizeof piece) return false;
    offset += sizeof piece - sizeof magic + 1;
  }
}

/* What stands at r->offset is no whole block: a torn tail, or damage with more behind it. */
static TF_COLD tf_capture_read_t block_bad(tf_capture_reader_t *r, const char *what) {
  if (r->closed || r->path_idx + 1 < r->path_cnt || intact_follows(r, r->offset + 1))
    return damaged(r, what);
  struct stat st;
  uint64_t    size        = fstat(r->fd, &st) == 0 ? (uint64_t)st.st_size : r->offset;
  r->counts.bytes_dropped = size > r->offset ? size - r->offset : 0;
  r->tail                 = TF_CAPTURE_TAIL_TORN;
  r->end                  = TF_CAPTURE_READ_END;
  return TF_CAPTURE_READ_END;
}

static bool unpack(tf_capture_reader_t *r, const tf_capture_block_header_t *h) {
  if (!(h->flags & TF_CAPTURE_FLAG_ZSTD)) {
    memcpy(r->raw, r->stored, h->raw_bytes);
  } else {
    size_t n = ZSTD_decompressDCtx(r->zstd, r->raw, h->raw_bytes, r->stored, h->stored_bytes);
    if (ZSTD_isError(n) || n != h->raw_bytes) return false;
  }
  memset(r->raw + h->raw_bytes, 0, TF_BYTES_PAD);
  r->raw_bytes    = h->raw_bytes;
  r->records_left = h->record_cnt;
  r->at           = 0;
  return true;
}

static tf_err_t file_open(tf_capture_reader_t *r, uint32_t path_idx);

/* A crash while a file was begun leaves it shorter than its header. */
static TF_COLD bool header_unfinished(tf_capture_reader_t *r, uint32_t path_idx) {
  struct stat st;
  if (path_idx + 1 != r->path_cnt || lstat(r->paths[path_idx], &st) != 0) return false;
  if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size >= r->file.header_bytes) return false;
  r->counts.bytes_dropped = (uint64_t)st.st_size;
  r->tail                 = TF_CAPTURE_TAIL_TORN;
  r->end                  = TF_CAPTURE_READ_END;
  return true;
}

static tf_capture_read_t file_next(tf_capture_reader_t *r) {
  if (r->path_idx + 1 == r->path_cnt) {
    r->tail = !r->closed     ? TF_CAPTURE_TAIL_OPEN
              : r->continued ? TF_CAPTURE_TAIL_CONTINUED
                             : TF_CAPTURE_TAIL_CLOSED;
    r->end  = TF_CAPTURE_READ_END;
    return TF_CAPTURE_READ_END;
  }
  if (!r->closed) return damaged(r, "the file ends without its index, and another follows it");
  if (header_unfinished(r, r->path_idx + 1)) return TF_CAPTURE_READ_END;
  tf_capture_file_header_t before = r->file;
  if (file_open(r, r->path_idx + 1)) return damaged(r, tf_error_text());
  const tf_capture_file_header_t *now = &r->file;
  bool follows = now->capture_id == before.capture_id && now->file_idx == before.file_idx + 1 &&
                 now->feed_cnt == before.feed_cnt && now->symbol_cnt == before.symbol_cnt;
  if (!follows) return damaged(r, "the file does not continue the one before it");
  if (r->chain_known && (now->first_block_seq != r->block_seq ||
                         now->first_record_seq != r->record_seq || now->prev_crc != r->prev_crc))
    return damaged(r, "blocks are missing between this file and the one before it");
  if (!r->chain_known) { /* a seek passed the whole file before */
    r->block_seq  = now->first_block_seq;
    r->record_seq = now->first_record_seq;
    r->prev_crc   = now->prev_crc;
  }
  r->chain_known = true;
  return TF_CAPTURE_READ_RECORD;
}

static bool chain_holds(tf_capture_reader_t *r, const tf_capture_block_header_t *h) {
  return !r->chain_known || (h->block_seq == r->block_seq && h->prev_crc == r->prev_crc &&
                             h->first_record_seq == r->record_seq);
}

static void passed(tf_capture_reader_t *r, const tf_capture_block_header_t *h) {
  r->offset += sizeof *h + h->stored_bytes;
  r->block_seq   = h->block_seq + 1;
  r->record_seq  = h->first_record_seq + h->record_cnt;
  r->prev_crc    = h->header_crc;
  r->chain_known = true;
}

/* Brings the next block into r->raw. RECORD: it is there. */
static tf_capture_read_t block_next(tf_capture_reader_t *r) {
  for (;;) {
    tf_capture_block_header_t h;
    if (r->offset == r->file_bytes) {
      tf_capture_read_t result = file_next(r);
      if (result != TF_CAPTURE_READ_RECORD) return result;
      continue;
    }
    if (read_at(r->fd, &h, sizeof h, r->offset) != sizeof h)
      return block_bad(r, "cut short inside a block's header");
    if (!tf_capture_block_valid(&h)) return block_bad(r, "no valid block header");
    if (h.kind != TF_CAPTURE_DATA) { /* an index whose trailer is not there: the end */
      r->file_bytes = r->offset;
      continue;
    }
    if (!chain_holds(r, &h)) return damaged(r, "the block does not follow the one before it");
    if (r->seek_pending && h.last_ns < r->seek_ns &&
        r->offset + sizeof h + h.stored_bytes <= r->file_bytes) {
      passed(r, &h);
      continue;
    }
    r->seek_pending = false;
    if (!payload_read(r, &h, r->offset))
      return block_bad(r, "a block is cut short or fails its checksum");
    if (!unpack(r, &h)) return damaged(r, "a block's zstd frame is not what its header says");
    passed(r, &h);
    r->counts.blocks++;
    r->counts.bytes_read += h.raw_bytes;
    return TF_CAPTURE_READ_RECORD;
  }
}

/* ---- records ---------------------------------------------------------------------------------*/

static bool is_status(const tf_capture_record_t *rec, const uint8_t *bytes) {
  return rec->bytes_cnt == sizeof(tf_event_t) &&
         bytes[offsetof(tf_event_t, kind)] == TF_EVENT_STATUS;
}

static const char *record_fault(const tf_capture_reader_t *r, const tf_capture_record_t *rec,
                                const uint8_t *target) {
  bool is_connection =
      rec->kind == TF_TAP_CONNECT || rec->kind == TF_TAP_DISCONNECT || rec->kind == TF_TAP_RETIRE;
  bool has_feed = rec->kind == TF_TAP_FRAME || rec->kind == TF_TAP_LOSE ||
                  rec->kind == TF_TAP_STATUS || rec->kind == TF_TAP_SYMBOL ||
                  rec->kind == TF_TAP_WINDOW_END || is_connection;
  if (has_feed ? rec->source_idx >= r->source_cnt : rec->source_idx != UINT32_MAX)
    return "a record names a feed that is not in the header";
  if (rec->target_bytes && target[rec->target_bytes - 1] != 0)
    return "a record's target does not end";
  if (rec->leg >= TF_TAP_LEGS_MAX) return "a record is of a connection beyond the last";
  switch (rec->kind) {
  case TF_TAP_FRAME:
    return rec->frame_kind <= TF_FRAME_HTTP ? NULL : "a record is of an unknown kind of frame";
  case TF_TAP_CONNECT:
  case TF_TAP_DISCONNECT:
  case TF_TAP_RETIRE: return rec->bytes_cnt == 0 ? NULL : "a connection's record has bytes";
  case TF_TAP_WINDOW_END: return rec->bytes_cnt == 0 ? NULL : "a window's end has bytes";
  case TF_TAP_CONTROL:
    return rec->bytes_cnt == sizeof(tf_event_t) ? NULL : "a control record is no event";
  case TF_TAP_LOSE:
    return rec->bytes_cnt == sizeof(uint32_t) ? NULL : "a lose record is no instrument's id";
  case TF_TAP_STATUS:
    return is_status(rec, target + rec->target_bytes) ? NULL : "a status record is no status event";
  case TF_TAP_SYMBOL:
    return rec->bytes_cnt < TF_SYMBOL_BYTES_MAX ? NULL
                                                : "a symbol record is longer than any symbol";
  case TF_TAP_OUTCOMES:
    return rec->bytes_cnt >= sizeof(tf_outcome_t) && rec->bytes_cnt % 8 == 0
               ? NULL
               : "an outcomes record holds no outcomes";
  case TF_CAPTURE_GAP:
    return rec->bytes_cnt == sizeof(tf_capture_gap_t) ? NULL : "a gap record is none";
  default: return "a record is of an unknown kind";
  }
}

static void count_gap(tf_capture_reader_t *r, const uint8_t *bytes) {
  tf_capture_gap_t gap;
  memcpy(&gap, bytes, sizeof gap);
  r->counts.gaps++;
  r->counts.records_missed += gap.record_cnt;
}

tf_capture_read_t tf_capture_reader_next(tf_capture_reader_t *r, tf_capture_item_t *item) {
  if (TF_UNLIKELY(r->end)) return (tf_capture_read_t)r->end;
  if (r->records_left == 0) {
    tf_capture_read_t result = block_next(r);
    if (result != TF_CAPTURE_READ_RECORD) return result;
  }
  tf_capture_record_t rec;
  uint32_t            left = r->raw_bytes - r->at;
  if (left < sizeof rec) return damaged(r, "a record is cut short by the end of its block");
  memcpy(&rec, r->raw + r->at, sizeof rec);
  left -= (uint32_t)sizeof rec;
  if (rec.target_bytes > left || rec.bytes_cnt > left - rec.target_bytes ||
      rec.bytes_cnt > TF_CAPTURE_RECORD_BYTES_MAX)
    return damaged(r, "a record is longer than its block");
  const uint8_t *target = r->raw + r->at + sizeof rec;
  const char    *fault  = record_fault(r, &rec, target);
  if (TF_UNLIKELY(fault != NULL)) return damaged(r, fault);
  if (TF_UNLIKELY(rec.kind == TF_CAPTURE_GAP)) count_gap(r, target + rec.target_bytes);
  item->tap = (tf_tap_record_t){.recv_ns    = rec.recv_ns,
                                .source_idx = rec.source_idx,
                                .kind       = rec.kind,
                                .frame_kind = rec.frame_kind,
                                .leg        = rec.leg,
                                .bytes_cnt  = rec.bytes_cnt,
                                .bytes      = (const char *)target + rec.target_bytes,
                                .target     = rec.target_bytes ? (const char *)target : NULL};
  r->at += (uint32_t)sizeof rec + rec.target_bytes + rec.bytes_cnt;
  r->records_left--;
  item->record_seq = r->record_seq - r->records_left - 1;
  r->counts.records++;
  if (TF_UNLIKELY(r->records_left == 0 && r->at != r->raw_bytes))
    return damaged(r, "a block holds more bytes than its records");
  return TF_CAPTURE_READ_RECORD;
}

/* ---- opening ---------------------------------------------------------------------------------*/

static tf_err_t open_regular(const char *path, int *fd, uint64_t *size) {
  *fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (*fd < 0)
    return TF_ERR(E_FILE_OPEN, "%s: %s", path,
                  errno == ELOOP ? "is a symbolic link; name the file itself" : strerror(errno));
  struct stat st;
  bool        is_file = fstat(*fd, &st) == 0 && S_ISREG(st.st_mode);
  if (!is_file) {
    close(*fd);
    *fd = -1;
    return TF_ERR(E_FILE_OPEN, "%s: is no regular file", path);
  }
  *size = (uint64_t)st.st_size;
  posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return TF_OK;
}

static tf_err_t header_check(const char *path, const tf_capture_file_header_t *h, ssize_t have,
                             uint64_t size) {
  size_t magic_bytes = have < 8 ? (size_t)(have < 0 ? 0 : have) : 8;
  if (have <= 0) return TF_ERR(E_FILE_FORMAT, "%s: the file is empty, no capture", path);
  if (memcmp(h->magic, TF_CAPTURE_MAGIC, magic_bytes) != 0)
    return TF_ERR(E_FILE_FORMAT, "%s: is no tickfuse capture", path);
  if (have < (ssize_t)sizeof *h)
    return TF_ERR(E_FILE_DAMAGED, "%s: cut short inside its header, at byte %zd; it holds nothing",
                  path, have);
  if (h->version != TF_CAPTURE_VERSION)
    return TF_ERR(E_FILE_FORMAT, "%s: capture version %u; this tickfuse reads %d", path, h->version,
                  TF_CAPTURE_VERSION);
  size_t want = sizeof *h + (size_t)h->feed_cnt * sizeof(tf_capture_feed_t) +
                (size_t)h->symbol_cnt * TF_SYMBOL_BYTES_MAX;
  if (h->feed_cnt < 1 || h->feed_cnt > TF_CAPTURE_FEEDS_MAX ||
      h->symbol_cnt > TF_CAPTURE_SYMBOLS_MAX || h->header_bytes != want)
    return TF_ERR(E_FILE_DAMAGED, "%s: a header of %u bytes for %u feeds and %u symbols", path,
                  h->header_bytes, h->feed_cnt, h->symbol_cnt);
  if (h->header_bytes > size)
    return TF_ERR(E_FILE_DAMAGED, "%s: cut short inside its header, at byte %llu", path,
                  (unsigned long long)size);
  return TF_OK;
}

/* Where the blocks of a file that was closed in order end; 0: it was not. *continued: for rotation. */
static uint64_t closed_bytes(int fd, uint64_t size, uint32_t header_bytes, bool *continued) {
  tf_capture_trailer_t      t;
  tf_capture_block_header_t index;
  if (size < header_bytes + sizeof index + sizeof t) return 0;
  if (read_at(fd, &t, sizeof t, size - sizeof t) != sizeof t) return 0;
  if (memcmp(t.magic, TF_CAPTURE_TRAILER_MAGIC, sizeof t.magic) != 0 ||
      t.crc != tf_capture_trailer_crc(&t))
    return 0;
  if (t.index_offset < header_bytes || t.index_offset > size - sizeof t - sizeof index) return 0;
  if (read_at(fd, &index, sizeof index, t.index_offset) != sizeof index) return 0;
  bool fits = tf_capture_block_valid(&index) && index.kind == TF_CAPTURE_INDEX &&
              t.index_offset + sizeof index + index.stored_bytes == size - sizeof t;
  *continued = fits && index.flags & TF_CAPTURE_FLAG_CONTINUES;
  return fits ? t.index_offset : 0;
}

static tf_err_t file_open(tf_capture_reader_t *r, uint32_t path_idx) {
  const char *path = r->paths[path_idx];
  uint64_t    size = 0;
  if (r->fd >= 0) close(r->fd);
  r->path_idx  = path_idx;
  tf_err_t err = open_regular(path, &r->fd, &size);
  if (err) return err;
  ssize_t have = read_at(r->fd, &r->file, sizeof r->file, 0);
  err          = header_check(path, &r->file, have, size);
  if (err) return err;
  size_t bytes = r->file.header_bytes;
  if (!r->head_bytes) r->head_bytes = malloc(bytes);
  if (!r->head_bytes) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", bytes);
  if (r->sources && bytes != ((tf_capture_file_header_t *)(void *)r->head_bytes)->header_bytes)
    return TF_ERR(E_FILE_DAMAGED, "%s: names other feeds than the file before it", path);
  if (read_at(r->fd, r->head_bytes, bytes, 0) != (ssize_t)bytes ||
      r->file.crc != tf_capture_header_crc(r->head_bytes, bytes))
    return TF_ERR(E_FILE_DAMAGED, "%s: the file header (bytes 0 to %zu) fails its checksum", path,
                  bytes - 1);
  r->continued        = false;
  uint64_t blocks_end = closed_bytes(r->fd, size, r->file.header_bytes, &r->continued);
  r->closed           = blocks_end != 0;
  r->file_bytes       = r->closed ? blocks_end : size;
  r->offset           = bytes;
  return TF_OK;
}

static void copy_text(char *target, size_t cap, const char *source) {
  memcpy(target, source, cap);
  target[cap - 1] = '\0';
}

/* The feeds of the first file's header. */
static tf_err_t sources_init(tf_capture_reader_t *r) {
  const tf_capture_file_header_t *h     = &r->file;
  const tf_capture_feed_t        *feeds = (const void *)(r->head_bytes + sizeof *h);
  char *texts = (char *)(r->head_bytes + sizeof *h + h->feed_cnt * sizeof *feeds);
  r->sources  = calloc(h->feed_cnt, sizeof *r->sources);
  r->symbols  = calloc(h->symbol_cnt + 1, sizeof *r->symbols);
  if (!r->sources || !r->symbols) return TF_ERR(E_CORE_NO_MEMORY, "%u feeds", h->feed_cnt);
  uint32_t used = 0;
  for (uint32_t i = 0; i < h->feed_cnt; i++) {
    const tf_capture_feed_t *feed = &feeds[i];
    tf_capture_source_t     *s    = &r->sources[i];
    if (feed->symbol_cnt > h->symbol_cnt - used)
      return TF_ERR(E_FILE_DAMAGED, "%s: feed %u of the header has more symbols than there are",
                    path_of(r), i);
    copy_text(s->name, sizeof s->name, feed->name);
    copy_text(s->venue, sizeof s->venue, feed->venue);
    copy_text(s->url, sizeof s->url, feed->url);
    s->channels    = feed->channels;
    s->pending_cap = feed->pending_cap;
    s->book_depth  = feed->book_depth;
    s->symbol_cnt  = feed->symbol_cnt;
    s->symbols     = r->symbols + used;
    for (uint32_t k = 0; k < feed->symbol_cnt; k++, used++) {
      char *text                    = texts + (size_t)used * TF_SYMBOL_BYTES_MAX;
      text[TF_SYMBOL_BYTES_MAX - 1] = '\0';
      r->symbols[used]              = text;
    }
  }
  r->source_cnt = h->feed_cnt;
  return TF_OK;
}

static bool is_capture_name(const char *name) {
  size_t cnt = strlen(name), suffix = strlen(TF_CAPTURE_SUFFIX);
  return name[0] != '.' && cnt > suffix && !strcmp(name + cnt - suffix, TF_CAPTURE_SUFFIX);
}

static int capture_filter(const struct dirent *entry) { return is_capture_name(entry->d_name); }

static tf_err_t paths_init(tf_capture_reader_t *r, const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (!S_ISDIR(st.st_mode)) {
    r->paths = calloc(1, sizeof *r->paths);
    if (r->paths) r->paths[0] = strdup(path);
    if (!r->paths || !r->paths[0]) return TF_ERR(E_CORE_NO_MEMORY, "a path");
    r->path_cnt = 1;
    return TF_OK;
  }
  struct dirent **entries;
  int             cnt = scandir(path, &entries, capture_filter, alphasort);
  if (cnt < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  tf_err_t err = TF_OK;
  r->paths     = calloc((size_t)cnt + 1, sizeof *r->paths);
  for (int i = 0; i < cnt; i++) {
    if (r->paths && asprintf(&r->paths[i], "%s/%s", path, entries[i]->d_name) >= 0)
      r->path_cnt++;
    else
      err = TF_ERR(E_CORE_NO_MEMORY, "%d paths", cnt);
    free(entries[i]);
  }
  free(entries);
  if (!err && cnt == 0)
    err = TF_ERR(E_FILE_FORMAT, "%s: holds no capture (no file *%s)", path, TF_CAPTURE_SUFFIX);
  return err;
}

static tf_err_t memory_init(tf_capture_reader_t *r) {
  size_t raw_cap    = tf_align_up(TF_CAPTURE_RAW_BYTES_MAX + TF_BYTES_PAD, 4096);
  size_t work_bytes = tf_align_up(ZSTD_estimateDCtxSize(), 4096);
  r->map_bytes      = 2 * raw_cap + work_bytes;
  /* MAP_NORESERVE: large blocks are allowed for, and used only by captures that have them. */
  r->map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (r->map == MAP_FAILED) {
    r->map = NULL;
    return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes of address space", r->map_bytes);
  }
  r->raw    = r->map;
  r->stored = r->raw + raw_cap;
  r->zstd   = ZSTD_initStaticDCtx(r->stored + raw_cap, work_bytes);
  return r->zstd ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "libzstd wants more than %zu", work_bytes);
}

/* The block that a file in hand begins with. */
static void expect_first(tf_capture_reader_t *r) {
  r->block_seq   = r->file.first_block_seq;
  r->record_seq  = r->file.first_record_seq;
  r->prev_crc    = r->file.prev_crc;
  r->chain_known = true;
}

tf_err_t tf_capture_reader_init(tf_capture_reader_t *r, const char *path) {
  memset(r, 0, sizeof *r);
  r->fd        = -1;
  tf_err_t err = paths_init(r, path);
  if (!err) err = file_open(r, 0);
  if (!err) err = sources_init(r);
  if (!err) err = memory_init(r);
  if (err) {
    tf_capture_reader_fini(r);
    return err;
  }
  expect_first(r);
  return TF_OK;
}

tf_err_t tf_capture_reader_rewind(tf_capture_reader_t *r) {
  tf_err_t err    = file_open(r, 0);
  r->end          = err ? TF_CAPTURE_READ_END : 0;
  r->seek_pending = false;
  r->records_left = 0;
  if (err == TF_OK) expect_first(r);
  return err;
}

void tf_capture_reader_fini(tf_capture_reader_t *r) {
  if (r->paths && r->fd >= 0) close(r->fd);
  for (uint32_t i = 0; i < r->path_cnt; i++) free(r->paths[i]);
  free(r->paths);
  free(r->sources);
  free(r->symbols);
  free(r->head_bytes);
  if (r->map) munmap(r->map, r->map_bytes);
  memset(r, 0, sizeof *r);
  r->fd = -1;
}

/* By the index: the offset of the first block of this file that reaches from_ns. */
static bool index_seek(tf_capture_reader_t *r, uint64_t from_ns) {
  tf_capture_block_header_t h;
  if (!r->closed || read_at(r->fd, &h, sizeof h, r->file_bytes) != sizeof h) return false;
  if (h.kind != TF_CAPTURE_INDEX || !payload_read(r, &h, r->file_bytes)) return false;
  for (uint32_t i = 0; i < h.record_cnt; i++) {
    tf_capture_index_t entry;
    memcpy(&entry, r->stored + i * sizeof entry, sizeof entry);
    if (entry.last_ns < from_ns) continue;
    if (entry.offset < r->file.header_bytes || entry.offset >= r->file_bytes) return false;
    r->offset      = entry.offset;
    r->chain_known = r->offset == r->file.header_bytes;
    return true;
  }
  r->offset      = r->file_bytes;
  r->chain_known = false;
  return true;
}

void tf_capture_reader_seek(tf_capture_reader_t *r, uint64_t from_ns) {
  r->seek_pending = true;
  r->seek_ns      = from_ns;
  index_seek(r, from_ns);
}

/* ---- telling ---------------------------------------------------------------------------------*/

bool tf_capture_is(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) return false;
  if (S_ISDIR(st.st_mode)) return true; /* nothing else that is read is a directory */
  char     first[8];
  uint64_t size;
  int      fd;
  if (!S_ISREG(st.st_mode) || open_regular(path, &fd, &size) != TF_OK) return false;
  bool is = read_at(fd, first, sizeof first, 0) == sizeof first &&
            memcmp(first, TF_CAPTURE_MAGIC, sizeof first) == 0;
  close(fd);
  return is;
}

tf_err_t tf_capture_reader_error(const tf_capture_reader_t *r) {
  return TF_ERR(E_FILE_DAMAGED, "%s: byte %llu: %s; %llu records before it are intact", path_of(r),
                (unsigned long long)r->damage_offset, r->damage,
                (unsigned long long)r->counts.records);
}

const char *tf_capture_tail_name(tf_capture_tail_t tail) {
  static const char *const names[] = {"closed", "open", "torn", "continued"};
  return (size_t)tail < TF_ARRAY_CNT(names) ? names[tail] : "unknown";
}
