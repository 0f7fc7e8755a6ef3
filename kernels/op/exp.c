/* e^x, for x held to +-TF_LANES_EXP_ARG_MAX. */
#include "op/lanes.h"

#define RUN(isa) TF_LANES_MAP(isa, tf_lanes_exp_##isa(x))
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++) out[i] = exp(in[i]);
}

/* Additions, multiplications and divisions of the form in lanes_math.h. */
static uint64_t flops(const tf_op_params_t *params) { return UINT64_C(16) * params->in_cnt; }

const tf_op_t tf_op_exp = {
    .name     = "exp",
    .shape    = tf_op_shape_same,
    .ref      = ref,
    .run      = TF_LANES_TABLE,
    .nmse_max = 1e-13,
    .flops    = flops,
    .bytes    = tf_op_bytes_elements,
};
