/* What people and probes see: the start page, /healthz, and short error texts. Pure functions of
 * the metrics page and of the engine's own word on its health. */
#ifndef TF_HTTP_PAGE_H
#define TF_HTTP_PAGE_H

#include "core/metrics.h"
#include "http/reply.h"

/* reply: initialised by these functions, with its status. reason "": healthy (200), else 503. */
void tf_page_health(const tf_metrics_t *metrics, bool healthy, const char *reason,
                    tf_reply_t *reply);
void tf_page_start(const tf_metrics_t *metrics, const char *version, tf_reply_t *reply);
void tf_page_error(int status, const char *text, tf_reply_t *reply);

#endif
