/* Small decision trees without walking them: the leaf of a tree out of the answers of all its nodes at once, in
 * AVX-512. Of use to tree_ensemble alone.
 *
 * Ranks. A node asks x <= t. Of each feature the thresholds of the whole forest are sorted; r(x) is how many of them are below
 * x. Then x <= t exactly where r(x) is at most t's own rank, so a row is brought to ranks once, a byte or two each, and a node compares
 * those: 64 nodes in one instruction (32 with two bytes).
 *
 * Leaves. In order, from left to right, node i stands between leaves i and i + 1: leaves begin[i] .. i are those below it on its
 * left. A node that answers no rules them out (Lucchese et al. 2015, "QuickScorer"). The leaf is the first that none rules out:
 * leaf l is ruled out where the least begin[i] of the nodes i >= l that answered no is at most l. That least
 * value, for all l at once, is a scan from the right: log2(leaves) times a shift and a minimum of bytes.
 *
 * So a tree of 64 leaves takes 192 bytes and some twenty instructions, none of which waits for another tree's, and none a
 * branch. Smaller trees lie side by side: 2 of up to 32 leaves, 4 of up to 16. The sum is in double, in the order of the trees:
 * the bits are those of the walk. */
#ifndef TF_KERNELS_TENSOR_TREE_SCAN_H
#define TF_KERNELS_TENSOR_TREE_SCAN_H

#include "tf/base.h"

#define TF_TREE_SCAN_LEAVES_MAX 64u
/* Thresholds of one feature, and features that nodes ask for, with ranks of a byte and of two. */
#define TF_TREE_SCAN_RANKS8_MAX     255u
#define TF_TREE_SCAN_RANKS16_MAX    4095u
#define TF_TREE_SCAN_FEATURES8_MAX  128u
#define TF_TREE_SCAN_FEATURES16_MAX 64u

/* A forest as tree_ensemble has it, checked. */
typedef struct tf_tree_source {
  const float *nodes;  /* (node_cnt, 4) */
  const float *values; /* (leaves, output_cnt) */
  const float *roots;  /* (tree_cnt) */
  uint32_t     node_cnt, tree_cnt, output_cnt;
} tf_tree_source_t;

typedef struct tf_tree_scan tf_tree_scan_t;

/* What tf_tree_scan_pack writes; 0 where the CPU lacks AVX-512 VBMI, a tree has too many leaves, a feature too
 * many thresholds, or there are too many features. Takes 33 bytes a node of memory meanwhile, and insists on it. */
size_t tf_tree_scan_bytes(const tf_tree_source_t *source);
/* target: tf_tree_scan_bytes, aligned to 64. False, target untouched, where that is 0. */
bool tf_tree_scan_pack(const tf_tree_source_t *source, void *target);

/* sums (output_cnt) += each tree's leaf for the row x. NaN in x counts as less than every threshold. No state, any thread. */
void tf_tree_scan_sum(const tf_tree_scan_t *scan, const float *x, double *sums);

#endif
