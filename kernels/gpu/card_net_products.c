#include "gpu/card_net_products.h"

#include <string.h>

#include "core/error.h"

/* ---- products ---- */

static bool is_packed(const tf_tensor_use_t *use) { return use->constant_mask & 2u; }

/* The precision that a product with a constant matrix has on the CPU. */
static tf_precision_t precision_of(const tf_card_net_emit_t *e) {
  tf_tensor_product_t product;
  tf_tensor_use_t     use = *e->use;
  use.precision           = e->d->precision;
  return use.op->product(&use, 0, &product) ? e->d->precision : TF_PRECISION_FP32;
}

tf_err_t tf_card_net_products_add(tf_card_net_emit_t *e, tf_card_net_product_t *p,
                                  const tf_mat_source_t *source, tf_card_net_place_t out) {
  const bool       packed = source->weight != NULL;
  tf_card_net_op_t op =
      tf_card_net_emit_op_of(e, packed ? TF_CARD_OP_PRODUCT : TF_CARD_OP_MATMUL, 0);
  tf_err_t err = TF_OK;
  op.item_cnt  = p->batch_cnt * p->m * p->n;
  op.out       = out;
  if (packed) {
    op.lanes = tf_card_net_emit_lanes_of(e->d, p->k, tf_card_net_vector_cnt(source->precision),
                                         TF_CARD_NET_EMIT_LINE_LANES, op.item_cnt);
    err = tf_card_net_draft_pack(e->d, source, p->weight_batch ? p->batch_cnt : 1, p->weight_batch,
                                 op.lanes, p);
  } else {
    p->scale = tf_card_net_place(TF_CARD_NOWHERE, 0);
    op.lanes = tf_card_net_emit_lanes_of(
        e->d, p->k, 4, p->weight_k == 1 ? TF_CARD_NET_EMIT_LINE_LANES : 1, op.item_cnt);
  }
  op.product = *p;
  return err ? err : tf_card_net_emit_add_op(e, &op);
}

typedef struct matmul_sizes {
  uint32_t m, k, n, batch_cnt;
  bool     shared; /* one matrix for all */
} matmul_sizes_t;

/* As matmul.c has them. */
static matmul_sizes_t matmul_sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *a = &use->in[0], *b = &use->in[1], *out = &use->out;
  matmul_sizes_t           s = {.m         = a->dims[a->rank - 2],
                                .k         = a->dims[a->rank - 1],
                                .n         = out->dims[out->rank - 1],
                                .batch_cnt = tf_tensor_axes_cnt(out, 0, out->rank - 2)};
  s.shared                   = b->cnt == s.k * s.n && a->cnt == s.batch_cnt * s.m * s.k;
  if (s.shared) s.m *= s.batch_cnt, s.batch_cnt = 1;
  return s;
}

static void operands_of(const tf_tensor_use_t *use, uint32_t idx, uint32_t *a, uint32_t *b) {
  const tf_tensor_loop_t *l = &use->loop;
  *a = *b = 0;
  for (uint32_t axis = l->rank; axis-- > 0; idx /= l->dims[axis]) {
    *a += idx % l->dims[axis] * (uint32_t)l->step[0][axis];
    *b += idx % l->dims[axis] * (uint32_t)l->step[1][axis];
  }
}

/* Products from first on whose operands lie equal steps apart, up to cnt. */
static uint32_t run_of(const tf_tensor_use_t *use, uint32_t first, uint32_t cnt, uint32_t *a_step,
                       uint32_t *b_step) {
  uint32_t a, b, next_a, next_b, run = 1;
  operands_of(use, first, &a, &b);
  *a_step = *b_step = 0;
  for (; first + run < cnt; run++) {
    operands_of(use, first + run, &next_a, &next_b);
    if (run == 1) *a_step = next_a - a, *b_step = next_b - b;
    if (next_a != a + run * *a_step || next_b != b + run * *b_step) break;
  }
  return run;
}

static tf_err_t add_bias(tf_card_net_emit_t *e, const float *bias, uint32_t cnt,
                         tf_card_net_place_t *place) {
  *place = tf_card_net_place(TF_CARD_NOWHERE, 0);
  return bias ? tf_card_net_emit_add_floats(e, bias, cnt, place) : TF_OK;
}

