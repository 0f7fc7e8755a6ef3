/* The tape's bytes on disk, version 1: normalised events in compressed columns, exact to the bit.
 * Little endian throughout.
 *
 *   file header (256)    magic, version, event version, what it was made of, CRC-32C
 *   block (128 + n), repeated
 *     header             kind, n, counts, times, hashes, CRC-32C of the payload and of itself
 *     payload            INSTRUMENTS: rows of 144 bytes; EVENTS: columns; INDEX: entries of 48 bytes
 *   trailer (64)         where the index is, totals, the file's own length, CRC-32C
 *
 * INSTRUMENTS blocks name ids before the first event that uses them. EVENTS blocks can each be
 * decoded without any other. INDEX blocks come last, one entry for each block before them; a file
 * whose writer died has no trailer: readers then walk the block headers, find the same, and say that
 * the tape is unfinished. Readers pass over kinds of blocks that they do not know.
 *
 * EVENTS. The events of a block are seen as runs: neighbours of one group (instrument, kind, price
 * and quantity exponent) with the same ts_recv and ts_event and consecutive ingest_seq. What a run
 * has in common is stored once. All that differs is laid out by group, so that a value
 * stands behind its own predecessor, whatever came in between. Columns, in this order:
 *
 *   groups       group_cnt   kind << 48 | instrument_id << 16 | price_exp << 8 | qty_exp, ascending
 *   run.group    run_cnt     index into groups; runs in the order of the events
 *   run.len      run_cnt     events of the run - 1
 *   run.ts_recv  run_cnt
 *   run.seq      run_cnt     ingest_seq of its first event - (first_seq + events before it)
 *   and for each kind present, ascending, its runs and events ordered by group, then by time:
 *   ts_event     its runs
 *   flags        its events
 *   word 0 1 2   its events
 *   word 3       its events; of BOOK in two columns, level_idx and level_cnt
 *
 * A column (header of 32 bytes, then its parts) may be held: then it has a bitmap, in which bit i is
 * set where value i differs from the one before (and for i = 0; those that fill its last byte are set
 * too), and only these values go on. They are transformed, divided and cut into bytes:
 *   ABSOLUTE     r[i] = (v[i] - base) / divisor
 *   DELTA        r[i] = zigzag((v[i] - v[i-1]) / divisor), v[-1] = base
 * all modulo 2^64; the divisor is the greatest that divides all, which takes away the zeros that
 * venues pad with ("0.00057000") and clocks that count in milliseconds. Byte p of each r makes plane
 * p; only the lowest width bytes have planes, and the few values that need more are exceptions: pairs
 * (index u32, r u64), all indices before all values. Each part (bitmap, planes, exceptions, in this
 * order) has a header of 8 bytes and is stored as it is, as one byte that all have, or as one zstd
 * frame. Where two ways are nearly as short, the writer takes the one that is read sooner.
 *
 * Why so (Binance's recordings, 2026-11-21): a USD-M event takes 3.3 bytes this way, 8.8 as a 64-byte
 * struct through zstd at the same level; quotes and trades alone take 5.3 (spot) and 4.6 (USD-M), of
 * which the noise of the receive time is about half. Planes rather than varints, because they unpack
 * without a branch; held columns, because half the work of reading was to decompress repetitions.
 *
 * The CRCs find every accident: any flipped bit, any cut. hash_before and hash_after are
 * tf_hash_line over all events from the first on, so that hash_after of the last block is the
 * events_hash of the run that the tape holds; `tickfuse tape verify` recomputes it. */
#ifndef ADAPTERS_FILE_TAPE_FORMAT_H
#define ADAPTERS_FILE_TAPE_FORMAT_H

#include "file/crc32c.h"
#include "tf/event.h"
#include "tf/instrument.h"

/* \r\n: a transfer that changes line ends shows in the first eight bytes. */
#define TF_TAPE_MAGIC       "TFTAPE\r\n"
#define TF_TAPE_END_MAGIC   "TFTAPEND"
#define TF_TAPE_VERSION     1
#define TF_TAPE_BLOCK_MAGIC UINT32_C(0x42545446) /* "FTTB" */

#define TF_TAPE_BLOCK_EVENTS_MAX      65536
#define TF_TAPE_BLOCK_INSTRUMENTS_MAX 4096
#define TF_TAPE_BLOCK_ENTRIES_MAX     65536
/* No payload is longer: a reader's memory is bounded before it trusts a byte. */
#define TF_TAPE_PAYLOAD_BYTES_MAX (UINT32_C(16) << 20)
#define TF_TAPE_SOURCE_BYTES_MAX  192

typedef enum tf_tape_kind {
  TF_TAPE_INSTRUMENTS = 1,
  TF_TAPE_EVENTS      = 2,
  TF_TAPE_INDEX       = 3
} tf_tape_kind_t;

typedef struct tf_tape_file_header {
  uint8_t  magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint32_t event_version;
  uint32_t event_bytes;
  uint64_t created_ns;                       /* ns since 1970 */
  uint64_t config_hash;                      /* of the engine that wrote it; 0: no engine did */
  char     source[TF_TAPE_SOURCE_BYTES_MAX]; /* what it was made of, for people; zero-filled */
  uint8_t  reserved[20];
  uint32_t crc; /* of the 252 bytes before */
} tf_tape_file_header_t;

