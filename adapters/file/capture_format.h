/* The capture's bytes on disk, version 1: everything from outside that a replay must obey, in the
 * order in which acquire took it up (tf/tap.h). Little endian. A capture is one file or, rotated,
 * a directory of files capture-0001.tfc, capture-0002.tfc, ... that continue one another.
 *
 *   file header     tf_capture_file_header_t (128), then feed_cnt tf_capture_feed_t (368), then for
 *                   each feed in turn its symbols (40 each, NUL-padded): header_bytes in all
 *   data block      tf_capture_block_header_t (64), then stored_bytes of payload; repeated
 *   index block     the same header, kind INDEX; its payload is one tf_capture_index_t (40) for
 *                   each data block of the file, not compressed
 *   trailer         tf_capture_trailer_t (32), the last bytes of a file that was closed in order
 *
 * An index with the flag CONTINUES closes a file for rotation: another file follows. Where none does,
 * the writer died between the two, or the last files were lost.
 *
 * The payload of a data block, once decompressed (flag ZSTD; one zstd frame), is record_cnt records:
 *
 *   tf_capture_record_t (24)   sizes, kind, source_idx, recv_ns, leg
 *   target_bytes of text       path and query of a REST request with its NUL; 0 bytes where none
 *   bytes_cnt bytes            FRAME: as handed to the feed; CONNECT, DISCONNECT, RETIRE: none;
 *                              CONTROL: the tf_event_t (64) as published; LOSE: the instrument's id, a
 *                              uint32_t; STATUS: the tf_event_t that the session published of itself;
 *                              SYMBOL: a symbol's text, without NUL; OUTCOMES: tf_outcome_t and outputs,
 *                              each padded to 8 bytes; GAP: tf_capture_gap_t
 *
 * Blocks are whole or absent: each is written by one write behind the last, headers and payloads
 * carry a CRC-32C, and each header the header CRC of the block before (prev_crc), also across files,
 * so that blocks can be neither exchanged nor left out unnoticed. After a crash the file ends with
 * its last whole block, perhaps with a torn one behind it, and without index and trailer; both are
 * made up for by reading the headers. Block and record sequences count on over all files.
 *
 * What is not here. The session's own doings leave no trace because replay needs none: what it sent,
 * pings, handshakes, a successor's early messages that no feed saw, snapshot answers that came too
 * late for their connection, feed states (SYNCING, DOWN: shown to people, no event is made of them).
 * What the feed saw is here, and in one order over all feeds. */
#ifndef ADAPTERS_FILE_CAPTURE_FORMAT_H
#define ADAPTERS_FILE_CAPTURE_FORMAT_H

#include "file/crc32c.h"
#include "tf/event.h"
#include "tf/instrument.h"
#include "tf/outcome.h"
#include "tf/tap.h"

/* \r\n: a transfer that changes line ends shows in the first eight bytes. */
#define TF_CAPTURE_MAGIC         "TFCAPT\r\n"
#define TF_CAPTURE_TRAILER_MAGIC "TFCEND\r\n"
#define TF_CAPTURE_BLOCK_MAGIC   UINT32_C(0x42434654) /* "TFCB" */
#define TF_CAPTURE_VERSION       1
#define TF_CAPTURE_SUFFIX        ".tfc"

/* A record holds one message: what readers of recordings accept (file/inflow.h). */
#define TF_CAPTURE_RECORD_BYTES_MAX (UINT32_C(16) << 20)
#define TF_CAPTURE_TARGET_BYTES_MAX 4096u
/* A block is closed once it holds this much. 256 KiB: what a crash loses of what the writer had
 * taken, and a zstd window that sees the shapes of messages many times over. */
#define TF_CAPTURE_BLOCK_BYTES (UINT32_C(256) << 10)
/* The largest payload: a block that is almost full, and one more record of the largest kind. */
#define TF_CAPTURE_RAW_BYTES_MAX                                                                   \
  (TF_CAPTURE_BLOCK_BYTES + 24u + TF_CAPTURE_TARGET_BYTES_MAX + TF_CAPTURE_RECORD_BYTES_MAX)

