/* The contract of a decision rule: one file kernels/policy/<name>.c exporting tf_policy_<name>,
 * plus its line in policies.def. A policy sees one tick's score and feature row and answers with
 * an action. It is deterministic: time is the cause's ts_recv.
 *
 * Rule texts ("score > 0.6 and spread_bps < 2") are compiled at start, by engine/boot, to a stack
 * program that the policy evaluates. */
#ifndef TF_POLICY_H
#define TF_POLICY_H

#include "tf/decision.h"
#include "tf/err.h"
#include "tf/event.h"

/* A compiled rule: reverse Polish over doubles. Comparisons and logic give 1.0 or 0.0; any
 * comparison with NaN gives NaN, and a rule whose result is NaN does not fire (a NaN must never
 * compare its way into an order). */
typedef enum tf_rule_op {
  TF_RULE_CONST, /* push value */
  TF_RULE_LOAD,  /* push slot[slot_idx], TF_RULE_SLOT_* */
  TF_RULE_NEG,
  TF_RULE_NOT,
  TF_RULE_ABS,
  TF_RULE_ADD,
  TF_RULE_SUB,
  TF_RULE_MUL,
  TF_RULE_DIV,
  TF_RULE_LT,
  TF_RULE_LE,
  TF_RULE_GT,
  TF_RULE_GE,
  TF_RULE_EQ,
  TF_RULE_NE,
  TF_RULE_AND,
  TF_RULE_OR,
  TF_RULE_MIN,
  TF_RULE_MAX,
  TF_RULE_OP_CNT
} tf_rule_op_t;

#define TF_RULE_OPS_MAX   64
#define TF_RULE_DEPTH_MAX 16

/* What a rule may name beside features. X(id, name) */
#define TF_RULE_SLOTS(X)                                                                           \
  X(SCORE, "score")                                                                                \
  X(P10, "p10")                                                                                    \
  X(P90, "p90")                                                                                    \
  X(POSITION, "position")                                                                          \
  X(ALERT, "alert")           /* the step ahead that raised it, negative below; 0: none */         \
  X(FLEET_MEAN, "fleet_mean") /* of the model's newest scores over the instruments */              \
  X(FLEET_MAX, "fleet_max")                                                                        \
  X(FLEET_BREADTH, "fleet_breadth")                                                                \
  X(FLEET_P90_MEAN, "fleet_p90_mean")                                                              \
  X(FLEET_P90_MAX, "fleet_p90_max")                                                                \
  X(FLEET_P90_BREADTH, "fleet_p90_breadth")                                                        \
  X(DISAGREEMENT, "disagreement") /* of an ensemble: its members' greatest score less the least */

enum tf_rule_slots {
#define TF_RULE_SLOT_(id, name) TF_RULE_SLOT_##id,
  TF_RULE_SLOTS(TF_RULE_SLOT_)
#undef TF_RULE_SLOT_
      TF_RULE_SLOT_FEATURES /* + i: feature i */
};
#define TF_RULE_VALUE_CNT (TF_RULE_SLOT_FEATURES - TF_RULE_SLOT_FLEET_MEAN)

typedef struct tf_rule_step {
  uint8_t  op; /* tf_rule_op_t */
  uint8_t  reserved[3];
  uint32_t slot_idx;
  double   value;
} tf_rule_step_t;

typedef struct tf_rule {
  uint32_t       step_cnt; /* 0: no rule, never fires */
  uint32_t       depth;    /* of the stack, checked by the compiler */
  tf_rule_step_t steps[TF_RULE_OPS_MAX];
} tf_rule_t;

typedef struct tf_policy_config {
  tf_rule_t buy, sell, flat;
  tf_rule_t buy_until, sell_until; /* when what buy, or sell, opened is to be closed; none: never */
  uint64_t  cooldown_ns;           /* after a BUY/SELL/FLAT, hold for this long */
  uint32_t  rate_cnt_max;          /* at most this many actions per rate_window_ns; 0 = no limit */
  uint64_t  rate_window_ns;
  uint32_t  book_states_ok; /* bit per tf_book_state_t on which an action may be taken */
} tf_policy_config_t;

typedef struct tf_policy_input {
  double        score, p10, p90; /* NaN where the model gives none */
  double        position;        /* what an operator says is held; NaN until then */
  double        alert;           /* of the model's forecast; NaN without a model */
  const double *values;          /* (TF_RULE_VALUE_CNT) from FLEET_MEAN on; NULL: all are NaN */
  const double *features;
  uint8_t       book_state;
  uint64_t      now_ns; /* the cause's ts_recv_ns */
} tf_policy_input_t;

typedef struct tf_policy_output {
  uint8_t action;      /* tf_action_t */
  uint8_t hold_reason; /* tf_hold_reason_t */
} tf_policy_output_t;

typedef struct tf_policy {
  const char *name;
  const char *help;
  size_t (*state_bytes)(const tf_policy_config_t *config);
  tf_err_t (*init)(void *state, const tf_policy_config_t *config); /* keeps the pointer to config */
  /* The state's bytes were copied, or read from a snapshot: config is where it is now. NULL takes the pointer
   * out, so that equal states are equal bytes. */
  void (*attach)(void *state, const tf_policy_config_t *config);
  void (*decide)(void *state, const tf_policy_input_t *in, tf_policy_output_t *out);
} tf_policy_t;

#endif
