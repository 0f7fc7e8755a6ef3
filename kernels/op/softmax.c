/* e^(x - max) over the sum of them; 0 where x is MASKED or more below the greatest, as a mask leaves it. Only the exponentials are taken in vectors: rows are short (a
 * model has at most 16 outputs). A NaN makes its own exponential NaN, so the sum, so each output. */
#include "op/lanes.h"

/* What importers make of -infinity is -1e30: without this it would come out as the least that exp gives, 1e-38. */
#define MASKED (-1e29f)

static float greatest(const float *x, uint32_t cnt) {
  float max = x[0];
  for (uint32_t i = 1; i < cnt; i++) max = x[i] > max ? x[i] : max;
  return max;
}

static void divide_by_sum(const float *x, float max, float *e, uint32_t cnt) {
  float p[8] = {0};
  for (uint32_t i = 0; i < cnt; i++) e[i] = x[i] - max <= MASKED ? 0.0f : e[i];
  for (uint32_t i = 0; i < cnt; i++) p[i % 8] += e[i];
  float sum = ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]));
  for (uint32_t i = 0; i < cnt; i++) e[i] /= sum;
}

#define RUN(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void run_##isa(const tf_op_params_t *params, const float *in,       \
                                              float *out) {                                        \
    const float        most = greatest(in, params->in_cnt);                                        \
    tf_lanes_##isa##_t max  = tf_lanes_set_##isa(most);                                            \
    for (uint32_t i = 0; i < params->in_cnt; i += TF_LANES_WIDTH_##isa)                            \
      tf_lanes_store_##isa(                                                                        \
          out + i, tf_lanes_exp_##isa(tf_lanes_sub_##isa(tf_lanes_load_##isa(in + i), max)));      \
    divide_by_sum(in, most, out, params->in_cnt);                                                  \
  }
TF_LANES_EACH(RUN)

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  double max = in[0], sum = 0.0;
  for (uint32_t i = 1; i < params->in_cnt; i++) max = in[i] > max ? in[i] : max;
  for (uint32_t i = 0; i < params->in_cnt; i++) sum += out[i] = exp(in[i] - max);
  for (uint32_t i = 0; i < params->in_cnt; i++) out[i] /= sum;
}

/* tf_lanes_exp's 16, and a subtraction, an addition and a division. */
static uint64_t flops(const tf_op_params_t *params) { return UINT64_C(19) * params->in_cnt; }

const tf_op_t tf_op_softmax = {
    .name     = "softmax",
    .mixes    = true,
    .shape    = tf_op_shape_same,
    .ref      = ref,
    .run      = TF_LANES_TABLE,
    .nmse_max = 1e-13,
    .flops    = flops,
    .bytes    = tf_op_bytes_elements,
};
