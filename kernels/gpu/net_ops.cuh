/* The kinds of op but products, by all threads of a team (card_net.h). */
#ifndef TF_GPU_NET_OPS_CUH
#define TF_GPU_NET_OPS_CUH

#include "gpu/net_product.cuh"

TF_DEVICE void tf_net_each(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                           const tf_card_net_op_t &op, tf_net_team_t team) {
  const tf_net_walk_t from = tf_net_walk_of(memory, op.each.from),
                      to   = tf_net_walk_of(memory, op.each.to);
  if (op.spread && tf_cluster_rank() > 0) return; /* the state is block 0's to write */
  for (uint32_t i = team.rank; i < op.item_cnt; i += team.size) {
    const float x                   = tf_net_read(memory, from, i, op.each.fill);
    *tf_net_value_at(memory, to, i) = tf_net_through(memory, steps, op, i, x);
  }
}

/* ---- sums that threads share ---- */

TF_DEVICE double tf_net_shuffle_xor(double x, uint32_t mask) {
  union {
    double   value;
    uint32_t words[2];
  } u;
  u.value    = x;
  u.words[0] = tf_warp_shuffle_xor(u.words[0], mask);
  u.words[1] = tf_warp_shuffle_xor(u.words[1], mask);
  return u.value;
}
TF_DEVICE double tf_net_sum_of(double x, uint32_t lanes) {
  for (uint32_t mask = lanes / 2; mask; mask /= 2) x += tf_net_shuffle_xor(x, mask);
  return x;
}

/* ---- folds ---- */

TF_DEVICE double tf_net_fold_begin(uint32_t fold) {
  return fold == TF_CARD_FOLD_MAX    ? -(double)INFINITY
         : fold == TF_CARD_FOLD_MIN  ? (double)INFINITY
         : fold == TF_CARD_FOLD_PROD ? 1.0
                                     : 0.0;
}
/* NaN, where one of them is. */
TF_DEVICE double tf_net_folded(uint32_t fold, double sum, double x) {
  switch (fold) {
  case TF_CARD_FOLD_MAX: return sum != sum || sum > x ? sum : x;
  case TF_CARD_FOLD_MIN: return sum != sum || sum < x ? sum : x;
  case TF_CARD_FOLD_PROD: return sum * x;
  default: return sum + x;
  }
}

TF_DEVICE void tf_net_fold(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                           const tf_card_net_op_t &op, tf_net_team_t team) {
  const tf_card_net_fold_t &f    = op.fold;
  const tf_net_walk_t       from = tf_net_walk_of(memory, f.from);
  float                    *out  = tf_net_at(memory, op.out);
  tf_net_items_t            it   = tf_net_items_of(op, team);
  for (; it.warp_first < op.item_cnt; it.warp_first += it.by, it.own += it.by) {
    const bool     is_own = it.own < op.item_cnt;
    const uint32_t item   = is_own ? it.own : op.item_cnt - 1;
    double         sum = tf_net_fold_begin(f.fold), cnt = 0.0;
    for (uint32_t i = it.lane; i < f.each_cnt; i += op.lanes) {
      const float *at = tf_net_value_at(memory, from, item * f.each_cnt + i);
      if (!at) continue;
      sum = tf_net_folded(f.fold, sum, (double)*at);
      cnt += 1.0;
    }
    for (uint32_t mask = op.lanes / 2; mask; mask /= 2) {
      const double other = tf_net_shuffle_xor(sum, mask);
      sum                = tf_net_folded(f.fold, sum, other);
      cnt += tf_net_shuffle_xor(cnt, mask);
    }
    if (!is_own || it.lane != 0) continue;
    if (f.fold == TF_CARD_FOLD_MEAN) sum /= (double)f.each_cnt;
    if (f.fold == TF_CARD_FOLD_MEAN_OF) sum = cnt > 0.0 ? sum / cnt : 0.0;
    out[item] = tf_net_through(memory, steps, op, item, (float)sum);
  }
}

