/* What one key alone cannot tell: names that must be unique or must exist, lanes that must make a
 * whole pipeline, keys that contradict each other. Private to engine/boot. */
#ifndef TF_BOOT_CONFIG_CHECK_H
#define TF_BOOT_CONFIG_CHECK_H

#include "boot/config_store.h"

/* config: bound without errors. known may be NULL. Reports into store->errors. */
void tf_config_check(tf_config_t *config, const tf_config_known_t *known);

#endif
