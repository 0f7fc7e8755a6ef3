/* The contract of a venue's feed: one file adapters/feed/<venue>.c exporting tf_feed_<venue>, plus
 * its line in feeds.def. A feed is a pure state machine: a frame in, events out. Sockets,
 * reconnects and heartbeats belong to the session that all feeds share.
 *
 * Sequences are checked here, where they are decoded. Levels are published as they arrive, also
 * those that came before the snapshot: when the snapshot comes, the feed says by a STATUS event from
 * which venue sequence on the book must apply the levels it kept (event.h, u.status). So events stay
 * in order of arrival and each is published once. */
#ifndef TF_FEED_H
#define TF_FEED_H

#include "tf/err.h"
#include "tf/event.h"
#include "tf/instrument.h"
#include "tf/text.h"

/* Why a message was refused, a closed set: each has a counter and, rate limited, a sample. */
#define TF_REJECTS(X)                                                                              \
  X(SYNTAX, "syntax", "not JSON, or cut short")                                                    \
  X(LIMIT, "limit", "over a size, depth or count limit")                                           \
  X(SCHEMA, "schema", "a field is missing or has another type")                                    \
  X(NUMBER, "number", "a price, quantity or id is not a decimal that fits")                        \
  X(INSTRUMENT, "instrument", "names an instrument that was not asked for, or none")               \
  X(UNKNOWN, "unknown", "a type that the venue's protocol does not know")                          \
  X(ENCODING, "encoding", "a frame of the wrong kind (binary where text is due)")                  \
  X(LINE, "line", "a recording's line without receive time or message")

typedef enum tf_reject {
#define TF_REJECT_ENUM_(id, name, text) TF_REJECT_##id,
  TF_REJECTS(TF_REJECT_ENUM_)
#undef TF_REJECT_ENUM_
      TF_REJECT_CNT
} tf_reject_t;

typedef enum tf_verdict {
  TF_VERDICT_DATA,    /* events (perhaps none: an empty delta) */
  TF_VERDICT_CONTROL, /* acknowledgement, heartbeat, venue's own status */
  TF_VERDICT_IGNORED, /* known to the protocol, not published: candles */
  TF_VERDICT_REJECTED /* nothing published; counts->rejected says why */
} tf_verdict_t;

#define TF_IGNORED_TYPES_MAX   32
#define TF_REJECT_SAMPLE_BYTES 64

/* One writer: the thread that runs the feed. Monotone. */
typedef struct tf_feed_counts {
  uint64_t messages; /* frames handed in = data + control + sum(ignored) + sum(rejected) */
  uint64_t msgs_data, msgs_control;
  uint64_t events[TF_EVENT_KIND_CNT]; /* as the venue sent them */
  uint64_t derived;                   /* published beside those: levels with TF_FLAG_DERIVED */
  uint64_t merged; /* of both, not published: another of the feed's connections brings them */
  uint64_t rejected[TF_REJECT_CNT];
  uint64_t gaps;       /* breaks in a venue sequence */
  uint64_t duplicates; /* messages whose venue sequence, or own id, was already seen */
  uint64_t
      id_conflicts; /* trades with an id seen before that say something else: the first stands */
  uint64_t id_conflict_newest; /* the id of the newest of them */
  uint64_t late_trades;        /* that came behind one with a larger id */
  uint64_t
      reordered; /* trades that waited for those before them, and were published in their place */
  uint64_t held_trades;        /* now: decoded, and waiting for those before them (no counter) */
  uint64_t listings;           /* halts, openings, delistings, other tick or lot sizes */
  uint64_t bridged_out_levels; /* levels that bridging to a snapshot discarded */
  uint64_t resyncs;            /* snapshots asked for again */
  uint64_t checksums, checksum_mismatches; /* of books: compared, and those that differed */
  uint64_t checksums_off;   /* books whose checksums failed too often to be compared any longer */
  uint64_t metadata_cached; /* instruments whose metadata is an earlier run's (instrument.h) */
  uint64_t ignored_type_cnt;
  struct {
    char     name[24];
    uint64_t cnt;
  } ignored[TF_IGNORED_TYPES_MAX]; /* the last row gathers all further names as "other" */
  struct {
    uint64_t cnt;
    uint64_t offset; /* message number of the newest, from 1 */
    uint32_t bytes_cnt;
    uint8_t  bytes[TF_REJECT_SAMPLE_BYTES]; /* its first bytes */
  } sample[TF_REJECT_CNT];
} tf_feed_counts_t;

