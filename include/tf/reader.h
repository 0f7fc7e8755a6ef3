/* The decision stream in shared memory, and how to read it: for a bot on the same host, in C or C++,
 * with nothing but this directory and libc. The engine's shm sink (adapters/sink/shm.c) writes it.
 *
 * A stream called NAME is the file /dev/shm/tickfuse.NAME. Readers map it read-only: they cannot slow,
 * stop or corrupt the engine, and the engine does not know them. The stream is lossy by design: the
 * writer overwrites the oldest of slot_cnt decisions, and a reader that was too slow is told which
 * sequences it lost, exactly.
 *
 *     tf_reader_t   reader;
 *     tf_decision_t decision;
 *     if (tf_reader_open("decisions", &reader) != TF_OK) { puts(reader.error); exit(1); }
 *     for (;;)
 *       switch (tf_reader_next(&reader, &decision)) {
 *       case TF_READER_READ:    act(&decision); break;
 *       case TF_READER_OVERRUN: report(reader.ring.lost_from, reader.ring.lost_to); break;
 *       case TF_READER_EMPTY:   pause or poll again; break;
 *       case TF_READER_DEAD:    no heartbeat: the engine is gone or stopped; break;
 *       case TF_READER_CLOSED:  the engine ended in order; tf_reader_close(&reader); return;
 *       }
 *
 * Sequences are the stream's own, one for each decision from 1 on; they go on where a predecessor
 * stopped when the engine is started again on the same name. decision_seq, which a lane gives, is in
 * the decision, with the engine's epoch.
 *
 * Layout of the file (little endian; all offsets are in its header, all sizes checked at open):
 *
 *     0                    tf_stream_header_t, one page
 *     instruments_offset   instruments_cap rows of tf_stream_instrument_t, by instrument_id
 *     ring_offset          the broadcast ring (tf/bcast.h) of ring_slot_cnt decisions
 *
 * Liveness: the writer stores CLOCK_MONOTONIC in heartbeat_ns at least every 100 ms, whether there
 * are decisions or not, so quiet and dead differ. A file whose writer is gone keeps its decisions
 * until an engine takes the name over: it puts a new file in the old one's place (readers of the old
 * one see DEAD or CLOSED and open again), with the epoch raised.
 *
 * What is trusted: the user who runs the engine. Nobody else can write the file; one who can could
 * cut it short under a reader's feet, which is SIGBUS for whoever maps a file, or fill it with
 * decisions of his own. Damage is caught at open, and later moves no reader out of bounds. */
#ifndef TF_READER_H
#define TF_READER_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tf/bcast.h"
#include "tf/decision.h"
#include "tf/err.h"

#define TF_STREAM_MAGIC          UINT64_C(0x31306d7274736674) /* "tfstrm01", little endian */
#define TF_STREAM_LAYOUT_VERSION 1u
#define TF_STREAM_HEADER_BYTES   4096u
#define TF_STREAM_PREFIX         "/dev/shm/tickfuse."
#define TF_STREAM_NAME_BYTES_MAX 64u /* characters of NAME: A-Z a-z 0-9 . _ - */
#define TF_STREAM_PATH_BYTES     (sizeof TF_STREAM_PREFIX + TF_STREAM_NAME_BYTES_MAX)
#define TF_STREAM_WORD_CNT       (sizeof(tf_decision_t) / 8)

#define TF_STREAM_HEARTBEAT_NS   (100 * TF_NS_PER_MS) /* the writer's promise: at most this old */
#define TF_STREAM_INSTRUMENT_MAX (1u << 20)

/* Words, not bools: the writer's state as readers see it. */
#define TF_STREAM_OPEN   1u
#define TF_STREAM_CLOSED 2u

