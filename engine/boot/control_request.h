/* A request on the control socket: strict JSON, one object a line.
 *   {"command":"position","instrument":"BTCUSDT.BINANCE-SPOT","position":"-1.5","token":"..."}
 *   {"command":"subscribe","feed":"main","symbol":"ETHUSDT","channels":"trade,book"}
 *   {"command":"streams","feed":"main","from":"16"}
 *   {"command":"model","verb":"swap","model":"lstm","version":"4","sha256":"..."}
 *   {"command":"cache","verb":"pin","key":"models/BTCUSDT/lstm"}
 *   {"command":"worker","verb":"restart","model":"lstm"}
 *   {"command":"snapshot"}
 * Pure: text in, struct out; allocates (jansson). */
#ifndef TF_BOOT_CONTROL_REQUEST_H
#define TF_BOOT_CONTROL_REQUEST_H

#include "tf/feed.h"

#define TF_CONTROL_COMMANDS(X)                                                                     \
  X(STATUS, "status")                                                                              \
  X(HALT, "halt")                                                                                  \
  X(RESUME, "resume")                                                                              \
  X(POSITION, "position")                                                                          \
  X(DRAIN, "drain")                                                                                \
  X(SUBSCRIBE, "subscribe")                                                                        \
  X(UNSUBSCRIBE, "unsubscribe")                                                                    \
  X(STREAMS, "streams")                                                                            \
  X(MODEL, "model")                                                                                \
  X(CACHE, "cache")                                                                                \
  X(WORKER, "worker")                                                                              \
  X(SNAPSHOT, "snapshot")

#define TF_CONTROL_MODEL_VERBS  "list load swap rollback drop canary promote abort"
#define TF_CONTROL_CACHE_VERBS  "list pin unpin evict warm"
#define TF_CONTROL_WORKER_VERBS "list restart"

typedef enum tf_control_command {
#define TF_CONTROL_COMMAND_(id, name) TF_CONTROL_COMMAND_##id,
  TF_CONTROL_COMMANDS(TF_CONTROL_COMMAND_)
#undef TF_CONTROL_COMMAND_
      TF_CONTROL_COMMAND_CNT
} tf_control_command_t;

typedef struct tf_control_request {
  tf_control_command_t command;
  char                 instrument[64];
  int64_t              position; /* mantissa */
  int8_t               position_exp;
  char                 feed[64], symbol[TF_SYMBOL_BYTES_MAX];
  uint32_t             channels;            /* TF_CHANNEL_*; 0: all that the feed decodes */
  uint32_t             from;                /* of a list: the answer's next */
  char                 verb[16], model[32]; /* of models: TF_CONTROL_MODEL_VERBS */
  char                 key[128];            /* of the model cache */
  uint32_t             version;             /* 0: the newest */
  tf_canary_share_t    share;               /* cnt 0, by TF_SHARE_BY_CNT: the config's */
  char                 sha256[65];
  char                 token[128];
} tf_control_request_t;

/* E_CONTROL_REQUEST says what was found and what is allowed. */
tf_err_t tf_control_request_parse(const char *line, size_t line_cnt, tf_control_request_t *request);

extern const char *const tf_control_share_names[TF_SHARE_BY_CNT];

const char *tf_control_command_name(tf_control_command_t command);

#endif
