/* So many requests a second of one address and no more: a bucket of tokens for each, refilled at the rate, that holds as
 * many as come in a second. Addresses are hashed into sets of eight; the one of a set that was quiet for longest makes
 * room, and whoever comes back finds a full bucket: to gain by that, somebody needs more addresses than there is room
 * for. Memory is the caller's; one thread. */
#ifndef TF_SOURCE_RATE_H
#define TF_SOURCE_RATE_H

#include "tf/base.h"

#define TF_RATE_SETS 512u
#define TF_RATE_WAYS 8u

typedef struct tf_rate_bucket {
  uint64_t address; /* hash; 0: free */
  uint64_t full_ns; /* when it will be full again */
} tf_rate_bucket_t;

typedef struct tf_rate {
  uint64_t         cost_ns; /* of a request; 0: there is no bound */
  tf_rate_bucket_t buckets[TF_RATE_SETS][TF_RATE_WAYS];
} tf_rate_t;

void tf_rate_init(tf_rate_t *rate, uint64_t per_second); /* 0: no bound */
/* Takes a token. False: there is none. now_ns: does not step back, 2 s or more at the start. */
bool tf_rate_take(tf_rate_t *rate, uint64_t address, uint64_t now_ns);

#endif
