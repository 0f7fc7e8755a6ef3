/* The metrics page as Prometheus text, exposition format 0.0.4: HELP and TYPE once a family, all
 * samples of a family together, names tickfuse_<family>_<unit>_total. Source: Prometheus'
 * "Exposition formats" page, section "Text format details".
 *
 * Stage latencies are cumulative histograms in seconds. Their bounds are 2^k - 1 ns: exact bucket
 * edges of tf_hist_t, so no count is interpolated. */
#ifndef TF_HTTP_PROMETHEUS_H
#define TF_HTTP_PROMETHEUS_H

#include "core/metrics.h"
#include "http/reply.h"

#define TF_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct tf_prometheus_info {
  const char *version, *commit, *config_hash; /* labels of tickfuse_build_info; NULL: "" */
  uint64_t    start_ns;                       /* of the process, ns since 1970 */
} tf_prometheus_info_t;

/* Appends everything. Reads the page only; HTTP thread. */
void tf_prometheus_write(const tf_metrics_t *metrics, const tf_prometheus_info_t *info,
                         tf_reply_t *reply);

#endif
