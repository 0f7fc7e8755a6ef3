#include "boot/snapshot_copy.h"

#include "stage/feature_trail.h"

static const tf_feature_plan_t *plan_of(const tf_snapshot_copy_t *c) { return &c->engine->plan; }

static tf_walk_ring_t *rings_of(const tf_snapshot_copy_t *c, uint32_t id) {
  return c->rings + (size_t)id * plan_of(c)->trail_cnt;
}

static const void *memory_of(const tf_snapshot_copy_t *c, uint32_t id) {
  return c->engine->runner.lane.instruments[id].features;
}

static size_t save(tf_snapshot_copy_t *c, uint32_t id, uint32_t trail, size_t cnt) {
  tf_walk_ring_t *ring = &rings_of(c, id)[trail];
  const size_t    bytes =
      tf_feature_trail_save(&plan_of(c)->trails[trail], memory_of(c, id), ring, cnt);
  if (ring->cnt == 0 && --c->rows[id].left == 0) c->whole_cnt++;
  return bytes;
}

/* Returns the bytes of it that were copied, which its trails' entries are not. */
static size_t begin_one(tf_snapshot_copy_t *c, uint32_t id) {
  tf_walk_ring_t *rings  = rings_of(c, id);
  const uint64_t  now_ns = c->engine->runner.lane.instruments[id].market.now_ns;
  size_t          took =
      tf_snapshot_save_instrument(c->engine, id, c->bytes + c->at, c->room - c->at, rings);
  if (took == 0) {
    c->has_no_room = true;
    return 0;
  }
  c->at += took;
  c->rows[id] = (tf_snapshot_row_t){.serial = c->serial};
  c->begun_cnt++;
  if (now_ns > c->as_of_ns) c->as_of_ns = now_ns;
  for (uint32_t i = 0; i < plan_of(c)->trail_cnt; i++) {
    const tf_feature_trail_t *trail = &plan_of(c)->trails[i];
    took -= (size_t)rings[i].cnt * trail->entry_bytes;
    tf_feature_trail_save_newest(trail, memory_of(c, id), &rings[i]);
    c->rows[id].left += rings[i].cnt > 0;
  }
  c->whole_cnt += c->rows[id].left == 0;
  return took;
}

bool tf_snapshot_copy_touch(tf_snapshot_copy_t *c, uint32_t id) {
  if (id >= c->instrument_cnt || c->has_no_room) return false;
  const bool begins = c->rows[id].serial != c->serial;
  if (begins) {
    if (begin_one(c, id) == 0) return false;
    c->touched_cnt++;
  }
  const tf_feature_trail_t *trails = plan_of(c)->trails;
  tf_walk_ring_t           *rings  = rings_of(c, id);
  for (uint32_t i = 0, cnt = plan_of(c)->trail_cnt; i < cnt && c->rows[id].left > 0; i++) {
    if (rings[i].cnt == 0) continue;
    const uint32_t due = tf_feature_trail_due(&trails[i], memory_of(c, id), &rings[i]);
    if (due > 0) (void)save(c, id, i, due);
  }
  return begins;
}

static size_t save_some(tf_snapshot_copy_t *c, uint32_t id, size_t bytes_max) {
  const tf_feature_trail_t *trails = plan_of(c)->trails;
  const tf_walk_ring_t     *rings  = rings_of(c, id);
  size_t                    bytes  = 0;
  for (uint32_t i = 0; c->rows[id].left > 0 && bytes < bytes_max; i++)
    if (rings[i].cnt > 0) bytes += save(c, id, i, (bytes_max - bytes) / trails[i].entry_bytes + 1);
  return bytes;
}

size_t tf_snapshot_copy_piece(tf_snapshot_copy_t *c, size_t bytes_max) {
  for (; c->next_id < c->instrument_cnt && !c->has_no_room; c->next_id++) {
    if (c->rows[c->next_id].serial != c->serial) return begin_one(c, c->next_id);
    if (c->rows[c->next_id].left > 0) return save_some(c, c->next_id, bytes_max);
  }
  return 0;
}

void tf_snapshot_copy_begin(tf_snapshot_copy_t *c, size_t at, uint32_t instrument_cnt) {
  c->at             = at;
  c->instrument_cnt = instrument_cnt;
  c->begun_cnt = c->whole_cnt = c->next_id = c->touched_cnt = 0;
  c->as_of_ns                                               = 0;
  c->has_no_room                                            = false;
  c->serial++;
}

/* ---- lifetime ---- */

static size_t rows_bytes(size_t cap) {
  return tf_align_up(cap * sizeof(tf_snapshot_row_t), TF_LINE_BYTES);
}

size_t tf_snapshot_copy_footprint(const tf_engine_t *e, size_t cap) {
  return rows_bytes(cap) + cap * e->plan.trail_cnt * sizeof(tf_walk_ring_t);
}

void tf_snapshot_copy_init(tf_snapshot_copy_t *c, tf_engine_t *e, uint8_t *bytes, size_t room,
                           void *memory) {
  *c       = (tf_snapshot_copy_t){.engine = e, .bytes = bytes, .room = room, .rows = memory};
  c->rings = (tf_walk_ring_t *)(void *)((uint8_t *)memory + rows_bytes(e->instruments.cap));
}
