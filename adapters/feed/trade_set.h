/* The trades that a feed published lately, whichever connection brought them: tells what another one
 * brings again from news. Unlike trade_ids.h it counts on nothing about ids: they need not ascend.
 *
 * A table of buckets, TF_TRADE_SET_WAYS trades each; in a full one the oldest makes room, and its time
 * becomes its instrument's floor: of what happened up to then the set does not know all any longer, so a
 * trade that old that is not in it counts as a repeat (a venue's replay of trades long published).
 *
 * One writer: the thread that runs the feed. A look-up costs one bucket, three cache lines. */
#ifndef FEED_TRADE_SET_H
#define FEED_TRADE_SET_H

#include "tf/feed.h"

#define TF_TRADE_SET_WAYS 8u

typedef struct tf_trade_set_entry {
  uint64_t id, ts_event_ns;
  uint32_t instrument_id;
  uint32_t print; /* what it said (trade_print.h); 0: the place is free */
} tf_trade_set_entry_t;

typedef struct tf_trade_set {
  tf_trade_set_entry_t *entries; /* (bucket_cnt, TF_TRADE_SET_WAYS) */
  uint8_t              *oldest;  /* (bucket_cnt): the way that makes room next */
  uint64_t             *floors;  /* (instrument_cap): ns; 0: the set still knows all */
  uint32_t              bucket_mask, instrument_cap;
} tf_trade_set_t;

/* trade_cnt: a power of two, at least TF_TRADE_SET_WAYS. Zeroed memory, aligned to 64 bytes. */
size_t tf_trade_set_bytes(uint32_t trade_cnt, uint32_t instrument_cap);
void   tf_trade_set_init(tf_trade_set_t *set, void *memory, uint32_t trade_cnt,
                         uint32_t instrument_cap);

/* A TRADE event: true if it was put before (or must have been); else it is put. Counts a conflict where the id was put
 * with other contents: the first stands. */
bool tf_trade_set_is_repeat(tf_trade_set_t *set, const tf_event_t *trade, tf_feed_counts_t *counts);

#endif
