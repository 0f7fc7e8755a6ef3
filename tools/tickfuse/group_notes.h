/* What `tickfuse check` has to say of a config's group: what it is, and what it lacks. Pure. */
#ifndef TICKFUSE_GROUP_NOTES_H
#define TICKFUSE_GROUP_NOTES_H

#include "boot/config.h"

/* Behind the cnt that are there, up to cap; returns how many there are then. None, where the config names no group. */
uint32_t tf_group_notes(const tf_config_t *config, char notes[][TF_CONFIG_ERROR_TEXT_BYTES],
                        uint32_t cnt, uint32_t cap);

#endif
