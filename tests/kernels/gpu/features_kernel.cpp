#include "features_kernel.h"

#include "gpu/features.cuh"
#include "gpu/loop.cuh"

void features_kernel(void *args) {
  tf_features_kind kind{};
  tf_card_loop(static_cast<const tf_card_args_t *>(args), kind);
}

bool features_step(const char *name, void *state, uint32_t param_cnt, const double *x, double *y,
                   bool *is_warm) {
  static const char *const names[] = {
#define FN(kind, of) #of,
#define STEP(of)     #of,
#include "gpu/card_feature_fn.def"
#undef FN
#undef STEP
  };
  for (uint32_t fn = TF_CARD_FEATURE_SERIES_zscore + 1; fn < TF_CARD_FEATURE_CNT; fn++) {
    if (strcmp(names[fn], name) != 0) continue;
    *is_warm = tf_features_step(fn, static_cast<uint8_t *>(state), param_cnt, x, y);
    return true;
  }
  return false;
}
