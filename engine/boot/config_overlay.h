/* What is laid over the file's tree before it is bound: --set arguments, then the keys of the
 * chosen profile that nobody has set. Private to engine/boot. */
#ifndef TF_BOOT_CONFIG_OVERLAY_H
#define TF_BOOT_CONFIG_OVERLAY_H

#include "boot/config_store.h"

/* set: "engine.idle=spin", "feeds.0.url=ws://127.0.0.1:9001", "feeds[0].url=..." likewise; the
 * value is YAML, collections in flow style. An index may be one past the end: appends. Errors are
 * reported under the argument's own text. */
void tf_config_overlay_set(tf_config_store_t *store, uint32_t source, const char *set);

/* Adds the profile's keys to engine where it lacks them. */
void tf_config_overlay_profile(tf_config_store_t *store);

#endif
