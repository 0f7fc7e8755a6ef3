/* The buffer stage: brings one instrument's book, best bid and offer, last trade and bars up to
 * date with one event. First stage of a lane. */
#ifndef TF_STAGE_BUFFER_H
#define TF_STAGE_BUFFER_H

#include "stage/lane.h"
#include "tf/lost_books.h"

typedef struct tf_buffer {
  tf_bar_spec_t   bars[TF_BARS_MAX];
  uint32_t        bar_cnt;
  tf_bar_counts_t bar_counts;
  uint64_t        late_events; /* ts_recv before that of an earlier event of the instrument */
  tf_lost_books_t lost_books;  /* where books are reported that are doubtful; cap 0: nowhere */
} tf_buffer_t;

TF_INLINE uint64_t tf_buffer_trusted_ns_(const tf_event_t *e) {
  return e->flags & TF_FLAG_BAD_TS ? 0 : e->ts_event_ns;
}

/* First of an event: the instrument's clocks. */
TF_INLINE void tf_buffer_begin(tf_buffer_t *buffer, tf_lane_instrument_t *in, const tf_event_t *e) {
  const uint64_t event_ns = tf_buffer_trusted_ns_(e);
  in->market.event        = e;
  if (TF_LIKELY(e->ts_recv_ns >= in->market.now_ns))
    in->market.now_ns = e->ts_recv_ns;
  else
    buffer->late_events++; /* the event counts, at the time already reached */
  if (event_ns > in->event_ns) in->event_ns = event_ns;
}

uint32_t tf_buffer_close_bars_(tf_buffer_t *buffer, tf_lane_instrument_t *in);

/* Then the bars that have come to their end, one bit each. To be called again, those bars seen, until there is
 * none: a bar may close several times, where spans without a trade make bars too. */
TF_INLINE uint32_t tf_buffer_close_due(tf_buffer_t *buffer, tf_lane_instrument_t *in) {
  if (TF_LIKELY(in->market.now_ns < in->bars_due_ns[TF_BAR_CLOCK_RECV] &&
                in->event_ns < in->bars_due_ns[TF_BAR_CLOCK_EVENT]))
    return 0;
  return tf_buffer_close_bars_(buffer, in);
}

/* Then the event. Returns the TF_ON_* bit of its kind for the event-level features (0 for kinds
 * that none can ask for), and in closed_bars one bit per bar that the event, a trade, made full. */
uint32_t tf_buffer_on_event(tf_buffer_t *buffer, tf_lane_instrument_t *instrument,
                            const tf_event_t *event, uint32_t *closed_bars);

/* In the place of both: a tick of another instrument that is to be one of this (ADR 0023). Its event is the cause,
 * and its ts_recv passes here too; then tf_buffer_close_due. */
void tf_buffer_on_woken(tf_lane_instrument_t *instrument, const tf_event_t *event);

/* After the last event of a message: settles the book's state, and takes the best bid and offer from
 * its top for an instrument that has no quotes. */
void tf_buffer_settle(const tf_buffer_t *buffer, tf_lane_instrument_t *instrument);

/* Memory of one instrument from the arena. */
tf_err_t tf_buffer_init_instrument(tf_lane_instrument_t *instrument, tf_arena_t *arena,
                                   uint32_t book_levels_max, uint32_t pending_levels_max);

#endif
