/* out = act(W in + b) for one row. Packed as blocks of as many outputs as the instruction set has
 * lanes; in a block the weights of input 0, then of input 1, and so on, so that one row value
 * broadcast meets one aligned vector. Eight partial sums a block are in flight (the order of op.h):
 * an addition's latency is 3 to 4 cycles and a cycle takes at most two. */
#include "core/error.h"
#include "op/lanes.h"

#define CHAIN_CNT 8u

#define ADD_PRODUCT(isa, sum, k)                                                                   \
  sum = tf_lanes_add_##isa(sum,                                                                    \
                           tf_lanes_mul_##isa(tf_lanes_load_##isa(w + (k)*TF_LANES_WIDTH_##isa),   \
                                              tf_lanes_set_##isa(in[k])))

#define RUN(isa)                                                                                   \
  TF_LANES_TARGET_##isa static void run_##isa(const tf_op_params_t *params, const float *in,       \
                                              float *out) {                                        \
    const float   *w   = params->weight;                                                           \
    const uint32_t cnt = params->in_cnt;                                                           \
    for (uint32_t o = 0; o < params->out_cnt; o += TF_LANES_WIDTH_##isa) {                         \
      tf_lanes_##isa##_t s0 = tf_lanes_set_##isa(0.0f);                                            \
      tf_lanes_##isa##_t s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;            \
      uint32_t           k = 0;                                                                    \
      for (; k + CHAIN_CNT <= cnt; k += CHAIN_CNT) {                                               \
        ADD_PRODUCT(isa, s0, k);                                                                   \
        ADD_PRODUCT(isa, s1, k + 1);                                                               \
        ADD_PRODUCT(isa, s2, k + 2);                                                               \
        ADD_PRODUCT(isa, s3, k + 3);                                                               \
        ADD_PRODUCT(isa, s4, k + 4);                                                               \
        ADD_PRODUCT(isa, s5, k + 5);                                                               \
        ADD_PRODUCT(isa, s6, k + 6);                                                               \
        ADD_PRODUCT(isa, s7, k + 7);                                                               \
      }                                                                                            \
      if (k < cnt) ADD_PRODUCT(isa, s0, k);                                                        \
      if (k + 1 < cnt) ADD_PRODUCT(isa, s1, k + 1);                                                \
      if (k + 2 < cnt) ADD_PRODUCT(isa, s2, k + 2);                                                \
      if (k + 3 < cnt) ADD_PRODUCT(isa, s3, k + 3);                                                \
      if (k + 4 < cnt) ADD_PRODUCT(isa, s4, k + 4);                                                \
      if (k + 5 < cnt) ADD_PRODUCT(isa, s5, k + 5);                                                \
      if (k + 6 < cnt) ADD_PRODUCT(isa, s6, k + 6);                                                \
      s0 = tf_lanes_add_##isa(tf_lanes_add_##isa(s0, s1), tf_lanes_add_##isa(s2, s3));             \
      s4 = tf_lanes_add_##isa(tf_lanes_add_##isa(s4, s5), tf_lanes_add_##isa(s6, s7));             \
      s0 = tf_lanes_add_##isa(s0, s4);                                                             \
      s0 = tf_lanes_add_##isa(s0, tf_lanes_load_##isa(params->bias + o));                          \
      tf_lanes_store_##isa(out + o, tf_lanes_act_##isa(s0, params));                               \
      w += (size_t)cnt * TF_LANES_WIDTH_##isa;                                                     \
    }                                                                                              \
  }
TF_LANES_EACH(RUN)

static tf_err_t shape(tf_op_params_t *params) {
  uint64_t in_cnt = params->in_cnt;
  if (in_cnt == 0 || in_cnt > TF_OP_WIDTH_MAX)
    return TF_ERR(E_MODEL_SHAPE, "a row of %llu values, 1 to %u are allowed",
                  (unsigned long long)in_cnt, TF_OP_WIDTH_MAX);
  if (params->weight_cnt == 0 || params->weight_cnt > TF_OP_WEIGHT_MAX ||
      params->weight_cnt % in_cnt != 0 || params->weight_cnt / in_cnt > TF_OP_WIDTH_MAX)
    return TF_ERR(E_MODEL_SHAPE,
                  "%llu weights for a row of %llu values: a multiple of it is wanted, at most %llu "
                  "in all and %u outputs",
                  (unsigned long long)params->weight_cnt, (unsigned long long)in_cnt,
                  (unsigned long long)TF_OP_WEIGHT_MAX, TF_OP_WIDTH_MAX);
  params->out_cnt = (uint32_t)(params->weight_cnt / in_cnt);
  if (params->bias_cnt != 0 && params->bias_cnt != params->out_cnt)
    return TF_ERR(E_MODEL_SHAPE, "%llu biases for %u outputs", (unsigned long long)params->bias_cnt,
                  params->out_cnt);
  if (!isfinite(params->alpha) || !isfinite(params->beta))
    return TF_ERR(E_MODEL_SHAPE, "a parameter is not finite (%g, %g)", (double)params->alpha,
                  (double)params->beta);
  return TF_OK;
}

static void ref(const tf_op_params_t *params, const double *in, double *out) {
  for (uint32_t o = 0; o < params->out_cnt; o++) {
    double sum = params->bias_cnt ? (double)params->bias[o] : 0.0;
    for (uint32_t k = 0; k < params->in_cnt; k++)
      sum += (double)params->weight[(size_t)o * params->in_cnt + k] * in[k];
    const tf_op_t *act = tf_op_of_act(params->act);
    if (act) {
      tf_op_params_t one = {.in_cnt = 1, .alpha = params->alpha, .beta = params->beta};
      act->ref(&one, &sum, &out[o]);
    } else {
      out[o] = sum;
    }
  }
}

/* The last block of outputs is filled up with zero weights and biases. */
static uint64_t packed_cnt(const tf_op_params_t *params) {
  return tf_align_up(params->out_cnt, TF_OP_PAD) * (UINT64_C(1) + params->in_cnt);
}

static void pack(const tf_op_params_t *params, tf_isa_t isa, float *target,
                 tf_op_params_t *packed) {
  static const uint32_t widths[] = {[TF_ISA_SCALAR] = 1, [TF_ISA_AVX2] = 8, [TF_ISA_AVX512] = 16};
  const uint32_t        width    = widths[isa];
  const uint32_t        out_cnt  = (uint32_t)tf_align_up(params->out_cnt, TF_OP_PAD);
  float                *w        = target;
  for (uint32_t block = 0; block < out_cnt; block += width)
    for (uint32_t k = 0; k < params->in_cnt; k++)
      for (uint32_t o = block; o < block + width; o++)
        *w++ = o < params->out_cnt ? params->weight[(size_t)o * params->in_cnt + k] : 0.0f;
  for (uint32_t o = 0; o < out_cnt; o++) w[o] = o < params->bias_cnt ? params->bias[o] : 0.0f;
  *packed        = *params;
  packed->weight = target;
  packed->bias   = w;
}

static uint64_t flops(const tf_op_params_t *params) { return 2 * params->weight_cnt; }

static uint64_t bytes(const tf_op_params_t *params) {
  return sizeof(float) * (params->weight_cnt + params->bias_cnt + params->in_cnt + params->out_cnt);
}

const tf_op_t tf_op_gemm = {
    .name       = "gemm",
    .has_weight = true,
    .has_bias   = true,
    .shape      = shape,
    .ref        = ref,
    .packed_cnt = packed_cnt,
    .pack       = pack,
    .run        = TF_LANES_TABLE,
    .nmse_max   = 2e-12,
    .flops      = flops,
    .bytes      = bytes,
};
