#include "op/lanes.h"

#define RUN(isa) TF_LANES_MAP(isa, tf_lanes_relu_##isa(x))
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++) out[i] = in[i] < 0.0 ? 0.0 : in[i];
}

const tf_op_t tf_op_relu = {
    .name     = "relu",
    .act      = TF_OP_ACT_RELU,
    .shape    = tf_op_shape_same,
    .ref      = ref,
    .run      = TF_LANES_TABLE,
    .nmse_max = 0.0,
    .flops    = tf_op_flops_elements,
    .bytes    = tf_op_bytes_elements,
};
