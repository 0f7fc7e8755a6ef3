/* The decision: what a strategy concluded on one tick. 128 bytes in two lines.
 *
 * The first line is the deterministic part: the same capture and config give the same bytes, in
 * the same order per instrument, whatever the pacing, batching or grouping of threads, and
 * decisions_hash covers exactly it. The second is telemetry. Written by decide (ts_out_ns and
 * emit_ns by emit); read-only for consumers. Floats that a model does not give are the one quiet
 * NaN 0x7fc00000, so that the bytes are the same everywhere.
 *
 * p50 has no field of its own: for a model that gives quantiles, score IS p50 (docs/adr/0008). */
#ifndef TF_DECISION_H
#define TF_DECISION_H

#include "tf/base.h"

#define TF_DECISION_VERSION 1

typedef enum tf_action {
  TF_ACTION_HOLD = 0,
  TF_ACTION_BUY  = 1,
  TF_ACTION_SELL = 2,
  TF_ACTION_FLAT = 3,
  TF_ACTION_CNT
} tf_action_t;

typedef enum tf_path {
  TF_PATH_CPU         = 0,
  TF_PATH_GPU         = 1,
  TF_PATH_FALLBACK    = 2,
  TF_PATH_SHADOW      = 3,
  TF_PATH_ONNXRUNTIME = 4,
  TF_PATH_KSERVE      = 5,
  TF_PATH_CANARY      = 6, /* a version that serves a share of the instruments, on trial */
  TF_PATH_CNT
} tf_path_t;

/* Set in path by a sink that sends a decision later than its expiry or the sink's max_age. */
#define TF_PATH_LATE 0x80u

/* Why an action is HOLD. */
typedef enum tf_hold_reason {
  TF_HOLD_NONE     = 0, /* the action is not HOLD */
  TF_HOLD_RULE     = 1, /* no rule fired */
  TF_HOLD_BOOK     = 2, /* the quality gate: the book is not OK */
  TF_HOLD_COOLDOWN = 3,
  TF_HOLD_RATE     = 4,
  TF_HOLD_CONFLICT = 5, /* buy and sell fired on the same tick */
  TF_HOLD_HALTED   = 6, /* an operator's halt */
  TF_HOLD_WARMING  = 7, /* a feature that the strategy requires has no value (require_ready) */
  TF_HOLD_TRADING  = 8, /* the venue does not trade the instrument now, or no longer (trading) */
  TF_HOLD_MODEL =
      9, /* the model's runtime has no answer that is fresh enough, and nothing stands in */
  TF_HOLD_SHED = 10, /* its model was not asked: of low priority, in a burst */
  TF_HOLD_REASON_CNT
} tf_hold_reason_t;

typedef struct tf_decision {
  /* line 1: deterministic */
  uint64_t decision_seq; /* ours, per lane, from 1, no holes */
  uint64_t ingest_seq;   /* the cause: the event that completed the tick */
  uint64_t ts_event_ns;  /* of the cause; 0 where the venue sends none */
  uint64_t ts_recv_ns;   /* of the cause */
  int64_t  ref_price; /* mid (rounded down to half a tick: exponent is one finer) or last trade */
  uint32_t instrument_id;
  uint32_t model_hash; /* first 4 bytes, little endian, of the model file's SHA-256; where it reads
                        * other models a hash of theirs too; 0 = no model */
  float    score;      /* the model's first output; its p50 where it gives quantiles */
  float    p10, p90;   /* NaN where the model gives none */
  int8_t   ref_price_exp;
  uint8_t  strategy_id; /* index in the config's strategies */
  uint8_t  action;      /* tf_action_t */
  uint8_t  book_state;  /* tf_book_state_t */
  /* line 2: telemetry */
  uint64_t ts_decision_ns; /* ns since 1970 */
  uint64_t ts_out_ns;      /* when emit handed it to the sinks */
  uint64_t
      expiry_ns;  /* ns since 1970: when another runtime's answer is too old; 0 = does not expire */
  uint32_t epoch; /* engine start: fences a predecessor off */
  float    confidence; /* 0 .. 1, NaN where the model gives none */
  uint32_t decode_ns;  /* hops, each from the receive time of the cause, saturating */
  uint32_t buffer_ns;
  uint32_t features_ns;
  uint32_t model_ns;
  uint32_t decide_ns;
  uint32_t emit_ns;
  uint8_t  path;        /* tf_path_t, and TF_PATH_LATE */
  uint8_t  hold_reason; /* tf_hold_reason_t */
  uint16_t version;     /* TF_DECISION_VERSION */
  uint8_t  route; /* by which the market came (tf/route.h): 0 the feed's own, else what stood in */
  uint8_t  trading; /* tf_trading_t: what the venue said of the instrument last; 0: nothing */
  uint16_t
      answer_age_10us; /* of the row that another runtime answered, when the cause was received: in
                               10 us, saturating at 0.65 s; 0: the model is run on the lane */
} tf_decision_t;

TF_STATIC_ASSERT(sizeof(tf_decision_t) == 128, "a decision is two cache lines");
TF_STATIC_ASSERT(offsetof(tf_decision_t, ts_decision_ns) == 64, "line 2 starts at 64");
TF_STATIC_ASSERT(offsetof(tf_decision_t, score) == 48, "layout is a public format");
TF_STATIC_ASSERT(offsetof(tf_decision_t, ref_price_exp) == 60, "layout is a public format");

#endif
