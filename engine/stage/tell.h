/* What a lane tells workers that compute features themselves (tf/market_row.h, serve/child_market.h): called where the pipeline has
 * changed what indicators see, with the instrument as they see it. Nothing happens where no model has such a worker.
 *
 * Owner: the lane. Cost: an event that some worker's plan follows is a row of 8 packets to each. */
#ifndef TF_STAGE_TELL_H
#define TF_STAGE_TELL_H

#include "stage/compute.h"
#include "stage/universe.h"

/* TRADE or QUOTE, one TF_ON_* bit. */
void tf_tell_event(const tf_compute_t *compute, const tf_lane_instrument_t *in, uint32_t on);
/* Bars have closed, one bit each. */
void tf_tell_bars(const tf_compute_t *compute, const tf_lane_instrument_t *in,
                  uint32_t closed_bars);
/* Who has left the sections on the tick in hand, ids (cnt). */
void tf_tell_gone(const tf_compute_t *compute, const uint32_t *ids, uint32_t cnt);

/* The source of serve/child_market.h; lane: a tf_lane_t. */
const void *tf_tell_tick(void *lane, uint32_t instrument_idx, tf_market_row_t *row);
const void *tf_tell_state(void *lane, uint32_t instrument_idx, tf_market_row_t *row);
bool        tf_tell_is_settled(void *lane, uint32_t instrument_idx);

#endif
