/* The buffer stage: brings one instrument's book, best bid and offer, last trade and bars up to
 * date with one event. First stage of a lane. */
#ifndef TF_STAGE_BUFFER_H
#define TF_STAGE_BUFFER_H

#include "stage/lane.h"
#include "tf/lost_books.h"

typedef struct tf_buffer {
  tf_bar_spec_t   bars[TF_BARS_MAX];
  uint32_t        bar_cnt;
  uint64_t        late_events; /* ts_recv before that of an earlier event of the instrument */
  tf_lost_books_t lost_books;  /* where books are reported that are doubtful; cap 0: nowhere */
} tf_buffer_t;

/* Applies one event. Returns the TF_ON_* bit of its kind for the event-level features (0 for kinds
 * that none can ask for), and in closed_bars one bit per bar that the event closed. */
uint32_t tf_buffer_on_event(tf_buffer_t *buffer, tf_lane_instrument_t *instrument,
                            const tf_event_t *event, uint32_t *closed_bars);

/* A tick of another instrument that is to be one of this (ADR 0023): its event is the cause, and its time passes
 * here too. Returns the bars that it closed, one bit each. */
uint32_t tf_buffer_on_woken(const tf_buffer_t *buffer, tf_lane_instrument_t *instrument,
                            const tf_event_t *event);

/* After the last event of a message: settles the book's state, and takes the best bid and offer from
 * its top for an instrument that has no quotes. */
void tf_buffer_settle(const tf_buffer_t *buffer, tf_lane_instrument_t *instrument);

/* Memory of one instrument from the arena. */
tf_err_t tf_buffer_init_instrument(tf_lane_instrument_t *instrument, tf_arena_t *arena,
                                   uint32_t book_levels_max, uint32_t pending_levels_max);

#endif