typedef enum tf_frame_kind {
  TF_FRAME_TEXT   = 0, /* a websocket text message */
  TF_FRAME_BINARY = 1,
  TF_FRAME_HTTP   = 2 /* the body of a REST answer; target says of what */
} tf_frame_kind_t;

typedef struct tf_frame {
  const char *bytes; /* TF_BYTES_PAD readable bytes follow */
  uint32_t    bytes_cnt;
  uint8_t     kind; /* tf_frame_kind_t */
  uint64_t    recv_ns;
  /* NUL-terminated. HTTP: the request's path and query. Else the path of the address that the connection
   * was made to, where a recording of several says it: a venue may have one a product. NULL: not known. */
  const char *target;
  /* Which of the feed's connections brought it (legs.h): its place, and its number among all that there were,
   * by which two of one place differ. A feed may count on each connection's order. */
  uint16_t connection;
  uint8_t  leg; /* below TF_TAP_LEGS_MAX */
} tf_frame_t;

#define TF_RESYNC_MAX 16

#define TF_CHANNEL_TRADE  0x1u
#define TF_CHANNEL_QUOTE  0x2u
#define TF_CHANNEL_BOOK   0x4u
#define TF_CHANNEL_TICKER 0x8u /* last price, mark price, funding rate (event.h, u.ticker) */
#define TF_CHANNEL_CNT    4

/* A channel's word in configs, requests and answers; channel_idx: its bit's place. */
TF_INLINE const char *tf_channel_name(uint32_t channel_idx) {
  static const char *const NAMES[TF_CHANNEL_CNT] = {"trade", "quote", "book", "ticker"};
  return NAMES[channel_idx];
}

/* How what a channel brings is checked where it is decoded, a closed set. X(id, words for people) */
#define TF_FEED_CHECKS(X)                                                                          \
  X(IDS_CONSECUTIVE, "trade ids one by one: repeats dropped, jumps counted as gaps")               \
  X(IDS_ASCENDING, "trade ids ascend: repeats dropped")                                            \
  X(IDS_OPAQUE, "newest trade ids remembered: repeats dropped")                                    \
  X(SEQUENCE_RANGE, "range of ids follows the last: first = last + 1")                             \
  X(SEQUENCE_PREVIOUS, "names its predecessor: previous = last")                                   \
  X(SEQUENCE_NEXT, "sequence + 1")                                                                 \
  X(SEQUENCE_CONNECTION, "the connection's one sequence, + 1 over all channels")                   \
  X(SEQUENCE_ORDER, "update ids ascend: older ones dropped")                                       \
  X(WHOLE, "whole state each time")                                                                \
  X(ROW_IDS, "each row's id is known, or new")                                                     \
  X(CHECKSUM, "checksum of the best levels")                                                       \
  X(BRIDGE, "bridged to a snapshot that is asked for")

typedef enum tf_feed_check {
#define TF_FEED_CHECK_ENUM_(id, words) TF_FEED_CHECK_INDEX_##id,
  TF_FEED_CHECKS(TF_FEED_CHECK_ENUM_)
#undef TF_FEED_CHECK_ENUM_
      TF_FEED_CHECK_CNT
} tf_feed_check_t;
#define TF_FEED_CHECK(id) (1u << TF_FEED_CHECK_INDEX_##id)

/* One of a venue's channels, for people (`tickfuse venues`, docs/venues.md) and for the tests that hold
 * a feed to what it says here. */
