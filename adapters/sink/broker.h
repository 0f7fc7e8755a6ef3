/* What the outlets of brokers share: how the broker is reached, and what is done about trouble with it
 * (broker/trouble.h), counted in the outlet's counts. Egress thread. */
#ifndef TF_SINK_BROKER_H
#define TF_SINK_BROKER_H

#include "broker/peer.h"
#include "broker/trouble.h"
#include "sink/egress.h"
#include "tf/broker.h"

#define TF_BROKER_ANSWER_NS_MAX TF_TROUBLE_ANSWER_NS_MAX

#define TF_BROKER_POLICIES                                                                         \
  (TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST) |                 \
   TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_OLDEST) | TF_OVERFLOW_BIT(TF_OVERFLOW_CONFLATE) |              \
   TF_OVERFLOW_BIT(TF_OVERFLOW_SPILL))
#define TF_BROKER_CARRIES ((1u << TF_CARRIES_CNT) - 1)

typedef struct tf_broker {
  const tf_sink_config_t *config;
  tf_broker_config_t      reach; /* of config, what a link wants */
  tf_outlet_counts_t      counts;
  tf_trouble_t            trouble;
} tf_broker_t;

/* Which process writes: a number of chance, in hexadecimal. E_CORE_SYSTEM. */
#define TF_BROKER_WRITER_BYTES 17u
tf_err_t tf_broker_writer(const tf_sink_config_t *config, char writer[TF_BROKER_WRITER_BYTES]);

void tf_broker_init(tf_broker_t *b, const tf_sink_config_t *config);

/* Counts an error; the rest is tf_trouble_say's. E_SINK_IO. */
void tf_broker_trouble(tf_broker_t *b, uint64_t now_ns, const char *fmt, ...) TF_PRINTF(3, 4);

/* The destination takes records again, behind tail_seq: counts, and logs if there was trouble. */
void tf_broker_ready(tf_broker_t *b, uint64_t tail_seq);

TF_INLINE void tf_broker_delivered(tf_broker_t *b) { tf_trouble_over(&b->trouble); }

/* The least of wait_ns and the time from now to until; 0 if that is past. */
TF_INLINE uint64_t tf_broker_wait(uint64_t wait_ns, uint64_t now_ns, uint64_t until_ns) {
  if (until_ns <= now_ns) return 0;
  return until_ns - now_ns < wait_ns ? until_ns - now_ns : wait_ns;
}

/* E_SINK_CONFIG if a key that the outlet needs is not there; names it. */
tf_err_t tf_broker_want(const tf_sink_config_t *config, const char *key, const char *value,
                        const char *example);

#endif
