/* Forests of random shapes: the leaf that a scan finds is the one that a walk in double comes to, at every limit and one
 * past it. Skips where the CPU has no AVX-512 VBMI. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "tensor/tree_scan.h"

#define NODES_MAX    20000u
#define TREES_MAX    64u
#define FEATURES_MAX 160u
#define OUTPUTS_MAX  3u

static float    nodes[NODES_MAX][4], values[NODES_MAX * OUTPUTS_MAX], roots[TREES_MAX];
static uint32_t node_cnt, leaf_cnt, tree_cnt, feature_cnt, output_cnt, grid;
static uint64_t seed = 88172645463325252u;

static uint32_t below(uint32_t end) {
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (uint32_t)(seed >> 33) % end;
}

/* One of grid numbers around 0, so that rows meet thresholds exactly. */
static float number(void) { return ((float)below(grid) - (float)(grid / 2)) * 0.25f; }

static void add_tree(uint32_t leaves) {
  const uint32_t at = node_cnt++;
  assert_true(node_cnt <= NODES_MAX);
  if (leaves == 1) {
    nodes[at][0] = -1.0f, nodes[at][1] = 0.0f, nodes[at][2] = (float)leaf_cnt++,
    nodes[at][3] = 0.0f;
    return;
  }
  /* uneven as trained trees are: often a single leaf on one side */
  const uint32_t left = below(3) == 0 ? 1 : below(3) == 0 ? leaves - 1 : 1 + below(leaves - 1);
  nodes[at][0] = (float)below(feature_cnt), nodes[at][1] = number(), nodes[at][2] = (float)(at + 1);
  add_tree(left);
  nodes[at][3] = (float)node_cnt;
  add_tree(leaves - left);
}

static tf_tree_source_t make(uint32_t trees, uint32_t leaves_max, uint32_t features,
                             uint32_t outputs) {
  node_cnt = leaf_cnt = 0, tree_cnt = trees, feature_cnt = features, output_cnt = outputs;
  for (uint32_t t = 0; t < trees; t++) {
    roots[t] = (float)node_cnt;
    add_tree(t == 0 ? leaves_max : 1 + below(leaves_max));
  }
  for (uint32_t i = 0; i < leaf_cnt * outputs; i++) values[i] = (float)(int)below(2000) / 7.0f;
  return (tf_tree_source_t){&nodes[0][0], values, roots, node_cnt, tree_cnt, outputs};
}

static void walk(const float *x, double *sums) {
  for (uint32_t t = 0; t < tree_cnt; t++) {
    const float *n = nodes[(uint32_t)roots[t]];
    while (n[0] >= 0.0f) n = nodes[(uint32_t)(x[(uint32_t)n[0]] <= n[1] ? n[2] : n[3])];
    for (uint32_t o = 0; o < output_cnt; o++)
      sums[o] += (double)values[(uint32_t)n[2] * output_cnt + o];
  }
}

static void check_rows(const tf_tree_source_t *source, uint32_t rows) {
  const size_t bytes = tf_tree_scan_bytes(source);
  assert_true(bytes > 0);
  void *scan = aligned_alloc(64, tf_align_up(bytes, 64));
  assert_non_null(scan);
  assert_true(tf_tree_scan_pack(source, scan));
  for (uint32_t r = 0; r < rows; r++) {
    float  x[FEATURES_MAX];
    double got[OUTPUTS_MAX] = {0.5, -1.5, 2.5}, want[OUTPUTS_MAX] = {0.5, -1.5, 2.5};
    for (uint32_t i = 0; i < FEATURES_MAX; i++) x[i] = number() + (below(2) ? 0.0f : 0.125f);
    if (r % 8 == 1) x[below(feature_cnt)] = INFINITY;
    if (r % 8 == 2) x[below(feature_cnt)] = -INFINITY;
    if (r % 8 == 3) x[below(feature_cnt)] = -0.0f;
    walk(x, want);
    tf_tree_scan_sum(scan, x, got);
    assert_memory_equal(got, want, output_cnt * sizeof *got);
  }
  free(scan);
}

static void the_leaf_is_the_one_that_a_walk_comes_to(void **state) {
  (void)state;
  static const uint32_t leaves[] = {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64};
  static const uint32_t widths[] = {1, 2, 63, 64, 65, 127, 128};
  for (size_t l = 0; l < TF_ARRAY_CNT(leaves); l++)
    for (size_t w = 0; w < TF_ARRAY_CNT(widths); w++)
      for (uint32_t trees = 1; trees <= 9; trees += 4) {
        tf_tree_source_t source;
        grid   = 60;
        source = make(trees, leaves[l], widths[w], 1 + (uint32_t)w % OUTPUTS_MAX);
        check_rows(&source, 24);
      }
}

