/* What a session watches over its instruments' books, beside the venue's own sequences: books that the lane does
 * not believe (tf/lost_books.h), and streams that went quiet (staleness.h). It only looks and says what is
 * due; the session acts (session_watch.c).
 *
 *   the lane's word older than crossed_after_ns, the feed's last word on the book OK       LOSE
 *   a book or quote stream past its deadline, last word OK or none (no depth channel)      STALE
 *   data again on all streams that were past it, last word STALE                           FRESH
 *
 * A book that is lost again and again is answered later each time: twice crossed_after_ns, four times .. up to
 * TF_BOOK_WATCH_LOSE_NS_MAX, until it was believed for that long.
 *
 * One thread, the lane. O(1) a message; next looks at TF_BOOK_WATCH_ROWS instruments a call, so that a
 * thousand of them are seen in 63 calls, one a millisecond. Memory: 352 bytes an instrument. */
#ifndef FEED_BOOK_WATCH_H
#define FEED_BOOK_WATCH_H

#include "feed/staleness.h"
#include "tf/lost_books.h"

#define TF_BOOK_WATCH_ROWS 16u
#define TF_BOOK_WATCH_FRESH_MAX                                                                    \
  16u /* found again in one message; further ones at their next look */
#define TF_BOOK_WATCH_LOSE_NS_MAX (60 * TF_NS_PER_SEC)

typedef enum tf_book_watch_verdict {
  TF_BOOK_WATCH_NOTHING,
  TF_BOOK_WATCH_LOSE,
  TF_BOOK_WATCH_STALE,
  TF_BOOK_WATCH_FRESH
} tf_book_watch_verdict_t;

typedef struct tf_book_watch_config {
  const tf_lost_books_t *lost_books;       /* NULL: none are looked at */
  uint64_t               crossed_after_ns; /* a doubt older than this is acted on */
  uint64_t               stale_after_ns;   /* 0: learned; TF_STALENESS_OFF */
} tf_book_watch_config_t;

typedef struct tf_book_watch_row {
  uint64_t answered_since_ns; /* the lane's word that was acted on last */
  uint64_t answered_ns;       /* and when */
  uint32_t repeat_cnt;
  uint8_t  told;        /* tf_book_state_t: the newest STATUS of it, whoever made it */
  uint8_t  told_before; /* STALE: what it was then */
  bool     is_ours;     /* an event of it passed here */
} tf_book_watch_row_t;

typedef struct tf_book_watch {
  tf_book_watch_config_t config;
  tf_staleness_t         staleness;
  tf_book_watch_row_t   *rows; /* (cap), by instrument_id */
  uint32_t               cap;
  uint32_t               at; /* the row that next looks at */
  uint32_t fresh_cnt; /* instruments that the newest message made FRESH: the session empties it */
  uint32_t fresh_ids[TF_BOOK_WATCH_FRESH_MAX];
  uint64_t lost_cnt, stale_cnt; /* verdicts so far */
  uint32_t stale_now_cnt;       /* instruments that are told STALE */
} tf_book_watch_t;

size_t   tf_book_watch_arena_bytes(uint32_t instrument_cap);
tf_err_t tf_book_watch_init(tf_book_watch_t *watch, const tf_book_watch_config_t *config,
                            uint32_t instrument_cap, tf_arena_t *arena);

/* Events that the session has published, also its own. */
void tf_book_watch_saw(tf_book_watch_t *watch, const tf_event_t *events, uint32_t cnt,
                       uint64_t now_ns);

/* What is due, one instrument at a time; NOTHING ends a call's look. row_cnt: of the instrument table now. */
tf_book_watch_verdict_t tf_book_watch_next(tf_book_watch_t *watch, uint32_t row_cnt,
                                           uint64_t now_ns, uint32_t *instrument_id);

/* What FRESH makes of the instrument's book. */
TF_INLINE tf_book_state_t tf_book_watch_before(const tf_book_watch_t *watch,
                                               uint32_t               instrument_id) {
  return (tf_book_state_t)watch->rows[instrument_id].told_before;
}

#endif