/* ---- rows ---- */

/* What importers make of -infinity is -1e30: further than this below the greatest is 0, as on the CPU (op/softmax.c). */
#define TF_NET_MASKED (-1e29f)

/* x and out may be the same: each thread reads and writes its own places. */
TF_DEVICE void tf_net_softmax(const tf_card_net_op_t &op, const float *x, float *out, uint32_t lane,
                              uint32_t width) {
  float max = x[lane < width ? lane : 0], sum = 0.0f;
  for (uint32_t i = lane; i < width; i += op.lanes) max = x[i] > max ? x[i] : max;
  for (uint32_t mask = op.lanes / 2; mask; mask /= 2) {
    const float other = tf_warp_shuffle_xor(max, mask);
    max               = other > max || max != max ? other : max;
  }
  for (uint32_t i = lane; i < width; i += op.lanes) {
    const float below = x[i] - max;
    const float e     = below < TF_NET_MASKED ? 0.0f : expf(below);
    out[i]            = e;
    sum += e;
  }
  for (uint32_t mask = op.lanes / 2; mask; mask /= 2) sum += tf_warp_shuffle_xor(sum, mask);
  for (uint32_t i = lane; i < width; i += op.lanes) out[i] = out[i] / sum;
}

TF_DEVICE void tf_net_norm(const tf_net_memory_t &memory, const tf_card_net_op_t &op,
                           const float *x, float *out, uint32_t lane, uint32_t cnt) {
  const tf_card_net_row_t &row   = op.row;
  const float             *scale = tf_net_at_or_null(memory, row.scale);
  const float             *shift = tf_net_at_or_null(memory, row.shift);
  const double             width = (double)row.width;
  double                   mean = 0.0, square = 0.0;
  if (row.row == TF_CARD_ROW_LAYER_NORM) {
    for (uint32_t i = lane; i < cnt; i += op.lanes) mean += (double)x[i];
    mean = tf_net_sum_of(mean, op.lanes) / width;
  }
  for (uint32_t i = lane; i < cnt; i += op.lanes)
    square += ((double)x[i] - mean) * ((double)x[i] - mean);
  const double factor = 1.0 / sqrt(tf_net_sum_of(square, op.lanes) / width + (double)row.epsilon);
  for (uint32_t i = lane; i < cnt; i += op.lanes) {
    float y = (float)(((double)x[i] - mean) * factor);
    if (scale) y *= scale[i];
    if (shift) y += shift[i];
    out[i] = y;
  }
}

TF_DEVICE void tf_net_row(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                          const tf_card_net_op_t &op, tf_net_team_t team) {
  const float   *from = tf_net_at(memory, op.row.from);
  float         *out  = tf_net_at(memory, op.out);
  tf_net_items_t it   = tf_net_items_of(op, team);
  for (; it.warp_first < op.item_cnt; it.warp_first += it.by, it.own += it.by) {
    /* a thread without a row takes part in the sums with one of no width, and writes nothing */
    const bool     is_own = it.own < op.item_cnt;
    const uint32_t width = is_own ? op.row.width : 0, at = is_own ? it.own * width : 0;
    if (op.row.row == TF_CARD_ROW_SOFTMAX)
      tf_net_softmax(op, from + at, out + at, it.lane, width);
    else
      tf_net_norm(memory, op, from + at, out + at, it.lane, width);
    for (uint32_t i = it.lane; op.step_cnt && i < width; i += op.lanes)
      out[at + i] = tf_net_through(memory, steps, op, at + i, out[at + i]);
  }
}

/* ---- recurrent layers ---- */

