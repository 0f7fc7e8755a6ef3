#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "file/crc32c.h"
#include "sink/spool.h"

void tf_spool_path(const tf_spool_t *s, uint64_t number, char *path) {
  snprintf(path, TF_SPOOL_PATH_BYTES, "%s.%06llu", s->config.prefix, (unsigned long long)number);
}

static bool read_whole(int fd, void *bytes, size_t bytes_cnt, uint64_t offset) {
  for (size_t have = 0; have < bytes_cnt;) {
    ssize_t n = pread(fd, (uint8_t *)bytes + have, bytes_cnt - have, (off_t)(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    have += (size_t)n;
  }
  return true;
}

size_t tf_spool_block_at(const tf_spool_t *s, int fd, uint64_t offset, uint8_t *block) {
  tf_spool_block_header_t h;
  if (!read_whole(fd, &h, sizeof h, offset) || h.magic != TF_SPOOL_BLOCK_MAGIC ||
      h.header_crc != tf_crc32c(0, &h, sizeof h - sizeof h.header_crc) || h.record_cnt == 0 ||
      h.record_cnt > TF_SPOOL_BLOCK_RECORD_MAX)
    return 0;
  size_t payload = (size_t)h.record_cnt * s->config.shape.bytes;
  memcpy(block, &h, sizeof h);
  if (!read_whole(fd, block + sizeof h, payload, offset + sizeof h) ||
      h.payload_crc != tf_crc32c(0, block + sizeof h, payload))
    return 0;
  return sizeof h + payload;
}

/* ---- what an earlier engine left ---- */

static uint32_t records_above(const tf_spool_t *s, const uint8_t *block, uint64_t seq) {
  const tf_spool_block_header_t *h   = (const void *)block;
  uint32_t                       cnt = 0;
  for (uint32_t i = 0; i < h->record_cnt; i++)
    cnt += tf_record_seq(&s->config.shape, block + sizeof *h + (size_t)i * s->config.shape.bytes) >
           seq;
  return cnt;
}

/* Of another version or shape it is refused; cut short or damaged in its header it holds nothing. */
static tf_err_t check_header(const tf_spool_t *s, int fd, const char *path, bool *is_whole) {
  tf_spool_file_header_t h;
  *is_whole = read_whole(fd, &h, sizeof h, 0) &&
              memcmp(h.magic, TF_SPOOL_MAGIC, sizeof h.magic) == 0 &&
              h.crc == tf_crc32c(0, &h, sizeof h - sizeof h.crc);
  if (!*is_whole) return TF_OK;
  if (h.version != TF_SPOOL_VERSION)
    return TF_ERR(E_FILE_FORMAT, "%s: version %u of a spool; this engine reads %u", path, h.version,
                  TF_SPOOL_VERSION);
  if (h.record_bytes != s->config.shape.bytes || h.carries != s->config.shape.carries)
    return TF_ERR(E_FILE_FORMAT,
                  "%s: holds records of %u bytes (kind %u), the sink's are of %u (kind %u): give "
                  "`spool:` another path",
                  path, h.record_bytes, h.carries, s->config.shape.bytes, s->config.shape.carries);
  return TF_OK;
}

static tf_err_t scan_segment(tf_spool_t *s, uint64_t number) {
  char path[TF_SPOOL_PATH_BYTES];
  tf_spool_path(s, number, path);
  struct stat st;
  int         fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  bool               is_whole = false;
  tf_err_t           err      = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                                    ? check_header(s, fd, path, &is_whole)
                                    : TF_ERR(E_FILE_OPEN, "%s: is no regular file", path);
  tf_spool_segment_t segment  = {.number = number, .bytes = is_whole ? TF_SPOOL_HEADER_BYTES : 0};
  for (size_t bytes; is_whole && !err; segment.bytes += bytes) {
    bytes                            = tf_spool_block_at(s, fd, segment.bytes, s->in_hand);
    const tf_spool_block_header_t *h = (const void *)s->in_hand;
    if (bytes == 0 || h->first_seq <= s->last_seq || h->last_seq < h->first_seq) break;
    segment.last_seq = s->last_seq = h->last_seq;
    s->recovered_cnt += records_above(s, s->in_hand, s->acked_seq);
  }
  close(fd);
  if (err) return err;
  uint64_t damaged = (uint64_t)st.st_size - segment.bytes;
  s->damaged_bytes += damaged;
  if (damaged)
    tf_log(TF_LOG_WARN, "spool_segment_cut", "path=%s offset=%llu bytes=%llu last_seq=%llu", path,
           (unsigned long long)segment.bytes, (unsigned long long)damaged,
           (unsigned long long)s->last_seq);
  s->segments[s->segment_cnt++] = segment;
  s->bytes += segment.bytes;
  return TF_OK;
}

/* The number of a segment's name; 0: it is none. */
static uint64_t number_of(const char *name, const char *base) {
  size_t base_cnt = strlen(base);
  if (strncmp(name, base, base_cnt) != 0 || name[base_cnt] != '.') return 0;
  const char *digits = name + base_cnt + 1;
  size_t      cnt    = strspn(digits, "0123456789");
  if (cnt < 6 || cnt > 18 || digits[cnt] != '\0') return 0;
  return strtoull(digits, NULL, 10);
}

static int by_number(const void *a, const void *b) {
  const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

tf_err_t tf_spool_scan(tf_spool_t *s) {
  char dir[TF_SPOOL_PATH_BYTES], base[TF_SPOOL_PATH_BYTES];
  snprintf(dir, sizeof dir, "%s", s->config.prefix);
  snprintf(base, sizeof base, "%s", s->config.prefix);
  const char *folder = dirname(dir), *name = basename(base);
  DIR        *d = opendir(folder);
  if (!d) return TF_ERR(E_FILE_OPEN, "%s: %s", folder, strerror(errno));
  uint64_t numbers[TF_SPOOL_SEGMENTS_MAX];
  uint32_t cnt         = 0;
  bool     is_too_many = false;
  for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
    uint64_t number = number_of(entry->d_name, name);
    if (number == 0) continue;
    is_too_many = cnt == TF_SPOOL_SEGMENTS_MAX - 1;
    if (is_too_many) break;
    numbers[cnt++] = number;
  }
  closedir(d);
  if (is_too_many)
    return TF_ERR(E_FILE_OPEN, "%s: %u segments and more are there; at most %u are kept",
                  s->config.prefix, cnt, TF_SPOOL_SEGMENTS_MAX - 1);
  qsort(numbers, cnt, sizeof *numbers, by_number);
  for (uint32_t i = 0; i < cnt; i++) {
    tf_err_t err = scan_segment(s, numbers[i]);
    if (err) return err;
  }
  if (s->last_seq < s->acked_seq) s->last_seq = s->acked_seq;
  s->read_seq = s->counted_seq = s->acked_seq;
  s->read_offset               = TF_SPOOL_HEADER_BYTES;
  s->waiting_cnt               = s->recovered_cnt;
  return TF_OK;
}

/* ---- reading on ---- */

/* The next block in hand; false: there is none yet. */
static bool next_block(tf_spool_t *s) {
  while (s->read_idx < s->segment_cnt) {
    const tf_spool_segment_t *segment = &s->segments[s->read_idx];
    if (s->read_offset < segment->bytes) {
      char path[TF_SPOOL_PATH_BYTES];
      tf_spool_path(s, segment->number, path);
      if (s->read_fd < 0) s->read_fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
      size_t bytes =
          s->read_fd < 0 ? 0 : tf_spool_block_at(s, s->read_fd, s->read_offset, s->in_hand);
      if (bytes) {
        s->read_offset += bytes;
        s->in_hand_idx = 0;
        s->in_hand_cnt = ((const tf_spool_block_header_t *)(const void *)s->in_hand)->record_cnt;
        return true;
      }
      /* it was whole when it was written or found: the disk has changed it since */
      tf_log(TF_LOG_ERROR, "spool_segment_damaged", "path=%s offset=%llu bytes=%llu", path,
             (unsigned long long)s->read_offset,
             (unsigned long long)(segment->bytes - s->read_offset));
      s->damaged_bytes += segment->bytes - s->read_offset;
      s->read_offset = segment->bytes;
    }
    if (s->read_idx + 1 == s->segment_cnt) { /* which is still being written */
      s->lost_cnt += s->waiting_cnt;
      s->waiting_cnt = 0;
      return false;
    }
    if (s->read_fd >= 0) close(s->read_fd);
    s->read_fd = -1;
    s->read_idx++;
    s->read_offset = TF_SPOOL_HEADER_BYTES;
  }
  return false;
}

bool tf_spool_is_read(const tf_spool_t *s) {
  return s->waiting_cnt == 0 && s->in_hand_idx == s->in_hand_cnt &&
         s->read_idx + 1 == s->segment_cnt && s->read_offset >= s->segments[s->read_idx].bytes;
}

uint32_t tf_spool_read(tf_spool_t *s, void *records, uint32_t n) {
  const uint32_t bytes = s->config.shape.bytes;
  uint32_t       k     = 0;
  while (k < n) {
    if (s->in_hand_idx == s->in_hand_cnt && !next_block(s)) break;
    const uint8_t *record = s->in_hand + TF_SPOOL_BLOCK_BYTES + (size_t)s->in_hand_idx++ * bytes;
    uint64_t       seq    = tf_record_seq(&s->config.shape, record);
    if (seq <= s->read_seq) continue;
    memcpy((uint8_t *)records + (size_t)k++ * bytes, record, bytes);
    s->read_seq = seq;
    if (seq <= s->counted_seq) continue;
    s->counted_seq = seq;
    s->waiting_cnt--;
  }
  return k;
}

void tf_spool_pass(tf_spool_t *s) {
  if (s->read_fd >= 0 && s->read_idx + 1 != s->segment_cnt) {
    close(s->read_fd);
    s->read_fd = -1;
  }
  s->read_idx    = s->segment_cnt - 1;
  s->read_offset = s->segments[s->read_idx].bytes;
  s->read_seq = s->counted_seq = s->last_seq;
  s->waiting_cnt               = 0;
  s->in_hand_idx = s->in_hand_cnt = 0;
}

uint64_t tf_spool_rewind(tf_spool_t *s, uint64_t seq, uint64_t in_flight_cnt) {
  if (s->read_fd >= 0) close(s->read_fd);
  s->read_fd     = -1;
  s->read_idx    = 0;
  s->read_offset = TF_SPOOL_HEADER_BYTES;
  s->counted_seq = s->acked_seq;
  s->read_seq = s->acked_seq = seq;
  s->waiting_cnt += in_flight_cnt;
  s->in_hand_idx = s->in_hand_cnt = 0;
  while (next_block(s)) {
    for (; s->in_hand_idx < s->in_hand_cnt; s->in_hand_idx++) {
      const uint8_t *record =
          s->in_hand + TF_SPOOL_BLOCK_BYTES + (size_t)s->in_hand_idx * s->config.shape.bytes;
      uint64_t found = tf_record_seq(&s->config.shape, record);
      if (found > seq) return found;
    }
  }
  return 0;
}
