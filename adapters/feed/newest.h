/* One stream of whole states (an instrument's quotes, its tickers) that several connections bring: each
 * message once, and none behind a newer one. What a message stands at is its order: the venue's own number
 * where it gives one, and behind that its time.
 *
 *   from another connection than the newest that was taken:   order above   taken, the newest
 *                                                             equal         taken if this connection has
 *                                                                           brought more of that order than
 *                                                                           were taken of it
 *                                                             below         what was said before: left out
 *   from the same connection:  taken, whatever its order, since a connection is in order by itself
 *
 * So one connection alone is never doubted, and a recording of one is what it is. Of several that bring the
 * same, exactly what one of them would have brought is taken: a time that stands on several messages is told
 * by how many of them came. What steps back in the venue's own order may be lost when the connection that
 * is ahead dies just then.
 *
 * A venue that starts its numbers over on all connections is believed once the newest is TF_NEWEST_STUCK_NS
 * old: a connection may be late by that at most. One writer: the thread that runs the feed. */
#ifndef TF_FEED_NEWEST_H
#define TF_FEED_NEWEST_H

#include "tf/feed.h"
#include "tf/tap.h"

#define TF_NEWEST_STUCK_NS (10 * TF_NS_PER_SEC)

/* Zeroed: nothing came yet. */
typedef struct tf_newest {
  uint64_t number, ts_ns; /* of the newest that was taken; number 0 where the venue gives none */
  uint64_t recv_ns;       /* when the last was taken */
  uint16_t connection;    /* that brought it (tf_frame_t) */
  uint16_t taken_cnt;     /* messages of this order */
  bool     is_known;
  struct {
    uint16_t connection, cnt; /* messages of this order that it brought */
  } brought[TF_TAP_LEGS_MAX];
} tf_newest_t;

TF_STATIC_ASSERT(sizeof(tf_newest_t) <= TF_LINE_BYTES, "a message touches one line of it");

/* The message stands at this number and time. True: it is news, and the newest now. */
bool tf_newest_takes(tf_newest_t *newest, const tf_frame_t *frame, uint64_t number, uint64_t ts_ns);

#endif
