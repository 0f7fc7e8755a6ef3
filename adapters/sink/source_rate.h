/* How often a source may ask: so many times a second each, so many all together. For requests whose
 * sender nobody can know (UDP), so its table cannot grow: sources share its buckets by hash, and two that
 * share one share its allowance. Pure; one thread. */
#ifndef TF_SINK_SOURCE_RATE_H
#define TF_SINK_SOURCE_RATE_H

#include "tf/base.h"

#define TF_SOURCE_RATE_PER_SEC     2000u /* 22,000 decisions a second to one */
#define TF_SOURCE_RATE_ALL_PER_SEC 20000u
#define TF_SOURCE_RATE_BUCKETS     256u

typedef struct tf_source_bucket {
  uint64_t begun_ns; /* of the second that is counted */
  uint32_t cnt;
} tf_source_bucket_t;

typedef struct tf_source_rate {
  tf_source_bucket_t all;
  tf_source_bucket_t buckets[TF_SOURCE_RATE_BUCKETS];
} tf_source_rate_t;

TF_INLINE void tf_source_rate_init(tf_source_rate_t *rate) { *rate = (tf_source_rate_t){0}; }

TF_INLINE bool tf_source_bucket_allows_(tf_source_bucket_t *b, uint64_t now_ns, uint32_t max) {
  if (b->begun_ns == 0 || now_ns - b->begun_ns >= TF_NS_PER_SEC) {
    b->begun_ns = now_ns;
    b->cnt      = 0;
  }
  if (b->cnt >= max) return false;
  b->cnt++;
  return true;
}

/* source: an IPv4 address. Counts it if so. */
TF_INLINE bool tf_source_rate_allows(tf_source_rate_t *rate, uint32_t source, uint64_t now_ns) {
  uint32_t bucket = source * 2654435761u >> 24;
  return tf_source_bucket_allows_(&rate->buckets[bucket], now_ns, TF_SOURCE_RATE_PER_SEC) &&
         tf_source_bucket_allows_(&rate->all, now_ns, TF_SOURCE_RATE_ALL_PER_SEC);
}

#endif
