#include "core/hist.h"

#include <string.h>

void tf_hist_reset(tf_hist_t *h) { memset(h, 0, sizeof *h); }

void tf_hist_merge(tf_hist_t *target, const tf_hist_t *source) {
  /* relaxed: each word is a monotone counter of one writer; a merge is a snapshot, not a barrier */
  target->cnt += tf_load_relaxed(&source->cnt);
  target->sum += tf_load_relaxed(&source->sum);
  uint64_t max = tf_load_relaxed(&source->max);
  if (max > target->max) target->max = max;
  for (uint32_t i = 0; i < TF_HIST_BUCKET_CNT; i++)
    target->buckets[i] += tf_load_relaxed(&source->buckets[i]); /* relaxed: as above */
}

uint64_t tf_hist_quantile(const tf_hist_t *h, double q) {
  /* Counted over the buckets, not h->cnt: a concurrent writer may be between the two. */
  uint64_t cnt = 0;
  for (uint32_t i = 0; i < TF_HIST_BUCKET_CNT; i++)
    cnt += tf_load_relaxed(&h->buckets[i]); /* relaxed: statistics */
  if (cnt == 0) return 0;
  uint64_t rank = (uint64_t)(q * (double)cnt);
  if (rank >= cnt) rank = cnt - 1;
  uint64_t max  = tf_load_relaxed(&h->max); /* relaxed: statistics */
  uint64_t seen = 0;
  for (uint32_t i = 0; i < TF_HIST_BUCKET_CNT; i++) {
    seen += tf_load_relaxed(&h->buckets[i]); /* relaxed: statistics */
    if (seen > rank) {
      uint64_t top = tf_hist_bucket_top(i);
      return top < max ? top : max;
    }
  }
  return max;
}
