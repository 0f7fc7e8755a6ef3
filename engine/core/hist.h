/* A latency histogram in the manner of HdrHistogram: log2 buckets of 32 linear parts, so any value
 * up to 2^40 ns (18 minutes) is kept within 3.2 %; larger ones count in the last bucket, max is
 * exact. Plain words, one writer, relaxed: it may lie in a shared page and be read while written.
 * Recording costs about 2 ns. */
#ifndef TF_CORE_HIST_H
#define TF_CORE_HIST_H

#include "tf/atomic.h"

#define TF_HIST_PART_BITS  5
#define TF_HIST_PARTS      (1u << TF_HIST_PART_BITS)
#define TF_HIST_VALUE_BITS 40
#define TF_HIST_BUCKET_CNT ((TF_HIST_VALUE_BITS - TF_HIST_PART_BITS + 1) * TF_HIST_PARTS)

typedef struct tf_hist {
  uint64_t cnt;
  uint64_t sum;
  uint64_t max;
  uint64_t buckets[TF_HIST_BUCKET_CNT];
} tf_hist_t;

TF_INLINE uint32_t tf_hist_bucket_of(uint64_t value) {
  if (value < TF_HIST_PARTS) return (uint32_t)value;
  uint32_t exp = 63u - (uint32_t)__builtin_clzll(value);
  if (exp >= TF_HIST_VALUE_BITS) return TF_HIST_BUCKET_CNT - 1;
  uint32_t shift = exp - TF_HIST_PART_BITS;
  return (shift + 1) * TF_HIST_PARTS + (uint32_t)(value >> shift) - TF_HIST_PARTS;
}

/* Largest value that falls in a bucket. */
TF_INLINE uint64_t tf_hist_bucket_top(uint32_t bucket) {
  if (bucket < TF_HIST_PARTS) return bucket;
  uint32_t shift = bucket / TF_HIST_PARTS - 1;
  uint64_t part  = bucket % TF_HIST_PARTS + TF_HIST_PARTS;
  return ((part + 1) << shift) - 1;
}

TF_INLINE void tf_hist_record(tf_hist_t *h, uint64_t value) {
  tf_count_add(&h->cnt, 1);
  tf_count_add(&h->sum, value);
  /* relaxed: one writer, a reader wants each word untorn and nothing more */
  if (value > h->max) tf_store_relaxed(&h->max, value);
  tf_count_add(&h->buckets[tf_hist_bucket_of(value)], 1);
}

void tf_hist_reset(tf_hist_t *h);
void tf_hist_merge(tf_hist_t *target, const tf_hist_t *source);
/* Smallest bucket top with at least q (0..1) of the values at or below it, capped by max; 0 if
 * empty. */
uint64_t tf_hist_quantile(const tf_hist_t *h, double q);

#endif
