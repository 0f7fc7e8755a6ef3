/* x held between alpha and beta. */
#include "core/error.h"
#include "op/lanes.h"

#define RUN(isa) TF_LANES_MAP(isa, tf_lanes_clip_##isa(x, params->alpha, params->beta))
TF_LANES_EACH(RUN)

static tf_err_t shape(tf_op_params_t *params) {
  if (params->alpha > params->beta)
    return TF_ERR(E_MODEL_SHAPE, "clip to %g .. %g: the lower bound is above the upper",
                  (double)params->alpha, (double)params->beta);
  return tf_op_shape_same(params);
}

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  double low = (double)params->alpha, high = (double)params->beta;
  for (uint32_t i = 0; i < params->in_cnt; i++)
    out[i] = in[i] < low ? low : in[i] > high ? high : in[i];
}

const tf_op_t tf_op_clip = {
    .name       = "clip",
    .act        = TF_OP_ACT_CLIP,
    .scalar_cnt = 2,
    .shape      = shape,
    .ref        = ref,
    .run        = TF_LANES_TABLE,
    .nmse_max   = 0.0,
    .flops      = tf_op_flops_elements,
    .bytes      = tf_op_bytes_elements,
};
