/* Answers of venues that acknowledge by a list of all that is subscribed now (Coinbase): what is in the list
 * and was not before has been acknowledged, what was and is not, has ended.
 *
 * A byte of channels a symbol, in the feed's memory; one writer, the thread that runs the feed. */
#ifndef TF_FEED_ACKS_H
#define TF_FEED_ACKS_H

#include "feed/symbols.h"

typedef struct tf_acks {
  uint8_t *listed, *known; /* (cap) TF_CHANNEL_* bits: of the list being read, of the last one */
  uint32_t cap;
} tf_acks_t;

TF_INLINE size_t tf_acks_bytes(uint32_t cap) { return tf_align_up(2 * (size_t)cap, TF_LINE_BYTES); }

void tf_acks_init(tf_acks_t *acks, void *memory, uint32_t cap);

/* A new connection: nothing is subscribed. */
void tf_acks_restart(tf_acks_t *acks);

/* The list names these products, a JSON array of strings, for a channel. Unknown ones are passed over. */
void tf_acks_list(tf_acks_t *acks, tf_symbols_t *symbols, uint32_t channel,
                  const tf_json_value_t *products);

/* The list is read: its answers go out. Those without room are given with the next list. */
void tf_acks_finish(tf_acks_t *acks, const tf_symbols_t *symbols, tf_feed_out_t *out);

#endif
