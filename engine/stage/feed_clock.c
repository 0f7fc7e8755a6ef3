#include "stage/feed_clock.h"

#include <string.h>

#define NONE INT64_MAX

/* The part is over: as many new ones begin as have passed, and the oldest are forgotten. */
TF_COLD static void next_part(tf_feed_clock_kind_t *k, uint64_t recv_ns) {
  if (k->minima[k->part] != NONE) tf_drift_add(&k->drift, k->minimum_at_ns, k->minima[k->part]);
  uint64_t passed = (recv_ns - k->part_end_ns) / TF_FEED_CLOCK_PART_NS + 1;
  for (uint64_t i = 0; i < passed && i < TF_FEED_CLOCK_PARTS; i++) {
    k->part            = (k->part + 1) % TF_FEED_CLOCK_PARTS;
    k->minima[k->part] = NONE;
  }
  k->part_end_ns += passed * TF_FEED_CLOCK_PART_NS;
  k->offset_ns = NONE;
  for (uint32_t i = 0; i < TF_FEED_CLOCK_PARTS; i++)
    if (k->minima[i] < k->offset_ns) k->offset_ns = k->minima[i];
}

void tf_feed_clock_saw(tf_feed_clock_t *clock, const tf_event_t *e) {
  const uint8_t untimed = TF_FLAG_BAD_TS | TF_FLAG_SNAPSHOT | TF_FLAG_BACKFILL;
  if (e->kind >= TF_FEED_CLOCK_KINDS || e->ts_event_ns == 0 || (e->flags & untimed)) return;
  tf_feed_clock_kind_t *k       = &clock->kinds[e->kind];
  const int64_t         diff_ns = (int64_t)(e->ts_recv_ns - e->ts_event_ns);
  if (TF_UNLIKELY(k->part_end_ns == 0)) k->part_end_ns = e->ts_recv_ns + TF_FEED_CLOCK_PART_NS;
  if (TF_UNLIKELY(e->ts_recv_ns >= k->part_end_ns)) next_part(k, e->ts_recv_ns);
  if (TF_UNLIKELY(diff_ns < k->minima[k->part])) {
    k->minima[k->part] = diff_ns;
    k->minimum_at_ns   = e->ts_recv_ns;
    if (diff_ns < k->offset_ns) k->offset_ns = diff_ns;
  }
  tf_hist_record(&k->delays, (uint64_t)diff_ns - (uint64_t)k->offset_ns);
}

void tf_feed_clock_init(tf_feed_clock_t *clock) {
  memset(clock, 0, sizeof *clock);
  for (uint32_t i = 0; i < TF_FEED_CLOCK_KINDS; i++) {
    clock->kinds[i].offset_ns = NONE;
    for (uint32_t p = 0; p < TF_FEED_CLOCK_PARTS; p++) clock->kinds[i].minima[p] = NONE;
  }
}
