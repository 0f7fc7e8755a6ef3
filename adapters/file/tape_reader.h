/* Reads a tape (file/tape_format.h), block by block or from a time on. The file is read with
 * pread(2), never mapped: one that shrinks is then an error to report and no SIGBUS.
 *
 * init finds every block: from the index at the file's end, or, where that is missing or wrong, by
 * walking the block headers. Whatever lies between valid blocks, and a torn end, is a loss: its place
 * and size are kept, reading goes on behind it. is_whole says that there was none and that the
 * writer ended the tape. A payload that fails its CRC, or does not decode, is found when it is
 * opened.
 *
 * Memory is taken by init (control plane), bounded by what the block headers say, which is checked
 * first; open and next allocate nothing. One thread at a time. */
#ifndef ADAPTERS_FILE_TAPE_READER_H
#define ADAPTERS_FILE_TAPE_READER_H

#include "file/tape_block.h"

/* How far beyond damage the next block is searched for: several of the largest. */
#define TF_TAPE_SEARCH_BYTES_MAX (UINT64_C(64) << 20)
#define TF_TAPE_LOSSES_MAX       64 /* kept with their places; more are counted */

typedef struct tf_tape_loss {
  uint64_t offset, bytes;
  char     what[80];
} tf_tape_loss_t;

typedef struct tf_tape_reader {
  int                   fd;
  const char           *path; /* the caller's */
  tf_tape_file_header_t file;
  uint64_t              file_bytes;
  bool                  is_ended;  /* it has its trailer */
  tf_tape_entry_t      *blocks;    /* EVENTS, in the order of the file */
  uint64_t              block_cnt; /* of them */
  tf_tape_entry_t      *others;    /* INSTRUMENTS and kinds of block not known here */
  uint64_t              other_cnt;
  uint64_t              event_cnt;   /* that the blocks' headers promise */
  uint64_t              events_hash; /* the trailer's, or the last block's */
  uint64_t              recv_ns_min, recv_ns_max;
  tf_instrument_t      *rows; /* by id */
  uint32_t              row_cnt;
  tf_tape_loss_t        losses[TF_TAPE_LOSSES_MAX];
  uint32_t              loss_cnt; /* also beyond TF_TAPE_LOSSES_MAX */
  uint64_t              lost_bytes;

  tf_tape_block_t       *block; /* decoder */
  uint8_t               *payload;
  size_t                 payload_cap;
  tf_tape_block_header_t header; /* of the block opened last */
} tf_tape_reader_t;

/* Opens path (kept, not copied). E_FILE_OPEN: not there, not readable, a symbolic link, no regular
 * file. E_FILE_FORMAT: no tape, or of a version that this tickfuse does not read. E_FILE_DAMAGED: its
 * header is; then nothing can be said of the rest. E_CORE_NO_MEMORY. On error nothing stays open. */
tf_err_t tf_tape_reader_init(tf_tape_reader_t *reader, const char *path);
void     tf_tape_reader_fini(tf_tape_reader_t *reader); /* accepts a zeroed one */

/* Reads, checks and decodes blocks[block_idx]. E_FILE_DAMAGED with its place: the loss is noted as
 * well, and another block may be opened. */
tf_err_t tf_tape_reader_open(tf_tape_reader_t *reader, uint64_t block_idx);

/* The next cap or fewer events of the block that is open; 0 at its end. */
TF_INLINE uint32_t tf_tape_reader_next(tf_tape_reader_t *reader, tf_event_t *events, uint32_t cap) {
  return tf_tape_block_next(reader->block, events, cap);
}

/* Nothing is missing of what the writer put in, as far as is known: see Memory for payloads. */
TF_INLINE bool tf_tape_reader_is_whole(const tf_tape_reader_t *reader) {
  return reader->is_ended && reader->loss_cnt == 0;
}

/* E_FILE_DAMAGED with the first loss and how much there is in all. Only where not whole. */
tf_err_t tf_tape_reader_error(const tf_tape_reader_t *reader);

/* Whether the file at path begins as a tape does. False also when it cannot be read. */
bool tf_tape_reader_is_tape(const char *path);

#endif
