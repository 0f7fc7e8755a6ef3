#include "features_kernel.h"

#include "gpu/features.cuh"
#include "gpu/loop.cuh"

void features_kernel(void *args) {
  tf_features_kind kind{};
  tf_card_loop(static_cast<const tf_card_args_t *>(args), kind);
}