typedef struct tf_feed_channel {
  uint32_t    channel; /* one TF_CHANNEL_* bit */
  const char *names;   /* the venue's own, comma between several; NULL: the table's end */
  uint32_t    checks;  /* TF_FEED_CHECK bits; 0: numbers and types only */
} tf_feed_channel_t;

/* What the session wants said to the venue: one message about a run of the feed's symbols and one
 * channel. The session owns the plan (which streams, when, at what pace); the feed only knows how the
 * venue spells it. */
typedef struct tf_feed_request {
  bool            unsubscribe;
  uint32_t        channel; /* one TF_CHANNEL_* bit */
  const uint32_t *symbols; /* (symbol_cnt), the feed's own numbers: order of the config's symbols */
  uint32_t        symbol_cnt; /* at least 1, at most tf_feed_t.symbols_per_request_max */
  uint64_t        id; /* of this message: not 0, ascending on a connection; an answer repeats it */
} tf_feed_request_t;

/* What a venue answered to a request. What is not known is UINT32_MAX, 0, 0: an answer with nothing known
 * belongs to the oldest request without one. The text of a refusal is the feed's venue_error. */
typedef struct tf_feed_answer {
  uint64_t request_id;
  uint32_t instrument_id;
  uint32_t channel; /* TF_CHANNEL_* bits */
  bool     is_refusal;
} tf_feed_answer_t;

#define TF_ANSWERS_MAX      256
#define TF_FEED_REPLY_BYTES 256

/* Where a feed puts what it decoded. events has room for the largest message (events_cap, from
 * config); a message that would not fit is rejected as LIMIT before the first is written. */
typedef struct tf_feed_out {
  tf_event_t *events;
  uint32_t    event_cnt;
  uint32_t    event_cap;
  uint32_t    resync_cnt; /* instruments whose snapshot is wanted; the session clears it */
  uint32_t    resync_ids[TF_RESYNC_MAX];
  bool
      reconnect; /* the whole connection's sequence broke: only a new one helps; the session clears it */
  bool leaving; /* the venue says that it will close: move while it lasts; the session clears it */
  uint32_t
      answer_cnt; /* to our requests; beyond TF_ANSWERS_MAX they are dropped; the session clears it */
  tf_feed_answer_t answers[TF_ANSWERS_MAX];
  /* A text for the connection that the message came from; 0: none. The venue's heartbeat's echo goes out before
   * anything else, the newest alone; a request of the feed's own (is_request) in its turn, once. The session clears
   * it. */
  uint32_t          reply_bytes_cnt;
  bool              reply_is_request;
  char              reply[TF_FEED_REPLY_BYTES];
  tf_feed_counts_t *counts;
} tf_feed_out_t;

/* Credentials for channels that want them, read from a file of mode 0600. Text, NUL-terminated. */
typedef struct tf_feed_key {
  char id[128];
  char secret[256]; /* base64 as the venue gives it, unless its feed says otherwise */
  char passphrase[128];
} tf_feed_key_t;

typedef struct tf_feed_config {
  tf_instruments_t  *instruments; /* shared table; the feed appends rows */
  const char *const *symbols;     /* asked for, as in the config */
  uint32_t           symbol_cnt;  /* 0: take every symbol that appears (replay only) */
  uint32_t           symbols_max; /* room for as many, later ones too; less than symbol_cnt: none */
  uint32_t           channels;    /* TF_CHANNEL_* */
  uint32_t           pending_cap; /* delta messages remembered while a snapshot is awaited */
  uint32_t
      book_depth; /* levels a side to subscribe to where the venue lets one choose; 0: its default */
  uint64_t
                       reorder_window_ns; /* how long a trade may wait for those before it (adapters/feed/reorder.h); 0: it does not */
  const tf_feed_key_t *key;        /* NULL: public channels only */
  bool                 times_kept; /* events: ts_recv as the sender says it, where it does */
  uint32_t ids_kept; /* events: of so many lines; one whose id is among them is a repeat. 0: none */
  const tf_text_port_t *texts; /* events: who reads texts; NULL: nobody */
} tf_feed_config_t;