tf_err_t tf_card_net_products_matmul(tf_card_net_emit_t *e) {
  const matmul_sizes_t s      = matmul_sizes_of(e->use);
  const bool           turned = e->use->int_cnt > 0 && e->use->ints[0];
  const size_t         k_step = turned ? 1 : s.n, n_step = turned ? s.k : 1;
  tf_card_net_place_t  a, b                              = {TF_CARD_NOWHERE, 0}, bias;
  tf_err_t             err = tf_card_net_emit_input_at(e, 0, &a);
  if (!err && !is_packed(e->use)) err = tf_card_net_emit_input_at(e, 1, &b);
  if (!err) err = add_bias(e, e->use->bias, s.n, &bias);
  for (uint32_t i = 0, cnt; i < s.batch_cnt && !err; i += cnt) {
    uint32_t a_at = 0, b_at = 0, a_step = 0, b_step = 0;
    cnt = 1;
    if (!s.shared) {
      cnt = run_of(e->use, i, s.batch_cnt, &a_step, &b_step);
      operands_of(e->use, i, &a_at, &b_at);
    }
    const size_t          each   = (size_t)s.k * s.n;
    tf_mat_source_t       source = {.row_floats    = n_step,
                                    .column_floats = k_step,
                                    .in_cnt        = s.k,
                                    .out_cnt       = s.n,
                                    .precision     = TF_PRECISION_FP32};
    tf_card_net_product_t p      = {.a         = tf_card_net_emit_behind(a, (uint64_t)a_at * s.m * s.k),
                                    .bias      = bias,
                                    .batch_cnt = cnt,
                                    .m         = s.m,
                                    .n         = s.n,
                                    .k         = s.k,
                                    .a_batch   = a_step * s.m * s.k,
                                    .a_m       = s.k,
                                    .a_k       = 1,
                                    .weight_n  = (uint32_t)n_step,
                                    .weight_k  = (uint32_t)k_step,
                                    .out_batch = s.m * s.n,
                                    .out_m     = s.n,
                                    .out_n     = 1};
    p.weight_batch               = (uint32_t)(b_step * each);
    if (is_packed(e->use)) {
      source.weight    = tf_card_net_emit_constant_of(e, 1) + b_at * each;
      source.precision = precision_of(e);
    } else {
      p.weight = tf_card_net_emit_behind(b, b_at * each);
    }
    err = tf_card_net_products_add(
        e, &p, &source,
        tf_card_net_emit_behind(tf_card_net_emit_out_at(e->call), (uint64_t)i * s.m * s.n));
  }
  return err;
}

/* ---- convolutions ---- */

#define CONV_AXES 2u

/* One axis as two, the first of size 1. */
typedef struct conv_sizes {
  uint32_t batch_cnt, groups, channels, outputs; /* the last two of a group */
  uint32_t in[CONV_AXES], kernel[CONV_AXES], out[CONV_AXES];
  int64_t  stride[CONV_AXES], dilation[CONV_AXES], before[CONV_AXES];
  uint32_t k, places, plane;
} conv_sizes_t;

static conv_sizes_t conv_sizes_of(const tf_tensor_use_t *use) {
  const tf_tensor_shape_t *x = &use->in[0], *w = &use->in[1];
  conv_sizes_t             s = {
                  .batch_cnt = x->dims[0],
                  .groups    = (uint32_t)use->ints[0],
                  .channels  = w->dims[1],
                  .in        = {1, 1},
                  .kernel    = {1, 1},
                  .out       = {1, 1},
                  .stride    = {1, 1},
                  .dilation  = {1, 1}
  };
  const uint32_t axes = x->rank - 2;
  s.outputs           = w->dims[0] / s.groups;
  for (uint32_t axis = 0; axis < axes; axis++) {
    const uint32_t to = axis + CONV_AXES - axes;
    const int64_t *n  = use->ints + 1 + 4 * (size_t)axis;
    s.in[to] = x->dims[2 + axis], s.kernel[to] = w->dims[2 + axis];
    s.out[to]    = use->out.dims[2 + axis];
    s.stride[to] = n[0], s.dilation[to] = n[1], s.before[to] = n[2];
  }
  s.k      = s.channels * s.kernel[0] * s.kernel[1];
  s.places = s.out[0] * s.out[1];
  s.plane  = s.in[0] * s.in[1];
  return s;
}

