#include "store/registry.h"

#define TF_STORE(name) extern const tf_model_store_t tf_store_##name;
#include "store/stores.def"
#undef TF_STORE

const tf_model_store_t *const tf_stores[] = {
#define TF_STORE(name) &tf_store_##name,
#include "store/stores.def"
#undef TF_STORE
};

const uint32_t tf_store_cnt = TF_ARRAY_CNT(tf_stores);
