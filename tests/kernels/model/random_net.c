#include "kernels/model/random_net.h"

#include <string.h>

#include "model/shapes.h"

#define VALUES_MAX 40u
#define CNT_MAX    3000u
#define MASKED     (-1e30f)

typedef struct maker {
  tf_net_t *net;
  uint64_t *seed;
  uint32_t  values[VALUES_MAX], cnt; /* that are no constants */
} maker_t;

uint32_t random_below(uint64_t *seed, uint32_t cnt) {
  float x;
  tf_shapes_noise(&x, 1, seed);
  const uint32_t at = (uint32_t)((x + 1.0f) * 0.5f * (float)cnt);
  return at < cnt ? at : cnt - 1;
}

static uint32_t below(maker_t *m, uint32_t cnt) { return random_below(m->seed, cnt); }

static const tf_tensor_shape_t *shape_of(const maker_t *m, uint32_t value) {
  return &m->net->values[value].shape;
}

static uint32_t dim(const maker_t *m, uint32_t value, uint32_t axis) {
  return shape_of(m, value)->dims[axis];
}

static uint32_t last(const maker_t *m, uint32_t value) { return shape_of(m, value)->rank - 1; }

/* Mostly one of the latest. */
static uint32_t pick(maker_t *m) {
  const uint32_t few = m->cnt < 3 ? m->cnt : 3;
  return below(m, 4) ? m->values[m->cnt - 1 - below(m, few)] : m->values[below(m, m->cnt)];
}

static bool add(maker_t *m, const char *op, const char *row, const uint32_t *in, uint32_t in_cnt,
                const int64_t *ints, uint32_t int_cnt, uint32_t *value) {
  const double  reals[TF_TENSOR_REALS_MAX] = {0};
  tf_net_spec_t spec                       = {.op      = tf_tensor_find(op),
                                              .row     = row ? tf_op_find(row) : NULL,
                                              .name    = op,
                                              .in      = in,
                                              .in_cnt  = in_cnt,
                                              .ints    = ints,
                                              .int_cnt = int_cnt,
                                              .reals   = reals};
  spec.real_cnt                            = spec.op->real_cnt;
  return tf_net_add(m->net, &spec, value) == TF_OK;
}

static bool add1(maker_t *m, const char *op, const char *row, uint32_t in, uint32_t *value) {
  return add(m, op, row, &in, 1, NULL, 0, value);
}

static bool add2(maker_t *m, const char *op, uint32_t a, uint32_t b, uint32_t *value) {
  const uint32_t in[2] = {a, b};
  return add(m, op, NULL, in, 2, NULL, 0, value);
}

static uint32_t constant(maker_t *m, const tf_tensor_shape_t *shape, float scale) {
  tf_tensor_shape_t s = *shape;
  uint32_t          value;
  if (tf_tensor_shape_count(&s) != TF_OK) abort();
  float *values = malloc(s.cnt * sizeof *values);
  tf_shapes_noise(values, s.cnt, m->seed);
  for (uint32_t i = 0; i < s.cnt; i++) values[i] *= scale;
  if (tf_net_add_constant(m->net, "c", &s, values, &value) != TF_OK) abort();
  return value;
}

static uint32_t constant2(maker_t *m, uint32_t a, uint32_t b) {
  const tf_tensor_shape_t s = {
      .rank = 2, .dims = {a, b}
  };
  return constant(m, &s, 0.5f);
}

static uint32_t constant3(maker_t *m, uint32_t a, uint32_t b, uint32_t c, float scale) {
  const tf_tensor_shape_t s = {
      .rank = 3, .dims = {a, b, c}
  };
  return constant(m, &s, scale);
}

static uint32_t numbers(maker_t *m, const float *from, uint32_t rank, uint32_t rows,
                        uint32_t columns) {
  tf_tensor_shape_t s = {
      .rank = rank, .dims = {rows, columns}
  };
  uint32_t value;
  if (tf_tensor_shape_count(&s) != TF_OK) abort();
  float *values = malloc(s.cnt * sizeof *values);
  memcpy(values, from, s.cnt * sizeof *values);
  if (tf_net_add_constant(m->net, "n", &s, values, &value) != TF_OK) abort();
  return value;
}

static bool reshape(maker_t *m, uint32_t in, const uint32_t *dims, uint32_t rank, uint32_t *value) {
  int64_t ints[TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < rank; i++) ints[i] = dims[i];
  return add(m, "reshape", NULL, &in, 1, ints, rank, value);
}

/* ---- one node each ---- */

static bool activation(maker_t *m, uint32_t *out) {
  static const char *const rows[] = {"relu", "tanh", "sigmoid", "gelu", "silu"};
  return add1(m, "each", rows[below(m, TF_ARRAY_CNT(rows))], pick(m), out);
}

