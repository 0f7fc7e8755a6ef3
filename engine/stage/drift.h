/* How a feed's clock runs against ours: the line under the least differences of parts of ten seconds
 * (feed_clock.h), whose slope is the drift.
 *
 *   difference                       x = the least of a part: offset, drift and what was in the way
 *     |   x       x
 *     | x___    x   x   __x          Delays only add, so the clock's line has every point on or above it. Of the
 *     |     x---x---x---             lines that have, the one that leaves the least between it and the points
 *     +------------------ time       is the edge of their lower convex hull that lies at their mean time (S. B.
 *                                    Moon, P. Skelly, D. Towsley, "Estimation and removal of clock skew from
 *                                    network delay measurements", INFOCOM 1999).
 *
 * The last TF_DRIFT_POINTS parts count, about ten minutes: clocks wander with temperature. A slope beyond
 * TF_DRIFT_PPB_MAX is no drift: a clock was set, and what was before is forgotten. So is it where time
 * steps back.
 *
 * Plain and private to its owner; one thread. A point costs a walk over all of them, about a microsecond every ten
 * seconds. */
#ifndef TF_STAGE_DRIFT_H
#define TF_STAGE_DRIFT_H

#include "tf/base.h"

#define TF_DRIFT_POINTS      64u
#define TF_DRIFT_SPAN_NS_MIN (60 * INT64_C(1000000000)) /* of a slope that is told */
#define TF_DRIFT_PPB_MAX     1000000                    /* 1000 ppm: NTP slews by 500 at most */

typedef struct tf_drift {
  uint64_t at_ns[TF_DRIFT_POINTS]; /* ascending, from oldest on */
  int64_t  diff_ns[TF_DRIFT_POINTS];
  uint32_t oldest, cnt;
  bool     has_line;
  int64_t  ppb;       /* by which our clock gains on the venue's; valid if has_line, as is: */
  int64_t  offset_ns; /* the line at the newest point */
} tf_drift_t;

/* zeroed is ready. */
void tf_drift_add(tf_drift_t *drift, uint64_t at_ns, int64_t diff_ns);

#endif
