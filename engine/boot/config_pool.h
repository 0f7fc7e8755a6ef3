/* All memory of one config: chunks that are bumped, never freed one by one. Control plane, one
 * thread; malloc behind it, so that a config can be loaded, compared and dropped while engines
 * run. Private to engine/boot. */
#ifndef TF_BOOT_CONFIG_POOL_H
#define TF_BOOT_CONFIG_POOL_H

#include "tf/base.h"

typedef struct tf_config_pool {
  struct tf_config_chunk *chunks; /* newest first */
} tf_config_pool_t;

/* bytes of zeroed memory, 16-byte aligned; NULL when the system has none. A zeroed pool is
 * empty. */
void *tf_config_pool_take(tf_config_pool_t *pool, size_t bytes);
/* text_cnt bytes of text and a NUL. NULL as above. */
char *tf_config_pool_text(tf_config_pool_t *pool, const char *text, size_t text_cnt);
void  tf_config_pool_fini(tf_config_pool_t *pool);

#endif
