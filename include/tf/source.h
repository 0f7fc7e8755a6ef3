/* A source turns bytes from outside into batches of events: a live session, or a recorded file.
 * The acquire stage polls its sources in turn and is their only caller.
 *
 * Data flow: the source owns the batch's memory until publish returns; acquire stamps ingest_seq
 * into it and either runs the lane on it in place, or copies it into the event ring. */
#ifndef TF_SOURCE_H
#define TF_SOURCE_H

#include "tf/feed.h"

typedef struct tf_batch {
  tf_event_t *events; /* of one message, in order */
  uint32_t    event_cnt;
  uint64_t
      origin_tsc; /* clock.h ticks when its bytes were received; paced replay: when they were due */
  uint64_t decoded_tsc; /* when decoding was done */
} tf_batch_t;

typedef struct tf_publisher {
  void *self;
  void (*publish)(void *self, const tf_batch_t *batch);
} tf_publisher_t;

#define TF_SOURCE_DONE (-1) /* poll: a file is read to its end */

typedef struct tf_source tf_source_t;
typedef struct tf_source_ops {
  /* One pass. Returns the amount of work done (0: idle), TF_SOURCE_DONE, or tf_err_t < -1 when the
   * source is broken for good; what it delivered before stands. */
  int (*poll)(tf_source_t *source, uint64_t now_ns);
  void (*stop)(tf_source_t *source);
  /* Leaves its venue alone (true), or connects as if new (false). NULL: it cannot. Between two polls. */
  void (*rest)(tf_source_t *source, bool rests);
} tf_source_ops_t;

typedef enum tf_feed_state {
  TF_FEED_CONNECTING,
  TF_FEED_SYNCING,
  TF_FEED_LIVE,
  TF_FEED_STALE,
  TF_FEED_RESYNC,
  TF_FEED_DOWN
} tf_feed_state_t;

struct tf_source {
  const tf_source_ops_t *ops;
  tf_publisher_t         publisher; /* set by acquire before the first poll */
  tf_feed_counts_t       counts;
  uint8_t                feed_state;                              /* tf_feed_state_t */
  uint64_t bytes_rx, bytes_framed, bytes_partial, bytes_rejected; /* the ledger's first row */
  uint64_t connects, disconnects;
  uint64_t held_events; /* decoded while another route served (tf/route.h): not published */
  bool     is_standby;  /* another route serves */
  uint64_t newest_recv_ns,
      newest_event_ns; /* of the last event published; event 0 where not sent */
};

#endif
