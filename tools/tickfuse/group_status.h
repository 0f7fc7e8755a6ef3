/* `tickfuse group CONFIG --status`: what the group's table says, which members renew, and what snapshots there are. Takes
 * no part: it writes nothing. */
#ifndef TICKFUSE_GROUP_STATUS_H
#define TICKFUSE_GROUP_STATUS_H

#include "boot/config.h"
#include "tf/group.h"

/* Looks twice, a good half of a lease apart: who has renewed in between is there. E_GROUP_STORE. */
tf_err_t tf_group_status_print(const tf_config_t *config, const tf_group_store_t *store,
                               void *state, bool is_json);

#endif
