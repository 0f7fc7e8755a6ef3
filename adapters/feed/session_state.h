/* What session.c (messages, timers), session_legs.c (connections), session_watch.c and session_init.c (the
 * control plane's) share. Private to them. */
#ifndef FEED_SESSION_STATE_H
#define FEED_SESSION_STATE_H

#include "feed/book_watch.h"
#include "feed/legs.h"
#include "feed/overlap.h"
#include "feed/session.h"
#include "feed/snapshots.h"
#include "feed/streams.h"
#include "feed/ticket.h"

#define TF_SESSION_TROUBLE_BYTES 640

/* One connection, from dial to dial. */
typedef struct tf_session_leg {
  tf_link_t    link; /* first: a link of a session is its leg */
  tf_streams_t streams;
  tf_backoff_t backoff;
  const char  *why;          /* of its next dial */
  uint64_t     retry_due_ns; /* wanted and idle: when to dial */
  uint64_t     leave_due_ns; /* up: when to be replaced; 0 never */
  uint64_t heard_due_ns; /* until when it is heard beside the others; 0: it has said nothing yet */
  uint32_t ticket_idx;   /* dialling: which of the feed's tickets is asked for */
  bool     is_wanted;    /* it is up, or to be dialled */
  bool     is_joined;    /* the decoder gets its messages */
  uint8_t  replaces;     /* the leg that goes when this one is heard; TF_LEGS_NONE */
} tf_session_leg_t;

typedef struct tf_session {
  tf_source_t         source; /* first: the source is the session */
  tf_session_config_t config;
  const tf_feed_t    *feed;
  tf_feed_out_t       out;
  tf_legs_t           merge; /* of the legs' messages */
  tf_session_leg_t    legs[TF_LEGS_MAX];
  uint32_t            leg_cnt; /* config.legs, and one to replace another */
  uint32_t            joined_cnt;
  uint32_t            listener; /* the leg whose messages are kept in overlap; TF_LEGS_NONE */
  tf_overlap_t        overlap;
  tf_snapshots_t      snapshots; /* REST */
  tf_book_watch_t     book_watch;
  tf_dialer_client_t  client;
  bool                joined;
  tf_endpoint_t       endpoints[TF_ENDPOINTS_MAX], rest_endpoint;
  tf_tls_ctx_t        tls_ctx, rest_tls_ctx;
  char               *text; /* a message of ours being made */
  uint64_t            now_ns, housekeep_due_ns, show_due_ns, refresh_due_ns;
  uint32_t            show_idx; /* of the leg whose quantiles are made next */
  uint64_t            origin_recv_ns, origin_ticks;
  uint64_t            batch_ticks;      /* the origin of what is being decoded */
  uint64_t            msgs_data_before; /* when the first leg came up */
  uint64_t            http_bytes;
  int                 work;
  bool                was_live, stopping;
  bool     is_resting; /* another route serves: no connection is made (tf_source_ops_t.rest) */
  bool     cache_used;
  tf_err_t broken; /* for good */
  tf_session_counts_t counts;
  uint64_t            stream_down;      /* any thread: tf_session_stream_down's word */
  uint64_t            stream_down_seen; /* refusals and silences when it was made */
  char                trouble[TF_SESSION_TROUBLE_BYTES];
} tf_session_t;

extern const tf_source_ops_t tf_session_ops;
tf_link_handler_t            tf_session_link_handler(tf_session_t *s);
tf_legs_handler_t            tf_session_merge_handler(tf_session_t *s);

/* ---- session.c ---- */

/* A message of a leg that has joined: to the tap, then to the decoder, and what comes of it is published. */
tf_verdict_t tf_session_deliver(tf_session_t *s, uint32_t leg, const tf_frame_t *frame,
                                uint64_t origin_ticks);
/* The tick count of a receive time. */
uint64_t tf_session_origin(tf_session_t *s, uint64_t recv_ns);
/* Publishes what stands in s->out. */
void tf_session_publish(tf_session_t *s, uint64_t origin_ticks);
void tf_session_tap(tf_session_t *s, const tf_tap_record_t *record);
void tf_session_break(tf_session_t *s, tf_err_t err, const char *text);
/* A stream's trouble becomes the session's, for people. */
void tf_session_note_stream(tf_session_t *s, const tf_stream_trouble_t *trouble);

/* A book that is not to be trusted: GAP, and a snapshot is asked for where somebody wants it. */
void tf_session_lose_book(tf_session_t *s, uint32_t instrument_id);
/* Trades that wait for those before them wait no longer, where their time is over (reorder.h). */
void tf_session_end_window(tf_session_t *s);

/* session_command.c. What the source is told while it runs, and what it tells of its streams. */
void tf_session_command(tf_source_t *source, const tf_source_command_t *command,
                        tf_source_reply_t *reply);
void tf_session_count_streams(tf_session_t *s);

/* Sends a text of a leg's streams (self: its link), and takes a wish for a snapshot. */
bool tf_session_send(void *self, const char *text, size_t cnt);
void tf_session_want_snapshot(void *self, uint32_t instrument_id);

/* ---- session_legs.c ---- */

/* Dials, replaces and closes what is due. */
void tf_session_legs_tick(tf_session_t *s);
/* A dial of a leg is back. */
void tf_session_legs_dialed(tf_session_t *s, tf_session_leg_t *leg);
/* A leg's connection has ended. */
void tf_session_legs_ended(tf_session_t *s, tf_session_leg_t *leg);
/* All of them at once: none takes another's place. */
void tf_session_legs_close(tf_session_t *s);
/* All are closed and none is dialled; or, not resting, as at the start. */
void tf_session_legs_rest(tf_session_t *s, bool rests);
/* A message of a leg that has not joined. */
void tf_session_legs_listen(tf_session_t *s, tf_session_leg_t *leg, const tf_frame_t *frame);
/* The connected leg that has most of what it asked for; NULL: none has joined. */
tf_session_leg_t *tf_session_legs_best(tf_session_t *s);
/* What /metrics and status show of each. */
void tf_session_legs_show(tf_session_t *s);

/* ---- session_watch.c ---- */

/* Now and then, while the connection is up; and behind a message that made streams fresh. */
void         tf_session_watch_books(tf_session_t *s);
TF_COLD void tf_session_watch_fresh(tf_session_t *s);

TF_INLINE tf_session_leg_t *tf_session_leg_of(tf_link_t *link) {
  return (tf_session_leg_t *)(void *)link;
}
TF_INLINE uint32_t tf_session_leg_idx(const tf_session_t *s, const tf_session_leg_t *leg) {
  return (uint32_t)(leg - s->legs);
}
TF_INLINE void *tf_session_state(const tf_session_t *s, const tf_session_leg_t *leg) {
  return s->merge.legs[tf_session_leg_idx(s, leg)].state;
}
TF_INLINE uint32_t tf_session_random(const tf_session_t *s) {
  return s->config.random.u32(s->config.random.self);
}
TF_INLINE bool tf_session_in_band(const tf_session_t *s) {
  return tf_feed_in_band(s->feed, s->config.feed_config.book_depth);
}

#endif
