/* Instruments that read one another's features (ADR 0023): who reads whom, and how good it is at a tick.
 *
 * A plan names the other instruments; here is where an instrument of the lane finds them. It does at its first tick: each of the
 * plan's peers whose name it then has is bound, both ways, and stays so. Both are of this lane, so all of it is plain
 * memory: the lane is owner and only writer. The names are those of the instrument table, which were published before the
 * first event of their instrument was.
 *
 * Cost: a tick looks at each peer of the plan once (two lines of its instrument). A first tick compares names with
 * those of all instruments that have ticked, times the peers: about 0.1 ms for 1,000 instruments and four peers. */
#ifndef TF_STAGE_PEERS_H
#define TF_STAGE_PEERS_H

#include "core/arena.h"
#include "core/walk.h"
#include "stage/feature_plan.h"
#include "stage/lane.h"
#include "tf/instrument.h"

/* What an instrument takes of the arena for `peer_cnt` of them. */
size_t tf_peers_bytes(uint32_t peer_cnt);

/* E_CORE_ARENA_FULL. */
tf_err_t tf_peers_init_instrument(tf_lane_instrument_t *instrument, uint32_t peer_cnt,
                                  tf_arena_t *arena);

/* An instrument's first tick since the start: binds it to those that it reads and those that read it, among
 * all that have ticked. *met: the chain of these. names: by id. */
void tf_peers_meet(const tf_feature_plan_t *plan, const tf_instrument_t *names,
                   tf_lane_instrument_t **met, tf_lane_instrument_t *instrument);

/* What market.peers says at now_ns. */
TF_INLINE void tf_peers_look(const tf_feature_plan_t *plan, tf_lane_instrument_t *in,
                             uint64_t now_ns) {
  for (uint32_t i = 0; i < plan->peer_cnt; i++) {
    const tf_feature_peer_t    *peer   = &plan->peers[i];
    const tf_lane_instrument_t *source = in->links[i].source;
    tf_peer_t                  *view   = &in->peers[i];
    if (!source || !source->is_live) {
      *view = (tf_peer_t){.age_ns = UINT64_MAX};
      continue;
    }
    uint64_t seen_ns = source->market.now_ns;
    bool     is_fit  = (peer->books_ok >> source->keeper.book.state & 1) != 0 &&
                  source->trading <= TF_TRADING_OPEN;
    view->market        = &source->market;
    view->age_ns        = now_ns > seen_ns ? now_ns - seen_ns : 0;
    view->good_until_ns = is_fit ? seen_ns + peer->max_age_ns : 0;
    view->values        = now_ns <= view->good_until_ns ? source->features : NULL;
  }
}

/* What an instrument saw of its peers last; bound ones alone. Loaded once all are bound again (tf_peers_walk_met). */
void tf_peers_walk(tf_lane_instrument_t *instrument, uint32_t peer_cnt, tf_walk_t *walk);

/* Who has met, in that order; loading binds them again, all of them as they were: an instrument's readers in their order. instruments: the
 * lane's (instrument_cnt), none of which has met when it is loaded. Counted as if all had met. */
void tf_peers_walk_met(const tf_feature_plan_t *plan, const tf_instrument_t *names,
                       tf_lane_instrument_t *instruments, uint32_t instrument_cnt,
                       tf_lane_instrument_t **met, tf_walk_t *walk);

#endif