static void ranks_of_two_bytes_agree_too(void **state) {
  (void)state;
  static const uint32_t widths[] = {1, 2, 31, 32, 33, 64};
  for (size_t w = 0; w < TF_ARRAY_CNT(widths); w++) {
    tf_tree_source_t source;
    grid   = 3000;
    source = make(TREES_MAX, 64, widths[w], 1);
    check_rows(&source, 200);
  }
}

/* A chain of trees of two leaves, thresholds 0 .. cnt - 1 of feature 0. */
static tf_tree_source_t chain(uint32_t cnt) {
  static float many_roots[TF_TREE_SCAN_RANKS16_MAX + 1];
  node_cnt = 0, leaf_cnt = 2;
  values[0] = 1.0f, values[1] = 0.0f;
  for (uint32_t i = 0; i < cnt; i++) {
    const float tree[3][4] = {
        {0.0f,  (float)i, (float)node_cnt + 1.0f, (float)node_cnt + 2.0f},
        {-1.0f, 0.0f,     0.0f,                   0.0f                  },
        {-1.0f, 0.0f,     1.0f,                   0.0f                  }
    };
    many_roots[i] = (float)node_cnt;
    memcpy(nodes[node_cnt], tree, sizeof tree);
    node_cnt += 3;
  }
  return (tf_tree_source_t){&nodes[0][0], values, many_roots, node_cnt, cnt, 1};
}

static void every_rank_is_told_from_its_neighbours(void **state) {
  (void)state;
  static const uint32_t cnts[] = {
      1, 15, 16, 17, 254, TF_TREE_SCAN_RANKS8_MAX, 256, 257, 272, 4094, TF_TREE_SCAN_RANKS16_MAX};
  for (size_t c = 0; c < TF_ARRAY_CNT(cnts); c++) {
    const tf_tree_source_t source = chain(cnts[c]);
    const size_t           bytes  = tf_tree_scan_bytes(&source);
    void                  *scan   = aligned_alloc(64, tf_align_up(bytes, 64));
    assert_true(bytes > 0 && scan && tf_tree_scan_pack(&source, scan));
    for (uint32_t i = 0; i <= cnts[c]; i++) {
      double above = 0.0, at = 0.0;
      tf_tree_scan_sum(scan, &(float){(float)i - 0.5f}, &above);
      tf_tree_scan_sum(scan, &(float){(float)i}, &at);
      assert_true(above == (double)(cnts[c] - i)); /* thresholds i .. cnt - 1 answer yes */
      assert_true(at == (double)(cnts[c] - i));
    }
    free(scan);
  }
}

static void what_is_too_large_is_left_to_the_walk(void **state) {
  (void)state;
  tf_tree_source_t source;
  grid   = 60;
  source = make(3, TF_TREE_SCAN_LEAVES_MAX + 1, 4, 1);
  assert_int_equal(tf_tree_scan_bytes(&source), 0);
  assert_false(tf_tree_scan_pack(&source, nodes));
  source = chain(TF_TREE_SCAN_RANKS16_MAX + 1);
  assert_int_equal(tf_tree_scan_bytes(&source), 0);
  source = chain(129); /* a feature each */
  for (uint32_t i = 0; i < 129; i++) nodes[3 * i][0] = (float)i;
  assert_int_equal(tf_tree_scan_bytes(&source), 0);
  nodes[3 * 128][0] = 0.0f;
  assert_true(tf_tree_scan_bytes(&source) > 0);
  source = chain(300); /* ranks of two bytes for the first */
  for (uint32_t i = 0; i < 64; i++) nodes[3 * i][0] = (float)(i + 1);
  for (uint32_t i = 64; i < 128; i++) nodes[3 * i][0] = (float)(i % 32 + 1);
  assert_true(tf_tree_scan_bytes(&source) > 0); /* 172 thresholds of feature 0: a byte is enough */
  source = chain(400);
  for (uint32_t i = 0; i < 64; i++) nodes[3 * i][0] = (float)(i + 1);
  assert_int_equal(tf_tree_scan_bytes(&source), 0); /* 65 features and 336 thresholds */
  nodes[0][0] = 2.0f;
  assert_true(tf_tree_scan_bytes(&source) > 0);
  nodes[0][1] = NAN;
  assert_int_equal(tf_tree_scan_bytes(&source), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_leaf_is_the_one_that_a_walk_comes_to),
      cmocka_unit_test(ranks_of_two_bytes_agree_too),
      cmocka_unit_test(every_rank_is_told_from_its_neighbours),
      cmocka_unit_test(what_is_too_large_is_left_to_the_walk),
  };
  const tf_tree_source_t least = chain(1);
  if (tf_tree_scan_bytes(&least) == 0) {
    printf("skipped: this CPU has no AVX-512 VBMI\n");
    return 77;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
