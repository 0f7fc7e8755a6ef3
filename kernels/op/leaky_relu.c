/* x, or alpha x below zero. */
#include "op/lanes.h"

#define RUN(isa) TF_LANES_MAP(isa, tf_lanes_leaky_relu_##isa(x, params->alpha))
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++)
    out[i] = in[i] < 0.0 ? in[i] * (double)params->alpha : in[i];
}

const tf_op_t tf_op_leaky_relu = {
    .name       = "leaky_relu",
    .act        = TF_OP_ACT_LEAKY_RELU,
    .scalar_cnt = 1,
    .shape      = tf_op_shape_same,
    .ref        = ref,
    .run        = TF_LANES_TABLE,
    .nmse_max   = 1e-14,
    .flops      = tf_op_flops_elements,
    .bytes      = tf_op_bytes_elements,
};