/* magic, layout_version and epoch keep their places in every version to come. */
typedef struct tf_stream_header {
  /* written once, before the file gets its name */
  uint64_t magic; /* last to be written */
  uint32_t layout_version;
  uint32_t epoch; /* of the stream: larger than any predecessor's on this name */
  uint64_t file_bytes;
  uint64_t ring_offset;
  uint64_t ring_slot_cnt;
  uint64_t instruments_offset;
  uint32_t instruments_cap;
  uint32_t instrument_bytes; /* of a row */
  uint32_t record_bytes;     /* of a decision */
  uint32_t decision_version; /* TF_DECISION_VERSION */
  uint64_t first_seq;        /* the first sequence of this file */
  uint64_t writer_start;     /* of its process: clock ticks since boot (proc(5), stat, field 22) */
  uint32_t writer_pid;
  /* what the file found in its place held: 0 if there was none */
  uint32_t predecessor_epoch;
  uint64_t predecessor_last_seq;     /* the stream's sequence of its last whole decision */
  uint64_t predecessor_decision_seq; /* that decision's own */
  uint8_t  reserved_0[2 * TF_LINE_PAIR_BYTES - 104];
  /* written by the writer while it lives */
  uint64_t heartbeat_ns; /* CLOCK_MONOTONIC */
  uint32_t state;        /* TF_STREAM_OPEN or TF_STREAM_CLOSED */
  uint32_t instruments_cnt;
  uint8_t  reserved_1[TF_STREAM_HEADER_BYTES - 2 * TF_LINE_PAIR_BYTES - 16];
} tf_stream_header_t;

TF_STATIC_ASSERT(sizeof(tf_stream_header_t) == TF_STREAM_HEADER_BYTES, "the header is one page");
TF_STATIC_ASSERT(offsetof(tf_stream_header_t, epoch) == 12, "layout is a public format");
TF_STATIC_ASSERT(offsetof(tf_stream_header_t, first_seq) == 64, "layout is a public format");
TF_STATIC_ASSERT(offsetof(tf_stream_header_t, heartbeat_ns) == 256, "layout is a public format");

typedef struct tf_stream_instrument {
  uint32_t id;        /* the row's own index */
  uint32_t price_exp; /* int8 as a word; INT8_MIN until the instrument's first price */
  char     name[64];  /* "BTCUSDT.BINANCE-SPOT", NUL-terminated */
} tf_stream_instrument_t;

TF_STATIC_ASSERT(sizeof(tf_stream_instrument_t) == 72, "layout is a public format");

typedef enum tf_reader_result {
  TF_READER_EMPTY   = 0, /* nothing yet; the writer lives */
  TF_READER_READ    = 1, /* one decision was delivered */
  TF_READER_OVERRUN = 2, /* ring.lost_from .. ring.lost_to are gone; go on calling */
  TF_READER_DEAD    = 3, /* all was delivered and the heartbeat is old: killed, hung or stopped. Not
                            final: a writer that was only stopped may go on */
  TF_READER_CLOSED  = 4  /* all was delivered and the writer has ended in order. Final */
} tf_reader_result_t;

/* One reader, one thread. ring.lost_from and ring.lost_to tell the last overrun, ring.read_cnt and
 * ring.lost_cnt the sums. */
typedef struct tf_reader {
  tf_bcast_reader_t         ring;
  const tf_stream_header_t *header;
  uint64_t                  map_bytes;
  uint64_t                  dead_after_ns; /* may be set after open; 1 s by default */
  uint32_t                  empty_cnt;     /* EMPTY results in a row */
  uint32_t                  instruments_cap;
  uint64_t                  instruments_offset;
  char                      error[384]; /* what was wrong when a call failed */
} tf_reader_t;

#define TF_READER_DEAD_AFTER_NS (10 * TF_STREAM_HEARTBEAT_NS)

/* Of a run of EMPTY results every so many looks at the heartbeat, which costs a clock read (25 ns)
 * and the line that holds it. A reader that sleeps 1 ms between polls sees death 64 ms late. */
#define TF_READER_EMPTY_PER_CHECK 64u

/* ---- names and time, shared with the writer ---- */

/* Writes the file's path for NAME; false (path untouched) if NAME is not 1 .. 64 of A-Z a-z 0-9 . _ - */
static inline bool tf_stream_path(const char *name, char path[TF_STREAM_PATH_BYTES]) {
  size_t length = 0;
  for (; name != NULL && name[length] != 0; length++) {
    char c  = name[length];
    bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-';
    if (!ok || length == TF_STREAM_NAME_BYTES_MAX) return false;
  }
  if (length == 0) return false;
  memcpy(path, TF_STREAM_PREFIX, sizeof TF_STREAM_PREFIX - 1);
  memcpy(path + sizeof TF_STREAM_PREFIX - 1, name, length + 1);
  return true;
}

/* The clock of heartbeats: the same in every process of the host, never set back. */
static inline uint64_t tf_stream_clock_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * TF_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Why a header (a private copy) of a file of file_bytes is not one that this code reads, in text;
 * true if it is. Checks: magic, version, sizes of header fields, then that every part lies within. */
