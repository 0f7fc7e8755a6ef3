/* The HTTP listener: GET /metrics (Prometheus text), /healthz (JSON, 200 or 503) and / (a small
 * page), over libwebsockets, on a thread of its own with all signals blocked. It reads the metrics
 * page and asks one callback; nothing that it does reaches a lane.
 *
 * Limits (FAULTS.md section 3, HTTP dashboard): GET and HEAD only; one request a connection; at
 * most 64 connections, a further one is closed at once; headers of at most 8 KiB within 2 s; the
 * reply taken within 10 s. Bound to loopback, it answers only requests whose Host is loopback too,
 * so that a web page cannot read it through a name that it resolves to 127.0.0.1 (DNS rebinding).
 * Bound elsewhere it has no authentication: a proxy in front is the operator's.
 *
 * libwebsockets ignores SIGPIPE for the whole process from tf_http_start on. */
#ifndef TF_HTTP_HTTP_H
#define TF_HTTP_HTTP_H

#include "core/metrics.h"
#include "tf/err.h"

#define TF_HTTP_CONNECTIONS_MAX  64
#define TF_HTTP_REASON_BYTES     256
#define TF_HTTP_HEADER_BYTES_MAX 8192
#define TF_HTTP_HEADER_NS_MAX    (2 * TF_NS_PER_SEC)
#define TF_HTTP_REPLY_NS_MAX     (10 * TF_NS_PER_SEC)

typedef struct tf_http tf_http_t;

typedef struct tf_http_config {
  const char         *host; /* numeric address: "127.0.0.1", "::1" */
  uint16_t            port; /* 0: a free one, see tf_http_port */
  const tf_metrics_t *metrics;
  const char         *version, *commit, *config_hash; /* shown; may be NULL */
  /* Is the engine well: all feeds LIVE, or the replay running? If not, says why (NUL-terminated).
   * Called on the HTTP thread. NULL: always well. */
  bool (*healthy)(void *self, char reason[TF_HTTP_REASON_BYTES]);
  void *self;
} tf_http_config_t;

/* Binds, listens and starts the thread. config's pointers must hold until tf_http_stop.
 * E_HTTP_LISTEN: says address and cause; E_CORE_NO_MEMORY; E_CORE_THREAD. */
tf_err_t tf_http_start(const tf_http_config_t *config, tf_http_t **http);

/* Closes every connection, ends the thread, frees. NULL is fine. */
void tf_http_stop(tf_http_t *http);

/* The port that it listens on. Any thread. */
uint16_t tf_http_port(const tf_http_t *http);

#endif
