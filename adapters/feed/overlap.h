/* What a fresh connection brings while the old one is still listened to. A venue sends the same to both,
 * but not at the same instant; so the old one is heard to its end first, and then this is handed on, in
 * order: nothing that came between is missing, and what both brought the feed knows by its sequence or
 * trade id.
 *
 * A buffer of whole messages, the caller's memory, one thread: the lane. */
#ifndef FEED_OVERLAP_H
#define FEED_OVERLAP_H

#include "tf/feed.h"

typedef struct tf_overlap {
  uint8_t *bytes;
  size_t   cap, used;
  uint32_t message_cnt;
} tf_overlap_t;

/* Keeps a message. False: it does not fit, and nothing was kept. */
bool tf_overlap_put(tf_overlap_t *overlap, const tf_frame_t *frame);

/* The message at *at (0 at first), which moves on; false behind the last. The frame is valid until put
 * or clear. */
bool tf_overlap_next(const tf_overlap_t *overlap, size_t *at, tf_frame_t *frame);

void tf_overlap_clear(tf_overlap_t *overlap);

#endif