#define TF_FEED_HELLO_WAIT     SIZE_MAX
#define TF_FEED_UNKNOWN_SYMBOL SIZE_MAX

/* Where a venue is to be had as well. */
typedef struct tf_feed_host {
  const char *host, *port;
} tf_feed_host_t;

/* A REST request that says what it wants in its body. */
typedef struct tf_feed_post {
  const char *target;
  const char *body; /* JSON; NULL: empty */
} tf_feed_post_t;

typedef struct tf_feed tf_feed_t;
struct tf_feed {
  const char *venue;  /* "binance-spot" */
  const char *suffix; /* "BINANCE-SPOT" */
  /* What a symbol may hold beside ASCII letters and digits, where it names a stream or stands in a path;
   * 0x80 among them: bytes outside ASCII too. */
  const char *symbol_chars;
  /* Const, of the type that the next two want: what a venue's own file says to a body that several venues
   * share. NULL where a file is all there is. */
  const void *spec;

  size_t (*state_bytes)(const tf_feed_t *feed, const tf_feed_config_t *config);
  tf_err_t (*init)(const tf_feed_t *feed, void *state, const tf_feed_config_t *config);
  /* Decodes one message. Never fails: what cannot be used is counted in out->counts. */
  tf_verdict_t (*on_frame)(void *state, const tf_frame_t *frame, tf_feed_out_t *out);
  /* The connection is new or gone: sequences start over; emits STATUS events (SYNCING) for books. */
  void (*on_connect)(void *state, uint64_t now_ns, tf_feed_out_t *out);

