/* The streams of one connection: a row for each symbol and channel, from what is wanted to what has come.
 *
 *            request sent      venue: yes         first data
 *   WANTED ---------------> ASKED ---------> ACKED ---------> LIVE
 *      ^                      |  \ first data (an acknowledgement may be late, or never come) ^
 *      |  again, three times  |   `-----------------------------------------------------------'
 *      +---- REFUSED <--------+ venue: no
 *      +---- (no data in time) ----> SILENT  behind the third time; both stay until data comes after all,
 *                                            the operator asks again, or the connection is another
 *   UNWANTED (the request that ends it is due, or out) ---> NONE
 *   REFUSED at once, without a request: the feed knows that the venue has no such symbol (TF_FEED_UNKNOWN_SYMBOL)
 *   CARRIED: another channel's request brings it (tf_feed_t.request wrote nothing)
 *
 * An acknowledgement is not data: some venues acknowledge unknown symbols and stay silent (VENUES 0.6).
 * So FIRST_DATA_NS after its request a stream is looked at. A book, or a channel whose present state the
 * venue sends by itself (tf_feed_t.snapshot_channels), must have come; any other may be quiet for good
 * reasons and is only asked for again when the venue did not even acknowledge it.
 *
 * Requests are runs of symbols of one channel, as many as the venue and the text's limit allow. Ids ascend
 * on a connection. An answer is matched by its request's id, by instrument and channel, or to the oldest
 * request without one. A request for several that is refused as a whole is asked again in halves, so that
 * one bad symbol costs its neighbours nothing.
 *
 * A book that wants its snapshot again is unsubscribed and subscribed: at once, and when it keeps asking on
 * this connection after 1, 2, 4 .. 60 s, until it was quiet for a minute.
 *
 * One thread, the lane; all memory is taken at init. An event costs a byte's test, and a store if it is the
 * last of its message; scans over all rows happen when something is due, not in every pass. */
#ifndef FEED_STREAMS_H
#define FEED_STREAMS_H

#include "core/arena.h"
#include "tf/source.h"

#define TF_STREAMS_FIRST_DATA_NS (10 * TF_NS_PER_SEC) /* from a request to data, or to an answer */
#define TF_STREAMS_TRIES         3u                   /* beside the first */
#define TF_STREAMS_REFUSED_NS    TF_NS_PER_SEC /* before a refused one is asked for; doubles */
#define TF_STREAMS_SYMBOLS_MAX   (1u << 20)
#define TF_STREAMS_REQUESTS      1024u /* remembered for their answers; a power of two */
#define TF_STREAMS_TEXTS         16u   /* different texts of refusals that are kept */
#define TF_STREAMS_TEXT_BYTES    96u

const char *tf_stream_state_name(tf_stream_state_t state);

typedef struct tf_stream {
  uint64_t request_id;   /* of the newest request that named it; 0: none on this connection */
  uint64_t due_ns;       /* when it is looked at: something is to be said, or data is overdue */
  uint64_t asked_ns;     /* the newest subscribe; 0: none on this connection */
  uint64_t data_ns;      /* receive time of its newest event; 0: none on this connection */
  uint64_t resync_ns;    /* when it was last asked to start over; 0 never */
  uint16_t run_max;      /* streams that its next request may hold */
  uint8_t  state;        /* tf_stream_state_t */
  uint8_t  say;          /* what its next request is (streams.c) */
  uint8_t  try_cnt;      /* asked for again so often */
  uint8_t  repeat_cnt;   /* resyncs in a row */
  uint8_t  unanswered;   /* requests that named it and have no answer yet */
  uint8_t  text_idx;     /* why it was refused, into texts; 0 none */
  bool     is_wanted;    /* by the config, or by the operator since */
  bool     is_awaited;   /* the feed is not LIVE without it */
  bool     is_resyncing; /* asked to start over, and has not */
  bool     is_continued; /* a book that was in order on the connection before */
  bool     has_deltas;   /* a book: levels came, perhaps no snapshot yet */
} tf_stream_t;

typedef struct tf_stream_request {
  uint64_t sent_ns;
  uint32_t row_first, row_last; /* between them lie the rows that it named */
  uint32_t cnt;
  bool     is_answered, is_unsubscribe;
} tf_stream_request_t;

/* What a table needs of its session. */
typedef struct tf_stream_port {
  void *self;
  /* False: not yet (the venue's pace). */
  bool (*send)(void *self, const char *text, size_t cnt);
  /* Where snapshots come by REST: a book's did not. NULL: they come in band. */
  void (*want_snapshot)(void *self, uint32_t instrument_id);
} tf_stream_port_t;

typedef struct tf_streams_config {
  const tf_feed_t *feed;
  void            *feed_state;
  uint32_t         symbol_cap; /* room for as many, those of the config and later ones */
  uint32_t         instrument_cap;
  tf_stream_port_t port;
} tf_streams_config_t;

