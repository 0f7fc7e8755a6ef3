/* Questions to a NATS server, one at a time, each of which waits for its answer: for the control plane. The connection is that of
 * sinks and sources (nats_link.h): guarded, TLS, secrets read for each. An answer that does not come within the timeout ends it,
 * so no late answer meets a later question. One thread. */
#ifndef TF_BROKER_NATS_CALL_H
#define TF_BROKER_NATS_CALL_H

#include "broker/nats_link.h"

typedef struct tf_nats_call {
  tf_nats_link_t link;
  uint64_t       timeout_ns; /* of a question, connecting with it */
  uint64_t       token;      /* of the newest question */
  bool           is_up;      /* when the last question failed, the connection had stood */
  char           why[TF_NATS_TEXT_BYTES]; /* it failed */
} tf_nats_call_t;

/* Connects to nobody yet; what config points at outlives it. What tf_nats_link_init gives. */
tf_err_t tf_nats_call_init(tf_nats_call_t *call, const tf_broker_config_t *config,
                           uint64_t timeout_ns);
void     tf_nats_call_fini(tf_nats_call_t *call);

/* Connects where it is not. expected: of Nats-Expected-Last-Subject-Sequence; NULL: none. The answer, for natsMsg_Destroy; NULL:
 * why says why there is none. */
natsMsg *tf_nats_call_ask(tf_nats_call_t *call, const char *subject, const void *bytes,
                          size_t bytes_cnt, const uint64_t *expected);

/* The answer was none that can be: the connection ends. */
void tf_nats_call_hang_up(tf_nats_call_t *call);

#endif
