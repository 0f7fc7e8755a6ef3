/* A thread that keeps the orders of feeds' endpoints true: each feed is measured (ranker.h) before its first
 * dial and every every_ns, and its ranking gets the order that follows. Nothing moves a connection that stands:
 * the order is for the next dial. Control plane; what lanes read is the ranking. */
#ifndef FEED_RANKS_H
#define FEED_RANKS_H

#include <pthread.h>

#include "feed/ranker.h"

#define TF_RANKS_FEEDS_MAX 64u
#define TF_RANKS_WAIT_NS   (5 * TF_NS_PER_SEC) /* of a start, for the first measurement */

typedef struct tf_ranks_feed {
  const char          *name; /* for the log */
  tf_ranking_t        *ranking;
  const tf_endpoint_t *endpoints; /* (ranking->cnt) */
  const char          *target;    /* of the websocket upgrade */
  uint64_t             every_ns;  /* 0: once, before the start */
  /* the thread's own */
  uint64_t due_ns;
  bool     is_logged;
} tf_ranks_feed_t;

typedef struct tf_ranks {
  tf_ranks_feed_t feeds[TF_RANKS_FEEDS_MAX];
  uint32_t        feed_cnt;
  tf_dialer_t    *dialer;
  pthread_t       thread;
  bool            is_running;
  uint32_t        stopping, measured; /* shared words */
} tf_ranks_t;

/* Before start; what it names must outlive stop. */
void tf_ranks_add(tf_ranks_t *ranks, const tf_ranks_feed_t *feed);
/* Waits for the first measurement, TF_RANKS_WAIT_NS at most. Without feeds nothing is started. E_CORE_THREAD. */
tf_err_t tf_ranks_start(tf_ranks_t *ranks, tf_dialer_t *dialer);
void     tf_ranks_stop(tf_ranks_t *ranks); /* before the dialer's; a zeroed one too */

/* Measures one feed now, and gives its ranking the order: rows by the endpoints' index, (TF_ENDPOINTS_MAX), and
 * best_first. Errors of tf_ranker_measure. */
tf_err_t tf_ranks_measure(const tf_ranks_feed_t *feed, tf_dialer_t *dialer,
                          const uint32_t *stopping, tf_ranker_row_t *rows,
                          uint8_t best_first[TF_ENDPOINTS_MAX]);

#endif
