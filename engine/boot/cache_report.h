/* What the cache of models (serve/cache.h) tells: figures of each level for the metrics page, and a list for the operator.
 * Any thread. */
#ifndef TF_BOOT_CACHE_REPORT_H
#define TF_BOOT_CACHE_REPORT_H

#include <jansson.h>

#include "boot/publish.h"
#include "serve/cache.h"

#define TF_CACHE_REPORT_PAGE 500u /* keys in one list */

/* One thread: the writer of the levels' blocks. */
void tf_cache_report_publish(tf_cache_t *cache, tf_publish_t *publish);

/* {models: [..], next, levels: [..], takes, ..}: the keys from the from-th on; next is null at the end. */
json_t *tf_cache_report_list(tf_cache_t *cache, uint32_t from);

#endif
