/* The tree against the table: every key known, every value of its type and in its range, what is
 * absent taken from the defaults; the struct filled and the list of effective values written, in
 * the table's order. Private to engine/boot. */
#ifndef TF_BOOT_CONFIG_BIND_H
#define TF_BOOT_CONFIG_BIND_H

#include "boot/config_store.h"

/* Fills config from store->root. Errors are reported; afterwards the struct is only complete when
 * there are none. */
void tf_config_bind(tf_config_t *config);

#endif
