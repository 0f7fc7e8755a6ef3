/* The shared-memory sink: decisions into the stream that tf/reader.h describes and reads.
 *
 * One writer a name. The writer holds flock(2) on its file for as long as it lives, so the kernel
 * gives the name back whatever it dies of; the file itself is never repaired in place. Whoever opens
 * the name takes the lock of the file that is there, makes a complete new file under a name of its
 * own, locks that and renames it over the old one, so a file under the stream's name is always whole
 * and always locked by its living writer. Two engines that start at once meet at the lock or at the
 * rename, which does not replace what it has not locked. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "tf/reader.h"
#include "tf/sink.h"

/* 4096 decisions are 786 kB: 4 s of burst at 1,000 a second, 40 ms at 100,000. */
#define SLOT_CNT_DEFAULT 4096u

/* The heartbeat is stored when it is this old, or after that many decisions: a tenth of the promise,
 * so that one late flush does not break it. */
#define BEAT_INTERVAL_NS   (TF_STREAM_HEARTBEAT_NS / 10)
#define BEAT_DECISIONS_MAX 256u

#define TEMP_PATH_BYTES (TF_STREAM_PATH_BYTES + 40)

typedef struct shm_state {
  tf_bcast_writer_t       writer;
  tf_stream_header_t     *header; /* NULL: not open */
  tf_stream_instrument_t *rows;
  const tf_instruments_t *instruments; /* NULL: the stream names none */
  uint64_t                beat_ns;     /* the heartbeat stored last */
  uint32_t                unbeaten_cnt;
  uint32_t                unpriced_cnt; /* rows whose price exponent is not known yet */
  uint64_t                map_bytes;
  int                     fd; /* holds the lock */
} shm_state_t;

/* What was found under the stream's name, locked by us from now on; fd < 0 if nothing was. */
typedef struct predecessor {
  int      fd;
  uint32_t epoch;
  uint64_t next_seq; /* where we go on */
  uint64_t last_seq;
  uint64_t decision_seq;
} predecessor_t;

/* ---- hot ---- */

static void beat(shm_state_t *shm, uint64_t now_ns) {
  shm->beat_ns      = now_ns;
  shm->unbeaten_cnt = 0;
  tf_store_release(&shm->header->heartbeat_ns, now_ns); /* pairs with: tf_reader_ended_ */
}

static int shm_offer(void *state, const void *records, uint32_t n) {
  shm_state_t         *shm       = state;
  const tf_decision_t *decisions = records;
  TF_ASSERT(n <= INT32_MAX);
  for (uint32_t i = 0; i < n; i++) tf_bcast_write(&shm->writer, &decisions[i], TF_STREAM_WORD_CNT);
  /* flush comes when emit is idle. An emit that is never idle beats by count: then decisions flow. */
  shm->unbeaten_cnt += n;
  if (TF_UNLIKELY(shm->unbeaten_cnt >= BEAT_DECISIONS_MAX)) beat(shm, tf_stream_clock_ns());
  return (int)n;
}

/* ---- housekeeping ---- */

/* Rows that the decoder has published since; with reprice also exponents that were still unknown. */
static void instruments_refresh(shm_state_t *shm, bool reprice) {
  if (shm->instruments == NULL) return;
  uint32_t cnt_before = shm->header->instruments_cnt; /* ours: no other writer */
  /* pairs with: the decoder's publication of its rows (tf/instrument.h) */
  uint32_t cnt = tf_load_acquire_u32(&shm->instruments->cnt);
  if (cnt > shm->header->instruments_cap) cnt = shm->header->instruments_cap;
  if (cnt == cnt_before && (!reprice || shm->unpriced_cnt == 0)) return;

  shm->unpriced_cnt = 0;
  for (uint32_t id = 0; id < cnt; id++) {
    const tf_instrument_t  *source = &shm->instruments->rows[id];
    tf_stream_instrument_t *target = &shm->rows[id];
    if (id >= cnt_before) {
      target->id = id;
      memcpy(target->name, source->name, sizeof target->name);
      target->name[sizeof target->name - 1] = 0;
    }
    /* Before its metadata is published the row's scale is the decoder's alone to read. */
    int8_t price_exp =
        tf_instrument_metadata(source) == TF_METADATA_NONE ? INT8_MIN : source->price_exp;
    if (price_exp == INT8_MIN) shm->unpriced_cnt++;
    /* relaxed: one word, complete by itself */
    tf_store_relaxed_u32(&target->price_exp, (uint32_t)(int32_t)price_exp);
  }
  /* pairs with: tf_reader_instrument_. New rows are whole before they are counted. */
  tf_store_release_u32(&shm->header->instruments_cnt, cnt);
}

