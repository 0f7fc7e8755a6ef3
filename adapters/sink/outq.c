#include "sink/outq.h"

#include <string.h>

#include "sink/conflate.h"
#include "tf/atomic.h"

struct tf_outq {
  /* written by init only */
  tf_outq_config_t config;
  uint8_t         *slots;    /* first in, first out */
  uint32_t        *before;   /* of each slot: what was dropped before it; NULL: not told */
  void            *bcast;    /* DROP_OLDEST */
  tf_conflate_t   *conflate; /* CONFLATE */
  uint32_t         word_cnt; /* of a record */
  /* written by the producer */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t head; /* records put in the slots */
  uint64_t          offered, dropped, dropped_low, replaced;
  uint32_t          skipped;     /* since the last that was put in the slots */
  uint64_t          skipped_cnt; /* of them all */
  uint64_t          tail_seen;   /* the consumer's, when it was last read */
  tf_bcast_writer_t writer;
  /* written by the consumer */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t tail; /* records taken out of the slots */
  uint64_t          taken, missed, gave_way;
  uint64_t          reported; /* of what take tells in *missed */
  uint64_t          head_seen;
  tf_bcast_reader_t reader;
};

static uint64_t key_cnt(const tf_outq_config_t *c) {
  return (uint64_t)c->instrument_cap * c->strategy_cap;
}

static size_t slots_bytes(const tf_outq_config_t *c) {
  return (size_t)tf_align_up(c->slot_cnt * c->shape.bytes, TF_LINE_PAIR_BYTES);
}

static size_t store_bytes(const tf_outq_config_t *c) {
  uint32_t bytes = c->shape.bytes;
  if (bytes == 0 || bytes % 8 != 0 || bytes > TF_SINK_RECORD_BYTES_MAX) return 0;
  if (c->policy == TF_OVERFLOW_CONFLATE)
    return key_cnt(c) > TF_CONFLATE_KEYS_MAX ? 0 : tf_conflate_bytes((uint32_t)key_cnt(c), bytes);
  if (!tf_is_pow2(c->slot_cnt) || c->slot_cnt < 2 || c->slot_cnt > TF_BCAST_SLOT_CNT_MAX) return 0;
  if (c->policy == TF_OVERFLOW_DROP_OLDEST)
    return (size_t)tf_bcast_footprint(c->slot_cnt, bytes / 8);
  return slots_bytes(c) + (c->tells_missed ? c->slot_cnt * sizeof(uint32_t) : 0);
}

static size_t head_bytes(void) { return tf_align_up(sizeof(tf_outq_t), TF_LINE_PAIR_BYTES); }

size_t tf_outq_bytes(const tf_outq_config_t *config) {
  size_t store = store_bytes(config);
  return store ? head_bytes() + store : 0;
}

tf_outq_t *tf_outq_init(void *memory, const tf_outq_config_t *config) {
  size_t store = store_bytes(config);
  if (!memory || store == 0) return NULL;
  tf_outq_t *q   = memory;
  uint8_t   *mem = (uint8_t *)memory + head_bytes();
  memset(q, 0, sizeof *q);
  q->config   = *config;
  q->word_cnt = config->shape.bytes / 8;
  if (config->policy == TF_OVERFLOW_CONFLATE) {
    q->conflate = tf_conflate_init(mem, (uint32_t)key_cnt(config), config->shape.bytes);
  } else if (config->policy == TF_OVERFLOW_DROP_OLDEST) {
    q->bcast = tf_bcast_new(mem, config->slot_cnt, q->word_cnt, 0);
    if (!q->bcast || tf_bcast_writer_join(&q->writer, mem, store, q->word_cnt) ||
        tf_bcast_reader_join(&q->reader, mem, store, q->word_cnt))
      return NULL;
  } else {
    q->slots = mem;
    if (config->tells_missed) q->before = (uint32_t *)(void *)(mem + slots_bytes(config));
  }
  return q;
}

/* ---- the producer ---- */

/* A decision's size is known when this is compiled: its copy is a few moves. */
TF_INLINE void copy_record(void *target, const void *source, uint32_t bytes) {
  if (TF_LIKELY(bytes == sizeof(tf_decision_t)))
    memcpy(target, source, sizeof(tf_decision_t));
  else
    memcpy(target, source, bytes);
}

