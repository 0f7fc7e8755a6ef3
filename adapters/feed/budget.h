/* How often a venue lets one address connect (tf_feed_t.connects_per_5min_max): shared by all sessions of
 * that venue, whatever their reasons, because the venue counts the address and bans it. A start is
 * booked when it is planned, so that many sessions that lost their venue together come back one after the
 * other at the rate that is allowed.
 *
 * Pure arithmetic; one thread, the dialer's. */
#ifndef FEED_BUDGET_H
#define FEED_BUDGET_H

#include "tf/base.h"

#define TF_BUDGET_WINDOW_NS   (300 * TF_NS_PER_SEC)
#define TF_BUDGET_CONNECT_MAX 512u /* of a window; a venue that allows more is held to this */

typedef struct tf_budget {
  uint32_t connect_max;                      /* in any TF_BUDGET_WINDOW_NS; 0: no bound */
  uint64_t start_cnt;                        /* booked so far */
  uint64_t starts_ns[TF_BUDGET_CONNECT_MAX]; /* a ring of the newest, ascending */
} tf_budget_t;

void tf_budget_init(tf_budget_t *budget, uint32_t connects_per_5min_max);

/* Books a start at the first moment from wanted_ns on that the bound allows, and returns it. */
uint64_t tf_budget_book(tf_budget_t *budget, uint64_t wanted_ns);

#endif
