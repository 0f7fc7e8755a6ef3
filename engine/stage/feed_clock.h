/* How far a feed's clock is from ours, and how late its messages come, for each kind of event. What can be measured is
 *
 *   ts_recv - ts_event = offset + delay        offset: our clock minus the venue's, and the shortest way
 *
 * in which the first term stands still and the second varies from 0 up. So the offset is the least difference of the
 * last minute, kept as minima of six parts of ten seconds, and a message's delay is what it has above
 * that. A difference may be negative (a recorder whose clock ran behind), a delay may not. The two are one-sided: what
 * every message takes at least is part of the offset, as nobody can tell it from a clock without asking the venue.
 *
 * A minute, because a clock that drifts by 8 ppm, the most in the recordings, moves by 0.5 ms in it, which is
 * less than the millisecond that venues count in (docs/adr/0018). How much it drifts is told apart, from the least of
 * each part (drift.h): a feed whose clock runs away by tens of ppm shows there. Where our clock is set forward, or the venue's back, delays
 * are too long for a minute.
 *
 * Kinds apart, since venues stamp channels at different moments. A message counts once, by its last event; left
 * out are those without a time that is trusted, snapshots and backfill, whose times are not of their sending.
 * Writer: acquire's thread. O(1), about two lines a message. */
#ifndef TF_STAGE_FEED_CLOCK_H
#define TF_STAGE_FEED_CLOCK_H

#include "core/hist.h"
#include "stage/drift.h"
#include "tf/event.h"

#define TF_FEED_CLOCK_KINDS   (TF_EVENT_TICKER + 1) /* trade, quote, book, ticker */
#define TF_FEED_CLOCK_PARTS   6
#define TF_FEED_CLOCK_PART_NS (10 * TF_NS_PER_SEC)

typedef struct tf_feed_clock_kind {
  int64_t    offset_ns;                   /* the least of the minima; valid if delays.cnt > 0 */
  int64_t    minima[TF_FEED_CLOCK_PARTS]; /* INT64_MAX: no message in that part */
  uint64_t   part_end_ns;                 /* of the part that is being filled */
  uint32_t   part;
  uint64_t   minimum_at_ns; /* when the least of the part that is being filled was received */
  tf_hist_t  delays;
  tf_drift_t drift;
} tf_feed_clock_kind_t;

typedef struct tf_feed_clock {
  tf_feed_clock_kind_t kinds[TF_FEED_CLOCK_KINDS];
} tf_feed_clock_t;

void tf_feed_clock_init(tf_feed_clock_t *clock);

/* The last event of a message. */
void tf_feed_clock_saw(tf_feed_clock_t *clock, const tf_event_t *event);

#endif
