/* The journal: every decision on disk, in order, so that what was decided outlives the engine and
 * lossless sinks can re-send from it. file/journal_format.h has the bytes, file/journal_reader.h
 * reads them back.
 *
 * Writing. Decisions collect in one block of at most TF_JOURNAL_BLOCK_RECORDS_MAX, which is sealed
 * (CRC, chain) and written by pwrite(2) when it is full or flush is called. Nothing that has been
 * written is ever changed, save the remains of a write that failed.
 *
 * Durability, `durable:`
 *   none      never synced; the watermark stays 0. A crash of the process loses nothing that was
 *             written, a crash of the machine whatever the kernel still held.
 *   block     fdatasync after each block.
 *   interval  fdatasync when interval_ns has passed since the last one, at a flush or a full block.
 * The durable watermark is the last decision_seq that is known to be on disk.
 *
 * Failure. A full disk, quota or file-size limit is transient: the block stays in memory, what was
 * half written is cut off again, and it is tried once more by each flush and, every
 * TF_JOURNAL_RETRY_NS, by append; meanwhile append takes what the block still holds, then nothing.
 * Space is reserved ahead, TF_JOURNAL_RESERVE_BYTES at a time, where the filesystem can.
 *
 * After any other failed write, and any failed fdatasync, the file is not touched again: the kernel may
 * have dropped its pages and call the next fdatasync a success. A new segment, the path with .1, .2 and so
 * on behind it, begins with what is not known to be on disk, rewritten from memory, and goes on from
 * there; its START record says up to where the segment before is to be believed. The durable watermark
 * never moves over a failure. Where no segment can be begun either (TF_JOURNAL_SEGMENT_TRIES), the
 * journal has failed for good. With `none` only the block in hand moves. What waits for a sync is at most TF_JOURNAL_UNSYNCED_BYTES: a sync is made
 * early when it would be more.
 *
 * Restart. init goes to the newest segment, takes an exclusive flock (a second engine is refused, with the owner's pid),
 * refuses foreign files, other versions, and a keyed file without its key or the other way round, verifies everything, cuts off a torn tail so that
 * exactly the intact blocks stay, and goes on with epoch + 1. A journal that is damaged in its
 * middle, with intact blocks behind, is refused: cutting would destroy good records.
 *
 * Private object, one thread (emit's); tf_journal_durable_seq may be read from any. */
#ifndef ADAPTERS_FILE_JOURNAL_H
#define ADAPTERS_FILE_JOURNAL_H

#include "file/journal_format.h"
#include "tf/atomic.h"
#include "tf/err.h"

#define TF_JOURNAL_RETRY_NS       (10 * TF_NS_PER_MS)
#define TF_JOURNAL_RESERVE_BYTES  (UINT64_C(1) << 20)
#define TF_JOURNAL_UNSYNCED_BYTES (512u << 10) /* 4,000 decisions */
#define TF_JOURNAL_SEGMENT_TRIES  3
#define TF_JOURNAL_SEGMENTS_MAX   16 /* begun by one run */
#define TF_JOURNAL_PATH_BYTES     1088

typedef enum tf_journal_durable {
  TF_JOURNAL_DURABLE_NONE,
  TF_JOURNAL_DURABLE_BLOCK,
  TF_JOURNAL_DURABLE_INTERVAL
} tf_journal_durable_t;

typedef struct tf_journal_config {
  const char             *path; /* kept */
  tf_journal_durable_t    durable;
  uint64_t                interval_ns; /* INTERVAL only */
  uint64_t                config_hash; /* of the engine's config, for whoever reads; 0 = unknown */
  uint32_t                epoch_min;   /* the epoch is at least this */
  const tf_instruments_t *instruments; /* whose names are written too; NULL: none */
  tf_journal_key_t        key;         /* blocks carry a MAC under it; bytes_cnt 0: none */
} tf_journal_config_t;

typedef struct tf_journal_counts { /* written by the journal's thread */
  uint64_t records_taken;          /* appended: = written + waiting in the block */
  uint64_t records_written;        /* = durable + in flight */
  uint64_t records_durable;
  uint64_t blocks, bytes, syncs;
  uint64_t write_errors, sync_errors;
  uint64_t segments; /* begun because the one before failed */
} tf_journal_counts_t;

typedef struct tf_journal {
  tf_journal_config_t config;
  int                 fd;
  char                path[TF_JOURNAL_PATH_BYTES]; /* of the segment in hand */
  uint32_t            segment;                     /* its number; 0: config.path itself */
  int                 failed_errno;                /* not 0: for good */
  bool                sync_failed;
  int      left_fds[TF_JOURNAL_SEGMENTS_MAX]; /* failed segments: kept open for their locks */
  uint32_t left_cnt;
  uint32_t epoch;
  uint32_t record_cnt;  /* in block */
  uint32_t named_cnt;   /* instruments written in this epoch */
  uint64_t offset;      /* where the next block goes: the file's intact length */
  uint64_t reserved;    /* up to where space is reserved */
  uint64_t last_seq;    /* decision_seq of the last record written by this object */
  uint64_t durable_seq; /* release / acquire */
  uint64_t synced_ns;   /* time of the last fdatasync */
  uint64_t retry_ns;    /* append does not try the disk before; 0 = it works */
  uint8_t  chain[TF_JOURNAL_HASH_BYTES];
  tf_journal_counts_t counts;

  /* What init found. */
  struct {
    uint64_t decision_cnt, last_seq; /* 0: it is new */
    uint32_t epoch;
    uint64_t cut_bytes; /* of a torn tail */
  } recovered;

  uint32_t unsynced_bytes;
  TF_ALIGNED(64) uint8_t block[TF_JOURNAL_BLOCK_BYTES_MAX];
  /* Blocks written since the last sync; none with durable none. */
  TF_ALIGNED(64) uint8_t unsynced[TF_JOURNAL_UNSYNCED_BYTES];
} tf_journal_t;

/* Opens or makes the journal. E_FILE_OPEN, E_FILE_BUSY, E_FILE_FORMAT, E_FILE_DAMAGED, E_FILE_WRITE,
 * E_CORE_ARGUMENT; on error nothing stays open and the file is as it was, save a torn tail. Control
 * plane: reads the whole file, logs. */
tf_err_t tf_journal_init(tf_journal_t *journal, const tf_journal_config_t *config);

/* Takes the first k <= n decisions and returns k. k < n only while the disk refuses; flush says why.
 * now_ns: any clock that does not step back, the same as flush's. */
uint32_t tf_journal_append(tf_journal_t *journal, const tf_decision_t *decisions, uint32_t n,
                           uint64_t now_ns);

/* Writes what waits, and syncs as durable says. E_FILE_WRITE: see Failure above. */
tf_err_t tf_journal_flush(tf_journal_t *journal, uint64_t now_ns);

/* Flushes, syncs unless durable is none, and closes, in any case. Accepts a zeroed object. The error
 * is that of the flush: decisions that were taken are then not on disk. */
tf_err_t tf_journal_fini(tf_journal_t *journal);

/* Whether the journal will never write again. */
TF_INLINE bool tf_journal_failed(const tf_journal_t *journal) { return journal->failed_errno != 0; }

/* The durable watermark. Any thread. */
TF_INLINE uint64_t tf_journal_durable_seq(const tf_journal_t *journal) {
  return tf_load_acquire(&journal->durable_seq); /* pairs with: sync_now (journal.c) */
}

/* "none", "block" or "interval"; false if it is none of them. */
bool tf_journal_durable_parse(const char *text, tf_journal_durable_t *durable);

#endif
