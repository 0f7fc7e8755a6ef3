/* Sums of decision trees over the last axis: gradient boosting, random forests. Inputs: x [.., n]; nodes [m, 4], each the
 * feature, the threshold, and the nodes it leads to when the feature is at most the threshold and when it is not; a leaf
 * has feature -1 and then the number of its row of values. Nodes stand in preorder: the first of the two follows its own, the
 * other comes later, so there are no cycles. values [leaves, outputs]; roots [trees]; base [outputs]. Out [.., outputs]: base
 * and each tree's leaf, in double, in the order of roots. NaN in a row makes its outputs NaN.
 *
 * Where the CPU and the forest allow it, leaves are found without walking (tree_scan.h). Else a node takes 8 bytes, so that
 * 1,000 trees of depth 6 are 1 MiB. Several trees are walked at a time, each a step: a walk alone waits for one load after
 * another. A leaf leads to itself, so that all take as many steps as the deepest of them. The bits are the same either way. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "tensor/tensor.h"
#include "tensor/tree_scan.h"

enum { IN_X, IN_NODES, IN_VALUES, IN_ROOTS, IN_BASE, IN_CNT };

#define ABREAST 16u

typedef struct node {
  float    threshold; /* NaN in a leaf: nothing is at most that */
  uint16_t feature;
  uint16_t other; /* how far on where the feature is above the threshold; 0 in a leaf */
} node_t;

/* At the beginning of what pack wrote; a line further a scan, or nodes, then each node's leaf, then roots, then steps a group of
 * trees. */
typedef struct forest {
  const tf_tree_scan_t *scan; /* NULL: walked */
  const node_t         *nodes;
  const int32_t        *leaves;
  const int32_t        *roots;
  const uint32_t       *depths;
} forest_t;
TF_STATIC_ASSERT(sizeof(forest_t) <= TF_LINE_BYTES, "a scan begins a line further");

static uint32_t node_cnt(const tf_tensor_use_t *use) { return use->in[IN_NODES].dims[0]; }
static uint32_t tree_cnt(const tf_tensor_use_t *use) { return use->in[IN_ROOTS].cnt; }
static uint32_t group_cnt(const tf_tensor_use_t *use) {
  return (tree_cnt(use) + ABREAST - 1) / ABREAST;
}
static uint32_t output_cnt(const tf_tensor_use_t *use) { return use->in[IN_BASE].cnt; }
static uint32_t width_of(const tf_tensor_use_t *use) {
  return use->in[IN_X].dims[use->in[IN_X].rank - 1];
}

static tf_err_t shape(tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[IN_X], *nodes = &use->in[IN_NODES],
                          *values = &use->in[IN_VALUES];
  if (x->rank < 1 || width_of(use) > UINT16_MAX || nodes->rank != 2 || nodes->dims[1] != 4 ||
      values->rank != 2 || use->in[IN_ROOTS].rank != 1 || use->in[IN_BASE].rank != 1 ||
      values->dims[1] != use->in[IN_BASE].cnt)
    return TF_ERR(E_MODEL_SHAPE, "x [.., n], nodes [m, 4], values [leaves, outputs], roots [trees] "
                                 "and base [outputs] are wanted");
  use->out                         = *x;
  use->out.dims[use->out.rank - 1] = values->dims[1];
  return TF_OK;
}

/* A number of the file as one of 0 .. end - 1; -1 where it is none. */
static int64_t index_of(double number, int64_t begin, int64_t end) {
  return number >= (double)begin && number < (double)end && number == floor(number)
             ? (int64_t)number
             : -1;
}