  /* What the session asks when it is live. All write NUL-terminated text and return its length, 0
   * when there is nothing (more), or the length needed if it is >= cap. */
  const char
      *key_channels; /* that want a key (tf_feed_config_t.key), for people; NULL: it takes none */
  /* What a key is for at this venue that is not read here, for people; NULL: nothing in its market data. */
  const char *key_elsewhere;
  const char *ws_host, *ws_port; /* defaults of the venue */
  const char *rest_host, *rest_port;
  /* Further websocket hosts that serve the same, up to the row without a name: measured, and the quickest
   * used. NULL: none. */
  const tf_feed_host_t *ws_others;
  size_t (*ws_target)(const void *state, char *buf, size_t cap);
  /* What the venue must have said before each connection (a token, its instruments), up to the row without a
   * target: the answers come to on_frame as HTTP frames, in this order; ws_target is asked behind them. A
   * connection is not tried without. NULL: nothing. */
  const tf_feed_post_t *tickets;
  bool
      tickets_tell_metadata; /* what metadata_target would ask for: they are asked again in its place */
  /* The message_idx-th text that the venue wants before any subscription, or beside them for no symbol
   * in particular; 0 when there is none (more), TF_FEED_HELLO_WAIT while the venue has not answered the one
   * before (a login). NULL: none. */
  size_t (*hello)(const void *state, uint32_t message_idx, char *buf, size_t cap);
  /* The message that asks for, or ends, these streams. 0: this channel needs none (another brings it).
   * TF_FEED_UNKNOWN_SYMBOL: the venue has no such symbol, as the text in buf says, and is not asked.
   * Where snapshots come in band, a book's end and new beginning make the venue send its snapshot again.
   * NULL: the target says all; only a new connection brings a snapshot. */
  size_t (*request)(const void *state, const tf_feed_request_t *request, char *buf, size_t cap);
  /* The feed's number of a symbol as a config spells it, and its instrument; one that is new is added, on
   * the lane, without allocating. E_CONFIG_VALUE: it is none; E_FEED_LIMIT: there is no room
   * (tf_feed_config_t.symbols_max). NULL: numbers follow the config, and none comes later. */
  tf_err_t (*symbol)(void *state, const char *text, uint32_t *symbol, uint32_t *instrument_id);
  /* This instrument's book is not to be trusted, whoever found out (crossed too long, a leg that is gone):
   * GAP is published and a snapshot asked for, as after a break in its sequence. An instrument without a
   * book: nothing. */
  void (*lose_book)(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out);
  /* NULL: snapshots come in band. */
  size_t (*snapshot_target)(const void *state, uint32_t instrument_id, char *buf, size_t cap);
  /* Book depths (tf_feed_config_t.book_depth) that another of the venue's channels serves with its snapshot in
   * band, whatever snapshot_target says; 0 at the end. NULL: none. */
  const uint32_t *depths_in_band;
  /* The request_idx-th REST target that answers with tick sizes, lot sizes and multipliers, 0 when
   * there is none more; the answers come to on_frame as HTTP frames. NULL: none, or in band. */
  size_t (*metadata_target)(const void *state, uint32_t request_idx, char *buf, size_t cap);
  /* A heartbeat of ours in the venue's own words, sent every heartbeat_ns. NULL: none. */
  size_t (*heartbeat)(const void *state, char *buf, size_t cap);
  uint64_t heartbeat_ns;
  /* The echo that the venue's heartbeat wants, where this message is one: of a connection whose messages wait to be
   * decoded (adapters/feed/overlap.h). Leaves no trace; the message comes to on_frame later. 0: it is none. NULL: the
   * venue wants no such thing. */
  size_t (*echo)(void *state, const tf_frame_t *frame, char *buf, size_t cap);
  uint32_t subscribe_rate_hz_max; /* client messages a second the venue allows */
  uint32_t streams_max; /* the venue's own count of them, of one connection; 0: no limit is known */
  /* By channel: how many of the venue's one symbol of ours is at the most (a ticker may be three); 0: 1. */
  uint8_t streams_each[TF_CHANNEL_CNT];
  /* Channels that the venue serves on connections of their own, each entry a mask; what is in none shares
   * connections. ws_target knows by the channels of its state's config which it is. All 0: one for all. */
  uint32_t channel_groups[TF_CHANNEL_CNT];
  uint32_t symbols_per_request_max; /* 0: 1 */
  /* Channels whose present state the venue sends by itself behind a subscription, so that silence is a
   * fault: TF_CHANNEL_* bits. Books are among them without being named. */
  uint32_t snapshot_channels;
  uint32_t connects_per_5min_max; /* of one address; 0: the session's own bound */
  /* Venue sequences and trade ids are the instrument's, the same on every connection: one decoder takes
   * the messages of several connections, and drops what it saw. False: sequences are a connection's own. */
  bool                     sequences_are_shared;
  const tf_feed_channel_t *channels;            /* up to the row without names */
  uint64_t                 session_life_ns_max; /* the venue's own cut; 0 = none */
  uint64_t silence_ns_max;    /* nothing at all from the venue for this long: reconnect */
  uint64_t message_bytes_max; /* the largest message to be ready for; 0: 4 MiB will do */
};

/* Whether it is a venue that sessions connect to. Others are brought by an intake (adapters/source) or a file, and have
 * no address, symbols and requests of their own. */
TF_INLINE bool tf_feed_is_dialed(const tf_feed_t *feed) { return feed->ws_host != NULL; }

/* Whether a book's snapshot comes in band: a resync is a new subscription then, not a REST request. */
TF_INLINE bool tf_feed_in_band(const tf_feed_t *feed, uint32_t book_depth) {
  for (const uint32_t *d = feed->depths_in_band; d != NULL && *d != 0; d++)
    if (*d == book_depth) return true;
  return feed->snapshot_target == NULL;
}

/* Whether it can be asked for its instruments at any time. */
TF_INLINE bool tf_feed_tells_metadata(const tf_feed_t *feed) {
  return feed->metadata_target != NULL || feed->tickets_tell_metadata;
}

/* The venue's streams that these channels (TF_CHANNEL_* bits) of one symbol are. */
TF_INLINE uint32_t tf_feed_streams_of(const tf_feed_t *feed, uint32_t channels) {
  uint32_t cnt = 0;
  for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++)
    if (channels & 1u << c) cnt += feed->streams_each[c] > 0 ? feed->streams_each[c] : 1;
  return cnt;
}

#endif
