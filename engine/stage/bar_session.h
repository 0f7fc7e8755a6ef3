/* Sessions: the stretches of time that bars lie in. One a day at most, from its opening on, on the listed days; the
 * clock is a fixed offset from UTC, without summer time. Pure. */
#ifndef TF_STAGE_BAR_SESSION_H
#define TF_STAGE_BAR_SESSION_H

#include "tf/base.h"

#define TF_BAR_DAY_NS   (86400 * TF_NS_PER_SEC)
#define TF_BAR_DAYS_ALL 0x7fu

/* The last instant: later ones count as it. In the year 2262. */
#define TF_BAR_TIME_NS_MAX ((uint64_t)INT64_MAX)

typedef struct tf_bar_session {
  uint64_t length_ns; /* 1 .. TF_BAR_DAY_NS; 0: there are no sessions */
  uint64_t open_ns;   /* time of day at the offset, < TF_BAR_DAY_NS */
  int64_t  offset_ns; /* what that clock is ahead of UTC; less than a day either way */
  uint32_t days;      /* that sessions open on: bit 0 Monday .. 6 Sunday; not 0 */
} tf_bar_session_t;

typedef struct tf_bar_interval {
  uint64_t begin_ns, end_ns; /* half-open */
} tf_bar_interval_t;

/* The span of span_ns that holds time_ns: aligned to its session's opening and cut at the session's end; without
 * sessions aligned to multiples since 1970. False outside the sessions. span_ns > 0. */
bool tf_bar_session_span(const tf_bar_session_t *session, uint64_t span_ns, uint64_t time_ns,
                         tf_bar_interval_t *span);

/* The first span that ends after time_ns: the one that holds it, or the first of the next session. */
tf_bar_interval_t tf_bar_session_next(const tf_bar_session_t *session, uint64_t span_ns,
                                      uint64_t time_ns);

/* Where the last `cnt` spans begin of those that have ended by time_ns; 0 where there are fewer. Looks at no more than
 * 7 * cnt days. */
uint64_t tf_bar_session_back(const tf_bar_session_t *session, uint64_t span_ns, uint64_t time_ns,
                             uint64_t cnt);

#endif