static inline bool tf_stream_header_ok(const tf_stream_header_t *h, uint64_t file_bytes, char *text,
                                       size_t text_bytes) {
  if (h->magic != TF_STREAM_MAGIC) {
    snprintf(text, text_bytes, "magic %016llx found, %016llx wanted: not a tickfuse stream",
             (unsigned long long)h->magic, (unsigned long long)TF_STREAM_MAGIC);
    return false;
  }
  if (h->layout_version != TF_STREAM_LAYOUT_VERSION) {
    snprintf(text, text_bytes, "layout version %u found, %u is read: build the reader anew",
             h->layout_version, TF_STREAM_LAYOUT_VERSION);
    return false;
  }
  if (h->record_bytes != sizeof(tf_decision_t) || h->decision_version != TF_DECISION_VERSION) {
    snprintf(text, text_bytes,
             "decisions of %u bytes, version %u found; %u bytes, version %u are read",
             h->record_bytes, h->decision_version, (unsigned)sizeof(tf_decision_t),
             (unsigned)TF_DECISION_VERSION);
    return false;
  }
  if (h->instrument_bytes != sizeof(tf_stream_instrument_t) ||
      h->instruments_cap > TF_STREAM_INSTRUMENT_MAX) {
    snprintf(text, text_bytes, "%u instrument rows of %u bytes found; at most %u of %u are read",
             h->instruments_cap, h->instrument_bytes, TF_STREAM_INSTRUMENT_MAX,
             (unsigned)sizeof(tf_stream_instrument_t));
    return false;
  }
  uint64_t ring_bytes = tf_bcast_footprint(h->ring_slot_cnt, TF_STREAM_WORD_CNT);
  if (ring_bytes == 0) {
    snprintf(text, text_bytes, "%llu slots found: a power of two in 2 .. %llu is read",
             (unsigned long long)h->ring_slot_cnt, (unsigned long long)TF_BCAST_SLOT_CNT_MAX);
    return false;
  }
  if (h->file_bytes > file_bytes) {
    snprintf(text, text_bytes, "cut short: %llu bytes found, %llu written in its header",
             (unsigned long long)file_bytes, (unsigned long long)h->file_bytes);
    return false;
  }
  /* Differences, not sums: nothing here can overflow. */
  uint64_t table_bytes = (uint64_t)h->instruments_cap * sizeof(tf_stream_instrument_t);
  bool     placed = h->instruments_offset % 8 == 0 && h->ring_offset % TF_LINE_PAIR_BYTES == 0 &&
                h->instruments_offset >= TF_STREAM_HEADER_BYTES &&
                h->ring_offset <= h->file_bytes && h->instruments_offset <= h->ring_offset &&
                h->ring_offset - h->instruments_offset >= table_bytes &&
                h->file_bytes - h->ring_offset >= ring_bytes;
  if (!placed) {
    snprintf(text, text_bytes, "instrument table at %llu and ring at %llu do not fit in %llu bytes",
             (unsigned long long)h->instruments_offset, (unsigned long long)h->ring_offset,
             (unsigned long long)h->file_bytes);
    return false;
  }
  return true;
}

/* ---- opening and closing (may block on the file system, does not allocate) ---- */

static inline tf_err_t tf_reader_fail_(tf_reader_t *reader, int fd, tf_err_t code, const char *path,
                                       const char *why) {
  if (fd >= 0) close(fd);
  snprintf(reader->error, sizeof reader->error, "%s: %s", path, why);
  return code;
}

/* Opens stream NAME at its tail: the first decision delivered is the next one written. TF_OK, or
 * E_SHM_OPEN (no such stream, or no right to it) or E_SHM_LAYOUT (not a stream, another version, cut
 * short) with reader->error saying what was found and what is allowed; the reader is then closed. */
