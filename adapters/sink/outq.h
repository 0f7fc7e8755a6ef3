/* The queue in front of whoever takes records at his own pace: a broker's thread, or one client of a
 * listener. One producer, one consumer, each his own thread or both the same; neither waits for the
 * other. The policy is the queue's form:
 *
 *   BLOCK, SPILL, DISCONNECT, DROP_NEWEST   first in, first out, with credits: offer takes what fits
 *                                           (DROP_NEWEST counts the rest as dropped and takes it all)
 *   DROP_OLDEST    the producer overwrites; the consumer is told exactly how many it missed
 *   CONFLATE       one place for each key, instrument x strategy: the consumer gets the latest of
 *                  each that changed, in order of sequence within one take
 *
 * With ranks, records of low priority are turned away where the queue is half full (not of CONFLATE, which drops
 * nothing).
 *
 * Ledger: offered = taken + dropped + conflated + pending; exact when both sides are at rest. */
#ifndef TF_SINK_OUTQ_H
#define TF_SINK_OUTQ_H

#include "tf/bcast.h"
#include "tf/sink.h"

typedef struct tf_outq_config {
  tf_overflow_t     policy;
  tf_record_shape_t shape;
  uint64_t          slot_cnt; /* a power of two in 2 .. TF_BCAST_SLOT_CNT_MAX; not of CONFLATE */
  uint32_t          instrument_cap, strategy_cap; /* CONFLATE: keys; strategy_cap 1 if none */
  const tf_sink_ranks_t *ranks;                   /* NULL: all are alike */
  bool                   tells_missed; /* what is dropped or skipped is told in its place */
} tf_outq_config_t;

typedef struct tf_outq tf_outq_t;

/* Bytes of memory, TF_LINE_PAIR_BYTES aligned; 0: the config is not allowed. */
size_t     tf_outq_bytes(const tf_outq_config_t *config);
tf_outq_t *tf_outq_init(void *memory, const tf_outq_config_t *config);

/* Producer. Takes the first k <= n records; k < n only where the queue is full and does not drop. */
uint32_t tf_outq_offer(tf_outq_t *queue, const void *records, uint32_t n);

/* Producer. Others lost cnt records before the next one that is offered: take tells it (tells_missed). */
void tf_outq_skip(tf_outq_t *queue, uint32_t cnt);

/* Consumer. Copies out at most n records, in order of sequence; *missed receives how many were dropped, skipped or
 * conflated since the last take, before the first of these (DROP_OLDEST, CONFLATE, tells_missed; else 0). */
uint32_t tf_outq_take(tf_outq_t *queue, void *records, uint32_t n, uint64_t *missed);

/* Any thread: each word is complete by itself. */
uint64_t tf_outq_pending(const tf_outq_t *queue);
uint64_t tf_outq_offered(const tf_outq_t *queue);     /* dropped ones included */
uint64_t tf_outq_dropped(const tf_outq_t *queue);     /* newest or oldest, by its policy */
uint64_t tf_outq_dropped_low(const tf_outq_t *queue); /* of these, by their priority */
uint64_t tf_outq_conflated(const tf_outq_t *queue);

#endif
