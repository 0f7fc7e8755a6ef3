#include "op/lanes.h"

#define RUN(isa) TF_LANES_MAP(isa, tf_lanes_sigmoid_##isa(x))
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++) {
    double t = exp(-fabs(in[i]));
    out[i]   = in[i] < 0.0 ? t / (1.0 + t) : 1.0 / (1.0 + t);
  }
}

/* Additions, multiplications and divisions of tf_lanes_sigmoid: 22. */
static uint64_t flops(const tf_op_params_t *params) { return UINT64_C(22) * params->in_cnt; }

const tf_op_t tf_op_sigmoid = {
    .name     = "sigmoid",
    .act      = TF_OP_ACT_SIGMOID,
    .shape    = tf_op_shape_same,
    .ref      = ref,
    .run      = TF_LANES_TABLE,
    .nmse_max = 1e-14,
    .flops    = flops,
    .bytes    = tf_op_bytes_elements,
};
