/* Why one decision was made: a sink that waits for its decision_seq and, in that very call, looks at the
 * lane that made it. So the engine must run on one thread: emit is then called by the lane within the
 * tick, while row, models, book and the message that caused it still stand.
 *
 *   replay --message--> lane --decision--> probe: copies what it sees, stops the engine
 *
 * The probe runs on the lane and allocates nothing; what it copied is told after the engine was joined. */
#ifndef TICKFUSE_EXPLAIN_H
#define TICKFUSE_EXPLAIN_H

#include <jansson.h>

#include "boot/engine.h"
#include "file/replay.h"

#define TF_EXPLAIN_MESSAGE_BYTES_MAX 65536u     /* of the message that is shown */
#define TF_EXPLAIN_ACTIONS_MAX       (1u << 20) /* remembered for cooldowns and rates */

typedef struct tf_explain_action {
  uint64_t now_ns;
  uint32_t instrument_id;
  uint8_t  strategy_id, action;
} tf_explain_action_t;

typedef struct tf_explain {
  uint64_t             wanted_seq;
  tf_engine_t         *engine;
  const tf_replay_t   *replay;
  tf_explain_action_t *actions;    /* (TF_EXPLAIN_ACTIONS_MAX), a ring */
  uint64_t             action_cnt; /* ever */
  uint64_t             last_seq;   /* of any decision seen */
  bool                 found;

  /* copies, once found */
  tf_decision_t decision;
  tf_event_t    cause;
  tf_market_t   market; /* its pointers are not to be followed */
  uint64_t      book_seq;
  double        position;
  double        row[TF_FEATURE_PLAN_ROW_MAX];
  float         model_row[TF_MODEL_INPUTS_MAX];
  float         model_out[TF_MODEL_OUTPUTS_MAX];
  double        alert, values[TF_RULE_VALUE_CNT];
  bool          halted;
  uint64_t      last_action_ns; /* of this strategy on this instrument, before; 0: none */
  uint8_t       last_action;    /* tf_action_t */
  uint32_t      rate_cnt;       /* of its actions within the rate's window, before */
  uint8_t       message_tap;    /* tf_tap_kind_t; 0: a tape, which has no messages */
  uint8_t       message_kind;   /* tf_frame_kind_t; of a disconnect why, of TF_LEG_ENDS */
  uint32_t      message_bytes;  /* of the whole message */
  uint64_t      message_no;
  char          target[256];
  char          message[TF_EXPLAIN_MESSAGE_BYTES_MAX];
} tf_explain_t;

/* The sink of type "explain", for a registry of its own. One tf_explain_t a process, which begin sets. */
extern const tf_sink_t tf_explain_sink;
/* E_CORE_NO_MEMORY. */
tf_err_t tf_explain_begin(tf_explain_t *explain, uint64_t wanted_seq, tf_engine_t *engine,
                          const tf_replay_t *replay);
void     tf_explain_end(tf_explain_t *explain);

/* Everything that is known, after join; only if found. */
json_t *tf_explain_json(const tf_explain_t *explain);
/* The same for people, from that object. */
void tf_explain_print(const json_t *json, FILE *out);

#endif
