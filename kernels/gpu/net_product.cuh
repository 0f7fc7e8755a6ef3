/* Products of rows and matrices, by all threads of a team (card_net.h). A sum is shared by lanes threads: each adds its own inputs in order,
 * fused, and their sums are added by halves. So a row's bits depend on lanes alone, which the program says. */
#ifndef TF_GPU_NET_PRODUCT_CUH
#define TF_GPU_NET_PRODUCT_CUH

#include "gpu/net_fn.cuh"

/* Rows that read a weight together, where there are as many. */
#define TF_NET_ROWS 4

/* Threads that run an op together, first of them as the op says. */
typedef struct tf_net_team {
  uint32_t rank, size;
} tf_net_team_t;

typedef struct TF_ALIGNED(16) tf_net_vector {
  uint32_t words[TF_CARD_NET_VECTOR_BYTES / 4];
} tf_net_vector_t;

/* Value j of a vector. */
template <uint32_t PRECISION> struct tf_net_unpack;
template <> struct tf_net_unpack<TF_PRECISION_FP32> {
  static const uint32_t         cnt = 4;
  static TF_DEVICE_MEMBER float value(const tf_net_vector_t &v, uint32_t j) {
    return tf_float_of_bits(v.words[j]);
  }
};
template <> struct tf_net_unpack<TF_PRECISION_BF16> {
  static const uint32_t         cnt = 8;
  static TF_DEVICE_MEMBER float value(const tf_net_vector_t &v, uint32_t j) {
    return tf_from_bf16((uint16_t)(v.words[j / 2] >> (j % 2 * 16)));
  }
};
template <> struct tf_net_unpack<TF_PRECISION_FP16> {
  static const uint32_t         cnt = 8;
  static TF_DEVICE_MEMBER float value(const tf_net_vector_t &v, uint32_t j) {
    return tf_from_fp16((uint16_t)(v.words[j / 2] >> (j % 2 * 16)));
  }
};
template <> struct tf_net_unpack<TF_PRECISION_INT8> {
  static const uint32_t         cnt = 16;
  static TF_DEVICE_MEMBER float value(const tf_net_vector_t &v, uint32_t j) {
    return (float)(int8_t)(v.words[j / 4] >> (j % 4 * 8));
  }
};

/* One output of ROWS rows: this thread's part of the sums. w: the output's weights. */
template <uint32_t PRECISION, uint32_t ROWS>
TF_DEVICE void tf_net_sum_packed(const tf_card_net_product_t &p, const float *a, const float *w,
                                 uint32_t lane, uint32_t lanes, float (&sum)[ROWS]) {
  typedef tf_net_unpack<PRECISION> unpack;
  const tf_net_vector_t           *vectors = reinterpret_cast<const tf_net_vector_t *>(w) + lane;
  for (uint32_t first = lane; first < p.k; first += unpack::cnt * lanes, vectors += lanes) {
    const tf_net_vector_t v = *vectors;
    TF_UNROLL
    for (uint32_t j = 0; j < unpack::cnt; j++) {
      const uint32_t k = first + j * lanes;
      if (k >= p.k) break;
      TF_UNROLL
      for (uint32_t r = 0; r < ROWS; r++)
        sum[r] = tf_fma(unpack::value(v, j), a[r * p.a_m + k * p.a_k], sum[r]);
    }
  }
}

/* The same of a matrix that lies there as it is. */
template <uint32_t ROWS>
TF_DEVICE void tf_net_sum_plain(const tf_card_net_product_t &p, const float *a, const float *w,
                                uint32_t lane, uint32_t lanes, float (&sum)[ROWS]) {
  for (uint32_t k = lane; k < p.k; k += lanes) {
    const float weight = w[k * p.weight_k];
    TF_UNROLL
    for (uint32_t r = 0; r < ROWS; r++) sum[r] = tf_fma(weight, a[r * p.a_m + k * p.a_k], sum[r]);
  }
}

template <uint32_t ROWS>
TF_DEVICE void tf_net_sum(const tf_card_net_op_t &op, const tf_card_net_product_t &p,
                          const float *a, const float *w, uint32_t lane, float (&sum)[ROWS]) {
  TF_UNROLL
  for (uint32_t r = 0; r < ROWS; r++) sum[r] = 0.0f;
  if (op.kind == TF_CARD_OP_MATMUL)
    tf_net_sum_plain<ROWS>(p, a, w, lane, op.lanes, sum);
  else if (p.precision == TF_PRECISION_FP16)
    tf_net_sum_packed<TF_PRECISION_FP16, ROWS>(p, a, w, lane, op.lanes, sum);
  else if (p.precision == TF_PRECISION_BF16)
    tf_net_sum_packed<TF_PRECISION_BF16, ROWS>(p, a, w, lane, op.lanes, sum);
  else if (p.precision == TF_PRECISION_INT8)
    tf_net_sum_packed<TF_PRECISION_INT8, ROWS>(p, a, w, lane, op.lanes, sum);
  else
    tf_net_sum_packed<TF_PRECISION_FP32, ROWS>(p, a, w, lane, op.lanes, sum);
  for (uint32_t mask = op.lanes / 2; mask; mask /= 2) TF_UNROLL
  for (uint32_t r = 0; r < ROWS; r++) sum[r] += tf_warp_shuffle_xor(sum[r], mask);
}

