/* What kraken.c (v2, objects) and kraken_v1.c (arrays) share. Private to them. */
#ifndef TF_FEED_KRAKEN_STATE_H
#define TF_FEED_KRAKEN_STATE_H

#include "feed/depth_mirror.h"
#include "feed/draft.h"
#include "feed/feeds.h"
#include "feed/symbols.h"

/* FAULTS F30: so many mismatches of one book within so long, and its checksums are no longer compared
 * until the next connection: the venue's are wrong then, or our reading of them. */
#define TF_KRAKEN_MISMATCHES_MAX 3u
#define TF_KRAKEN_MISMATCH_NS    (60 * TF_NS_PER_SEC)

#define TF_KRAKEN_DEPTH_DEFAULT 100u
#define TF_KRAKEN_DEPTH_MAX     1000u

/* One instrument; index: its number in symbols. */
typedef struct tf_kraken_row {
  tf_feed_row_t     feed;
  tf_depth_mirror_t mirror;
  bool              depth_known;   /* an acknowledgement or a channel's name said it */
  bool              checksums_off; /* on this connection */
  uint32_t          mismatch_cnt;
  uint64_t          mismatch_ns; /* of the first of them */
} tf_kraken_row_t;

/* The book of one instrument in a message: its rows stand at the draft's `at`, bids first, each with
 * its SIDE and time. */
typedef struct tf_kraken_book {
  uint32_t bid_cnt, ask_cnt;
  uint32_t depth; /* as the channel's name says; 0: it does not */
  bool     is_snapshot;
  bool     has_checksum;
  uint32_t checksum;
  uint64_t ts_ns; /* of the message, for STATUS events */
} tf_kraken_book_t;

#define TF_KRAKEN_BOOKS_MAX 64u /* in one message */

typedef struct tf_kraken_state {
  tf_feed_head_t         head; /* first: feeds.h */
  tf_kraken_row_t       *rows;
  tf_symbols_t           symbols;
  uint32_t               channels, asked_cnt;
  uint32_t               depth;     /* subscribed to */
  uint32_t               depth_max; /* of the mirrors */
  struct tf_kraken_scan *scan;      /* kraken.c's own */
} tf_kraken_state_t;

TF_INLINE bool tf_kraken_has_books(const tf_kraken_state_t *st) {
  return (st->channels & TF_CHANNEL_BOOK) != 0;
}

/* Whether the mirrors can take it and there is room for all that may be said of it. */
bool tf_kraken_book_fits(const tf_kraken_state_t *st, const tf_draft_t *draft,
                         const tf_kraken_book_t *book);

/* Publishes it: levels, the levels that fell out, STATUS; compares the checksum. */
void tf_kraken_put_book(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx,
                        const tf_kraken_book_t *book);

/* A depth message that was refused: its book is in GAP and asked for again. Where a message does not
 * even say whose it is, the next checksum of its book will. */
void tf_kraken_lose_book(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx);

/* kraken_v1.c: a message that is an array. */
tf_verdict_t tf_kraken_v1_on_array(tf_kraken_state_t *st, const tf_frame_t *frame,
                                   tf_feed_out_t *out);

#endif