/* One unit: x and h are its gates' parts, units apart. */
TF_DEVICE float tf_net_cell(uint32_t cell, const float *x, const float *h, uint32_t units,
                            float before, float *carry) {
  switch (cell) {
  case TF_CARD_CELL_LSTM: {
    const float i = tf_net_sigmoid(h[0] + x[0]), o = tf_net_sigmoid(h[units] + x[units]);
    const float f = tf_net_sigmoid(h[2 * units] + x[2 * units]),
                g = tanhf(h[3 * units] + x[3 * units]);
    *carry        = f * *carry + i * g;
    return o * tanhf(*carry);
  }
  case TF_CARD_CELL_GRU: {
    const float z = tf_net_sigmoid(h[0] + x[0]), r = tf_net_sigmoid(h[units] + x[units]);
    const float n = tanhf(x[2 * units] + r * h[2 * units]);
    return (1.0f - z) * n + z * before;
  }
  default: return tanhf(h[0] + x[0]);
  }
}

/* ops[1] is the product with R. */
TF_DEVICE void tf_net_recurrence(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                                 const tf_card_net_op_t *ops, tf_net_team_t team) {
  const tf_card_net_recurrence_t &r     = ops->recurrence;
  const uint32_t                  units = r.unit_cnt, cnt = r.batch_cnt * units;
  const uint32_t                  gates = ops[1].product.n;
  float *h = tf_net_at(memory, r.work_h), *carry = tf_net_at(memory, r.work_carry);
  float *out = tf_net_at(memory, ops->out), *from_h = tf_net_at(memory, ops[1].out);
  for (uint32_t i = team.rank; i < cnt; i += team.size) {
    h[i]     = tf_net_at(memory, r.h)[i];
    carry[i] = tf_net_at(memory, r.carry)[i];
  }
  tf_team_barrier();
  for (uint32_t t = 0; t < r.row_cnt; t++) {
    const uint32_t row    = r.is_reverse ? r.row_cnt - 1 - t : t;
    const float   *from_x = tf_net_at(memory, r.gates) + row * r.batch_cnt * gates;
    tf_net_product(memory, steps, &ops[1], team);
    tf_team_barrier();
    for (uint32_t i = team.rank; i < cnt; i += team.size) {
      const uint32_t at = i / units * gates + i % units;
      const float    x  = tf_net_cell(r.cell, from_x + at, from_h + at, units, h[i], &carry[i]);
      h[i] = out[row * r.out_row + i] = x;
    }
    tf_team_barrier();
  }
  if (r.carry_row == TF_CARD_NOTHING) return;
  for (uint32_t i = team.rank; i < cnt; i += team.size) out[r.carry_row * r.out_row + i] = carry[i];
}

/* ---- lists ---- */

/* The first of ops: how many of them it is. */
TF_DEVICE uint32_t tf_net_op(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                             const tf_card_net_op_t *ops, tf_net_team_t team) {
  switch (ops->kind) {
  case TF_CARD_OP_EACH: tf_net_each(memory, steps, *ops, team); return 1;
  case TF_CARD_OP_PRODUCT:
  case TF_CARD_OP_MATMUL: tf_net_product(memory, steps, ops, team); return 1;
  case TF_CARD_OP_FOLD: tf_net_fold(memory, steps, *ops, team); return 1;
  case TF_CARD_OP_ROW: tf_net_row(memory, steps, *ops, team); return 1;
  default: tf_net_recurrence(memory, steps, ops, team); return 2;
  }
}

/* cnt ops, with the barriers between them, by all threads of the block. */
TF_NET_APART void tf_net_run(const tf_net_memory_t memory, const tf_card_net_step_t *steps,
                             const tf_card_net_op_t *ops, uint32_t cnt) {
  const uint32_t size = tf_team_size(), rank = tf_team_rank();
  for (uint32_t i = 0; i < cnt;) {
    const uint32_t      first = ops[i].first;
    const tf_net_team_t team  = {rank >= first ? rank - first : rank + size - first, size};
    i += tf_net_op(memory, steps, &ops[i], team);
    if (ops[i - 1].barrier == TF_CARD_BARRIER_BLOCK) tf_team_barrier();
    if (ops[i - 1].barrier == TF_CARD_BARRIER_CLUSTER) tf_cluster_barrier();
  }
}

#endif
