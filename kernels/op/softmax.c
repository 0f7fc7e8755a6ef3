/* e^(x - max) over the sum of them; 0 where x is further below the greatest than MASKED, as a mask leaves it. The greatest and the sum are taken in eight parts, each in order, which a compiler makes
 * vectors of; so is the division. A NaN makes its own exponential NaN, so the sum, so each output. */
#include "op/lanes.h"

/* What importers make of -infinity is -1e30: without this it would come out as the least that exp gives, 1e-38. */
#define MASKED (-1e29f)
#define PARTS  8u
#define INLINE static inline __attribute__((always_inline))

INLINE float greatest(const float *x, uint32_t cnt) {
  float    m[PARTS];
  uint32_t i = 0;
  for (uint32_t k = 0; k < PARTS; k++) m[k] = x[0];
  for (; i + PARTS <= cnt; i += PARTS)
    for (uint32_t k = 0; k < PARTS; k++) m[k] = x[i + k] > m[k] ? x[i + k] : m[k];
  for (; i < cnt; i++) m[0] = x[i] > m[0] ? x[i] : m[0];
  for (uint32_t k = 1; k < PARTS; k++) m[0] = m[k] > m[0] ? m[k] : m[0];
  return m[0];
}

INLINE float sum_of(const float *e, uint32_t cnt) {
  float    p[PARTS] = {0};
  uint32_t i        = 0;
  for (; i + PARTS <= cnt; i += PARTS)
    for (uint32_t k = 0; k < PARTS; k++) p[k] += e[i + k];
  for (uint32_t k = 0; i < cnt; i++, k++) p[k] += e[i];
  return ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]));
}

#define RUN(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void run_##isa(const tf_op_params_t *params, const float *in,       \
                                              float *out) {                                        \
    const uint32_t           cnt  = params->in_cnt;                                                \
    const tf_lanes_##isa##_t max  = tf_lanes_set_##isa(greatest(in, cnt));                         \
    const tf_lanes_##isa##_t mask = tf_lanes_set_##isa(MASKED), none = tf_lanes_set_##isa(0.0f);   \
    for (uint32_t i = 0; i < cnt; i += TF_LANES_WIDTH_##isa) {                                     \
      tf_lanes_##isa##_t x = tf_lanes_sub_##isa(tf_lanes_load_##isa(in + i), max);                 \
      tf_lanes_store_##isa(out + i, tf_lanes_select_##isa(x, mask, none, tf_lanes_exp_##isa(x)));  \
    }                                                                                              \
    tf_lanes_##isa##_t sum = tf_lanes_set_##isa(sum_of(out, cnt));                                 \
    for (uint32_t i = 0; i < cnt; i += TF_LANES_WIDTH_##isa)                                       \
      tf_lanes_store_##isa(out + i, tf_lanes_div_##isa(tf_lanes_load_##isa(out + i), sum));        \
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
