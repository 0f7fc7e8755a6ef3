#include "file/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "file/folder.h"
#include "file/journal_reader.h"

/* ---- writing ---------------------------------------------------------------------------------*/

static bool transient(int sys_errno) {
  return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG || sys_errno == EAGAIN ||
         sys_errno == ENOMEM;
}

/* All of it at the journal's end, or nothing: then errno's value, and the file is as before. */
static int write_whole(tf_journal_t *journal, const void *bytes, size_t bytes_cnt) {
  size_t have = 0;
  while (have < bytes_cnt) {
    ssize_t n = pwrite(journal->fd, (const uint8_t *)bytes + have, bytes_cnt - have,
                       (off_t)(journal->offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int why = n < 0 ? errno : ENOSPC;
      /* Should this fail too, the remains are no valid block, and the next write covers them. */
      if (have > 0 && ftruncate(journal->fd, (off_t)journal->offset) != 0) (void)errno;
      return why;
    }
    have += (size_t)n;
  }
  return 0;
}

static TF_COLD tf_err_t write_error(tf_journal_t *journal, int why, uint64_t now_ns) {
  tf_count_add(&journal->counts.write_errors, 1);
  journal->retry_ns = now_ns + TF_JOURNAL_RETRY_NS;
  return TF_ERR(E_FILE_WRITE,
                "%s: journal write at byte %llu: %s; the block is kept and tried again",
                journal->path, (unsigned long long)journal->offset, strerror(why));
}

static TF_COLD tf_err_t failed_error(const tf_journal_t *journal) {
  return TF_ERR(E_FILE_WRITE, "%s: the journal ended at byte %llu after a failed %s: %s",
                journal->path, (unsigned long long)journal->offset,
                journal->sync_failed ? "fdatasync" : "write", strerror(journal->failed_errno));
}

/* Space ahead, beyond the end of the file: a full disk then shows before a block is half written, and a
 * sync has no sizes to write. A filesystem that cannot is left to write(2). */
static void reserve(tf_journal_t *journal, size_t bytes_cnt) {
  if (journal->offset + bytes_cnt <= journal->reserved) return;
  uint64_t from = journal->reserved > journal->offset ? journal->reserved : journal->offset;
  if (fallocate(journal->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, TF_JOURNAL_RESERVE_BYTES) == 0)
    journal->reserved = from + TF_JOURNAL_RESERVE_BYTES;
}

/* Seals header and payload, which lie in one piece, and writes them. 0 or errno's value. */
static int block_put(tf_journal_t *journal, uint8_t *bytes, uint32_t kind, uint32_t record_cnt,
                     uint64_t first_seq, uint64_t now_ns) {
  tf_journal_block_header_t *header = (tf_journal_block_header_t *)(void *)bytes;
  size_t bytes_cnt = TF_JOURNAL_HEADER_BYTES + (size_t)record_cnt * TF_JOURNAL_RECORD_BYTES;
  TF_ASSERT(record_cnt >= 1 && record_cnt <= TF_JOURNAL_BLOCK_RECORDS_MAX);
  *header = (tf_journal_block_header_t){.magic       = TF_JOURNAL_BLOCK_MAGIC,
                                        .kind        = kind,
                                        .record_cnt  = record_cnt,
                                        .epoch       = journal->epoch,
                                        .first_seq   = first_seq,
                                        .config_hash = journal->config.config_hash,
                                        .written_ns  = now_ns};
  header->payload_crc =
      tf_crc32c(0, bytes + TF_JOURNAL_HEADER_BYTES, bytes_cnt - TF_JOURNAL_HEADER_BYTES);
  tf_journal_link(&journal->config.key, journal->chain, bytes, bytes_cnt, header->prev_hash);
  header->header_crc = tf_journal_header_crc(header);
  reserve(journal, bytes_cnt);
  int why = write_whole(journal, bytes, bytes_cnt);
  if (why) return why;
  journal->retry_ns = 0;
  tf_journal_chain_next(&journal->config.key, bytes, bytes_cnt, journal->chain);
  journal->offset += bytes_cnt;
  tf_count_add(&journal->counts.blocks, 1);
  tf_count_add(&journal->counts.bytes, bytes_cnt);
  return 0;
}

static tf_err_t segment_next(tf_journal_t *journal, int why, uint64_t now_ns);
static tf_err_t sync_now(tf_journal_t *journal, uint64_t now_ns);

/* Writes a block, in the next segment if this one fails, and keeps a copy until it is synced. */
static tf_err_t block_write(tf_journal_t *journal, uint8_t *bytes, uint32_t kind,
                            uint32_t record_cnt, uint64_t first_seq, uint64_t now_ns) {
  size_t bytes_cnt = TF_JOURNAL_HEADER_BYTES + (size_t)record_cnt * TF_JOURNAL_RECORD_BYTES;
  bool   kept      = journal->config.durable != TF_JOURNAL_DURABLE_NONE;
  if (kept && journal->unsynced_bytes + bytes_cnt > sizeof journal->unsynced) {
    tf_err_t err = sync_now(journal, now_ns);
    if (err) return err;
  }
  int why;
  while ((why = block_put(journal, bytes, kind, record_cnt, first_seq, now_ns)) != 0) {
    if (transient(why)) return write_error(journal, why, now_ns);
    tf_err_t err = segment_next(journal, why, now_ns);
    if (err) return err;
  }
  if (!kept) return 0;
  memcpy(journal->unsynced + journal->unsynced_bytes, bytes, bytes_cnt);
  journal->unsynced_bytes += (uint32_t)bytes_cnt;
  return 0;
}

#define NAMES_PER_BLOCK 16

/* The instruments from named_cnt on as records. They are named before the first decision on them. */
static uint32_t names_make(const tf_journal_t *journal, uint32_t cnt, uint8_t *records) {
  uint32_t n =
      cnt - journal->named_cnt < NAMES_PER_BLOCK ? cnt - journal->named_cnt : NAMES_PER_BLOCK;
  for (uint32_t i = 0; i < n; i++) {
    const tf_instrument_t  *row  = &journal->config.instruments->rows[journal->named_cnt + i];
    tf_journal_instrument_t name = {.id        = row->id,
                                    .price_exp = row->price_exp,
                                    .qty_exp   = row->qty_exp,
                                    .tick_size = row->tick_size,
                                    .lot_size  = row->lot_size};
    memcpy(name.name, row->name, sizeof name.name);
    memcpy(name.symbol, row->symbol, sizeof name.symbol);
    name.name[sizeof name.name - 1]     = 0;
    name.symbol[sizeof name.symbol - 1] = 0;
    memcpy(records + (size_t)i * sizeof name, &name, sizeof name);
  }
  return n;
}

static TF_COLD tf_err_t names_write(tf_journal_t *journal, uint32_t cnt, uint64_t now_ns) {
  uint8_t block[TF_JOURNAL_HEADER_BYTES + NAMES_PER_BLOCK * TF_JOURNAL_RECORD_BYTES] TF_ALIGNED(64);
  while (journal->named_cnt < cnt) {
    uint32_t n     = names_make(journal, cnt, block + TF_JOURNAL_HEADER_BYTES);
    uint32_t first = journal->named_cnt;
    tf_err_t err   = block_write(journal, block, TF_JOURNAL_INSTRUMENTS, n, first, now_ns);
    if (err) return err;
    journal->named_cnt = first + n;
  }
  return 0;
}

static void made_durable(tf_journal_t *journal, uint64_t now_ns) {
  journal->synced_ns      = now_ns;
  journal->unsynced_bytes = 0;
  tf_count_add(&journal->counts.syncs, 1);
  tf_count_add(&journal->counts.records_durable,
               journal->counts.records_written - journal->counts.records_durable);
  /* pairs with: tf_journal_durable_seq */
  tf_store_release(&journal->durable_seq, journal->last_seq);
}

static int sync_file(const tf_journal_t *journal) {
  int result;
  do result = fdatasync(journal->fd);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

static tf_err_t sync_now(tf_journal_t *journal, uint64_t now_ns) {
  int why = sync_file(journal);
  if (why) {
    journal->sync_failed = true;
    tf_count_add(&journal->counts.sync_errors, 1);
    return segment_next(journal, why, now_ns); /* which syncs what it rewrites */
  }
  made_durable(journal, now_ns);
  return 0;
}

/* The sync that the policy wants now. */
static tf_err_t sync_due(tf_journal_t *journal, uint64_t now_ns) {
  if (journal->counts.records_written == journal->counts.records_durable) return 0;
  switch (journal->config.durable) {
  case TF_JOURNAL_DURABLE_NONE: return 0;
  case TF_JOURNAL_DURABLE_BLOCK: break;
  case TF_JOURNAL_DURABLE_INTERVAL:
    if (now_ns - journal->synced_ns < journal->config.interval_ns) return 0;
    break;
  }
  return sync_now(journal, now_ns);
}

static tf_err_t pending_write(tf_journal_t *journal, uint64_t now_ns) {
  if (journal->config.instruments) {
    /* pairs with: the feed that appends the row */
    uint32_t cnt = tf_load_acquire_u32(&journal->config.instruments->cnt);
    tf_err_t err = cnt > journal->named_cnt ? names_write(journal, cnt, now_ns) : 0;
    if (err) return err;
  }
  const tf_decision_t *records =
      (const tf_decision_t *)(const void *)(journal->block + TF_JOURNAL_HEADER_BYTES);
  tf_err_t err = block_write(journal, journal->block, TF_JOURNAL_DECISIONS, journal->record_cnt,
                             records[0].decision_seq, now_ns);
  if (err) return err;
  tf_count_add(&journal->counts.records_written, journal->record_cnt);
  journal->last_seq   = records[journal->record_cnt - 1].decision_seq;
  journal->record_cnt = 0;
  return sync_due(journal, now_ns);
}

uint32_t tf_journal_append(tf_journal_t *journal, const tf_decision_t *decisions, uint32_t n,
                           uint64_t now_ns) {
  uint32_t taken = 0;
  while (!tf_journal_failed(journal)) {
    if (journal->record_cnt == TF_JOURNAL_BLOCK_RECORDS_MAX &&
        (now_ns < journal->retry_ns || pending_write(journal, now_ns) != 0))
      break;
    if (taken == n) break;
    uint32_t room = TF_JOURNAL_BLOCK_RECORDS_MAX - journal->record_cnt;
    uint32_t k    = n - taken < room ? n - taken : room;
    memcpy(journal->block + TF_JOURNAL_HEADER_BYTES +
               (size_t)journal->record_cnt * TF_JOURNAL_RECORD_BYTES,
           decisions + taken, (size_t)k * TF_JOURNAL_RECORD_BYTES);
    journal->record_cnt += k;
    taken += k;
  }
  tf_count_add(&journal->counts.records_taken, taken);
  return taken;
}

tf_err_t tf_journal_flush(tf_journal_t *journal, uint64_t now_ns) {
  if (tf_journal_failed(journal)) return failed_error(journal);
  if (journal->record_cnt > 0) return pending_write(journal, now_ns);
  return sync_due(journal, now_ns);
}

/* ---- opening ---------------------------------------------------------------------------------*/

/* Who holds the flock on this file, from /proc/locks; 0 if it does not say. */
static long lock_owner(const struct stat *st) {
  FILE *locks = fopen("/proc/locks", "re");
  long  owner = 0;
  char  line[256];
  while (locks && fgets(line, sizeof line, locks)) {
    long               pid   = 0;
    unsigned long long inode = 0;
    if (sscanf(line, "%*d: FLOCK %*s %*s %ld %*x:%*x:%llu", &pid, &inode) == 2 &&
        inode == (unsigned long long)st->st_ino)
      owner = pid;
  }
  if (locks) fclose(locks);
  return owner;
}

/* The path of segment n. False: it would be too long. */
static bool segment_path(tf_journal_t *journal, uint32_t segment) {
  int cnt = segment ? snprintf(journal->path, sizeof journal->path, "%s.%u", journal->config.path,
                               segment)
                    : snprintf(journal->path, sizeof journal->path, "%s", journal->config.path);
  journal->segment = segment;
  return cnt > 0 && (size_t)cnt < sizeof journal->path;
}

/* The newest segment is where a journal goes on. */
static tf_err_t segment_find(tf_journal_t *journal) {
  struct stat st;
  if (!segment_path(journal, 0))
    return TF_ERR(E_FILE_OPEN, "%.80s...: the path is too long", journal->config.path);
  for (uint32_t next = 1; segment_path(journal, next) && lstat(journal->path, &st) == 0;) next++;
  segment_path(journal, journal->segment - 1);
  return 0;
}

static tf_err_t file_open(tf_journal_t *journal, uint64_t *size_bytes) {
  tf_err_t found = segment_find(journal);
  if (found) return found;
  const char *path = journal->path;
  journal->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
  if (journal->fd < 0)
    return TF_ERR(E_FILE_OPEN, "%s: %s", path,
                  errno == ELOOP ? "is a symbolic link; name the file itself" : strerror(errno));
  struct stat st, named;
  if (fstat(journal->fd, &st) != 0 || !S_ISREG(st.st_mode))
    return TF_ERR(E_FILE_OPEN, "%s: is no regular file; a journal is one", path);
  int why = flock(journal->fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  if (why && why != EWOULDBLOCK)
    return TF_ERR(E_FILE_OPEN, "%s: cannot be locked: %s; a journal needs flock", path,
                  strerror(why));
  if (why)
    return TF_ERR(E_FILE_BUSY,
                  "%s: another engine writes to it, pid %ld (0: unknown); stop that "
                  "one or name another file",
                  path, lock_owner(&st));
  /* Between open and flock the name may have gone to another file, which someone else locks. */
  if (lstat(path, &named) != 0 || named.st_ino != st.st_ino || named.st_dev != st.st_dev)
    return TF_ERR(E_FILE_BUSY, "%s: was replaced while it was opened; try again", path);
  if (fstat(journal->fd, &st) != 0) return TF_ERR(E_FILE_OPEN, "%s: %s", path, strerror(errno));
  *size_bytes = (uint64_t)st.st_size;
  return 0;
}

/* Whether the file was left by a crash while its header was being made: it is empty, a piece of a
 * header, or a header's length of zeros. */
static bool header_unfinished(const tf_journal_t *journal, uint64_t size_bytes) {
  uint8_t bytes[TF_JOURNAL_HEADER_BYTES] = {0};
  if (size_bytes == 0) return true;
  if (size_bytes > sizeof bytes) return false;
  if (pread(journal->fd, bytes, sizeof bytes, 0) != (ssize_t)size_bytes) return false;
  size_t magic_bytes = size_bytes < 8 ? (size_t)size_bytes : 8;
  bool   zero        = true;
  for (size_t i = 0; i < size_bytes; i++) zero = zero && bytes[i] == 0;
  return zero || (size_bytes < sizeof bytes && memcmp(bytes, TF_JOURNAL_MAGIC, magic_bytes) == 0);
}

static uint64_t wall_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static tf_err_t header_make(tf_journal_t *journal) {
  tf_journal_file_header_t header = {.version          = TF_JOURNAL_VERSION,
                                     .header_bytes     = TF_JOURNAL_HEADER_BYTES,
                                     .record_bytes     = TF_JOURNAL_RECORD_BYTES,
                                     .decision_version = TF_DECISION_VERSION,
                                     .epoch            = journal->epoch,
                                     .flags =
                                         journal->config.key.bytes_cnt ? TF_JOURNAL_FLAG_KEYED : 0,
                                     .config_hash = journal->config.config_hash,
                                     .created_ns  = wall_ns()};
  memcpy(header.magic, TF_JOURNAL_MAGIC, sizeof header.magic);
  header.crc = tf_journal_header_crc(&header);
  if (ftruncate(journal->fd, 0) != 0)
    return TF_ERR(E_FILE_WRITE, "%s: %s", journal->path, strerror(errno));
  int why = write_whole(journal, &header, sizeof header);
  if (why) return TF_ERR(E_FILE_WRITE, "%s: %s", journal->path, strerror(why));
  journal->offset = sizeof header;
  tf_journal_chain_begin(&journal->config.key, &header, journal->chain);
  if (journal->config.durable == TF_JOURNAL_DURABLE_NONE) return 0;
  if (fdatasync(journal->fd) != 0)
    return TF_ERR(E_FILE_WRITE, "%s: fdatasync: %s", journal->path, strerror(errno));
  return tf_folder_sync(journal->path);
}

/* Verifies what is there, and cuts a torn tail. */
static tf_err_t recover(tf_journal_t *journal, tf_journal_reader_t *reader, uint64_t size_bytes) {
  const char *path = journal->path;
  tf_err_t    err  = tf_journal_reader_init_fd(reader, journal->fd, path);
  if (err) return err;
  if (!(reader->file.flags & TF_JOURNAL_FLAG_KEYED) != !journal->config.key.bytes_cnt)
    return TF_ERR(E_FILE_FORMAT,
                  "%s: was begun %s a key; go on as it was begun, or name another file", path,
                  journal->config.key.bytes_cnt ? "without" : "with");
  tf_journal_reader_set_key(reader, &journal->config.key);
  tf_journal_read_t result;
  do result = tf_journal_reader_next(reader);
  while (result == TF_JOURNAL_READ_BLOCK);
  if (result == TF_JOURNAL_READ_ERROR) return tf_error_code();
  if (result == TF_JOURNAL_READ_LOSS && !reader->loss.to_end)
    return tf_error_add(tf_journal_reader_error(reader),
                        "opening it to go on; move it away to keep what is intact in it");
  journal->offset                 = reader->offset;
  journal->recovered.decision_cnt = reader->decision_cnt;
  journal->recovered.last_seq     = reader->last_seq;
  journal->recovered.epoch        = reader->last_epoch ? reader->last_epoch : reader->file.epoch;
  journal->recovered.cut_bytes    = size_bytes - journal->offset;
  memcpy(journal->chain, reader->chain, sizeof journal->chain);
  journal->reserved = journal->offset;
  if (journal->recovered.cut_bytes == 0) {
    /* What a crash left reserved behind the end goes back. */
    if (ftruncate(journal->fd, (off_t)journal->offset) != 0)
      return TF_ERR(E_FILE_WRITE, "%s: %s", path, strerror(errno));
    return 0;
  }
  if (ftruncate(journal->fd, (off_t)journal->offset) != 0 || fdatasync(journal->fd) != 0)
    return TF_ERR(E_FILE_WRITE, "%s: cutting a torn tail at byte %llu: %s", path,
                  (unsigned long long)journal->offset, strerror(errno));
  tf_log(TF_LOG_WARN, "journal_tail_cut",
         "path=%s offset=%llu bytes=%llu decisions=%llu last_seq=%llu", path,
         (unsigned long long)journal->offset, (unsigned long long)journal->recovered.cut_bytes,
         (unsigned long long)reader->decision_cnt, (unsigned long long)reader->last_seq);
  return 0;
}

static tf_err_t contents_init(tf_journal_t *journal, uint64_t size_bytes) {
  if (header_unfinished(journal, size_bytes)) {
    journal->epoch = journal->config.epoch_min ? journal->config.epoch_min : 1;
    return header_make(journal);
  }
  tf_journal_reader_t *reader = aligned_alloc(64, tf_align_up(sizeof *reader, 64));
  if (!reader) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes", sizeof *reader);
  tf_err_t err = recover(journal, reader, size_bytes);
  free(reader);
  if (err) return err;
  if (journal->recovered.epoch == UINT32_MAX)
    return TF_ERR(E_FILE_FORMAT, "%s: its epoch is at its end; name another file", journal->path);
  journal->epoch = journal->recovered.epoch + 1;
  if (journal->epoch < journal->config.epoch_min) journal->epoch = journal->config.epoch_min;
  tf_log(TF_LOG_INFO, "journal_continued", "path=%s epoch=%u decisions=%llu last_seq=%llu",
         journal->path, journal->epoch, (unsigned long long)journal->recovered.decision_cnt,
         (unsigned long long)journal->recovered.last_seq);
  return 0;
}

static void start_make(const tf_journal_t *journal, uint64_t now_ns, uint8_t *record) {
  tf_journal_start_t start = {.epoch       = journal->epoch,
                              .pid         = (uint32_t)getpid(),
                              .started_ns  = now_ns,
                              .config_hash = journal->config.config_hash,
                              .durable_seq = journal->segment ? journal->durable_seq : 0,
                              .segment     = journal->segment};
  memcpy(record, &start, sizeof start);
}

/* Makes the new epoch last, before any decision carries it. */
static tf_err_t start_write(tf_journal_t *journal) {
  uint8_t  block[TF_JOURNAL_HEADER_BYTES + TF_JOURNAL_RECORD_BYTES] TF_ALIGNED(64);
  uint64_t now_ns = wall_ns();
  start_make(journal, now_ns, block + TF_JOURNAL_HEADER_BYTES);
  tf_err_t err = block_write(journal, block, TF_JOURNAL_START, 1, 0, now_ns);
  if (err || journal->config.durable == TF_JOURNAL_DURABLE_NONE) return err;
  return sync_now(journal, 0);
}

/* ---- segments --------------------------------------------------------------------------------*/

/* Into the file in hand, which is new: its start, the names, and what is not known to be on disk. */
static int segment_fill(tf_journal_t *journal, uint64_t now_ns) {
  uint8_t block[TF_JOURNAL_HEADER_BYTES + NAMES_PER_BLOCK * TF_JOURNAL_RECORD_BYTES] TF_ALIGNED(64);
  uint32_t named = journal->named_cnt;
  start_make(journal, now_ns, block + TF_JOURNAL_HEADER_BYTES);
  int why            = block_put(journal, block, TF_JOURNAL_START, 1, 0, now_ns);
  journal->named_cnt = 0;
  while (!why && journal->named_cnt < named) {
    uint32_t n = names_make(journal, named, block + TF_JOURNAL_HEADER_BYTES);
    why        = block_put(journal, block, TF_JOURNAL_INSTRUMENTS, n, journal->named_cnt, now_ns);
    journal->named_cnt += n;
  }
  journal->named_cnt = named;
  for (uint32_t at = 0; !why && at < journal->unsynced_bytes;) {
    uint8_t                         *bytes = journal->unsynced + at;
    const tf_journal_block_header_t *h     = (const void *)bytes;
    uint32_t                         cnt   = h->record_cnt;
    at += (uint32_t)(TF_JOURNAL_HEADER_BYTES + tf_journal_payload_bytes(h));
    if (h->kind != TF_JOURNAL_START)
      why = block_put(journal, bytes, h->kind, cnt, h->first_seq, now_ns);
  }
  if (!why && journal->config.durable != TF_JOURNAL_DURABLE_NONE) why = sync_file(journal);
  return why;
}

/* Makes the next file of which there is none yet. 0 or errno's value; then nothing is open. */
static int segment_begin(tf_journal_t *journal) {
  do {
    if (!segment_path(journal, journal->segment + 1)) return ENAMETOOLONG;
    journal->fd =
        open(journal->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
  } while (journal->fd < 0 && errno == EEXIST);
  if (journal->fd < 0) return errno;
  journal->offset = journal->reserved = 0;
  int why                             = flock(journal->fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  if (!why && header_make(journal)) why = errno ? errno : EIO;
  if (!why) return 0;
  close(journal->fd);
  journal->fd = -1;
  return why;
}

/* The file in hand failed: goes on in a new one, with all that is not known to be on disk. */
static TF_COLD tf_err_t segment_next(tf_journal_t *journal, int why, uint64_t now_ns) {
  if (!journal->sync_failed) tf_count_add(&journal->counts.write_errors, 1);
  for (int try = 0; try < TF_JOURNAL_SEGMENT_TRIES; try++) {
    tf_log(TF_LOG_ERROR, "journal_segment_failed", "path=%s offset=%llu what=%s error=\"%s\"",
           journal->path, (unsigned long long)journal->offset,
           journal->sync_failed ? "fdatasync" : "write", strerror(why));
    if (journal->left_cnt == TF_JOURNAL_SEGMENTS_MAX) break;
    if (journal->fd >= 0) journal->left_fds[journal->left_cnt++] = journal->fd;
    int now_why = segment_begin(journal);
    if (!now_why) {
      tf_count_add(&journal->counts.segments, 1);
      now_why = segment_fill(journal, now_ns);
    }
    if (now_why) {
      why = now_why;
      continue;
    }
    journal->sync_failed = false;
    if (journal->config.durable != TF_JOURNAL_DURABLE_NONE) made_durable(journal, now_ns);
    return 0;
  }
  journal->failed_errno = why;
  return failed_error(journal);
}

tf_err_t tf_journal_init(tf_journal_t *journal, const tf_journal_config_t *config) {
  memset(journal, 0, offsetof(tf_journal_t, block));
  journal->fd     = -1;
  journal->config = *config;
  if (!config->path || !*config->path)
    return TF_ERR(E_CORE_ARGUMENT, "a journal needs a path to a file");
  uint64_t size_bytes = 0;
  tf_err_t err        = file_open(journal, &size_bytes);
  if (!err) err = contents_init(journal, size_bytes);
  if (!err) err = start_write(journal);
  if (err && journal->fd >= 0) {
    close(journal->fd);
    journal->fd = -1;
  }
  return err;
}

tf_err_t tf_journal_fini(tf_journal_t *journal) {
  if (!journal->config.path || (journal->fd < 0 && !journal->left_cnt)) return 0;
  tf_err_t err = tf_journal_flush(journal, journal->synced_ns);
  bool     due = journal->config.durable != TF_JOURNAL_DURABLE_NONE &&
             journal->counts.records_written > journal->counts.records_durable;
  /* A last block that found no room does not make those before it less worth keeping. */
  if (due && !tf_journal_failed(journal)) {
    tf_err_t sync_err = sync_now(journal, journal->synced_ns);
    if (!err) err = sync_err;
  }
  /* What is reserved behind the end goes back. */
  if (!tf_journal_failed(journal) && ftruncate(journal->fd, (off_t)journal->offset) != 0 && !err)
    err = TF_ERR(E_FILE_WRITE, "%s: %s", journal->path, strerror(errno));
  if (close(journal->fd) != 0 && !err)
    err = TF_ERR(E_FILE_WRITE, "%s: close: %s", journal->path, strerror(errno));
  journal->fd = -1;
  while (journal->left_cnt) close(journal->left_fds[--journal->left_cnt]);
  return err;
}

bool tf_journal_durable_parse(const char *text, tf_journal_durable_t *durable) {
  static const char *const names[] = {"none", "block", "interval"};
  for (size_t i = 0; i < TF_ARRAY_CNT(names); i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *durable = (tf_journal_durable_t)i;
    return true;
  }
  return false;
}
