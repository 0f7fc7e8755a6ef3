/* What came of asking a worker (tf/mailbox.h) on a tick, and when a lane shed work, as a capture keeps it and a replay obeys
 * it, without a worker and at any pace.
 *
 * Outcomes are no events: a lane waits for its worker on the tick itself, and an event would come behind that tick in the stream.
 * They are a stream of their own beside it, in the order in which the lane's ticks took them, which is the same in a replay:
 * so a replay reads that stream with a second hand on the capture, and finds the outcome of a tick when the tick asks
 * (docs/adr/0035).
 *
 *   lane --ring--> acquire --tap, OUTCOMES--> capture --second reader--> the lane of a replay
 *
 * A record of the capture (TF_TAP_OUTCOMES) holds whole outcomes, one behind the other, each padded to 8 bytes. The first outcome
 * of a capture that has any is a BEGIN, in a record of its own before everything else. */
#ifndef TF_OUTCOME_H
#define TF_OUTCOME_H

#include "tf/base.h"

/* Of asking a worker. */
typedef enum tf_asked {
  TF_ASKED_ANSWERED = 0,
  TF_ASKED_WARMING, /* the window is not full; no outcome is kept of these */
  TF_ASKED_ABSENT,  /* no worker serves, or one of another version */
  TF_ASKED_LATE,    /* past the deadline */
  TF_ASKED_BEHIND,  /* its window lacked rows: it has them now, or gets them with the next */
  TF_ASKED_REFUSED, /* it would not take the row */
  TF_ASKED_WRONG,   /* its answer is no number */
  TF_ASKED_UNKEPT,  /* it was not asked: the outcome could not have been captured */
  TF_ASKED_CNT
} tf_asked_t;

/* As a model_idx: the lane's shedding changed (engine/stage/shed.h). instrument_id is the level from here on, asked when:
 * before the tick that event tick_seq causes, or after all that it caused. */
#define TF_OUTCOME_SHED 0xfeu

typedef enum tf_shed_when { TF_SHED_BEFORE = 0, TF_SHED_AFTER = 1 } tf_shed_when_t;

#define TF_OUTCOME_BEGIN                                                                           \
  0xffu /* as a model_idx: instrument_id has a bit for each model that a
                                * worker answers in this run */

#define TF_OUTCOME_REVIVED                                                                         \
  0xfdu /* as a model_idx: from about here on the worker of model instrument_id had its restart \
         * budget again, asked: 0 by an operator, 1 with time. For who reads the capture; a replay \
         * passes over it, since each tick's outcome is there */

typedef struct tf_outcome {
  uint64_t tick_seq; /* ingest_seq of the tick's cause; BEGIN: 0 */
  uint32_t instrument_id;
  uint8_t  model_idx; /* of the config's models */
  uint8_t  asked;     /* tf_asked_t */
  uint16_t out_cnt;   /* of ANSWERED: floats that follow; else 0 */
} tf_outcome_t;

TF_STATIC_ASSERT(sizeof(tf_outcome_t) == 16, "layout is part of the capture format");

/* With its outputs and the padding. */
TF_INLINE uint32_t tf_outcome_bytes(uint32_t out_cnt) {
  return (uint32_t)sizeof(tf_outcome_t) + (out_cnt + 1) / 2 * 8;
}

/* Where a replay has them from. Called on the lane. */
typedef struct tf_outcomes {
  void *self;
  /* The next one, until it is taken, and its outputs; NULL: there are no more. */
  const tf_outcome_t *(*peek)(void *self, const float **out);
  void (*take)(void *self);
} tf_outcomes_t;

#endif