static tf_err_t check(const tf_tensor_use_t *use, const float *const *in) {
  for (uint32_t i = IN_NODES; i < IN_CNT; i++)
    if (!in[i]) return TF_ERR(E_MODEL_UNSUPPORTED, "trees that are no constants");
  const int64_t cnt = node_cnt(use), leaves = use->in[IN_VALUES].dims[0];
  for (int64_t i = 0; i < cnt; i++) {
    const float *n    = in[IN_NODES] + 4 * i;
    const bool   leaf = n[0] == -1.0f;
    bool         good =
        leaf ? index_of((double)n[2], 0, leaves) >= 0
                     : index_of((double)n[0], 0, width_of(use)) >= 0 &&
                   index_of((double)n[2], i + 1, i + 2) >= 0 &&
                   index_of((double)n[3], i + 2, cnt < i + UINT16_MAX ? cnt : i + UINT16_MAX) >= 0;
    if (!good)
      return TF_ERR(E_MODEL_FORMAT,
                    "node %lld is %g, %g, %g, %g: a feature of 0 to %u and two later nodes are "
                    "wanted, or -1 and a leaf of 0 to %lld",
                    (long long)i, (double)n[0], (double)n[1], (double)n[2], (double)n[3],
                    width_of(use) - 1, (long long)leaves - 1);
  }
  for (uint32_t t = 0; t < tree_cnt(use); t++)
    if (index_of((double)in[IN_ROOTS][t], 0, cnt) < 0)
      return TF_ERR(E_MODEL_FORMAT, "root %u is node %g of %lld", t, (double)in[IN_ROOTS][t],
                    (long long)cnt);
  return TF_OK;
}

static tf_tree_source_t source_of(const tf_tensor_use_t *use, const float *const *in) {
  return (tf_tree_source_t){.nodes      = in[IN_NODES],
                            .values     = in[IN_VALUES],
                            .roots      = in[IN_ROOTS],
                            .node_cnt   = node_cnt(use),
                            .tree_cnt   = tree_cnt(use),
                            .output_cnt = output_cnt(use)};
}

static size_t pack_bytes(const tf_tensor_use_t *use, const float *const *in) {
  const tf_tree_source_t source = source_of(use, in);
  const size_t           scan   = use->isa == TF_ISA_AVX512 ? tf_tree_scan_bytes(&source) : 0;
  const size_t           walk   = node_cnt(use) * (sizeof(node_t) + sizeof(int32_t)) +
                      tree_cnt(use) * sizeof(int32_t) + group_cnt(use) * sizeof(uint32_t);
  return TF_LINE_BYTES + (scan ? scan : walk);
}

/* Steps from a node to its deepest leaf. Nodes lead to later ones, so a pass from the end knows all; an inner node's stands
 * in its place among the leaves, below zero. */
static int32_t depth_of(const int32_t *leaves, int32_t node) {
  return leaves[node] < 0 ? -leaves[node] : 0;
}

static void pack_nodes(const tf_tensor_use_t *use, const float *const *in, node_t *nodes,
                       int32_t *leaves) {
  for (int32_t i = (int32_t)node_cnt(use); i-- > 0;) {
    const float *n = in[IN_NODES] + 4 * (size_t)i;
    if (n[0] == -1.0f) {
      nodes[i]  = (node_t){NAN, 0, 0};
      leaves[i] = (int32_t)n[2];
      continue;
    }
    nodes[i]      = (node_t){n[1], (uint16_t)n[0], (uint16_t)(n[3] - (float)i)};
    int32_t below = depth_of(leaves, i + 1), other = depth_of(leaves, i + nodes[i].other);
    leaves[i] = -1 - (below > other ? below : other);
  }
}

static void pack(const tf_tensor_use_t *use, const float *const *in, void *target) {
  const uint32_t cnt = node_cnt(use), trees = tree_cnt(use);
  forest_t      *f      = target;
  node_t        *nodes  = (node_t *)(void *)((uint8_t *)target + TF_LINE_BYTES);
  int32_t       *leaves = (int32_t *)(void *)(nodes + cnt), *roots = leaves + cnt;
  uint32_t      *depths         = (uint32_t *)(void *)(roots + trees);
  *f                            = (forest_t){NULL, nodes, leaves, roots, depths};
  const tf_tree_source_t source = source_of(use, in);
  if (use->isa == TF_ISA_AVX512 && tf_tree_scan_pack(&source, nodes)) {
    f->scan = (const tf_tree_scan_t *)(const void *)nodes;
    return;
  }
  memset(depths, 0, group_cnt(use) * sizeof *depths);
  pack_nodes(use, in, nodes, leaves);
  for (uint32_t t = 0; t < trees; t++) {
    roots[t]       = (int32_t)in[IN_ROOTS][t];
    uint32_t depth = (uint32_t)depth_of(leaves, roots[t]);
    if (depths[t / ABREAST] < depth) depths[t / ABREAST] = depth;
  }
}

static bool has_nan(const float *x, uint32_t cnt) {
  bool found = false;
  for (uint32_t i = 0; i < cnt; i++) found |= x[i] != x[i];
  return found;
}

