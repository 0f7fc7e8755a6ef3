/* An inflow: the lines of a file as a stream of bytes, plain, gzip (.gz) or Zstandard (.zst). Which
 * of them it is, is told by the first bytes and never by the name. Compressed files may consist of
 * several members (gzip) or frames (zstd), as recorders that append leave them.
 *
 * The file is read with read(2), never mapped: a file that shrinks or sits on a bad disk is then an
 * error to report and no SIGBUS. Decompressed bytes lie in one buffer that slides: what is left of a
 * line moves to its front and the next piece is decompressed behind it, so that every line is
 * contiguous, is never copied out, and has TF_BYTES_PAD readable bytes behind it. Pieces are
 * TF_INFLOW_PIECE_BYTES long, so the working set stays in the cache; only a line longer than a
 * piece makes the buffer's rear part be touched at all.
 *
 * An inflow knows two ends. ENDED: the file is over, at the end of a member or frame. DAMAGED: it
 * is cut short, fails its checksum, or cannot be read; everything decodable before that place was
 * delivered, and tf_inflow_error says where it is.
 *
 * All memory is mapped by init (control plane); nothing is allocated afterwards, also not by zlib
 * and libzstd, which get their working memory from the same mapping. One thread at a time. */
#ifndef ADAPTERS_FILE_INFLOW_H
#define ADAPTERS_FILE_INFLOW_H

#include <string.h>

#include "tf/err.h"
#include "tf/io.h"

/* The longest line that any reader of recordings accepts: REST snapshots are megabytes. */
#define TF_RECORD_BYTES_MAX (UINT32_C(16) << 20)

/* How much is decompressed at a time. 64 KiB is about 300 records of the Binance recordings: small
 * beside the L2 cache, large beside a call of inflate(). */
#define TF_INFLOW_PIECE_BYTES (UINT32_C(64) << 10)
/* How far tf_inflow_top_up works ahead, and how large a part of the buffer is used while lines are
 * shorter than it. */
#define TF_INFLOW_AHEAD_BYTES  (UINT32_C(128) << 10)
#define TF_INFLOW_WINDOW_BYTES (UINT32_C(256) << 10)

/* The largest window of a zstd frame: what `zstd` itself accepts without --long. */
#define TF_INFLOW_ZSTD_WINDOW_LOG_MAX 27

/* Of a line that is too long, its first bytes are kept as a sample. */
#define TF_INFLOW_SAMPLE_BYTES 64

typedef enum tf_inflow_kind { TF_INFLOW_PLAIN, TF_INFLOW_GZIP, TF_INFLOW_ZSTD } tf_inflow_kind_t;

typedef enum tf_inflow_state {
  TF_INFLOW_OPEN,
  TF_INFLOW_ENDED,
  TF_INFLOW_DAMAGED
} tf_inflow_state_t;

typedef enum tf_inflow_result {
  TF_INFLOW_LINE,  /* a line, without its newline */
  TF_INFLOW_LONG,  /* a line over line_bytes_max went by; bytes are its first ones, bytes_cnt all */
  TF_INFLOW_AGAIN, /* still passing over such a line: call again */
  TF_INFLOW_END,   /* nothing is left */
  TF_INFLOW_DAMAGE /* nothing is left that can be read; tf_inflow_error says why */
} tf_inflow_result_t;

typedef struct tf_inflow_codec tf_inflow_codec_t; /* zlib's or libzstd's state */

typedef struct tf_inflow {
  /* the buffer: [line_at, begin) is the line handed out last, [begin, end) is still to come */
  char    *buf;
  size_t   line_at, begin, end;
  size_t   scanned; /* bytes after begin known to hold no newline */
  size_t   line_bytes_max;
  size_t   buf_cap;
  uint64_t long_bytes;    /* of a line being passed over; 0 = none */
  uint64_t out_bytes;     /* decompressed so far */
  uint64_t partial_bytes; /* of the line that the damage cut; set with DAMAGE */
  uint8_t  kind;          /* tf_inflow_kind_t */
  uint8_t  state;         /* tf_inflow_state_t */

  /* the file */
  int         fd;
  bool        file_ended;
  const char *path; /* the caller's */
  uint8_t    *in;   /* compressed bytes: [in_begin, in_end) are not yet consumed */
  size_t      in_begin, in_end, in_cap;
  uint64_t    in_offset; /* place in the file of in[0] */

  tf_inflow_codec_t *codec;
  void              *map;
  size_t             map_bytes;
  char               damage[96];    /* what was found */
  uint64_t           damage_offset; /* place in the file */
} tf_inflow_t;

/* Opens path (kept, not copied) and decompresses its first piece. line_bytes_max: 1 to
 * TF_RECORD_BYTES_MAX. E_FILE_OPEN: not there, not readable, a symbolic link, or no regular file.
 * E_FILE_FORMAT: the file is empty. E_CORE_NO_MEMORY. A file that is damaged from its first byte on
 * still opens: the first tf_inflow_line says so. On error nothing stays open. */
tf_err_t tf_inflow_init(tf_inflow_t *in, const char *path, size_t line_bytes_max);
void     tf_inflow_fini(tf_inflow_t *in); /* accepts a zeroed or half-initialised one */

/* The cold part of tf_inflow_line: decompresses more, or says why there is none. */
tf_inflow_result_t tf_inflow_line_cold_(tf_inflow_t *in, char **bytes, size_t *bytes_cnt);

/* The next line. *bytes stays valid, and may be written to within its bytes_cnt + 1 bytes, until
 * the next call on this inflow. A last line without newline counts when the file ended in order;
 * when it was cut by damage it is not delivered, and partial_bytes says how long it was. */
TF_INLINE tf_inflow_result_t tf_inflow_line(tf_inflow_t *in, char **bytes, size_t *bytes_cnt) {
  char *begin   = in->buf + in->begin;
  char *newline = memchr(begin + in->scanned, '\n', in->end - in->begin - in->scanned);
  if (TF_UNLIKELY(!newline || in->long_bytes || (size_t)(newline - begin) > in->line_bytes_max))
    return tf_inflow_line_cold_(in, bytes, bytes_cnt);
  *bytes      = begin;
  *bytes_cnt  = (size_t)(newline - begin);
  in->line_at = in->begin;
  in->begin += *bytes_cnt + 1;
  in->scanned = 0;
  return TF_INFLOW_LINE;
}

/* Decompressed bytes that lines handed out so far took up, newlines included. Exact between lines,
 * not while a result was AGAIN. */
TF_INLINE uint64_t tf_inflow_consumed_bytes(const tf_inflow_t *in) {
  return in->out_bytes - (in->end - in->begin);
}

/* What stands in the buffer without being consumed: at least want bytes unless the file is shorter
 * or want is over TF_INFLOW_PIECE_BYTES. For telling formats. */
size_t tf_inflow_look(tf_inflow_t *in, size_t want, const char **bytes);

/* Decompresses up to step_bytes more while the caller has time, as long as less than
 * TF_INFLOW_AHEAD_BYTES are waiting. Returns by how many bytes the last line handed out moved
 * towards lower addresses: pointers into it go down by as much. */
size_t tf_inflow_top_up(tf_inflow_t *in, size_t step_bytes);

/* Passes over decompressed bytes up to offset, before the first line is taken. */
void tf_inflow_skip_to(tf_inflow_t *in, uint64_t offset);

/* E_FILE_DAMAGED with the file, what was found, and both offsets. Only when DAMAGED. */
tf_err_t tf_inflow_error(const tf_inflow_t *in);

#endif
