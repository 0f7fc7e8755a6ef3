/* Indicators of the folder that are written as steps (indicator/step.h), for a card: their files are read here a second time, with
 * TF_STEPS_ONLY, which leaves of each definition its step. So there is one source, and the bits are the CPU's. The file of each
 * STEP of card_feature_fn.def stands here; what it calls is TF_STEP or TF_INLINE. */
#ifndef TF_GPU_FEATURE_STEPS_CUH
#define TF_GPU_FEATURE_STEPS_CUH

#include "gpu/device.cuh"
#include "gpu/features.h"

#define TF_STEPS_ONLY
#ifdef __CUDACC__
#pragma nv_diag_suppress 177 /* what only the CPU's part of a file calls */
#else
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include "indicator/bar_volume.c"
#include "indicator/change.c"
#include "indicator/directional.c"
#include "indicator/operator.c"
#include "indicator/price.c"
#include "indicator/stops.c"
#include "indicator/variation.c"
#include "indicator/volatility.c"
#include "indicator/window.h"
#ifndef __CUDACC__
#pragma GCC diagnostic pop
#endif
#undef TF_STEPS_ONLY

#ifdef __CUDACC__
#define TF_FEATURES_APART                                                                          \
  static __device__ __noinline__ /* its registers are not those of what is around it */
#define TF_APART_MEMBER __device__ __noinline__
#else
#define TF_FEATURES_APART static
#define TF_APART_MEMBER
#endif

/* y is set where it is true; x is usable. */
TF_FEATURES_APART bool tf_features_step(uint32_t fn, uint8_t *state, uint32_t param_cnt,
                                        const double *x, double *y) {
  switch (fn) {
#define FN(kind, name)
#define STEP(name)                                                                                 \
  case TF_CARD_FEATURE_STEP_##name:                                                                \
    return tf_step_##name(state, param_cnt, x, y);
#include "gpu/card_feature_fn.def"
#undef FN
#undef STEP
  default: return false;
  }
}

#endif
