/* x clip(x / 6 + 1 / 2, 0, 1): MobileNetV3's stand-in for silu (https://arxiv.org/abs/1905.02244). */
#include "op/lanes.h"

#define RUN(isa)                                                                                   \
  TF_LANES_MAP(                                                                                    \
      isa, tf_lanes_mul_##isa(                                                                     \
               x, tf_lanes_clip_##isa(                                                             \
                      tf_lanes_add_##isa(tf_lanes_mul_##isa(x, tf_lanes_set_##isa(1.0f / 6.0f)),   \
                                         tf_lanes_set_##isa(0.5f)),                                \
                      0.0f, 1.0f)))
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++) {
    const double gate = in[i] / 6.0 + 0.5;
    out[i]            = in[i] * (gate < 0.0 ? 0.0 : gate > 1.0 ? 1.0 : gate);
  }
}

static uint64_t flops(const tf_op_params_t *params) { return UINT64_C(5) * params->in_cnt; }

const tf_op_t tf_op_hard_swish = {
    .name     = "hard_swish",
    .shape    = tf_op_shape_same,
    .ref      = ref,
    .run      = TF_LANES_TABLE,
    .nmse_max = 1e-13,
    .flops    = flops,
    .bytes    = tf_op_bytes_elements,
};
