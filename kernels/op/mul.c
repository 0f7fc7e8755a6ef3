/* One constant an element: with add, the scaling of features. */
#include "op/lanes.h"

#define RUN(isa) TF_LANES_MAP(isa, tf_lanes_mul_##isa(x, tf_lanes_load_##isa(params->weight + i)))
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++) out[i] = in[i] * (double)params->weight[i];
}

const tf_op_t tf_op_mul = {
    .name       = "mul",
    .has_weight = true,
    .shape      = tf_op_shape_constant,
    .ref        = ref,
    .packed_cnt = tf_op_packed_cnt_constant,
    .pack       = tf_op_pack_constant,
    .run        = TF_LANES_TABLE,
    .nmse_max   = 1e-14,
    .flops      = tf_op_flops_elements,
    .bytes      = tf_op_bytes_elements,
};
