/* Reads a capture (file/capture_format.h) record by record: one file, or a directory with all files
 * of a capture in order. Any byte string may stand in the files: every size is checked before it is
 * used, every CRC and the chain of blocks are verified, files are read with pread(2), never mapped.
 *
 * Three ends. END: everything was delivered; tail says whether the last file was closed in order, ends
 * without its index (a crash, or still being written), or in a torn block, which was dropped: then
 * exactly the whole blocks before it were delivered; or names a file after it that is not there. DAMAGE: a block is bad although more follows, or
 * the file's index knows of more; everything before it was delivered, tf_capture_reader_error says
 * where it is.
 *
 * Memory: mapped by init (control plane), for the largest block, touched only as far as blocks are
 * large; next and seek allocate nothing. One thread at a time. */
#ifndef ADAPTERS_FILE_CAPTURE_READER_H
#define ADAPTERS_FILE_CAPTURE_READER_H

#include "file/capture_format.h"
#include "tf/err.h"

typedef enum tf_capture_read {
  TF_CAPTURE_READ_RECORD,
  TF_CAPTURE_READ_END,
  TF_CAPTURE_READ_DAMAGE
} tf_capture_read_t;

typedef enum tf_capture_tail {
  TF_CAPTURE_TAIL_CLOSED, /* index and trailer are there */
  TF_CAPTURE_TAIL_OPEN,   /* they are missing; the last block is whole */
  TF_CAPTURE_TAIL_TORN,   /* they are missing, and bytes behind the last whole block were dropped */
  TF_CAPTURE_TAIL_CONTINUED, /* they are there and say that another file follows; none does */
} tf_capture_tail_t;

/* One feed, as the capture's header names it. */
typedef struct tf_capture_source {
  char               name[64], venue[32], url[256];
  uint32_t           channels, pending_cap, book_depth, symbol_cnt;
  const char *const *symbols; /* (symbol_cnt), the reader's */
} tf_capture_source_t;

/* bytes and target are valid until the next call; TF_BYTES_PAD readable bytes follow. */
typedef struct tf_capture_item {
  tf_tap_record_t tap; /* kind: tf_tap_kind_t or TF_CAPTURE_GAP */
  uint64_t        record_seq;
} tf_capture_item_t;

typedef struct tf_capture_reader_counts {
  uint64_t records, blocks;
  uint64_t bytes_read;     /* of whole blocks, decompressed: = framed */
  uint64_t bytes_dropped;  /* torn tail, as it lies in the file */
  uint64_t gaps;           /* GAP records */
  uint64_t records_missed; /* what they say is missing */
} tf_capture_reader_counts_t;

typedef struct tf_capture_reader {
  char   **paths; /* (path_cnt), sorted */
  uint32_t path_cnt, path_idx;
  int      fd;
  uint64_t file_bytes; /* when it was opened, without index and trailer where they are there */
  uint64_t offset;     /* of the block that is read next */
  bool     closed;     /* the file in hand has its trailer, */
  bool     continued;  /* and its index says that another follows */
  bool     seek_pending;
  uint64_t seek_ns; /* blocks that end before it are passed over */

  tf_capture_file_header_t file; /* of the file in hand */
  tf_capture_source_t     *sources;
  uint32_t                 source_cnt;
  uint8_t                 *head_bytes; /* the header as read, (file.header_bytes) */
  const char             **symbols;

  uint64_t block_seq, record_seq; /* expected next */
  uint32_t prev_crc;
  bool     chain_known; /* false right after a seek */

  uint8_t *raw; /* the block in hand, decompressed: records [at, raw_bytes) are still to come */
  uint8_t *stored;
  void    *zstd, *map;
  size_t   map_bytes;
  uint32_t raw_bytes, at;
  uint32_t records_left;

  uint8_t                    tail; /* tf_capture_tail_t, once END was returned */
  uint8_t                    end;  /* tf_capture_read_t that was returned for good */
  tf_capture_reader_counts_t counts;
  char                       damage[160];
  uint64_t                   damage_offset;
} tf_capture_reader_t;

/* Whether path is a capture by its first bytes, or a directory that holds capture files. */
bool tf_capture_is(const char *path);

/* Opens a file or a directory; reads and checks the header of the first file. E_FILE_OPEN: not there,
 * a symbolic link, no regular file; E_FILE_FORMAT: empty, foreign, another version; E_FILE_DAMAGED: the
 * header is; E_CORE_NO_MEMORY. On error nothing stays open. */
tf_err_t tf_capture_reader_init(tf_capture_reader_t *reader, const char *path);
void     tf_capture_reader_fini(tf_capture_reader_t *reader); /* accepts a zeroed one */

/* Before the first next: passes over leading blocks that hold only records before from_ns, by the
 * index where there is one, else by the headers. */
void tf_capture_reader_seek(tf_capture_reader_t *reader, uint64_t from_ns);

/* Back to the first record, as after init; the counts go on. Allocates nothing, but opens files. Errors of
 * init: the files may have changed. After one the reader is at its end. */
tf_err_t tf_capture_reader_rewind(tf_capture_reader_t *reader);

tf_capture_read_t tf_capture_reader_next(tf_capture_reader_t *reader, tf_capture_item_t *item);

/* The damage as an error: E_FILE_DAMAGED with file, offset and what was found. Only after DAMAGE. */
tf_err_t tf_capture_reader_error(const tf_capture_reader_t *reader);

const char *tf_capture_tail_name(tf_capture_tail_t tail);

#endif
