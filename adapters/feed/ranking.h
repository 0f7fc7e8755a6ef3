/* The order in which a feed's endpoints are used: best first, by what the ranker measured (ranker.h); one that
 * failed goes to the back, and stays behind those that did not until it was measured again. Shared by all
 * connections of the feed.
 *
 * The whole order is one word, so that a lane reads and changes it without waiting: written by the ranker's
 * thread and by lanes, each change a compare and exchange. */
#ifndef FEED_RANKING_H
#define FEED_RANKING_H

#include "tf/atomic.h"

#define TF_ENDPOINTS_MAX 8u /* of a feed: a byte each in the word */

typedef struct tf_ranking {
  uint32_t cnt;   /* of endpoints, 1 .. TF_ENDPOINTS_MAX */
  uint64_t order; /* its i-th byte: the index of the i-th best, and above it whether that failed */
} tf_ranking_t;

/* An order as it was at one moment. */
typedef struct tf_ranking_order {
  uint64_t word;
  uint8_t  best_first[TF_ENDPOINTS_MAX];
  bool     has_failed[TF_ENDPOINTS_MAX]; /* by index: since it was measured last */
} tf_ranking_order_t;

/* In the order of the config. */
void tf_ranking_init(tf_ranking_t *ranking, uint32_t cnt);

/* Index of the endpoint at a place, 0 the best. Any thread. */
uint32_t tf_ranking_at(const tf_ranking_t *ranking, uint32_t place);

/* This endpoint failed: it goes behind all others. Any thread. */
void tf_ranking_demote(tf_ranking_t *ranking, uint32_t idx);

tf_ranking_order_t tf_ranking_read(const tf_ranking_t *ranking);

/* A whole new order, best_first holding each index once, of which none has failed; false, and nothing is changed:
 * the order is no longer what was read. Any thread. */
bool tf_ranking_replace(tf_ranking_t *ranking, const tf_ranking_order_t *read,
                        const uint8_t *best_first);

#endif
