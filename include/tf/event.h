/* The event: one thing that a venue said about one instrument. 64 bytes, one cache line, the only
 * form in which market data crosses from acquire to a lane, to a tape, or to a reader.
 *
 * Numbers are decimals as sent: an int64 mantissa and a shared int8 exponent, so that
 * "61837.63000000" is 6183763000000 at exponent -8, the venue's text can be rebuilt for its
 * checksum, and nothing is rounded. Written by acquire; read-only after. */
#ifndef TF_EVENT_H
#define TF_EVENT_H

#include "tf/base.h"

#define TF_EVENT_VERSION 1

typedef enum tf_event_kind {
  TF_EVENT_TRADE   = 0,
  TF_EVENT_QUOTE   = 1, /* best bid and offer as the venue's quote channel sends them */
  TF_EVENT_BOOK    = 2, /* one price level, of a delta or (flag SNAPSHOT) of a snapshot */
  TF_EVENT_TICKER  = 3,
  TF_EVENT_STATUS  = 4, /* the book's state changed, or the instrument's listing (u.listing) */
  TF_EVENT_CONTROL = 5, /* an operator's command, at its place in the stream (u.control) */
  TF_EVENT_TEXT    = 6, /* what the texts' models said of a text about the instrument (u.text) */
  TF_EVENT_KIND_CNT
} tf_event_kind_t;

/* What an operator, or what stands beside the path, may tell a lane. It travels as an event, so that it has an ingest_seq, is in
 * events_hash, crosses the event ring in order, and is obeyed by replay at the very same place. */
typedef enum tf_event_command {
  TF_CONTROL_HALT     = 1, /* every decision is HOLD (reason HALTED) until RESUME */
  TF_CONTROL_RESUME   = 2,
  TF_CONTROL_POSITION = 3, /* what is held of instrument_id: rules may read it as "position" */
  TF_CONTROL_ROUTE    = 4, /* instrument_id's events come by another route from here on (route.h) */
  TF_CONTROL_PAUSE    = 5, /* a model that overran its budget is not asked until a time (u.model) */
  TF_CONTROL_SWAP     = 6, /* another version serves from here on (u.model), instrument_id or all */
  TF_CONTROL_ANSWER   = 7, /* a part of what another runtime answered to a tick (u.answer) */
  TF_CONTROL_MISS     = 8, /* it did not, in time or at all (u.answer) */
  TF_CONTROL_RUNTIME  = 9, /* whether a model's runtime is asked from here on (u.runtime) */
  TF_CONTROL_CANARY   = 10, /* a version serves a share from here on (u.model) */
  TF_CONTROL_SEQUENCE = 11, /* numbers go on behind position, reserved[0] (events), [1] (rows) */
  TF_CONTROL_CNT
} tf_event_command_t;

#define TF_CANARY_SHARES 10000 /* a canary's share is so many of these */

/* What a canary's share is a share of. In the stream: never renumbered. */
typedef enum tf_share_by {
  TF_SHARE_BY_INSTRUMENTS, /* always the same ones, by a hash of their names */
  TF_SHARE_BY_TICKS,       /* of every instrument, by a hash of their ingest_seq */
  TF_SHARE_BY_CNT
} tf_share_by_t;

typedef struct tf_canary_share {
  uint32_t cnt; /* of TF_CANARY_SHARES */
  uint32_t by;  /* tf_share_by_t */
} tf_canary_share_t;

/* Flags. SIDE is the aggressor of a trade and the side of a level: set = SELL / ask. */
#define TF_FLAG_LAST     0x01u /* last event of its message for its instrument: this is the tick */
#define TF_FLAG_SNAPSHOT 0x02u /* part of a whole-book snapshot; level_idx 0 starts a new book */
#define TF_FLAG_BAD_BOOK                                                                           \
  0x04u /* BOOK, STATUS: decoded while the instrument's book chain was broken */
#define TF_FLAG_OUTLIER  0x04u /* TRADE: its price is far from all others (engine/stage/outlier.h) */
#define TF_FLAG_BAD_TS   0x08u /* ts_event is not to be trusted: TF_EVENT_TIME_CAUSES */
#define TF_FLAG_BACKFILL 0x10u /* older than the subscription: a venue's replay of recent trades */
#define TF_FLAG_SIDE     0x20u
/* Not sent by the venue: the feed says what its rules mean. A level that fell out of the depth that
 * the venue keeps for us (it sends no delete), or the one level without quantity that stands for an
 * empty snapshot. Books apply it as any other; `events` counts leave it out. */