static tf_err_t shm_flush(void *state, uint64_t now_ns) {
  shm_state_t *shm = state;
  (void)now_ns; /* the engine's clock, which a replay may drive: the heartbeat has one of its own */
  uint64_t clock_ns = tf_stream_clock_ns();
  bool     beat_due = clock_ns - shm->beat_ns >= BEAT_INTERVAL_NS;
  instruments_refresh(shm, beat_due);
  if (beat_due) beat(shm, clock_ns);
  return TF_OK;
}

/* ---- taking the name over ---- */

/* Start time of a process in clock ticks since boot: with the pid it names a process for good, pids
 * alone are used again. 0 if there is no such process. */
static uint64_t process_start(uint32_t pid) {
  char path[32], text[1024];
  snprintf(path, sizeof path, "/proc/%u/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t bytes = read(fd, text, sizeof text - 1);
  close(fd);
  if (bytes <= 0) return 0;
  text[bytes] = 0;
  /* The second field is the program's name in parentheses and may contain anything; the 22nd is ours,
   * 20 spaces behind the last parenthesis. */
  const char *at = strrchr(text, ')');
  for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
  return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

static tf_err_t busy(const char *path, int fd) {
  tf_stream_header_t h;
  if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || h.magic != TF_STREAM_MAGIC)
    return TF_ERR(E_FILE_BUSY, "%s is locked by another process: see `fuser %s`", path, path);
  if (h.writer_start == 0 || process_start(h.writer_pid) != h.writer_start)
    return TF_ERR(E_FILE_BUSY,
                  "%s is locked by a process that is not its writer (pid %u, which is gone): see "
                  "`fuser %s`",
                  path, h.writer_pid, path);
  return TF_ERR(E_FILE_BUSY,
                "%s is written by another engine, pid %u, epoch %u: stop it, or give this sink "
                "another path",
                path, h.writer_pid, h.epoch);
}

/* Where the stream of a dead writer ends. It is not written any more: we hold its lock. */
static void predecessor_read_tail(predecessor_t *p, const tf_stream_header_t *h) {
  void *map = mmap(NULL, h->file_bytes, PROT_READ, MAP_SHARED, p->fd, 0);
  if (map == MAP_FAILED) return;
  tf_bcast_reader_t ring;
  tf_decision_t     last;
  const char       *refusal = tf_bcast_reader_join(&ring, (const uint8_t *)map + h->ring_offset,
                                                   h->file_bytes - h->ring_offset, TF_STREAM_WORD_CNT);
  if (refusal == NULL) {
    uint64_t head = ring.next_seq;
    /* It may have died after stamping its last record and before moving the head. */
    bool found = tf_bcast_read(&ring, &last, TF_STREAM_WORD_CNT) == TF_BCAST_READ;
    if (!found && head != ring.first_seq) {
      ring.next_seq = head - 1;
      found         = tf_bcast_read(&ring, &last, TF_STREAM_WORD_CNT) == TF_BCAST_READ;
    }
    p->next_seq = found ? ring.next_seq : head;
    /* A predecessor that wrote nothing hands on what it found itself. */
    p->last_seq     = found ? p->next_seq - 1 : h->predecessor_last_seq;
    p->decision_seq = found ? last.decision_seq : h->predecessor_decision_seq;
  }
  munmap(map, h->file_bytes);
}

/* Takes the lock of the file that is there. E_FILE_BUSY with its owner, or E_SHM_OPEN, E_SHM_LAYOUT
 * for something that is not ours to replace. */
static tf_err_t predecessor_lock(predecessor_t *p, const char *path) {
  struct stat st, named;
  *p = (predecessor_t){.fd = -1, .next_seq = 1};
  for (;;) {
    p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (p->fd < 0 && errno == ENOENT) return TF_OK;
    if (p->fd < 0)
      return TF_ERR(E_SHM_OPEN, "%s: %s", path,
                    errno == ELOOP ? "a symbolic link, which is not followed: remove it"
                                   : strerror(errno));
    if (fstat(p->fd, &st) != 0) return TF_ERR(E_SHM_OPEN, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
      return TF_ERR(E_SHM_OPEN, "%s is %s of uid %u: only a file of our own, uid %u, is replaced",
                    path, S_ISREG(st.st_mode) ? "a file" : "not a file, but something",
                    (unsigned)st.st_uid, (unsigned)geteuid());
    if (flock(p->fd, LOCK_EX | LOCK_NB) != 0)
      return errno == EWOULDBLOCK ? busy(path, p->fd)
                                  : TF_ERR(E_SHM_OPEN, "%s: %s", path, strerror(errno));
    /* Between open and lock another engine may have put its own file there: lock that one then. */
    if (stat(path, &named) == 0 && named.st_ino == st.st_ino && named.st_dev == st.st_dev) break;
    close(p->fd);
  }

  tf_stream_header_t h;
  char               why[256];
  ssize_t            bytes = pread(p->fd, &h, sizeof h, 0);
  if (bytes < 16 || h.magic != TF_STREAM_MAGIC)
    return TF_ERR(E_SHM_LAYOUT, "%s is not a tickfuse stream: remove it, or choose another path",
                  path);
  p->epoch = h.epoch;
  if (bytes != (ssize_t)sizeof h || !tf_stream_header_ok(&h, (uint64_t)st.st_size, why, sizeof why))
    tf_log(TF_LOG_WARN, "shm_predecessor_unreadable", "path=%s epoch=%u why=\"%s\"", path, h.epoch,
           bytes != (ssize_t)sizeof h ? "cut short" : why);
  else
    predecessor_read_tail(p, &h);
  return TF_OK;
}

/* ---- making the file ---- */

static void header_fill(tf_stream_header_t *h, const tf_sink_config_t *config,
                        const predecessor_t *p, uint64_t slot_cnt) {
  uint32_t rows_cap     = config->instruments ? config->instruments->cap : 0;
  h->layout_version     = TF_STREAM_LAYOUT_VERSION;
  h->epoch              = p->fd >= 0 && p->epoch >= config->epoch ? p->epoch + 1 : config->epoch;
  h->ring_slot_cnt      = slot_cnt;
  h->instruments_offset = TF_STREAM_HEADER_BYTES;
  h->instruments_cap    = rows_cap;
  h->instrument_bytes   = sizeof(tf_stream_instrument_t);
  h->ring_offset =
      tf_align_up(h->instruments_offset + (uint64_t)rows_cap * sizeof(tf_stream_instrument_t),
                  TF_STREAM_HEADER_BYTES);
  h->file_bytes               = h->ring_offset + tf_bcast_footprint(slot_cnt, TF_STREAM_WORD_CNT);
  h->record_bytes             = sizeof(tf_decision_t);
  h->decision_version         = TF_DECISION_VERSION;
  h->first_seq                = p->next_seq;
  h->writer_pid               = (uint32_t)getpid();
  h->writer_start             = process_start(h->writer_pid);
  h->predecessor_epoch        = p->epoch;
  h->predecessor_last_seq     = p->last_seq;
  h->predecessor_decision_seq = p->decision_seq;
  h->state                    = TF_STREAM_OPEN;
}

/* A locked, whole stream under temp_path, mapped into shm. On error the caller unwinds. */
static tf_err_t file_make(shm_state_t *shm, const char *temp_path,
                          const tf_stream_header_t *header) {
  int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  shm->fd   = open(temp_path, flags, 0644);
  if (shm->fd < 0) return TF_ERR(E_SHM_OPEN, "%s cannot be made: %s", temp_path, strerror(errno));
  /* Readers of other users are meant to read; umask would take that away. */
  if (fchmod(shm->fd, 0644) != 0 || flock(shm->fd, LOCK_EX | LOCK_NB) != 0)
    return TF_ERR(E_SHM_OPEN, "%s: %s", temp_path, strerror(errno));
  /* Memory that is not there must be an error now and not a SIGBUS at some decision. */
  int err = posix_fallocate(shm->fd, 0, (off_t)header->file_bytes);
  if (err != 0)
    return TF_ERR(E_SHM_OPEN, "%s: %" PRIu64 " KiB: %s: see `df /dev/shm`, or lower slots",
                  temp_path, header->file_bytes >> 10, strerror(err));
  void *map =
      mmap(NULL, header->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, shm->fd, 0);
  if (map == MAP_FAILED)
    return TF_ERR(E_SHM_OPEN, "%s: %" PRIu64 " KiB cannot be mapped: %s", temp_path,
                  header->file_bytes >> 10, strerror(errno));
  shm->map_bytes = header->file_bytes;
  shm->header    = map;
  shm->rows      = (tf_stream_instrument_t *)(void *)((uint8_t *)map + header->instruments_offset);
  memcpy(map, header, sizeof *header);

  void       *ring = (uint8_t *)map + header->ring_offset;
  tf_bcast_t *bcast =
      tf_bcast_new(ring, header->ring_slot_cnt, TF_STREAM_WORD_CNT, header->first_seq);
  TF_ASSERT(bcast != NULL);
  const char *refusal = tf_bcast_writer_join(
      &shm->writer, ring, header->file_bytes - header->ring_offset, TF_STREAM_WORD_CNT);
  TF_ASSERT(refusal == NULL);
  instruments_refresh(shm, true);
  beat(shm, tf_stream_clock_ns());
  tf_store_release(&shm->header->magic, TF_STREAM_MAGIC); /* pairs with: the rename that names it */
  return TF_OK;
}

/* Gives the file its name: over a predecessor that we hold locked, or only if nobody has it. */
static tf_err_t file_name(const char *temp_path, const char *path, const predecessor_t *p) {
  int rc = p->fd >= 0 ? rename(temp_path, path)
                      : renameat2(AT_FDCWD, temp_path, AT_FDCWD, path, RENAME_NOREPLACE);
  if (rc == 0) return TF_OK;
  if (errno == EEXIST)
    return TF_ERR(E_FILE_BUSY, "%s was taken by another engine that started just now", path);
  return TF_ERR(E_SHM_OPEN, "%s: %s", path, strerror(errno));
}

static void unmap(shm_state_t *shm) {
  if (shm->header) munmap(shm->header, shm->map_bytes);
  if (shm->fd >= 0) close(shm->fd); /* and the lock goes */
  shm->header = NULL;
  shm->fd     = -1;
}

/* ---- the contract ---- */

static size_t shm_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(shm_state_t);
}

static tf_err_t shm_open_stream(void *state, const tf_sink_config_t *config) {
  shm_state_t *shm = state;
  *shm             = (shm_state_t){.fd = -1, .instruments = config->instruments};
  char     path[TF_STREAM_PATH_BYTES], temp_path[TEMP_PATH_BYTES];
  uint64_t slot_cnt = config->slot_cnt ? config->slot_cnt : SLOT_CNT_DEFAULT;

  if (!tf_stream_path(config->path, path))
    return TF_ERR(E_SINK_CONFIG,
                  "shm sink: path \"%.80s\": 1 to %u characters of A-Z a-z 0-9 . _ - are allowed "
                  "(the stream is %sNAME)",
                  config->path ? config->path : "", TF_STREAM_NAME_BYTES_MAX, TF_STREAM_PREFIX);
  if (tf_bcast_footprint(slot_cnt, TF_STREAM_WORD_CNT) == 0)
    return TF_ERR(E_SINK_CONFIG,
                  "shm sink %s: %" PRIu64 " slots: a power of two in 2 .. %" PRIu64 " is allowed",
                  config->path, slot_cnt, TF_BCAST_SLOT_CNT_MAX);
  if (config->instruments && config->instruments->cap > TF_STREAM_INSTRUMENT_MAX)
    return TF_ERR(E_SINK_CONFIG, "shm sink %s: %u instruments: at most %u are allowed",
                  config->path, config->instruments->cap, TF_STREAM_INSTRUMENT_MAX);

  predecessor_t predecessor;
  tf_err_t      err = predecessor_lock(&predecessor, path);
  if (err == TF_OK) {
    tf_stream_header_t header;
    memset(&header, 0, sizeof header);
    header_fill(&header, config, &predecessor, slot_cnt);
    /* '~' is in no stream's name, so no stream can be called like this; the start time keeps apart
     * processes of one pid in two containers that share /dev/shm. */
    snprintf(temp_path, sizeof temp_path, "%s~%u-%" PRIu64, path, header.writer_pid,
             header.writer_start);
    err = file_make(shm, temp_path, &header);
    if (err == TF_OK) err = file_name(temp_path, path, &predecessor);
    if (err != TF_OK) {
      if (shm->fd >= 0) unlink(temp_path);
      unmap(shm);
    }
  }
  if (err == TF_OK && predecessor.fd >= 0)
    tf_log(TF_LOG_INFO, "shm_taken_over",
           "path=%s epoch=%u predecessor_epoch=%u last_seq=%" PRIu64 " last_decision_seq=%" PRIu64,
           path, shm->header->epoch, predecessor.epoch, predecessor.last_seq,
           predecessor.decision_seq);
  if (predecessor.fd >= 0) close(predecessor.fd);
  return err == TF_OK ? TF_OK : tf_error_add(err, "opening sink shm");
}

/* The file stays, with what readers have not read yet and the sequence that the next engine goes on
 * from. */
static tf_err_t shm_close(void *state) {
  shm_state_t *shm = state;
  if (shm->header) {
    instruments_refresh(shm, true);
    beat(shm, tf_stream_clock_ns());
    tf_store_release_u32(&shm->header->state, TF_STREAM_CLOSED); /* pairs with: tf_reader_ended_ */
  }
  unmap(shm);
  return TF_OK;
}

extern const tf_sink_t tf_sink_shm;
const tf_sink_t        tf_sink_shm = {
           .name        = "shm",
           .keys        = "path slots",
           .help        = "a file under /dev/shm that other processes map read-only (tf/reader.h)",
           .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_OVERRUN),
           .policy      = TF_OVERFLOW_OVERRUN,
           .carries     = 1u << TF_CARRIES_DECISIONS,
           .state_bytes = shm_state_bytes,
           .open        = shm_open_stream,
           .offer       = shm_offer,
           .flush       = shm_flush,
           .close       = shm_close,
};
