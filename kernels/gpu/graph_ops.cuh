/* The ops of a net's program that only a graph's kernels have (card_net.h), by all threads of a team. */
#ifndef TF_GPU_GRAPH_OPS_CUH
#define TF_GPU_GRAPH_OPS_CUH

#include "gpu/net_ops.cuh"

/* ---- trees ---- */

/* The values of the leaf that x comes to. */
TF_DEVICE const float *tf_graph_leaf(const tf_net_memory_t &memory, const tf_card_net_trees_t &t,
                                     uint32_t tree, const float *x) {
  const tf_card_net_tree_node_t *nodes =
      reinterpret_cast<const tf_card_net_tree_node_t *>(tf_net_at(memory, t.nodes));
  uint32_t at = reinterpret_cast<const uint32_t *>(tf_net_at(memory, t.roots))[tree];
  for (;;) {
    const tf_card_net_tree_node_t node = nodes[at];
    if (node.other == 0) return tf_net_at(memory, t.values) + (size_t)node.bits * t.output_cnt;
    at += x[node.feature] <= tf_float_of_bits(node.bits) ? 1u : node.other;
  }
}

TF_DEVICE void tf_graph_trees(const tf_net_memory_t &memory, const tf_card_net_op_t &op,
                              tf_net_team_t team) {
  const tf_card_net_trees_t &t    = op.trees;
  const uint32_t             each = t.tree_cnt + 1;
  float                     *out  = tf_net_at(memory, op.out);
  for (uint32_t i = team.rank; i < op.item_cnt; i += team.size) {
    const uint32_t row = i / each, tree = i % each;
    const float   *x       = tf_net_at(memory, t.x) + (size_t)row * t.width;
    const bool     is_base = tree == t.tree_cnt;
    const float   *values = is_base ? tf_net_at(memory, t.base) : tf_graph_leaf(memory, t, tree, x);
    float          nothing = 0.0f; /* or NaN, where x has one */
    for (uint32_t k = 0; is_base && k < t.width; k++)
      if (x[k] != x[k]) nothing = x[k];
    for (uint32_t o = 0; o < t.output_cnt; o++)
      out[((size_t)row * t.output_cnt + o) * each + tree] = values[o] + nothing;
  }
}

/* ---- entries by number ---- */

/* As tensor/gather.c has it. */
TF_DEVICE uint32_t tf_graph_entry(float number, uint32_t size) {
  double n = (double)number;
  if (n < 0.0) n += (double)size;
  if (!(n > 0.0)) return 0;
  return n >= (double)size ? size - 1 : (uint32_t)n;
}

TF_DEVICE void tf_graph_gather(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                               const tf_card_net_op_t &op, tf_net_team_t team) {
  const tf_card_net_gather_t &g       = op.gather;
  const float                *from    = tf_net_at(memory, g.from);
  const float                *numbers = tf_net_at(memory, g.numbers);
  float                      *out     = tf_net_at(memory, op.out);
  for (uint32_t i = team.rank; i < op.item_cnt; i += team.size) {
    const uint32_t inner = i % g.inner, j = i / g.inner % g.number_cnt;
    const uint32_t outer = i / g.inner / g.number_cnt;
    const uint32_t entry = tf_graph_entry(numbers[j], g.size);
    out[i]               = tf_net_through(memory, steps, op, i,
                                          from[((size_t)outer * g.size + entry) * g.inner + inner]);
  }
}

/* ---- a GRU whose reset gate works before the product ---- */

/* ops[1]: of z and r from h; ops[2]: of h~ from r * h. One block. */
TF_DEVICE void tf_graph_reset(const tf_net_memory_t &memory, const tf_card_net_step_t *steps,
                              const tf_card_net_op_t *ops, tf_net_team_t team) {
  const tf_card_net_recurrence_t &r     = ops->recurrence;
  const uint32_t                  units = r.unit_cnt, cnt = r.batch_cnt * units;
  float *h = tf_net_at(memory, r.work_h), *z = tf_net_at(memory, r.work_carry), *kept = z + cnt;
  float *out  = tf_net_at(memory, ops->out);
  float *of_h = tf_net_at(memory, ops[1].out), *of_kept = tf_net_at(memory, ops[2].out);
  for (uint32_t i = team.rank; i < cnt; i += team.size) h[i] = tf_net_at(memory, r.h)[i];
  tf_team_barrier();
  for (uint32_t t = 0; t < r.row_cnt; t++) {
    const uint32_t row  = r.is_reverse ? r.row_cnt - 1 - t : t;
    const float   *of_x = tf_net_at(memory, r.gates) + row * 3 * cnt;
    tf_net_product(memory, steps, &ops[1], team);
    tf_team_barrier();
    for (uint32_t i = team.rank; i < cnt; i += team.size) {
      const uint32_t b = i / units, j = i % units;
      z[i] = tf_net_sigmoid(of_h[2 * b * units + j] + of_x[3 * b * units + j]);
      kept[i] =
          tf_net_sigmoid(of_h[(2 * b + 1) * units + j] + of_x[(3 * b + 1) * units + j]) * h[i];
    }
    tf_team_barrier();
    tf_net_product(memory, steps, &ops[2], team);
    tf_team_barrier();
    for (uint32_t i = team.rank; i < cnt; i += team.size) {
      const uint32_t b = i / units, j = i % units;
      const float    made = tanhf(of_kept[i] + of_x[(3 * b + 2) * units + j]);
      h[i] = out[row * r.out_row + i] = (1.0f - z[i]) * made + z[i] * h[i];
    }
    tf_team_barrier();
  }
}

#endif
