#include "boot/passages.h"

#include <string.h>

#include "boot/sinks.h"

/* Whether the kind is made on emit's thread. */
static bool is_in_place(const tf_runner_t *r, tf_carries_t carries) {
  uint32_t stages =
      TF_STAGE_EMIT | (carries == TF_CARRIES_EVENTS ? TF_STAGE_ACQUIRE : TF_STAGE_LANE);
  for (uint32_t i = 0; i < r->thread_cnt; i++)
    if ((r->threads[i].stages & stages) == stages) return true;
  return false;
}

static bool is_wanted(const tf_engine_t *e, tf_carries_t carries) {
  return carries != TF_CARRIES_DECISIONS && !e->options.features_only && tf_sinks_carry(e, carries);
}

static tf_record_shape_t shape_of(const tf_engine_t *e, tf_carries_t carries) {
  uint32_t cnt = e->plan.listed_cnt;
  return tf_record_shape(carries,
                         cnt < TF_FEATURE_RECORD_VALUES_MAX ? cnt : TF_FEATURE_RECORD_VALUES_MAX);
}

/* The most that the config's size holds. */
static uint64_t slot_cnt(const tf_engine_t *e, const tf_record_shape_t *shape) {
  uint64_t slots = 1;
  while (2 * slots * shape->bytes <= e->config->engine.sink_ring_bytes) slots *= 2;
  return slots;
}

size_t tf_passages_bytes(const tf_engine_t *e) {
  size_t       bytes = 0;
  tf_passage_t passage;
  for (uint32_t k = 0; k < TF_CARRIES_CNT; k++) {
    if (!is_wanted(e, k)) continue;
    passage = (tf_passage_t){.shape = shape_of(e, k)};
    bytes += sizeof passage + 2 * TF_LINE_PAIR_BYTES;
    bytes += tf_aside_bytes(k == TF_CARRIES_QUOTES ? &passage : NULL,
                            k == TF_CARRIES_FEATURES ? &passage : NULL, e->instruments.cap);
    if (!is_in_place(&e->runner, k))
      bytes += tf_ring_footprint(slot_cnt(e, &passage.shape), passage.shape.bytes);
  }
  return bytes;
}

static tf_err_t add(tf_engine_t *e, tf_carries_t carries) {
  tf_passage_t *p = tf_arena_take(&e->arena, sizeof *p, TF_LINE_PAIR_BYTES);
  if (!p) return E_CORE_ARENA_FULL;
  memset(p, 0, sizeof *p);
  p->shape                    = shape_of(e, carries);
  p->emit                     = &e->runner.emit;
  p->waits                    = tf_engine_waits(e);
  e->runner.passages[carries] = p;
  if (is_in_place(&e->runner, carries)) return TF_OK;
  uint64_t slots = slot_cnt(e, &p->shape);
  void    *mem =
      tf_arena_take(&e->arena, tf_ring_footprint(slots, p->shape.bytes), TF_LINE_PAIR_BYTES);
  if (!mem) return E_CORE_ARENA_FULL;
  p->ring = tf_ring_new(mem, slots, p->shape.bytes);
  if (!p->ring) return E_CORE_ARGUMENT;
  tf_ring_writer_init(&p->writer, p->ring);
  tf_ring_reader_init(&p->reader, p->ring);
  if (!tf_engine_waits(e)) e->runner.emit.behind[carries] = p->ring;
  return TF_OK;
}

tf_err_t tf_passages_add(tf_engine_t *e) {
  tf_runner_t *r   = &e->runner;
  tf_err_t     err = TF_OK;
  for (uint32_t k = 0; k < TF_CARRIES_CNT && !err; k++)
    if (is_wanted(e, k)) err = add(e, k);
  if (err) return err;
  r->acquire.passage = r->passages[TF_CARRIES_EVENTS];
  return tf_aside_init(&r->lane.aside, r->passages[TF_CARRIES_QUOTES],
                       r->passages[TF_CARRIES_FEATURES], e->instruments.cap, &e->arena);
}
