/* Reads a journal block by block, verifies every CRC and the chain, and says exactly what cannot be
 * trusted: any byte string may stand in the file. The strict use is to stop at the first LOSS, which
 * leaves the longest valid chain; calling on passes over the lost bytes to the next intact block.
 *
 * Private object on caller memory, one thread; a journal that is being written may be read at the
 * same time: END, and a loss that reaches to the end of the file (told once, then END), then mean
 * "no more yet", and next may be called again. */
#ifndef ADAPTERS_FILE_JOURNAL_READER_H
#define ADAPTERS_FILE_JOURNAL_READER_H

#include "file/journal_format.h"
#include "tf/err.h"

typedef enum tf_journal_read {
  TF_JOURNAL_READ_BLOCK, /* header and records stand in the reader */
  TF_JOURNAL_READ_END,
  TF_JOURNAL_READ_LOSS, /* loss says what and where */
  TF_JOURNAL_READ_ERROR /* the file cannot be read; tf_error_text says why */
} tf_journal_read_t;

typedef enum tf_journal_loss_kind {
  TF_JOURNAL_LOSS_TORN,    /* the file ends inside a block: a write that did not finish */
  TF_JOURNAL_LOSS_HEADER,  /* no valid block header where one must be */
  TF_JOURNAL_LOSS_PAYLOAD, /* the records do not match their CRC */
  TF_JOURNAL_LOSS_CHAIN    /* an intact block that does not follow the one before it */
} tf_journal_loss_kind_t;

typedef struct tf_journal_loss {
  uint8_t  kind;       /* tf_journal_loss_kind_t */
  bool     to_end;     /* no intact block follows */
  uint64_t offset;     /* of the first byte that is not trusted */
  uint64_t bytes;      /* up to the next intact block or the end; 0 for CHAIN */
  uint64_t seq_before; /* decision_seq of the last decision before, 0 = none */
  uint64_t seq_after;  /* and of the first behind it; 0 = none, or not a block of decisions */
} tf_journal_loss_t;

typedef struct tf_journal_reader {
  int                     fd;
  bool                    owns_fd;
  bool                    chain_known; /* false right after lost bytes */
  const tf_journal_key_t *key;
  const char             *path;
  uint64_t                offset; /* of the block to be read next */
  uint8_t                 chain[TF_JOURNAL_HASH_BYTES];

  tf_journal_file_header_t file;
  tf_journal_loss_t        loss;
  uint64_t                 decision_cnt; /* read so far, as is last_seq */
  uint64_t                 last_seq;
  uint32_t                 last_epoch;
  bool                     chain_broken_here; /* the CHAIN loss at offset was reported */
  uint64_t                 lost_to_bytes;     /* size of the file when a loss to its end was told */
  uint64_t                 block_offset;

  TF_ALIGNED(64) uint8_t block[TF_JOURNAL_BLOCK_BYTES_MAX];
} tf_journal_reader_t;

/* Opens path (kept). E_FILE_OPEN; E_FILE_FORMAT: empty, foreign, or another version or record size;
 * E_FILE_DAMAGED: the file header is. On error nothing stays open. */
tf_err_t tf_journal_reader_init(tf_journal_reader_t *reader, const char *path);
/* Of a keyed journal, right after init: MACs are verified under key (kept), and an intact block whose MAC
 * is another is a loss of kind CHAIN. Without it a keyed journal is read by its CRCs alone. */
void tf_journal_reader_set_key(tf_journal_reader_t *reader, const tf_journal_key_t *key);
/* The same on an open file, which stays the caller's. */
tf_err_t tf_journal_reader_init_fd(tf_journal_reader_t *reader, int fd, const char *path);
void     tf_journal_reader_fini(tf_journal_reader_t *reader); /* accepts a zeroed one */

tf_journal_read_t tf_journal_reader_next(tf_journal_reader_t *reader);

/* Stands before the first intact block at or behind offset, a multiple of TF_JOURNAL_HEADER_BYTES: next reads
 * it, and looks at no chain up to it. BLOCK (its header can be looked at), END: there is none, or ERROR. */
tf_journal_read_t tf_journal_reader_seek(tf_journal_reader_t *reader, uint64_t offset);

/* Of the block that next found. Records are tf_decision_t or tf_journal_instrument_t by its kind. */
TF_INLINE const tf_journal_block_header_t *
tf_journal_reader_header(const tf_journal_reader_t *reader) {
  return (const tf_journal_block_header_t *)(const void *)reader->block;
}
TF_INLINE const tf_decision_t *tf_journal_reader_decisions(const tf_journal_reader_t *reader) {
  return (const tf_decision_t *)(const void *)(reader->block + TF_JOURNAL_HEADER_BYTES);
}
TF_INLINE const tf_journal_instrument_t *
tf_journal_reader_instruments(const tf_journal_reader_t *reader) {
  return (const tf_journal_instrument_t *)(const void *)(reader->block + TF_JOURNAL_HEADER_BYTES);
}

/* The loss as an error: E_FILE_DAMAGED with offset, bytes, kind and the sequences around it. */
tf_err_t tf_journal_reader_error(const tf_journal_reader_t *reader);

#endif
