#include "feed/chain.h"

#include <string.h>

size_t tf_chain_pool_bytes(uint32_t slab_cnt, uint32_t pending_cap) {
  return (size_t)slab_cnt * pending_cap * sizeof(tf_chain_pending_t);
}

void tf_chain_pool_init(tf_chain_pool_t *pool, void *memory, uint32_t slab_cnt,
                        uint32_t pending_cap) {
  TF_ASSERT(slab_cnt <= TF_CHAIN_SLABS_MAX && pending_cap >= 1);
  pool->entries     = memory;
  pool->pending_cap = pending_cap;
  pool->free_cnt    = slab_cnt;
  for (uint32_t i = 0; i < slab_cnt; i++) pool->free[i] = (uint16_t)(slab_cnt - 1 - i);
}

void tf_chain_init(tf_chain_t *chain) {
  memset(chain, 0, sizeof(*chain));
  chain->slab = TF_CHAIN_SLAB_NONE;
}

static tf_chain_pending_t *pending_at(const tf_chain_t *chain, const tf_chain_pool_t *pool,
                                      uint32_t idx) {
  uint32_t at = chain->pending_head + idx;
  if (at >= pool->pending_cap) at -= pool->pending_cap;
  return &pool->entries[(size_t)chain->slab * pool->pending_cap + at];
}

static void forget_pending(tf_chain_t *chain) {
  chain->pending_head        = 0;
  chain->pending_cnt         = 0;
  chain->forgotten_level_cnt = 0;
}

static void give_slab_back(tf_chain_t *chain, tf_chain_pool_t *pool) {
  forget_pending(chain);
  if (chain->slab == TF_CHAIN_SLAB_NONE) return;
  pool->free[pool->free_cnt++] = chain->slab;
  chain->slab                  = TF_CHAIN_SLAB_NONE;
}

static bool take_slab(tf_chain_t *chain, tf_chain_pool_t *pool) {
  if (chain->slab != TF_CHAIN_SLAB_NONE) return true;
  if (pool->free_cnt == 0) return false;
  chain->slab = pool->free[--pool->free_cnt];
  return true;
}

/* When the slab is full the oldest delta makes room: a snapshot that still needs it is then found
 * too old and asked for again. */
static void remember(tf_chain_t *chain, tf_chain_pool_t *pool, uint64_t U, uint64_t u,
                     uint32_t level_cnt) {
  if (chain->slab == TF_CHAIN_SLAB_NONE) {
    chain->forgotten_level_cnt += level_cnt;
    return;
  }
  if (chain->pending_cnt == pool->pending_cap) {
    chain->forgotten_level_cnt += pending_at(chain, pool, 0)->level_cnt;
    chain->pending_head =
        chain->pending_head + 1 == pool->pending_cap ? 0 : chain->pending_head + 1;
    chain->pending_cnt--;
  }
  tf_chain_pending_t *entry = pending_at(chain, pool, chain->pending_cnt++);
  entry->u                  = u;
  entry->span               = u - U > UINT32_MAX ? UINT32_MAX : (uint32_t)(u - U);
  entry->level_cnt          = level_cnt;
}

/* The delta at U..u does not follow: what was known ends here, and it is the first of what is to
 * come. */
static void break_chain(tf_chain_t *chain, tf_chain_pool_t *pool, uint64_t U, uint64_t u,
                        uint32_t level_cnt, tf_chain_delta_step_t *step) {
  forget_pending(chain);
  take_slab(chain, pool); /* without one, remember() only counts: the snapshot must then be newer */
  chain->state           = TF_CHAIN_GAP;
  chain->last_u          = u;
  chain->has_delta       = true;
  chain->is_announced    = false;
  chain->snapshot_wanted = true;
  remember(chain, pool, U, u, level_cnt);
  step->is_gap = true;
  step->is_bad = true;
}

/* A snapshot is in and the delta that joins it is awaited. */
static void step_armed(tf_chain_t *chain, tf_chain_pool_t *pool, tf_chain_rule_t rule, uint64_t U,
                       uint64_t u, uint32_t level_cnt, tf_chain_delta_step_t *step) {
  bool     is_range = rule == TF_CHAIN_RANGE;
  uint64_t join     = chain->base + is_range; /* the id that the joining delta must cover */
  if (u < join) {
    step->is_bridged_out = true;
  } else if (U <= join) {
    chain->state = TF_CHAIN_LIVE;
  } else {
    step->gap_first = chain->base + 1;
    step->gap_last  = U - 1;
    break_chain(chain, pool, U, u, level_cnt, step);
  }
}

