#include "vector/registry.h"

#define TF_VECTOR(name) extern const tf_vector_kind_t tf_vector_##name;
#include "vector/kinds.def"
#undef TF_VECTOR

const tf_vector_kind_t *const tf_vectors[] = {
#define TF_VECTOR(name) &tf_vector_##name,
#include "vector/kinds.def"
#undef TF_VECTOR
};
const uint32_t tf_vector_cnt = TF_ARRAY_CNT(tf_vectors);
