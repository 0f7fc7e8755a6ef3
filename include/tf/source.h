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
} tf_source_ops_t;

typedef enum tf_feed_state {
  TF_FEED_CONNECTING,
  TF_FEED_SYNCING,
  TF_FEED_LIVE,
  TF_FEED_STALE,
  TF_FEED_RESYNC,
  TF_FEED_DOWN
} tf_feed_state_t;

/* Why a connection ended: a closed set, with counters. X(name, text) */
#define TF_LEG_ENDS(X)                                                                             \
  X(NONE, "none")                                                                                  \
  X(PEER_CLOSE, "peer_close") /* a close frame; its code says more */                              \
  X(EOF, "eof")               /* the transport ended without one */                                \
  X(RESET, "reset")           /* a socket error */                                                 \
  X(PROTOCOL, "protocol")     /* the websocket parser refused what came */                         \
  X(TLS, "tls")               /* the TLS stream broke or was cut */                                \
  X(SILENCE, "silence")       /* nothing at all came for too long */                               \
  X(NO_PONG, "no_pong")       /* a peer that answers pings stopped to */                           \
  X(NO_DATA, "no_data")       /* alive, but no message for too long */                             \
  X(SEQUENCE, "sequence")     /* its sequence broke: nothing on it can be trusted */               \
  X(REPLACED, "replaced")     /* by a newer connection */                                          \
  X(STOPPED, "stopped")       /* by us */                                                          \
  X(IO, "io")                 /* could not be attached */

enum {
#define TF_LEG_END_COUNT_(id, name) +1
  TF_LEG_END_CNT = 0 TF_LEG_ENDS(TF_LEG_END_COUNT_)
#undef TF_LEG_END_COUNT_
};

#define TF_SOURCE_LEGS_MAX 5u

/* One of a live source's connections, for those who look on. */
typedef struct tf_source_leg {
  uint64_t is_up;
  uint64_t messages;
  uint64_t wins, losses; /* of messages that two connections brought: before the other, behind it */
  uint64_t duplicates;   /* messages of which nothing was published, another having brought it */
  uint64_t lead_cnt;     /* of its wins, until the second came: */
  uint64_t lead_p50_ns, lead_p90_ns, lead_p99_ns, lead_max_ns;
  uint64_t ends[TF_LEG_END_CNT];
} tf_source_leg_t;

struct tf_source {
  const tf_source_ops_t *ops;
  tf_publisher_t         publisher; /* set by acquire before the first poll */
  tf_feed_counts_t       counts;
  uint8_t                feed_state;                              /* tf_feed_state_t */
  uint64_t bytes_rx, bytes_framed, bytes_partial, bytes_rejected; /* the ledger's first row */
  uint64_t connects, disconnects;
  uint64_t newest_recv_ns,
      newest_event_ns;     /* of the last event published; event 0 where not sent */
  uint32_t        leg_cnt; /* 0: no connections, a file */
  tf_source_leg_t legs[TF_SOURCE_LEGS_MAX];
};

#endif