static inline tf_err_t tf_reader_open(const char *name, tf_reader_t *reader) {
  char               path[TF_STREAM_PATH_BYTES];
  char               why[256];
  struct stat        st;
  tf_stream_header_t header;

  memset(reader, 0, sizeof *reader);
  if (!tf_stream_path(name, path))
    return tf_reader_fail_(reader, -1, E_SHM_OPEN, name ? name : "(null)",
                           "a stream's name is 1 to 64 of A-Z a-z 0-9 . _ -");
  /* O_NONBLOCK: a FIFO of that name must not hang us. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return tf_reader_fail_(reader, -1, E_SHM_OPEN, path,
                           errno == ENOENT
                               ? "no such stream: is the engine running, with a shm sink "
                                 "of this path?"
                               : strerror(errno));
  if (fstat(fd, &st) != 0) return tf_reader_fail_(reader, fd, E_SHM_OPEN, path, strerror(errno));
  if (!S_ISREG(st.st_mode))
    return tf_reader_fail_(reader, fd, E_SHM_LAYOUT, path, "not a regular file");

  /* Checked on a copy that was read, not mapped: nobody can change it under the checks, and a file
   * that is cut short is an error here and not a SIGBUS later. */
  ssize_t got = pread(fd, &header, sizeof header, 0);
  if (got != (ssize_t)sizeof header) {
    snprintf(why, sizeof why, "cut short: %lld bytes found, the header alone has %u",
             (long long)(got < 0 ? 0 : got), TF_STREAM_HEADER_BYTES);
    return tf_reader_fail_(reader, fd, E_SHM_LAYOUT, path, why);
  }
  if (!tf_stream_header_ok(&header, (uint64_t)st.st_size, why, sizeof why))
    return tf_reader_fail_(reader, fd, E_SHM_LAYOUT, path, why);

  /* MAP_POPULATE: no page fault in tf_reader_next. */
  void *map = mmap(NULL, (size_t)header.file_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (map == MAP_FAILED) return tf_reader_fail_(reader, fd, E_SHM_OPEN, path, strerror(errno));
  close(fd);

  const char *refusal =
      tf_bcast_reader_join(&reader->ring, (const uint8_t *)map + header.ring_offset,
                           header.file_bytes - header.ring_offset, TF_STREAM_WORD_CNT);
  if (refusal == NULL && reader->ring.slot_cnt != header.ring_slot_cnt)
    refusal = "the ring's slot count is not the header's";
  if (refusal != NULL) {
    munmap(map, (size_t)header.file_bytes);
    return tf_reader_fail_(reader, -1, E_SHM_LAYOUT, path, refusal);
  }
  reader->header             = (const tf_stream_header_t *)map;
  reader->map_bytes          = header.file_bytes;
  reader->dead_after_ns      = TF_READER_DEAD_AFTER_NS;
  reader->empty_cnt          = TF_READER_EMPTY_PER_CHECK - 1; /* the first EMPTY looks */
  reader->instruments_cap    = header.instruments_cap;
  reader->instruments_offset = header.instruments_offset;
  return TF_OK;
}

/* Accepts a reader whose open failed, and one that is closed already. */
static inline void tf_reader_close(tf_reader_t *reader) {
  if (reader->header != NULL) munmap((void *)(uintptr_t)reader->header, (size_t)reader->map_bytes);
  reader->header = NULL;
}

/* ---- reading ---- */

/* Nothing is there: is the writer? Its last words come before its end: after seeing either end,
 * look once more at the ring. */
__attribute__((cold)) static inline tf_reader_result_t tf_reader_ended_(tf_reader_t   *reader,
                                                                        tf_decision_t *decision) {
  const tf_stream_header_t *h      = reader->header;
  tf_reader_result_t        result = TF_READER_EMPTY;
  if (tf_load_acquire_u32(&h->state) == TF_STREAM_CLOSED) { /* pairs with: close, in shm.c */
    result = TF_READER_CLOSED;
  } else {
    uint64_t heartbeat_ns = tf_load_acquire(&h->heartbeat_ns); /* pairs with: beat, in shm.c */
    uint64_t now_ns       = tf_stream_clock_ns();
    if (now_ns > heartbeat_ns && now_ns - heartbeat_ns > reader->dead_after_ns)
      result = TF_READER_DEAD;
  }
  if (result == TF_READER_EMPTY) return result;
  reader->empty_cnt      = TF_READER_EMPTY_PER_CHECK - 1; /* the next call looks again */
  tf_bcast_result_t last = tf_bcast_read(&reader->ring, decision, TF_STREAM_WORD_CNT);
  return last == TF_BCAST_EMPTY ? result : (tf_reader_result_t)last;
}

/* The next decision. Wait-free: it copies 128 bytes and reads one line more; never allocates, blocks
 * or fails. The content of *decision is undefined unless it returns TF_READER_READ. */
TF_INLINE tf_reader_result_t tf_reader_next(tf_reader_t *reader, tf_decision_t *decision) {
  tf_bcast_result_t result = tf_bcast_read(&reader->ring, decision, TF_STREAM_WORD_CNT);
  if (TF_LIKELY(result != TF_BCAST_EMPTY)) {
    reader->empty_cnt = 0;
    return (tf_reader_result_t)result;
  }
  if (TF_LIKELY(++reader->empty_cnt % TF_READER_EMPTY_PER_CHECK != 0)) return TF_READER_EMPTY;
  return tf_reader_ended_(reader, decision);
}

TF_STATIC_ASSERT((int)TF_READER_EMPTY == (int)TF_BCAST_EMPTY, "results are passed through");
TF_STATIC_ASSERT((int)TF_READER_READ == (int)TF_BCAST_READ, "results are passed through");
TF_STATIC_ASSERT((int)TF_READER_OVERRUN == (int)TF_BCAST_OVERRUN, "results are passed through");

/* The stream's sequence of the decision delivered last. */
TF_INLINE uint64_t tf_reader_seq(const tf_reader_t *reader) { return reader->ring.next_seq - 1; }

/* Moves to the next decision that will be written / to the oldest that is still there. What a seek
 * skips is not reported as lost. */
TF_INLINE void tf_reader_seek_tail(tf_reader_t *reader) { tf_bcast_seek_tail(&reader->ring); }
TF_INLINE void tf_reader_seek_oldest(tf_reader_t *reader) { tf_bcast_seek_oldest(&reader->ring); }

/* Row of an instrument, or NULL for an id that the stream does not know (yet). */
static inline const tf_stream_instrument_t *tf_reader_instrument_(const tf_reader_t *reader,
                                                                  uint32_t           id) {
  /* pairs with: instruments_refresh, in shm.c. A row is whole before it is counted. */
  uint32_t cnt = tf_load_acquire_u32(&reader->header->instruments_cnt);
  if (cnt > reader->instruments_cap) cnt = reader->instruments_cap;
  if (id >= cnt) return NULL;
  const uint8_t *table = (const uint8_t *)reader->header + reader->instruments_offset;
  return (const tf_stream_instrument_t *)(const void *)table + id;
}

/* "BTCUSDT.BINANCE-SPOT", valid until close; NULL for an id that the stream does not know. */
static inline const char *tf_reader_instrument_name(const tf_reader_t *reader, uint32_t id) {
  const tf_stream_instrument_t *row = tf_reader_instrument_(reader, id);
  return row != NULL && memchr(row->name, 0, sizeof row->name) != NULL ? row->name : NULL;
}

/* The exponent of the instrument's prices; INT8_MIN if it is unknown. */
static inline int tf_reader_instrument_price_exp(const tf_reader_t *reader, uint32_t id) {
  const tf_stream_instrument_t *row = tf_reader_instrument_(reader, id);
  /* relaxed: one word, complete by itself */
  return row != NULL ? (int8_t)tf_load_relaxed_u32(&row->price_exp) : INT8_MIN;
}

/* The writer's process: its pid as it sees it itself (another pid namespace shows another). */
static inline uint32_t tf_reader_writer_pid(const tf_reader_t *reader) {
  return reader->header->writer_pid;
}

static inline uint32_t tf_reader_epoch(const tf_reader_t *reader) { return reader->header->epoch; }

/* mantissa * 10^exp in decimal digits, exactly: (6183763, -2) is "61837.63". Returns text; at most
 * text_bytes with the NUL, and "?" for an exponent outside -30 .. 30 or a text that is too small. */
static inline const char *tf_reader_decimal_text(int64_t mantissa, int exp, char *text,
                                                 size_t text_bytes) {
  char     digits[24];
  uint64_t magnitude = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
  int      digit_cnt = snprintf(digits, sizeof digits, "%llu", (unsigned long long)magnitude);
  int      zeros     = exp > 0 && magnitude != 0 ? exp : 0; /* behind the digits */
  int      fraction  = exp < 0 ? -exp : 0;                  /* digits behind the point */
  int      lead      = digit_cnt <= fraction ? fraction - digit_cnt + 1 : 0; /* zeros before */
  size_t   needed =
      (size_t)(mantissa < 0) + (size_t)(lead + digit_cnt + zeros) + (size_t)(fraction > 0) + 1;
  if (exp < -30 || exp > 30 || needed > text_bytes) {
    snprintf(text, text_bytes, "?");
    return text;
  }
  char *out   = text;
  int   total = lead + digit_cnt + zeros;
  if (mantissa < 0) *out++ = '-';
  for (int i = 0; i < total; i++) {
    if (i == total - fraction) *out++ = '.';
    *out++ = i < lead || i >= lead + digit_cnt ? '0' : digits[i - lead];
  }
  *out = 0;
  return text;
}

#endif