/* Where the input lies that weight k of a group meets at a place, from the group's first channel on; false outside. */
static bool conv_source(const conv_sizes_t *s, uint32_t place, uint32_t k, uint64_t *at) {
  const uint32_t taps = s->kernel[0] * s->kernel[1], tap = k % taps;
  const int64_t  y =
      place / s->out[1] * s->stride[0] + tap / s->kernel[1] * s->dilation[0] - s->before[0];
  const int64_t x =
      place % s->out[1] * s->stride[1] + tap % s->kernel[1] * s->dilation[1] - s->before[1];
  *at = (uint64_t)(k / taps) * s->plane + (uint64_t)(y * s->in[1] + x);
  return y >= 0 && y < s->in[0] && x >= 0 && x < s->in[1];
}

/* Weights that meet values of one place each, all of them: no rows need be gathered. */
static bool is_plain(const conv_sizes_t *s) {
  bool plain = s->k == s->channels && s->places == s->plane;
  for (uint32_t axis = 0; axis < CONV_AXES; axis++)
    plain &= s->stride[axis] == 1 && s->before[axis] == 0;
  return plain;
}

/* Rows of what the weights meet, place by place, of all groups of all of the batch. */
static tf_err_t gather_places(tf_card_net_emit_t *e, const conv_sizes_t *s, tf_card_net_place_t x,
                              tf_card_net_place_t rows) {
  const uint64_t cnt = (uint64_t)s->batch_cnt * s->groups * s->places * s->k;
  if (cnt > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values to multiply with, at most %llu are allowed",
                  (unsigned long long)cnt, (unsigned long long)TF_TENSOR_CNT_MAX);
  tf_err_t err = tf_card_net_draft_entries(e->d, (uint32_t)cnt);
  uint32_t n   = 0;
  for (uint32_t part = 0; part < s->batch_cnt * s->groups && !err; part++)
    for (uint32_t place = 0; place < s->places; place++)
      for (uint32_t k = 0; k < s->k; k++, n++) {
        uint64_t   at;
        const bool inside = conv_source(s, place, k, &at);
        e->d->entries[n]  = inside ? tf_card_net_entry(tf_card_net_emit_behind(
                                         x, (uint64_t)part * s->channels * s->plane + at))
                                   : TF_CARD_NOTHING;
      }
  tf_card_net_op_t op = tf_card_net_emit_op_of(e, TF_CARD_OP_EACH, (uint32_t)cnt);
  op.out              = rows;
  op.each.to          = (tf_card_net_view_t){rows, TF_CARD_ALONG};
  if (!err) err = tf_card_net_draft_view(e->d, (uint32_t)cnt, &op.each.from);
  e->access_cnt = 0;
  if (!tf_card_net_emit_constant_of(e, 0)) tf_card_net_emit_touch(e, x, e->use->in[0].cnt, false);
  tf_card_net_emit_touch(e, rows, cnt, true);
  if (!err) err = tf_card_net_emit_add_op(e, &op);
  tf_card_net_emit_touch_all(e);
  tf_card_net_emit_touch(e, rows, cnt, false);
  return err;
}

