/* What a sink of policy spill has taken and its destination has not acked, on disk: each record is written here before
 * it is sent, so that neither an outage of any length nor a crash of the engine loses one.
 *
 *   PREFIX.000001, PREFIX.000002 ..   segments: a header, then blocks, each with its CRCs; never changed
 *                                     once written; deleted when acked (the newest acked one is kept,
 *                                     for a destination that loses what it had acked)
 *   PREFIX.mark                       up to where the destination has acked, in two places written in turn;
 *                                     locked: two engines never share a spool
 *
 * A start begins a segment of its own, behind all that it finds. A torn tail is left where it is and not read; what is
 * damaged in the middle loses the rest of its segment, which is counted and told, and nothing else. Records'
 * sequences rise over all segments.
 *
 * Written by write(2), so that a killed process loses nothing, and synced every TF_SPOOL_SYNC_NS: durable_seq outlives a
 * machine. The bytes of all segments are at most bytes_max; the caller asks for room before it takes
 * records. A disk that refuses a block (full, quota) is asked again by the next append, in the same place.
 *
 * Private object, one thread (the egress thread), but for open, by the control plane before it. */
#ifndef TF_SINK_SPOOL_H
#define TF_SINK_SPOOL_H

#include "tf/err.h"
#include "tf/record.h"

#define TF_SPOOL_MAGIC            "TFSPOOL\n"
#define TF_SPOOL_VERSION          1u
#define TF_SPOOL_BLOCK_MAGIC      0x42534654u /* "TFSB" */
#define TF_SPOOL_HEADER_BYTES     64u
#define TF_SPOOL_BLOCK_BYTES      32u /* of a block's header */
#define TF_SPOOL_BLOCK_RECORD_MAX 64u
#define TF_SPOOL_SEGMENTS_MAX     1024u /* at a time; a start that finds as many is refused */
#define TF_SPOOL_SEGMENT_SHIFT    4     /* a segment is this part of bytes_max, a 16th .. */
#define TF_SPOOL_SEGMENT_BYTES_MAX                                                                 \
  (UINT64_C(16) << 20) /* .. and at most this, so that space comes back in such pieces */
#define TF_SPOOL_SYNC_NS    (100 * TF_NS_PER_MS)
#define TF_SPOOL_PATH_BYTES 1024u

typedef struct tf_spool_file_header {
  uint8_t  magic[8];
  uint32_t version, header_bytes, record_bytes, carries;
  uint64_t segment;
  uint8_t  reserved[28];
  uint32_t crc; /* of the 60 bytes before */
} tf_spool_file_header_t;

typedef struct tf_spool_block_header {
  uint32_t magic, record_cnt;
  uint64_t first_seq, last_seq;
  uint32_t payload_crc, header_crc; /* the second of the 28 bytes before */
} tf_spool_block_header_t;

typedef struct tf_spool_mark {
  uint64_t acked_seq, turn; /* the later of two is the one whose turn is higher */
  uint8_t  reserved[12];
  uint32_t crc; /* of the 28 bytes before */
} tf_spool_mark_t;

TF_STATIC_ASSERT(sizeof(tf_spool_file_header_t) == TF_SPOOL_HEADER_BYTES, "format");
TF_STATIC_ASSERT(sizeof(tf_spool_block_header_t) == TF_SPOOL_BLOCK_BYTES, "format");
TF_STATIC_ASSERT(sizeof(tf_spool_mark_t) == 32, "format");

typedef struct tf_spool_segment {
  uint64_t number, last_seq, bytes; /* bytes: of what is whole; last_seq 0: no block */
} tf_spool_segment_t;

typedef struct tf_spool_config {
  const char       *prefix; /* kept */
  uint64_t          bytes_max;
  tf_record_shape_t shape;
} tf_spool_config_t;

typedef struct tf_spool {
  tf_spool_config_t  config;
  uint64_t           segment_bytes_max;
  tf_spool_segment_t segments[TF_SPOOL_SEGMENTS_MAX]; /* oldest first */
  uint32_t           segment_cnt;
  uint64_t           bytes; /* of all segments */
  int                write_fd, read_fd, mark_fd;
  uint32_t           read_idx;    /* segment that is read next, .. */
  uint64_t           read_offset; /* .. and from where */
  uint64_t           last_seq;    /* appended, or found at open */
  uint64_t           acked_seq;   /* by the destination */
  uint64_t           marked_seq;  /* of that, in the mark */
  uint64_t           mark_turn;
  uint64_t           read_seq;       /* handed out by read, or acked before open */
  uint64_t           counted_seq;    /* of that, no longer in waiting_cnt */
  uint64_t           durable_seq;    /* synced */
  bool               is_sync_broken; /* durable_seq stands still from then on */
  uint64_t           synced_ns;
  uint64_t           recovered_cnt; /* found at open and not acked */
  uint64_t           waiting_cnt;   /* appended or recovered, and not read */
  uint64_t           lost_cnt;      /* of those, in blocks that the disk has damaged since */
  uint64_t           write_errors, damaged_bytes;
  uint32_t           in_hand_idx, in_hand_cnt; /* of the block that read has in hand */
  uint8_t           *in_hand, *out_hand;       /* a block each: to read, to write */
} tf_spool_t;

/* Bytes of memory for the two blocks. */
size_t tf_spool_bytes(const tf_record_shape_t *shape);

/* E_FILE_OPEN, E_FILE_BUSY, E_FILE_FORMAT (another shape or version), E_FILE_WRITE. */
tf_err_t tf_spool_open(tf_spool_t *spool, const tf_spool_config_t *config, void *memory);

/* Whether n more records fit into bytes_max. */
bool tf_spool_has_room(tf_spool_t *spool, uint32_t n);

/* One block, n <= TF_SPOOL_BLOCK_RECORD_MAX records with sequences above last_seq. E_FILE_WRITE: nothing was
 * taken, ask again. */
tf_err_t tf_spool_append(tf_spool_t *spool, const void *records, uint32_t n);

/* Copies out at most n records that follow what was read before, those acked left out; 0: no more. */
uint32_t tf_spool_read(tf_spool_t *spool, void *records, uint32_t n);

/* Whether read has nothing to give. */
bool tf_spool_is_read(const tf_spool_t *spool);

/* What was just appended goes out by another way: read passes over it. Only when all before was read. */
void tf_spool_pass(tf_spool_t *spool);

/* The destination holds all up to seq. */
void tf_spool_ack(tf_spool_t *spool, uint64_t seq);

/* It holds no more than up to seq, though it had acked more: read begins again with what is still here behind seq.
 * in_flight_cnt: records read and not acked; they wait again. Returns the first sequence that read will give; 0:
 * none is left. */
uint64_t tf_spool_rewind(tf_spool_t *spool, uint64_t seq, uint64_t in_flight_cnt);

/* Writes the mark and syncs, when it is time. */
void tf_spool_tend(tf_spool_t *spool, uint64_t now_ns);

/* The same at once, and closes. Accepts a zeroed object. */
void tf_spool_close(tf_spool_t *spool);

/* ---- sink/spool_scan.c's: finding and reading what is there ---- */

tf_err_t tf_spool_scan(tf_spool_t *spool);
/* The block at an offset of an open segment into block (header and payload): its bytes; 0: no whole block there. */
size_t tf_spool_block_at(const tf_spool_t *spool, int fd, uint64_t offset, uint8_t *block);
void   tf_spool_path(const tf_spool_t *spool, uint64_t number, char *path);

#endif