#define TF_CAPTURE_FEEDS_MAX        64u
#define TF_CAPTURE_SYMBOLS_MAX      65536u /* of all feeds */
#define TF_CAPTURE_FILES_MAX        9999u
#define TF_CAPTURE_INDEX_BLOCKS_MAX 65536u /* data blocks of a file; then the next file begins */

typedef struct tf_capture_file_header {
  uint8_t  magic[8];
  uint32_t version;
  uint32_t header_bytes;         /* with feeds and symbols */
  char     tickfuse_version[16]; /* NUL-padded */
  uint64_t config_hash;      /* of the config that was run; replay says so when its own differs */
  uint64_t capture_id;       /* the same in all files of a capture */
  uint64_t started_ns;       /* ns since 1970: of the capture, */
  uint64_t created_ns;       /* and of this file */
  uint64_t first_block_seq;  /* of the first block of this file; from 1 */
  uint64_t first_record_seq; /* of its first record; from 1 */
  uint32_t file_idx;         /* from 1 */
  uint32_t prev_crc;         /* header_crc of the last data block of the file before; 0: none */
  uint32_t feed_cnt;
  uint32_t symbol_cnt;  /* of all feeds */
  uint32_t symbol_room; /* symbols that each feed could be told later (SYMBOL records) */
  uint8_t  reserved[24];
  uint32_t crc; /* of all header_bytes but these four */
} tf_capture_file_header_t;

typedef struct tf_capture_feed { /* texts are NUL-padded */
  char     name[64];
  char     venue[32];
  char     url[256];
  uint32_t channels; /* TF_CHANNEL_* */
  uint32_t pending_cap;
  uint32_t book_depth;
  uint32_t symbol_cnt;
} tf_capture_feed_t;

typedef enum tf_capture_block_kind {
  TF_CAPTURE_DATA  = 1,
  TF_CAPTURE_INDEX = 2
} tf_capture_block_kind_t;

#define TF_CAPTURE_FLAG_ZSTD      0x1u /* DATA */
#define TF_CAPTURE_FLAG_CONTINUES 0x2u /* INDEX */

typedef struct tf_capture_block_header {
  uint32_t magic;
  uint16_t kind;             /* tf_capture_block_kind_t */
  uint16_t flags;            /* TF_CAPTURE_FLAG_* */
  uint64_t block_seq;        /* from 1; an index has that of the data block that would come next */
  uint64_t first_record_seq; /* from 1 */
  uint32_t record_cnt;       /* DATA: at least 1; INDEX: entries */
  uint32_t raw_bytes;        /* of the payload, decompressed */
  uint32_t stored_bytes;     /* of the payload, as it lies in the file */
  uint32_t prev_crc;         /* header_crc of the data block before */
  uint64_t first_ns;         /* the smallest recv_ns of its records, */
  uint64_t last_ns;          /* and the largest */
  uint32_t payload_crc;      /* of the stored bytes */
  uint32_t header_crc;       /* of the 60 bytes before */
} tf_capture_block_header_t;

typedef struct tf_capture_record {
  uint32_t bytes_cnt;
  uint32_t source_idx; /* of the feed in the file header; UINT32_MAX: none */
  uint64_t recv_ns;
  uint16_t target_bytes; /* with its NUL; 0: none */
  uint8_t  kind;         /* tf_tap_kind_t, or TF_CAPTURE_GAP */
  uint8_t  frame_kind;   /* FRAME: tf_frame_kind_t; else 0 */
  uint8_t  leg; /* of the feed's connections, below TF_TAP_LEGS_MAX; 0 where there is one */
  uint8_t  reserved[3];
} tf_capture_record_t;

/* A record of the capture's own: from here on something is missing. */
#define TF_CAPTURE_GAP 255

typedef struct tf_capture_gap {
  uint64_t record_cnt; /* that are missing, as far as it was known when this was written */
  uint64_t bytes;
  uint64_t first_ns, last_ns; /* their recv_ns */
} tf_capture_gap_t;

