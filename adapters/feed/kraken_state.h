/* What kraken.c (v2, objects) and kraken_v1.c (arrays) share. Private to them. */
#ifndef TF_FEED_KRAKEN_STATE_H
#define TF_FEED_KRAKEN_STATE_H

#include "feed/book_row.h"
#include "feed/symbols.h"

#define TF_KRAKEN_DEPTH_DEFAULT 100u
#define TF_KRAKEN_DEPTH_MAX     1000u

/* The venue has these depths. */
extern const uint32_t tf_kraken_depths[];

#define TF_KRAKEN_BOOKS_MAX 64u /* in one message */

typedef struct tf_kraken_state {
  tf_feed_head_t         head; /* first: feeds.h */
  tf_book_row_t         *rows; /* index: number in symbols */
  tf_symbols_t           symbols;
  uint32_t               channels, asked_cnt;
  uint32_t               depth;     /* subscribed to */
  uint32_t               depth_max; /* of the mirrors */
  struct tf_kraken_scan *scan;      /* kraken_scan.h */
} tf_kraken_state_t;

TF_INLINE bool tf_kraken_has_books(const tf_kraken_state_t *st) {
  return (st->channels & TF_CHANNEL_BOOK) != 0;
}

/* Whether the mirror can take it and there is room for all that may be said of it. */
TF_INLINE bool tf_kraken_book_fits(const tf_book_row_t *row, const tf_draft_t *draft,
                                   const tf_book_message_t *book) {
  return tf_book_row_takes(row, book) &&
         tf_draft_has_room(draft, tf_book_row_room(row, book->bid_cnt + book->ask_cnt));
}

/* Publishes the book whose rows stand at the draft's `at`. */
TF_INLINE void tf_kraken_put_book(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx,
                                  tf_book_message_t *book) {
  book->instrument_id = st->symbols.rows[idx].instrument_id;
  tf_book_row_put(&st->rows[idx], draft, book, tf_kraken_depths, &st->head);
}

/* A depth message that was refused: its book is in GAP and asked for again. Where a message does not
 * even say whose it is, the next checksum of its book will. */
TF_INLINE void tf_kraken_lose_book(tf_kraken_state_t *st, tf_draft_t *draft, uint32_t idx) {
  tf_book_row_lose(&st->rows[idx], draft, st->symbols.rows[idx].instrument_id, 0);
}

/* kraken_v1.c: a message that is an array. */
tf_verdict_t tf_kraken_v1_on_array(tf_kraken_state_t *st, const tf_frame_t *frame,
                                   tf_feed_out_t *out);

#endif