typedef struct tf_streams {
  tf_streams_config_t  config;
  tf_stream_t         *rows;           /* channel_idx * symbol_cap + symbol */
  uint32_t            *instrument_ids; /* by symbol; UINT32_MAX: nobody knows it yet */
  uint32_t            *symbols;        /* by instrument id; UINT32_MAX: not this feed's */
  uint32_t            *run;            /* symbols of the request being made */
  uint32_t             run_cap;
  tf_stream_request_t *requests;             /* by id modulo TF_STREAMS_REQUESTS */
  uint64_t             newest_id, oldest_id; /* all below the oldest have an answer, or are past */
  uint32_t             row_cnt, cursor;
  uint64_t             next_due_ns;
  uint32_t             hello_idx;
  uint32_t             trouble_row; /* the newest that was refused or overdue; UINT32_MAX: none */
  uint64_t             hello_ns;    /* since when it waits for the answer to one; 0: it does not */
  bool                 is_greeted;  /* hello's texts are out */
  bool                 is_asked;    /* and a request for all that is wanted, once */
  uint32_t             awaited_cnt, resyncing_cnt;
  uint32_t             unseen_cnt; /* wanted, and no data yet */
  tf_source_streams_t  counts;     /* by_state of this connection, the rest over all */
  uint32_t             text_cnt;
  char                 texts[TF_STREAMS_TEXTS][TF_STREAMS_TEXT_BYTES]; /* 0: "" */
} tf_streams_t;

size_t tf_streams_arena_bytes(const tf_streams_config_t *config);
/* E_CORE_ARENA_FULL. */
tf_err_t tf_streams_init(tf_streams_t *streams, const tf_streams_config_t *config,
                         tf_arena_t *arena);

/* ---- what is wanted ---- */

/* These channels of a symbol: its number with the feed, and its instrument. One that was given up is asked
 * for anew. */
void tf_streams_want(tf_streams_t *streams, uint32_t symbol, uint32_t instrument_id,
                     uint32_t channels, uint64_t now_ns);
void tf_streams_unwant(tf_streams_t *streams, uint32_t symbol, uint32_t channels, uint64_t now_ns);
/* Channels of a symbol that are wanted. */
uint32_t tf_streams_wanted(const tf_streams_t *streams, uint32_t symbol);

/* ---- the connection ---- */

/* It is gone, or new: all that is wanted is to be asked for, books first. */
void tf_streams_restart(tf_streams_t *streams);

/* A greeting that the venue does not answer within TF_STREAMS_FIRST_DATA_NS holds nothing up any longer: what
 * wanted it is then refused, by the venue and stream by stream.
 *
 * Says what is due as far as the port takes it; text[cap] is for the messages. Returns work done;
 * E_FEED_LIMIT: a request for one stream does not fit cap. */
int tf_streams_tick(tf_streams_t *streams, uint64_t now_ns, char *text, size_t cap);

/* What the venue said of our requests; error: its newest complaint. */
void tf_streams_answered(tf_streams_t *streams, const tf_feed_answer_t *answers, uint32_t cnt,
                         const char *error, uint64_t now_ns);

/* The instrument's book wants its snapshot again, in band. False: there is no way to ask for it. */
bool tf_streams_resync(tf_streams_t *streams, uint32_t instrument_id, uint64_t now_ns);
/* Whether anybody wants this instrument's book. */
bool tf_streams_wants_book(const tf_streams_t *streams, uint32_t instrument_id);

/* ---- data ---- */

TF_COLD void tf_streams_look(tf_streams_t *streams, const tf_event_t *events, uint32_t cnt);

TF_INLINE tf_stream_t *tf_streams_row(const tf_streams_t *streams, uint32_t symbol,
                                      uint32_t channel_idx) {
  return &streams->rows[(size_t)channel_idx * streams->config.symbol_cap + symbol];
}

/* Events of this connection that were published. Event kinds up to TICKER have their channel's number. */
TF_INLINE void tf_streams_saw(tf_streams_t *streams, const tf_event_t *events, uint32_t cnt) {
  if (TF_UNLIKELY(streams->unseen_cnt > 0)) tf_streams_look(streams, events, cnt);
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &events[i];
    if (!(e->flags & TF_FLAG_LAST) || e->kind >= TF_CHANNEL_CNT) continue;
    if (TF_UNLIKELY(e->instrument_id >= streams->config.instrument_cap)) continue;
    uint32_t symbol = streams->symbols[e->instrument_id];
    if (TF_LIKELY(symbol != UINT32_MAX))
      tf_streams_row(streams, symbol, e->kind)->data_ns = e->ts_recv_ns;
  }
}

/* Takes a connection's place whose books go on: their next deltas show that they came over too. NULL: none
 * goes on after all. */
void tf_streams_continue(tf_streams_t *streams, const tf_streams_t *from);

/* ---- for those who look on ---- */

typedef struct tf_stream_trouble {
  uint32_t          instrument_id, channel;
  tf_stream_state_t state;
  uint32_t          try_cnt;
  bool              is_given_up;
  const char       *text; /* the venue's; "": none */
} tf_stream_trouble_t;

/* A stream that was refused or fell silent, the first there is; false when there is none. */
bool tf_streams_first_down(const tf_streams_t *streams, tf_stream_trouble_t *trouble);

/* The newest stream that was refused or overdue; false when there is none since the last call. */
bool tf_streams_trouble(tf_streams_t *streams, tf_stream_trouble_t *trouble);

/* "trade", "quote", "book", "ticker" */
const char *tf_stream_channel_name(uint32_t channel);

/* The next row from *at (0 at first) on that is wanted or not yet gone; false behind the last. */
bool tf_streams_next(const tf_streams_t *streams, uint32_t *at, const tf_stream_t **row,
                     uint32_t *symbol, uint32_t *channel);

TF_INLINE uint32_t tf_streams_count(const tf_streams_t *streams, tf_stream_state_t state) {
  return streams->counts.by_state[state];
}

#endif