#define TF_FLAG_DERIVED 0x40u
/* QUOTE, BOOK: by the venue's own sequence, which both carry, a newer message of the other of the two
 * was published before: this one says nothing new of the best bid and offer. */
#define TF_FLAG_OUTRUN 0x80u

/* Why a time has BAD_TS, a closed set; each has a counter (engine/stage/event_time.h). X(id, name) */
#define TF_EVENT_TIME_CAUSES(X)                                                                    \
  X(ZERO, "zero")                                                                                  \
  X(UNIT, "unit")                                                                                  \
  X(FUTURE, "future")                                                                              \
  X(PAST, "past")                                                                                  \
  X(BACKWARDS, "backwards")                                                                        \
  X(SAID, "said")

#define TF_FUNDING_EXP  (-12)
#define TF_FUNDING_NONE INT64_MIN

/* What a decision can say of the book that it was made on. */
typedef enum tf_book_state {
  TF_BOOK_OK      = 0,
  TF_BOOK_SYNCING = 1, /* no snapshot yet, or deltas not yet bridged to it */
  TF_BOOK_GAP     = 2, /* the venue's sequence broke; a resync is under way */
  TF_BOOK_STALE   = 3, /* a stream of it is quiet for longer than it ever is; not wrong, but old */
  TF_BOOK_CROSSED = 4, /* best bid above best ask; equal ones, a locked book, are OK */
  TF_BOOK_NONE    = 5, /* no depth channel: quotes and trades only */
  TF_BOOK_STATE_CNT
} tf_book_state_t;

/* What a venue does with an instrument, said by a STATUS of its own (adapters/feed/listing.h). */
typedef enum tf_trading {
  TF_TRADING_UNSAID = 0, /* the STATUS is of the book */
  TF_TRADING_OPEN   = 1,
  TF_TRADING_HALTED =
      2, /* no trades for now: halted, in an auction, not opened yet, orders only withdrawn */
  TF_TRADING_ENDED = 3, /* delisted, expired, settled: for good */
  TF_TRADING_CHANGED =
      4, /* tick or lot size are others from here on (u.listing); it goes on as it was */
  TF_TRADING_CNT
} tf_trading_t;

