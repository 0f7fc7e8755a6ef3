/* The decide stage: strategies look at a tick's scores and features, and each writes a decision.
 * Third stage of a lane. Writes decisions into memory that the caller hands on to emit. */
#ifndef TF_STAGE_DECIDE_H
#define TF_STAGE_DECIDE_H

#include "stage/compute.h"
#include "stage/lane.h"
#include "tf/policy.h"

#define TF_STRATEGY_NO_MODEL UINT32_MAX

typedef struct tf_strategy {
  const tf_policy_t *policy;
  tf_policy_config_t config;
  uint32_t           model_idx;     /* TF_STRATEGY_NO_MODEL: rules on features alone */
  uint8_t            wave;          /* its model's */
  bool               actions_only;  /* HOLD makes no decision record */
  bool               waits_for_all; /* HOLD until every listed feature has a value */
  const uint32_t    *awaited;       /* (awaited_cnt) places of the row that must have one besides */
  uint32_t           awaited_cnt;
} tf_strategy_t;

typedef struct tf_decide_counts { /* one writer: the lane */
  uint64_t decisions;
  uint64_t actions[TF_ACTION_CNT];
  uint64_t holds[TF_HOLD_REASON_CNT];
} tf_decide_counts_t;

typedef struct tf_decide {
  tf_strategy_t      strategies[TF_STRATEGIES_MAX];
  uint32_t           strategy_cnt;
  uint32_t           epoch;
  bool               halted; /* an operator's: every action is HOLD, and rules stand still */
  uint64_t           decision_seq;
  uint64_t          *hashes; /* (instruments_max) running hash of each instrument's first lines */
  tf_decide_counts_t counts;
} tf_decide_t;

/* Runs every strategy of the wave whose model answered (bit in models_good), or was shed: that one holds. Writes at most strategy_cnt
 * decisions and returns how many. ts_decision, hops and what follows are filled by the caller. */
uint32_t tf_decide_tick(tf_decide_t *decide, const tf_compute_t *compute, tf_lane_instrument_t *in,
                        uint32_t wave, uint32_t models_good, tf_decision_t *out);

/* Strategies are asked in the wave of the model that they read; without one in the first. */
void tf_decide_order(tf_decide_t *decide, const tf_compute_t *compute);

/* The strategies of one model, which has just got an answer. As above. */
uint32_t tf_decide_answer(tf_decide_t *decide, const tf_compute_t *compute,
                          tf_lane_instrument_t *in, uint32_t model_idx, tf_decision_t *out);

/* Policy states of one instrument. */
tf_err_t tf_decide_init_instrument(tf_decide_t *decide, tf_lane_instrument_t *in,
                                   tf_arena_t *arena);

/* decisions_hash: over the first lines, in order per instrument, whatever the order between
 * instruments was. */
uint64_t tf_decide_hash(const tf_decide_t *decide, uint32_t instrument_cnt);

#endif