tf_err_t tf_card_net_products_conv(tf_card_net_emit_t *e) {
  const conv_sizes_t  s = conv_sizes_of(e->use);
  tf_card_net_place_t x, w = {TF_CARD_NOWHERE, 0}, bias = w;
  const uint64_t      part = (uint64_t)s.places * s.k;
  tf_err_t            err  = tf_card_net_emit_input_at(e, 0, &x);
  if (!err && !is_packed(e->use)) err = tf_card_net_emit_input_at(e, 1, &w);
  if (!err && e->use->in_cnt > 2) err = tf_card_net_emit_input_at(e, 2, &bias);
  tf_card_net_product_t p = {.bias       = bias,
                             .batch_cnt  = s.groups,
                             .m          = s.places,
                             .n          = s.outputs,
                             .k          = s.k,
                             .a_batch    = (uint32_t)part,
                             .a_m        = s.k,
                             .a_k        = 1,
                             .weight_n   = s.k,
                             .weight_k   = 1,
                             .bias_batch = s.outputs,
                             .out_batch  = s.outputs * s.places,
                             .out_m      = 1,
                             .out_n      = s.places};
  p.a                     = x;
  if (is_plain(&s)) {
    p.a_batch = s.channels * s.plane, p.a_m = 1, p.a_k = s.plane;
  } else if (!err) {
    p.a = tf_card_net_emit_work_at(e, part * s.groups * s.batch_cnt);
    err = gather_places(e, &s, x, p.a);
  }
  tf_mat_source_t source = {.row_floats    = s.k,
                            .column_floats = 1,
                            .in_cnt        = s.k,
                            .out_cnt       = s.outputs,
                            .precision     = TF_PRECISION_FP32};
  if (is_packed(e->use)) {
    source.weight    = tf_card_net_emit_constant_of(e, 1);
    source.precision = precision_of(e);
  }
  for (uint32_t b = 0; b < s.batch_cnt && !err; b++) {
    tf_card_net_product_t one = p;
    one.weight                = w;
    one.weight_batch          = s.outputs * s.k;
    one.a                     = tf_card_net_emit_behind(p.a, (uint64_t)b * s.groups * p.a_batch);
    err                       = tf_card_net_products_add(e, &one, &source,
                                                         tf_card_net_emit_behind(tf_card_net_emit_out_at(e->call),
                                                                                 (uint64_t)b * s.groups * p.out_batch));
  }
  return err;
}

/* ---- recurrent layers ---- */

enum { IN_X, IN_W, IN_R, IN_B, IN_H, IN_C };

static const struct {
  const char        *op;
  tf_card_net_cell_t cell;
} cells[] = {
    {"gru",  TF_CARD_CELL_GRU },
    {"lstm", TF_CARD_CELL_LSTM},
    {"rnn",  TF_CARD_CELL_RNN },
};

const tf_card_net_cell_t *tf_card_net_products_cell(const tf_tensor_use_t *use) {
  for (size_t i = 0; i < TF_ARRAY_CNT(cells); i++)
    if (tf_card_net_emit_is_named(use, cells[i].op)) return &cells[i].cell;
  return NULL;
}

/* The biases of x's and h's parts: a GRU's last gate keeps them apart, else their sum is h's. */
static tf_err_t add_biases(tf_card_net_emit_t *e, uint32_t direction, uint32_t gates,
                           uint32_t apart_from, tf_card_net_place_t *of_x,
                           tf_card_net_place_t *of_h) {
  const float *bias = tf_card_net_emit_constant_of(e, IN_B) + (size_t)direction * 2 * gates;
  float       *both = calloc(2 * (size_t)gates, sizeof *both);
  if (!both) return TF_ERR(E_CORE_NO_MEMORY, "%u biases", gates);
  for (uint32_t g = 0; g < gates; g++) {
    const bool apart = g >= apart_from;
    both[g]          = apart ? bias[g] : 0.0f;
    both[gates + g]  = apart ? bias[gates + g] : bias[g] + bias[gates + g];
  }
  tf_err_t err = tf_card_net_emit_add_floats(e, both, gates, of_x);
  if (!err) err = tf_card_net_emit_add_floats(e, both + gates, gates, of_h);
  free(both);
  return err;
}

static tf_precision_t recurrent_precision(const tf_card_net_emit_t *e, uint32_t part) {
  tf_tensor_product_t product;
  tf_tensor_use_t     use = *e->use;
  use.precision           = e->d->precision;
  return use.op->product(&use, part, &product) ? e->d->precision : TF_PRECISION_FP32;
}

