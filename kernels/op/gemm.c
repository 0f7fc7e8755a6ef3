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

/* Several rows at once: each vector of weights is read once for all of them, which is what a row by itself spends its time on
 * where the weights do not fit the first cache. The sums of an output are the eight of op.h, but taken one after
 * the other, the rows side by side: as many rows as there are chains hide an addition's latency just as well. */
#define EACH_ROW(rows) _Pragma("GCC unroll 8") for (uint32_t r = 0; r < rows; r++)

/* s[r] = partial sum c of row r. */
#define SUM_CHAIN(isa, rows, c)                                                                    \
  EACH_ROW(rows) s[r] = tf_lanes_set_##isa(0.0f);                                                  \
  for (uint32_t k = c; k < cnt; k += CHAIN_CNT) {                                                  \
    tf_lanes_##isa##_t weight = tf_lanes_load_##isa(w + k * TF_LANES_WIDTH_##isa);                 \
    EACH_ROW(rows)                                                                                 \
    s[r] = tf_lanes_add_##isa(                                                                     \
        s[r], tf_lanes_mul_##isa(weight, tf_lanes_set_##isa(in[r * in_stride + k])));              \
  }

#define ADD_SUM(isa, rows, to)        EACH_ROW(rows) to[r] = tf_lanes_add_##isa(to[r], s[r])
#define KEEP_SUM(isa, rows, to)       EACH_ROW(rows) to[r] = s[r]
#define ADD_PAIR(isa, rows, to, from) EACH_ROW(rows) to[r] = tf_lanes_add_##isa(to[r], from[r])

#define ROWS_OF(isa, rows)                                                                         \
  TF_LANES_TARGET_##isa static void rows_##rows##_##isa(const tf_op_params_t *params,              \
                                                        const float *in, size_t in_stride,         \
                                                        float *out, size_t out_stride) {           \
    const float   *w   = params->weight;                                                           \
    const uint32_t cnt = params->in_cnt;                                                           \
    for (uint32_t o = 0; o < params->out_cnt; o += TF_LANES_WIDTH_##isa) {                         \
      tf_lanes_##isa##_t s[rows], low[rows], high[rows], pair[rows];                               \
      SUM_CHAIN(isa, rows, 0);                                                                     \
      KEEP_SUM(isa, rows, low);                                                                    \
      SUM_CHAIN(isa, rows, 1);                                                                     \
      ADD_SUM(isa, rows, low);                                                                     \
      SUM_CHAIN(isa, rows, 2);                                                                     \
      KEEP_SUM(isa, rows, pair);                                                                   \
      SUM_CHAIN(isa, rows, 3);                                                                     \
      ADD_SUM(isa, rows, pair);                                                                    \
      ADD_PAIR(isa, rows, low, pair);                                                              \
      SUM_CHAIN(isa, rows, 4);                                                                     \
      KEEP_SUM(isa, rows, high);                                                                   \
      SUM_CHAIN(isa, rows, 5);                                                                     \
      ADD_SUM(isa, rows, high);                                                                    \
      SUM_CHAIN(isa, rows, 6);                                                                     \
      KEEP_SUM(isa, rows, pair);                                                                   \
      SUM_CHAIN(isa, rows, 7);                                                                     \
      ADD_SUM(isa, rows, pair);                                                                    \
      ADD_PAIR(isa, rows, high, pair);                                                             \
      ADD_PAIR(isa, rows, low, high);                                                              \
      const tf_lanes_##isa##_t bias = tf_lanes_load_##isa(params->bias + o);                       \
      EACH_ROW(rows)                                                                               \
      tf_lanes_store_##isa(out + r * out_stride + o,                                               \
                           tf_lanes_act_##isa(tf_lanes_add_##isa(low[r], bias), params));          \
      w += (size_t)cnt * TF_LANES_WIDTH_##isa;                                                     \
    }                                                                                              \
  }

#define ROWS(isa)                                                                                  \
  ROWS_OF(isa, 8)                                                                                  \
  ROWS_OF(isa, 4)                                                                                  \
  ROWS_OF(isa, 2)                                                                                  \
  static void rows_##isa(const tf_op_params_t *params, const float *in, size_t in_stride,          \
                         uint32_t row_cnt, float *out, size_t out_stride) {                        \
    uint32_t r = 0;                                                                                \
    for (; r + 8 <= row_cnt; r += 8)                                                               \
      rows_8_##isa(params, in + r * in_stride, in_stride, out + r * out_stride, out_stride);       \
    for (; r + 4 <= row_cnt; r += 4)                                                               \
      rows_4_##isa(params, in + r * in_stride, in_stride, out + r * out_stride, out_stride);       \
    for (; r + 2 <= row_cnt; r += 2)                                                               \
      rows_2_##isa(params, in + r * in_stride, in_stride, out + r * out_stride, out_stride);       \
    if (r < row_cnt) run_##isa(params, in + r * in_stride, out + r * out_stride);                  \
  }
TF_LANES_EACH(ROWS)

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
    .rows       = TF_LANES_TABLE_OF(rows),
    .nmse_max   = 2e-12,
    .flops      = flops,
    .bytes      = bytes,
};
