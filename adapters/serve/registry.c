#include "serve/registry.h"

#define TF_RUNTIME(name) extern const tf_runtime_t tf_runtime_##name;
#include "serve/runtimes.def"
#undef TF_RUNTIME

const tf_runtime_t *const tf_runtimes_all[] = {
#define TF_RUNTIME(name) &tf_runtime_##name,
#include "serve/runtimes.def"
#undef TF_RUNTIME
};

const uint32_t tf_runtimes_all_cnt = TF_ARRAY_CNT(tf_runtimes_all);