/* One direction: gates of all rows by one product, then row by row. Work: gates of all rows, of one, h, carry. */
static tf_err_t add_direction(tf_card_net_emit_t *e, tf_card_net_cell_t cell, uint32_t d) {
  const tf_tensor_use_t *use  = e->use;
  const uint32_t         rows = use->in[IN_X].dims[0], batch = use->in[IN_X].dims[1],
                 inputs = use->in[IN_X].dims[2];
  const uint32_t gates = use->in[IN_R].dims[1], units = use->in[IN_R].dims[2],
                 directions = use->in[IN_R].dims[0];
  const uint64_t all = (uint64_t)rows * batch * gates, one = (uint64_t)batch * gates,
                 state = (uint64_t)batch * units, words = all + one + 2 * state;
  const tf_card_net_place_t work = tf_card_net_emit_work_at(e, words);
  tf_card_net_place_t       of_x, of_h, x, h, c;
  if (words > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%llu values of gates, at most %llu are allowed",
                  (unsigned long long)words, (unsigned long long)TF_TENSOR_CNT_MAX);
  tf_err_t err =
      add_biases(e, d, gates, cell == TF_CARD_CELL_GRU ? gates - units : gates, &of_x, &of_h);
  if (!err) err = tf_card_net_emit_input_at(e, IN_X, &x);
  if (!err) err = tf_card_net_emit_input_at(e, IN_H, &h);
  if (!err) err = tf_card_net_emit_input_at(e, cell == TF_CARD_CELL_LSTM ? IN_C : IN_H, &c);
  tf_card_net_product_t p      = {.a         = x,
                                  .bias      = of_x,
                                  .batch_cnt = 1,
                                  .m         = rows * batch,
                                  .n         = gates,
                                  .k         = inputs,
                                  .a_m       = inputs,
                                  .a_k       = 1,
                                  .out_m     = gates,
                                  .out_n     = 1};
  tf_mat_source_t       source = {.weight =
                                      tf_card_net_emit_constant_of(e, IN_W) + (size_t)d * gates * inputs,
                                  .row_floats = inputs,
                                  .in_cnt     = inputs,
                                  .out_cnt    = gates,
                                  .precision  = recurrent_precision(e, 0)};
  e->access_cnt                = 0;
  if (!tf_card_net_emit_constant_of(e, IN_X))
    tf_card_net_emit_touch(e, x, use->in[IN_X].cnt, false);
  tf_card_net_emit_touch(e, work, all, true);
  if (!err) err = tf_card_net_products_add(e, &p, &source, work);
  if (err) return err;

  tf_card_net_op_t op = tf_card_net_emit_op_of(e, TF_CARD_OP_RECURRENCE, 0);
  op.out              = tf_card_net_emit_behind(op.out, d * state);
  op.recurrence =
      (tf_card_net_recurrence_t){.cell       = cell,
                                 .is_reverse = use->ints[0] == 1 || d == 1,
                                 .row_cnt    = rows,
                                 .batch_cnt  = batch,
                                 .unit_cnt   = units,
                                 .out_row    = (uint32_t)(directions * state),
                                 .carry_row  = TF_CARD_NOTHING,
                                 .gates      = work,
                                 .h          = tf_card_net_emit_behind(h, d * state),
                                 .carry      = tf_card_net_emit_behind(c, d * state),
                                 .work_h     = tf_card_net_emit_behind(work, all + one),
                                 .work_carry = tf_card_net_emit_behind(work, all + one + state)};
  if (use->int_cnt > 1 && use->ints[1]) op.recurrence.carry_row = rows;
  tf_card_net_emit_touch_all(e);
  tf_card_net_emit_touch(e, work, all, false);
  tf_card_net_emit_touch(e, tf_card_net_emit_behind(work, all), one + 2 * state, true);
  err = tf_card_net_emit_add_op(e, &op);
  if (err) return err;
  source =
      (tf_mat_source_t){.weight = tf_card_net_emit_constant_of(e, IN_R) + (size_t)d * gates * units,
                        .row_floats = units,
                        .in_cnt     = units,
                        .out_cnt    = gates,
                        .precision  = recurrent_precision(e, 1)};
  p             = (tf_card_net_product_t){.a         = op.recurrence.work_h,
                                          .bias      = of_h,
                                          .batch_cnt = 1,
                                          .m         = batch,
                                          .n         = gates,
                                          .k         = units,
                                          .a_m       = units,
                                          .a_k       = 1,
                                          .out_m     = gates,
                                          .out_n     = 1};
  e->access_cnt = 0; /* it is the recurrence that runs it */
  return tf_card_net_products_add(e, &p, &source, tf_card_net_emit_behind(work, all));
}

tf_err_t tf_card_net_products_recurrent(tf_card_net_emit_t *e) {
  tf_err_t err = TF_OK;
  for (uint32_t d = 0; d < e->use->in[IN_R].dims[0] && !err; d++) {
    e->d->call++; /* each with work of its own */
    err = add_direction(e, *tf_card_net_products_cell(e->use), d);
  }
  return err;
}
