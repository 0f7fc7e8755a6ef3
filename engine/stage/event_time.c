#include "stage/event_time.h"

TF_INLINE uint64_t apart(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

/* Were it 10^3, 10^6 or 10^9 times as much or as little, it would be about now. */
static bool is_other_unit(uint64_t ts_ns, uint64_t recv_ns) {
  uint64_t more_ns = ts_ns, factor = 1;
  for (int i = 0; i < 3; i++) {
    factor *= 1000;
    bool fits = !__builtin_mul_overflow(more_ns, UINT64_C(1000), &more_ns);
    if (fits && apart(more_ns, recv_ns) <= TF_EVENT_TIME_UNIT_NS_MAX) return true;
    if (!fits) more_ns = 0; /* 0 stays 0, which is far from now */
    if (apart(ts_ns / factor, recv_ns) <= TF_EVENT_TIME_UNIT_NS_MAX) return true;
  }
  return false;
}

/* Behind what was believed. */
static tf_event_time_cause_t behind(tf_event_time_row_t *row, const tf_event_t *e) {
  if (row->newest_ns[e->kind] - e->ts_event_ns <= TF_EVENT_TIME_BACK_NS_MAX)
    return TF_EVENT_TIME_GOOD;
  /* A message counts once. */
  row->streaks[e->kind] += (e->flags & TF_FLAG_LAST) != 0;
  if (row->streaks[e->kind] < TF_EVENT_TIME_STREAK) return TF_EVENT_TIME_BACKWARDS;
  row->newest_ns[e->kind] = e->ts_event_ns;
  row->streaks[e->kind]   = 0;
  return TF_EVENT_TIME_GOOD;
}

tf_event_time_cause_t tf_event_time_odd(tf_event_time_row_t *row, const tf_event_t *e) {
  const uint64_t ts_ns = e->ts_event_ns, recv_ns = e->ts_recv_ns;
  const bool     is_bad       = e->flags & TF_FLAG_BAD_TS;
  const bool     is_of_before = e->flags & (TF_FLAG_SNAPSHOT | TF_FLAG_BACKFILL);
  if (ts_ns == 0) return is_bad ? TF_EVENT_TIME_ZERO : TF_EVENT_TIME_GOOD;
  const bool is_future = ts_ns > recv_ns && ts_ns - recv_ns > TF_EVENT_TIME_AHEAD_NS_MAX;
  const bool is_old    = recv_ns > ts_ns && recv_ns - ts_ns > TF_EVENT_TIME_AGE_NS_MAX;
  if ((is_future || is_old) && is_other_unit(ts_ns, recv_ns)) return TF_EVENT_TIME_UNIT;
  if (is_future) return TF_EVENT_TIME_FUTURE;
  const tf_event_time_cause_t as_said = is_bad ? TF_EVENT_TIME_SAID : TF_EVENT_TIME_GOOD;
  if (is_of_before) return as_said;
  /* A quote or a ticker may tell of an instrument that was quiet for days. */
  if (is_old && (e->kind == TF_EVENT_TRADE || e->kind == TF_EVENT_BOOK)) return TF_EVENT_TIME_PAST;
  /* Whether it is flagged already is no matter here: a tape is judged as its recording was. */
  if (ts_ns < row->newest_ns[e->kind]) {
    const tf_event_time_cause_t cause = behind(row, e);
    return cause == TF_EVENT_TIME_GOOD ? as_said : cause;
  }
  if (!is_bad) row->newest_ns[e->kind] = ts_ns;
  return as_said;
}
