/* Which of the config's keys mean something to a sink's type: a key that is written and would not be looked at is an
 * error. */
#ifndef TF_BOOT_SINK_KEYS_H
#define TF_BOOT_SINK_KEYS_H

#include "boot/config.h"

/* keys: of the type, besides TF_SINK_KEYS, with blanks between them; NULL: all are known. E_CONFIG_KEY. */
tf_err_t tf_sink_keys_check(const tf_config_t *config, uint32_t sink_idx, const char *type,
                            const char *keys);

#endif
