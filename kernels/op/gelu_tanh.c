/* The form of gelu with tanh, x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 (https://arxiv.org/abs/1606.08415), as
 * x sigmoid of twice what tanh takes. */
#include "op/lanes.h"

#define SLOPE 1.5957691f   /* 2 sqrt(2 / pi) */
#define CUBE  0.071354814f /* times 0.044715 */

#define RUN(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void run_##isa(const tf_op_params_t *params, const float *in,       \
                                              float *out) {                                        \
    for (uint32_t i = 0; i < params->in_cnt; i += TF_LANES_WIDTH_##isa) {                          \
      tf_lanes_##isa##_t x = tf_lanes_load_##isa(in + i), s = tf_lanes_mul_##isa(x, x);            \
      s = tf_lanes_add_##isa(tf_lanes_mul_##isa(s, tf_lanes_set_##isa(CUBE)),                      \
                             tf_lanes_set_##isa(SLOPE));                                           \
      tf_lanes_store_##isa(                                                                        \
          out + i, tf_lanes_mul_##isa(x, tf_lanes_sigmoid_##isa(tf_lanes_mul_##isa(x, s))));       \
    }                                                                                              \
  }
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++)
    out[i] = 0.5 * in[i] *
             (1.0 + tanh(0.79788456080286535588 * (in[i] + 0.044715 * in[i] * in[i] * in[i])));
}

/* tf_lanes_sigmoid's 20, and five. */
static uint64_t flops(const tf_op_params_t *params) { return UINT64_C(25) * params->in_cnt; }

const tf_op_t tf_op_gelu_tanh = {
    .name     = "gelu_tanh",
    .shape    = tf_op_shape_same,
    .ref      = ref,
    .run      = TF_LANES_TABLE,
    .nmse_max = 1e-13,
    .flops    = flops,
    .bytes    = tf_op_bytes_elements,
};
