// The kernel of feature programs (card_features.h): events in, features and answers out.
#include "gpu/features.cuh"
#include "gpu/kernels.h"
#include "gpu/loop.cuh"

#define THREADS_MAX 256u /* a level of a plan has fewer steps */

TF_CARD_KERNEL(tf_card_features_kernel, THREADS_MAX, tf_features_kind)

extern "C" tf_card_entry_t tf_card_kernel_features(const tf_card_program_t *) {
  return TF_CARD_ENTRY(tf_card_features_kernel);
}
