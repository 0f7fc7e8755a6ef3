/* What a sink carries: decisions, or beside them events, quotes or feature rows. One sink carries one
 * kind; a record is a fixed number of bytes, and every kind has its sequence and its instrument at a
 * known place, so that queues, spools and frames need not know more of it. */
#ifndef TF_RECORD_H
#define TF_RECORD_H

#include "tf/decision.h"
#include "tf/event.h"

typedef enum tf_carries { /* in frames and spools: never renumbered */
                          TF_CARRIES_DECISIONS =
                              0, /* tf_decision_t; its sequence is decision_seq, without holes */
                          TF_CARRIES_EVENTS = 1, /* tf_event_t; ingest_seq, without holes */
                          TF_CARRIES_QUOTES =
                              2, /* tf_event_t of kind QUOTE, the best bid and offer after a tick that changed
                                     them; the tick's ingest_seq, so with holes */
                          TF_CARRIES_FEATURES =
                              3, /* tf_feature_record_t and its values; row_seq, without holes */
                          TF_CARRIES_CNT
} tf_carries_t;

/* A tick's feature row. value_cnt doubles follow; NaN where a feature has no value yet. One event may cause
 * several rows (of instruments that read the one that it is of), and a row that was put off for others may have an
 * earlier cause than the one before it: hence a number of its own. */
typedef struct tf_feature_record {
  uint64_t row_seq;    /* of the lane's rows, from 1 */
  uint64_t ingest_seq; /* of the event that caused the tick */
  uint64_t ts_recv_ns;
  uint32_t instrument_id;
  uint32_t value_cnt;
} tf_feature_record_t;

#define TF_FEATURE_RECORD_VALUES_MAX 500
#define TF_SINK_RECORD_BYTES_MAX     (sizeof(tf_feature_record_t) + TF_FEATURE_RECORD_VALUES_MAX * 8u)

typedef struct tf_record_shape {
  uint8_t  carries; /* tf_carries_t */
  uint32_t bytes;   /* a multiple of 8, at most TF_SINK_RECORD_BYTES_MAX */
  uint32_t seq_offset, instrument_offset;
} tf_record_shape_t;

/* value_cnt: of feature rows, else not looked at. */
TF_INLINE tf_record_shape_t tf_record_shape(tf_carries_t carries, uint32_t value_cnt) {
  tf_record_shape_t s = {(uint8_t)carries, (uint32_t)sizeof(tf_event_t),
                         (uint32_t)offsetof(tf_event_t, ingest_seq),
                         (uint32_t)offsetof(tf_event_t, instrument_id)};
  if (carries == TF_CARRIES_DECISIONS) {
    s.bytes             = (uint32_t)sizeof(tf_decision_t);
    s.seq_offset        = (uint32_t)offsetof(tf_decision_t, decision_seq);
    s.instrument_offset = (uint32_t)offsetof(tf_decision_t, instrument_id);
  } else if (carries == TF_CARRIES_FEATURES) {
    s.bytes             = (uint32_t)sizeof(tf_feature_record_t) + value_cnt * 8u;
    s.seq_offset        = (uint32_t)offsetof(tf_feature_record_t, row_seq);
    s.instrument_offset = (uint32_t)offsetof(tf_feature_record_t, instrument_id);
  }
  return s;
}

/* Whether sequences rise by one from record to record, so that a jump is a loss. */
TF_INLINE bool tf_record_is_dense(uint32_t carries) { return carries != TF_CARRIES_QUOTES; }

TF_INLINE uint64_t tf_record_seq(const tf_record_shape_t *shape, const void *record) {
  uint64_t seq;
  __builtin_memcpy(&seq, (const uint8_t *)record + shape->seq_offset, sizeof seq);
  return seq;
}

TF_INLINE uint32_t tf_record_instrument(const tf_record_shape_t *shape, const void *record) {
  uint32_t id;
  __builtin_memcpy(&id, (const uint8_t *)record + shape->instrument_offset, sizeof id);
  return id;
}

#endif
