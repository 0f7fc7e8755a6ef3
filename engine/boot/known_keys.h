/* Which of the config's keys mean something to one of a list, by what it is: a sink by its type, a feed by what brings it. A key
 * that is written and would not be looked at is an error. */
#ifndef TF_BOOT_KNOWN_KEYS_H
#define TF_BOOT_KNOWN_KEYS_H

#include "boot/config.h"

/* prefix: "sinks[3]."; what: "a nats sink"; common, keys: names with blanks between them. E_CONFIG_KEY, without the place: *path
 * is the config's of the key that is not known, as long as the config. */
tf_err_t tf_known_keys_check(const tf_config_t *config, const char *prefix, const char *what,
                             const char *common, const char *keys, const char **path);

#endif
