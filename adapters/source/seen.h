/* Which keys were used of late: so that what is sent again under its key, because the answer was lost, is not taken twice.
 * A key stays for TF_SEEN_NS, or until TF_SEEN_MAX others came; the eldest goes first. Keys are 64-bit hashes. Memory is
 * the caller's; one thread. */
#ifndef TF_SOURCE_SEEN_H
#define TF_SOURCE_SEEN_H

#include "tf/base.h"

#define TF_SEEN_MAX 16384u
#define TF_SEEN_NS  (600 * TF_NS_PER_SEC)

typedef struct tf_seen_entry {
  uint64_t key, body; /* hashes */
  uint64_t ticket;    /* what its sender waits for */
  uint64_t came_ns;
  uint32_t next; /* of its bucket: place + 1; 0: the last */
} tf_seen_entry_t;

typedef struct tf_seen {
  uint64_t        first, end; /* entries [first, end), modulo TF_SEEN_MAX, the eldest first */
  uint32_t        buckets[2 * TF_SEEN_MAX]; /* place + 1; 0: none */
  tf_seen_entry_t entries[TF_SEEN_MAX];
} tf_seen_t;

void tf_seen_init(tf_seen_t *seen);
/* NULL: not within the window. Valid until the next add. */
const tf_seen_entry_t *tf_seen_find(tf_seen_t *seen, uint64_t key, uint64_t now_ns);
/* key is not there. */
void tf_seen_add(tf_seen_t *seen, uint64_t key, uint64_t body, uint64_t ticket, uint64_t now_ns);

#endif