/* Some of the axes of a constant are 1. */
static bool with_constant(maker_t *m, uint32_t *out) {
  static const char *const ops[] = {"add", "mul", "sub", "max", "min"};
  const uint32_t           x     = pick(m);
  tf_tensor_shape_t        s     = *shape_of(m, x);
  for (uint32_t axis = 0; axis < s.rank; axis++)
    if (below(m, 3)) s.dims[axis] = 1;
  return add2(m, ops[below(m, TF_ARRAY_CNT(ops))], x, constant(m, &s, 0.5f), out);
}

static bool two(maker_t *m, uint32_t *out) {
  static const char *const ops[] = {"add", "mul", "max"};
  return add2(m, ops[below(m, TF_ARRAY_CNT(ops))], pick(m), pick(m), out);
}

static bool dense(maker_t *m, uint32_t *out) {
  const uint32_t x = pick(m);
  if (shape_of(m, x)->rank < 2) return false;
  const uint32_t width = 1 + below(m, 20);
  if (!add2(m, "matmul", x, constant2(m, dim(m, x, last(m, x)), width), out)) return false;
  const tf_tensor_shape_t bias = {.rank = 1, .dims = {width}};
  return below(m, 2) || add2(m, "add", *out, constant(m, &bias, 0.5f), out);
}

/* As [1, channels, places]. */
static bool as_channels(maker_t *m, uint32_t x, uint32_t *out) {
  static const int64_t order[2] = {1, 0};
  const uint32_t       rank     = shape_of(m, x)->rank;
  *out                          = x;
  if (rank == 3 || rank == 4) return true;
  if (rank != 2 || !add(m, "transpose", NULL, &x, 1, order, 2, out)) return false;
  const uint32_t dims[3] = {1, dim(m, *out, 0), dim(m, *out, 1)};
  return reshape(m, *out, dims, 3, out);
}

static bool conv(maker_t *m, uint32_t *out) {
  uint32_t x, in[3];
  if (!as_channels(m, pick(m), &x)) return false;
  const tf_tensor_shape_t *s      = shape_of(m, x);
  const uint32_t           groups = s->dims[1] % 2 == 0 && below(m, 4) == 0 ? 2 : 1,
                 outputs          = groups * (1 + below(m, 7));
  tf_tensor_shape_t w             = {
                  .rank = s->rank, .dims = {outputs, s->dims[1] / groups}
  };
  int64_t ints[9] = {groups};
  for (uint32_t axis = 2; axis < s->rank; axis++) {
    int64_t *n   = ints + 1 + 4 * (axis - 2);
    w.dims[axis] = 1 + below(m, 4);
    n[0]         = 1 + (below(m, 4) == 0);
    n[1]         = 1 + below(m, 3);
    n[2]         = below(m, 2) ? below(m, 4) : (w.dims[axis] - 1) * n[1]; /* causal */
    n[3]         = below(m, 4) ? 0 : below(m, 3);
  }
  in[0] = x, in[1] = constant(m, &w, 0.5f);
  const tf_tensor_shape_t bias = {.rank = 1, .dims = {outputs}};
  in[2]                        = constant(m, &bias, 0.5f);
  return add(m, "conv", NULL, in, 2 + below(m, 2), ints, 1 + 4 * (shape_of(m, x)->rank - 2), out);
}

static bool pool(maker_t *m, uint32_t *out) {
  uint32_t x;
  if (!as_channels(m, pick(m), &x)) return false;
  const uint32_t axes     = shape_of(m, x)->rank - 2;
  int64_t        ints[16] = {0};
  for (uint32_t axis = 0; axis < axes; axis++) {
    int64_t *n = ints + 5 * axis;
    n[0] = 1 + below(m, 3), n[1] = 1 + below(m, 2), n[2] = 1 + below(m, 2);
    n[3] = below(m, (uint32_t)n[0]), n[4] = below(m, (uint32_t)n[0]);
  }
  const bool mean = below(m, 2);
  if (mean) ints[5 * axes] = below(m, 2);
  return add(m, mean ? "average_pool" : "max_pool", NULL, &x, 1, ints, 5 * axes + mean, out);
}

static bool transpose(maker_t *m, uint32_t *out) {
  const uint32_t x = pick(m), rank = shape_of(m, x)->rank;
  int64_t        order[TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < rank; i++) order[i] = i;
  for (uint32_t i = rank; i-- > 1;) {
    const uint32_t other = below(m, i + 1);
    const int64_t  held  = order[i];
    order[i] = order[other], order[other] = held;
  }
  return add(m, "transpose", NULL, &x, 1, order, rank, out);
}

