/* The sink that takes every record and keeps none: for measuring the path before it, and for a
 * config that wants no output. It says at close how many it dropped. */
#include <inttypes.h>
#include <string.h>

#include "core/log.h"
#include "tf/atomic.h"
#include "tf/sink.h"

typedef struct null_state {
  tf_record_shape_t shape;
  uint64_t          dropped_cnt;
  uint64_t          last_seq; /* of the last one dropped */
} null_state_t;

static size_t null_state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(null_state_t);
}

static tf_err_t null_open(void *state, const tf_sink_config_t *config) {
  *(null_state_t *)state = (null_state_t){.shape = config->shape};
  return TF_OK;
}

static int null_offer(void *state, const void *records, uint32_t n) {
  null_state_t  *null = state;
  const uint8_t *last = (const uint8_t *)records + (size_t)(n ? n - 1 : 0) * null->shape.bytes;
  TF_ASSERT(n <= INT32_MAX);
  if (n == 0) return 0;
  tf_count_add(&null->dropped_cnt, n);
  /* relaxed: one writer, and nobody orders anything by it */
  tf_store_relaxed(&null->last_seq, tf_record_seq(&null->shape, last));
  return (int)n;
}

static tf_err_t null_flush(void *state, uint64_t now_ns) {
  (void)state, (void)now_ns;
  return TF_OK;
}

static tf_err_t null_close(void *state) {
  const null_state_t *null = state;
  tf_log(TF_LOG_INFO, "sink_null_closed", "dropped=%" PRIu64 " last_seq=%" PRIu64,
         null->dropped_cnt, null->last_seq);
  return TF_OK;
}

extern const tf_sink_t tf_sink_null;
const tf_sink_t        tf_sink_null = {
           .name = "null",
           .keys = NULL, /* any: it stands in for another, of which the rest of the config speaks */
           .help = "takes every record and drops it, counted",
           .policies = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK) | TF_OVERFLOW_BIT(TF_OVERFLOW_DROP_NEWEST),
           .policy   = TF_OVERFLOW_BLOCK,
           .carries  = (1u << TF_CARRIES_CNT) - 1,
           .state_bytes = null_state_bytes,
           .open        = null_open,
           .offer       = null_offer,
           .flush       = null_flush,
           .close       = null_close,
};
