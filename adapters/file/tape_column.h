/* One column of a tape's block (file/tape_format.h): 64-bit values to bytes and back. Pure, no
 * file; the codec holds the memory that both directions work in. One thread at a time.
 *
 * Cost (bench tape): see bench/RESULTS.md, B14. */
#ifndef ADAPTERS_FILE_TAPE_COLUMN_H
#define ADAPTERS_FILE_TAPE_COLUMN_H

#include "file/tape_format.h"
#include "tf/err.h"

/* The longest that a column of cnt values can become: no part is longer than raw, exceptions are
 * made only where they are shorter than one plane more, a bitmap only where it saves more. */
#define TF_TAPE_COLUMN_BYTES_MAX(cnt)                                                              \
  (sizeof(tf_tape_column_header_t) + 10 * sizeof(tf_tape_part_header_t) + 9 * (size_t)(cnt))

typedef struct tf_tape_codec tf_tape_codec_t;

/* Memory for columns of up to value_cap (1 .. TF_TAPE_BLOCK_EVENTS_MAX) values. level: of zstd, 1 .. 19, for writing;
 * 0: a codec that only reads. Control plane: mallocs; encode may grow zstd's own memory, decode
 * allocates nothing. E_CORE_NO_MEMORY. */
tf_err_t tf_tape_codec_start(tf_tape_codec_t **codec, uint32_t value_cap, int level);
void     tf_tape_codec_stop(tf_tape_codec_t *codec); /* accepts NULL */

/* Writes cnt (1 .. value_cap) values at out, which has room for
 * TF_TAPE_COLUMN_BYTES_MAX(cnt), the shorter of both transforms. Returns the bytes written. */
size_t tf_tape_column_encode(tf_tape_codec_t *codec, const uint64_t *values, uint32_t cnt,
                             uint8_t *out);

/* Reads a column of exactly cnt values that begins at bytes. Returns the bytes it took, 0 when it is
 * malformed; never reads beyond bytes_cnt. values is then undefined. */
size_t tf_tape_column_decode(tf_tape_codec_t *codec, const uint8_t *bytes, size_t bytes_cnt,
                             uint64_t *values, uint32_t cnt);

#endif
