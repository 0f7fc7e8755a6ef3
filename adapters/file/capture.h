/* Capture: a tap (tf/tap.h) that writes everything from outside to disk (file/capture_format.h).
 *
 *   acquire's thread --tap--> byte ring --> writer thread: blocks, zstd, pwrite, fdatasync
 *
 * acquire copies each record into the ring, two or three memcpys and one release store; everything
 * else is the writer's. The ring is sized from config. When it is full (a slow or stuck disk) the
 * declared policy decides, and what it did is never silent:
 *
 *   block  acquire waits for the writer, at most TF_CAPTURE_BLOCK_NS_MAX; the venues' bytes wait in
 *          their sockets meanwhile. Then, or when the disk failed for good, as stop.
 *   stop   the capture ends here: a GAP record says so, what follows is counted as lost. The engine
 *          goes on.
 *
 * What the capture holds up to there replays exactly; a replay that comes to a GAP says so and exits 3.
 *
 * The durable watermark, records_durable, is what a crash of the machine cannot take back; a crash of
 * the process loses at most what is in the ring and in the writer's block (flush_ns old at most).
 *
 * Cold resource on caller memory; start and stop belong to the control plane, the tap to acquire's
 * thread, tf_capture_counts to any. */
#ifndef ADAPTERS_FILE_CAPTURE_H
#define ADAPTERS_FILE_CAPTURE_H

#include <pthread.h>

#include "file/capture_writer.h"
#include "tf/tap.h"

#define TF_CAPTURE_BLOCK_NS_MAX (10 * TF_NS_PER_SEC)
/* Room for the largest record and one more to come. Tests use less. */
#define TF_CAPTURE_RING_BYTES_MIN ((size_t)32 << 20)

typedef enum tf_capture_policy { TF_CAPTURE_BLOCK, TF_CAPTURE_STOP } tf_capture_policy_t;

typedef struct tf_capture_config {
  tf_capture_writer_config_t writer;
  tf_capture_policy_t        policy;
  size_t                     ring_bytes; /* a power of two */
  uint64_t                   flush_ns;   /* a block that is not full is written when as old */
  uint64_t                   sync_ns;    /* between two fdatasyncs; 0: only when a file is closed */
} tf_capture_config_t;

/* All monotone but lag_bytes. records_taken = records_written + in the ring + in the writer's block. */
typedef struct tf_capture_counts {
  uint64_t records_taken, records_written, records_durable;
  uint64_t bytes_taken;  /* serialised */
  uint64_t bytes_stored; /* on disk */
  uint64_t lag_bytes;    /* in the ring now */
  uint64_t records_lost, bytes_lost;
  uint64_t blocked; /* records that had to wait for room */
  uint64_t files, write_errors;
  uint64_t ended; /* 1: nothing more is taken */
} tf_capture_counts_t;

typedef struct tf_capture {
  tf_capture_config_t config;
  tf_capture_writer_t writer; /* the writer thread's */
  uint8_t            *ring;
  size_t              ring_mask;
  pthread_t           thread;
  bool                is_running;
  /* written by acquire's thread */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t head; /* bytes ever put in; release */
  uint64_t tail_seen;                           /* tail when it was last looked at */
  uint64_t records_taken, records_lost, bytes_lost, blocked;
  uint64_t lost_first_ns, lost_last_ns;
  uint64_t ended; /* release: head does not move any more */
  /* written by the writer thread */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t tail; /* bytes ever taken out; release */
  uint64_t         failed;                      /* the writer will not take more */
  uint64_t         records_written, records_durable, bytes_stored, files, write_errors;
  uint8_t         *block; /* the block being filled */
  uint32_t         block_bytes, block_records;
  uint64_t         block_first_ns, block_last_ns, block_begin_ns; /* begin: monotonic */
  uint64_t         synced_ns, retry_ns;                           /* monotonic */
  tf_capture_gap_t told, told_written; /* what GAP records have said so far; of those written */
  uint64_t         gap_records;        /* written */
  uint32_t         block_gaps;         /* in the block */
  uint64_t         unwritten;          /* at the end: taken, and never written */
  /* written by the control plane */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t stopping;
} tf_capture_t;

size_t tf_capture_arena_bytes(const tf_capture_config_t *config);

/* Begins the first file and starts the writer thread. Errors of tf_capture_writer_init, E_CORE_ARGUMENT
 * for a ring that is no power of two, E_CORE_THREAD. On error nothing runs and nothing stays open. */
tf_err_t tf_capture_start(tf_capture_t *capture, const tf_capture_config_t *config,
                          tf_arena_t *arena);

/* For acquire's sources. */
tf_tap_t tf_capture_tap(tf_capture_t *capture);

/* After acquire ended: writes what waits, closes the file and joins the thread. E_FILE_WRITE: the
 * disk refused something; E_FILE_DAMAGED: records were lost, the capture ends with a GAP. Accepts a zeroed
 * one and one that was stopped. */
tf_err_t tf_capture_stop(tf_capture_t *capture);

/* Any thread; exact after stop. */
tf_capture_counts_t tf_capture_counts(const tf_capture_t *capture);

#endif
