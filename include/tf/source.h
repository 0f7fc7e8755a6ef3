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

/* What a stream (a symbol's channel, of a source that asks a venue for it) has come to. */
#define TF_STREAM_STATES(X)                                                                        \
  X(NONE, "none")                                                                                  \
  X(WANTED, "wanted")      /* to be asked for */                                                   \
  X(ASKED, "asked")        /* nobody answered yet */                                               \
  X(ACKED, "acknowledged") /* no data yet */                                                       \
  X(LIVE, "live")                                                                                  \
  X(CARRIED, "carried") /* another channel brings it */                                            \
  X(REFUSED, "refused") /* the venue said no */                                                    \
  X(SILENT, "silent")   /* nothing came, however often it was asked for */                         \
  X(UNWANTED, "unwanted")

typedef enum tf_stream_state {
#define TF_STREAM_STATE_ENUM_(id, name) TF_STREAM_##id,
  TF_STREAM_STATES(TF_STREAM_STATE_ENUM_)
#undef TF_STREAM_STATE_ENUM_
      TF_STREAM_STATE_CNT
} tf_stream_state_t;

/* What such a source is told while it runs. */
typedef enum tf_source_command_kind {
  TF_SOURCE_SUBSCRIBE = 1, /* from now on: these channels of this symbol */
  TF_SOURCE_UNSUBSCRIBE,
  TF_SOURCE_STREAMS /* what there is, a page at a time */
} tf_source_command_kind_t;

typedef struct tf_source_command {
  uint8_t  kind;                        /* tf_source_command_kind_t */
  uint32_t channels;                    /* TF_CHANNEL_*; 0: all that the source decodes */
  uint32_t from;                        /* STREAMS: 0, then the reply's next */
  char     symbol[TF_SYMBOL_BYTES_MAX]; /* as a config spells it */
} tf_source_command_t;

#define TF_SOURCE_STREAMS_A_PAGE 16
#define TF_SOURCE_TEXT_BYTES     192

typedef struct tf_source_stream {
  uint32_t instrument_id, channel;
  uint8_t  state; /* tf_stream_state_t */
  uint32_t try_cnt;
  uint64_t request_id;        /* of the newest request for it; 0: none on this connection */
  uint64_t asked_ns, data_ns; /* of that request, and of its newest event; 0 none */
  char     refusal[96];       /* the venue's words; "" */
} tf_source_stream_t;

typedef struct tf_source_reply {
  tf_err_t           err;
  char               text[TF_SOURCE_TEXT_BYTES]; /* of err */
  uint32_t           instrument_id;              /* SUBSCRIBE, UNSUBSCRIBE */
  uint32_t           channels;                   /* that changed */
  uint32_t           next;                       /* STREAMS: UINT32_MAX behind the last page */
  uint32_t           stream_cnt;
  tf_source_stream_t streams[TF_SOURCE_STREAMS_A_PAGE];
} tf_source_reply_t;

#define TF_SOURCE_DONE (-1) /* poll: a file is read to its end */

typedef struct tf_source tf_source_t;
typedef struct tf_source_ops {
  /* One pass. Returns the amount of work done (0: idle), TF_SOURCE_DONE, or tf_err_t < -1 when the
   * source is broken for good; what it delivered before stands. */
  int (*poll)(tf_source_t *source, uint64_t now_ns);
  void (*stop)(tf_source_t *source);
  /* On the thread that polls, between two polls; bounded work. NULL: it has no streams. */
  void (*command)(tf_source_t *source, const tf_source_command_t *command,
                  tf_source_reply_t *reply);
  /* Leaves its venue alone (true), or connects as if new (false). NULL: it cannot. Between two polls. */
  void (*rest)(tf_source_t *source, bool rests);
} tf_source_ops_t;

/* What became of what was asked of the venue; monotone but for the states. */
typedef struct tf_source_streams {
  uint32_t by_state[TF_STREAM_STATE_CNT];
  uint64_t requests, acks, refusals, strays, silent_asked, silent, refused, resyncs;
} tf_source_streams_t;

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

/* What the dial of a connection is doing, and where it failed: names are stable (logs, metrics). X(name, text) */
#define TF_DIAL_PHASES(X)                                                                          \
  X(WAIT, "wait") /* for its turn at this host */                                                  \
  X(DNS, "dns")                                                                                    \
  X(CONNECT, "connect")                                                                            \
  X(PROXY, "proxy") /* CONNECT sent, answer awaited */                                             \
  X(TLS, "tls")                                                                                    \
  X(UPGRADE, "upgrade") /* websocket: request out, answer awaited */                               \
  X(REQUEST, "request") /* REST: request out, head awaited */                                      \
  X(BODY, "body")                                                                                  \
  X(DONE, "done")

enum {
#define TF_DIAL_COUNT_(id, name) +1
  TF_DIAL_CNT = 0 TF_DIAL_PHASES(TF_DIAL_COUNT_)
#undef TF_DIAL_COUNT_
};

#define TF_SOURCE_LEGS_MAX 5u

/* One of a live source's connections, for those who look on. */
typedef struct tf_source_leg {
  uint64_t is_up;
  uint64_t endpoint_idx; /* where it is connected, or was last: place in the feed's list of hosts */
  uint64_t messages;
  uint64_t wins, losses; /* of messages that two connections brought: before the other, behind it */
  uint64_t duplicates;   /* messages of which nothing was published, another having brought it */
  uint64_t lead_cnt;     /* of its wins, until the second came: */
  uint64_t lead_p50_ns, lead_p90_ns, lead_p99_ns, lead_max_ns;
  uint64_t ends[TF_LEG_END_CNT]; /* in a replay as far as they were recorded */
} tf_source_leg_t;

struct tf_source {
  const tf_source_ops_t *ops;
  tf_publisher_t         publisher; /* set by acquire before the first poll */
  tf_feed_counts_t       counts;
  uint8_t                feed_state;                              /* tf_feed_state_t */
  uint64_t bytes_rx, bytes_framed, bytes_partial, bytes_rejected; /* the ledger's first row */
  uint64_t connects, disconnects;
  uint64_t dials_failed[TF_DIAL_CNT]; /* by the phase that they failed in */
  uint64_t books_lost;                /* books given up because the lane did not believe them */
  uint64_t stale;                     /* silences of book and quote streams beyond their habit */
  uint64_t stale_now;                 /* instruments in one */
  tf_source_streams_t streams;
  uint32_t            leg_cnt; /* 0: no connections, a file */
  tf_source_leg_t     legs[TF_SOURCE_LEGS_MAX];
  bool     is_required; /* live: when it breaks for good the run ends, whatever the others do */
  bool     is_aid;      /* brings no market data of its own: commands, a chain of routes */
  tf_err_t broken;      /* for good, by acquire: it is not polled any more */
  tf_source_t
      *commanded_by; /* whoever takes its commands, and tells it: a chain of routes; NULL: itself */
  uint64_t held_events; /* decoded while another route served (tf/route.h): not published */
  bool     is_standby;  /* another route serves */
  uint64_t position;    /* a broker's number of the last message handed on; 0: none, or no broker */
  uint64_t newest_recv_ns,
      newest_event_ns; /* of the last event published; event 0 where not sent */
};

#endif
