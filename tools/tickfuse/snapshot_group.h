/* Snapshots of an engine of a group: in the group's store (tf/group.h), under the partition's number. Any member that has the partition
 * next goes on from there. */
#ifndef TICKFUSE_SNAPSHOT_GROUP_H
#define TICKFUSE_SNAPSHOT_GROUP_H

#include "boot/config.h"
#include "boot/snapshot_store.h"
#include "tf/group.h"

/* The store that the config's group names; timeout_ns: of one call; may_create: what is not there. E_CONFIG_VALUE, what its open gives. */
tf_err_t tickfuse_group_store(const tf_config_t *config, uint64_t timeout_ns, bool may_create,
                              const tf_group_store_t **store, void **state);

/* Of this process, from now on: a partition's name is p0042. As the above. */
tf_err_t tickfuse_snapshots_of_group(const tf_config_t *config, tf_snapshot_store_t *store);

#endif
