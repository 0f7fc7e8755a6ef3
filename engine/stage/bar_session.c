#include "stage/bar_session.h"

#define WEEK_NS     (7 * TF_BAR_DAY_NS)
#define MONDAY_1970 3 /* the first of January was a Thursday */

/* The latest opening at or before time_ns, of a session or of a day that has none, as a UTC time plus WEEK_NS: so that
 * nothing is negative, and days of the week stay what they are. */
static uint64_t opening_before(const tf_bar_session_t *s, uint64_t time_ns) {
  const uint64_t shift_ns = WEEK_NS + s->open_ns - (uint64_t)s->offset_ns;
  const uint64_t day_ns   = shift_ns % TF_BAR_DAY_NS;
  const uint64_t since_ns = time_ns + WEEK_NS - day_ns;
  return since_ns - since_ns % TF_BAR_DAY_NS + day_ns;
}

static bool is_session_day(const tf_bar_session_t *s, uint64_t opening_ns) {
  const uint64_t day = (opening_ns + (uint64_t)s->offset_ns) / TF_BAR_DAY_NS;
  return s->days >> (day + MONDAY_1970) % 7 & 1;
}

static uint64_t lesser(uint64_t a, uint64_t b) { return a < b ? a : b; }

bool tf_bar_session_span(const tf_bar_session_t *s, uint64_t span_ns, uint64_t time_ns,
                         tf_bar_interval_t *span) {
  time_ns = lesser(time_ns, TF_BAR_TIME_NS_MAX);
  span_ns = lesser(span_ns, TF_BAR_TIME_NS_MAX);
  if (s->length_ns == 0) {
    span->begin_ns = time_ns - time_ns % span_ns;
    span->end_ns   = span->begin_ns + span_ns;
    return true;
  }
  const uint64_t opening_ns = opening_before(s, time_ns);
  const uint64_t within_ns  = time_ns + WEEK_NS - opening_ns;
  if (within_ns >= s->length_ns || !is_session_day(s, opening_ns)) return false;
  const uint64_t begin_ns = within_ns - within_ns % span_ns;
  const uint64_t end_ns   = lesser(begin_ns + span_ns, s->length_ns);
  span->begin_ns          = time_ns - lesser(within_ns - begin_ns, time_ns);
  span->end_ns            = time_ns + (end_ns - within_ns);
  return true;
}

tf_bar_interval_t tf_bar_session_next(const tf_bar_session_t *s, uint64_t span_ns,
                                      uint64_t time_ns) {
  tf_bar_interval_t span = {0, 0};
  time_ns                = lesser(time_ns, TF_BAR_TIME_NS_MAX);
  if (tf_bar_session_span(s, span_ns, time_ns, &span)) return span;
  uint64_t opening_ns = opening_before(s, time_ns) + TF_BAR_DAY_NS;
  while (!is_session_day(s, opening_ns)) opening_ns += TF_BAR_DAY_NS; /* seven at most */
  (void)tf_bar_session_span(s, span_ns, opening_ns - WEEK_NS, &span);
  return span;
}

uint64_t tf_bar_session_back(const tf_bar_session_t *s, uint64_t span_ns, uint64_t time_ns,
                             uint64_t cnt) {
  time_ns = lesser(time_ns, TF_BAR_TIME_NS_MAX);
  if (s->length_ns == 0) {
    const uint64_t ended_cnt = time_ns / span_ns;
    return ended_cnt > cnt ? (ended_cnt - cnt) * span_ns : 0;
  }
  for (uint64_t opening_ns = opening_before(s, time_ns); opening_ns >= WEEK_NS;
       opening_ns -= TF_BAR_DAY_NS) {
    if (!is_session_day(s, opening_ns)) continue;
    const uint64_t within_ns = lesser(time_ns + WEEK_NS - opening_ns, s->length_ns);
    const bool     has_cut   = within_ns == s->length_ns && within_ns % span_ns > 0;
    const uint64_t ended_cnt = within_ns / span_ns + has_cut;
    if (ended_cnt >= cnt) return opening_ns - WEEK_NS + (ended_cnt - cnt) * span_ns;
    cnt -= ended_cnt;
  }
  return 0;
}