typedef struct tf_tape_block_header {
  uint32_t magic;
  uint32_t kind; /* tf_tape_kind_t */
  uint32_t payload_bytes;
  uint32_t record_cnt;               /* events, rows or entries */
  uint64_t first_seq;                /* EVENTS: ingest_seq of the first; INSTRUMENTS: its id */
  uint64_t first_idx;                /* EVENTS: events of the file before this block */
  uint64_t recv_ns_min, recv_ns_max; /* EVENTS: over its events */
  uint64_t hash_before, hash_after;  /* EVENTS: running hash of all events, see above */
  uint32_t run_cnt, group_cnt;       /* EVENTS */
  uint8_t  reserved[48];
  uint32_t payload_crc;
  uint32_t header_crc; /* of the 124 bytes before */
} tf_tape_block_header_t;

typedef struct tf_tape_instrument {
  uint32_t id;
  int8_t   price_exp, qty_exp;
  uint8_t  is_inverse; /* 0 in tapes from before there was such a thing */
  uint8_t  reserved;
  int64_t  tick_size, lot_size;
  double   multiplier;
  char     quote_currency[8];
  char     name[TF_INSTRUMENT_NAME_BYTES]; /* NUL-terminated, as is symbol */
  char     symbol[TF_SYMBOL_BYTES_MAX];
} tf_tape_instrument_t;

typedef struct tf_tape_entry {
  uint64_t offset; /* of the block's header in the file */
  uint32_t kind;
  uint32_t record_cnt;
  uint64_t first_seq;
  uint64_t first_idx;
  uint64_t recv_ns_min, recv_ns_max;
} tf_tape_entry_t;

typedef struct tf_tape_trailer {
  uint8_t  magic[8];
  uint64_t index_offset; /* of the first INDEX block */
  uint64_t event_cnt;
  uint64_t events_hash;
  uint64_t file_bytes; /* this trailer included */
  uint64_t block_cnt;  /* entries of the index */
  uint8_t  reserved[12];
  uint32_t crc; /* of the 60 bytes before */
} tf_tape_trailer_t;

typedef enum tf_tape_transform { TF_TAPE_ABSOLUTE = 0, TF_TAPE_DELTA = 1 } tf_tape_transform_t;

typedef struct tf_tape_column_header {
  uint8_t  transform; /* tf_tape_transform_t */
  uint8_t  width;     /* planes, 0 .. 8 */
  uint8_t  is_held;   /* 1: a bitmap says which values go on; 0: all do */
  uint8_t  reserved;
  uint32_t value_cnt; /* without what a held column leaves out */
  uint64_t base;
  uint64_t divisor; /* >= 1 */
  uint32_t exception_cnt;
  uint32_t bytes; /* that follow: the parts' headers, then their bytes */
} tf_tape_column_header_t;

typedef enum tf_tape_mode {
  TF_TAPE_RAW  = 0, /* the bytes as they are */
  TF_TAPE_SAME = 1, /* none: all are value */
  TF_TAPE_ZSTD = 2  /* one frame */
} tf_tape_mode_t;

typedef struct tf_tape_part_header {
  uint8_t  mode; /* tf_tape_mode_t */
  uint8_t  value;
  uint8_t  reserved[2];
  uint32_t bytes;
} tf_tape_part_header_t;

TF_STATIC_ASSERT(sizeof(tf_tape_file_header_t) == 256, "format");
TF_STATIC_ASSERT(offsetof(tf_tape_file_header_t, crc) == 252, "format");
TF_STATIC_ASSERT(sizeof(tf_tape_block_header_t) == 128, "format");
TF_STATIC_ASSERT(offsetof(tf_tape_block_header_t, header_crc) == 124, "format");
TF_STATIC_ASSERT(sizeof(tf_tape_instrument_t) == 144, "format");
TF_STATIC_ASSERT(sizeof(tf_tape_entry_t) == 48, "format");
TF_STATIC_ASSERT(sizeof(tf_tape_trailer_t) == 64, "format");
TF_STATIC_ASSERT(offsetof(tf_tape_trailer_t, crc) == 60, "format");
TF_STATIC_ASSERT(sizeof(tf_tape_column_header_t) == 32, "format");
TF_STATIC_ASSERT(sizeof(tf_tape_part_header_t) == 8, "format");
TF_STATIC_ASSERT(TF_EVENT_VERSION == 1, "another event version is another tape version");
TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are written as they lie");

TF_INLINE uint32_t tf_tape_crc(const void *record, size_t bytes) {
  return tf_crc32c(0, record, bytes - sizeof(uint32_t));
}

/* Magic, limits and CRC of a block header: its payload may then be read. */
TF_INLINE bool tf_tape_block_header_valid(const tf_tape_block_header_t *header) {
  return header->magic == TF_TAPE_BLOCK_MAGIC && header->record_cnt >= 1 &&
         header->payload_bytes <= TF_TAPE_PAYLOAD_BYTES_MAX &&
         header->header_crc == tf_tape_crc(header, sizeof *header);
}

#endif
