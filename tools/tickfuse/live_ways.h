/* How a live feed reaches its venue: the hosts that there are to choose from and their order, and through
 * which proxy, address or interface. And the thread that measures the hosts: before the first use, and
 * every rank_every. Control plane. */
#ifndef TICKFUSE_LIVE_WAYS_H
#define TICKFUSE_LIVE_WAYS_H

#include <jansson.h>
#include <pthread.h>

#include "boot/config.h"
#include "feed/ranker.h"
#include "feed/session.h"

#define TF_LIVE_RANK_WAIT_NS (5 * TF_NS_PER_SEC) /* of a start, for the first measurement */

typedef struct tf_live_ways { /* of a feed of the config; the sessions keep pointers into it */
  tf_via_t          via;
  bool              has_via;
  uint32_t          host_cnt; /* at least 1 */
  tf_session_host_t hosts[TF_ENDPOINTS_MAX];
  char              ports[TF_ENDPOINTS_MAX][8];
  tf_ranking_t      ranking;
  /* of the measuring thread */
  const char        *feed_name;
  const tf_source_t *source; /* a session of the feed, whose endpoints are measured */
  uint64_t           every_ns, due_ns;
  uint8_t            best_first[TF_ENDPOINTS_MAX]; /* as it was measured last */
} tf_live_ways_t;

/* The config's endpoints or url, or the venue's own hosts. E_FEED_KEY and what else a key file may fail
 * with, E_CONFIG_VALUE. */
tf_err_t tf_live_ways_init(tf_live_ways_t *ways, const tf_config_feed_t *f, const tf_feed_t *feed);
void     tf_live_ways_apply(tf_live_ways_t *ways, tf_session_config_t *session);
void     tf_live_ways_fini(tf_live_ways_t *ways); /* wipes the proxy's credentials */

/* Measures one feed's hosts now. rows: (TF_ENDPOINTS_MAX). */
tf_err_t tf_live_ways_measure(tf_live_ways_t *ways, tf_dialer_t *dialer, const uint32_t *stopping,
                              tf_ranker_row_t *rows);

/* What was measured, best first: a table, and an object. */
void    tf_live_ways_print(const tf_live_ways_t *ways, const tf_ranker_row_t *rows, FILE *out);
json_t *tf_live_ways_json(const tf_live_ways_t *ways, const tf_ranker_row_t *rows);

typedef struct tf_live_ranks {
  tf_live_ways_t *feeds[64];
  uint32_t        feed_cnt; /* those with several hosts */
  tf_dialer_t    *dialer;
  pthread_t       thread;
  bool            is_running;
  uint32_t        stopping, measured; /* shared words */
} tf_live_ranks_t;

/* Feeds with one host are left alone. Waits for the first measurement, TF_LIVE_RANK_WAIT_NS at most.
 * E_CORE_THREAD. */
tf_err_t tf_live_ranks_start(tf_live_ranks_t *ranks, tf_dialer_t *dialer);
void     tf_live_ranks_add(tf_live_ranks_t *ranks, tf_live_ways_t *ways, const tf_source_t *source);
void     tf_live_ranks_stop(tf_live_ranks_t *ranks); /* before the dialer's; a zeroed one too */

#endif
