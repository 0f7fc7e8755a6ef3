#include "stage/batch.h"

#include "core/clock.h"
#include "stage/pipeline.h"

static uint32_t size_class(uint32_t cnt) { return 31u - (uint32_t)__builtin_clz(cnt); }
TF_STATIC_ASSERT(UINT32_C(1) << (TF_BATCH_SIZES - 1) == TF_MODEL_ROWS_MAX,
                 "the last class is that of the largest batch");

/* What windows that were stepped together do for ticks to come. */
static void advance(tf_lane_t *lane, const tf_batch_tick_t *t) {
  const bool sampled = t->hops.buffered != 0;
  uint64_t   begin   = sampled ? tf_clock_ticks() : 0;
  if (tf_compute_advance(&lane->compute, t->in) && sampled)
    tf_hist_record(&lane->hists[TF_HOP_DEFERRED], tf_clock_ticks_to_ns(tf_clock_ticks() - begin));
}

void tf_batch_answer(tf_lane_t *lane) {
  tf_tick_batch_t            *b = lane->batch;
  const tf_lane_instrument_t *instruments[TF_MODEL_ROWS_MAX];
  const uint32_t              cnt = b->cnt;
  if (cnt == 0) return;
  for (uint32_t i = 0; i < cnt; i++) instruments[i] = b->ticks[i].in;
  uint64_t begin_tsc = tf_clock_ticks();
  tf_compute_products(&lane->compute, instruments, cnt);
  for (uint32_t i = 0; i < cnt; i++) {
    tf_batch_tick_t *t      = &b->ticks[i];
    uint64_t         waited = begin_tsc - t->queued_tsc;
    tf_compute_take_up(&lane->compute, i, waited);
    t->in->is_queued = false;
    tf_lane_finish_tick(lane, t->in, &t->hops);
    tf_hist_record(&lane->hists[TF_HOP_QUEUE], tf_clock_ticks_to_ns(waited));
  }
  tf_compute_take_up(&lane->compute, TF_COMPUTE_NO_SLOT, 0);
  for (uint32_t i = 0; i < cnt; i++) advance(lane, &b->ticks[i]);
  b->cnt = 0;
  b->counts.ticks += cnt;
  b->counts.sizes[size_class(cnt)]++;
}

void tf_batch_take(tf_lane_t *lane, tf_lane_instrument_t *in, const tf_tick_hops_t *hops) {
  tf_tick_batch_t *b  = lane->batch;
  tf_batch_tick_t *t  = &b->ticks[b->cnt++];
  uint64_t         at = tf_clock_ticks();
  *t                  = (tf_batch_tick_t){in, *in->market.event, *hops, at};
  in->market.event    = &t->cause;
  in->is_queued       = true;
  if (b->cnt == b->cap || (b->delay_ticks && at - b->ticks[0].queued_tsc >= b->delay_ticks))
    tf_batch_answer(lane);
}

bool tf_batch_settle(tf_lane_t *lane, bool is_last) {
  tf_tick_batch_t *b = lane->batch;
  if (b->cnt > 0 && (is_last || tf_clock_ticks() - b->ticks[0].queued_tsc >= b->delay_ticks))
    tf_batch_answer(lane);
  return b->cnt > 0;
}

/* The instrument that has a tick waiting is about to change, or all are. */
static bool concerns_queued(const tf_lane_t *lane, const tf_event_t *e) {
  if (e->kind == TF_EVENT_CONTROL) return true;
  return e->instrument_id < lane->instrument_cap && lane->instruments[e->instrument_id].is_queued;
}

void tf_batch_on_events(void *self, const tf_event_t *events, uint32_t event_cnt,
                        uint64_t origin_tsc, uint64_t decoded_tsc) {
  tf_lane_t *lane = self;
  for (uint32_t i = 0; i < event_cnt; i++) {
    if (TF_UNLIKELY(concerns_queued(lane, &events[i]))) tf_batch_answer(lane);
    tf_lane_on_events(lane, &events[i], 1, origin_tsc, decoded_tsc);
  }
}

size_t tf_batch_bytes(uint32_t cap) {
  return sizeof(tf_tick_batch_t) + cap * sizeof(tf_batch_tick_t) + 2 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_batch_init(tf_lane_t *lane, uint32_t cap, uint64_t delay_ticks, tf_arena_t *arena) {
  TF_ASSERT(cap > 1 && cap <= TF_MODEL_ROWS_MAX);
  tf_tick_batch_t *b     = tf_arena_take(arena, sizeof *b, TF_LINE_PAIR_BYTES);
  tf_batch_tick_t *ticks = tf_arena_take(arena, cap * sizeof *ticks, TF_LINE_PAIR_BYTES);
  if (!b || !ticks) return E_CORE_ARENA_FULL;
  tf_err_t err = tf_compute_add_rows(&lane->compute, cap, arena);
  if (err) return err;
  *b          = (tf_tick_batch_t){.ticks = ticks, .cap = cap, .delay_ticks = delay_ticks};
  lane->batch = b;
  return TF_OK;
}
