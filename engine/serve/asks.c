#include "serve/asks.h"

#include <string.h>

#include "core/error.h"

static uint64_t ring_slots(uint32_t instrument_cnt) {
  uint64_t slots = 1;
  while (slots < instrument_cnt) slots *= 2;
  return slots;
}

static bool stride_of(size_t value_cnt, size_t *stride) {
  size_t bytes;
  if (__builtin_mul_overflow(value_cnt, sizeof(float), &bytes) ||
      __builtin_add_overflow(bytes, sizeof(tf_ask_t) + TF_LINE_BYTES, &bytes))
    return false;
  *stride = tf_align_up(bytes - TF_LINE_BYTES, TF_LINE_BYTES);
  return true;
}

size_t tf_asks_bytes(uint32_t instrument_cnt, size_t value_cnt) {
  size_t stride, buffers;
  if (!stride_of(value_cnt, &stride) ||
      __builtin_mul_overflow(stride, (size_t)instrument_cnt * 3, &buffers) ||
      __builtin_add_overflow(buffers,
                             instrument_cnt * sizeof(tf_asks_slot_t) + 4 * TF_LINE_PAIR_BYTES +
                                 tf_ring_footprint(ring_slots(instrument_cnt), sizeof(uint64_t)),
                             &buffers))
    return 0;
  return buffers;
}

tf_err_t tf_asks_init(tf_asks_t *a, uint32_t instrument_cnt, size_t value_cnt, tf_arena_t *arena) {
  memset(a, 0, sizeof *a);
  uint64_t slots = ring_slots(instrument_cnt);
  if (tf_asks_bytes(instrument_cnt, value_cnt) == 0 || !stride_of(value_cnt, &a->stride))
    return TF_ERR(E_CORE_OVERFLOW, "requests of %zu values for %u instruments", value_cnt,
                  instrument_cnt);
  a->instrument_cnt = instrument_cnt;
  a->slots          = tf_arena_take(arena, instrument_cnt * sizeof *a->slots, TF_LINE_PAIR_BYTES);
  a->buffers        = tf_arena_take(arena, (size_t)instrument_cnt * 3 * a->stride, TF_LINE_BYTES);
  void *memory =
      tf_arena_take(arena, tf_ring_footprint(slots, sizeof(uint64_t)), TF_LINE_PAIR_BYTES);
  tf_ring_t *ring = memory ? tf_ring_new(memory, slots, sizeof(uint64_t)) : NULL;
  if (!a->slots || !a->buffers || !ring) return E_CORE_ARENA_FULL;
  memset(a->buffers, 0, (size_t)instrument_cnt * 3 * a->stride); /* the lane faults on no page */
  for (uint32_t i = 0; i < instrument_cnt; i++)
    a->slots[i] = (tf_asks_slot_t){.lanes = 0, .between = 1, .workers = 2};
  tf_ring_writer_init(&a->writer, ring);
  tf_ring_reader_init(&a->reader, ring);
  return TF_OK;
}

const tf_ask_t *tf_asks_take(tf_asks_t *a) {
  uint64_t number;
  if (tf_ring_pop_sized(&a->reader, &number, 1, sizeof number) == 0) return NULL;
  tf_asks_slot_t *slot = &a->slots[number];
  slot->workers =
      tf_exchange_both(&slot->between, slot->workers) & 3u; /* pairs with: tf_asks_send */
  tf_count_add(&a->taken, 1);
  return (const tf_ask_t *)(a->buffers + (number * 3u + slot->workers) * a->stride);
}

uint64_t tf_asks_waiting(const tf_asks_t *a) {
  uint64_t cnt = 0;
  /* relaxed: at rest */
  for (uint32_t i = 0; i < a->instrument_cnt; i++)
    cnt += (tf_load_relaxed(&a->slots[i].between) & TF_ASKS_FRESH) != 0;
  return cnt;
}
