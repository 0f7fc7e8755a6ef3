/* Records whose every word follows from their sequence, so that a torn one shows, and a queue of them. */
#ifndef TESTS_ADAPTERS_SINK_OUTQ_FIXTURE_H
#define TESTS_ADAPTERS_SINK_OUTQ_FIXTURE_H

#include <string.h>

#include "sink/outq.h"

#define FIXTURE_INSTRUMENTS 5u
#define FIXTURE_STRATEGIES  3u

static inline uint32_t fixture_key(uint64_t seq) {
  uint64_t mixed = seq * UINT64_C(0x9e3779b97f4a7c15) >> 33;
  return (uint32_t)(mixed % (FIXTURE_INSTRUMENTS * FIXTURE_STRATEGIES));
}

static inline tf_decision_t fixture_record(uint64_t seq) {
  tf_decision_t d;
  memset(&d, (int)(seq * 31 & 0xff), sizeof d);
  d.decision_seq  = seq;
  d.ingest_seq    = ~seq;
  d.instrument_id = fixture_key(seq) / FIXTURE_STRATEGIES;
  d.strategy_id   = (uint8_t)(fixture_key(seq) % FIXTURE_STRATEGIES);
  d.expiry_ns     = seq << 7;
  return d;
}

static inline bool fixture_is_whole(const tf_decision_t *d) {
  tf_decision_t expected = fixture_record(d->decision_seq);
  return memcmp(d, &expected, sizeof expected) == 0;
}

static inline tf_outq_t *fixture_queue(tf_overflow_t policy, uint64_t slot_cnt, void **memory) {
  tf_outq_config_t config = {.policy         = policy,
                             .shape          = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                             .slot_cnt       = slot_cnt,
                             .instrument_cap = FIXTURE_INSTRUMENTS,
                             .strategy_cap   = FIXTURE_STRATEGIES};
  *memory                 = aligned_alloc(TF_LINE_PAIR_BYTES,
                                          tf_align_up(tf_outq_bytes(&config) + 1, TF_LINE_PAIR_BYTES));
  return tf_outq_init(*memory, &config);
}

#endif
