/* Books that their lane no longer believes, though the venue's sequence says that all is well: crossed for too
 * long, or too short of levels. The lane sees it, the feed has to act on it (tf_feed_t.lose_book), and
 * between the two lies one word for each instrument.
 *
 *   lane (engine/stage/buffer.c)  --since_ns[instrument_id]-->  the session of its feed (adapters/feed/doubt.h)
 *
 * A word is the receive time, of the lane's clock, from which on its book is not to be believed; 0 while it is.
 * The lane writes it when that changes, the session looks at it now and then, decides how long is too long,
 * and answers with a GAP, which sets the word to 0 again. A word that is read late delays a resync and
 * does no other harm. Replay reads none: there the capture's record of the resync is obeyed.
 *
 * Sized by the instrument table at start; one writer, the lane. */
#ifndef TF_LOST_BOOKS_H
#define TF_LOST_BOOKS_H

#include "tf/atomic.h"

typedef struct tf_lost_books {
  uint64_t *since_ns; /* (cap), by instrument_id; NULL: nobody looks */
  uint32_t  cap;
} tf_lost_books_t;

TF_INLINE void tf_lost_books_set(const tf_lost_books_t *books, uint32_t instrument_id,
                                 uint64_t since_ns) {
  if (instrument_id >= books->cap) return;
  /* relaxed: a lone word, acted on by itself; what the session does next comes back as events */
  tf_store_relaxed(&books->since_ns[instrument_id], since_ns);
}

TF_INLINE uint64_t tf_lost_books_since(const tf_lost_books_t *books, uint32_t instrument_id) {
  if (instrument_id >= books->cap) return 0;
  /* relaxed: a lone word, as above */
  return tf_load_relaxed(&books->since_ns[instrument_id]);
}

#endif
