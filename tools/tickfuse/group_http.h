/* What a member of a group shows over HTTP (http.listen), as an engine does: /metrics, /healthz and a page. Its engines have no listener.
 * The page of metrics is written by the member's thread. Control plane. */
#ifndef TICKFUSE_GROUP_HTTP_H
#define TICKFUSE_GROUP_HTTP_H

#include "boot/config.h"
#include "boot/group_run.h"
#include "http/http.h"

#define TF_GROUP_HTTP_PARTITIONS_MAX                                                               \
  (TF_METRICS_BLOCKS_MAX - 1) /* the first ones have metrics of their own */

typedef struct tf_group_http {
  tf_http_t          *http; /* NULL: not wanted */
  void               *memory;
  tf_metrics_t       *page;
  tf_metrics_block_t *group, *partitions[TF_GROUP_HTTP_PARTITIONS_MAX];
  uint32_t            partition_cnt;
  uint64_t            until_ns; /* of the lease, for the listener's thread */
  uint64_t            shown_ns;
} tf_group_http_t;

/* Nothing, where the config says http.listen: off. What tf_http_start gives; E_CORE_NO_MEMORY. fini accepts what was left unfinished. */
tf_err_t tf_group_http_init(tf_group_http_t *http, const tf_config_t *config);
void     tf_group_http_fini(tf_group_http_t *http);

/* Now and then: what the member is about. */
void tf_group_http_show(tf_group_http_t *http, const tf_group_run_t *run);

#endif
