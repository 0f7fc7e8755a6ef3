/* Every word of a lane that a decision can depend on, as bytes (core/walk.h): what is one for all its instruments, and what each of them
 * has. Another lane of the same plan, strategies, models and size that loads them and is given the events behind goes on
 * bit for bit (tests/engine/boot/test_snapshot.c cuts runs everywhere to hold that).
 *
 * Left out, since no decision depends on it: counters of what was done, latencies, the figures of a version beside.
 * Left out, since it is somebody else's: what sources and decoders keep; a worker's own windows, which are made of kept rows.
 * Not to be had while a canary serves a share, or a tick is owed (shed.h), or waits in a batch: tf_lane_walks says so; nor of models
 * that are one an instrument, whose rows alone are kept.
 *
 * Owner: the lane's thread, between two events; or control plane before start and after join. */
#ifndef TF_STAGE_LANE_WALK_H
#define TF_STAGE_LANE_WALK_H

#include "core/walk.h"
#include "stage/pipeline.h"

/* Why a lane's state, as it stands, would not be continued exactly; NULL: it would. */
const char *tf_lane_walks(const tf_lane_t *lane);
/* Nor will it ever, with its models. */
bool tf_lane_never_walks(const tf_lane_t *lane);

/* What is one for all: where decisions are numbered, halts, loads, pauses, fleets, answers of runtimes, sections, who has met.
 * Loaded first, into a lane where nobody has met. */
void tf_lane_walk(tf_lane_t *lane, tf_walk_t *walk);

/* Of one instrument what was learnt: market, bars, features, strategies, windows and their rows. It means as much in another stream
 * of the same instrument. */
void tf_lane_walk_learnt(tf_lane_t *lane, tf_lane_instrument_t *in, tf_walk_t *walk);

/* And the rest, which holds only where the stream goes on where it was: the book, clocks, the last row, answers, the hash of its
 * decisions. The market's event is not among it: it belongs to the tick in hand. */
void tf_lane_walk_rest(tf_lane_t *lane, tf_lane_instrument_t *in, tf_walk_t *walk);

/* After all were loaded: what follows from it. */
void tf_lane_settle_walk(tf_lane_t *lane);

#endif
