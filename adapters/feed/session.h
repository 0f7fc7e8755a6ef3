/* A live venue as a source: a session keeps connections to a venue up, subscribes, decodes what
 * comes with any feed (tf/feed.h) and publishes it; it answers pings, notices silence, reconnects with
 * backoff, fetches the snapshots that the feed asks for, and moves to a fresh connection before the
 * venue cuts the old one.
 *
 *   tf_io_t --bytes--> link (TLS, websocket) --message--> legs: feed->on_frame --events--> publisher
 *   dialer  --open socket, snapshot body, error--> session
 *
 * One thread, the lane, calls poll and stop; init and fini belong to the control plane before the lane
 * starts and after it ended. The lane never blocks here and allocates nothing (OpenSSL draws on its
 * pool, wire/tls_pool.h). It makes one small write(2) for each dial.
 *
 * Reconnecting (FAULTS A, B): full jitter up to 30 s, a series that starts over only after a session
 * of a minute, never more than 60 attempts in 5 minutes nor two in a second; Retry-After is
 * honoured. An end that the venue announces (close 1001 or 1012) is answered at once, refused
 * credentials (401, close 3000 or 3003) stop the session for good: poll then returns E_FEED_REFUSED, and acquire
 * does not call it again.
 *
 * Several connections (config.legs) bring one set of streams, and the first to bring something wins
 * (legs.h). There is room for one more: before a venue's own cut (session_life_ns_max), when it says that it
 * will close (tf_feed_out_t.leaving), or when it stopped to answer our pings while data still comes (our bytes
 * do not arrive: it will close for want of pongs, F06), another connection is made and subscribed while the
 * old one goes on. The old one is closed when the new one has been heard for overlap_ns and every book has come
 * over, or after take_over_ns_max.
 *
 * Where sequences are the instrument's, one decoder takes all legs' messages, and a leg that comes up beside
 * others is heard for overlap_ns before its messages are handed on (overlap.h). It may be ahead of them, and
 * its first message at once would look like a gap; later it is not, since the others have passed where it
 * began. So no trade is missed and none published twice, whichever is the faster, and books go on. Where
 * sequences are a connection's own each leg has a decoder and nothing is kept.
 *
 * What is asked of the venue, what it answers, and whether data came is kept by stream (streams.h): an
 * acknowledgement is not data. */
#ifndef FEED_SESSION_H
#define FEED_SESSION_H

#include "feed/backoff.h"
#include "feed/link.h"
#include "feed/ranking.h"
#include "feed/staleness.h"
#include "feed/streams.h"
#include "tf/lost_books.h"
#include "tf/source.h"
#include "tf/tap.h"

/* Between answers to pings: a flood of them costs at most four a second (FAULTS F19). */
#define TF_SESSION_PONG_GAP_NS (250 * TF_NS_PER_MS)
/* Of metadata_refresh_ns. */
#define TF_SESSION_REFRESH_AUTO      UINT64_MAX
#define TF_SESSION_REFRESH_NS        (60 * TF_NS_PER_SEC)
#define TF_SESSION_REFRESH_BYTES_MAX (256u << 10)

/* A websocket host. */
typedef struct tf_session_host {
  const char *host, *port;
  bool        plain; /* no TLS, for simulators on loopback */
} tf_session_host_t;

