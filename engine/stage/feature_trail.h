/* An instrument's memory of features as bytes (core/walk.h): what states are made of, and behind it, of each trail, the entries that it holds. So
 * a window of a million places with a hundred samples in it is a hundred entries.
 *
 * Where trails are left for later (tf_walk_t.later) the lane goes on meanwhile. Then each ring is saved in the order in which the
 * lane overwrites it, the oldest entry first, and stays ahead of it:
 *
 *        saved        left to be saved       newest, saved at once
 *     |---------|---------------------------|-|.................|
 *     head of then                             ^ the lane writes here, and goes on around the end
 *
 * An event writes at most TF_FEATURE_TRAIL_AHEAD entries: an update one (tf_trail_t), and an indicator is updated by the event, by the tick, by a
 * tick that was owed, and by peers. So before each event as many places are to be free, or saved. A trail that is about to turn is
 * saved to its end; that it is seldom much, each event saves a share by how soon that may be.
 *
 * One thread, the lane's; or control plane before start and after join. */
#ifndef TF_STAGE_FEATURE_TRAIL_H
#define TF_STAGE_FEATURE_TRAIL_H

#include "core/walk.h"
#include "stage/feature_plan.h"

#define TF_FEATURE_TRAIL_AHEAD 16u

/* Trails that are left are noted in the plan's order, trail_cnt of them. */
void tf_feature_trail_walk(const tf_feature_plan_t *plan, void *mem, tf_walk_t *walk);
/* The entries alone, which are the end of that. */
void tf_feature_trail_walk_held(const tf_feature_plan_t *plan, void *mem, tf_walk_t *walk);

/* Of a trail that was just left: the entry that any event may write. */
void tf_feature_trail_save_newest(const tf_feature_trail_t *trail, const void *mem,
                                  tf_walk_ring_t *left);
/* How many entries are to be saved before the next event. */
uint32_t tf_feature_trail_due(const tf_feature_trail_t *trail, const void *mem,
                              const tf_walk_ring_t *left);
/* Saves the next cnt of them, or all where they are fewer; returns their bytes. */
size_t tf_feature_trail_save(const tf_feature_trail_t *trail, const void *mem, tf_walk_ring_t *left,
                             size_t cnt);

#endif
