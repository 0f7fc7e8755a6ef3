#include "sink/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "file/crc32c.h"

static size_t block_bytes(const tf_spool_t *s, uint32_t n) {
  return TF_SPOOL_BLOCK_BYTES + (size_t)n * s->config.shape.bytes;
}

static tf_spool_segment_t *newest(tf_spool_t *s) { return &s->segments[s->segment_cnt - 1]; }

/* All of it at the offset, or nothing that counts: what was half written is covered by the next try. */
static int write_whole(int fd, const void *bytes, size_t bytes_cnt, uint64_t offset) {
  for (size_t have = 0; have < bytes_cnt;) {
    ssize_t n = pwrite(fd, (const uint8_t *)bytes + have, bytes_cnt - have, (off_t)(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : ENOSPC;
    have += (size_t)n;
  }
  return 0;
}

/* ---- segments ---- */

static void delete_oldest(tf_spool_t *s) {
  char path[TF_SPOOL_PATH_BYTES];
  tf_spool_path(s, s->segments[0].number, path);
  if (unlink(path) != 0 && errno != ENOENT)
    tf_log(TF_LOG_WARN, "spool_segment_kept", "path=%s error=\"%s\"", path, strerror(errno));
  s->bytes -= s->segments[0].bytes;
  memmove(s->segments, s->segments + 1, --s->segment_cnt * sizeof *s->segments);
  if (s->read_idx > 0) {
    s->read_idx--;
    return;
  }
  /* the one that was read from: what of it was in hand is acked too */
  if (s->read_fd >= 0) close(s->read_fd);
  s->read_fd     = -1;
  s->read_offset = TF_SPOOL_HEADER_BYTES;
  s->in_hand_idx = s->in_hand_cnt = 0;
}

static bool is_acked(const tf_spool_t *s, uint32_t i) {
  return i + 1 < s->segment_cnt && s->segments[i].last_seq <= s->acked_seq;
}

/* One that is acked stays, as long as there is room. */
static void delete_acked(tf_spool_t *s, uint32_t keep) {
  while (s->segment_cnt > keep && is_acked(s, 0) && (keep == 0 || is_acked(s, keep)))
    delete_oldest(s);
}

static tf_err_t begin_segment(tf_spool_t *s) {
  uint64_t number = s->segment_cnt ? newest(s)->number + 1 : 1;
  char     path[TF_SPOOL_PATH_BYTES];
  tf_spool_path(s, number, path);
  if (s->segment_cnt == TF_SPOOL_SEGMENTS_MAX)
    return TF_ERR(E_FILE_OPEN, "%s: %u segments wait already, and no more are kept", path,
                  TF_SPOOL_SEGMENTS_MAX);
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
  if (fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  tf_spool_file_header_t header = {.version      = TF_SPOOL_VERSION,
                                   .header_bytes = sizeof header,
                                   .record_bytes = s->config.shape.bytes,
                                   .carries      = s->config.shape.carries,
                                   .segment      = number};
  memcpy(header.magic, TF_SPOOL_MAGIC, sizeof header.magic);
  header.crc = tf_crc32c(0, &header, sizeof header - sizeof header.crc);
  int why    = write_whole(fd, &header, sizeof header, 0);
  if (why) {
    close(fd);
    unlink(path);
    return TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(why));
  }
  if (s->write_fd >= 0) close(s->write_fd);
  s->write_fd                   = fd;
  s->segments[s->segment_cnt++] = (tf_spool_segment_t){.number = number, .bytes = sizeof header};
  s->bytes += sizeof header;
  return TF_OK;
}

/* ---- writing ---- */

bool tf_spool_has_room(tf_spool_t *s, uint32_t n) {
  uint64_t wanted = block_bytes(s, n) + TF_SPOOL_HEADER_BYTES; /* it may begin a segment */
  if (s->bytes + wanted > s->config.bytes_max) delete_acked(s, 0);
  return s->bytes + wanted <= s->config.bytes_max;
}

static tf_err_t refuse(tf_spool_t *s, int why) {
  char path[TF_SPOOL_PATH_BYTES];
  tf_spool_path(s, newest(s)->number, path);
  if (s->write_errors++ == 0)
    tf_log(TF_LOG_ERROR, "spool_write_failed", "path=%s error=\"%s\"", path, strerror(why));
  return TF_ERR(E_FILE_WRITE, "%s: %s; it is tried again", path, strerror(why));
}

static void sync_segment(tf_spool_t *s) {
  if (s->is_sync_broken || s->durable_seq == s->last_seq) return;
  if (fdatasync(s->write_fd) == 0) {
    s->durable_seq = s->last_seq;
    return;
  }
  /* The kernel may have dropped the pages: what a later sync says is not to be believed. */
  s->is_sync_broken = true;
  tf_log(TF_LOG_ERROR, "spool_sync_failed", "prefix=%s durable_seq=%llu error=\"%s\"",
         s->config.prefix, (unsigned long long)s->durable_seq, strerror(errno));
}

tf_err_t tf_spool_append(tf_spool_t *s, const void *records, uint32_t n) {
  TF_ASSERT(n >= 1 && n <= TF_SPOOL_BLOCK_RECORD_MAX);
  size_t bytes = block_bytes(s, n);
  if (newest(s)->bytes + bytes > s->segment_bytes_max && newest(s)->last_seq != 0) {
    sync_segment(s);
    tf_err_t err = begin_segment(s);
    if (err) {
      s->write_errors++;
      return err;
    }
  }
  const uint8_t *last        = (const uint8_t *)records + (size_t)(n - 1) * s->config.shape.bytes;
  tf_spool_block_header_t *h = (tf_spool_block_header_t *)(void *)s->out_hand;
  memcpy(s->out_hand + sizeof *h, records, bytes - sizeof *h);
  *h = (tf_spool_block_header_t){.magic       = TF_SPOOL_BLOCK_MAGIC,
                                 .record_cnt  = n,
                                 .first_seq   = tf_record_seq(&s->config.shape, records),
                                 .last_seq    = tf_record_seq(&s->config.shape, last),
                                 .payload_crc = tf_crc32c(0, records, bytes - sizeof *h)};
  TF_ASSERT(h->first_seq > s->last_seq && h->last_seq >= h->first_seq);
  h->header_crc = tf_crc32c(0, h, sizeof *h - sizeof h->header_crc);
  int why       = write_whole(s->write_fd, s->out_hand, bytes, newest(s)->bytes);
  if (why) return refuse(s, why);
  newest(s)->bytes += bytes;
  newest(s)->last_seq = s->last_seq = h->last_seq;
  s->bytes += bytes;
  s->waiting_cnt += n;
  return TF_OK;
}

/* ---- acks ---- */

static void write_mark(tf_spool_t *s) {
  if (s->marked_seq == s->acked_seq) return;
  tf_spool_mark_t mark = {.acked_seq = s->acked_seq, .turn = ++s->mark_turn};
  mark.crc             = tf_crc32c(0, &mark, sizeof mark - sizeof mark.crc);
  if (write_whole(s->mark_fd, &mark, sizeof mark, (s->mark_turn & 1) * sizeof mark) == 0)
    s->marked_seq = s->acked_seq;
  else
    s->write_errors++;
}

void tf_spool_ack(tf_spool_t *s, uint64_t seq) {
  if (seq <= s->acked_seq) return;
  s->acked_seq = seq;
  delete_acked(s, 1);
}

void tf_spool_tend(tf_spool_t *s, uint64_t now_ns) {
  if (now_ns - s->synced_ns < TF_SPOOL_SYNC_NS) return;
  s->synced_ns = now_ns;
  sync_segment(s);
  write_mark(s);
}

/* ---- lifetime ---- */

size_t tf_spool_bytes(const tf_record_shape_t *shape) {
  size_t block = TF_SPOOL_BLOCK_BYTES + (size_t)TF_SPOOL_BLOCK_RECORD_MAX * shape->bytes;
  return 2 * tf_align_up(block, TF_LINE_PAIR_BYTES);
}

static tf_err_t open_mark(tf_spool_t *s) {
  char path[TF_SPOOL_PATH_BYTES];
  snprintf(path, sizeof path, "%s.mark", s->config.prefix);
  s->mark_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
  struct stat st;
  if (s->mark_fd < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  if (fstat(s->mark_fd, &st) != 0 || !S_ISREG(st.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: is no regular file", path);
  if (flock(s->mark_fd, LOCK_EX | LOCK_NB) != 0)
    return TF_ERR(E_FILE_BUSY, "%s: another engine has this spool; give `spool:` another path",
                  path);
  tf_spool_mark_t marks[2] = {0};
  ssize_t         have     = pread(s->mark_fd, marks, sizeof marks, 0);
  for (size_t i = 0; i < 2; i++) {
    const tf_spool_mark_t *m = &marks[i];
    if (have < (ssize_t)((i + 1) * sizeof *m) || m->turn <= s->mark_turn ||
        m->crc != tf_crc32c(0, m, sizeof *m - sizeof m->crc))
      continue;
    s->mark_turn = m->turn;
    s->acked_seq = s->marked_seq = m->acked_seq;
  }
  return TF_OK;
}

tf_err_t tf_spool_open(tf_spool_t *s, const tf_spool_config_t *config, void *memory) {
  memset(s, 0, sizeof *s);
  s->config   = *config;
  s->write_fd = s->read_fd = s->mark_fd = -1;
  s->in_hand                            = memory;
  s->out_hand                           = (uint8_t *)memory + tf_spool_bytes(&config->shape) / 2;
  s->segment_bytes_max                  = config->bytes_max >> TF_SPOOL_SEGMENT_SHIFT;
  if (s->segment_bytes_max > TF_SPOOL_SEGMENT_BYTES_MAX)
    s->segment_bytes_max = TF_SPOOL_SEGMENT_BYTES_MAX;
  /* number and dot, or ".mark" */
  if (strlen(config->prefix) + 24 > TF_SPOOL_PATH_BYTES)
    return TF_ERR(E_FILE_OPEN, "%.80s...: the path is too long", config->prefix);
  tf_err_t err = open_mark(s);
  if (!err) err = tf_spool_scan(s);
  if (!err) err = begin_segment(s);
  if (err) {
    tf_spool_close(s);
    return err;
  }
  s->durable_seq = s->last_seq;
  delete_acked(s, 1);
  return TF_OK;
}

void tf_spool_close(tf_spool_t *s) {
  if (!s->config.prefix) return;
  if (s->write_fd >= 0) sync_segment(s);
  if (s->mark_fd >= 0) write_mark(s);
  /* a segment without a block tells nobody anything */
  if (s->write_fd >= 0 && newest(s)->last_seq == 0) {
    char path[TF_SPOOL_PATH_BYTES];
    tf_spool_path(s, newest(s)->number, path);
    unlink(path);
  }
  if (s->write_fd >= 0) close(s->write_fd);
  if (s->read_fd >= 0) close(s->read_fd);
  if (s->mark_fd >= 0) close(s->mark_fd);
  s->write_fd = s->read_fd = s->mark_fd = -1;
  s->config.prefix                      = NULL;
}
