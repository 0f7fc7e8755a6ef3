/* The table of vector kinds. */
#ifndef TF_VECTOR_REGISTRY_H
#define TF_VECTOR_REGISTRY_H

#include "tf/vector.h"

extern const tf_vector_kind_t *const tf_vectors[];
extern const uint32_t                tf_vector_cnt;

#endif
