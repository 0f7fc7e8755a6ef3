/* The table of all stores, in the order of stores.def (alphabetical). The binaries hand it to boot. */
#ifndef TF_STORE_REGISTRY_H
#define TF_STORE_REGISTRY_H

#include "tf/model_store.h"

extern const tf_model_store_t *const tf_stores[];
extern const uint32_t                tf_store_cnt;

#endif
