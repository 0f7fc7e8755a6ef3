/* One place for each key (instrument x strategy), where the latest record stands until it is taken. One
 * producer thread, one consumer thread, wait-free on both sides: a key has three buffers, one the
 * producer's, one the consumer's, and one between them that the two exchange, so nobody ever reads what
 * another writes.
 *
 *   producer   fills its buffer, exchanges it for the one between. Was that one taken? Then the key
 *              goes to the end of the queue of keys; else what stood there is replaced, and counted.
 *   consumer   sweeps: takes the key off the queue, exchanges its buffer for the one between, and holds
 *              what it got. What it holds leaves in order of arrival.
 *
 * Records must leave in an order that only rises, over all takes: a destination's tail is one number. So a
 * sweep notes what had been offered when it began, and what came later (its key was offered again
 * meanwhile) is held over to the next sweep. A record that is still held when a later one of its key has
 * come gives way to it, once: at the second time it leaves as it is, so that the busiest key gets
 * through to the slowest consumer too. */
#ifndef TF_SINK_CONFLATE_H
#define TF_SINK_CONFLATE_H

#include "tf/record.h"

typedef struct tf_conflate tf_conflate_t;

#define TF_CONFLATE_KEYS_MAX (1u << 24)

/* Bytes of memory, TF_LINE_PAIR_BYTES aligned; 0: no keys, too many, or a record size that is none. */
size_t         tf_conflate_bytes(uint32_t key_cnt, uint32_t record_bytes);
tf_conflate_t *tf_conflate_init(void *memory, uint32_t key_cnt, uint32_t record_bytes);

/* Producer. True: it replaced one that the consumer never had. key < key_cnt. */
bool tf_conflate_offer(tf_conflate_t *conflate, uint32_t key, const void *record);

/* Consumer. Copies out at most n, in order of arrival; *replaced grows by how many gave way here. */
uint32_t tf_conflate_take(tf_conflate_t *conflate, void *records, uint32_t n, uint64_t *replaced);

#endif