typedef struct tf_session_config {
  const tf_feed_t *feed;
  tf_feed_config_t feed_config;
  tf_io_t         *io;
  tf_dialer_t     *dialer;
  bool             polls_io;   /* poll drives the loop as well: for the loop's first session */
  uint64_t         io_wait_ns; /* and waits in it so long when there is nothing; 0 spins */

  const char *host, *port; /* NULL: the feed's */
  const char *target;      /* NULL: the feed's */
  bool        plain;       /* no TLS, for simulators on loopback */
  /* Several hosts to choose from, instead of host, port and plain; ranking says which is next. */
  const tf_session_host_t *hosts; /* (host_cnt), at most TF_ENDPOINTS_MAX */
  uint32_t                 host_cnt;
  tf_ranking_t            *ranking; /* NULL: always the first */
  const tf_via_t          *via;     /* how connections leave this host; NULL: as they come */
  uint32_t                 legs;    /* connections at a time, below TF_LEGS_MAX; 0: 1 */
  tf_budget_t *budget; /* of the venue's connections, shared with its other sessions; NULL: none */
  const char  *rest_host, *rest_port;
  bool         rest_plain;
  /* And again so often, for what is done with them; 0: never. AUTO: every TF_SESSION_REFRESH_NS, where no answer is
   * larger than TF_SESSION_REFRESH_BYTES_MAX, so that reading one is no pause of the lane. */
  uint64_t metadata_refresh_ns;
  bool     metadata; /* ask the venue for tick sizes and so on, where it answers by REST */
  /* What an earlier run was told: rows of the same names, used when the venue does not answer. NULL:
   * nothing. */
  const tf_instruments_t *cached;
  const char             *ca_file; /* NULL: the system's store */
  bool                    insecure;
  bool                    deflate; /* offer permessage-deflate */

  size_t   message_bytes_max;    /* 0: the feed's, or 4 MiB */
  uint32_t fragments_max;        /* 0: 4096 */
  uint32_t events_cap;           /* events of the largest message; 0: 65536 (4 MiB) */
  uint32_t snapshots_queued_max; /* 0: 1024 */
  size_t   subscribe_bytes_max;  /* the largest message of ours; 0: 64 KiB */

  uint64_t ping_idle_ns;    /* 0: 750 ms; UINT64_MAX: no pings of ours */
  uint64_t pong_wait_ns;    /* 0: 1.2 s: with the idle time, dead peers show within 2 s */
  uint64_t ping_busy_ns;    /* while data comes; 0: 15 s */
  uint64_t pong_busy_ns;    /* for an answer then, before another connection is made; 0: 5 s */
  uint64_t silence_ns;      /* 0: the feed's silence_ns_max */
  uint64_t data_silence_ns; /* alive without a message; 0: 5 x silence */
  const tf_lost_books_t *lost_books; /* the lane's doubts; NULL: none are looked at */
  uint64_t crossed_after_ns; /* a doubt that lasted so long costs the book a resync; 0: 500 ms */
  uint64_t
      stale_after_ns;   /* a book or quote stream so quiet is stale; 0: learned; TF_STALENESS_OFF */
  uint64_t rest_gap_ns; /* between snapshot requests; 0: 500 ms */
  uint64_t overlap_ns;  /* 0: 1 s: more than two connections to a venue differ */
  size_t   overlap_bytes_max;  /* 0: twice message_bytes_max */
  uint64_t take_over_ns_max;   /* of a leg that replaces another; 0: 30 s */
  uint64_t rollover_lead_ns;   /* before the venue's cut; 0: a tenth of the life, at most 10 min */
  tf_backoff_config_t backoff; /* zero: the default */

  tf_ws_random_t random; /* masks, jitter, nonces */
  tf_tap_t       tap;    /* sees each frame and connection just before the feed does */
  uint32_t       tap_source_idx;
} tf_session_config_t;

/* One writer, the lane. */
typedef struct tf_session_counts {
  uint64_t dials, dial_failures, ends[TF_LEG_END_CNT], rollovers;
  uint64_t pings_rx, pongs_tx, pings_tx, subscribes_tx;
  uint64_t snapshots_asked, snapshots_taken, snapshots_failed, snapshots_late, snapshots_dropped;
  uint64_t heartbeats_tx;
  tf_source_streams_t streams;
  bool                metadata_given_up; /* the venue did not answer for its instruments */
  uint32_t            resync_queued;     /* now */
} tf_session_counts_t;

/* Arena bytes that init takes at most. */
size_t tf_session_arena_bytes(const tf_session_config_t *config);

/* Makes a session; the first poll dials. The strings and tables of the config must outlive it.
 * E_CORE_ARGUMENT, E_CORE_ARENA_FULL, E_WIRE_TLS, E_FILE_OPEN (ca_file), E_FEED_LIMIT, or what the feed's
 * init returns. */
tf_err_t tf_session_init(const tf_session_config_t *config, tf_arena_t *arena,
                         tf_source_t **source);
/* What its connections are made with, for whoever measures endpoints: kept until fini. */
const tf_endpoint_t *tf_session_endpoints(const tf_source_t *source, uint32_t *endpoint_cnt);
const char          *tf_session_target(const tf_source_t *source);
/* Waits for the dialer to let go. Accepts NULL. */
void tf_session_fini(tf_source_t *source);

/* A stream of the connection that was refused or fell silent, the first there is; false: none. Any
 * thread. */
bool tf_session_stream_down(const tf_source_t *source, uint32_t *instrument_id, uint32_t *channel,
                            tf_stream_state_t *state);

/* From the lane's thread, or after it ended. */
const tf_session_counts_t *tf_session_counts(tf_source_t *source);
/* Of the newest dial that failed or connection that ended: for health pages, from the lane's thread. */
const char *tf_session_trouble(const tf_source_t *source);
/* When the next attempt is due; 0 when none is waited for. */
uint64_t tf_session_retry_due_ns(const tf_source_t *source);

#endif
