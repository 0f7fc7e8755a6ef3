#include "stage/universe.h"

#include <string.h>

/* ---- a tick ---- */

static void unlink_member(tf_universe_t *u, uint32_t id) {
  tf_universe_member_t *m                                                      = &u->members[id];
  *(m->older == TF_UNIVERSE_NOBODY ? &u->oldest : &u->members[m->older].newer) = m->newer;
  *(m->newer == TF_UNIVERSE_NOBODY ? &u->newest : &u->members[m->newer].older) = m->older;
  m->is_in                                                                     = false;
  u->member_cnt--;
}

static void link_newest(tf_universe_t *u, uint32_t id) {
  tf_universe_member_t *m = &u->members[id];
  m->older                = u->newest;
  m->newer                = TF_UNIVERSE_NOBODY;
  *(u->newest == TF_UNIVERSE_NOBODY ? &u->oldest : &u->members[u->newest].newer) = id;
  u->newest                                                                      = id;
  m->is_in                                                                       = true;
  u->member_cnt++;
}

static void leave(tf_universe_t *u, uint32_t id) {
  const tf_cross_table_t *table = u->plan->cross_table;
  unlink_member(u, id);
  u->left++;
  for (uint32_t i = 0; i < u->plan->section_cnt; i++)
    table->section_put(u->sections + i * u->section_bytes, id, __builtin_nan(""));
}

static bool is_old(const tf_universe_t *u, uint32_t id, uint64_t now_ns) {
  uint64_t seen_ns = u->members[id].seen_ns;
  return now_ns > seen_ns && now_ns - seen_ns > u->plan->universe.max_age_ns;
}

uint32_t tf_universe_look(tf_universe_t *u, const tf_lane_instrument_t *in,
                          uint32_t gone[TF_UNIVERSE_LEAVE_MAX]) {
  tf_universe_member_t *m      = &u->members[in->id];
  const uint64_t        now_ns = in->market.now_ns;
  m->seen_ns                   = now_ns;
  m->seat.is_fit               = (u->plan->universe.books_ok >> in->keeper.book.state & 1) != 0 &&
                   in->trading <= TF_TRADING_OPEN;
  if (u->newest != in->id) {
    if (m->is_in) unlink_member(u, in->id);
    link_newest(u, in->id);
  }
  uint32_t cnt = 0;
  for (; cnt < TF_UNIVERSE_LEAVE_MAX && is_old(u, u->oldest, now_ns); cnt++) {
    gone[cnt] = u->oldest;
    leave(u, u->oldest);
  }
  m->cnt_seen = u->member_cnt;
  return cnt;
}

/* ---- the start ---- */

/* "*.BINANCE-USDM" is every instrument there. */
static bool is_meant(const tf_feature_universe_t *universe, const char *name) {
  const char *venue = strrchr(name, '.');
  for (uint32_t i = 0; i < universe->name_cnt; i++) {
    const char *wanted = universe->instruments[i];
    if (wanted[0] == '*' ? venue && !strcmp(venue, wanted + 1) : !strcmp(name, wanted)) return true;
  }
  return universe->name_cnt == 0;
}

void tf_universe_meet(tf_universe_t *u, const tf_instrument_t *names, tf_lane_instrument_t *in) {
  if (!u->members || !is_meant(&u->plan->universe, names[in->id].name)) return;
  in->market.seat = &u->members[in->id].seat;
}

void tf_universe_clear(tf_universe_t *u) {
  if (!u->members) return;
  const tf_feature_plan_t *plan = u->plan;
  for (uint32_t i = 0; i < plan->section_cnt; i++)
    plan->cross_table->section_init(u->sections + i * u->section_bytes, u->member_cap,
                                    plan->section_reads[i]);
  for (uint32_t i = 0; i < u->member_cap; i++)
    u->members[i] = (tf_universe_member_t){
        .seat = {.sections = u->sections, .section_bytes = u->section_bytes, .member = i}
    };
  u->oldest = u->newest = TF_UNIVERSE_NOBODY;
  u->member_cnt         = 0;
  u->left               = 0;
}

size_t tf_universe_bytes(const tf_feature_plan_t *plan, uint32_t member_cap) {
  if (plan->section_cnt == 0) return 0;
  return plan->section_cnt * plan->cross_table->section_bytes(member_cap) +
         member_cap * sizeof(tf_universe_member_t) + 2 * (size_t)TF_LINE_BYTES;
}

tf_err_t tf_universe_init(tf_universe_t *u, const tf_feature_plan_t *plan, uint32_t member_cap,
                          tf_arena_t *arena) {
  *u = (tf_universe_t){.plan = plan, .member_cap = member_cap};
  if (plan->section_cnt == 0) return TF_OK;
  u->section_bytes = plan->cross_table->section_bytes(member_cap);
  u->sections      = tf_arena_take(arena, plan->section_cnt * u->section_bytes, TF_LINE_BYTES);
  u->members       = tf_arena_take(arena, member_cap * sizeof *u->members, TF_LINE_BYTES);
  if (!u->sections || !u->members) return E_CORE_ARENA_FULL;
  tf_universe_clear(u);
  return TF_OK;
}

static bool is_place(const tf_universe_t *u, uint32_t id) {
  return id < u->member_cap || id == TF_UNIVERSE_NOBODY;
}

void tf_universe_walk(tf_universe_t *u, tf_walk_t *w) {
  if (!u->members) return;
  tf_walk(w, u->sections, u->plan->section_cnt * u->section_bytes);
  TF_WALK_MEMBERS(w, u, oldest, left);
  w->is_short |= !is_place(u, u->oldest) || !is_place(u, u->newest);
  for (uint32_t i = 0; i < u->member_cap; i++) {
    tf_universe_member_t *m = &u->members[i];
    TF_WALK_MEMBERS(w, m, seen_ns, is_in);
    tf_walk(w, &m->seat.is_fit, sizeof m->seat.is_fit);
    w->is_short |= !is_place(u, m->older) || !is_place(u, m->newer);
  }
}
