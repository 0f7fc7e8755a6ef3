/* A lane that falls behind its feeds sheds work by declared steps, each begun when the event in hand came in longer ago than
 * the config allows, and ended when it is less than half as far behind:
 *
 *   BOOKS   a tick that a book's or a quote's message completes is owed: books and windows of time are kept up to date, but
 *           features and models are not asked for it. One later tick of the instrument stands for all that it owes: that
 *           of its next trade, or, when the lane has caught up, one whose cause is the last message. Trades are never conflated.
 *   LOW     besides, models of low priority are not asked (hold_reason shed), as in a burst (compute.h).
 *
 * Before either, batches (batch.h) make the most of what waits. How far behind a lane is, is a matter of its machine, not of
 * the stream: each change of level is an outcome (tf/outcome.h), goes into the capture, and a replay obeys it. Where there
 * is a capture and no room for the outcome, the level stays.
 *
 * Owner and only writer: the lane. A tick costs one branch where nothing is declared, else a clock read. */
#ifndef TF_STAGE_SHED_H
#define TF_STAGE_SHED_H

#include "serve/outcome_log.h"
#include "stage/lane.h"

struct tf_lane;

typedef enum tf_shed_level {
  TF_SHED_NONE,
  TF_SHED_BOOKS,
  TF_SHED_LOW,
  TF_SHED_LEVEL_CNT
} tf_shed_level_t;

/* What an instrument owes. */
typedef struct tf_shed_row {
  tf_event_t cause; /* the last message's last event */
  uint64_t   origin_tsc, decoded_tsc;
  uint32_t   next; /* in the order in which they came to owe; UINT32_MAX: the last */
  bool       owes;
  bool       is_listed;
} tf_shed_row_t;

typedef struct tf_shed_counts {
  uint64_t begun[TF_SHED_LEVEL_CNT]; /* times that a level was begun; NONE: that all was over */
  uint64_t conflated;                /* ticks that a later one stood for */
  uint64_t noted;                    /* outcomes that went to the log */
  uint64_t unmatched;                /* a replay: outcomes of events that there were not */
} tf_shed_counts_t;

typedef struct tf_shed {
  uint64_t
       begin_ticks[TF_SHED_LEVEL_CNT]; /* clock ticks behind past which a level begins; 0: never */
  bool is_on;                          /* live, from the start on, or in a replay that obeys */
  bool is_between;                     /* the last event completed a message */
  uint8_t              level;          /* tf_shed_level_t */
  const tf_outcomes_t *outcomes;       /* a replay's; NULL: live */
  tf_outcome_log_t    *log;            /* NULL: there is no capture */
  tf_shed_row_t       *rows;           /* (row_cnt), by instrument */
  uint32_t             row_cnt, first, last; /* of the chain of those that owe; UINT32_MAX: none */
  uint64_t             last_seq;             /* of the last event taken */
  tf_shed_counts_t     counts;
} tf_shed_t;

/* Of the arena. */
size_t   tf_shed_bytes(uint32_t instrument_cnt);
tf_err_t tf_shed_init(tf_shed_t *shed, uint32_t instrument_cnt, uint64_t books_ns, uint64_t low_ns,
                      tf_arena_t *arena);

/* An event is in place; if it completes a message its tick comes next: what is the level for it? */
void tf_shed_look(struct tf_lane *lane, tf_lane_instrument_t *in, const tf_event_t *e,
                  uint64_t origin_tsc);
/* In a replay, before any event: levels that changed between this one and the last. */
void tf_shed_obey(struct tf_lane *lane, const tf_event_t *e);
/* A tick, under a level: true if it is owed. */
bool tf_shed_tick(struct tf_lane *lane, tf_lane_instrument_t *in, const tf_tick_hops_t *hops);
/* Nothing waits for the lane: it has caught up. is_last: nothing will. */
void tf_shed_idle(struct tf_lane *lane, bool is_last);

#endif
