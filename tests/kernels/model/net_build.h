/* Nets written by hand: values and nodes one behind the other, each a line. What cannot be added fails the test. */
#ifndef TF_TESTS_KERNELS_MODEL_NET_BUILD_H
#define TF_TESTS_KERNELS_MODEL_NET_BUILD_H

#include "cmocka_tf.h"

#include <string.h>

#include "core/error.h"
#include "model/net.h"

/* A graph under construction. */
typedef struct build {
  tf_net_t *net;
  uint64_t  seed;
} build_t;

static inline float uniform(build_t *b) { /* -1 .. 1 */
  b->seed ^= b->seed << 13, b->seed ^= b->seed >> 7, b->seed ^= b->seed << 17;
  return (float)(b->seed >> 40) * 0x1p-23f - 1.0f;
}

static inline void begin_window(build_t *b, uint32_t rows, uint32_t columns) {
  *b = (build_t){.seed = 88172645463325252u};
  assert_int_equal(tf_net_new(rows, columns, &b->net), TF_OK);
}

static inline tf_tensor_shape_t shape_of(uint32_t rank, const uint32_t *dims) {
  tf_tensor_shape_t s = {.rank = rank};
  if (rank) memcpy(s.dims, dims, rank * sizeof *dims);
  assert_int_equal(tf_tensor_shape_count(&s), TF_OK);
  return s;
}

static inline uint32_t add_values(build_t *b, uint32_t rank, const uint32_t *dims,
                                  const float *values) {
  const tf_tensor_shape_t s    = shape_of(rank, dims);
  float                  *copy = malloc(s.cnt * sizeof *copy);
  uint32_t                value;
  for (uint32_t i = 0; i < s.cnt; i++) copy[i] = values ? values[i] : uniform(b);
  assert_int_equal(tf_net_add_constant(b->net, "c", &s, copy, &value), TF_OK);
  return value;
}
/* random(b, 3, 4): a constant [3, 4]. */
#define RANDOM(b, ...)                                                                             \
  add_values(b, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__},   \
             NULL)

static inline uint32_t number(build_t *b, double x) {
  const float narrow = (float)x;
  return add_values(b, 0, NULL, &narrow);
}

static inline uint32_t put(build_t *b, const char *op, const char *row, const uint32_t *in,
                           uint32_t in_cnt, const int64_t *ints, uint32_t int_cnt,
                           const double *reals, uint32_t real_cnt) {
  char name[24];
  snprintf(name, sizeof name, "n%u", b->net->node_cnt);
  const tf_net_spec_t spec = {.op       = tf_tensor_find(op),
                              .row      = row ? tf_op_find(row) : NULL,
                              .name     = name,
                              .in       = in,
                              .in_cnt   = in_cnt,
                              .ints     = ints,
                              .int_cnt  = int_cnt,
                              .reals    = reals,
                              .real_cnt = real_cnt};
  uint32_t            value;
  if (tf_net_add(b->net, &spec, &value) != TF_OK) fail_msg("%s", tf_error_text());
  return value;
}
static inline uint32_t both(build_t *b, const char *op, uint32_t x, uint32_t y) {
  return put(b, op, NULL, (uint32_t[]){x, y}, 2, NULL, 0, NULL, 0);
}
static inline uint32_t one(build_t *b, const char *op, uint32_t x) {
  return put(b, op, NULL, &x, 1, NULL, 0, NULL, 0);
}
static inline uint32_t each(build_t *b, const char *row, uint32_t x) {
  return put(b, "each", row, &x, 1, NULL, 0, (double[]){0.0, 0.0}, 2);
}
#define MOVE(b, op, x, ...)                                                                        \
  put(b, op, NULL, (uint32_t[]){x}, 1, (int64_t[]){__VA_ARGS__},                                   \
      sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), NULL, 0)

#endif
