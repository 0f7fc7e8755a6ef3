/* How a live feed reaches its venue: the hosts that there are to choose from and their order (feed/ranks.h
 * keeps it), and through which proxy, address or interface. Control plane. */
#ifndef TICKFUSE_LIVE_WAYS_H
#define TICKFUSE_LIVE_WAYS_H

#include <jansson.h>

#include "boot/config.h"
#include "feed/ranks.h"
#include "feed/session.h"

typedef struct tf_live_ways { /* of a feed of the config; the sessions keep pointers into it */
  tf_via_t          via;
  bool              has_via;
  uint32_t          host_cnt; /* at least 1 */
  tf_session_host_t hosts[TF_ENDPOINTS_MAX];
  char              ports[TF_ENDPOINTS_MAX][8];
  tf_ranking_t      ranking;
  const char       *feed_name;
  uint64_t          every_ns;
} tf_live_ways_t;

/* The config's endpoints or url, or the venue's own hosts. E_FEED_KEY and what else a key file may fail
 * with, E_CONFIG_VALUE. */
tf_err_t tf_live_ways_init(tf_live_ways_t *ways, const tf_config_feed_t *f, const tf_feed_t *feed);
void     tf_live_ways_apply(tf_live_ways_t *ways, tf_session_config_t *session);
void     tf_live_ways_fini(tf_live_ways_t *ways); /* wipes the proxy's credentials */

/* For feed/ranks.h. source: a session of the feed, whose endpoints are measured. */
tf_ranks_feed_t tf_live_ways_ranked(tf_live_ways_t *ways, const tf_source_t *source);

/* What was measured, best first: a table, and an object. */
void    tf_live_ways_print(const tf_live_ways_t *ways, const tf_ranker_row_t *rows,
                           const uint8_t *best_first, FILE *out);
json_t *tf_live_ways_json(const tf_live_ways_t *ways, const tf_ranker_row_t *rows,
                          const uint8_t *best_first);

#endif
