#include "group/registry.h"

#include <string.h>

#define TF_GROUP_STORE(name) extern const tf_group_store_t tf_group_store_##name;
#include "group/stores.def"
#undef TF_GROUP_STORE

const tf_group_store_t *const tf_group_stores[] = {
#define TF_GROUP_STORE(name) &tf_group_store_##name,
#include "group/stores.def"
#undef TF_GROUP_STORE
};

const uint32_t tf_group_store_cnt = TF_ARRAY_CNT(tf_group_stores);

const tf_group_store_t *tf_group_store_find(const char *name) {
  for (uint32_t i = 0; i < tf_group_store_cnt; i++)
    if (!strcmp(tf_group_stores[i]->name, name)) return tf_group_stores[i];
  return NULL;
}
