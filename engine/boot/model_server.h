/* The models that can be swapped while the engine runs: those of a registry (models[].registry). A thread of its own
 * loads and checks, offers what is good to the lane (serve/swap.h), has the swap published as an event, and frees what
 * the lane has left. The lane is never waited for, and never waits, but in a replay, at the event of a version that it
 * has to fetch.
 *
 * What is refused, in this order, while the old version goes on serving:
 *   not there, or not newer than what serves (rollback is for that)     E_MODEL_VERSION
 *   damaged, not a model, NaN in a weight, a known answer missed        E_FILE_*, E_MODEL_* of the loader
 *   not the SHA-256 that was asked for, or that stands beside it        E_MODEL_PIN
 *   other features, or rows made otherwise than this engine's           E_MODEL_SCHEMA
 *   another number of outputs, or another window                        E_MODEL_SHAPE
 *   fewer ticks beside what serves than shadow_min, or scores further
 *   off than divergence_max                                             E_MODEL_DIVERGED
 *
 * A version that stands ready answers the same ticks as the one that serves, after the decision has left: a shadow, compared
 * and seen by no rule. After a swap the server watches: rollback_refused answers that post-processing refused, and what
 * served before serves again.
 *
 * A canary is a version that stands beside and serves a share: of the instruments, always the same by their names, or of the ticks, by
 * their ingest_seq. What serves the others takes these ticks' rows too, so it serves again at once when that is over. The server ends it by itself when its scores are
 * further off than divergence_max after shadow_min ticks, when rollback_refused of its answers were refused, or
 * canary_late_max came later than the budget. Each change is an event.
 *
 * Any thread may call; requests of one model are one at a time (E_MODEL_BUSY). */
#ifndef TF_BOOT_MODEL_SERVER_H
#define TF_BOOT_MODEL_SERVER_H

#include <jansson.h>

#include "boot/engine.h"

typedef enum tf_model_verb {
  TF_MODEL_LOAD,     /* load, check and prepare beside what serves */
  TF_MODEL_SWAP,     /* the same, then let it serve */
  TF_MODEL_ROLLBACK, /* what served before serves again */
  TF_MODEL_DROP,     /* what stands beside is let go */
  TF_MODEL_CANARY,   /* as LOAD; then it serves a share */
  TF_MODEL_PROMOTE,  /* the canary serves them all */
  TF_MODEL_ABORT,    /* it serves none any more, and stands beside */
} tf_model_verb_t;

typedef struct tf_model_request {
  tf_model_verb_t   verb;
  char              model[32];
  uint32_t          version;    /* LOAD, SWAP, CANARY; 0: the newest */
  tf_canary_share_t share;      /* CANARY: cnt 0, by TF_SHARE_BY_CNT: the config's */
  char              sha256[65]; /* "": none is asked for */
  bool              is_resumed; /* CANARY: one that a snapshot tells of; it was judged already */
} tf_model_request_t;

typedef struct tf_model_server tf_model_server_t;

/* Who publishes an event: the control source. */
typedef struct tf_model_publisher {
  void *self;
  tf_err_t (*publish)(void *self, const tf_event_t *event, uint64_t *ingest_seq);
} tf_model_publisher_t;

/* *server stays NULL where no model is of a registry. After the models were added; before the start. */
tf_err_t tf_model_server_init(tf_engine_t *engine, tf_model_server_t **server);
void     tf_model_server_set_publisher(tf_model_server_t *server, tf_model_publisher_t publisher);
tf_err_t tf_model_server_start(tf_model_server_t *server);
/* After the lanes have ended. */
void tf_model_server_stop(tf_model_server_t *server);
void tf_model_server_fini(tf_model_server_t *server); /* accepts NULL */

/* Takes the request; the work is done afterwards (list tells how far it is). E_MODEL_BUSY; E_CONTROL_REQUEST: no such
 * model, or nothing to go back to. */
tf_err_t tf_model_server_request(tf_model_server_t *server, const tf_model_request_t *request);

/* The loaded version of models[model_idx] with that hash which serves, or served before: it stays loaded until it is let go. NULL: there
 * is none, or not yet. Read by whoever has a scratch and windows of its own. */
const tf_model_t *tf_model_server_hold(tf_model_server_t *server, uint32_t model_idx,
                                       uint32_t hash);
void tf_model_server_let_go(tf_model_server_t *server, uint32_t model_idx, const tf_model_t *model);

/* A row for each model: name, version, sha256, state, beside, previous, the last refusal. */
json_t *tf_model_server_list(tf_model_server_t *server);

/* The first version that an event named and that was not to be had; TF_OK: none. */
tf_err_t tf_model_server_missed(tf_model_server_t *server, char *text, size_t cap);

#endif
