#include "source/rate.h"

#include <string.h>

void tf_rate_init(tf_rate_t *rate, uint64_t per_second) {
  memset(rate, 0, sizeof *rate);
  if (per_second > 0) rate->cost_ns = per_second > TF_NS_PER_SEC ? 1 : TF_NS_PER_SEC / per_second;
}

static tf_rate_bucket_t *bucket_of(tf_rate_t *rate, uint64_t address) {
  tf_rate_bucket_t *set = rate->buckets[address % TF_RATE_SETS], *quietest = &set[0];
  for (uint32_t i = 0; i < TF_RATE_WAYS; i++) {
    if (set[i].address == address) return &set[i];
    if (set[i].full_ns < quietest->full_ns) quietest = &set[i];
  }
  *quietest = (tf_rate_bucket_t){.address = address};
  return quietest;
}

bool tf_rate_take(tf_rate_t *rate, uint64_t address, uint64_t now_ns) {
  if (rate->cost_ns == 0) return true;
  tf_rate_bucket_t *b = bucket_of(rate, address);
  if (b->full_ns < now_ns) b->full_ns = now_ns;
  if (b->full_ns + rate->cost_ns > now_ns + TF_NS_PER_SEC) return false;
  b->full_ns += rate->cost_ns;
  return true;
}
