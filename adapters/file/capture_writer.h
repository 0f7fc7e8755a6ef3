/* Writes the files of a capture (file/capture_format.h): blocks of serialised records are compressed,
 * sealed and appended, files closed with their index and the next begun. Knows nothing of threads:
 * file/capture.h puts one behind a ring.
 *
 * Nothing that has been written is changed, save the remains of a write that failed. A full disk,
 * quota or size limit is transient: the block is not taken and the caller may offer it again. Any
 * other failed write, and any failed fdatasync, is for good.
 *
 * Private object, one thread; all memory from the arena. */
#ifndef ADAPTERS_FILE_CAPTURE_WRITER_H
#define ADAPTERS_FILE_CAPTURE_WRITER_H

#include "core/arena.h"
#include "file/capture_format.h"

/* One feed of the header; texts that do not fit are refused. */
typedef struct tf_capture_feed_config {
  const char        *name, *venue, *url;
  uint32_t           channels, pending_cap, book_depth;
  const char *const *symbols;
  uint32_t           symbol_cnt;
} tf_capture_feed_config_t;

typedef struct tf_capture_writer_config {
  const char                     *dir; /* kept */
  const char                     *tickfuse_version;
  uint64_t                        config_hash;
  uint64_t                        started_ns; /* ns since 1970 */
  const tf_capture_feed_config_t *feeds;      /* used by init only */
  uint32_t                        feed_cnt;
  uint32_t                        symbol_room;  /* of the header */
  uint64_t                        rotate_bytes; /* a file that has as many is closed; 0: no limit */
  uint64_t                        rotate_ns;    /* or is as old; 0: no limit */
  int                             level;        /* zstd's, 1 to 19 */
} tf_capture_writer_config_t;

typedef struct tf_capture_writer_counts {
  uint64_t files, blocks, records;
  uint64_t bytes_raw;    /* of payloads before compression */
  uint64_t bytes_stored; /* written, headers and indexes included */
  uint64_t records_durable;
  uint64_t syncs, write_errors;
} tf_capture_writer_counts_t;

typedef struct tf_capture_block { /* what append takes */
  const uint8_t *bytes;           /* serialised records */
  uint32_t       bytes_cnt, record_cnt;
  uint64_t       first_ns, last_ns;
} tf_capture_block_t;

typedef struct tf_capture_writer {
  tf_capture_writer_config_t config;
  int                        dir_fd, fd;
  int                        failed_errno; /* not 0: for good */
  bool                       is_open;      /* a file is begun and not closed */
  uint64_t                   capture_id;
  uint32_t                   file_idx;
  uint64_t                   offset, file_first_ns, file_records;
  uint64_t                   block_seq, record_seq; /* of what comes next */
  uint32_t                   prev_crc;
  uint8_t                   *header; /* (header_bytes) the file header, sealed anew for each file */
  uint32_t                   header_bytes;
  uint8_t                   *sealed; /* a block header and its payload */
  size_t                     sealed_cap;
  void                      *zstd;
  tf_capture_index_t        *index; /* (TF_CAPTURE_INDEX_BLOCKS_MAX) after room for a header */
  uint8_t                   *index_block;
  uint32_t                   index_cnt;
  tf_capture_writer_counts_t counts;
  char                       error[256]; /* what failed */
} tf_capture_writer_t;

size_t tf_capture_writer_arena_bytes(const tf_capture_writer_config_t *config);

/* Makes the directory if it is not there, and begins the first file. E_CORE_ARGUMENT: the feeds do not
 * fit the header; E_FILE_BUSY: the directory holds a capture already; E_FILE_OPEN, E_FILE_WRITE,
 * E_CORE_ARENA_FULL. */
tf_err_t tf_capture_writer_init(tf_capture_writer_t              *writer,
                                const tf_capture_writer_config_t *config, tf_arena_t *arena);

/* Seals and appends one block, in the next file if this one is full or old. An error (E_FILE_WRITE,
 * E_FILE_OPEN, E_FILE_BUSY): it was not taken; offer it again, or never if tf_capture_writer_failed. */
tf_err_t tf_capture_writer_append(tf_capture_writer_t *writer, const tf_capture_block_t *block,
                                  uint64_t now_ns);

/* fdatasync; records_durable follows. E_FILE_WRITE, for good. */
tf_err_t tf_capture_writer_sync(tf_capture_writer_t *writer);

/* What is waiting will never be written: fini then leaves the file without index and trailer. */
void tf_capture_writer_give_up(tf_capture_writer_t *writer);

/* Index, trailer, fdatasync, close; in any case nothing stays open. Accepts a zeroed one. */
tf_err_t tf_capture_writer_fini(tf_capture_writer_t *writer);

TF_INLINE bool tf_capture_writer_failed(const tf_capture_writer_t *writer) {
  return writer->failed_errno != 0;
}

#endif
