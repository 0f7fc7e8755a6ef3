/* The newest ids of a stream, so many and no fewer: what comes again among them is a repeat. Ids are hashes, any 64 bits.
 * Exact: the eldest goes when there is no room, and nothing else. One thread; the memory is the caller's. */
#ifndef TF_FEED_ID_WINDOW_H
#define TF_FEED_ID_WINDOW_H

#include "tf/base.h"

#define TF_ID_WINDOW_MAX (1u << 20)

typedef struct tf_id_window {
  uint64_t *ids;     /* (cap): place = number of the id modulo cap */
  uint32_t *next;    /* (cap): of its bucket: place + 1; 0: the last */
  uint32_t *buckets; /* (bucket_mask + 1): place + 1; 0: none */
  uint64_t  put_cnt;
  uint32_t  cap, bucket_mask;
} tf_id_window_t;

/* cap: 1 .. TF_ID_WINDOW_MAX. */
size_t tf_id_window_bytes(uint32_t cap);
/* memory: zeroed, at 8 bytes. */
void tf_id_window_init(tf_id_window_t *window, void *memory, uint32_t cap);
bool tf_id_window_has(const tf_id_window_t *window, uint64_t id);
/* One that is not there; the eldest makes room. */
void tf_id_window_put(tf_id_window_t *window, uint64_t id);

#endif
