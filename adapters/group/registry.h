/* The table of all stores of groups, in the order of stores.def (alphabetical). */
#ifndef TF_ADAPTERS_GROUP_REGISTRY_H
#define TF_ADAPTERS_GROUP_REGISTRY_H

#include "tf/group.h"

extern const tf_group_store_t *const tf_group_stores[];
extern const uint32_t                tf_group_store_cnt;

/* NULL: there is none of that name in this build. */
const tf_group_store_t *tf_group_store_find(const char *name);

#endif
