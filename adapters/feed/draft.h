/* One message's events while they are put together, for venues that send their snapshots in band.
 *
 * The scanner leaves the numbers of levels and trades in the rows behind out->event_cnt, in the order
 * sent. The feed then goes over them once: `at` is the next row to complete, all before it are events.
 * Where a STATUS must stand between, the rows behind move up by one; that is seldom. Rows are
 * completed in place, so a delta of a book in order costs no copy.
 *
 *   out->events   | published before | events of this message | rows as scanned | free
 *                 0                  event_cnt                at                end     event_cap
 *
 * A book's life here (tf_feed_row_t.book_state), all of it told by STATUS events (tf/feed.h):
 *   NONE --delta--> SYNCING --snapshot--> OK --sequence broke--> GAP --snapshot--> OK
 *   any --new connection--> SYNCING
 *   any but NONE --lose_book--> GAP
 * Each level carries a venue sequence, so that a book knows which deltas its snapshot holds already:
 * the connection's where it numbers messages, else an ordinal of the row's own (tf/event.h).
 *
 * One writer: the thread that runs the feed. Nothing here fails: whoever begins a draft has checked
 * tf_draft_has_room. */
#ifndef TF_FEED_DRAFT_H
#define TF_FEED_DRAFT_H

#include "feed/trade_ids.h"
#include "tf/feed.h"
#include "wire/json.h"

/* What such a venue's feed keeps of one instrument. Zeroed by tf_feed_row_init. */
typedef struct tf_feed_row {
  tf_trade_ids_t trades;
  uint64_t       ordinal;      /* of the newest level message, where the venue numbers none */
  uint64_t       last_message; /* the message in which it last had an event, */
  uint32_t       last_at;      /* and the place of that event in it: moves LAST along */
  uint8_t        book_state;   /* tf_book_state_t */
  bool           is_announced; /* the STATUS of that state is out */
} tf_feed_row_t;

void tf_feed_row_init(tf_feed_row_t *row);

typedef struct tf_draft {
  tf_feed_out_t    *out;
  const tf_frame_t *frame;
  uint32_t          at, end;
} tf_draft_t;

/* The levels of one instrument in a message: cnt rows from `at` on. */
typedef struct tf_draft_levels {
  uint32_t instrument_id;
  uint32_t cnt;
  uint32_t derived_cnt; /* the last so many are DERIVED, and flagged so already */
  uint32_t ask_from;    /* rows from here on are asks; UINT32_MAX: each row's SIDE is set already */
  bool     is_snapshot;
  bool     has_times; /* each row's ts_event_ns, and BAD_TS in its flags, are set already */
  uint8_t  flags;     /* BAD_TS, where has_times is false */
  uint64_t ts_ns;
  uint64_t venue_seq;
} tf_draft_levels_t;

/* row_cnt rows were scanned into out->events + out->event_cnt. */
void tf_draft_begin(tf_draft_t *draft, const tf_frame_t *frame, tf_feed_out_t *out,
                    uint32_t row_cnt);
/* Room for so many events beside the rows. */
TF_INLINE bool tf_draft_has_room(const tf_draft_t *draft, uint32_t event_cnt) {
  return draft->out->event_cap - draft->end >= event_cnt;
}

/* A STATUS at `at`. NULL when there is no room: then the row stays unannounced. */
tf_event_t *tf_draft_status(tf_draft_t *draft, tf_feed_row_t *row, uint32_t instrument_id,
                            tf_book_state_t state, uint64_t ts_ns);

/* Completes levels: with SYNCING before them where nothing was said of this book yet, OK behind a
 * snapshot, BAD_BOOK while the chain is broken. A snapshot without levels becomes one DERIVED level
 * of no quantity, which empties the book. Wants room for two events more. */
void tf_draft_put_levels(tf_draft_t *draft, tf_feed_row_t *row, const tf_draft_levels_t *levels);

/* Completes the row at `at`, whose numbers and flags are set, as an event of this kind. */
tf_event_t *tf_draft_put(tf_draft_t *draft, tf_feed_row_t *row, tf_event_kind_t kind,
                         uint32_t instrument_id);

/* Puts cnt zeroed rows at `to` (at or behind `at`). Wants room for them. */
tf_event_t *tf_draft_open(tf_draft_t *draft, uint32_t to, uint32_t cnt);

/* Forgets the row at `at`. */
void tf_draft_drop(tf_draft_t *draft);

/* The rows from `at` to stop are trades with their ids: forgets those that were seen before, and
 * counts them. is_repeat says which, and remembers. Order stays as sent; ids are looked at from the
 * oldest on, whichever end that is. */
typedef bool (*tf_draft_is_repeat_t)(void *self, const tf_event_t *trade, tf_feed_counts_t *counts);
void tf_draft_drop_repeats(tf_draft_t *draft, tf_draft_is_repeat_t is_repeat, void *self);

/* The levels of two keys of one message (as.levels of both are set), at rows: bids to the front and asks
 * behind them, whatever order the keys had, and whatever rows stand between. Of a level is moved what
 * it has before it is completed: from ingest_seq on, up to its quantity. OKX and Bitget send asks first. */
void tf_draft_gather_sides(tf_event_t *rows, const tf_json_value_t *bids,
                           const tf_json_value_t *asks);

/* The four numbers of a quote, decimals all, brought to one exponent for prices and one for quantities.
 * False: one does not fit there. */
bool tf_draft_set_quote(tf_event_t *row, const tf_json_value_t *bid, const tf_json_value_t *bid_qty,
                        const tf_json_value_t *ask, const tf_json_value_t *ask_qty);

/* A funding rate as u.ticker has it (TF_FUNDING_EXP); TF_FUNDING_NONE: no decimal, or it does not fit. */
int64_t tf_draft_funding_rate(const tf_json_value_t *rate);

void tf_draft_reverse(tf_event_t *rows, uint32_t cnt);

/* All rows are completed: they are the message's events. */
tf_verdict_t tf_draft_finish(tf_draft_t *draft);

/* A new connection, outside of any message: SYNCING for a book. */
void tf_draft_restart(tf_feed_out_t *out, tf_feed_row_t *row, uint32_t instrument_id,
                      uint64_t now_ns);

/* A feed's lose_book, outside of any message: GAP, and a snapshot is wanted. Nothing where the
 * instrument has no book. */
void tf_draft_lose_book(tf_feed_out_t *out, tf_feed_row_t *row, uint32_t instrument_id,
                        uint64_t now_ns);

/* Brings a and b to one exponent, the smaller. False if one does not fit there. */
TF_INLINE bool tf_draft_to_one_exponent(int64_t *a, int8_t a_exp, int64_t *b, int8_t b_exp,
                                        int8_t *exp) {
  *exp = a_exp;
  if (TF_LIKELY(a_exp == b_exp)) return true;
  int      apart = a_exp > b_exp ? a_exp - b_exp : b_exp - a_exp;
  int64_t *wide  = a_exp > b_exp ? a : b;
  if (b_exp < a_exp) *exp = b_exp;
  if (*wide == 0) return true;
  return apart <= 18 && !__builtin_mul_overflow(*wide, (int64_t)tf_decimal_pow10[apart], wide);
}

/* BAD_TS for a time that is more than an hour ahead of ours. */
TF_INLINE uint8_t tf_draft_time_flags(uint64_t ts_ns, uint64_t recv_ns) {
  bool late = ts_ns > recv_ns && ts_ns - recv_ns > 3600 * TF_NS_PER_SEC;
  return late || ts_ns == 0 ? TF_FLAG_BAD_TS : 0;
}

#endif
