/* Who is a member of a lane's sections (tf/cross.h), and until when (ADR 0039).
 *
 * The universe is every instrument of the lane, or those that the config names. One takes its seat at its first tick. Its
 * values count from tick to tick, while its book is in one of the states asked for and its venue trades it; a tick that
 * finds it otherwise takes them out. One that has not ticked for max_age leaves at the next tick of anybody, the longest
 * silent first, at most TF_UNIVERSE_LEAVE_MAX a tick, so that no tick pays for a whole venue that fell silent. What ticks
 * again is in again. So who is in depends on the event stream alone: a replay has the same members at each tick.
 *
 * Owner: the lane; only writer. Cost of a tick: two lines of the ages' list. Memory: from the lane's arena, at start. */
#ifndef TF_STAGE_UNIVERSE_H
#define TF_STAGE_UNIVERSE_H

#include "core/arena.h"
#include "core/walk.h"
#include "stage/feature_plan.h"
#include "stage/lane.h"
#include "tf/instrument.h"

#define TF_UNIVERSE_LEAVE_MAX 16

/* In the order of their last ticks; ends are places of instruments, TF_UNIVERSE_NOBODY behind them. */
#define TF_UNIVERSE_NOBODY UINT32_MAX

typedef struct tf_universe_member {
  uint64_t  seen_ns;
  uint32_t  older, newer;
  uint32_t  cnt_seen; /* members at its last tick, itself among them */
  bool      is_in;    /* of the list: it may have values in sections */
  tf_seat_t seat;
} tf_universe_member_t;

typedef struct tf_universe {
  const tf_feature_plan_t *plan;
  tf_universe_member_t    *members; /* (member_cap); NULL: no feature asks */
  uint8_t                 *sections;
  size_t                   section_bytes;
  uint32_t                 member_cap;
  uint32_t                 oldest, newest;
  uint32_t                 member_cnt; /* of the list */
  uint64_t                 left;       /* for their age, since the start */
} tf_universe_t;

/* What a lane's arena has to hold for it; 0 where the plan has no sections. */
size_t tf_universe_bytes(const tf_feature_plan_t *plan, uint32_t member_cap);

/* E_CORE_ARENA_FULL. */
tf_err_t tf_universe_init(tf_universe_t *universe, const tf_feature_plan_t *plan,
                          uint32_t member_cap, tf_arena_t *arena);

/* Nobody is in, as at the start. */
void tf_universe_clear(tf_universe_t *universe);

/* An instrument's first tick: its seat, if it is one of those that the config means. */
void tf_universe_meet(tf_universe_t *universe, const tf_instrument_t *names,
                      tf_lane_instrument_t *instrument);

/* May somebody leave at this tick? */
TF_INLINE bool tf_universe_is_leaving(const tf_universe_t *u, const tf_lane_instrument_t *in) {
  uint64_t seen_ns = u->oldest != TF_UNIVERSE_NOBODY ? u->members[u->oldest].seen_ns : UINT64_MAX;
  return in->market.now_ns > seen_ns && in->market.now_ns - seen_ns > u->plan->universe.max_age_ns;
}

/* A tick of an instrument with a seat, before its features. gone: who left; how many. */
uint32_t tf_universe_look(tf_universe_t *universe, const tf_lane_instrument_t *instrument,
                          uint32_t gone[TF_UNIVERSE_LEAVE_MAX]);

/* Who is in, since when, and the sections; seats are taken again by tf_universe_meet. */
void tf_universe_walk(tf_universe_t *universe, tf_walk_t *walk);

#endif
