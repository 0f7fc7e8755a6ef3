#include "stage/shed.h"

#include <string.h>

#include "core/clock.h"
#include "stage/pipeline.h"

#define NOBODY UINT32_MAX

/* What came to owe gets its tick, in the order in which it did. */
static void settle(tf_lane_t *lane) {
  tf_shed_t *s = &lane->shed;
  for (uint32_t id = s->first; id != NOBODY; id = s->rows[id].next) {
    tf_shed_row_t *row = &s->rows[id];
    row->is_listed     = false;
    if (!row->owes) continue;
    row->owes                  = false;
    tf_lane_instrument_t *in   = &lane->instruments[id];
    tf_tick_hops_t        hops = {.origin = row->origin_tsc, .decoded = row->decoded_tsc};
    in->market.event           = &row->cause;
    tf_lane_tick(lane, in, &hops);
  }
  s->first = s->last = NOBODY;
}

static void set_level(tf_lane_t *lane, uint8_t level) {
  tf_shed_t *s = &lane->shed;
  if (level == TF_SHED_NONE) s->counts.begun[level]++;
  for (uint8_t i = TF_SHED_BOOKS; i <= level; i++)
    s->counts.begun[i] += i > s->level && s->begin_ticks[i] > 0;
  s->level = level;
  if (level == TF_SHED_NONE) settle(lane);
}

/* The tick in hand stands for what the instrument owed. */
static void cover(tf_shed_t *s, uint32_t id) {
  s->counts.conflated += s->rows[id].owes;
  s->rows[id].owes = false;
}

/* ---- live ---- */

static uint8_t level_of(const tf_shed_t *s, uint64_t lag_ticks) {
  uint8_t level = TF_SHED_NONE;
  for (uint8_t i = TF_SHED_BOOKS; i < TF_SHED_LEVEL_CNT; i++)
    if (s->begin_ticks[i] && lag_ticks > s->begin_ticks[i]) level = i;
  if (level >= s->level) return level;
  return lag_ticks > s->begin_ticks[s->level] / 2 ? s->level : level;
}

/* False: it could not be captured. */
static bool note(tf_shed_t *s, uint64_t seq, uint8_t level, tf_shed_when_t when) {
  const tf_outcome_t o = {.tick_seq      = seq,
                          .instrument_id = level,
                          .model_idx     = TF_OUTCOME_SHED,
                          .asked         = (uint8_t)when};
  if (!s->log) return true;
  bool is_noted = tf_outcome_log_put(s->log, &o, NULL);
  s->counts.noted += is_noted;
  return is_noted;
}

/* ---- a replay ---- */

/* The next outcome, if it is of shedding and not of an event to come. */
static const tf_outcome_t *due(const tf_shed_t *s, uint64_t seq) {
  const float        *out;
  const tf_outcome_t *o = s->outcomes->peek(s->outcomes->self, &out);
  return o && o->model_idx == TF_OUTCOME_SHED && o->tick_seq <= seq ? o : NULL;
}

static void take(tf_lane_t *lane, const tf_outcome_t *o, bool is_matched) {
  tf_shed_t *s     = &lane->shed;
  uint8_t    level = o->instrument_id < TF_SHED_LEVEL_CNT ? (uint8_t)o->instrument_id : s->level;
  s->outcomes->take(s->outcomes->self);
  s->counts.unmatched += !is_matched;
  if (is_matched) set_level(lane, level);
}

void tf_shed_obey(tf_lane_t *lane, const tf_event_t *e) {
  const tf_outcome_t *o;
  while ((o = due(&lane->shed, e->ingest_seq - 1))) take(lane, o, o->asked == TF_SHED_AFTER);
  /* e may be of an instrument that got its tick just now. */
  if (lane->batch) tf_batch_answer(lane);
}

/* ---- the lane ---- */

void tf_shed_look(tf_lane_t *lane, tf_lane_instrument_t *in, const tf_event_t *e,
                  uint64_t origin_tsc) {
  tf_shed_t *s  = &lane->shed;
  s->last_seq   = e->ingest_seq;
  s->is_between = e->flags & TF_FLAG_LAST;
  if (!s->is_between) return;
  if (s->outcomes) {
    const tf_outcome_t *o = due(s, e->ingest_seq);
    if (!o || o->asked != TF_SHED_BEFORE) return;
    if (o->instrument_id == TF_SHED_NONE) cover(s, in->id);
    take(lane, o, o->tick_seq == e->ingest_seq);
    return;
  }
  uint64_t now   = tf_clock_ticks();
  uint8_t  level = level_of(s, origin_tsc && now > origin_tsc ? now - origin_tsc : 0);
  if (level == s->level || !note(s, e->ingest_seq, level, TF_SHED_BEFORE)) return;
  if (level == TF_SHED_NONE) cover(s, in->id);
  set_level(lane, level);
}

bool tf_shed_tick(tf_lane_t *lane, tf_lane_instrument_t *in, const tf_tick_hops_t *hops) {
  tf_shed_t        *s   = &lane->shed;
  tf_shed_row_t    *row = &s->rows[in->id];
  const tf_event_t *e   = in->market.event;
  cover(s, in->id);
  if (!s->begin_ticks[TF_SHED_BOOKS] || (e->kind != TF_EVENT_BOOK && e->kind != TF_EVENT_QUOTE))
    return false;
  row->owes        = true;
  row->cause       = *e;
  row->origin_tsc  = hops->origin;
  row->decoded_tsc = hops->decoded;
  if (row->is_listed) return true;
  row->is_listed = true;
  row->next      = NOBODY;
  if (s->last == NOBODY)
    s->first = in->id;
  else
    s->rows[s->last].next = in->id;
  s->last = in->id;
  return true;
}

void tf_shed_idle(tf_lane_t *lane, bool is_last) {
  tf_shed_t *s = &lane->shed;
  if (s->outcomes) {
    const tf_outcome_t *o;
    while (is_last && (o = due(s, s->last_seq))) take(lane, o, o->asked == TF_SHED_AFTER);
  } else if (s->level != TF_SHED_NONE && (s->is_between || is_last) &&
             note(s, s->last_seq, TF_SHED_NONE, TF_SHED_AFTER)) {
    set_level(lane, TF_SHED_NONE);
  }
}

/* ---- boot ---- */

size_t tf_shed_bytes(uint32_t instrument_cnt) {
  return instrument_cnt * sizeof(tf_shed_row_t) + TF_LINE_PAIR_BYTES;
}

tf_err_t tf_shed_init(tf_shed_t *s, uint32_t instrument_cnt, uint64_t books_ns, uint64_t low_ns,
                      tf_arena_t *arena) {
  *s = (tf_shed_t){.row_cnt = instrument_cnt, .first = NOBODY, .last = NOBODY, .is_between = true};
  s->begin_ticks[TF_SHED_BOOKS] = tf_clock_ns_to_ticks(books_ns);
  s->begin_ticks[TF_SHED_LOW]   = tf_clock_ns_to_ticks(low_ns);
  s->rows = tf_arena_take(arena, instrument_cnt * sizeof *s->rows, TF_LINE_BYTES);
  if (!s->rows) return E_CORE_ARENA_FULL;
  memset(s->rows, 0, instrument_cnt * sizeof *s->rows);
  return TF_OK;
}