/* cnt trees from first on, each to its leaf. A full group's loop is of known length. */
static inline __attribute__((always_inline)) void walk(const forest_t *f, uint32_t group,
                                                       uint32_t cnt, const float *x, int32_t *at) {
  for (uint32_t t = 0; t < cnt; t++) at[t] = f->roots[group * ABREAST + t];
  for (uint32_t step = f->depths[group]; step-- > 0;)
    for (uint32_t t = 0; t < cnt; t++) {
      const node_t *n     = &f->nodes[at[t]];
      const int32_t below = x[n->feature] <= n->threshold;
      at[t] += n->other +
               below * (1 - n->other); /* a branch would be guessed wrongly half of the time */
    }
}

static void sum_row(const tf_tensor_use_t *use, const forest_t *f, const float *x,
                    const float *values, double *sums) {
  const uint32_t outputs = output_cnt(use), trees = tree_cnt(use);
  int32_t        at[ABREAST];
  for (uint32_t group = 0; group * ABREAST < trees; group++) {
    const uint32_t left = trees - group * ABREAST, cnt = left < ABREAST ? left : ABREAST;
    if (cnt == ABREAST)
      walk(f, group, ABREAST, x, at);
    else
      walk(f, group, cnt, x, at);
    for (uint32_t t = 0; t < cnt; t++) {
      const float *leaf = values + (size_t)f->leaves[at[t]] * outputs;
      for (uint32_t o = 0; o < outputs; o++) sums[o] += (double)leaf[o];
    }
  }
}

/* Sums in double, so twice the floats, and a line to begin at a double. */
static size_t scratch_cnt(const tf_tensor_use_t *use) { return 2 * (size_t)output_cnt(use); }

static void run(const tf_tensor_use_t *use, const float *const *in, float *out, float *scratch) {
  const uint32_t  outputs = output_cnt(use), width = width_of(use);
  const forest_t *forest = use->packed;
  const float    *x      = in[IN_X];
  double         *sums   = (double *)(void *)scratch;
  for (uint32_t row = 0; row < use->out.cnt / outputs; row++, x += width, out += outputs) {
    for (uint32_t o = 0; o < outputs; o++) sums[o] = (double)in[IN_BASE][o];
    if (forest->scan)
      tf_tree_scan_sum(forest->scan, x, sums);
    else
      sum_row(use, forest, x, in[IN_VALUES], sums);
    const bool nan = has_nan(x, width);
    for (uint32_t o = 0; o < outputs; o++) out[o] = nan ? NAN : (float)sums[o];
  }
}

static void ref(const tf_tensor_use_t *use, const double *const *in, double *out, double *scratch) {
  (void)scratch;
  const uint32_t outputs = output_cnt(use), width = width_of(use);
  const double  *x = in[IN_X];
  for (uint32_t row = 0; row < use->out.cnt / outputs; row++, x += width, out += outputs) {
    memcpy(out, in[IN_BASE], outputs * sizeof *out);
    for (uint32_t t = 0; t < tree_cnt(use); t++) {
      const double *n = in[IN_NODES] + 4 * (size_t)in[IN_ROOTS][t];
      while (n[0] >= 0.0) n = in[IN_NODES] + 4 * (size_t)(x[(size_t)n[0]] <= n[1] ? n[2] : n[3]);
      for (uint32_t o = 0; o < outputs; o++) out[o] += in[IN_VALUES][(size_t)n[2] * outputs + o];
    }
    for (uint32_t i = 0; i < width; i++)
      if (isnan(x[i]))
        for (uint32_t o = 0; o < outputs; o++) out[o] = (double)NAN;
  }
}

static uint64_t flops(const tf_tensor_use_t *use) {
  return (uint64_t)tree_cnt(use) * output_cnt(use) * (use->out.cnt / output_cnt(use));
}

const tf_tensor_op_t tf_tensor_tree_ensemble = {
    .name        = "tree_ensemble",
    .in_min      = IN_CNT,
    .in_max      = IN_CNT,
    .packs       = 1u << IN_NODES | 1u << IN_ROOTS,
    .shape       = shape,
    .scratch_cnt = scratch_cnt,
    .ref         = ref,
    .run         = run,
    .check       = check,
    .pack_bytes  = pack_bytes,
    .pack        = pack,
    .flops       = flops,
};
