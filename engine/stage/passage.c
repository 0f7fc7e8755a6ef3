#include "stage/passage.h"

#include "core/wait.h"

/* A ring that emit is to make room in. */
TF_COLD static void push_rest(tf_passage_t *p, const uint8_t *records, uint32_t n) {
  uint32_t turn = 0;
  /* relaxed: a stop flag; nothing else is read on its word */
  while (p->waits && n > 0 && !(p->stopping && tf_load_relaxed_u32(p->stopping))) {
    uint32_t taken = tf_ring_push(&p->writer, records, n);
    records += (size_t)taken * p->shape.bytes;
    n -= taken;
    if (taken) continue;
    p->full_waits++;
    tf_wait_turn(&turn);
  }
  tf_count_add(&p->lost, n);
}

void tf_passage_put(tf_passage_t *p, const void *records, uint32_t n) {
  tf_count_add(&p->made, n);
  if (!p->ring) {
    tf_emit_records(p->emit, &p->shape, records, n);
    return;
  }
  uint32_t taken = tf_ring_push(&p->writer, records, n);
  if (TF_UNLIKELY(taken < n))
    push_rest(p, (const uint8_t *)records + (size_t)taken * p->shape.bytes, n - taken);
}

uint32_t tf_passage_drain(tf_passage_t *p) {
  uint32_t drained = 0;
  while (p->ring && drained < TF_PASSAGE_BURST) {
    uint32_t    n       = TF_PASSAGE_BURST - drained;
    const void *records = tf_ring_peek(&p->reader, &n);
    if (n == 0) break;
    tf_emit_records(p->emit, &p->shape, records, n);
    tf_ring_release(&p->reader, n);
    drained += n;
  }
  return drained;
}

uint64_t tf_passage_fill(const tf_passage_t *p) { return p->ring ? tf_ring_fill_cnt(p->ring) : 0; }