tf_chain_delta_step_t tf_chain_delta(tf_chain_t *chain, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                                     uint64_t U, uint64_t u, uint64_t pu, uint32_t level_cnt) {
  tf_chain_delta_step_t step = {0};
  if (chain->has_delta) {
    uint64_t last    = chain->last_u;
    bool     is_back = u <= last && last - u > TF_CHAIN_SEQ_RESTART;
    bool     follows = u > last && (rule == TF_CHAIN_RANGE ? U <= last + 1 : pu == last);
    if (TF_UNLIKELY(!follows)) {
      if (u <= last && !is_back) {
        step.is_duplicate = true;
        return step;
      }
      /* the last id before this delta: of the POINTER rule its predecessor, which may lie before
       * last when the venue's numbers make no sense; the range is then one id */
      uint64_t before = rule == TF_CHAIN_RANGE ? U - 1 : pu;
      step.gap_first  = last + 1;
      step.gap_last   = is_back ? last : before > last ? before : last + 1;
      break_chain(chain, pool, U, u, level_cnt, &step);
      return step;
    }
  }
  chain->last_u    = u;
  chain->has_delta = true;
  switch ((tf_chain_state_t)chain->state) {
  case TF_CHAIN_LIVE: break;
  case TF_CHAIN_ARMED: step_armed(chain, pool, rule, U, u, level_cnt, &step); break;
  case TF_CHAIN_IDLE:
    step.is_syncing     = !chain->is_announced;
    chain->is_announced = true;
    if (take_slab(chain, pool)) {
      chain->state           = TF_CHAIN_SYNCING;
      chain->snapshot_wanted = true;
    }
    remember(chain, pool, U, u, level_cnt);
    break;
  case TF_CHAIN_GAP:
    step.is_bad = true;
    take_slab(chain, pool);
    remember(chain, pool, U, u, level_cnt);
    break;
  case TF_CHAIN_SYNCING: remember(chain, pool, U, u, level_cnt); break;
  }
  return step;
}

static tf_chain_snapshot_step_t arm(tf_chain_t *chain, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                                    uint64_t last_update_id, uint64_t bridged_out_level_cnt) {
  give_slab_back(chain, pool);
  chain->state           = TF_CHAIN_ARMED;
  chain->base            = last_update_id;
  chain->is_announced    = false;
  chain->snapshot_wanted = false;
  return (tf_chain_snapshot_step_t){.verdict    = TF_CHAIN_BRIDGED,
                                    .apply_from = last_update_id + (rule == TF_CHAIN_RANGE),
                                    .bridged_out_level_cnt = bridged_out_level_cnt};
}

/* SYNCING, GAP, IDLE: looks for the first delta that the snapshot keeps. */
static tf_chain_snapshot_step_t bridge(tf_chain_t *chain, tf_chain_pool_t *pool,
                                       tf_chain_rule_t rule, uint64_t last_update_id) {
  uint64_t join    = last_update_id + (rule == TF_CHAIN_RANGE);
  uint64_t dropped = chain->forgotten_level_cnt;
  uint32_t idx     = 0;
  if (!chain->has_delta || chain->last_u < join) { /* ahead of everything seen */
    for (; idx < chain->pending_cnt; idx++) dropped += pending_at(chain, pool, idx)->level_cnt;
    return arm(chain, pool, rule, last_update_id, dropped);
  }
  for (; idx < chain->pending_cnt && pending_at(chain, pool, idx)->u < join; idx++) {
    dropped += pending_at(chain, pool, idx)->level_cnt;
  }
  uint64_t apply_from = 0;
  bool     joins      = false;
  if (idx < chain->pending_cnt) {
    const tf_chain_pending_t *kept = pending_at(chain, pool, idx);
    apply_from                     = kept->u;
    joins                          = kept->u - kept->span <= join;
  }
  if (!joins) {
    chain->snapshot_wanted = true;
    return (tf_chain_snapshot_step_t){.verdict = TF_CHAIN_TOO_OLD};
  }
  tf_chain_snapshot_step_t step = arm(chain, pool, rule, last_update_id, dropped);
  step.apply_from               = apply_from;
  chain->state                  = TF_CHAIN_LIVE;
  return step;
}

tf_chain_snapshot_step_t tf_chain_snapshot(tf_chain_t *chain, tf_chain_pool_t *pool,
                                           tf_chain_rule_t rule, uint64_t last_update_id) {
  bool is_live = chain->state == TF_CHAIN_LIVE;
  if (!is_live && chain->state != TF_CHAIN_ARMED) return bridge(chain, pool, rule, last_update_id);
  /* The book stands on a snapshot already. */
  uint64_t newest = is_live && chain->last_u > chain->base ? chain->last_u : chain->base;
  if (last_update_id <= newest) {
    return (tf_chain_snapshot_step_t){.verdict = TF_CHAIN_DUPLICATE};
  }
  return arm(chain, pool, rule, last_update_id, 0);
}

void tf_chain_stand(tf_chain_t *chain, tf_chain_pool_t *pool, uint64_t id) {
  give_slab_back(chain, pool);
  chain->state           = TF_CHAIN_LIVE;
  chain->base            = id;
  chain->last_u          = id;
  chain->has_delta       = true;
  chain->is_announced    = false;
  chain->snapshot_wanted = false;
}

bool tf_chain_lose(tf_chain_t *chain, tf_chain_pool_t *pool) {
  if (chain->state != TF_CHAIN_LIVE && chain->state != TF_CHAIN_ARMED) return false;
  forget_pending(chain);
  take_slab(chain, pool);
  chain->state           = TF_CHAIN_GAP;
  chain->is_announced    = false;
  chain->snapshot_wanted = true;
  return true;
}

bool tf_chain_restart(tf_chain_t *chain, tf_chain_pool_t *pool) {
  if (chain->state == TF_CHAIN_ARMED && !chain->has_delta) return false;
  bool is_announced =
      chain->is_announced && chain->pending_cnt == 0; /* else readers keep some too */
  give_slab_back(chain, pool);
  tf_chain_init(chain);
  chain->is_announced = is_announced;
  return !is_announced;
}
