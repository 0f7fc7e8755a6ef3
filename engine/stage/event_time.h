/* Times of the venue that cannot be meant. The event is published as sent, with TF_FLAG_BAD_TS, and counted by cause;
 * nothing keeps such a time: windows and bars run on ts_recv, and what compares venue times (best bid and offer,
 * clock offsets, legs) leaves the flagged ones out.
 *
 *   zero       the venue sends times, and this one is 0 or none at all
 *   unit       in place, were it in another unit: 10^3, 10^6 or 10^9 times as much, or as little
 *   future     more than TF_EVENT_TIME_AHEAD_NS_MAX ahead of ours: a zone's hour, less any delay
 *   past       of a trade or a book's delta, more than TF_EVENT_TIME_AGE_NS_MAX old
 *   backwards  more than TF_EVENT_TIME_BACK_NS_MAX behind an event of its kind and instrument that was believed
 *   said       nothing is wrong with it by these rules: whoever made the event says that it is not to be trusted
 *
 * A clock that was set back stays so: what comes TF_EVENT_TIME_STREAK times in a row behind the last is believed
 * from then on. Snapshots and backfill are of another time: neither judged by age nor a reference. A leap
 * second (23:59:60) reads as the first instant after it (wire/rfc3339.h): within a second of right, so none of these.
 *
 * One writer: acquire's thread. One line an instrument; 26 to 36 instructions a message, about 20 a
 * level of a book's (tests/instructions: path_trade, path_quote, path_level with and without it). */
#ifndef TF_STAGE_EVENT_TIME_H
#define TF_STAGE_EVENT_TIME_H

#include "tf/event.h"

#define TF_EVENT_TIME_AHEAD_NS_MAX (15 * 60 * TF_NS_PER_SEC)
#define TF_EVENT_TIME_AGE_NS_MAX   (24 * 3600 * TF_NS_PER_SEC)
#define TF_EVENT_TIME_BACK_NS_MAX  (60 * TF_NS_PER_SEC)
#define TF_EVENT_TIME_UNIT_NS_MAX  (3600 * TF_NS_PER_SEC) /* "in place": so near to ours */
#define TF_EVENT_TIME_STREAK       3u
#define TF_EVENT_TIME_KINDS        (TF_EVENT_TICKER + 1) /* trade, quote, book, ticker */

typedef enum tf_event_time_cause {
#define TF_EVENT_TIME_ENUM_(id, name) TF_EVENT_TIME_##id,
  TF_EVENT_TIME_CAUSES(TF_EVENT_TIME_ENUM_) /* tf/event.h */
#undef TF_EVENT_TIME_ENUM_
  TF_EVENT_TIME_CAUSE_CNT,
  TF_EVENT_TIME_GOOD = TF_EVENT_TIME_CAUSE_CNT
} tf_event_time_cause_t;

typedef struct tf_event_time_row {         /* of one instrument; zeroed at start */
  uint64_t newest_ns[TF_EVENT_TIME_KINDS]; /* that was believed */
  uint32_t streaks[TF_EVENT_TIME_KINDS];   /* messages in a row that were behind it */
} tf_event_time_row_t;

/* The cause; GOOD where there is none. Of an event with kind < TF_EVENT_TIME_KINDS. */
TF_COLD tf_event_time_cause_t tf_event_time_odd(tf_event_time_row_t *row, const tf_event_t *event);

/* An event that is about to be published: flags it if its time is not to be trusted, and counts it in causes
 * (TF_EVENT_TIME_CAUSE_CNT). rows by instrument_id, row_cnt of them. */
TF_INLINE void tf_event_time_judge(tf_event_time_row_t *rows, uint32_t row_cnt, uint64_t *causes,
                                   tf_event_t *e) {
  if (e->kind >= TF_EVENT_TIME_KINDS || e->instrument_id >= row_cnt) return;
  tf_event_time_row_t *row    = &rows[e->instrument_id];
  const uint64_t       ts_ns  = e->ts_event_ns;
  const uint8_t        others = TF_FLAG_BAD_TS | TF_FLAG_SNAPSHOT | TF_FLAG_BACKFILL;
  if (TF_LIKELY((e->flags & others) == 0)) {
    if (ts_ns == 0) return; /* the venue sends none */
    const bool in_order = ts_ns >= row->newest_ns[e->kind];
    const bool in_place = e->ts_recv_ns + TF_EVENT_TIME_AHEAD_NS_MAX - ts_ns <=
                          TF_EVENT_TIME_AHEAD_NS_MAX + TF_EVENT_TIME_AGE_NS_MAX;
    if (TF_LIKELY(in_order & in_place)) {
      row->newest_ns[e->kind] = ts_ns;
      row->streaks[e->kind]   = 0;
      return;
    }
  }
  const tf_event_time_cause_t cause = tf_event_time_odd(row, e);
  if (cause == TF_EVENT_TIME_GOOD) return;
  e->flags |= TF_FLAG_BAD_TS;
  causes[cause]++;
}

/* Levels of one message share a time: where the event before was believed, one of the same instrument, kind and time
 * is too, and judging it would change nothing. */
TF_INLINE bool tf_event_time_is_as(const tf_event_t *e, const tf_event_t *before) {
  const uint8_t others = TF_FLAG_BAD_TS | TF_FLAG_SNAPSHOT | TF_FLAG_BACKFILL;
  return (e->ts_event_ns == before->ts_event_ns) & (e->instrument_id == before->instrument_id) &
         (e->kind == before->kind) & (((e->flags | before->flags) & others) == 0);
}

#endif
