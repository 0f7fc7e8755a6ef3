/* Writes a tape (file/tape_format.h): events are gathered into blocks, each block is encoded and
 * written in one piece, index and trailer come at the end. A writer that is killed leaves a file of
 * whole blocks and at most one torn one; tf_tape_reader_t finds all that is whole.
 *
 * Costs a thread of its own about 0.2 us an event (bench tape), in bursts of a block: not for a lane.
 * Private object, one thread; memory is taken at init, the index grows with the file. */
#ifndef ADAPTERS_FILE_TAPE_WRITER_H
#define ADAPTERS_FILE_TAPE_WRITER_H

#include "file/tape_block.h"

/* Events of one block: what a look into the middle decodes, and at most what a crash loses. Blocks of
 * 16384 took 3 % more bytes and 15 % more time to read: Huffman tables are built for each part. */
#define TF_TAPE_BLOCK_EVENTS 32768
#define TF_TAPE_LEVEL        3 /* of zstd */

typedef struct tf_tape_writer_config {
  const char             *path;         /* kept; must not exist yet */
  const char             *source;       /* what it is made of, for people; cut to fit */
  const tf_instruments_t *instruments;  /* kept: every id that events use */
  uint64_t                config_hash;  /* 0: no engine wrote it */
  uint32_t                block_events; /* 0: TF_TAPE_BLOCK_EVENTS */
  int                     level;        /* 0: TF_TAPE_LEVEL */
} tf_tape_writer_config_t;

typedef struct tf_tape_writer {
  tf_tape_writer_config_t config;
  int                     fd;
  bool                    failed; /* a write did not succeed: nothing more is written */
  tf_tape_block_t        *block;
  tf_event_t             *events; /* (block_events) waiting */
  uint32_t                event_cnt;
  uint32_t                named_cnt; /* instruments written */
  uint8_t                *bytes;     /* a block's header and payload, to be written at once */
  uint64_t                offset;    /* where the next block goes */
  uint64_t                written_cnt;
  uint64_t                hash;  /* of all events written */
  tf_tape_entry_t        *index; /* (index_cap) */
  uint64_t                index_cnt, index_cap;
} tf_tape_writer_t;

/* Makes the file (0600) and its header. E_FILE_OPEN: it exists, or cannot be made; E_FILE_WRITE,
 * E_CORE_ARGUMENT, E_CORE_NO_MEMORY. On error nothing stays open, and no file that was made here. */
tf_err_t tf_tape_writer_init(tf_tape_writer_t *writer, const tf_tape_writer_config_t *config);

/* Takes event_cnt events, as they are: ingest_seq too. Those of one message stay in one block where
 * they fit. E_FILE_WRITE: the disk refused; what was written before is whole, and all further calls
 * fail alike. */
tf_err_t tf_tape_writer_append(tf_tape_writer_t *writer, const tf_event_t *events,
                               uint32_t event_cnt);

/* Writes what waits as a block. */
tf_err_t tf_tape_writer_flush(tf_tape_writer_t *writer);

/* Flushes, writes index and trailer, syncs, closes. Accepts a zeroed object. */
tf_err_t tf_tape_writer_fini(tf_tape_writer_t *writer);

#endif