/* An axis of 1 more, two axes as one, or one as two. */
static bool another_shape(maker_t *m, uint32_t *out) {
  const uint32_t          x = pick(m);
  const tf_tensor_shape_t s = *shape_of(m, x);
  uint32_t                dims[TF_TENSOR_RANK_MAX + 1], rank = 0, at = below(m, s.rank);
  const uint32_t          kind = below(m, 3);
  if (s.rank + 1 > 5) return false;
  for (uint32_t axis = 0; axis < s.rank; axis++) {
    if (axis == at && kind == 0) dims[rank++] = 1;
    if (axis == at && kind == 1 && s.dims[axis] % 2 == 0)
      dims[rank++] = s.dims[axis] / 2, dims[rank++] = 2;
    else if (axis == at && kind == 2 && axis + 1 < s.rank)
      dims[rank++] = s.dims[axis] * s.dims[axis + 1], axis++;
    else
      dims[rank++] = s.dims[axis];
  }
  return reshape(m, x, dims, rank, out);
}

static bool slice(maker_t *m, uint32_t *out) {
  const uint32_t x = pick(m), rank = shape_of(m, x)->rank;
  int64_t        ints[3 * TF_TENSOR_RANK_MAX];
  for (uint32_t axis = 0; axis < rank; axis++) {
    const uint32_t size = dim(m, x, axis);
    int64_t       *n    = ints + 3 * (size_t)axis;
    n[0] = 0, n[1] = size, n[2] = 1;
    if (below(m, 2)) continue;
    n[2] = 1 + (below(m, 4) == 0);
    n[0] = below(m, size < 5 ? size : 5);
    n[1] = 1 + below(m, (uint32_t)((size - n[0] - 1) / n[2] + 1));
    if (below(m, 2)) n[1] = (size - n[0] - 1) / n[2] + 1; /* up to the end */
    if (below(m, 8) == 0) n[0] += (n[1] - 1) * n[2], n[2] = -n[2];
  }
  return add(m, "slice", NULL, &x, 1, ints, 3 * rank, out);
}

/* One entry, patches, or entries at random. */
static bool gather(maker_t *m, uint32_t *out) {
  const uint32_t x = pick(m), axis = below(m, shape_of(m, x)->rank), size = dim(m, x, axis);
  const uint32_t kind = below(m, 3), each = 1 + below(m, 4), by = 1 + below(m, 3);
  const uint32_t rows = size >= each ? (size - each) / by + 1 : 0;
  const int64_t  own  = axis;
  float          index[256];
  uint32_t       in[2] = {x, 0};
  if (kind == 0) {
    index[0] = (float)below(m, size) - (below(m, 2) ? (float)size : 0.0f);
    in[1]    = numbers(m, index, 0, 1, 1);
  } else {
    if (rows == 0 || rows * each > TF_ARRAY_CNT(index)) return false;
    for (uint32_t i = 0; i < rows * each; i++)
      index[i] = (float)(kind == 1 ? i / each * by + i % each : below(m, size));
    in[1] = numbers(m, index, 2, rows, each);
  }
  return add(m, "gather", NULL, in, 2, &own, 1, out);
}

static bool concat(maker_t *m, uint32_t *out) {
  const uint32_t in[2] = {pick(m), pick(m)};
  const int64_t  axis  = below(m, shape_of(m, in[0])->rank);
  return add(m, "concat", NULL, in, 2, &axis, 1, out);
}

static bool pad(maker_t *m, uint32_t *out) {
  const uint32_t x = pick(m), rank = shape_of(m, x)->rank;
  int64_t        ints[1 + 2 * TF_TENSOR_RANK_MAX] = {below(m, 3)};
  for (uint32_t i = 1; i <= 2 * rank; i++) ints[i] = below(m, 3) ? 0 : below(m, 4);
  return add(m, "pad", NULL, &x, 1, ints, 1 + 2 * rank, out);
}

static bool reduce(maker_t *m, uint32_t *out) {
  static const char *const ops[] = {"reduce_mean", "reduce_max", "reduce_sum"};
  const uint32_t           x     = pick(m);
  if (shape_of(m, x)->rank < 2) return false;
  const int64_t ints[2] = {below(m, 2), below(m, shape_of(m, x)->rank)};
  return add(m, ops[below(m, TF_ARRAY_CNT(ops))], NULL, &x, 1, ints, 2, out);
}

static bool rows(maker_t *m, uint32_t *out) {
  return below(m, 2) ? add1(m, "rows", "softmax", pick(m), out)
                     : add1(m, "layer_norm", NULL, pick(m), out);
}

