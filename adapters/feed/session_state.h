/* What session.c (the lane's part) and session_init.c (the control plane's) share. Private to them. */
#ifndef FEED_SESSION_STATE_H
#define FEED_SESSION_STATE_H

#include "feed/book_watch.h"
#include "feed/overlap.h"
#include "feed/session.h"
#include "feed/snapshots.h"
#include "feed/streams.h"
#include "feed/ticket.h"

#define TF_SESSION_TROUBLE_BYTES 640

typedef struct tf_session {
  tf_source_t         source; /* first: the source is the session */
  tf_session_config_t config;
  const tf_feed_t    *feed;
  void               *feed_state;
  tf_feed_out_t       out;
  tf_link_t           links[2];
  uint32_t            active;     /* the link whose messages the feed gets */
  tf_snapshots_t      snapshots;  /* REST */
  tf_streams_t        streams[2]; /* of each link */
  tf_book_watch_t     book_watch;
  tf_overlap_t        overlap; /* of the spare link, before it takes over */
  uint64_t            take_over_due_ns;
  tf_dialer_client_t  client;
  bool                joined;
  tf_endpoint_t       endpoints[TF_ENDPOINTS_MAX], rest_endpoint;
  tf_tls_ctx_t        tls_ctx, rest_tls_ctx;
  tf_backoff_t        backoff;
  char               *text; /* a message of ours being made */
  uint64_t            now_ns, housekeep_due_ns;
  uint64_t            retry_due_ns;    /* active link: when to dial; 0 no wait */
  uint64_t            rollover_due_ns; /* spare link: when to dial; 0 never */
  uint64_t            origin_recv_ns, origin_ticks;
  uint64_t            msgs_data_before; /* of this connection */
  uint64_t            http_bytes;
  const char         *why; /* of the next dial */
  int                 work;
  bool                was_live, stopping;
  bool     is_resting; /* not wanted for now: no connection is made (tf_source_ops_t.rest) */
  bool     cache_used;
  bool     rolling; /* the spare link is dialled to take over */
  tf_err_t broken;  /* for good */
  tf_session_counts_t counts;
  uint64_t            stream_down;      /* any thread: tf_session_stream_down's word */
  uint64_t            stream_down_seen; /* refusals and silences when it was made */
  char                trouble[TF_SESSION_TROUBLE_BYTES];
} tf_session_t;

extern const tf_source_ops_t tf_session_ops;
tf_link_handler_t            tf_session_link_handler(tf_session_t *s);

/* Publishes what stands in s->out, and takes up what the feed asked for. */
void tf_session_publish(tf_session_t *s, uint64_t origin_ticks);
void tf_session_tap(tf_session_t *s, const tf_tap_record_t *record);

/* session_watch.c. Now and then, while the connection is up; and behind a message that made streams fresh. */
void tf_session_watch_books(tf_session_t *s);
/* A book that is not to be trusted: GAP, and a snapshot is asked for where somebody wants it. */
void         tf_session_lose_book(tf_session_t *s, uint32_t instrument_id);
TF_COLD void tf_session_watch_fresh(tf_session_t *s);

/* Where snapshots come in band, a connection has books of its own; where they come by REST, sequences go
 * on from one connection to the next. */
TF_INLINE tf_streams_t *tf_session_streams(tf_session_t *s, const tf_link_t *link) {
  return &s->streams[link - s->links];
}

/* session_command.c. What the source is told while it runs, and what it tells of its streams. */
void tf_session_command(tf_source_t *source, const tf_source_command_t *command,
                        tf_source_reply_t *reply);
void tf_session_count_streams(tf_session_t *s);

/* Sends a text of streams[] (self: its link), and takes a wish for a snapshot. */
bool tf_session_send(void *self, const char *text, size_t cnt);
void tf_session_want_snapshot(void *self, uint32_t instrument_id);

TF_INLINE bool tf_session_in_band(const tf_session_t *s) {
  return s->feed->snapshot_target == NULL;
}

#endif