/* Which of an op's items a thread begins with, and whether it is there: a warp goes on together as long as one of its threads has one. */
typedef struct tf_net_items {
  uint32_t warp_first, own, lane, by;
} tf_net_items_t;

TF_DEVICE tf_net_items_t tf_net_items_of(const tf_card_net_op_t &op, tf_net_team_t team) {
  const uint32_t warp  = team.rank - team.rank % TF_WARP_SIZE;
  tf_net_items_t items = {warp / op.lanes, team.rank / op.lanes, team.rank % op.lanes,
                          team.size / op.lanes};
  return items;
}

/* Value i of a product's output; where blocks share it, everybody's. */
TF_DEVICE void tf_net_put(const tf_net_memory_t &memory, const tf_card_net_op_t &op, float *out,
                          uint32_t i, float x) {
  if (!op.spread) {
    out[i] = x;
    return;
  }
  for (uint32_t peer = 0; peer < tf_cluster_size(); peer++)
    tf_net_of_peer(memory, out, peer)[i] = x;
}

/* m_cnt rows from m_first on, ROWS at a time. */
template <uint32_t ROWS>
TF_DEVICE void tf_net_product_rows(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                                   const tf_card_net_op_t &op, tf_net_team_t team, uint32_t m_first,
                                   uint32_t m_cnt) {
  const tf_card_net_product_t &p = op.product;
  const float                 *a = tf_net_at(memory, p.a), *weight = tf_net_at(memory, p.weight);
  const float                 *bias  = tf_net_at_or_null(memory, p.bias);
  const float                 *scale = tf_net_at_or_null(memory, p.scale);
  float                       *out   = tf_net_at(memory, op.out);
  /* the block's outputs; of weights that it keeps it has no others' */
  const uint32_t n_first = op.spread * tf_cluster_rank();
  const uint32_t n_left  = n_first < p.n ? p.n - n_first : 0;
  const uint32_t n_cnt   = op.spread && op.spread < n_left ? op.spread : n_left;
  const uint32_t skipped = p.weight.base == TF_CARD_KEPT ? 0 : n_first;
  const uint32_t tiles = m_cnt / ROWS, cnt = p.batch_cnt * tiles * n_cnt;
  tf_net_items_t it = tf_net_items_of(op, team);
  for (; it.warp_first < cnt; it.warp_first += it.by, it.own += it.by) {
    const bool     is_own = it.own < cnt;
    const uint32_t item   = is_own ? it.own : cnt - 1;
    const uint32_t at = item % n_cnt, tile = item / n_cnt % tiles, b = item / n_cnt / tiles;
    const uint32_t n = n_first + at, m = m_first + tile * ROWS;
    float          sum[ROWS];
    tf_net_sum<ROWS>(op, p, a + b * p.a_batch + m * p.a_m,
                     weight + b * p.weight_batch + (skipped + at) * p.weight_n, it.lane, sum);
    if (!is_own || it.lane != 0) continue;
    const float factor = scale ? scale[b * p.scale_batch + n] : 1.0f;
    const float shift  = bias ? bias[b * p.bias_batch + n] : 0.0f;
    TF_UNROLL
    for (uint32_t r = 0; r < ROWS; r++) {
      const uint32_t i = b * p.out_batch + (m + r) * p.out_m + n * p.out_n;
      tf_net_put(memory, op, out, i, tf_net_through(memory, steps, op, i, sum[r] * factor + shift));
    }
  }
}

/* Apart: recurrences run it, too. */
TF_NET_APART void tf_net_product(const tf_net_memory_t memory, const tf_card_net_step_t *steps,
                                 const tf_card_net_op_t *op, tf_net_team_t team) {
  const uint32_t m = op->product.m, by_tiles = m - m % TF_NET_ROWS;
  if (by_tiles) tf_net_product_rows<TF_NET_ROWS>(memory, steps, *op, team, 0, by_tiles);
  if (by_tiles < m) tf_net_product_rows<1>(memory, steps, *op, team, by_tiles, m - by_tiles);
}

#endif