static bool expand(maker_t *m, uint32_t *out) {
  const uint32_t          x = pick(m);
  const tf_tensor_shape_t s = *shape_of(m, x);
  int64_t                 ints[TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < s.rank; i++)
    ints[i] = s.dims[i] == 1 ? 1 + below(m, 4) : below(m, 2) ? s.dims[i] : 1;
  return add(m, "expand", NULL, &x, 1, ints, s.rank, out);
}

/* ---- compounds ---- */

static bool recurrent(maker_t *m, uint32_t *out) {
  static const char *const ops[]   = {"lstm", "gru", "rnn"};
  static const uint32_t    gates[] = {4, 3, 1};
  const uint32_t           kind = below(m, 3), units = 1 + below(m, 9);
  const int64_t            direction = below(m, 5) ? 0 : 1 + below(m, 2);
  uint32_t                 x         = pick(m), in[6];
  if (shape_of(m, x)->rank == 2) {
    const uint32_t dims[3] = {dim(m, x, 0), 1, dim(m, x, 1)};
    if (!reshape(m, x, dims, 3, &x)) return false;
  }
  if (shape_of(m, x)->rank != 3) return false;
  const uint32_t n = dim(m, x, 2), batch = dim(m, x, 1), directions = direction == 2 ? 2 : 1;
  const uint32_t all = gates[kind] * units;
  in[0]              = x;
  in[1]              = constant3(m, directions, all, n, 0.5f);
  in[2]              = constant3(m, directions, all, units, 0.5f);
  in[3]              = constant2(m, directions, 2 * all);
  in[4] = in[5] = constant3(m, directions, batch, units, below(m, 2) ? 0.0f : 0.5f);
  return add(m, ops[kind], NULL, in, kind == 0 ? 6 : 5, &direction, 1, out);
}

/* Scores under a causal mask, one of its own, or none. */
static bool attention(maker_t *m, uint32_t *out) {
  static const int64_t turn[2] = {1, 0};
  uint32_t             x       = pick(m), k, q, v, mask;
  if (shape_of(m, x)->rank == 3 && dim(m, x, 0) == 1 &&
      !reshape(m, x, shape_of(m, x)->dims + 1, 2, &x))
    return false;
  if (shape_of(m, x)->rank != 2) return false;
  const uint32_t t = dim(m, x, 0), n = dim(m, x, 1), width = 1 + below(m, 8), kind = below(m, 4);
  if (t * t > CNT_MAX) return false;
  bool good = add2(m, "matmul", x, constant2(m, n, width), &q) &&
              add2(m, "matmul", x, constant2(m, n, width), &k) &&
              add2(m, "matmul", x, constant2(m, n, width), &v) &&
              add(m, "transpose", NULL, &k, 1, turn, 2, &k) && add2(m, "matmul", q, k, &q);
  float *values = calloc(t * t, sizeof *values);
  for (uint32_t i = 0; i < t * t; i++)
    values[i] = kind == 0 ? (i % t > i / t ? MASKED : 0.0f)
                          : (below(m, 4) && i % t != i / t ? MASKED : 0.0f);
  mask = numbers(m, values, 2, t, t);
  free(values);
  if (good && kind < 2) good = add2(m, "add", q, mask, &q);
  return good && add1(m, "rows", "softmax", q, &q) && add2(m, "matmul", q, v, out);
}

typedef bool (*make_t)(maker_t *m, uint32_t *out);
static const make_t makes[] = {activation, with_constant, two,       dense,      conv,      pool,
                               transpose,  another_shape, slice,     gather,     concat,    pad,
                               reduce,     rows,          expand,    recurrent,  attention, conv,
                               dense,      conv,          attention, activation, recurrent, dense};

static bool finish(maker_t *m) {
  uint32_t       x      = m->values[m->cnt - 1];
  const uint32_t row[2] = {1, shape_of(m, x)->cnt};
  return reshape(m, x, row, 2, &x) && add2(m, "matmul", x, constant2(m, row[1], 3), &x) &&
         tf_net_end(m->net, x) == TF_OK;
}

tf_net_t *random_net(uint64_t *seed) {
  maker_t m = {.seed = seed, .cnt = 1};
  if (tf_net_new(2 + random_below(seed, 30), 1 + random_below(seed, 6), &m.net) != TF_OK) abort();
  const uint32_t nodes = 2 + random_below(seed, 14);
  for (uint32_t tries = 0; m.cnt < nodes && tries < 200; tries++) {
    uint32_t out;
    if (!makes[below(&m, TF_ARRAY_CNT(makes))](&m, &out) || shape_of(&m, out)->rank == 0 ||
        shape_of(&m, out)->cnt > CNT_MAX)
      continue;
    m.values[m.cnt++] = out;
  }
  if (m.cnt >= 2 && finish(&m)) return m.net;
  tf_net_delete(m.net);
  return NULL;
}
