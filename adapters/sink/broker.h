/* What the outlets of brokers share: trouble is counted, said in one place, and puts the next attempt
 * off: TF_BROKER_WAIT_NS_MIN, doubled with each further trouble up to TF_BROKER_WAIT_NS_MAX, with jitter, until
 * something was delivered. Egress thread. */
#ifndef TF_SINK_BROKER_H
#define TF_SINK_BROKER_H

#include "sink/egress.h"

#define TF_BROKER_WAIT_NS_MIN (20 * TF_NS_PER_MS)
#define TF_BROKER_WAIT_NS_MAX (5 * TF_NS_PER_SEC)
/* No answer for so long: the connection is in doubt. libnats waits as long for JetStream's. */
#define TF_BROKER_ANSWER_NS_MAX (5 * TF_NS_PER_SEC)

#define TF_BROKER_POLICIES                                                                         \
  (TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST) |                 \
   TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_OLDEST) | TF_OVERFLOW_BIT(TF_OVERFLOW_CONFLATE) |              \
   TF_OVERFLOW_BIT(TF_OVERFLOW_SPILL))
#define TF_BROKER_CARRIES ((1u << TF_CARRIES_CNT) - 1)

typedef struct tf_broker {
  const tf_sink_config_t *config;
  tf_outlet_counts_t      counts;
  uint64_t                wait_ns, retry_ns; /* 0: no trouble since the last success; not before */
  uint64_t                log_ns;            /* no further line before */
  uint32_t                unlogged_cnt, random;
} tf_broker_t;

void tf_broker_init(tf_broker_t *b, const tf_sink_config_t *config);

/* Counts, logs (one line a second at most, with how many were left out) and sets retry_ns and the thread's
 * error record, E_SINK_IO. */
void tf_broker_trouble(tf_broker_t *b, uint64_t now_ns, const char *fmt, ...) TF_PRINTF(3, 4);

/* The destination takes records again, behind tail_seq: counts, and logs if there was trouble. */
void tf_broker_ready(tf_broker_t *b, uint64_t tail_seq);

/* Waits for a socket (-1: none) up to wait_ns; what poll(2) says of it, 0 for nothing. */
short tf_broker_wait_for(int fd, bool writes, uint64_t wait_ns);

/* Something was delivered: the next trouble waits shortest again. */
TF_INLINE void tf_broker_delivered(tf_broker_t *b) { b->wait_ns = 0; }

/* The least of wait_ns and the time from now to until; 0 if that is past. */
TF_INLINE uint64_t tf_broker_wait(uint64_t wait_ns, uint64_t now_ns, uint64_t until_ns) {
  if (until_ns <= now_ns) return 0;
  return until_ns - now_ns < wait_ns ? until_ns - now_ns : wait_ns;
}

/* E_SINK_CONFIG if a key that the outlet needs is not there; names it. */
tf_err_t tf_broker_want(const tf_sink_config_t *config, const char *key, const char *value,
                        const char *example);

#endif
