#include "stage/feature_trail.h"

static tf_trail_held_t held_of(const tf_feature_trail_t *t, const void *mem) {
  const uint8_t *owner = (const uint8_t *)mem + t->owner;
  if (t->held) return t->held(owner, t->number);
  uint64_t seen;
  memcpy(&seen, owner, sizeof seen);
  const uint32_t cnt = seen < t->cap ? (uint32_t)seen : t->cap;
  return (tf_trail_held_t){(uint32_t)((seen - cnt) & (t->cap - 1)),
                           cnt}; /* a history's is a power of two */
}

/* ---- while the lane goes on ---- */

uint32_t tf_feature_trail_due(const tf_feature_trail_t *t, const void *mem,
                              const tf_walk_ring_t *left) {
  const tf_trail_held_t now = held_of(t, mem);
  const uint32_t        next =
      now.head + now.cnt < t->cap ? now.head + now.cnt : now.head + now.cnt - t->cap;
  const uint32_t gap = left->head >= next ? left->head - next : left->head + t->cap - next;
  const uint32_t due = gap < TF_FEATURE_TRAIL_AHEAD ? 2 * TF_FEATURE_TRAIL_AHEAD : 0;
  if (!t->turns) return due;
  const uint32_t room = t->cap - now.cnt;
  if (room < TF_FEATURE_TRAIL_AHEAD) return left->cnt;
  const uint32_t share = (uint32_t)(2 * (uint64_t)left->cnt / room) + 1;
  return due > share ? due : share;
}

size_t tf_feature_trail_save(const tf_feature_trail_t *t, const void *mem, tf_walk_ring_t *left,
                             size_t cnt) {
  const uint8_t *entries = (const uint8_t *)mem + t->at;
  size_t         saved   = 0;
  if (cnt > left->cnt) cnt = left->cnt;
  left->cnt -= (uint32_t)cnt;
  while (cnt > 0) {
    const size_t run   = cnt < t->cap - left->head ? cnt : t->cap - left->head;
    const size_t bytes = run * t->entry_bytes;
    memcpy(left->to, entries + (size_t)left->head * t->entry_bytes, bytes);
    left->to += bytes;
    left->head = left->head + run == t->cap ? 0 : left->head + (uint32_t)run;
    cnt -= run;
    saved += bytes;
  }
  return saved;
}

void tf_feature_trail_save_newest(const tf_feature_trail_t *t, const void *mem,
                                  tf_walk_ring_t *left) {
  if (left->cnt == 0) return;
  const uint32_t last = --left->cnt;
  const uint32_t at   = left->head + last < t->cap ? left->head + last : left->head + last - t->cap;
  memcpy(left->to + (size_t)last * t->entry_bytes,
         (const uint8_t *)mem + t->at + (size_t)at * t->entry_bytes, t->entry_bytes);
}

/* ---- there and back ---- */

void tf_feature_trail_walk_held(const tf_feature_plan_t *plan, void *mem, tf_walk_t *w) {
  for (const tf_feature_trail_t *t = plan->trails, *end = t + plan->trail_cnt; t != end; t++) {
    const tf_trail_held_t now = held_of(t, mem);
    tf_walk_ring(w, (uint8_t *)mem + t->at, t->entry_bytes, t->cap, now.head, now.cnt);
  }
}

void tf_feature_trail_walk(const tf_feature_plan_t *plan, void *mem, tf_walk_t *w) {
  uint8_t *bytes = mem;
  size_t   at    = 0;
  for (const tf_feature_trail_t *t = plan->trails, *end = t + plan->trail_cnt; t != end; t++) {
    tf_walk(w, bytes + at, t->at - at);
    at = t->at + (size_t)t->cap * t->entry_bytes;
  }
  tf_walk(w, bytes + at, plan->mem_bytes - at);
  tf_feature_trail_walk_held(plan, mem, w);
}
