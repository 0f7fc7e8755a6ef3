/* Dynamic batches: where a burst brings ticks of several instruments, their models are asked together, since a product
 * of several rows reads its weights once.
 *
 *   event > buffer > features > [queue: one tick an instrument] > models, all at once > decide > emit, tick by tick
 *
 * A tick waits with its features computed and everything that a decision reads of its instrument in place; so before that
 * instrument has another event, and before whatever concerns all of them (a command, a pause, a swap), the queue is answered.
 * It is answered too when it is full (cap), at the end of the pass that brought the events, or, where ticks may wait
 * for others to come, once the oldest has waited for delay_ticks of the lane's clock.
 *
 * Answering goes tick by tick in the order of their events, and only the product was made beforehand: decisions leave in
 * ingest_seq order, and every bit of them is what it would be without (ADR 0030). So a batch is in no capture, and a replay is
 * free to make others. What windows do for ticks to come waits until the last decision of the batch has left.
 *
 * Owner and only writer: the lane. Cost of a tick: a copy of its event and two clock reads. */
#ifndef TF_STAGE_BATCH_H
#define TF_STAGE_BATCH_H

#include "core/hist.h"
#include "stage/compute.h"
#include "stage/lane.h"

#define TF_BATCH_SIZES 7 /* 1, 2 to 3, 4 to 7, 8 to 15, 16 to 31, 32 to 63, 64 */

struct tf_lane;

typedef struct tf_batch_tick {
  tf_lane_instrument_t *in;
  tf_event_t            cause; /* in->market.event points here until the tick is answered */
  tf_tick_hops_t        hops;
  uint64_t              queued_tsc;
} tf_batch_tick_t;

typedef struct tf_batch_counts { /* one writer: the lane */
  uint64_t sizes[TF_BATCH_SIZES];
  uint64_t ticks;
} tf_batch_counts_t;

typedef struct tf_tick_batch {
  tf_batch_tick_t  *ticks; /* (cap) the first cnt wait, in the order of their events */
  uint32_t          cap, cnt;
  uint64_t          delay_ticks; /* 0: only what a pass brought is answered together */
  tf_batch_counts_t counts;
} tf_tick_batch_t;

/* As tf_lane_on_events, for a lane with a batch. */
void tf_batch_on_events(void *lane, const tf_event_t *events, uint32_t event_cnt,
                        uint64_t origin_tsc, uint64_t decoded_tsc);

/* A tick whose features are computed. */
void tf_batch_take(struct tf_lane *lane, tf_lane_instrument_t *in, const tf_tick_hops_t *hops);

/* All that wait, now. */
void tf_batch_answer(struct tf_lane *lane);

/* The end of a pass; is_last: there will be none after it. True: some wait still. */
bool tf_batch_settle(struct tf_lane *lane, bool is_last);

/* For cap ticks at once (2 .. TF_MODEL_ROWS_MAX). After the models were added. E_CORE_ARENA_FULL. */
tf_err_t tf_batch_init(struct tf_lane *lane, uint32_t cap, uint64_t delay_ticks, tf_arena_t *arena);
/* Of the arena, beside tf_compute_rows_bytes of each model. */
size_t tf_batch_bytes(uint32_t cap);

#endif