typedef struct tf_event {
  uint64_t ts_event_ns;   /* venue's time, ns since 1970; 0 where the venue sends none */
  uint64_t ts_recv_ns;    /* ours, ns since 1970: when the bytes were received. Never ts_event */
  uint64_t ingest_seq;    /* position in the lane's event stream, from 1; stamped by acquire */
  uint32_t instrument_id; /* dense, from 0 (tf/instrument.h) */
  uint8_t  kind;          /* tf_event_kind_t */
  uint8_t  flags;         /* TF_FLAG_* */
  int8_t   price_exp;
  int8_t   qty_exp;
  union {
    struct {
      int64_t  price, qty;
      uint64_t id; /* the venue's trade id; its low 64 bits where the venue's is longer */
      uint64_t reserved;
    } trade;
    struct {
      int64_t price, qty; /* qty is absolute; 0 deletes the level */
      /* the message's final update id (Binance u, a snapshot's lastUpdateId); where the venue numbers
       * nothing, an ordinal of the feed's own for the instrument and connection, from 1 */
      uint64_t venue_seq;
      uint32_t level_idx; /* of this level in its message, 0 .. level_cnt - 1 */
      uint32_t level_cnt;
    } level;
    struct {
      int64_t bid_price, bid_qty, ask_price, ask_qty;
    } quote;
    struct {
      int64_t last_price, volume; /* volume: base units over the venue's window; 0: not sent */
      int64_t mark_price;         /* at price_exp; 0: not sent */
      int64_t funding_rate; /* of the current period, at exponent TF_FUNDING_EXP, digits beyond cut;
                                     TF_FUNDING_NONE: not sent */
    } ticker;
    struct {
      uint32_t book_state; /* tf_book_state_t: what the book becomes */
      uint32_t trading;    /* UNSAID; else it is u.listing, and nothing is said of the book */
      uint64_t
          apply_from; /* OK after a snapshot: deltas from this venue_seq on apply, never 0; OK with
                              0: a silence (STALE) is over, the book goes on as it was */
      uint64_t gap_first; /* GAP: first and last venue sequence that are missing */
      uint64_t gap_last;
    } status;
    struct {
      uint32_t book_state; /* TF_BOOK_NONE */
      uint32_t trading;    /* tf_trading_t, not UNSAID */
      int64_t  tick_size;  /* at price_exp; 0: not said */
      int64_t  lot_size;   /* at qty_exp; 0: not said */
      uint64_t reserved;
    } listing;
    struct {
      uint64_t command;  /* tf_event_command_t */
      int64_t  position; /* POSITION: signed, base units or contracts, exponent qty_exp */
      uint64_t reserved[2];
    } control;
    struct {
      uint64_t command;   /* TF_CONTROL_PAUSE, TF_CONTROL_SWAP, TF_CONTROL_CANARY */
      uint32_t model_idx; /* of the config's models */
      uint32_t hash;      /* SWAP: of the version (tf_model_t.hash) */
      uint64_t version;   /* SWAP: its number in the registry */
      union {
        uint64_t          until_ns; /* PAUSE: of the market's receive time */
        tf_canary_share_t share;    /* CANARY: a cnt of 0: it is over */
      };
    } model;
    struct {
      uint64_t command;  /* TF_CONTROL_ANSWER, TF_CONTROL_MISS: of instrument_id; ts_event_ns is the
                            receive time of the tick that was asked about */
      uint64_t tick_seq; /* that tick's ingest_seq */
      uint8_t  model_idx;
      uint8_t  part_idx, part_cnt; /* ANSWER: a part holds TF_ANSWER_PART_CNT outputs, in order */
      uint8_t  miss;               /* MISS: tf_runtime_miss_t (tf/runtime.h) */
      float    out[3];
    } answer;
    struct {
      uint64_t id;         /* tf_text_t.id */
      float    score;      /* sum of the labels' weights by their probabilities */
      float    confidence; /* probability of label, 0 .. 1 */
      float
               novelty; /* 1 - the largest cosine to the instrument's texts before it, 0 .. 2; NaN: no model embeds */
      uint16_t label; /* the likeliest, by its place among the model's */
      uint16_t
          miss; /* tf_text_miss_t (tf/text.h); where it is one, no model answered and the rest is 0 */
      uint32_t model_hash; /* the classifier's */
      uint32_t source;     /* tf_text_t.source */
    } text;
    struct {
      uint64_t command; /* TF_CONTROL_RUNTIME */
      uint32_t model_idx;
      uint32_t hash;     /* of what it serves, as decisions name it */
      uint64_t state;    /* tf_runtime_state_t */
      uint64_t until_ns; /* OPEN: when it is tried again */
    } runtime;
    uint64_t word[4];
  } u;
} tf_event_t;

#define TF_ANSWER_PART_CNT 3

TF_STATIC_ASSERT(sizeof(tf_event_t) == 64, "an event is one cache line");
TF_STATIC_ASSERT(offsetof(tf_event_t, ingest_seq) == 16, "layout is part of the tape format");
TF_STATIC_ASSERT(offsetof(tf_event_t, kind) == 28, "layout is part of the tape format");
TF_STATIC_ASSERT(offsetof(tf_event_t, u) == 32, "layout is part of the tape format");

/* A STATUS that is of the instrument, not of its book. */
TF_INLINE bool tf_event_is_listing(const tf_event_t *e) {
  return e->kind == TF_EVENT_STATUS && e->u.status.trading != TF_TRADING_UNSAID;
}

/* +1 for a buy aggressor or a bid, -1 for a sell aggressor or an ask. */
TF_INLINE int tf_event_sign(const tf_event_t *e) { return (e->flags & TF_FLAG_SIDE) ? -1 : 1; }

/* mantissa * 10^exp as the nearest double: exact to the last bit of the venue's text for
 * |mantissa| < 2^53 and -22 <= exp <= 22, because both operands are then exact and one IEEE
 * division or multiplication rounds once. Outside that range the result may be one ulp off. */
TF_INLINE double tf_decimal_to_double(int64_t mantissa, int exp) {
  static const double pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (exp <= 0 && exp >= -22) return (double)mantissa / pow10[-exp];
  if (exp > 0 && exp <= 22) return (double)mantissa * pow10[exp];
  return (double)mantissa * __builtin_pow(10.0, (double)exp);
}

#endif
