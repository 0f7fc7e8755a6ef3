/* e^(x - max) over the sum of them; 0 where x is further below the greatest than MASKED, as a mask leaves it. The sum is taken in eight
 * parts, each in order; zeros behind the row leave it as it is. A NaN makes its own exponential NaN, so the sum, so each output. */
#include "op/lanes.h"

/* What importers make of -infinity is -1e30: without this it would come out as the least that exp gives, 1e-38. */
#define MASKED (-1e29f)
#define PARTS  8u

/* Compilers make of it what the instruction set has; the same bits on each. */
typedef float parts_t __attribute__((vector_size(PARTS * sizeof(float))));

#define RUN(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void run_##isa(const tf_op_params_t *params, const float *in,       \
                                              float *out) {                                        \
    enum { V = TF_LANES_WIDTH_##isa, STEP = V > PARTS ? V : PARTS };                               \
    const tf_lanes_##isa##_t mask = tf_lanes_set_##isa(MASKED), none = tf_lanes_set_##isa(0.0f);   \
    const uint32_t           cnt  = params->in_cnt;                                                \
    tf_lanes_##isa##_t       most = tf_lanes_set_##isa(in[0]);                                     \
    parts_t                  sum  = {0.0f}, some;                                                  \
    uint32_t                 i    = 0;                                                             \
    for (; i + V <= cnt; i += V) most = tf_lanes_max_##isa(tf_lanes_load_##isa(in + i), most);     \
    float greatest = tf_lanes_greatest_##isa(most);                                                \
    for (; i < cnt; i++) greatest = in[i] > greatest ? in[i] : greatest;                           \
    most = tf_lanes_set_##isa(greatest);                                                           \
    for (i = 0; i < cnt; i += STEP) {                                                              \
      for (uint32_t v = i; v < i + STEP; v += V) {                                                 \
        tf_lanes_##isa##_t x = tf_lanes_sub_##isa(tf_lanes_load_##isa(in + v), most);              \
        tf_lanes_store_##isa(out + v,                                                              \
                             tf_lanes_select_##isa(x, mask, none, tf_lanes_exp_##isa(x)));         \
      }                                                                                            \
      for (uint32_t k = cnt; k < i + STEP; k++) out[k] = 0.0f;                                     \
      for (uint32_t v = i; v < i + STEP; v += PARTS) {                                             \
        memcpy(&some, out + v, sizeof some);                                                       \
        sum += some;                                                                               \
      }                                                                                            \
    }                                                                                              \
    const tf_lanes_##isa##_t all = tf_lanes_set_##isa(((sum[0] + sum[1]) + (sum[2] + sum[3])) +    \
                                                      ((sum[4] + sum[5]) + (sum[6] + sum[7])));    \
    for (i = 0; i < cnt; i += V)                                                                   \
      tf_lanes_store_##isa(out + i, tf_lanes_div_##isa(tf_lanes_load_##isa(out + i), all));        \
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