typedef struct tf_capture_index {
  uint64_t offset; /* in the file */
  uint64_t first_record_seq;
  uint64_t first_ns, last_ns;
  uint32_t record_cnt;
  uint32_t reserved;
} tf_capture_index_t;

typedef struct tf_capture_trailer {
  uint64_t index_offset;
  uint64_t record_cnt; /* of the file */
  uint8_t  magic[8];
  uint32_t reserved;
  uint32_t crc; /* of the 28 bytes before */
} tf_capture_trailer_t;

TF_STATIC_ASSERT(sizeof(tf_capture_file_header_t) == 128, "format");
TF_STATIC_ASSERT(offsetof(tf_capture_file_header_t, crc) == 124, "format");
TF_STATIC_ASSERT(sizeof(tf_capture_feed_t) == 368, "format");
TF_STATIC_ASSERT(sizeof(tf_capture_block_header_t) == 64, "format");
TF_STATIC_ASSERT(offsetof(tf_capture_block_header_t, header_crc) == 60, "format");
TF_STATIC_ASSERT(sizeof(tf_capture_record_t) == 24, "format");
TF_STATIC_ASSERT(sizeof(tf_capture_gap_t) == 32, "format");
TF_STATIC_ASSERT(sizeof(tf_capture_index_t) == 40, "format");
TF_STATIC_ASSERT(sizeof(tf_capture_trailer_t) == 32, "format");
TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structs are written as they lie");

#define TF_CAPTURE_HEADER_BYTES_MAX                                                                \
  (sizeof(tf_capture_file_header_t) + TF_CAPTURE_FEEDS_MAX * sizeof(tf_capture_feed_t) +           \
   (size_t)TF_CAPTURE_SYMBOLS_MAX * TF_SYMBOL_BYTES_MAX)

TF_INLINE uint32_t tf_capture_header_crc(const void *header, size_t header_bytes) {
  const uint8_t *bytes = header;
  uint32_t       crc   = tf_crc32c(0, bytes, offsetof(tf_capture_file_header_t, crc));
  return tf_crc32c(crc, bytes + sizeof(tf_capture_file_header_t),
                   header_bytes - sizeof(tf_capture_file_header_t));
}

TF_INLINE uint32_t tf_capture_block_crc(const tf_capture_block_header_t *header) {
  return tf_crc32c(0, header, offsetof(tf_capture_block_header_t, header_crc));
}

TF_INLINE uint32_t tf_capture_trailer_crc(const tf_capture_trailer_t *trailer) {
  return tf_crc32c(0, trailer, offsetof(tf_capture_trailer_t, crc));
}

/* Magic, sizes and CRC of a block header: its payload may then be read, stored_bytes of it. */
TF_INLINE bool tf_capture_block_valid(const tf_capture_block_header_t *h) {
  if (h->magic != TF_CAPTURE_BLOCK_MAGIC || h->header_crc != tf_capture_block_crc(h)) return false;
  if (h->kind == TF_CAPTURE_INDEX)
    return h->record_cnt <= TF_CAPTURE_INDEX_BLOCKS_MAX &&
           (h->flags & ~TF_CAPTURE_FLAG_CONTINUES) == 0 &&
           h->raw_bytes == h->record_cnt * sizeof(tf_capture_index_t) &&
           h->stored_bytes == h->raw_bytes;
  return h->kind == TF_CAPTURE_DATA && h->record_cnt >= 1 &&
         h->raw_bytes <= TF_CAPTURE_RAW_BYTES_MAX && h->stored_bytes <= h->raw_bytes &&
         h->record_cnt <= h->raw_bytes / sizeof(tf_capture_record_t) &&
         (h->flags & ~TF_CAPTURE_FLAG_ZSTD) == 0 &&
         (h->flags & TF_CAPTURE_FLAG_ZSTD || h->stored_bytes == h->raw_bytes);
}

#endif