static uint32_t offer_slots(tf_outq_t *q, const uint8_t *records, uint32_t n) {
  const uint64_t slot_cnt = q->config.slot_cnt;
  const uint32_t bytes    = q->config.shape.bytes;
  if (slot_cnt - (q->head - q->tail_seen) < n)
    q->tail_seen = tf_load_acquire(&q->tail); /* pairs with: take_slots */
  uint64_t room = slot_cnt - (q->head - q->tail_seen);
  uint32_t k    = n < room ? n : (uint32_t)room;
  for (uint32_t i = 0; i < k; i++)
    copy_record(q->slots + ((q->head + i) & (slot_cnt - 1)) * bytes, records + (size_t)i * bytes,
                bytes);
  if (q->before && k) {
    for (uint32_t i = 0; i < k; i++) q->before[(q->head + i) & (slot_cnt - 1)] = 0;
    q->before[q->head & (slot_cnt - 1)] = q->skipped;
    q->skipped                          = 0;
  }
  if (k) tf_store_release(&q->head, q->head + k); /* pairs with: take_slots */
  if (q->config.policy == TF_OVERFLOW_DROP_NEWEST && k < n) {
    tf_count_add(&q->dropped, n - k);
    tf_outq_skip(q, n - k);
    return n;
  }
  return k;
}

void tf_outq_skip(tf_outq_t *q, uint32_t cnt) {
  tf_count_add(&q->skipped_cnt, cnt);
  if (__builtin_add_overflow(q->skipped, cnt, &q->skipped)) q->skipped = UINT32_MAX;
}

static uint32_t key_of(const tf_outq_config_t *c, const uint8_t *record) {
  uint32_t instrument = tf_record_instrument(&c->shape, record);
  uint32_t strategy   = c->shape.carries == TF_CARRIES_DECISIONS && c->strategy_cap > 1
                            ? record[offsetof(tf_decision_t, strategy_id)]
                            : 0;
  if (instrument >= c->instrument_cap || strategy >= c->strategy_cap) return UINT32_MAX;
  return instrument * c->strategy_cap + strategy;
}

static void offer_latest(tf_outq_t *q, const uint8_t *records, uint32_t n) {
  for (uint32_t i = 0; i < n; i++, records += q->config.shape.bytes) {
    uint32_t key = key_of(&q->config, records);
    if (TF_UNLIKELY(key == UINT32_MAX)) /* no place was made for such a key */
      tf_count_add(&q->dropped, 1);
    else if (tf_conflate_offer(q->conflate, key, records))
      tf_count_add(&q->replaced, 1);
  }
}

static uint32_t offer(tf_outq_t *q, const void *records, uint32_t n) {
  uint32_t k = n;
  if (q->conflate) {
    offer_latest(q, records, n);
  } else if (q->bcast) {
    const uint8_t *record = records;
    for (uint32_t i = 0; i < n; i++, record += q->config.shape.bytes)
      tf_bcast_write(&q->writer, record, q->word_cnt);
  } else {
    k = offer_slots(q, records, n);
  }
  tf_count_add(&q->offered, k);
  return k;
}

/* One by one: whether there is room for a low one changes with each. */
static TF_COLD uint32_t offer_ranked(tf_outq_t *q, const uint8_t *records, uint32_t n) {
  const tf_sink_ranks_t *ranks = q->config.ranks;
  for (uint32_t i = 0; i < n; i++, records += q->config.shape.bytes) {
    if (tf_outq_pending(q) >= q->config.slot_cnt / 2 && ranks->is_low(ranks->self, records)) {
      tf_count_add(&q->offered, 1);
      tf_count_add(&q->dropped, 1);
      tf_count_add(&q->dropped_low, 1);
      tf_outq_skip(q, 1);
    } else if (offer(q, records, 1) == 0) {
      return i;
    }
  }
  return n;
}

uint32_t tf_outq_offer(tf_outq_t *q, const void *records, uint32_t n) {
  if (TF_UNLIKELY(q->config.ranks) && !q->conflate) return offer_ranked(q, records, n);
  return offer(q, records, n);
}

/* ---- the consumer ---- */

/* How many of the first n stand behind one another without a drop between them; *missed: before the first. */
static uint32_t cut_at_drop(const tf_outq_t *q, uint32_t n, uint64_t *missed) {
  const uint64_t mask = q->config.slot_cnt - 1;
  *missed += q->before[q->tail & mask];
  for (uint32_t i = 1; i < n; i++)
    if (q->before[(q->tail + i) & mask]) return i;
  return n;
}

