/* Each row along the last axis over the root of its mean square and reals[0] (https://arxiv.org/abs/1910.07467); then times input 1, one
 * value each of the row, where it is given. Sums in double, in order, as reduce.h says. */
#include <math.h>

#include "core/error.h"
#include "tensor/tensor.h"

static uint32_t width_of(const tf_tensor_use_t *use) {
  return use->in[0].rank ? use->in[0].dims[use->in[0].rank - 1] : 1;
}

static tf_err_t shape(tf_tensor_use_t *use) {
  char text[TF_TENSOR_SHAPE_TEXT_BYTES];
  use->out = use->in[0];
  if (use->in_cnt > 1 && (use->in[1].rank != 1 || use->in[1].cnt != width_of(use)))
    return TF_ERR(E_MODEL_SHAPE, "input 1 is %s for rows of %u",
                  tf_tensor_shape_text(&use->in[1], text), width_of(use));
  if (!(use->reals[0] >= 0.0 && use->reals[0] < 1e6))
    return TF_ERR(E_MODEL_SHAPE, "epsilon %g", use->reals[0]);
  return TF_OK;
}

#define NORM(name, T)                                                                              \
  static void name(const tf_tensor_use_t *use, const T *const *in, T *out, T *scratch) {           \
    (void)scratch;                                                                                 \
    const uint32_t width = width_of(use);                                                          \
    const T       *x     = in[0];                                                                  \
    for (uint32_t at = 0; at < use->out.cnt; at += width, x += width, out += width) {              \
      double square[4] = {0.0, 0.0, 0.0, 0.0};                                                     \
      for (uint32_t i = 0; i < width; i++) square[i % 4] += (double)x[i] * (double)x[i];           \
      const double mean  = ((square[0] + square[1]) + (square[2] + square[3])) / (double)width;    \
      const double scale = 1.0 / sqrt(mean + use->reals[0]);                                       \
      for (uint32_t i = 0; i < width; i++) out[i] = (T)((double)x[i] * scale);                     \
      if (use->in_cnt > 1)                                                                         \
        for (uint32_t i = 0; i < width; i++) out[i] *= in[1][i];                                   \
    }                                                                                              \
  }
NORM(ref, double)
NORM(run, float)

static uint64_t flops(const tf_tensor_use_t *use) { return UINT64_C(4) * use->out.cnt; }

const tf_tensor_op_t tf_tensor_rms_norm = {
    .name     = "rms_norm",
    .in_min   = 1,
    .in_max   = 2,
    .real_cnt = 1,
    .in_place = true,
    .shape    = shape,
    .ref      = ref,
    .run      = run,
    .flops    = flops,
};
