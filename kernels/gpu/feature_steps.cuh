/* Indicators of the folder that are written as steps (indicator/step.h), for a card: their files are read here a second time, with
 * TF_STEPS_ONLY, which leaves of each definition its step. So there is one source, and the bits are the CPU's. The file of each
 * STEP of card_feature_fn.def stands here; what it calls is TF_STEP or TF_INLINE. */
#ifndef TF_GPU_FEATURE_STEPS_CUH
#define TF_GPU_FEATURE_STEPS_CUH

#include "gpu/device.cuh"
#include "gpu/features.h"

#define TF_STEPS_ONLY
#ifdef __CUDACC__
#define TF_ELEMENTARY static __host__ __device__ __noinline__
#pragma nv_diag_suppress 177 /* what only the CPU's part of a file calls */
#else
#define TF_ELEMENTARY static
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include "indicator/average.h"
#include "indicator/block.h"
#include "indicator/candle.h"
#include "indicator/log_ratio.h"
#include "indicator/true_range.h"
#include "indicator/variance.h"
#include "indicator/window.h"

#include "indicator/average.c"
#include "indicator/elementary.c"
/* What a file calls its own may be another's, too. */
namespace tf_steps_averages {
#include "indicator/averages.c"
}
using namespace tf_steps_averages;
namespace tf_steps_bands {
#include "indicator/bands.c"
}
using namespace tf_steps_bands;
namespace tf_steps_bar_volume {
#include "indicator/bar_volume.c"
}
using namespace tf_steps_bar_volume;
namespace tf_steps_candle_more {
#include "indicator/candle_more.c"
}
using namespace tf_steps_candle_more;
namespace tf_steps_candle_one {
#include "indicator/candle_one.c"
}
using namespace tf_steps_candle_one;
namespace tf_steps_candle_three {
#include "indicator/candle_three.c"
}
using namespace tf_steps_candle_three;
namespace tf_steps_candle_two {
#include "indicator/candle_two.c"
}
using namespace tf_steps_candle_two;
namespace tf_steps_change {
#include "indicator/change.c"
}
using namespace tf_steps_change;
namespace tf_steps_convergence {
#include "indicator/convergence.c"
}
using namespace tf_steps_convergence;
namespace tf_steps_cycle {
#include "indicator/cycle.c"
}
using namespace tf_steps_cycle;
namespace tf_steps_directional {
#include "indicator/directional.c"
}
using namespace tf_steps_directional;
namespace tf_steps_operator {
#include "indicator/operator.c"
}
using namespace tf_steps_operator;
namespace tf_steps_oscillator {
#include "indicator/oscillator.c"
}
using namespace tf_steps_oscillator;
namespace tf_steps_price {
#include "indicator/price.c"
}
using namespace tf_steps_price;
namespace tf_steps_range_vol {
#include "indicator/range_vol.c"
}
using namespace tf_steps_range_vol;
namespace tf_steps_statistic {
#include "indicator/statistic.c"
}
using namespace tf_steps_statistic;
namespace tf_steps_stops {
#include "indicator/stops.c"
}
using namespace tf_steps_stops;
namespace tf_steps_transform {
#include "indicator/transform.c"
}
using namespace tf_steps_transform;
namespace tf_steps_variation {
#include "indicator/variation.c"
}
using namespace tf_steps_variation;
namespace tf_steps_volatility {
#include "indicator/volatility.c"
}
using namespace tf_steps_volatility;
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