static uint32_t take_slots(tf_outq_t *q, uint8_t *records, uint32_t n, uint64_t *before) {
  const uint64_t slot_cnt = q->config.slot_cnt;
  const uint32_t bytes    = q->config.shape.bytes;
  if (q->head_seen - q->tail < n)
    q->head_seen = tf_load_acquire(&q->head); /* pairs with: offer_slots */
  uint64_t there = q->head_seen - q->tail;
  uint32_t k     = n < there ? n : (uint32_t)there;
  *before        = q->missed;
  if (TF_UNLIKELY(q->before) && k) {
    k         = cut_at_drop(q, k, before);
    q->missed = *before;
  }
  for (uint32_t i = 0; i < k; i++)
    copy_record(records + (size_t)i * bytes, q->slots + ((q->tail + i) & (slot_cnt - 1)) * bytes,
                bytes);
  if (k) tf_store_release(&q->tail, q->tail + k); /* pairs with: offer_slots */
  return k;
}

/* Ends at a hole that follows a record: *before is all that was missed before the first of these. */
static uint32_t take_ring(tf_outq_t *q, uint8_t *records, uint32_t n, uint64_t *before) {
  uint32_t k = 0;
  *before    = q->missed;
  while (k < n) {
    tf_bcast_result_t result =
        tf_bcast_read(&q->reader, records + (size_t)k * q->config.shape.bytes, q->word_cnt);
    if (result == TF_BCAST_EMPTY) break;
    if (result == TF_BCAST_READ) {
      k++;
      continue;
    }
    tf_count_add(&q->missed, q->reader.lost_to - q->reader.lost_from + 1);
    if (k > 0) break;
    *before = q->missed;
  }
  return k;
}

uint32_t tf_outq_take(tf_outq_t *q, void *records, uint32_t n, uint64_t *missed) {
  uint32_t k      = 0;
  uint64_t before = 0;
  if (q->conflate) {
    uint64_t gave_way = 0;
    k                 = tf_conflate_take(q->conflate, records, n, &gave_way);
    tf_count_add(&q->gave_way, gave_way);
    /* relaxed: a count; what is replaced after this look is told next time */
    before = tf_load_relaxed(&q->replaced) + q->gave_way;
  } else if (q->bcast) {
    k = take_ring(q, records, n, &before);
    /* relaxed: a count; what is skipped after this look is told next time */
    if (q->config.tells_missed && k) before += tf_load_relaxed(&q->skipped_cnt);
    if (q->config.tells_missed && !k) before = q->reported;
  } else {
    k = take_slots(q, records, n, &before);
  }
  *missed     = before - q->reported;
  q->reported = before;
  tf_count_add(&q->taken, k);
  return k;
}

/* ---- counts ---- */

/* Of an overwriting queue: what is gone, though the consumer has not come upon the hole yet. */
static uint64_t overwritten(const tf_outq_t *q) {
  if (!q->bcast) return 0;
  /* relaxed: counts, each complete by itself; the consumer's first, so that the difference is not negative */
  uint64_t seen    = tf_load_relaxed(&q->taken) + tf_load_relaxed(&q->missed);
  uint64_t offered = tf_load_relaxed(&q->offered); /* relaxed: as above */
  offered -= tf_load_relaxed(&q->dropped_low);     /* relaxed: as above; they never were in it */
  return offered > seen + q->config.slot_cnt ? offered - seen - q->config.slot_cnt : 0;
}

uint64_t tf_outq_offered(const tf_outq_t *q) {
  return tf_load_relaxed(&q->offered); /* relaxed: a count */
}

uint64_t tf_outq_dropped(const tf_outq_t *q) {
  uint64_t hidden = overwritten(q);
  uint64_t missed = q->bcast ? tf_load_relaxed(&q->missed) : 0; /* relaxed: a count */
  return tf_load_relaxed(&q->dropped) + missed + hidden;        /* relaxed: as above */
}

uint64_t tf_outq_dropped_low(const tf_outq_t *q) {
  return tf_load_relaxed(&q->dropped_low); /* relaxed: a count */
}

uint64_t tf_outq_conflated(const tf_outq_t *q) {
  return tf_load_relaxed(&q->replaced) + tf_load_relaxed(&q->gave_way); /* relaxed: counts */
}

uint64_t tf_outq_pending(const tf_outq_t *q) {
  uint64_t gone    = tf_outq_dropped(q) + tf_outq_conflated(q);
  uint64_t taken   = tf_load_relaxed(&q->taken); /* relaxed: a count */
  uint64_t offered = tf_outq_offered(q);
  return offered > gone + taken ? offered - gone - taken : 0;
}
